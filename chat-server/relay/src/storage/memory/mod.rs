//! Storage in memory: for tests, the simulator and relays that keep nothing.

mod accounts;
mod logs;
mod rooms;

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, DeviceAddress, RequestKey, RoomId, RoomName, UserName};

use self::accounts::{Device, Holding};
use self::logs::StoredLog;
use self::rooms::Holding as RoomHolding;
use super::{Answered, Deletion, Ending, Expired, Invite, InviteHash, Log, Storage, StorageError, Write};

/// Everything in maps; nothing is durable, so `sync` has nothing to do.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    accounts: BTreeMap<AccountId, Holding>,
    names: BTreeMap<UserName, AccountId>,
    keys: BTreeMap<[u8; 32], AccountId>,
    devices: BTreeMap<DeviceAddress, Device>,
    deletions: BTreeMap<AccountId, (UserName, Deletion)>,
    rooms: BTreeMap<RoomId, RoomHolding>,
    room_names: BTreeMap<RoomName, RoomId>,
    endings: BTreeMap<RoomId, Ending>,
    invites: BTreeMap<InviteHash, Invite>,
    logs: BTreeMap<Log, StoredLog>,
    answered: BTreeMap<(DeviceAddress, RequestKey), Answered>,
    outside_changes: u64,
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
                Some(holding) => holding.lists.contains_key(&change.seq) == change.replaces,
                None => added(&change.account),
            },
            Write::PutRecord(account, _) | Write::PutLogin(account, ..) | Write::DeleteAccount(account, _) => {
                self.accounts.contains_key(account) || added(account)
            }
            Write::Append(log, entry) => {
                let earlier = |w: &Write| matches!(w, Write::Append(l, e) if l == log && e.seq >= entry.seq);
                self.logs.get(log).is_none_or(|l| l.last_seq() < entry.seq) && !before.iter().any(earlier)
            }
            Write::Room(write) => self.check_room(write, before),
            _ => true,
        };
        if ok { Ok(()) } else { Err(StorageError::Conflict) }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::AddAccount(new) => self.add_account(new),
            Write::PutLogin(account, record, kp) => self.put_login(account, record, *kp),
            Write::DeleteAccount(account, deletion) => self.delete_account(account, *deletion),
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
            Write::Append(log, entry) => self.log(log).append(entry),
            Write::Answer(device, key, answered, step) => {
                self.answered.insert((*device, *key), *answered);
                let incarnation = &mut self.device(device).incarnation;
                incarnation.step = incarnation.step.max(*step);
            }
            Write::Trim(log, seq) => self.log(log).trim(*seq),
            Write::Advance(log, device, seq) => self.log(log).advance(device, *seq),
            Write::Read(log, reader) => self.log(log).read(*reader),
            Write::Room(write) => self.write_room(write),
        }
    }
}

impl Storage for MemoryStorage {
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
            let rows = log.expire(before_ms, rows_max.saturating_sub(expired.rows));
            if rows > 0 {
                expired.logs.push(*name);
                expired.rows = expired.rows.saturating_add(rows);
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
