//! The answers to commands.

use chat_wire::ids::{DeviceId, MessageId, RequestKey, UserName};

use super::{RoomReply, SafetyNumber};

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Done.
    Done,
    /// The account stands, keys are published.
    Enrolled {
        /// The name.
        username: UserName,
        /// This device.
        device: DeviceId,
        /// Shown once: 8 groups of 5.
        recovery_code: String,
    },
    /// Logged in.
    LoggedIn {
        /// The name.
        username: UserName,
        /// This device.
        device: DeviceId,
        /// Whether this login enrolled it.
        new_device: bool,
    },
    /// A recovery succeeded; this device is logged in.
    Recovered {
        /// The name.
        username: UserName,
        /// This device.
        device: DeviceId,
        /// Whether the recovery enrolled it.
        new_device: bool,
        /// The next code, shown once; the old one is void.
        recovery_code: String,
    },
    /// The password is changed.
    PasswordChanged {
        /// The next code, shown once; the old one is void.
        recovery_code: String,
    },
    /// What two people compare.
    Safety(SafetyNumber),
    /// What the other side shows is right.
    Verified,
    /// Search results.
    Found(Vec<FoundPerson>),
    /// Something about rooms.
    Room(RoomReply),
    /// The message is durably queued.
    Queued {
        /// Its id.
        id: MessageId,
        /// Its time, milliseconds since the Unix epoch.
        timestamp_ms: u64,
    },
    /// The message of a file that may be uploaded now.
    FileReserved {
        /// Its id.
        id: MessageId,
        /// What it was made with, for the offer.
        nonce: RequestKey,
    },
}

/// A person found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPerson {
    /// The name.
    pub username: UserName,
    /// Online, for mutual contacts only.
    pub online: bool,
}
