//! What changes an account by its password or its recovery code: OPAQUE's half and the proofs here, what
//! is signed and sealed in the engine.

use bytes::Bytes;
use chat_core::engine::{
    AccountCommand, ApprovalChange, Command, Deletion, ExportKey, Failure, FailureKind, NewPassword, PasswordChange,
    ProvenPassword, Recovery, Reply,
};
use chat_core::identity::RecoveryCode;
use chat_login::client::RegistrationStart;
use chat_login::{Identities, Profile};
use chat_wire::ids::UserName;
use chat_wire::message::{AccountAnswer, AccountAsk, ChannelBinding, ClientMessage, ServerMessage};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::{
    ATTEMPTS_MAX, Proven, assessed, blocking, failure, login, lost, normalised, proven, refused, status, user_name,
};
use crate::driver::{Door, Mailbox, Ready, Task};
use crate::estimate::Estimator;
use crate::request::{Credentials, LoggedIn, Password, Recovered, RecoveryRequest};

/// Sets a new password by the recovery code; on a fresh profile it enrols this device.
pub(crate) async fn recover(
    mailbox: Mailbox,
    mut door: Door,
    estimator: Estimator,
    request: RecoveryRequest,
) -> Result<Recovered, Failure> {
    let username = user_name(&request.username)?;
    let code = Zeroizing::new(request.recovery_code.expose().to_owned());
    // A code with a typing error is wrong, and nobody need be asked about it.
    RecoveryCode::parse(&code).map_err(|_| Failure::of(FailureKind::BadCredentials))?;
    let password = acceptable(&estimator, &username, &request.new_password).await?;
    let status = status(&mailbox).await?;
    if status.username.is_some_and(|own| own != username) {
        return Err(Failure::of(FailureKind::Forbidden));
    }
    let mut attempt = 1;
    let (ready, opened, new) = loop {
        let ready = door.ready().await?;
        match prove_code(&ready, &username, (&code, &password)).await {
            Err(failure) if lost(&failure) && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(failure) if failure.kind == FailureKind::BadCredentials && status.changing_password => {
                // The code may be void because an earlier try got through and its answer did not.
                return finish_recovery(mailbox, door, request).await;
            }
            result => {
                let (opened, new) = result?;
                break (ready, opened, new);
            }
        }
    };
    let recovery = Recovery {
        route: ready.route,
        username,
        device_name: request.device_name,
        code: RecoveryCode::parse(&code).map_err(|_| Failure::of(FailureKind::BadCredentials))?,
        account: opened.account,
        list: opened.list,
        vault: opened.vault,
        new,
    };
    match run(&mailbox, AccountCommand::Recover(Box::new(recovery))).await? {
        Reply::Recovered { username, device, new_device, recovery_code } => {
            Ok(Recovered { username, device, new_device, recovery_code })
        }
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

/// A recovery of an earlier attempt stands: its password lets this device in, and its code is told.
async fn finish_recovery(mailbox: Mailbox, door: Door, request: RecoveryRequest) -> Result<Recovered, Failure> {
    let RecoveryRequest { username, new_password: password, device_name, .. } = request;
    let LoggedIn { username, device, new_device } =
        login(mailbox.clone(), door, Credentials { username, password, device_name }).await?;
    match run(&mailbox, AccountCommand::PasswordStands).await? {
        Reply::PasswordChanged { recovery_code } => Ok(Recovered { username, device, new_device, recovery_code }),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

/// Replaces the password; the answer is the next recovery code.
pub(crate) async fn change_password(
    mailbox: Mailbox,
    mut door: Door,
    estimator: Estimator,
    (old, new): (Password, Password),
) -> Result<String, Failure> {
    let username = own_name(&mailbox).await?;
    let password = acceptable(&estimator, &username, &new).await?;
    let untold = status(&mailbox).await?.changing_password;
    let (ready, proven) = match proven(&mut door, &username, &normalised(&old)).await {
        Err(failure) if untold && failure.kind == FailureKind::BadCredentials => {
            // The old one may be wrong because an earlier try got through and its answer did not.
            proven(&mut door, &username, &password).await?;
            return match run(&mailbox, AccountCommand::PasswordStands).await? {
                Reply::PasswordChanged { recovery_code } => Ok(recovery_code),
                _ => Err(Failure::of(FailureKind::Internal)),
            };
        }
        proof => proof?,
    };
    let new = new_password(&ready, &username, &password).await?;
    let change = PasswordChange { route: ready.route, old: old_password(proven), new };
    match run(&mailbox, AccountCommand::ChangePassword(Box::new(change))).await? {
        Reply::PasswordChanged { recovery_code } => Ok(recovery_code),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

/// Says whether a new device needs more than the password.
pub(crate) async fn set_approval(
    mailbox: Mailbox,
    mut door: Door,
    (on, password): (bool, Password),
) -> Result<(), Failure> {
    let username = own_name(&mailbox).await?;
    let (ready, proven) = proven(&mut door, &username, &normalised(&password)).await?;
    let change = ApprovalChange { route: ready.route, password: old_password(proven), on };
    match run(&mailbox, AccountCommand::SetApproval(Box::new(change))).await? {
        Reply::Done => Ok(()),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

/// Deletes the account for good.
pub(crate) async fn delete_account(mailbox: Mailbox, mut door: Door, password: Password) -> Result<(), Failure> {
    let username = own_name(&mailbox).await?;
    let (ready, proven) = proven(&mut door, &username, &normalised(&password)).await?;
    let deletion = Deletion { route: ready.route, password: old_password(proven) };
    match run(&mailbox, AccountCommand::Delete(Box::new(deletion))).await? {
        Reply::Done => Ok(()),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

async fn run(mailbox: &Mailbox, command: AccountCommand) -> Result<Reply, Failure> {
    mailbox.ask(|answer| Task::Command(Command::Account(command), answer)).await
}

/// The account of this profile, while it is logged in.
async fn own_name(mailbox: &Mailbox) -> Result<UserName, Failure> {
    let status = status(mailbox).await?;
    status.username.filter(|_| status.logged_in).ok_or_else(|| Failure::of(FailureKind::NotLoggedIn))
}

/// A new password that is good enough, in its normal form.
async fn acceptable(
    estimator: &Estimator,
    username: &UserName,
    password: &Password,
) -> Result<Zeroizing<String>, Failure> {
    let password = normalised(password);
    let assessment = assessed(estimator, &password, vec![username.to_string()]).await?;
    if assessment.acceptable() {
        return Ok(password);
    }
    Err(Failure { unmet: assessment.unmet, ..Failure::of(FailureKind::WeakPassword) })
}

fn old_password(proven: Proven) -> ProvenPassword {
    ProvenPassword { export_key: ExportKey(proven.export_key), kp: proven.kp, vault: proven.vault }
}

/// What a right recovery code brings.
struct Opened {
    account: chat_wire::ids::AccountId,
    list: Bytes,
    vault: Bytes,
}

/// Proves the code on this connection, and starts the new password there.
async fn prove_code(
    ready: &Ready,
    username: &UserName,
    (code, password): (&str, &Zeroizing<String>),
) -> Result<(Opened, NewPassword), Failure> {
    let started = ask(ready, AccountAsk::Recover1 { name: username.clone() }).await?;
    let AccountAnswer::RecoveryCodeOf { generation } = started else {
        return Err(Failure::of(FailureKind::Internal));
    };
    let code = RecoveryCode::parse(code).map_err(|_| Failure::of(FailureKind::BadCredentials))?;
    let binding = ChannelBinding { challenge: ready.challenge, exporter: ready.exporter };
    let signature = code.sign_request(&ready.relay, &binding, (username, generation));
    let opened = match ask(ready, AccountAsk::Recover2 { name: username.clone(), signature }).await? {
        AccountAnswer::RecoveryOk { account, list, vault } => {
            Opened { account, list: Bytes::from(list.into_vec()), vault: Bytes::from(vault.into_vec()) }
        }
        _ => return Err(Failure::of(FailureKind::Internal)),
    };
    let new = new_password(ready, username, password).await?;
    Ok((opened, new))
}

/// OPAQUE's two messages of a new password.
async fn new_password(
    ready: &Ready,
    username: &UserName,
    password: &Zeroizing<String>,
) -> Result<NewPassword, Failure> {
    let (start, request) = RegistrationStart::new(password.as_bytes(), &mut UnwrapErr(SysRng)).map_err(failure)?;
    let answer = ask(ready, AccountAsk::NewPassword1 { request: ByteBuf::from(request) }).await?;
    let AccountAnswer::NewPasswordReply { response } = answer else {
        return Err(Failure::of(FailureKind::Internal));
    };
    let (name, relay, kp) = (username.clone(), ready.relay, Profile::DEFAULT);
    let registered = blocking(move || {
        let identities = Identities { name: name.as_str(), relay_id: &relay.0 };
        start.finish(&response, &identities, kp, &mut UnwrapErr(SysRng)).map_err(failure)
    })
    .await??;
    let record = Bytes::copy_from_slice(&registered.record);
    Ok(NewPassword { record, export_key: ExportKey(registered.export_key), kp: kp.number() })
}

async fn ask(ready: &Ready, ask: AccountAsk) -> Result<AccountAnswer, Failure> {
    match ready.ask(ClientMessage::Account(ask)).await.and_then(refused)? {
        ServerMessage::Account(answer) => Ok(answer),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}
