//! What a step reads from and collects into: the records with the step's own changes laid over them.

use std::collections::BTreeMap;
use std::ops::Bound;

use rand_core::CryptoRng;
use serde::{Serialize, de::DeserializeOwned};

use super::error::{Bug, EngineError};
use super::io::{CommandId, Event, Failure, FailureKind, Notice, NoticeKind, Output, Reply, Trouble};
use super::step::Step;
use crate::store::{HistoryChange, Records, Table, Write, WriteBatch};
use crate::time::Timestamp;

/// What the engine is lent for one call: the records as they are stored, and randomness.
pub struct Context<'a> {
    /// The records, with every earlier step applied.
    pub records: &'a dyn Records,
    /// Cryptographic randomness.
    pub rng: &'a mut dyn CryptoRng,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

/// A step in the making.
pub(super) struct Work<'a> {
    pub(super) now: Timestamp,
    pub(super) rng: &'a mut dyn CryptoRng,
    records: &'a dyn Records,
    /// Every key once, the last write wins: a step that touches a session five times stores it once.
    changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    history: Vec<HistoryChange>,
    notices: Vec<Notice>,
    erase: bool,
    outputs: Vec<Output>,
}

/// Key of the counter that numbers notices and orders messages.
const ORDER_KEY: &[u8] = b"order";

/// Tables whose entries mean something to one device only: its keys, its sessions, its places in streams and rooms.
const DEVICE_TABLES: [Table; 17] = [
    Table::Sessions,
    Table::SkippedKeys,
    Table::PreKeys,
    Table::Replays,
    Table::Outbox,
    Table::InFlight,
    Table::Sent,
    Table::Received,
    Table::Idempotency,
    Table::Streams,
    Table::Healing,
    Table::Errands,
    Table::Kept,
    Table::Rooms,
    Table::Groups,
    Table::RoomFlights,
    Table::KeyPackages,
];

impl<'a> Work<'a> {
    pub(super) fn new(now: Timestamp, cx: &'a mut Context<'_>) -> Self {
        Self {
            now,
            rng: &mut *cx.rng,
            records: cx.records,
            changes: BTreeMap::new(),
            history: Vec::new(),
            notices: Vec::new(),
            erase: false,
            outputs: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Step {
        let writes = self
            .changes
            .into_iter()
            .map(|((table, key), value)| match value {
                Some(value) => Write::Put { table, key, value },
                None => Write::Delete { table, key },
            })
            .collect();
        let batch = WriteBatch { writes, history: self.history, notices: self.notices, erase: self.erase };
        Step::new(batch, self.outputs)
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(change) = self.changes.get(&(table, key.to_vec())) {
            return change.clone();
        }
        if self.erase { None } else { self.records.get(table, key) }
    }

    pub(super) fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.changes.insert((table, key.to_vec()), Some(value));
    }

    pub(super) fn delete(&mut self, table: Table, key: &[u8]) {
        self.changes.insert((table, key.to_vec()), None);
    }

    /// Up to `limit` entries under a prefix, ascending, this step's changes included.
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<(Vec<u8>, Vec<u8>)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded((table, after.to_vec())),
            _ => Bound::Included((table, prefix.to_vec())),
        };
        let changed: Vec<_> = self
            .changes
            .range((from, Bound::Unbounded))
            .take_while(|((t, key), _)| *t == table && key.starts_with(prefix))
            .collect();
        // Deleted entries may hide stored ones: ask for as many more.
        let stored = if self.erase {
            Vec::new()
        } else {
            self.records.scan(table, prefix, after, limit.saturating_add(changed.len()))
        };
        if changed.is_empty() {
            return stored;
        }
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = stored.into_iter().collect();
        for ((_, key), value) in changed {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        merged.into_iter().take(limit).collect()
    }

    /// Reads a typed record.
    pub(super) fn load<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, EngineError> {
        self.get(table, key).map(|bytes| decode(table, &bytes)).transpose()
    }

    /// Writes a typed record.
    pub(super) fn save<T: Serialize>(&mut self, table: Table, key: &[u8], value: &T) -> Result<(), EngineError> {
        let bytes = encode(value)?;
        self.put(table, key, bytes);
        Ok(())
    }

    /// Erases the whole store before anything else of this step is written.
    pub(super) fn erase(&mut self) {
        self.changes.clear();
        self.history.clear();
        self.notices.clear();
        self.erase = true;
    }

    /// Deletes what belongs to one device alone; what its person said, knows and has seen stays.
    pub(super) fn renounce(&mut self, meta_kept: impl Fn(&[u8]) -> bool) {
        for table in DEVICE_TABLES {
            for (key, _) in self.scan(table, &[], None, usize::MAX) {
                self.delete(table, &key);
            }
        }
        for (key, _) in self.scan(Table::Meta, &[], None, usize::MAX) {
            if key != ORDER_KEY && !meta_kept(&key) {
                self.delete(Table::Meta, &key);
            }
        }
    }

    pub(super) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// The next number of this device: notices carry it, and messages are ordered by it.
    pub(super) fn next_order(&mut self) -> Result<u64, EngineError> {
        let last = self.last_order()?;
        let next = last.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?;
        self.put(Table::Meta, ORDER_KEY, next.to_be_bytes().to_vec());
        Ok(next)
    }

    fn last_order(&self) -> Result<u64, EngineError> {
        read_u64(Table::Meta, self.get(Table::Meta, ORDER_KEY))
    }

    /// Stores a notice and announces it after the commit.
    pub(super) fn notice(&mut self, kind: NoticeKind) -> Result<u64, EngineError> {
        let seq = self.next_order()?;
        let notice = Notice { seq, kind };
        self.notices.push(notice.clone());
        self.outputs.push(Output::Notice(notice));
        Ok(seq)
    }

    pub(super) fn history(&mut self, change: HistoryChange) {
        self.history.push(change);
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        self.event(Event::Trouble(trouble));
    }

    pub(super) fn reply(&mut self, command: CommandId, reply: Reply) {
        self.outputs.push(Output::Reply(command, Ok(reply)));
    }

    pub(super) fn fail(&mut self, command: CommandId, kind: FailureKind) {
        self.fail_with(command, Failure::of(kind));
    }

    pub(super) fn fail_with(&mut self, command: CommandId, failure: Failure) {
        self.outputs.push(Output::Reply(command, Err(failure)));
    }
}

impl Records for Work<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        Work::get(self, table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        Work::scan(self, table, prefix, after, limit)
    }
}

/// Encodes a record or a content.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EngineError> {
    minicbor_serde::to_vec(value).map_err(|_| EngineError::Broken(Bug::Encoding))
}

/// Decodes a record of a table.
pub(super) fn decode<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, EngineError> {
    minicbor_serde::from_slice(bytes).map_err(|_| EngineError::Store { table })
}

/// Reads a counter; an absent one is 0.
pub(super) fn read_u64(table: Table, value: Option<Vec<u8>>) -> Result<u64, EngineError> {
    let Some(bytes) = value else { return Ok(0) };
    let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| EngineError::Store { table })?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::MemoryRecords;

    /// Few keys, so that writes meet.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0_u8..3, 0..4)
    }

    proptest! {
        #[test]
        fn a_step_reads_its_own_changes_as_if_they_were_stored(
            stored in prop::collection::vec((key(), any::<u8>()), 0..12),
            changes in prop::collection::vec((key(), prop::option::of(any::<u8>())), 0..12),
            prefix in key(),
            after in prop::option::of(key()),
            limit in 0_usize..6,
        ) {
            let mut records = MemoryRecords::default();
            let puts = stored.into_iter().map(|(key, value)| Write::Put { table: Table::Seen, key, value: vec![value] });
            records.apply(&WriteBatch { writes: puts.collect(), ..WriteBatch::default() });
            let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
            let mut cx = Context { records: &records, rng: &mut rng };
            let mut work = Work::new(Timestamp::from_ms(0), &mut cx);
            for (key, value) in &changes {
                match value {
                    Some(value) => work.put(Table::Seen, key, vec![*value]),
                    None => work.delete(Table::Seen, key),
                }
            }
            let scanned = work.scan(Table::Seen, &prefix, after.as_deref(), limit);
            let got = work.get(Table::Seen, &prefix);
            let mut after_step = records.clone();
            let _ = work.finish().apply(|batch| {
                after_step.apply(batch);
                Ok::<(), ()>(())
            });
            prop_assert_eq!(scanned, after_step.scan(Table::Seen, &prefix, after.as_deref(), limit));
            prop_assert_eq!(got, after_step.get(Table::Seen, &prefix));
        }
    }
}
