//! Accounts in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use chat_wire::bundle::OneTimePair;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, KeyPackageId, PreKeyId, UserName};
use chat_wire::keys::VerifyKey;

use super::MemoryStorage;
use crate::storage::{
    Account, AccountRows, Deletion, Incarnation, Invite, InviteHash, ListChange, Log, NewAccount, RemovedDevice,
    Roster, RosterDevice, StandingKeys, StorageError, StoredKeyPackage, StoredRecord,
};

#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) account: Account,
    pub(super) roster: Vec<RosterDevice>,
    pub(super) lists: BTreeMap<u64, Bytes>,
    pub(super) vault: Bytes,
    pub(super) record: StoredRecord,
    /// Devices that were removed, with the number of the first list without them.
    pub(super) removed: BTreeMap<DeviceId, (VerifyKey, u64)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Device {
    pub(super) incarnation: Incarnation,
    pub(super) standing: StandingKeys,
    pub(super) pairs: Vec<OneTimePair>,
    pub(super) known_pairs: BTreeSet<PreKeyId>,
    pub(super) packages: Vec<StoredKeyPackage>,
    pub(super) known_packages: BTreeSet<KeyPackageId>,
    pub(super) last_package: Option<StoredKeyPackage>,
}

impl MemoryStorage {
    pub(super) fn device(&mut self, address: &DeviceAddress) -> &mut Device {
        self.devices.entry(*address).or_default()
    }

    pub(super) fn add_account(&mut self, new: &NewAccount) {
        if let Some(invite) = new.invite.and_then(|hash| self.invites.get_mut(&hash)) {
            invite.uses_left = invite.uses_left.saturating_sub(1);
        }
        let holding = Holding {
            account: new.account.clone(),
            roster: Vec::new(),
            lists: BTreeMap::new(),
            vault: Bytes::new(),
            record: StoredRecord::default(),
            removed: BTreeMap::new(),
        };
        self.names.insert(new.account.name.clone(), new.account.id);
        self.accounts.insert(new.account.id, holding);
        self.put_list(&new.list);
    }

    pub(super) fn put_list(&mut self, change: &ListChange) {
        for device in &change.devices {
            self.keys.insert(device.sig_key.0, change.account);
            self.keys.insert(device.dh_key.0, change.account);
        }
        let Some(holding) = self.accounts.get_mut(&change.account) else { return };
        holding.lists.insert(change.seq, change.list.clone());
        if let Some(vault) = &change.vault {
            holding.vault = vault.clone();
        }
        for device in &change.devices {
            holding.removed.remove(&device.id);
        }
        let before = std::mem::replace(&mut holding.roster, change.devices.clone());
        let kept: BTreeSet<_> = change.devices.iter().map(|d| d.id).collect();
        for device in before {
            let address = DeviceAddress { account: change.account, device: device.id };
            if !kept.contains(&device.id) {
                if let Some(holding) = self.accounts.get_mut(&change.account) {
                    holding.removed.insert(device.id, (device.sig_key, change.seq));
                }
                self.remove_device(&address);
            } else if change.renewed.contains(&device.id) {
                let stored = self.device(&address);
                stored.standing = StandingKeys::default();
                stored.pairs.clear();
                stored.packages.clear();
                stored.last_package = None;
            }
        }
    }

    fn remove_device(&mut self, device: &DeviceAddress) {
        self.devices.remove(device);
        self.logs.remove(&Log::Mailbox(*device));
        self.answered.retain(|(of, _), _| of != device);
        for log in self.logs.values_mut() {
            log.leave(device);
        }
    }

    pub(super) fn put_login(&mut self, account: &AccountId, record: &Bytes, kp: u8) {
        if let Some(holding) = self.accounts.get_mut(account) {
            holding.account.login_record = record.clone();
            holding.account.kp = kp;
        }
    }

    pub(super) fn delete_account(&mut self, account: &AccountId, deletion: Deletion) {
        let Some(holding) = self.accounts.remove(account) else { return };
        for device in holding.roster {
            self.remove_device(&DeviceAddress { account: *account, device: device.id });
        }
        self.keys.retain(|_, holder| holder != account);
        self.names.remove(&holding.account.name);
        self.deletions.insert(*account, (holding.account.name, deletion));
    }

    pub(super) fn put_standing_keys(&mut self, device: &DeviceAddress, keys: &StandingKeys) {
        let standing = &mut self.device(device).standing;
        if keys.signed.is_some() {
            standing.signed.clone_from(&keys.signed);
        }
        if keys.last_resort.is_some() {
            standing.last_resort.clone_from(&keys.last_resort);
        }
    }
}

impl AccountRows for MemoryStorage {
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

    fn deletion(&mut self, id: &AccountId) -> Result<Option<Deletion>, StorageError> {
        Ok(self.deletions.get(id).map(|(_, deletion)| *deletion))
    }

    fn reserved_until(&mut self, name: &UserName) -> Result<u64, StorageError> {
        let of_name = self.deletions.values().filter(|(of, _)| of == name);
        Ok(of_name.map(|(_, deletion)| deletion.reserved_until_ms).max().unwrap_or(0))
    }

    fn removed_device(&mut self, device: &DeviceAddress) -> Result<Option<RemovedDevice>, StorageError> {
        let Some(holding) = self.accounts.get(&device.account) else { return Ok(None) };
        let Some((sig_key, seq)) = holding.removed.get(&device.device).copied() else { return Ok(None) };
        Ok(holding.lists.get(&seq).map(|list| RemovedDevice { sig_key, list: list.clone() }))
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
}
