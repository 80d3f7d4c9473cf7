//! What is asked of a client beside the engine's commands, and what it answers.

use std::fmt;

use chat_core::engine::{Conversation, Message};
use chat_wire::ids::{DeviceId, MessageId, UserName};
use zeroize::Zeroizing;

/// A password as typed: wiped when dropped, never printed.
pub struct Password(Zeroizing<String>);

impl Password {
    /// The text as the person typed it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A new account.
#[derive(Debug)]
pub struct Registration {
    /// The wanted name; checked, and folded to lower case.
    pub username: String,
    /// The password.
    pub password: Password,
    /// Display name, free text.
    pub display_name: Option<String>,
    /// Name of this device, shown to own devices only.
    pub device_name: Option<String>,
    /// Invite code, where the relay wants one.
    pub invite: Option<String>,
}

/// An existing account.
#[derive(Debug)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Password,
    /// Name for a new device.
    pub device_name: Option<String>,
}

/// An account was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub username: UserName,
    /// This device.
    pub device: DeviceId,
    /// Shown once: 8 groups of 5.
    pub recovery_code: String,
}

/// A login succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The name.
    pub username: UserName,
    /// This device.
    pub device: DeviceId,
    /// Whether this login enrolled it.
    pub new_device: bool,
}

/// A page of a conversation's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// User name.
    pub with: String,
    /// Only what arrived before this message; none for the newest page.
    pub before: Option<MessageId>,
    /// At most this many; [`HISTORY_PAGE_MAX`] at most.
    pub limit: u32,
}

/// Messages in one answer: a page of screens, and 64 KiB texts still stay under 64 MiB.
pub const HISTORY_PAGE_MAX: u32 = 1_000;

/// A search in the texts of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSearch {
    /// Words; each must occur, the last one as a beginning.
    pub query: String,
    /// Only in this conversation.
    pub with: Option<String>,
    /// At most this many; [`HISTORY_PAGE_MAX`] at most.
    pub limit: u32,
}

/// One conversation of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationSummary {
    /// User name, or room name.
    pub name: String,
    /// Which.
    pub conversation: Conversation,
    /// Incoming messages not yet read.
    pub unread: u64,
    /// The newest message.
    pub last_message: Option<Message>,
}
