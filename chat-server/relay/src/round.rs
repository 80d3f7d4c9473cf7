//! One round: what the relay does between two syncs (SPEC 1.3). Nothing that rests on the storage leaves before
//! the sync that holds it, and when that fails, those who asked are told so instead.

use std::collections::{HashMap, HashSet};

use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::{Frame, ServerFrame};
use chat_wire::ids::DeviceAddress;
use chat_wire::message::{LogoutReason, ServerMessage};

use crate::storage::{Entry, StorageError};

/// One connection; numbered by the shell, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What comes out of the relay core.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every output is a frame: a box would cost each an allocation")]
pub enum Output {
    /// Send this frame.
    Send(ConnectionId, ServerFrame),
    /// The connection is a device's now: lift its frame limit. Comes before the answer that says so.
    LoggedIn(ConnectionId),
    /// Send what is queued, then close.
    Close(ConnectionId),
    /// The storage failed; for the operator.
    Trouble(StorageError),
}

/// What an output rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rests {
    /// Memory only: it may leave whatever becomes of the storage.
    OnMemory,
    /// On what was read or written.
    OnStorage,
}

/// The round under way.
#[derive(Debug, Default)]
pub(crate) struct Round {
    staged: Vec<(Rests, Output)>,
    askers: Vec<(ConnectionId, u32)>,
    /// Connections to end once the request at hand is done.
    pub(crate) dismissals: Vec<(ConnectionId, LogoutReason)>,
    /// Entries of this round by mailbox: a reader that is caught up gets them without a read.
    pub(crate) fresh: HashMap<DeviceAddress, Vec<Entry>>,
    /// Connections whose windows may have something to send.
    pub(crate) to_pump: HashSet<ConnectionId>,
    /// Something was written that must be synced.
    pub(crate) dirty: bool,
}

impl Round {
    pub(crate) fn stage(&mut self, rests: Rests, output: Output) {
        self.staged.push((rests, output));
    }

    /// A message that no request asked for.
    pub(crate) fn push(&mut self, rests: Rests, to: ConnectionId, message: ServerMessage) {
        self.stage(rests, Output::Send(to, Frame::new(0, message)));
    }

    /// Somebody's request rests on the storage: if the sync fails, it is refused.
    pub(crate) fn asked(&mut self, connection: ConnectionId, request: u32) {
        self.askers.push((connection, request));
    }

    /// The sync went well: everything leaves.
    pub(crate) fn release(&mut self) -> Vec<Output> {
        self.askers.clear();
        self.dirty = false;
        self.staged.drain(..).map(|(_, output)| output).collect()
    }

    /// The sync failed: who asked is refused and closed, because its state here may rest on what is
    /// gone; the rest goes on.
    pub(crate) fn fail(&mut self, error: StorageError) -> Vec<Output> {
        self.dirty = false;
        self.fresh.clear();
        let passing = self.staged.drain(..).filter(|(rests, _)| *rests == Rests::OnMemory);
        let mut outputs: Vec<Output> = passing.map(|(_, output)| output).collect();
        for (connection, request) in self.askers.drain(..) {
            let refusal = ServerMessage::Refused(Refusal::of(RefusalKind::Unavailable));
            outputs.push(Output::Send(connection, Frame::new(request, refusal)));
            outputs.push(Output::Close(connection));
        }
        outputs.push(Output::Trouble(error));
        outputs
    }
}
