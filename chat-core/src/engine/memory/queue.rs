//! The outbox in memory: one lane a conversation. A lane has at most one `Send` under way, which may
//! carry many messages; so their order survives every refusal, retry and reconnect.
//!
//! ```text
//! waiting ──seal──▶ flight ──Accepted──▶ done
//!    ▲                │ │
//!    └──StaleDevices──┘ └──refused for now──▶ the same frame again, later
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chat_wire::ids::{AccountId, MessageId, RequestKey};
use chat_wire::message::{ListState, PacketHead};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::engine::content::{Body, Identified};
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::limits::{RETRY_MS_MAX, RETRY_MS_MIN};
use crate::store::{Records, Table};
use crate::time::Timestamp;

/// A content that waits to be sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Outgoing {
    #[serde(rename = "c")]
    pub(in crate::engine) conversation: AccountId,
    #[serde(rename = "m")]
    pub(in crate::engine) message: Identified,
    /// Its place in the own stream, when it is a text that the sender sees a status of.
    #[serde(rename = "p", default)]
    pub(in crate::engine) counter: Option<u64>,
}

impl Outgoing {
    /// Whether receipts count it.
    pub(in crate::engine) fn is_in_stream(&self) -> bool {
        let body: Option<Body> = minicbor_serde::from_slice(&self.message.body).ok();
        body.is_some_and(|body| body.content().is_in_stream())
    }
}

/// A sealed `Send`, stored before it is sent and sent again as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Flight {
    #[serde(rename = "c")]
    pub(in crate::engine) conversation: AccountId,
    #[serde(rename = "k")]
    pub(in crate::engine) key: RequestKey,
    /// 0 once the relay has refused it for now: the next attempt is another step.
    #[serde(rename = "p")]
    pub(in crate::engine) step: u64,
    #[serde(rename = "q")]
    pub(in crate::engine) lists: Vec<ListState>,
    #[serde(rename = "h")]
    pub(in crate::engine) packets: Vec<PacketHead>,
    /// Outbox entries that it carries.
    #[serde(rename = "o")]
    pub(in crate::engine) covers: Vec<u64>,
    /// It carries receipts.
    #[serde(rename = "r", default)]
    pub(in crate::engine) receipts: bool,
    #[serde(rename = "b")]
    pub(in crate::engine) body: ByteBuf,
}

impl Flight {
    pub(in crate::engine) fn load(work: &Work<'_>, number: u64) -> Result<Self, EngineError> {
        let missing = EngineError::Missing { table: Table::InFlight };
        work.load(Table::InFlight, &number.to_be_bytes())?.ok_or(missing)
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>, number: u64) -> Result<(), EngineError> {
        work.save(Table::InFlight, &number.to_be_bytes(), self)
    }
}

/// Messages that a person said and that the relay has not taken, with whom they were said to.
pub(in crate::engine) fn unsent(work: &Work<'_>) -> Result<Vec<(AccountId, MessageId)>, EngineError> {
    let waiting = work.scan(Table::Outbox, &[], None, usize::MAX).into_iter();
    let mut unsent = Vec::new();
    for (_, value) in waiting {
        let outgoing: Outgoing = decode(Table::Outbox, &value)?;
        if outgoing.counter.is_some() {
            unsent.push((outgoing.conversation, outgoing.message.id));
        }
    }
    Ok(unsent)
}

/// What keeps a lane from sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) enum Hold {
    #[default]
    Free,
    /// Bundles or lists were asked for.
    Asking,
    /// A refusal: not before this time.
    Until(Timestamp),
}

/// One conversation's way out.
#[derive(Debug, Default)]
pub(in crate::engine) struct Lane {
    pub(in crate::engine) waiting: VecDeque<u64>,
    pub(in crate::engine) flight: Option<u64>,
    /// Contents that the send under way carries.
    carried: usize,
    pub(in crate::engine) hold: Hold,
    /// A receipt is due at this time.
    pub(in crate::engine) receipt_at: Option<Timestamp>,
    pub(in crate::engine) receipt_sent: Option<Timestamp>,
    refusals: u32,
}

impl Lane {
    /// Holds the lane back, longer after each refusal.
    pub(in crate::engine) fn back_off(&mut self, now: Timestamp, at_least_ms: u64) {
        let doubled = RETRY_MS_MIN.saturating_mul(1_u64.checked_shl(self.refusals).unwrap_or(u64::MAX));
        self.refusals = self.refusals.saturating_add(1).min(16);
        self.hold = Hold::Until(now.plus_ms(doubled.min(RETRY_MS_MAX).max(at_least_ms)));
    }

    pub(in crate::engine) fn succeeded(&mut self) {
        self.refusals = 0;
        self.hold = Hold::Free;
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flight.is_none() && self.receipt_at.is_none()
    }
}

/// All lanes.
#[derive(Debug, Default)]
pub(in crate::engine) struct Queue {
    lanes: BTreeMap<AccountId, Lane>,
    /// Lanes in which something may have become possible.
    ready: BTreeSet<AccountId>,
    last: u64,
}

impl Queue {
    /// Reads what waits and what is under way.
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let mut queue = Self::default();
        for (key, value) in records.scan(Table::InFlight, &[], None, usize::MAX) {
            let number = number(Table::InFlight, &key)?;
            let flight: Flight = decode(Table::InFlight, &value)?;
            queue.last = queue.last.max(number).max(flight.covers.iter().copied().max().unwrap_or(0));
            let lane = queue.lane(flight.conversation);
            (lane.flight, lane.carried) = (Some(number), flight.covers.len());
        }
        let carried = queue.carried(records)?;
        for (key, value) in records.scan(Table::Outbox, &[], None, usize::MAX) {
            let number = number(Table::Outbox, &key)?;
            queue.last = queue.last.max(number);
            if !carried.contains(&number) {
                let outgoing: Outgoing = decode(Table::Outbox, &value)?;
                queue.lane(outgoing.conversation).waiting.push_back(number);
            }
        }
        Ok(queue)
    }

    fn carried(&self, records: &dyn Records) -> Result<BTreeSet<u64>, EngineError> {
        let mut carried = BTreeSet::new();
        for number in self.lanes.values().filter_map(|lane| lane.flight) {
            if let Some(bytes) = records.get(Table::InFlight, &number.to_be_bytes()) {
                carried.extend(decode::<Flight>(Table::InFlight, &bytes)?.covers);
            }
        }
        Ok(carried)
    }

    /// Puts a content at the end of its lane.
    pub(in crate::engine) fn push(&mut self, work: &mut Work<'_>, outgoing: &Outgoing) -> Result<(), EngineError> {
        let number = self.next_number();
        work.save(Table::Outbox, &number.to_be_bytes(), outgoing)?;
        self.lane(outgoing.conversation).waiting.push_back(number);
        Ok(())
    }

    /// Stores a sealed send; its entries leave the waiting line.
    pub(in crate::engine) fn launch(&mut self, work: &mut Work<'_>, flight: &Flight) -> Result<u64, EngineError> {
        let number = self.next_number();
        work.save(Table::InFlight, &number.to_be_bytes(), flight)?;
        let lane = self.lane(flight.conversation);
        // What a send carries is always the front of the line.
        let carried = flight.covers.len().min(lane.waiting.len());
        lane.waiting.drain(..carried);
        (lane.flight, lane.carried) = (Some(number), carried);
        Ok(number)
    }

    /// A send is done, one way or the other: its record goes.
    pub(in crate::engine) fn land(&mut self, work: &mut Work<'_>, number: u64) -> Result<Flight, EngineError> {
        let flight = Flight::load(work, number)?;
        work.delete(Table::InFlight, &number.to_be_bytes());
        let lane = self.lane(flight.conversation);
        (lane.flight, lane.carried) = (None, 0);
        Ok(flight)
    }

    /// The lane of a conversation, to be looked at by the next pass.
    pub(in crate::engine) fn lane(&mut self, conversation: AccountId) -> &mut Lane {
        self.ready.insert(conversation);
        self.lanes.entry(conversation).or_default()
    }

    pub(in crate::engine) fn peek(&self, conversation: &AccountId) -> Option<&Lane> {
        self.lanes.get(conversation)
    }

    /// Takes the lanes in which something may be possible.
    pub(in crate::engine) fn take_ready(&mut self) -> BTreeSet<AccountId> {
        std::mem::take(&mut self.ready)
    }

    /// Everything may be possible again: the connection is new.
    pub(in crate::engine) fn wake_all(&mut self) {
        self.lanes.retain(|_, lane| !lane.is_idle());
        for lane in self.lanes.values_mut() {
            lane.hold = Hold::Free;
            lane.refusals = 0;
        }
        self.ready.extend(self.lanes.keys());
    }

    /// An answer came: lanes that wait for one look again.
    pub(in crate::engine) fn release_asking(&mut self) {
        for (account, lane) in &mut self.lanes {
            if lane.hold == Hold::Asking {
                lane.hold = Hold::Free;
                self.ready.insert(*account);
            }
        }
    }

    /// Lanes whose time has come.
    pub(in crate::engine) fn wake_due(&mut self, now: Timestamp) {
        for (account, lane) in &mut self.lanes {
            if matches!(lane.hold, Hold::Until(at) if at <= now) {
                lane.hold = Hold::Free;
                self.ready.insert(*account);
            }
            if lane.receipt_at.is_some_and(|at| at <= now) {
                self.ready.insert(*account);
            }
        }
    }

    /// What was due before and did not go out waits for something else than time: no timer wakes it.
    pub(in crate::engine) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = |lane: &Lane| match lane.hold {
            Hold::Until(at) => Some(at),
            Hold::Asking => None,
            Hold::Free if lane.flight.is_none() => lane.receipt_at.filter(|at| *at > now),
            Hold::Free => None,
        };
        self.lanes.values().filter_map(due).min()
    }

    /// Sends under way, oldest first.
    pub(in crate::engine) fn flights(&self) -> BTreeMap<u64, AccountId> {
        self.lanes.iter().filter_map(|(account, lane)| lane.flight.map(|number| (number, *account))).collect()
    }

    /// Contents that the relay does not hold yet.
    pub(in crate::engine) fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len().saturating_add(lane.carried)).sum()
    }

    fn next_number(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }
}

fn number(table: Table, key: &[u8]) -> Result<u64, EngineError> {
    let bytes = <[u8; 8]>::try_from(key).map_err(|_| EngineError::Store { table })?;
    Ok(u64::from_be_bytes(bytes))
}
