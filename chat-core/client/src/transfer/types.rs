//! What a client asks about files, and what it is told.

use std::path::PathBuf;

use chat_core::engine::{Failure, FailureKind};
use chat_wire::ids::MessageId;

use crate::event::Direction;

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToSend {
    /// User name or room.
    pub to: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Text beside it.
    pub caption: Option<String>,
    /// A repeat with the same key returns the first result.
    pub idempotency_key: Option<String>,
}

/// A file that the relay holds and whose message is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentFile {
    /// Its message.
    pub id: MessageId,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToFetch {
    /// Its message.
    pub id: MessageId,
    /// A directory to put it into under its own name, made safe, or the path of the file to be; none for
    /// the directory of [`crate::Downloads`]. What lies there already is never overwritten.
    pub path: Option<PathBuf>,
}

/// A file that was fetched and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferState {
    /// It goes on as soon as there is a connection, and others have made room.
    Waiting,
    /// Bytes flow.
    Running,
    /// A person stopped it.
    Paused,
    /// Everything arrived.
    Done,
    /// It can't go on; resuming tries again.
    Failed(FailureKind),
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The message of its file.
    pub id: MessageId,
    /// Which way.
    pub direction: Direction,
    /// Name of the conversation.
    pub with: String,
    /// Name of the file: as it is called here, or as the sender calls it.
    pub name: String,
    /// The file here: the one that is sent, or, once it is done, the one that was saved.
    pub path: PathBuf,
    /// Bytes of the file that went over.
    pub done: u64,
    /// Bytes of the file.
    pub total: u64,
    /// How it stands.
    pub state: TransferState,
}

/// A failure of one kind.
pub(super) fn failed<T>(kind: FailureKind) -> Result<T, Failure> {
    Err(Failure::of(kind))
}
