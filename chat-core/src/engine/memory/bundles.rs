//! Bundles that were claimed and wait for their session, and devices that had none.

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, DeviceAddress};

use crate::engine::limits::BUNDLES_MAX;
use crate::prekey::VerifiedBundle;
use crate::time::Timestamp;

/// Bundles by device, in memory only: a lost one is claimed again.
#[derive(Default)]
pub(in crate::engine) struct Bundles {
    at_hand: BTreeMap<DeviceAddress, VerifiedBundle>,
    /// Listed devices that had no prekeys when they were asked for: they are left out for a while.
    left_out: BTreeMap<DeviceAddress, Timestamp>,
}

impl Bundles {
    /// Keeps a bundle until a session is started with it.
    pub(in crate::engine) fn keep(&mut self, of: DeviceAddress, bundle: VerifiedBundle) {
        if self.at_hand.len() >= BUNDLES_MAX {
            self.at_hand.clear();
        }
        self.at_hand.insert(of, bundle);
    }

    pub(in crate::engine) fn has(&self, of: &DeviceAddress) -> bool {
        self.at_hand.contains_key(of)
    }

    pub(in crate::engine) fn take(&mut self, of: &DeviceAddress) -> Option<VerifiedBundle> {
        self.at_hand.remove(of)
    }

    /// A listed device has published nothing that a session could be started with.
    pub(in crate::engine) fn leave_out(&mut self, device: DeviceAddress, until: Timestamp) {
        self.left_out.insert(device, until);
    }

    /// The relay says that a device of this account is missing: nobody is left out any more.
    pub(in crate::engine) fn leave_nobody_out(&mut self, account: &AccountId) {
        self.left_out.retain(|device, _| device.account != *account);
    }

    pub(in crate::engine) fn is_left_out(&self, device: &DeviceAddress, now: Timestamp) -> bool {
        self.left_out.get(device).is_some_and(|until| *until > now)
    }

    /// Forgets waits that are over.
    pub(in crate::engine) fn expire(&mut self, now: Timestamp) {
        self.left_out.retain(|_, until| *until > now);
    }
}
