//! Transfers of files: one row each, opaque here, and the hashes of the chunks of uploads (SPEC 13.2.2).

use chat_wire::ids::MessageId;
use rusqlite::params;

use super::StoreError;
use super::sqlite::Db;

/// Stores a transfer, replacing what was known of it.
pub(super) fn write(db: &Db, id: &MessageId, direction: u8, body: &[u8]) -> Result<(), StoreError> {
    db.change(
        "INSERT INTO transfers (id, direction, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (id, direction) DO UPDATE SET body = excluded.body",
        params![id.0, direction, body],
    )?;
    Ok(())
}

/// All of them.
pub(super) fn all(db: &Db) -> Result<Vec<Vec<u8>>, StoreError> {
    db.rows("SELECT body FROM transfers", [], |row| row.get(0))
}

/// Forgets a transfer, and its chunks.
pub(super) fn remove(db: &Db, id: &MessageId, direction: u8) -> Result<(), StoreError> {
    db.change("DELETE FROM transfers WHERE id = ?1 AND direction = ?2", params![id.0, direction])?;
    forget_chunks(db, id)
}

/// Adds hashes of consecutive chunks, from number `first` on.
pub(super) fn add_chunks(db: &Db, id: &MessageId, first: u64, hashes: &[u8]) -> Result<(), StoreError> {
    let first = i64::try_from(first).map_err(|_| StoreError::Unsupported)?;
    db.change(
        "INSERT INTO transfer_chunks (transfer, first, hashes) VALUES (?1, ?2, ?3)",
        params![id.0, first, hashes],
    )?;
    Ok(())
}

/// The hashes of all chunks that were ever sealed, one after the other.
pub(super) fn chunks(db: &Db, id: &MessageId) -> Result<Vec<u8>, StoreError> {
    let parts: Vec<Vec<u8>> =
        db.rows("SELECT hashes FROM transfer_chunks WHERE transfer = ?1 ORDER BY first", params![id.0], |row| {
            row.get(0)
        })?;
    Ok(parts.concat())
}

/// The upload is over: its key is not used again.
pub(super) fn forget_chunks(db: &Db, id: &MessageId) -> Result<(), StoreError> {
    db.change("DELETE FROM transfer_chunks WHERE transfer = ?1", params![id.0])?;
    Ok(())
}

/// Up to which notice it was decided whether a file comes by itself.
pub(super) fn decided(db: &Db) -> Result<u64, StoreError> {
    let stored: Vec<Vec<u8>> = db.rows("SELECT value FROM settings WHERE name = ?1", [DECIDED], |row| row.get(0))?;
    match stored.first() {
        Some(seq) => seq.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| StoreError::Damaged),
        None => Ok(0),
    }
}

pub(super) fn set_decided(db: &Db, seq: u64) -> Result<(), StoreError> {
    db.change(
        "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![DECIDED, seq.to_be_bytes()],
    )?;
    Ok(())
}

/// Notices begin anew with the next account.
pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.change("DELETE FROM settings WHERE name = ?1", [DECIDED])?;
    db.execute("DELETE FROM transfers; DELETE FROM transfer_chunks")
}

const DECIDED: &str = "files-decided";
