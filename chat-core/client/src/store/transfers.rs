//! Transfers of files: one row each, opaque here.

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

/// Forgets a transfer.
pub(super) fn remove(db: &Db, id: &MessageId, direction: u8) -> Result<(), StoreError> {
    db.change("DELETE FROM transfers WHERE id = ?1 AND direction = ?2", params![id.0, direction])?;
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

/// What came by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Came {
    /// Since when it is counted, milliseconds since the Unix epoch.
    pub(crate) since_ms: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

/// What came by itself of late.
pub(super) fn came(db: &Db) -> Result<Came, StoreError> {
    let stored: Vec<Vec<u8>> = db.rows("SELECT value FROM settings WHERE name = ?1", [CAME], |row| row.get(0))?;
    let Some(stored) = stored.first() else { return Ok(Came::default()) };
    let [since, bytes] = stored.as_chunks::<8>().0 else { return Err(StoreError::Damaged) };
    Ok(Came { since_ms: u64::from_be_bytes(*since), bytes: u64::from_be_bytes(*bytes) })
}

pub(super) fn set_came(db: &Db, came: Came) -> Result<(), StoreError> {
    let stored = [came.since_ms.to_be_bytes(), came.bytes.to_be_bytes()].concat();
    db.change(
        "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![CAME, stored],
    )?;
    Ok(())
}

/// Notices begin anew with the next account. What came by itself lies on the same disk.
pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.change("DELETE FROM settings WHERE name = ?1", [DECIDED])?;
    db.execute("DELETE FROM transfers")
}

const DECIDED: &str = "files-decided";
const CAME: &str = "files-came";
