//! Into a room: by making it, by an external commit to a public one, or by an invitation that waited.

use bytes::Bytes;
use chat_wire::domain::plain_hash;
use chat_wire::ids::{RequestKey, RoomId, RoomName};
use chat_wire::limits::TOPIC_BYTES_MAX;
use chat_wire::message::{RoomAsk, RoomCard};
use serde_bytes::ByteBuf;

use super::{epoch, reply_done, tell};
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, Conversation, Failure, FailureKind, Reply, RoomEventKind, RoomReply};
use crate::engine::memory::State;
use crate::engine::memory::results::{self, Before, Repeatable};
use crate::engine::memory::room_tasks::{Entering, RoomTask};
use crate::engine::memory::rooms::{CommitFlight, Phase, RoomRecord, RoomShelf, seed};
use crate::group::{Actor, DoorKey, Group, GroupError, OwnLeaf, Policy};
use crate::store::{HistoryChange, Table};

/// The room of everybody.
const LOBBY: &str = "lobby";
/// The lobby was entered once: who left it stays out.
const LOBBY_KEY: &[u8] = b"lobby";
/// Times that a joiner tries again when others are faster.
const TRIES_MAX: u32 = 32;

/// A room as it is wanted.
pub(super) struct Wanted {
    pub(super) name: RoomName,
    pub(super) public: bool,
    pub(super) topic: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

impl Wanted {
    /// Its key and what it asks for; none without a key.
    fn repeatable(&self) -> Option<Repeatable> {
        let topic = self.topic.as_deref().unwrap_or_default();
        let public = [u8::from(self.public)];
        let asked: [&[u8]; 4] = [b"room", self.name.as_str().as_bytes(), &public, topic.as_bytes()];
        self.idempotency_key.as_deref().map(|key| Repeatable::new(key, &asked))
    }
}

/// A command makes a room.
pub(super) fn create(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    wanted: Wanted,
) -> Result<(), EngineError> {
    let repeatable = wanted.repeatable();
    match repeatable.as_ref().map_or(Ok(Before::Unused), |repeatable| repeatable.before(work))? {
        Before::Unused => {}
        Before::Same(queued) => {
            repeat(state, work, command, (RoomId(queued.id.0), wanted.name));
            return Ok(());
        }
        Before::Other => {
            work.fail(command, FailureKind::InvalidParams);
            return Ok(());
        }
    }
    let long = wanted.topic.as_ref().is_some_and(|topic| topic.len() > TOPIC_BYTES_MAX);
    let refused = if long {
        Some(FailureKind::TooLarge)
    } else if state.rooms.named(&wanted.name).is_some() {
        Some(FailureKind::RoomExists)
    } else if state.rooms.entering.contains_key(&wanted.name) {
        Some(FailureKind::RateLimited)
    } else if !state.is_online() {
        Some(FailureKind::Offline)
    } else {
        None
    };
    if let Some(kind) = refused {
        work.fail(command, kind);
        return Ok(());
    }
    let entering = Entering { commands: vec![command], ..Entering::default() };
    state.rooms.entering.insert(wanted.name.clone(), entering);
    make(state, work, wanted, true)
}

/// A command comes once more: it is answered when the room stands, which may be long since.
fn repeat(state: &mut State, work: &mut Work<'_>, command: CommandId, (room, name): (RoomId, RoomName)) {
    let under_way = state.rooms.get(&room).is_some_and(|room| matches!(room.record.phase, Phase::Creating));
    if !under_way {
        work.reply(command, Reply::Room(RoomReply::Created(name)));
    } else if state.is_online() {
        state.rooms.entering.entry(name).or_default().commands.push(command);
    } else {
        work.fail(command, FailureKind::Offline);
    }
}

/// Makes the group and asks the relay for the name.
fn make(state: &mut State, work: &mut Work<'_>, wanted: Wanted, owned: bool) -> Result<(), EngineError> {
    let room = RoomId(work.random());
    let (key, credential) = state.new_leaf(work)?;
    if let Some(repeatable) = wanted.repeatable() {
        repeatable.save_making(work, &room)?;
    }
    let Wanted { name, public, topic, .. } = wanted;
    let topic = topic.filter(|topic| !topic.is_empty());
    let door = (!public).then(|| DoorKey::generate(work.rng));
    let mut policy = Policy::new(name.as_str(), door, topic.clone(), work.now.as_ms());
    if owned {
        policy.set_role(credential.owner.account, Actor::Owner);
    }
    let mut record = RoomRecord::new(name, public, Phase::Creating, &key);
    record.renewed_ms = work.now.as_ms();
    let seed = seed(work);
    let leaf = OwnLeaf { key, credential: &credential, at_ms: work.now.as_ms() };
    let made = Group::create(&mut RoomShelf::new(work, &room), &seed, &room, leaf, &policy);
    let (group, info) = made.map_err(|_| EngineError::Broken(Bug::OwnKeys))?;
    let flight = CommitFlight {
        key: RequestKey(work.random()),
        base: 0,
        contest: false,
        added: Vec::new(),
        removed: Vec::new(),
        topic: topic.filter(|_| public),
        owner: policy.owner,
        commit_len: 0,
        group_info_len: 0,
        welcomes: Vec::new(),
        body: ByteBuf::from(info),
    };
    flight.save(work, &room)?;
    state.rooms.insert(work, room, record, Some(group))?;
    send_creation(state, work, room)
}

/// Sends a stored creation.
pub(super) fn send_creation(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    let Some(record) = state.rooms.get(&room).map(|room| room.record.clone()) else { return Ok(()) };
    let Some(flight) = CommitFlight::load(work, &room)? else { return Ok(()) };
    let (key, owned, topic) = (flight.key, flight.owner.is_some(), flight.topic);
    let ask = RoomAsk::Create { key, room, name: record.name, public: record.public, owned, topic };
    state.ask_room(work, RoomTask::Create(room), ask, Bytes::from(flight.body.into_vec()));
    Ok(())
}

/// The room stands.
pub(super) fn created(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    CommitFlight::land(work, &room);
    results::made(work, &room);
    epoch::begin(state, work, room, (0, &[0; 32]))?;
    let Some(name) = settle(state, work, room, 0)? else { return Ok(()) };
    let own = state.own_address()?.account;
    tell(state, work, &name, RoomEventKind::Created, (Some(own), None))?;
    let Some(entering) = state.rooms.entering.remove(&name) else { return Ok(()) };
    if entering.lobby {
        work.put(Table::Meta, LOBBY_KEY, vec![1]);
    }
    for command in entering.commands {
        work.reply(command, Reply::Room(RoomReply::Created(name.clone())));
    }
    Ok(())
}

/// The room does not stand: the name is taken, or the relay wants none.
pub(super) fn not_created(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    failure: &Failure,
) -> Result<(), EngineError> {
    results::not_made(work, &room);
    let Some((record, _)) = state.rooms.remove(work, &room)? else { return Ok(()) };
    let lobby = state.rooms.entering.get(&record.name).is_some_and(|entering| entering.lobby);
    if lobby && failure.kind == FailureKind::RoomExists {
        // Somebody was faster: it is there to be joined.
        find(state, work, record.name);
        return Ok(());
    }
    fail(state, work, &record.name, failure);
    Ok(())
}

/// Looks for the lobby, once in the life of a profile.
pub(super) fn lobby(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let Ok(name) = RoomName::parse(LOBBY) else { return Ok(()) };
    let known = work.get(Table::Meta, LOBBY_KEY).is_some() || state.rooms.named(&name).is_some();
    if known || state.rooms.entering.contains_key(&name) {
        return Ok(());
    }
    state.rooms.entering.insert(name.clone(), Entering { lobby: true, ..Entering::default() });
    find(state, work, name);
    Ok(())
}

/// Rooms that this account is in and this device not: public ones are entered, into the others a device of
/// the account or of a member lets us.
pub(super) fn restore(state: &mut State, work: &mut Work<'_>, cards: &[RoomCard]) -> Result<(), EngineError> {
    for card in cards.iter().filter(|card| card.public && card.joined) {
        if state.rooms.get(&card.room).is_none() && !state.rooms.entering.contains_key(&card.name) {
            state.rooms.entering.insert(card.name.clone(), Entering::default());
            find(state, work, card.name.clone());
        }
    }
    Ok(())
}

/// A command joins a public room.
pub(super) fn join(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: RoomName,
) -> Result<(), EngineError> {
    if state.rooms.joined(&name).is_some() {
        work.reply(command, Reply::Done);
        return Ok(());
    }
    if !state.is_online() {
        work.fail(command, FailureKind::Offline);
        return Ok(());
    }
    let under_way = state.rooms.entering.contains_key(&name);
    state.rooms.entering.entry(name.clone()).or_default().commands.push(command);
    if !under_way {
        find(state, work, name);
    }
    Ok(())
}

fn find(state: &mut State, work: &mut Work<'_>, name: RoomName) {
    state.ask_room(work, RoomTask::Find(name.clone()), RoomAsk::Info { name }, Bytes::new());
}

/// The name leads to a room.
pub(super) fn found(
    state: &mut State,
    work: &mut Work<'_>,
    name: RoomName,
    card: &RoomCard,
) -> Result<(), EngineError> {
    if state.rooms.get(&card.room).is_some() {
        if let Some(entering) = state.rooms.entering.remove(&name) {
            reply_done(work, entering.commands);
        }
        return Ok(());
    }
    if card.name != name || !card.public {
        // Into a private room somebody else has to let this device.
        fail(state, work, &name, &Failure::of(FailureKind::Forbidden));
        return Ok(());
    }
    ask_group_info(state, work, name, card.room);
    Ok(())
}

/// This device was taken out of a public room by nobody's will: it enters again.
pub(super) fn once_more(state: &mut State, work: &mut Work<'_>, (name, room): (RoomName, RoomId)) {
    if !state.rooms.entering.contains_key(&name) {
        state.rooms.entering.insert(name.clone(), Entering::default());
        ask_group_info(state, work, name, room);
    }
}

pub(super) fn ask_group_info(state: &mut State, work: &mut Work<'_>, name: RoomName, room: RoomId) {
    state.ask_room(work, RoomTask::GroupInfo(name, room), RoomAsk::GroupInfo { room }, Bytes::new());
}

/// No such room. The lobby is made then.
pub(super) fn not_found(
    state: &mut State,
    work: &mut Work<'_>,
    name: RoomName,
    failure: &Failure,
) -> Result<(), EngineError> {
    let lobby = state.rooms.entering.get(&name).is_some_and(|entering| entering.lobby);
    if lobby && failure.kind == FailureKind::UnknownRoom {
        let wanted = Wanted { name, public: true, topic: None, idempotency_key: None };
        return make(state, work, wanted, false);
    }
    fail(state, work, &name, failure);
    Ok(())
}

/// Nobody gets into this one now.
pub(super) fn fail(state: &mut State, work: &mut Work<'_>, name: &RoomName, failure: &Failure) {
    let Some(entering) = state.rooms.entering.remove(name) else { return };
    for command in entering.commands {
        work.fail_with(command, failure.clone());
    }
}

/// The room's door: a commit of our own goes through it.
pub(super) fn group_info_came(
    state: &mut State,
    work: &mut Work<'_>,
    (name, room): (RoomName, RoomId),
    info: &[u8],
) -> Result<(), EngineError> {
    let (key, credential) = state.new_leaf(work)?;
    let owner = credential.owner;
    let mut record = RoomRecord::new(name.clone(), true, Phase::Entering, &key);
    record.renewed_ms = work.now.as_ms();
    let entering = state.rooms.entering.get(&name);
    record.resynced_ms = entering.map(|entering| entering.resynced_ms.clone()).unwrap_or_default();
    let seed = seed(work);
    let leaf = OwnLeaf { key, credential: &credential, at_ms: work.now.as_ms() };
    let entered = Group::enter(&mut RoomShelf::new(work, &room), &seed, info, leaf, None);
    let policy = |group: &Group| group.policy().ok().filter(|policy| policy.public && policy.name == name.as_str());
    let (group, made) = match entered {
        Ok((group, made)) if policy(&group).is_some() => (group, made),
        Ok(_) | Err(GroupError::Malformed) => {
            forget_group(work, &room);
            fail(state, work, &name, &Failure::of(FailureKind::Integrity));
            return Ok(());
        }
        Err(_) => return Err(EngineError::Store { table: Table::Groups }),
    };
    record.since_epoch = group.epoch();
    let flight = CommitFlight::from_outside(work, owner, Vec::new(), (group.epoch(), made))?;
    flight.save(work, &room)?;
    state.rooms.insert(work, room, record, Some(group))?;
    state.send_commit(work, room, flight);
    Ok(())
}

/// Whatever a try left on the shelf.
fn forget_group(work: &mut Work<'_>, room: &RoomId) {
    for (key, _) in work.scan(Table::Groups, &room.0, None, usize::MAX) {
        work.delete(Table::Groups, &key);
    }
}

/// The relay took a commit: the one that enters makes us a member, any other waits for its place in the log.
pub(super) fn appended(state: &mut State, work: &mut Work<'_>, room: RoomId, seq: u64) -> Result<(), EngineError> {
    if !land(state, work, room, seq)? {
        return Ok(());
    }
    let Some(name) = settle(state, work, room, seq)? else { return Ok(()) };
    let own = state.own_address()?.account;
    tell(state, work, &name, RoomEventKind::Joined, (Some(own), None))?;
    if let Some(entering) = state.rooms.entering.remove(&name) {
        if entering.lobby {
            work.put(Table::Meta, LOBBY_KEY, vec![1]);
        }
        reply_done(work, entering.commands);
    }
    Ok(())
}

/// Whether the commit that the relay took is the one by which this device enters: its epoch begins.
pub(super) fn land(state: &mut State, work: &mut Work<'_>, room: RoomId, seq: u64) -> Result<bool, EngineError> {
    if state.rooms.get(&room).is_none_or(|room| room.record.phase != Phase::Entering) {
        return Ok(false);
    }
    let Some(flight) = CommitFlight::load(work, &room)? else { return Ok(false) };
    CommitFlight::land(work, &room);
    let len = usize::try_from(flight.commit_len).unwrap_or(usize::MAX);
    let commit = flight.body.get(..len).unwrap_or_default();
    epoch::begin(state, work, room, (seq, &plain_hash(&[commit])))?;
    Ok(true)
}

/// We are in, from this place of the log on.
pub(super) fn settle(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    cursor: u64,
) -> Result<Option<RoomName>, EngineError> {
    state.rooms.change(work, &room, |record| {
        record.phase = Phase::Joined;
        record.cursor = cursor;
        record.welcome = None;
    })?;
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.committing = false;
    }
    let name = state.rooms.get(&room).map(|room| room.record.name.clone());
    if let Some(name) = &name {
        work.history(HistoryChange::Named { conversation: Conversation::Room(room), name: name.to_string() });
    }
    Ok(name)
}

/// Somebody else's commit was faster than the one that enters: once more, through the new door.
pub(super) fn again(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    let Some((record, _)) = state.rooms.remove(work, &room)? else { return Ok(()) };
    let entering = state.rooms.entering.entry(record.name.clone()).or_default();
    entering.lost = entering.lost.saturating_add(1);
    if entering.lost > TRIES_MAX {
        fail(state, work, &record.name, &Failure::of(FailureKind::RateLimited));
        return Ok(());
    }
    ask_group_info(state, work, record.name, room);
    Ok(())
}

/// The relay does not let us in.
pub(super) fn kept_out(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    failure: &Failure,
) -> Result<(), EngineError> {
    let Some((record, _)) = state.rooms.remove(work, &room)? else { return Ok(()) };
    fail(state, work, &record.name, failure);
    Ok(())
}
