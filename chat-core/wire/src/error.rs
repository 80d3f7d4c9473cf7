//! What the relay answers when it does not do what was asked (SPEC 7.3).

use serde::{Deserialize, Serialize};

/// The kinds of refusal. New kinds may be added; an unknown one reads as [`RefusalKind::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The bytes are no message of this protocol; the connection closes.
    Malformed,
    /// A message that is not due in this state of the connection.
    OutOfPlace,
    /// No version in common.
    Version,
    /// Name or password is wrong, or the name does not exist: one answer for all three.
    BadCredentials,
    /// The device's signature is wrong or the device is not in the account's list.
    NotEnrolled,
    /// The name belongs to somebody else, or is reserved.
    NameTaken,
    /// The relay takes no new accounts.
    RegistrationClosed,
    /// The invite code is missing, used or unknown.
    BadInvite,
    /// No account of that name or id.
    UnknownUser,
    /// No room of that name or id, or one that is not shown to who asks.
    UnknownRoom,
    /// The room's name is taken, or reserved.
    RoomExists,
    /// A signed object is not acceptable: shape, signature or sequence.
    BadList,
    /// The stored value is not the expected one (compare-and-set).
    Conflict,
    /// Over a size limit.
    TooLarge,
    /// Over a rate limit; `retry_ms` says when to come back.
    RateLimited,
    /// The recipient's mailbox is full.
    MailboxFull,
    /// Not allowed.
    Forbidden,
    /// The relay can't write at the moment (disk full, read-only, I/O error).
    Unavailable,
    /// The account was deleted (SPEC 9.10.2).
    AccountDeleted,
    /// No blob of that id, or one that is not finished, or has expired.
    UnknownBlob,
    /// The account's blobs fill its quota.
    QuotaFull,
    /// A message this relay does not know.
    Unsupported,
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// A refusal: the answer to the request whose number the frame carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind.
    #[serde(rename = "k")]
    pub kind: RefusalKind,
    /// Milliseconds until a retry makes sense; 0 when it never does.
    #[serde(rename = "ms", default)]
    pub retry_ms: u64,
}

impl Refusal {
    /// A refusal that a retry does not change.
    #[must_use]
    pub fn of(kind: RefusalKind) -> Self {
        Self { kind, retry_ms: 0 }
    }
}
