//! Device lists, vault, record, boot ids.

use bytes::Bytes;
use chat_relay::{Config, ConnectionId};
use chat_wire::error::RefusalKind;
use chat_wire::ids::BootId;
use chat_wire::limits::RECORD_BYTES_MAX;
use chat_wire::message::{ClientMessage, LogoutReason, ServerMessage};
use serde_bytes::ByteBuf;

use crate::bench::Bench;
use crate::kit::Person;

fn put(list: Vec<u8>) -> ClientMessage {
    ClientMessage::PutDeviceList { list: ByteBuf::from(list), vault: None }
}

fn lists_after(bench: &mut Bench, connection: ConnectionId, of: &Person, after_seq: u64) -> Vec<Vec<u8>> {
    let reply = bench.ask(connection, ClientMessage::FetchLists { account: of.account, after_seq });
    let ServerMessage::Lists { lists } = reply else { panic!("{reply:?}") };
    lists.into_iter().map(ByteBuf::into_vec).collect()
}

#[test]
fn the_next_list_is_taken_once_a_repeat_answers_alike_and_the_history_stays() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, connection) = bench.reachable("alice");
    let (_, bob) = bench.reachable("bobby");
    let first = alice.list.clone();
    let second = alice.add_device(2);
    for _ in 0..2 {
        assert_eq!(bench.ask(connection, put(second.clone())), ServerMessage::Done {});
    }
    assert_eq!(lists_after(&mut bench, bob, &alice, 0), [first, second.clone()]);
    assert_eq!(lists_after(&mut bench, bob, &alice, 1), [second]);
    assert_eq!(lists_after(&mut bench, bob, &alice, 2), Vec::<Vec<u8>>::new());
}

#[test]
fn a_list_made_against_an_older_one_conflicts_and_a_foreign_or_damaged_one_is_bad() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, connection) = bench.reachable("alice");
    let mut rival = bench.person("alice");
    let (second, other_second) = (alice.add_device(2), rival.add_device(3));
    assert_eq!(bench.ask(connection, put(second)), ServerMessage::Done {});
    assert_eq!(bench.refusal(connection, put(other_second)), RefusalKind::Conflict);
    assert_eq!(bench.refusal(connection, put(bench_list("bobby", &bench))), RefusalKind::BadList);
    let mut skipped = alice.add_device(4);
    skipped[70] ^= 1;
    assert_eq!(bench.refusal(connection, put(skipped)), RefusalKind::BadList);
    alice.add_device(5);
    let ahead = alice.add_device(6);
    assert_eq!(bench.refusal(connection, put(ahead)), RefusalKind::Conflict);
}

fn bench_list(name: &str, bench: &Bench) -> Vec<u8> {
    bench.person(name).list
}

#[test]
fn a_new_vault_comes_with_the_list_that_names_it_and_only_then() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, connection) = bench.reachable("alice");
    let mut plain = bench.person("alice");
    let unneeded = ClientMessage::PutDeviceList {
        list: ByteBuf::from(plain.add_device(2)),
        vault: Some(ByteBuf::from(b"vault".to_vec())),
    };
    assert_eq!(bench.refusal(connection, unneeded), RefusalKind::BadList);
    alice.vault = (2, b"new vault".to_vec());
    let list = alice.next_list();
    assert_eq!(bench.refusal(connection, put(list.clone())), RefusalKind::BadList);
    let both =
        ClientMessage::PutDeviceList { list: ByteBuf::from(list), vault: Some(ByteBuf::from(b"new vault".to_vec())) };
    assert_eq!(bench.ask(connection, both), ServerMessage::Done {});
    let reply = bench.ask(connection, ClientMessage::GetVault {});
    assert_eq!(reply, ServerMessage::Vault { vault: ByteBuf::from(b"new vault".to_vec()) });
}

#[test]
fn a_removed_device_is_told_so_and_cannot_come_back_while_the_others_stay() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = bench.reachable("alice");
    bench.ask(first, put(alice.add_device(2)));
    let second = bench.login(&alice, 2);
    bench.pushed(second);
    assert_eq!(bench.ask(first, put(alice.revoke(2))), ServerMessage::Done {});
    let pushed = bench.pushed(second);
    let list = Some(ByteBuf::from(alice.list.clone()));
    let removed = ServerMessage::LoggedOut { reason: LogoutReason::Removed, list };
    assert_eq!(pushed.last().map(|f| &f.message), Some(&removed));
    assert!(bench.is_closed(second) && !bench.is_closed(first));
    let again = bench.open();
    let reply = bench.prove(again, &alice, 2);
    assert!(matches!(reply, ServerMessage::Refused(r) if r.kind == RefusalKind::NotEnrolled));
}

#[test]
fn a_device_that_removes_itself_gets_its_answer_before_the_goodbye() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = bench.reachable("alice");
    bench.ask(first, put(alice.add_device(2)));
    bench.outputs.clear();
    assert_eq!(bench.ask(first, put(alice.revoke(1))), ServerMessage::Done {});
    let pushed = bench.pushed(first);
    let list = Some(ByteBuf::from(alice.list.clone()));
    let removed = ServerMessage::LoggedOut { reason: LogoutReason::Removed, list };
    assert_eq!(pushed.last().map(|f| &f.message), Some(&removed));
    assert!(bench.is_closed(first));
}

#[test]
fn a_second_login_of_a_device_replaces_the_first() {
    let mut bench = Bench::new(Config::default());
    let (alice, first) = bench.reachable("alice");
    bench.pushed(first);
    let second = bench.login(&alice, 1);
    let pushed = bench.pushed(first);
    assert_eq!(
        pushed.last().map(|f| &f.message),
        Some(&ServerMessage::LoggedOut { reason: LogoutReason::Replaced, list: None })
    );
    assert!(bench.is_closed(first) && !bench.is_closed(second));
    bench.take(chat_relay::Input::Closed(first));
    assert_eq!(bench.relay.logins(), 1, "the old connection's end does not end the new login");
}

#[test]
fn boot_ids_are_written_by_compare_and_set() {
    let mut bench = Bench::new(Config::default());
    let (alice, connection) = bench.reachable("alice");
    let boot = |expected: Option<u8>, new: u8| ClientMessage::PutBoot {
        expected: expected.map(|b| BootId([b; 16])),
        new: BootId([new; 16]),
    };
    assert_eq!(bench.ask(connection, boot(Some(1), 2)), ServerMessage::Done {});
    assert_eq!(bench.ask(connection, boot(Some(1), 2)), ServerMessage::Done {}, "a repeat");
    assert_eq!(bench.refusal(connection, boot(Some(1), 3)), RefusalKind::Conflict, "a copy of an old store");
    assert_eq!(bench.refusal(connection, boot(None, 3)), RefusalKind::Conflict);
    let again = bench.open();
    let reply = bench.prove(again, &alice, 1);
    assert!(matches!(reply, ServerMessage::LoggedIn { boot: Some(BootId([2, ..])), .. }), "{reply:?}");
}

#[test]
fn records_are_written_by_compare_and_set_and_belong_to_the_account() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = bench.reachable("alice");
    let (_, bob) = bench.reachable("bobby");
    bench.ask(first, put(alice.add_device(2)));
    let second = bench.login(&alice, 2);
    let write = |expected, version| ClientMessage::PutRecord { expected, version };
    let record = |bench: &mut Bench, connection| {
        let frame = bench.ask_with(connection, ClientMessage::GetRecord {}, Bytes::new());
        let ServerMessage::Record { version } = frame.message else { panic!("{frame:?}") };
        (version, frame.body)
    };
    assert_eq!(record(&mut bench, first), (0, Bytes::new()));
    for _ in 0..2 {
        let done = bench.ask_with(first, write(0, 1), Bytes::from_static(b"one"));
        assert_eq!(done.message, ServerMessage::Done {});
    }
    let conflict = bench.ask_with(second, write(0, 1), Bytes::from_static(b"uno")).message;
    assert!(matches!(conflict, ServerMessage::Refused(r) if r.kind == RefusalKind::Conflict));
    let backwards = bench.ask_with(second, write(1, 1), Bytes::from_static(b"uno")).message;
    assert!(matches!(backwards, ServerMessage::Refused(r) if r.kind == RefusalKind::Conflict));
    bench.ask_with(second, write(1, 2), Bytes::from_static(b"two"));
    assert_eq!(record(&mut bench, first), (2, Bytes::from_static(b"two")));
    assert_eq!(record(&mut bench, bob), (0, Bytes::new()));
    let large = bench.ask_with(first, write(2, 3), Bytes::from(vec![0; RECORD_BYTES_MAX + 1])).message;
    assert!(matches!(large, ServerMessage::Refused(r) if r.kind == RefusalKind::TooLarge));
}

#[test]
fn strangers_fetch_lists_only_so_often_and_ones_own_lists_are_free() {
    let mut bench = Bench::new(Config::default());
    let (alice, own) = bench.reachable("alice");
    let (bobby, bob) = bench.reachable("bobby");
    let (friend, friendly) = bench.reachable("friend");
    bench.ask(own, ClientMessage::SetContacts { accounts: vec![friend.account, bobby.account] });
    bench.ask(friendly, ClientMessage::SetContacts { accounts: vec![alice.account] });
    for _ in 0..100 {
        lists_after(&mut bench, own, &alice, 0);
        lists_after(&mut bench, friendly, &alice, 0);
    }
    for _ in 0..20 {
        lists_after(&mut bench, bob, &alice, 0);
    }
    let ask = ClientMessage::FetchLists { account: alice.account, after_seq: 0 };
    assert_eq!(bench.refusal(bob, ask), RefusalKind::RateLimited);
}
