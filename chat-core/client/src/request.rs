//! What is asked of a client beside the engine's commands, and what it answers.

use std::fmt;

use chat_core::engine::{Conversation, Message};
use chat_wire::ids::{DeviceId, MessageId, UserName};
use zeroize::Zeroizing;

use crate::config::{Pin, RelayAddress};

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

impl From<Zeroizing<String>> for Password {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
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

/// A forgotten password, to be replaced by the recovery code.
#[derive(Debug)]
pub struct RecoveryRequest {
    /// The account's name.
    pub username: String,
    /// The code as the person typed it.
    pub recovery_code: Password,
    /// The next password.
    pub new_password: Password,
    /// Name for a new device.
    pub device_name: Option<String>,
}

/// A recovery succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The name.
    pub username: UserName,
    /// This device.
    pub device: DeviceId,
    /// Whether the recovery enrolled it.
    pub new_device: bool,
    /// The next code, shown once; the old one is void.
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
    /// Which part.
    pub part: HistoryPart,
    /// At most this many; [`HISTORY_PAGE_MAX`] at most.
    pub limit: u32,
}

/// Which part of a history a page shows. The named message itself is only in `Around`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryPart {
    /// What arrived last.
    Newest,
    /// What arrived just before a message.
    Before(MessageId),
    /// What arrived just after a message.
    After(MessageId),
    /// A message with its neighbours, half of the page on each side.
    Around(MessageId),
    /// What came at this time, in milliseconds since the Unix epoch, or next after it, with its neighbours.
    At(u64),
}

/// Messages in one answer: many screens, while 64 KiB texts still stay under 64 MiB.
pub const HISTORY_PAGE_MAX: u32 = 1_000;

/// A part of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagePage {
    /// The messages, oldest first, in the order of arrival.
    pub messages: Vec<Message>,
    /// Older ones follow before the page.
    pub more_before: bool,
    /// Newer ones follow after the page.
    pub more_after: bool,
}

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

/// Whether a text names somebody: `@name`, with punctuation around it or none.
#[must_use]
pub fn mentions(text: &str, username: &str) -> bool {
    let bare = |word: &str| {
        word.trim_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '@' | '_' | '-')).to_ascii_lowercase()
    };
    let username = username.to_ascii_lowercase();
    text.split_whitespace().any(|word| bare(word).strip_prefix('@').is_some_and(|name| name == username))
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
    /// The oldest of them.
    pub first_unread: Option<MessageId>,
    /// Those of them that name this person; of rooms only.
    pub mentions: u64,
    /// The newest message.
    pub last_message: Option<Message>,
    /// Unsent text.
    pub draft: Option<String>,
}

/// What the relay showed of itself in the last handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayIdentity {
    /// Where.
    pub relay: RelayAddress,
    /// SHA-256 of its public key.
    pub pin: Pin,
    /// Why it is trusted, or that it is not.
    pub trust: RelayTrust,
}

/// Why a relay's certificate is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayTrust {
    /// It has the key that was told, or that this profile knows from before.
    Pinned,
    /// The system's roots vouch for it.
    Roots,
    /// It was the first one seen, and is pinned from now on.
    FirstUse,
    /// Nobody vouches for it; [`crate::Client::trust_certificate`] may.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_whom_it_calls_whatever_stands_around_it_and_nobody_else() {
        for text in ["@bob", "ask @Bob, he knows", "(@bob)", "really?! @BOB!", "@bob:", "so, @bob"] {
            assert!(mentions(text, "bob"), "{text}");
        }
        for text in ["bob", "@bobby", "mail bob@example.org", "@ bob", "", "@@bob", "@bo"] {
            assert!(!mentions(text, "bob"), "{text}");
        }
        assert!(mentions("@b.ob- hm, @al_ice-2.", "al_ice-2"));
    }
}
