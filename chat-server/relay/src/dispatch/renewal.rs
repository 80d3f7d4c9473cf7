//! New devices, new passwords, recovery, deletion (SPEC 9.7 to 9.10).

use std::sync::Arc;

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, UserName};
use chat_wire::keys::Signature;
use chat_wire::message::{AccountAnswer, AccountAsk, LogoutReason, NewDevice, ServerMessage};
use serde_bytes::ByteBuf;

use super::entrance;
use super::log::{Changed, tell_rooms};
use super::steps::{account_data, log_in, put_list, rooms_of, still_stands};
use crate::core::Core;
use crate::peer::{Connection, Peer};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::{Output, Rests};
use crate::service::accounts::{self, Proven, ProvenBy};
use crate::service::devices::{self, Next, NextList, Standing};
use crate::service::records::{self, NextRecord};
use crate::storage::{Batch, Deletion, Storage, Write};

/// Routes what a connection asks of its account.
pub(super) fn ask<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (ask, body): (AccountAsk, Bytes),
) -> Result<Reply, Refuse> {
    match ask {
        AccountAsk::Enroll { list, device, boot } => enroll(core, here, connection, (list, NewDevice { device, boot })),
        AccountAsk::Recover1 { name } => recover1(core, here, connection, name),
        AccountAsk::Recover2 { name, signature } => recover2(core, connection, (name, signature)),
        AccountAsk::NewPassword1 { request } => new_password1(core, here, connection, request),
        AccountAsk::NewPassword2 { login, kp, list, vault, expected, version, device } => {
            let change = PasswordChange {
                login: Bytes::from(login.into_vec()),
                kp,
                list,
                vault,
                record: (expected, version, body),
                device,
            };
            new_password2(core, here, connection, change)
        }
        AccountAsk::Delete { signature } => delete(core, here, connection, signature),
        AccountAsk::AskIn { device, key } => entrance::ask_in(core, here, connection, (device, key)),
        AccountAsk::AnswerIn { device, key, allow } => {
            let own = connection.peer.device().ok_or(RefusalKind::OutOfPlace)?;
            entrance::answer_in(core, here, own, (device, key, allow))
        }
    }
}

/// A password is enough for a new device, unless the account wants more: then the recovery code, or that an enrolled
/// device let in just this one.
fn may_add<S: Storage>(core: &mut Core<S>, proven: &Proven, next: &Next, new: NewDevice) -> Result<(), Refuse> {
    let listed = next.change.devices.iter().find(|device| device.id == new.device).map(|device| device.sig_key);
    let let_in = |device, key: &_| device == new.device && Some(*key) == listed;
    let enough = proven.by == ProvenBy::RecoveryCode || core.entrance.is_allowed(&proven.account, let_in);
    if enough || !entrance::wants_more(core, &proven.account)? { Ok(()) } else { Err(RefusalKind::Forbidden.into()) }
}

/// The list adds this device and no other, and the account key signed it.
fn adds_only(next: &Next, device: Option<NewDevice>) -> Result<(), Refuse> {
    let wanted: Vec<_> = device.iter().map(|d| d.device).collect();
    let listed = device.is_none_or(|d| next.change.devices.iter().any(|listed| listed.id == d.device));
    let ok = next.by_account_key && next.added == wanted && listed;
    if ok { Ok(()) } else { Err(RefusalKind::BadList.into()) }
}

fn enroll<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (list, new): (ByteBuf, NewDevice),
) -> Result<Reply, Refuse> {
    let proven = connection.peer.proven().ok_or(RefusalKind::OutOfPlace)?.clone();
    core.gates.changes.take(proven.account, here.now.uptime_ms)?;
    let (relay, standing) = (core.secrets.identity.id(), Standing::read(&mut core.store, &proven.account)?);
    let check = move || {
        let next = devices::next_list(&relay, &standing, &list, None)?;
        Ok::<_, Refuse>((standing, next))
    };
    core.later(
        move |_| check(),
        move |checked, core, here, connection| {
            // A new password meanwhile ends what the old one began.
            proven.check(&mut core.store)?;
            let (standing, next) = checked?;
            enroll_checked(core, here, connection, (&proven, new, &standing, next))
        },
    )
}

fn enroll_checked<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (proven, new, standing, next): (&Proven, NewDevice, &Standing, NextList),
) -> Result<Reply, Refuse> {
    let account = proven.account;
    still_stands(core, &account, standing)?;
    let device = DeviceAddress { account, device: new.device };
    match next {
        // A repeat whose answer got lost: only that device's store knows the boot id.
        NextList::Known if core.store.incarnation(&device)?.boot == Some(new.boot) => {}
        NextList::Known => return Err(RefusalKind::BadList.into()),
        NextList::Next(next) => {
            may_add(core, proven, &next, new)?;
            adds_only(&next, Some(new))?;
            put_list(core, here, *next, vec![Write::PutBoot(device, new.boot)])?;
            core.entrance.forget(&account, new.device);
            entrance::tell_devices(core, (account, None), &AccountAnswer::Settled { device: new.device });
        }
    }
    log_in(core, here, connection, device)
}

fn recover1<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    name: UserName,
) -> Result<Reply, Refuse> {
    connection.peer = Peer::Greeted;
    // SPEC 9.9.2.
    core.gates.try_password(&name, connection.origin, here.now)?;
    let recovery = accounts::start_recovery(&mut core.store, name, core.secrets.identity.public())?;
    let answer = AccountAnswer::RecoveryCodeOf { generation: recovery.generation };
    connection.peer = Peer::Recovering(Box::new(recovery));
    Ok(Reply::Answer(ServerMessage::Account(answer)))
}

fn recover2<S: Storage>(
    core: &mut Core<S>,
    connection: &mut Connection,
    (name, signature): (UserName, Signature),
) -> Result<Reply, Refuse> {
    let Peer::Recovering(recovery) = std::mem::replace(&mut connection.peer, Peer::Greeted) else {
        return Err(RefusalKind::OutOfPlace.into());
    };
    if recovery.name != name {
        return Err(RefusalKind::Malformed.into());
    }
    let (relay, binding) = (core.secrets.identity.id(), connection.binding);
    core.later(
        move |_| accounts::finish_recovery(*recovery, (&relay, &binding), &signature),
        move |proven, core, here, connection| {
            let proven = proven?;
            // The password may have been changed since Recover1.
            proven.check(&mut core.store)?;
            core.gates.password_was_right(&name, connection.origin);
            let account = proven.account;
            let (list, vault) = account_data(core, &account)?;
            connection.peer = Peer::PasswordProven(proven);
            // Lifts the frame limit: the new password brings the whole account record along.
            core.round.stage(Rests::OnStorage, Output::LoggedIn(here.connection));
            Ok(Reply::Answer(ServerMessage::Account(AccountAnswer::RecoveryOk { account, list, vault })))
        },
    )
}

/// The account that a connection may give a new password.
fn own_account(connection: &Connection) -> Result<AccountId, Refuse> {
    let device = connection.peer.device().map(|device| device.account);
    device.or(connection.peer.proven().map(|proven| proven.account)).ok_or(RefusalKind::OutOfPlace.into())
}

fn new_password1<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &Connection,
    request: ByteBuf,
) -> Result<Reply, Refuse> {
    let account = own_account(connection)?;
    core.gates.changes.take(account, here.now.uptime_ms)?;
    if let Some(proven) = connection.peer.proven() {
        entrance::check(core, proven, here.connection)?;
    }
    let name = core.store.account(&account)?.ok_or(RefusalKind::Unavailable)?.name;
    let (relay, secrets) = (core.secrets.identity.id(), Arc::clone(&core.secrets.login));
    core.later(
        move |_| accounts::answer_registration(&secrets, &relay, &name, &request),
        |response, _, _, _| {
            let answer = AccountAnswer::NewPasswordReply { response: ByteBuf::from(response?) };
            Ok(Reply::Answer(ServerMessage::Account(answer)))
        },
    )
}

/// Everything that a new password changes.
struct PasswordChange {
    login: Bytes,
    kp: u8,
    list: ByteBuf,
    vault: ByteBuf,
    /// Expected version, new version, bytes.
    record: (u64, u64, Bytes),
    device: Option<NewDevice>,
}

fn new_password2<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    change: PasswordChange,
) -> Result<Reply, Refuse> {
    let account = own_account(connection)?;
    core.gates.changes.take(account, here.now.uptime_ms)?;
    if connection.peer.device().is_some() && change.device.is_some() {
        return Err(RefusalKind::Malformed.into());
    }
    let (relay, standing) = (core.secrets.identity.id(), Standing::read(&mut core.store, &account)?);
    let check = move || {
        accounts::check_login(&change.login, change.kp)?;
        let next = devices::next_list(&relay, &standing, &change.list, Some(&change.vault))?;
        Ok::<_, Refuse>((standing, next, change))
    };
    core.later(
        move |_| check(),
        move |checked, core, here, connection| {
            if let Some(proven) = connection.peer.proven() {
                proven.check(&mut core.store)?;
                // Else the flag would fall with the password.
                entrance::check(core, proven, here.connection)?;
            }
            change_password(core, here, connection, (account, checked?))
        },
    )
}

fn change_password<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (account, (standing, next, change)): (AccountId, (Standing, NextList, PasswordChange)),
) -> Result<Reply, Refuse> {
    still_stands(core, &account, &standing)?;
    match next {
        NextList::Known => repeated(core, account, &change)?,
        NextList::Next(next) => {
            adds_only(&next, change.device)?;
            if !next.new_vault {
                return Err(RefusalKind::BadList.into());
            }
            put_password(core, here, *next, &change)?;
        }
    }
    let device = change.device.map(|new| DeviceAddress { account, device: new.device });
    match device {
        Some(device) => log_in(core, here, connection, device),
        None => Ok(Reply::done()),
    }
}

/// SPEC 9.8.1: one change, or nothing. Who proved the old password on another connection finds it void.
fn put_password<S: Storage>(core: &mut Core<S>, here: Here, next: Next, change: &PasswordChange) -> Result<(), Refuse> {
    let account = next.change.account;
    let (expected, version, body) = &change.record;
    let stored = core.store.record(&account)?;
    let mut rest: Batch = vec![Write::PutLogin(account, change.login.clone(), change.kp)];
    if let NextRecord::Next(record) = records::next_record(&stored, *expected, *version, body.clone())? {
        rest.push(Write::PutRecord(account, record));
    }
    if let Some(new) = change.device {
        rest.push(Write::PutBoot(DeviceAddress { account, device: new.device }, new.boot));
    }
    put_list(core, here, next, rest)
}

/// A change whose answer got lost: the list is the current one, and so must be the rest of it.
fn repeated<S: Storage>(core: &mut Core<S>, account: AccountId, change: &PasswordChange) -> Result<(), Refuse> {
    let stored = core.store.account(&account)?.ok_or(RefusalKind::Unavailable)?;
    let same_boot = match change.device {
        None => true,
        Some(new) => {
            let device = DeviceAddress { account, device: new.device };
            core.store.incarnation(&device)?.boot == Some(new.boot)
        }
    };
    let same = stored.login_record == change.login && same_boot;
    if same { Ok(()) } else { Err(RefusalKind::Conflict.into()) }
}

fn delete<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &Connection,
    signature: Signature,
) -> Result<Reply, Refuse> {
    let own = connection.peer.device().ok_or(RefusalKind::OutOfPlace)?;
    core.gates.changes.take(own.account, here.now.uptime_ms)?;
    let (relay, standing) = (core.secrets.identity.id(), Standing::read(&mut core.store, &own.account)?);
    core.later(
        move |_| accounts::check_deletion(&relay, &standing.current, &signature).map(|()| standing),
        move |checked, core, here, _| {
            still_stands(core, &own.account, &checked?)?;
            delete_account(core, here, (own, signature))
        },
    )
}

fn delete_account<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    (own, signature): (DeviceAddress, Signature),
) -> Result<Reply, Refuse> {
    let account = own.account;
    let at_ms = here.now.wall_ms;
    let reserved_until_ms = at_ms.saturating_add(core.config.limits.name_reserved_ms);
    let roster = core.rosters.get(&mut core.store, &account)?.ok_or(RefusalKind::Unavailable)?;
    let devices: Vec<_> = roster.devices.iter().map(|d| DeviceAddress { account, device: d.id }).collect();
    let rooms = rooms_of(core, &devices)?;
    let gone = Changed::read(core, own, rooms)?.deleted(signature);
    core.apply(&vec![Write::DeleteAccount(account, Deletion { at_ms, reserved_until_ms })])?;
    core.rosters.forget(&account);
    for (device, connection) in core.logins.iter().filter(|(device, _)| device.account == account) {
        core.mailboxes.forget(device);
        if *device != own {
            core.round.dismissals.push((*connection, LogoutReason::Deleted.into()));
        }
    }
    tell_rooms(core, &gone, at_ms)?;
    Ok(Reply::Last(ServerMessage::Done {}))
}
