//! What the own devices tell each other, and the answers about the account record.

use chat_wire::device_list::{DEVICE_MAY_SIGN, DeviceList, ListBody};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::DeviceId;

use crate::engine::content::OwnState;
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{AlarmKind, CommandId, FailureKind, NoticeKind, Reply};
use crate::engine::limits::DISPLAY_NAME_BYTES_MAX;
use crate::engine::memory::State;
use crate::engine::memory::asks::Written;
use crate::identity::record::SyncKey;

/// An own device says which record stands, and perhaps hands its key over.
pub(in crate::engine) fn state_told(
    state: &mut State,
    work: &mut Work<'_>,
    told: &OwnState,
) -> Result<(), EngineError> {
    let Some(keyring) = &mut state.keyring else { return Ok(()) };
    let key = told.key.as_ref().and_then(|bytes| SyncKey::from_bytes(bytes));
    let new_key = key.is_some_and(|key| keyring.take(told.sgen, key));
    let (known, known_hash) = (keyring.version, keyring.hash);
    if new_key {
        keyring.save(work)?;
    }
    if told.version == known && known > 0 && !known_hash.starts_with(&*told.hash) {
        // The relay showed two devices two records of one version: both signed by devices of ours.
        let ours = [&known.to_be_bytes()[..], &known_hash].concat();
        let theirs = [&told.version.to_be_bytes()[..], &*told.hash].concat();
        state.alarm_own(work, AlarmKind::RecordForked, vec![ours, theirs])?;
    }
    if told.version > known || new_key {
        (state.exchange.behind, state.exchange.refused) = (true, false);
    }
    Ok(())
}

/// The record that the relay holds came.
pub(in crate::engine) fn record_came(
    state: &mut State,
    work: &mut Work<'_>,
    (version, body): (u64, &[u8]),
) -> Result<(), EngineError> {
    (state.exchange.asked, state.exchange.behind) = (false, false);
    state.take_record(work, (version, body)).map(|_| ())
}

/// The relay took the record.
pub(in crate::engine) fn record_written(
    state: &mut State,
    work: &mut Work<'_>,
    written: &Written,
) -> Result<(), EngineError> {
    state.record_written(work, written)
}

/// The relay did not give or take the record.
pub(in crate::engine) fn record_refused(state: &mut State, writing: bool, refusal: &Refusal) {
    state.exchange.asked = false;
    state.exchange.ahead |= writing;
    if writing && refusal.kind == RefusalKind::Conflict {
        // Another device wrote first.
        state.exchange.behind = true;
    } else {
        // Not again before something changes, or the next connection.
        state.exchange.refused = true;
    }
}

/// Names a device, for the own devices alone (SPEC 9.7.3).
pub(in crate::engine) fn rename(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (device, name): (DeviceId, Option<String>),
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    if name.as_ref().is_some_and(|name| name.len() > DISPLAY_NAME_BYTES_MAX) {
        work.fail(command, FailureKind::TooLarge);
        return Ok(());
    }
    let name = name.filter(|name| !name.is_empty());
    if state.name_device(work, device, &name)? {
        work.reply(command, Reply::Done);
    } else {
        work.fail(command, FailureKind::NotFound);
    }
    Ok(())
}

/// Whether everything here goes when another device removes this one.
pub(in crate::engine) fn erase_when_removed(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    erase: bool,
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    state.profile.erase_when_removed = erase;
    state.profile.save(work)?;
    work.reply(command, Reply::Done);
    Ok(())
}

/// Whether the person wants this device's data gone, and somebody who may has signed it off (SPEC 9.11.1).
pub(in crate::engine) fn is_proven(
    state: &mut State,
    work: &Work<'_>,
    list: Option<&[u8]>,
) -> Result<bool, EngineError> {
    if !state.profile.erase_when_removed || state.me.is_none() {
        return Ok(false);
    }
    let own = state.own_address()?;
    let known = state.list_of(work, &own.account)?.map(|known| known.list);
    if known.as_ref().is_some_and(|known| known.body().device(own.device).is_none()) {
        // The verified chain had got here before the relay's word did.
        return Ok(true);
    }
    let shown = list.and_then(|bytes| DeviceList::decode(bytes).ok());
    let (Some(known), Some(shown)) = (known, shown) else { return Ok(false) };
    let (old, new) = (known.body(), shown.body());
    let later = new.account_id == old.account_id && new.relay_id == old.relay_id && new.seq > old.seq;
    let by_right = match shown.signer() {
        None => new.account_key == old.account_key,
        Some(signer) => {
            let keys =
                |body: &ListBody| body.device(signer).map(|device| (device.sig_key, device.flags & DEVICE_MAY_SIGN));
            keys(old).is_some_and(|(key, may)| may != 0 && keys(new).map(|(key, _)| key) == Some(key))
        }
    };
    Ok(later && by_right && new.device(own.device).is_none())
}

/// Everything of this device goes; that it went is told.
pub(in crate::engine) fn erase(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    state.forget(work);
    work.notice(NoticeKind::LoggedOut { reason: "removed".to_owned() }).map(|_| ())
}
