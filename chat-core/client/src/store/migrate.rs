//! The schema and its versions: `user_version` counts the steps that were taken. A step is never
//! changed once released; a change is a new step.

use std::path::Path;

use super::seal::StoreKey;
use super::sqlite::Db;
use crate::error::OpenError;

/// From version N (the position in the list) to version N + 1.
const STEPS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5];

const VERSION_1: &str = "
    CREATE TABLE records (
        kind INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE conversations (
        number INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        peer BLOB NOT NULL,
        name TEXT NOT NULL,
        read_to INTEGER NOT NULL DEFAULT 0,
        UNIQUE (kind, peer)
    ) STRICT;
    CREATE INDEX conversations_by_name ON conversations (name);

    -- `place` is the order of arrival and never used again.
    CREATE TABLE messages (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation INTEGER NOT NULL REFERENCES conversations (number),
        id BLOB NOT NULL,
        sender TEXT NOT NULL,
        recipient TEXT NOT NULL,
        text TEXT,
        unknown BLOB,
        reply_to BLOB,
        outgoing INTEGER NOT NULL,
        status INTEGER NOT NULL,
        time_ms INTEGER NOT NULL,
        edited INTEGER NOT NULL,
        deleted INTEGER NOT NULL,
        direct INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX messages_by_id ON messages (conversation, id);
    CREATE INDEX messages_by_place ON messages (conversation, place);
    CREATE INDEX messages_incoming ON messages (conversation, place) WHERE outgoing = 0;

    -- Holds words only; the text stands in `messages`.
    CREATE VIRTUAL TABLE words USING fts5 (body, content = '', prefix = '1 2 3 4', tokenize = 'unicode61 remove_diacritics 2');
    INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

    CREATE TABLE notices (
        seq INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        conversation INTEGER,
        id BLOB,
        username TEXT,
        detail TEXT,
        time_ms INTEGER
    ) STRICT;

    CREATE TABLE drafts (
        name TEXT PRIMARY KEY,
        text TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE settings (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Files in messages, and transfers under way.
const VERSION_2: &str = "
    ALTER TABLE messages ADD COLUMN file BLOB;

    CREATE TABLE transfers (
        id BLOB NOT NULL,
        direction INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (id, direction)
    ) STRICT, WITHOUT ROWID;

    -- Hashes of consecutive chunks of an upload.
    CREATE TABLE transfer_chunks (
        transfer BLOB NOT NULL,
        first INTEGER NOT NULL,
        hashes BLOB NOT NULL,
        PRIMARY KEY (transfer, first)
    ) STRICT, WITHOUT ROWID;
";

/// What people think of messages, and messages by their id alone.
const VERSION_3: &str = "
    CREATE TABLE reactions (
        message INTEGER NOT NULL REFERENCES messages (place),
        reactor TEXT NOT NULL,
        sign TEXT NOT NULL,
        PRIMARY KEY (message, reactor)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX messages_by_id_alone ON messages (id);
";

/// Messages that came out of an archive or from another device.
const VERSION_4: &str = "
    ALTER TABLE messages ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
";

/// The hashes of chunks lie in files of their own; an upload without them must not go on under its key.
const VERSION_5: &str = "
    DELETE FROM transfers WHERE direction = 1 AND id IN (SELECT transfer FROM transfer_chunks);
    DROP TABLE transfer_chunks;
";

/// The newest version.
fn known() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// Whether a store of this version can be opened.
pub(super) fn check(found: u32) -> Result<(), OpenError> {
    match found {
        // Made in one piece with its first version: none is damage.
        0 => Err(OpenError::Corrupt),
        found if found > known() => Err(OpenError::TooNew { found, known: known() }),
        _ => Ok(()),
    }
}

/// Makes a database of the newest version in an empty file.
pub(super) fn create(path: &Path, key: &StoreKey) -> Result<(), OpenError> {
    run(&mut Db::create(path, key)?)
}

/// Takes the steps that are left, all or none.
pub(super) fn run(db: &mut Db) -> Result<(), OpenError> {
    let found = db.row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))?.unwrap_or(0);
    let left = STEPS.get(usize::try_from(found).unwrap_or(usize::MAX)..).unwrap_or_default();
    if left.is_empty() {
        return Ok(());
    }
    let script = format!("BEGIN IMMEDIATE; {} PRAGMA user_version = {}; COMMIT", left.concat(), known());
    Ok(db.execute(&script)?)
}

#[cfg(test)]
mod tests;
