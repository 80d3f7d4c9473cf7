//! The writing half: one typed write is a few prepared statements.

use std::collections::HashSet;

use chat_relay::storage::{
    Answered, Entry, Expired, ListChange, Log, NewAccount, StandingKeys, StorageError, StoredRecord, Write,
};
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, RequestKey};
use rusqlite::{Params, params};

use super::rows::{array, int, last_resort_to_bytes, narrow, pair_to_bytes, sender_to_bytes, signed_to_bytes, trouble};
use super::sqlite::{DeviceRow, MAILBOX, SqliteStorage};

impl SqliteStorage {
    pub(super) fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        match write {
            Write::AddAccount(new) => self.add_account(new),
            Write::PutList(change) => self.put_list(change),
            Write::PutBoot(device, boot) => {
                let row = self.listed(device)?;
                self.change("UPDATE devices SET boot = ?2 WHERE no = ?1", params![row.device, boot.0]).map(drop)
            }
            Write::PutRecord(account, record) => self.put_record(account, record),
            Write::PutStandingKeys(device, keys) => self.put_standing_keys(device, keys),
            Write::AddPair(device, pair) => {
                let row = self.listed(device)?;
                let sql = "INSERT INTO pairs (device, id, pair) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                self.change(sql, params![row.device, pair.dh_id().0, pair_to_bytes(pair)]).map(drop)
            }
            Write::SpendPair(device, id) => {
                let row = self.listed(device)?;
                let sql = "UPDATE pairs SET pair = NULL WHERE device = ?1 AND id = ?2 AND pair IS NOT NULL";
                one_row(self.change(sql, params![row.device, id.0])?)
            }
            Write::Append(log, entry) => self.append(log, entry),
            Write::Answer(device, key, answered, step) => self.answer(device, (key, *answered), *step),
            Write::Acknowledge(log, seq) => self.acknowledge(log, *seq),
        }
    }

    fn change(&self, sql: &str, params: impl Params) -> Result<usize, StorageError> {
        self.statement(sql)?.execute(params).map_err(trouble)
    }

    fn listed(&mut self, device: &DeviceAddress) -> Result<DeviceRow, StorageError> {
        self.device_row(device)?.ok_or(StorageError::Conflict)
    }

    fn add_account(&mut self, new: &NewAccount) -> Result<(), StorageError> {
        if let Some(hash) = &new.invite {
            let sql = "UPDATE invites SET uses_left = uses_left - 1 WHERE hash = ?1 AND uses_left > 0";
            one_row(self.change(sql, [hash])?)?;
        }
        let sql = "INSERT INTO accounts (id, name, login_record, kp, created_ms, list_seq, vault) \
                   VALUES (?1, ?2, ?3, ?4, ?5, 0, x'')";
        let account = &new.account;
        let (record, created) = (&account.login_record[..], int(new.created_ms));
        self.change(sql, params![account.id.0, account.name.as_str(), record, account.kp, created])?;
        self.put_list(&new.list)
    }

    fn put_list(&mut self, change: &ListChange) -> Result<(), StorageError> {
        let account = self.account_no(&change.account)?.ok_or(StorageError::Conflict)?;
        let seq = int(change.seq);
        self.change(
            "INSERT INTO lists (account, seq, list) VALUES (?1, ?2, ?3)",
            params![account, seq, &change.list[..]],
        )?;
        let sql = "UPDATE accounts SET list_seq = ?2, vault = coalesce(?3, vault) WHERE no = ?1";
        self.change(sql, params![account, seq, change.vault.as_deref()])?;
        let kept: HashSet<DeviceId> = change.devices.iter().map(|d| d.id).collect();
        for (id, no) in self.device_numbers(account)? {
            if !kept.contains(&id) {
                self.remove_device(no)?;
                self.devices.remove(&DeviceAddress { account: change.account, device: id });
            } else if change.renewed.contains(&id) {
                let sql = "UPDATE devices SET signed_prekey = NULL, last_resort = NULL WHERE no = ?1";
                self.change(sql, [no])?;
                self.change("UPDATE pairs SET pair = NULL WHERE device = ?1", [no])?;
            }
        }
        for device in &change.devices {
            self.put_device(account, device)?;
        }
        Ok(())
    }

    fn put_device(&self, account: i64, device: &chat_relay::storage::RosterDevice) -> Result<(), StorageError> {
        let sql = "INSERT INTO devices (account, id, incarnation, sig_key, dh_key) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (account, id) DO UPDATE SET incarnation = excluded.incarnation, \
                   sig_key = excluded.sig_key, dh_key = excluded.dh_key";
        let (id, incarnation) = (device.id.0, device.incarnation);
        self.change(sql, params![account, id, incarnation, device.sig_key.0, device.dh_key.0])?;
        let sql = "INSERT INTO logs (kind, owner) SELECT ?3, no FROM devices WHERE account = ?1 AND id = ?2 \
                   ON CONFLICT DO NOTHING";
        self.change(sql, params![account, id, MAILBOX])?;
        for key in [device.sig_key.0, device.dh_key.0] {
            let sql = "INSERT INTO device_keys (key, account) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            self.change(sql, params![key, account])?;
        }
        Ok(())
    }

    fn device_numbers(&self, account: i64) -> Result<Vec<(DeviceId, i64)>, StorageError> {
        let mut statement = self.statement("SELECT id, no FROM devices WHERE account = ?1")?;
        let rows = statement.query_map([account], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
        let read = |row: rusqlite::Result<(i64, i64)>| {
            let (id, no) = row.map_err(trouble)?;
            Ok((DeviceId(narrow(id)?), no))
        };
        rows.map_err(trouble)?.map(read).collect()
    }

    fn remove_device(&self, no: i64) -> Result<(), StorageError> {
        let sql = "DELETE FROM entries WHERE log = (SELECT no FROM logs WHERE kind = ?2 AND owner = ?1)";
        self.change(sql, params![no, MAILBOX])?;
        let sql = "DELETE FROM cursors WHERE log = (SELECT no FROM logs WHERE kind = ?2 AND owner = ?1)";
        self.change(sql, params![no, MAILBOX])?;
        self.change("DELETE FROM logs WHERE kind = ?2 AND owner = ?1", params![no, MAILBOX])?;
        self.change("DELETE FROM pairs WHERE device = ?1", [no])?;
        self.change("DELETE FROM answers WHERE device = ?1", [no])?;
        self.change("DELETE FROM devices WHERE no = ?1", [no])?;
        Ok(())
    }

    fn put_record(&self, account: &AccountId, record: &StoredRecord) -> Result<(), StorageError> {
        let account = self.account_no(account)?.ok_or(StorageError::Conflict)?;
        let sql = "INSERT INTO records (account, version, body) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (account) DO UPDATE SET version = excluded.version, body = excluded.body";
        self.change(sql, params![account, int(record.version), &record.body[..]]).map(drop)
    }

    fn put_standing_keys(&mut self, device: &DeviceAddress, keys: &StandingKeys) -> Result<(), StorageError> {
        let row = self.listed(device)?;
        let sql = "UPDATE devices SET signed_prekey = coalesce(?2, signed_prekey), \
                   last_resort = coalesce(?3, last_resort) WHERE no = ?1";
        let signed = keys.signed.as_ref().map(signed_to_bytes);
        let last_resort = keys.last_resort.as_ref().map(last_resort_to_bytes);
        self.change(sql, params![row.device, signed, last_resort]).map(drop)
    }

    fn append(&mut self, log: &Log, entry: &Entry) -> Result<(), StorageError> {
        let log = self.log_no(log)?.ok_or(StorageError::Conflict)?;
        let sql = "INSERT INTO entries (log, seq, accepted_ms, sender, bytes, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let bytes = i64::try_from(entry.body.len()).unwrap_or(i64::MAX);
        let (seq, accepted, sender) = (int(entry.seq), int(entry.accepted_ms), sender_to_bytes(&entry.from));
        self.change(sql, params![log, seq, accepted, sender, bytes, &entry.body[..]]).map(drop)
    }

    fn answer(
        &mut self,
        device: &DeviceAddress,
        (key, answered): (&RequestKey, Answered),
        step: u64,
    ) -> Result<(), StorageError> {
        let row = self.listed(device)?;
        let sql = "INSERT INTO answers (device, key, accepted_ms) VALUES (?1, ?2, ?3)";
        self.change(sql, params![row.device, key.0, int(answered.accepted_ms)])?;
        let sql = "UPDATE devices SET step = ?2 WHERE no = ?1 AND step < ?2";
        self.change(sql, params![row.device, int(step)]).map(drop)
    }

    fn acknowledge(&mut self, log: &Log, seq: u64) -> Result<(), StorageError> {
        // A mailbox that is gone was removed with its device: nothing is left to acknowledge.
        let Some(log) = self.log_no(log)? else { return Ok(()) };
        self.change("DELETE FROM entries WHERE log = ?1 AND seq <= ?2", params![log, int(seq)])?;
        self.raise_cursor(log, int(seq))
    }

    /// Places up to here are never given again.
    fn raise_cursor(&self, log: i64, seq: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO cursors (log, reader, seq) VALUES (?1, 0, ?2) \
                   ON CONFLICT (log, reader) DO UPDATE SET seq = max(seq, excluded.seq)";
        self.change(sql, params![log, seq]).map(drop)
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
            self.raise_cursor(log, seq)?;
            self.change("DELETE FROM entries WHERE no = ?1", [no])?;
            logs.insert(log);
            expired.rows = expired.rows.saturating_add(1);
        }
        for log in logs {
            expired.logs.push(self.log_named(log)?);
        }
        let sql = "DELETE FROM answers WHERE no IN (SELECT no FROM (SELECT no, accepted_ms FROM answers \
                   ORDER BY no LIMIT ?2) WHERE accepted_ms < ?1)";
        let answers = self.change(sql, params![int(before_ms), limit])?;
        expired.rows = expired.rows.saturating_add(answers);
        Ok(expired)
    }

    fn log_named(&self, no: i64) -> Result<Log, StorageError> {
        let sql = "SELECT a.id, d.id FROM logs l JOIN devices d ON d.no = l.owner JOIN accounts a ON a.no = d.account \
                   WHERE l.no = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?));
        let (account, device) = self.statement(sql)?.query_row([no], read).map_err(trouble)?;
        let device = DeviceId(narrow(device)?);
        Ok(Log::Mailbox(DeviceAddress { account: AccountId(array(&account)?), device }))
    }
}

/// A write that must hit its row, or somebody else was there first.
fn one_row(changed: usize) -> Result<(), StorageError> {
    if changed == 1 { Ok(()) } else { Err(StorageError::Conflict) }
}
