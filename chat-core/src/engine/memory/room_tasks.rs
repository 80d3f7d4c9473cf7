//! What was asked of the relay for rooms, and names on their way in.

use chat_wire::ids::{RoomId, RoomName};

use crate::engine::io::CommandId;

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum RoomTask {
    /// A name that is to be entered.
    Find(RoomName),
    /// Somebody asked about a room that is not joined.
    Info(CommandId),
    /// Somebody looks at the members of a small private room.
    Look(RoomId, CommandId),
    /// Rooms; with the filter of the one who asked.
    List(CommandId, Option<bool>),
    /// Rooms that this account is in, for a device that may be in fewer.
    Restore,
    GroupInfo(RoomName, RoomId),
    Create(RoomId),
    Commit(RoomId),
    Post(RoomId, u64),
    Leave(RoomId, Option<CommandId>),
    Delete(RoomId, CommandId),
    /// A request to be put back.
    Back(RoomId),
    Open(RoomId),
    Lists(RoomId),
    Claim(RoomId),
    Offer,
}

impl RoomTask {
    /// Who waits for the answer itself.
    pub(in crate::engine) fn command(&self) -> Option<CommandId> {
        match self {
            Self::Info(command) | Self::List(command, _) | Self::Delete(_, command) => Some(*command),
            Self::Leave(_, command) => *command,
            _ => None,
        }
    }
}

/// A name on its way in: by creating it, or by joining.
#[derive(Debug, Default)]
pub(in crate::engine) struct Entering {
    pub(in crate::engine) commands: Vec<CommandId>,
    /// Times that somebody else's commit was faster.
    pub(in crate::engine) lost: u32,
    /// Nobody asked: the device enters by itself, and makes the lobby when there is none.
    pub(in crate::engine) lobby: bool,
    /// The room was entered afresh at these times, lately.
    pub(in crate::engine) resynced_ms: Vec<u64>,
}

impl Entering {
    pub(in crate::engine) fn into_commands(self) -> Vec<CommandId> {
        self.commands
    }
}
