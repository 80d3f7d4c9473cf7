//! What goes to one device only: probes and their answers, resend requests, messages sent again.
//!
//! Beside the outbox, because none of it is part of a conversation's order. `0 ‖ number` holds an errand
//! that waits, `1 ‖ number` a trip: a sealed `Send` of several, sent again as it is.

use std::collections::{BTreeMap, VecDeque};

use chat_wire::ids::{DeviceAddress, RequestKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::State;
use crate::engine::content::{Content, Identified};
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::limits::ERRANDS_MAX;
use crate::store::{Records, Table};
use crate::time::Timestamp;

/// A content for one device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Errand {
    #[serde(rename = "t")]
    pub(in crate::engine) to: DeviceAddress,
    #[serde(rename = "m")]
    pub(in crate::engine) message: Identified,
}

/// Sealed errands under way to one device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Trip {
    #[serde(rename = "t")]
    pub(in crate::engine) to: DeviceAddress,
    #[serde(rename = "k")]
    pub(in crate::engine) key: RequestKey,
    /// 0 once the relay has refused it for now.
    #[serde(rename = "p")]
    pub(in crate::engine) step: u64,
    /// Length of each packet.
    #[serde(rename = "l")]
    pub(in crate::engine) lengths: Vec<u32>,
    /// Errands that it carries.
    #[serde(rename = "o")]
    pub(in crate::engine) covers: Vec<u64>,
    #[serde(rename = "b")]
    pub(in crate::engine) body: ByteBuf,
}

impl Trip {
    pub(in crate::engine) fn save(&self, work: &mut Work<'_>, number: u64) -> Result<(), EngineError> {
        work.save(Table::Errands, &trip_key(number), self)
    }
}

/// One device's errands.
#[derive(Debug, Default)]
pub(in crate::engine) struct Line {
    pub(in crate::engine) waiting: VecDeque<u64>,
    pub(in crate::engine) trip: Option<u64>,
    /// Nothing is asked for or sent again before.
    pub(in crate::engine) hold: Option<Timestamp>,
}

/// All errands.
#[derive(Debug, Default)]
pub(in crate::engine) struct Errands {
    pub(in crate::engine) lines: BTreeMap<DeviceAddress, Line>,
    last: u64,
}

impl Errands {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let mut errands = Self::default();
        let mut carried = Vec::new();
        for (key, value) in records.scan(Table::Errands, &[1], None, usize::MAX) {
            let trip: Trip = decode(Table::Errands, &value)?;
            errands.line(trip.to).trip = Some(errands.seen(&key)?);
            carried.extend(trip.covers);
        }
        for (key, value) in records.scan(Table::Errands, &[0], None, usize::MAX) {
            let errand: Errand = decode(Table::Errands, &value)?;
            let number = errands.seen(&key)?;
            if !carried.contains(&number) {
                errands.line(errand.to).waiting.push_back(number);
            }
        }
        Ok(errands)
    }

    fn seen(&mut self, key: &[u8]) -> Result<u64, EngineError> {
        let damaged = EngineError::Store { table: Table::Errands };
        let number = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(damaged)?;
        self.last = self.last.max(number);
        Ok(number)
    }

    pub(in crate::engine) fn line(&mut self, to: DeviceAddress) -> &mut Line {
        self.lines.entry(to).or_default()
    }

    /// Puts an errand at the end of its device's line; over the limit the new one is dropped.
    pub(in crate::engine) fn push(&mut self, work: &mut Work<'_>, errand: &Errand) -> Result<bool, EngineError> {
        if self.lines.get(&errand.to).is_some_and(|line| line.waiting.len() >= ERRANDS_MAX) {
            return Ok(false);
        }
        let number = self.next_number();
        work.save(Table::Errands, &errand_key(number), errand)?;
        self.line(errand.to).waiting.push_back(number);
        Ok(true)
    }

    /// Stores a sealed trip; its errands leave the line.
    pub(in crate::engine) fn launch(&mut self, work: &mut Work<'_>, trip: &Trip) -> Result<u64, EngineError> {
        let number = self.next_number();
        trip.save(work, number)?;
        let line = self.line(trip.to);
        line.waiting.retain(|waiting| !trip.covers.contains(waiting));
        line.trip = Some(number);
        Ok(number)
    }

    /// A trip is done: it and its errands go.
    pub(in crate::engine) fn land(&mut self, work: &mut Work<'_>, number: u64) -> Result<Trip, EngineError> {
        let trip = load_trip(work, number)?;
        work.delete(Table::Errands, &trip_key(number));
        trip.covers.iter().for_each(|covered| work.delete(Table::Errands, &errand_key(*covered)));
        let line = self.line(trip.to);
        (line.trip, line.hold) = (None, None);
        self.lines.retain(|_, line| line.trip.is_some() || !line.waiting.is_empty());
        Ok(trip)
    }

    /// Takes every trip back, to be sealed afresh.
    pub(in crate::engine) fn recall_all(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        for line in self.lines.values_mut() {
            let Some(number) = line.trip.take() else { continue };
            let trip = load_trip(work, number)?;
            work.delete(Table::Errands, &trip_key(number));
            trip.covers.iter().rev().for_each(|covered| line.waiting.push_front(*covered));
        }
        Ok(())
    }

    /// Drops what waits for a device.
    pub(in crate::engine) fn give_up(&mut self, work: &mut Work<'_>, to: &DeviceAddress) {
        let Some(line) = self.lines.get_mut(to) else { return };
        for number in line.waiting.drain(..) {
            work.delete(Table::Errands, &errand_key(number));
        }
        self.lines.retain(|_, line| line.trip.is_some() || !line.waiting.is_empty());
    }

    /// Whether something is on its way to a device.
    pub(in crate::engine) fn has(&self, to: &DeviceAddress) -> bool {
        self.lines.contains_key(to)
    }

    /// Trips under way.
    pub(in crate::engine) fn trips(&self) -> Vec<u64> {
        self.lines.values().filter_map(|line| line.trip).collect()
    }

    /// The connection is new: nothing is held back.
    pub(in crate::engine) fn wake_all(&mut self) {
        self.lines.values_mut().for_each(|line| line.hold = None);
    }

    pub(in crate::engine) fn next_due(&self) -> Option<Timestamp> {
        self.lines.values().filter_map(|line| line.hold).min()
    }

    fn next_number(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }
}

impl State {
    /// Sends a content that is part of no conversation to one device.
    pub(in crate::engine) fn errand(
        &mut self,
        work: &mut Work<'_>,
        to: DeviceAddress,
        content: &Content,
    ) -> Result<(), EngineError> {
        let message = self.compose(work, &to.account, content)?.message;
        self.errands.push(work, &Errand { to, message }).map(|_| ())
    }
}

pub(in crate::engine) fn load_errand(work: &Work<'_>, number: u64) -> Result<Errand, EngineError> {
    work.load(Table::Errands, &errand_key(number))?.ok_or(EngineError::Missing { table: Table::Errands })
}

pub(in crate::engine) fn load_trip(work: &Work<'_>, number: u64) -> Result<Trip, EngineError> {
    work.load(Table::Errands, &trip_key(number))?.ok_or(EngineError::Missing { table: Table::Errands })
}

fn errand_key(number: u64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()].concat()
}

fn trip_key(number: u64) -> Vec<u8> {
    [&[1][..], &number.to_be_bytes()].concat()
}
