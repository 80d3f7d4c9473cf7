//! Unsent texts, by the name of their conversation: also of one that does not exist yet.

use std::collections::BTreeMap;

use rusqlite::params;

use super::StoreError;
use super::sqlite::Db;

/// Bytes of a draft: what a message may hold.
const DRAFT_BYTES_MAX: usize = 64 * 1024;

pub(super) fn read(db: &Db, with: &str) -> Result<Option<String>, StoreError> {
    db.row("SELECT text FROM drafts WHERE name = ?1", params![with], |row| row.get(0))
}

pub(super) fn all(db: &Db) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = db.rows("SELECT name, text FROM drafts", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.into_iter().collect())
}

pub(super) fn write(db: &Db, with: &str, text: &str) -> Result<(), StoreError> {
    if text.len() > DRAFT_BYTES_MAX {
        return Err(StoreError::TooLarge { bytes: text.len(), limit: DRAFT_BYTES_MAX });
    }
    if text.is_empty() {
        db.change("DELETE FROM drafts WHERE name = ?1", params![with])?;
    } else {
        db.change(
            "INSERT INTO drafts (name, text) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET text = excluded.text",
            params![with, text],
        )?;
    }
    Ok(())
}

pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.execute("DELETE FROM drafts")
}
