//! What the relay keeps, as one synchronous trait: reads one by one, writes as one batch a request.
//!
//! A batch is applied whole or not at all. Reads see everything that was applied, also before it is
//! durable; nothing of a round leaves the relay before [`Storage::sync`] has returned, and when that
//! fails, everything since the last sync is gone and the relay says so. One sync serves all that
//! queued up while the last one ran.

pub mod memory;

use bytes::Bytes;
use chat_wire::bundle::{LastResortKey, OneTimePair, SignedPreKey};
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, PreKeyId, RequestKey, UserName};
use chat_wire::keys::{DhKey, VerifyKey};

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

/// Which log: a mailbox is a log with one reader; rooms will be logs with many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Log {
    /// The mailbox of a device.
    Mailbox(DeviceAddress),
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place: increasing, never used again, also not after everything was acknowledged.
    pub seq: u64,
    /// When it was accepted, milliseconds since the Unix epoch.
    pub accepted_ms: u64,
    /// Who appended it.
    pub from: DeviceAddress,
    /// The bytes.
    pub body: Bytes,
}

/// Figures of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogFigures {
    /// Highest place that was ever given.
    pub last_seq: u64,
    /// Entries that lie in it.
    pub entries: u64,
    /// Bytes that lie in it.
    pub bytes: u64,
}

/// How much one read of a log may return; the first entry comes in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Entries.
    pub entries_max: usize,
    /// Bytes.
    pub bytes_max: usize,
}

/// An answered request, for its repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// When the first one was accepted, milliseconds since the Unix epoch.
    pub accepted_ms: u64,
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
}

/// One change.
#[derive(Debug, Clone)]
pub enum Write {
    /// Adds an account.
    AddAccount(Box<NewAccount>),
    /// Puts an account's next list.
    PutList(Box<ListChange>),
    /// Writes a device's boot id.
    PutBoot(DeviceAddress, BootId),
    /// Writes an account's record.
    PutRecord(AccountId, StoredRecord),
    /// Replaces standing keys (those that are given).
    PutStandingKeys(DeviceAddress, Box<StandingKeys>),
    /// Adds a one-time pair; one that was ever added before is left as it is.
    AddPair(DeviceAddress, Box<OneTimePair>),
    /// A pair was handed out: it never is again.
    SpendPair(DeviceAddress, PreKeyId),
    /// Appends to a log.
    Append(Log, Entry),
    /// Remembers an answered request, and the device's step if it is its highest.
    Answer(DeviceAddress, RequestKey, Answered, u64),
    /// The log's reader holds everything up to here: deletes it.
    Acknowledge(Log, u64),
}

/// The writes of one request.
pub type Batch = Vec<Write>;

/// What expiry removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Rows removed; as many as allowed means that there is more.
    pub rows: usize,
    /// Logs that lost entries.
    pub logs: Vec<Log>,
}

/// Why the storage did not do it. The relay answers `unavailable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No room left.
    #[error("the storage is full")]
    Full,
    /// Locked by another process for longer than the busy timeout.
    #[error("the storage is locked by another process")]
    Busy,
    /// What is stored does not read back.
    #[error("the storage is damaged")]
    Damaged,
    /// A row that must be unique is there already, or one that must be there is not.
    #[error("a stored value is not what the write expects")]
    Conflict,
    /// Reading or writing failed.
    #[error("the storage can't be read or written")]
    Io,
}

/// The relay's memory. One owner; `&mut` everywhere, so that an implementation may cache.
pub trait Storage {
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
    /// Whether and when a device's request was answered before.
    ///
    /// # Errors
    /// [`StorageError`].
    fn answered(&mut self, device: &DeviceAddress, key: &RequestKey) -> Result<Option<Answered>, StorageError>;
    /// Figures of a log; entries up to `after_seq` do not count.
    ///
    /// # Errors
    /// [`StorageError`].
    fn log_figures(&mut self, log: &Log, after_seq: u64) -> Result<LogFigures, StorageError>;
    /// Entries of a log after a place, in order.
    ///
    /// # Errors
    /// [`StorageError`].
    fn log_entries(&mut self, log: &Log, after_seq: u64, portion: Portion) -> Result<Vec<Entry>, StorageError>;

    /// Applies one request's writes, all or none.
    ///
    /// # Errors
    /// [`StorageError`]; nothing of the batch was applied.
    fn apply(&mut self, batch: &[Write]) -> Result<(), StorageError>;
    /// Removes what was accepted before a time: log entries, answered requests.
    ///
    /// # Errors
    /// [`StorageError`].
    fn expire(&mut self, before_ms: u64, rows_max: usize) -> Result<Expired, StorageError>;
    /// Makes everything that was applied durable.
    ///
    /// # Errors
    /// [`StorageError`]; everything since the last sync is gone.
    fn sync(&mut self) -> Result<(), StorageError>;
    /// Changes whenever another process (the operator's `admin`) has written.
    ///
    /// # Errors
    /// [`StorageError`].
    fn outside_changes(&mut self) -> Result<u64, StorageError>;
}
