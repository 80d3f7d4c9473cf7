//! Rooms and key packages as rows.

use chat_relay::storage::{Ending, Room, RoomRows, RoomWrite, StorageError, StoredGroupInfo, StoredKeyPackage};
use chat_wire::ids::{AccountId, DeviceAddress, KeyPackageId, RoomId, RoomName};
use chat_wire::message::RoomEnd;
use rusqlite::{Params, Row, params};

use super::database::{ROOM, SqliteStorage};
use super::rows::{array, bytes, int, narrow, one_row, trouble, uint};

/// Columns of a room, in the order that [`room_of`] reads them.
const COLUMNS: &str = "r.id, r.name, r.public, r.owner, r.topic, r.created_ms, r.epoch, r.base_seq, r.contests, \
                       r.slow_ms, r.closed, r.members";

/// A row as it lies there, before its parts are checked.
struct Raw {
    id: Vec<u8>,
    name: String,
    owner: Option<Vec<u8>>,
    room: Room,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let room = Room {
        id: RoomId([0; 16]),
        name: RoomName::parse("unnamed").map_err(|_| rusqlite::Error::InvalidQuery)?,
        public: row.get(2)?,
        owner: None,
        topic: row.get(4)?,
        created_ms: uint(row.get(5)?),
        epoch: uint(row.get(6)?),
        base_seq: uint(row.get(7)?),
        contests: row.get(8)?,
        slow_ms: uint(row.get(9)?),
        closed: row.get(10)?,
        members: row.get(11)?,
    };
    Ok(Raw { id: row.get(0)?, name: row.get(1)?, owner: row.get(3)?, room })
}

fn name_of(text: &str) -> Result<RoomName, StorageError> {
    RoomName::parse(text).map_err(|_| StorageError::Damaged)
}

fn owner_of(owner: Option<Vec<u8>>) -> Result<Option<AccountId>, StorageError> {
    owner.map(|owner| array(&owner).map(AccountId)).transpose()
}

fn room_of(raw: Raw) -> Result<Room, StorageError> {
    let (id, name) = (RoomId(array(&raw.id)?), name_of(&raw.name)?);
    Ok(Room { id, name, owner: owner_of(raw.owner)?, ..raw.room })
}

/// Kinds of endings in their table.
const DELETED: i64 = 1;
const CLOSED: i64 = 2;

impl SqliteStorage {
    pub(super) fn write_room(&mut self, write: &RoomWrite) -> Result<(), StorageError> {
        match write {
            RoomWrite::Add(room, group_info) => self.add_room(room, group_info),
            RoomWrite::Put(room, epoch, group_info) => self.put_room(room, *epoch, group_info.as_ref()),
            RoomWrite::End(ending) => self.end_room(ending),
            RoomWrite::AddKeyPackage(device, package) => {
                let row = self.listed(device)?;
                let sql = "INSERT INTO key_packages (device, id, expires_ms, package) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT DO NOTHING";
                let package = params![row.device, package.id.0, int(package.expires_ms), &package.bytes[..]];
                self.change(sql, package).map(drop)
            }
            RoomWrite::SpendKeyPackage(device, id) => {
                let row = self.listed(device)?;
                let sql = "UPDATE key_packages SET package = NULL WHERE device = ?1 AND id = ?2 \
                           AND package IS NOT NULL";
                one_row(self.change(sql, params![row.device, id.0])?)
            }
            RoomWrite::PutLastKeyPackage(device, package) => {
                let row = self.listed(device)?;
                let sql = "INSERT INTO last_key_packages (device, id, expires_ms, package) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT (device) DO UPDATE SET id = excluded.id, expires_ms = excluded.expires_ms, \
                           package = excluded.package";
                let package = params![row.device, package.id.0, int(package.expires_ms), &package.bytes[..]];
                self.change(sql, package).map(drop)
            }
        }
    }

    fn add_room(&mut self, room: &Room, group_info: &StoredGroupInfo) -> Result<(), StorageError> {
        let ended = self.row("SELECT 1 FROM ended_rooms WHERE id = ?1", [room.id.0], |_| Ok(()))?;
        if ended.is_some() {
            return Err(StorageError::Conflict);
        }
        let sql = "INSERT INTO rooms (id, name, public, owner, topic, created_ms, epoch, base_seq, contests, members) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)";
        let (owner, created) = (room.owner.map(|owner| owner.0), int(room.created_ms));
        let (epoch, base) = (int(room.epoch), int(room.base_seq));
        let row =
            params![room.id.0, room.name.as_str(), room.public, owner, room.topic, created, epoch, base, room.contests];
        self.change(sql, row)?;
        let no = self.connection.last_insert_rowid();
        self.change("INSERT INTO logs (kind, owner) VALUES (?1, ?2)", params![ROOM, no])?;
        self.put_group_info(no, group_info)
    }

    fn put_room(
        &mut self,
        room: &Room,
        from_epoch: u64,
        group_info: Option<&StoredGroupInfo>,
    ) -> Result<(), StorageError> {
        let row = self.room_row(&room.id)?.ok_or(StorageError::Conflict)?;
        let sql = "UPDATE rooms SET owner = ?3, topic = ?4, epoch = ?5, base_seq = ?6, contests = ?7 \
                   WHERE no = ?1 AND epoch = ?2";
        let owner = room.owner.map(|owner| owner.0);
        let (epoch, base) = (int(room.epoch), int(room.base_seq));
        one_row(self.change(sql, params![row.room, int(from_epoch), owner, room.topic, epoch, base, room.contests])?)?;
        self.count_members(row.room)?;
        group_info.map_or(Ok(()), |group_info| self.put_group_info(row.room, group_info))
    }

    /// Counts the accounts in a room anew.
    fn count_members(&self, room: i64) -> Result<(), StorageError> {
        let sql = "UPDATE rooms SET members = (SELECT count(DISTINCT d.account) FROM logs l \
                   JOIN cursors c ON c.log = l.no AND c.reader > 0 AND c.until IS NULL JOIN devices d ON d.no = c.reader \
                   WHERE l.kind = ?2 AND l.owner = ?1) WHERE no = ?1";
        self.change(sql, params![room, ROOM]).map(drop)
    }

    /// A device that is no more leaves its rooms.
    pub(super) fn leave_rooms(&self, device: i64) -> Result<(), StorageError> {
        let mut rooms = Vec::new();
        {
            let sql = "SELECT l.owner FROM cursors c JOIN logs l ON l.no = c.log AND l.kind = ?2 WHERE c.reader = ?1";
            let mut statement = self.statement(sql)?;
            let found = statement.query_map(params![device, ROOM], |row| row.get::<_, i64>(0)).map_err(trouble)?;
            for room in found {
                rooms.push(room.map_err(trouble)?);
            }
        }
        self.change("DELETE FROM cursors WHERE reader = ?1", [device])?;
        rooms.into_iter().try_for_each(|room| self.count_members(room))
    }

    fn put_group_info(&self, room: i64, group_info: &StoredGroupInfo) -> Result<(), StorageError> {
        let sql = "INSERT INTO group_infos (room, epoch, seq, body) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (room) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, body = excluded.body";
        let (epoch, seq) = (int(group_info.epoch), int(group_info.seq));
        self.change(sql, params![room, epoch, seq, &group_info.bytes[..]]).map(drop)
    }

    fn end_room(&mut self, ending: &Ending) -> Result<(), StorageError> {
        let row = self.room_row(&ending.room)?.ok_or(StorageError::Conflict)?;
        let sql = "INSERT INTO ended_rooms (id, name, owner, reason, statement, reserved_until_ms) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let reason = if ending.reason == RoomEnd::Deleted { DELETED } else { CLOSED };
        let (owner, until) = (ending.owner.map(|owner| owner.0), int(ending.reserved_until_ms));
        let ended = params![ending.room.0, ending.name.as_str(), owner, reason, &ending.statement[..], until];
        self.change(sql, ended)?;
        self.change("DELETE FROM entries WHERE log = ?1", [row.log])?;
        self.change("DELETE FROM cursors WHERE log = ?1", [row.log])?;
        self.change("DELETE FROM logs WHERE no = ?1", [row.log])?;
        self.change("DELETE FROM group_infos WHERE room = ?1", [row.room])?;
        self.change("DELETE FROM rooms WHERE no = ?1", [row.room])?;
        self.rooms.remove(&ending.room);
        Ok(())
    }

    fn ended(&self, which: &str, of: impl Params) -> Result<Option<Ending>, StorageError> {
        let sql = format!(
            "SELECT id, name, owner, reason, statement, reserved_until_ms FROM ended_rooms WHERE {which} \
             ORDER BY reserved_until_ms DESC LIMIT 1"
        );
        type Ended = (Vec<u8>, String, Option<Vec<u8>>, i64, Vec<u8>, i64);
        let found: Option<Ended> = self
            .row(&sql, of, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?;
        let Some((id, name, owner, reason, statement, until)) = found else { return Ok(None) };
        Ok(Some(Ending {
            room: RoomId(array(&id)?),
            name: name_of(&name)?,
            owner: owner_of(owner)?,
            reason: if reason == DELETED { RoomEnd::Deleted } else { RoomEnd::Closed },
            statement: bytes(statement),
            reserved_until_ms: uint(until),
        }))
    }

    fn package(&self, sql: &str, of: impl Params) -> Result<Option<StoredKeyPackage>, StorageError> {
        let read = |row: &Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?));
        let Some((id, expires, package)) = self.row(sql, of, read)? else { return Ok(None) };
        let id = KeyPackageId(array(&id)?);
        Ok(Some(StoredKeyPackage { id, expires_ms: uint(expires), bytes: bytes(package) }))
    }
}

impl RoomRows for SqliteStorage {
    fn room(&mut self, id: &RoomId) -> Result<Option<Room>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM rooms r WHERE r.id = ?1");
        self.row(&sql, [id.0], raw)?.map(room_of).transpose()
    }

    fn room_named(&mut self, name: &RoomName) -> Result<Option<RoomId>, StorageError> {
        let id = self.row("SELECT id FROM rooms WHERE name = ?1", [name.as_str()], |row| row.get::<_, Vec<u8>>(0))?;
        id.map(|id| array(&id).map(RoomId)).transpose()
    }

    fn rooms(
        &mut self,
        asking: &AccountId,
        joined: bool,
        after: Option<&RoomName>,
        limit: usize,
    ) -> Result<Vec<(Room, bool)>, StorageError> {
        let sql = format!(
            "SELECT {COLUMNS}, EXISTS (SELECT 1 FROM accounts a JOIN devices d ON d.account = a.no \
             JOIN cursors c ON c.reader = d.no AND c.until IS NULL JOIN logs l ON l.no = c.log AND l.kind = {ROOM} \
             WHERE a.id = ?1 AND l.owner = r.no) AS is_in FROM rooms r \
             WHERE r.name > ?2 AND (is_in OR (r.public AND NOT r.closed AND NOT ?3)) ORDER BY r.name LIMIT ?4"
        );
        let after = after.map_or("", RoomName::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.statement(&sql)?;
        let rows = statement
            .query_map(params![asking.0, after, joined, limit], |row| Ok((raw(row)?, row.get::<_, bool>(12)?)));
        let mut rooms = Vec::new();
        for row in rows.map_err(trouble)? {
            let (raw, is_in) = row.map_err(trouble)?;
            rooms.push((room_of(raw)?, is_in));
        }
        Ok(rooms)
    }

    fn closed_rooms(&mut self) -> Result<Vec<RoomId>, StorageError> {
        let mut statement = self.statement("SELECT id FROM rooms WHERE closed")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).map_err(trouble)?;
        rows.map(|id| array(&id.map_err(trouble)?).map(RoomId)).collect()
    }

    fn rooms_joined(&mut self, account: &AccountId) -> Result<usize, StorageError> {
        let sql = "SELECT count(DISTINCT l.owner) FROM accounts a JOIN devices d ON d.account = a.no \
                   JOIN cursors c ON c.reader = d.no AND c.until IS NULL JOIN logs l ON l.no = c.log AND l.kind = ?2 \
                   WHERE a.id = ?1";
        let count: Option<i64> = self.row(sql, params![account.0, ROOM], |row| row.get(0))?;
        Ok(usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX))
    }

    fn ending(&mut self, id: &RoomId) -> Result<Option<Ending>, StorageError> {
        self.ended("id = ?1", [id.0])
    }

    fn ending_named(&mut self, name: &RoomName) -> Result<Option<Ending>, StorageError> {
        self.ended("name = ?1", [name.as_str()])
    }

    fn group_info(&mut self, id: &RoomId) -> Result<Option<StoredGroupInfo>, StorageError> {
        let sql = "SELECT g.epoch, g.seq, g.body FROM rooms r JOIN group_infos g ON g.room = r.no WHERE r.id = ?1";
        self.row(sql, [id.0], |row| {
            Ok(StoredGroupInfo { epoch: uint(row.get(0)?), seq: uint(row.get(1)?), bytes: bytes(row.get(2)?) })
        })
    }

    fn key_package(&mut self, device: &DeviceAddress, now_ms: u64) -> Result<Option<StoredKeyPackage>, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(None) };
        let sql = "SELECT id, expires_ms, package FROM key_packages WHERE device = ?1 AND package IS NOT NULL \
                   AND expires_ms > ?2 ORDER BY no LIMIT 1";
        self.package(sql, params![row.device, int(now_ms)])
    }

    fn last_key_package(&mut self, device: &DeviceAddress) -> Result<Option<StoredKeyPackage>, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(None) };
        self.package("SELECT id, expires_ms, package FROM last_key_packages WHERE device = ?1", [row.device])
    }

    fn key_packages_left(&mut self, device: &DeviceAddress) -> Result<u32, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(0) };
        let sql = "SELECT count(*) FROM key_packages WHERE device = ?1 AND package IS NOT NULL";
        narrow(self.row(sql, [row.device], |row| row.get(0))?.unwrap_or(0))
    }
}
