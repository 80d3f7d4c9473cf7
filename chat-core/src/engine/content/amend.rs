//! Contents about messages that were said before. Whose message it is, is no field: an author can name
//! only what it said itself (in a room its owner and admins also what those below them said), and a reaction
//! anything of its conversation.

use chat_wire::ids::{AccountId, MessageId, RoomId};
use serde::{Deserialize, Serialize};

/// Another text of an own message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Edit {
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
    #[serde(rename = "t")]
    pub(in crate::engine) text: String,
}

/// An own message is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Deletion {
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
}

/// What one thinks of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Reaction {
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
    /// A sign; none is taken back.
    #[serde(rename = "e")]
    pub(in crate::engine) sign: String,
}

/// From one own device to the others: a message is shown no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Hiding {
    /// The other side of its conversation; of a room's the own account.
    #[serde(rename = "a")]
    pub(in crate::engine) with: AccountId,
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
    /// The room that it lies in.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) room: Option<RoomId>,
}
