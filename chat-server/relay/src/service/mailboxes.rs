//! Mailboxes (SPEC 7.5): logs with one reader, the device. Appends get their place here; acknowledgements are
//! collected and written with the next commit, because losing one costs a repeat and nothing else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Entries;

use bytes::Bytes;
use chat_wire::ids::DeviceAddress;

use crate::limits::{ACKNOWLEDGED_TOGETHER, Limits, MAILBOXES_CACHED_MAX};
use crate::storage::{Batch, Entry, Log, LogFigures, Storage, StorageError, Write};
use crate::window::Load;

/// Figures of the mailboxes in use, and what their readers acknowledged since the last commit.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    figures: BTreeMap<DeviceAddress, LogFigures>,
    acknowledged: BTreeMap<DeviceAddress, u64>,
    /// Entries that lie there and are acknowledged.
    unwritten: u64,
    /// Highest place that was given in any mailbox.
    highest: u64,
    /// Places up to here were given before something was lost: they are never given again.
    floor: u64,
}

impl Mailboxes {
    fn figures<S: Storage>(&mut self, store: &mut S, device: &DeviceAddress) -> Result<&mut LogFigures, StorageError> {
        if self.figures.len() >= MAILBOXES_CACHED_MAX && !self.figures.contains_key(device) {
            self.forget_all();
        }
        match self.figures.entry(*device) {
            Entries::Occupied(known) => Ok(known.into_mut()),
            Entries::Vacant(place) => {
                // What is acknowledged but not written yet is no longer there.
                let after = self.acknowledged.get(device).copied().unwrap_or(0);
                let mut figures = store.log_figures(&Log::Mailbox(*device), after)?;
                figures.last_seq = figures.last_seq.max(self.floor);
                Ok(place.insert(figures))
            }
        }
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
        let seq = figures.last_seq;
        self.highest = self.highest.max(seq);
        let Letter { from, accepted_ms, body } = letter;
        Ok(Entry { seq, accepted_ms, from, kind: 0, key: None, body })
    }

    /// The reader holds everything up to `seq`.
    pub(crate) fn acknowledge(&mut self, device: DeviceAddress, seq: u64, released: Load) {
        if let Some(figures) = self.figures.get_mut(&device) {
            figures.entries = figures.entries.saturating_sub(released.entries);
            figures.bytes = figures.bytes.saturating_sub(released.bytes);
        }
        self.unwritten = self.unwritten.saturating_add(released.entries);
        let mark = self.acknowledged.entry(device).or_default();
        *mark = seq.max(*mark);
    }

    /// The acknowledgements that are not written yet, as writes.
    pub(crate) fn take_acknowledged(&mut self) -> Batch {
        self.unwritten = 0;
        std::mem::take(&mut self.acknowledged)
            .into_iter()
            .map(|(device, seq)| Write::Trim(Log::Mailbox(device), seq))
            .collect()
    }

    /// Whether it is worth a range of rows to write them with the next group.
    pub(crate) fn many_acknowledged(&self) -> bool {
        self.unwritten >= ACKNOWLEDGED_TOGETHER
    }

    pub(crate) fn has_acknowledged(&self) -> bool {
        !self.acknowledged.is_empty()
    }

    /// The stored mailbox changed in another way than through this service. A place that was given and
    /// not stored may be known to its reader all the same.
    pub(crate) fn forget(&mut self, device: &DeviceAddress) {
        if let Some(figures) = self.figures.remove(device) {
            self.floor = self.floor.max(figures.last_seq);
        }
    }

    /// Everything since the last commit is gone.
    pub(crate) fn forget_all(&mut self) {
        self.floor = self.highest;
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
