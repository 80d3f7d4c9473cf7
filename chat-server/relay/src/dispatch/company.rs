//! Who is in a room at this moment: who writes, and, in a small private one, who is online (SPEC 12.5.6).

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::frame::Frame;
use chat_wire::ids::{DeviceAddress, RoomId};
use chat_wire::limits::SMALL_ROOM_ACCOUNTS_MAX;
use chat_wire::message::{RoomAnswer, RoomPush, ServerMessage};

use super::log::visible;
use crate::core::Core;
use crate::limits::EPHEMERAL_BYTES_MAX;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::{Output, Rests};
use crate::storage::Storage;

/// Passes on that somebody writes to who reads the room now. Never stored, never answered (SPEC 12.5.4): in a
/// crowd it would be noise that costs everybody, so there it ends here.
pub(super) fn typing<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    from: DeviceAddress,
    (room, body): (RoomId, Bytes),
) -> Result<Reply, Refuse> {
    if body.len() > EPHEMERAL_BYTES_MAX || core.gates.ephemerals.take(from, here.now.uptime_ms).is_err() {
        return Ok(Reply::Silence);
    }
    let heard = match visible(core, &room, &from) {
        Ok(live) => live.is_member(&from) && live.accounts() <= SMALL_ROOM_ACCOUNTS_MAX,
        Err(Refuse::Storage(error)) => return Err(error.into()),
        Err(_) => false,
    };
    let readers = if heard { core.rooms.members_here(&room) } else { Vec::new() };
    for (connection, _) in readers.into_iter().filter(|(_, device)| device.account != from.account) {
        let message = ServerMessage::RoomPush(RoomPush::Typing { room });
        let frame = Frame::with_body(0, message, body.clone());
        core.round.stage(Rests::OnMemory, Output::Send(connection, frame));
    }
    Ok(Reply::Silence)
}

/// Tells a member of a small private room who of it is online and shows it (DESIGN §8).
pub(super) fn who_is_here<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    room: &RoomId,
) -> Result<Reply, Refuse> {
    core.gates.room_looks.take(device.account, here.now.uptime_ms)?;
    let live = visible(core, room, &device)?;
    if !live.is_member(&device) || live.room.public || live.accounts() > SMALL_ROOM_ACCOUNTS_MAX {
        return Err(RefusalKind::Forbidden.into());
    }
    let mut accounts: Vec<_> = live.devices(None).map(|member| member.account).collect();
    accounts.dedup();
    accounts.retain(|account| core.presence.is_seen(account));
    Ok(Reply::Answer(ServerMessage::Room(RoomAnswer::Present { accounts })))
}
