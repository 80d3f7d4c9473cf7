//! Conversations and their messages, in the order of arrival. Unread counts and the `read` of incoming
//! messages are derived from one mark a conversation, so that they can't drift apart.

use chat_core::engine::{Conversation, Message, MessageStatus, Reaction};
use chat_core::store::HistoryChange;
use chat_wire::ids::{AccountId, MessageId, RoomId, UserName};
use rusqlite::types::Type;
use rusqlite::{Params, Row, params};

use super::sqlite::Db;
use super::{StoreError, file};
use crate::request::{ConversationSummary, HISTORY_PAGE_MAX, HistoryPart, MessagePage};

/// Unread texts that are looked at for one's name: whoever left more behind reads them anyway.
const CALLS_MAX: u32 = 2_000;

/// A text that came new into the history.
pub(super) struct NewText {
    /// Its message's place.
    pub(super) place: i64,
    /// The text.
    pub(super) text: String,
}

/// Applies one change; returns the text that the search has to learn.
pub(super) fn change(db: &Db, change: &HistoryChange) -> Result<Option<NewText>, StoreError> {
    match change {
        HistoryChange::Insert(message) => return insert(db, message),
        HistoryChange::Status { conversation, id, status } => set_status(db, conversation, id, *status)?,
        HistoryChange::ReadUpTo { conversation, id } => read_up_to(db, conversation, id)?,
        HistoryChange::Named { conversation, name } => set_name(db, conversation, name)?,
        _ => return Err(StoreError::Unsupported),
    }
    Ok(None)
}

/// Stores a message, as the newest, unless the conversation already holds it.
pub(super) fn insert(db: &Db, message: &Message) -> Result<Option<NewText>, StoreError> {
    let conversation = home(db, message)?;
    let place = insert_at(db, conversation, message, None)?;
    let text = message.text.as_ref().zip(place);
    Ok(text.map(|(text, place)| NewText { place, text: text.clone() }))
}

/// The number of a message's conversation, which is made when there is none.
pub(super) fn home(db: &Db, message: &Message) -> Result<i64, StoreError> {
    if let Some(number) = number(db, &message.conversation)? {
        return Ok(number);
    }
    let direct = matches!(message.conversation, Conversation::Direct(_));
    let other = if message.outgoing || !direct { message.to.as_str() } else { message.from.as_str() };
    set_name(db, &message.conversation, other)?;
    Ok(db.last_insert())
}

/// Stores a message at a place, or behind all others; none when the conversation already holds it.
pub(super) fn insert_at(
    db: &Db,
    conversation: i64,
    message: &Message,
    place: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let added = db.change(
        "INSERT INTO messages (conversation, id, sender, recipient, text, unknown, reply_to, outgoing, status, time_ms,
             edited, deleted, direct, file, imported, place)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT (conversation, id) DO NOTHING",
        params![
            conversation,
            message.id.0,
            message.from.as_str(),
            message.to,
            message.text,
            message.unknown,
            message.reply_to.map(|id| id.0),
            message.outgoing,
            rank(message.status),
            as_stored(message.timestamp_ms),
            message.edited,
            message.deleted,
            message.direct,
            message.file.as_ref().map(file::encode),
            message.imported,
            place,
        ],
    )?;
    Ok((added > 0).then(|| db.last_insert()))
}

/// Raises the status of an own message; a lower one changes nothing.
fn set_status(db: &Db, conversation: &Conversation, id: &MessageId, status: MessageStatus) -> Result<(), StoreError> {
    let (kind, peer) = key(conversation)?;
    db.change(
        "UPDATE messages SET status = max(status, ?4)
         WHERE conversation = (SELECT number FROM conversations WHERE kind = ?1 AND peer = ?2)
           AND id = ?3 AND outgoing = 1",
        params![kind, peer, id.0, rank(status)],
    )?;
    Ok(())
}

/// Moves the mark forward to a message; never back.
fn read_up_to(db: &Db, conversation: &Conversation, id: &MessageId) -> Result<(), StoreError> {
    let (kind, peer) = key(conversation)?;
    db.change(
        "UPDATE conversations SET read_to = max(read_to, coalesce(
             (SELECT place FROM messages WHERE conversation = number AND id = ?3), 0))
         WHERE kind = ?1 AND peer = ?2",
        params![kind, peer, id.0],
    )?;
    Ok(())
}

fn set_name(db: &Db, conversation: &Conversation, name: &str) -> Result<(), StoreError> {
    let (kind, peer) = key(conversation)?;
    db.change(
        "INSERT INTO conversations (kind, peer, name) VALUES (?1, ?2, ?3)
         ON CONFLICT (kind, peer) DO UPDATE SET name = excluded.name",
        params![kind, peer, name],
    )?;
    Ok(())
}

/// A page of the conversation of that name; empty when there is none.
pub(super) fn page(db: &Db, with: &str, part: HistoryPart, limit: u32) -> Result<MessagePage, StoreError> {
    let limit = i64::from(limit.min(HISTORY_PAGE_MAX));
    let Some(conversation) = named(db, with)? else {
        return match part {
            HistoryPart::Newest | HistoryPart::At(_) => Ok(MessagePage::default()),
            _ => Err(StoreError::UnknownMessage),
        };
    };
    let place = |id: MessageId| place(db, conversation, &id);
    match part {
        HistoryPart::Newest => between(db, conversation, (i64::MAX, limit), (i64::MAX, 0)),
        HistoryPart::Before(id) => {
            let at = place(id)?;
            between(db, conversation, (at, limit), (at.saturating_sub(1), 0))
        }
        HistoryPart::After(id) => {
            let at = place(id)?;
            between(db, conversation, (at.saturating_add(1), 0), (at, limit))
        }
        HistoryPart::Around(id) => {
            let (at, after) = (place(id)?, limit / 2);
            between(db, conversation, (at.saturating_add(1), limit.saturating_sub(after)), (at, after))
        }
        HistoryPart::At(ms) => match place_at(db, conversation, ms)? {
            Some(at) => {
                let after = limit / 2;
                between(db, conversation, (at.saturating_add(1), limit.saturating_sub(after)), (at, after))
            }
            None => between(db, conversation, (i64::MAX, limit), (i64::MAX, 0)),
        },
    }
}

/// The first place whose message is not older than a time.
fn place_at(db: &Db, conversation: i64, ms: u64) -> Result<Option<i64>, StoreError> {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    db.row(
        "SELECT place FROM messages WHERE conversation = ?1 AND time_ms >= ?2 ORDER BY place LIMIT 1",
        params![conversation, ms],
        |row| row.get(0),
    )
}

/// Up to `count.1` messages before one place and after another, and whether there are more.
fn between(db: &Db, conversation: i64, before: (i64, i64), after: (i64, i64)) -> Result<MessagePage, StoreError> {
    let mut older = messages(
        db,
        "conversation = ?1 AND place < ?2 ORDER BY place DESC LIMIT ?3",
        params![conversation, before.0, before.1.saturating_add(1)],
    )?;
    let mut newer = messages(
        db,
        "conversation = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        params![conversation, after.0, after.1.saturating_add(1)],
    )?;
    let more_before = cut(&mut older, before.1);
    let more_after = cut(&mut newer, after.1);
    older.reverse();
    older.append(&mut newer);
    Ok(MessagePage { messages: older, more_before, more_after })
}

/// Takes what was read over the limit away; tells whether there was something.
fn cut(messages: &mut Vec<Message>, limit: i64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = messages.len() > limit;
    messages.truncate(limit);
    more
}

/// Messages whose words match, newest first. The index is read from its newest entry on and no further
/// than the limit needs.
pub(super) fn matching(db: &Db, words: &str, with: Option<&str>, limit: u32) -> Result<Vec<Message>, StoreError> {
    let conversation = match with {
        None => None,
        Some(with) => match named(db, with)? {
            None => return Ok(Vec::new()),
            found => found,
        },
    };
    select(
        db,
        "words CROSS JOIN messages ON place = words.rowid JOIN conversations ON number = conversation
         WHERE words MATCH ?1 AND (?2 IS NULL OR conversation = ?2) ORDER BY words.rowid DESC LIMIT ?3",
        params![words, conversation, limit.min(HISTORY_PAGE_MAX)],
    )
}

/// All conversations that hold a message, the newest first; drafts are somebody else's.
pub(super) fn conversations(db: &Db) -> Result<Vec<ConversationSummary>, StoreError> {
    let mut found = db.rows(
        "SELECT number, name, kind, peer,
             (SELECT count(*) FROM messages WHERE conversation = number AND outgoing = 0 AND deleted = 0 AND place > read_to),
             (SELECT id FROM messages WHERE conversation = number AND outgoing = 0 AND deleted = 0 AND place > read_to
              ORDER BY place LIMIT 1),
             (SELECT max(place) FROM messages WHERE conversation = number) AS newest
         FROM conversations WHERE newest IS NOT NULL ORDER BY newest DESC",
        [],
        |row| {
            let summary = ConversationSummary {
                name: row.get(1)?,
                conversation: conversation(row, 2)?,
                unread: row.get(4)?,
                first_unread: row.get::<_, Option<[u8; 16]>>(5)?.map(MessageId),
                mentions: 0,
                last_message: None,
                draft: None,
            };
            Ok((summary, row.get::<_, i64>(6)?))
        },
    )?;
    for (summary, newest) in &mut found {
        summary.last_message = messages(db, "place = ?1", params![*newest])?.pop();
    }
    Ok(found.into_iter().map(|(summary, _)| summary).collect())
}

/// Unread texts of rooms in which somebody is called by name, with the rooms' names.
pub(super) fn calls(db: &Db) -> Result<Vec<(String, String)>, StoreError> {
    db.rows(
        "SELECT name, text FROM messages JOIN conversations ON number = conversation
         WHERE name LIKE '#%' AND outgoing = 0 AND deleted = 0 AND place > read_to AND instr(text, '@') > 0
         ORDER BY place DESC LIMIT ?1",
        params![CALLS_MAX],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Up to `limit` messages of all conversations between two places, in their order.
pub(super) fn stretch(db: &Db, (after, until): (i64, i64), limit: u32) -> Result<Vec<(i64, Message)>, StoreError> {
    let places = db.rows(
        "SELECT place FROM messages WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3",
        params![after, until, limit],
        |row| row.get::<_, i64>(0),
    )?;
    let Some(last) = places.last() else { return Ok(Vec::new()) };
    let messages = messages(db, "place > ?1 AND place <= ?2 ORDER BY place", params![after, last])?;
    Ok(places.into_iter().zip(messages).collect())
}

/// Up to `limit` messages of all conversations before a place, the newest first.
pub(super) fn backwards(db: &Db, before: i64, limit: u32) -> Result<Vec<(i64, Message)>, StoreError> {
    let places = db.rows(
        "SELECT place FROM messages WHERE place < ?1 ORDER BY place DESC LIMIT ?2",
        params![before, limit],
        |row| row.get::<_, i64>(0),
    )?;
    let Some(last) = places.last() else { return Ok(Vec::new()) };
    let messages = messages(db, "place < ?1 AND place >= ?2 ORDER BY place DESC", params![before, last])?;
    Ok(places.into_iter().zip(messages).collect())
}

/// Messages before a place.
pub(super) fn count_before(db: &Db, before: i64) -> Result<u64, StoreError> {
    let count = db.row("SELECT count(*) FROM messages WHERE place < ?1", params![before], |row| row.get(0))?;
    Ok(count.unwrap_or(0))
}

/// The lowest and the highest place in use.
pub(super) fn ends(db: &Db) -> Result<Option<(i64, i64)>, StoreError> {
    let ends = db.row("SELECT min(place), max(place) FROM messages", [], |row| {
        Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?))
    })?;
    Ok(ends.flatten())
}

/// The message of a conversation under an id.
pub(super) fn message(db: &Db, conversation: i64, id: &[u8]) -> Result<Option<Message>, StoreError> {
    Ok(messages(db, "conversation = ?1 AND id = ?2", params![conversation, id])?.pop())
}

pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.execute("DELETE FROM messages; DELETE FROM conversations")
}

/// The number of a conversation.
pub(super) fn number(db: &Db, conversation: &Conversation) -> Result<Option<i64>, StoreError> {
    let (kind, peer) = key(conversation)?;
    db.row("SELECT number FROM conversations WHERE kind = ?1 AND peer = ?2", params![kind, peer], |row| row.get(0))
}

/// The conversation of that name; of several, because a name came to lead elsewhere, the one used last.
fn named(db: &Db, name: &str) -> Result<Option<i64>, StoreError> {
    db.row(
        "SELECT number FROM conversations WHERE name = ?1
         ORDER BY (SELECT max(place) FROM messages WHERE conversation = number) DESC LIMIT 1",
        params![name],
        |row| row.get(0),
    )
}

fn place(db: &Db, conversation: i64, id: &MessageId) -> Result<i64, StoreError> {
    db.row("SELECT place FROM messages WHERE conversation = ?1 AND id = ?2", params![conversation, id.0], |row| {
        row.get(0)
    })?
    .ok_or(StoreError::UnknownMessage)
}

/// Messages for which `condition` holds, a constant of this file.
fn messages(db: &Db, condition: &'static str, params: impl Params) -> Result<Vec<Message>, StoreError> {
    select(db, &format!("messages JOIN conversations ON number = conversation WHERE {condition}"), params)
}

/// Messages of a query's remainder after `FROM`. No two columns of the tables have the same name.
fn select(db: &Db, from: &str, params: impl Params) -> Result<Vec<Message>, StoreError> {
    let sql = format!(
        "SELECT id, kind, peer, sender, recipient, text, unknown, reply_to, outgoing, status, time_ms, edited, deleted,
             direct, place <= read_to, file, imported,
             (SELECT group_concat(line, char(10)) FROM
                 (SELECT reactor || ' ' || sign AS line FROM reactions WHERE message = place ORDER BY reactor))
         FROM {from}"
    );
    db.rows(&sql, params, read_message)
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let outgoing: bool = row.get(8)?;
    let status = match (outgoing, row.get::<_, bool>(14)?) {
        (false, true) => MessageStatus::Read,
        _ => ranked(row.get(9)?).ok_or_else(|| misfit(9))?,
    };
    Ok(Message {
        id: MessageId(row.get(0)?),
        conversation: conversation(row, 1)?,
        from: UserName::parse(&row.get::<_, String>(3)?).map_err(|_| misfit(3))?,
        to: row.get(4)?,
        text: row.get(5)?,
        unknown: row.get(6)?,
        reply_to: row.get::<_, Option<[u8; 16]>>(7)?.map(MessageId),
        outgoing,
        status,
        timestamp_ms: row.get(10)?,
        edited: row.get(11)?,
        deleted: row.get(12)?,
        direct: row.get(13)?,
        file: row
            .get::<_, Option<Vec<u8>>>(15)?
            .map(|stored| file::decode(&stored).ok_or_else(|| misfit(15)))
            .transpose()?,
        reactions: reactions(row.get::<_, Option<String>>(17)?.as_deref().unwrap_or_default())
            .ok_or_else(|| misfit(17))?,
        imported: row.get(16)?,
    })
}

/// Lines of a name and a sign; neither holds a blank.
fn reactions(lines: &str) -> Option<Vec<Reaction>> {
    let reaction = |line: &str| {
        let (from, sign) = line.split_once(' ')?;
        Some(Reaction { from: UserName::parse(from).ok()?, sign: sign.to_owned() })
    };
    lines.lines().map(reaction).collect()
}

const DIRECT: u8 = 1;
const ROOM: u8 = 2;

/// How a conversation is stored.
fn key(conversation: &Conversation) -> Result<(u8, &[u8]), StoreError> {
    match conversation {
        Conversation::Direct(peer) => Ok((DIRECT, &peer.0)),
        Conversation::Room(room) => Ok((ROOM, &room.0)),
        _ => Err(StoreError::Unsupported),
    }
}

/// The conversation stored in the columns from `column` on.
pub(super) fn conversation(row: &Row<'_>, column: usize) -> rusqlite::Result<Conversation> {
    match row.get(column)? {
        DIRECT => Ok(Conversation::Direct(AccountId(row.get(column.saturating_add(1))?))),
        ROOM => Ok(Conversation::Room(RoomId(row.get(column.saturating_add(1))?))),
        _ => Err(misfit(column)),
    }
}

/// Statuses as stored: a higher one replaces a lower one. A failed message may still be sent later.
const RANKS: [MessageStatus; 5] =
    [MessageStatus::Queued, MessageStatus::Failed, MessageStatus::Sent, MessageStatus::Delivered, MessageStatus::Read];

fn rank(status: MessageStatus) -> u8 {
    match status {
        MessageStatus::Queued => 0,
        MessageStatus::Failed => 1,
        MessageStatus::Sent => 2,
        MessageStatus::Delivered => 3,
        MessageStatus::Read => 4,
    }
}

fn ranked(rank: u8) -> Option<MessageStatus> {
    RANKS.get(usize::from(rank)).copied()
}

/// SQLite's integers are signed; no time of ours comes near the end of them.
fn as_stored(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// A stored value outside what this version stores.
fn misfit(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, String::new(), Type::Null)
}
