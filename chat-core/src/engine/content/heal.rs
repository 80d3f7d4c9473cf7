//! What devices say to each other about a session that may be broken (SPEC 8.7).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// A question whether this opens, and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Probe {
    #[serde(rename = "n")]
    pub(in crate::engine) nonce: ByteArray<16>,
}

impl Probe {
    pub(in crate::engine) fn of(nonce: [u8; 16]) -> Self {
        Self { nonce: ByteArray::new(nonce) }
    }
}

/// How far the sender got with the recipient device's stream: what lies beyond, and what is missing
/// before, may be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Resend {
    #[serde(rename = "c")]
    pub(in crate::engine) counter: u64,
    /// Chain hash of that place.
    #[serde(rename = "h")]
    pub(in crate::engine) hash: ByteArray<16>,
    #[serde(rename = "g", default)]
    pub(in crate::engine) gaps: Vec<(u64, u64)>,
}
