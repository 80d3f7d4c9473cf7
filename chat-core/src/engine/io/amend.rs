//! Changes of messages that were sent already.

use chat_wire::ids::MessageId;

use super::Conversation;

/// Something about a message of the history. Reply: `Done`, once it is durably queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// Where the message lies.
    pub conversation: Conversation,
    /// Which.
    pub id: MessageId,
    /// What is to become of it.
    pub change: Change,
}

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Another text; of own messages only.
    Edit(String),
    /// Taken back: nobody has its text any more; of own messages only.
    Delete,
    /// Gone from the own devices; the others keep theirs.
    Hide,
    /// What one thinks of it, in a sign; an empty one is taken back.
    React(String),
}
