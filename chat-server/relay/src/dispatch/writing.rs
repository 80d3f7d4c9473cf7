//! Writing to rooms: making them, commits, messages, leaving, deleting (SPEC 12.2).

use std::collections::BTreeSet;

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey, RoomId, RoomName};
use chat_wire::limits::{ROOM_EPOCHS_LATE_MAX, ROOM_MESSAGE_BYTES_MAX, TOPIC_BYTES_MAX};
use chat_wire::message::{CommitHead, RoomAnswer, RoomEnd, ServerMessage};

use super::log::{LOBBY, append, end, visible};
use crate::core::{Core, Lobby};
use crate::limits::{CONTESTS_MAX, STATEMENT_BYTES_MAX};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::service::mailboxes::Letter;
use crate::service::rooms::{COMMIT, Draft, LEAVE, Live, MESSAGE, Turn};
use crate::storage::{Batch, Entry, Log, Reader, Room, RoomWrite, Storage, StorageError, StoredGroupInfo, Write};
use crate::window::Load;

fn appended(seq: u64, epoch: u64, at_ms: u64) -> Reply {
    Reply::Answer(ServerMessage::Room(RoomAnswer::Appended { seq, epoch, at_ms }))
}

fn behind(live: &Live) -> Reply {
    Reply::Answer(ServerMessage::Room(RoomAnswer::Behind { epoch: live.room.epoch, seq: live.last_seq }))
}

/// A room that is to be made.
pub(super) struct Plan {
    pub(super) room: RoomId,
    pub(super) name: RoomName,
    pub(super) public: bool,
    pub(super) owned: bool,
    pub(super) topic: Option<String>,
    pub(super) body: Bytes,
}

impl Plan {
    fn check(&self) -> Result<(), Refuse> {
        let lobby = self.name.as_str() == LOBBY;
        // A room that is nobody's can't be deleted, so it must be one that everybody can enter.
        let sound = !self.body.is_empty() && (self.owned != lobby) && (self.owned || self.public);
        check_topic(self.public, self.topic.as_deref())?;
        if sound { Ok(()) } else { Err(RefusalKind::Malformed.into()) }
    }
}

fn check_topic(public: bool, topic: Option<&str>) -> Result<(), Refuse> {
    match topic {
        Some(topic) if topic.len() > TOPIC_BYTES_MAX => Err(RefusalKind::TooLarge.into()),
        Some(topic) if !public && !topic.is_empty() => Err(RefusalKind::Malformed.into()),
        _ => Ok(()),
    }
}

pub(super) fn create<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    plan: Plan,
) -> Result<Reply, Refuse> {
    plan.check()?;
    if plan.name.as_str() == LOBBY && core.config.lobby == Lobby::Off {
        return Err(RefusalKind::Forbidden.into());
    }
    if let Some(live) = core.rooms.live(&mut core.store, &plan.room)? {
        // A repeat whose answer got lost (SPEC 12.2.5): the id is random, so nobody else meets it.
        let same = live.room.name == plan.name && live.is_member(&device) && live.room.epoch == 0;
        let at_ms = live.room.created_ms;
        return if same { Ok(appended(0, 0, at_ms)) } else { Err(RefusalKind::RoomExists.into()) };
    }
    core.gates.room_creations.take(device.account, here.now.uptime_ms)?;
    may_join(core, &[device.account])?;
    let now_ms = here.now.wall_ms;
    let ended = core.store.ending_named(&plan.name)?;
    let reserved = ended.is_some_and(|e| e.reserved_until_ms > now_ms && e.owner != Some(device.account));
    if reserved || core.store.room_named(&plan.name)?.is_some() || core.store.ending(&plan.room)?.is_some() {
        return Err(RefusalKind::RoomExists.into());
    }
    let room = Room {
        id: plan.room,
        name: plan.name,
        public: plan.public,
        owner: plan.owned.then_some(device.account),
        topic: plan.topic.filter(|topic| !topic.is_empty()),
        created_ms: now_ms,
        epoch: 0,
        base_seq: 0,
        contests: 0,
        slow_ms: 0,
        closed: false,
        members: 1,
    };
    let info = StoredGroupInfo { epoch: 0, seq: 0, bytes: plan.body };
    let reader = Reader::joining(device, 0);
    let batch = vec![
        Write::Room(RoomWrite::Add(Box::new(room.clone()), info)),
        Write::Read(Log::Room(room.id), reader),
        Write::Room(RoomWrite::Put(Box::new(room), 0, None)),
    ];
    core.apply(&batch).map_err(|error| match error {
        StorageError::Conflict => RefusalKind::RoomExists.into(),
        other => Refuse::Storage(other),
    })?;
    Ok(appended(0, 0, now_ms))
}

/// Accounts that are in too many rooms already enter no other.
fn may_join<S: Storage>(core: &mut Core<S>, accounts: &[AccountId]) -> Result<(), Refuse> {
    for account in accounts {
        if core.store.rooms_joined(account)? >= core.config.limits.rooms_per_account_max {
            return Err(RefusalKind::TooLarge.into());
        }
    }
    Ok(())
}

/// What a device may change that is not in the room yet: it may add itself to a public one, in the place of
/// nobody but itself (SPEC 12.2.6).
fn is_own_join(head: &CommitHead, device: &DeviceAddress) -> bool {
    let alone = head.added == [*device] && head.removed.iter().all(|removed| removed == device);
    alone && head.topic.is_none() && head.owner.is_none() && !head.contest && head.welcomes.is_empty()
}

/// Takes a commit (SPEC 12.2.1): commit, GroupInfo and welcomes are one change, or nothing.
pub(super) fn commit<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (offer, body): (CommitHead, Bytes),
) -> Result<Reply, Refuse> {
    let room = offer.room;
    visible(core, &room, &device)?;
    let epoch = if offer.contest { offer.base } else { offer.base.saturating_add(1) };
    if let Some((seq, at_ms)) = core.store.appended(&Log::Room(room), &device, &offer.key)? {
        return Ok(appended(seq, epoch, at_ms));
    }
    core.gates.room_commits.take(device.account, here.now.uptime_ms)?;
    let parts = offer.cut(body).map_err(|_| RefusalKind::Malformed)?;
    let devices_max = core.config.limits.room_devices_max;
    let live = visible(core, &room, &device)?;
    check_topic(live.room.public, offer.topic.as_deref())?;
    if !live.is_member(&device) {
        if !live.room.public {
            return Err(RefusalKind::UnknownRoom.into());
        }
        if !is_own_join(&offer, &device) {
            return Err(RefusalKind::Forbidden.into());
        }
    }
    let Some(next) = next_room(live, &offer) else { return Ok(behind(live)) };
    let draft =
        Draft { from: device, kind: COMMIT, key: Some(offer.key), accepted_ms: here.now.wall_ms, body: parts.commit };
    let coming: BTreeSet<DeviceAddress> = offer.added.iter().filter(|d| !live.is_member(d)).copied().collect();
    let staying = live.devices(None).filter(|d| !offer.removed.contains(d) || offer.added.contains(d)).count();
    if staying.saturating_add(coming.len()) > devices_max {
        return Err(RefusalKind::TooLarge.into());
    }
    let mut turn = live.turn(draft, (&offer.added, &offer.removed));
    if offer.contest {
        turn = turn.with_readers(live.removed_by_base(&offer.removed));
    }
    let next = with_owner(live, &offer, device.account, next)?;
    let new_accounts: BTreeSet<AccountId> =
        coming.iter().map(|d| d.account).filter(|account| !live.has_account(account)).collect();
    let epoch = next.epoch;
    let turn = turn.with_room(next, Some(parts.group_info));
    devices_exist(core, &coming)?;
    may_join(core, &new_accounts.into_iter().collect::<Vec<_>>())?;
    let welcomes = welcome(core, here, device, parts.welcomes)?;
    let entry = append_with_welcomes(core, &room, (turn, welcomes))?;
    Ok(appended(entry.seq, epoch, entry.accepted_ms))
}

/// The room after a commit, or none when it does not start where the room is (SPEC 12.2.1, 12.2.4).
fn next_room(live: &Live, offer: &CommitHead) -> Option<Room> {
    let room = &live.room;
    let seq = live.last_seq.saturating_add(1);
    let topic = match &offer.topic {
        None => room.topic.clone(),
        Some(topic) => Some(topic.clone()).filter(|topic| !topic.is_empty()),
    };
    let next = Room { topic, ..room.clone() };
    if offer.contest {
        let contested = room.epoch.checked_sub(1) == Some(offer.base) && room.contests < CONTESTS_MAX;
        return contested.then(|| Room { contests: room.contests.saturating_add(1), ..next });
    }
    let epoch = room.epoch.checked_add(1).filter(|_| room.epoch == offer.base)?;
    Some(Room { epoch, base_seq: seq, contests: 0, ..next })
}

/// The owner names another one; once the owner has left, any commit does (SPEC 12.2.7). Nobody else takes the
/// owner's devices out, or a member could make itself the owner of what it may not delete.
fn with_owner(live: &Live, offer: &CommitHead, by: AccountId, next: Room) -> Result<Room, Refuse> {
    let own = live.room.owner;
    let mut of_owner = live.devices(own).filter(|_| own.is_some());
    let goes = |device: &DeviceAddress| offer.removed.contains(device) && !offer.added.contains(device);
    if own != Some(by) && of_owner.any(|device| goes(&device)) {
        return Err(RefusalKind::Forbidden.into());
    }
    let Some(named) = offer.owner else { return Ok(next) };
    let gone = own.is_some_and(|owner| !live.has_account(&owner));
    let stays = live.devices(Some(named)).any(|device| !offer.removed.contains(&device));
    let comes = offer.added.iter().any(|device| device.account == named);
    let may = (own == Some(by) || gone) && (stays || comes);
    if may { Ok(Room { owner: Some(named), ..next }) } else { Err(RefusalKind::Forbidden.into()) }
}

/// Devices that become readers must be in their accounts' lists: else the committer's are old.
fn devices_exist<S: Storage>(core: &mut Core<S>, devices: &BTreeSet<DeviceAddress>) -> Result<(), Refuse> {
    for device in devices {
        let roster = core.rosters.get(&mut core.store, &device.account)?;
        match roster {
            Some(roster) if roster.device(device.device).is_some() => {}
            Some(_) => return Err(RefusalKind::BadList.into()),
            None => return Err(core.absent(&device.account)?.into()),
        }
    }
    Ok(())
}

/// Gives welcomes their places in the mailboxes of their devices; refused when one has no room, because a
/// device in a room that it knows nothing of would never read it.
fn welcome<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    from: DeviceAddress,
    welcomes: Vec<(DeviceAddress, Bytes)>,
) -> Result<Vec<(DeviceAddress, Entry)>, Refuse> {
    for (to, body) in &welcomes {
        let mut load = Load::default();
        load.add(body.len());
        if !core.mailboxes.has_room(&mut core.store, to, load, &core.config.limits)? {
            return Err(RefusalKind::MailboxFull.into());
        }
    }
    let accepted_ms = here.now.wall_ms;
    let mut placed = Vec::with_capacity(welcomes.len());
    for (to, body) in welcomes {
        placed.push((to, core.mailboxes.place(&mut core.store, &to, Letter { from, accepted_ms, body })?));
    }
    Ok(placed)
}

/// A mailbox may be read before a sync: with welcomes inside, the sync comes first (SPEC 12.2.1).
fn append_with_welcomes<S: Storage>(
    core: &mut Core<S>,
    room: &RoomId,
    (turn, welcomes): (Turn, Vec<(DeviceAddress, Entry)>),
) -> Result<Entry, Refuse> {
    let letters = welcomes.iter().map(|(to, entry)| Write::Append(Log::Mailbox(*to), entry.clone()));
    let result = append(core, room, turn, letters.collect::<Batch>());
    let result = match result {
        Ok(entry) if !welcomes.is_empty() => core.store.sync().map(|()| entry).map_err(Refuse::Storage),
        other => other,
    };
    for (to, entry) in welcomes {
        if result.is_err() {
            core.mailboxes.forget(&to);
        } else if let Some(connection) = core.logins.get(&to) {
            core.round.fresh.push((*connection, entry));
        }
    }
    result
}

/// Takes a message (SPEC 12.2.3).
pub(super) fn post<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (room, (key, body), epoch): (RoomId, (RequestKey, Bytes), u64),
) -> Result<Reply, Refuse> {
    let now = here.now;
    let live = member(core, &room, &device)?;
    let now_epoch = live.room.epoch;
    if let Some((seq, at_ms)) = core.store.appended(&Log::Room(room), &device, &key)? {
        return Ok(appended(seq, now_epoch, at_ms));
    }
    if body.len() > ROOM_MESSAGE_BYTES_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    if body.is_empty() {
        return Err(RefusalKind::Malformed.into());
    }
    core.gates.room_messages.take((device.account, room), now.uptime_ms)?;
    let live = member(core, &room, &device)?;
    // Who came in meanwhile could not read what is sealed in an epoch before (SPEC 12.2.3).
    let unread = epoch < live.joined_epoch;
    if unread || epoch > live.room.epoch || live.room.epoch.saturating_sub(epoch) > ROOM_EPOCHS_LATE_MAX {
        return Ok(behind(live));
    }
    let retry_ms = live.slow_ms(&device.account, now.uptime_ms);
    // The owner is not slowed down: somebody must be able to keep order.
    if retry_ms > 0 && live.room.owner != Some(device.account) {
        return Err(Refuse::Later { retry_ms });
    }
    let draft = Draft { from: device, kind: MESSAGE, key: Some(key), accepted_ms: now.wall_ms, body };
    let turn = live.turn(draft, (&[], &[]));
    live.note_spoken(device.account, now.uptime_ms);
    let entry = append(core, &room, turn, Batch::new())?;
    Ok(appended(entry.seq, now_epoch, now.wall_ms))
}

/// A room that the device is in.
fn member<'a, S: Storage>(
    core: &'a mut Core<S>,
    room: &RoomId,
    device: &DeviceAddress,
) -> Result<&'a mut Live, Refuse> {
    let live = visible(core, room, device)?;
    if live.is_member(device) {
        return Ok(live);
    }
    Err(if live.room.public { RefusalKind::Forbidden } else { RefusalKind::UnknownRoom }.into())
}

/// An account leaves with all its devices; with the last one the room ends.
pub(super) fn leave<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (room, key, statement): (RoomId, RequestKey, Bytes),
) -> Result<Reply, Refuse> {
    if statement.is_empty() || statement.len() > STATEMENT_BYTES_MAX {
        return Err(RefusalKind::Malformed.into());
    }
    let epoch = visible(core, &room, &device)?.room.epoch;
    if let Some((seq, at_ms)) = core.store.appended(&Log::Room(room), &device, &key)? {
        return Ok(appended(seq, epoch, at_ms));
    }
    core.gates.room_commits.take(device.account, here.now.uptime_ms)?;
    let live = member(core, &room, &device)?;
    let own: Vec<DeviceAddress> = live.devices(Some(device.account)).collect();
    let accepted_ms = here.now.wall_ms;
    let draft = Draft { from: device, kind: LEAVE, key: Some(key), accepted_ms, body: statement };
    let turn = live.turn(draft, (&[], &own));
    let empties = turn.empties(live);
    let entry = append(core, &room, turn, Batch::new())?;
    if empties {
        end(core, &room, (RoomEnd::Closed, Bytes::new()), accepted_ms)?;
    }
    Ok(appended(entry.seq, epoch, accepted_ms))
}

/// The owner deletes the room (SPEC 12.2.7).
pub(super) fn delete<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (room, statement): (RoomId, Bytes),
) -> Result<Reply, Refuse> {
    if statement.len() > STATEMENT_BYTES_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    if core.store.ending(&room)?.is_some_and(|e| e.reason == RoomEnd::Deleted && e.owner == Some(device.account)) {
        return Ok(Reply::done());
    }
    core.gates.room_commits.take(device.account, here.now.uptime_ms)?;
    let live = member(core, &room, &device)?;
    if live.room.owner != Some(device.account) {
        return Err(RefusalKind::Forbidden.into());
    }
    end(core, &room, (RoomEnd::Deleted, statement), here.now.wall_ms)?;
    Ok(Reply::done())
}
