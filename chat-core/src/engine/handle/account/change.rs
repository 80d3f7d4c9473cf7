//! The change itself: with everything known, the account key signs and is gone (SPEC 10.2), the bytes
//! are stored, then sent; and what they make of this device once the relay has them.

mod enlist;
mod renew;

use chat_wire::device_list::{DEVICE_MAY_SIGN, DEVICE_REVOKED, DeviceList, FLAG_APPROVAL, ListBody};
use chat_wire::ids::{DeviceAddress, DeviceId, ListHash};
use chat_wire::keys::Signature;
use chat_wire::limits::DEVICES_MAX;
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;

use crate::engine::content::Content;
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, FailureKind, Reply};
use crate::engine::limits::LIST_MS_MAX;
use crate::engine::memory::asks::Ask;
use crate::engine::memory::keyring::Keyring;
use crate::engine::memory::lists;
use crate::engine::memory::undertaking::{Goal, Outcome, Signed, Stage, Undertaking};
use crate::engine::memory::{Phase, State};
use crate::identity::record::{SyncBox, SyncKey};
use crate::identity::vault::OpenedVault;
use crate::identity::{DeviceKeys, Vault, VaultScope};

pub(in crate::engine) use enlist::{adopt, adopt_listed};

/// Why a change can't be made.
pub(super) enum Obstacle {
    /// The command fails like this.
    Failure(FailureKind),
    /// The engine is at fault.
    Engine(EngineError),
}

impl From<EngineError> for Obstacle {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<FailureKind> for Obstacle {
    fn from(kind: FailureKind) -> Self {
        Self::Failure(kind)
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Made {
    /// It is out.
    Sent,
    /// The command fails like this.
    Failed(FailureKind),
    /// An earlier try got through: only its answer was lost.
    Stands,
    /// What was left to do is done.
    Settled,
}

/// Signs, stores and sends the change.
pub(in crate::engine) fn make(state: &mut State, work: &mut Work<'_>) -> Result<Made, EngineError> {
    let Some(mut under_way) = state.undertaking.take() else { return Ok(Made::Sent) };
    let made = build(state, work, &mut under_way);
    state.undertaking = Some(under_way);
    match made {
        Ok(made) => Ok(made),
        Err(Obstacle::Failure(kind)) => Ok(Made::Failed(kind)),
        Err(Obstacle::Engine(error)) => Err(error),
    }
}

fn build(state: &mut State, work: &mut Work<'_>, under_way: &mut Undertaking) -> Result<Made, Obstacle> {
    match &under_way.goal {
        Goal::Join(_) => return enlist::join(state, work, under_way),
        Goal::Recover(_) => renew::recover(state, work, under_way)?,
        Goal::Password(_) => renew::password(state, work, under_way)?,
        Goal::Remove(device) => {
            let device = *device;
            remove(state, work, (under_way, device))?;
        }
        Goal::Renew => renew_list(state, work, under_way)?,
        Goal::Settle => {
            // The devices that were there before need the new key.
            state.post_own_state(work, true)?;
            return Ok(Made::Settled);
        }
        Goal::Delete(_) => delete(state, work, under_way)?,
        Goal::Approval(_) => approve(state, work, under_way)?,
    }
    Ok(Made::Sent)
}

/// Takes a device off: signed by this device, which may do no more than that.
fn remove(
    state: &mut State,
    work: &mut Work<'_>,
    (under_way, device): (&mut Undertaking, DeviceId),
) -> Result<(), Obstacle> {
    let own = state.own_address()?;
    let before = newest(state, work)?;
    if device == own.device {
        return Err(FailureKind::Forbidden.into());
    }
    let may_sign = before.body().device(own.device).is_some_and(|me| me.flags & DEVICE_MAY_SIGN != 0);
    if before.body().device(device).is_none() {
        return Err(FailureKind::NotFound.into());
    }
    if !may_sign {
        return Err(FailureKind::Forbidden.into());
    }
    let mut body = next_body(&before, work);
    for listed in body.devices.iter_mut().filter(|listed| listed.id == device) {
        listed.flags |= DEVICE_REVOKED;
    }
    let me = state.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let keyring = next_ring(state, (&before, me.keys.address()), under_way.vault.as_deref(), work)?;
    body.record_floor = body.record_floor.max(keyring.as_ref().map_or(0, |ring| ring.version));
    let list = me.keys.sign_list(&body);
    under_way.result = Some(Outcome { list: list.clone(), me: None, keyring, recovery_code: None });
    let message = ClientMessage::PutDeviceList { list: ByteBuf::from(list.clone()), vault: None };
    send(state, work, Signing { seq: body.seq, list, message, body: Vec::new() })
}

/// The same list with a later end, signed by this device.
fn renew_list(state: &mut State, work: &mut Work<'_>, under_way: &mut Undertaking) -> Result<(), Obstacle> {
    let before = newest(state, work)?;
    let body = next_body(&before, work);
    let me = state.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let list = me.keys.sign_list(&body);
    under_way.result = Some(Outcome { list: list.clone(), me: None, keyring: None, recovery_code: None });
    let message = ClientMessage::PutDeviceList { list: ByteBuf::from(list.clone()), vault: None };
    send(state, work, Signing { seq: body.seq, list, message, body: Vec::new() })
}

/// The list with another flag, which only the account key may change (SPEC 9.7.4).
fn approve(state: &mut State, work: &mut Work<'_>, under_way: &mut Undertaking) -> Result<(), Obstacle> {
    let Goal::Approval(wanted) = &under_way.goal else { return Ok(()) };
    let before = newest(state, work)?;
    let password = &wanted.password;
    let opened = open_vault(&before, (&password.vault, password.kp), |vault, scope| {
        vault.open_with_password(scope, &password.export_key.0)
    })?;
    let mut body = merged_body(&before, work)?;
    body.flags = if wanted.on { body.flags | FLAG_APPROVAL } else { body.flags & !FLAG_APPROVAL };
    let list = opened.account_key.sign_list(&body);
    under_way.result = Some(Outcome { list: list.clone(), me: None, keyring: None, recovery_code: None });
    let message = ClientMessage::PutDeviceList { list: ByteBuf::from(list.clone()), vault: None };
    send(state, work, Signing { seq: body.seq, list, message, body: Vec::new() })
}

/// A ring with a new key, for everybody but the device that goes (SPEC 10.5.1).
fn next_ring(
    state: &State,
    (before, own): (&DeviceList, DeviceAddress),
    vault: Option<&[u8]>,
    work: &mut Work<'_>,
) -> Result<Option<Keyring>, Obstacle> {
    let Some(ring) = &state.keyring else { return Ok(None) };
    let vault = vault.and_then(|bytes| Vault::decode(bytes).ok()).filter(|v| v.hash() == before.body().vault_hash);
    let vault = vault.ok_or(FailureKind::Integrity)?;
    let (generation, kp) = vault.generation_and_profile();
    let body = before.body();
    let scope = VaultScope { relay: body.relay_id, account: own.account, name: &body.name, generation, kp };
    let (sgen, key) = (next_generation(ring.sync_box.sgen)?, SyncKey::generate(work.rng));
    let sync_box = SyncBox::seal(&vault, &scope, (sgen, &key), work.rng).map_err(|_| FailureKind::Integrity)?;
    Ok(Some(ring.with(key, sync_box)))
}

/// Signs the end of the account; it is sent once the farewells are out.
fn delete(state: &mut State, work: &mut Work<'_>, under_way: &mut Undertaking) -> Result<(), Obstacle> {
    let Goal::Delete(wanted) = &under_way.goal else { return Ok(()) };
    let before = newest(state, work)?;
    let password = &wanted.password;
    let opened = open_vault(&before, (&password.vault, password.kp), |vault, scope| {
        vault.open_with_password(scope, &password.export_key.0)
    })?;
    let relay = before.body().relay_id;
    let signature: Signature = opened.account_key.sign_deletion(&relay, &before.body().account_id, &before.hash());
    state.farewell = Some(signature);
    state.post_to_contacts(work, &Content::Gone)?;
    Ok(())
}

/// Opens a vault that the list names, and holds the account key in it against the list (SPEC 10.1).
fn open_vault(
    list: &DeviceList,
    (bytes, kp): (&[u8], u8),
    open: impl FnOnce(&Vault, &VaultScope<'_>) -> Result<OpenedVault, crate::identity::vault::VaultError>,
) -> Result<OpenedVault, FailureKind> {
    let body = list.body();
    let vault = Vault::decode(bytes).map_err(|_| FailureKind::Integrity)?;
    let (generation, _) = vault.generation_and_profile();
    if vault.hash() != body.vault_hash || generation != body.vault_gen {
        return Err(FailureKind::Integrity);
    }
    let scope = VaultScope { relay: body.relay_id, account: body.account_id, name: &body.name, generation, kp };
    // The relay knew the password or the code; that the vault does not, is the relay's doing.
    let opened = open(&vault, &scope).map_err(|_| FailureKind::Integrity)?;
    if opened.account_key.public() != body.account_key {
        return Err(FailureKind::Integrity);
    }
    Ok(opened)
}

/// The newest list of the own account.
fn newest(state: &mut State, work: &Work<'_>) -> Result<std::sync::Arc<DeviceList>, EngineError> {
    let account = state.own_address()?.account;
    Ok(state.list_of(work, &account)?.ok_or(EngineError::Broken(Bug::OwnKeys))?.list)
}

/// The list after one, with nothing changed but what time changes.
fn next_body(before: &DeviceList, work: &Work<'_>) -> ListBody {
    let mut body = before.body().clone();
    body.seq = body.seq.saturating_add(1);
    (body.prev_hash, body.merged_hash) = (before.hash(), ListHash([0; 32]));
    body.created_ms = work.now.as_ms().max(body.created_ms);
    body.expires_ms = work.now.plus_ms(LIST_MS_MAX).as_ms();
    // A device that was removed is listed for one more version only.
    body.devices.retain(|device| device.flags & DEVICE_REVOKED == 0);
    body
}

/// The same for a list that the account key signs: it ends a fork (SPEC 5.4.6). What either branch took off the account
/// stays off.
fn merged_body(before: &DeviceList, work: &Work<'_>) -> Result<ListBody, EngineError> {
    let mut body = next_body(before, work);
    let Some(other) = lists::fork_of(work, &body.account_id)? else { return Ok(body) };
    body.merged_hash = other.hash();
    let (forked_at, other) = (other.body().seq, other.body());
    for device in body.devices.iter_mut().filter(|device| device.added_seq < forked_at) {
        if other.device(device.id).is_none() {
            device.flags |= DEVICE_REVOKED;
        }
    }
    Ok(body)
}

/// Adds a device, in its place.
fn with_device(body: &mut ListBody, keys: &DeviceKeys) -> Result<(), FailureKind> {
    if body.devices.len() >= DEVICES_MAX {
        return Err(FailureKind::TooLarge);
    }
    body.devices.push(keys.listed(&body.account_key, body.seq, DEVICE_MAY_SIGN));
    body.devices.sort_by_key(|device| device.id);
    Ok(())
}

fn next_generation(generation: u32) -> Result<u32, EngineError> {
    generation.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))
}

/// What was signed, and the message that carries it.
struct Signing {
    seq: u64,
    list: Vec<u8>,
    message: ClientMessage,
    body: Vec<u8>,
}

/// Stores what was signed, then sends it (SPEC 5.4.4).
fn send(state: &mut State, work: &mut Work<'_>, signing: Signing) -> Result<(), Obstacle> {
    let Signing { seq, list, message, body } = signing;
    Signed { seq, list: ByteBuf::from(list), message: message.clone(), body: ByteBuf::from(body.clone()) }
        .save(work)?;
    state.ask_with(work, Ask::Undertake(Stage::Change), message, bytes::Bytes::from(body));
    Ok(())
}

/// The relay did as it was asked, and this device was enrolled before.
pub(in crate::engine) fn done(state: &mut State, work: &mut Work<'_>) -> Result<Finished, EngineError> {
    let Some(Undertaking { command, goal, result, .. }) = state.undertaking.take() else {
        return Ok(Finished::Nothing);
    };
    let account = state.own_address()?.account;
    let Some(Outcome { list, keyring, recovery_code, .. }) = result else {
        // The account is no more.
        return Ok(Finished::Deleted(command));
    };
    state.take_list(work, &account, &list)?;
    if let Some(keyring) = keyring {
        keyring.save(work)?;
        state.keyring = Some(keyring);
    }
    state.exchange_base = None;
    let removed = matches!(goal, Goal::Remove(_));
    // The record is still the one under the old key; a new password brought its own along.
    (state.exchange.ahead, state.exchange.refused) = (state.exchange.ahead || removed, false);
    if !matches!(goal, Goal::Renew) {
        state.post_own_state(work, true)?;
    }
    let code = recovery_code.map(|code| code.to_string()).unwrap_or_default();
    let greeted = state.link.as_ref().is_some_and(|link| link.phase != Phase::Online);
    let reply = match goal {
        Goal::Recover(wanted) => {
            state.code_told = true;
            let device = state.own_address()?.device;
            Reply::Recovered { username: wanted.username, device, new_device: false, recovery_code: code }
        }
        Goal::Password(_) => {
            state.code_told = true;
            Reply::PasswordChanged { recovery_code: code }
        }
        _ => Reply::Done,
    };
    if let Some(command) = command {
        work.reply(command, reply);
    }
    Ok(if greeted { Finished::Proves } else { Finished::Nothing })
}

/// What is due when a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Finished {
    Nothing,
    /// The device lets itself in.
    Proves,
    /// Everything here goes; the command is told.
    Deleted(Option<CommandId>),
}
