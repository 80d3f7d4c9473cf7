//! The reading half, and the transaction: opened by the first write of a round, committed by `sync`.
//!
//! Reads go over the same connection as the writes, so that each sees everything of its round; the
//! operator's tool and backups have connections of their own, which WAL keeps out of the way.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use chat_relay::storage::{
    Account, Answered, Entry, Expired, Incarnation, Invite, InviteHash, Log, LogFigures, Portion, Roster, RosterDevice,
    StandingKeys, Storage, StorageError, StoredRecord, Write,
};
use chat_wire::bundle::OneTimePair;
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, RequestKey, UserName};
use chat_wire::keys::{DhKey, VerifyKey};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row, params};

use super::rows::{
    array, bytes, int, last_resort_from_bytes, narrow, pair_from_bytes, sender_from_bytes, signed_from_bytes, trouble,
    uint,
};
use super::schema::{self, OpenError};

/// Devices whose row numbers are held in memory: 65,536 × ~64 B.
const DEVICES_CACHED_MAX: usize = 65_536;

/// The relay's database.
pub struct SqliteStorage {
    pub(super) connection: Connection,
    pub(super) devices: HashMap<DeviceAddress, DeviceRow>,
    /// What cost the round its transaction, if something did.
    lost: Option<StorageError>,
}

/// Row numbers of a device and its mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceRow {
    pub(super) device: i64,
    pub(super) mailbox: i64,
}

/// Kind of a log in its table.
pub(super) const MAILBOX: i64 = 1;

impl SqliteStorage {
    /// Opens or makes the database.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = schema::open(path)?;
        Ok(Self { connection, devices: HashMap::new(), lost: None })
    }

    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, StorageError> {
        self.connection.prepare_cached(sql).map_err(trouble)
    }

    /// The only row of a query, or none.
    fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StorageError> {
        self.statement(sql)?.query_row(params, read).optional().map_err(trouble)
    }

    pub(super) fn account_no(&self, account: &AccountId) -> Result<Option<i64>, StorageError> {
        self.row("SELECT no FROM accounts WHERE id = ?1", [account.0], |row| row.get(0))
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
            if self.devices.len() >= DEVICES_CACHED_MAX {
                self.devices.clear();
            }
            self.devices.insert(*address, row);
        }
        Ok(found)
    }

    pub(super) fn log_no(&mut self, log: &Log) -> Result<Option<i64>, StorageError> {
        let Log::Mailbox(device) = log;
        Ok(self.device_row(device)?.map(|row| row.mailbox))
    }

    fn begin(&mut self) -> Result<(), StorageError> {
        if self.connection.is_autocommit() && self.lost.is_none() {
            self.statement("BEGIN IMMEDIATE")?.execute([]).map_err(trouble)?;
        }
        Ok(())
    }

    /// Runs writes in a savepoint: all or none of them.
    fn atomically<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, StorageError>) -> Result<T, StorageError> {
        self.begin()?;
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        self.statement("SAVEPOINT request")?.execute([]).map_err(trouble)?;
        let result = write(self);
        let end = if result.is_ok() { "RELEASE request" } else { "ROLLBACK TO request" };
        if let Err(error) = &result {
            self.devices.clear();
            if self.connection.is_autocommit() {
                // A full disk or an I/O error makes SQLite roll back the whole transaction: what was
                // applied before in this round is gone as well, and the sync must say so.
                self.lost = Some(*error);
                return result;
            }
        }
        self.statement(end)?.execute([]).map_err(trouble)?;
        if result.is_err() {
            self.statement("RELEASE request")?.execute([]).map_err(trouble)?;
        }
        result
    }
}

/// Columns of an account, as they lie in the row.
type AccountRow = (Vec<u8>, String, Vec<u8>, u8, bool);

fn account(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn account_of((id, name, record, kp, disabled): AccountRow) -> Result<Account, StorageError> {
    let name = UserName::parse(&name).map_err(|_| StorageError::Damaged)?;
    Ok(Account { id: AccountId(array(&id)?), name, login_record: bytes(record), kp, disabled })
}

impl Storage for SqliteStorage {
    fn account(&mut self, id: &AccountId) -> Result<Option<Account>, StorageError> {
        let sql = "SELECT id, name, login_record, kp, disabled FROM accounts WHERE id = ?1";
        self.row(sql, [id.0], account)?.map(account_of).transpose()
    }

    fn account_named(&mut self, name: &UserName) -> Result<Option<Account>, StorageError> {
        let sql = "SELECT id, name, login_record, kp, disabled FROM accounts WHERE name = ?1";
        self.row(sql, [name.as_str()], account)?.map(account_of).transpose()
    }

    fn names(&mut self, prefix: &str, limit: usize) -> Result<Vec<(UserName, AccountId)>, StorageError> {
        // Names are ASCII: everything that starts with the prefix sorts before the prefix and a DEL.
        let sql = "SELECT name, id FROM accounts WHERE name >= ?1 AND name < ?1 || char(127) AND disabled = 0 \
                   ORDER BY name LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.statement(sql)?;
        let rows = statement
            .query_map(params![prefix, limit], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let mut names = Vec::new();
        for row in rows.map_err(trouble)? {
            let (name, id) = row.map_err(trouble)?;
            let name = UserName::parse(&name).map_err(|_| StorageError::Damaged)?;
            names.push((name, AccountId(array(&id)?)));
        }
        Ok(names)
    }

    fn key_holder(&mut self, key: &[u8; 32]) -> Result<Option<AccountId>, StorageError> {
        let sql = "SELECT a.id FROM device_keys k JOIN accounts a ON a.no = k.account WHERE k.key = ?1";
        let id = self.row(sql, [*key], |row| row.get::<_, Vec<u8>>(0))?;
        id.map(|id| array(&id).map(AccountId)).transpose()
    }

    fn invite(&mut self, hash: &InviteHash) -> Result<Option<Invite>, StorageError> {
        let sql = "SELECT uses_left, expires_ms FROM invites WHERE hash = ?1";
        self.row(sql, [*hash], |row| Ok(Invite { uses_left: row.get(0)?, expires_ms: uint(row.get(1)?) }))
    }

    fn roster(&mut self, account: &AccountId) -> Result<Option<Roster>, StorageError> {
        let sql = "SELECT no, list_seq, disabled FROM accounts WHERE id = ?1";
        let head =
            self.row(sql, [account.0], |row| Ok((row.get::<_, i64>(0)?, uint(row.get(1)?), row.get::<_, bool>(2)?)))?;
        let Some((no, list_seq, disabled)) = head else { return Ok(None) };
        let sql = "SELECT id, incarnation, sig_key, dh_key, signed_prekey IS NOT NULL FROM devices \
                   WHERE account = ?1 ORDER BY id";
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query([no]).map_err(trouble)?;
        let mut devices = Vec::new();
        while let Some(row) = rows.next().map_err(trouble)? {
            let key = |at| row.get_ref(at).and_then(|v| Ok(v.as_blob()?)).map_err(trouble);
            devices.push(RosterDevice {
                id: DeviceId(narrow(row.get(0).map_err(trouble)?)?),
                incarnation: narrow(row.get(1).map_err(trouble)?)?,
                sig_key: VerifyKey(array(key(2)?)?),
                dh_key: DhKey(array(key(3)?)?),
                reachable: row.get(4).map_err(trouble)?,
            });
        }
        Ok(Some(Roster { account: *account, disabled, list_seq, devices }))
    }

    fn current_list(&mut self, account: &AccountId) -> Result<Option<Bytes>, StorageError> {
        let sql = "SELECT l.list FROM accounts a JOIN lists l ON l.account = a.no AND l.seq = a.list_seq \
                   WHERE a.id = ?1";
        Ok(self.row(sql, [account.0], |row| row.get(0))?.map(bytes))
    }

    fn lists(&mut self, account: &AccountId, after_seq: u64, limit: usize) -> Result<Vec<Bytes>, StorageError> {
        let sql = "SELECT l.list FROM accounts a JOIN lists l ON l.account = a.no AND l.seq > ?2 \
                   WHERE a.id = ?1 ORDER BY l.seq LIMIT ?3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.statement(sql)?;
        let rows = statement.query_map(params![account.0, int(after_seq), limit], |row| row.get::<_, Vec<u8>>(0));
        rows.map_err(trouble)?.map(|row| row.map(bytes).map_err(trouble)).collect()
    }

    fn vault(&mut self, account: &AccountId) -> Result<Option<Bytes>, StorageError> {
        Ok(self.row("SELECT vault FROM accounts WHERE id = ?1", [account.0], |row| row.get(0))?.map(bytes))
    }

    fn record(&mut self, account: &AccountId) -> Result<StoredRecord, StorageError> {
        let sql = "SELECT r.version, r.body FROM accounts a JOIN records r ON r.account = a.no WHERE a.id = ?1";
        let record = self
            .row(sql, [account.0], |row| Ok(StoredRecord { version: uint(row.get(0)?), body: bytes(row.get(1)?) }))?;
        Ok(record.unwrap_or_default())
    }

    fn incarnation(&mut self, device: &DeviceAddress) -> Result<Incarnation, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(Incarnation::default()) };
        let sql = "SELECT boot, step FROM devices WHERE no = ?1";
        let found = self.row(sql, [row.device], |row| Ok((row.get::<_, Option<Vec<u8>>>(0)?, uint(row.get(1)?))))?;
        let Some((boot, step)) = found else { return Ok(Incarnation::default()) };
        Ok(Incarnation { boot: boot.map(|b| array(&b).map(BootId)).transpose()?, step })
    }

    fn standing_keys(&mut self, device: &DeviceAddress) -> Result<StandingKeys, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(StandingKeys::default()) };
        let sql = "SELECT signed_prekey, last_resort FROM devices WHERE no = ?1";
        type Keys = (Option<Vec<u8>>, Option<Vec<u8>>);
        let keys: Option<Keys> = self.row(sql, [row.device], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (signed, last_resort) = keys.unwrap_or_default();
        Ok(StandingKeys {
            signed: signed.map(|k| signed_from_bytes(&k)).transpose()?,
            last_resort: last_resort.map(|k| last_resort_from_bytes(&k)).transpose()?,
        })
    }

    fn oldest_pair(&mut self, device: &DeviceAddress) -> Result<Option<OneTimePair>, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(None) };
        let sql = "SELECT pair FROM pairs WHERE device = ?1 AND pair IS NOT NULL ORDER BY no LIMIT 1";
        let pair = self.row(sql, [row.device], |row| row.get::<_, Vec<u8>>(0))?;
        pair.map(|p| pair_from_bytes(&p)).transpose()
    }

    fn pairs_left(&mut self, device: &DeviceAddress) -> Result<u32, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(0) };
        let sql = "SELECT count(*) FROM pairs WHERE device = ?1 AND pair IS NOT NULL";
        narrow(self.row(sql, [row.device], |row| row.get(0))?.unwrap_or(0))
    }

    fn answered(&mut self, device: &DeviceAddress, key: &RequestKey) -> Result<Option<Answered>, StorageError> {
        let Some(row) = self.device_row(device)? else { return Ok(None) };
        let sql = "SELECT accepted_ms FROM answers WHERE device = ?1 AND key = ?2";
        self.row(sql, params![row.device, key.0], |row| Ok(Answered { accepted_ms: uint(row.get(0)?) }))
    }

    fn log_figures(&mut self, log: &Log, after_seq: u64) -> Result<LogFigures, StorageError> {
        let Some(no) = self.log_no(log)? else { return Ok(LogFigures::default()) };
        let sql = "SELECT coalesce(max((SELECT max(seq) FROM entries WHERE log = ?1), 0), 0), \
                   coalesce((SELECT seq FROM cursors WHERE log = ?1 AND reader = 0), 0), \
                   (SELECT count(*) FROM entries WHERE log = ?1 AND seq > ?2), \
                   (SELECT coalesce(sum(bytes), 0) FROM entries WHERE log = ?1 AND seq > ?2)";
        let figures = self.row(sql, params![no, int(after_seq)], |row| {
            let (highest, gone): (i64, i64) = (row.get(0)?, row.get(1)?);
            let last_seq = uint(highest.max(gone));
            Ok(LogFigures { last_seq, entries: uint(row.get(2)?), bytes: uint(row.get(3)?) })
        })?;
        Ok(figures.unwrap_or_default())
    }

    fn log_entries(&mut self, log: &Log, after_seq: u64, portion: Portion) -> Result<Vec<Entry>, StorageError> {
        let Some(no) = self.log_no(log)? else { return Ok(Vec::new()) };
        let sql = "SELECT seq, accepted_ms, sender, body FROM entries WHERE log = ?1 AND seq > ?2 \
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
                body: Bytes::copy_from_slice(body),
            });
        }
        Ok(entries)
    }

    fn apply(&mut self, batch: &[Write]) -> Result<(), StorageError> {
        self.atomically(|store| batch.iter().try_for_each(|write| store.write(write)))
    }

    fn expire(&mut self, before_ms: u64, rows_max: usize) -> Result<Expired, StorageError> {
        self.atomically(|store| store.expire_rows(before_ms, rows_max))
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if let Some(lost) = self.lost.take() {
            return Err(lost);
        }
        if self.connection.is_autocommit() {
            return Ok(());
        }
        let committed = self.statement("COMMIT")?.execute([]).map_err(trouble);
        if let Err(error) = committed {
            self.devices.clear();
            if !self.connection.is_autocommit() {
                self.statement("ROLLBACK")?.execute([]).map_err(trouble)?;
            }
            return Err(error);
        }
        Ok(())
    }

    fn outside_changes(&mut self) -> Result<u64, StorageError> {
        let version = self.row("PRAGMA data_version", [], |row| row.get(0))?;
        Ok(uint(version.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_relay::storage::{ListChange, NewAccount};

    fn new_account(number: u8, list: usize) -> Write {
        let account = AccountId([number; 32]);
        let list = Bytes::from(vec![number; list]);
        let devices = vec![RosterDevice {
            id: DeviceId(1),
            incarnation: 1,
            sig_key: VerifyKey([number; 32]),
            dh_key: DhKey([number; 32]),
            reachable: false,
        }];
        let name = UserName::parse(&format!("user{number}")).unwrap();
        let login_record = Bytes::new();
        Write::AddAccount(Box::new(NewAccount {
            account: Account { id: account, name, login_record, kp: 1, disabled: false },
            list: ListChange { account, seq: 1, list, vault: None, devices, renewed: vec![] },
            created_ms: 1,
            invite: None,
        }))
    }

    /// When space runs out in the middle of a round, either the requests before the failing one are
    /// still there and the sync says yes, or they are gone and the sync says no.
    #[test]
    fn a_full_disk_never_makes_a_sync_lie() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStorage::open(&dir.path().join("relay.db")).unwrap();
        store.apply(&[new_account(1, 100)]).unwrap();
        store.sync().unwrap();
        let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.connection.pragma_update(None, "max_page_count", pages + 3).unwrap();
        store.apply(&[new_account(2, 100)]).unwrap();
        assert_eq!(store.apply(&[new_account(3, 1_000_000)]), Err(StorageError::Full));
        let synced = store.sync();
        let kept = store.account(&AccountId([2; 32])).unwrap().is_some();
        assert_eq!(synced.is_ok(), kept, "{synced:?}");
        assert!(store.account(&AccountId([1; 32])).unwrap().is_some());
        assert!(store.account(&AccountId([3; 32])).unwrap().is_none());
        store.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
        store.apply(&[new_account(3, 1_000_000)]).unwrap();
        store.sync().unwrap();
        assert!(store.account(&AccountId([3; 32])).unwrap().is_some(), "it goes on when there is room again");
    }
}
