//! The relay's rooms in memory: one log a room, commits by compare-and-set, key packages.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::Frame;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey, RoomId, RoomName};
use chat_wire::message::{
    CommitHead, Departure, EntryKind, OfferedKeyPackage, RoomAnswer, RoomAsk, RoomCard, RoomEnd, RoomPush,
    ServerMessage,
};
use serde_bytes::ByteBuf;

use super::relay::FakeRelay;

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) from: DeviceAddress,
    pub(crate) kind: EntryKind,
    pub(crate) body: Bytes,
}

#[derive(Clone)]
pub(crate) struct FakeRoom {
    pub(crate) name: RoomName,
    pub(crate) public: bool,
    pub(crate) topic: Option<String>,
    owner: Option<AccountId>,
    pub(crate) epoch: u64,
    pub(crate) log: Vec<Entry>,
    pub(crate) group_info: Bytes,
    /// First entry that a device may read, and the last.
    readers: BTreeMap<DeviceAddress, (u64, u64)>,
    created_ms: u64,
    joined_epoch: u64,
}

#[derive(Default)]
pub(crate) struct FakeRooms {
    /// Without it rooms are a service of a later version.
    pub(crate) on: bool,
    pub(crate) rooms: BTreeMap<RoomId, FakeRoom>,
    gone: HashMap<RoomId, Bytes>,
    pub(crate) packages: HashMap<DeviceAddress, VecDeque<ByteBuf>>,
    last_resort: HashMap<DeviceAddress, ByteBuf>,
    answers: HashMap<(DeviceAddress, RequestKey), RoomAnswer>,
    open: BTreeSet<(u64, RoomId)>,
    /// Commits that were refused because another one was faster.
    pub(crate) behind: usize,
    /// Refuses commits as if another one had been faster.
    pub(crate) deaf: bool,
    /// The operator turned the lobby off.
    pub(crate) no_lobby: bool,
    /// Milliseconds between two messages of one device.
    pub(crate) slow_ms: u64,
    spoke_ms: HashMap<DeviceAddress, u64>,
    /// What is typed is kept here instead of passed on.
    pub(crate) keeps_typing: bool,
    pub(crate) typing: Vec<(RoomId, Bytes)>,
}

impl FakeRooms {
    pub(crate) fn named(&self, name: &str) -> RoomId {
        let name = RoomName::parse(name).unwrap();
        *self.rooms.iter().find(|(_, room)| room.name == name).expect("a room").0
    }

    pub(crate) fn close(&mut self, connection: u64) {
        self.open.retain(|(of, _)| *of != connection);
    }
}

/// An answer and its body.
type Said = (ServerMessage, Bytes);

fn refuse(kind: RefusalKind) -> Option<Said> {
    Some((ServerMessage::Refused(Refusal::of(kind)), Bytes::new()))
}

fn say(answer: RoomAnswer) -> Option<Said> {
    Some((ServerMessage::Room(answer), Bytes::new()))
}

impl FakeRelay {
    pub(crate) fn serve_room(&mut self, connection: u64, me: DeviceAddress, ask: RoomAsk, body: Bytes) -> Option<Said> {
        if !self.rooms.on {
            return refuse(RefusalKind::Unsupported);
        }
        match ask {
            RoomAsk::Create { key, room, name, public, owned, topic } => {
                if let Some(answer) = self.rooms.answers.get(&(me, key)) {
                    return say(answer.clone());
                }
                if self.rooms.no_lobby && name.as_str() == "lobby" {
                    return refuse(RefusalKind::Forbidden);
                }
                if self.rooms.rooms.values().any(|other| other.name == name) {
                    return refuse(RefusalKind::RoomExists);
                }
                let made = FakeRoom {
                    name,
                    public,
                    topic,
                    owner: owned.then_some(me.account),
                    epoch: 0,
                    log: Vec::new(),
                    group_info: body,
                    readers: [(me, (1, u64::MAX))].into(),
                    created_ms: self.now_ms,
                    joined_epoch: 0,
                };
                self.rooms.rooms.insert(room, made);
                let answer = RoomAnswer::Appended { seq: 0, epoch: 0, at_ms: self.now_ms };
                self.rooms.answers.insert((me, key), answer.clone());
                say(answer)
            }
            RoomAsk::List { joined, .. } => {
                let seen = |room: &&FakeRoom| (room.public && !joined) || is_in(room, me.account);
                let cards = self.rooms.rooms.iter().filter(|(_, room)| seen(room));
                say(RoomAnswer::Rooms { rooms: cards.map(|(id, room)| card(*id, room, me)).collect() })
            }
            RoomAsk::Info { name } => {
                let found = self.rooms.rooms.iter().find(|(_, room)| room.name == name);
                match found.filter(|(_, room)| room.public || is_in(room, me.account)) {
                    Some((id, room)) => say(RoomAnswer::Info(card(*id, room, me))),
                    None => refuse(RefusalKind::UnknownRoom),
                }
            }
            RoomAsk::GroupInfo { room } => {
                let Some(known) = self.rooms.rooms.get(&room) else { return refuse(RefusalKind::UnknownRoom) };
                let answer = RoomAnswer::GroupInfo { epoch: known.epoch, seq: known.log.len() as u64 };
                Some((ServerMessage::Room(answer), known.group_info.clone()))
            }
            ask @ (RoomAsk::PutKeyPackages { .. } | RoomAsk::ClaimKeyPackages { .. } | RoomAsk::Lists { .. }) => {
                self.serve_packages(me, ask)
            }
            ask @ (RoomAsk::Typing { .. } | RoomAsk::WhoIsHere { .. }) => self.serve_company(connection, me, ask, body),
            ask => self.serve_log(connection, me, ask, body),
        }
    }

    fn serve_log(&mut self, connection: u64, me: DeviceAddress, ask: RoomAsk, body: Bytes) -> Option<Said> {
        match ask {
            RoomAsk::Commit(head) => self.take_commit(me, head, body),
            RoomAsk::Post { key, room, epoch } => {
                if let Some(answer) = self.rooms.answers.get(&(me, key)) {
                    return say(answer.clone());
                }
                let Some(known) = self.rooms.rooms.get(&room) else { return refuse(RefusalKind::UnknownRoom) };
                let next_ms = self.rooms.spoke_ms.get(&me).map_or(0, |at| at + self.rooms.slow_ms);
                if self.now_ms < next_ms {
                    let refusal = Refusal { kind: RefusalKind::RateLimited, retry_ms: next_ms - self.now_ms };
                    return Some((ServerMessage::Refused(refusal), Bytes::new()));
                }
                let seq = known.log.len() as u64 + 1;
                if epoch < known.joined_epoch || epoch > known.epoch || known.epoch - epoch > 5 {
                    return say(RoomAnswer::Behind { epoch: known.epoch, seq: seq - 1 });
                }
                let answer = RoomAnswer::Appended { seq, epoch: known.epoch, at_ms: self.now_ms };
                self.append(room, Entry { from: me, kind: EntryKind::Message, body });
                self.rooms.spoke_ms.insert(me, self.now_ms);
                self.rooms.answers.insert((me, key), answer.clone());
                say(answer)
            }
            RoomAsk::Leave { room, .. } => {
                let Some(known) = self.rooms.rooms.get_mut(&room) else { return refuse(RefusalKind::UnknownRoom) };
                let seq = known.log.len() as u64 + 1;
                for (device, (_, last)) in &mut known.readers {
                    if device.account == me.account {
                        *last = seq;
                    }
                }
                let epoch = known.epoch;
                self.append(room, Entry { from: me, kind: EntryKind::Leave, body });
                say(RoomAnswer::Appended { seq, epoch, at_ms: self.now_ms })
            }
            RoomAsk::Delete { room } => {
                let owner = self.rooms.rooms.get(&room).and_then(|known| known.owner);
                if owner != Some(me.account) {
                    return refuse(RefusalKind::Forbidden);
                }
                self.rooms.rooms.remove(&room);
                self.rooms.gone.insert(room, body.clone());
                let open: Vec<u64> =
                    self.rooms.open.iter().filter(|(_, of)| *of == room).map(|(connection, _)| *connection).collect();
                for other in open.into_iter().filter(|other| *other != connection) {
                    self.push_room(other, RoomPush::Gone { room, reason: RoomEnd::Deleted }, body.clone());
                }
                Some((ServerMessage::Done {}, Bytes::new()))
            }
            RoomAsk::Open { room, after } => self.open_log(connection, me, (room, after)),
            _ => None,
        }
    }

    fn serve_packages(&mut self, me: DeviceAddress, ask: RoomAsk) -> Option<Said> {
        match ask {
            RoomAsk::PutKeyPackages { packages, last_resort } => {
                self.arrive(me);
                let stored = self.rooms.packages.entry(me).or_default();
                stored.extend(packages.into_iter().map(|package| package.package));
                let left = stored.len() as u32;
                if let Some(package) = last_resort {
                    self.rooms.last_resort.insert(me, package.package);
                }
                say(RoomAnswer::KeyPackagesStored { left })
            }
            RoomAsk::ClaimKeyPackages { account, .. } => {
                let list = self.list_of_account(account)?;
                let owners: Vec<DeviceAddress> =
                    self.rooms.packages.keys().filter(|owner| owner.account == account).copied().collect();
                let mut packages = Vec::new();
                for owner in owners {
                    let one = self.rooms.packages.get_mut(&owner).and_then(VecDeque::pop_front);
                    let package = one.or_else(|| self.rooms.last_resort.get(&owner).cloned());
                    packages.extend(package.map(|package| OfferedKeyPackage { owner, package }));
                }
                say(RoomAnswer::KeyPackages { list: ByteBuf::from(list), packages })
            }
            RoomAsk::Lists { wanted, .. } => {
                let lists = wanted.iter().flat_map(|state| self.lists_after(state.account, state.seq));
                let lists = lists.map(ByteBuf::from).collect();
                say(RoomAnswer::Lists { lists })
            }
            _ => None,
        }
    }

    fn take_commit(&mut self, me: DeviceAddress, head: CommitHead, body: Bytes) -> Option<Said> {
        if let Some(answer) = self.rooms.answers.get(&(me, head.key)) {
            return say(answer.clone());
        }
        let deaf = self.rooms.deaf;
        let Some(known) = self.rooms.rooms.get_mut(&head.room) else { return refuse(RefusalKind::UnknownRoom) };
        let contested = head.contest && known.epoch == head.base + 1;
        let due = contested || (known.epoch == head.base && !head.contest);
        if deaf || !due {
            self.rooms.behind += 1;
            return say(RoomAnswer::Behind { epoch: known.epoch, seq: known.log.len() as u64 });
        }
        let Ok(parts) = head.cut(body) else { return refuse(RefusalKind::Malformed) };
        let reader = known.readers.get(&me).is_some_and(|(_, last)| *last == u64::MAX);
        let joins = known.public && head.added == [me] && head.removed.iter().all(|removed| *removed == me);
        if !reader && !joins {
            return refuse(RefusalKind::Forbidden);
        }
        let (epoch, seq) = (head.base + 1, known.log.len() as u64 + 1);
        (known.epoch, known.group_info) = (epoch, parts.group_info);
        known.owner = head.owner.or(known.owner);
        known.topic = head.topic.or(known.topic.take());
        for device in &head.removed {
            if let Some((_, last)) = known.readers.get_mut(device) {
                *last = seq;
            }
        }
        if !head.added.is_empty() {
            known.joined_epoch = epoch;
        }
        for device in &head.added {
            known.readers.insert(*device, (seq + 1, u64::MAX));
        }
        self.append(head.room, Entry { from: me, kind: EntryKind::Commit, body: parts.commit });
        for (to, packet) in &parts.welcomes {
            self.put(*to, me, packet);
        }
        let answer = RoomAnswer::Appended { seq, epoch, at_ms: self.now_ms };
        self.rooms.answers.insert((me, head.key), answer.clone());
        say(answer)
    }

    /// Devices of an account are no more: their rooms read why.
    pub(crate) fn depart(&mut self, gone: impl Fn(&DeviceAddress) -> bool, why: &Departure) {
        for (id, room) in self.rooms.rooms.clone() {
            let left: Vec<DeviceAddress> =
                room.readers.iter().filter(|(d, (_, last))| *last == u64::MAX && gone(d)).map(|(d, _)| *d).collect();
            let Some(from) = left.first().copied() else { continue };
            let seq = room.log.len() as u64;
            let known = self.rooms.rooms.get_mut(&id).unwrap();
            for device in &left {
                known.readers.get_mut(device).unwrap().1 = seq;
            }
            self.append(id, Entry { from, kind: EntryKind::Departed, body: Bytes::from(why.encode()) });
        }
    }

    /// A device can be added: private rooms of its account read so.
    fn arrive(&mut self, me: DeviceAddress) {
        let lists = self.lists_after(me.account, 0).into_iter().map(Bytes::from).collect();
        let body = Bytes::from(Departure { lists, deletion: None }.encode());
        let is_missing = |room: &FakeRoom| !room.public && is_in(room, me.account) && !room.readers.contains_key(&me);
        let rooms: Vec<RoomId> =
            self.rooms.rooms.iter().filter(|(_, room)| is_missing(room)).map(|(id, _)| *id).collect();
        for room in rooms {
            self.append(room, Entry { from: me, kind: EntryKind::Departed, body: body.clone() });
        }
    }

    /// Passes on to every reader of a room what somebody typed.
    pub(crate) fn pass_typing_on(&mut self, room: RoomId, body: &[u8]) {
        self.pass_typing_on_but(u64::MAX, room, body);
    }

    fn pass_typing_on_but(&mut self, connection: u64, room: RoomId, body: &[u8]) {
        let open: Vec<u64> = self.rooms.open.iter().filter(|(_, of)| *of == room).map(|(c, _)| *c).collect();
        for other in open.into_iter().filter(|other| *other != connection) {
            self.push_room(other, RoomPush::Typing { room }, Bytes::copy_from_slice(body));
        }
    }

    /// Accounts of a room that are connected, and what somebody types passed on.
    fn serve_company(&mut self, connection: u64, me: DeviceAddress, ask: RoomAsk, body: Bytes) -> Option<Said> {
        match ask {
            RoomAsk::Typing { room } => {
                if self.rooms.keeps_typing {
                    self.rooms.typing.push((room, body));
                } else {
                    self.pass_typing_on_but(connection, room, &body);
                }
                None
            }
            RoomAsk::WhoIsHere { room } => {
                let known = &self.rooms.rooms[&room];
                if known.public || !is_in(known, me.account) {
                    return refuse(RefusalKind::Forbidden);
                }
                let open = self.rooms.open.iter().filter(|(_, of)| *of == room);
                let here = open.filter_map(|(connection, _)| self.device_at(*connection));
                say(RoomAnswer::Present { accounts: here.map(|device| device.account).collect() })
            }
            _ => None,
        }
    }

    fn open_log(&mut self, connection: u64, me: DeviceAddress, (room, after): (RoomId, u64)) -> Option<Said> {
        if let Some(statement) = self.rooms.gone.get(&room) {
            let answer = ServerMessage::Room(RoomAnswer::Gone { reason: RoomEnd::Deleted });
            return Some((answer, statement.clone()));
        }
        let Some(known) = self.rooms.rooms.get(&room) else { return refuse(RefusalKind::UnknownRoom) };
        let Some((first, _)) = known.readers.get(&me).copied() else { return refuse(RefusalKind::UnknownRoom) };
        let after = after.max(first - 1);
        let last = known.log.len() as u64;
        let epoch = known.epoch;
        self.rooms.open.insert((connection, room));
        self.late.push((connection, room, after));
        say(RoomAnswer::Opened { first: after + 1, last, epoch })
    }

    /// Pushes what an opened log holds, after the answer.
    pub(crate) fn push_opened(&mut self) {
        for (connection, room, after) in std::mem::take(&mut self.late) {
            let Some(me) = self.device_at(connection) else { continue };
            let known = &self.rooms.rooms[&room];
            let end = known.readers[&me].1.min(known.log.len() as u64);
            let entries: Vec<(u64, Entry)> =
                (after + 1..=end).map(|seq| (seq, known.log[seq as usize - 1].clone())).collect();
            for (seq, entry) in entries {
                self.push_entry(connection, (room, seq), entry);
            }
            self.push_room(connection, RoomPush::CaughtUp { room, seq: end }, Bytes::new());
        }
    }

    /// Puts an entry into a log, whoever made it.
    pub(crate) fn append(&mut self, room: RoomId, entry: Entry) {
        let known = self.rooms.rooms.get_mut(&room).unwrap();
        known.log.push(entry.clone());
        let seq = known.log.len() as u64;
        let readers = known.readers.clone();
        let open: Vec<u64> =
            self.rooms.open.iter().filter(|(_, of)| *of == room).map(|(connection, _)| *connection).collect();
        for connection in open {
            let reads = self.device_at(connection).and_then(|device| readers.get(&device));
            if reads.is_some_and(|(first, last)| (*first..=*last).contains(&seq)) {
                self.push_entry(connection, (room, seq), entry.clone());
            }
        }
    }

    fn push_entry(&mut self, connection: u64, (room, seq): (RoomId, u64), entry: Entry) {
        let push = RoomPush::Entry { room, seq, from: Some(entry.from), at_ms: self.now_ms, kind: entry.kind };
        self.push_room(connection, push, entry.body);
    }

    fn push_room(&mut self, connection: u64, push: RoomPush, body: Bytes) {
        self.out.push_back((connection, Frame::with_body(0, ServerMessage::RoomPush(push), body)));
    }
}

fn is_in(room: &FakeRoom, account: AccountId) -> bool {
    room.readers.iter().any(|(device, (_, last))| device.account == account && *last == u64::MAX)
}

fn card(id: RoomId, room: &FakeRoom, me: DeviceAddress) -> RoomCard {
    let accounts: BTreeSet<AccountId> =
        room.readers.iter().filter(|(_, (_, last))| *last == u64::MAX).map(|(device, _)| device.account).collect();
    RoomCard {
        room: id,
        name: room.name.clone(),
        public: room.public,
        members: accounts.len() as u32,
        topic: room.topic.clone().filter(|topic| !topic.is_empty()),
        joined: accounts.contains(&me.account),
        epoch: room.epoch,
        created_ms: room.created_ms,
    }
}
