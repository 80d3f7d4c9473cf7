//! Steps that several handlers share.

use std::collections::BTreeSet;

use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, RoomId};
use chat_wire::message::{LogoutReason, ServerMessage};
use serde_bytes::ByteBuf;

use super::log::{Changed, tell_rooms};
use crate::core::Core;
use crate::peer::{Connection, Login, Peer};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::{Farewell, Output, Rests};
use crate::service::devices::{self, Next, Standing};
use crate::storage::{Batch, Storage, StorageError, Write};
use crate::window::Window;

/// The current list and the vault of an account that is not switched off.
pub(super) fn account_data<S: Storage>(core: &mut Core<S>, account: &AccountId) -> Result<(ByteBuf, ByteBuf), Refuse> {
    let stored = core.store.account(account)?.ok_or(RefusalKind::BadCredentials)?;
    if stored.disabled {
        return Err(RefusalKind::Forbidden.into());
    }
    let list = core.store.current_list(account)?.ok_or(RefusalKind::Unavailable)?;
    let vault = core.store.vault(account)?.ok_or(RefusalKind::Unavailable)?;
    Ok((ByteBuf::from(list.to_vec()), ByteBuf::from(vault.to_vec())))
}

/// Puts a checked list, together with what else changes with it, and cuts off the devices that it removes
/// (SPEC 5.5.3); the storage drops their mailboxes and prekeys with the list.
pub(super) fn put_list<S: Storage>(core: &mut Core<S>, here: Here, next: Next, mut rest: Batch) -> Result<(), Refuse> {
    let Next { change, .. } = next;
    devices::keys_are_own(&mut core.store, &change)?;
    let (account, list) = (change.account, change.list.clone());
    let before = core.rosters.get(&mut core.store, &account)?;
    let removed: Vec<DeviceAddress> = before
        .iter()
        .flat_map(|roster| roster.devices.iter())
        .filter(|was| !change.devices.iter().any(|d| d.id == was.id))
        .map(|was| DeviceAddress { account, device: was.id })
        .collect();
    let rooms = rooms_of(core, &removed)?;
    rest.insert(0, Write::PutList(Box::new(change)));
    core.apply(&rest).map_err(|error| match error {
        StorageError::Conflict => RefusalKind::Conflict.into(),
        other => Refuse::Storage(other),
    })?;
    core.rosters.forget(&account);
    for device in &removed {
        core.mailboxes.forget(device);
        if let Some(connection) = core.logins.get(device) {
            let farewell = Farewell { reason: LogoutReason::Removed, list: Some(list.clone()) };
            core.round.dismissals.push((*connection, farewell));
        }
    }
    let Some(first) = removed.first().copied().filter(|_| !rooms.is_empty()) else { return Ok(()) };
    let gone = Changed::read(core, first, rooms)?;
    tell_rooms(core, &gone, here.now.wall_ms)
}

/// Refuses what was checked against a list that meanwhile is no longer the current one.
pub(super) fn still_stands<S: Storage>(
    core: &mut Core<S>,
    account: &AccountId,
    standing: &Standing,
) -> Result<(), Refuse> {
    let current = core.store.current_list(account)?;
    if current.as_ref() == Some(&standing.current) { Ok(()) } else { Err(RefusalKind::Conflict.into()) }
}

/// The rooms that devices are in.
pub(super) fn rooms_of<S: Storage>(core: &mut Core<S>, devices: &[DeviceAddress]) -> Result<BTreeSet<RoomId>, Refuse> {
    let mut rooms = BTreeSet::new();
    for device in devices {
        rooms.extend(core.store.rooms_read(device)?.into_iter().map(|(room, _)| room));
    }
    Ok(rooms)
}

/// The connection is the device's from now on; an older one of the same device ends (SPEC 7.1.4).
pub(super) fn log_in<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    device: DeviceAddress,
) -> Result<Reply, Refuse> {
    core.settle_acknowledgements()?;
    // The step that the answer names counts every send that was accepted.
    core.settle();
    let roster = core.rosters.get(&mut core.store, &device.account)?.ok_or(RefusalKind::Unavailable)?;
    let incarnation = core.store.incarnation(&device)?;
    let pairs_left = core.store.pairs_left(&device)?;
    let last_seq = core.mailboxes.last_seq(&mut core.store, &device)?;
    if let Some(before) = core.logins.insert(device, here.connection) {
        core.round.dismissals.push((before, LogoutReason::Replaced.into()));
    }
    let login = Login {
        device,
        window: Window::new(last_seq),
        checking: None,
        step: incarnation.step,
        dozing: false,
        announced: false,
    };
    connection.peer = Peer::LoggedIn(Box::new(login));
    let news = core.presence.arrive(&device, here.connection, here.now.wall_ms);
    core.spread(news);
    core.round.stage(Rests::OnStorage, Output::LoggedIn(here.connection));
    for wants in core.entrance.open(&device.account) {
        core.round.push(Rests::OnStorage, here.connection, wants);
    }
    Ok(Reply::Answer(ServerMessage::LoggedIn {
        device,
        boot: incarnation.boot,
        step: incarnation.step,
        pairs_left,
        list_seq: roster.list_seq,
        now_ms: here.now.wall_ms,
    }))
}
