//! What a person or program wants.

use bytes::Bytes;
use chat_wire::ids::{AccountId, MessageId, UserName};
use chat_wire::message::PresenceStatus;

use super::{AccountCommand, Amendment, FileCommand, RoomCommand, Route};

/// What a person or program wants.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Ends a registration whose OPAQUE half the shell has done on this route.
    Enroll(Box<Enrollment>),
    /// Something about the own account, its devices, or trust.
    Account(AccountCommand),
    /// Ends a login by password whose OPAQUE half the shell has done on this route.
    Resume(Box<Resumption>),
    /// Logs out; with `forget` erases this device's data and takes it off the account.
    Logout {
        /// Erase and remove.
        forget: bool,
    },
    /// Sets the display name.
    SetProfile {
        /// Free text, or none to leave it.
        display_name: Option<String>,
    },
    /// Sets what contacts see.
    SetPresence {
        /// The status.
        status: PresenceStatus,
    },
    /// Looks for people.
    Search {
        /// Exact name or prefix.
        query: String,
        /// At most this many.
        limit: u16,
    },
    /// Accepts a stranger's request: its held messages arrive.
    AcceptRequest(UserName),
    /// Declines a stranger's request, silently.
    DeclineRequest(UserName),
    /// Blocks somebody, silently.
    Block(UserName),
    /// Takes a block back; the contact is as before.
    Unblock(UserName),
    /// Sends a text. The reply comes as soon as it is durably queued.
    Send {
        /// User name, or room name with its `#`.
        to: String,
        /// The text, exactly as it arrives.
        text: String,
        /// The message that it answers.
        reply_to: Option<MessageId>,
        /// A repeat with the same key returns the first result.
        idempotency_key: Option<String>,
        /// Milliseconds after which each device that shows it shows it no longer.
        expires_in_ms: Option<u64>,
    },
    /// Something about files.
    File(FileCommand),
    /// Changes a message that was sent already.
    Amend(Amendment),
    /// Says that one types, or no longer does.
    Typing {
        /// Conversation.
        to: String,
        /// Typing or not.
        active: bool,
    },
    /// Something about rooms.
    Room(RoomCommand),
    /// Everything up to this message was read.
    MarkRead {
        /// Conversation.
        with: String,
        /// Last message read.
        id: MessageId,
    },
}

/// OPAQUE's results for a new account, and what the person chose.
#[derive(Debug)]
pub struct Enrollment {
    /// Connection on which `Register1` was answered.
    pub route: Route,
    /// The name.
    pub username: UserName,
    /// Display name, free text.
    pub display_name: Option<String>,
    /// Name of this device, sealed to own devices only.
    pub device_name: Option<String>,
    /// Invite code.
    pub invite: Option<String>,
    /// OPAQUE `RegistrationRecord`, 192 bytes, for the relay.
    pub record: Bytes,
    /// OPAQUE export key, 64 bytes; never leaves the device.
    pub export_key: ExportKey,
    /// Argon2id profile that stretched the password (key-schedule E).
    pub kp: u8,
}

/// OPAQUE's results for an existing account.
#[derive(Debug)]
pub struct Resumption {
    /// Connection on which `PasswordOk` came.
    pub route: Route,
    /// The name.
    pub username: UserName,
    /// Name for a new device.
    pub device_name: Option<String>,
    /// OPAQUE export key, 64 bytes; never leaves the device.
    pub export_key: ExportKey,
    /// Argon2id profile that stretched the password (key-schedule E).
    pub kp: u8,
    /// The account that the relay named.
    pub account: AccountId,
    /// Its device list, as received.
    pub list: Bytes,
    /// Its vault, as received.
    pub vault: Bytes,
    /// Ends a registration that a kill cut off: answered like it, by [`Reply::Enrolled`](super::Reply::Enrolled).
    pub finishes_registration: bool,
}

/// OPAQUE's export key, wiped when dropped.
pub struct ExportKey(pub zeroize::Zeroizing<[u8; 64]>);

impl std::fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportKey")
    }
}
