//! What a wish needs in the room as it is now, and which leaves have to go.

use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, RoomId};

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{FailureKind, Role};
use crate::engine::limits::{ROOM_IDLE_MARGIN_MS, ROOM_IDLE_MS, ROOM_IDLE_SWEPT_MAX, ROOM_RENEW_MS};
use crate::engine::memory::State;
use crate::engine::memory::rooms::{Intent, Wish};
use crate::group::{Actor, Added, Leaf, OfferedMember, Policy};
use crate::store::Table;

fn damaged() -> EngineError {
    EngineError::Store { table: Table::Groups }
}

/// What is to be done about a wish.
pub(super) enum Plan {
    /// The room is so.
    Done,
    Fail(FailureKind),
    /// Key packages of the account first, of these devices or of all.
    Claim(AccountId, Vec<DeviceId>),
    Commit(Added),
}

pub(super) fn may(policy: &Policy, own: &AccountId, wish: &Wish) -> bool {
    match wish {
        Wish::Remove(account) => policy.may_kick(own, account),
        Wish::Topic(_) => policy.may_set_topic(own),
        Wish::Role(..) => policy.may_set_roles(own),
        Wish::Add(..) | Wish::Sweep | Wish::Renew | Wish::Refresh(_) | Wish::PutBack(..) => true,
    }
}

/// What a wish needs in the room as it is now.
pub(super) fn of(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    intent: &mut Intent,
) -> Result<Plan, EngineError> {
    let Intent { command, wish } = intent;
    let own = state.own_address()?.account;
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(Plan::Fail(FailureKind::UnknownRoom)) };
    let (policy, leaves) = (group.policy().map_err(|_| damaged())?, group.leaves().map_err(|_| damaged())?);
    let (allowed, epoch_now) = (may(&policy, &own, wish), group.epoch());
    let with = |policy: Policy| Plan::Commit(Added { policy: Some(policy), ..Added::default() });
    let of = |account: &AccountId| -> Vec<u32> {
        leaves.iter().filter(|leaf| leaf.owner().account == *account).map(|leaf| leaf.index).collect()
    };
    let plan = match wish {
        Wish::Add(account, offered) => {
            // Whom a person invites may have a device that is not known here yet: then all are asked for.
            let by_itself = command.is_none() && *account != own;
            let wanted = if by_itself { missing(state, work, &leaves, account)? } else { Vec::new() };
            // Who was put out or leaves meanwhile has no part in it any more.
            let leaves_it = state.rooms.get(&room).is_some_and(|room| room.record.leaving.contains(account));
            let is_out = of(account).is_empty() || leaves_it;
            if by_itself && (is_out || (wanted.is_empty() && offered.is_none())) {
                Plan::Done
            } else {
                plan_add(state, room, (&leaves, account, wanted), offered)
            }
        }
        Wish::PutBack(device, offered) => {
            let asked = state.rooms.get(&room).map(|room| room.record.asked.clone()).unwrap_or_default();
            let leaf = leaves.iter().find(|leaf| leaf.owner() == *device && asked.contains(&leaf.key.0.into()));
            plan_back((leaf, device), offered)
        }
        Wish::Remove(account) => {
            let removed = of(account);
            if removed.is_empty() { Plan::Done } else { Plan::Commit(Added { removed, ..Added::default() }) }
        }
        Wish::Topic(topic) => {
            let topic = Some(topic.clone()).filter(|topic| !topic.is_empty());
            let mut new = policy.clone();
            new.topic = topic;
            if new == policy { Plan::Done } else { with(new) }
        }
        Wish::Role(account, role) => plan_role(&policy, &own, (account, *role), !of(account).is_empty()),
        Wish::Sweep => {
            let removed = departed(state, work, room, &leaves)?;
            if removed.is_empty() { Plan::Done } else { Plan::Commit(Added { removed, ..Added::default() }) }
        }
        Wish::Renew => {
            let renewed_ms = state.rooms.get(&room).map_or(0, |room| room.record.renewed_ms);
            let contest = state.rooms.get(&room).is_some_and(|room| room.live.contest);
            let old = work.now.as_ms().saturating_sub(renewed_ms) >= ROOM_RENEW_MS;
            if old || contest { Plan::Commit(Added::default()) } else { Plan::Done }
        }
        // Whoever was faster has shown where the room is.
        Wish::Refresh(epoch) => {
            if epoch_now == *epoch {
                Plan::Commit(Added::default())
            } else {
                Plan::Done
            }
        }
    };
    // What is as wished needs no right any more: an owner who gave the room away is one no longer.
    Ok(if allowed || matches!(plan, Plan::Done) { plan } else { Plan::Fail(FailureKind::Forbidden) })
}

fn plan_role(policy: &Policy, own: &AccountId, (account, role): (&AccountId, Role), is_here: bool) -> Plan {
    let actor = match role {
        Role::Owner => Actor::Owner,
        Role::Admin => Actor::Admin,
        Role::Member => Actor::Member,
    };
    if !is_here {
        return Plan::Fail(FailureKind::UnknownUser);
    }
    if policy.role(account) == actor {
        return Plan::Done;
    }
    if account == own {
        // An owner gives the room to somebody; it can't just stop.
        return Plan::Fail(FailureKind::InvalidParams);
    }
    let mut new = policy.clone();
    new.set_role(*account, actor);
    Plan::Commit(Added { policy: Some(new), ..Added::default() })
}

/// A device that lost its place: its leaf goes, and it comes in again.
fn plan_back((leaf, device): (Option<&Leaf>, &DeviceAddress), offered: &mut Option<Vec<OfferedMember>>) -> Plan {
    let Some(leaf) = leaf else { return Plan::Done };
    let Some(members) = offered.take() else { return Plan::Claim(device.account, vec![device.device]) };
    let members: Vec<OfferedMember> =
        members.into_iter().filter(|member| member.leaf.owner() == *device).take(1).collect();
    if members.is_empty() {
        return Plan::Fail(FailureKind::NotFound);
    }
    Plan::Commit(Added { members, removed: vec![leaf.index], ..Added::default() })
}

/// Devices of an account, as its newest list here has them, that have no leaf.
pub(super) fn missing(
    state: &mut State,
    work: &Work<'_>,
    leaves: &[Leaf],
    account: &AccountId,
) -> Result<Vec<DeviceId>, EngineError> {
    let Some(known) = state.list_of(work, account)? else { return Ok(Vec::new()) };
    let is_in =
        |device: DeviceId| leaves.iter().any(|leaf| leaf.owner() == DeviceAddress { account: *account, device });
    Ok(known.list.body().live_devices().map(|device| device.id).filter(|device| !is_in(*device)).collect())
}

/// Key packages are used in one commit only: a second try claims others.
fn plan_add(
    state: &State,
    room: RoomId,
    (leaves, account, wanted): (&[Leaf], &AccountId, Vec<DeviceId>),
    offered: &mut Option<Vec<OfferedMember>>,
) -> Plan {
    let is_in = |owner: &DeviceAddress| leaves.iter().any(|leaf| leaf.owner() == *owner);
    let is_here = leaves.iter().any(|leaf| leaf.owner().account == *account);
    match offered.take() {
        Some(members) => {
            let members: Vec<OfferedMember> =
                members.into_iter().filter(|member| !is_in(&member.leaf.owner())).collect();
            match (members.is_empty(), is_here) {
                (true, true) => Plan::Done,
                // Nobody of the account has published a way in.
                (true, false) => Plan::Fail(FailureKind::NotFound),
                (false, _) => Plan::Commit(Added { members, ..Added::default() }),
            }
        }
        None if state.rooms.get(&room).is_some_and(|room| is_here && room.live.lost > 8) => Plan::Done,
        None => Plan::Claim(*account, wanted),
    }
}

/// Leaves that have to go: of accounts that leave, of devices that their accounts no longer list, and, in a room
/// that is nobody's, of devices that have long been away.
pub(super) fn departed(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    leaves: &[Leaf],
) -> Result<Vec<u32>, EngineError> {
    let leaving = state.rooms.get(&room).map(|room| room.record.leaving.clone()).unwrap_or_default();
    let own = state.own_address()?;
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(Vec::new()) };
    let own_index = Some(group.own_index());
    let is_nobodys = group.policy().map_err(|_| damaged())?.owner.is_none();
    let idle_at_ms = work.now.as_ms().saturating_sub(ROOM_IDLE_MARGIN_MS);
    let (mut gone, mut idle) = (Vec::new(), Vec::new());
    for leaf in leaves.iter().filter(|leaf| Some(leaf.index) != own_index) {
        let owner = leaf.owner();
        // An older leaf of this very device is one that it lost the state of.
        if owner == own || leaving.contains(&owner.account) || is_listed(state, work, &owner)? == Some(false) {
            gone.push(leaf.index);
        } else if is_nobodys && is_idle(leaf, idle_at_ms) {
            idle.push(leaf.index);
        }
    }
    idle.truncate(ROOM_IDLE_SWEPT_MAX);
    gone.extend(idle);
    Ok(gone)
}

/// Whether a leaf's device showed no sign of life for so long that anybody may take it out of a room that is
/// nobody's (SPEC 12.4.9).
pub(super) fn is_idle(leaf: &Leaf, at_ms: u64) -> bool {
    leaf.seen_ms.is_some_and(|seen_ms| at_ms.saturating_sub(seen_ms) >= ROOM_IDLE_MS)
}

/// Whether the newest verified list of its account has a device; none when no list is here.
pub(super) fn is_listed(
    state: &mut State,
    work: &Work<'_>,
    device: &DeviceAddress,
) -> Result<Option<bool>, EngineError> {
    let known = state.list_of(work, &device.account)?;
    Ok(known.map(|known| known.list.body().live_devices().any(|listed| listed.id == device.device)))
}

pub(super) fn newest_seq(state: &mut State, work: &Work<'_>, account: &AccountId) -> Result<u64, EngineError> {
    Ok(state.list_of(work, account)?.map_or(0, |known| known.list.body().seq))
}
