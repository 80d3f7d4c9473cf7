//! Logs as rows: one table of entries in order of arrival for all of them, and the cursors of readers.

use std::collections::HashSet;

use bytes::Bytes;
use chat_relay::storage::{Answered, Entry, Expired, Log, LogFigures, LogRows, Portion, Reader, StorageError};
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, RequestKey, RoomId};
use rusqlite::{Row, params};

use super::database::{MAILBOX, ROOM, SqliteStorage};
use super::rows::{array, int, narrow, sender_from_bytes, sender_to_bytes, trouble, uint};

impl LogRows for SqliteStorage {
    fn answered(
        &mut self,
        device: &DeviceAddress,
        key: &RequestKey,
        step: u64,
    ) -> Result<Option<Answered>, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(None) };
        self.find_answer(row.device, (key, step))
    }

    fn log_figures(&mut self, log: &Log, after_seq: u64) -> Result<LogFigures, StorageError> {
        let Some(no) = self.log_no(log)? else { return Ok(LogFigures::default()) };
        let sql = "SELECT coalesce(max((SELECT max(seq) FROM entries WHERE log = ?1), 0), 0), \
                   coalesce((SELECT seq FROM cursors WHERE log = ?1 AND reader = 0), 0), \
                   (SELECT count(*) FROM entries WHERE log = ?1 AND seq > ?2), \
                   (SELECT coalesce(sum(bytes), 0) FROM entries WHERE log = ?1 AND seq > ?2)";
        let floor = if matches!(log, Log::Mailbox(_)) { self.places_floor } else { 0 };
        let figures = self.row(sql, params![no, int(after_seq)], |row| {
            let (highest, gone): (i64, i64) = (row.get(0)?, row.get(1)?);
            let (last_seq, floor_seq) = (uint(highest.max(gone)).max(floor), uint(gone));
            Ok(LogFigures { last_seq, floor_seq, entries: uint(row.get(2)?), bytes: uint(row.get(3)?) })
        })?;
        Ok(figures.unwrap_or_default())
    }

    fn log_entries(&mut self, log: &Log, after_seq: u64, portion: Portion) -> Result<Vec<Entry>, StorageError> {
        let Some(no) = self.log_no(log)? else { return Ok(Vec::new()) };
        let sql = "SELECT seq, accepted_ms, sender, body, kind, key FROM entries WHERE log = ?1 AND seq > ?2 \
                   ORDER BY seq LIMIT ?3";
        let limit = i64::try_from(portion.entries_max).unwrap_or(i64::MAX);
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(params![no, int(after_seq), limit]).map_err(trouble)?;
        let (mut entries, mut total) = (Vec::new(), 0_usize);
        while let Some(row) = rows.next().map_err(trouble)? {
            let body = row.get_ref(3).and_then(|v| Ok(v.as_blob()?)).map_err(trouble)?;
            total = total.saturating_add(body.len());
            if total > portion.bytes_max && !entries.is_empty() {
                break;
            }
            let sender = row.get_ref(2).and_then(|v| Ok(v.as_blob()?)).map_err(trouble)?;
            entries.push(Entry {
                seq: uint(row.get(0).map_err(trouble)?),
                accepted_ms: uint(row.get(1).map_err(trouble)?),
                from: sender_from_bytes(sender)?,
                kind: row.get(4).map_err(trouble)?,
                key: row
                    .get::<_, Option<Vec<u8>>>(5)
                    .map_err(trouble)?
                    .map(|k| array(&k).map(RequestKey))
                    .transpose()?,
                body: Bytes::copy_from_slice(body),
            });
        }
        Ok(entries)
    }

    fn appended(
        &mut self,
        log: &Log,
        from: &DeviceAddress,
        key: &RequestKey,
    ) -> Result<Option<(u64, u64)>, StorageError> {
        let Some(no) = self.log_no(log)? else { return Ok(None) };
        let sql = "SELECT seq, accepted_ms FROM entries WHERE log = ?1 AND key = ?2 AND sender = ?3";
        let read = |row: &Row<'_>| Ok((uint(row.get(0)?), uint(row.get(1)?)));
        self.row(sql, params![no, key.0, sender_to_bytes(from)], read)
    }

    fn readers(&mut self, log: &Log) -> Result<Vec<Reader>, StorageError> {
        let Some(no) = self.log_no(log)? else { return Ok(Vec::new()) };
        let sql = "SELECT a.id, d.id, c.seq, c.joined, c.until FROM cursors c JOIN devices d ON d.no = c.reader \
                   JOIN accounts a ON a.no = d.account WHERE c.log = ?1 AND c.reader > 0 ORDER BY a.id, d.id";
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query([no]).map_err(trouble)?;
        let mut readers = Vec::new();
        while let Some(row) = rows.next().map_err(trouble)? {
            let account = row.get_ref(0).and_then(|v| Ok(v.as_blob()?)).map_err(trouble)?;
            let device = DeviceId(narrow(row.get(1).map_err(trouble)?)?);
            let device = DeviceAddress { account: AccountId(array(account)?), device };
            readers.push(reader(device, row, 2)?);
        }
        Ok(readers)
    }

    fn rooms_read(&mut self, device: &DeviceAddress) -> Result<Vec<(RoomId, Reader)>, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(Vec::new()) };
        let sql = "SELECT r.id, c.seq, c.joined, c.until FROM cursors c JOIN logs l ON l.no = c.log AND l.kind = ?2 \
                   JOIN rooms r ON r.no = l.owner WHERE c.reader = ?1 ORDER BY r.id";
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(params![row.device, ROOM]).map_err(trouble)?;
        let mut rooms = Vec::new();
        while let Some(row) = rows.next().map_err(trouble)? {
            let room = row.get_ref(0).and_then(|v| Ok(v.as_blob()?)).map_err(trouble)?;
            rooms.push((RoomId(array(room)?), reader(*device, row, 1)?));
        }
        Ok(rooms)
    }
}

/// A reader out of three columns: cursor, place of the join, last place.
fn reader(device: DeviceAddress, row: &Row<'_>, at: usize) -> Result<Reader, StorageError> {
    let number = |column: usize| row.get::<_, Option<i64>>(column).map_err(trouble);
    let (seq, joined) = (number(at)?.map_or(0, uint), number(at.saturating_add(1))?.map_or(0, uint));
    Ok(Reader { device, seq, joined, until: number(at.saturating_add(2))?.map(uint) })
}

impl SqliteStorage {
    pub(super) fn append(&mut self, log: &Log, entry: &Entry) -> Result<(), StorageError> {
        let log = self.log_no(log)?.ok_or(StorageError::Conflict)?;
        let sql = "INSERT INTO entries (log, seq, accepted_ms, sender, kind, key, bytes, body) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let bytes = i64::try_from(entry.body.len()).unwrap_or(i64::MAX);
        let (seq, accepted, sender) = (int(entry.seq), int(entry.accepted_ms), sender_to_bytes(&entry.from));
        self.change(
            sql,
            params![log, seq, accepted, sender, entry.kind, entry.key.map(|k| k.0), bytes, &entry.body[..]],
        )
        .map(drop)
    }

    pub(super) fn trim(&mut self, log: &Log, seq: u64) -> Result<(), StorageError> {
        // A mailbox that is gone was removed with its device: nothing is left to acknowledge.
        let Some(no) = self.log_no(log)? else { return Ok(()) };
        self.change("DELETE FROM entries WHERE log = ?1 AND seq <= ?2", params![no, int(seq)])?;
        self.raise_floor(no, int(seq))?;
        if matches!(log, Log::Room(_)) { self.forget_removed(no, int(seq)) } else { Ok(()) }
    }

    /// Removed readers that have nothing left to read.
    fn forget_removed(&self, log: i64, floor: i64) -> Result<(), StorageError> {
        let sql = "DELETE FROM cursors WHERE log = ?1 AND reader > 0 AND until <= ?2";
        self.change(sql, params![log, floor]).map(drop)
    }

    /// Places up to here are never given again.
    fn raise_floor(&self, log: i64, seq: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO cursors (log, reader, seq) VALUES (?1, 0, ?2) \
                   ON CONFLICT (log, reader) DO UPDATE SET seq = max(seq, excluded.seq)";
        self.change(sql, params![log, seq]).map(drop)
    }

    pub(super) fn advance(&mut self, log: &Log, device: &DeviceAddress, seq: u64) -> Result<(), StorageError> {
        let (Some(log), Some(row)) = (self.log_no(log)?, self.device_row(device)?) else { return Ok(()) };
        let sql = "UPDATE cursors SET seq = ?3 WHERE log = ?1 AND reader = ?2 AND seq < ?3";
        self.change(sql, params![log, row.device, int(seq)])?;
        let sql = "DELETE FROM cursors WHERE log = ?1 AND reader = ?2 AND until <= seq";
        self.change(sql, params![log, row.device]).map(drop)
    }

    pub(super) fn read(&mut self, log: &Log, reader: &Reader) -> Result<(), StorageError> {
        let (log, device) = (self.log_no(log)?.ok_or(StorageError::Conflict)?, self.listed(&reader.device)?);
        let sql = "INSERT INTO cursors (log, reader, seq, joined, until) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (log, reader) DO UPDATE SET seq = excluded.seq, joined = excluded.joined, \
                   until = excluded.until";
        let (seq, joined, until) = (int(reader.seq), int(reader.joined), reader.until.map(int));
        self.change(sql, params![log, device.device, seq, joined, until]).map(drop)
    }

    /// Both tables lie in order of arrival: what is too old is a range at the front.
    pub(super) fn expire_rows(&mut self, before_ms: u64, rows_max: usize) -> Result<Expired, StorageError> {
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let mut expired = Expired::default();
        let front = "SELECT no, log, seq, accepted_ms < ?1 FROM entries ORDER BY no LIMIT ?2";
        let mut old = Vec::new();
        {
            let mut statement = self.statement(front)?;
            let mut rows = statement.query(params![int(before_ms), limit]).map_err(trouble)?;
            while let Some(row) = rows.next().map_err(trouble)? {
                let is_old: bool = row.get(3).map_err(trouble)?;
                if !is_old {
                    break;
                }
                let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                let entry: (i64, i64, i64) = read().map_err(trouble)?;
                old.push(entry);
            }
        }
        let mut logs = HashSet::new();
        for (no, log, seq) in old {
            self.raise_floor(log, seq)?;
            self.change("DELETE FROM entries WHERE no = ?1", [no])?;
            logs.insert(log);
            expired.rows = expired.rows.saturating_add(1);
        }
        for log in logs {
            let named = self.log_named(log)?;
            if matches!(named, Log::Room(_)) {
                let sql = "DELETE FROM cursors WHERE log = ?1 AND reader > 0 \
                           AND until <= (SELECT seq FROM cursors WHERE log = ?1 AND reader = 0)";
                self.change(sql, [log])?;
            }
            expired.logs.push(named);
        }
        expired.rows = expired.rows.saturating_add(self.expire_answers(before_ms, limit)?);
        Ok(expired)
    }

    fn log_named(&self, no: i64) -> Result<Log, StorageError> {
        let sql = "SELECT a.id, d.id, r.id FROM logs l \
                   LEFT JOIN devices d ON l.kind = ?2 AND d.no = l.owner LEFT JOIN accounts a ON a.no = d.account \
                   LEFT JOIN rooms r ON l.kind = ?3 AND r.no = l.owner WHERE l.no = ?1";
        type Names = (Option<Vec<u8>>, Option<i64>, Option<Vec<u8>>);
        let names: Option<Names> =
            self.row(sql, params![no, MAILBOX, ROOM], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        match names {
            Some((Some(account), Some(device), None)) => {
                let device = DeviceId(narrow(device)?);
                Ok(Log::Mailbox(DeviceAddress { account: AccountId(array(&account)?), device }))
            }
            Some((None, None, Some(room))) => Ok(Log::Room(RoomId(array(&room)?))),
            _ => Err(StorageError::Damaged),
        }
    }
}
