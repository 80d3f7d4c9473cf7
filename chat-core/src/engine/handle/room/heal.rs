//! Out of step with the others, and back (SPEC 12.6). Every message and commit says, signed and readable, where
//! its author is. What can't be opened here and contradicts where this device is proves that the room went on
//! elsewhere: then it comes back into the place of its own leaf, seldom and visibly. Epochs are never undone.

use bytes::Bytes;
use chat_wire::domain::SIG_ROOM_BACK;
use chat_wire::ids::{DeviceAddress, RequestKey, RoomId};
use chat_wire::message::{ListState, RoomAnswer, RoomAsk};
use serde_bytes::ByteArray;

use super::depart::{self, Proven};
use super::statement::statement;
use super::{change, enter, tell};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{RoomEventKind, Trouble};
use crate::engine::memory::State;
use crate::engine::memory::room_tasks::{Entering, RoomTask};
use crate::engine::memory::rooms::{CommitFlight, Phase, Post, RoomShelf, Wish, seed};
use crate::group::{Back, Elsewhere, Group, GroupError, Leaf, LeafKey, MadeCommit, OwnLeaf, Scratch, Statement};
use crate::store::Table;

/// First byte of a request to be put back; an MLS message begins with 0.
const REQUEST: u8 = 0xB4;
/// Times a day that a device comes back to a room (DESIGN §6).
const RESYNCS_A_DAY_MAX: usize = 2;
const RESYNC_DAY_MS: u64 = 24 * 3_600_000;

/// Something of the log did not open: what its author says of itself may tell why.
pub(super) fn examine(state: &mut State, work: &mut Work<'_>, room: RoomId, body: &[u8]) -> Result<(), EngineError> {
    let Some(statement) = Statement::beside(body) else { return Ok(()) };
    let Some(known) = state.rooms.get(&room) else { return Ok(()) };
    if known.record.back.is_some() {
        return Ok(());
    }
    let ours = known.record.marks.iter().find(|mark| mark.epoch == statement.witness.epoch).copied();
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let own = group.witness();
    let is_member = group.leaves().unwrap_or_default().iter().any(|leaf| leaf.key == statement.key);
    if !is_member || statement.key == group.key().public() || !statement.is_signed(&room) {
        return Ok(());
    }
    let theirs = statement.witness;
    if theirs.epoch > own.epoch {
        // It is where this device never came to.
        return doubt(state, work, room, own.epoch);
    }
    let Some(ours) = ours.filter(|mark| *mark.authenticator != theirs.authenticator) else { return Ok(()) };
    work.trouble(Trouble::RoomForked);
    state.rooms.change(work, &room, |record| {
        record.branch = Some(record.branch.map_or(theirs.epoch, |branch| branch.min(theirs.epoch)));
    })?;
    let later = theirs.base.seq > ours.seq && ours.seq > 0;
    if !later {
        return doubt(state, work, room, theirs.epoch.saturating_sub(1));
    }
    // Of two sound commits the first counts (SPEC 12.2.4), and ours was. A fresh one shows the other where the
    // room is.
    if theirs.epoch == own.epoch {
        change::soon(state, work, room, Wish::Refresh(own.epoch))?;
    }
    Ok(())
}

/// The relay's room is at an earlier epoch than this device, and another branch is proven: that is where the others
/// are, whatever place this device was told for its own.
pub(super) fn outpaced(state: &mut State, work: &mut Work<'_>, room: RoomId, epoch: u64) -> Result<(), EngineError> {
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let ahead = group.epoch() > epoch;
    let branch = state.rooms.get(&room).and_then(|room| room.record.branch).filter(|branch| ahead && *branch <= epoch);
    branch.map_or(Ok(()), |branch| doubt(state, work, room, branch.saturating_sub(1)))
}

/// This device may be in the wrong place: the relay's GroupInfo will tell. Into the room that it leads to this
/// device comes with its secret of an epoch that it had in common with the others.
pub(super) fn doubt(state: &mut State, work: &mut Work<'_>, room: RoomId, common: u64) -> Result<(), EngineError> {
    let now_ms = work.now.as_ms();
    let lately = |at: &u64| now_ms.saturating_sub(*at) < RESYNC_DAY_MS;
    let Some(known) = state.rooms.get(&room) else { return Ok(()) };
    let spent = known.record.resynced_ms.iter().filter(|at| lately(at)).count() >= RESYNCS_A_DAY_MAX;
    if spent || known.record.back.is_some() {
        return Ok(());
    }
    // What did not lead back once is tried with an older one.
    let common = known.record.last_back.filter(|last| *last <= common).map_or(common, |last| last.saturating_sub(1));
    work.trouble(Trouble::CommitRefused);
    state.rooms.change(work, &room, |record| {
        record.resynced_ms.retain(lately);
        record.back = Some(common);
    })?;
    ask(state, work, room);
    Ok(())
}

/// The store of this device is an old copy: whatever it says in its rooms it may have said before.
pub(in crate::engine) fn doubt_all(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    for room in state.rooms.ids().into_iter().filter(|room| state.rooms.is_joined(room)).collect::<Vec<_>>() {
        let epoch = state.rooms.group(work, &room)?.map_or(0, |group| group.epoch());
        state.rooms.change(work, &room, |record| {
            record.back = Some(epoch);
            record.stale = true;
        })?;
        if state.rooms.started {
            ask(state, work, room);
        }
    }
    Ok(())
}

/// Asks where the room is, again on each connection until it is known.
pub(super) fn ask(state: &mut State, work: &mut Work<'_>, room: RoomId) {
    let Some(name) = state.rooms.get(&room).map(|room| room.record.name.clone()) else { return };
    state.ask_room(work, RoomTask::GroupInfo(name, room), RoomAsk::GroupInfo { room }, Bytes::new());
}

/// Whether a GroupInfo of this room is for who comes back.
pub(super) fn is_due(state: &State, room: &RoomId) -> bool {
    state.rooms.get(room).is_some_and(|room| room.record.back.is_some())
}

/// Whether the commit that is under way is the one by which this device comes back.
pub(super) fn is_on_its_way(state: &State, room: &RoomId) -> bool {
    state.rooms.get(room).is_some_and(|room| room.record.back.is_some() && room.record.phase == Phase::Entering)
}

/// The relay took that commit, or another one was faster.
pub(super) fn answered(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    answer: &RoomAnswer,
) -> Result<(), EngineError> {
    if let RoomAnswer::Appended { seq, .. } = answer {
        return is_back(state, work, room, *seq);
    }
    once_more(state, work, room);
    Ok(())
}

/// The relay said where the room is.
pub(super) fn group_info_came(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    info: &[u8],
) -> Result<(), EngineError> {
    let Some(record) = state.rooms.get(&room).map(|room| room.record.clone()) else { return Ok(()) };
    let Some(common) = record.back else { return Ok(()) };
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let here =
        record.phase == Phase::Joined && !record.stale && group.compare(info, record.branch) != Ok(Elsewhere::Yes);
    if here {
        return state.rooms.change(work, &room, |record| record.back = None);
    }
    let damaged = EngineError::Store { table: Table::Groups };
    let policy = group.policy().map_err(|_| damaged)?;
    let own_index = group.own_index();
    let leaves = group.leaves().map_err(|_| damaged)?;
    let own = leaves.iter().find(|leaf| leaf.index == own_index).ok_or(damaged)?;
    let (credential, owner) = (own.credential.clone(), own.owner());
    let key = LeafKey::read(&record.leaf_key).ok_or(damaged)?;
    let (seed, at_ms) = (seed(work), work.now.as_ms());
    let mut shelf = RoomShelf::new(work, &room);
    let mut scratch = Scratch::over(&mut shelf);
    group.erase(&mut scratch).map_err(|_| damaged)?;
    let back = Back { epoch: (!record.public).then_some(common), policy };
    let leaf = OwnLeaf { key, credential: &credential, at_ms };
    let entered = Group::enter(&mut scratch, &seed, info, leaf, Some(&back));
    let changes = scratch.into_changes();
    match entered {
        Ok((group, _)) if !record.public && !knows_all(&group, &leaves) => {
            let epoch = group.epoch().saturating_sub(1);
            state.rooms.drop_group(&room);
            request(state, work, room, epoch)
        }
        Ok((group, made)) => {
            changes.keep(&mut shelf);
            come_back(state, work, room, (group, made), owner)
        }
        Err(GroupError::Damaged) => Err(damaged),
        Err(_) => {
            state.rooms.drop_group(&room);
            give_up(state, work, room)
        }
    }
}

/// Whether everybody of a group was here when this device last was: who came later does not have the secret of
/// an epoch before, and could not follow.
fn knows_all(group: &Group, then: &[Leaf]) -> bool {
    group.leaves().is_ok_and(|now| now.iter().all(|leaf| then.iter().any(|known| known.key == leaf.key)))
}

/// Asks the members to put this device back: `0xB4 ‖ leaf_key 32 ‖ signature 64` (SPEC 12.6.4).
fn request(state: &mut State, work: &mut Work<'_>, room: RoomId, epoch: u64) -> Result<(), EngineError> {
    let now_ms = work.now.as_ms();
    state.rooms.change(work, &room, |record| {
        record.last_back = record.back.take();
        record.resynced_ms.push(now_ms);
    })?;
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let body = [&[REQUEST][..], &statement(group.key(), SIG_ROOM_BACK, &room)].concat();
    let ask = RoomAsk::Post { key: RequestKey(work.random()), room, epoch };
    state.ask_room(work, RoomTask::Back(room), ask, Bytes::from(body));
    Ok(())
}

/// Whether an entry is no MLS message but asks to be put back.
pub(super) fn is_request(body: &[u8]) -> bool {
    body.first() == Some(&REQUEST)
}

/// A leaf of the room asks to be put back.
pub(super) fn asked(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    body: &[u8],
) -> Result<Option<ListState>, EngineError> {
    let proof = depart::proof(depart::BACK, body.get(1..).unwrap_or_default());
    let leaf = match depart::examine(state, work, room, &proof)? {
        Proven::Waits(wanted) => return Ok(Some(wanted)),
        Proven::Leaf(leaf) => leaf,
        _ => return Ok(None),
    };
    let own = state.rooms.group(work, &room)?.map(|group| group.key().public());
    if own == Some(leaf.key) {
        return Ok(None);
    }
    let key = ByteArray::new(leaf.key.0);
    if state.rooms.get(&room).is_some_and(|room| room.record.asked.contains(&key)) {
        return Ok(None);
    }
    state.rooms.change(work, &room, |record| record.asked.push(key))?;
    depart::keep(state, work, room, (leaf.owner().account, proof))?;
    change::soon(state, work, room, Wish::PutBack(leaf.owner(), None))?;
    Ok(None)
}

/// The commit that puts this device back is on its way.
fn come_back(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (group, made): (Group, MadeCommit),
    owner: DeviceAddress,
) -> Result<(), EngineError> {
    let epoch = group.epoch();
    // It reads on from the commit: what lies before is of an epoch that it was not in.
    let flight = CommitFlight::from_outside(work, owner, vec![owner], (epoch, made))?;
    flight.save(work, &room)?;
    state.rooms.put_group(&room, group);
    state.rooms.change(work, &room, |record| {
        record.phase = Phase::Entering;
        record.pending = None;
        record.since_epoch = epoch;
    })?;
    for (order, mut post) in Post::waiting(work, &room, usize::MAX)? {
        // Others may have it: they know it by its id.
        post.sealed = None;
        post.key = RequestKey(work.random());
        post.save(work, &room, order)?;
    }
    state.send_commit(work, room, flight);
    Ok(())
}

/// There is no way back: into a public room this device enters like anybody, into a private one a member has to
/// add it again.
fn give_up(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    let Some(record) = state.rooms.get(&room).map(|room| room.record.clone()) else { return Ok(()) };
    if !record.public {
        let now_ms = work.now.as_ms();
        return state.rooms.change(work, &room, |record| {
            record.last_back = record.back.take();
            record.resynced_ms.push(now_ms);
        });
    }
    let mut lately = record.resynced_ms;
    lately.push(work.now.as_ms());
    let _ = state.rooms.remove(work, &room)?;
    tell(state, work, &record.name, RoomEventKind::Resynced, (None, None))?;
    let entering = Entering { resynced_ms: lately, ..Entering::default() };
    state.rooms.entering.insert(record.name.clone(), entering);
    enter::ask_group_info(state, work, record.name, room);
    Ok(())
}

/// The log holds the commit: this device is back, and says so.
fn is_back(state: &mut State, work: &mut Work<'_>, room: RoomId, seq: u64) -> Result<(), EngineError> {
    if !enter::land(state, work, room, seq)? {
        return Ok(());
    }
    let now_ms = work.now.as_ms();
    state.rooms.change(work, &room, |record| {
        record.last_back = record.back.take();
        record.branch = None;
        record.stale = false;
        record.resynced_ms.push(now_ms);
        record.renewed_ms = now_ms;
    })?;
    let own = state.own_address()?.account;
    let Some(name) = enter::settle(state, work, room, seq)? else { return Ok(()) };
    state.rooms.reopen(&room);
    tell(state, work, &name, RoomEventKind::Resynced, (Some(own), None))
}

/// Somebody was faster, or the relay does not take it now: once more through the door as it is then.
fn once_more(state: &mut State, work: &mut Work<'_>, room: RoomId) {
    CommitFlight::land(work, &room);
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.committing = false;
        known.live.lost = known.live.lost.saturating_add(1);
    }
    ask(state, work, room);
}
