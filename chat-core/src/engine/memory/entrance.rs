//! Devices that know the password and wait for this one to decide (SPEC 9.13). In the records, so that a restart asks
//! nothing twice and what was decided about a key is said again when the relay has forgotten it.

use std::collections::BTreeMap;

use chat_wire::ids::DeviceId;
use chat_wire::keys::VerifyKey;
use chat_wire::message::Verdict;
use serde::{Deserialize, Serialize};

use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::limits::{SEEKER_MS_MAX, SEEKERS_MAX};
use crate::store::{Records, Table};

const SEEKERS_KEY: &[u8] = b"seekers";

/// A device that waits, or was decided about.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::engine) struct Seeker {
    #[serde(rename = "k")]
    pub(in crate::engine) key: VerifyKey,
    /// When it asked, by this device's clock.
    #[serde(rename = "t")]
    pub(in crate::engine) at_ms: u64,
    #[serde(rename = "v")]
    pub(in crate::engine) verdict: Verdict,
}

/// All of them, by device.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Seekers(pub(in crate::engine) BTreeMap<u32, Seeker>);

impl Seekers {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let bytes = records.get(Table::Meta, SEEKERS_KEY);
        bytes.map_or_else(|| Ok(Self::default()), |bytes| decode(Table::Meta, &bytes))
    }

    /// Those that are not too old.
    pub(in crate::engine) fn now(work: &Work<'_>) -> Result<Self, EngineError> {
        let mut seekers: Self = work.load(Table::Meta, SEEKERS_KEY)?.unwrap_or_default();
        seekers.0.retain(|_, seeker| work.now.as_ms().saturating_sub(seeker.at_ms) < SEEKER_MS_MAX);
        Ok(seekers)
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, SEEKERS_KEY, self)
    }

    /// What is known of a device under this key.
    pub(in crate::engine) fn of(&self, device: DeviceId, key: &VerifyKey) -> Option<Verdict> {
        self.0.get(&device.0).filter(|seeker| seeker.key == *key).map(|seeker| seeker.verdict)
    }

    /// Notes one; when there are too many, the oldest goes.
    pub(in crate::engine) fn note(&mut self, device: DeviceId, seeker: Seeker) {
        self.0.insert(device.0, seeker);
        while self.0.len() > SEEKERS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, seeker)| seeker.at_ms).map(|(device, _)| *device);
            oldest.and_then(|device| self.0.remove(&device));
        }
    }
}
