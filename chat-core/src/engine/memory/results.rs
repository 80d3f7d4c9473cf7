//! Results of commands with an idempotency key: a repeat returns the first one's.

use chat_wire::domain::plain_hash;
use chat_wire::ids::MessageId;
use serde::{Deserialize, Serialize};

use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::store::Table;

/// What a send was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Queued {
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
    #[serde(rename = "t")]
    pub(in crate::engine) timestamp_ms: u64,
}

impl Queued {
    pub(in crate::engine) fn load(work: &Work<'_>, idempotency_key: &str) -> Result<Option<Self>, EngineError> {
        work.load(Table::Idempotency, &record_key(idempotency_key))
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>, idempotency_key: &str) -> Result<(), EngineError> {
        work.save(Table::Idempotency, &record_key(idempotency_key), self)
    }

    pub(in crate::engine) fn read(value: &[u8]) -> Result<Self, EngineError> {
        decode(Table::Idempotency, value)
    }
}

/// Keys are free text of any length: their hash has one.
fn record_key(idempotency_key: &str) -> [u8; 32] {
    plain_hash(&[idempotency_key.as_bytes()])
}
