//! Shapes of the contract: what results and notifications look like as JSON.

mod account;
mod file;
mod room;

use chat_client::{
    ClientEvent, Connection, ConnectionState, Contact, ConversationSummary, Device, DeviceId, Event, FoundPerson,
    HistoryProgress, IdentityChange, LoggedIn, Message, MessageId, MessageStatus, NoticeKind, PresenceStatus, Reaction,
    Recovered, Registered, Reply, Request, RoomReply, Status, WaitingDevice,
};
use serde::Serialize;

use super::error::RpcError;
use super::request::Id;
use account::{AlarmShape, DeviceShape, SafetyShape, WaitingShape};
use file::{FileBody, FileShape, direction_word};
use room::{RoomEventShape, RoomInfoShape, RoomShape};

/// A line in answer to a request.
#[derive(Debug, Serialize)]
pub(crate) struct Response {
    jsonrpc: &'static str,
    id: Id,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Result(Body),
    Error(RpcError),
}

impl Response {
    /// The answer to the request of that id.
    pub(crate) fn new(id: Id, outcome: Result<Body, RpcError>) -> Self {
        let outcome = outcome.map_or_else(Outcome::Error, Outcome::Result);
        Self { jsonrpc: "2.0", id, outcome }
    }
}

/// Results, by method.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Body {
    Done {},
    Version { name: &'static str, version: &'static str, rpc: u32 },
    Status(StatusShape),
    Registered { username: String, device: String, recovery_code: String },
    LoggedIn { username: String, device: String, new_device: bool },
    Users { users: Vec<UserShape> },
    Contacts { contacts: Vec<ContactShape> },
    Requests { requests: Vec<RequestShape> },
    Conversations { conversations: Vec<ConversationShape> },
    Sent { id: String, timestamp: u64 },
    Messages { messages: Vec<MessageShape> },
    Counted { messages: u64 },
    File(FileBody),
    Recovered { username: String, device: String, new_device: bool, recovery_code: String },
    PasswordChanged { recovery_code: String },
    Safety(SafetyShape),
    Verified { verified: bool },
    Devices { devices: Vec<DeviceShape> },
    Waiting { devices: Vec<WaitingShape> },
    Room { name: String },
    Rooms { rooms: Vec<RoomShape> },
    RoomInfo(RoomInfoShape),
}

impl Body {
    /// This program.
    pub(crate) fn version() -> Self {
        Self::Version { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), rpc: RPC_VERSION }
    }

    /// Something about files.
    pub(crate) fn file(done: impl Into<FileBody>) -> Self {
        Self::File(done.into())
    }

    /// Messages in the order given.
    pub(crate) fn messages(messages: Vec<Message>) -> Self {
        Self::Messages { messages: messages.into_iter().map(MessageShape::from).collect() }
    }
}

/// Version of the contract.
const RPC_VERSION: u32 = 1;

impl From<Reply> for Body {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Enrolled { username, device, recovery_code } => {
                Self::from(Registered { username, device, recovery_code })
            }
            Reply::LoggedIn { username, device, new_device } => Self::from(LoggedIn { username, device, new_device }),
            Reply::Found(people) => Self::Users { users: people.into_iter().map(UserShape::from).collect() },
            Reply::Queued { id, timestamp_ms } => Self::Sent { id: message(&id), timestamp: timestamp_ms },
            Reply::Safety(number) => Self::Safety(number.into()),
            Reply::Verified => Self::Verified { verified: true },
            Reply::Room(reply) => reply.into(),
            _ => Self::Done {},
        }
    }
}

impl From<RoomReply> for Body {
    fn from(reply: RoomReply) -> Self {
        match reply {
            RoomReply::Created(name) => Self::Room { name: name.to_string() },
            RoomReply::Rooms(rooms) => Self::Rooms { rooms: rooms.into_iter().map(RoomShape::from).collect() },
            RoomReply::Info(info) => Self::RoomInfo(info.into()),
            _ => Self::Done {},
        }
    }
}

impl From<Vec<Device>> for Body {
    fn from(devices: Vec<Device>) -> Self {
        Self::Devices { devices: devices.into_iter().map(DeviceShape::from).collect() }
    }
}

impl From<Vec<WaitingDevice>> for Body {
    fn from(devices: Vec<WaitingDevice>) -> Self {
        Self::Waiting { devices: devices.into_iter().map(WaitingShape::from).collect() }
    }
}

impl From<Registered> for Body {
    fn from(done: Registered) -> Self {
        let Registered { username, device: id, recovery_code } = done;
        Self::Registered { username: username.to_string(), device: device(id), recovery_code }
    }
}

impl From<Recovered> for Body {
    fn from(done: Recovered) -> Self {
        let Recovered { username, device: id, new_device, recovery_code } = done;
        Self::Recovered { username: username.to_string(), device: device(id), new_device, recovery_code }
    }
}

impl From<LoggedIn> for Body {
    fn from(done: LoggedIn) -> Self {
        let LoggedIn { username, device: id, new_device } = done;
        Self::LoggedIn { username: username.to_string(), device: device(id), new_device }
    }
}

impl From<Vec<Contact>> for Body {
    fn from(contacts: Vec<Contact>) -> Self {
        Self::Contacts { contacts: contacts.into_iter().map(ContactShape::from).collect() }
    }
}

impl From<Vec<Request>> for Body {
    fn from(requests: Vec<Request>) -> Self {
        Self::Requests { requests: requests.into_iter().map(RequestShape::from).collect() }
    }
}

impl From<Vec<ConversationSummary>> for Body {
    fn from(conversations: Vec<ConversationSummary>) -> Self {
        Self::Conversations { conversations: conversations.into_iter().map(ConversationShape::from).collect() }
    }
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusShape {
    logged_in: bool,
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// A new device needs more than the password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    approval: bool,
    /// This device waits to be let in; what it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    awaiting: Option<String>,
    /// A new password stands, or may, and nobody was told its recovery code.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    changing_password: bool,
}

impl StatusShape {
    pub(crate) fn new(status: Status, connected: bool) -> Self {
        Self {
            logged_in: status.logged_in,
            connected,
            username: status.username.map(|name| name.to_string()),
            device: status.device.map(device),
            approval: status.approval,
            awaiting: status.awaiting,
            changing_password: status.changing_password,
        }
    }
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct UserShape {
    username: String,
    online: bool,
}

impl From<FoundPerson> for UserShape {
    fn from(person: FoundPerson) -> Self {
        Self { username: person.username.to_string(), online: person.online }
    }
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactShape {
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
    verified: bool,
    blocked: bool,
}

impl From<Contact> for ContactShape {
    fn from(contact: Contact) -> Self {
        Self {
            username: contact.username.to_string(),
            display_name: contact.display_name,
            online: contact.online,
            last_seen: contact.last_seen_ms,
            verified: contact.verified,
            blocked: contact.blocked,
        }
    }
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct RequestShape {
    username: String,
    preview: String,
    timestamp: u64,
}

impl From<Request> for RequestShape {
    fn from(request: Request) -> Self {
        Self { username: request.username.to_string(), preview: request.preview, timestamp: request.timestamp_ms }
    }
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationShape {
    name: String,
    kind: &'static str,
    unread: u64,
    #[serde(skip_serializing_if = "is_zero")]
    mentions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<MessageShape>,
}

impl From<ConversationSummary> for ConversationShape {
    fn from(row: ConversationSummary) -> Self {
        let kind = if row.name.starts_with('#') { "room" } else { "direct" };
        let last_message = row.last_message.map(MessageShape::from);
        Self { name: row.name, kind, unread: row.unread, mentions: row.mentions, last_message }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageShape {
    id: String,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileShape>,
    /// Content of a kind that only a newer version shows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unsupported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    edited: bool,
    deleted: bool,
    outgoing: bool,
    status: &'static str,
    timestamp: u64,
    direct: bool,
    /// It came out of an archive or from another own device.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionShape>,
}

/// What somebody thinks of a message.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct ReactionShape {
    from: String,
    emoji: String,
}

impl From<Reaction> for ReactionShape {
    fn from(of: Reaction) -> Self {
        Self { from: of.from.to_string(), emoji: of.sign }
    }
}

impl From<Message> for MessageShape {
    fn from(of: Message) -> Self {
        Self {
            id: message(&of.id),
            from: of.from.to_string(),
            to: of.to,
            text: of.text,
            file: of.file.map(FileShape::from),
            unsupported: of.unknown.is_some(),
            reply_to: of.reply_to.as_ref().map(message),
            edited: of.edited,
            deleted: of.deleted,
            outgoing: of.outgoing,
            status: status_word(of.status),
            timestamp: of.timestamp_ms,
            direct: of.direct,
            imported: of.imported,
            reactions: of.reactions.into_iter().map(ReactionShape::from).collect(),
        }
    }
}

/// A line that nobody asked for.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Notification {
    jsonrpc: &'static str,
    method: &'static str,
    params: Params,
}

impl Notification {
    /// The line for an event; none for what the contract has no notification for.
    pub(crate) fn of(event: ClientEvent) -> Option<Self> {
        let (method, params) = match event {
            ClientEvent::Notice(notice) => {
                let (method, news) = news(notice.kind)?;
                (method, Params::Durable { seq: notice.seq, news })
            }
            ClientEvent::Event(event) => passing(event)?,
            ClientEvent::FileProgress { id, direction, done, total } => {
                let direction = direction_word(direction);
                ("fileProgress", Params::FileProgress { id: message(&id), direction, done, total })
            }
            ClientEvent::Connection(connection) => ("connection", connection_params(&connection)),
            _ => return None,
        };
        Some(Self { jsonrpc: "2.0", method, params })
    }
}

/// Parameters of notifications.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Params {
    Durable {
        seq: u64,
        #[serde(flatten)]
        news: News,
    },
    Receipt {
        id: String,
        to: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        status: &'static str,
    },
    Typing {
        from: String,
        to: String,
        active: bool,
    },
    Presence {
        username: String,
        online: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    AwaitsApproval {
        code: String,
    },
    DeviceSettled {
        id: String,
    },
    HistoryProgress {
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    FileProgress {
        id: String,
        direction: &'static str,
        done: u64,
        total: u64,
    },
    Connection {
        state: &'static str,
        relay: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
}

/// What must not be missed.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum News {
    Message(MessageShape),
    Request(RequestShape),
    IdentityChanged {
        username: String,
        reason: &'static str,
    },
    DeviceAsks {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    DeviceWaits {
        id: String,
        code: String,
    },
    LoggedOut {
        reason: String,
    },
    RoomEvent(RoomEventShape),
    TrustAlarm(AlarmShape),
}

fn news(kind: NoticeKind) -> Option<(&'static str, News)> {
    Some(match kind {
        NoticeKind::Message(message) => ("message", News::Message(message.into())),
        NoticeKind::MessageUpdated(message) => ("messageUpdated", News::Message(message.into())),
        NoticeKind::Request(request) => ("request", News::Request(request.into())),
        NoticeKind::Room(notice) => ("roomEvent", News::RoomEvent(notice.into())),
        NoticeKind::TrustAlarm(alarm) => ("trustAlarm", News::TrustAlarm(alarm.into())),
        NoticeKind::IdentityChanged { username, reason } => {
            let reason = match reason {
                IdentityChange::Device => "device",
                IdentityChange::Name => "name",
                _ => "key",
            };
            ("identityChanged", News::IdentityChanged { username: username.to_string(), reason })
        }
        NoticeKind::DeviceAsks { device: id, name } => ("deviceAsks", News::DeviceAsks { id: device(id), name }),
        NoticeKind::DeviceWaits { device: id, code } => ("deviceWaits", News::DeviceWaits { id: device(id), code }),
        NoticeKind::LoggedOut { reason } => ("loggedOut", News::LoggedOut { reason }),
        _ => return None,
    })
}

fn passing(event: Event) -> Option<(&'static str, Params)> {
    Some(match event {
        Event::Receipt { id, to, by, status, .. } => {
            let by = by.map(|name| name.to_string());
            ("receipt", Params::Receipt { id: message(&id), to, by, status: status_word(status) })
        }
        Event::Typing { from, to, active } => ("typing", Params::Typing { from: from.to_string(), to, active }),
        Event::Presence { username, online, status } => {
            let status = online.then(|| presence_word(status));
            ("presence", Params::Presence { username: username.to_string(), online, status })
        }
        Event::HistoryProgress(progress) => ("historyProgress", progress_params(progress)),
        Event::AwaitsEntry { code } => ("awaitsApproval", Params::AwaitsApproval { code }),
        Event::EntrySettled { device: id } => ("deviceSettled", Params::DeviceSettled { id: device(id) }),
        _ => return None,
    })
}

fn progress_params(progress: HistoryProgress) -> Params {
    let (state, counts) = match progress {
        HistoryProgress::Asked => ("asked", None),
        HistoryProgress::Coming { done, total } => ("coming", Some((done, total))),
        HistoryProgress::Done { messages } => ("done", Some((messages, messages))),
        _ => ("refused", None),
    };
    Params::HistoryProgress { state, done: counts.map(|(done, _)| done), total: counts.map(|(_, total)| total) }
}

fn connection_params(connection: &Connection) -> Params {
    use chat_client::OfflineReason as Why;
    Params::Connection {
        state: match connection.state {
            ConnectionState::Connecting => "connecting",
            ConnectionState::Connected => "connected",
            ConnectionState::Offline => "offline",
        },
        relay: connection.relay.as_ref().map(ToString::to_string).unwrap_or_default(),
        retry_in_ms: connection.retry_in_ms,
        reason: connection.reason.map(|why| match why {
            Why::NoRelay => "noRelay",
            Why::Lost => "lost",
            Why::Protocol => "protocol",
            Why::CertificateChanged => "certificateChanged",
            Why::CertificateUnknown => "certificateUnknown",
            Why::Idle => "idle",
            _ => "unreachable",
        }),
    }
}

fn message(id: &MessageId) -> String {
    data_encoding::HEXLOWER.encode(id.as_bytes())
}

fn device(id: DeviceId) -> String {
    id.0.to_string()
}

fn status_word(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Queued => "queued",
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Read => "read",
        MessageStatus::Failed => "failed",
    }
}

fn presence_word(status: PresenceStatus) -> &'static str {
    match status {
        PresenceStatus::Online => "online",
        PresenceStatus::Away => "away",
        PresenceStatus::Invisible => "invisible",
    }
}

#[cfg(test)]
mod tests;
