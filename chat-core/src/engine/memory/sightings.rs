//! When the own other devices were last heard of.

use std::collections::BTreeMap;

use chat_wire::ids::DeviceId;
use serde::{Deserialize, Serialize};

use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::store::{Records, Table};

const SIGHTINGS_KEY: &[u8] = b"sightings";

/// Milliseconds within which a device that is heard of again is not worth a write.
const FRESH_MS: u64 = 60_000;

/// By device, milliseconds since the Unix epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Sightings(BTreeMap<u32, u64>);

impl Sightings {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let bytes = records.get(Table::Meta, SIGHTINGS_KEY);
        bytes.map_or_else(|| Ok(Self::default()), |bytes| decode(Table::Meta, &bytes))
    }

    pub(in crate::engine) fn of(&self, device: DeviceId) -> Option<u64> {
        self.0.get(&device.0).copied()
    }

    /// A device said something then: by its clock, but never later than now.
    pub(in crate::engine) fn note(work: &mut Work<'_>, device: DeviceId, at_ms: u64) -> Result<(), EngineError> {
        let mut sightings: Self = work.load(Table::Meta, SIGHTINGS_KEY)?.unwrap_or_default();
        let at_ms = at_ms.min(work.now.as_ms());
        let known = sightings.0.get(&device.0).copied().unwrap_or(0);
        if at_ms < known.saturating_add(FRESH_MS) {
            return Ok(());
        }
        sightings.0.insert(device.0, at_ms);
        work.save(Table::Meta, SIGHTINGS_KEY, &sightings)
    }
}
