//! Records in memory: for embedders without a disk, tests and simulations.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Records, Table, Write, WriteBatch};

/// Records in an ordered map.
///
/// ```
/// use chat_core::store::{MemoryRecords, Records, Table, Write, WriteBatch};
/// let mut records = MemoryRecords::default();
/// assert!(records.is_empty());
/// let put = Write::Put { table: Table::Meta, key: vec![1, 2], value: vec![3] };
/// records.apply(&WriteBatch { writes: vec![put], ..WriteBatch::default() });
/// assert_eq!(records.len(), 1);
/// assert_eq!(records.scan(Table::Meta, &[1], None, 10), [(vec![1, 2], vec![3])]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryRecords {
    entries: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl MemoryRecords {
    /// Stores a batch's records; history and notices are the caller's.
    pub fn apply(&mut self, batch: &WriteBatch) {
        if batch.erase {
            self.entries.clear();
        }
        for write in &batch.writes {
            match write {
                Write::Put { table, key, value } => {
                    self.entries.insert((*table, key.clone()), value.clone());
                }
                Write::Delete { table, key } => {
                    self.entries.remove(&(*table, key.clone()));
                }
            }
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Records for MemoryRecords {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.entries.get(&(table, key.to_vec())).cloned()
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded((table, after.to_vec())),
            _ => Bound::Included((table, prefix.to_vec())),
        };
        self.entries
            .range((from, Bound::Unbounded))
            .take_while(|((t, key), _)| *t == table && key.starts_with(prefix))
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }
}
