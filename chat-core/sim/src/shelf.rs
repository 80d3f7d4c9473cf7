//! The relay's storage: what was applied since the last sync is gone when the relay dies.

use bytes::Bytes;
use chat_relay::storage::memory::MemoryStorage;
use chat_relay::storage::{
    Account, AccountRows, Answered, Deletion, Ending, Entry, Expired, Incarnation, Invite, InviteHash, Log, LogFigures,
    LogRows, Portion, Reader, RemovedDevice, Room, RoomRows, Roster, StandingKeys, Storage, StorageError,
    StoredGroupInfo, StoredKeyPackage, StoredRecord, Write,
};
use chat_wire::bundle::OneTimePair;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey, RoomId, RoomName, UserName};

/// Two of the same: one that is ahead, and one that survives.
#[derive(Default)]
pub(crate) struct Shelf {
    now: MemoryStorage,
    synced: MemoryStorage,
    since: Vec<Change>,
}

/// What was done since the last sync.
enum Change {
    Applied(Vec<Write>),
    Expired(u64, usize),
}

impl Shelf {
    /// What is left of it after a crash, and how many changes are not.
    pub(crate) fn after_crash(&self) -> (Self, usize) {
        let (now, synced) = (self.synced.clone(), self.synced.clone());
        (Self { now, synced, since: Vec::new() }, self.since.len())
    }
}

macro_rules! pass {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => { $(
        fn $name(&mut self, $($arg: $type),*) -> Result<$out, StorageError> { self.now.$name($($arg),*) }
    )* };
}

impl AccountRows for Shelf {
    pass! {
        account(id: &AccountId) -> Option<Account>;
        account_named(name: &UserName) -> Option<Account>;
        names(prefix: &str, limit: usize) -> Vec<(UserName, AccountId)>;
        key_holder(key: &[u8; 32]) -> Option<AccountId>;
        deletion(id: &AccountId) -> Option<Deletion>;
        reserved_until(name: &UserName) -> u64;
        removed_device(device: &DeviceAddress) -> Option<RemovedDevice>;
        invite(hash: &InviteHash) -> Option<Invite>;
        roster(account: &AccountId) -> Option<Roster>;
        current_list(account: &AccountId) -> Option<Bytes>;
        lists(account: &AccountId, after_seq: u64, limit: usize) -> Vec<Bytes>;
        vault(account: &AccountId) -> Option<Bytes>;
        record(account: &AccountId) -> StoredRecord;
        incarnation(device: &DeviceAddress) -> Incarnation;
        standing_keys(device: &DeviceAddress) -> StandingKeys;
        oldest_pair(device: &DeviceAddress) -> Option<OneTimePair>;
        pairs_left(device: &DeviceAddress) -> u32;
    }
}

impl LogRows for Shelf {
    pass! {
        answered(device: &DeviceAddress, key: &RequestKey, step: u64) -> Option<Answered>;
        log_figures(log: &Log, after_seq: u64) -> LogFigures;
        log_entries(log: &Log, after_seq: u64, portion: Portion) -> Vec<Entry>;
        appended(log: &Log, from: &DeviceAddress, key: &RequestKey) -> Option<(u64, u64)>;
        readers(log: &Log) -> Vec<Reader>;
        rooms_read(device: &DeviceAddress) -> Vec<(RoomId, Reader)>;
    }
}

impl RoomRows for Shelf {
    pass! {
        room(id: &RoomId) -> Option<Room>;
        room_named(name: &RoomName) -> Option<RoomId>;
        rooms(asking: &AccountId, joined: bool, after: Option<&RoomName>, limit: usize) -> Vec<(Room, bool)>;
        closed_rooms() -> Vec<RoomId>;
        rooms_joined(account: &AccountId) -> usize;
        ending(id: &RoomId) -> Option<Ending>;
        ending_named(name: &RoomName) -> Option<Ending>;
        group_info(id: &RoomId) -> Option<StoredGroupInfo>;
        key_package(device: &DeviceAddress, now_ms: u64) -> Option<StoredKeyPackage>;
        last_key_package(device: &DeviceAddress) -> Option<StoredKeyPackage>;
        key_packages_left(device: &DeviceAddress) -> u32;
    }
}

impl Storage for Shelf {
    pass! {
        outside_changes() -> u64;
    }

    fn apply(&mut self, batch: &[Write]) -> Result<(), StorageError> {
        self.now.apply(batch)?;
        self.since.push(Change::Applied(batch.to_vec()));
        Ok(())
    }

    fn expire(&mut self, before_ms: u64, rows_max: usize) -> Result<Expired, StorageError> {
        let expired = self.now.expire(before_ms, rows_max)?;
        self.since.push(Change::Expired(before_ms, rows_max));
        Ok(expired)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        for change in self.since.drain(..) {
            match change {
                Change::Applied(batch) => self.synced.apply(&batch)?,
                Change::Expired(before_ms, rows_max) => {
                    self.synced.expire(before_ms, rows_max)?;
                }
            }
        }
        Ok(())
    }
}
