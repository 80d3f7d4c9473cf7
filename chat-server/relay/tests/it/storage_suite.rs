//! What every storage must do; run on each back end.

use bytes::Bytes;
use chat_relay::storage::{
    Account, AccountRows, Answered, Batch, Deletion, Ending, Entry, Incarnation, ListChange, Log, LogFigures, LogRows,
    NewAccount, Portion, Reader, Room, RoomRows, RoomWrite, RosterDevice, StandingKeys, Storage, StorageError,
    StoredGroupInfo, StoredKeyPackage, StoredRecord, Write,
};
use chat_wire::bundle::{LastResortKey, OneTimePair, SignedPreKey};
use chat_wire::ids::{
    AccountId, BootId, DeviceAddress, DeviceId, KeyPackageId, RequestKey, RoomId, RoomName, UserName,
};
use chat_wire::keys::{DhKey, KemKey, Signature, VerifyKey};
use chat_wire::message::RoomEnd;

const ALL: Portion = Portion { entries_max: 1_000, bytes_max: usize::MAX };

/// Runs every case on a new storage of its own.
pub(crate) fn run<S: Storage>(make: impl Fn() -> S) {
    accounts_are_found_by_id_and_name_and_are_unique(&mut make());
    names_are_listed_by_prefix_in_order(&mut make());
    a_batch_is_applied_whole_or_not_at_all(&mut make());
    lists_chain_up_and_the_roster_follows_the_last(&mut make());
    a_removed_device_loses_everything_and_a_renewed_one_its_prekeys(&mut make());
    a_pair_that_was_spent_never_comes_back(&mut make());
    standing_keys_are_replaced_one_by_one(&mut make());
    records_boots_and_steps_are_kept(&mut make());
    a_log_keeps_order_and_gives_portions(&mut make());
    a_place_is_never_given_again(&mut make());
    answers_are_remembered_until_they_expire(&mut make());
    expiry_takes_the_oldest_and_tells_which_logs(&mut make());
    a_deleted_account_leaves_its_name_reserved_and_nothing_else(&mut make());
    a_removed_device_is_known_with_the_list_that_removed_it(&mut make());
    a_log_has_many_readers_and_each_entry_once(&mut make());
    rooms_are_put_by_compare_and_set_and_end_for_good(&mut make());
    a_key_package_is_spent_once_and_its_id_never_comes_back(&mut make());
}

fn account(name: &str) -> AccountId {
    let mut id = AccountId([7; 32]);
    for (to, byte) in id.0.iter_mut().zip(name.bytes()) {
        *to = byte;
    }
    id
}

fn device(name: &str, id: u32) -> DeviceAddress {
    DeviceAddress { account: account(name), device: DeviceId(id) }
}

fn listed(name: &str, id: u32, incarnation: u32) -> RosterDevice {
    let mut key = account(name).0;
    key[30] = id as u8;
    let (sig_key, mut dh_key) = (VerifyKey(key), DhKey(key));
    dh_key.0[31] = 1;
    RosterDevice { id: DeviceId(id), incarnation, sig_key, dh_key, reachable: false }
}

fn list(name: &str, seq: u64, devices: Vec<RosterDevice>) -> ListChange {
    let list = Bytes::from(format!("{name} list {seq}"));
    ListChange { account: account(name), seq, list, vault: None, devices, renewed: vec![], replaces: false }
}

fn new_account(name: &str) -> Write {
    let mut first = list(name, 1, vec![listed(name, 1, 1)]);
    first.vault = Some(Bytes::from_static(b"vault 1"));
    Write::AddAccount(Box::new(NewAccount {
        account: Account {
            id: account(name),
            name: UserName::parse(name).unwrap(),
            login_record: Bytes::from_static(b"record"),
            kp: 1,
            disabled: false,
        },
        list: first,
        created_ms: 5,
        invite: None,
    }))
}

fn pair(number: u8) -> OneTimePair {
    OneTimePair { dh: DhKey([number; 32]), kem: KemKey([number; 1568]), signature: Signature([number; 64]) }
}

fn entry(seq: u64, accepted_ms: u64, body: &'static [u8]) -> Entry {
    Entry { seq, accepted_ms, from: device("bob", 9), kind: 0, key: None, body: Bytes::from_static(body) }
}

fn with<S: Storage>(store: &mut S, batch: Batch) {
    store.apply(&batch).unwrap();
    store.sync().unwrap();
}

fn places<S: Storage>(store: &mut S, log: &Log) -> Vec<u64> {
    store.log_entries(log, 0, ALL).unwrap().iter().map(|e| e.seq).collect()
}

fn accounts_are_found_by_id_and_name_and_are_unique(store: &mut impl Storage) {
    assert_eq!(store.account(&account("alice")).unwrap(), None);
    with(store, vec![new_account("alice")]);
    let found = store.account(&account("alice")).unwrap().unwrap();
    assert_eq!(
        (found.name.as_str(), &found.login_record[..], found.kp, found.disabled),
        ("alice", &b"record"[..], 1, false)
    );
    assert_eq!(store.account_named(&UserName::parse("ALICE").unwrap()).unwrap(), Some(found));
    assert_eq!(store.apply(&[new_account("alice")]), Err(StorageError::Conflict));
    let key = listed("alice", 1, 1);
    assert_eq!(store.key_holder(&key.sig_key.0).unwrap(), Some(account("alice")));
    assert_eq!(store.key_holder(&key.dh_key.0).unwrap(), Some(account("alice")));
    assert_eq!(store.key_holder(&[99; 32]).unwrap(), None);
    assert_eq!(store.vault(&account("alice")).unwrap().unwrap(), "vault 1");
}

fn names_are_listed_by_prefix_in_order(store: &mut impl Storage) {
    with(store, ["ann", "anna", "ann-b", "annz", "bob", "an_"].map(new_account).to_vec());
    let names = |store: &mut _, prefix: &str, limit| -> Vec<String> {
        let found = AccountRows::names(store, prefix, limit).unwrap();
        found
            .into_iter()
            .map(|(name, id)| {
                assert_eq!(id, account(name.as_str()));
                name.to_string()
            })
            .collect()
    };
    assert_eq!(names(store, "ann", 10), ["ann", "ann-b", "anna", "annz"]);
    assert_eq!(names(store, "ann", 2), ["ann", "ann-b"]);
    assert_eq!(names(store, "c", 10), Vec::<String>::new());
}

fn a_batch_is_applied_whole_or_not_at_all(store: &mut impl Storage) {
    with(store, vec![new_account("alice")]);
    let alice = device("alice", 1);
    store.apply(&[Write::PutBoot(alice, BootId([1; 16]))]).unwrap();
    let bad = [Write::PutBoot(alice, BootId([2; 16])), new_account("bob"), new_account("alice")];
    assert_eq!(store.apply(&bad), Err(StorageError::Conflict));
    assert_eq!(store.incarnation(&alice).unwrap().boot, Some(BootId([1; 16])), "the batch before stands");
    assert_eq!(store.account(&account("bob")).unwrap(), None);
    store.sync().unwrap();
    assert_eq!(store.incarnation(&alice).unwrap().boot, Some(BootId([1; 16])));
}

fn lists_chain_up_and_the_roster_follows_the_last(store: &mut impl Storage) {
    assert_eq!(store.roster(&account("alice")).unwrap(), None);
    with(store, vec![new_account("alice")]);
    let mut second = list("alice", 2, vec![listed("alice", 1, 1), listed("alice", 4, 1)]);
    second.vault = Some(Bytes::from_static(b"vault 2"));
    with(store, vec![Write::PutList(Box::new(second.clone()))]);
    assert_eq!(store.apply(&[Write::PutList(Box::new(second))]), Err(StorageError::Conflict));
    let roster = store.roster(&account("alice")).unwrap().unwrap();
    assert_eq!((roster.list_seq, roster.disabled), (2, false));
    assert_eq!(roster.devices, [listed("alice", 1, 1), listed("alice", 4, 1)]);
    assert_eq!(store.current_list(&account("alice")).unwrap().unwrap(), "alice list 2");
    assert_eq!(store.lists(&account("alice"), 0, 9).unwrap(), ["alice list 1", "alice list 2"]);
    assert_eq!(store.lists(&account("alice"), 0, 1).unwrap(), ["alice list 1"]);
    assert_eq!(store.lists(&account("alice"), 2, 9).unwrap(), Vec::<Bytes>::new());
    assert_eq!(store.vault(&account("alice")).unwrap().unwrap(), "vault 2");
}

fn a_removed_device_loses_everything_and_a_renewed_one_its_prekeys(store: &mut impl Storage) {
    with(
        store,
        vec![
            new_account("alice"),
            Write::PutList(Box::new(list("alice", 2, vec![listed("alice", 1, 1), listed("alice", 2, 1)]))),
        ],
    );
    for id in [1, 2] {
        let address = device("alice", id);
        let keys = StandingKeys { signed: Some(signed(1)), last_resort: None };
        with(
            store,
            vec![
                Write::PutStandingKeys(address, Box::new(keys)),
                Write::AddPair(address, Box::new(pair(1))),
                Write::PutBoot(address, BootId([3; 16])),
                Write::Append(Log::Mailbox(address), entry(1, 10, b"x")),
            ],
        );
    }
    assert!(store.roster(&account("alice")).unwrap().unwrap().devices.iter().all(|d| d.reachable));
    let mut third = list("alice", 3, vec![listed("alice", 2, 2)]);
    third.renewed = vec![DeviceId(2)];
    with(store, vec![Write::PutList(Box::new(third))]);
    let gone = device("alice", 1);
    assert_eq!(store.incarnation(&gone).unwrap(), Incarnation::default());
    assert_eq!(store.pairs_left(&gone).unwrap(), 0);
    assert_eq!(places(store, &Log::Mailbox(gone)), Vec::<u64>::new());
    let renewed = device("alice", 2);
    assert_eq!(store.pairs_left(&renewed).unwrap(), 0);
    assert_eq!(store.standing_keys(&renewed).unwrap(), StandingKeys::default());
    assert_eq!(store.incarnation(&renewed).unwrap().boot, Some(BootId([3; 16])));
    assert_eq!(places(store, &Log::Mailbox(renewed)), [1]);
    assert_eq!(store.key_holder(&listed("alice", 1, 1).sig_key.0).unwrap(), Some(account("alice")), "for ever");
}

fn signed(number: u8) -> SignedPreKey {
    SignedPreKey { public: DhKey([number; 32]), created_ms: 7, signature: Signature([number; 64]) }
}

fn a_pair_that_was_spent_never_comes_back(store: &mut impl Storage) {
    with(store, vec![new_account("alice")]);
    let alice = device("alice", 1);
    let add = |n| Write::AddPair(alice, Box::new(pair(n)));
    with(store, vec![add(1), add(2), add(3), add(1)]);
    assert_eq!(store.pairs_left(&alice).unwrap(), 3);
    for expected in [1, 2, 3] {
        let oldest = store.oldest_pair(&alice).unwrap().unwrap();
        assert_eq!(oldest, pair(expected));
        with(store, vec![Write::SpendPair(alice, oldest.dh_id())]);
    }
    with(store, vec![add(1), add(2), add(3)]);
    assert_eq!(store.oldest_pair(&alice).unwrap(), None);
    assert_eq!(store.pairs_left(&alice).unwrap(), 0);
    assert_eq!(store.oldest_pair(&device("nobody", 1)).unwrap(), None);
}

fn standing_keys_are_replaced_one_by_one(store: &mut impl Storage) {
    with(store, vec![new_account("alice")]);
    let alice = device("alice", 1);
    let last = LastResortKey { kem: KemKey([4; 1568]), created_ms: 8, signature: Signature([4; 64]) };
    let put = |signed, last_resort| Write::PutStandingKeys(alice, Box::new(StandingKeys { signed, last_resort }));
    with(store, vec![put(Some(signed(1)), None)]);
    with(store, vec![put(None, Some(last.clone()))]);
    with(store, vec![put(Some(signed(2)), None)]);
    let keys = store.standing_keys(&alice).unwrap();
    assert_eq!(keys, StandingKeys { signed: Some(signed(2)), last_resort: Some(last) });
}

fn records_boots_and_steps_are_kept(store: &mut impl Storage) {
    with(store, vec![new_account("alice")]);
    assert_eq!(store.record(&account("alice")).unwrap(), StoredRecord::default());
    let record = |version| StoredRecord { version, body: Bytes::from(format!("record {version}")) };
    with(store, vec![Write::PutRecord(account("alice"), record(1))]);
    with(store, vec![Write::PutRecord(account("alice"), record(4))]);
    assert_eq!(store.record(&account("alice")).unwrap(), record(4));
    let alice = device("alice", 1);
    let answer = |key, step| Write::Answer(alice, RequestKey([key; 16]), Answered { accepted_ms: 1 }, step);
    with(store, vec![answer(1, 6), answer(2, 5), Write::PutBoot(alice, BootId([8; 16]))]);
    assert_eq!(store.incarnation(&alice).unwrap(), Incarnation { boot: Some(BootId([8; 16])), step: 6 });
}

fn a_log_keeps_order_and_gives_portions(store: &mut impl Storage) {
    with(store, vec![new_account("alice"), new_account("carol")]);
    let (log, other) = (Log::Mailbox(device("alice", 1)), Log::Mailbox(device("carol", 1)));
    with(
        store,
        vec![
            Write::Append(log, entry(1, 10, b"one")),
            Write::Append(other, entry(1, 11, b"other")),
            Write::Append(log, entry(2, 12, b"two")),
            Write::Append(log, entry(3, 13, b"three")),
        ],
    );
    let all = store.log_entries(&log, 0, ALL).unwrap();
    assert_eq!(all, [entry(1, 10, b"one"), entry(2, 12, b"two"), entry(3, 13, b"three")]);
    let read = |store: &mut _, after, entries_max, bytes_max| -> Vec<u64> {
        let portion = Portion { entries_max, bytes_max };
        LogRows::log_entries(store, &log, after, portion).unwrap().iter().map(|e| e.seq).collect()
    };
    assert_eq!(read(store, 1, 9, 999), [2, 3]);
    assert_eq!(read(store, 0, 2, 999), [1, 2]);
    assert_eq!(read(store, 0, 9, 6), [1, 2]);
    assert_eq!(read(store, 2, 9, 0), [3], "one comes in any case");
    assert_eq!(store.log_figures(&log, 0).unwrap(), LogFigures { last_seq: 3, floor_seq: 0, entries: 3, bytes: 11 });
    assert_eq!(store.log_figures(&log, 2).unwrap(), LogFigures { last_seq: 3, floor_seq: 0, entries: 1, bytes: 5 });
}

fn a_place_is_never_given_again(store: &mut impl Storage) {
    with(store, vec![new_account("alice")]);
    let log = Log::Mailbox(device("alice", 1));
    assert_eq!(store.log_figures(&log, 0).unwrap(), LogFigures::default());
    with(store, vec![Write::Append(log, entry(1, 1, b"a")), Write::Append(log, entry(2, 2, b"b"))]);
    with(store, vec![Write::Trim(log, 1)]);
    assert_eq!(places(store, &log), [2]);
    with(store, vec![Write::Trim(log, 2), Write::Trim(log, 1)]);
    assert_eq!(store.log_figures(&log, 0).unwrap(), LogFigures { last_seq: 2, floor_seq: 2, entries: 0, bytes: 0 });
    with(store, vec![Write::Append(log, entry(3, 3, b"c"))]);
    store.expire(100, 10).unwrap();
    store.sync().unwrap();
    assert_eq!(store.log_figures(&log, 0).unwrap(), LogFigures { last_seq: 3, floor_seq: 3, entries: 0, bytes: 0 });
}

fn answers_are_remembered_until_they_expire(store: &mut impl Storage) {
    with(store, vec![new_account("alice"), new_account("bob")]);
    let (alice, key) = (device("alice", 1), RequestKey([5; 16]));
    with(store, vec![Write::Answer(alice, key, Answered { accepted_ms: 50 }, 1)]);
    assert_eq!(store.answered(&alice, &key, 1).unwrap(), Some(Answered { accepted_ms: 50 }));
    assert_eq!(store.answered(&device("bob", 1), &key, 1).unwrap(), None, "keys are a device's own");
    store.expire(50, 10).unwrap();
    assert!(store.answered(&alice, &key, 1).unwrap().is_some());
    assert_eq!(store.expire(51, 10).unwrap().rows, 1);
    store.sync().unwrap();
    assert_eq!(store.answered(&alice, &key, 1).unwrap(), None);
    assert_eq!(store.incarnation(&alice).unwrap().step, 1, "the step is no part of it");
}

fn expiry_takes_the_oldest_and_tells_which_logs(store: &mut impl Storage) {
    with(store, vec![new_account("alice"), new_account("bob")]);
    let (one, two) = (Log::Mailbox(device("alice", 1)), Log::Mailbox(device("bob", 1)));
    with(
        store,
        vec![
            Write::Append(one, entry(1, 10, b"a")),
            Write::Append(one, entry(2, 20, b"b")),
            Write::Append(two, entry(1, 30, b"c")),
        ],
    );
    assert_eq!(store.expire(10, 10).unwrap().rows, 0);
    let expired = store.expire(21, 1).unwrap();
    assert_eq!((expired.rows, expired.logs), (1, vec![one]));
    let expired = store.expire(21, 10).unwrap();
    assert_eq!((expired.rows, expired.logs), (1, vec![one]));
    store.sync().unwrap();
    assert_eq!(places(store, &one), Vec::<u64>::new());
    assert_eq!(places(store, &two), [1]);
}

fn a_deleted_account_leaves_its_name_reserved_and_nothing_else(store: &mut impl Storage) {
    with(store, vec![new_account("alice"), new_account("bob")]);
    let (alice, log) = (device("alice", 1), Log::Mailbox(device("alice", 1)));
    with(store, vec![Write::Append(log, entry(1, 1, b"mail")), Write::PutLogin(alice.account, Bytes::new(), 2)]);
    assert_eq!(store.account(&alice.account).unwrap().unwrap().kp, 2);
    let deletion = Deletion { at_ms: 7, reserved_until_ms: 90 };
    with(store, vec![Write::DeleteAccount(alice.account, deletion)]);
    assert_eq!(store.deletion(&alice.account).unwrap(), Some(deletion));
    assert_eq!(store.deletion(&account("bob")).unwrap(), None);
    let name = UserName::parse("alice").unwrap();
    assert_eq!((store.account_named(&name).unwrap(), store.reserved_until(&name).unwrap()), (None, 90));
    assert_eq!(store.roster(&alice.account).unwrap(), None);
    assert_eq!(store.lists(&alice.account, 0, 9).unwrap(), Vec::<Bytes>::new());
    assert_eq!(store.key_holder(&listed("alice", 1, 1).sig_key.0).unwrap(), None);
    assert_eq!(places(store, &log), [0; 0]);
    assert_eq!(store.apply(&[Write::DeleteAccount(alice.account, deletion)]), Err(StorageError::Conflict));
}

fn a_removed_device_is_known_with_the_list_that_removed_it(store: &mut impl Storage) {
    with(store, vec![new_account("alice")]);
    let put = |seq, devices, replaces| Write::PutList(Box::new(ListChange { replaces, ..list("alice", seq, devices) }));
    with(store, vec![put(2, vec![listed("alice", 1, 1), listed("alice", 2, 1)], false)]);
    assert_eq!(store.removed_device(&device("alice", 2)).unwrap(), None);
    with(store, vec![put(3, vec![listed("alice", 1, 1)], false), put(4, vec![listed("alice", 1, 1)], false)]);
    let removed = store.removed_device(&device("alice", 2)).unwrap().unwrap();
    assert_eq!((removed.sig_key, &removed.list[..]), (listed("alice", 2, 1).sig_key, &b"alice list 3"[..]));
    assert_eq!(store.apply(&[put(9, vec![listed("alice", 1, 1)], true)]), Err(StorageError::Conflict), "no such list");
    with(store, vec![put(4, vec![listed("alice", 1, 1), listed("alice", 2, 1)], true)]);
    assert_eq!(store.removed_device(&device("alice", 2)).unwrap(), None, "it is listed again");
    assert_eq!(store.lists(&account("alice"), 3, 9).unwrap(), ["alice list 4"]);
}

const ROOM: RoomId = RoomId([3; 16]);

fn new_room() -> Write {
    let room = Room {
        id: ROOM,
        name: RoomName::parse("garden").unwrap(),
        public: true,
        owner: Some(account("alice")),
        topic: Some("plants".to_owned()),
        created_ms: 4,
        epoch: 0,
        base_seq: 0,
        contests: 0,
        slow_ms: 0,
        closed: false,
        members: 0,
    };
    let info = StoredGroupInfo { epoch: 0, seq: 0, bytes: Bytes::from_static(b"info") };
    Write::Room(RoomWrite::Add(Box::new(room), info))
}

fn a_log_has_many_readers_and_each_entry_once(store: &mut impl Storage) {
    with(store, vec![new_account("alice"), new_account("bob"), new_room()]);
    let (log, alice, bob) = (Log::Room(ROOM), device("alice", 1), device("bob", 1));
    let key = RequestKey([6; 16]);
    let said = Entry { from: alice, kind: 2, key: Some(key), ..entry(1, 50, b"hello") };
    let reads = |device| Write::Read(log, Reader::joining(device, 0));
    with(store, vec![reads(alice), reads(bob), Write::Append(log, said.clone())]);
    assert_eq!(store.log_entries(&log, 0, ALL).unwrap(), [said]);
    assert_eq!(store.appended(&log, &alice, &key).unwrap(), Some((1, 50)));
    assert_eq!(store.appended(&log, &bob, &key).unwrap(), None, "keys are a device's own");
    with(store, vec![Write::Advance(log, bob, 1), Write::Advance(log, bob, 0)]);
    let readers = store.readers(&log).unwrap();
    assert_eq!(readers, [Reader::joining(alice, 0), Reader { seq: 1, ..Reader::joining(bob, 0) }]);
    assert_eq!(store.rooms_read(&bob).unwrap(), [(ROOM, readers[1])]);

    let leaving = |device, until| Write::Read(log, Reader { until: Some(until), ..Reader::joining(device, 0) });
    with(store, vec![leaving(bob, 3)]);
    with(store, vec![Write::Advance(log, bob, 2)]);
    assert_eq!(store.readers(&log).unwrap().len(), 2);
    with(store, vec![Write::Advance(log, bob, 3)]);
    assert_eq!(store.readers(&log).unwrap().len(), 1, "it has read to its end");
    with(store, vec![leaving(bob, 1), Write::Trim(log, 1)]);
    assert_eq!(store.readers(&log).unwrap().len(), 1, "nothing is left for it");
    assert_eq!(store.log_figures(&log, 0).unwrap(), LogFigures { last_seq: 1, floor_seq: 1, entries: 0, bytes: 0 });
    with(store, vec![Write::DeleteAccount(alice.account, Deletion { at_ms: 1, reserved_until_ms: 1 })]);
    assert_eq!(store.readers(&log).unwrap(), []);
}

fn rooms_are_put_by_compare_and_set_and_end_for_good(store: &mut impl Storage) {
    with(store, vec![new_account("alice"), new_account("bob"), new_room()]);
    assert_eq!(store.apply(&[new_room()]), Err(StorageError::Conflict));
    let log = Log::Room(ROOM);
    let name = RoomName::parse("garden").unwrap();
    let room = store.room(&ROOM).unwrap().unwrap();
    assert_eq!((room.name.clone(), room.topic.as_deref(), room.members), (name.clone(), Some("plants"), 0));
    let next = Room { epoch: 1, base_seq: 5, topic: None, ..room };
    let info = StoredGroupInfo { epoch: 1, seq: 5, bytes: Bytes::from_static(b"next") };
    let put = |from| Write::Room(RoomWrite::Put(Box::new(next.clone()), from, Some(info.clone())));
    assert_eq!(store.apply(&[put(3)]), Err(StorageError::Conflict), "the room is at another epoch");
    with(store, vec![Write::Read(log, Reader::joining(device("alice", 1), 5)), put(0)]);
    assert_eq!(store.room(&ROOM).unwrap().unwrap(), Room { members: 1, ..next });
    assert_eq!(store.group_info(&ROOM).unwrap(), Some(info));
    assert_eq!(store.room_named(&name).unwrap(), Some(ROOM));
    assert_eq!((store.rooms_joined(&account("alice")).unwrap(), store.rooms_joined(&account("bob")).unwrap()), (1, 0));
    let seen = |store: &mut _, who, joined| RoomRows::rooms(store, &account(who), joined, None, 9).unwrap();
    assert_eq!(seen(store, "alice", true).iter().map(|(_, is_in)| *is_in).collect::<Vec<_>>(), [true]);
    assert_eq!(seen(store, "bob", false).iter().map(|(_, is_in)| *is_in).collect::<Vec<_>>(), [false]);
    assert_eq!(seen(store, "bob", true), []);
    assert_eq!(RoomRows::rooms(store, &account("alice"), false, Some(&name), 9).unwrap(), [], "names after this one");

    let ending = Ending {
        room: ROOM,
        name: name.clone(),
        owner: Some(account("alice")),
        reason: RoomEnd::Deleted,
        statement: Bytes::from_static(b"statement"),
        reserved_until_ms: 9,
    };
    with(store, vec![Write::Append(log, entry(6, 1, b"x")), Write::Room(RoomWrite::End(Box::new(ending.clone())))]);
    assert_eq!((store.room(&ROOM).unwrap(), store.room_named(&name).unwrap()), (None, None));
    assert_eq!(store.ending(&ROOM).unwrap(), Some(ending.clone()));
    assert_eq!(store.ending_named(&name).unwrap(), Some(ending));
    assert_eq!((places(store, &log), store.readers(&log).unwrap()), (vec![], vec![]));
    assert_eq!(store.apply(&[new_room()]), Err(StorageError::Conflict), "an id is never used again");
}

fn a_key_package_is_spent_once_and_its_id_never_comes_back(store: &mut impl Storage) {
    with(store, vec![new_account("alice")]);
    let alice = device("alice", 1);
    let package = |number, expires_ms| StoredKeyPackage {
        id: KeyPackageId([number; 32]),
        expires_ms,
        bytes: Bytes::from(vec![number; 9]),
    };
    let add = |package| Write::Room(RoomWrite::AddKeyPackage(alice, package));
    let last = Write::Room(RoomWrite::PutLastKeyPackage(alice, package(9, 100)));
    with(store, vec![add(package(1, 10)), add(package(2, 100)), last]);
    assert_eq!(store.key_packages_left(&alice).unwrap(), 2);
    assert_eq!(store.key_package(&alice, 5).unwrap(), Some(package(1, 10)));
    assert_eq!(store.key_package(&alice, 10).unwrap(), Some(package(2, 100)), "one that has ended is passed over");
    let spend = Write::Room(RoomWrite::SpendKeyPackage(alice, KeyPackageId([2; 32])));
    with(store, vec![spend.clone()]);
    assert_eq!(store.apply(&[spend]), Err(StorageError::Conflict));
    with(store, vec![add(package(2, 100))]);
    assert_eq!(store.key_package(&alice, 10).unwrap(), None);
    assert_eq!(store.last_key_package(&alice).unwrap(), Some(package(9, 100)));
    let mut renewed = list("alice", 2, vec![listed("alice", 1, 2)]);
    renewed.renewed = vec![alice.device];
    with(store, vec![Write::PutList(Box::new(renewed))]);
    assert_eq!((store.key_packages_left(&alice).unwrap(), store.last_key_package(&alice).unwrap()), (0, None));
}

/// Writes a little of everything and syncs it; then something that is not synced.
#[allow(dead_code, reason = "for storages that last")]
pub(crate) fn fill<S: Storage>(store: &mut S) {
    let log = Log::Mailbox(device("alice", 1));
    with(store, vec![new_account("alice"), Write::Append(log, entry(1, 10, b"kept"))]);
    store.apply(&[Write::Append(log, entry(2, 11, b"not synced"))]).unwrap();
}

/// What [`fill`] has synced is there, and nothing else.
#[allow(dead_code, reason = "for storages that last")]
pub(crate) fn is_filled<S: Storage>(store: &mut S) {
    assert!(store.account(&account("alice")).unwrap().is_some());
    let entries = store.log_entries(&Log::Mailbox(device("alice", 1)), 0, ALL).unwrap();
    assert_eq!(entries, [entry(1, 10, b"kept")]);
}
