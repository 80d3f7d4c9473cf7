//! Logging out, and erasing this device.

use chat_wire::device_list::{DEVICE_REVOKED, ListBody};
use chat_wire::ids::ListHash;
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;

use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, FailureKind, Reply};
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;
use crate::engine::memory::me;
use crate::store::Table;

/// Key of the signed list that takes this device off the account.
const REMOVAL_KEY: &[u8] = b"removal";

/// Logs out. The profile stays enrolled; what is queued waits for the next login. `true` when there
/// is nothing to wait for.
pub(in crate::engine) fn log_out(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
) -> Result<bool, EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(false);
    }
    state.profile.logged_out = true;
    state.profile.save(work)?;
    if state.is_online() {
        state.ask(work, Ask::Logout(command), ClientMessage::Logout {});
        return Ok(false);
    }
    work.reply(command, Reply::Done);
    Ok(true)
}

/// Takes this device off the account; its data is erased once the relay has the list.
pub(in crate::engine) fn forget(state: &mut State, work: &mut Work<'_>, command: CommandId) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    if !state.is_online() {
        work.fail(command, FailureKind::Offline);
        return Ok(());
    }
    let address = state.own_address()?;
    let known = state.list_of(work, &address.account)?.ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let list = match work.load::<(u64, ByteBuf)>(Table::Meta, REMOVAL_KEY)? {
        // One signature per sequence, ever (SPEC 5.4.4): what was signed once is sent again.
        Some((after, signed)) if after == known.list.body().seq => signed,
        _ => sign_removal(state, work, known.list.body(), known.list.hash())?,
    };
    state.ask(work, Ask::Forget(command), ClientMessage::PutDeviceList { list, vault: None });
    Ok(())
}

fn sign_removal(
    state: &State,
    work: &mut Work<'_>,
    before: &ListBody,
    prev_hash: ListHash,
) -> Result<ByteBuf, EngineError> {
    let me: &me::Me = state.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let mut body = before.clone();
    body.seq = body.seq.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?;
    (body.prev_hash, body.merged_hash) = (prev_hash, ListHash([0; 32]));
    body.created_ms = work.now.as_ms().max(before.created_ms);
    // A device that was removed before is listed for one more version only.
    body.devices.retain(|device| device.flags & DEVICE_REVOKED == 0);
    for device in body.devices.iter_mut().filter(|device| device.id == me.address().device) {
        device.flags |= DEVICE_REVOKED;
    }
    let list = ByteBuf::from(me.keys.sign_list(&body));
    work.save(Table::Meta, REMOVAL_KEY, &(before.seq, &list))?;
    Ok(list)
}

/// The device is off the account: everything here goes.
pub(in crate::engine) fn forgotten(state: &mut State, work: &mut Work<'_>, command: CommandId) {
    state.forget(work);
    work.reply(command, Reply::Done);
}
