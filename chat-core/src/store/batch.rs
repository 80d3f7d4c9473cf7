//! One atomic change, as a plain value.

use chat_wire::ids::{MessageId, UserName};

use super::Table;
use super::history::{Conversation, Message, MessageStatus, Notice};

/// One record write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Stores a value, replacing an older one.
    Put {
        /// Table.
        table: Table,
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
    },
    /// Removes a value; absent ones are fine.
    Delete {
        /// Table.
        table: Table,
        /// Key.
        key: Vec<u8>,
    },
}

/// One change of the history, which the shell keeps as it likes (rows, full-text index).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryChange {
    /// A new message; a message of the same conversation and id is left as it is.
    Insert(Message),
    /// A new status of an own message; it never goes back (queued < sent < delivered < read).
    Status {
        /// Where.
        conversation: Conversation,
        /// Which.
        id: MessageId,
        /// The status.
        status: MessageStatus,
    },
    /// Everything up to and including this message was read here.
    ReadUpTo {
        /// Where.
        conversation: Conversation,
        /// Last message read.
        id: MessageId,
    },
    /// A message has another text now.
    Edit {
        /// Where.
        conversation: Conversation,
        /// Which.
        id: MessageId,
        /// What it says.
        text: String,
    },
    /// Nothing is left of what a message said, and of what people thought of it; its place stays.
    Delete {
        /// Where.
        conversation: Conversation,
        /// Which.
        id: MessageId,
    },
    /// Somebody thinks something of a message; this replaces what that was before.
    React {
        /// Where.
        conversation: Conversation,
        /// Which.
        id: MessageId,
        /// Who.
        from: UserName,
        /// A sign; an empty one takes the one before away.
        sign: String,
    },
    /// Messages of another own device's history, the oldest first, older than what is here; a message of the same
    /// conversation and id is left as it is.
    Import(Vec<Message>),
    /// The name of a conversation is known or changed.
    Named {
        /// Which.
        conversation: Conversation,
        /// User name or room name.
        name: String,
    },
}

/// Everything that one input changes: stored in one transaction, before any output leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// Record writes, in order.
    pub writes: Vec<Write>,
    /// History changes, in order.
    pub history: Vec<HistoryChange>,
    /// Durable notices, with increasing `seq`.
    pub notices: Vec<Notice>,
    /// Erase everything (logout with `forget`) before the rest is stored.
    pub erase: bool,
}

impl WriteBatch {
    /// Whether there is nothing to store.
    ///
    /// ```
    /// use chat_core::store::WriteBatch;
    /// assert!(WriteBatch::default().is_empty());
    /// assert!(!WriteBatch { erase: true, ..WriteBatch::default() }.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.history.is_empty() && self.notices.is_empty() && !self.erase
    }
}
