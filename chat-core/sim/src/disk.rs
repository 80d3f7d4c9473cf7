//! What a shell keeps: records, and what it showed. A copy of it is a backup or a clone.

use std::collections::BTreeMap;

use chat_core::engine::{Message, MessageStatus, NoticeKind};
use chat_core::store::{HistoryChange, MemoryRecords, WriteBatch};
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

impl Disk {
    /// Stores a step's change; the messages that it shows for the first time, and those again.
    pub(crate) fn write(&mut self, batch: &WriteBatch) -> Vec<(Message, bool)> {
        if batch.erase {
            *self = Self::default();
        }
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
        fresh
    }
}
