//! What passes by: missed by who does not listen.

use chat_wire::ids::{AccountId, DeviceId, MessageId, RelayId, UserName};
use chat_wire::message::PresenceStatus;

use super::{Conversation, HistoryProgress, MessageStatus, Route};

/// Something passing: missed by who does not listen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An own message got further.
    Receipt {
        /// Which.
        id: MessageId,
        /// Where.
        conversation: Conversation,
        /// Name of the conversation.
        to: String,
        /// Who got or read it; none for `sent`.
        by: Option<UserName>,
        /// How far.
        status: MessageStatus,
    },
    /// Somebody types.
    Typing {
        /// Who.
        from: UserName,
        /// Where.
        to: String,
        /// Or no longer.
        active: bool,
    },
    /// A mutual contact came or went.
    Presence {
        /// Who.
        username: UserName,
        /// Here or gone.
        online: bool,
        /// What it shows.
        status: PresenceStatus,
    },
    /// The relay on this connection proved its identity; a registration or login may start there.
    Greeted {
        /// The connection.
        route: Route,
        /// The relay, as pinned.
        relay: RelayId,
        /// Its challenge on this connection.
        challenge: [u8; 32],
    },
    /// For the shell: an own device is to have the history before a place, or the newest; answered by
    /// [`AccountCommand::GiveHistory`](super::AccountCommand::GiveHistory). Said again until it is.
    HistoryWanted {
        /// Which.
        device: DeviceId,
        /// A place of the shell's; none for the end.
        before: Option<i64>,
    },
    /// This device waits for another one of its account to let it in.
    AwaitsEntry {
        /// What the other devices show for it.
        code: String,
    },
    /// Nothing is left to decide about a device that waited.
    EntrySettled {
        /// Which.
        device: DeviceId,
    },
    /// How far the history is that another own device gives.
    HistoryProgress(HistoryProgress),
    /// This device is let in by the relay, or no longer.
    Online(bool),
    /// Something went wrong that the engine dealt with by itself; for logs and diagnostics.
    Trouble(Trouble),
}

/// What went wrong and was dealt with: a value, so that a shell can count and show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The relay showed another identity key than the pinned one; the connection was closed.
    RelayKeyChanged,
    /// The relay did not prove its identity key, or broke the protocol; the connection was closed.
    RelayBroken,
    /// The store is older than what the relay saw of this device: sessions were started afresh.
    StoreStale,
    /// The relay handed out a device list that does not continue the verified one; it was not used.
    ListRefused(AccountId),
    /// The relay handed out a prekey bundle that its device did not sign; it was not used.
    BundleRefused(AccountId),
    /// The relay handed out an account record that no device of the account signed, or that is none.
    RecordRefused,
    /// A device list has expired; sending to its devices goes on.
    ListExpired(AccountId),
    /// A packet could not be opened and was dropped.
    Undecryptable,
    /// A packet came a second time and was dropped.
    Duplicate,
    /// A device's message does not follow the one that it says it follows.
    StreamBroken(AccountId),
    /// Messages of this account to a room are missing before one that came.
    Missing(AccountId),
    /// Two different packets came from one position of a device's session: a clone of it, or a store that
    /// was set back, speaks.
    Forked(AccountId),
    /// A session with a device of this account was started over.
    SessionReset(AccountId),
    /// A session's key exchange was broken by the other side; the session was given up.
    SessionBroken,
    /// A commit in a room was not sound or not allowed; it was passed over.
    CommitRefused,
    /// Two members of a room were shown two histories of it.
    RoomForked,
    /// More was held back or waiting than a limit allows; a packet was dropped.
    Overflow,
}
