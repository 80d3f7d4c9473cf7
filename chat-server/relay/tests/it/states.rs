//! What is refused in which state, and what ends a connection.

use chat_relay::{Config, ConnectionId, Input, Output};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::{Frame, FrameError};
use chat_wire::ids::{AccountId, BootId, DeviceId, RequestKey, RoomName};
use chat_wire::keys::Signature;
use chat_wire::message::{AccountAsk, ClientMessage, PresenceStatus, RoomAsk, ServerMessage};
use serde_bytes::ByteBuf;

use crate::bench::{Bench, EXPORTER, register1};
use crate::kit::{self, Person};

const STAGES: [&str; 7] =
    ["fresh", "greeted", "registering", "awaiting ke3", "recovering", "password proven", "logged in"];

/// One message of each kind, and the states in which it is due.
fn table(person: &Person) -> Vec<(ClientMessage, &'static [&'static str])> {
    const ANY_TRY: &[&str] = &["greeted", "registering", "awaiting ke3", "recovering", "password proven"];
    const KE1: &[&str] = &["greeted", "registering", "awaiting ke3", "recovering", "password proven", "logged in"];
    const PROOF: &[&str] = &["greeted", "registering", "awaiting ke3", "recovering", "password proven"];
    const ACCOUNT: &[&str] = &["password proven", "logged in"];
    const ALIVE: &[&str] = &["greeted", "registering", "awaiting ke3", "recovering", "password proven", "logged in"];
    const DEVICE: &[&str] = &["logged in"];
    let bytes = |n: usize| ByteBuf::from(vec![1; n]);
    let signature = Signature([1; 64]);
    let enroll = AccountAsk::Enroll { list: bytes(9), device: DeviceId(2), boot: BootId([2; 16]) };
    let key = chat_wire::keys::VerifyKey([1; 32]);
    let ask_in = AccountAsk::AskIn { device: DeviceId(2), key };
    let answer_in = AccountAsk::AnswerIn { device: DeviceId(2), key, allow: true };
    let binding = chat_wire::message::ChannelBinding { challenge: [0; 32], exporter: EXPORTER };
    vec![
        (ClientMessage::Hello { versions: vec![1], features: vec![] }, &["fresh"]),
        (register1(person, None), ANY_TRY),
        (person.register2(kit::any_record()), &["registering"]),
        (ClientMessage::Ke1 { name: person.name.clone(), ke1: bytes(96) }, KE1),
        (ClientMessage::Ke3 { ke3: bytes(64) }, &["awaiting ke3"]),
        (person.proof(1, &binding), PROOF),
        (ClientMessage::PutBoot { expected: None, new: BootId([2; 16]) }, DEVICE),
        (ClientMessage::PutDeviceList { list: bytes(9), vault: None }, DEVICE),
        (ClientMessage::FetchLists { account: AccountId([0; 32]), after_seq: 0 }, ACCOUNT),
        (ClientMessage::PutPreKeys { signed: None, last_resort: None, pairs: vec![] }, DEVICE),
        (ClientMessage::Claim { account: None, name: None, devices: vec![] }, DEVICE),
        (ClientMessage::Send { key: RequestKey([1; 16]), step: 1, lists: vec![], packets: vec![] }, DEVICE),
        (ClientMessage::Ephemeral { packets: vec![] }, DEVICE),
        (ClientMessage::Ack { seq: 0 }, DEVICE),
        (ClientMessage::Heartbeat {}, ALIVE),
        (ClientMessage::SetPresence { status: PresenceStatus::Online }, DEVICE),
        (ClientMessage::SetContacts { accounts: vec![] }, DEVICE),
        (ClientMessage::Find { query: "a".to_owned(), limit: 1 }, DEVICE),
        (ClientMessage::GetRecord {}, ACCOUNT),
        (ClientMessage::PutRecord { expected: 0, version: 1 }, DEVICE),
        (ClientMessage::GetVault {}, ACCOUNT),
        (ClientMessage::Logout {}, ACCOUNT),
        (ClientMessage::Account(enroll), &["password proven"]),
        (ClientMessage::Account(AccountAsk::Recover1 { name: person.name.clone() }), ANY_TRY),
        (ClientMessage::Account(AccountAsk::Recover2 { name: person.name.clone(), signature }), &["recovering"]),
        (ClientMessage::Account(AccountAsk::NewPassword1 { request: bytes(32) }), ACCOUNT),
        (ClientMessage::Account(AccountAsk::Delete { signature }), DEVICE),
        (ClientMessage::Account(ask_in), &["password proven"]),
        (ClientMessage::Account(answer_in), DEVICE),
        (ClientMessage::Room(RoomAsk::Info { name: RoomName::parse("some").unwrap() }), DEVICE),
    ]
}

/// A connection in a state.
fn reach(bench: &mut Bench, stage: &str, known: &Person) -> ConnectionId {
    let connection = bench.open();
    if stage == "fresh" {
        return connection;
    }
    if stage == "logged in" {
        let reply = bench.prove(connection, known, 1);
        assert!(matches!(reply, ServerMessage::LoggedIn { .. }));
        return connection;
    }
    bench.hello(connection);
    match stage {
        "registering" => drop(bench.ask(connection, register1(&bench.person("somebody"), None))),
        "awaiting ke3" => {
            let ke1 = crate::accounts::ke1_of(known.name.as_str());
            assert!(matches!(bench.ask(connection, ke1), ServerMessage::Ke2 { .. }));
        }
        "recovering" => {
            let ask = ClientMessage::Account(AccountAsk::Recover1 { name: known.name.clone() });
            assert!(matches!(bench.ask(connection, ask), ServerMessage::Account(_)));
        }
        "password proven" => crate::accounts::prove_password(bench, connection, known),
        _ => {}
    }
    connection
}

#[test]
fn every_message_is_refused_in_every_state_in_which_it_is_not_due() {
    let mut bench = Bench::new(Config::default());
    let known = bench.person("known");
    crate::accounts::register_with_password(&mut bench, &known);
    let rows = table(&known).len();
    for row in 0..rows {
        for stage in STAGES {
            let connection = reach(&mut bench, stage, &known);
            bench.outputs.clear();
            let (message, due) = table(&known).swap_remove(row);
            let text = format!("{message:?} when {stage}");
            bench.take(Input::Frame(connection, Frame::new(77, message)));
            let refused = bench.outputs.iter().any(|output| {
                let refusal = ServerMessage::Refused(Refusal::of(RefusalKind::OutOfPlace));
                matches!(output, Output::Send(to, frame) if *to == connection && frame.message == refusal)
            });
            assert_eq!(refused, !due.contains(&stage), "{}", text.chars().take(80).collect::<String>());
            let closed = bench.is_closed(connection);
            if stage == "fresh" && refused {
                assert!(closed, "who does not greet is sent away");
            } else if refused {
                assert!(!closed, "{text}");
            }
            bench.take(Input::Closed(connection));
            bench.pass_ms(60_000);
        }
    }
}

#[test]
fn a_client_of_another_version_is_told_so_and_sent_away() {
    let mut bench = Bench::new(Config::default());
    let connection = bench.open();
    let hello = ClientMessage::Hello { versions: vec![2, 3], features: vec![] };
    assert_eq!(bench.refusal(connection, hello), RefusalKind::Version);
    assert!(bench.is_closed(connection));
    for features in [vec!["x".to_owned(); 33], vec!["x".repeat(33)]] {
        let connection = bench.open();
        let hello = ClientMessage::Hello { versions: vec![1], features };
        assert_eq!(bench.refusal(connection, hello), RefusalKind::Malformed);
        assert!(bench.is_closed(connection));
    }
}

#[test]
fn the_greeting_is_signed_by_the_relay_over_this_connections_exporter() {
    use chat_wire::domain::SIG_READY;
    use chat_wire::message::ready_bytes;
    let mut bench = Bench::new(Config::default());
    let (one, two) = (bench.open(), bench.open());
    let (first, second) = (bench.hello(one), bench.hello(two));
    let ServerMessage::Ready { relay_key, signature, version, .. } = &first else { panic!("{first:?}") };
    let binding = kit::binding(&first, EXPORTER);
    assert!(relay_key.verifies(SIG_READY, &[&ready_bytes(&binding, *version)], signature));
    let elsewhere = kit::binding(&first, [7; 32]);
    assert!(!relay_key.verifies(SIG_READY, &[&ready_bytes(&elsewhere, *version)], signature));
    assert_ne!(binding.challenge, kit::binding(&second, EXPORTER).challenge);
}

#[test]
fn bytes_that_are_no_frame_close_the_connection_and_an_unknown_message_does_not() {
    let mut bench = Bench::new(Config::default());
    let (alice, connection) = bench.reachable("alice");
    bench.take(Input::Unreadable(connection, FrameError::Unknown { request: 5 }));
    let refused = bench.pushed(connection);
    let unsupported = refused.iter().find(|f| f.request == 5).expect("an answer");
    assert_eq!(unsupported.message, ServerMessage::Refused(Refusal::of(RefusalKind::Unsupported)));
    assert!(!bench.is_closed(connection));

    for (error, kind) in [
        (FrameError::Malformed, RefusalKind::Malformed),
        (FrameError::TooLarge { bytes: 9, limit: 8 }, RefusalKind::TooLarge),
    ] {
        let connection = bench.login(&alice, 1);
        bench.pushed(connection);
        bench.take(Input::Unreadable(connection, error));
        let frames = bench.pushed(connection);
        assert_eq!(frames[0].message, ServerMessage::Refused(Refusal::of(kind)));
        assert!(bench.is_closed(connection));
        bench.take(Input::Frame(connection, Frame::new(9, ClientMessage::Heartbeat {})));
        assert!(bench.pushed(connection).is_empty(), "nothing more is read from it");
    }
}

#[test]
fn who_is_refused_too_often_before_logging_in_is_sent_away() {
    let mut bench = Bench::new(Config::default());
    let connection = bench.open();
    bench.hello(connection);
    for tries in 1.. {
        assert_eq!(bench.refusal(connection, ClientMessage::GetVault {}), RefusalKind::OutOfPlace);
        assert!(tries <= 16, "never sent away");
        if bench.is_closed(connection) {
            break;
        }
    }
}

#[test]
fn a_connection_that_does_not_log_in_is_closed_in_time_and_a_logged_in_one_is_not() {
    let mut bench = Bench::new(Config::default());
    let (_, alice) = bench.reachable("alice");
    let (silent, greeted) = (bench.open(), bench.open());
    bench.hello(greeted);
    bench.pass_ms(20_000);
    bench.ask(alice, ClientMessage::Heartbeat {});
    bench.ask(greeted, ClientMessage::Heartbeat {});
    assert!(!bench.is_closed(silent) && !bench.is_closed(greeted));
    bench.pass_ms(2_000);
    assert!(bench.is_closed(silent), "8 s of these 30 are the TLS handshake's");
    assert!(bench.is_closed(greeted), "a heartbeat is no login");
    assert!(!bench.is_closed(alice));
}

#[test]
fn a_dead_peer_is_closed_when_it_has_been_silent_for_long() {
    let mut bench = Bench::new(Config::default());
    let (_, alice) = bench.reachable("alice");
    bench.pass_ms(29_000);
    assert!(!bench.is_closed(alice));
    bench.pass_ms(1_000);
    assert!(bench.is_closed(alice));
    assert_eq!(bench.relay.logins(), 0);
}
