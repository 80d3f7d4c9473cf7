//! Which lists are believed.

use chat_wire::device_list::{DEVICE_MAY_SIGN, DEVICE_REVOKED, ListBody};
use chat_wire::ids::{DeviceAddress, DeviceId, ListHash, UserName};

use super::*;
use crate::engine::context::Context;
use crate::identity::{AccountKey, DeviceKeys};
use crate::store::MemoryRecords;

const RELAY: RelayId = RelayId([5; 32]);

/// An account, its keys, and lists in memory.
struct Bench {
    lists: Lists,
    records: MemoryRecords,
    key: AccountKey,
    phone: DeviceKeys,
    first: DeviceList,
}

impl Bench {
    fn new() -> Self {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let key = AccountKey::generate(&mut rng);
        let phone = DeviceKeys::generate(DeviceAddress { account: key.id(), device: DeviceId(7) }, &mut rng);
        let body = ListBody {
            relay_id: RELAY,
            account_id: key.id(),
            seq: 1,
            prev_hash: ListHash([0; 32]),
            merged_hash: ListHash([0; 32]),
            created_ms: 0,
            expires_ms: u64::MAX,
            account_key: key.public(),
            next_account_key_hash: [0; 32],
            flags: 0,
            vault_gen: 1,
            vault_hash: [0; 32],
            record_floor: 0,
            name: UserName::parse("bob").unwrap(),
            devices: vec![phone.listed(&key.public(), 1, DEVICE_MAY_SIGN)],
        };
        let first = DeviceList::decode(&key.sign_list(&body)).unwrap();
        Self { lists: Lists::default(), records: MemoryRecords::default(), key, phone, first }
    }

    /// The body of a list after another one.
    fn after(&self, before: &DeviceList) -> ListBody {
        ListBody { seq: before.body().seq + 1, prev_hash: before.hash(), ..before.body().clone() }
    }

    fn by_account(&self, body: &ListBody) -> DeviceList {
        DeviceList::decode(&self.key.sign_list(body)).unwrap()
    }

    fn work<T>(&mut self, now_ms: u64, run: impl FnOnce(&mut Lists, &mut Work<'_>) -> T) -> T {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let mut cx = Context { records: &self.records, rng: &mut rng };
        let mut work = Work::new(Timestamp::from_ms(now_ms), &mut cx);
        let result = run(&mut self.lists, &mut work);
        let mut batch = crate::store::WriteBatch::default();
        let _ = work.finish().apply(|stored| {
            batch = stored.clone();
            Ok::<(), ()>(())
        });
        self.records.apply(&batch);
        result
    }

    fn offer(&mut self, list: &DeviceList) -> Offer {
        self.work(0, |lists, work| lists.offer(work, &RELAY, list.clone()).unwrap())
    }

    fn newest(&mut self) -> u64 {
        let account = self.first.body().account_id;
        self.work(0, |lists, work| lists.newest(work, &account).unwrap().unwrap().list.body().seq)
    }
}

#[test]
fn a_chain_is_followed_and_what_a_version_added_is_told() {
    let mut bench = Bench::new();
    let first = bench.first.clone();
    assert_eq!(bench.offer(&first), Offer::First);
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let laptop = DeviceKeys::generate(DeviceAddress { account: bench.key.id(), device: DeviceId(9) }, &mut rng);
    let mut body = bench.after(&first);
    body.devices.push(laptop.listed(&bench.key.public(), 2, 0));
    let second = bench.by_account(&body);
    assert_eq!(bench.offer(&second), Offer::Newer(Change { key: false, device_added: true }));
    let mut body = bench.after(&second);
    body.devices[1].flags |= DEVICE_REVOKED;
    let third = DeviceList::decode(&bench.phone.sign_list(&body)).unwrap();
    assert_eq!(bench.offer(&third), Offer::Newer(Change::default()));
    assert_eq!(bench.offer(&third), Offer::Same);
    assert_eq!(bench.offer(&second), Offer::Older);
    // What lies in the records alone says the same.
    bench.lists = Lists::default();
    assert_eq!(bench.newest(), 3);
    let account = first.body().account_id;
    let kept = bench.work(0, |lists, work| lists.version(work, &account, 2).unwrap().map(|list| list.hash()));
    assert_eq!(kept, Some(second.hash()));
}

#[test]
fn a_second_list_of_the_same_number_is_refused_and_a_gap_is_fetched() {
    let mut bench = Bench::new();
    let first = bench.first.clone();
    bench.offer(&first);
    let second = bench.by_account(&ListBody { created_ms: 1, ..bench.after(&first) });
    let fork = bench.by_account(&ListBody { created_ms: 2, ..bench.after(&first) });
    let third = bench.by_account(&bench.after(&second));
    assert_eq!(bench.offer(&third), Offer::Gap { after_seq: 1 });
    assert!(matches!(bench.offer(&second), Offer::Newer(_)));
    assert_eq!(bench.offer(&fork), Offer::Forked);
    let after_fork = bench.by_account(&bench.after(&fork));
    assert_eq!(bench.offer(&after_fork), Offer::Refused, "a chain that never was");
    assert_eq!(bench.newest(), 2);
}

#[test]
fn at_one_number_a_list_of_the_account_key_takes_the_place_of_one_that_a_device_signed() {
    let mut bench = Bench::new();
    let first = bench.first.clone();
    bench.offer(&first);
    let account = first.body().account_id;
    let by_phone = DeviceList::decode(&bench.phone.sign_list(&bench.after(&first))).unwrap();
    let by_account = bench.by_account(&ListBody { created_ms: 2, ..bench.after(&first) });
    assert!(matches!(bench.offer(&by_phone), Offer::Newer(_)));
    let asked = bench.work(0, |lists, work| lists.ask_after(work, &account, 2));
    assert_eq!(asked, 1, "the list itself is asked for again: another may stand in its place");
    assert!(matches!(bench.offer(&by_account), Offer::Newer(_)));
    assert_eq!(bench.offer(&by_phone), Offer::Older, "and it stays so");
    let third = bench.by_account(&bench.after(&by_account));
    assert!(matches!(bench.offer(&third), Offer::Newer(_)));
    let asked = bench.work(0, |lists, work| lists.ask_after(work, &account, 3));
    assert_eq!(asked, 3, "nothing takes the place of what the account key signed");
    let elsewhere = bench.by_account(&ListBody { created_ms: 9, ..bench.after(&by_account) });
    assert_eq!(bench.offer(&elsewhere), Offer::Forked);
}

#[test]
fn at_first_sight_only_the_account_key_is_believed() {
    let mut bench = Bench::new();
    let first = bench.first.clone();
    let second = DeviceList::decode(&bench.phone.sign_list(&bench.after(&first))).unwrap();
    assert_eq!(bench.offer(&second), Offer::Gap { after_seq: 0 });
    bench.offer(&first);
    assert!(matches!(bench.offer(&second), Offer::Newer(_)));
}

#[test]
fn a_list_of_another_relay_is_refused() {
    let mut bench = Bench::new();
    let elsewhere = bench.by_account(&ListBody { relay_id: RelayId([6; 32]), ..bench.first.body().clone() });
    assert_eq!(bench.offer(&elsewhere), Offer::Refused);
}

#[test]
fn old_versions_are_kept_up_to_a_limit_and_the_age_of_a_check_is_known() {
    let mut bench = Bench::new();
    let mut list = bench.first.clone();
    bench.offer(&list);
    for _ in 0..LIST_VERSIONS_MAX + 5 {
        list = bench.by_account(&bench.after(&list));
        bench.offer(&list);
    }
    let account = list.body().account_id;
    let stored = bench.records.scan_len(Table::DeviceLists, &account.0);
    assert_eq!(stored, LIST_VERSIONS_MAX + 1, "the versions and the time of the last check");
    let known = bench.work(0, |lists, work| lists.newest(work, &account).unwrap().unwrap());
    assert!(!known.is_old(Timestamp::from_ms(LIST_AGE_MS_MAX)));
    assert!(known.is_old(Timestamp::from_ms(LIST_AGE_MS_MAX + 1)));
    bench.work(LIST_AGE_MS_MAX, |lists, work| lists.confirm(work, &account));
    let known = bench.work(0, |lists, work| lists.newest(work, &account).unwrap().unwrap());
    assert!(!known.is_old(Timestamp::from_ms(LIST_AGE_MS_MAX + 1)));
}

impl MemoryRecords {
    fn scan_len(&self, table: Table, prefix: &[u8]) -> usize {
        Records::scan(self, table, prefix, None, usize::MAX).len()
    }
}
