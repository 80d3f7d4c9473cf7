//! Messages that change: another text, none any more, what people think of them. The search is told what
//! it has to forget and to learn.

use chat_core::engine::Conversation;
use chat_wire::ids::{MessageId, UserName};
use rusqlite::params;

use super::StoreError;
use super::history::{self, conversation};
use super::sqlite::Db;

/// A text that gave way to another, or to none.
pub(super) struct Replaced {
    /// Its message's place.
    pub(super) place: i64,
    /// What the search knows.
    pub(super) old: Option<String>,
    /// What it is to know.
    pub(super) new: Option<String>,
}

/// Gives a message another text; none when there is no such message.
pub(super) fn edit(
    db: &Db,
    (conversation, id): (&Conversation, &MessageId),
    text: &str,
) -> Result<Option<Replaced>, StoreError> {
    let Some((place, old)) = find(db, conversation, id)? else { return Ok(None) };
    db.change("UPDATE messages SET text = ?2, edited = 1 WHERE place = ?1", params![place, text])?;
    Ok(Some(Replaced { place, old, new: Some(text.to_owned()) }))
}

/// Leaves nothing of a message but its place.
pub(super) fn delete(db: &Db, (conversation, id): (&Conversation, &MessageId)) -> Result<Option<Replaced>, StoreError> {
    let Some((place, old)) = find(db, conversation, id)? else { return Ok(None) };
    db.change("UPDATE messages SET text = NULL, unknown = NULL, deleted = 1 WHERE place = ?1", params![place])?;
    db.change("DELETE FROM reactions WHERE message = ?1", params![place])?;
    Ok(Some(Replaced { place, old, new: None }))
}

/// Replaces what somebody thinks of a message; an empty sign is none.
pub(super) fn react(
    db: &Db,
    (conversation, id): (&Conversation, &MessageId),
    (from, sign): (&UserName, &str),
) -> Result<(), StoreError> {
    let Some((place, _)) = find(db, conversation, id)? else { return Ok(()) };
    if sign.is_empty() {
        db.change("DELETE FROM reactions WHERE message = ?1 AND reactor = ?2", params![place, from.as_str()])?;
    } else {
        db.change(
            "INSERT INTO reactions (message, reactor, sign) VALUES (?1, ?2, ?3)
             ON CONFLICT (message, reactor) DO UPDATE SET sign = excluded.sign",
            params![place, from.as_str(), sign],
        )?;
    }
    Ok(())
}

/// Where a message lies; of several under one id the latest.
pub(super) fn conversation_of(db: &Db, id: &MessageId) -> Result<Option<Conversation>, StoreError> {
    db.row(
        "SELECT kind, peer FROM messages JOIN conversations ON number = conversation
         WHERE id = ?1 ORDER BY place DESC LIMIT 1",
        params![id.0],
        |row| conversation(row, 0),
    )
}

pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.execute("DELETE FROM reactions")
}

fn find(db: &Db, conversation: &Conversation, id: &MessageId) -> Result<Option<(i64, Option<String>)>, StoreError> {
    let Some(number) = history::number(db, conversation)? else { return Ok(None) };
    db.row("SELECT place, text FROM messages WHERE conversation = ?1 AND id = ?2", params![number, id.0], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}
