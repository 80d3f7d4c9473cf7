//! A new device of an account, by password (SPEC 9.7).

use chat_wire::device_list::DeviceList;
use chat_wire::message::{AccountAsk, ClientMessage};
use serde_bytes::ByteBuf;

use super::{Made, Obstacle, Signing, merged_body, open_vault, send, with_device};
use crate::engine::content::Content;
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{AlarmKind, CommandId, Event, FailureKind, Reply};
use crate::engine::memory::keyring::Keyring;
use crate::engine::memory::me::{self, Profile};
use crate::engine::memory::shared::Shared;
use crate::engine::memory::undertaking::{Goal, Outcome, Undertaking};
use crate::engine::memory::{Phase, State};
use crate::identity::record::{SealedRecord, SyncBox, SyncKey};
use crate::identity::vault::OpenedVault;
use crate::identity::{Vault, VaultScope};

/// Signs the list with this device in it, and asks to be let in.
pub(super) fn join(state: &mut State, work: &mut Work<'_>, under_way: &mut Undertaking) -> Result<Made, Obstacle> {
    let Goal::Join(wanted) = &under_way.goal else { return Ok(Made::Sent) };
    let before = under_way.chain.last().ok_or(FailureKind::Integrity)?;
    if before.body().name != wanted.username {
        return Err(FailureKind::Integrity.into());
    }
    if let Some(me) = under_way.standing(work)? {
        // What it needs was kept before the list was sent.
        let keyring = Keyring::load(work)?.ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let list = before.as_bytes().to_vec();
        under_way.result = Some(Outcome { list, me: Some(me), keyring: Some(keyring), recovery_code: None });
        return Ok(Made::Stands);
    }
    let opened = open_vault(before, (&wanted.vault, wanted.kp), |vault, scope| {
        vault.open_with_password(scope, &wanted.export_key.0)
    })?;
    let (keyring, shared) = unlock(state, work, (under_way, before, &opened), wanted.kp)?;
    prepare(state, work, (&keyring, shared), wanted.device_name.clone())?;
    let seq = before.body().seq.checked_add(1);
    let (me, signed) = under_way.identity(work)?.ok_or(FailureKind::Integrity)?;
    // One signature per sequence (SPEC 5.4.4): what an earlier try signed is sent again. One that brought a new vault
    // goes only with that, by the recovery code.
    let again = DeviceList::decode(&signed).is_ok_and(|list| {
        Some(list.body().seq) == seq && list.follows(before) && list.body().vault_hash == before.body().vault_hash
    });
    let list = if again {
        signed
    } else {
        let mut body = merged_body(before, work)?;
        body.record_floor = body.record_floor.max(under_way.record.as_ref().map_or(0, |(version, _)| *version));
        with_device(&mut body, &me.keys)?;
        opened.account_key.sign_list(&body)
    };
    me::save_joining(work, &me, list.clone())?;
    me::save_boots(work, &[state.boot])?;
    let device = me.address().device;
    state.set_phase(Phase::Entering);
    let enroll = AccountAsk::Enroll { list: ByteBuf::from(list.clone()), device, boot: state.boot };
    let signing = Signing {
        seq: seq.unwrap_or_default(),
        list: list.clone(),
        message: ClientMessage::Account(enroll),
        body: Vec::new(),
    };
    under_way.result = Some(Outcome { list, me: Some(me), keyring: Some(keyring), recovery_code: None });
    send(state, work, signing)?;
    Ok(Made::Sent)
}

/// Keeps what the device needs once its list stands: if the answer is lost, nothing has to be opened again.
pub(super) fn prepare(
    state: &mut State,
    work: &mut Work<'_>,
    (keyring, shared): (&Keyring, Shared),
    device_name: Option<String>,
) -> Result<(), EngineError> {
    keyring.save(work)?;
    shared.save(work)?;
    state.shared = shared;
    let device_name = device_name.or_else(|| state.profile.device_name.take());
    state.profile = Profile { device_name, ..Profile::default() };
    state.profile.save(work)
}

/// The sync key and what is shared, out of the record that the relay gave.
pub(super) fn unlock(
    state: &mut State,
    work: &mut Work<'_>,
    (under_way, before, opened): (&Undertaking, &DeviceList, &OpenedVault),
    kp: u8,
) -> Result<(Keyring, Shared), Obstacle> {
    let body = before.body();
    let scope =
        VaultScope { relay: body.relay_id, account: body.account_id, name: &body.name, generation: body.vault_gen, kp };
    let (version, bytes) = under_way.record.as_ref().ok_or(FailureKind::Integrity)?;
    if *version < body.record_floor {
        // SPEC 10.6.1: the signed list says that there was a newer one.
        let evidence = vec![before.as_bytes().to_vec(), bytes.to_vec()];
        state.alarm(work, &body.name, AlarmKind::RecordRolledBack, evidence)?;
        return Err(FailureKind::Integrity.into());
    }
    if *version == 0 {
        return first_ring(under_way, &scope, work);
    }
    let record = SealedRecord::decode(bytes).map_err(|_| FailureKind::Integrity)?;
    let key = record.sync_box().open(&scope, &opened.secret).map_err(|_| FailureKind::Integrity)?;
    let content = record.open(&body.account_id, &key).map_err(|_| FailureKind::Integrity)?;
    let shared = Shared::read(&content).ok_or(FailureKind::Integrity)?;
    if shared.list_seq > body.seq {
        // The devices that wrote the record knew a newer list than the relay shows.
        let evidence = vec![shared.list_seq.to_be_bytes().to_vec(), before.as_bytes().to_vec()];
        state.alarm(work, &body.name, AlarmKind::ListRolledBack, evidence)?;
        return Err(FailureKind::Integrity.into());
    }
    let listed = under_way.chain.iter().flat_map(|list| &list.body().devices).filter(|d| d.id == record.device());
    let signed = listed.map(|device| device.sig_key).any(|key| record.is_signed_by(&key));
    if record.version() != *version || !signed {
        return Err(FailureKind::Integrity.into());
    }
    let mut keyring = Keyring::new(key, record.sync_box().clone());
    keyring.stand(*version, record.hash(), record.sync_box());
    Ok((keyring, shared))
}

/// No device has written a record yet: this one will.
fn first_ring(
    under_way: &Undertaking,
    scope: &VaultScope<'_>,
    work: &mut Work<'_>,
) -> Result<(Keyring, Shared), Obstacle> {
    let bytes = match &under_way.goal {
        Goal::Join(wanted) => &wanted.vault,
        Goal::Recover(wanted) => &wanted.vault,
        _ => return Err(FailureKind::Internal.into()),
    };
    let vault = Vault::decode(bytes).map_err(|_| FailureKind::Integrity)?;
    let key = SyncKey::generate(work.rng);
    let sync_box = SyncBox::seal(&vault, scope, (1, &key), work.rng).map_err(|_| FailureKind::Integrity)?;
    Ok((Keyring::new(key, sync_box), Shared::default()))
}

/// The relay let the new device in.
pub(in crate::engine) fn adopt(state: &mut State, work: &mut Work<'_>) -> Result<Option<CommandId>, EngineError> {
    let command = adopt_listed(state, work)?;
    me::save_boots(work, &[state.boot])?;
    state.set_phase(Phase::Online);
    work.event(Event::Online(true));
    state.appear(work);
    Ok(command)
}

/// The relay has the list with this device in it: it is the profile's identity from now on.
pub(in crate::engine) fn adopt_listed(
    state: &mut State,
    work: &mut Work<'_>,
) -> Result<Option<CommandId>, EngineError> {
    let Some(Undertaking { command, goal, chain, result, .. }) = state.undertaking.take() else { return Ok(None) };
    let Some(Outcome { list, me: Some(me), keyring: Some(keyring), recovery_code }) = result else {
        return Err(EngineError::Broken(Bug::OwnKeys));
    };
    let account = me.account();
    me.save(work)?;
    me::end_joining(work);
    me::save_former(work, None);
    state.former = None;
    let (username, device) = (me.name.clone(), me.address().device);
    state.me = Some(me);
    state.lists.adopt_chain(work, chain);
    state.take_list(work, &account, &list)?;
    keyring.save(work)?;
    state.keyring = Some(keyring);
    state.shared.save(work)?;
    state.profile.version = 1;
    state.profile.joined = true;
    state.profile.save(work)?;
    state.adopt_shared(work)?;
    (state.exchange.behind, state.exchange.ahead) = (false, true);
    // Contacts learn of the device from itself, before anybody writes.
    state.post_to_contacts(work, &Content::Empty)?;
    if matches!(goal, Goal::Recover(_)) {
        // The recovery made a new sync key, which the devices that were there before need.
        state.post_own_state(work, true)?;
    }
    state.welcome = Some(match (goal, recovery_code) {
        (Goal::Recover(_), Some(code)) => {
            state.code_told = true;
            Reply::Recovered { username, device, new_device: true, recovery_code: code.to_string() }
        }
        _ => Reply::LoggedIn { username, device, new_device: true },
    });
    Ok(command)
}
