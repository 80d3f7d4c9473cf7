//! Rooms: what is known of each, what waits to be done in it, and its MLS group, read from the records when
//! it is first needed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use chat_wire::ids::{AccountId, DeviceAddress, RoomId, RoomName};
use chat_wire::message::EntryKind;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::room_tasks::Entering;
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FailureKind, Role};
use crate::group::{Base, Group, LeafKey, OfferedMember};
use crate::secret::Secret;
use crate::store::{Records, Table};
use crate::time::Timestamp;

mod flights;
mod leaves;
mod posts;
mod shelf;
mod streams;

pub(in crate::engine) use flights::{CommitFlight, Post};
pub(in crate::engine) use leaves::Owner;
pub(in crate::engine) use shelf::RoomShelf;
pub(in crate::engine) use streams::{LeafStream, Order};

/// First byte of a packet that holds a Welcome (SPEC 12.2.8).
pub(in crate::engine) const WELCOME_PACKET: u8 = 3;

/// How far this device is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) enum Phase {
    /// The creation is on its way.
    #[serde(rename = "c")]
    Creating,
    /// The commit that enters it is on its way.
    #[serde(rename = "e")]
    Entering,
    /// Somebody who is no contact added us; waits for the person.
    #[serde(rename = "i")]
    Invited,
    /// In.
    #[serde(rename = "j")]
    Joined,
}

/// What is kept of a room, beside its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct RoomRecord {
    #[serde(rename = "n")]
    pub(in crate::engine) name: RoomName,
    #[serde(rename = "p")]
    pub(in crate::engine) phase: Phase,
    #[serde(rename = "u")]
    pub(in crate::engine) public: bool,
    /// Seed of the leaf key.
    #[serde(rename = "k")]
    pub(in crate::engine) leaf_key: ByteBuf,
    /// Last entry of the log that was taken; 0 before the first.
    #[serde(rename = "q")]
    pub(in crate::engine) cursor: u64,
    /// Epoch of the join: what is older was never for us.
    #[serde(rename = "e")]
    pub(in crate::engine) since_epoch: u64,
    /// Accounts whose signed leave stands in the log and whose leaves do too.
    #[serde(rename = "l", default)]
    pub(in crate::engine) leaving: Vec<AccountId>,
    /// What shows it to who did not read it, until their leaves are gone.
    #[serde(rename = "v", default)]
    pub(in crate::engine) proofs: Vec<Proof>,
    /// Hash of our commit that waits for its place in the log.
    #[serde(rename = "h", default)]
    pub(in crate::engine) pending: Option<ByteArray<32>>,
    /// The Welcome of an invitation that waits.
    #[serde(rename = "w", default)]
    pub(in crate::engine) welcome: Option<ByteBuf>,
    /// Count and hash of this device's messages here.
    #[serde(rename = "c", default)]
    pub(in crate::engine) counter: u64,
    #[serde(rename = "b")]
    pub(in crate::engine) last: ByteArray<16>,
    /// When this device joined the room afresh because it was out of step, lately.
    #[serde(rename = "f", default)]
    pub(in crate::engine) resynced_ms: Vec<u64>,
    /// When this leaf's keys were last renewed.
    #[serde(rename = "r", default)]
    pub(in crate::engine) renewed_ms: u64,
    /// The last epochs, the present one at the end.
    #[serde(rename = "m", default)]
    pub(in crate::engine) marks: Vec<Mark>,
    /// This device may be out of step, and comes back with its secret of this epoch.
    #[serde(rename = "y", default)]
    pub(in crate::engine) back: Option<u64>,
    /// With which it came back last.
    #[serde(rename = "z", default)]
    pub(in crate::engine) last_back: Option<u64>,
    /// From this epoch on a member was shown another room, as it signed: a branch of an earlier epoch than ours may be
    /// where the others are.
    #[serde(rename = "x", default)]
    pub(in crate::engine) branch: Option<u64>,
    /// Keys of leaves that asked to be put back.
    #[serde(rename = "j", default)]
    pub(in crate::engine) asked: Vec<ByteArray<32>>,
    /// The group is an old copy: nothing is sealed in it.
    #[serde(rename = "o", default)]
    pub(in crate::engine) stale: bool,
}

/// Why a leaf goes whose owner nobody may remove (SPEC 12.4.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Proof {
    #[serde(rename = "a")]
    pub(in crate::engine) account: AccountId,
    #[serde(rename = "b")]
    pub(in crate::engine) bytes: ByteBuf,
}

/// One epoch, as this device was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Mark {
    #[serde(rename = "e")]
    pub(in crate::engine) epoch: u64,
    #[serde(rename = "a")]
    pub(in crate::engine) authenticator: ByteArray<16>,
    /// Place and hash of the commit that began it; zero where it is not known.
    #[serde(rename = "q")]
    pub(in crate::engine) seq: u64,
    #[serde(rename = "h")]
    pub(in crate::engine) hash: ByteArray<16>,
    /// When it began here.
    #[serde(rename = "t")]
    pub(in crate::engine) at_ms: u64,
}

impl RoomRecord {
    /// This device is in the room, or on its way back.
    fn is_member(&self) -> bool {
        self.phase == Phase::Joined || (self.phase == Phase::Entering && self.back.is_some())
    }

    pub(in crate::engine) fn new(name: RoomName, public: bool, phase: Phase, key: &LeafKey) -> Self {
        Self {
            name,
            phase,
            public,
            leaf_key: ByteBuf::from(key.expose().to_vec()),
            cursor: 0,
            since_epoch: 0,
            leaving: Vec::new(),
            proofs: Vec::new(),
            pending: None,
            welcome: None,
            counter: 0,
            last: ByteArray::new([0; 16]),
            resynced_ms: Vec::new(),
            renewed_ms: 0,
            marks: Vec::new(),
            back: None,
            last_back: None,
            branch: None,
            asked: Vec::new(),
            stale: false,
        }
    }
}

/// What somebody wants changed in a room; done when the room is so, whoever did it.
#[derive(Debug)]
pub(in crate::engine) struct Intent {
    /// Who waits; none for what the device does by itself.
    pub(in crate::engine) command: Option<CommandId>,
    pub(in crate::engine) wish: Wish,
}

/// The change.
#[derive(Debug)]
pub(in crate::engine) enum Wish {
    /// Every device of the account is in. Key packages once they came.
    Add(AccountId, Option<Vec<OfferedMember>>),
    Remove(AccountId),
    Topic(String),
    Role(AccountId, Role),
    /// Leaves of devices that are gone are gone.
    Sweep,
    /// Fresh keys for this leaf, when they are due.
    Renew,
    /// A device that asked for it comes in again in the place of its leaf.
    PutBack(DeviceAddress, Option<Vec<OfferedMember>>),
    /// A fresh commit, unless this epoch is over.
    Refresh(u64),
}

/// One entry of the log that waits its turn.
#[derive(Debug, Clone)]
pub(in crate::engine) struct LogEntry {
    pub(in crate::engine) seq: u64,
    pub(in crate::engine) at_ms: u64,
    pub(in crate::engine) kind: EntryKind,
    pub(in crate::engine) body: Bytes,
}

/// What is known of a room only while connected, or can be read again.
#[derive(Debug, Default)]
pub(in crate::engine) struct Live {
    /// The log is being pushed.
    pub(in crate::engine) open: bool,
    pub(in crate::engine) caught_up: bool,
    pub(in crate::engine) entries: VecDeque<LogEntry>,
    /// The first entry waits for lists.
    pub(in crate::engine) waits: bool,
    /// The relay was too busy for lists: they are asked for again then.
    pub(in crate::engine) lists_at: Option<Timestamp>,
    /// Lists that were asked for and did not help.
    pub(in crate::engine) asked: BTreeSet<(AccountId, u64)>,
    pub(in crate::engine) intents: VecDeque<Intent>,
    /// A commit is on its way.
    pub(in crate::engine) committing: bool,
    /// Key packages are on their way.
    pub(in crate::engine) claiming: bool,
    /// The base is taken by something that is no sound commit: the next one stands beside it.
    pub(in crate::engine) contest: bool,
    /// Times that a commit lost, one after the other.
    pub(in crate::engine) lost: u32,
    /// Not before this time.
    pub(in crate::engine) not_before: Option<Timestamp>,
    /// Leaf keys whose owners were verified.
    pub(in crate::engine) certified: BTreeSet<[u8; 32]>,
    /// Who asked about the room while lists of its people were on their way.
    pub(in crate::engine) infos: Vec<CommandId>,
    /// Nothing is sealed before this epoch: somebody came in that could not read it.
    pub(in crate::engine) seal_from: u64,
    /// Nothing waits to be sealed, as far as was looked.
    pub(in crate::engine) quiet: bool,
    /// What was last told of this person's writing, and when.
    pub(in crate::engine) typed: Option<(bool, Timestamp)>,
    /// When leaves last told of theirs, by their clocks.
    pub(in crate::engine) heard_typing: BTreeMap<[u8; 32], u64>,
    /// Who of a small private room is online, as the relay says to who just looks.
    pub(in crate::engine) present: BTreeSet<AccountId>,
    /// Nothing is sent before this time: the relay found this account too quick.
    pub(in crate::engine) posts_at: Option<Timestamp>,
    /// Posts on their way.
    pub(in crate::engine) posting: BTreeSet<u64>,
}

/// One room.
#[derive(Debug)]
pub(in crate::engine) struct Room {
    pub(in crate::engine) record: RoomRecord,
    pub(in crate::engine) live: Live,
    group: Option<Group>,
}

/// All rooms.
#[derive(Debug, Default)]
pub(in crate::engine) struct Rooms {
    rooms: BTreeMap<RoomId, Room>,
    /// Names on their way in.
    pub(in crate::engine) entering: BTreeMap<RoomName, Entering>,
    /// The own list that rooms were last held against.
    pub(in crate::engine) own_list_seq: u64,
    /// What is due on a new connection was begun.
    pub(in crate::engine) started: bool,
    /// The relay has told which rooms the account is in, or will not tell on this connection.
    pub(in crate::engine) told: bool,
}

impl Rooms {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let mut rooms = Self::default();
        for (key, value) in records.scan(Table::Rooms, &[], None, usize::MAX) {
            let id = RoomId::from_slice(&key).ok_or(EngineError::Store { table: Table::Rooms })?;
            rooms.rooms.insert(id, Room { record: decode(Table::Rooms, &value)?, live: Live::default(), group: None });
        }
        Ok(rooms)
    }

    pub(in crate::engine) fn get(&self, id: &RoomId) -> Option<&Room> {
        self.rooms.get(id)
    }

    pub(in crate::engine) fn get_mut(&mut self, id: &RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id)
    }

    pub(in crate::engine) fn ids(&self) -> Vec<RoomId> {
        self.rooms.keys().copied().collect()
    }

    pub(in crate::engine) fn named(&self, name: &RoomName) -> Option<RoomId> {
        self.rooms.iter().find(|(_, room)| room.record.name == *name).map(|(id, _)| *id)
    }

    /// The room of that name, if this device is in it.
    pub(in crate::engine) fn joined(&self, name: &RoomName) -> Option<RoomId> {
        self.named(name).filter(|id| self.rooms.get(id).is_some_and(|room| room.record.is_member()))
    }

    /// Whether this device is in a room.
    pub(in crate::engine) fn is_joined(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(|room| room.record.is_member())
    }

    /// The group of a room is another one now.
    pub(in crate::engine) fn put_group(&mut self, id: &RoomId, group: Group) {
        if let Some(room) = self.rooms.get_mut(id) {
            room.group = Some(group);
        }
    }

    /// The log is opened again; whoever waits for something goes on waiting.
    pub(in crate::engine) fn reopen(&mut self, id: &RoomId) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let live = std::mem::take(&mut room.live);
        let Live { intents, infos, certified, .. } = live;
        room.live = Live { intents, infos, certified, ..Live::default() };
    }

    /// Takes a room in with its record.
    pub(in crate::engine) fn insert(
        &mut self,
        work: &mut Work<'_>,
        id: RoomId,
        record: RoomRecord,
        group: Option<Group>,
    ) -> Result<(), EngineError> {
        work.save(Table::Rooms, &id.0, &record)?;
        self.rooms.insert(id, Room { record, live: Live::default(), group });
        Ok(())
    }

    /// Changes a room's record and writes it.
    pub(in crate::engine) fn change(
        &mut self,
        work: &mut Work<'_>,
        id: &RoomId,
        change: impl FnOnce(&mut RoomRecord),
    ) -> Result<(), EngineError> {
        let Some(room) = self.rooms.get_mut(id) else { return Ok(()) };
        change(&mut room.record);
        work.save(Table::Rooms, &id.0, &room.record)
    }

    /// Forgets a room with everything in the records; its intents come back, for whoever waits.
    pub(in crate::engine) fn remove(
        &mut self,
        work: &mut Work<'_>,
        id: &RoomId,
    ) -> Result<Option<(RoomRecord, Vec<Intent>)>, EngineError> {
        let group = self.group(work, id)?.is_some();
        let Some(mut room) = self.rooms.remove(id) else { return Ok(None) };
        if group && let Some(mut group) = room.group.take() {
            group.erase(&mut RoomShelf::new(work, id)).map_err(|_| EngineError::Store { table: Table::Groups })?;
        }
        for (key, _) in work.scan(Table::Groups, &id.0, None, usize::MAX) {
            work.delete(Table::Groups, &key);
        }
        for (key, _) in work.scan(Table::RoomFlights, &id.0, None, usize::MAX) {
            work.delete(Table::RoomFlights, &key);
        }
        work.delete(Table::Rooms, &id.0);
        for command in room.live.infos {
            work.fail(command, FailureKind::UnknownRoom);
        }
        Ok(Some((room.record, room.live.intents.into())))
    }

    /// The room's group; none for an invitation that waits.
    pub(in crate::engine) fn group(
        &mut self,
        work: &mut Work<'_>,
        id: &RoomId,
    ) -> Result<Option<&mut Group>, EngineError> {
        let Some(room) = self.rooms.get_mut(id) else { return Ok(None) };
        if room.group.is_none() && room.record.phase != Phase::Invited {
            let damaged = EngineError::Store { table: Table::Groups };
            let key = LeafKey::read(&room.record.leaf_key).ok_or(damaged)?;
            room.group = Group::load(&mut RoomShelf::new(work, id), id, key).map_err(|_| damaged)?;
            if let (Some(group), Some(mark)) = (&mut room.group, room.record.marks.last()) {
                group.begin_at(Base { seq: mark.seq, hash: *mark.hash });
            }
        }
        Ok(room.group.as_mut())
    }

    /// Something waits to be sealed.
    pub(in crate::engine) fn wake(&mut self, id: &RoomId) {
        if let Some(room) = self.rooms.get_mut(id) {
            room.live.quiet = false;
        }
    }

    /// The group in memory is not what the records hold: it is read again when needed.
    pub(in crate::engine) fn drop_group(&mut self, id: &RoomId) {
        if let Some(room) = self.rooms.get_mut(id) {
            room.group = None;
        }
    }

    /// The connection is gone: logs are opened again on the next one.
    pub(in crate::engine) fn disconnect(&mut self) -> Vec<CommandId> {
        let mut waiting = Vec::new();
        for room in self.rooms.values_mut() {
            let live = &mut room.live;
            let intents = std::mem::take(&mut live.intents);
            waiting.extend(intents.into_iter().filter_map(|intent| intent.command));
            waiting.append(&mut live.infos);
            let certified = std::mem::take(&mut live.certified);
            *live = Live { certified, ..Live::default() };
        }
        waiting.extend(std::mem::take(&mut self.entering).into_values().flat_map(Entering::into_commands));
        (self.started, self.told) = (false, false);
        waiting
    }

    /// Whether this device is in every room that it can enter without anybody's help.
    pub(in crate::engine) fn are_settled(&self) -> bool {
        self.started && self.told && self.entering.is_empty()
    }

    /// What was due before and did not happen waits for something else than time: no timer wakes it.
    pub(in crate::engine) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = |room: &Room| {
            let wish = room.live.not_before.filter(|_| !room.live.intents.is_empty());
            wish.into_iter().chain(room.live.lists_at).chain(room.live.posts_at).filter(|at| *at > now).min()
        };
        self.rooms.values().filter_map(due).min()
    }
}

/// A seed for one call of the group.
pub(in crate::engine) fn seed(work: &mut Work<'_>) -> Secret<32> {
    Secret::fill(|out| work.rng.fill_bytes(out))
}
