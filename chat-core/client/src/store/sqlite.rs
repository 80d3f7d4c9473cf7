//! One SQLCipher connection: how it is opened, checked, and how its errors read.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Params, Row};

use super::StoreError;
use super::seal::StoreKey;
use crate::error::OpenError;

/// Bytes of a database that is read whole before it is opened for writing: about 20 ms. In a larger one
/// the head and the schema are read; every other page proves itself by its MAC when it is used.
const WHOLE_CHECK_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Bytes of a page: SQLCipher 4's own.
const PAGE_BYTES: u64 = 4_096;

/// Statements kept prepared; all of ours together.
const STATEMENTS_CACHED_MAX: usize = 64;

/// A keyed connection that may write.
#[derive(Debug)]
pub(super) struct Db {
    connection: Connection,
    /// A read whose caller could not be told: the next write or commit fails with it.
    fault: Cell<Option<StoreError>>,
}

impl Db {
    /// Opens a checked database for reading and writing.
    pub(super) fn open(path: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        let db = Self::keyed(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mode: String =
            db.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(opening)?;
        if mode != "wal" {
            return Err(OpenError::Io(io::Error::from(io::ErrorKind::Unsupported)));
        }
        Ok(db)
    }

    /// Opens an empty file to make a database in; rolls back by journal, so that it is one file.
    pub(super) fn create(path: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        Self::keyed(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn keyed(path: &Path, key: &StoreKey, flags: OpenFlags) -> Result<Self, OpenError> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(opening)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        // SQLCipher would print to stderr, where a terminal program draws.
        connection.execute_batch("PRAGMA cipher_log_level = NONE").map_err(opening)?;
        connection.execute_batch(&key.statement()).map_err(opening)?;
        // The first read shows whether key and file belong together.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(opening)?;
        connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
                 PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4096;",
            )
            .map_err(opening)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(opening)?;
        Ok(Self { connection, fault: Cell::new(None) })
    }

    /// Runs statements that return nothing of interest.
    pub(super) fn execute(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch(sql)?)
    }

    /// Runs one prepared statement; tells how many rows it changed.
    pub(super) fn change(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.statement(sql)?.execute(params)?)
    }

    /// The first row of a query, if there is one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(params)?;
        Ok(rows.next()?.map(read).transpose()?)
    }

    /// All rows of a query.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.statement(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Number of the row that the last insert made.
    pub(super) fn last_insert(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// The value, or none and a note of the error for callers that have no way to return one.
    pub(super) fn noting<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        result.map_err(|error| self.fault.set(Some(error))).ok()
    }

    /// The error of a read noted since, once.
    pub(super) fn take_fault(&self) -> Result<(), StoreError> {
        self.fault.take().map_or(Ok(()), Err)
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?)
    }
}

/// Reads a database without writing to it, and tells the version of its schema.
pub(super) fn check(path: &Path, key: &StoreKey) -> Result<u32, OpenError> {
    let bytes = fs::metadata(path)?.len();
    // Made under another name and renamed when whole: an empty one was cut.
    if bytes == 0 {
        return Err(OpenError::Corrupt);
    }
    let db = Db::keyed(path, key, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Closing must not move the log of a killed run into a file that proves damaged later.
    db.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(opening)?;
    let version = db.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(opening)?;
    if bytes <= WHOLE_CHECK_BYTES_MAX && !db.is_whole(bytes, &log_of(path))? {
        return Err(OpenError::Corrupt);
    }
    Ok(version)
}

impl Db {
    fn is_whole(&self, bytes: u64, log: &Path) -> Result<bool, StoreError> {
        if fs::metadata(log).map_or(0, |log| log.len()) > 0 {
            // A power cut while the log was being copied may have torn a page whose whole copy is still
            // in the log: only what is read through the log counts.
            let verdict = self.row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?;
            return Ok(verdict.as_deref() == Some("ok"));
        }
        // Every page by its MAC, and no page cut off.
        let faults = self.rows("PRAGMA cipher_integrity_check", [], |_| Ok(()))?;
        let pages: Option<u64> = self.row("PRAGMA page_count", [], |row| row.get(0))?;
        let expected = pages.and_then(|pages| pages.checked_mul(PAGE_BYTES));
        Ok(faults.is_empty() && expected == Some(bytes))
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// What SQLite says while a profile is being opened.
fn opening(error: rusqlite::Error) -> OpenError {
    StoreError::from(error).into()
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error() {
            Some(error) if matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(error) => Self::Io { code: error.extended_code },
            // A value of another type than this version stores: somebody else wrote it.
            None => Self::Damaged,
        }
    }
}
