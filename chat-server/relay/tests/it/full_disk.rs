//! Memory whose disk fills up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chat_relay::storage::memory::MemoryStorage;
use chat_relay::storage::{
    Account, AccountRows, Answered, Commit, Deletion, Ending, Entry, Expired, Incarnation, Invite, InviteHash, Log,
    LogFigures, LogRows, Portion, Reader, RemovedDevice, Room, RoomRows, Roster, StandingKeys, Storage, StorageError,
    StoredGroupInfo, StoredKeyPackage, StoredRecord, Write,
};
use chat_wire::bundle::OneTimePair;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey, RoomId, RoomName, UserName};

/// Memory whose disk fills up.
#[derive(Default)]
pub(crate) struct FullDisk {
    inner: MemoryStorage,
    safe: Option<MemoryStorage>,
    pub(crate) full: bool,
    /// Commits are durable only when their job has run.
    pub(crate) slow: bool,
    /// Such a job fails.
    pub(crate) sync_fails: Arc<AtomicBool>,
}

macro_rules! pass {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => { $(
        fn $name(&mut self, $($arg: $type),*) -> Result<$out, StorageError> { self.inner.$name($($arg),*) }
    )* };
}

impl AccountRows for FullDisk {
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

impl LogRows for FullDisk {
    pass! {
        answered(device: &DeviceAddress, key: &RequestKey) -> Option<Answered>;
        log_figures(log: &Log, after_seq: u64) -> LogFigures;
        log_entries(log: &Log, after_seq: u64, portion: Portion) -> Vec<Entry>;
        appended(log: &Log, from: &DeviceAddress, key: &RequestKey) -> Option<(u64, u64)>;
        readers(log: &Log) -> Vec<Reader>;
        rooms_read(device: &DeviceAddress) -> Vec<(RoomId, Reader)>;
    }
}

impl RoomRows for FullDisk {
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

impl Storage for FullDisk {
    pass! {
        expire(before_ms: u64, rows_max: usize) -> Expired;
        outside_changes() -> u64;
    }

    fn apply(&mut self, batch: &[Write]) -> Result<(), StorageError> {
        self.safe.get_or_insert_with(|| self.inner.clone());
        self.inner.apply(batch)
    }

    fn commit(&mut self) -> Result<Commit, StorageError> {
        self.sync()?;
        if !self.slow {
            return Ok(Commit::Durable);
        }
        let fails = Arc::clone(&self.sync_fails);
        Ok(Commit::Pending(Box::new(
            move || {
                if fails.load(Ordering::Relaxed) { Err(StorageError::Io) } else { Ok(()) }
            },
        )))
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let safe = self.safe.take();
        match (self.full, safe) {
            (true, Some(safe)) => {
                self.inner = safe;
                Err(StorageError::Full)
            }
            _ => Ok(()),
        }
    }
}
