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
    /// The new password was proven, and an earlier change that brought it was never answered. Reply:
    /// `PasswordChanged`; `NotFound` when there was none.
    PasswordStands,
    /// Ends a recovery whose OPAQUE half the shell has done. Reply: `Recovered`.
    Recover(Box<Recovery>),
    /// Deletes the account for good, after the password was proven. Reply: `Done`; nothing is left here.
    Delete(Box<Deletion>),
    /// Whether a new device needs more than the password (SPEC 9.7.4), after that was proven. Reply: `Done`.
    SetApproval(Box<ApprovalChange>),
    /// Lets a device in that waits (`NoticeKind::DeviceWaits`), or does not. Reply: `Done`; `NotFound` when it does not
    /// wait any more.
    AnswerEntry {
        /// Which.
        device: DeviceId,
        /// Let it in.
        allow: bool,
    },
    /// Whether this device's data goes when another device removes it. Reply: `Done`.
    EraseWhenRemoved(bool),
    /// Asks the other devices of the account for the history. Reply: `Done`; it comes as [`Event::HistoryProgress`]
    /// tells, over restarts. `NotFound` without another device.
    ///
    /// [`Event::HistoryProgress`]: super::Event::HistoryProgress
    AskHistory,
    /// Gives that up; what came stays. Reply: `Done`.
    CancelHistory,
    /// Gives the history to a device that asked for it (`NoticeKind::DeviceAsks`), or does not. Reply: `Done`;
    /// `NotFound` when it did not ask.
    AnswerHistory {
        /// Which.
        device: DeviceId,
        /// Give it.
        allow: bool,
    },
    /// Whether own devices that ask get it without a question from now on. Reply: `Done`.
    ShareHistory(bool),
    /// What the shell found for [`Event::HistoryWanted`]. Reply: `Done`.
    ///
    /// [`Event::HistoryWanted`]: super::Event::HistoryWanted
    GiveHistory(HistoryPiece),
}

/// A part of the history for another own device.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryPiece {
    /// Whom it is for.
    pub device: DeviceId,
    /// As it was wanted.
    pub before: Option<i64>,
    /// Rows of [`crate::archive`], the oldest first; at most [`HISTORY_PIECE_BYTES_MAX`].
    pub rows: Vec<u8>,
    /// What to ask for next; none when this is the beginning of the history. Less than `before`.
    pub next: Option<i64>,
    /// Messages before `before`.
    pub left: u64,
}

/// Bytes of rows in a [`HistoryPiece`]: with what stands around them one message.
pub const HISTORY_PIECE_BYTES_MAX: usize = 76 * 1024;

impl std::fmt::Debug for HistoryPiece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HistoryPiece({:?}, {} bytes)", self.device, self.rows.len())
    }
}

/// How far a history is that another own device gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryProgress {
    /// The other devices were asked.
    Asked,
    /// It comes, the newest first.
    Coming {
        /// Messages that came.
        done: u64,
        /// Messages that there are.
        total: u64,
    },
    /// All of it is here.
    Done {
        /// Messages that came.
        messages: u64,
    },
    /// No device gives it.
    Refused,
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

/// Whether a new device needs more than the password.
#[derive(Debug)]
pub struct ApprovalChange {
    /// Connection on which the password was proven; this device is logged in there.
    pub route: Route,
    /// The password.
    pub password: ProvenPassword,
    /// Needed from now on, or no longer.
    pub on: bool,
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

/// A device that knows the password and waits to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDevice {
    /// Which it would be.
    pub id: DeviceId,
    /// What it shows on its screen: the person compares.
    pub code: String,
    /// When it asked, milliseconds since the Unix epoch.
    pub at_ms: u64,
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
