//! The operator's questions and orders, on the database of a stopped or running relay. A running one
//! notices changes with its next sweep, within a second.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_relay::invite_hash;
use chat_wire::ids::{UserName, UserNameError};
use data_encoding::BASE32_NOPAD;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::data_dir::{database_in, write_private};
use crate::storage::{OpenError, open_beside};

/// Bytes of chance in an invite code: 16 characters that nobody guesses.
const INVITE_BYTES: usize = 10;

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The database can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database refused.
    #[error("the database refused")]
    Sqlite(#[from] rusqlite::Error),
    /// The text is no user name.
    #[error(transparent)]
    Name(#[from] UserNameError),
    /// Nobody has this name.
    #[error("nobody has this name")]
    UnknownUser,
    /// The backup's file exists already.
    #[error("the file exists already")]
    Exists,
    /// Reading or writing failed.
    #[error("reading or writing failed")]
    Io(#[from] std::io::Error),
}

/// The database of a data directory.
pub struct Admin {
    connection: Connection,
}

/// An account, as far as the relay knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Devices in its current list.
    pub devices: u64,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Packets that wait for its devices.
    pub waiting: u64,
    /// Switched off.
    pub disabled: bool,
}

/// Figures of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Accounts.
    pub accounts: u64,
    /// Accounts switched off.
    pub disabled: u64,
    /// Devices.
    pub devices: u64,
    /// Packets that wait.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// One-time prekeys in stock.
    pub one_time_pairs: u64,
    /// Bytes of the database file.
    pub database_bytes: u64,
}

/// Whether an account may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Enabled,
    /// It may not; whoever is logged in is cut off.
    Disabled,
}

impl Admin {
    /// Opens the database of a data directory that a relay has used.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn open(data: &Path) -> Result<Self, AdminError> {
        Ok(Self { connection: open_beside(&database_in(data))? })
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn users(&self) -> Result<Vec<User>, AdminError> {
        let sql = "SELECT a.name, count(DISTINCT d.no), a.created_ms, a.disabled, count(e.no) FROM accounts a \
                   LEFT JOIN devices d ON d.account = a.no LEFT JOIN logs l ON l.kind = 1 AND l.owner = d.no \
                   LEFT JOIN entries e ON e.log = l.no GROUP BY a.no ORDER BY a.name";
        let mut statement = self.connection.prepare(sql)?;
        let users = statement.query_map([], |row| {
            Ok(User {
                name: row.get(0)?,
                devices: count(row.get(1)?),
                created_ms: count(row.get(2)?),
                disabled: row.get(3)?,
                waiting: count(row.get(4)?),
            })
        })?;
        Ok(users.collect::<Result<_, _>>()?)
    }

    /// Figures.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn stats(&self) -> Result<Stats, AdminError> {
        let sql = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM accounts WHERE disabled), \
                   (SELECT count(*) FROM devices), (SELECT count(*) FROM entries), \
                   (SELECT coalesce(sum(bytes), 0) FROM entries), \
                   (SELECT count(*) FROM pairs WHERE pair IS NOT NULL), \
                   (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)";
        Ok(self.connection.query_row(sql, [], |row| {
            Ok(Stats {
                accounts: count(row.get(0)?),
                disabled: count(row.get(1)?),
                devices: count(row.get(2)?),
                waiting: count(row.get(3)?),
                waiting_bytes: count(row.get(4)?),
                one_time_pairs: count(row.get(5)?),
                database_bytes: count(row.get(6)?),
            })
        })?)
    }

    /// Makes an invite code. Only its hash is kept: shown now or never.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn invite(&self, uses: u32, days: u32) -> Result<String, AdminError> {
        let mut chance = [0; INVITE_BYTES];
        getrandom::fill(&mut chance).map_err(std::io::Error::other)?;
        let code = BASE32_NOPAD.encode(&chance);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let expires = now.saturating_add(i64::from(days).saturating_mul(24 * 60 * 60 * 1_000));
        let sql = "INSERT INTO invites (hash, uses_left, expires_ms, created_ms) VALUES (?1, ?2, ?3, ?4)";
        self.connection.execute(sql, params![invite_hash(&code), uses, expires, now])?;
        Ok(code)
    }

    /// Lets an account in or keeps it out.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn set_access(&self, name: &str, access: Access) -> Result<(), AdminError> {
        let name = UserName::parse(name)?;
        let disabled = access == Access::Disabled;
        let sql = "UPDATE accounts SET disabled = ?2 WHERE name = ?1";
        match self.connection.execute(sql, params![name.as_str(), disabled])? {
            0 => Err(AdminError::UnknownUser),
            _ => Ok(()),
        }
    }

    /// Copies the database into a new file while the relay goes on. The keys are not in it: they are
    /// to be kept apart, so that a stolen backup opens no login to guessing.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn backup(&self, to: &Path) -> Result<(), AdminError> {
        if to.exists() {
            return Err(AdminError::Exists);
        }
        // Made private first; SQLite fills an empty file.
        write_private(to, b"")?;
        let mut target = Connection::open(to)?;
        let backup = rusqlite::backup::Backup::new(&self.connection, &mut target)?;
        // All pages in one step: one consistent state, whatever the relay writes meanwhile.
        backup.step(-1)?;
        drop(backup);
        let check: Option<String> = target.query_row("PRAGMA quick_check", [], |row| row.get(0)).optional()?;
        match check.as_deref() {
            Some("ok") => Ok(()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::InvalidData).into()),
        }
    }
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
