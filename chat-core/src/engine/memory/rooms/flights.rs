//! What is on its way to a room, stored before it is sent and sent again as it is: at most one commit
//! (`room 16 ‖ 1`), and messages in their order (`room 16 ‖ 2 ‖ order u64`).

use bytes::Bytes;
use chat_wire::ids::{AccountId, DeviceAddress, MessageId, RequestKey, RoomId};
use chat_wire::message::{ClientMessage, CommitHead, PacketHead, RoomAsk};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::engine::content::Identified;
use crate::engine::context::{Work, decode};
use crate::engine::error::{Bug, EngineError};
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;
use crate::engine::memory::room_tasks::RoomTask;
use crate::group::MadeCommit;
use crate::store::Table;

/// A commit, or the creation that comes before the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct CommitFlight {
    #[serde(rename = "k")]
    pub(in crate::engine) key: RequestKey,
    #[serde(rename = "b")]
    pub(in crate::engine) base: u64,
    /// What took this base is no sound commit (SPEC 12.2.4).
    #[serde(rename = "x", default)]
    pub(in crate::engine) contest: bool,
    #[serde(rename = "a")]
    pub(in crate::engine) added: Vec<DeviceAddress>,
    #[serde(rename = "d")]
    pub(in crate::engine) removed: Vec<DeviceAddress>,
    #[serde(rename = "t", default)]
    pub(in crate::engine) topic: Option<String>,
    #[serde(rename = "o", default)]
    pub(in crate::engine) owner: Option<AccountId>,
    #[serde(rename = "l")]
    pub(in crate::engine) commit_len: u32,
    #[serde(rename = "g")]
    pub(in crate::engine) group_info_len: u32,
    #[serde(rename = "w")]
    pub(in crate::engine) welcomes: Vec<PacketHead>,
    #[serde(rename = "y")]
    pub(in crate::engine) body: ByteBuf,
}

/// A message that the relay does not have yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Post {
    #[serde(rename = "k")]
    pub(in crate::engine) key: RequestKey,
    /// Shown to the sender, or said by the device itself.
    #[serde(rename = "m")]
    pub(in crate::engine) message: Option<MessageId>,
    #[serde(rename = "c")]
    pub(in crate::engine) content: Identified,
    /// Sealed, in this epoch.
    #[serde(rename = "s", default)]
    pub(in crate::engine) sealed: Option<(u64, ByteBuf)>,
}

fn commit_key(room: &RoomId) -> Vec<u8> {
    [&room.0[..], &[1]].concat()
}

fn post_key(room: &RoomId, order: u64) -> Vec<u8> {
    [&room.0[..], &[2], &order.to_be_bytes()].concat()
}

impl CommitFlight {
    /// The commit by which a device comes in from outside and makes this epoch; what reads under its name is
    /// let go at the same time.
    pub(in crate::engine) fn from_outside(
        work: &mut Work<'_>,
        owner: DeviceAddress,
        removed: Vec<DeviceAddress>,
        (epoch, made): (u64, MadeCommit),
    ) -> Result<Self, EngineError> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| EngineError::Broken(Bug::Encoding));
        Ok(Self {
            key: RequestKey(work.random()),
            base: epoch.saturating_sub(1),
            contest: false,
            added: vec![owner],
            removed,
            topic: None,
            owner: None,
            commit_len: len(&made.commit)?,
            group_info_len: len(&made.group_info)?,
            welcomes: Vec::new(),
            body: ByteBuf::from([made.commit, made.group_info].concat()),
        })
    }

    pub(in crate::engine) fn load(work: &Work<'_>, room: &RoomId) -> Result<Option<Self>, EngineError> {
        work.load(Table::RoomFlights, &commit_key(room))
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>, room: &RoomId) -> Result<(), EngineError> {
        work.save(Table::RoomFlights, &commit_key(room), self)
    }

    pub(in crate::engine) fn land(work: &mut Work<'_>, room: &RoomId) {
        work.delete(Table::RoomFlights, &commit_key(room));
    }
}

impl Post {
    pub(in crate::engine) fn load(work: &Work<'_>, room: &RoomId, order: u64) -> Result<Option<Self>, EngineError> {
        work.load(Table::RoomFlights, &post_key(room, order))
    }

    /// What waits in a room, in order.
    pub(in crate::engine) fn waiting(
        work: &Work<'_>,
        room: &RoomId,
        limit: usize,
    ) -> Result<Vec<(u64, Self)>, EngineError> {
        let prefix = [&room.0[..], &[2]].concat();
        let damaged = EngineError::Store { table: Table::RoomFlights };
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let order = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(damaged)?;
            Ok((order, decode(Table::RoomFlights, &value)?))
        };
        work.scan(Table::RoomFlights, &prefix, None, limit).into_iter().map(read).collect()
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>, room: &RoomId, order: u64) -> Result<(), EngineError> {
        work.save(Table::RoomFlights, &post_key(room, order), self)
    }

    pub(in crate::engine) fn land(work: &mut Work<'_>, room: &RoomId, order: u64) {
        work.delete(Table::RoomFlights, &post_key(room, order));
    }
}

impl State {
    /// Asks the relay something about rooms.
    pub(in crate::engine) fn ask_room(&mut self, work: &mut Work<'_>, task: RoomTask, ask: RoomAsk, body: Bytes) {
        self.ask_with(work, Ask::Room(task), ClientMessage::Room(ask), body);
    }

    /// Sends a stored commit.
    pub(in crate::engine) fn send_commit(&mut self, work: &mut Work<'_>, room: RoomId, flight: CommitFlight) {
        let body = Bytes::from(flight.body.into_vec());
        let head = CommitHead {
            key: flight.key,
            room,
            base: flight.base,
            contest: flight.contest,
            added: flight.added,
            removed: flight.removed,
            topic: flight.topic,
            owner: flight.owner,
            commit_len: flight.commit_len,
            group_info_len: flight.group_info_len,
            welcomes: flight.welcomes,
        };
        if let Some(room) = self.rooms.get_mut(&room) {
            room.live.committing = true;
        }
        self.ask_room(work, RoomTask::Commit(room), RoomAsk::Commit(head), body);
    }
}
