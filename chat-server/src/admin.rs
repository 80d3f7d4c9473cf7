//! The operator's questions and orders, on the database of a stopped or running relay. A running one is
//! told when something has changed.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chat_relay::invite_hash;
use chat_wire::ids::{RoomName, UserName, UserNameError};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::data_dir::{DataDirError, database_in, lock, nudges_in, write_private};
use crate::storage::{OpenError, is_ours, open_beside};

/// What must hold between rows: how many break it, and what that means.
const RULES: [(&str, &str); 6] = [
    ("SELECT count(*) FROM devices WHERE account NOT IN (SELECT no FROM accounts)", "devices without an account"),
    ("SELECT count(*) FROM entries WHERE log NOT IN (SELECT no FROM logs)", "entries outside every log"),
    ("SELECT count(*) FROM rooms WHERE no NOT IN (SELECT owner FROM logs WHERE kind = 2)", "rooms without a log"),
    ("SELECT count(*) FROM rooms WHERE no NOT IN (SELECT room FROM group_infos)", "rooms without their GroupInfo"),
    ("SELECT count(*) FROM pairs WHERE device NOT IN (SELECT no FROM devices)", "prekeys without a device"),
    (
        "SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM lists l WHERE l.account = a.no \
         AND l.seq = a.list_seq)",
        "accounts without their device list",
    ),
];

/// Bytes of an invite's hash that are shown: enough to tell two apart, useless for guessing.
const INVITE_ID_BYTES: usize = 4;

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
    /// No room has this name.
    #[error("no room has this name")]
    UnknownRoom,
    /// The backup's file exists already.
    #[error("the file exists already")]
    Exists,
    /// Reading or writing failed.
    #[error("reading or writing failed")]
    Io(#[from] std::io::Error),
    /// No invite begins like this, or more than one.
    #[error("no invite, or more than one, begins like this")]
    UnknownInvite,
    /// A relay runs on the data directory.
    #[error("a relay runs on this data directory; stop it first")]
    InUse,
    /// What should be restored is no whole database of a relay.
    #[error("the file is damaged or no backup of a relay")]
    BadBackup,
}

/// The database of a data directory.
pub struct Admin {
    connection: Connection,
    data: PathBuf,
}

/// An invite, known by the beginning of its hash: the code itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// Beginning of its hash, in hexadecimal.
    pub id: String,
    /// Accounts that can still be made with it.
    pub uses_left: u64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is wrong, in words; none for a database that is whole.
    pub problems: Vec<String>,
    /// How often a relay on it ended without saying goodbye.
    pub crashes: u64,
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

/// A room, as far as the relay knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRow {
    /// Its name, with `#`.
    pub name: String,
    /// Listed, and joined by whoever likes.
    pub public: bool,
    /// Accounts in it.
    pub members: u64,
    /// Entries in its log.
    pub entries: u64,
    /// Seconds between two messages of one account; 0 for a room that is not slow.
    pub slow_seconds: u64,
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
    /// Rooms.
    pub rooms: u64,
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
        Ok(Self { connection: open_beside(&database_in(data))?, data: data.to_path_buf() })
    }

    /// Tells a running relay that something has changed. Where none listens, there is nobody to tell.
    fn nudge(&self) {
        if let Ok(socket) = UnixDatagram::unbound() {
            let _ = socket.send_to(&[1], nudges_in(&self.data));
        }
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
                   (SELECT count(*) FROM devices), \
                   (SELECT count(*) FROM logs l JOIN entries e ON e.log = l.no WHERE l.kind = 1), \
                   (SELECT coalesce(sum(e.bytes), 0) FROM logs l JOIN entries e ON e.log = l.no WHERE l.kind = 1), \
                   (SELECT count(*) FROM pairs WHERE pair IS NOT NULL), \
                   (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size), \
                   (SELECT count(*) FROM rooms)";
        Ok(self.connection.query_row(sql, [], |row| {
            Ok(Stats {
                accounts: count(row.get(0)?),
                disabled: count(row.get(1)?),
                devices: count(row.get(2)?),
                waiting: count(row.get(3)?),
                waiting_bytes: count(row.get(4)?),
                one_time_pairs: count(row.get(5)?),
                database_bytes: count(row.get(6)?),
                rooms: count(row.get(7)?),
            })
        })?)
    }

    /// All rooms by name.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn rooms(&self) -> Result<Vec<RoomRow>, AdminError> {
        let sql = "SELECT r.name, r.public, r.members, r.slow_ms, \
                   (SELECT count(*) FROM logs l JOIN entries e ON e.log = l.no WHERE l.kind = 2 AND l.owner = r.no) \
                   FROM rooms r WHERE NOT r.closed ORDER BY r.name";
        let mut statement = self.connection.prepare(sql)?;
        let rooms = statement.query_map([], |row| {
            let name: String = row.get(0)?;
            Ok(RoomRow {
                name: format!("#{name}"),
                public: row.get(1)?,
                members: count(row.get(2)?),
                slow_seconds: count(row.get(3)?) / 1_000,
                entries: count(row.get(4)?),
            })
        })?;
        Ok(rooms.collect::<Result<_, _>>()?)
    }

    /// Closes a room: its members are told, its log goes. A running relay does it at once, a stopped one
    /// when it starts.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn close_room(&self, name: &str) -> Result<(), AdminError> {
        self.change_room("UPDATE rooms SET closed = 1 WHERE name = ?1", params![RoomName::parse(name)?.as_str()])
    }

    /// Sets the seconds between two messages of one account in a room; 0 for as many as it likes.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn slow_room(&self, name: &str, seconds: u32) -> Result<(), AdminError> {
        let slow_ms = i64::from(seconds).saturating_mul(1_000);
        let sql = "UPDATE rooms SET slow_ms = ?2 WHERE name = ?1";
        self.change_room(sql, params![RoomName::parse(name)?.as_str(), slow_ms])
    }

    fn change_room(&self, sql: &str, of: impl rusqlite::Params) -> Result<(), AdminError> {
        match self.connection.execute(sql, of)? {
            0 => Err(AdminError::UnknownRoom),
            _ => {
                self.nudge();
                Ok(())
            }
        }
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

    /// Invites that can still be used.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn invites(&self) -> Result<Vec<InviteRow>, AdminError> {
        let sql = "SELECT hash, uses_left, expires_ms FROM invites WHERE uses_left > 0 ORDER BY expires_ms";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let hash: Vec<u8> = row.get(0)?;
            let id = HEXLOWER.encode(hash.get(..INVITE_ID_BYTES).unwrap_or(&hash));
            Ok(InviteRow { id, uses_left: count(row.get(1)?), expires_ms: count(row.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes an invite back, named by the beginning of its hash as [`Admin::invites`] shows it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn revoke_invite(&self, id: &str) -> Result<(), AdminError> {
        let matching = "SELECT count(*) FROM invites WHERE substr(lower(hex(hash)), 1, length(?1)) = ?1";
        let found: i64 = self.connection.query_row(matching, [id], |row| row.get(0))?;
        if id.is_empty() || found != 1 {
            return Err(AdminError::UnknownInvite);
        }
        self.connection.execute("DELETE FROM invites WHERE substr(lower(hex(hash)), 1, length(?1)) = ?1", [id])?;
        Ok(())
    }

    /// Reads everything: the database's structure, and that rows which name each other exist.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn check(&self) -> Result<Findings, AdminError> {
        let mut findings = Findings::default();
        {
            let mut statement = self.connection.prepare("PRAGMA integrity_check")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let line: String = row.get(0)?;
                if line != "ok" {
                    findings.problems.push(line);
                }
            }
        }
        for (sql, what) in RULES {
            let broken: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
            if broken > 0 {
                findings.problems.push(format!("{broken} {what}"));
            }
        }
        for key in ["relay.key", "login.key"] {
            if !self.data.join("keys").join(key).exists() {
                findings.problems.push(format!("keys/{key} is missing: the relay would make a new one"));
            }
        }
        findings.crashes = count(self.connection.query_row("SELECT crashes FROM runs", [], |row| row.get(0))?);
        Ok(findings)
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
            _ => {
                self.nudge();
                Ok(())
            }
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
        if is_whole(&target)? { Ok(()) } else { Err(std::io::Error::from(std::io::ErrorKind::InvalidData).into()) }
    }
}

/// Puts a backup in the place of a stopped relay's database. What lay there is kept beside it, under
/// the name that is returned; keys stay as they are.
///
/// # Errors
/// [`AdminError`]; then nothing has changed.
pub fn restore(data: &Path, backup: &Path) -> Result<Option<PathBuf>, AdminError> {
    let _lock = lock(data).map_err(|error| match error {
        DataDirError::InUse => AdminError::InUse,
        DataDirError::Io(error) => AdminError::Io(error),
        _ => AdminError::Io(std::io::ErrorKind::Other.into()),
    })?;
    let source = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if !is_ours(&source).unwrap_or(false) || !is_whole(&source).unwrap_or(false) {
        return Err(AdminError::BadBackup);
    }
    let (part, database) = (data.join("restore.part"), database_in(data));
    // From an attempt that was cut off.
    let _ = std::fs::remove_file(&part);
    write_private(&part, b"")?;
    let mut target = Connection::open(&part)?;
    rusqlite::backup::Backup::new(&source, &mut target)?.step(-1)?;
    // Places that the relay gave after the backup are given to nobody else: as after a crash.
    target.execute("UPDATE runs SET is_running = 1", [])?;
    drop(target);
    std::fs::File::open(&part)?.sync_all()?;
    let kept = keep_old(data, &database)?;
    std::fs::rename(&part, &database)?;
    std::fs::File::open(data)?.sync_all()?;
    Ok(kept)
}

/// Moves a database and its log aside, under a name that is free.
fn keep_old(data: &Path, database: &Path) -> std::io::Result<Option<PathBuf>> {
    if !database.exists() {
        return Ok(None);
    }
    let aside = (1_u32..).map(|n| data.join(format!("relay-before-restore-{n}.db"))).find(|path| !path.exists());
    let aside = aside.ok_or(std::io::ErrorKind::AlreadyExists)?;
    for suffix in ["-wal", "-shm", ""] {
        let with = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        match std::fs::rename(with(database), with(&aside)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(Some(aside))
}

fn is_whole(connection: &Connection) -> rusqlite::Result<bool> {
    let check: Option<String> = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).optional()?;
    Ok(check.as_deref() == Some("ok"))
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
