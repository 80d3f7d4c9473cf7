//! Account, devices and trust at the boundary.

use bytes::Bytes;
use chat_wire::ids::{AccountId, DeviceId, UserName};

use super::{ExportKey, Route};
use crate::identity::RecoveryCode;

/// What a person wants of its account.
#[derive(Debug)]
#[non_exhaustive]
pub enum AccountCommand {
    /// Takes a device off the account. Reply: `Done`, once the relay has the list without it.
    RemoveDevice(DeviceId),
    /// Gives a device of the account a name that only its own devices see. Reply: `Done`.
    RenameDevice {
        /// Which.
        device: DeviceId,
        /// Free text; none to take it away.
        name: Option<String>,
    },
    /// The number that two people compare. Reply: `Safety`.
    SafetyNumber(UserName),
    /// Compares what the other side shows. Reply: `Verified`; a difference fails with `Integrity`.
    Verify {
        /// Whom.
        username: UserName,
        /// What it shows.
        proof: SafetyProof,
    },
    /// Takes back that somebody was verified. Reply: `Done`.
    Unverify(UserName),
    /// Goes on with somebody whose account key or name binding changed, without comparing. Reply: `Done`.
    AcceptIdentity(UserName),
    /// Ends a change of the password whose OPAQUE halves the shell has done. Reply: `PasswordChanged`.
    ChangePassword(Box<PasswordChange>),
    /// Ends a recovery whose OPAQUE half the shell has done. Reply: `Recovered`.
    Recover(Box<Recovery>),
    /// Deletes the account for good, after the password was proven. Reply: `Done`; nothing is left here.
    Delete(Box<Deletion>),
    /// Whether this device's data goes when another device removes it. Reply: `Done`.
    EraseWhenRemoved(bool),
}

/// What one person shows and another compares.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SafetyProof {
    /// The digits, with or without blanks.
    Digits(String),
    /// The text of the QR code.
    Code(String),
}

/// The old password as proven, and OPAQUE's results for the new one.
#[derive(Debug)]
pub struct PasswordChange {
    /// The connection on which all of it happened; this device is logged in there.
    pub route: Route,
    /// What the old password brought.
    pub old: ProvenPassword,
    /// What the new one is to be.
    pub new: NewPassword,
}

/// What a right password brings.
#[derive(Debug)]
pub struct ProvenPassword {
    /// OPAQUE export key.
    pub export_key: ExportKey,
    /// Argon2id profile that stretched it.
    pub kp: u8,
    /// The account's vault, as received.
    pub vault: Bytes,
}

/// OPAQUE's results for a new password.
#[derive(Debug)]
pub struct NewPassword {
    /// OPAQUE `RegistrationRecord`, 192 bytes, for the relay.
    pub record: Bytes,
    /// OPAQUE export key.
    pub export_key: ExportKey,
    /// Argon2id profile that stretched it.
    pub kp: u8,
}

/// A recovery code as proven to the relay, and OPAQUE's results for the new password.
#[derive(Debug)]
pub struct Recovery {
    /// Connection on which `RecoveryOk` came.
    pub route: Route,
    /// The name.
    pub username: UserName,
    /// Name for a new device.
    pub device_name: Option<String>,
    /// The code.
    pub code: RecoveryCode,
    /// The account that the relay named.
    pub account: AccountId,
    /// Its device list, as received.
    pub list: Bytes,
    /// Its vault, as received.
    pub vault: Bytes,
    /// What the new password is to be.
    pub new: NewPassword,
}

/// What the end of an account takes.
#[derive(Debug)]
pub struct Deletion {
    /// Connection on which the password was proven; this device is logged in there.
    pub route: Route,
    /// The password.
    pub password: ProvenPassword,
}

/// The number that two people compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    /// Whom it is about.
    pub username: UserName,
    /// 60 digits in 12 groups of 5, parted by blanks; the same on both sides.
    pub digits: String,
    /// Text for a QR code, letters and digits; the same on both sides.
    pub code: String,
    /// Whether it was compared, and is still the same.
    pub verified: bool,
}

/// One device of the own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub id: DeviceId,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// When it was added, milliseconds since the Unix epoch, if known.
    pub created_ms: Option<u64>,
    /// When it was last heard of, milliseconds since the Unix epoch, if known.
    pub last_seen_ms: Option<u64>,
    /// This one.
    pub current: bool,
}
