//! The engine's boundary: commands, queries, replies, events and durable notices. Plain data; names
//! and meanings follow the JSON-RPC contract, so that every shell is thin.

mod account;
mod amend;
mod command;
mod diagnostics;
mod event;
mod failure;
mod file;
mod query;
mod reply;
mod room;

use chat_wire::frame::{ClientFrame, ServerFrame};
use chat_wire::ids::BootId;

use crate::time::Timestamp;

pub use crate::store::{
    Alarm, AlarmKind, Conversation, IdentityChange, Message, MessageStatus, Notice, NoticeKind, Reaction, Request,
};
pub use account::{
    AccountCommand, ApprovalChange, Deletion, Device, HISTORY_PIECE_BYTES_MAX, HistoryPiece, HistoryProgress,
    NewPassword, PasswordChange, ProvenPassword, Recovery, SafetyNumber, SafetyProof, WaitingDevice,
};
pub use amend::{Amendment, Change};
pub use command::{Command, Enrollment, ExportKey, Resumption};
pub use diagnostics::Diagnostics;
pub use event::{Event, Trouble};
pub use failure::{Failure, FailureKind};
pub use file::{FileCommand, FileInfo, FileOffer, FilePointer, SharedFile};
pub use query::{Answer, Contact, Query, Status};
pub use reply::{FoundPerson, Reply};
pub use room::{Role, RoomCommand, RoomEventKind, RoomInfo, RoomMember, RoomNotice, RoomReply, RoomSummary};

/// One connection to the relay, or a direct link; numbered by the shell, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route(pub u64);

/// Number that ties a reply to its command; chosen by the shell, never used again in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What goes into the engine.
#[derive(Debug)]
pub enum Input {
    /// Somebody wants something. Answered by exactly one [`Output::Reply`], perhaps much later.
    Command(CommandId, Command),
    /// The relay said something.
    Frame(Route, ServerFrame),
    /// A connection stands; 32 bytes of its TLS exporter (label `EXPORTER-chat-v1`).
    Connected(Route, [u8; 32]),
    /// A connection is gone.
    Lost(Route),
    /// The time of [`Output::WakeAt`] has come.
    Wake,
}

/// What comes out of the engine once the step's batch is stored.
#[derive(Debug)]
pub enum Output {
    /// Send this frame.
    Transmit(Route, ClientFrame),
    /// Close this connection.
    Close(Route),
    /// The answer to a command.
    Reply(CommandId, Result<Reply, Failure>),
    /// Something passing happened.
    Event(Event),
    /// A notice of this step's batch is stored under its `seq`.
    Notice(Notice),
    /// Call again with [`Input::Wake`] at this time, in milliseconds since the Unix epoch; replaces
    /// an earlier one.
    WakeAt(Timestamp),
}

/// What the shell tells the engine when it opens it from the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Random id of this opening of the store.
    pub id: BootId,
}
