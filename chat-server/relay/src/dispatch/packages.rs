//! Key packages: publishing and claiming them.

use std::collections::BTreeSet;

use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId};
use chat_wire::limits::{DEVICES_MAX, KEY_PACKAGES_LOW, ROOMS_PER_ANSWER_MAX};
use chat_wire::message::{KeyPackageUpload, RoomAnswer, RoomPush, ServerMessage};
use serde_bytes::ByteBuf;

use super::log::{Changed, tell_rooms};
use crate::core::Core;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::Rests;
use crate::service::packages::{self, Supply};
use crate::storage::{Batch, Storage};

pub(super) fn put<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    upload: (Vec<KeyPackageUpload>, Option<KeyPackageUpload>),
) -> Result<Reply, Refuse> {
    core.gates.changes.take(device.account, here.now.uptime_ms)?;
    let left = core.store.key_packages_left(&device)?;
    let batch = packages::publish(device, left, upload, here.now.wall_ms)?;
    core.apply(&batch)?;
    let left = core.store.key_packages_left(&device)?;
    arrived(core, here, device)?;
    Ok(Reply::Answer(ServerMessage::Room(RoomAnswer::KeyPackagesStored { left })))
}

/// A device can be added from now on: private rooms that its account is in, and it is not, read so in their log, and
/// any member lets it in (SPEC 12.4.7). Into a public one it enters by itself.
fn arrived<S: Storage>(core: &mut Core<S>, here: Here, device: DeviceAddress) -> Result<(), Refuse> {
    let joined = core.store.rooms(&device.account, true, None, ROOMS_PER_ANSWER_MAX)?;
    let mut missing = BTreeSet::new();
    for (room, _) in joined.into_iter().filter(|(room, _)| !room.public) {
        if core.rooms.live(&mut core.store, &room.id)?.is_some_and(|live| live.reader(&device).is_none()) {
            missing.insert(room.id);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let changed = Changed::read(core, device, missing)?;
    tell_rooms(core, &changed, here.now.wall_ms)
}

pub(super) fn claim<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    asking: DeviceAddress,
    (account, devices): (AccountId, Vec<DeviceId>),
) -> Result<Reply, Refuse> {
    let now = here.now;
    if devices.len() > DEVICES_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    core.gates.claims.take(asking.account, now.uptime_ms)?;
    core.gates.claims_by_target.take((asking.account, account), now.uptime_ms)?;
    core.live_account(&account)?;
    let list = core.store.current_list(&account)?.ok_or(RefusalKind::Unavailable)?;
    let roster = core.rosters.get(&mut core.store, &account)?.ok_or(RefusalKind::UnknownUser)?;
    // The same crowd that may not drain a person's prekeys may not drain these.
    let supply = match core.gates.one_time.take(account, now.uptime_ms) {
        Ok(()) => Supply::OneTime,
        Err(_) => Supply::LastResortOnly,
    };
    let mut batch = Batch::new();
    let mut packages = Vec::new();
    for device in roster.devices.iter().filter(|d| devices.is_empty() || devices.contains(&d.id)) {
        let owner = DeviceAddress { account, device: device.id };
        if owner != asking {
            packages.extend(packages::offer(&mut core.store, owner, (supply, now.wall_ms), &mut batch)?);
        }
    }
    core.apply(&batch)?;
    for offered in &packages {
        warn_when_low(core, &offered.owner)?;
    }
    let list = ByteBuf::from(list.to_vec());
    Ok(Reply::Answer(ServerMessage::Room(RoomAnswer::KeyPackages { list, packages })))
}

/// Tells a connected device once when its stock falls below the mark, and when it is used up.
fn warn_when_low<S: Storage>(core: &mut Core<S>, owner: &DeviceAddress) -> Result<(), Refuse> {
    let Some(connection) = core.logins.get(owner).copied() else { return Ok(()) };
    let left = core.store.key_packages_left(owner)?;
    let mark = usize::try_from(left).unwrap_or(usize::MAX).saturating_add(1);
    if mark == KEY_PACKAGES_LOW || left == 0 {
        let message = ServerMessage::RoomPush(RoomPush::KeyPackagesLow { left });
        core.round.push(Rests::OnStorage, connection, message);
    }
    Ok(())
}
