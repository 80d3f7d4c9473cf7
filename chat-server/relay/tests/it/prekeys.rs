//! Prekeys and claims; the directory.

use std::collections::HashSet;
use std::sync::Mutex;

use chat_relay::limits::{Allowance, Limits};
use chat_relay::{Config, ConnectionId};
use chat_wire::bundle::PreKeyBundle;
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceId, UserName};
use chat_wire::message::{ClientMessage, ServerMessage};
use serde_bytes::ByteBuf;

use crate::bench::Bench;
use crate::kit::Person;
use crate::store;

fn claim(account: AccountId) -> ClientMessage {
    ClientMessage::Claim { account: Some(account), name: None, devices: vec![] }
}

fn bundles(bench: &mut Bench, connection: ConnectionId, message: ClientMessage) -> Vec<PreKeyBundle> {
    match bench.ask(connection, message) {
        ServerMessage::Claimed { bundles, .. } => bundles,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_pair_is_handed_out_once_then_the_last_resort_serves_also_after_a_repeated_upload() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let bundle = bundles(&mut bench, a, claim(bob.account)).remove(0);
        assert_eq!((bundle.owner, &bundle.last_resort), (bob.address(1), &None));
        assert!(seen.insert(bundle.one_time.unwrap().dh_id()), "handed out twice");
    }
    let reply = bench.ask(b, bob.prekeys(1, 1, 3));
    assert_eq!(reply, ServerMessage::PreKeysStored { pairs_left: 0 }, "used-up pairs never come back");
    for _ in 0..2 {
        let bundle = bundles(&mut bench, a, claim(bob.account)).remove(0);
        assert!(bundle.one_time.is_none() && bundle.last_resort.is_some());
    }
    assert_eq!(bench.ask(b, bob.prekeys(1, 4, 1)), ServerMessage::PreKeysStored { pairs_left: 1 });
    assert!(bundles(&mut bench, a, claim(bob.account)).remove(0).one_time.is_some());
}

#[test]
fn claims_from_many_threads_never_share_a_pair() {
    let limits = Limits { claims_per_target: Allowance::per_minute(1_000, 1), ..Limits::default() };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    let (bob, b) = bench.reachable("bobby");
    bench.ask(b, bob.prekeys(1, 4, 37));
    let claimants: Vec<_> = (0..8).map(|n| bench.reachable(&format!("claimant{n}")).1).collect();
    let bench = Mutex::new(bench);
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for claimant in claimants {
            let (bench, seen) = (&bench, &seen);
            scope.spawn(move || {
                for _ in 0..8 {
                    let bundle = bundles(&mut bench.lock().unwrap(), claimant, claim(bob_account(bench))).remove(0);
                    seen.lock().unwrap().push(bundle.one_time.map(|pair| pair.dh_id()));
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    let pairs: Vec<_> = seen.iter().flatten().collect();
    assert_eq!((seen.len(), pairs.len()), (64, 40));
    assert_eq!(pairs.iter().collect::<HashSet<_>>().len(), 40, "a pair was handed out twice");
}

/// Taken without the lock that the caller is about to hold.
fn bob_account(_: &Mutex<Bench>) -> AccountId {
    Person::new("bobby", chat_wire::ids::RelayId([0; 32])).account
}

#[test]
fn a_claim_names_one_account_finds_every_other_device_and_never_the_asking_one() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (mut bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.ask(b, ClientMessage::PutDeviceList { list: ByteBuf::from(bob.add_device(2)), vault: None });
    assert_eq!(bundles(&mut bench, a, claim(bob.account)).len(), 1, "no prekeys yet, no bundle");
    let b2 = bench.login(&bob, 2);
    bench.ask(b2, bob.prekeys(2, 10, 1));
    let name = ClientMessage::Claim { account: None, name: Some(bob.name.clone()), devices: vec![] };
    let reply = bench.ask(a, name.clone());
    let ServerMessage::Claimed { list, bundles: found } = reply else { panic!("{reply:?}") };
    assert_eq!(&list[..], &bob.list[..]);
    assert_eq!(found.iter().map(|b| b.owner.device.0).collect::<Vec<_>>(), [1, 2]);
    let own = bundles(&mut bench, b, claim(bob.account));
    assert_eq!(own.iter().map(|b| b.owner.device.0).collect::<Vec<_>>(), [2]);
    let one = ClientMessage::Claim { account: Some(bob.account), name: None, devices: vec![DeviceId(2), DeviceId(9)] };
    assert_eq!(bundles(&mut bench, a, one).iter().map(|b| b.owner.device.0).collect::<Vec<_>>(), [2]);
    let both = ClientMessage::Claim { account: Some(bob.account), name: Some(bob.name.clone()), devices: vec![] };
    assert_eq!(bench.refusal(a, both), RefusalKind::Malformed);
    let neither = ClientMessage::Claim { account: None, name: None, devices: vec![] };
    assert_eq!(bench.refusal(a, neither), RefusalKind::Malformed);
    let nobody =
        ClientMessage::Claim { account: None, name: Some(UserName::parse("nobody").unwrap()), devices: vec![] };
    assert_eq!(bench.refusal(a, nobody), RefusalKind::UnknownUser);
}

#[test]
fn one_account_drains_nobody_and_an_honest_peer_is_still_served() {
    let mut bench = Bench::new(Config::default());
    let ((_, greedy), (bob, b)) = (bench.reachable("greedy"), bench.reachable("bobby"));
    bench.ask(b, bob.prekeys(1, 4, 47));
    let mut served = 0;
    for _ in 0..10_000 {
        match bench.ask(greedy, claim(bob.account)) {
            ServerMessage::Claimed { .. } => served += 1,
            ServerMessage::Refused(refusal) => assert_eq!(refusal.kind, RefusalKind::RateLimited),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(served, 20);
    let (_, honest) = bench.reachable("honest");
    assert!(bundles(&mut bench, honest, claim(bob.account)).remove(0).one_time.is_some());
}

#[test]
fn a_crowd_weakens_the_start_of_sessions_but_leaves_pairs_in_stock() {
    let limits = Limits { one_time_per_target: Allowance::per_minute(2, 1), ..Limits::default() };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    let ((_, a), (bob, _)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let kinds = [0; 3].map(|_| bundles(&mut bench, a, claim(bob.account)).remove(0).one_time.is_some());
    assert_eq!(kinds, [true, true, false]);
    bench.pass_ms(28_000);
    let a = {
        let alice = bench.person("alice");
        bench.login(&alice, 1)
    };
    bench.pass_ms(20_000);
    bench.ask(a, ClientMessage::Heartbeat {});
    bench.pass_ms(15_000);
    assert!(bundles(&mut bench, a, claim(bob.account)).remove(0).one_time.is_some());
}

#[test]
fn a_device_is_told_when_its_stock_runs_low_and_when_it_is_used_up() {
    let limits = Limits { claims_per_target: Allowance::per_minute(100, 1), ..Limits::default() };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.ask(b, bob.prekeys(1, 4, 23));
    bench.pushed(b);
    for _ in 0..26 {
        bundles(&mut bench, a, claim(bob.account));
    }
    let told: Vec<_> = bench.pushed(b).into_iter().map(|f| f.message).collect();
    assert_eq!(told, [ServerMessage::PreKeysLow { left: 24 }, ServerMessage::PreKeysLow { left: 0 }]);
}

#[test]
fn uploads_over_the_caps_or_signed_by_another_key_are_refused_whole() {
    let mut bench = Bench::new(Config::default());
    let ((alice, _), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    assert_eq!(bench.refusal(b, bob.prekeys(1, 10, 51)), RefusalKind::TooLarge);
    assert_eq!(bench.refusal(b, alice.prekeys(1, 10, 5)), RefusalKind::Forbidden);
    let mut one_bad = bob.prekeys(1, 10, 5);
    if let ClientMessage::PutPreKeys { pairs, .. } = &mut one_bad {
        pairs[4].dh.0[9] ^= 1;
    }
    assert_eq!(bench.refusal(b, one_bad), RefusalKind::Forbidden);
    assert_eq!(bench.ask(b, bob.prekeys(1, 100, 47)), ServerMessage::PreKeysStored { pairs_left: 50 });
    assert_eq!(bench.ask(b, bob.prekeys(1, 200, 50)), ServerMessage::PreKeysStored { pairs_left: 100 });
    assert_eq!(bench.refusal(b, bob.prekeys(1, 300, 1)), RefusalKind::TooLarge);
}

#[test]
fn a_new_incarnation_voids_what_the_old_one_published() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (mut bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bob.devices[0].incarnation = 2;
    let list = ByteBuf::from(bob.next_list());
    assert_eq!(bench.ask(b, ClientMessage::PutDeviceList { list, vault: None }), ServerMessage::Done {});
    assert_eq!(bundles(&mut bench, a, claim(bob.account)), []);
    assert_eq!(bench.ask(b, bob.prekeys(1, 50, 1)), ServerMessage::PreKeysStored { pairs_left: 1 });
    assert_eq!(bundles(&mut bench, a, claim(bob.account)).len(), 1);
}

fn found(bench: &mut Bench, connection: ConnectionId, query: &str, limit: u16) -> Vec<String> {
    match bench.ask(connection, ClientMessage::Find { query: query.to_owned(), limit }) {
        ServerMessage::Found { users } => users.into_iter().map(|u| u.name.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_are_found_exactly_and_by_prefix_whatever_the_case_and_the_exact_one_first() {
    let mut bench = Bench::new(Config::default());
    let (_, a) = bench.reachable("alice");
    for name in ["annabel", "ann", "ann-b", "bobby"] {
        let person = bench.person(name);
        bench.register(&person);
    }
    assert_eq!(found(&mut bench, a, "ANN", 10), ["ann", "ann-b", "annabel"]);
    assert_eq!(found(&mut bench, a, "ann", 1), ["ann"]);
    assert_eq!(found(&mut bench, a, "annabelle", 10), Vec::<String>::new());
    for query in ["", "a b", "ann%", "ann\u{7f}", "änn", &"a".repeat(33)] {
        assert_eq!(found(&mut bench, a, query, 10), Vec::<String>::new(), "{query:?}");
    }
}

#[test]
fn the_directory_cannot_be_crawled_in_a_hurry_and_hides_disabled_accounts() {
    let mut bench = Bench::new(Config::default());
    let (_, a) = bench.reachable("alice");
    let (bob, _) = bench.reachable("bobby");
    store::set_disabled(bench.relay.storage(), &bob.account, true);
    bench.pass_ms(500);
    assert_eq!(found(&mut bench, a, "bobby", 10), Vec::<String>::new());
    assert_eq!(bench.refusal(a, claim(bob.account)), RefusalKind::UnknownUser);
    let served = (0..200)
        .filter(|_| {
            let find = ClientMessage::Find { query: "a".to_owned(), limit: 50 };
            matches!(bench.ask(a, find), ServerMessage::Found { .. })
        })
        .count();
    assert!(served <= 60, "{served}");
}
