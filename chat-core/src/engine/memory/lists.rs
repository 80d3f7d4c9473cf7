//! Verified device lists: the chain of each account is followed, never its relay's word (SPEC 5.4.1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chat_wire::device_list::DeviceList;
use chat_wire::ids::{AccountId, DeviceId, RelayId};
use chat_wire::keys::VerifyKey;
use serde_bytes::ByteBuf;

use crate::engine::context::{Work, read_u64};
use crate::engine::error::EngineError;
use crate::engine::limits::{LIST_AGE_MS_MAX, LIST_VERSIONS_MAX, LISTS_CACHED_MAX};
use crate::store::{Records, Table};
use crate::time::Timestamp;

/// Milliseconds between two writes of the time of the last check: it only has to be right to a day.
const CHECK_WRITE_MS: u64 = 3_600_000;

/// The newest verified list of an account.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Known {
    pub(in crate::engine) list: Arc<DeviceList>,
    /// When the relay last said that it is the newest.
    checked_ms: u64,
}

impl Known {
    /// Whether it has to be checked before something is sent (SPEC 5.4.2).
    pub(in crate::engine) fn is_old(&self, now: Timestamp) -> bool {
        now.ms_since(Timestamp::from_ms(self.checked_ms)) > LIST_AGE_MS_MAX
    }
}

/// What a list that the relay offered turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Offer {
    /// The newest known one.
    Same,
    /// An older one: a late answer, or a rollback. Not used.
    Older,
    /// The first of this account.
    First,
    /// The next of its chain.
    Newer(Change),
    /// It may be right, but lists between are missing: fetch those after this sequence number.
    Gap { after_seq: u64 },
    /// It contradicts what is verified. Not used.
    Refused,
    /// As signed as the known list, and with the same sequence number: somebody is lied to. Not used.
    Forked,
}

/// What a newer list changed for those who talk to its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) struct Change {
    pub(in crate::engine) key: bool,
    pub(in crate::engine) device_added: bool,
}

/// Lists in memory; all of them lie in the records.
#[derive(Debug, Default)]
pub(in crate::engine) struct Lists {
    cache: BTreeMap<AccountId, Known>,
    /// Accounts whose expired list was told.
    warned: BTreeSet<AccountId>,
}

impl Lists {
    /// The newest verified list of an account.
    pub(in crate::engine) fn newest(
        &mut self,
        work: &Work<'_>,
        account: &AccountId,
    ) -> Result<Option<Known>, EngineError> {
        if let Some(known) = self.cache.get(account) {
            return Ok(Some(known.clone()));
        }
        let versions = work.scan(Table::DeviceLists, &account.0, Some(&account.0), usize::MAX);
        let Some((_, bytes)) = versions.last() else { return Ok(None) };
        let checked_ms = read_u64(Table::DeviceLists, work.get(Table::DeviceLists, &account.0))?;
        let known = Known { list: Arc::new(decode(bytes)?), checked_ms };
        self.remember(*account, known.clone());
        Ok(Some(known))
    }

    /// A certain version of an account's list.
    pub(in crate::engine) fn version(
        &mut self,
        work: &Work<'_>,
        account: &AccountId,
        seq: u64,
    ) -> Result<Option<Arc<DeviceList>>, EngineError> {
        match self.newest(work, account)? {
            Some(known) if known.list.body().seq == seq => Ok(Some(known.list)),
            _ => {
                let bytes = work.get(Table::DeviceLists, &version_key(account, seq));
                bytes.map(|bytes| decode(&bytes).map(Arc::new)).transpose()
            }
        }
    }

    /// Keys that a device has in any kept version of an account's list.
    pub(in crate::engine) fn keys_of(
        &mut self,
        work: &Work<'_>,
        account: &AccountId,
        device: DeviceId,
    ) -> Result<Vec<VerifyKey>, EngineError> {
        let mut keys = Vec::new();
        for (_, bytes) in work.scan(Table::DeviceLists, &account.0, Some(&account.0), usize::MAX) {
            let list = decode(&bytes)?;
            keys.extend(list.body().devices.iter().filter(|listed| listed.id == device).map(|listed| listed.sig_key));
        }
        Ok(keys)
    }

    /// Checks a list against the chain and takes it over when it continues it. The caller has made
    /// sure that the list is of the account it asked for.
    pub(in crate::engine) fn offer(
        &mut self,
        work: &mut Work<'_>,
        relay: &RelayId,
        list: DeviceList,
    ) -> Result<Offer, EngineError> {
        let account = list.body().account_id;
        if list.body().relay_id != *relay {
            return Ok(Offer::Refused);
        }
        let Some(known) = self.newest(work, &account)? else {
            return self.offer_first(work, list);
        };
        let (old, new) = (&known.list, &list);
        let (old_seq, new_seq) = (old.body().seq, new.body().seq);
        if new_seq < old_seq {
            return Ok(Offer::Older);
        }
        if new_seq == old_seq {
            if new.hash() == old.hash() {
                return Ok(Offer::Same);
            }
            let before = self.version(work, &account, old_seq.saturating_sub(1))?;
            let genuine = before.as_ref().map_or_else(|| list.certifies_itself(), |before| list.follows(before));
            return Ok(match (genuine, old.signer(), new.signer()) {
                (false, ..) => Offer::Refused,
                // At one number the account key wins, whichever was shown first (SPEC 5.5.4).
                (true, Some(_), None) => {
                    let change = change_between(old, new);
                    self.store(work, list);
                    Offer::Newer(change)
                }
                (true, None, Some(_)) => Offer::Older,
                (true, ..) => Offer::Forked,
            });
        }
        if old_seq.checked_add(1) != Some(new_seq) {
            return Ok(Offer::Gap { after_seq: old_seq });
        }
        if !new.follows(old) {
            return Ok(Offer::Refused);
        }
        let change = change_between(old, new);
        self.store(work, list);
        Ok(Offer::Newer(change))
    }

    /// A first list certifies itself: its key hashes to the account id and signed it. One that a device
    /// signed, or that came after a change of the key, is believed only at the end of its chain.
    fn offer_first(&mut self, work: &mut Work<'_>, list: DeviceList) -> Result<Offer, EngineError> {
        if list.certifies_itself() {
            self.store(work, list);
            return Ok(Offer::First);
        }
        Ok(if list.body().seq == 1 { Offer::Refused } else { Offer::Gap { after_seq: 0 } })
    }

    /// Keeps an older list of an account, fetched because somebody referred to it, if the chain leads
    /// from it to what is known.
    pub(in crate::engine) fn offer_history(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
        lists: &[ByteBuf],
    ) -> Result<(), EngineError> {
        let Some(known) = self.newest(work, account)? else { return Ok(()) };
        let read: Vec<DeviceList> = lists.iter().map_while(|bytes| DeviceList::decode(bytes).ok()).collect();
        let chained = read.windows(2).all(|pair| matches!(pair, [before, after] if after.follows(before)));
        let meets = read.iter().any(|list| list.hash() == known.list.hash());
        if !chained || !meets {
            return Ok(());
        }
        for list in read.iter().filter(|list| list.body().seq < known.list.body().seq) {
            work.put(Table::DeviceLists, &version_key(account, list.body().seq), list.as_bytes().to_vec());
        }
        Ok(())
    }

    /// Takes a whole chain over that was followed from its first list on.
    pub(in crate::engine) fn adopt_chain(&mut self, work: &mut Work<'_>, chain: Vec<DeviceList>) {
        for list in chain {
            self.store(work, list);
        }
    }

    /// From where lists after this one are asked for: one that a device signed may have been replaced by one of the
    /// account key with the same number (SPEC 5.4.5).
    pub(in crate::engine) fn ask_after(&mut self, work: &Work<'_>, account: &AccountId, after_seq: u64) -> u64 {
        let by_device = |known: Known| known.list.body().seq == after_seq && known.list.signer().is_some();
        // A damaged list is told of where it is used.
        let known = self.newest(work, account).ok().flatten();
        after_seq.saturating_sub(u64::from(known.is_some_and(by_device)))
    }

    /// Whether an account's list has expired and nobody was warned of it in this run.
    pub(in crate::engine) fn warns_of(&mut self, work: &Work<'_>, account: &AccountId) -> Result<bool, EngineError> {
        let known = self.newest(work, account)?;
        let expired = known.is_some_and(|known| known.list.body().expires_ms <= work.now.as_ms());
        Ok(expired && self.warned.insert(*account))
    }

    /// The relay confirmed just now that the list is the newest.
    pub(in crate::engine) fn confirm(&mut self, work: &mut Work<'_>, account: &AccountId) {
        let now_ms = work.now.as_ms();
        let Some(known) = self.cache.get_mut(account) else { return };
        if now_ms.saturating_sub(known.checked_ms) >= CHECK_WRITE_MS {
            known.checked_ms = now_ms;
            work.put(Table::DeviceLists, &account.0, now_ms.to_be_bytes().to_vec());
        }
    }

    fn store(&mut self, work: &mut Work<'_>, list: DeviceList) {
        let (account, seq, now_ms) = (list.body().account_id, list.body().seq, work.now.as_ms());
        work.put(Table::DeviceLists, &version_key(&account, seq), list.as_bytes().to_vec());
        work.put(Table::DeviceLists, &account.0, now_ms.to_be_bytes().to_vec());
        if list.signer().is_none()
            && fork_of(work, &account).is_ok_and(|fork| fork.is_some_and(|f| f.hash() == list.body().merged_hash))
        {
            work.delete(Table::Meta, &fork_key(&account));
        }
        let versions = work.scan(Table::DeviceLists, &account.0, Some(&account.0), usize::MAX);
        let surplus = versions.len().saturating_sub(LIST_VERSIONS_MAX);
        for (key, _) in versions.iter().take(surplus) {
            work.delete(Table::DeviceLists, key);
        }
        self.remember(account, Known { list: Arc::new(list), checked_ms: now_ms });
    }

    fn remember(&mut self, account: AccountId, known: Known) {
        if self.cache.len() >= LISTS_CACHED_MAX {
            self.cache.clear();
        }
        self.cache.insert(account, known);
    }
}

/// The newest verified list of an account, as it is stored.
pub(in crate::engine) fn newest_of(records: &dyn Records, account: &AccountId) -> Option<DeviceList> {
    let versions = records.scan(Table::DeviceLists, &account.0, Some(&account.0), usize::MAX);
    DeviceList::decode(&versions.last()?.1).ok()
}

/// Keeps the other branch of a fork: nothing is sent to devices that are not in both (SPEC 5.4.1), until
/// the account key ends it.
pub(in crate::engine) fn keep_fork(work: &mut Work<'_>, account: &AccountId, bytes: &[u8]) {
    work.put(Table::Meta, &fork_key(account), bytes.to_vec());
}

/// The other branch, while there is one.
pub(in crate::engine) fn fork_of(work: &Work<'_>, account: &AccountId) -> Result<Option<DeviceList>, EngineError> {
    work.get(Table::Meta, &fork_key(account)).map(|bytes| decode(&bytes)).transpose()
}

/// Whether a key of the table of single values is that of a fork.
pub(in crate::engine) fn is_fork_s(key: &[u8]) -> bool {
    key.starts_with(b"fork")
}

/// The person goes on with the known branch.
pub(in crate::engine) fn end_fork(work: &mut Work<'_>, account: &AccountId) {
    work.delete(Table::Meta, &fork_key(account));
}

fn fork_key(account: &AccountId) -> Vec<u8> {
    [&b"fork"[..], &account.0].concat()
}

fn change_between(old: &DeviceList, new: &DeviceList) -> Change {
    let key = old.body().account_key != new.body().account_key;
    let device_added = new.body().live_devices().any(|device| {
        old.body().device(device.id).is_none_or(|was| (was.sig_key, was.dh_key) != (device.sig_key, device.dh_key))
    });
    Change { key, device_added }
}

/// `account 32 ‖ seq u64`; under the bare account lies the time of the last check.
fn version_key(account: &AccountId, seq: u64) -> Vec<u8> {
    [&account.0[..], &seq.to_be_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Result<DeviceList, EngineError> {
    DeviceList::decode(bytes).map_err(|_| EngineError::Store { table: Table::DeviceLists })
}

#[cfg(test)]
mod tests;
