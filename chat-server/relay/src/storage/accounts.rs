//! Rows of accounts: names, logins, lists, vaults, records, prekeys.

use bytes::Bytes;
use chat_wire::bundle::{LastResortKey, OneTimePair, SignedPreKey};
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, UserName};
use chat_wire::keys::{DhKey, VerifyKey};

use super::StorageError;

/// An account as login needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: UserName,
    /// OPAQUE record.
    pub login_record: Bytes,
    /// Argon2id profile of the record.
    pub kp: u8,
    /// Switched off by the operator.
    pub disabled: bool,
}

/// The live devices of an account's current list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// The account.
    pub account: AccountId,
    /// Switched off by the operator.
    pub disabled: bool,
    /// Sequence number of the current list.
    pub list_seq: u64,
    /// Live devices, ascending by id.
    pub devices: Vec<RosterDevice>,
}

/// A live device of a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterDevice {
    /// Its id.
    pub id: DeviceId,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its Ed25519 key.
    pub sig_key: VerifyKey,
    /// Its X25519 key.
    pub dh_key: DhKey,
    /// Whether it has published prekeys: before that nobody can send to it.
    pub reachable: bool,
}

impl Roster {
    /// The live device with this id.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&RosterDevice> {
        self.devices.iter().find(|d| d.id == id)
    }
}

/// What a device wrote about its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Incarnation {
    /// Boot id of the last opening of its store.
    pub boot: Option<BootId>,
    /// Highest step that was accepted from it.
    pub step: u64,
}

/// Keys of a device that stay when they are handed out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StandingKeys {
    /// Medium-term prekey.
    pub signed: Option<SignedPreKey>,
    /// Last-resort prekey.
    pub last_resort: Option<LastResortKey>,
}

/// An account record as it was put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredRecord {
    /// Version; 0 when there is none.
    pub version: u64,
    /// Bytes.
    pub body: Bytes,
}

/// An invite code, known by its hash only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invite {
    /// Accounts that may still be made with it.
    pub uses_left: u32,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// SHA-256 of an invite code.
pub type InviteHash = [u8; 32];

/// A device that an account has removed, as far as the relay must know it when it comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedDevice {
    /// Its Ed25519 key.
    pub sig_key: VerifyKey,
    /// The first list without it.
    pub list: Bytes,
}

/// What remains of a deleted account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Until when nobody may take the name.
    pub reserved_until_ms: u64,
}

/// A new account with its first list.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Id, name, OPAQUE record.
    pub account: Account,
    /// First device list as received, its sequence number, its devices.
    pub list: ListChange,
    /// When, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Invite that is used up by one.
    pub invite: Option<InviteHash>,
}

/// An account's next device list.
#[derive(Debug, Clone)]
pub struct ListChange {
    /// The account.
    pub account: AccountId,
    /// Sequence number of the list.
    pub seq: u64,
    /// The list as received.
    pub list: Bytes,
    /// The vault, when it is another one.
    pub vault: Option<Bytes>,
    /// Live devices of the list; `reachable` is not read. Devices that are not among them lose
    /// prekeys, mailbox and boot id.
    pub devices: Vec<RosterDevice>,
    /// Devices whose keys or incarnation changed: their published prekeys are void.
    pub renewed: Vec<DeviceId>,
    /// It takes the place of the list with the same number, which a device signed.
    pub replaces: bool,
}

/// Reads of accounts.
pub trait AccountRows {
    /// An account by id.
    ///
    /// # Errors
    /// [`StorageError`] when the storage can't be read; so for every read below.
    fn account(&mut self, id: &AccountId) -> Result<Option<Account>, StorageError>;
    /// An account by name.
    ///
    /// # Errors
    /// [`StorageError`].
    fn account_named(&mut self, name: &UserName) -> Result<Option<Account>, StorageError>;
    /// Names that start with a prefix, of accounts that are not disabled, in order.
    ///
    /// # Errors
    /// [`StorageError`].
    fn names(&mut self, prefix: &str, limit: usize) -> Result<Vec<(UserName, AccountId)>, StorageError>;
    /// The account that one of whose devices, of today or earlier, has this public key.
    ///
    /// # Errors
    /// [`StorageError`].
    fn key_holder(&mut self, key: &[u8; 32]) -> Result<Option<AccountId>, StorageError>;
    /// Whether the account was deleted.
    ///
    /// # Errors
    /// [`StorageError`].
    fn deletion(&mut self, id: &AccountId) -> Result<Option<Deletion>, StorageError>;
    /// Until when a deleted account keeps a name from being taken; 0 when none does.
    ///
    /// # Errors
    /// [`StorageError`].
    fn reserved_until(&mut self, name: &UserName) -> Result<u64, StorageError>;
    /// A device that was removed from an account that still exists.
    ///
    /// # Errors
    /// [`StorageError`].
    fn removed_device(&mut self, device: &DeviceAddress) -> Result<Option<RemovedDevice>, StorageError>;
    /// An invite.
    ///
    /// # Errors
    /// [`StorageError`].
    fn invite(&mut self, hash: &InviteHash) -> Result<Option<Invite>, StorageError>;
    /// The live devices of an account.
    ///
    /// # Errors
    /// [`StorageError`].
    fn roster(&mut self, account: &AccountId) -> Result<Option<Roster>, StorageError>;
    /// The current list of an account.
    ///
    /// # Errors
    /// [`StorageError`].
    fn current_list(&mut self, account: &AccountId) -> Result<Option<Bytes>, StorageError>;
    /// Lists after a sequence number, oldest first.
    ///
    /// # Errors
    /// [`StorageError`].
    fn lists(&mut self, account: &AccountId, after_seq: u64, limit: usize) -> Result<Vec<Bytes>, StorageError>;
    /// The vault of an account.
    ///
    /// # Errors
    /// [`StorageError`].
    fn vault(&mut self, account: &AccountId) -> Result<Option<Bytes>, StorageError>;
    /// The record of an account; version 0 when there is none.
    ///
    /// # Errors
    /// [`StorageError`].
    fn record(&mut self, account: &AccountId) -> Result<StoredRecord, StorageError>;
    /// Boot id and step of a device.
    ///
    /// # Errors
    /// [`StorageError`].
    fn incarnation(&mut self, device: &DeviceAddress) -> Result<Incarnation, StorageError>;
    /// Standing keys of a device.
    ///
    /// # Errors
    /// [`StorageError`].
    fn standing_keys(&mut self, device: &DeviceAddress) -> Result<StandingKeys, StorageError>;
    /// The oldest pair that was not handed out.
    ///
    /// # Errors
    /// [`StorageError`].
    fn oldest_pair(&mut self, device: &DeviceAddress) -> Result<Option<OneTimePair>, StorageError>;
    /// Pairs that were not handed out.
    ///
    /// # Errors
    /// [`StorageError`].
    fn pairs_left(&mut self, device: &DeviceAddress) -> Result<u32, StorageError>;
}
