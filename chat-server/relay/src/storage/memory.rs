//! Storage in memory: for tests, the simulator and relays that keep nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use bytes::Bytes;
use chat_wire::bundle::OneTimePair;
use chat_wire::ids::{AccountId, DeviceAddress, PreKeyId, RequestKey, UserName};

use super::{
    Account, Answered, Entry, Expired, Incarnation, Invite, InviteHash, ListChange, Log, LogFigures, NewAccount,
    Portion, Roster, RosterDevice, StandingKeys, Storage, StorageError, StoredRecord, Write,
};

/// Everything in maps; nothing is durable, so `sync` has nothing to do.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    accounts: HashMap<AccountId, Holding>,
    names: BTreeMap<UserName, AccountId>,
    keys: HashMap<[u8; 32], AccountId>,
    devices: HashMap<DeviceAddress, Device>,
    invites: HashMap<InviteHash, Invite>,
    logs: BTreeMap<Log, StoredLog>,
    answered: HashMap<(DeviceAddress, RequestKey), Answered>,
    outside_changes: u64,
}

#[derive(Debug, Clone)]
struct Holding {
    account: Account,
    roster: Vec<RosterDevice>,
    lists: BTreeMap<u64, Bytes>,
    vault: Bytes,
    record: StoredRecord,
}

#[derive(Debug, Clone, Default)]
struct Device {
    incarnation: Incarnation,
    standing: StandingKeys,
    pairs: Vec<OneTimePair>,
    known_pairs: HashSet<PreKeyId>,
}

#[derive(Debug, Clone, Default)]
struct StoredLog {
    last_seq: u64,
    entries: BTreeMap<u64, Entry>,
}

impl StoredLog {
    fn remove_up_to(&mut self, seq: u64) {
        self.entries = self.entries.split_off(&seq.saturating_add(1));
    }
}

fn len(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl MemoryStorage {
    /// Adds or replaces an invite, as the operator does.
    pub fn put_invite(&mut self, hash: InviteHash, invite: Invite) {
        self.invites.insert(hash, invite);
        self.outside_changes = self.outside_changes.saturating_add(1);
    }

    /// Switches an account off or on, as the operator does. False when there is none.
    pub fn set_disabled(&mut self, account: &AccountId, disabled: bool) -> bool {
        let Some(holding) = self.accounts.get_mut(account) else { return false };
        holding.account.disabled = disabled;
        self.outside_changes = self.outside_changes.saturating_add(1);
        true
    }

    /// Whether a write may follow what is stored and the writes before it in its batch.
    fn check(&self, write: &Write, before: &[Write]) -> Result<(), StorageError> {
        let added =
            |account: &AccountId| before.iter().any(|w| matches!(w, Write::AddAccount(n) if n.account.id == *account));
        let ok = match write {
            Write::AddAccount(new) => {
                let same_name = |w: &Write| matches!(w, Write::AddAccount(n) if n.account.name == new.account.name);
                let invited = |hash| self.invites.get(&hash).is_some_and(|i| i.uses_left > 0);
                let known = self.accounts.contains_key(&new.account.id) || added(&new.account.id);
                let taken = self.names.contains_key(&new.account.name) || before.iter().any(same_name);
                !known && !taken && new.invite.is_none_or(invited)
            }
            Write::PutList(change) => match self.accounts.get(&change.account) {
                Some(holding) => !holding.lists.contains_key(&change.seq),
                None => added(&change.account),
            },
            Write::PutRecord(account, _) => self.accounts.contains_key(account) || added(account),
            Write::Append(log, entry) => {
                let earlier = |w: &Write| matches!(w, Write::Append(l, e) if l == log && e.seq >= entry.seq);
                self.logs.get(log).is_none_or(|l| l.last_seq < entry.seq) && !before.iter().any(earlier)
            }
            _ => true,
        };
        if ok { Ok(()) } else { Err(StorageError::Conflict) }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::AddAccount(new) => self.add_account(new),
            Write::PutList(change) => self.put_list(change),
            Write::PutBoot(device, boot) => self.device(device).incarnation.boot = Some(*boot),
            Write::PutRecord(account, record) => {
                if let Some(holding) = self.accounts.get_mut(account) {
                    holding.record = record.clone();
                }
            }
            Write::PutStandingKeys(device, keys) => self.put_standing_keys(device, keys),
            Write::AddPair(device, pair) => {
                let device = self.device(device);
                if device.known_pairs.insert(pair.dh_id()) {
                    device.pairs.push((**pair).clone());
                }
            }
            Write::SpendPair(device, id) => self.device(device).pairs.retain(|p| p.dh_id() != *id),
            Write::Append(log, entry) => {
                let log = self.logs.entry(*log).or_default();
                log.last_seq = entry.seq;
                log.entries.insert(entry.seq, entry.clone());
            }
            Write::Answer(device, key, answered, step) => {
                self.answered.insert((*device, *key), *answered);
                let incarnation = &mut self.device(device).incarnation;
                incarnation.step = incarnation.step.max(*step);
            }
            Write::Acknowledge(log, seq) => {
                if let Some(log) = self.logs.get_mut(log) {
                    log.remove_up_to(*seq);
                }
            }
        }
    }

    fn device(&mut self, address: &DeviceAddress) -> &mut Device {
        self.devices.entry(*address).or_default()
    }

    fn add_account(&mut self, new: &NewAccount) {
        if let Some(invite) = new.invite.and_then(|hash| self.invites.get_mut(&hash)) {
            invite.uses_left = invite.uses_left.saturating_sub(1);
        }
        let holding = Holding {
            account: new.account.clone(),
            roster: Vec::new(),
            lists: BTreeMap::new(),
            vault: Bytes::new(),
            record: StoredRecord::default(),
        };
        self.names.insert(new.account.name.clone(), new.account.id);
        self.accounts.insert(new.account.id, holding);
        self.put_list(&new.list);
    }

    fn put_list(&mut self, change: &ListChange) {
        for device in &change.devices {
            self.keys.insert(device.sig_key.0, change.account);
            self.keys.insert(device.dh_key.0, change.account);
        }
        let Some(holding) = self.accounts.get_mut(&change.account) else { return };
        holding.lists.insert(change.seq, change.list.clone());
        if let Some(vault) = &change.vault {
            holding.vault = vault.clone();
        }
        let before = std::mem::replace(&mut holding.roster, change.devices.clone());
        let kept: BTreeSet<_> = change.devices.iter().map(|d| d.id).collect();
        for device in before {
            let address = DeviceAddress { account: change.account, device: device.id };
            if !kept.contains(&device.id) {
                self.devices.remove(&address);
                self.logs.remove(&Log::Mailbox(address));
            } else if change.renewed.contains(&device.id) {
                let stored = self.device(&address);
                stored.standing = StandingKeys::default();
                stored.pairs.clear();
            }
        }
    }

    fn put_standing_keys(&mut self, device: &DeviceAddress, keys: &StandingKeys) {
        let standing = &mut self.device(device).standing;
        if keys.signed.is_some() {
            standing.signed.clone_from(&keys.signed);
        }
        if keys.last_resort.is_some() {
            standing.last_resort.clone_from(&keys.last_resort);
        }
    }
}

impl Storage for MemoryStorage {
    fn account(&mut self, id: &AccountId) -> Result<Option<Account>, StorageError> {
        Ok(self.accounts.get(id).map(|h| h.account.clone()))
    }

    fn account_named(&mut self, name: &UserName) -> Result<Option<Account>, StorageError> {
        let id = self.names.get(name);
        Ok(id.and_then(|id| self.accounts.get(id)).map(|h| h.account.clone()))
    }

    fn names(&mut self, prefix: &str, limit: usize) -> Result<Vec<(UserName, AccountId)>, StorageError> {
        let matching = self
            .names
            .iter()
            .skip_while(|(name, _)| name.as_str() < prefix)
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .filter(|(_, id)| self.accounts.get(id).is_some_and(|h| !h.account.disabled));
        Ok(matching.take(limit).map(|(name, id)| (name.clone(), *id)).collect())
    }

    fn key_holder(&mut self, key: &[u8; 32]) -> Result<Option<AccountId>, StorageError> {
        Ok(self.keys.get(key).copied())
    }

    fn invite(&mut self, hash: &InviteHash) -> Result<Option<Invite>, StorageError> {
        Ok(self.invites.get(hash).copied())
    }

    fn roster(&mut self, account: &AccountId) -> Result<Option<Roster>, StorageError> {
        let Some(holding) = self.accounts.get(account) else { return Ok(None) };
        let reachable = |device: &RosterDevice| {
            let address = DeviceAddress { account: *account, device: device.id };
            self.devices.get(&address).is_some_and(|d| d.standing.signed.is_some())
        };
        let devices = holding.roster.iter().map(|d| RosterDevice { reachable: reachable(d), ..*d }).collect();
        let list_seq = holding.lists.last_key_value().map_or(0, |(seq, _)| *seq);
        Ok(Some(Roster { account: *account, disabled: holding.account.disabled, list_seq, devices }))
    }

    fn current_list(&mut self, account: &AccountId) -> Result<Option<Bytes>, StorageError> {
        Ok(self.accounts.get(account).and_then(|h| h.lists.last_key_value()).map(|(_, list)| list.clone()))
    }

    fn lists(&mut self, account: &AccountId, after_seq: u64, limit: usize) -> Result<Vec<Bytes>, StorageError> {
        let Some(holding) = self.accounts.get(account) else { return Ok(Vec::new()) };
        let after = (Bound::Excluded(after_seq), Bound::Unbounded);
        Ok(holding.lists.range(after).take(limit).map(|(_, list)| list.clone()).collect())
    }

    fn vault(&mut self, account: &AccountId) -> Result<Option<Bytes>, StorageError> {
        Ok(self.accounts.get(account).map(|h| h.vault.clone()))
    }

    fn record(&mut self, account: &AccountId) -> Result<StoredRecord, StorageError> {
        Ok(self.accounts.get(account).map(|h| h.record.clone()).unwrap_or_default())
    }

    fn incarnation(&mut self, device: &DeviceAddress) -> Result<Incarnation, StorageError> {
        Ok(self.devices.get(device).map(|d| d.incarnation).unwrap_or_default())
    }

    fn standing_keys(&mut self, device: &DeviceAddress) -> Result<StandingKeys, StorageError> {
        Ok(self.devices.get(device).map(|d| d.standing.clone()).unwrap_or_default())
    }

    fn oldest_pair(&mut self, device: &DeviceAddress) -> Result<Option<OneTimePair>, StorageError> {
        Ok(self.devices.get(device).and_then(|d| d.pairs.first().cloned()))
    }

    fn pairs_left(&mut self, device: &DeviceAddress) -> Result<u32, StorageError> {
        let pairs = self.devices.get(device).map_or(0, |d| d.pairs.len());
        Ok(u32::try_from(pairs).unwrap_or(u32::MAX))
    }

    fn answered(&mut self, device: &DeviceAddress, key: &RequestKey) -> Result<Option<Answered>, StorageError> {
        Ok(self.answered.get(&(*device, *key)).copied())
    }

    fn log_figures(&mut self, log: &Log, after_seq: u64) -> Result<LogFigures, StorageError> {
        let Some(log) = self.logs.get(log) else { return Ok(LogFigures::default()) };
        let mut figures = LogFigures { last_seq: log.last_seq, ..LogFigures::default() };
        for entry in log.entries.range((Bound::Excluded(after_seq), Bound::Unbounded)).map(|(_, e)| e) {
            figures.entries = figures.entries.saturating_add(1);
            figures.bytes = figures.bytes.saturating_add(len(&entry.body));
        }
        Ok(figures)
    }

    fn log_entries(&mut self, log: &Log, after_seq: u64, portion: Portion) -> Result<Vec<Entry>, StorageError> {
        let Some(log) = self.logs.get(log) else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        let mut bytes = 0usize;
        for entry in log.entries.range((Bound::Excluded(after_seq), Bound::Unbounded)).map(|(_, e)| e) {
            bytes = bytes.saturating_add(entry.body.len());
            if entries.len() >= portion.entries_max || (bytes > portion.bytes_max && !entries.is_empty()) {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }

    fn apply(&mut self, batch: &[Write]) -> Result<(), StorageError> {
        for (at, write) in batch.iter().enumerate() {
            self.check(write, batch.get(..at).unwrap_or_default())?;
        }
        for write in batch {
            self.write(write);
        }
        Ok(())
    }

    fn expire(&mut self, before_ms: u64, rows_max: usize) -> Result<Expired, StorageError> {
        let mut expired = Expired::default();
        for (name, log) in &mut self.logs {
            let old = log.entries.values().filter(|e| e.accepted_ms < before_ms);
            let room = rows_max.saturating_sub(expired.rows);
            let old: Vec<u64> = old.take(room).map(|e| e.seq).collect();
            if let Some(last) = old.last() {
                log.remove_up_to(*last);
                expired.logs.push(*name);
                expired.rows = expired.rows.saturating_add(old.len());
            }
        }
        let before = self.answered.len();
        self.answered.retain(|_, answered| answered.accepted_ms >= before_ms);
        expired.rows = expired.rows.saturating_add(before.saturating_sub(self.answered.len()));
        Ok(expired)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn outside_changes(&mut self) -> Result<u64, StorageError> {
        Ok(self.outside_changes)
    }
}
