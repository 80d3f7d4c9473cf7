//! What a profile keeps beside account and history: its relay, and what that showed of itself.

use rusqlite::params;

use super::StoreError;
use super::sqlite::Db;
use crate::config::{Pin, RelayAddress};

/// What a profile keeps beside account and history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The relay used last.
    pub(crate) relay: Option<RelayAddress>,
    /// The only key that is accepted from it.
    pub(crate) pin: Option<Pin>,
    /// A root has vouched for it once: never again trust on first use.
    pub(crate) rooted: bool,
}

const RELAY: &str = "relay";
const PIN: &str = "pin";
const ROOTED: &str = "rooted";
const KEEPSAKE: &str = "keepsake";

/// Bytes of a keepsake: some words about each of some thousand conversations.
const KEEPSAKE_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn read(db: &Db) -> Result<Settings, StoreError> {
    let mut settings = Settings::default();
    for (name, value) in db
        .rows("SELECT name, value FROM settings", [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?
    {
        match name.as_str() {
            RELAY => {
                let text = String::from_utf8(value).map_err(|_| StoreError::Damaged)?;
                settings.relay = Some(text.parse().map_err(|_| StoreError::Damaged)?);
            }
            PIN => settings.pin = Some(Pin(value.try_into().map_err(|_| StoreError::Damaged)?)),
            ROOTED => settings.rooted = true,
            _ => {}
        }
    }
    Ok(settings)
}

pub(super) fn write(db: &Db, settings: &Settings) -> Result<(), StoreError> {
    put(db, RELAY, settings.relay.as_ref().map(|relay| relay.to_string().into_bytes()))?;
    put(db, PIN, settings.pin.map(|pin| pin.0.to_vec()))?;
    put(db, ROOTED, settings.rooted.then(Vec::new))
}

/// What the interface keeps for itself.
pub(super) fn keepsake(db: &Db) -> Result<Option<String>, StoreError> {
    let row =
        db.row("SELECT value FROM settings WHERE name = ?1", params![KEEPSAKE], |row| row.get::<_, Vec<u8>>(0))?;
    row.map(|bytes| String::from_utf8(bytes).map_err(|_| StoreError::Damaged)).transpose()
}

/// Keeps it; an empty one is none.
pub(super) fn set_keepsake(db: &Db, text: &str) -> Result<(), StoreError> {
    if text.len() > KEEPSAKE_BYTES_MAX {
        return Err(StoreError::TooLarge { bytes: text.len(), limit: KEEPSAKE_BYTES_MAX });
    }
    put(db, KEEPSAKE, (!text.is_empty()).then(|| text.as_bytes().to_vec()))
}

fn put(db: &Db, name: &str, value: Option<Vec<u8>>) -> Result<(), StoreError> {
    match value {
        Some(value) => db.change(
            "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, value],
        )?,
        None => db.change("DELETE FROM settings WHERE name = ?1", params![name])?,
    };
    Ok(())
}
