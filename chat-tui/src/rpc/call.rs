//! The table of methods: name and parameters in, a typed call out.

mod account;
mod archive;
mod file;
mod room;

use chat_client::{
    Change, Command, Credentials, Failure, FailureKind, HISTORY_PAGE_MAX, HistoryPage, HistoryPart, MessageId,
    MessageSearch, Password, PresenceStatus, RecoveryRequest, Registration, UserName,
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::RpcError;
use super::request::Request;
pub(crate) use archive::ArchiveCall;
pub(crate) use file::FileCall;

/// What a request asks for, checked as far as that goes without a client.
#[derive(Debug)]
pub(crate) enum Call {
    /// Which program this is.
    Version,
    /// Who is logged in.
    Status,
    /// A new account.
    Register(Registration),
    /// An existing one.
    Login(Credentials),
    /// Notices up to this number were taken.
    Ack(u64),
    /// All contacts.
    Contacts,
    /// Requests from strangers.
    Requests,
    /// All conversations.
    Conversations,
    /// A page of the history.
    History(HistoryPage),
    /// A search in the history.
    SearchMessages(MessageSearch),
    /// A forgotten password is replaced.
    Recover(RecoveryRequest),
    /// A known password is replaced: the old one, the new one.
    ChangePassword(Password, Password),
    /// The account ends.
    DeleteAccount(Password),
    /// Whether a new device needs more than the password.
    SetApproval(bool, Password),
    /// The devices of the account.
    Devices,
    /// Devices that wait to be let in.
    Waiting,
    /// Something becomes of a message.
    Amend(MessageId, Change),
    /// Something about files.
    File(FileCall),
    /// The history in a file.
    Archive(ArchiveCall),
    /// Whatever the engine does.
    Run(Command),
    /// An id that we never gave out, whatever was to be done with it: told to whoever is logged in.
    Nothing(RpcError),
    /// The end.
    Quit,
}

impl Call {
    /// Reads the parameters of a request. `password` stands in where a method wants one and none is
    /// given.
    pub(crate) fn parse(request: &Request<'_>, password: Option<&str>) -> Result<Self, RpcError> {
        Self::read(request, password)
            .or_else(|error| if error.names_nothing() { Ok(Self::Nothing(error)) } else { Err(error) })
    }

    fn read(request: &Request<'_>, password: Option<&str>) -> Result<Self, RpcError> {
        let raw = request.params;
        match request.method.as_ref() {
            "version" => nothing(raw, Self::Version),
            "status" => nothing(raw, Self::Status),
            "contacts" => nothing(raw, Self::Contacts),
            "requests" => nothing(raw, Self::Requests),
            "conversations" => nothing(raw, Self::Conversations),
            "devices" => nothing(raw, Self::Devices),
            "waitingDevices" => nothing(raw, Self::Waiting),
            "quit" => nothing(raw, Self::Quit),
            "ack" => params::<Acked>(raw).map(|acked| Self::Ack(acked.seq)),
            "register" => params::<Register>(raw)?.call(password),
            "login" => params::<Login>(raw)?.call(password),
            "recover" => account::recover(raw),
            "changePassword" => account::change_password(raw),
            "deleteAccount" => account::delete_account(raw, password),
            "setApproval" => account::set_approval(raw, password),
            "history" => params::<History>(raw)?.call(),
            "searchMessages" => params::<SearchMessages>(raw)?.call(),
            "edit" => params::<Edit>(raw)?.call(),
            "delete" => params::<Delete>(raw)?.call(),
            "react" => params::<React>(raw)?.call(),
            _ => file::parse(request)
                .or_else(|| archive::parse(request))
                .unwrap_or_else(|| command(request).map(Self::Run)),
        }
    }
}

fn command(request: &Request<'_>) -> Result<Command, RpcError> {
    let raw = request.params;
    match request.method.as_ref() {
        "logout" => params::<Logout>(raw).map(|p| Command::Logout { forget: p.forget.unwrap_or(false) }),
        "setProfile" => params::<SetProfile>(raw).map(|p| Command::SetProfile { display_name: p.display_name }),
        "setPresence" => params::<SetPresence>(raw).map(|p| Command::SetPresence { status: p.status.into() }),
        "search" => params::<Search>(raw).map(|p| Command::Search { query: p.query, limit: people_limit(p.limit) }),
        "acceptRequest" => person(raw).map(Command::AcceptRequest),
        "declineRequest" => person(raw).map(Command::DeclineRequest),
        "block" => person(raw).map(Command::Block),
        "unblock" => person(raw).map(Command::Unblock),
        "send" => params::<Send>(raw)?.command(),
        "typing" => {
            let p = params::<Typing>(raw)?;
            Ok(Command::Typing { to: conversation(p.to)?, active: p.active })
        }
        "markRead" => {
            let p = params::<MarkRead>(raw)?;
            Ok(Command::MarkRead { with: conversation(p.with)?, id: message_id(&p.id)? })
        }
        _ => room::command(request)
            .or_else(|| account::command(request))
            .unwrap_or_else(|| Err(RpcError::method_not_found())),
    }
}

/// A text that only the client may look at; wiped when dropped.
struct Secret(Password);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acked {
    seq: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Register {
    username: String,
    password: Option<Secret>,
    display_name: Option<String>,
    device_name: Option<String>,
    invite: Option<String>,
}

impl Register {
    fn call(self, fallback: Option<&str>) -> Result<Call, RpcError> {
        Ok(Call::Register(Registration {
            username: user_name(&self.username)?.to_string(),
            password: password_or(self.password, fallback)?,
            display_name: self.display_name,
            device_name: self.device_name,
            invite: self.invite,
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Login {
    username: String,
    password: Option<Secret>,
    device_name: Option<String>,
}

impl Login {
    fn call(self, fallback: Option<&str>) -> Result<Call, RpcError> {
        Ok(Call::Login(Credentials {
            username: user_name(&self.username)?.to_string(),
            password: password_or(self.password, fallback)?,
            device_name: self.device_name,
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Logout {
    forget: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetProfile {
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPresence {
    status: Presence,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Presence {
    Online,
    Away,
    Invisible,
}

impl From<Presence> for PresenceStatus {
    fn from(presence: Presence) -> Self {
        match presence {
            Presence::Online => Self::Online,
            Presence::Away => Self::Away,
            Presence::Invisible => Self::Invisible,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
    limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    username: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Send {
    to: String,
    text: String,
    reply_to: Option<String>,
    idempotency_key: Option<String>,
    expires_in_ms: Option<u64>,
}

impl Send {
    fn command(self) -> Result<Command, RpcError> {
        Ok(Command::Send {
            to: conversation(self.to)?,
            text: self.text,
            reply_to: self.reply_to.as_deref().map(message_id).transpose()?,
            idempotency_key: self.idempotency_key,
            expires_in_ms: self.expires_in_ms,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    id: String,
    text: String,
}

impl Edit {
    fn call(self) -> Result<Call, RpcError> {
        Ok(Call::Amend(message_id(&self.id)?, Change::Edit(self.text)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Delete {
    id: String,
    for_everyone: bool,
}

impl Delete {
    fn call(self) -> Result<Call, RpcError> {
        let change = if self.for_everyone { Change::Delete } else { Change::Hide };
        Ok(Call::Amend(message_id(&self.id)?, change))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct React {
    id: String,
    emoji: String,
}

impl React {
    fn call(self) -> Result<Call, RpcError> {
        Ok(Call::Amend(message_id(&self.id)?, Change::React(self.emoji)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typing {
    to: String,
    active: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkRead {
    with: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    with: String,
    before: Option<String>,
    limit: Option<u64>,
}

impl History {
    fn call(self) -> Result<Call, RpcError> {
        Ok(Call::History(HistoryPage {
            with: conversation(self.with)?,
            part: match self.before {
                Some(before) => HistoryPart::Before(message_id(&before)?),
                None => HistoryPart::Newest,
            },
            limit: messages_limit(self.limit),
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchMessages {
    query: String,
    with: Option<String>,
    limit: Option<u64>,
}

impl SearchMessages {
    fn call(self) -> Result<Call, RpcError> {
        let with = self.with.map(conversation).transpose()?;
        Ok(Call::SearchMessages(MessageSearch { query: self.query, with, limit: messages_limit(self.limit) }))
    }
}

/// Reads named parameters; absent ones are an empty object. JSON-RPC's parameters by position are
/// refused: the contract names them.
fn params<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<T, RpcError> {
    let text = match raw.map_or("null", RawValue::get) {
        "null" | "[]" => "{}",
        text if text.starts_with('{') => text,
        _ => return Err(RpcError::invalid_params("Parameters are an object.")),
    };
    serde_json::from_str(text).map_err(|error| RpcError::invalid_params(complaint(&error)))
}

fn nothing(raw: Option<&RawValue>, call: Call) -> Result<Call, RpcError> {
    params::<NoParams>(raw).map(|_| call)
}

fn person(raw: Option<&RawValue>) -> Result<UserName, RpcError> {
    params::<Person>(raw).and_then(|person| user_name(&person.username))
}

/// What to tell about wrong parameters. Values stay out of it: one of them may be a password.
fn complaint(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let safe = ["missing field", "unknown field", "duplicate field"].iter().any(|start| text.starts_with(start));
    if safe && text.len() <= COMPLAINT_BYTES_MAX {
        format!("Wrong parameters: {text}.")
    } else {
        format!("Wrong parameters: type or range at column {}.", error.column())
    }
}

fn user_name(text: &str) -> Result<UserName, RpcError> {
    UserName::parse(text).map_err(|why| RpcError::invalid_params(format!("No user name: {why}.")))
}

/// The name of a conversation: a person's, or a room's with its `#`.
fn conversation(name: String) -> Result<String, RpcError> {
    if name.starts_with('#') {
        return room::room_name(&name).map(|name| name.to_string());
    }
    user_name(&name).map(|name| name.to_string())
}

/// Ids are opaque to whoever asks: one that we never gave out names no message.
fn message_id(text: &str) -> Result<MessageId, RpcError> {
    data_encoding::HEXLOWER
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| MessageId::from_slice(&bytes))
        .ok_or_else(|| Failure::of(FailureKind::UnknownMessage).into())
}

fn password_or(given: Option<Secret>, fallback: Option<&str>) -> Result<Password, RpcError> {
    given
        .map(|Secret(password)| password)
        .or_else(|| fallback.map(|text| Password::from(text.to_owned())))
        .ok_or_else(|| RpcError::invalid_params("Wrong parameters: missing field `password`."))
}

fn people_limit(wanted: Option<u64>) -> u16 {
    u16::try_from(wanted.unwrap_or(PEOPLE_USUAL)).unwrap_or(u16::MAX)
}

fn messages_limit(wanted: Option<u64>) -> u32 {
    u32::try_from(wanted.unwrap_or(MESSAGES_USUAL)).unwrap_or(u32::MAX).min(HISTORY_PAGE_MAX)
}

/// People in an answer when nobody says how many: a screenful.
const PEOPLE_USUAL: u64 = 20;

/// Messages in an answer when nobody says how many: some screenfuls.
const MESSAGES_USUAL: u64 = 50;

/// Bytes of a complaint that quotes a field's name.
const COMPLAINT_BYTES_MAX: usize = 300;

#[cfg(test)]
mod tests;
