//! The engine's boundary: commands, queries, replies, events and durable notices. Plain data; names
//! and meanings follow the JSON-RPC contract, so that every shell is thin.

use bytes::Bytes;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::{ClientFrame, ServerFrame};
use chat_wire::ids::{AccountId, BootId, DeviceId, MessageId, RelayId, UserName};
use chat_wire::message::PresenceStatus;

use crate::time::Timestamp;

pub use crate::store::{Conversation, IdentityChange, Message, MessageStatus, Notice, NoticeKind, Request};

/// One connection to the relay, or a direct link; numbered by the shell, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route(pub u64);

/// Number that ties a reply to its command; chosen by the shell, never used again in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What goes into the engine.
#[derive(Debug)]
pub enum Input {
    /// Somebody wants something. Answered by exactly one [`Output::Reply`], perhaps much later.
    Command(CommandId, Command),
    /// The relay said something.
    Frame(Route, ServerFrame),
    /// A connection stands; 32 bytes of its TLS exporter (label `EXPORTER-chat-v1`).
    Connected(Route, [u8; 32]),
    /// A connection is gone.
    Lost(Route),
    /// The time of [`Output::WakeAt`] has come.
    Wake,
}

/// What comes out of the engine once the step's batch is stored.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "short-lived, a few a step; most of them are frames anyway")]
pub enum Output {
    /// Send this frame.
    Transmit(Route, ClientFrame),
    /// Close this connection.
    Close(Route),
    /// The answer to a command.
    Reply(CommandId, Result<Reply, Failure>),
    /// Something passing happened.
    Event(Event),
    /// A notice of this step's batch is stored under its `seq`.
    Notice(Notice),
    /// Call again with [`Input::Wake`] at this time, in milliseconds since the Unix epoch; replaces
    /// an earlier one.
    WakeAt(Timestamp),
}

/// What a person or program wants.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Ends a registration whose OPAQUE half the shell has done on this route.
    Enroll(Box<Enrollment>),
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
        /// User name; rooms come later.
        to: String,
        /// The text, exactly as it arrives.
        text: String,
        /// The message that it answers.
        reply_to: Option<MessageId>,
        /// A repeat with the same key returns the first result.
        idempotency_key: Option<String>,
    },
    /// Says that one types, or no longer does.
    Typing {
        /// Conversation.
        to: String,
        /// Typing or not.
        active: bool,
    },
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
}

/// OPAQUE's export key, wiped when dropped.
pub struct ExportKey(pub zeroize::Zeroizing<[u8; 64]>);

impl std::fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportKey")
    }
}

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
    /// Search results.
    Found(Vec<FoundPerson>),
    /// The message is durably queued.
    Queued {
        /// Its id.
        id: MessageId,
        /// Its time, milliseconds since the Unix epoch.
        timestamp_ms: u64,
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

/// Questions that the engine answers from its records at once, without a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query {
    /// Who is logged in.
    Status,
    /// All contacts.
    Contacts,
    /// Requests from strangers.
    Requests,
    /// Which conversation a user name means.
    Conversation(UserName),
}

/// Answers to [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Who is logged in.
    Status(Status),
    /// All contacts, by name.
    Contacts(Vec<Contact>),
    /// Requests from strangers, oldest first.
    Requests(Vec<Request>),
    /// The conversation with that person, if one is known.
    Conversation(Option<Conversation>),
}

/// Who is logged in on this profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether the profile holds an enrolled device.
    pub enrolled: bool,
    /// Enrolled and not logged out.
    pub logged_in: bool,
    /// Whether the relay has let this device in on a standing connection.
    pub online: bool,
    /// The account.
    pub account: Option<AccountId>,
    /// The user name.
    pub username: Option<UserName>,
    /// The display name.
    pub display_name: Option<String>,
    /// This device.
    pub device: Option<DeviceId>,
    /// Messages not yet accepted by the relay.
    pub outbox: u64,
}

/// A contact: somebody written to or accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The account, pinned.
    pub account: AccountId,
    /// The name of its verified list.
    pub username: UserName,
    /// What it calls itself, sealed; sanitise before showing.
    pub display_name: Option<String>,
    /// Online now.
    pub online: bool,
    /// What it shows.
    pub status: PresenceStatus,
    /// Last time seen online, milliseconds since the Unix epoch.
    pub last_seen_ms: Option<u64>,
    /// Safety number compared.
    pub verified: bool,
    /// Blocked by us.
    pub blocked: bool,
    /// Both have accepted each other.
    pub mutual: bool,
}

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
    },
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
    /// A packet could not be opened and was dropped.
    Undecryptable,
    /// A packet came a second time and was dropped.
    Duplicate,
    /// A device's message does not follow the one that it says it follows.
    StreamBroken(AccountId),
    /// A session's key exchange was broken by the other side; the session was given up.
    SessionBroken,
    /// More was held back or waiting than a limit allows; a packet was dropped.
    Overflow,
}

/// Why a command was not done: the kinds of the JSON-RPC contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the contract's; their sentences stand in `sentence`")]
pub enum FailureKind {
    InvalidParams,
    NotLoggedIn,
    BadCredentials,
    WeakPassword,
    UsernameTaken,
    UnknownUser,
    UnknownRoom,
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
    CertificateChanged,
    RegistrationClosed,
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

/// What the shell tells the engine when it opens it from the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Random id of this opening of the store.
    pub id: BootId,
}
