//! Greeting, registration, and the two ways to log in.

use std::sync::Arc;

use chat_wire::error::RefusalKind;
use chat_wire::ids::{BootId, DeviceAddress, UserName};
use chat_wire::keys::Signature;
use chat_wire::limits::{FEATURE_BYTES_MAX, FEATURES_MAX, PROTOCOL_VERSION};
use chat_wire::message::{LogoutReason, ServerMessage};
use serde_bytes::ByteBuf;

use super::entrance;
use super::steps::{account_data, log_in};
use crate::core::Core;
use crate::peer::{Connection, Origin, Peer};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::Farewell;
use crate::service::accounts::{self, CheckedProof, DeviceProof, PasswordGate, PasswordLogin};
use crate::service::devices;
use crate::storage::{NewAccount, Roster, Storage, StorageError, Write};

pub(super) fn hello<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (versions, features): (&[u16], &[String]),
) -> Result<Reply, Refuse> {
    if features.len() > FEATURES_MAX || features.iter().any(|f| f.len() > FEATURE_BYTES_MAX) {
        return Err(Refuse::Closing(RefusalKind::Malformed));
    }
    // SPEC 4.6.1.
    if !versions.contains(&PROTOCOL_VERSION) {
        return Err(Refuse::Closing(RefusalKind::Version));
    }
    let signature = match connection.greeting.take() {
        Some(signature) => *signature,
        None => {
            core.secrets.rng.fill_bytes(&mut connection.binding.challenge);
            core.secrets.identity.sign_ready(&connection.binding, PROTOCOL_VERSION)
        }
    };
    connection.peer = Peer::Greeted;
    Ok(Reply::Answer(ServerMessage::Ready {
        version: PROTOCOL_VERSION,
        // This version has none (SPEC 4.6.2).
        features: Vec::new(),
        relay_key: core.secrets.identity.public(),
        challenge: connection.binding.challenge,
        signature,
        now_ms: here.now.wall_ms,
    }))
}

/// Who wants to register.
pub(super) struct Application {
    pub(super) name: UserName,
    pub(super) request: ByteBuf,
    pub(super) invite: Option<String>,
}

pub(super) fn register1<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    application: Application,
) -> Result<Reply, Refuse> {
    let Application { name, request, invite } = application;
    connection.peer = Peer::Greeted;
    if let Origin::Address(address) = connection.origin {
        core.gates.registrations.take(address, here.now.uptime_ms)?;
    }
    let mode = core.config.registration;
    let invite = accounts::admit(&mut core.store, mode, invite.as_deref(), here.now.wall_ms)?;
    accounts::name_is_free(&mut core.store, &name, here.now.wall_ms)?;
    let (relay, secrets) = (core.secrets.identity.id(), Arc::clone(&core.secrets.login));
    let answer = move || {
        let response = accounts::answer_registration(&secrets, &relay, &name, &request)?;
        Ok::<_, Refuse>((name, response))
    };
    core.later(
        move |_| answer(),
        move |answered, _, _, connection| {
            let (name, response) = answered?;
            connection.peer = Peer::Registering { name, invite };
            Ok(Reply::Answer(ServerMessage::Register1Reply { response: ByteBuf::from(response) }))
        },
    )
}

/// What ends a registration.
pub(super) struct Enrolment {
    pub(super) name: UserName,
    pub(super) record: ByteBuf,
    pub(super) kp: u8,
    pub(super) list: ByteBuf,
    pub(super) vault: ByteBuf,
    pub(super) boot: BootId,
}

pub(super) fn register2<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    enrolment: Enrolment,
) -> Result<Reply, Refuse> {
    let Peer::Registering { name, invite } = &connection.peer else {
        return Err(RefusalKind::OutOfPlace.into());
    };
    if *name != enrolment.name {
        return Err(RefusalKind::Malformed.into());
    }
    let (relay, invite, created_ms, boot) = (core.secrets.identity.id(), *invite, here.now.wall_ms, enrolment.boot);
    let check = move || {
        let Enrolment { name, record, kp, list, vault, .. } = enrolment;
        let list = devices::first_list(&relay, &name, &list, &vault)?;
        let account = accounts::new_account(list.account, name, record.into_vec(), kp)?;
        Ok::<_, Refuse>(NewAccount { account, list, created_ms, invite })
    };
    core.later(move |_| check(), move |new, core, here, connection| add_account(core, here, connection, (new?, boot)))
}

fn add_account<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (new, boot): (NewAccount, BootId),
) -> Result<Reply, Refuse> {
    let list = &new.list;
    devices::keys_are_own(&mut core.store, list)?;
    let Some(device) = list.devices.first().map(|d| DeviceAddress { account: list.account, device: d.id }) else {
        return Err(RefusalKind::BadList.into());
    };
    // SPEC 9.4.2: one change, or nothing.
    let batch = vec![Write::AddAccount(Box::new(new)), Write::PutBoot(device, boot)];
    core.apply(&batch).map_err(|error| match error {
        // Between Register1 and now somebody else took the name, or used the invite up.
        StorageError::Conflict => RefusalKind::NameTaken.into(),
        other => Refuse::Storage(other),
    })?;
    core.rosters.forget(&device.account);
    log_in(core, here, connection, device)
}

pub(super) fn ke1<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (name, ke1): (UserName, ByteBuf),
) -> Result<Reply, Refuse> {
    connection.peer = Peer::Greeted;
    // Counted before it is known to be wrong: a KE2 that nobody answers is a guess (SPEC 9.5.2).
    core.gates.try_password(&name, connection.origin, here.now)?;
    answer_ke1(core, connection, (name, ke1), |connection, login| {
        connection.peer = Peer::AwaitingKe3(login);
        Ok(())
    })
}

fn answer_ke1<S: Storage>(
    core: &mut Core<S>,
    connection: &Connection,
    (name, ke1): (UserName, ByteBuf),
    keep: impl FnOnce(&mut Connection, Box<PasswordLogin>) -> Result<(), Refuse> + Send + 'static,
) -> Result<Reply, Refuse> {
    let account = core.store.account_named(&name)?;
    let (secrets, relay) = (Arc::clone(&core.secrets.login), core.secrets.identity.id());
    let exporter = connection.binding.exporter;
    core.later(
        move |rng| {
            let gate = PasswordGate { secrets: &secrets, relay, exporter: &exporter };
            accounts::start_password(account, &gate, name, &ke1, rng)
        },
        move |started, _, _, connection| {
            let (login, ke2) = started?;
            keep(connection, Box::new(login))?;
            Ok(Reply::Answer(ServerMessage::Ke2 { ke2: ByteBuf::from(ke2.bytes), kp: ke2.kp }))
        },
    )
}

/// A logged-in device checks its account's password. Counted apart from logins: guesses of others
/// never keep the owner's devices from it.
pub(super) fn check_password<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (name, ke1): (UserName, ByteBuf),
) -> Result<Reply, Refuse> {
    let own = connection.peer.device().ok_or(RefusalKind::OutOfPlace)?.account;
    if core.store.account_named(&name)?.is_none_or(|account| account.id != own) {
        return Err(RefusalKind::Forbidden.into());
    }
    core.gates.password_checks.take(own, here.now.uptime_ms)?;
    answer_ke1(core, connection, (name, ke1), |connection, check| {
        connection.peer.login().ok_or(RefusalKind::OutOfPlace)?.checking = Some(check);
        Ok(())
    })
}

pub(super) fn password_checked<S: Storage>(
    core: &mut Core<S>,
    connection: &mut Connection,
    ke3: &[u8],
) -> Result<Reply, Refuse> {
    let check = connection.peer.login().and_then(|login| login.checking.take()).ok_or(RefusalKind::OutOfPlace)?;
    let account = accounts::finish_password(&mut core.store, *check, ke3)?.account;
    core.gates.password_checks.give_back(&account);
    let (list, vault) = account_data(core, &account)?;
    Ok(Reply::Answer(ServerMessage::PasswordOk { account, list, vault }))
}

pub(super) fn ke3<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    ke3: &[u8],
) -> Result<Reply, Refuse> {
    let Peer::AwaitingKe3(login) = std::mem::replace(&mut connection.peer, Peer::Greeted) else {
        return Err(RefusalKind::OutOfPlace.into());
    };
    let name = login.name.clone();
    let proven = accounts::finish_password(&mut core.store, *login, ke3)?;
    core.gates.password_was_right(&name, connection.origin);
    let account = proven.account;
    let (list, vault) = account_data(core, &account)?;
    // SPEC 9.13.1: where the password is not enough, it opens nothing before the device is let in.
    let enough = entrance::check(core, &proven, here.connection).is_ok();
    let vault = if enough { vault } else { ByteBuf::new() };
    connection.peer = Peer::PasswordProven(proven);
    Ok(Reply::Answer(ServerMessage::PasswordOk { account, list, vault }))
}

/// Who a connection says it is.
pub(super) struct Claim {
    pub(super) device: DeviceAddress,
    pub(super) incarnation: u32,
    pub(super) signature: Signature,
}

pub(super) fn proof<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    claim: Claim,
) -> Result<Reply, Refuse> {
    let Claim { device, incarnation, signature } = claim;
    let proof =
        DeviceProof { relay: core.secrets.identity.id(), binding: connection.binding, device, incarnation, signature };
    let roster = core.rosters.get(&mut core.store, &device.account)?;
    let key = match roster.as_ref().and_then(|roster| roster.device(device.device)) {
        Some(listed) => Some(listed.sig_key),
        None => core.store.removed_device(&device)?.map(|removed| removed.sig_key),
    };
    let Some(key) = key else {
        // Nobody's key: nothing to check.
        if core.store.deletion(&device.account)?.is_some() {
            core.round.dismissals.push((here.connection, LogoutReason::Deleted.into()));
        }
        return Err(RefusalKind::NotEnrolled.into());
    };
    core.later(
        move |_| CheckedProof::check(proof, key),
        move |checked, core, here, connection| enter(core, here, connection, &checked),
    )
}

/// A checked proof opens, or tells why not.
fn enter<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    checked: &CheckedProof,
) -> Result<Reply, Refuse> {
    let device = checked.proof.device;
    let roster = core.rosters.get(&mut core.store, &device.account)?;
    if let Some(farewell) = came_back(core, roster.as_deref(), checked)? {
        // It was asked to leave while it was away: now it learns so, with the reason.
        core.round.dismissals.push((here.connection, farewell));
    }
    accounts::admit_device(roster.as_deref(), checked)?;
    log_in(core, here, connection, device)
}

/// What a device is told that was removed, or whose account was deleted, while it was away. Only to who can
/// sign as that device: nobody else learns what an account removed.
fn came_back<S: Storage>(
    core: &mut Core<S>,
    roster: Option<&Roster>,
    checked: &CheckedProof,
) -> Result<Option<Farewell>, Refuse> {
    let device = &checked.proof.device;
    if roster.is_some_and(|r| r.device(device.device).is_some()) {
        return Ok(None);
    }
    if core.store.deletion(&device.account)?.is_some() {
        return Ok(Some(LogoutReason::Deleted.into()));
    }
    let removed = core.store.removed_device(device)?.filter(|r| checked.is_signed_by(&r.sig_key));
    Ok(removed.map(|removed| Farewell { reason: LogoutReason::Removed, list: Some(removed.list) }))
}
