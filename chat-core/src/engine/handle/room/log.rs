//! The log of a room: its entries are taken one after the other, each with everything it changes. What does
//! not open or is not allowed is passed over, by everybody alike; what lacks a device list waits for it.

use bytes::Bytes;
use chat_wire::domain::plain_hash;
use chat_wire::ids::{AccountId, DeviceAddress, RoomId};
use chat_wire::message::{EntryKind, ListState, RoomAsk};
use serde_bytes::ByteArray;

use super::{absence, change, depart, enter, epoch, heal, leave, plan, talk, tell};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{Failure, FailureKind, RoomEventKind, Trouble};
use crate::engine::limits::{RETRY_MS_MAX, RETRY_MS_MIN, ROOM_ENTRIES_MAX};
use crate::engine::memory::State;
use crate::engine::memory::room_tasks::RoomTask;
use crate::engine::memory::rooms::{CommitFlight, LeafStream, LogEntry, Owner, Phase, RoomShelf, seed};
use crate::group::{Actor, GroupError, Leaf, Policy, Processed, Scratch, StagedChange};
use crate::store::Table;

/// What became of an entry.
enum Taken {
    Done,
    /// These lists first.
    Waits(Vec<ListState>),
}

/// Asks for the log, once a connection.
pub(super) fn open(state: &mut State, work: &mut Work<'_>, room: RoomId) {
    let Some(known) = state.rooms.get_mut(&room) else { return };
    if known.record.phase != Phase::Joined || known.live.open {
        return;
    }
    known.live.open = true;
    let after = known.record.cursor;
    state.ask_room(work, RoomTask::Open(room), RoomAsk::Open { room, after }, Bytes::new());
}

/// The log is open. What was cut off meanwhile is gone for this device.
pub(super) fn opened(state: &mut State, work: &mut Work<'_>, room: RoomId, first: u64) -> Result<(), EngineError> {
    let before = first.saturating_sub(1);
    if state.rooms.get(&room).is_some_and(|room| room.record.cursor < before) {
        state.rooms.change(work, &room, |record| record.cursor = before)?;
    }
    state.fetch_roster(work, room)
}

/// An entry came.
pub(super) fn push(state: &mut State, room: RoomId, entry: LogEntry) {
    if let Some(known) = state.rooms.get_mut(&room)
        && known.live.entries.len() < ROOM_ENTRIES_MAX
    {
        known.live.entries.push_back(entry);
    }
}

/// All that lay there has come.
pub(super) fn caught_up(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.caught_up = true;
    }
    epoch::forget(state, work, room)?;
    change::upkeep(state, work, room)
}

/// Lists came: the first entry is looked at again.
pub(super) fn go_on(state: &mut State, room: RoomId) {
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.waits = false;
    }
}

/// Lists did not come. Nothing is decided without them because the relay is busy: all members must decide alike.
pub(super) fn no_lists(state: &mut State, work: &Work<'_>, room: RoomId, failure: &Failure) {
    let Some(known) = state.rooms.get_mut(&room) else { return };
    let for_now = matches!(failure.kind, FailureKind::RateLimited | FailureKind::Offline | FailureKind::Timeout);
    if for_now {
        known.live.asked.clear();
        let wait_ms = failure.retry_after_ms.unwrap_or(RETRY_MS_MIN).clamp(RETRY_MS_MIN, RETRY_MS_MAX);
        known.live.lists_at = Some(work.now.plus_ms(wait_ms));
    } else {
        known.live.waits = false;
    }
}

/// Takes what lies there, and tells the relay how far it got.
pub(super) fn advance(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    if let Some(known) = state.rooms.get_mut(&room)
        && known.live.lists_at.take_if(|at| *at <= work.now).is_some()
    {
        known.live.waits = false;
        state.fetch_roster(work, room)?;
    }
    let mut got = None;
    while let Some(known) = state.rooms.get_mut(&room) {
        if known.live.waits || known.record.phase != Phase::Joined {
            break;
        }
        let cursor = known.record.cursor;
        let Some(entry) = known.live.entries.front().cloned() else { break };
        if entry.seq > cursor {
            if let Taken::Waits(wanted) = take(state, work, room, &entry)? {
                state.rooms.drop_group(&room);
                state.fetch_room_lists(work, room, wanted);
                break;
            }
            got = Some(entry.seq);
        }
        let Some(known) = state.rooms.get_mut(&room) else { return Ok(()) };
        known.live.entries.pop_front();
        known.record.cursor = cursor.max(entry.seq);
    }
    let Some(seq) = got else { return Ok(()) };
    if state.rooms.get(&room).is_some() {
        state.rooms.change(work, &room, |_| ())?;
        state.tell(work, chat_wire::message::ClientMessage::Room(RoomAsk::Ack { room, seq }), Bytes::new());
    }
    Ok(())
}

fn take(state: &mut State, work: &mut Work<'_>, room: RoomId, entry: &LogEntry) -> Result<Taken, EngineError> {
    match entry.kind {
        EntryKind::Commit => take_commit(state, work, room, entry),
        EntryKind::Message => take_message(state, work, room, entry),
        EntryKind::Leave => {
            let wanted = absence::left(state, work, room, &entry.body)?;
            Ok(wanted.map_or(Taken::Done, |wanted| unless_asked(state, room, vec![wanted])))
        }
        EntryKind::Departed => {
            let wanted = absence::departed(state, work, room, &entry.body)?;
            Ok(wanted.map_or(Taken::Done, |wanted| unless_asked(state, room, vec![wanted])))
        }
        EntryKind::Unknown => Ok(Taken::Done),
    }
}

/// Lists that were asked for and did not come don't hold the room up: without them nothing is certified.
fn unless_asked(state: &State, room: RoomId, mut wanted: Vec<ListState>) -> Taken {
    if let Some(known) = state.rooms.get(&room) {
        wanted.retain(|state| !known.live.asked.contains(&(state.account, state.seq)));
    }
    if wanted.is_empty() { Taken::Done } else { Taken::Waits(wanted) }
}

fn damaged() -> EngineError {
    EngineError::Store { table: Table::Groups }
}

/// A message: shown if its leaf is certified and its id belongs to it (SPEC 12.5.1).
fn take_message(state: &mut State, work: &mut Work<'_>, room: RoomId, entry: &LogEntry) -> Result<Taken, EngineError> {
    if heal::is_request(&entry.body) {
        let wanted = heal::asked(state, work, room, &entry.body)?;
        return Ok(wanted.map_or(Taken::Done, |wanted| unless_asked(state, room, vec![wanted])));
    }
    let seed = seed(work);
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(Taken::Done) };
    // The group is borrowed from the state; its changes go aside until the author is known.
    let mut shelf = RoomShelf::new(work, &room);
    let mut scratch = Scratch::over(&mut shelf);
    let processed = group.process(&mut scratch, &seed, &entry.body);
    let changes = scratch.into_changes();
    let (leaf, content) = match processed {
        Ok(Processed::Message(leaf, content)) => (*leaf, content),
        Ok(_) => return Ok(Taken::Done),
        Err(GroupError::Damaged) => return Err(damaged()),
        Err(error) => {
            if !matches!(error, GroupError::OtherEpoch | GroupError::Ahead) {
                work.trouble(Trouble::Undecryptable);
            }
            return heal::examine(state, work, room, &entry.body).map(|()| Taken::Done);
        }
    };
    match certify(state, work, room, &leaf)? {
        Owner::Certified(name) => {
            changes.keep(&mut RoomShelf::new(work, &room));
            talk::show(state, work, room, talk::Said { leaf, name, content, at_ms: entry.at_ms })?;
        }
        Owner::Unknown(wanted) => {
            if let Taken::Waits(wanted) = unless_asked(state, room, vec![wanted]) {
                // It is opened again then: nothing of it is kept.
                return Ok(Taken::Waits(wanted));
            }
            state.rooms.drop_group(&room);
            work.trouble(Trouble::Undecryptable);
        }
        Owner::Forged => {
            state.rooms.drop_group(&room);
            work.trouble(Trouble::ListRefused(leaf.owner().account));
        }
    }
    Ok(Taken::Done)
}

/// Whose a leaf is; remembered, because it never changes.
fn certify(state: &mut State, work: &Work<'_>, room: RoomId, leaf: &Leaf) -> Result<Owner, EngineError> {
    let known = state.rooms.get(&room).is_some_and(|room| room.live.certified.contains(&leaf.key.0));
    if known && let Some(name) = state.listed_name(work, &leaf.owner().account)? {
        return Ok(Owner::Certified(name));
    }
    let owner = state.owner_of(work, leaf)?;
    if let (Owner::Certified(_), Some(known)) = (&owner, state.rooms.get_mut(&room)) {
        known.live.certified.insert(leaf.key.0);
    }
    Ok(owner)
}

/// A commit: ours that waited for this place, or another's that is checked before it is merged (SPEC 12.4.1).
fn take_commit(state: &mut State, work: &mut Work<'_>, room: RoomId, entry: &LogEntry) -> Result<Taken, EngineError> {
    let hash = ByteArray::new(plain_hash(&[&entry.body]));
    let pending = state.rooms.get(&room).and_then(|room| room.record.pending);
    let seed = seed(work);
    let own = state.own_address()?.account;
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(Taken::Done) };
    let before = snapshot(group)?;
    if pending == Some(hash) {
        return take_own(state, work, room, (entry.seq, hash)).map(|()| Taken::Done);
    }
    let mut shelf = RoomShelf::new(work, &room);
    let mut scratch = Scratch::over(&mut shelf);
    let processed = group.process(&mut scratch, &seed, &entry.body);
    let changes = scratch.into_changes();
    let staged = match processed {
        Ok(Processed::Commit(staged)) => staged,
        Err(GroupError::Damaged) => return Err(damaged()),
        // Of a base that is taken already, or no sound commit: passed over by everybody, or by us alone.
        Ok(_) => return Ok(Taken::Done),
        Err(error) => {
            if !matches!(error, GroupError::OtherEpoch | GroupError::Ahead) {
                work.trouble(Trouble::CommitRefused);
            }
            return heal::examine(state, work, room, &entry.body).map(|()| Taken::Done);
        }
    };
    match judge(state, work, room, (&before.policy, entry.at_ms), &staged)? {
        Verdict::Waits(wanted) => return Ok(Taken::Waits(wanted)),
        Verdict::Refused => {
            state.rooms.drop_group(&room);
            work.trouble(Trouble::CommitRefused);
            return Ok(Taken::Done);
        }
        Verdict::Sound => {}
    }
    let (by, removes_us, resumes) = (staged.change.committer.account, staged.removes_us, staged.change.returns());
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(Taken::Done) };
    if removes_us {
        let stays = staged.change.staying.iter().any(|leaf| leaf.account == own);
        return out(state, work, room, (by, stays)).map(|()| Taken::Done);
    }
    let mut shelf = RoomShelf::new(work, &room);
    changes.keep(&mut shelf);
    group.merge(&mut shelf, &seed, *staged).map_err(|_| damaged())?;
    epoch::begin(state, work, room, (entry.seq, &hash))?;
    merged(state, work, room, &before, (by, resumes))?;
    Ok(Taken::Done)
}

/// Our own commit has its place.
fn take_own(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (seq, hash): (u64, ByteArray<32>),
) -> Result<(), EngineError> {
    let (seed, own) = (seed(work), state.own_address()?.account);
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let before = snapshot(group)?;
    group.merge_pending(&mut RoomShelf::new(work, &room), &seed).map_err(|_| damaged())?;
    epoch::begin(state, work, room, (seq, &hash))?;
    merged(state, work, room, &before, (own, false))
}

/// The relay says that our commit has a place which this device is past: something else was shown there, or the log
/// was cut. It counts all the same, or this device would wait for it for good.
pub(super) fn passed(state: &mut State, work: &mut Work<'_>, room: RoomId, seq: u64) -> Result<(), EngineError> {
    let record = state.rooms.get(&room).map(|room| &room.record);
    let past = record.filter(|record| record.phase == Phase::Joined && record.cursor >= seq);
    let Some(hash) = past.and_then(|record| record.pending) else { return Ok(()) };
    work.trouble(Trouble::CommitRefused);
    take_own(state, work, room, (seq, hash))
}

/// What is thought of a commit.
enum Verdict {
    Sound,
    Refused,
    Waits(Vec<ListState>),
}

/// Owners of new leaves and rights of the committer, from verified lists only.
fn judge(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (policy, at_ms): (&Policy, u64),
    staged: &StagedChange,
) -> Result<Verdict, EngineError> {
    let mut wanted = Vec::new();
    for leaf in &staged.added {
        match certify(state, work, room, leaf)? {
            Owner::Certified(_) => {}
            Owner::Unknown(state) => wanted.push(state),
            Owner::Forged => return Ok(Verdict::Refused),
        }
    }
    let missing = wanted.len();
    let proven = depart::Departed::read(state, work, room, &staged.evidence)?;
    wanted.extend(proven.waits.iter().copied());
    let mut departed: Vec<DeviceAddress> = Vec::new();
    for removed in &staged.removed {
        let leaf = removed.owner();
        let idle = policy.owner.is_none() && plan::is_idle(removed, at_ms);
        match plan::is_listed(state, work, &leaf)? {
            _ if idle => departed.push(leaf),
            _ if proven.may_go(removed, staged.change.added.contains(&leaf)) => departed.push(leaf),
            Some(false) => departed.push(leaf),
            // Perhaps its account's newest list says why it goes.
            known => {
                let by = &staged.change.committer.account;
                if leaf.account != *by && !policy.may_kick(by, &leaf.account) {
                    let seq = if known.is_some() { plan::newest_seq(state, work, &leaf.account)? } else { 0 };
                    wanted.push(ListState { account: leaf.account, seq });
                }
            }
        }
    }
    if let Taken::Waits(wanted) = unless_asked(state, room, wanted) {
        return Ok(Verdict::Waits(wanted));
    }
    let is_departed = |leaf: &DeviceAddress| departed.contains(leaf);
    let allowed = missing == 0 && policy.check(&staged.change, &is_departed).is_ok();
    Ok(if allowed { Verdict::Sound } else { Verdict::Refused })
}

/// Leaves and policy at one epoch.
pub(super) struct Snapshot {
    leaves: Vec<Leaf>,
    policy: Policy,
}

fn snapshot(group: &crate::group::Group) -> Result<Snapshot, EngineError> {
    let (leaves, policy) = (group.leaves().map_err(|_| damaged())?, group.policy().map_err(|_| damaged())?);
    Ok(Snapshot { leaves, policy })
}

/// The room is one epoch on: what waited is looked at again, and what changed is told.
fn merged(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    before: &Snapshot,
    (by, resumes): (AccountId, bool),
) -> Result<(), EngineError> {
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let after = snapshot(group)?;
    CommitFlight::land(work, &room);
    let leaving = state.rooms.get(&room).map(|room| room.record.leaving.clone()).unwrap_or_default();
    let now_ms = work.now.as_ms();
    let own = state.own_address()?.account;
    state.rooms.change(work, &room, |record| {
        if record.pending.take().is_some() && by == own {
            record.renewed_ms = now_ms;
        }
        record.proofs.retain(|proof| depart::is_of_use(proof, &after.leaves));
        // Somebody else goes on from here: the others are where this device is.
        record.branch = record.branch.filter(|_| by == own);
        record.asked.retain(|key| after.leaves.iter().any(|leaf| leaf.key.0 == **key));
        record.leaving.retain(|account| after.leaves.iter().any(|leaf| leaf.owner().account == *account));
    })?;
    for leaf in before.leaves.iter().filter(|leaf| !after.leaves.iter().any(|other| other.key == leaf.key)) {
        LeafStream::forget(work, &room, &leaf.key);
    }
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.heard_typing.clear();
        known.live.committing = false;
        known.live.contest = false;
        known.live.lost = 0;
    }
    if resumes && let Some(name) = state.rooms.get(&room).map(|room| room.record.name.clone()) {
        tell(state, work, &name, RoomEventKind::Resynced, (Some(by), None))?;
    }
    announce(state, work, room, (before, &after), (by, &leaving))
}

/// Tells who came, who went, and what is different.
fn announce(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (before, after): (&Snapshot, &Snapshot),
    (by, leaving): (AccountId, &[AccountId]),
) -> Result<(), EngineError> {
    let Some(name) = state.rooms.get(&room).map(|room| room.record.name.clone()) else { return Ok(()) };
    let accounts = |snapshot: &Snapshot| {
        let mut accounts: Vec<AccountId> = snapshot.leaves.iter().map(|leaf| leaf.owner().account).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    };
    let (was, is) = (accounts(before), accounts(after));
    for account in is.iter().filter(|account| was.binary_search(account).is_err()) {
        let by = Some(by).filter(|by| by != account);
        tell(state, work, &name, RoomEventKind::Joined, (Some(*account), by))?;
    }
    for account in was.iter().filter(|account| is.binary_search(account).is_err()) {
        // Who said that it leaves was told of then.
        if !leaving.contains(account) {
            let nobodys = before.policy.owner.is_none();
            let left = by == *account || nobodys || has_no_device(state, work, before, account)?;
            let kind = if left { RoomEventKind::Left } else { RoomEventKind::Kicked };
            tell(state, work, &name, kind, (Some(*account), Some(by).filter(|_| !left)))?;
        }
    }
    if before.policy.topic != after.policy.topic {
        tell(state, work, &name, RoomEventKind::Topic, (None, Some(by)))?;
    }
    for account in &is {
        let role = |policy: &Policy| -> Actor { policy.role(account) };
        if was.binary_search(account).is_ok() && role(&before.policy) != role(&after.policy) {
            tell(state, work, &name, RoomEventKind::Role, (Some(*account), Some(by)))?;
        }
    }
    Ok(())
}

/// Whether its own list put every device of an account out, and no hand of a member.
fn has_no_device(
    state: &mut State,
    work: &Work<'_>,
    before: &Snapshot,
    account: &AccountId,
) -> Result<bool, EngineError> {
    for leaf in before.leaves.iter().filter(|leaf| leaf.owner().account == *account) {
        if plan::is_listed(state, work, &leaf.owner())? != Some(false) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A commit put this device out.
fn out(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (by, account_stays): (AccountId, bool),
) -> Result<(), EngineError> {
    let own = state.own_address()?.account;
    let nobodys = match state.rooms.group(work, &room)? {
        Some(group) => group.policy().is_ok_and(|policy| policy.public && policy.owner.is_none()),
        None => false,
    };
    if account_stays || nobodys {
        // Another device of the account is still there: this one is put back by it, or enters again. From a room
        // that is nobody's, nobody is thrown out: this device was away for long, and comes back by itself.
        let removed = state.rooms.remove(work, &room)?;
        if let Some((record, _)) = removed.filter(|_| nobodys) {
            enter::once_more(state, work, (record.name, room));
        }
        return Ok(());
    }
    let kind = if by == own { RoomEventKind::Left } else { RoomEventKind::Kicked };
    leave::end(state, work, room, (kind, Some(own), Some(by).filter(|by| *by != own)))
}
