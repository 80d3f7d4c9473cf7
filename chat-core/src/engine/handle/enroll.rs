//! A new account, or this account's device coming back with the password.

use chat_wire::device_list::{DEVICE_MAY_SIGN, ListBody};
use chat_wire::error::Refusal;
use chat_wire::ids::{DeviceAddress, DeviceId, ListHash};
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;

use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, Enrollment, Event, Failure, FailureKind, Resumption, Route};
use crate::engine::limits::{DISPLAY_NAME_BYTES_MAX, LIST_MS_MAX};
use crate::engine::memory::asks::Ask;
use crate::engine::memory::keyring::Keyring;
use crate::engine::memory::lists::Offer;
use crate::engine::memory::me::{self, Enrolling, Me, Profile};
use crate::engine::memory::shared::Shared;
use crate::engine::memory::undertaking::UntoldCode;
use crate::engine::memory::{Phase, State};
use crate::identity::record::{SyncBox, SyncKey};
use crate::identity::vault::{self, NewVault, VaultScope};
use crate::identity::{AccountKey, DeviceKeys, Vault};

/// Makes account, device, list and vault, stores what was signed, and registers.
pub(in crate::engine) fn enroll(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    wanted: Enrollment,
) -> Result<(), EngineError> {
    if let Some(kind) = obstacle(state, wanted.route) {
        work.fail(command, kind);
        return Ok(());
    }
    if state.me.is_some() || state.former.is_some() {
        work.fail(command, FailureKind::Forbidden);
        return Ok(());
    }
    if wanted.display_name.as_ref().is_some_and(|name| name.len() > DISPLAY_NAME_BYTES_MAX) {
        work.fail(command, FailureKind::TooLarge);
        return Ok(());
    }
    let Some(relay) = state.relay.map(|pin| pin.id()) else { return Err(EngineError::Broken(Bug::OwnKeys)) };
    let account_key = AccountKey::generate(work.rng);
    let device = new_device_id(work);
    let keys = DeviceKeys::generate(DeviceAddress { account: account_key.id(), device }, work.rng);
    let scope = VaultScope { relay, account: account_key.id(), name: &wanted.username, generation: 1, kp: wanted.kp };
    let made = vault::create(&scope, &wanted.export_key.0, &account_key, work.rng);
    let sealed = made.map_err(|_| EngineError::Broken(Bug::OwnKeys))?;
    let body = first_list(work, &scope, &account_key, &keys, &sealed);
    let list = account_key.sign_list(&body);
    let me = Me { name: wanted.username.clone(), relay, keys };
    let keyring = first_ring(work, &scope, &sealed)?;
    keyring.save(work)?;
    state.keyring = Some(keyring);
    // Of a login to another account that came to nothing.
    state.shared = Shared::default();
    me::end_joining(work);
    UntoldCode::forget(work);
    let recovery_code = sealed.recovery.to_text();
    let enrolling = Enrolling { name: me.name.clone(), recovery_code, command: None };
    enrolling.save(work, &me, list.clone())?;
    state.enrolling = Some(enrolling);
    // If the answer is lost, the relay holds this boot id: its next run must know it for its own.
    me::save_boots(work, &[state.boot])?;
    let display_name = wanted.display_name.filter(|name| !name.is_empty());
    state.profile = Profile {
        version: u64::from(display_name.is_some()),
        display_name,
        device_name: wanted.device_name,
        ..Profile::default()
    };
    state.profile.save(work)?;
    state.set_phase(Phase::Entering);
    let register = ClientMessage::Register2 {
        name: wanted.username,
        record: ByteBuf::from(wanted.record.to_vec()),
        kp: wanted.kp,
        list: ByteBuf::from(list),
        vault: ByteBuf::from(sealed.bytes),
        invite: wanted.invite,
        boot: state.boot,
    };
    state.ask(work, Ask::Register(command), register);
    Ok(())
}

/// The account stands: what was signed becomes the identity of this profile.
pub(in crate::engine) fn registered(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if !adopt_enrolling(state, work)? {
        return Err(EngineError::Broken(Bug::OwnKeys));
    }
    me::save_boots(work, &[state.boot])?;
    state.set_phase(Phase::Online);
    work.event(Event::Online(true));
    state.appear(work);
    Ok(())
}

/// The relay did not take the registration: another one may be tried on the same connection.
pub(in crate::engine) fn refused(state: &mut State, work: &mut Work<'_>, command: CommandId, refusal: &Refusal) {
    me::end_enrolling(work);
    state.enrolling = None;
    if let Some(link) = &mut state.link {
        link.phase = Phase::Greeted;
    }
    work.fail_with(command, Failure::from(refusal));
}

/// What follows on a right password.
pub(in crate::engine) enum Resumed {
    /// Nothing more.
    Settled,
    /// Nobody is enrolled here: a new device comes to the account.
    Joins,
    /// The device proves itself; the command is answered then, or when its keys are published.
    Proves(Option<CommandId>),
}

/// The password was right on this connection: is it this profile's account?
pub(in crate::engine) fn resume(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    wanted: &Resumption,
) -> Result<Resumed, EngineError> {
    if state.me.is_none() && me::load_pending(work)?.is_some_and(|(me, _)| me.account() == wanted.account) {
        // The registration's answer was lost, but the account stands.
        adopt_enrolling(state, work)?;
    }
    if state.me.is_none() {
        return Ok(Resumed::Joins);
    }
    let ours = state.me.as_ref().is_some_and(|me| me.account() == wanted.account && me.name == wanted.username);
    if !ours {
        // Another account has its own profile.
        work.fail(command, FailureKind::Forbidden);
        return Ok(Resumed::Settled);
    }
    if state.profile.dismissed && !wanted.finishes_registration {
        // Perhaps it is of the account no more: the lists say.
        return Ok(Resumed::Joins);
    }
    if wanted.finishes_registration && state.enrolling.is_some() {
        return Ok(finish(state, work, command, wanted.route));
    }
    if let Some(kind) = obstacle(state, wanted.route) {
        work.fail(command, kind);
        return Ok(Resumed::Settled);
    }
    Ok(Resumed::Proves(Some(command)))
}

/// The registration of an earlier run is told as soon as its keys are published.
fn finish(state: &mut State, work: &mut Work<'_>, command: CommandId, route: Route) -> Resumed {
    let phase = state.link.as_ref().filter(|link| link.route == route).map(|link| link.phase);
    match (phase, &mut state.enrolling) {
        (Some(Phase::Online), _) => state.enrolled(work, command),
        (Some(phase), Some(enrolling)) => {
            enrolling.command = Some(command);
            // Else it proves itself already.
            if phase == Phase::Greeted {
                return Resumed::Proves(None);
            }
        }
        _ => work.fail(command, FailureKind::Offline),
    }
    Resumed::Settled
}

fn adopt_enrolling(state: &mut State, work: &mut Work<'_>) -> Result<bool, EngineError> {
    let Some((me, list)) = me::load_pending(work)? else { return Ok(false) };
    me.save(work)?;
    if let Some(enrolling) = &state.enrolling {
        enrolling.save_standing(work)?;
    }
    let account = me.account();
    state.me = Some(me);
    Ok(state.take_list(work, &account, &list)? == Offer::First)
}

/// Why nothing can be started on a connection.
fn obstacle(state: &State, route: Route) -> Option<FailureKind> {
    let greeted = |link: &&crate::engine::memory::Link| link.route == route && link.phase == Phase::Greeted;
    if state.link.as_ref().filter(greeted).is_some() {
        return None;
    }
    Some(if state.relay_refused { FailureKind::Integrity } else { FailureKind::Offline })
}

/// The first sync key, sealed to the vault (SPEC 10.5); the first record follows the registration.
fn first_ring(work: &mut Work<'_>, scope: &VaultScope<'_>, sealed: &NewVault) -> Result<Keyring, EngineError> {
    let key = SyncKey::generate(work.rng);
    let broken = EngineError::Broken(Bug::OwnKeys);
    let vault = Vault::decode(&sealed.bytes).map_err(|_| broken)?;
    let sync_box = SyncBox::seal(&vault, scope, (1, &key), work.rng).map_err(|_| broken)?;
    Ok(Keyring::new(key, sync_box))
}

fn first_list(
    work: &Work<'_>,
    scope: &VaultScope<'_>,
    account_key: &AccountKey,
    keys: &DeviceKeys,
    sealed: &NewVault,
) -> ListBody {
    ListBody {
        relay_id: scope.relay,
        account_id: scope.account,
        seq: 1,
        prev_hash: ListHash([0; 32]),
        merged_hash: ListHash([0; 32]),
        created_ms: work.now.as_ms(),
        expires_ms: work.now.plus_ms(LIST_MS_MAX).as_ms(),
        account_key: account_key.public(),
        next_account_key_hash: sealed.next_account_key_hash,
        flags: 0,
        vault_gen: scope.generation,
        vault_hash: sealed.hash,
        record_floor: 0,
        name: scope.name.clone(),
        devices: vec![keys.listed(&account_key.public(), 1, DEVICE_MAY_SIGN)],
    }
}

/// Random and not zero: zero is the account key's mark.
fn new_device_id(work: &mut Work<'_>) -> DeviceId {
    loop {
        let id = u32::from_be_bytes(work.random());
        if id != 0 {
            return DeviceId(id);
        }
    }
}
