//! Devices that wait to be let in, and those that decide (SPEC 9.13).

use chat_wire::device_list::{DeviceList, FLAG_APPROVAL};
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId};
use chat_wire::keys::VerifyKey;
use chat_wire::message::{AccountAnswer, ServerMessage, Verdict};

use crate::core::Core;
use crate::peer::Connection;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::{ConnectionId, Rests};
use crate::service::accounts::{Proven, ProvenBy};
use crate::service::entrance::Asking;
use crate::storage::Storage;

/// Whether an account wants more than a password of a new device.
pub(super) fn wants_more<S: Storage>(core: &mut Core<S>, account: &AccountId) -> Result<bool, Refuse> {
    let list = core.store.current_list(account)?.ok_or(RefusalKind::Unavailable)?;
    let list = DeviceList::decode(&list).map_err(|_| RefusalKind::Unavailable)?;
    Ok(list.body().flags & FLAG_APPROVAL != 0)
}

/// Whether what was proven is too little for what only a device of the account should have: its vault and record,
/// and a new password (SPEC 9.13.1).
pub(super) fn check<S: Storage>(core: &mut Core<S>, proven: &Proven, here: ConnectionId) -> Result<(), Refuse> {
    let enough = proven.by == ProvenBy::RecoveryCode || core.entrance.is_open_to(&proven.account, here);
    if enough || !wants_more(core, &proven.account)? { Ok(()) } else { Err(RefusalKind::Forbidden.into()) }
}

/// A device that knows the password asks.
pub(super) fn ask_in<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (device, key): (DeviceId, VerifyKey),
) -> Result<Reply, Refuse> {
    let account = connection.peer.proven().ok_or(RefusalKind::OutOfPlace)?.account;
    core.gates.changes.take(account, here.now.uptime_ms)?;
    let at = (here.now.uptime_ms, here.now.wall_ms);
    let asked = core.entrance.ask(account, Asking { device, key, connection: here.connection }, at)?;
    if asked.is_new {
        let wants = AccountAnswer::Wants { device, key, at_ms: here.now.wall_ms };
        tell_devices(core, (account, None), &wants);
    }
    connection.seeks = asked.verdict == Verdict::Open;
    Ok(Reply::Answer(ServerMessage::Account(AccountAnswer::Waits { verdict: asked.verdict })))
}

/// An enrolled device decides.
pub(super) fn answer_in<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    own: DeviceAddress,
    (device, key, allow): (DeviceId, VerifyKey, bool),
) -> Result<Reply, Refuse> {
    core.gates.changes.take(own.account, here.now.uptime_ms)?;
    let verdict = if allow { Verdict::Allowed } else { Verdict::Denied };
    let waits = core.entrance.decide(&own.account, (device, key), verdict).ok_or(RefusalKind::Conflict)?;
    let told = ServerMessage::Account(AccountAnswer::Waits { verdict });
    core.round.push(Rests::OnMemory, waits, told);
    tell_devices(core, (own.account, Some(own.device)), &AccountAnswer::Settled { device });
    Ok(Reply::done())
}

/// Tells the devices of an account that are here, but one.
pub(super) fn tell_devices<S: Storage>(
    core: &mut Core<S>,
    (account, but): (AccountId, Option<DeviceId>),
    answer: &AccountAnswer,
) {
    let here = core.logins.iter().filter(|(device, _)| device.account == account && Some(device.device) != but);
    let connections: Vec<ConnectionId> = here.map(|(_, connection)| *connection).collect();
    for connection in connections {
        core.round.push(Rests::OnMemory, connection, ServerMessage::Account(answer.clone()));
    }
}
