//! What is shown of rooms.

use bytes::Bytes;
use chat_wire::ids::{AccountId, RoomId, RoomName};
use chat_wire::message::{RoomAsk, RoomCard};

use super::change;
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FailureKind, Reply, Role, RoomInfo, RoomMember, RoomReply, RoomSummary};
use crate::engine::memory::State;
use crate::engine::memory::room_tasks::RoomTask;
use crate::group::{Actor, Leaf};
use crate::store::Table;

/// Lists rooms: those that this device is in from what it knows, the others from the relay.
pub(super) fn list(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    joined: Option<bool>,
) -> Result<(), EngineError> {
    if joined == Some(true) {
        let rooms = own_rooms(state, work)?;
        work.reply(command, Reply::Room(RoomReply::Rooms(rooms)));
        return Ok(());
    }
    if !state.is_online() {
        work.fail(command, FailureKind::Offline);
        return Ok(());
    }
    let limit = u16::try_from(chat_wire::limits::ROOMS_PER_ANSWER_MAX).unwrap_or(u16::MAX);
    let ask = RoomAsk::List { joined: false, after: None, limit };
    state.ask_room(work, RoomTask::List(command, joined), ask, Bytes::new());
    Ok(())
}

fn own_rooms(state: &mut State, work: &mut Work<'_>) -> Result<Vec<RoomSummary>, EngineError> {
    let mut rooms = Vec::new();
    for id in state.rooms.ids() {
        let Some(info) = known_info(state, work, &id)? else { continue };
        let members = u32::try_from(change::members(state, work, &id)?.len()).unwrap_or(u32::MAX);
        rooms.push(RoomSummary { name: info.name, public: info.public, members, topic: info.topic, joined: true });
    }
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rooms)
}

/// The relay's list came; of rooms that this device is in its own word counts.
pub(super) fn listed(
    state: &mut State,
    work: &mut Work<'_>,
    (command, joined): (CommandId, Option<bool>),
    cards: Vec<RoomCard>,
) -> Result<(), EngineError> {
    let mut rooms = own_rooms(state, work)?;
    let known: Vec<RoomName> = rooms.iter().map(|room| room.name.clone()).collect();
    let others = cards.into_iter().filter(|card| !known.contains(&card.name));
    rooms.extend(others.map(|card| RoomSummary {
        name: card.name,
        public: card.public,
        members: card.members,
        topic: card.topic,
        joined: false,
    }));
    rooms.retain(|room| joined.is_none_or(|joined| room.joined == joined));
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    work.reply(command, Reply::Room(RoomReply::Rooms(rooms)));
    Ok(())
}

/// A command asks about a room; one that this device is in comes back, to be looked at.
pub(super) fn info(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &RoomName,
) -> Result<Option<RoomId>, EngineError> {
    if let Some(id) = state.rooms.joined(name) {
        return Ok(Some(id));
    }
    if state.is_online() {
        state.ask_room(work, RoomTask::Info(command), RoomAsk::Info { name: name.clone() }, Bytes::new());
    } else {
        work.fail(command, FailureKind::Offline);
    }
    Ok(None)
}

/// Who of a room is online, as far as the relay says so to who looks: the one who asked waits for the names only.
pub(super) fn seen(
    state: &mut State,
    work: &mut Work<'_>,
    (room, command): (RoomId, CommandId),
    accounts: Vec<AccountId>,
) -> Result<(), EngineError> {
    let Some(known) = state.rooms.get_mut(&room) else {
        work.fail(command, FailureKind::UnknownRoom);
        return Ok(());
    };
    known.live.present = accounts.into_iter().collect();
    known.live.infos.push(command);
    answer(state, work, room)
}

/// Answers who asked about a room, once its people's names are here.
pub(super) fn answer(state: &mut State, work: &mut Work<'_>, id: RoomId) -> Result<(), EngineError> {
    let online = state.is_online();
    let Some(room) = state.rooms.get_mut(&id) else { return Ok(()) };
    if room.live.infos.is_empty() || (online && (room.live.waits || !room.live.caught_up)) {
        return Ok(());
    }
    let commands = std::mem::take(&mut room.live.infos);
    let info = known_info(state, work, &id)?;
    for command in commands {
        match &info {
            Some(info) => work.reply(command, Reply::Room(RoomReply::Info(info.clone()))),
            None => work.fail(command, FailureKind::UnknownRoom),
        }
    }
    Ok(())
}

/// What the relay says of a room that this device is not in.
pub(super) fn told(work: &mut Work<'_>, command: CommandId, card: RoomCard) {
    let info = RoomInfo {
        name: card.name,
        public: card.public,
        topic: card.topic,
        owner: None,
        created_ms: card.created_ms,
        epoch: card.epoch,
        members: Vec::new(),
    };
    work.reply(command, Reply::Room(RoomReply::Info(info)));
}

/// Whether a member is online, as far as this person may know: a mutual contact, or somebody of a small private
/// room whose members it looks at.
fn is_seen(state: &State, room: &RoomId, account: &AccountId) -> bool {
    let here = state.rooms.get(room).is_some_and(|room| room.live.present.contains(account));
    let blocked = state.people.get(account).is_some_and(|person| person.blocked);
    state.presence_of(account).is_some() || (here && !blocked)
}

/// A room from its group: members and roles as all of them agree.
fn known_info(state: &mut State, work: &mut Work<'_>, id: &RoomId) -> Result<Option<RoomInfo>, EngineError> {
    let Some(record) = state.rooms.get(id).map(|room| room.record.clone()) else { return Ok(None) };
    if state.rooms.joined(&record.name).is_none() {
        return Ok(None);
    }
    let Some(group) = state.rooms.group(work, id)? else { return Ok(None) };
    let damaged = |_| EngineError::Store { table: Table::Groups };
    let (epoch, mut staying) = (group.epoch(), group.leaves().map_err(damaged)?);
    // Who said that it leaves has no role any more, though its leaf may still stand.
    staying.retain(|leaf| !record.leaving.contains(&leaf.owner().account));
    let policy = group.policy().map_err(damaged)?.settled(&staying.iter().map(Leaf::owner).collect::<Vec<_>>());
    let own = state.me.as_ref().map(|me| (me.account(), me.name.clone()));
    let mut members = Vec::new();
    for account in change::members(state, work, id)? {
        let (username, online) = match &own {
            Some((me, name)) if *me == account => (Some(name.clone()), state.is_online()),
            _ => (state.listed_name(work, &account)?, is_seen(state, id, &account)),
        };
        let role = match policy.role(&account) {
            Actor::Owner => Role::Owner,
            Actor::Admin => Role::Admin,
            Actor::Member => Role::Member,
        };
        members.extend(username.map(|username| RoomMember { username, role, online }));
    }
    members.sort_by(|a, b| a.username.cmp(&b.username));
    let owner = members.iter().find(|member| member.role == Role::Owner).map(|member| member.username.clone());
    Ok(Some(RoomInfo {
        name: record.name,
        public: policy.public,
        topic: policy.topic,
        owner,
        created_ms: policy.created_ms,
        epoch,
        members,
    }))
}
