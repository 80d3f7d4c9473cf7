//! A new password, by the old one or by the recovery code (SPEC 9.8, SPEC 9.9): new vault, new sync key,
//! new recovery code, and the record under them, in one change (SPEC 10.3).

use bytes::Bytes;
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::message::{AccountAsk, ClientMessage, NewDevice};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::enlist::{prepare, unlock};
use super::{Obstacle, Signing, merged_body, newest, next_generation, open_vault, send, with_device};
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{FailureKind, NewPassword};
use crate::engine::memory::asks::Ask;
use crate::engine::memory::keyring::Keyring;
use crate::engine::memory::me::{self, Me};
use crate::engine::memory::share::{next_version, seal_with};
use crate::engine::memory::shared::Shared;
use crate::engine::memory::undertaking::{Goal, Outcome, Signed, Stage, Undertaking, UntoldCode};
use crate::engine::memory::{Phase, State};
use crate::identity::record::{SyncBox, SyncKey};
use crate::identity::vault::{self, OpenedVault};
use crate::identity::{DeviceKeys, Vault, VaultScope};

/// The old password was right: a new one.
pub(super) fn password(state: &mut State, work: &mut Work<'_>, under_way: &mut Undertaking) -> Result<(), Obstacle> {
    let Goal::Password(wanted) = &under_way.goal else { return Ok(()) };
    let before = newest(state, work)?;
    let old = &wanted.old;
    let opened =
        open_vault(&before, (&old.vault, old.kp), |vault, scope| vault.open_with_password(scope, &old.export_key.0))?;
    let outcome = enrolled(state, work, (&before, &opened), &wanted.new)?;
    keep_code(state, work, &outcome)?;
    under_way.result = Some(outcome);
    Ok(())
}

/// The recovery code was right: a new password, and this device with it if it is not one yet.
pub(super) fn recover(state: &mut State, work: &mut Work<'_>, under_way: &mut Undertaking) -> Result<(), Obstacle> {
    let Goal::Recover(wanted) = &under_way.goal else { return Ok(()) };
    let before = match (&state.me, under_way.chain.last()) {
        (Some(_), _) => newest(state, work)?,
        (None, Some(last)) => std::sync::Arc::new(last.clone()),
        (None, None) => return Err(FailureKind::Integrity.into()),
    };
    if before.body().name != wanted.username {
        return Err(FailureKind::Integrity.into());
    }
    let kp = Vault::decode(&wanted.vault).map_err(|_| FailureKind::Integrity)?.generation_and_profile().1;
    let opened =
        open_vault(&before, (&wanted.vault, kp), |vault, scope| vault.open_with_recovery(scope, &wanted.code))?;
    if state.me.is_some() {
        let outcome = enrolled(state, work, (&before, &opened), &wanted.new)?;
        keep_code(state, work, &outcome)?;
        under_way.result = Some(outcome);
        return Ok(());
    }
    if let Some(outcome) = again(state, work, (under_way, &before))? {
        under_way.result = Some(outcome);
        return Ok(());
    }
    let (ring, mut shared) = unlock(state, work, (under_way, &before, &opened), kp)?;
    let (me, _) = under_way.identity(work)?.ok_or(FailureKind::Integrity)?;
    let (mut body, renewed) = renew(work, (&before, &opened), &wanted.new, &ring)?;
    with_device(&mut body, &me.keys)?;
    shared.list_seq = shared.list_seq.max(body.seq);
    let device = NewDevice { device: me.address().device, boot: state.boot };
    me::save_boots(work, &[state.boot])?;
    state.set_phase(Phase::Entering);
    let parts = Parts { body, renewed, new: &wanted.new, device: Some(device) };
    let (list, ring, code) = dispatch(state, work, (&me.keys, &shared), &opened, parts)?;
    me::save_joining(work, &me, list.clone())?;
    prepare(state, work, (&ring, shared), wanted.device_name.clone())?;
    let outcome = Outcome { list, me: Some(me), keyring: Some(ring), recovery_code: Some(code) };
    keep_code(state, work, &outcome)?;
    under_way.result = Some(outcome);
    Ok(())
}

/// What an earlier try of the recovery signed for this place in the chain is sent again as it is (SPEC 5.4.4), with the
/// password of that try.
fn again(
    state: &mut State,
    work: &mut Work<'_>,
    (under_way, before): (&Undertaking, &DeviceList),
) -> Result<Option<Outcome>, EngineError> {
    let (Some(signed), Some((me, list))) = (Signed::load(work)?, under_way.identity(work)?) else { return Ok(None) };
    let untold = UntoldCode::load_now(work)?.filter(|untold| untold.list == list);
    let (Some(untold), Some(keyring)) = (untold, Keyring::load(work)?) else { return Ok(None) };
    let due = DeviceList::decode(&list).is_ok_and(|list| list.follows(before));
    if !due || signed.list != list {
        return Ok(None);
    }
    let code = Zeroizing::new(untold.into_code());
    state.set_phase(Phase::Entering);
    state.ask_with(work, Ask::Undertake(Stage::Change), signed.message, Bytes::from(signed.body.into_vec()));
    Ok(Some(Outcome { list, me: Some(me), keyring: Some(keyring), recovery_code: Some(code) }))
}

/// Keeps the new code until somebody was told (SPEC 9.8.4).
fn keep_code(state: &mut State, work: &mut Work<'_>, outcome: &Outcome) -> Result<(), EngineError> {
    if let Some(code) = &outcome.recovery_code {
        state.code_told = false;
        UntoldCode::new(&outcome.list, code).save(work)?;
    }
    Ok(())
}

/// On a device that is enrolled.
fn enrolled(
    state: &mut State,
    work: &mut Work<'_>,
    (before, opened): (&DeviceList, &OpenedVault),
    new: &NewPassword,
) -> Result<Outcome, Obstacle> {
    state.note_shared(work)?;
    let ring = state.keyring.take().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let renewed = renew(work, (before, opened), new, &ring);
    // Its new key is kept from now on: if the answer is lost, the record is under it.
    let mut ring = ring;
    if let Ok((_, renewed)) = &renewed
        && let Some(key) = renewed.ring.current().and_then(|key| SyncKey::from_bytes(&key.to_bytes()))
    {
        ring.take(renewed.ring.sync_box.sgen, key);
        ring.save(work)?;
    }
    state.keyring = Some(ring);
    let (body, renewed) = renewed?;
    let me = state.me.take().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let shared = std::mem::take(&mut state.shared);
    let sent = dispatch(state, work, (&me.keys, &shared), opened, Parts { body, renewed, new, device: None });
    (state.me, state.shared) = (Some(me), shared);
    let (list, ring, code) = sent?;
    Ok(Outcome { list, me: None::<Me>, keyring: Some(ring), recovery_code: Some(code) })
}

/// What is new.
struct Renewed {
    vault: Vec<u8>,
    code: Zeroizing<String>,
    ring: Keyring,
}

/// Makes vault, recovery code and sync key of the next generation.
fn renew(
    work: &mut Work<'_>,
    (before, opened): (&DeviceList, &OpenedVault),
    new: &NewPassword,
    ring: &Keyring,
) -> Result<(ListBody, Renewed), Obstacle> {
    let mut body = merged_body(before, work)?;
    body.vault_gen = next_generation(body.vault_gen)?;
    let (relay, account, name) = (body.relay_id, body.account_id, body.name.clone());
    let scope = VaultScope { relay, account, name: &name, generation: body.vault_gen, kp: new.kp };
    let broken = |_| EngineError::Broken(Bug::OwnKeys);
    let made = vault::create(&scope, &new.export_key.0, &opened.account_key, work.rng).map_err(broken)?;
    let vault = Vault::decode(&made.bytes).map_err(broken)?;
    let (sgen, key) = (next_generation(ring.sync_box.sgen)?, SyncKey::generate(work.rng));
    let sealed = SyncBox::seal(&vault, &scope, (sgen, &key), work.rng);
    let sync_box = sealed.map_err(|_| EngineError::Broken(Bug::OwnKeys))?;
    (body.vault_hash, body.next_account_key_hash) = (made.hash, made.next_account_key_hash);
    let ring = ring.with(key, sync_box);
    body.record_floor = body.record_floor.max(next_version(&ring)?);
    Ok((body, Renewed { vault: made.bytes, code: made.recovery.to_text(), ring }))
}

/// What goes out together.
struct Parts<'a> {
    body: ListBody,
    renewed: Renewed,
    new: &'a NewPassword,
    device: Option<NewDevice>,
}

/// Seals the record, signs the list, and sends all of it.
fn dispatch(
    state: &mut State,
    work: &mut Work<'_>,
    (keys, shared): (&DeviceKeys, &Shared),
    opened: &OpenedVault,
    parts: Parts<'_>,
) -> Result<(Vec<u8>, Keyring, Zeroizing<String>), Obstacle> {
    let Parts { body, renewed, new, device } = parts;
    let Renewed { vault, code, mut ring } = renewed;
    let expected = state.exchange_base.unwrap_or(ring.version);
    let record: Bytes = seal_with(&ring, shared, keys, work)?;
    let version = next_version(&ring)?;
    let list = opened.account_key.sign_list(&body);
    let message = ClientMessage::Account(AccountAsk::NewPassword2 {
        login: ByteBuf::from(new.record.to_vec()),
        kp: new.kp,
        list: ByteBuf::from(list.clone()),
        vault: ByteBuf::from(vault),
        expected,
        version,
        device,
    });
    let sync_box = ring.sync_box.clone();
    ring.stand(version, chat_wire::domain::plain_hash(&[&record]), &sync_box);
    send(state, work, Signing { seq: body.seq, list: list.clone(), message, body: record.to_vec() })?;
    Ok((list, ring, code))
}
