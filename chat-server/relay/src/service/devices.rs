//! Device lists: the relay enforces shape, signatures and the chain; trust is the clients' (SPEC 5).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::domain::plain_hash;
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceId, RelayId, UserName};
use chat_wire::limits::VAULT_BYTES_MAX;

use crate::limits::ROSTERS_CACHED_MAX;
use crate::refuse::Refuse;
use crate::storage::{ListChange, Roster, RosterDevice, Storage, StorageError};

/// Rosters that were read, so that a send costs no query for the devices it goes to.
#[derive(Debug, Default)]
pub(crate) struct Rosters {
    known: BTreeMap<AccountId, Arc<Roster>>,
}

impl Rosters {
    pub(crate) fn get<S: Storage>(
        &mut self,
        store: &mut S,
        account: &AccountId,
    ) -> Result<Option<Arc<Roster>>, StorageError> {
        if let Some(roster) = self.known.get(account) {
            return Ok(Some(Arc::clone(roster)));
        }
        let Some(roster) = store.roster(account)?.map(Arc::new) else { return Ok(None) };
        if self.known.len() >= ROSTERS_CACHED_MAX {
            self.known.clear();
        }
        self.known.insert(*account, Arc::clone(&roster));
        Ok(Some(roster))
    }

    /// The stored one changed.
    pub(crate) fn forget(&mut self, account: &AccountId) {
        self.known.remove(account);
    }

    /// Any stored one may have changed.
    pub(crate) fn forget_all(&mut self) {
        self.known.clear();
    }
}

/// Checks the first list of a new account: its only device and its vault come with it.
pub(crate) fn first_list(relay: &RelayId, name: &UserName, list: &[u8], vault: &[u8]) -> Result<ListChange, Refuse> {
    let list = decode(relay, list)?;
    let body = list.body();
    let one_device = body.devices.len() == 1 && body.live_devices().count() == 1;
    if body.seq != 1 || body.name != *name || !one_device || list.signer().is_some() {
        return Err(RefusalKind::BadList.into());
    }
    check_vault(body, vault)?;
    Ok(change(&list, Some(vault), Vec::new()))
}

/// What is to be done with an offered list.
#[derive(Debug)]
pub(crate) enum NextList {
    /// It is the current one: a repeat whose answer got lost.
    Known,
    /// It takes the place of the current one.
    Next(Box<Next>),
}

/// A list that may be put.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) change: ListChange,
    /// Devices that the current list does not have.
    pub(crate) added: Vec<DeviceId>,
    /// The account key signed it.
    pub(crate) by_account_key: bool,
    /// It names a vault of a higher generation.
    pub(crate) new_vault: bool,
}

/// What an account holds now.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The current list.
    pub(crate) current: Bytes,
    /// The one before it, if there is one.
    pub(crate) before: Option<Bytes>,
}

impl Standing {
    pub(crate) fn read<S: Storage>(store: &mut S, account: &AccountId) -> Result<Self, Refuse> {
        let current = store.current_list(account)?.ok_or(RefusalKind::Unavailable)?;
        let seq = stored(&current)?.body().seq;
        let before = if seq > 1 { store.lists(account, seq.saturating_sub(2), 1)?.pop() } else { None };
        Ok(Self { current, before })
    }
}

fn stored(bytes: &[u8]) -> Result<DeviceList, Refuse> {
    DeviceList::decode(bytes).map_err(|_| RefusalKind::Unavailable.into())
}

/// Checks an offered list against what stands (SPEC 5.5.1).
pub(crate) fn next_list(
    relay: &RelayId,
    standing: &Standing,
    offered: &[u8],
    vault: Option<&[u8]>,
) -> Result<NextList, Refuse> {
    if standing.current == offered {
        return Ok(NextList::Known);
    }
    let current = stored(&standing.current)?;
    let offered = decode(relay, offered)?;
    if offered.body().account_id != current.body().account_id {
        return Err(RefusalKind::BadList.into());
    }
    let overruled = overruled(standing, &current, &offered)?;
    if !offered.follows(overruled.as_ref().unwrap_or(&current)) {
        return Err(RefusalKind::BadList.into());
    }
    let (old, new, replaces) = (current.body(), offered.body(), overruled.is_some());
    let new_vault = (new.vault_gen, new.vault_hash) != (old.vault_gen, old.vault_hash);
    match (new_vault, vault) {
        (true, Some(vault)) => check_vault(new, vault)?,
        (false, None) => {}
        _ => return Err(RefusalKind::BadList.into()),
    }
    let renewed = new.live_devices().filter(|device| {
        old.device(device.id).is_some_and(|was| {
            (was.incarnation, was.sig_key, was.dh_key) != (device.incarnation, device.sig_key, device.dh_key)
        })
    });
    let renewed = renewed.map(|d| d.id).collect();
    let added = new.devices.iter().filter(|d| !old.devices.iter().any(|was| was.id == d.id));
    let added = added.map(|d| d.id).collect();
    let change = ListChange { replaces, ..change(&offered, vault, renewed) };
    Ok(NextList::Next(Box::new(Next { change, added, by_account_key: offered.signer().is_none(), new_vault })))
}

/// None when the offered list is to follow the current one. The account key wins over a device that was
/// first to use a number (SPEC 5.5.4): then the list before both.
fn overruled(standing: &Standing, current: &DeviceList, offered: &DeviceList) -> Result<Option<DeviceList>, Refuse> {
    let (old, new) = (current.body(), offered.body());
    if old.seq.checked_add(1) == Some(new.seq) && new.prev_hash == current.hash() {
        return Ok(None);
    }
    let overrules = new.seq == old.seq && offered.signer().is_none() && current.signer().is_some();
    if overrules && let Some(before) = &standing.before {
        let before = stored(before)?;
        if new.prev_hash == before.hash() {
            return Ok(Some(before));
        }
    }
    // Made against another list than the current one: fetch, merge, try again.
    Err(RefusalKind::Conflict.into())
}

/// Refuses a list that carries a device key of another account (SPEC 5.5.1): nobody poses as
/// somebody's device.
pub(crate) fn keys_are_own<S: Storage>(store: &mut S, change: &ListChange) -> Result<(), Refuse> {
    for device in &change.devices {
        for key in [&device.sig_key.0, &device.dh_key.0] {
            if store.key_holder(key)?.is_some_and(|holder| holder != change.account) {
                return Err(RefusalKind::BadList.into());
            }
        }
    }
    Ok(())
}

fn decode(relay: &RelayId, bytes: &[u8]) -> Result<DeviceList, Refuse> {
    let list = DeviceList::decode(bytes).map_err(|_| RefusalKind::BadList)?;
    if list.body().relay_id == *relay { Ok(list) } else { Err(RefusalKind::BadList.into()) }
}

/// SPEC 5.5.2.
fn check_vault(body: &ListBody, vault: &[u8]) -> Result<(), Refuse> {
    if vault.len() > VAULT_BYTES_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    if body.vault_hash == plain_hash(&[vault]) { Ok(()) } else { Err(RefusalKind::BadList.into()) }
}

fn change(list: &DeviceList, vault: Option<&[u8]>, renewed: Vec<DeviceId>) -> ListChange {
    let body = list.body();
    let devices = body.live_devices().map(|d| RosterDevice {
        id: d.id,
        incarnation: d.incarnation,
        sig_key: d.sig_key,
        dh_key: d.dh_key,
        reachable: false,
    });
    ListChange {
        account: body.account_id,
        seq: body.seq,
        list: Bytes::copy_from_slice(list.as_bytes()),
        vault: vault.map(Bytes::copy_from_slice),
        devices: devices.collect(),
        renewed,
        replaces: false,
    }
}
