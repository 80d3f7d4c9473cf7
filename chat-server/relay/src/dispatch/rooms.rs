//! Routes what a device asks about rooms (SPEC 12).

use bytes::Bytes;
use chat_wire::ids::DeviceAddress;
use chat_wire::message::RoomAsk;

use super::{company, packages, reading, writing};
use crate::core::Core;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::storage::Storage;

pub(super) fn ask<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (ask, body): (RoomAsk, Bytes),
) -> Result<Reply, Refuse> {
    match ask {
        // The room's id is its idempotency key: random, and never used again.
        RoomAsk::Create { room, name, public, owned, topic, .. } => {
            writing::create(core, here, device, writing::Plan { room, name, public, owned, topic, body })
        }
        RoomAsk::Commit(head) => writing::commit(core, here, device, (head, body)),
        RoomAsk::Post { key, room, epoch } => writing::post(core, here, device, (room, (key, body), epoch)),
        RoomAsk::Leave { key, room } => writing::leave(core, here, device, (room, key, body)),
        RoomAsk::Delete { room } => writing::delete(core, here, device, (room, body)),
        RoomAsk::List { joined, after, limit } => reading::list(core, here, device.account, (joined, after, limit)),
        RoomAsk::Info { name } => reading::info(core, here, device, &name),
        RoomAsk::GroupInfo { room } => reading::group_info(core, here, device, &room),
        RoomAsk::Open { room, after } => reading::open(core, here, device, (room, after)),
        RoomAsk::Ack { room, seq } => reading::acknowledge(core, here, device, (room, seq)),
        RoomAsk::Typing { room } => company::typing(core, here, device, (room, body)),
        RoomAsk::WhoIsHere { room } => company::who_is_here(core, here, device, &room),
        RoomAsk::Lists { room, wanted } => reading::lists(core, here, device, (room, &wanted)),
        RoomAsk::PutKeyPackages { packages, last_resort } => packages::put(core, here, device, (packages, last_resort)),
        RoomAsk::ClaimKeyPackages { account, devices } => packages::claim(core, here, device, (account, devices)),
    }
}
