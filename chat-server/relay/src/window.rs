//! What is under way to one reader of a log.

use std::collections::VecDeque;

use chat_wire::limits::DELIVERIES_UNDER_WAY_MAX;

use crate::limits::DELIVERY_BYTES_UNDER_WAY_MAX;
use crate::storage::{Entry, Portion};

/// Entries and their bytes: what is to be put in, or what an acknowledgement took out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Load {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// What one connection was sent of a log and has not acknowledged: the queue is the log itself,
/// so a reader that takes its time costs one window and nothing more.
#[derive(Debug)]
pub(crate) struct Window {
    delivered: u64,
    drain_to: Option<u64>,
    caught_up: bool,
    under_way: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl Window {
    /// Starts before the oldest entry; what lies up to `last_seq` is the backlog.
    pub(crate) fn new(last_seq: u64) -> Self {
        Self { delivered: 0, drain_to: Some(last_seq), caught_up: false, under_way: VecDeque::new(), bytes: 0 }
    }

    /// Starts behind a place that the reader holds already.
    pub(crate) fn after(held: u64, last_seq: u64) -> Self {
        Self { delivered: held, ..Self::new(last_seq) }
    }

    /// How much may be read and sent now; none when the window is full.
    pub(crate) fn portion(&self) -> Option<Portion> {
        let entries_max = DELIVERIES_UNDER_WAY_MAX.saturating_sub(self.under_way.len());
        let bytes_max = DELIVERY_BYTES_UNDER_WAY_MAX.saturating_sub(self.bytes);
        (entries_max > 0 && bytes_max > 0).then_some(Portion { entries_max, bytes_max })
    }

    /// Last place that was sent.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether nothing but what was just appended waits.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Everything there is was sent, or something new came that does not fit.
    pub(crate) fn set_caught_up(&mut self, caught_up: bool) {
        self.caught_up = caught_up;
    }

    /// An entry is sent.
    pub(crate) fn sent(&mut self, entry: &Entry) {
        self.delivered = entry.seq;
        self.bytes = self.bytes.saturating_add(entry.body.len());
        self.under_way.push_back((entry.seq, entry.body.len()));
    }

    /// True once, when the backlog of the start has been sent.
    pub(crate) fn drained_now(&mut self) -> bool {
        let drained = self.drain_to.is_some_and(|to| self.caught_up || self.delivered >= to);
        if drained {
            self.drain_to = None;
        }
        drained
    }

    /// Takes an acknowledgement (SPEC 7.5.1), never beyond what was sent.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> (u64, Load) {
        let mut released = Load::default();
        while let Some((_, bytes)) = self.under_way.pop_front_if(|(sent, _)| *sent <= seq) {
            self.bytes = self.bytes.saturating_sub(bytes);
            released.add(bytes);
        }
        (seq.min(self.delivered), released)
    }
}
