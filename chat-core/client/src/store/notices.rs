//! Durable notices: stored with the step that made them, told until they are acknowledged. A message
//! is kept once, in the history; its notice only points there.

use chat_core::engine::{
    Alarm, AlarmKind, IdentityChange, Message, Notice, NoticeKind, Request, RoomEventKind, RoomNotice,
};
use chat_wire::codec::{Reader, Writer};
use chat_wire::ids::{DeviceId, RoomName, UserName};
use rusqlite::params;

use super::StoreError;
use super::history;
use super::sqlite::Db;

const MESSAGE: u8 = 1;
const MESSAGE_UPDATED: u8 = 2;
const REQUEST: u8 = 3;
const IDENTITY_CHANGED: u8 = 4;
const LOGGED_OUT: u8 = 5;
const ROOM: u8 = 20;
const TRUST_ALARM: u8 = 6;
const DEVICE_ASKS: u8 = 7;
const DEVICE_WAITS: u8 = 8;

/// The message that a notice needs in the history.
pub(super) fn message(notice: &Notice) -> Option<&Message> {
    match &notice.kind {
        NoticeKind::Message(message) | NoticeKind::MessageUpdated(message) => Some(message),
        _ => None,
    }
}

/// One row of the table.
#[derive(Default)]
struct Stored {
    kind: u8,
    conversation: Option<i64>,
    id: Option<Vec<u8>>,
    username: Option<String>,
    detail: Option<String>,
    time_ms: Option<u64>,
}

/// Stores a notice; its message must be in the history.
pub(super) fn write(db: &Db, notice: &Notice) -> Result<(), StoreError> {
    let stored = pack(db, &notice.kind)?;
    db.change(
        "INSERT INTO notices (seq, kind, conversation, id, username, detail, time_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (seq) DO NOTHING",
        params![
            notice.seq,
            stored.kind,
            stored.conversation,
            stored.id,
            stored.username,
            stored.detail,
            stored.time_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX))
        ],
    )?;
    Ok(())
}

fn pack(db: &Db, kind: &NoticeKind) -> Result<Stored, StoreError> {
    let pointer = |kind, message: &Message| {
        let conversation = history::number(db, &message.conversation)?;
        Ok(Stored { kind, conversation, id: Some(message.id.0.to_vec()), ..Stored::default() })
    };
    match kind {
        NoticeKind::Message(message) => pointer(MESSAGE, message),
        NoticeKind::MessageUpdated(message) => pointer(MESSAGE_UPDATED, message),
        NoticeKind::Changed { conversation, id } => Ok(Stored {
            kind: MESSAGE_UPDATED,
            conversation: history::number(db, conversation)?,
            id: Some(id.0.to_vec()),
            ..Stored::default()
        }),
        NoticeKind::Request(request) => Ok(Stored {
            kind: REQUEST,
            username: Some(request.username.to_string()),
            detail: Some(request.preview.clone()),
            time_ms: Some(request.timestamp_ms),
            ..Stored::default()
        }),
        NoticeKind::IdentityChanged { username, reason } => Ok(Stored {
            kind: IDENTITY_CHANGED,
            username: Some(username.to_string()),
            detail: Some(word(*reason)?.to_owned()),
            ..Stored::default()
        }),
        NoticeKind::Room(notice) => Ok(Stored {
            kind: ROOM,
            username: notice.username.as_ref().map(UserName::to_string),
            detail: Some(room_detail(notice)?),
            ..Stored::default()
        }),
        NoticeKind::TrustAlarm(alarm) => Ok(Stored {
            kind: TRUST_ALARM,
            id: Some(packed(&alarm.evidence)?),
            username: Some(alarm.subject.to_string()),
            detail: Some(alarm.kind.word().to_owned()),
            time_ms: Some(alarm.at_ms),
            ..Stored::default()
        }),
        NoticeKind::DeviceAsks { device, name } => Ok(Stored {
            kind: DEVICE_ASKS,
            id: Some(device.0.to_be_bytes().to_vec()),
            detail: name.clone(),
            ..Stored::default()
        }),
        NoticeKind::DeviceWaits { device, code } => Ok(Stored {
            kind: DEVICE_WAITS,
            id: Some(device.0.to_be_bytes().to_vec()),
            detail: Some(code.clone()),
            ..Stored::default()
        }),
        NoticeKind::LoggedOut { reason } => {
            Ok(Stored { kind: LOGGED_OUT, detail: Some(reason.clone()), ..Stored::default() })
        }
        _ => Err(StoreError::Unsupported),
    }
}

/// Objects one after the other, each behind its length.
fn packed(objects: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
    let mut out = Writer::with_capacity(objects.iter().map(Vec::len).sum());
    for object in objects {
        out.u32(u32::try_from(object.len()).map_err(|_| StoreError::Unsupported)?).put(object);
    }
    Ok(out.finish())
}

fn unpacked(bytes: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    let damaged = |_| StoreError::Damaged;
    let (mut reader, mut objects, mut read) = (Reader::new(bytes), Vec::new(), 0);
    while read < bytes.len() {
        let len = usize::try_from(reader.u32().map_err(damaged)?).map_err(|_| StoreError::Damaged)?;
        objects.push(reader.take(len).map_err(damaged)?.to_vec());
        read = read.saturating_add(4).saturating_add(len);
    }
    Ok(objects)
}

/// Notices after `seq`, in order.
pub(super) fn page(db: &Db, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
    let rows = db.rows(
        "SELECT seq, kind, conversation, id, username, detail, time_ms FROM notices
         WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        params![i64::try_from(after).unwrap_or(i64::MAX), limit],
        |row| {
            let stored = Stored {
                kind: row.get(1)?,
                conversation: row.get(2)?,
                id: row.get(3)?,
                username: row.get(4)?,
                detail: row.get(5)?,
                time_ms: row.get(6)?,
            };
            Ok((row.get(0)?, stored))
        },
    )?;
    rows.into_iter().map(|(seq, stored)| Ok(Notice { seq, kind: unpack(db, stored)? })).collect()
}

fn unpack(db: &Db, stored: Stored) -> Result<NoticeKind, StoreError> {
    match stored.kind {
        MESSAGE => Ok(NoticeKind::Message(pointed(db, &stored)?)),
        MESSAGE_UPDATED => Ok(NoticeKind::MessageUpdated(pointed(db, &stored)?)),
        REQUEST => Ok(NoticeKind::Request(Request {
            username: name(stored.username)?,
            preview: stored.detail.unwrap_or_default(),
            timestamp_ms: stored.time_ms.unwrap_or_default(),
        })),
        IDENTITY_CHANGED => Ok(NoticeKind::IdentityChanged {
            username: name(stored.username)?,
            reason: change(&stored.detail.unwrap_or_default())?,
        }),
        ROOM => room_notice(stored).map(NoticeKind::Room),
        TRUST_ALARM => Ok(NoticeKind::TrustAlarm(Alarm {
            subject: name(stored.username)?,
            kind: AlarmKind::of_word(&stored.detail.unwrap_or_default()).ok_or(StoreError::Damaged)?,
            evidence: unpacked(&stored.id.unwrap_or_default())?,
            at_ms: stored.time_ms.unwrap_or_default(),
        })),
        DEVICE_ASKS => Ok(NoticeKind::DeviceAsks { device: device(&stored)?, name: stored.detail }),
        DEVICE_WAITS => {
            Ok(NoticeKind::DeviceWaits { device: device(&stored)?, code: stored.detail.unwrap_or_default() })
        }
        LOGGED_OUT => Ok(NoticeKind::LoggedOut { reason: stored.detail.unwrap_or_default() }),
        _ => Err(StoreError::Damaged),
    }
}

fn device(stored: &Stored) -> Result<DeviceId, StoreError> {
    let id = stored.id.as_deref().and_then(|id| id.try_into().ok()).ok_or(StoreError::Damaged)?;
    Ok(DeviceId(u32::from_be_bytes(id)))
}

fn pointed(db: &Db, stored: &Stored) -> Result<Message, StoreError> {
    let (Some(conversation), Some(id)) = (stored.conversation, &stored.id) else {
        return Err(StoreError::Damaged);
    };
    history::message(db, conversation, id)?.ok_or(StoreError::Damaged)
}

/// Forgets notices up to `seq`.
pub(super) fn acknowledge(db: &Db, seq: u64) -> Result<(), StoreError> {
    db.change("DELETE FROM notices WHERE seq <= ?1", params![i64::try_from(seq).unwrap_or(i64::MAX)])?;
    Ok(())
}

pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.execute("DELETE FROM notices")
}

fn name(text: Option<String>) -> Result<UserName, StoreError> {
    UserName::parse(&text.unwrap_or_default()).map_err(|_| StoreError::Damaged)
}

/// Kinds of room notices as stored, by their position.
const ROOM_WORDS: [(&str, RoomEventKind); 9] = [
    ("created", RoomEventKind::Created),
    ("deleted", RoomEventKind::Deleted),
    ("invited", RoomEventKind::Invited),
    ("joined", RoomEventKind::Joined),
    ("left", RoomEventKind::Left),
    ("kicked", RoomEventKind::Kicked),
    ("role", RoomEventKind::Role),
    ("topic", RoomEventKind::Topic),
    ("resynced", RoomEventKind::Resynced),
];

/// `kind room by`; no name holds a space.
fn room_detail(notice: &RoomNotice) -> Result<String, StoreError> {
    let (word, _) = ROOM_WORDS.iter().find(|(_, kind)| *kind == notice.kind).ok_or(StoreError::Unsupported)?;
    let by = notice.by.as_ref().map_or("", UserName::as_str);
    Ok(format!("{word} {} {by}", notice.room))
}

fn room_notice(stored: Stored) -> Result<RoomNotice, StoreError> {
    let detail = stored.detail.unwrap_or_default();
    let mut parts = detail.splitn(3, ' ');
    let mut part = || parts.next().unwrap_or_default();
    let word = part();
    let (_, kind) = ROOM_WORDS.iter().find(|(known, _)| *known == word).ok_or(StoreError::Damaged)?;
    let room = RoomName::parse(part()).map_err(|_| StoreError::Damaged)?;
    let by = Some(part()).filter(|by| !by.is_empty()).map(UserName::parse).transpose();
    let username = stored.username.as_deref().map(UserName::parse).transpose();
    let (by, username) = (by.map_err(|_| StoreError::Damaged)?, username.map_err(|_| StoreError::Damaged)?);
    Ok(RoomNotice { room, kind: *kind, username, by })
}

fn word(change: IdentityChange) -> Result<&'static str, StoreError> {
    match change {
        IdentityChange::Key => Ok("key"),
        IdentityChange::Device => Ok("device"),
        IdentityChange::Name => Ok("name"),
        _ => Err(StoreError::Unsupported),
    }
}

fn change(word: &str) -> Result<IdentityChange, StoreError> {
    match word {
        "key" => Ok(IdentityChange::Key),
        "device" => Ok(IdentityChange::Device),
        "name" => Ok(IdentityChange::Name),
        _ => Err(StoreError::Damaged),
    }
}
