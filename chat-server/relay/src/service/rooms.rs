//! Rooms (SPEC 12): logs with many readers. What is in use is held in memory; an entry is stored once, and
//! its body is shared by everybody who reads it at once. Who reads slowly reads from the log.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey, RoomId};
use chat_wire::message::RoomCard;

use crate::limits::ROOMS_CACHED_MAX;
use crate::round::ConnectionId;
use crate::storage::{Batch, Entry, Log, Reader, Room, RoomWrite, Storage, StorageError, StoredGroupInfo, Write};
use crate::window::Window;

/// Kinds of entries as they are stored.
pub(crate) const COMMIT: u8 = 1;
pub(crate) const MESSAGE: u8 = 2;
pub(crate) const LEAVE: u8 = 3;
pub(crate) const DEPARTED: u8 = 4;

/// A room in use.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) room: Room,
    pub(crate) last_seq: u64,
    pub(crate) floor_seq: u64,
    /// Epoch in which a device last came in, or the one that the room was in when it was read here.
    pub(crate) joined_epoch: u64,
    bytes: u64,
    readers: BTreeMap<DeviceAddress, Reader>,
    /// Member devices by account.
    members: BTreeMap<AccountId, u32>,
    /// When accounts spoke last, in a slow room.
    spoke_ms: BTreeMap<AccountId, u64>,
}

/// A device that reads a room on its connection.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) device: DeviceAddress,
    pub(crate) window: Window,
    pub(crate) until: Option<u64>,
}

/// What is appended to a room.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) from: DeviceAddress,
    pub(crate) kind: u8,
    /// None for what the relay appends by itself.
    pub(crate) key: Option<RequestKey>,
    pub(crate) accepted_ms: u64,
    pub(crate) body: Bytes,
}

/// An entry with everything that changes with it.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) entry: Entry,
    readers: Vec<Reader>,
    room: Option<(Room, Option<Bytes>)>,
    trim_to: Option<u64>,
}

impl Live {
    fn read<S: Storage>(store: &mut S, id: &RoomId) -> Result<Option<Self>, StorageError> {
        let Some(room) = store.room(id)? else { return Ok(None) };
        let figures = store.log_figures(&Log::Room(*id), 0)?;
        let readers = store.readers(&Log::Room(*id))?;
        let mut live = Self {
            joined_epoch: room.epoch,
            room,
            last_seq: figures.last_seq,
            floor_seq: figures.floor_seq,
            bytes: figures.bytes,
            readers: readers.into_iter().map(|reader| (reader.device, reader)).collect(),
            members: BTreeMap::new(),
            spoke_ms: BTreeMap::new(),
        };
        live.count();
        Ok(Some(live))
    }

    fn count(&mut self) {
        self.members.clear();
        for reader in self.readers.values().filter(|reader| reader.is_member()) {
            let devices = self.members.entry(reader.device.account).or_default();
            *devices = devices.saturating_add(1);
        }
    }

    pub(crate) fn reader(&self, device: &DeviceAddress) -> Option<&Reader> {
        self.readers.get(device)
    }

    pub(crate) fn is_member(&self, device: &DeviceAddress) -> bool {
        self.readers.get(device).is_some_and(Reader::is_member)
    }

    pub(crate) fn has_account(&self, account: &AccountId) -> bool {
        self.members.contains_key(account)
    }

    /// Accounts in it.
    pub(crate) fn accounts(&self) -> usize {
        self.members.len()
    }

    /// Member devices of an account, or of all.
    pub(crate) fn devices(&self, of: Option<AccountId>) -> impl Iterator<Item = DeviceAddress> {
        let members = self.readers.values().filter(|reader| reader.is_member());
        members.map(|reader| reader.device).filter(move |device| of.is_none_or(|of| of == device.account))
    }

    pub(crate) fn card(&self, asking: &AccountId) -> RoomCard {
        card(&self.room, self.accounts(), self.has_account(asking))
    }

    /// Milliseconds until an account may speak again in a slow room.
    pub(crate) fn slow_ms(&self, account: &AccountId, uptime_ms: u64) -> u64 {
        let spoke = self.spoke_ms.get(account).filter(|_| self.room.slow_ms > 0);
        spoke.map_or(0, |at| at.saturating_add(self.room.slow_ms).saturating_sub(uptime_ms))
    }

    pub(crate) fn note_spoken(&mut self, account: AccountId, uptime_ms: u64) {
        if self.room.slow_ms > 0 {
            let slow_ms = self.room.slow_ms;
            self.spoke_ms.retain(|_, at| at.saturating_add(slow_ms) > uptime_ms);
            self.spoke_ms.insert(account, uptime_ms);
        }
    }

    /// An entry, with the readers that it adds and removes.
    pub(crate) fn turn(&self, draft: Draft, (added, removed): (&[DeviceAddress], &[DeviceAddress])) -> Turn {
        let seq = self.last_seq.saturating_add(1);
        let leaving = removed.iter().filter(|device| !added.contains(device));
        let leaving = leaving.filter_map(|device| self.readers.get(device)).filter(|r| r.is_member());
        let mut readers: Vec<Reader> = leaving.map(|reader| Reader { until: Some(seq), ..*reader }).collect();
        for device in added {
            // Who goes and comes with one entry reads on from there.
            if !self.is_member(device) || removed.contains(device) {
                readers.push(Reader::joining(*device, seq));
            }
        }
        let Draft { from, kind, key, accepted_ms, body } = draft;
        let entry = Entry { seq, accepted_ms, from, kind, key, body };
        Turn { entry, readers, room: None, trim_to: None }
    }

    /// Readers that an entry removed which took the base before; whoever contests it gives them back.
    pub(crate) fn removed_by_base(&self, still_removed: &[DeviceAddress]) -> Vec<Reader> {
        let removed = self.readers.values().filter(|r| r.until.is_some_and(|until| until >= self.room.base_seq));
        let back = removed.filter(|reader| !still_removed.contains(&reader.device));
        back.map(|reader| Reader { until: None, ..*reader }).collect()
    }

    /// What is over the room's limits goes from the front, an eighth at a time.
    fn overflow(&self, entry: &Entry, (entries_max, bytes_max): (u64, u64)) -> Option<u64> {
        let entries = entry.seq.saturating_sub(self.floor_seq);
        let bytes = self.bytes.saturating_add(u64::try_from(entry.body.len()).unwrap_or(u64::MAX));
        let over = entries > entries_max || bytes > bytes_max;
        over.then(|| self.floor_seq.saturating_add(entries.div_ceil(8)).min(self.last_seq))
    }

    /// The place that every reader holds.
    fn held_by_all(&self) -> u64 {
        self.readers.values().map(|r| r.until.map_or(r.seq, |until| r.seq.min(until))).min().unwrap_or(0)
    }
}

/// What is said about a room.
pub(crate) fn card(room: &Room, members: usize, joined: bool) -> RoomCard {
    RoomCard {
        room: room.id,
        name: room.name.clone(),
        public: room.public,
        members: u32::try_from(members).unwrap_or(u32::MAX),
        topic: room.topic.clone(),
        joined,
        epoch: room.epoch,
        created_ms: room.created_ms,
    }
}

impl Turn {
    /// The room as it is after the entry, with its new GroupInfo if there is one.
    pub(crate) fn with_room(mut self, room: Room, group_info: Option<Bytes>) -> Self {
        self.room = Some((room, group_info));
        self
    }

    pub(crate) fn with_readers(mut self, readers: Vec<Reader>) -> Self {
        self.readers.extend(readers);
        self
    }

    /// Whether nobody is left in the room afterwards.
    pub(crate) fn empties(&self, live: &Live) -> bool {
        let left = |reader: &Reader| self.readers.iter().all(|changed| changed.device != reader.device);
        let staying = live.readers.values().any(|reader| reader.is_member() && left(reader));
        !staying && !self.readers.iter().any(Reader::is_member)
    }

    pub(crate) fn within(mut self, live: &Live, limits: (u64, u64)) -> Self {
        self.trim_to = live.overflow(&self.entry, limits);
        self
    }

    /// The writes; the room's row comes last, because its members are counted with it.
    pub(crate) fn writes(&self, live: &Live) -> Batch {
        let (log, seq) = (Log::Room(live.room.id), self.entry.seq);
        let mut batch: Batch = vec![Write::Append(log, self.entry.clone())];
        batch.extend(self.trim_to.map(|to| Write::Trim(log, to)));
        batch.extend(self.readers.iter().map(|reader| Write::Read(log, *reader)));
        let changed = self.room.as_ref().map(|(room, info)| (room.clone(), info.clone()));
        let counted = (!self.readers.is_empty()).then(|| (live.room.clone(), None));
        if let Some((room, info)) = changed.or(counted) {
            let epoch = room.epoch;
            let info = info.map(|bytes| StoredGroupInfo { epoch, seq, bytes });
            batch.push(Write::Room(RoomWrite::Put(Box::new(room), live.room.epoch, info)));
        }
        batch
    }
}

/// Who is sent an entry at once.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    pub(crate) all: Vec<ConnectionId>,
    /// Those of them that were removed, and have read now the entry that says so.
    pub(crate) ended: Vec<ConnectionId>,
}

/// The rooms in use, and who reads them.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    live: BTreeMap<RoomId, Live>,
    seats: BTreeMap<RoomId, BTreeMap<ConnectionId, Seat>>,
    opened: BTreeMap<ConnectionId, BTreeSet<RoomId>>,
    acknowledged: BTreeMap<(RoomId, DeviceAddress), u64>,
    /// Seats that were taken by the request at hand: the backlog follows its answer.
    fresh_seats: Vec<(RoomId, ConnectionId)>,
}

impl Rooms {
    /// A room, read when it is not in use yet.
    pub(crate) fn live<S: Storage>(&mut self, store: &mut S, id: &RoomId) -> Result<Option<&mut Live>, StorageError> {
        if !self.live.contains_key(id) {
            let Some(live) = Live::read(store, id)? else { return Ok(None) };
            if self.live.len() >= ROOMS_CACHED_MAX {
                let seats = &self.seats;
                self.live.retain(|room, _| seats.contains_key(room));
            }
            self.live.insert(*id, live);
        }
        Ok(self.live.get_mut(id))
    }

    /// A turn was written: the room in memory follows.
    pub(crate) fn done(&mut self, id: &RoomId, turn: &Turn) {
        let Some(live) = self.live.get_mut(id) else { return };
        live.last_seq = turn.entry.seq;
        live.bytes = live.bytes.saturating_add(u64::try_from(turn.entry.body.len()).unwrap_or(u64::MAX));
        for reader in &turn.readers {
            live.readers.insert(reader.device, *reader);
            if let Some(seats) = self.seats.get_mut(id) {
                let own = seats.values_mut().filter(|seat| seat.device == reader.device);
                own.for_each(|seat| seat.until = reader.until);
            }
        }
        if !turn.readers.is_empty() {
            live.count();
        }
        if let Some((room, _)) = &turn.room {
            live.room = room.clone();
        }
        if turn.readers.iter().any(Reader::is_member) {
            live.joined_epoch = live.room.epoch;
        }
        if turn.trim_to.is_some() {
            // How many bytes are left, the storage knows.
            self.live.remove(id);
        }
    }

    /// Readers that hold everything before an entry get it at once; the others read it from the log.
    pub(crate) fn push(&mut self, id: &RoomId, entry: &Entry) -> Reached {
        let Some(seats) = self.seats.get_mut(id) else { return Reached::default() };
        let mut reached = Reached { all: Vec::with_capacity(seats.len()), ended: Vec::new() };
        for (connection, seat) in seats.iter_mut() {
            if seat.until.is_some_and(|until| entry.seq > until) {
                continue;
            }
            if seat.window.is_caught_up() && seat.window.portion().is_some() {
                seat.window.sent(entry);
                reached.all.push(*connection);
                if seat.until.is_some_and(|until| entry.seq >= until) {
                    reached.ended.push(*connection);
                }
            } else {
                seat.window.set_caught_up(false);
            }
        }
        reached
    }

    /// A device starts to read on its connection.
    pub(crate) fn sit(&mut self, id: RoomId, connection: ConnectionId, seat: Seat) {
        self.seats.entry(id).or_default().insert(connection, seat);
        self.opened.entry(connection).or_default().insert(id);
        self.fresh_seats.push((id, connection));
    }

    /// Seats that wait for their backlog.
    pub(crate) fn take_fresh_seats(&mut self) -> Vec<(RoomId, ConnectionId)> {
        std::mem::take(&mut self.fresh_seats)
    }

    pub(crate) fn seat(&mut self, id: &RoomId, connection: ConnectionId) -> Option<&mut Seat> {
        self.seats.get_mut(id)?.get_mut(&connection)
    }

    /// Members that read a room at this moment.
    pub(crate) fn members_here(&self, id: &RoomId) -> Vec<(ConnectionId, DeviceAddress)> {
        let seats = self.seats.get(id).into_iter().flatten();
        seats.filter(|(_, seat)| seat.until.is_none()).map(|(connection, seat)| (*connection, seat.device)).collect()
    }

    /// A connection reads a room no longer.
    pub(crate) fn stand_up(&mut self, id: &RoomId, connection: ConnectionId) {
        if let Some(seats) = self.seats.get_mut(id) {
            seats.remove(&connection);
            if seats.is_empty() {
                self.seats.remove(id);
            }
        }
        if let Some(opened) = self.opened.get_mut(&connection) {
            opened.remove(id);
        }
    }

    /// A connection is over.
    pub(crate) fn leave(&mut self, connection: ConnectionId) {
        for room in self.opened.remove(&connection).into_iter().flatten() {
            self.stand_up(&room, connection);
        }
    }

    /// A room is no more: who reads it.
    pub(crate) fn end(&mut self, id: &RoomId) -> Vec<ConnectionId> {
        self.live.remove(id);
        self.acknowledged.retain(|(room, _), _| room != id);
        let seats: Vec<ConnectionId> = self.seats.remove(id).into_iter().flatten().map(|(c, _)| c).collect();
        for connection in &seats {
            if let Some(opened) = self.opened.get_mut(connection) {
                opened.remove(id);
            }
        }
        seats
    }

    /// A reader holds everything up to a place. Written now and then: only retention needs it.
    pub(crate) fn acknowledge(&mut self, id: RoomId, device: DeviceAddress, seq: u64) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let last_seq = live.last_seq;
        let Some(reader) = live.readers.get_mut(&device) else { return };
        let seq = seq.min(reader.until.unwrap_or(last_seq));
        if seq > reader.seq {
            reader.seq = seq;
            self.acknowledged.insert((id, device), seq);
        }
    }

    /// What was acknowledged since the last time, and what all readers hold by now.
    pub(crate) fn take_acknowledged(&mut self) -> Batch {
        let mut batch = Batch::new();
        let mut rooms = BTreeSet::new();
        for ((room, device), seq) in std::mem::take(&mut self.acknowledged) {
            batch.push(Write::Advance(Log::Room(room), device, seq));
            rooms.insert(room);
        }
        for id in rooms {
            let Some(live) = self.live.get_mut(&id) else { continue };
            live.readers.retain(|_, reader| reader.until.is_none_or(|until| until > reader.seq));
            let held = live.held_by_all();
            if held > live.floor_seq {
                batch.push(Write::Trim(Log::Room(id), held));
                // How many bytes are left, the storage knows.
                self.live.remove(&id);
            }
        }
        batch
    }

    /// The stored room changed in another way than through this service.
    pub(crate) fn forget(&mut self, id: &RoomId) {
        self.live.remove(id);
    }

    /// Any stored room may have changed.
    pub(crate) fn forget_all(&mut self) {
        self.live.clear();
    }

    /// Something was lost: who was told of it starts again.
    pub(crate) fn fail(&mut self) -> Vec<ConnectionId> {
        self.forget_all();
        self.acknowledged.clear();
        self.seats.clear();
        let opened = std::mem::take(&mut self.opened);
        opened.into_iter().filter(|(_, rooms)| !rooms.is_empty()).map(|(connection, _)| connection).collect()
    }
}
