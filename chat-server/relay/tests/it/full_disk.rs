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
        answered(device: &DeviceAddress, key: &RequestKey, step: u64) -> Option<Answered>;
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

/// A room goes on, but what could not be stored was said to nobody.
#[test]
fn when_the_disk_is_full_a_room_shows_nothing_that_it_does_not_hold() {
    use chat_relay::Config;
    use chat_wire::error::{Refusal, RefusalKind};
    use chat_wire::ids::RequestKey;
    use chat_wire::message::{ClientMessage, CommitHead, RoomAnswer, RoomAsk, ServerMessage};

    use crate::bench::Bench;

    let mut bench = Bench::on(FullDisk::default(), Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let (key, room) = (RequestKey([1; 16]), RoomId([2; 16]));
    let name = RoomName::parse("garden").unwrap();
    let ask = |bench: &mut Bench<FullDisk>, connection, ask, body: &'static [u8]| {
        bench.ask_with(connection, ClientMessage::Room(ask), Bytes::from_static(body)).message
    };
    let create = RoomAsk::Create { key, room, name, public: true, owned: true, topic: None };
    ask(&mut bench, a, create, b"info");
    let join = RoomAsk::Commit(CommitHead {
        key,
        room,
        base: 0,
        contest: false,
        added: vec![bob.address(1)],
        removed: vec![],
        topic: None,
        owner: None,
        commit_len: 6,
        group_info_len: 4,
        welcomes: vec![],
    });
    ask(&mut bench, b, join, b"commitinfo");
    ask(&mut bench, b, RoomAsk::Open { room, after: 1 }, b"");
    bench.outputs.clear();
    bench.relay.storage().full = true;
    let post = RoomAsk::Post { key: RequestKey([2; 16]), room, epoch: 1 };
    let refused = ask(&mut bench, a, post.clone(), b"lost");
    assert!(matches!(refused, ServerMessage::Refused(Refusal { kind: RefusalKind::Unavailable, .. })), "{refused:?}");
    assert!(bench.is_closed(b), "its place in the log may be wrong: it opens the room again");
    assert!(bench.pushed(b).iter().all(|frame| !matches!(frame.message, ServerMessage::RoomPush(_))));

    bench.relay.storage().full = false;
    let (a, b) = (bench.login(&alice, 1), bench.login(&bob, 1));
    let opened = ask(&mut bench, b, RoomAsk::Open { room, after: 1 }, b"");
    assert_eq!(opened, ServerMessage::Room(RoomAnswer::Opened { first: 2, last: 1, epoch: 1 }));
    let posted = ask(&mut bench, a, post, b"found");
    assert!(matches!(posted, ServerMessage::Room(RoomAnswer::Appended { seq: 2, .. })), "{posted:?}");
    assert_eq!(bench.pushed(b).iter().filter(|frame| frame.body == "found").count(), 1);
}
