//! Rounds and groups (SPEC 1.3). A round is what the relay does with the inputs that had queued up; a group is what
//! one sync makes durable. What rests on the storage leaves with the sync that holds it, and when that
//! fails, those who asked are told so instead; while a sync runs, rounds go on and gather the next group.
//!
//! ```text
//! round ─▶ open group ──commit──▶ group under way ──synced──▶ leaves
//!    └──── rests on memory: leaves with the round
//! ```

use std::collections::BTreeSet;

use bytes::Bytes;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::{Frame, ServerFrame};
use chat_wire::message::{LogoutReason, ServerMessage};
use serde_bytes::ByteBuf;

use crate::storage::{Entry, StorageError};

/// Outputs that room is kept for between two rounds.
const LEAVING_KEPT_MAX: usize = 1_024;

/// One connection; numbered by the shell, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What comes out of the relay core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this frame.
    Send(ConnectionId, ServerFrame),
    /// Send this frame to each of these.
    Spread(Vec<ConnectionId>, ServerFrame),
    /// The connection is a device's now, or proved a recovery code: lift its frame limit. Comes before the answer.
    LoggedIn(ConnectionId),
    /// Send what is queued, then close.
    Close(ConnectionId),
    /// The storage failed; for the operator.
    Trouble(StorageError),
}

impl Output {
    /// The same with an output of its own for each connection, for who has no use for one frame that many get.
    pub fn apart(self) -> impl Iterator<Item = Self> {
        let (one, to, frame) = match self {
            Self::Spread(to, frame) => (None, to, Some(frame)),
            other => (Some(other), Vec::new(), None),
        };
        let each = to.into_iter().filter_map(move |to| frame.clone().map(|frame| Self::Send(to, frame)));
        one.into_iter().chain(each)
    }

    fn connections(&self) -> &[ConnectionId] {
        match self {
            Self::Send(connection, _) | Self::LoggedIn(connection) | Self::Close(connection) => {
                std::slice::from_ref(connection)
            }
            Self::Spread(connections, _) => connections,
            Self::Trouble(_) => &[],
        }
    }
}

/// Why a login ends, as its device is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) reason: LogoutReason,
    /// For a removed device: the first list without it.
    pub(crate) list: Option<Bytes>,
}

impl From<LogoutReason> for Farewell {
    fn from(reason: LogoutReason) -> Self {
        Self { reason, list: None }
    }
}

impl Farewell {
    pub(crate) fn message(self) -> ServerMessage {
        let list = self.list.map(|list| ByteBuf::from(list.to_vec()));
        ServerMessage::LoggedOut { reason: self.reason, list }
    }
}

/// What an output rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rests {
    /// Memory only: it may leave whatever becomes of the storage.
    OnMemory,
    /// On what was read or written.
    OnStorage,
}

/// What waits for one sync.
#[derive(Debug, Default)]
struct Group {
    staged: Vec<(Rests, Output)>,
    askers: Vec<(ConnectionId, u32)>,
    /// Who has something in it: what they are told later follows, whatever it rests on.
    held: BTreeSet<ConnectionId>,
}

impl Group {
    fn push(&mut self, rests: Rests, output: Output) {
        self.held.extend(output.connections());
        self.staged.push((rests, output));
    }

    fn holds(&self, output: &Output) -> bool {
        !self.held.is_empty() && output.connections().iter().any(|connection| self.held.contains(connection))
    }

    fn append(&mut self, other: &mut Self) {
        self.staged.append(&mut other.staged);
        self.askers.append(&mut other.askers);
        self.held.append(&mut other.held);
    }

    fn release(&mut self, outputs: &mut Vec<Output>) {
        outputs.extend(self.staged.drain(..).map(|(_, output)| output));
        self.askers.clear();
        self.held.clear();
    }

    /// Who asked is refused and closed, because its state here may rest on what is gone; the rest goes
    /// on.
    fn fail(&mut self, error: StorageError, outputs: &mut Vec<Output>) {
        let passing = self.staged.drain(..).filter(|(rests, _)| *rests == Rests::OnMemory);
        outputs.extend(passing.map(|(_, output)| output));
        refuse(self.askers.drain(..), outputs);
        outputs.push(Output::Trouble(error));
        self.held.clear();
    }
}

/// Who asked is refused and closed.
fn refuse(askers: impl IntoIterator<Item = (ConnectionId, u32)>, outputs: &mut Vec<Output>) {
    for (connection, request) in askers {
        let refusal = ServerMessage::Refused(Refusal::of(RefusalKind::Unavailable));
        outputs.push(Output::Send(connection, Frame::new(request, refusal)));
        outputs.push(Output::Close(connection));
    }
}

/// The round under way, and the groups.
#[derive(Debug, Default)]
pub(crate) struct Round {
    leaving: Vec<Output>,
    open: Group,
    under_way: Option<Group>,
    /// Connections to end once the request at hand is done.
    pub(crate) dismissals: Vec<(ConnectionId, Farewell)>,
    /// Entries of this round for readers that are connected: who is caught up gets them without a read.
    pub(crate) fresh: Vec<(ConnectionId, Entry)>,
    /// Connections whose windows may have something to send.
    pub(crate) to_pump: BTreeSet<ConnectionId>,
    /// Something was written that must be synced.
    pub(crate) dirty: bool,
}

impl Round {
    /// Says something. One connection hears everything in the order in which it was said.
    pub(crate) fn stage(&mut self, rests: Rests, output: Output) {
        if rests == Rests::OnStorage || self.open.holds(&output) {
            self.open.push(rests, output);
        } else if let Some(group) = self.under_way.as_mut().filter(|group| group.holds(&output)) {
            group.push(rests, output);
        } else {
            self.leaving.push(output);
        }
    }

    /// Leaves with this round, before anything that waits for a sync.
    pub(crate) fn stage_now(&mut self, output: Output) {
        self.leaving.push(output);
    }

    /// A message that no request asked for.
    pub(crate) fn push(&mut self, rests: Rests, to: ConnectionId, message: ServerMessage) {
        self.stage(rests, Output::Send(to, Frame::new(0, message)));
    }

    /// Somebody's request rests on the storage: if the sync fails, it is refused.
    pub(crate) fn asked(&mut self, connection: ConnectionId, request: u32) {
        self.open.askers.push((connection, request));
    }

    /// Whether a sync is under way.
    pub(crate) fn is_syncing(&self) -> bool {
        self.under_way.is_some()
    }

    /// The open group wrote nothing: what was read in it is durable, or will be with the sync under way.
    pub(crate) fn nothing_written(&mut self) {
        match &mut self.under_way {
            Some(group) => group.append(&mut self.open),
            None => self.open.release(&mut self.leaving),
        }
    }

    /// The open group is durable.
    pub(crate) fn durable(&mut self) {
        self.dirty = false;
        self.open.release(&mut self.leaving);
    }

    /// The open group is written and waits for its sync.
    pub(crate) fn written(&mut self) {
        self.dirty = false;
        self.under_way = Some(std::mem::take(&mut self.open));
    }

    /// The open group could not be written.
    pub(crate) fn refused(&mut self, error: StorageError) {
        self.dirty = false;
        self.fresh.clear();
        self.open.fail(error, &mut self.leaving);
    }

    /// The sync under way has ended.
    pub(crate) fn synced(&mut self, result: Result<(), StorageError>) {
        let Some(mut group) = self.under_way.take() else { return };
        match result {
            Ok(()) => group.release(&mut self.leaving),
            Err(error) => group.fail(error, &mut self.leaving),
        }
    }

    /// Who asked is refused and closed.
    pub(crate) fn refuse(&mut self, askers: impl IntoIterator<Item = (ConnectionId, u32)>) {
        refuse(askers, &mut self.leaving);
    }

    /// Connections that will be closed by what leaves.
    pub(crate) fn closing(&self) -> Vec<ConnectionId> {
        let closing = |output: &Output| if let Output::Close(id) = output { Some(*id) } else { None };
        self.leaving.iter().filter_map(closing).collect()
    }

    /// What leaves with this round.
    pub(crate) fn leave(&mut self) -> Vec<Output> {
        // About as much leaves with the next one.
        let next = Vec::with_capacity(self.leaving.len().min(LEAVING_KEPT_MAX));
        std::mem::replace(&mut self.leaving, next)
    }
}
