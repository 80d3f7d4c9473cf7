//! From the client's values to the model's: the one place where remote text becomes
//! [`SafeText`], and times become local.

pub(super) mod account;
pub(super) mod files;
pub(super) mod rooms;

use std::time::{SystemTime, UNIX_EPOCH};

use chat_client::{
    AlarmKind, ClientEvent, Connection, ConnectionState, Contact, ConversationSummary, Event, Failure, FailureKind,
    HistoryProgress, IdentityChange, Message, MessageId, MessageStatus, NoticeKind, OfflineReason, PresenceStatus,
};
use time::{OffsetDateTime, UtcOffset};

use crate::model::{
    AccountNews, Arrival, Availability, Change, Entry, FileNews, HistoryNews, Link, Msg, MsgId, Name, Preview, Problem,
    Quote, Reaction, Receipt, Row, SearchHit, Status, Stranger, When,
};
use crate::text::SafeText;

/// Characters of a preview in the list.
const PREVIEW_CHARS: usize = 120;

/// The time.
pub(super) fn now() -> When {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    when(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A moment in the local zone, by the rules that held then.
pub(super) fn when(ms: u64) -> When {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let east = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|t| UtcOffset::local_offset_at(t).ok());
    When::local(ms, east.map_or(0, UtcOffset::whole_seconds))
}

/// What an event of the client means.
pub(super) fn message(event: ClientEvent) -> Vec<Msg> {
    match event {
        ClientEvent::Notice(notice) => notice_message(notice.kind).into_iter().collect(),
        ClientEvent::Event(event) => passing(event).into_iter().collect(),
        ClientEvent::Connection(connection) => {
            let named = connection.relay.as_ref().map(|relay| Msg::RelayNamed(SafeText::line(&relay.to_string())));
            named.into_iter().chain([Msg::Link(link(&connection))]).collect()
        }
        ClientEvent::FileProgress { id, direction, done, total } => {
            vec![Msg::File(FileNews::Progress { id: id_of(id), outgoing: files::outgoing(direction), done, total })]
        }
        _ => Vec::new(),
    }
}

/// How the connection stands, before it is known whether the relay has let this device in.
pub(super) fn link(connection: &Connection) -> Link {
    match (connection.state, connection.reason) {
        (ConnectionState::Offline, Some(OfflineReason::CertificateChanged)) => Link::Distrusted,
        (ConnectionState::Offline, _) => Link::Offline,
        _ => Link::Connecting,
    }
}

fn notice_message(kind: NoticeKind) -> Option<Msg> {
    Some(match kind {
        NoticeKind::Message(message) => Msg::Arrived(Box::new(arrival(message))),
        NoticeKind::MessageUpdated(message) => Msg::Updated(Box::new(arrival(message))),
        NoticeKind::Request(request) => Msg::Asked(stranger(&request)),
        NoticeKind::IdentityChanged { username, reason } => Msg::IdentityChanged {
            name: Name::new(username.as_str()),
            change: match reason {
                IdentityChange::Device => Change::Device,
                IdentityChange::Name => Change::Account,
                _ => Change::Key,
            },
        },
        NoticeKind::TrustAlarm(alarm) => {
            let copied = alarm.kind == AlarmKind::DeviceCopied;
            let change = if copied { Change::Copied } else { Change::Alarm };
            Msg::IdentityChanged { name: Name::new(alarm.subject.as_str()), change }
        }
        NoticeKind::Room(notice) => rooms::event(&notice, now()),
        NoticeKind::DeviceAsks { device, name } => {
            let name = SafeText::line(name.as_deref().unwrap_or("without a name"));
            Msg::Account(AccountNews::DeviceAsks { id: device.0, name })
        }
        NoticeKind::DeviceWaits { device, code } => {
            Msg::Account(AccountNews::DeviceWaits { id: device.0, code: SafeText::line(&code) })
        }
        NoticeKind::LoggedOut { reason } => {
            let words = match reason.as_str() {
                "removed" => "This device was removed from the account.".to_owned(),
                "deleted" => "Your account is deleted.".to_owned(),
                "" | "logout" => "Logged out.".to_owned(),
                other => format!("Logged out: {other}."),
            };
            Msg::LoggedOut { reason: SafeText::line(&words) }
        }
        _ => return None,
    })
}

fn passing(event: Event) -> Option<Msg> {
    Some(match event {
        Event::Receipt { id, to, status, .. } => {
            Msg::Receipt { chat: Name::new(&to), receipt: Receipt { id: id_of(id), status: status_of(status) } }
        }
        Event::Typing { from, to, active } => {
            let (who, place) = (Name::new(from.as_str()), Name::new(&to));
            let chat = if place.is_room() { place } else { who.clone() };
            Msg::Typing { chat, who, active }
        }
        Event::Presence { username, online, status } => {
            Msg::Presence { name: Name::new(username.as_str()), availability: availability(online, status) }
        }
        Event::HistoryProgress(progress) => Msg::Account(AccountNews::History(match progress {
            HistoryProgress::Asked => HistoryNews::Asked,
            HistoryProgress::Coming { done, total } => HistoryNews::Coming(done, total),
            HistoryProgress::Done { messages } => HistoryNews::Done(messages),
            _ => HistoryNews::Refused,
        })),
        Event::AwaitsEntry { code } => Msg::Account(AccountNews::Awaits(SafeText::line(&code))),
        Event::EntrySettled { device } => Msg::Account(AccountNews::EntrySettled(device.0)),
        Event::Online(true) => Msg::Link(Link::Online),
        _ => return None,
    })
}

fn availability(online: bool, status: PresenceStatus) -> Availability {
    match (online, status) {
        (false, _) => Availability::Offline,
        (true, PresenceStatus::Away) => Availability::Away,
        (true, _) => Availability::Online,
    }
}

/// A message with its chat.
pub(super) fn arrival(message: Message) -> Arrival {
    Arrival { chat: chat_of(&message), entry: entry(message) }
}

fn chat_of(message: &Message) -> Name {
    let to_room = message.to.starts_with('#');
    Name::new(if message.outgoing || to_room { &message.to } else { message.from.as_str() })
}

/// A message; its number is given by the update.
pub(super) fn entry(message: Message) -> Entry {
    let unknown = message.text.is_none() && message.file.is_none();
    Entry {
        id: Some(id_of(message.id)),
        own: message.outgoing,
        unknown,
        reply: message.reply_to.map(|id| Quote { id: id_of(id), known: None }),
        status: status_of(message.status),
        edited: message.edited,
        deleted: message.deleted,
        imported: message.imported,
        file: message.file.as_ref().map(files::card),
        reactions: reactions(&message.reactions),
        ..Entry::new(Name::new(message.from.as_str()), body(&message), when(message.timestamp_ms))
    }
}

fn body(message: &Message) -> SafeText {
    match &message.text {
        _ if message.deleted => SafeText::line("deleted"),
        Some(text) => SafeText::body(text),
        None if message.file.is_some() => SafeText::default(),
        None => SafeText::line("This message needs a newer version of the program."),
    }
}

/// Reactions by sign, in the order in which the signs came.
fn reactions(given: &[chat_client::Reaction]) -> Vec<Reaction> {
    let mut signs: Vec<Reaction> = Vec::new();
    for one in given {
        let (sign, who) = (SafeText::line(&one.sign), Name::new(one.from.as_str()));
        match signs.iter_mut().find(|known| known.sign == sign) {
            Some(known) => known.by.push(who),
            None => signs.push(Reaction { sign, by: vec![who] }),
        }
    }
    signs
}

fn id_of(id: MessageId) -> MsgId {
    MsgId(*id.as_bytes())
}

/// An id, for the client.
pub(super) fn message_id(id: MsgId) -> MessageId {
    MessageId(id.0)
}

fn status_of(status: MessageStatus) -> Status {
    match status {
        MessageStatus::Queued => Status::Queued,
        MessageStatus::Sent => Status::Sent,
        MessageStatus::Delivered => Status::Delivered,
        MessageStatus::Read => Status::Read,
        // The store keeps that it failed, not why; the name is the commonest reason a text never left.
        MessageStatus::Failed => Status::Failed(Problem::Forbidden),
    }
}

/// A stranger's request.
pub(super) fn stranger(request: &chat_client::Request) -> Stranger {
    Stranger {
        name: Name::new(request.username.as_str()),
        preview: SafeText::body(&request.preview),
        when: when(request.timestamp_ms),
    }
}

/// A search hit.
pub(super) fn hit(message: Message) -> SearchHit {
    let (chat, author) = (chat_of(&message), Name::new(message.from.as_str()));
    SearchHit { chat, id: id_of(message.id), author, text: body(&message), when: when(message.timestamp_ms) }
}

/// The rows of the list: chats with what is known of the people behind them, and contacts without one.
pub(super) fn rows(chats: Vec<ConversationSummary>, contacts: Vec<Contact>) -> Vec<Row> {
    let mut rows: Vec<Row> = chats.into_iter().map(row).collect();
    for contact in contacts {
        let name = Name::new(contact.username.as_str());
        let at = rows.iter().position(|r| r.name == name).unwrap_or_else(|| {
            rows.push(Row::new(name));
            rows.len() - 1
        });
        let Some(row) = rows.get_mut(at) else { continue };
        row.known = true;
        row.display = contact.display_name.as_deref().map(SafeText::line).filter(|d| !d.is_empty());
        row.availability =
            if contact.mutual { availability(contact.online, contact.status) } else { Availability::Unknown };
        row.last_seen = contact.last_seen_ms.map(when);
        (row.blocked, row.verified) = (contact.blocked, contact.verified);
    }
    rows
}

/// A room that one is in stands in the list, also before anything was written.
pub(super) fn add_room(rows: &mut Vec<Row>, room: chat_client::RoomSummary) {
    let room = rooms::row(room);
    let at = rows.iter().position(|r| r.name == room.name).unwrap_or_else(|| {
        rows.push(Row::new(room.name.clone()));
        rows.len() - 1
    });
    if let Some(row) = rows.get_mut(at) {
        (row.known, row.topic) = (true, room.topic);
    }
}

fn row(chat: ConversationSummary) -> Row {
    let last = chat.last_message.map(|message| Preview {
        own: message.outgoing,
        when: when(message.timestamp_ms),
        text: SafeText::line(&entry(message).brief().as_str().chars().take(PREVIEW_CHARS).collect::<String>()),
    });
    Row {
        unread: chat.unread,
        mentions: chat.mentions,
        first_unread: chat.first_unread.map(id_of),
        last,
        draft: chat.draft.as_deref().filter(|d| !d.trim().is_empty()).map(SafeText::line),
        known: true,
        ..Row::new(Name::new(&chat.name))
    }
}

/// Why something was not done.
pub(super) fn problem(failure: &Failure) -> Problem {
    match failure.kind {
        FailureKind::InvalidParams => Problem::BadName,
        FailureKind::NotLoggedIn => Problem::NotLoggedIn,
        FailureKind::BadCredentials => Problem::BadCredentials,
        FailureKind::NotLetIn => Problem::NotLetIn,
        FailureKind::Cancelled => Problem::Cancelled,
        FailureKind::WeakPassword => Problem::WeakPassword,
        FailureKind::UsernameTaken => Problem::UsernameTaken,
        FailureKind::UnknownUser => Problem::UnknownUser,
        FailureKind::UnknownRoom => Problem::UnknownRoom,
        FailureKind::NotFound => Problem::NotFound,
        FailureKind::Forbidden => Problem::Forbidden,
        FailureKind::Blocked => Problem::Blocked,
        FailureKind::TooLarge => Problem::TooLarge,
        FailureKind::RateLimited => Problem::RateLimited { retry_after_ms: failure.retry_after_ms },
        FailureKind::Offline => Problem::Offline,
        FailureKind::Timeout => Problem::Timeout,
        FailureKind::Integrity => Problem::Integrity,
        FailureKind::KeyChanged => Problem::KeyChanged,
        FailureKind::CertificateChanged => Problem::CertificateChanged,
        FailureKind::RegistrationClosed => Problem::RegistrationClosed,
        FailureKind::Io => Problem::Io,
        _ => Problem::Internal,
    }
}
