//! Wishes become commits. A commit that loses is made again from the room as it is then; nobody sees it.

use bytes::Bytes;
use chat_wire::domain::plain_hash;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey, RoomId, RoomName, UserName};
use chat_wire::limits::TOPIC_BYTES_MAX;
use chat_wire::message::{OfferedKeyPackage, PacketHead, RoomAsk};
use serde_bytes::{ByteArray, ByteBuf};

use super::plan::{self, Plan};
use super::{depart, enter};
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, Failure, FailureKind, Reply, Role};
use crate::engine::limits::{ROOM_RENEW_MS, ROOM_RETRY_MS, ROOM_RETRY_MS_MAX};
use crate::engine::memory::State;
use crate::engine::memory::names::Want;
use crate::engine::memory::room_tasks::RoomTask;
use crate::engine::memory::rooms::{CommitFlight, Intent, Owner, Phase, RoomShelf, WELCOME_PACKET, Wish, seed};
use crate::group::{Added, Leaf, MadeCommit, offered_member};
use crate::store::Table;

/// Whom a command means: somebody of the room, somebody known, or a name to be looked up.
pub(super) fn invite_name(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (room, username): (RoomName, UserName),
) -> Result<Option<(UserName, Want)>, EngineError> {
    if state.rooms.joined(&room).is_none() {
        work.fail(command, FailureKind::UnknownRoom);
        return Ok(None);
    }
    if let Some(account) = state.people.account_of(&username) {
        invite(state, work, command, (&room, account))?;
        return Ok(None);
    }
    Ok(Some((username, Want::Invite(command, room))))
}

/// Somebody is to be in the room.
pub(in crate::engine) fn invite(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (room, account): (&RoomName, AccountId),
) -> Result<(), EngineError> {
    wish(state, work, command, room, Wish::Add(account, None))
}

pub(super) fn kick(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (room, username): (&RoomName, &UserName),
) -> Result<(), EngineError> {
    let Some(account) = member(state, work, command, (room, username))? else { return Ok(()) };
    wish(state, work, command, room, Wish::Remove(account))
}

pub(super) fn set_topic(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (room, topic): (&RoomName, String),
) -> Result<(), EngineError> {
    if topic.len() > TOPIC_BYTES_MAX {
        work.fail(command, FailureKind::TooLarge);
        return Ok(());
    }
    wish(state, work, command, room, Wish::Topic(topic))
}

pub(super) fn set_role(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (room, username, role): (&RoomName, &UserName, Role),
) -> Result<(), EngineError> {
    let Some(account) = member(state, work, command, (room, username))? else { return Ok(()) };
    wish(state, work, command, room, Wish::Role(account, role))
}

/// A member of a room by name.
fn member(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (room, username): (&RoomName, &UserName),
) -> Result<Option<AccountId>, EngineError> {
    let Some(id) = state.rooms.joined(room) else {
        work.fail(command, FailureKind::UnknownRoom);
        return Ok(None);
    };
    for account in members(state, work, &id)? {
        if state.listed_name(work, &account)?.is_some_and(|name| name == *username) {
            return Ok(Some(account));
        }
    }
    work.fail(command, FailureKind::UnknownUser);
    Ok(None)
}

/// Accounts in a room.
pub(super) fn members(state: &mut State, work: &mut Work<'_>, room: &RoomId) -> Result<Vec<AccountId>, EngineError> {
    let Some(group) = state.rooms.group(work, room)? else { return Ok(Vec::new()) };
    let leaves = group.leaves().map_err(|_| damaged())?;
    let mut accounts: Vec<AccountId> = leaves.iter().map(|leaf| leaf.owner().account).collect();
    let leaving = state.rooms.get(room).map(|room| room.record.leaving.clone()).unwrap_or_default();
    accounts.retain(|account| !leaving.contains(account));
    accounts.sort_unstable();
    accounts.dedup();
    Ok(accounts)
}

fn damaged() -> EngineError {
    EngineError::Store { table: Table::Groups }
}

/// Puts a command's wish into the line of its room.
fn wish(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    room: &RoomName,
    wish: Wish,
) -> Result<(), EngineError> {
    let Some(id) = state.rooms.joined(room) else {
        work.fail(command, FailureKind::UnknownRoom);
        return Ok(());
    };
    let own = state.own_address()?.account;
    let Some(group) = state.rooms.group(work, &id)? else { return Ok(()) };
    let policy = group.policy().map_err(|_| damaged())?;
    if !plan::may(&policy, &own, &wish) {
        work.fail(command, FailureKind::Forbidden);
    } else if !state.is_online() {
        work.fail(command, FailureKind::Offline);
    } else if let Some(room) = state.rooms.get_mut(&id) {
        room.live.intents.push_back(Intent { command: Some(command), wish });
    }
    Ok(())
}

/// Does the first wish of a room, if nothing is on its way.
pub(super) fn next(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    loop {
        let Some(known) = state.rooms.get_mut(&room) else { return Ok(()) };
        let live = &mut known.live;
        let waits = live.not_before.is_some_and(|at| at > work.now);
        if live.committing || live.claiming || waits {
            return Ok(());
        }
        live.not_before = None;
        let Some(mut intent) = live.intents.pop_front() else { return Ok(()) };
        match plan::of(state, work, room, &mut intent)? {
            Plan::Done => {
                if let Some(command) = intent.command {
                    work.reply(command, Reply::Done);
                }
            }
            Plan::Fail(kind) => {
                if let Some(command) = intent.command {
                    work.fail(command, kind);
                }
            }
            Plan::Claim(account, devices) => {
                put_back(state, room, intent);
                if let Some(known) = state.rooms.get_mut(&room) {
                    known.live.claiming = true;
                }
                let ask = RoomAsk::ClaimKeyPackages { account, devices };
                state.ask_room(work, RoomTask::Claim(room), ask, Bytes::new());
                return Ok(());
            }
            Plan::Commit(what) => {
                put_back(state, room, intent);
                return launch(state, work, room, what);
            }
        }
    }
}

fn put_back(state: &mut State, room: RoomId, intent: Intent) {
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.intents.push_front(intent);
    }
}

/// Makes a commit, stores it and sends it.
fn launch(state: &mut State, work: &mut Work<'_>, room: RoomId, mut what: Added) -> Result<(), EngineError> {
    let seed = seed(work);
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let (policy, leaves) = (group.policy().map_err(|_| damaged())?, group.leaves().map_err(|_| damaged())?);
    let staying: Vec<DeviceAddress> =
        leaves.iter().filter(|leaf| !what.removed.contains(&leaf.index)).map(Leaf::owner).collect();
    // Who still has another leaf goes on reading.
    let goes = |leaf: &&Leaf| what.removed.contains(&leaf.index) && !staying.contains(&leaf.owner());
    let removed: Vec<DeviceAddress> = leaves.iter().filter(goes).map(Leaf::owner).collect();
    let added: Vec<DeviceAddress> = what.members.iter().map(|member| member.leaf.owner()).collect();
    let present: Vec<DeviceAddress> = staying.iter().chain(&added).copied().collect();
    let new = what.policy.take().unwrap_or_else(|| policy.clone()).settled(&present);
    what.policy = (new != policy).then(|| new.clone());
    let base = group.epoch();
    let going: Vec<Leaf> = leaves.iter().filter(|leaf| what.removed.contains(&leaf.index)).cloned().collect();
    (what.evidence, what.at_ms) = (depart::evidence(state, &room, &going), work.now.as_ms());
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    if group.has_pending() {
        group.drop_pending(&mut RoomShelf::new(work, &room)).map_err(|_| damaged())?;
    }
    let made =
        group.commit(&mut RoomShelf::new(work, &room), &seed, what).map_err(|_| EngineError::Broken(Bug::OwnKeys))?;
    let hash = ByteArray::new(plain_hash(&[&made.commit]));
    let topic = (new.public && new.topic != policy.topic).then(|| new.topic.clone().unwrap_or_default());
    let owner = new.owner.filter(|_| new.owner != policy.owner);
    let mut flight = pack(work, &room, made, added)?;
    flight.base = base;
    flight.contest = state.rooms.get(&room).is_some_and(|room| room.live.contest);
    flight.removed = removed;
    flight.topic = topic;
    flight.owner = owner;
    flight.save(work, &room)?;
    state.rooms.change(work, &room, |record| record.pending = Some(hash))?;
    state.send_commit(work, room, flight);
    Ok(())
}

/// `commit ‖ GroupInfo ‖ welcomes`, a Welcome for each device that comes.
fn pack(
    work: &mut Work<'_>,
    room: &RoomId,
    made: MadeCommit,
    added: Vec<DeviceAddress>,
) -> Result<CommitFlight, EngineError> {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| EngineError::Broken(Bug::Encoding));
    let (commit_len, group_info_len) = (len(&made.commit)?, len(&made.group_info)?);
    let mut body = [made.commit, made.group_info].concat();
    let mut welcomes = Vec::new();
    if let Some(welcome) = made.welcome {
        let packet = [&[WELCOME_PACKET][..], &room.0, &welcome].concat();
        for to in &added {
            welcomes.push(PacketHead { to: *to, len: len(&packet)? });
            body.extend_from_slice(&packet);
        }
    }
    Ok(CommitFlight {
        key: RequestKey(work.random()),
        base: 0,
        contest: false,
        added,
        removed: Vec::new(),
        topic: None,
        owner: None,
        commit_len,
        group_info_len,
        welcomes,
        body: ByteBuf::from(body),
    })
}

/// Somebody else's commit took the place: ours is dropped, the wish stays.
pub(super) fn lost(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (epoch, seq): (u64, u64),
) -> Result<(), EngineError> {
    CommitFlight::land(work, &room);
    if state.rooms.get(&room).is_some_and(|room| room.record.phase == Phase::Entering) {
        return enter::again(state, work, room);
    }
    drop_commit(state, work, room)?;
    let contest = is_stuck(state, work, &room, (epoch, seq))?;
    let jitter = u64::from(u16::from_be_bytes(work.random()));
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.contest = contest;
        known.live.lost = known.live.lost.saturating_add(1);
        let wait = ROOM_RETRY_MS.saturating_mul(u64::from(known.live.lost)).min(ROOM_RETRY_MS_MAX);
        let wait = jitter.checked_rem(wait.max(1)).unwrap_or(0);
        known.live.not_before = Some(work.now.plus_ms(wait));
    }
    Ok(())
}

/// Everything of the log is taken, and yet the relay is one epoch on: what took our base was passed over.
fn is_stuck(
    state: &mut State,
    work: &mut Work<'_>,
    room: &RoomId,
    (epoch, seq): (u64, u64),
) -> Result<bool, EngineError> {
    let own = state.rooms.group(work, room)?.map(|group| group.epoch());
    let taken = state.rooms.get(room).is_some_and(|room| room.record.cursor >= seq);
    Ok(taken && own.is_some_and(|own| own.checked_add(1) == Some(epoch)))
}

/// A message came too late for its epoch: the next one is sealed in the room's, once this device is there. If
/// the way there is no sound commit, a commit of ours stands beside it.
pub(super) fn overtaken(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (epoch, seq): (u64, u64),
) -> Result<(), EngineError> {
    let stuck = is_stuck(state, work, &room, (epoch, seq))?;
    let Some(known) = state.rooms.get_mut(&room) else { return Ok(()) };
    known.live.seal_from = epoch;
    if stuck {
        known.live.contest = true;
        known.live.intents.push_back(Intent { command: None, wish: Wish::Renew });
    }
    Ok(())
}

fn drop_commit(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    let pending = state.rooms.get(&room).is_some_and(|room| room.record.pending.is_some());
    if pending {
        if let Some(group) = state.rooms.group(work, &room)? {
            group.drop_pending(&mut RoomShelf::new(work, &room)).map_err(|_| damaged())?;
        }
        state.rooms.change(work, &room, |record| record.pending = None)?;
    }
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.committing = false;
    }
    Ok(())
}

/// The relay does not take a commit.
pub(super) fn refused(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    failure: &Failure,
) -> Result<(), EngineError> {
    CommitFlight::land(work, &room);
    if state.rooms.get(&room).is_some_and(|room| room.record.phase == Phase::Entering) {
        return enter::kept_out(state, work, room, failure);
    }
    drop_commit(state, work, room)?;
    let intent = state.rooms.get_mut(&room).and_then(|room| room.live.intents.pop_front());
    if let Some(command) = intent.and_then(|intent| intent.command) {
        work.fail_with(command, failure.clone());
    }
    Ok(())
}

/// Key packages came: each is checked against its owner's list before it is used.
pub(super) fn packages_came(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (list, packages): (&[u8], &[OfferedKeyPackage]),
) -> Result<(), EngineError> {
    let Some(known) = state.rooms.get_mut(&room) else { return Ok(()) };
    known.live.claiming = false;
    let account = match known.live.intents.front() {
        Some(Intent { wish: Wish::Add(account, _), .. }) => *account,
        Some(Intent { wish: Wish::PutBack(device, _), .. }) => device.account,
        _ => return Ok(()),
    };
    let own = state.own_address()?;
    let _ = state.take_list(work, &account, list)?;
    let mut members = Vec::new();
    for package in packages.iter().filter(|package| package.owner != own) {
        let Ok(member) = offered_member(&mut RoomShelf::roomless(work), &package.package) else { continue };
        let claimed = member.leaf.owner() == package.owner && package.owner.account == account;
        let listed = plan::is_listed(state, work, &package.owner)? == Some(true);
        if claimed && listed && matches!(state.owner_of(work, &member.leaf)?, Owner::Certified(_)) {
            members.push(member);
        }
    }
    if let Some(Intent { wish: Wish::Add(_, offered) | Wish::PutBack(_, offered), .. }) =
        state.rooms.get_mut(&room).and_then(|room| room.live.intents.front_mut())
    {
        *offered = Some(members);
    }
    Ok(())
}

/// No key packages came.
pub(super) fn no_packages(state: &mut State, work: &mut Work<'_>, room: RoomId, failure: &Failure) {
    let Some(known) = state.rooms.get_mut(&room) else { return };
    known.live.claiming = false;
    if let Some(command) = known.live.intents.pop_front().and_then(|intent| intent.command) {
        work.fail_with(command, failure.clone());
    }
}

/// What a device sees to by itself once it is up to date: its account's other devices, leaves that are gone,
/// its own keys.
pub(super) fn upkeep(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    let own = state.own_address()?;
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let leaves = group.leaves().map_err(|_| damaged())?;
    let listed = state.list_of(work, &own.account)?.map(|known| known.list);
    let missing = listed.is_some_and(|list| {
        list.body().live_devices().any(|device| {
            let address = DeviceAddress { account: own.account, device: device.id };
            address != own && !leaves.iter().any(|leaf| leaf.owner() == address)
        })
    });
    let gone = !plan::departed(state, work, room, &leaves)?.is_empty();
    let renewed_ms = state.rooms.get(&room).map_or(0, |room| room.record.renewed_ms);
    let old = work.now.as_ms().saturating_sub(renewed_ms) >= ROOM_RENEW_MS;
    let Some(known) = state.rooms.get_mut(&room) else { return Ok(()) };
    let mut add = |due: bool, wish: Wish| {
        let same = |intent: &Intent| is_same(&intent.wish, &wish);
        if due && !known.live.intents.iter().any(|intent| intent.command.is_none() && same(intent)) {
            known.live.intents.push_back(Intent { command: None, wish });
        }
    };
    add(gone, Wish::Sweep);
    add(missing, Wish::Add(own.account, None));
    add(old, Wish::Renew);
    Ok(())
}

/// Whether two wishes of the device itself come to the same.
fn is_same(one: &Wish, other: &Wish) -> bool {
    match (one, other) {
        (Wish::Add(one, _), Wish::Add(other, _)) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// Something that any member can do: most likely the one with the first leaf does.
pub(super) fn soon(state: &mut State, work: &mut Work<'_>, room: RoomId, wish: Wish) -> Result<(), EngineError> {
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let own = group.own_index();
    let rank = group.leaves().unwrap_or_default().iter().filter(|leaf| leaf.index < own).count();
    let rank = u64::try_from(rank).unwrap_or(u64::MAX).min(20);
    let at = work.now.plus_ms(rank.saturating_mul(ROOM_RETRY_MS));
    if let Some(known) = state.rooms.get_mut(&room) {
        let same = |intent: &Intent| is_same(&intent.wish, &wish);
        if known.live.intents.iter().any(|intent| intent.command.is_none() && same(intent)) {
            return Ok(());
        }
        known.live.intents.push_back(Intent { command: None, wish });
        if rank > 0 && known.live.intents.len() == 1 {
            known.live.not_before = Some(at);
        }
    }
    Ok(())
}
