//! The engine's records: what [`chat_core::store::Records`] reads and a batch writes.

use std::collections::HashSet;

use chat_core::store::{Table, Write};
use chat_wire::ids::MessageId;
use rusqlite::params;

use super::StoreError;
use super::sqlite::Db;

pub(super) fn get(db: &Db, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    db.row("SELECT value FROM records WHERE kind = ?1 AND key = ?2", params![table as u8, key], |row| row.get(0))
}

/// Key and value.
type Entry = (Vec<u8>, Vec<u8>);

/// Up to `limit` entries of `(prefix, after)`, ascending.
pub(super) fn scan(
    db: &Db,
    table: Table,
    (prefix, after): (&[u8], Option<&[u8]>),
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let end = after_prefix(prefix);
    let after = after.filter(|after| *after >= prefix);
    db.rows(
        "SELECT key, value FROM records
         WHERE kind = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?3) AND (?4 IS NULL OR key < ?4)
         ORDER BY key LIMIT ?5",
        params![table as u8, after.unwrap_or(prefix), after, end, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Ids of the messages that are to expire: the last bytes of their keys.
pub(super) fn expiring(db: &Db) -> Result<HashSet<MessageId>, StoreError> {
    let keys = db.rows("SELECT key FROM records WHERE kind = ?1", params![Table::Expiries as u8], |row| {
        row.get::<_, Vec<u8>>(0)
    })?;
    let id = |key: &Vec<u8>| key.last_chunk().map(|id| MessageId(*id)).ok_or(StoreError::Damaged);
    keys.iter().map(id).collect()
}

/// The first key behind all that start with `prefix`; none when there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte = byte.saturating_add(1);
    }
    Some(end)
}

pub(super) fn write(db: &Db, writes: &[Write]) -> Result<(), StoreError> {
    for write in writes {
        match write {
            Write::Put { table, key, value } => db.change(
                "INSERT INTO records (kind, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                params![*table as u8, key, value],
            )?,
            Write::Delete { table, key } => {
                db.change("DELETE FROM records WHERE kind = ?1 AND key = ?2", params![*table as u8, key])?
            }
        };
    }
    Ok(())
}

pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.execute("DELETE FROM records")
}
