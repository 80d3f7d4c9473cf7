//! Welcomes: somebody added this device to a room. A contact's is taken at once, anybody else's waits for the
//! person, as a request does.

use chat_wire::ids::{AccountId, RoomId, RoomName};
use serde_bytes::ByteBuf;

use super::{enter, epoch, packages, tell};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FailureKind, Reply, RoomEventKind, Trouble};
use crate::engine::memory::State;
use crate::engine::memory::asks::ListsAfter;
use crate::engine::memory::rooms::{Owner, Phase, Post, RoomRecord, RoomShelf, WELCOME_PACKET, seed};
use crate::group::{Group, GroupError, Scratch, WelcomeCard, peek_welcome};
use crate::store::Table;

/// Whether the first packet of the mailbox holds a Welcome.
pub(in crate::engine) fn is_next(state: &State) -> bool {
    let first = state.parcels.queue.front().and_then(|parcel| parcel.packet.first());
    state.parcels.waits_for.is_none() && first == Some(&WELCOME_PACKET)
}

/// Takes the Welcome that is first in the mailbox, unless a list has to come before.
pub(in crate::engine) fn take(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let Some(parcel) = state.parcels.queue.front().cloned() else { return Ok(()) };
    let wanted = read(state, work, &parcel.packet)?;
    if let Some(wanted) = wanted.filter(|_| !state.parcels.fetched) {
        state.parcels.waits_for = Some(wanted);
        state.fetch_lists(work, wanted.account, wanted.seq);
        return Ok(());
    }
    state.parcels.pop();
    Ok(())
}

fn read(state: &mut State, work: &mut Work<'_>, packet: &[u8]) -> Result<Option<ListsAfter>, EngineError> {
    let Some((room, welcome)) = packet.get(1..).and_then(|rest| rest.split_first_chunk::<16>()) else {
        work.trouble(Trouble::Undecryptable);
        return Ok(None);
    };
    let room = RoomId(*room);
    let seed = seed(work);
    let peeked = {
        let mut shelf = RoomShelf::new(work, &room);
        peek_welcome(&mut Scratch::over(&mut shelf), &seed, welcome)
    };
    let card = match peeked {
        Ok(card) if card.room == room => card,
        Err(GroupError::Damaged) => return Err(EngineError::Store { table: Table::Groups }),
        _ => {
            work.trouble(Trouble::Undecryptable);
            return Ok(None);
        }
    };
    match state.owner_of(work, &card.inviter)? {
        Owner::Certified(_) => {}
        Owner::Unknown(wanted) => return Ok(Some(ListsAfter { account: wanted.account, seq: wanted.seq })),
        Owner::Forged => {
            work.trouble(Trouble::ListRefused(card.inviter.owner().account));
            return Ok(None);
        }
    }
    invited(state, work, &card, welcome)?;
    Ok(None)
}

/// An invitation of a verified device.
fn invited(state: &mut State, work: &mut Work<'_>, card: &WelcomeCard, welcome: &[u8]) -> Result<(), EngineError> {
    let (Ok(name), Some(key)) = (RoomName::parse(&card.policy.name), packages::leaf_key(work, &card.own_key.0)?) else {
        work.trouble(Trouble::Undecryptable);
        return Ok(());
    };
    let by = card.inviter.owner().account;
    let own = state.own_address()?.account;
    let blocked = state.people.get(&by).is_some_and(|person| person.blocked);
    let known = state.rooms.get(&card.room).map(|room| room.record.phase);
    // Somebody of the room put this device back in: what was here is of an epoch that is over.
    let mut unsent = Vec::new();
    let mut before = None;
    if known.is_some() {
        unsent = Post::waiting(work, &card.room, usize::MAX)?;
        before = state.rooms.remove(work, &card.room)?.map(|(record, _)| record);
    } else if state.rooms.named(&name).is_some() {
        work.trouble(Trouble::Undecryptable);
        return Ok(());
    }
    let mut record = RoomRecord::new(name.clone(), card.policy.public, Phase::Invited, &key);
    record.welcome = Some(ByteBuf::from(welcome.to_vec()));
    record.since_epoch = card.epoch;
    record.renewed_ms = work.now.as_ms();
    if let Some(before) = before {
        (record.counter, record.last, record.resynced_ms) = (before.counter, before.last, before.resynced_ms);
    }
    for (order, mut post) in unsent {
        post.sealed = None;
        post.save(work, &card.room, order)?;
    }
    packages::used(work, &card.own_key.0)?;
    state.rooms.insert(work, card.room, record, None)?;
    let companion = has_companion(state, work, card, &own)?;
    let at_once = by == own || known == Some(Phase::Joined) || is_mutual(state, &by) || companion;
    if at_once && !blocked {
        let by_whom = (known.is_none() && by != own).then_some(by);
        return come_in(state, work, card.room, (by_whom, known == Some(Phase::Joined)));
    }
    if blocked { Ok(()) } else { tell(state, work, &name, RoomEventKind::Invited, (Some(own), Some(by))) }
}

/// Whether another device of this account is in the room: then the person is in it already.
fn has_companion(state: &mut State, work: &Work<'_>, card: &WelcomeCard, own: &AccountId) -> Result<bool, EngineError> {
    for leaf in card.others.iter().filter(|leaf| leaf.owner().account == *own) {
        if matches!(state.owner_of(work, leaf)?, Owner::Certified(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_mutual(state: &State, account: &AccountId) -> bool {
    state.people.get(account).is_some_and(|person| person.is_mutual())
}

/// Takes the Welcome that waits in the record.
fn come_in(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (by, back): (Option<AccountId>, bool),
) -> Result<(), EngineError> {
    let Some(record) = state.rooms.get(&room).map(|room| room.record.clone()) else { return Ok(()) };
    let damaged = EngineError::Store { table: Table::Rooms };
    let key = crate::group::LeafKey::read(&record.leaf_key).ok_or(damaged)?;
    let Some(welcome) = &record.welcome else { return Err(damaged) };
    let seed = seed(work);
    let joined = {
        let mut shelf = RoomShelf::new(work, &room);
        let mut scratch = Scratch::over(&mut shelf);
        let joined = Group::join(&mut scratch, &seed, welcome, key);
        let changes = scratch.into_changes();
        if joined.is_ok() {
            changes.keep(&mut shelf);
        }
        joined
    };
    let Ok(joined) = joined else {
        work.trouble(Trouble::Undecryptable);
        let _ = state.rooms.remove(work, &room)?;
        return Ok(());
    };
    let name = record.name.clone();
    state.rooms.insert(work, room, record, Some(joined.group))?;
    epoch::begin(state, work, room, (0, &[0; 32]))?;
    enter::settle(state, work, room, 0)?;
    let own = state.own_address()?.account;
    let kind = if back { RoomEventKind::Resynced } else { RoomEventKind::Joined };
    tell(state, work, &name, kind, (Some(own), by))
}

/// The room of that name into which the person is invited.
pub(super) fn waiting(state: &State, name: &RoomName) -> Option<RoomId> {
    let room = state.rooms.named(name)?;
    let phase = state.rooms.get(&room).map(|room| room.record.phase);
    (phase == Some(Phase::Invited)).then_some(room)
}

/// The person takes an invitation up.
pub(super) fn accept(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    command: CommandId,
) -> Result<(), EngineError> {
    come_in(state, work, room, (None, false))?;
    if state.rooms.get(&room).is_some() {
        work.reply(command, Reply::Done);
    } else {
        work.fail(command, FailureKind::Integrity);
    }
    Ok(())
}
