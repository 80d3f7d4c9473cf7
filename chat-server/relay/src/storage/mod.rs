//! What the relay keeps, as synchronous traits by theme: reads one by one, writes as one batch a request.
//!
//! A batch is applied whole or not at all. Reads see everything that was applied, also before it is
//! durable; nothing of a round leaves the relay before [`Storage::sync`] has returned, and when that
//! fails, everything since the last sync is gone and the relay says so. One sync serves all that
//! queued up while the last one ran.

mod accounts;
mod logs;
pub mod memory;
mod rooms;

use bytes::Bytes;
use chat_wire::ids::{AccountId, BootId, DeviceAddress, PreKeyId, RequestKey};

pub use accounts::{
    Account, AccountRows, Deletion, Incarnation, Invite, InviteHash, ListChange, NewAccount, RemovedDevice, Roster,
    RosterDevice, StandingKeys, StoredRecord,
};
pub use logs::{Answered, Entry, Expired, Log, LogFigures, LogRows, Portion, Reader};
pub use rooms::{Ending, Room, RoomRows, RoomWrite, StoredGroupInfo, StoredKeyPackage};

use chat_wire::bundle::OneTimePair;

/// One change.
#[derive(Debug, Clone)]
pub enum Write {
    /// Adds an account.
    AddAccount(Box<NewAccount>),
    /// Replaces an account's OPAQUE record and its Argon2id profile.
    PutLogin(AccountId, Bytes, u8),
    /// Deletes an account with everything that was stored for it; only what [`Deletion`] says remains.
    DeleteAccount(AccountId, Deletion),
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
    /// Remembers an answered request with its step, and the step as the device's if it is its highest.
    Answer(DeviceAddress, RequestKey, Answered, u64),
    /// Deletes the entries up to here: every reader holds them, or they are too old. Their places are
    /// never given again.
    Trim(Log, u64),
    /// A reader holds everything up to here. Its cursor only rises; a removed one that holds all that it
    /// may read is forgotten.
    Advance(Log, DeviceAddress, u64),
    /// Puts a reader as it is given.
    Read(Log, Reader),
    /// Something about a room.
    Room(RoomWrite),
}

/// The writes of one request.
pub type Batch = Vec<Write>;

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

/// What makes a commit durable; it may run on another thread while the relay goes on.
pub type SyncJob = Box<dyn FnOnce() -> Result<(), StorageError> + Send>;

/// How far a commit has got.
pub enum Commit {
    /// It is durable.
    Durable,
    /// It is written, and durable once this has run.
    Pending(SyncJob),
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Durable => "Durable",
            Self::Pending(_) => "Pending",
        })
    }
}

/// The relay's memory. One owner; `&mut` everywhere, so that an implementation may cache.
pub trait Storage: AccountRows + LogRows + RoomRows {
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
    /// Ends the group of writes like [`Storage::sync`], but may leave the waiting to somebody else. At
    /// most one is pending at a time; when its job fails, the next commit succeeds only once everything
    /// before it is durable as well.
    ///
    /// # Errors
    /// [`StorageError`]; everything since the last commit is gone.
    fn commit(&mut self) -> Result<Commit, StorageError> {
        self.sync().map(|()| Commit::Durable)
    }
    /// The relay ends in order.
    ///
    /// # Errors
    /// [`StorageError`] when the next start has to take this for a crash.
    fn close(&mut self) -> Result<(), StorageError> {
        self.sync()
    }
    /// Changes whenever another process (the operator's `admin`) has written.
    ///
    /// # Errors
    /// [`StorageError`].
    fn outside_changes(&mut self) -> Result<u64, StorageError>;
}
