//! Out of a room: by leaving it, by deleting it, or because it is no more.

use chat_wire::domain::{SIG_LEAVE, SIG_ROOM_END};
use chat_wire::ids::{AccountId, RequestKey, RoomId, RoomName};
use chat_wire::message::{RoomAsk, RoomEnd};

use super::statement::{signer, statement};
use super::tell;
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, Failure, FailureKind, Reply, RoomEventKind};
use crate::engine::memory::State;
use crate::engine::memory::room_tasks::RoomTask;
use crate::engine::memory::rooms::{Intent, Phase};
use crate::group::{Actor, Group, LeafKey};

/// A command leaves a room, or declines an invitation.
pub(super) fn leave(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &RoomName,
) -> Result<(), EngineError> {
    let Some(room) = state.rooms.named(name) else {
        work.fail(command, FailureKind::UnknownRoom);
        return Ok(());
    };
    if !state.is_online() {
        work.fail(command, FailureKind::Offline);
        return Ok(());
    }
    let Some(known) = state.rooms.get(&room) else { return Ok(()) };
    let Some(key) = LeafKey::read(&known.record.leaf_key) else {
        return Err(EngineError::Store { table: crate::store::Table::Rooms });
    };
    let body = statement(&key, SIG_LEAVE, &room);
    let ask = RoomAsk::Leave { key: RequestKey(work.random()), room };
    state.ask_room(work, RoomTask::Leave(room, Some(command)), ask, body);
    Ok(())
}

/// The log holds our leave.
pub(super) fn left(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    command: Option<CommandId>,
) -> Result<(), EngineError> {
    let own = state.own_address()?.account;
    end(state, work, room, (RoomEventKind::Left, Some(own), None))?;
    if let Some(command) = command {
        work.reply(command, Reply::Done);
    }
    Ok(())
}

/// A command deletes a room.
pub(super) fn delete(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &RoomName,
) -> Result<(), EngineError> {
    let own = state.own_address()?.account;
    let Some(room) = state.rooms.joined(name) else {
        work.fail(command, FailureKind::UnknownRoom);
        return Ok(());
    };
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let is_owner = group.policy().is_ok_and(|policy| policy.role(&own) == Actor::Owner);
    let body = statement(group.key(), SIG_ROOM_END, &room);
    if !is_owner {
        work.fail(command, FailureKind::Forbidden);
    } else if !state.is_online() {
        work.fail(command, FailureKind::Offline);
    } else {
        state.ask_room(work, RoomTask::Delete(room, command), RoomAsk::Delete { room }, body);
    }
    Ok(())
}

/// The relay deleted it.
pub(super) fn deleted(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    command: CommandId,
) -> Result<(), EngineError> {
    let own = state.own_address()?.account;
    end(state, work, room, (RoomEventKind::Deleted, None, Some(own)))?;
    work.reply(command, Reply::Done);
    Ok(())
}

/// The room is no more. Whose doing it was is told only if its owner signed so.
pub(super) fn gone(
    state: &mut State,
    work: &mut Work<'_>,
    (room, _): (RoomId, RoomEnd),
    body: &[u8],
) -> Result<(), EngineError> {
    let by = match state.rooms.group(work, &room)? {
        Some(group) => deleter(group, &room, body),
        None => None,
    };
    end(state, work, room, (RoomEventKind::Deleted, None, by))
}

fn deleter(group: &Group, room: &RoomId, body: &[u8]) -> Option<AccountId> {
    let (leaves, policy) = (group.leaves().ok()?, group.policy().ok()?);
    let leaf = signer(&leaves, SIG_ROOM_END, room, body)?;
    (policy.owner == Some(leaf.owner().account)).then_some(leaf.owner().account)
}

/// The relay does not open the log: the room is not to be had any more.
pub(super) fn shut_out(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    failure: &Failure,
) -> Result<(), EngineError> {
    if matches!(failure.kind, FailureKind::UnknownRoom | FailureKind::Forbidden) {
        return end(state, work, room, (RoomEventKind::Deleted, None, None));
    }
    Ok(())
}

/// This device is out of a room: everything of it goes but the history.
pub(super) fn end(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (kind, whom, by): (RoomEventKind, Option<AccountId>, Option<AccountId>),
) -> Result<(), EngineError> {
    super::talk::drop_all(state, work, room)?;
    let Some((record, intents)) = state.rooms.remove(work, &room)? else { return Ok(()) };
    fail_intents(work, intents);
    if record.phase != Phase::Creating && record.phase != Phase::Entering {
        tell(state, work, &record.name, kind, (whom, by))?;
    }
    super::enter::fail(state, work, &record.name, &Failure::of(FailureKind::UnknownRoom));
    Ok(())
}

fn fail_intents(work: &mut Work<'_>, intents: Vec<Intent>) {
    for command in intents.into_iter().filter_map(|intent| intent.command) {
        work.fail(command, FailureKind::UnknownRoom);
    }
}
