//! Why a command was not done.

use chat_wire::error::{Refusal, RefusalKind};

/// Why a command was not done: the kinds of the JSON-RPC contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the contract's; their sentences stand in `sentence`")]
pub enum FailureKind {
    InvalidParams,
    NotLoggedIn,
    BadCredentials,
    NotLetIn,
    WeakPassword,
    UsernameTaken,
    UnknownUser,
    UnknownRoom,
    RoomExists,
    UnknownMessage,
    Forbidden,
    Blocked,
    TooLarge,
    RateLimited,
    Offline,
    Timeout,
    NotFound,
    Integrity,
    KeyChanged,
    ProfileInUse,
    StoreTooNew,
    StoreLocked,
    WrongPassphrase,
    CertificateChanged,
    RegistrationClosed,
    Cancelled,
    FileExists,
    Io,
    Internal,
}

/// Why a command was not done, with the facts that help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// What a password lacks: `length`, `capital`, `digit`, `common`.
    pub unmet: Vec<&'static str>,
    /// When a retry makes sense.
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure without further facts.
    ///
    /// ```
    /// use chat_core::engine::{Failure, FailureKind};
    /// assert_eq!(Failure::of(FailureKind::UnknownUser).retry_after_ms, None);
    /// ```
    #[must_use]
    pub fn of(kind: FailureKind) -> Self {
        Self { kind, unmet: Vec::new(), retry_after_ms: None }
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        let kind = match refusal.kind {
            RefusalKind::BadCredentials => FailureKind::BadCredentials,
            RefusalKind::NotEnrolled | RefusalKind::Forbidden => FailureKind::Forbidden,
            RefusalKind::NameTaken => FailureKind::UsernameTaken,
            RefusalKind::RegistrationClosed | RefusalKind::BadInvite => FailureKind::RegistrationClosed,
            RefusalKind::UnknownUser => FailureKind::UnknownUser,
            RefusalKind::UnknownRoom => FailureKind::UnknownRoom,
            RefusalKind::RoomExists => FailureKind::RoomExists,
            RefusalKind::TooLarge => FailureKind::TooLarge,
            RefusalKind::RateLimited | RefusalKind::MailboxFull => FailureKind::RateLimited,
            // The relay is there but can't do its work at the moment.
            RefusalKind::Unavailable => FailureKind::Offline,
            _ => FailureKind::Internal,
        };
        let retry_after_ms = (refusal.retry_ms > 0).then_some(refusal.retry_ms);
        Self { kind, unmet: Vec::new(), retry_after_ms }
    }
}
