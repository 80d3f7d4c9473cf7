//! Logs in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use chat_wire::ids::{DeviceAddress, RequestKey, RoomId};

use super::MemoryStorage;
use crate::storage::{Answered, Entry, Log, LogFigures, LogRows, Portion, Reader, StorageError};

#[derive(Debug, Clone, Default)]
pub(super) struct StoredLog {
    last_seq: u64,
    floor_seq: u64,
    entries: BTreeMap<u64, Entry>,
    readers: BTreeMap<DeviceAddress, Reader>,
}

impl StoredLog {
    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn append(&mut self, entry: &Entry) {
        self.last_seq = entry.seq;
        self.entries.insert(entry.seq, entry.clone());
    }

    pub(super) fn trim(&mut self, seq: u64) {
        self.entries = self.entries.split_off(&seq.saturating_add(1));
        self.floor_seq = self.floor_seq.max(seq);
        self.last_seq = self.last_seq.max(seq);
        self.readers.retain(|_, reader| reader.until.is_none_or(|until| until > seq));
    }

    pub(super) fn advance(&mut self, device: &DeviceAddress, seq: u64) {
        if let Some(reader) = self.readers.get_mut(device) {
            reader.seq = reader.seq.max(seq);
            if reader.until.is_some_and(|until| reader.seq >= until) {
                self.readers.remove(device);
            }
        }
    }

    pub(super) fn read(&mut self, reader: Reader) {
        self.readers.insert(reader.device, reader);
    }

    pub(super) fn leave(&mut self, device: &DeviceAddress) {
        self.readers.remove(device);
    }

    pub(super) fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.readers.values()
    }

    /// Removes at most so many entries that were accepted before a time; says how many.
    pub(super) fn expire(&mut self, before_ms: u64, rows_max: usize) -> usize {
        let old = self.entries.values().take_while(|e| e.accepted_ms < before_ms).take(rows_max);
        let old: Vec<u64> = old.map(|e| e.seq).collect();
        if let Some(last) = old.last() {
            self.trim(*last);
        }
        old.len()
    }
}

impl MemoryStorage {
    pub(super) fn log(&mut self, log: &Log) -> &mut StoredLog {
        self.logs.entry(*log).or_default()
    }
}

fn len(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl LogRows for MemoryStorage {
    fn answered(&mut self, device: &DeviceAddress, key: &RequestKey, _: u64) -> Result<Option<Answered>, StorageError> {
        Ok(self.answered.get(&(*device, *key)).copied())
    }

    fn log_figures(&mut self, log: &Log, after_seq: u64) -> Result<LogFigures, StorageError> {
        let Some(log) = self.logs.get(log) else { return Ok(LogFigures::default()) };
        let mut figures = LogFigures { last_seq: log.last_seq, floor_seq: log.floor_seq, ..LogFigures::default() };
        for entry in log.entries.range((Bound::Excluded(after_seq), Bound::Unbounded)).map(|(_, e)| e) {
            figures.entries = figures.entries.saturating_add(1);
            figures.bytes = figures.bytes.saturating_add(len(&entry.body));
        }
        Ok(figures)
    }

    fn log_entries(&mut self, log: &Log, after_seq: u64, portion: Portion) -> Result<Vec<Entry>, StorageError> {
        let Some(log) = self.logs.get(log) else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        let mut bytes = 0usize;
        for entry in log.entries.range((Bound::Excluded(after_seq), Bound::Unbounded)).map(|(_, e)| e) {
            bytes = bytes.saturating_add(entry.body.len());
            if entries.len() >= portion.entries_max || (bytes > portion.bytes_max && !entries.is_empty()) {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }

    fn appended(
        &mut self,
        log: &Log,
        from: &DeviceAddress,
        key: &RequestKey,
    ) -> Result<Option<(u64, u64)>, StorageError> {
        let entries = self.logs.get(log).into_iter().flat_map(|log| log.entries.values());
        let found = entries.filter(|e| e.from == *from && e.key == Some(*key)).map(|e| (e.seq, e.accepted_ms));
        Ok(found.last())
    }

    fn readers(&mut self, log: &Log) -> Result<Vec<Reader>, StorageError> {
        let readers = self.logs.get(log).into_iter().flat_map(StoredLog::readers);
        Ok(readers.copied().collect())
    }

    fn rooms_read(&mut self, device: &DeviceAddress) -> Result<Vec<(RoomId, Reader)>, StorageError> {
        let read = self.logs.iter().filter_map(|(log, stored)| match log {
            Log::Room(room) => stored.readers.get(device).map(|reader| (*room, *reader)),
            Log::Mailbox(_) => None,
        });
        Ok(read.collect())
    }
}
