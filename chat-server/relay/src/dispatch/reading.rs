//! Reading rooms: opening, acknowledging, looking around, and the lists of who is in them.

use std::collections::BTreeSet;

use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, RoomId, RoomName};
use chat_wire::limits::{LISTS_WANTED_MAX, ROOMS_PER_ANSWER_MAX};
use chat_wire::message::{ListState, RoomAnswer, ServerMessage};
use serde_bytes::ByteBuf;

use super::log::{LOBBY, fill, visible};
use crate::core::{Core, Lobby};
use crate::limits::ROOM_LISTS_MAX;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::service::rooms::{Seat, card};
use crate::storage::Storage;
use crate::window::Window;

/// Starts to read (SPEC 12.2.2): what lies there follows the answer.
pub(super) fn open<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (room, after): (RoomId, u64),
) -> Result<Reply, Refuse> {
    if let Some(ending) = core.store.ending(&room)? {
        let answer = ServerMessage::Room(RoomAnswer::Gone { reason: ending.reason });
        return Ok(Reply::WithBody(answer, ending.statement));
    }
    let live = visible(core, &room, &device)?;
    let Some(reader) = live.reader(&device).copied() else {
        let kind = if live.room.public { RefusalKind::Forbidden } else { RefusalKind::UnknownRoom };
        return Err(kind.into());
    };
    let held = after.max(reader.joined);
    let (floor, last, epoch) = (live.floor_seq, live.last_seq, live.room.epoch);
    // History starts at the join, and ends where the device was removed.
    let last = reader.until.unwrap_or(last);
    let start = held.max(floor).min(last);
    let window = Window::after(start, last);
    core.rooms.sit(room, here.connection, Seat { device, window, until: reader.until });
    let first = start.saturating_add(1);
    Ok(Reply::Answer(ServerMessage::Room(RoomAnswer::Opened { first, last, epoch })))
}

pub(super) fn acknowledge<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (room, seq): (RoomId, u64),
) -> Result<Reply, Refuse> {
    let Some(seat) = core.rooms.seat(&room, here.connection) else {
        // Who was removed has no seat once it was sent everything; its cursor still matters to retention.
        core.rooms.acknowledge(room, device, seq);
        return Ok(Reply::Silence);
    };
    let (up_to, released) = seat.window.acknowledge(seq);
    core.rooms.acknowledge(room, device, up_to);
    if released.entries > 0 {
        fill(core, &room, here.connection)?;
    }
    Ok(Reply::Silence)
}

pub(super) fn list<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    asking: AccountId,
    (joined, after, limit): (bool, Option<RoomName>, u16),
) -> Result<Reply, Refuse> {
    core.gates.room_looks.take(asking, here.now.uptime_ms)?;
    let limit = usize::from(limit).min(ROOMS_PER_ANSWER_MAX);
    let found = core.store.rooms(&asking, joined, after.as_ref(), limit)?;
    let shut = |name: &RoomName| core.config.lobby == Lobby::Off && name.as_str() == LOBBY;
    let members = |members: u32| usize::try_from(members).unwrap_or(usize::MAX);
    let found = found.iter().filter(|(room, is_in)| *is_in || !shut(&room.name));
    let rooms = found.map(|(room, is_in)| card(room, members(room.members), *is_in)).collect();
    Ok(Reply::Answer(ServerMessage::Room(RoomAnswer::Rooms { rooms })))
}

pub(super) fn info<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    name: &RoomName,
) -> Result<Reply, Refuse> {
    core.gates.room_looks.take(device.account, here.now.uptime_ms)?;
    let room = core.store.room_named(name)?.ok_or(RefusalKind::UnknownRoom)?;
    let card = visible(core, &room, &device)?.card(&device.account);
    Ok(Reply::Answer(ServerMessage::Room(RoomAnswer::Info(card))))
}

pub(super) fn group_info<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    room: &RoomId,
) -> Result<Reply, Refuse> {
    core.gates.room_commits.take(device.account, here.now.uptime_ms)?;
    let live = visible(core, room, &device)?;
    // Who was removed from a private room reads its last entries, and nothing of what comes after.
    if !live.room.public && !live.has_account(&device.account) {
        return Err(RefusalKind::UnknownRoom.into());
    }
    let info = core.store.group_info(room)?.ok_or(RefusalKind::Unavailable)?;
    let answer = RoomAnswer::GroupInfo { epoch: info.epoch, seq: info.seq };
    Ok(Reply::WithBody(ServerMessage::Room(answer), info.bytes))
}

/// Lists of people in a room: of a public one for everybody, of a private one for its members.
pub(super) fn lists<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (room, wanted): (RoomId, &[ListState]),
) -> Result<Reply, Refuse> {
    if wanted.len() > LISTS_WANTED_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    core.gates.fetches.take(device.account, here.now.uptime_ms)?;
    let live = visible(core, &room, &device)?;
    if !live.room.public && !live.is_member(&device) {
        return Err(RefusalKind::UnknownRoom.into());
    }
    let inside: BTreeSet<AccountId> =
        wanted.iter().map(|w| w.account).filter(|account| live.has_account(account)).collect();
    let mut lists = Vec::new();
    for ListState { account, seq } in wanted.iter().filter(|w| inside.contains(&w.account)) {
        let room_left = ROOM_LISTS_MAX.saturating_sub(lists.len());
        if room_left == 0 {
            break;
        }
        let found = core.store.lists(account, *seq, room_left)?;
        lists.extend(found.into_iter().map(|list| ByteBuf::from(list.to_vec())));
    }
    Ok(Reply::Answer(ServerMessage::Room(RoomAnswer::Lists { lists })))
}
