//! Rows of rooms and key packages. Messages and members of a room are its log's: entries and readers.

use bytes::Bytes;
use chat_wire::ids::{AccountId, DeviceAddress, KeyPackageId, RoomId, RoomName};
use chat_wire::message::RoomEnd;

use super::StorageError;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: RoomName,
    /// Listed, and joined by whoever likes.
    pub public: bool,
    /// Whose it is; nobody's when it was made so.
    pub owner: Option<AccountId>,
    /// Open topic.
    pub topic: Option<String>,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Epoch.
    pub epoch: u64,
    /// Place of the first commit that took the base before this epoch; 0 in epoch 0.
    pub base_seq: u64,
    /// Commits that stand beside that one.
    pub contests: u32,
    /// Milliseconds between two messages of one account, as the operator set it.
    pub slow_ms: u64,
    /// Closed by the operator; it ends at the next look.
    pub closed: bool,
    /// Accounts in it.
    pub members: u32,
}

/// The newest GroupInfo of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGroupInfo {
    /// Its epoch.
    pub epoch: u64,
    /// Place of the entry that led to it.
    pub seq: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// What remains of a room that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its id: never used again.
    pub room: RoomId,
    /// Its name.
    pub name: RoomName,
    /// Whose it was.
    pub owner: Option<AccountId>,
    /// Why.
    pub reason: RoomEnd,
    /// The owner's statement; empty without one.
    pub statement: Bytes,
    /// Until when only that owner may take the name.
    pub reserved_until_ms: u64,
}

/// A key package as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKeyPackage {
    /// Its reference.
    pub id: KeyPackageId,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// One change of a room.
#[derive(Debug, Clone)]
pub enum RoomWrite {
    /// Adds a room with its first GroupInfo.
    Add(Box<Room>, StoredGroupInfo),
    /// Replaces the row of a room whose epoch is still this one, and its GroupInfo if there is a new one.
    /// `members` is not read: the readers are counted.
    Put(Box<Room>, u64, Option<StoredGroupInfo>),
    /// Ends a room: entries, readers and GroupInfo go.
    End(Box<Ending>),
    /// Adds a one-time key package; one that was ever added before is left as it is.
    AddKeyPackage(DeviceAddress, StoredKeyPackage),
    /// A one-time key package was handed out: it never is again.
    SpendKeyPackage(DeviceAddress, KeyPackageId),
    /// Replaces the last-resort key package.
    PutLastKeyPackage(DeviceAddress, StoredKeyPackage),
}

/// Reads of rooms.
pub trait RoomRows {
    /// A room by id.
    ///
    /// # Errors
    /// [`StorageError`] when the storage can't be read; so for every read below.
    fn room(&mut self, id: &RoomId) -> Result<Option<Room>, StorageError>;
    /// The id of the room with this name.
    ///
    /// # Errors
    /// [`StorageError`].
    fn room_named(&mut self, name: &RoomName) -> Result<Option<RoomId>, StorageError>;
    /// Rooms with names after one, by name, that are public or that the account is in; with `joined` only
    /// the latter. Says of each whether the account is in it.
    ///
    /// # Errors
    /// [`StorageError`].
    fn rooms(
        &mut self,
        asking: &AccountId,
        joined: bool,
        after: Option<&RoomName>,
        limit: usize,
    ) -> Result<Vec<(Room, bool)>, StorageError>;
    /// Rooms that the operator closed and that have not ended.
    ///
    /// # Errors
    /// [`StorageError`].
    fn closed_rooms(&mut self) -> Result<Vec<RoomId>, StorageError>;
    /// How many rooms an account is in.
    ///
    /// # Errors
    /// [`StorageError`].
    fn rooms_joined(&mut self, account: &AccountId) -> Result<usize, StorageError>;
    /// What remains of a room that ended.
    ///
    /// # Errors
    /// [`StorageError`].
    fn ending(&mut self, id: &RoomId) -> Result<Option<Ending>, StorageError>;
    /// The last room that had this name and ended.
    ///
    /// # Errors
    /// [`StorageError`].
    fn ending_named(&mut self, name: &RoomName) -> Result<Option<Ending>, StorageError>;
    /// The newest GroupInfo of a room.
    ///
    /// # Errors
    /// [`StorageError`].
    fn group_info(&mut self, id: &RoomId) -> Result<Option<StoredGroupInfo>, StorageError>;
    /// The oldest one-time key package of a device that was not handed out and does not end before a time.
    ///
    /// # Errors
    /// [`StorageError`].
    fn key_package(&mut self, device: &DeviceAddress, now_ms: u64) -> Result<Option<StoredKeyPackage>, StorageError>;
    /// The last-resort key package of a device.
    ///
    /// # Errors
    /// [`StorageError`].
    fn last_key_package(&mut self, device: &DeviceAddress) -> Result<Option<StoredKeyPackage>, StorageError>;
    /// One-time key packages of a device that were not handed out.
    ///
    /// # Errors
    /// [`StorageError`].
    fn key_packages_left(&mut self, device: &DeviceAddress) -> Result<u32, StorageError>;
}
