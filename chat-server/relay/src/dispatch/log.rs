//! What rooms have in common: finding them, appending to them, ending them, and what flows to their readers.

use std::collections::BTreeSet;

use bytes::Bytes;
use chat_wire::device_list::DeviceList;
use chat_wire::error::RefusalKind;
use chat_wire::frame::Frame;
use chat_wire::ids::{AccountId, DeviceAddress, RoomId};
use chat_wire::keys::Signature;
use chat_wire::message::{Departure, EntryKind, RoomEnd, RoomPush, ServerMessage};

use crate::core::{Core, Lobby};
use crate::limits::{DEPARTURE_LISTS_MAX, Limits};
use crate::refuse::Refuse;
use crate::round::{ConnectionId, Output, Rests};
use crate::service::rooms::{COMMIT, DEPARTED, Draft, LEAVE, Live, MESSAGE, Reached, Turn};
use crate::storage::{Batch, Ending, Entry, Log, RoomWrite, Storage, StorageError, Write};

/// The name of everybody's room: it belongs to nobody (DESIGN §6).
pub(super) const LOBBY: &str = "lobby";

/// A room that a device may know of: a public one, or one that its account is in (SPEC 12.1.2).
pub(super) fn visible<'a, S: Storage>(
    core: &'a mut Core<S>,
    room: &RoomId,
    asking: &DeviceAddress,
) -> Result<&'a mut Live, Refuse> {
    let lobby = core.config.lobby;
    let live = core.rooms.live(&mut core.store, room)?.ok_or(RefusalKind::UnknownRoom)?;
    let open = live.room.public && (lobby == Lobby::Open || live.room.name.as_str() != LOBBY);
    let known = open || live.has_account(&asking.account) || live.reader(asking).is_some();
    if known { Ok(live) } else { Err(RefusalKind::UnknownRoom.into()) }
}

/// Writes a turn with what else changes, and passes its entry on; it leaves the relay after the sync.
pub(super) fn append<S: Storage>(core: &mut Core<S>, room: &RoomId, turn: Turn, rest: Batch) -> Result<Entry, Refuse> {
    let Limits { room_entries_max, room_bytes_max, .. } = core.config.limits;
    let live = core.rooms.live(&mut core.store, room)?.ok_or(RefusalKind::UnknownRoom)?;
    let turn = turn.within(live, (room_entries_max, room_bytes_max));
    let mut batch = turn.writes(live);
    batch.extend(rest);
    if let Err(error) = core.apply(&batch) {
        core.rooms.forget(room);
        return Err(error.into());
    }
    core.rooms.done(room, &turn);
    let Reached { all, ended } = core.rooms.push(room, &turn.entry);
    if !all.is_empty() {
        // One frame for all of them: it is encoded once.
        let frame = Frame::with_body(0, push(*room, &turn.entry), turn.entry.body.clone());
        core.round.stage(Rests::OnStorage, Output::Spread(all, frame));
    }
    ended.into_iter().for_each(|connection| core.rooms.stand_up(room, connection));
    Ok(turn.entry)
}

fn push(room: RoomId, entry: &Entry) -> ServerMessage {
    let kind = match entry.kind {
        COMMIT => EntryKind::Commit,
        MESSAGE => EntryKind::Message,
        LEAVE => EntryKind::Leave,
        DEPARTED => EntryKind::Departed,
        _ => EntryKind::Unknown,
    };
    let (seq, at_ms) = (entry.seq, entry.accepted_ms);
    ServerMessage::RoomPush(RoomPush::Entry { room, seq, from: Some(entry.from), at_ms, kind })
}

/// Fills a reader's window from the log.
pub(super) fn fill<S: Storage>(
    core: &mut Core<S>,
    room: &RoomId,
    connection: ConnectionId,
) -> Result<(), StorageError> {
    while let Some(seat) = core.rooms.seat(room, connection) {
        let Some(portion) = seat.window.portion().filter(|_| !seat.window.is_caught_up()) else { break };
        let (after, until) = (seat.window.delivered(), seat.until.unwrap_or(u64::MAX));
        let entries = core.store.log_entries(&Log::Room(*room), after, portion)?;
        let Some(seat) = core.rooms.seat(room, connection) else { break };
        let mine: Vec<Entry> = entries.into_iter().filter(|entry| entry.seq <= until).collect();
        seat.window.set_caught_up(mine.is_empty());
        for entry in mine {
            seat.window.sent(&entry);
            let frame = Frame::with_body(0, push(*room, &entry), entry.body);
            core.round.stage(Rests::OnStorage, Output::Send(connection, frame));
        }
    }
    if let Some(seat) = core.rooms.seat(room, connection)
        && seat.window.drained_now()
    {
        let seq = seat.window.delivered();
        let message = ServerMessage::RoomPush(RoomPush::CaughtUp { room: *room, seq });
        core.round.push(Rests::OnStorage, connection, message);
    }
    stand_up_at_the_end(core, room, connection);
    Ok(())
}

/// What follows the answer of a request: the backlog of rooms that it opened.
pub(crate) fn follow<S: Storage>(core: &mut Core<S>) -> Result<(), StorageError> {
    for (room, connection) in core.rooms.take_fresh_seats() {
        fill(core, &room, connection)?;
    }
    Ok(())
}

/// Who was removed has read the entry that says so.
fn stand_up_at_the_end<S>(core: &mut Core<S>, room: &RoomId, connection: ConnectionId) {
    let over = |until: u64, delivered: u64| delivered >= until;
    let seat = core.rooms.seat(room, connection);
    if seat.is_some_and(|seat| seat.until.is_some_and(|until| over(until, seat.window.delivered()))) {
        core.rooms.stand_up(room, connection);
    }
}

/// Ends a room, and tells who reads it.
pub(super) fn end<S: Storage>(
    core: &mut Core<S>,
    room: &RoomId,
    (reason, statement): (RoomEnd, Bytes),
    wall_ms: u64,
) -> Result<(), Refuse> {
    let live = core.rooms.live(&mut core.store, room)?.ok_or(RefusalKind::UnknownRoom)?;
    let reserved_ms = if reason == RoomEnd::Deleted { core.config.limits.name_reserved_ms } else { 0 };
    let ending = Ending {
        room: *room,
        name: live.room.name.clone(),
        owner: live.room.owner,
        reason,
        statement: statement.clone(),
        reserved_until_ms: wall_ms.saturating_add(reserved_ms),
    };
    core.apply(&vec![Write::Room(RoomWrite::End(Box::new(ending)))])?;
    for connection in core.rooms.end(room) {
        let message = ServerMessage::RoomPush(RoomPush::Gone { room: *room, reason });
        let frame = Frame::with_body(0, message, statement.clone());
        core.round.stage(Rests::OnStorage, Output::Send(connection, frame));
    }
    Ok(())
}

/// Ends the rooms that the operator closed.
pub(crate) fn end_closed<S: Storage>(core: &mut Core<S>, wall_ms: u64) -> Result<(), StorageError> {
    core.rooms.forget_all();
    for room in core.store.closed_rooms()? {
        // Any other refusal means that it is gone already.
        if let Err(Refuse::Storage(error)) = end(core, &room, (RoomEnd::Closed, Bytes::new()), wall_ms) {
            return Err(error);
        }
    }
    Ok(())
}

/// Devices that came to an account or left it, and the rooms that are to know.
pub(super) struct Changed {
    /// One of them.
    pub(super) device: DeviceAddress,
    pub(super) rooms: BTreeSet<RoomId>,
    pub(super) why: Departure,
}

impl Changed {
    /// What its account signed, as far as its lists are still here.
    pub(super) fn read<S: Storage>(
        core: &mut Core<S>,
        device: DeviceAddress,
        rooms: BTreeSet<RoomId>,
    ) -> Result<Self, Refuse> {
        let lists = newest_lists(core, &device.account)?;
        Ok(Self { device, rooms, why: Departure { lists, deletion: None } })
    }

    pub(super) fn deleted(mut self, signature: Signature) -> Self {
        self.why.deletion = Some(signature);
        self
    }
}

fn newest_lists<S: Storage>(core: &mut Core<S>, account: &AccountId) -> Result<Vec<Bytes>, Refuse> {
    let current = core.store.current_list(account)?.ok_or(RefusalKind::Unavailable)?;
    let seq = DeviceList::decode(&current).map_err(|_| RefusalKind::Unavailable)?.body().seq;
    let limit = usize::try_from(DEPARTURE_LISTS_MAX).unwrap_or(usize::MAX);
    Ok(core.store.lists(account, seq.saturating_sub(DEPARTURE_LISTS_MAX), limit)?)
}

/// Members read in the log what became of an account's devices, in the words of the account itself (SPEC 12.4.7).
/// Those that are no more have left in the storage; rooms with nobody in them end.
pub(super) fn tell_rooms<S: Storage>(core: &mut Core<S>, changed: &Changed, wall_ms: u64) -> Result<(), Refuse> {
    let body = Bytes::from(changed.why.encode());
    for room in &changed.rooms {
        core.rooms.forget(room);
        let Some(live) = core.rooms.live(&mut core.store, room)? else { continue };
        if live.accounts() == 0 {
            end(core, room, (RoomEnd::Closed, Bytes::new()), wall_ms)?;
            continue;
        }
        let body = body.clone();
        let draft = Draft { from: changed.device, kind: DEPARTED, key: None, accepted_ms: wall_ms, body };
        let turn = live.turn(draft, (&[], &[]));
        append(core, room, turn, Batch::new())?;
    }
    Ok(())
}
