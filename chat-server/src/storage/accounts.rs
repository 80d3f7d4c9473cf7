//! Accounts as rows: names, logins, lists, vaults, records, prekeys.

use std::collections::HashSet;

use bytes::Bytes;
use chat_relay::storage::{
    Account, AccountRows, Deletion, Incarnation, Invite, InviteHash, ListChange, NewAccount, RemovedDevice, Roster,
    RosterDevice, StandingKeys, StorageError, StoredRecord,
};
use chat_wire::bundle::OneTimePair;
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, PreKeyId, UserName};
use chat_wire::keys::{DhKey, VerifyKey};
use rusqlite::{Row, params};

use super::database::{DeviceRow, MAILBOX, SqliteStorage};
use super::rows::{
    array, bytes, int, last_resort_from_bytes, last_resort_to_bytes, narrow, one_row, pair_from_bytes, pair_to_bytes,
    signed_from_bytes, signed_to_bytes, trouble, uint,
};

/// Columns of an account, as they lie in the row.
type AccountRow = (Vec<u8>, String, Vec<u8>, u8, bool);

fn account(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn account_of((id, name, record, kp, disabled): AccountRow) -> Result<Account, StorageError> {
    let name = UserName::parse(&name).map_err(|_| StorageError::Damaged)?;
    Ok(Account { id: AccountId(array(&id)?), name, login_record: bytes(record), kp, disabled })
}

impl AccountRows for SqliteStorage {
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

    fn deletion(&mut self, id: &AccountId) -> Result<Option<Deletion>, StorageError> {
        let sql = "SELECT at_ms, reserved_until_ms FROM deleted_accounts WHERE id = ?1";
        self.row(sql, [id.0], |row| Ok(Deletion { at_ms: uint(row.get(0)?), reserved_until_ms: uint(row.get(1)?) }))
    }

    fn reserved_until(&mut self, name: &UserName) -> Result<u64, StorageError> {
        let sql = "SELECT max(reserved_until_ms) FROM deleted_accounts WHERE name = ?1";
        let until: Option<Option<i64>> = self.row(sql, [name.as_str()], |row| row.get(0))?;
        Ok(until.flatten().map_or(0, uint))
    }

    fn removed_device(&mut self, device: &DeviceAddress) -> Result<Option<RemovedDevice>, StorageError> {
        let sql = "SELECT r.sig_key, l.list FROM accounts a JOIN removed_devices r ON r.account = a.no AND r.id = ?2 \
                   JOIN lists l ON l.account = a.no AND l.seq = r.list_seq WHERE a.id = ?1";
        let found = self.row(sql, params![device.account.0, device.device.0], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        found.map(|(key, list)| Ok(RemovedDevice { sig_key: VerifyKey(array(&key)?), list: bytes(list) })).transpose()
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
        self.write_answers()?;
        let sql = "SELECT boot, coalesce((SELECT step FROM steps WHERE device = no), 0) FROM devices WHERE no = ?1";
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
}

impl SqliteStorage {
    pub(super) fn account_no(&self, account: &AccountId) -> Result<Option<i64>, StorageError> {
        self.row("SELECT no FROM accounts WHERE id = ?1", [account.0], |row| row.get(0))
    }

    pub(super) fn put_boot(&mut self, device: &DeviceAddress, boot: BootId) -> Result<(), StorageError> {
        let row = self.listed(device)?;
        self.change("UPDATE devices SET boot = ?2 WHERE no = ?1", params![row.device, boot.0]).map(drop)
    }

    pub(super) fn add_pair(&mut self, device: &DeviceAddress, pair: &OneTimePair) -> Result<(), StorageError> {
        let row = self.listed(device)?;
        let sql = "INSERT INTO pairs (device, id, pair) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.change(sql, params![row.device, pair.dh_id().0, pair_to_bytes(pair)]).map(drop)
    }

    pub(super) fn spend_pair(&mut self, device: &DeviceAddress, id: PreKeyId) -> Result<(), StorageError> {
        let row = self.listed(device)?;
        let sql = "UPDATE pairs SET pair = NULL WHERE device = ?1 AND id = ?2 AND pair IS NOT NULL";
        one_row(self.change(sql, params![row.device, id.0])?)
    }

    pub(super) fn listed(&mut self, device: &DeviceAddress) -> Result<DeviceRow, StorageError> {
        self.device_row(device)?.ok_or(StorageError::Conflict)
    }

    pub(super) fn add_account(&mut self, new: &NewAccount) -> Result<(), StorageError> {
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

    pub(super) fn put_list(&mut self, change: &ListChange) -> Result<(), StorageError> {
        let account = self.account_no(&change.account)?.ok_or(StorageError::Conflict)?;
        let seq = int(change.seq);
        if change.replaces {
            one_row(self.change("DELETE FROM lists WHERE account = ?1 AND seq = ?2", params![account, seq])?)?;
        }
        let sql = "INSERT INTO lists (account, seq, list) VALUES (?1, ?2, ?3)";
        self.change(sql, params![account, seq, &change.list[..]])?;
        let sql = "UPDATE accounts SET list_seq = ?2, vault = coalesce(?3, vault) WHERE no = ?1";
        self.change(sql, params![account, seq, change.vault.as_deref()])?;
        let kept: HashSet<DeviceId> = change.devices.iter().map(|d| d.id).collect();
        for (id, no) in self.device_numbers(account)? {
            if !kept.contains(&id) {
                let sql = "INSERT INTO removed_devices (account, id, sig_key, list_seq) \
                           SELECT account, id, sig_key, ?2 FROM devices WHERE no = ?1 \
                           ON CONFLICT DO UPDATE SET sig_key = excluded.sig_key, list_seq = excluded.list_seq";
                self.change(sql, params![no, seq])?;
                self.remove_device(no)?;
                self.devices.remove(&DeviceAddress { account: change.account, device: id });
            } else if change.renewed.contains(&id) {
                let sql = "UPDATE devices SET signed_prekey = NULL, last_resort = NULL WHERE no = ?1";
                self.change(sql, [no])?;
                self.change("UPDATE pairs SET pair = NULL WHERE device = ?1", [no])?;
                self.change("UPDATE key_packages SET package = NULL WHERE device = ?1", [no])?;
                self.change("DELETE FROM last_key_packages WHERE device = ?1", [no])?;
            }
        }
        for device in &change.devices {
            self.put_device(account, device)?;
        }
        Ok(())
    }

    fn put_device(&self, account: i64, device: &RosterDevice) -> Result<(), StorageError> {
        let sql = "INSERT INTO devices (account, id, incarnation, sig_key, dh_key) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (account, id) DO UPDATE SET incarnation = excluded.incarnation, \
                   sig_key = excluded.sig_key, dh_key = excluded.dh_key";
        let (id, incarnation) = (device.id.0, device.incarnation);
        self.change("DELETE FROM removed_devices WHERE account = ?1 AND id = ?2", params![account, id])?;
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

    pub(super) fn put_login(&mut self, account: &AccountId, record: &[u8], kp: u8) -> Result<(), StorageError> {
        let sql = "UPDATE accounts SET login_record = ?2, kp = ?3 WHERE id = ?1";
        one_row(self.change(sql, params![account.0, record, kp])?)
    }

    pub(super) fn delete_account(&mut self, account: &AccountId, deletion: Deletion) -> Result<(), StorageError> {
        let no = self.account_no(account)?.ok_or(StorageError::Conflict)?;
        let sql = "INSERT INTO deleted_accounts (id, name, at_ms, reserved_until_ms) \
                   SELECT id, name, ?2, ?3 FROM accounts WHERE no = ?1";
        self.change(sql, params![no, int(deletion.at_ms), int(deletion.reserved_until_ms)])?;
        // What a person deletes is overwritten, not only unlinked.
        self.connection.pragma_update(None, "secure_delete", "ON").map_err(trouble)?;
        for (id, device) in self.device_numbers(no)? {
            self.remove_device(device)?;
            self.devices.remove(&DeviceAddress { account: *account, device: id });
        }
        for sql in [
            "DELETE FROM records WHERE account = ?1",
            "DELETE FROM lists WHERE account = ?1",
            "DELETE FROM device_keys WHERE account = ?1",
            "DELETE FROM removed_devices WHERE account = ?1",
            "DELETE FROM accounts WHERE no = ?1",
        ] {
            self.change(sql, [no])?;
        }
        self.connection.pragma_update(None, "secure_delete", "OFF").map_err(trouble)
    }

    fn remove_device(&self, no: i64) -> Result<(), StorageError> {
        let sql = "DELETE FROM entries WHERE log = (SELECT no FROM logs WHERE kind = ?2 AND owner = ?1)";
        self.change(sql, params![no, MAILBOX])?;
        let sql = "DELETE FROM cursors WHERE log = (SELECT no FROM logs WHERE kind = ?2 AND owner = ?1)";
        self.change(sql, params![no, MAILBOX])?;
        self.change("DELETE FROM logs WHERE kind = ?2 AND owner = ?1", params![no, MAILBOX])?;
        self.leave_rooms(no)?;
        self.change("DELETE FROM key_packages WHERE device = ?1", [no])?;
        self.change("DELETE FROM last_key_packages WHERE device = ?1", [no])?;
        self.change("DELETE FROM pairs WHERE device = ?1", [no])?;
        self.change("DELETE FROM answered WHERE device = ?1", [no])?;
        self.change("DELETE FROM steps WHERE device = ?1", [no])?;
        self.change("DELETE FROM devices WHERE no = ?1", [no])?;
        Ok(())
    }

    pub(super) fn put_record(&self, account: &AccountId, record: &StoredRecord) -> Result<(), StorageError> {
        let account = self.account_no(account)?.ok_or(StorageError::Conflict)?;
        let sql = "INSERT INTO records (account, version, body) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (account) DO UPDATE SET version = excluded.version, body = excluded.body";
        self.change(sql, params![account, int(record.version), &record.body[..]]).map(drop)
    }

    pub(super) fn put_standing_keys(
        &mut self,
        device: &DeviceAddress,
        keys: &StandingKeys,
    ) -> Result<(), StorageError> {
        let row = self.listed(device)?;
        let sql = "UPDATE devices SET signed_prekey = coalesce(?2, signed_prekey), \
                   last_resort = coalesce(?3, last_resort) WHERE no = ?1";
        let signed = keys.signed.as_ref().map(signed_to_bytes);
        let last_resort = keys.last_resort.as_ref().map(last_resort_to_bytes);
        self.change(sql, params![row.device, signed, last_resort]).map(drop)
    }
}
