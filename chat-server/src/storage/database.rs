//! The database at hand: its connection, its statements, and the row numbers that were looked up.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use chat_relay::storage::{Log, Storage as _, StorageError};
use chat_wire::ids::{DeviceAddress, RoomId};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row, params};

use super::disk::{Disk, Syncer};
use super::rows::trouble;
use super::schema::{self, OpenError};

/// Devices, and rooms, whose row numbers are held in memory: 65,536 × ~64 B each.
const ROWS_CACHED_MAX: usize = 65_536;

/// Kinds of logs in their table.
pub(super) const MAILBOX: i64 = 1;
pub(super) const ROOM: i64 = 2;

/// Places that a mailbox may give between two crashes: 2^40, so that 2^23 crashes fit a number.
const PLACES_A_RUN_BITS: u32 = 40;

/// Row numbers of a device and its mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceRow {
    pub(super) device: i64,
    pub(super) mailbox: i64,
}

/// Row numbers of a room and its log.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoomRow {
    pub(super) room: i64,
    pub(super) log: i64,
}

/// Answers of one device in the group under way.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) first_step: u64,
    pub(super) last_step: u64,
    /// When the newest was accepted.
    pub(super) accepted_ms: u64,
    pub(super) answers: Vec<u8>,
}

/// The relay's database.
pub struct SqliteStorage {
    pub(super) connection: Connection,
    pub(super) devices: HashMap<DeviceAddress, DeviceRow>,
    pub(super) rooms: HashMap<RoomId, RoomRow>,
    /// Answers of this transaction that have no row yet, by the number of their device.
    pub(super) answers: BTreeMap<i64, Gathered>,
    /// What cost the round its transaction, if something did.
    pub(super) lost: Option<StorageError>,
    pub(super) syncer: Syncer,
    /// Mailboxes give no places up to here: before a crash they may have been given, and never stored.
    pub(super) places_floor: u64,
}

impl SqliteStorage {
    /// Opens or makes the database.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_on(path, Disk::default())
    }

    /// Opens or makes the database on a disk of one's own.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(path: &Path, disk: Disk) -> Result<Self, OpenError> {
        let connection = schema::open(path, disk.vfs.as_deref())?;
        let crashes = schema::begin_run(&connection)?;
        let syncer = Syncer::start(disk.clone(), path, schema::open_mover(path, disk.vfs.as_deref())?)?;
        let mut storage = Self {
            connection,
            devices: HashMap::new(),
            rooms: HashMap::new(),
            answers: BTreeMap::new(),
            lost: None,
            syncer,
            places_floor: crashes << PLACES_A_RUN_BITS,
        };
        // The start itself is durable before anything is built on it.
        storage.sync().map_err(|_| std::io::Error::other("the first sync failed"))?;
        Ok(storage)
    }

    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, StorageError> {
        self.connection.prepare_cached(sql).map_err(trouble)
    }

    /// The only row of a query, or none.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StorageError> {
        self.statement(sql)?.query_row(params, read).optional().map_err(trouble)
    }

    pub(super) fn change(&self, sql: &str, params: impl Params) -> Result<usize, StorageError> {
        self.statement(sql)?.execute(params).map_err(trouble)
    }

    pub(super) fn device_row(&mut self, address: &DeviceAddress) -> Result<Option<DeviceRow>, StorageError> {
        if let Some(row) = self.devices.get(address) {
            return Ok(Some(*row));
        }
        let sql = "SELECT d.no, l.no FROM accounts a JOIN devices d ON d.account = a.no \
                   JOIN logs l ON l.kind = ?3 AND l.owner = d.no WHERE a.id = ?1 AND d.id = ?2";
        let found = self.row(sql, params![address.account.0, address.device.0, MAILBOX], |row| {
            Ok(DeviceRow { device: row.get(0)?, mailbox: row.get(1)? })
        })?;
        if let Some(row) = found {
            if self.devices.len() >= ROWS_CACHED_MAX {
                self.devices.clear();
            }
            self.devices.insert(*address, row);
        }
        Ok(found)
    }

    pub(super) fn log_no(&mut self, log: &Log) -> Result<Option<i64>, StorageError> {
        match log {
            Log::Mailbox(device) => Ok(self.device_row(device)?.map(|row| row.mailbox)),
            Log::Room(room) => Ok(self.room_row(room)?.map(|row| row.log)),
        }
    }

    pub(super) fn room_row(&mut self, room: &RoomId) -> Result<Option<RoomRow>, StorageError> {
        if let Some(row) = self.rooms.get(room) {
            return Ok(Some(*row));
        }
        let sql = "SELECT r.no, l.no FROM rooms r JOIN logs l ON l.kind = ?2 AND l.owner = r.no WHERE r.id = ?1";
        let found = self.row(sql, params![room.0, ROOM], |row| Ok(RoomRow { room: row.get(0)?, log: row.get(1)? }))?;
        if let Some(row) = found {
            if self.rooms.len() >= ROWS_CACHED_MAX {
                self.rooms.clear();
            }
            self.rooms.insert(*room, row);
        }
        Ok(found)
    }

    /// What was remembered of rows may be gone with a transaction.
    pub(super) fn forget_rows(&mut self) {
        self.devices.clear();
        self.rooms.clear();
        self.answers.clear();
    }
}
