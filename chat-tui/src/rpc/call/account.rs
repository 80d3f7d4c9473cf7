//! Methods of the account, its devices, and trust.

use chat_client::{AccountCommand, Command, DeviceId, Failure, FailureKind, RecoveryRequest, SafetyProof};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Call, NoParams, RpcError, Secret, params, password_or, person, user_name};
use crate::rpc::request::Request;

/// The command of a request about account, devices and trust; none when it is about something else.
pub(super) fn command(request: &Request<'_>) -> Option<Result<Command, RpcError>> {
    let raw = request.params;
    let command = match request.method.as_ref() {
        "safetyNumber" => person(raw).map(AccountCommand::SafetyNumber),
        "verify" => params::<Verify>(raw).and_then(Verify::command),
        "removeDevice" => {
            params::<Removed>(raw).and_then(|removed| device(&removed.id)).map(AccountCommand::RemoveDevice)
        }
        "renameDevice" => params::<Renamed>(raw).and_then(Renamed::command),
        "eraseWhenRemoved" => params::<Shared>(raw).map(|shared| AccountCommand::EraseWhenRemoved(shared.on)),
        "unverify" => person(raw).map(AccountCommand::Unverify),
        "acceptIdentity" => person(raw).map(AccountCommand::AcceptIdentity),
        "askHistory" => params::<NoParams>(raw).map(|_| AccountCommand::AskHistory),
        "cancelHistory" => params::<NoParams>(raw).map(|_| AccountCommand::CancelHistory),
        "answerHistory" => params::<Answered>(raw).and_then(Answered::command),
        "answerDevice" => params::<Answered>(raw).and_then(Answered::about_entry),
        "shareHistory" => params::<Shared>(raw).map(|shared| AccountCommand::ShareHistory(shared.on)),
        _ => return None,
    };
    Some(command.map(Command::Account))
}

/// A new password for whoever has the recovery code.
pub(super) fn recover(raw: Raw<'_>) -> Result<Call, RpcError> {
    let Recover { username, recovery_code, new_password, device_name } = params(raw)?;
    let username = user_name(&username)?.to_string();
    let (Secret(recovery_code), Secret(new_password)) = (recovery_code, new_password);
    Ok(Call::Recover(RecoveryRequest { username, recovery_code, new_password, device_name }))
}

/// A new password for whoever has the old one.
pub(super) fn change_password(raw: Raw<'_>) -> Result<Call, RpcError> {
    let ChangePassword { old: Secret(old), new: Secret(new) } = params(raw)?;
    Ok(Call::ChangePassword(old, new))
}

/// The end of the account.
pub(super) fn delete_account(raw: Raw<'_>, fallback: Option<&str>) -> Result<Call, RpcError> {
    let DeleteAccount { password } = params(raw)?;
    password_or(password, fallback).map(Call::DeleteAccount)
}

/// Whether a new device needs more than the password.
pub(super) fn set_approval(raw: Raw<'_>, fallback: Option<&str>) -> Result<Call, RpcError> {
    let SetApproval { on, password } = params(raw)?;
    password_or(password, fallback).map(|password| Call::SetApproval(on, password))
}

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recover {
    username: String,
    recovery_code: Secret,
    new_password: Secret,
    device_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    old: Secret,
    new: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetApproval {
    on: bool,
    password: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteAccount {
    password: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    username: String,
    digits: Option<String>,
    qr: Option<String>,
}

impl Verify {
    fn command(self) -> Result<AccountCommand, RpcError> {
        let proof = match (self.digits, self.qr) {
            (Some(digits), None) => SafetyProof::Digits(digits),
            (None, Some(code)) => SafetyProof::Code(code),
            _ => return Err(RpcError::invalid_params("One of `digits` and `qr` is what the other side shows.")),
        };
        Ok(AccountCommand::Verify { username: user_name(&self.username)?, proof })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    id: String,
    name: Option<String>,
}

impl Renamed {
    fn command(self) -> Result<AccountCommand, RpcError> {
        Ok(AccountCommand::RenameDevice { device: device(&self.id)?, name: self.name })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    id: String,
    allow: bool,
}

impl Answered {
    fn command(self) -> Result<AccountCommand, RpcError> {
        Ok(AccountCommand::AnswerHistory { device: device(&self.id)?, allow: self.allow })
    }

    fn about_entry(self) -> Result<AccountCommand, RpcError> {
        Ok(AccountCommand::AnswerEntry { device: device(&self.id)?, allow: self.allow })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    on: bool,
}

/// Ids are opaque to whoever asks: one that we never gave out names no device.
fn device(text: &str) -> Result<DeviceId, RpcError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = plain.then(|| text.parse().ok()).flatten();
    id.map(DeviceId).ok_or_else(|| Failure::of(FailureKind::NotFound).into())
}
