//! Who is in a room at this moment: who writes in a small one, and who is online in a small private one.

use bytes::Bytes;
use chat_wire::ids::{RoomId, RoomName};
use chat_wire::limits::SMALL_ROOM_ACCOUNTS_MAX;
use chat_wire::message::{ClientMessage, RoomAsk};

use super::change;
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, Event, FailureKind, Reply};
use crate::engine::limits::{CLOCK_SKEW_MS_MAX, TYPING_GAP_MS};
use crate::engine::memory::State;
use crate::engine::memory::room_tasks::RoomTask;
use crate::engine::memory::rooms::{Owner, seed};

/// A person writes in a room, or stopped: told in passing to who reads it now, if it is a small one. In a crowd
/// it would be noise, and it never waits for a connection.
pub(in crate::engine) fn type_to(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (to, active): (&str, bool),
) -> Result<(), EngineError> {
    let kind = if state.is_logged_in() { FailureKind::UnknownRoom } else { FailureKind::NotLoggedIn };
    let room = RoomName::parse(to).ok().and_then(|name| state.rooms.joined(&name));
    let Some(room) = room.filter(|_| state.is_logged_in()) else {
        work.fail(command, kind);
        return Ok(());
    };
    work.reply(command, Reply::Done);
    let now = work.now;
    let before = state.rooms.get(&room).and_then(|known| known.live.typed);
    let told = before.is_some_and(|(last, at)| last == active && now.ms_since(at) < TYPING_GAP_MS);
    if told || !super::is_ready(state, &room) || !is_small(state, work, &room)? {
        return Ok(());
    }
    // Who hears it goes by these times: no two are the same.
    let at = before.map_or(now, |(_, last)| now.max(last.plus_ms(1)));
    let seed = seed(work);
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let body = group.whisper(&seed, (active, at.as_ms())).map_err(|_| EngineError::Broken(Bug::Encoding))?;
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.typed = Some((active, at));
    }
    state.tell(work, ClientMessage::Room(RoomAsk::Typing { room }), Bytes::from(body));
    Ok(())
}

fn is_small(state: &mut State, work: &mut Work<'_>, room: &RoomId) -> Result<bool, EngineError> {
    Ok(change::members(state, work, room)?.len() <= SMALL_ROOM_ACCOUNTS_MAX)
}

/// Somebody writes: shown if a certified leaf of this epoch says so, and says it now.
pub(super) fn typed(state: &mut State, work: &mut Work<'_>, room: RoomId, body: &[u8]) -> Result<(), EngineError> {
    let now_ms = work.now.as_ms();
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let Some(whisper) = group.overhear(body) else { return Ok(()) };
    let leaf = group.leaves().unwrap_or_default().into_iter().find(|leaf| leaf.key == whisper.key);
    let Some(leaf) = leaf.filter(|_| now_ms.abs_diff(whisper.at_ms) <= CLOCK_SKEW_MS_MAX) else { return Ok(()) };
    let Owner::Certified(from) = state.owner_of(work, &leaf)? else { return Ok(()) };
    let account = leaf.owner().account;
    let blocked = state.people.get(&account).is_some_and(|person| person.blocked);
    let Some(known) = state.rooms.get_mut(&room) else { return Ok(()) };
    // A repeat by the relay says nothing new.
    let last_ms = known.live.heard_typing.entry(leaf.key.0).or_default();
    let is_news = whisper.at_ms > std::mem::replace(last_ms, whisper.at_ms.max(*last_ms));
    if blocked || !is_news || account == state.own_address()?.account {
        return Ok(());
    }
    let Some(known) = state.rooms.get(&room) else { return Ok(()) };
    work.event(Event::Typing { from, to: known.record.name.to_string(), active: whisper.active });
    Ok(())
}

/// Asks who of a small private room is online, for somebody who looks at its members; of others nobody asks.
pub(super) fn look(
    state: &mut State,
    work: &mut Work<'_>,
    (room, command): (RoomId, CommandId),
) -> Result<bool, EngineError> {
    let private = state.rooms.get(&room).is_some_and(|room| !room.record.public);
    let asks = private && state.is_online() && is_small(state, work, &room)?;
    if asks {
        state.ask_room(work, RoomTask::Look(room, command), RoomAsk::WhoIsHere { room }, Bytes::new());
    }
    Ok(asks)
}
