//! The database's layout, its version, and how it is opened.
//!
//! Rows that come and go with mail (`entries`, `answered`) lie in order of arrival with a narrow index:
//! measured four times cheaper than rows clustered by recipient, and expiry is a range from the front.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Version of the layout that the steps below lead to.
const SCHEMA_VERSION: i64 = 4;

/// Marks the file as ours (`PRAGMA application_id`): "CHRL".
const APPLICATION_ID: i64 = 0x4348_524c;

/// Milliseconds that a writer waits for another process, such as `admin`, to end its transaction.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// The first layout.
const FIRST: &str = "
CREATE TABLE accounts (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    login_record BLOB NOT NULL,
    kp INTEGER NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    list_seq INTEGER NOT NULL,
    vault BLOB NOT NULL
) STRICT;
CREATE TABLE records (
    account INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE lists (
    account INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    list BLOB NOT NULL,
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
-- Every public key that a device of an account ever had: no other account may list it.
CREATE TABLE device_keys (
    key BLOB PRIMARY KEY,
    account INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE devices (
    no INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    id INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    sig_key BLOB NOT NULL,
    dh_key BLOB NOT NULL,
    boot BLOB,
    step INTEGER NOT NULL DEFAULT 0,
    signed_prekey BLOB,
    last_resort BLOB,
    UNIQUE (account, id)
) STRICT;
-- A pair that was handed out keeps its id, so that an upload repeated later never brings it back.
CREATE TABLE pairs (
    no INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    id BLOB NOT NULL,
    pair BLOB
) STRICT;
CREATE UNIQUE INDEX pairs_by_id ON pairs (device, id);
CREATE INDEX pairs_left ON pairs (device, no) WHERE pair IS NOT NULL;
-- A mailbox is a log whose owner is a device.
CREATE TABLE logs (
    no INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    UNIQUE (kind, owner)
) STRICT;
CREATE TABLE entries (
    no INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    accepted_ms INTEGER NOT NULL,
    sender BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX entries_by_place ON entries (log, seq, bytes);
CREATE TABLE cursors (
    log INTEGER NOT NULL,
    reader INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (log, reader)
) STRICT, WITHOUT ROWID;
CREATE TABLE answers (
    no INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    key BLOB NOT NULL,
    accepted_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX answers_by_key ON answers (device, key);
CREATE TABLE invites (
    hash BLOB PRIMARY KEY,
    uses_left INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Removed devices, deleted accounts, and rooms: logs with many readers, whose cursors say who is a member.
const ROOMS: &str = "
ALTER TABLE entries ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN key BLOB;
CREATE INDEX entries_by_key ON entries (log, key) WHERE key IS NOT NULL;
CREATE INDEX cursors_by_reader ON cursors (reader) WHERE reader > 0;
-- A removed device that comes back is told so, with the list that proves it.
CREATE TABLE removed_devices (
    account INTEGER NOT NULL,
    id INTEGER NOT NULL,
    sig_key BLOB NOT NULL,
    list_seq INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
-- What remains of a deleted account; the name until its reservation ends.
CREATE TABLE deleted_accounts (
    id BLOB PRIMARY KEY,
    name TEXT,
    at_ms INTEGER NOT NULL,
    reserved_until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deleted_accounts_by_name ON deleted_accounts (name) WHERE name IS NOT NULL;
-- A reader of a room reads what comes after its join, and when it was removed up to there.
ALTER TABLE cursors ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursors ADD COLUMN until INTEGER;
CREATE TABLE rooms (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    public INTEGER NOT NULL,
    owner BLOB,
    topic TEXT,
    created_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    base_seq INTEGER NOT NULL,
    contests INTEGER NOT NULL,
    members INTEGER NOT NULL,
    slow_ms INTEGER NOT NULL DEFAULT 0,
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE group_infos (
    room INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE ended_rooms (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    owner BLOB,
    reason INTEGER NOT NULL,
    statement BLOB NOT NULL,
    reserved_until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_rooms_by_name ON ended_rooms (name);
-- As with pairs, a key package that was handed out keeps its id.
CREATE TABLE key_packages (
    no INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    id BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    package BLOB
) STRICT;
CREATE UNIQUE INDEX key_packages_by_id ON key_packages (device, id);
CREATE INDEX key_packages_left ON key_packages (device, no) WHERE package IS NOT NULL;
CREATE TABLE last_key_packages (
    device INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    package BLOB NOT NULL
) STRICT;
";

/// Whether a relay runs on it, and how often one ended without saying goodbye.
const RUNS: &str = "
CREATE TABLE runs (
    no INTEGER PRIMARY KEY CHECK (no = 1),
    is_running INTEGER NOT NULL,
    crashes INTEGER NOT NULL
) STRICT;
INSERT INTO runs VALUES (1, 0, 0);
";

/// Answered sends in one row a device and group, found by their steps, and steps beside the devices: a
/// device's row carries keys of 2 KiB, which no message should write anew.
const ANSWERS: &str = "
CREATE TABLE steps (
    device INTEGER PRIMARY KEY,
    step INTEGER NOT NULL
) STRICT;
INSERT INTO steps SELECT no, step FROM devices WHERE step > 0;
CREATE TABLE answered (
    no INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    accepted_ms INTEGER NOT NULL,
    answers BLOB NOT NULL
) STRICT;
CREATE INDEX answered_by_step ON answered (device, first_step, last_step);
INSERT INTO answered (device, first_step, last_step, accepted_ms, answers)
    SELECT a.device, 0, d.step, max(a.accepted_ms),
        unhex(group_concat(hex(a.key) || printf('%016X', a.accepted_ms), ''))
    FROM answers a JOIN devices d ON d.no = a.device GROUP BY a.device ORDER BY max(a.accepted_ms);
DROP TABLE answers;
ALTER TABLE devices DROP COLUMN step;
";

/// Leads from each version to the next; what is released never changes here.
const STEPS: [&str; 4] = [FIRST, ROOMS, RUNS, ANSWERS];

/// Why the database was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file can't be made or read.
    #[error("the database file can't be opened")]
    File(#[from] std::io::Error),
    /// SQLite refused.
    #[error("the database can't be opened")]
    Sqlite(#[from] rusqlite::Error),
    /// Another program's file.
    #[error("the file is no database of this relay")]
    Foreign,
    /// Written by a newer version.
    #[error("the database has version {found}, this program knows {known}")]
    TooNew {
        /// The file's.
        found: i64,
        /// Ours.
        known: i64,
    },
}

/// Pages of the log after which the relay's own connection moves it: 64 MiB. Before that the mover does.
const LOG_PAGES_MAX: i64 = 16_384;

/// Opens the relay's own connection: made when it is not there, 0600 from the first byte on.
pub(crate) fn open(path: &Path, vfs: Option<&str>) -> Result<Connection, OpenError> {
    if vfs.is_none() {
        // SQLite gives its journal and shared-memory files the mode of the main file.
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    }
    let connection = connect(path, vfs)?;
    settle(&connection)?;
    // The relay syncs the log itself before it answers (`disk`).
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    migrate(&connection)?;
    Ok(connection)
}

/// Opens the connection that moves the log into the database file.
pub(crate) fn open_mover(path: &Path, vfs: Option<&str>) -> Result<Connection, OpenError> {
    let connection = connect(path, vfs)?;
    settle(&connection)?;
    connection.pragma_update(None, "cache_size", -64)?;
    Ok(connection)
}

fn connect(path: &Path, vfs: Option<&str>) -> Result<Connection, OpenError> {
    Ok(match vfs {
        None => Connection::open_with_flags(path, flags())?,
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags() | OpenFlags::SQLITE_OPEN_CREATE, vfs)?,
    })
}

/// Notes that a relay runs; how many runs have crashed, the one before included.
pub(crate) fn begin_run(connection: &Connection) -> Result<u64, OpenError> {
    connection.execute("UPDATE runs SET crashes = crashes + is_running, is_running = 1", [])?;
    let crashes: i64 = connection.query_row("SELECT crashes FROM runs", [], |row| row.get(0))?;
    Ok(u64::try_from(crashes).unwrap_or(0))
}

/// Opens a second connection to an existing database: the operator's, beside a running relay.
pub(crate) fn open_beside(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, flags())?;
    settle(&connection)?;
    check_version(&connection)?;
    Ok(connection)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn settle(connection: &Connection) -> Result<(), OpenError> {
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL alone loses acknowledged mail in a power cut (measured).
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(())
}

fn check_version(connection: &Connection) -> Result<i64, OpenError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    match (application, found) {
        (0 | APPLICATION_ID, 0) | (APPLICATION_ID, 1..=SCHEMA_VERSION) => Ok(found),
        (APPLICATION_ID, found) => Err(OpenError::TooNew { found, known: SCHEMA_VERSION }),
        _ => Err(OpenError::Foreign),
    }
}

/// Whether a database is a relay's, of a version that this program knows.
pub(crate) fn is_ours(connection: &Connection) -> Result<bool, OpenError> {
    Ok(check_version(connection)? > 0)
}

fn migrate(connection: &Connection) -> Result<(), OpenError> {
    let found = check_version(connection)?;
    if found == 0 {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables != 0 {
            return Err(OpenError::Foreign);
        }
    }
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    // All steps or none: a crash on the way leaves the old layout.
    let transaction = connection.unchecked_transaction()?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn every_file_of_the_database_is_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        let connection = open(&path, None).unwrap();
        connection.execute("INSERT INTO invites VALUES (x'00', 1, 1, 1)", []).unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
    }

    #[test]
    fn a_database_of_a_newer_version_or_another_program_is_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        drop(open(&path, None).unwrap());
        let raw = Connection::open(&path).unwrap();
        raw.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(&path, None), Err(OpenError::TooNew { found: 99, known: SCHEMA_VERSION })));
        raw.pragma_update(None, "application_id", 7).unwrap();
        assert!(matches!(open(&path, None), Err(OpenError::Foreign)));

        let other = dir.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
        assert!(matches!(open(&other, None), Err(OpenError::Foreign)));
    }

    #[test]
    fn steps_and_answers_of_the_layout_before_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        let old = Connection::open(&path).unwrap();
        for step in &STEPS[..3] {
            old.execute_batch(step).unwrap();
        }
        old.execute_batch(
            "INSERT INTO devices (no, account, id, incarnation, sig_key, dh_key, step) VALUES (7, 1, 1, 1, x'', x'', 40);
             INSERT INTO answers (device, key, accepted_ms) VALUES (7, x'000102030405060708090a0b0c0d0e0f', 258),
                 (7, x'ffffffffffffffffffffffffffffffff', 3);",
        )
        .unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 3).unwrap();
        drop(old);
        let new = open(&path, None).unwrap();
        let step: i64 = new.query_row("SELECT step FROM steps WHERE device = 7", [], |row| row.get(0)).unwrap();
        let sql = "SELECT first_step, last_step, accepted_ms, answers FROM answered WHERE device = 7";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?));
        let (first, last, newest, answers): (i64, i64, i64, Vec<u8>) = new.query_row(sql, [], read).unwrap();
        assert_eq!((step, first, last, newest), (40, 0, 40, 258));
        let expected = [
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 1, 2][..],
            &[255; 16],
            &[0, 0, 0, 0, 0, 0, 0, 3],
        ];
        assert_eq!(answers, expected.concat());
    }
}
