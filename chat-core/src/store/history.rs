//! What the history and the notices hold: plain data that the shell keeps in its own tables.

use chat_wire::ids::{AccountId, DeviceId, MessageId, RoomId, RoomName, UserName};
use serde::{Deserialize, Serialize};

/// Where messages belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Conversation {
    /// Two accounts; named by the other one.
    #[serde(rename = "d")]
    Direct(AccountId),
    /// A room.
    #[serde(rename = "r")]
    Room(RoomId),
}

/// How far an own message got; incoming ones are `Delivered` until they are `Read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageStatus {
    /// On this device only.
    Queued,
    /// The relay holds it.
    Sent,
    /// A device of the recipient holds it.
    Delivered,
    /// The recipient read it.
    Read,
    /// It can't be delivered.
    Failed,
}

/// One message of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same for sender and recipients.
    pub id: MessageId,
    /// Where it belongs.
    pub conversation: Conversation,
    /// Author, from the verified list of the session's peer.
    pub from: UserName,
    /// The other person's name for own messages, the own name for incoming ones.
    pub to: String,
    /// Text; none when this version can't show the content.
    pub text: Option<String>,
    /// The file that it is about.
    pub file: Option<FileInfo>,
    /// Content of a kind that this version does not know, raw.
    pub unknown: Option<Vec<u8>>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// Own, from this or another device.
    pub outgoing: bool,
    /// How far it got.
    pub status: MessageStatus,
    /// Sender's time, clamped to the relay's ± 5 minutes; milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// It was edited.
    pub edited: bool,
    /// It was taken back, hidden, or has expired: nothing is left of what it said.
    pub deleted: bool,
    /// It came over a peer-to-peer link.
    pub direct: bool,
    /// It came out of an archive or from another own device, not from its author.
    pub imported: bool,
    /// What people think of it, by name.
    pub reactions: Vec<Reaction>,
}

/// What somebody thinks of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Who, from its verified list.
    pub from: UserName,
    /// A sign: up to 64 bytes without blanks or controls. Sanitise before showing.
    pub sign: String,
}

/// A file as its message shows it. What opens it stays with the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// What the sender calls it; free text, never a path.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What it holds, as far as the sender says.
    pub media_type: Option<String>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// When the relay removes it, milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// A stranger who wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who, from its verified list.
    pub username: UserName,
    /// First text, cut.
    pub preview: String,
    /// When, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

/// Something that must not be missed: stored under `seq`, shown until acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Increasing number of this device.
    pub seq: u64,
    /// What happened.
    pub kind: NoticeKind,
}

/// What a notice tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A message came.
    Message(Message),
    /// A message changed: as the shell tells it, from its history.
    MessageUpdated(Message),
    /// A message changed: as the engine tells it. The message stands in the history.
    Changed {
        /// Where.
        conversation: Conversation,
        /// Which.
        id: MessageId,
    },
    /// Somebody new wrote.
    Request(Request),
    /// A contact's identity changed.
    IdentityChanged {
        /// Who.
        username: UserName,
        /// How.
        reason: IdentityChange,
    },
    /// The relay was caught in a contradiction; the evidence is kept.
    TrustAlarm(Alarm),
    /// Something happened in a room.
    Room(RoomNotice),
    /// Another device of the account asks for the history.
    DeviceAsks {
        /// Which.
        device: DeviceId,
        /// Its name, if it has one.
        name: Option<String>,
    },
    /// A device that knows the password waits to be let in.
    DeviceWaits {
        /// Which it would be.
        device: DeviceId,
        /// What it shows on its screen.
        code: String,
    },
    /// This device was logged out by the relay or the account.
    LoggedOut {
        /// Why, as a stable word.
        reason: String,
    },
}

/// A contradiction that the relay, or a copy of a device, was caught in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Whose account it is about.
    pub subject: UserName,
    /// What happened.
    pub kind: AlarmKind,
    /// The signed objects that contradict each other: what was known, then what the relay showed.
    pub evidence: Vec<Vec<u8>>,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What a relay may be caught with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlarmKind {
    /// It showed an older device list than it had shown before.
    ListRolledBack,
    /// Two device lists of one account bear the same sequence number.
    ListForked,
    /// It showed an older account record than it had shown before.
    RecordRolledBack,
    /// Two account records bear the same version.
    RecordForked,
    /// Not the relay but a copy of a device: two packets were sealed at one position of its session (SPEC 8.7.6).
    DeviceCopied,
}

impl AlarmKind {
    /// The kind that a word stands for.
    ///
    /// ```
    /// use chat_core::store::AlarmKind;
    /// assert_eq!(AlarmKind::of_word("list-forked"), Some(AlarmKind::ListForked));
    /// assert_eq!(AlarmKind::ListForked.word(), "list-forked");
    /// ```
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let lists = [Self::ListRolledBack, Self::ListForked];
        let all = [Self::RecordRolledBack, Self::RecordForked, Self::DeviceCopied];
        lists.into_iter().chain(all).find(|kind| kind.word() == word)
    }

    /// A stable word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ListRolledBack => "list-rolled-back",
            Self::ListForked => "list-forked",
            Self::RecordRolledBack => "record-rolled-back",
            Self::RecordForked => "record-forked",
            Self::DeviceCopied => "device-copied",
        }
    }
}

/// Something that happened in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomNotice {
    /// Where.
    pub room: RoomName,
    /// What.
    pub kind: RoomEventKind,
    /// Whom it is about, where it is about somebody.
    pub username: Option<UserName>,
    /// Who did it, where it was somebody else.
    pub by: Option<UserName>,
}

/// Kinds of [`RoomNotice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum RoomEventKind {
    Created,
    Deleted,
    Invited,
    Joined,
    Left,
    Kicked,
    Role,
    Topic,
    /// The room was out of step with the others on this device and was joined afresh.
    Resynced,
}

/// How an identity changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityChange {
    /// The safety number changed.
    Key,
    /// A device was added.
    Device,
    /// The name now leads to another account.
    Name,
}
