//! Service `account`: new devices, new passwords, recovery, deletion (SPEC 9.7 to 9.10).
//!
//! Whatever changes an account for good is signed by its account key, which is on no device: the relay
//! checks that signature, so a stolen device can't do any of it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::ChannelBinding;
use crate::ids::{AccountId, BootId, DeviceId, ListHash, RelayId, UserName};
use crate::keys::{Signature, VerifyKey};

/// What a client asks of its account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountAsk {
    /// Adds a device, on a connection whose password was proven (SPEC 9.7.2). Answer: `LoggedIn`; the
    /// connection is then that device's.
    Enroll {
        /// The next list, signed by the account key; it has the device, the current one has not.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// The device.
        #[serde(rename = "d")]
        device: DeviceId,
        /// Boot id of its store.
        #[serde(rename = "b")]
        boot: BootId,
    },
    /// Starts a recovery; counts as a guess until `Recover2` is right (SPEC 9.9.2). Answer:
    /// `RecoveryCodeOf`.
    Recover1 {
        /// The account's name.
        #[serde(rename = "n")]
        name: UserName,
    },
    /// Proves the recovery code (SPEC 9.9.1). Answer: `RecoveryOk`.
    Recover2 {
        /// The name of `Recover1`.
        #[serde(rename = "n")]
        name: UserName,
        /// By the recovery code's key of that generation, over [`recovery_bytes`] under `sig/recover`.
        #[serde(rename = "s")]
        signature: Signature,
    },
    /// Starts a new password: OPAQUE `RegistrationRequest` (32 B) for the account that this connection
    /// is logged in to, or whose password or recovery code it proved. Answer: `NewPasswordReply`.
    NewPassword1 {
        /// The request.
        #[serde(rename = "q")]
        request: ByteBuf,
    },
    /// Ends it: login record, vault, list and account record (in the body) change together or not at
    /// all (SPEC 9.8.1, SPEC 9.8.2). Answer: `Done`; with a new device `LoggedIn`, and the connection
    /// is then that device's (SPEC 9.8.3).
    NewPassword2 {
        /// OPAQUE `RegistrationRecord` (192 B).
        #[serde(rename = "u")]
        login: ByteBuf,
        /// Argon2id profile that stretched the new password.
        #[serde(rename = "kp")]
        kp: u8,
        /// The next list, signed by the account key, with a higher vault generation.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// The vault that it names.
        #[serde(rename = "w")]
        vault: ByteBuf,
        /// Version of the account record that the client believes to be stored; 0 for none.
        #[serde(rename = "e")]
        expected: u64,
        /// Version of the new one.
        #[serde(rename = "q")]
        version: u64,
        /// The device that the list adds, if it adds one.
        #[serde(rename = "d", default)]
        device: Option<NewDevice>,
    },
    /// Asks for a device to be let in that knows the password, where that is not enough (SPEC 9.13). Answer: `Waits`,
    /// and once more as a push when an enrolled device has decided.
    AskIn {
        /// The device.
        #[serde(rename = "d")]
        device: DeviceId,
        /// Its Ed25519 key: what is allowed is this key, not whoever knows the password.
        #[serde(rename = "k")]
        key: VerifyKey,
    },
    /// An enrolled device decides about one that waits. Answer: `Done`.
    AnswerIn {
        /// The device that waits.
        #[serde(rename = "d")]
        device: DeviceId,
        /// The key that was shown.
        #[serde(rename = "k")]
        key: VerifyKey,
        /// Let it in.
        #[serde(rename = "y")]
        allow: bool,
    },
    /// Deletes the account that this connection is logged in to (SPEC 9.10.1). Answer: `Done`; then the
    /// connection closes, and those of the account's other devices with `LoggedOut` (`deleted`).
    Delete {
        /// By the account key, over [`deletion_bytes`] under `sig/delete`.
        #[serde(rename = "s")]
        signature: Signature,
    },
}

/// A device that a list adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDevice {
    /// The device.
    #[serde(rename = "d")]
    pub device: DeviceId,
    /// Boot id of its store.
    #[serde(rename = "b")]
    pub boot: BootId,
}

/// What the relay answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountAnswer {
    /// Answer to `Recover1`: the generation whose recovery code the account takes; 1 for a name that
    /// does not exist.
    RecoveryCodeOf {
        /// Generation of the vault.
        #[serde(rename = "g")]
        generation: u32,
    },
    /// Answer to `Recover2`: the connection may fetch, and set a new password.
    RecoveryOk {
        /// The account.
        #[serde(rename = "a")]
        account: AccountId,
        /// Its current device list.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// Its vault.
        #[serde(rename = "w")]
        vault: ByteBuf,
    },
    /// OPAQUE `RegistrationResponse` (64 B).
    NewPasswordReply {
        /// The response.
        #[serde(rename = "p")]
        response: ByteBuf,
    },
    /// Answer to `AskIn`, and pushed to who asked when that changes.
    Waits {
        /// What was decided.
        #[serde(rename = "v")]
        verdict: Verdict,
    },
    /// Pushed to enrolled devices: somebody who knows the password asks to be let in.
    Wants {
        /// The device.
        #[serde(rename = "d")]
        device: DeviceId,
        /// Its Ed25519 key.
        #[serde(rename = "k")]
        key: VerifyKey,
        /// When it asked, by the relay's clock.
        #[serde(rename = "t")]
        at_ms: u64,
    },
    /// Pushed to enrolled devices: nothing is left to decide about this one.
    Settled {
        /// The device.
        #[serde(rename = "d")]
        device: DeviceId,
    },
}

/// What was decided about a device that asks to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing yet.
    Open,
    /// An enrolled device let it in: it may fetch the vault and enrol.
    Allowed,
    /// An enrolled device did not.
    Denied,
}

/// What `Recover2` signs after the label: `relay_id ‖ challenge ‖ exporter ‖ name_len u8 ‖ name ‖ generation u32`.
#[must_use]
pub fn recovery_bytes(relay: &RelayId, binding: &ChannelBinding, name: &UserName, generation: u32) -> Vec<u8> {
    let name = name.as_str().as_bytes();
    let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&relay.0[..], &binding.challenge, &binding.exporter, &[len], name, &generation.to_be_bytes()].concat()
}

/// What `Delete` signs after the label: `relay_id ‖ account_id ‖ hash of the current list`.
#[must_use]
pub fn deletion_bytes(relay: &RelayId, account: &AccountId, list: &ListHash) -> Vec<u8> {
    [&relay.0[..], &account.0, &list.0].concat()
}
