//! Questions that need no step, and their answers.

use chat_wire::ids::{AccountId, DeviceId, MessageId, RoomName, UserName};
use chat_wire::message::PresenceStatus;

use super::{Alarm, Conversation, Device, Diagnostics, Request, SharedFile, WaitingDevice};

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
    /// The devices of the own account.
    Devices,
    /// Devices that wait to be let in.
    Waiting,
    /// Contradictions that the relay was caught in, with their evidence.
    Alarms,
    /// What the engine dealt with by itself.
    Diagnostics,
    /// Which conversation a user name means.
    Conversation(UserName),
    /// Which conversation a room name means, of the rooms that this device is in.
    Room(RoomName),
    /// What leads to the file of a message.
    File(MessageId),
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
    /// The devices of the own account, this one first, then the newest.
    Devices(Vec<Device>),
    /// Devices that wait to be let in, oldest first.
    Waiting(Vec<WaitingDevice>),
    /// Contradictions that the relay was caught in, oldest first.
    Alarms(Vec<Alarm>),
    /// What the engine dealt with by itself.
    Diagnostics(Diagnostics),
    /// The conversation with that person or in that room, if one is known.
    Conversation(Option<Conversation>),
    /// The file of that message, if there is one.
    File(Option<Box<SharedFile>>),
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
    /// A registration under this name was begun and its result told to nobody: `register` finishes it.
    pub registering: Option<UserName>,
    /// A new password, perhaps by the recovery code, was sent off and its answer never came: [`AccountCommand::PasswordStands`] tells its code.
    ///
    /// [`AccountCommand::PasswordStands`]: super::AccountCommand::PasswordStands
    pub changing_password: bool,
    /// A new device needs more than the password: the recovery code, or a yes on an enrolled one.
    pub approval: bool,
    /// This device waits for such a yes; the code that the other devices show for it.
    pub awaiting: Option<String>,
    /// Online, and in every room of the account that this device can enter by itself, the lobby included.
    pub settled: bool,
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
