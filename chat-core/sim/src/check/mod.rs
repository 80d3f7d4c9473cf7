//! The promises, held against everything that happens.

pub(crate) mod bounds;
pub(crate) mod copies;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod rooms;

use std::collections::BTreeSet;

use chat_core::engine::Trouble;
use chat_core::store::Table;
use chat_wire::message::{ClientMessage, RoomAsk, RoomPush, ServerMessage};

/// What an input that can be refused is about (I5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusable {
    /// A packet of a device: counts, and a question that waits to be sent to that device.
    Packet,
    /// An entry of a room's log: counts, and how far the log was read.
    Entry,
}

impl Refusable {
    pub(crate) fn of(message: &ServerMessage) -> Option<Self> {
        match message {
            ServerMessage::Deliver { .. } => Some(Self::Packet),
            ServerMessage::RoomPush(RoomPush::Entry { .. }) => Some(Self::Entry),
            _ => None,
        }
    }

    /// What changed and must not have, when it was refused and nothing else came of it.
    pub(crate) fn wrongly_changed(self, changed: &BTreeSet<Table>) -> Option<Table> {
        let may_change = |table: &&Table| match table {
            Table::Meta => true,
            Table::Errands => self == Self::Packet,
            Table::Rooms => self == Self::Entry,
            _ => false,
        };
        changed.iter().find(|table| !may_change(table)).copied()
    }
}

/// Whether a trouble says that an entry of a room was refused.
pub(crate) fn refuses_entry(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Undecryptable | Trouble::CommitRefused | Trouble::RoomForked | Trouble::ListRefused(_))
}

/// Whether a message to the relay says no more than that something was heard, or asks where a room is.
pub(crate) fn is_bare(message: &ClientMessage) -> bool {
    matches!(message, ClientMessage::Ack { .. } | ClientMessage::Room(RoomAsk::Ack { .. } | RoomAsk::GroupInfo { .. }))
}
