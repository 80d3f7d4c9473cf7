//! What a shell keeps: records, and what it showed. A copy of it is a backup or a clone.

use std::collections::{BTreeMap, BTreeSet};

use chat_core::engine::{Message, MessageStatus, NoticeKind};
use chat_core::store::{HistoryChange, MemoryRecords, Records, Table, Write, WriteBatch};
use chat_wire::ids::MessageId;

/// A store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) records: MemoryRecords,
    /// Own messages and how far they got.
    pub(crate) sent: BTreeMap<MessageId, (String, MessageStatus)>,
    /// Ids of messages that were shown, in order; copies of what own other devices sent among them.
    pub(crate) shown: Vec<MessageId>,
}

/// What a step's change came to.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The messages that it shows, and whether again.
    pub(crate) shown: Vec<(Message, bool)>,
    /// Tables that are not byte for byte what they were.
    pub(crate) changed: BTreeSet<Table>,
}

impl Disk {
    /// Stores a step's change.
    pub(crate) fn write(&mut self, batch: &WriteBatch) -> Written {
        if batch.erase {
            *self = Self::default();
        }
        let changed = batch.writes.iter().filter_map(|write| self.would_change(write)).collect();
        self.records.apply(batch);
        for change in &batch.history {
            match change {
                HistoryChange::Insert(message) if message.outgoing => {
                    let text = message.text.clone().unwrap_or_default();
                    self.sent.entry(message.id).or_insert((text, message.status));
                }
                HistoryChange::Status { id, status, .. } => {
                    if let Some((_, known)) = self.sent.get_mut(id) {
                        *known = (*known).max(*status);
                    }
                }
                _ => {}
            }
        }
        let mut fresh = Vec::new();
        for notice in &batch.notices {
            let NoticeKind::Message(message) = &notice.kind else { continue };
            let again = self.shown.contains(&message.id);
            self.shown.push(message.id);
            fresh.push((message.clone(), again));
        }
        Written { shown: fresh, changed }
    }

    fn would_change(&self, write: &Write) -> Option<Table> {
        let (table, key, value) = match write {
            Write::Put { table, key, value } => (*table, key, Some(value)),
            Write::Delete { table, key } => (*table, key, None),
        };
        (self.records.get(table, key).as_ref() != value).then_some(table)
    }
}
