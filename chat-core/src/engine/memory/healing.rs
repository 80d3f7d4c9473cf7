//! What is known of sessions that may be broken: open probes, resets of the last day, counts.

use std::collections::BTreeMap;

use chat_wire::ids::DeviceAddress;

use super::State;
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::io::Diagnostics;
use crate::engine::limits::{BARE_RESET_WINDOW_MS, BARE_RESETS_MAX};
use crate::store::{Records, Table};
use crate::time::Timestamp;

const COUNTS_KEY: &[u8] = b"healing";

/// A question to a device whether it can open us.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Probe {
    pub(in crate::engine) nonce: [u8; 16],
    pub(in crate::engine) at: Timestamp,
    pub(in crate::engine) answered: bool,
}

/// Probes in memory, counts in the records as well: a probe that a crash forgets is asked again.
#[derive(Debug, Default)]
pub(in crate::engine) struct Healing {
    pub(in crate::engine) probes: BTreeMap<DeviceAddress, Probe>,
    /// The last reset of each device.
    pub(in crate::engine) resets: BTreeMap<DeviceAddress, Timestamp>,
    /// When each device was last asked for what its stream lacks.
    pub(in crate::engine) asked: BTreeMap<DeviceAddress, Timestamp>,
    counts: Diagnostics,
}

impl Healing {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let stored = records.get(Table::Meta, COUNTS_KEY);
        let counts = stored.map_or_else(|| Ok(Diagnostics::default()), |bytes| decode(Table::Meta, &bytes))?;
        Ok(Self { counts, ..Self::default() })
    }

    pub(in crate::engine) fn counts(&self) -> Diagnostics {
        self.counts
    }

    /// Counts something.
    pub(in crate::engine) fn count(
        &mut self,
        work: &mut Work<'_>,
        of: impl FnOnce(&mut Diagnostics) -> &mut u64,
    ) -> Result<(), EngineError> {
        let count = of(&mut self.counts);
        *count = count.saturating_add(1);
        work.save(Table::Meta, COUNTS_KEY, &self.counts)
    }
}

/// Takes one of the resets without the old secret that a device has in a day. `false` when they are used
/// up.
pub(in crate::engine) fn take_bare_reset(work: &mut Work<'_>, of: &DeviceAddress) -> Result<bool, EngineError> {
    let key = [&of.account.0[..], &of.device.0.to_be_bytes()].concat();
    let mut times: Vec<u64> = work.load(Table::Healing, &key)?.unwrap_or_default();
    let now = work.now;
    times.retain(|at_ms| now.ms_since(Timestamp::from_ms(*at_ms)) < BARE_RESET_WINDOW_MS);
    if times.len() >= BARE_RESETS_MAX {
        return Ok(false);
    }
    times.push(now.as_ms());
    work.save(Table::Healing, &key, &times)?;
    Ok(true)
}

impl State {
    /// Whether a device may learn that something of it did not open: one of the own account, or of
    /// somebody whom we accepted and who accepted us (SPEC 8.4.4).
    pub(in crate::engine) fn may_heal(&mut self, work: &Work<'_>, device: &DeviceAddress) -> Result<bool, EngineError> {
        let own = self.own_address()?;
        let close = self.people.get(&device.account).is_some_and(|person| person.is_mutual() && !person.name_moved);
        if *device == own || !(close || device.account == own.account) {
            return Ok(false);
        }
        let known = self.list_of(work, &device.account)?;
        Ok(known.is_some_and(|known| known.list.body().live_devices().any(|listed| listed.id == device.device)))
    }
}
