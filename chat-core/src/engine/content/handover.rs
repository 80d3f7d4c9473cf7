//! Contents that bring a history from one own device to another (SPEC 9.12).

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

/// What names one wish for the history: answers to an earlier one are passed over.
pub(in crate::engine) type Token = ByteArray<16>;

/// A device wants the history, from a place on towards the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct HistoryAsk {
    #[serde(rename = "t")]
    pub(in crate::engine) token: Token,
    /// What came before ends here; none for the newest. It means something to the device that gave it only.
    #[serde(rename = "b", default)]
    pub(in crate::engine) before: Option<i64>,
}

/// A part of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct HistoryPart {
    #[serde(rename = "t")]
    pub(in crate::engine) token: Token,
    /// The place that was asked for.
    #[serde(rename = "b", default)]
    pub(in crate::engine) before: Option<i64>,
    /// Rows of SPEC 14.2, the oldest first.
    #[serde(rename = "r")]
    pub(in crate::engine) rows: ByteBuf,
    /// Where the next part ends; none when this was the last.
    #[serde(rename = "n", default)]
    pub(in crate::engine) next: Option<i64>,
    /// Messages that are left before this part, this part included.
    #[serde(rename = "l")]
    pub(in crate::engine) left: u64,
}

impl std::fmt::Debug for HistoryPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HistoryPart({:?}, {} bytes)", self.before, self.rows.len())
    }
}

/// It is not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct HistoryRefusal {
    #[serde(rename = "t")]
    pub(in crate::engine) token: Token,
}
