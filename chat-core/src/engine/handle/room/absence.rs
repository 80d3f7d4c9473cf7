//! Entries of the log by which somebody is out though its leaf still stands, and what members do about it.

use chat_wire::ids::{AccountId, RoomId};
use chat_wire::message::ListState;

use super::depart::{self, Proven};
use super::{change, leave, plan, tell};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::RoomEventKind;
use crate::engine::memory::State;
use crate::engine::memory::rooms::Wish;

/// A statement of the log: that account leaves, whose leaf signed it (SPEC 12.4.2).
pub(super) fn left(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    body: &[u8],
) -> Result<Option<ListState>, EngineError> {
    let proof = depart::proof(depart::LEFT, body);
    match depart::examine(state, work, room, &proof)? {
        Proven::Waits(wanted) => return Ok(Some(wanted)),
        Proven::Account(account) => goes(state, work, room, (account, proof))?,
        _ => {}
    }
    Ok(None)
}

/// An entry of the log: devices of an account are no more (SPEC 12.4.7).
pub(super) fn departed(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    body: &[u8],
) -> Result<Option<ListState>, EngineError> {
    let proof = depart::proof(depart::DEPARTED, body);
    match depart::examine(state, work, room, &proof)? {
        Proven::Waits(wanted) => return Ok(Some(wanted)),
        Proven::Account(account) => goes(state, work, room, (account, proof))?,
        Proven::Listed(account) => listed(state, work, room, (account, proof))?,
        Proven::Nothing | Proven::Leaf(_) => {}
    }
    Ok(None)
}

/// A newer list of a member: devices that are no more go, and into a private room new ones are let in by whoever is
/// there; into a public one they come by themselves.
fn listed(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (account, proof): (AccountId, Vec<u8>),
) -> Result<(), EngineError> {
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let leaves = group.leaves().unwrap_or_default();
    let mut gone = false;
    for leaf in leaves.iter().filter(|leaf| leaf.owner().account == account) {
        gone |= plan::is_listed(state, work, &leaf.owner())? == Some(false);
    }
    if gone {
        depart::keep(state, work, room, (account, proof))?;
        change::soon(state, work, room, Wish::Sweep)?;
    }
    let private = state.rooms.get(&room).is_some_and(|room| !room.record.public);
    if private && !plan::missing(state, work, &leaves, &account)?.is_empty() {
        change::soon(state, work, room, Wish::Add(account, None))?;
    }
    Ok(())
}

/// An account is out from now on; some member takes its leaves away.
fn goes(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (account, proof): (AccountId, Vec<u8>),
) -> Result<(), EngineError> {
    if account == state.own_address()?.account {
        return leave::end(state, work, room, (RoomEventKind::Left, Some(account), None));
    }
    let Some(known) = state.rooms.get(&room) else { return Ok(()) };
    if known.record.leaving.contains(&account) {
        return Ok(());
    }
    let name = known.record.name.clone();
    state.rooms.change(work, &room, |record| record.leaving.push(account))?;
    depart::keep(state, work, room, (account, proof))?;
    tell(state, work, &name, RoomEventKind::Left, (Some(account), None))?;
    change::soon(state, work, room, Wish::Sweep)
}
