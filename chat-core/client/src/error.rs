//! Why a profile does not open.

use std::io;

use chat_core::engine::FailureKind;

/// Why a profile does not open. Whatever the reason, its files are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another client of this one, has it open.
    #[error("the profile is open in another process")]
    InUse,
    /// A newer version of the program wrote it.
    #[error("the store has version {found}, this program knows {known} at most")]
    TooNew {
        /// Version of the store.
        found: u32,
        /// Newest version that this program reads.
        known: u32,
    },
    /// The store or its key is damaged, or they do not belong together.
    #[error("the store is damaged")]
    Corrupt,
    /// The store's key is sealed, and no passphrase was given.
    #[error("the profile is locked with a passphrase")]
    Locked,
    /// The store's key is sealed under another passphrase, or was changed.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The store's key lies in the system's keyring, which does not give it: it is locked, it has no such
    /// entry, there is none, or this build has no way to it.
    #[error("the system's keyring does not give the profile's key")]
    Keyring,
    /// A file operation failed.
    #[error("the profile can't be read or written: {0}")]
    Io(#[from] io::Error),
    /// The engine refused its own records.
    #[error("the records contradict each other")]
    Records,
}

impl OpenError {
    /// The kind under which every shell reports it.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::InUse => FailureKind::ProfileInUse,
            Self::TooNew { .. } => FailureKind::StoreTooNew,
            Self::Corrupt | Self::Records => FailureKind::Integrity,
            Self::Locked | Self::Keyring => FailureKind::StoreLocked,
            Self::WrongPassphrase => FailureKind::WrongPassphrase,
            Self::Io(_) => FailureKind::Io,
        }
    }
}
