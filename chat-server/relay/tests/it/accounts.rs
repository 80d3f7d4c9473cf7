//! Registration and login.

use chat_login::{Identities, Profile, Terms, client};
use chat_relay::storage::Invite;
use chat_relay::{AddressKey, Config, ConnectionId, Origin, Registration, invite_hash};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::UserName;
use chat_wire::message::{ClientMessage, ServerMessage};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use serde_bytes::ByteBuf;

use crate::bench::{Bench, EXPORTER, register1};
use crate::kit::{self, PASSWORD, Person};
use crate::store;

pub(crate) fn ke1_of(name: &str) -> ClientMessage {
    let (_, ke1) = client::LoginStart::new(PASSWORD, &mut UnwrapErr(SysRng)).unwrap();
    ClientMessage::Ke1 { name: UserName::parse(name).unwrap(), ke1: ByteBuf::from(ke1.to_vec()) }
}

/// Registers somebody who can log in with [`PASSWORD`].
pub(crate) fn register_with_password(bench: &mut Bench, person: &Person) -> ConnectionId {
    let connection = bench.open();
    bench.hello(connection);
    let record = kit::record(PASSWORD, person.name.as_str(), &person.relay, |request| {
        let request = ByteBuf::from(request.to_vec());
        let message = ClientMessage::Register1 { name: person.name.clone(), request, invite: None };
        match bench.ask(connection, message) {
            ServerMessage::Register1Reply { response } => response.into_vec(),
            other => panic!("{other:?}"),
        }
    });
    let reply = bench.ask(connection, person.register2(record));
    assert!(matches!(reply, ServerMessage::LoggedIn { .. }), "{reply:?}");
    connection
}

/// Runs a login with a password as far as it goes: KE3's answer.
pub(crate) fn try_password(bench: &mut Bench, connection: ConnectionId, name: &str, password: &[u8]) -> ServerMessage {
    let mut rng = UnwrapErr(SysRng);
    let (start, ke1) = client::LoginStart::new(password, &mut rng).unwrap();
    let ke1 = ClientMessage::Ke1 { name: UserName::parse(name).unwrap(), ke1: ByteBuf::from(ke1.to_vec()) };
    let (ke2, kp) = match bench.ask(connection, ke1) {
        ServerMessage::Ke2 { ke2, kp } => (ke2, kp),
        other => return other,
    };
    let relay = bench.relay.id();
    let identities = Identities { name, relay_id: &relay.0 };
    let terms = Terms { identities, protocol: 1, exporter: &EXPORTER, kp };
    let ke3 = start.finish(&ke2, &terms, &mut rng).map_or([0; 64], |logged_in| logged_in.ke3);
    bench.ask(connection, ClientMessage::Ke3 { ke3: ByteBuf::from(ke3.to_vec()) })
}

pub(crate) fn prove_password(bench: &mut Bench, connection: ConnectionId, person: &Person) {
    let reply = try_password(bench, connection, person.name.as_str(), PASSWORD);
    assert!(matches!(reply, ServerMessage::PasswordOk { .. }), "{reply:?}");
}

fn refused(message: &ServerMessage) -> RefusalKind {
    match message {
        ServerMessage::Refused(Refusal { kind, .. }) => *kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_registered_device_is_logged_in_and_comes_back_with_a_signature() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    let first = bench.register(&alice);
    let again = bench.open();
    let reply = bench.prove(again, &alice, 1);
    let ServerMessage::LoggedIn { device, boot, step, pairs_left, list_seq, .. } = reply else { panic!("{reply:?}") };
    assert_eq!((device, step, pairs_left, list_seq), (alice.address(1), 0, 0, 1));
    assert_eq!(boot.unwrap().0, [1; 16]);
    assert!(bench.is_closed(first), "one connection a device");
}

#[test]
fn a_name_is_taken_once_whatever_its_spelling_and_whoever_was_first_to_ask() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    let mallory = Person::with_keys_of("mallory", "alice", bench.relay.id());
    let (early, late) = (bench.open(), bench.open());
    bench.hello(early);
    bench.hello(late);
    assert!(matches!(bench.ask(early, register1(&mallory, None)), ServerMessage::Register1Reply { .. }));
    bench.register_on(late, &alice);
    assert_eq!(bench.refusal(early, mallory.register2(kit::any_record())), RefusalKind::NameTaken);
    let third = bench.open();
    bench.hello(third);
    assert_eq!(bench.refusal(third, register1(&alice, None)), RefusalKind::NameTaken);
    bench.login(&alice, 1);
}

#[test]
fn a_first_list_that_is_not_ones_own_or_not_for_this_relay_is_refused() {
    let mut bench = Bench::new(Config::default());
    let (alice, bob) = (bench.person("alice"), bench.person("bobby"));
    let elsewhere = Person::new("alice", chat_wire::ids::RelayId([9; 32]));
    let mut grown = bench.person("alice");
    let second = grown.add_device(2);
    let mut damaged = alice.list.clone();
    damaged[60] ^= 1;
    let cases = [elsewhere.list, bob.list, second, damaged, vec![], vec![0; 4000]];
    let connection = bench.open();
    bench.hello(connection);
    for list in cases {
        bench.ask(connection, register1(&alice, None));
        let mut register2 = alice.register2(kit::any_record());
        if let ClientMessage::Register2 { list: l, .. } = &mut register2 {
            *l = ByteBuf::from(list);
        }
        assert_eq!(bench.refusal(connection, register2), RefusalKind::BadList);
    }
    bench.register_on(connection, &alice);
}

#[test]
fn a_vault_must_be_the_one_that_the_list_names() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    let connection = bench.open();
    bench.hello(connection);
    for (vault, kind) in [(b"another".to_vec(), RefusalKind::BadList), (vec![1; 5000], RefusalKind::TooLarge)] {
        bench.ask(connection, register1(&alice, None));
        let mut register2 = alice.register2(kit::any_record());
        if let ClientMessage::Register2 { vault: v, .. } = &mut register2 {
            *v = ByteBuf::from(vault);
        }
        assert_eq!(bench.refusal(connection, register2), kind);
    }
}

#[test]
fn a_device_key_belongs_to_one_account() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    bench.register(&alice);
    let thief = bench.person("thief").with_devices_of(bench.person("alice"));
    let connection = bench.open();
    bench.hello(connection);
    bench.ask(connection, register1(&thief, None));
    assert_eq!(bench.refusal(connection, thief.register2(kit::any_record())), RefusalKind::BadList);
}

#[test]
fn a_closed_relay_takes_nobody_and_an_invite_works_as_often_as_it_says() {
    let mut closed = Bench::new(Config { registration: Registration::Closed, ..Config::default() });
    let alice = closed.person("alice");
    let connection = closed.open();
    closed.hello(connection);
    assert_eq!(closed.refusal(connection, register1(&alice, None)), RefusalKind::RegistrationClosed);

    let mut bench = Bench::new(Config { registration: Registration::Invite, ..Config::default() });
    let expires_ms = bench.now.wall_ms + 1_000;
    store::put_invite(bench.relay.storage(), invite_hash("code"), Invite { uses_left: 1, expires_ms });
    store::put_invite(bench.relay.storage(), invite_hash("old"), Invite { uses_left: 1, expires_ms: 1 });
    let (one, two) = (bench.open(), bench.open());
    bench.hello(one);
    bench.hello(two);
    let (alice, bob) = (bench.person("alice"), bench.person("bobby"));
    for bad in [None, Some("wrong"), Some("old"), Some("x".repeat(1_000).as_str())] {
        assert_eq!(bench.refusal(one, register1(&alice, bad)), RefusalKind::BadInvite);
    }
    assert!(matches!(bench.ask(one, register1(&alice, Some("code"))), ServerMessage::Register1Reply { .. }));
    assert!(matches!(bench.ask(two, register1(&bob, Some("code"))), ServerMessage::Register1Reply { .. }));
    assert!(matches!(bench.ask(one, alice.register2(kit::any_record())), ServerMessage::LoggedIn { .. }));
    let late = bench.ask(two, bob.register2(kit::any_record()));
    assert_ne!(refused(&late), RefusalKind::Unavailable, "used up between the two halves");
}

#[test]
fn a_proof_needs_the_right_key_connection_incarnation_and_a_listed_device() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    bench.register(&alice);
    let connection = bench.open();
    let ready = bench.hello(connection);
    let here = kit::binding(&ready, EXPORTER);
    let elsewhere = kit::binding(&ready, [1; 32]);
    let mut stranger = bench.person("alice");
    stranger.devices[0].key = bench.person("mallory").devices[0].key.clone();
    let mut newer = bench.person("alice");
    newer.devices[0].incarnation = 2;
    let nobody = bench.person("nobody");
    let mut unlisted = bench.person("alice");
    unlisted.add_device(2);
    for proof in [
        alice.proof(1, &elsewhere),
        stranger.proof(1, &here),
        newer.proof(1, &here),
        nobody.proof(1, &here),
        unlisted.proof(2, &here),
    ] {
        assert_eq!(bench.refusal(connection, proof), RefusalKind::NotEnrolled);
    }
    assert!(matches!(bench.ask(connection, alice.proof(1, &here)), ServerMessage::LoggedIn { .. }));
}

#[test]
fn the_right_password_opens_list_and_vault_and_then_a_new_device_may_enter() {
    let mut bench = Bench::new(Config::default());
    let mut alice = bench.person("alice");
    let first = register_with_password(&mut bench, &alice);
    let connection = bench.open();
    bench.hello(connection);
    let reply = try_password(&mut bench, connection, "alice", PASSWORD);
    let ServerMessage::PasswordOk { account, list, vault } = reply else { panic!("{reply:?}") };
    assert_eq!((account, &list[..], &vault[..]), (alice.account, &alice.list[..], kit::VAULT));
    assert_eq!(
        bench.refusal(connection, ClientMessage::Claim { account: Some(account), name: None, devices: vec![] }),
        RefusalKind::OutOfPlace
    );

    let list = ByteBuf::from(alice.add_device(2));
    let put = ClientMessage::PutDeviceList { list, vault: None };
    assert_eq!(bench.refusal(connection, put), RefusalKind::OutOfPlace);
    let reply = bench.ask(connection, alice.enroll(2));
    assert!(matches!(reply, ServerMessage::LoggedIn { list_seq: 2, boot: Some(_), .. }), "{reply:?}");
    assert!(!bench.is_closed(first), "the other device stays");
}

#[test]
fn an_unknown_name_and_a_wrong_password_are_answered_alike_step_by_step() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    register_with_password(&mut bench, &alice);
    let answers = ["alice", "nobody"].map(|name| {
        let connection = bench.open();
        bench.hello(connection);
        let ServerMessage::Ke2 { ke2, kp } = bench.ask(connection, ke1_of(name)) else { panic!() };
        let last = bench.ask(connection, ClientMessage::Ke3 { ke3: ByteBuf::from(vec![3; 64]) });
        (ke2.len(), kp, last)
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(refused(&answers[0].2), RefusalKind::BadCredentials);
    let connection = bench.open();
    bench.hello(connection);
    let wrong = try_password(&mut bench, connection, "alice", b"Wrong horse 7");
    assert_eq!(refused(&wrong), RefusalKind::BadCredentials);
}

#[test]
fn password_tries_run_out_for_known_and_unknown_names_alike_and_devices_still_get_in() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    register_with_password(&mut bench, &alice);
    for name in ["alice", "nobody"] {
        let mut tries = 0;
        loop {
            let connection = bench.open();
            bench.hello(connection);
            match bench.ask(connection, ke1_of(name)) {
                // A KE2 that nobody answers counts as a guess.
                ServerMessage::Ke2 { .. } => tries += 1,
                ServerMessage::Refused(Refusal { kind: RefusalKind::RateLimited, retry_ms }) => {
                    assert!(retry_ms > 0 && retry_ms <= 60_000);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(tries, 20, "{name}");
    }
    bench.login(&alice, 1);
    bench.pass_ms(60_000);
    let connection = bench.open();
    bench.hello(connection);
    prove_password(&mut bench, connection, &alice);
}

#[test]
fn a_logged_in_device_checks_its_own_password_and_stays_logged_in_whatever_others_guess() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    let device = register_with_password(&mut bench, &alice);
    let other = bench.person("bobby");
    bench.register(&other);
    for _ in 0..20 {
        let guesser = bench.open();
        bench.hello(guesser);
        bench.ask(guesser, ke1_of("alice"));
    }
    let right = try_password(&mut bench, device, "alice", PASSWORD);
    assert!(matches!(right, ServerMessage::PasswordOk { account, .. } if account == alice.account), "{right:?}");
    let wrong = try_password(&mut bench, device, "alice", b"Wrong horse 7");
    assert_eq!(refused(&wrong), RefusalKind::BadCredentials);
    assert_eq!(bench.refusal(device, ke1_of("bobby")), RefusalKind::Forbidden, "SPEC 9.5.3");
    let nothing_asked = ClientMessage::Ke3 { ke3: ByteBuf::from(vec![0; 64]) };
    assert_eq!(bench.refusal(device, nothing_asked), RefusalKind::OutOfPlace);
    assert!(matches!(bench.ask(device, alice.prekeys(1, 1, 1)), ServerMessage::PreKeysStored { .. }));
    for _ in 0..19 {
        bench.ask(device, ke1_of("alice"));
    }
    assert_eq!(bench.refusal(device, ke1_of("alice")), RefusalKind::RateLimited, "a stolen device guesses no faster");
}

#[test]
fn right_passwords_are_not_counted() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    register_with_password(&mut bench, &alice);
    for _ in 0..25 {
        let connection = bench.open();
        bench.hello(connection);
        prove_password(&mut bench, connection, &alice);
    }
}

#[test]
fn one_address_guesses_at_many_names_only_so_often() {
    let mut bench = Bench::new(Config::default());
    let origin = Origin::Address(AddressKey([1; 8]));
    let mut tries = 0;
    loop {
        let connection = bench.open_from(origin);
        bench.hello(connection);
        match bench.ask(connection, ke1_of(&format!("name{tries}"))) {
            ServerMessage::Ke2 { .. } => tries += 1,
            other => {
                assert_eq!(refused(&other), RefusalKind::RateLimited);
                break;
            }
        }
    }
    assert_eq!(tries, 40);
    let other = bench.open_from(Origin::Address(AddressKey([2; 8])));
    bench.hello(other);
    assert!(matches!(bench.ask(other, ke1_of("name0")), ServerMessage::Ke2 { .. }));
}

#[test]
fn a_disabled_account_is_cut_off_and_kept_out_and_comes_back_when_enabled() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    let connection = register_with_password(&mut bench, &alice);
    store::set_disabled(bench.relay.storage(), &alice.account, true);
    bench.pass_ms(1_000);
    assert!(bench.is_closed(connection));
    let again = bench.open();
    assert_eq!(refused(&bench.prove(again, &alice, 1)), RefusalKind::Forbidden);
    let by_password = bench.open();
    bench.hello(by_password);
    let reply = try_password(&mut bench, by_password, "alice", PASSWORD);
    assert_eq!(refused(&reply), RefusalKind::Forbidden);
    store::set_disabled(bench.relay.storage(), &alice.account, false);
    bench.pass_ms(1_000);
    bench.login(&alice, 1);
}

#[test]
fn the_password_profile_of_the_account_comes_with_ke2() {
    let mut bench = Bench::new(Config::default());
    let alice = bench.person("alice");
    let connection = bench.open();
    bench.hello(connection);
    bench.ask(connection, register1(&alice, None));
    let mut register2 = alice.register2(kit::any_record());
    if let ClientMessage::Register2 { kp, .. } = &mut register2 {
        *kp = 3;
    }
    assert_eq!(bench.refusal(connection, register2.clone()), RefusalKind::Malformed);
    bench.ask(connection, register1(&alice, None));
    if let ClientMessage::Register2 { kp, .. } = &mut register2 {
        *kp = Profile::Strong.number();
    }
    assert!(matches!(bench.ask(connection, register2), ServerMessage::LoggedIn { .. }));
    for (name, expected) in [("alice", 2), ("nobody", 1)] {
        let connection = bench.open();
        bench.hello(connection);
        let ServerMessage::Ke2 { kp, .. } = bench.ask(connection, ke1_of(name)) else { panic!() };
        assert_eq!(kp, expected);
    }
}
