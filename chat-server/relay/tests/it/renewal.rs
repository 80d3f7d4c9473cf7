//! New devices, new passwords, recovery, deletion.

use bytes::Bytes;
use chat_relay::{Config, ConnectionId, Input};
use chat_wire::device_list::FLAG_APPROVAL;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::Frame;
use chat_wire::ids::DeviceId;
use chat_wire::keys::{Signature, VerifyKey};
use chat_wire::message::{AccountAnswer, AccountAsk, ClientMessage, LogoutReason, ServerMessage, Verdict};
use ed25519_dalek::SigningKey;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use serde_bytes::ByteBuf;

use crate::accounts::{ke1_of, prove_password, register_with_password, try_password};
use crate::bench::{Bench, EXPORTER, register1};
use crate::kit::{self, PASSWORD, Person};

const NEW: &[u8] = b"Another horse 8";

fn code() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

/// Somebody with a password, and a vault that takes [`code`].
fn with_recovery(bench: &mut Bench, name: &str) -> (Person, ConnectionId) {
    let mut person = bench.person(name);
    person.vault = (1, kit::vault(1, &code()));
    person.list = Person::resigned(&person);
    let connection = register_with_password(bench, &person);
    (person, connection)
}

fn proven(bench: &mut Bench, person: &Person) -> ConnectionId {
    let connection = bench.open();
    bench.hello(connection);
    prove_password(bench, connection, person);
    connection
}

/// Runs the client half of a new password on a connection.
fn new_login(bench: &mut Bench, connection: ConnectionId, person: &Person, password: &[u8]) -> [u8; 192] {
    kit::record(password, person.name.as_str(), &person.relay, |request| {
        let request = ByteBuf::from(request.to_vec());
        match bench.ask(connection, ClientMessage::Account(AccountAsk::NewPassword1 { request })) {
            ServerMessage::Account(AccountAnswer::NewPasswordReply { response }) => response.into_vec(),
            other => panic!("{other:?}"),
        }
    })
}

fn refused(message: &ServerMessage) -> RefusalKind {
    match message {
        ServerMessage::Refused(Refusal { kind, .. }) => *kind,
        other => panic!("{other:?}"),
    }
}

/// Renews the password on a connection; the old vault's generation goes up.
fn renew(bench: &mut Bench, connection: ConnectionId, person: &mut Person, device: Option<u32>) -> ServerMessage {
    let login = new_login(bench, connection, person, NEW);
    let generation = person.vault.0 + 1;
    person.vault = (generation, kit::vault(generation, &code()));
    match device {
        Some(id) => drop(person.add_device(id)),
        None => drop(person.next_list()),
    }
    let record = Bytes::from_static(b"record 1");
    bench.ask_with(connection, person.new_password(login, 1, device), record).message
}

fn logs_in(bench: &mut Bench, name: &str, password: &[u8]) -> bool {
    let connection = bench.open();
    bench.hello(connection);
    matches!(try_password(bench, connection, name, password), ServerMessage::PasswordOk { .. })
}

#[test]
fn a_new_device_enters_with_a_list_that_the_account_key_signed_and_with_no_other() {
    let mut bench = Bench::new(Config::default());
    let (alice, first) = with_recovery(&mut bench, "alice");
    let (mut by_device, mut two_at_once, mut other) = (alice.copy(), alice.copy(), alice.copy());
    by_device.push_device(2);
    by_device.next_list_by(1);
    two_at_once.push_device(3);
    two_at_once.add_device(2);
    other.add_device(3);
    let stale = {
        let mut stale = alice.copy();
        stale.next_list();
        stale.add_device(2);
        stale
    };
    for (person, kind) in [
        (by_device, RefusalKind::BadList),
        (two_at_once, RefusalKind::BadList),
        (other, RefusalKind::BadList),
        (stale, RefusalKind::Conflict),
    ] {
        let connection = proven(&mut bench, &alice);
        assert_eq!(bench.refusal(connection, person.enroll(2)), kind);
        assert_eq!(
            bench.refusal(connection, alice.enroll(1)),
            RefusalKind::BadList,
            "nobody enters as the first device"
        );
    }
    let mut alice = alice;
    alice.add_device(2);
    let connection = proven(&mut bench, &alice);
    assert!(matches!(bench.ask(connection, alice.enroll(2)), ServerMessage::LoggedIn { list_seq: 2, .. }));
    // The answer got lost: the same device comes again, and only it can.
    let again = proven(&mut bench, &alice);
    let mut thief = alice.enroll(2);
    if let ClientMessage::Account(AccountAsk::Enroll { boot, .. }) = &mut thief {
        boot.0 = [9; 16];
    }
    assert_eq!(bench.refusal(again, thief), RefusalKind::BadList);
    assert!(matches!(bench.ask(again, alice.enroll(2)), ServerMessage::LoggedIn { list_seq: 2, .. }));
    assert!(!bench.is_closed(first));
}

#[test]
fn an_account_that_wants_approval_takes_no_device_on_a_password_alone() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = with_recovery(&mut bench, "alice");
    alice.flags = FLAG_APPROVAL;
    let list = ByteBuf::from(alice.next_list());
    assert_eq!(bench.ask(first, ClientMessage::PutDeviceList { list, vault: None }), ServerMessage::Done {});
    alice.add_device(2);
    let connection = proven(&mut bench, &alice);
    assert_eq!(bench.refusal(connection, alice.enroll(2)), RefusalKind::Forbidden);
    // Nor does the password open anything, or make another one that the flag falls with.
    assert_eq!(bench.refusal(connection, ClientMessage::GetVault {}), RefusalKind::Forbidden);
    assert_eq!(bench.refusal(connection, ClientMessage::GetRecord {}), RefusalKind::Forbidden);
    let request = ByteBuf::from(vec![1; 32]);
    let password = ClientMessage::Account(AccountAsk::NewPassword1 { request });
    assert_eq!(bench.refusal(connection, password), RefusalKind::Forbidden);
    let bytes = || ByteBuf::from(vec![1; 9]);
    let (login, list, vault) = (bytes(), ByteBuf::from(alice.list.clone()), bytes());
    let change = AccountAsk::NewPassword2 { login, kp: 1, list, vault, expected: 0, version: 1, device: None };
    assert!(matches!(bench.ask(connection, ClientMessage::Account(change)), ServerMessage::Refused(_)));
    assert!(logs_in(&mut bench, "alice", PASSWORD));
    let connection = recovered(&mut bench, &alice);
    assert!(matches!(bench.ask(connection, alice.enroll(2)), ServerMessage::LoggedIn { .. }));
}

#[test]
fn a_new_password_changes_login_vault_list_and_record_together_or_not_at_all() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = with_recovery(&mut bench, "alice");
    let login = new_login(&mut bench, first, &alice, NEW);
    let mut same_generation = alice.copy();
    same_generation.next_list();
    let message = same_generation.new_password(login, 1, None);
    assert!(matches!(bench.ask(first, message), ServerMessage::Refused(_)), "the vault must be a new one");
    let mut next = alice.copy();
    next.vault = (2, kit::vault(2, &code()));
    next.next_list();
    let behind = next.new_password(login, 2, None);
    assert_eq!(bench.refusal(first, behind), RefusalKind::Conflict, "the record is not at version 1");
    let mut damaged = login;
    damaged[..32].fill(0xff);
    assert_eq!(bench.refusal(first, next.new_password(damaged, 1, None)), RefusalKind::Malformed);
    assert!(logs_in(&mut bench, "alice", PASSWORD), "nothing changed so far");

    assert_eq!(renew(&mut bench, first, &mut alice, None), ServerMessage::Done {});
    assert!(!logs_in(&mut bench, "alice", PASSWORD));
    assert!(logs_in(&mut bench, "alice", NEW));
    assert!(!bench.is_closed(first), "enrolled devices stay");
    assert_eq!(bench.ask(first, ClientMessage::GetRecord {}), ServerMessage::Record { version: 1 });
    let vault = ByteBuf::from(alice.vault.1.clone());
    assert_eq!(bench.ask(first, ClientMessage::GetVault {}), ServerMessage::Vault { vault });
}

#[test]
fn what_the_old_password_had_begun_ends_with_it() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = with_recovery(&mut bench, "alice");
    let early = proven(&mut bench, &alice);
    let half = bench.open();
    bench.hello(half);
    let mut rng = UnwrapErr(SysRng);
    let (start, ke1) = chat_login::client::LoginStart::new(PASSWORD, &mut rng).unwrap();
    let ke1 = ClientMessage::Ke1 { name: alice.name.clone(), ke1: ByteBuf::from(ke1.to_vec()) };
    let ServerMessage::Ke2 { ke2, kp } = bench.ask(half, ke1) else { panic!() };

    let mut intruder = alice.copy();
    assert_eq!(renew(&mut bench, first, &mut alice, None), ServerMessage::Done {});
    intruder.add_device(7);
    assert_eq!(bench.refusal(early, intruder.enroll(7)), RefusalKind::BadCredentials);
    assert!(bench.is_closed(early));
    let relay = bench.relay.id();
    let identities = chat_login::Identities { name: "alice", relay_id: &relay.0 };
    let terms = chat_login::Terms { identities, protocol: 1, exporter: &EXPORTER, kp };
    let ke3 = start.finish(&ke2, &terms, &mut rng).unwrap().ke3;
    assert_eq!(
        bench.refusal(half, ClientMessage::Ke3 { ke3: ByteBuf::from(ke3.to_vec()) }),
        RefusalKind::BadCredentials
    );
}

fn recover1(bench: &mut Bench, connection: ConnectionId, name: &str) -> ServerMessage {
    let name = chat_wire::ids::UserName::parse(name).unwrap();
    bench.ask(connection, ClientMessage::Account(AccountAsk::Recover1 { name }))
}

fn recovered(bench: &mut Bench, person: &Person) -> ConnectionId {
    let connection = bench.open();
    let ready = bench.hello(connection);
    let generation = person.vault.0;
    let answer = ServerMessage::Account(AccountAnswer::RecoveryCodeOf { generation });
    assert_eq!(recover1(bench, connection, person.name.as_str()), answer);
    let binding = kit::binding(&ready, EXPORTER);
    let proof = kit::recovery(&code(), &person.relay, &binding, (&person.name, generation));
    let reply = bench.ask(connection, proof);
    assert!(matches!(reply, ServerMessage::Account(AccountAnswer::RecoveryOk { .. })), "{reply:?}");
    connection
}

#[test]
fn the_recovery_code_gives_a_new_password_and_a_new_device_without_the_old_ones() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = with_recovery(&mut bench, "alice");
    let connection = recovered(&mut bench, &alice);
    let reply = renew(&mut bench, connection, &mut alice, Some(2));
    assert!(matches!(reply, ServerMessage::LoggedIn { list_seq: 2, .. }), "{reply:?}");
    assert!(logs_in(&mut bench, "alice", NEW) && !logs_in(&mut bench, "alice", PASSWORD));
    assert!(!bench.is_closed(first));
    let next = recovered(&mut bench, &alice);
    assert!(!bench.is_closed(next), "the code of the new generation counts now");
}

#[test]
fn a_wrong_code_another_connection_and_an_unknown_name_are_refused_alike_and_counted() {
    let mut bench = Bench::new(Config::default());
    let (alice, _) = with_recovery(&mut bench, "alice");
    let wrong = SigningKey::from_bytes(&[1; 32]);
    for (name, code, exporter, generation) in [
        ("alice", wrong, EXPORTER, 1),
        ("alice", code(), [7; 32], 1),
        ("alice", code(), EXPORTER, 2),
        ("nobody", code(), EXPORTER, 1),
    ] {
        let connection = bench.open();
        let ready = bench.hello(connection);
        let answer = ServerMessage::Account(AccountAnswer::RecoveryCodeOf { generation: 1 });
        assert_eq!(recover1(&mut bench, connection, name), answer);
        let name = chat_wire::ids::UserName::parse(name).unwrap();
        let binding = kit::binding(&ready, exporter);
        let proof = kit::recovery(&code, &alice.relay, &binding, (&name, generation));
        assert_eq!(bench.refusal(connection, proof), RefusalKind::BadCredentials);
    }
    let mut tries = 0;
    loop {
        let connection = bench.open();
        bench.hello(connection);
        match recover1(&mut bench, connection, "alice") {
            ServerMessage::Account(_) => tries += 1,
            other => {
                assert_eq!(refused(&other), RefusalKind::RateLimited);
                break;
            }
        }
    }
    assert_eq!(tries, 17, "three of the guesses above were at alice's code");
    let connection = bench.open();
    bench.hello(connection);
    assert_eq!(bench.refusal(connection, ke1_of("alice")), RefusalKind::RateLimited, "one budget for both");
    bench.login(&alice, 1);
}

#[test]
fn a_deleted_account_is_gone_its_name_stays_reserved_and_its_contacts_learn_it() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = with_recovery(&mut bench, "alice");
    bench.ask(first, alice.prekeys(1, 1, 3));
    let list = ByteBuf::from(alice.add_device(2));
    bench.ask(first, ClientMessage::PutDeviceList { list, vault: None });
    let second = bench.login(&alice, 2);
    let (_, bob) = bench.reachable("bobby");
    bench.send(bob, 1, &alice, b"unread");
    bench.outputs.clear();

    let delete = |signature| ClientMessage::Account(AccountAsk::Delete { signature });
    assert_eq!(bench.refusal(first, delete(Signature([3; 64]))), RefusalKind::Forbidden);
    assert_eq!(bench.ask(first, delete(alice.deletion())), ServerMessage::Done {});
    assert!(bench.is_closed(first) && bench.is_closed(second));
    let last = bench.pushed(second).pop().unwrap().message;
    assert_eq!(last, ServerMessage::LoggedOut { reason: LogoutReason::Deleted, list: None });

    let fetch = ClientMessage::FetchLists { account: alice.account, after_seq: 0 };
    assert_eq!(bench.refusal(bob, fetch), RefusalKind::AccountDeleted);
    let claim = ClientMessage::Claim { account: Some(alice.account), name: None, devices: vec![] };
    assert_eq!(bench.refusal(bob, claim), RefusalKind::AccountDeleted);
    assert_eq!(refused(&bench.send(bob, 2, &alice, b"hello?")), RefusalKind::AccountDeleted);
    assert!(!logs_in(&mut bench, "alice", PASSWORD));
    let back = bench.open();
    assert_eq!(refused(&bench.prove(back, &alice, 1)), RefusalKind::NotEnrolled);
    let told = bench.pushed(back).pop().unwrap().message;
    assert_eq!(told, ServerMessage::LoggedOut { reason: LogoutReason::Deleted, list: None });

    let heir = Person::with_keys_of("heir", "alice", bench.relay.id());
    let connection = bench.open();
    bench.hello(connection);
    assert_eq!(bench.refusal(connection, register1(&heir, None)), RefusalKind::NameTaken);
    bench.now.wall_ms += 31 * 24 * 60 * 60 * 1_000;
    bench.register_on(connection, &heir);
}

#[test]
fn a_removed_device_that_comes_back_is_shown_the_list_that_removed_it_and_a_stranger_is_not() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = bench.reachable("alice");
    let put = |list: Vec<u8>| ClientMessage::PutDeviceList { list: ByteBuf::from(list), vault: None };
    bench.ask(first, put(alice.add_device(2)));
    let removal = alice.revoke(2);
    bench.ask(first, put(removal.clone()));
    bench.ask(first, put(alice.next_list()));
    let back = bench.open();
    assert_eq!(refused(&bench.prove(back, &alice, 2)), RefusalKind::NotEnrolled);
    let told = bench.pushed(back).pop().unwrap().message;
    let list = Some(ByteBuf::from(removal));
    assert_eq!(told, ServerMessage::LoggedOut { reason: LogoutReason::Removed, list });
    assert!(bench.is_closed(back));

    let stranger = bench.open();
    let mut poser = alice.copy();
    poser.devices[1].key = SigningKey::from_bytes(&[1; 32]);
    assert_eq!(refused(&bench.prove(stranger, &poser, 2)), RefusalKind::NotEnrolled);
    assert!(bench.pushed(stranger).is_empty());
}

#[test]
fn at_the_same_number_the_account_key_wins_over_a_device() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = bench.reachable("alice");
    let put = |list: Vec<u8>| ClientMessage::PutDeviceList { list: ByteBuf::from(list), vault: None };
    bench.ask(first, put(alice.add_device(2)));
    let second = bench.login(&alice, 2);
    let (mut theirs, mut another) = (alice.copy(), alice.copy());
    theirs.revoke_by(1, 2);
    assert_eq!(bench.ask(second, put(theirs.list.clone())), ServerMessage::Done {});
    assert!(bench.is_closed(first), "a stolen device throws the others out");
    let third = bench.open();
    assert_eq!(refused(&bench.prove(third, &alice, 1)), RefusalKind::NotEnrolled);

    another.next_list_by(2);
    assert_eq!(bench.refusal(second, put(another.list.clone())), RefusalKind::Conflict, "another device does not win");
    alice.revoke(2);
    assert_eq!(bench.ask(second, put(alice.list.clone())), ServerMessage::Done {});
    assert!(bench.is_closed(second));
    bench.login(&alice, 1);
    let lists = bench.login(&alice, 1);
    let ServerMessage::Lists { lists } =
        bench.ask(lists, ClientMessage::FetchLists { account: alice.account, after_seq: 2 })
    else {
        panic!()
    };
    assert_eq!(lists, [ByteBuf::from(alice.list.clone())]);
}

fn ask_in(device: u32, key: VerifyKey) -> ClientMessage {
    ClientMessage::Account(AccountAsk::AskIn { device: DeviceId(device), key })
}

fn answer_in(device: u32, key: VerifyKey, allow: bool) -> ClientMessage {
    ClientMessage::Account(AccountAsk::AnswerIn { device: DeviceId(device), key, allow })
}

fn key_of(person: &Person, id: u32) -> VerifyKey {
    VerifyKey(person.device(id).key.verifying_key().to_bytes())
}

fn told(verdict: Verdict) -> ServerMessage {
    ServerMessage::Account(AccountAnswer::Waits { verdict })
}

/// Somebody whose account wants more than a password of a new device.
fn guarded(bench: &mut Bench) -> (Person, ConnectionId) {
    let (mut alice, first) = with_recovery(bench, "alice");
    alice.flags = FLAG_APPROVAL;
    let list = ByteBuf::from(alice.next_list());
    assert_eq!(bench.ask(first, ClientMessage::PutDeviceList { list, vault: None }), ServerMessage::Done {});
    (alice, first)
}

#[test]
fn a_device_that_waits_is_shown_to_the_enrolled_ones_and_enters_only_under_the_key_that_was_allowed() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = guarded(&mut bench);
    let mut other = alice.copy();
    alice.add_device(2);
    other.add_device(3);
    let key = key_of(&alice, 2);
    let waits = proven(&mut bench, &alice);
    bench.outputs.clear();
    assert_eq!(bench.ask(waits, ask_in(2, key)), told(Verdict::Open));
    let at_ms = bench.now.wall_ms;
    let wants = ServerMessage::Account(AccountAnswer::Wants { device: DeviceId(2), key, at_ms });
    assert_eq!(bench.pushed(first).pop().unwrap().message, wants);
    // Whoever asks may take its time, if it shows that it lives.
    for _ in 0..20 {
        bench.pass_ms(3_000);
        bench.take(Input::Frame(waits, Frame::new(0, ClientMessage::Heartbeat {})));
        bench.take(Input::Frame(first, Frame::new(0, ClientMessage::Heartbeat {})));
    }
    assert!(!bench.is_closed(waits));
    let stranger = VerifyKey([9; 32]);
    assert_eq!(bench.refusal(first, answer_in(2, stranger, true)), RefusalKind::Conflict);
    assert_eq!(bench.refusal(waits, alice.enroll(2)), RefusalKind::Forbidden);
    assert_eq!(bench.ask(first, answer_in(2, key, true)), ServerMessage::Done {});
    assert_eq!(bench.pushed(waits).pop().unwrap().message, told(Verdict::Allowed));
    assert!(matches!(bench.ask(waits, ClientMessage::GetVault {}), ServerMessage::Vault { .. }));
    assert_eq!(bench.refusal(waits, other.enroll(3)), RefusalKind::Forbidden, "another device was not allowed");
    assert!(matches!(bench.ask(waits, alice.enroll(2)), ServerMessage::LoggedIn { list_seq: 3, .. }));
}

#[test]
fn a_device_that_was_denied_stays_so_five_do_not_wait_and_who_comes_later_is_asked_too() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, first) = guarded(&mut bench);
    alice.add_device(2);
    let key = key_of(&alice, 2);
    bench.take(Input::Closed(first));
    let waits = proven(&mut bench, &alice);
    assert_eq!(bench.ask(waits, ask_in(2, key)), told(Verdict::Open));
    bench.outputs.clear();
    let first = bench.login(&alice, 1);
    let wants = |frame: &chat_wire::frame::ServerFrame| matches!(&frame.message, ServerMessage::Account(AccountAnswer::Wants { key: shown, .. }) if *shown == key);
    assert_eq!(bench.pushed(first).iter().filter(|frame| wants(frame)).count(), 1);
    assert_eq!(bench.ask(first, answer_in(2, key, false)), ServerMessage::Done {});
    let again = proven(&mut bench, &alice);
    assert_eq!(bench.ask(again, ask_in(2, key)), told(Verdict::Denied));
    assert_eq!(bench.refusal(again, alice.enroll(2)), RefusalKind::Forbidden);
    for other in 3..6 {
        assert_eq!(bench.ask(again, ask_in(other, key)), told(Verdict::Open));
    }
    assert_eq!(bench.refusal(again, ask_in(6, key)), RefusalKind::RateLimited);
    bench.now.uptime_ms += 25 * 60 * 60 * 1_000;
    let later = proven(&mut bench, &alice);
    assert_eq!(bench.ask(later, ask_in(6, key)), told(Verdict::Open), "a day later there is room again");
}
