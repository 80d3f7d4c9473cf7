//! Histories on their way between own devices: what this one waits for, and what it was asked for. Both lie in the
//! records: a restart of either side goes on where it was.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::engine::content::Token;
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::store::Table;

const FETCHING_KEY: &[u8] = b"history-fetch";
const WISHES_KEY: &[u8] = b"history-wishes";

/// The history that this device waits for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Fetching {
    #[serde(rename = "t")]
    pub(in crate::engine) token: Token,
    /// Devices that have not said no.
    #[serde(rename = "w")]
    pub(in crate::engine) waiting: BTreeSet<u32>,
    /// The device that gives it, once one does.
    #[serde(rename = "f", default)]
    pub(in crate::engine) from: Option<u32>,
    #[serde(rename = "b", default)]
    pub(in crate::engine) before: Option<i64>,
    #[serde(rename = "d")]
    pub(in crate::engine) done: u64,
}

impl Fetching {
    pub(in crate::engine) fn load(work: &Work<'_>) -> Result<Option<Self>, EngineError> {
        work.load(Table::Meta, FETCHING_KEY)
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, FETCHING_KEY, self)
    }

    pub(in crate::engine) fn end(work: &mut Work<'_>) {
        work.delete(Table::Meta, FETCHING_KEY);
    }
}

/// What became of another device's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) enum Verdict {
    /// The person was asked.
    #[serde(rename = "o")]
    Open,
    #[serde(rename = "y")]
    Granted,
    #[serde(rename = "n")]
    Refused,
}

/// Another device's wish for the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Wish {
    #[serde(rename = "t")]
    pub(in crate::engine) token: Token,
    #[serde(rename = "v")]
    pub(in crate::engine) verdict: Verdict,
    /// The part that it waits for: the store was asked, or is to be.
    #[serde(rename = "b", default)]
    pub(in crate::engine) before: Option<i64>,
    #[serde(rename = "w", default)]
    pub(in crate::engine) waits: bool,
}

/// All of them, by device: one each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Wishes {
    #[serde(rename = "w", default)]
    pub(in crate::engine) by_device: BTreeMap<u32, Wish>,
}

impl Wishes {
    pub(in crate::engine) fn load(work: &Work<'_>) -> Result<Self, EngineError> {
        Ok(work.load(Table::Meta, WISHES_KEY)?.unwrap_or_default())
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, WISHES_KEY, self)
    }
}
