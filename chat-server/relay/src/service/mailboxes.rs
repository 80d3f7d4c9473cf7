//! Mailboxes (SPEC 7.5): logs with one reader, the device. Appends get their place here; acknowledgements are
//! collected and written with the next commit, because losing one costs a repeat and nothing else.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use chat_wire::ids::DeviceAddress;
use chat_wire::limits::DELIVERIES_UNDER_WAY_MAX;

use crate::limits::{DELIVERY_BYTES_UNDER_WAY_MAX, Limits, MAILBOXES_CACHED_MAX};
use crate::storage::{Batch, Entry, Log, LogFigures, Portion, Storage, StorageError, Write};

/// Figures of the mailboxes in use, and what their readers acknowledged since the last commit.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    figures: HashMap<DeviceAddress, LogFigures>,
    acknowledged: HashMap<DeviceAddress, u64>,
}

impl Mailboxes {
    fn figures<S: Storage>(&mut self, store: &mut S, device: &DeviceAddress) -> Result<&mut LogFigures, StorageError> {
        if !self.figures.contains_key(device) {
            if self.figures.len() >= MAILBOXES_CACHED_MAX {
                self.figures.clear();
            }
            // What is acknowledged but not written yet is no longer there.
            let after = self.acknowledged.get(device).copied().unwrap_or(0);
            let figures = store.log_figures(&Log::Mailbox(*device), after)?;
            self.figures.insert(*device, figures);
        }
        Ok(self.figures.entry(*device).or_default())
    }

    /// Highest place given so far.
    pub(crate) fn last_seq<S: Storage>(&mut self, store: &mut S, device: &DeviceAddress) -> Result<u64, StorageError> {
        Ok(self.figures(store, device)?.last_seq)
    }

    /// Whether this much more fits.
    pub(crate) fn has_room<S: Storage>(
        &mut self,
        store: &mut S,
        device: &DeviceAddress,
        load: Load,
        limits: &Limits,
    ) -> Result<bool, StorageError> {
        let figures = self.figures(store, device)?;
        let entries = figures.entries.saturating_add(load.entries);
        let bytes = figures.bytes.saturating_add(load.bytes);
        Ok(entries <= limits.mailbox_entries_max && bytes <= limits.mailbox_bytes_max)
    }

    /// Gives an entry its place.
    pub(crate) fn place<S: Storage>(
        &mut self,
        store: &mut S,
        to: &DeviceAddress,
        letter: Letter,
    ) -> Result<Entry, StorageError> {
        let figures = self.figures(store, to)?;
        figures.last_seq = figures.last_seq.saturating_add(1);
        figures.entries = figures.entries.saturating_add(1);
        figures.bytes = figures.bytes.saturating_add(u64::try_from(letter.body.len()).unwrap_or(u64::MAX));
        let Letter { from, accepted_ms, body } = letter;
        Ok(Entry { seq: figures.last_seq, accepted_ms, from, kind: 0, key: None, body })
    }

    /// The reader holds everything up to `seq`.
    pub(crate) fn acknowledge(&mut self, device: DeviceAddress, seq: u64, released: Load) {
        if let Some(figures) = self.figures.get_mut(&device) {
            figures.entries = figures.entries.saturating_sub(released.entries);
            figures.bytes = figures.bytes.saturating_sub(released.bytes);
        }
        let mark = self.acknowledged.entry(device).or_default();
        *mark = seq.max(*mark);
    }

    /// The acknowledgements that are not written yet, as writes.
    pub(crate) fn take_acknowledged(&mut self) -> Batch {
        self.acknowledged.drain().map(|(device, seq)| Write::Trim(Log::Mailbox(device), seq)).collect()
    }

    pub(crate) fn has_acknowledged(&self) -> bool {
        !self.acknowledged.is_empty()
    }

    /// The stored mailbox changed in another way than through this service.
    pub(crate) fn forget(&mut self, device: &DeviceAddress) {
        self.figures.remove(device);
    }

    /// Everything since the last commit is gone.
    pub(crate) fn forget_all(&mut self) {
        self.figures.clear();
    }
}

/// A packet on its way into a mailbox.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: DeviceAddress,
    pub(crate) accepted_ms: u64,
    pub(crate) body: Bytes,
}

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

/// What one connection was sent of its mailbox and has not acknowledged: the queue is the log itself,
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

    /// True once, when the backlog of the login has been sent.
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
