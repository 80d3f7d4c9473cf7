//! Which list may follow which (SPEC 5.3).
//!
//! Three questions, each with a function: is it the next link of this chain, does nothing run backwards,
//! and had the signer the right to change what changed? The account key may change everything that does
//! not run backwards; a device may sign only what keeps the account's secrets and members as they were.

use super::{DEVICE_MAY_SIGN, DEVICE_REVOKED, DeviceList, ListBody, ListedDevice, NO_HASH};
use crate::domain::plain_hash;
use crate::ids::DeviceId;

impl DeviceList {
    /// Whether this list may directly follow `before`.
    #[must_use]
    pub fn follows(&self, before: &Self) -> bool {
        let (new, old) = (self.body(), before.body());
        let linked = old.seq.checked_add(1) == Some(new.seq) && new.prev_hash == before.hash();
        let same = new.account_id == old.account_id && new.relay_id == old.relay_id && new.name == old.name;
        let signed_by_right = match self.signer() {
            None => key_is_due(new, old),
            Some(signer) => device_had_the_right(signer, new, old),
        };
        linked && same && nothing_runs_backwards(new, old) && signed_by_right
    }
}

/// The account key stays, or becomes the one that the list before committed to.
fn key_is_due(new: &ListBody, old: &ListBody) -> bool {
    new.account_key == old.account_key || plain_hash(&[&new.account_key.0]) == old.next_account_key_hash
}

/// Generations, floors and incarnations only rise; a device keeps its identity; a new one is new.
fn nothing_runs_backwards(new: &ListBody, old: &ListBody) -> bool {
    let vault_kept = (new.vault_gen, new.vault_hash) == (old.vault_gen, old.vault_hash);
    let vault_ok = vault_kept || new.vault_gen > old.vault_gen;
    let devices_ok = new.devices.iter().all(|device| match listed(old, device.id) {
        None => device.added_seq == new.seq,
        Some(was) => {
            let stays_revoked = was.flags & DEVICE_REVOKED == 0 || device.flags & DEVICE_REVOKED != 0;
            (device.sig_key, device.added_seq) == (was.sig_key, was.added_seq)
                && device.incarnation >= was.incarnation
                && stays_revoked
        }
    });
    vault_ok && new.record_floor >= old.record_floor && devices_ok
}

/// A device that may sign renews the list and removes devices; any device changes its own X25519 key
/// and incarnation. Whoever signs was listed, and not revoked, in the list before.
fn device_had_the_right(signer: DeviceId, new: &ListBody, old: &ListBody) -> bool {
    let Some(signer_was) = old.device(signer) else { return false };
    let may_remove = signer_was.flags & DEVICE_MAY_SIGN != 0;
    let frozen = new.account_key == old.account_key
        && new.next_account_key_hash == old.next_account_key_hash
        && new.merged_hash == NO_HASH
        && new.flags == old.flags
        && (new.vault_gen, new.vault_hash) == (old.vault_gen, old.vault_hash);
    let only_known = new.devices.iter().all(|device| {
        listed(old, device.id).is_some_and(|was| {
            let flags_ok = device.flags == was.flags || (may_remove && device.flags == was.flags | DEVICE_REVOKED);
            let same_keys = (device.dh_key, device.incarnation) == (was.dh_key, was.incarnation);
            flags_ok && (same_keys || device.id == signer)
        })
    });
    let none_lost = may_remove || new.devices.len() == old.devices.len();
    frozen && only_known && none_lost
}

fn listed(body: &ListBody, id: DeviceId) -> Option<&ListedDevice> {
    body.devices.iter().find(|device| device.id == id)
}
