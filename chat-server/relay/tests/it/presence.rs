//! Presence, in the time that the test makes.

use chat_relay::{Config, ConnectionId, Input};
use chat_wire::frame::Frame;
use chat_wire::message::{ClientMessage, PresenceStatus, ServerMessage};
use serde_bytes::ByteBuf;

use crate::bench::Bench;
use crate::kit::Person;

fn contacts(bench: &mut Bench, connection: ConnectionId, people: &[&Person]) {
    let accounts = people.iter().map(|p| p.account).collect();
    bench.ask(connection, ClientMessage::SetContacts { accounts });
}

fn show(bench: &mut Bench, connection: ConnectionId, status: PresenceStatus) {
    bench.ask(connection, ClientMessage::SetPresence { status });
}

/// Two people who know each other and are online.
fn friends() -> (Bench, (Person, ConnectionId), (Person, ConnectionId)) {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    contacts(&mut bench, a, &[&bob]);
    contacts(&mut bench, b, &[&alice]);
    show(&mut bench, a, PresenceStatus::Online);
    show(&mut bench, b, PresenceStatus::Online);
    bench.outputs.clear();
    (bench, (alice, a), (bob, b))
}

fn beat(bench: &mut Bench, connection: ConnectionId) {
    bench.ask(connection, ClientMessage::Heartbeat {});
}

#[test]
fn a_heartbeat_without_a_number_keeps_a_client_online_and_wakes_nobody() {
    let (mut bench, (_, a), (_, b)) = friends();
    for _ in 0..5 {
        bench.pass_ms(3_000);
        for connection in [a, b] {
            bench.take(Input::Frame(connection, Frame::new(0, ClientMessage::Heartbeat {})));
            assert!(bench.pushed(connection).is_empty());
        }
    }
}

#[test]
fn presence_flows_once_each_has_the_other_and_not_before() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    show(&mut bench, a, PresenceStatus::Online);
    show(&mut bench, b, PresenceStatus::Away);
    contacts(&mut bench, a, &[&bob]);
    assert!(bench.presence(a).is_empty() && bench.presence(b).is_empty());
    contacts(&mut bench, b, &[&alice]);
    assert_eq!(bench.presence(b), [true]);
    let told = bench.pushed(a).pop().unwrap().message;
    let ServerMessage::Presence { account, online, status, .. } = told else { panic!("{told:?}") };
    assert_eq!((account, online, status), (bob.account, true, PresenceStatus::Away));
    show(&mut bench, b, PresenceStatus::Online);
    assert_eq!(bench.presence(a), [true]);
}

#[test]
fn a_silent_client_is_offline_within_nine_seconds_and_not_within_seven_and_any_frame_brings_it_back() {
    let (mut bench, (_, a), (bob, b)) = friends();
    bench.pass_ms(4_000);
    beat(&mut bench, a);
    bench.pass_ms(3_000);
    assert_eq!(bench.presence(a), [] as [bool; 0], "two heartbeats may be lost");
    beat(&mut bench, a);
    bench.pass_ms(2_000);
    assert_eq!(bench.presence(a), [false], "a second is left of the ten for a busy machine");
    bench.ask(b, ClientMessage::FetchLists { account: bob.account, after_seq: 0 });
    assert_eq!(bench.presence(a), [true]);
}

#[test]
fn a_large_frame_over_a_slow_line_keeps_its_sender_online() {
    let (mut bench, (_, a), (_, b)) = friends();
    for _ in 0..20 {
        bench.pass_ms(3_000);
        beat(&mut bench, a);
        bench.take(Input::Heard(b));
    }
    assert!(bench.presence(a).is_empty());
    assert!(!bench.is_closed(b));
}

#[test]
fn a_client_that_beats_every_three_seconds_stays_online() {
    let (mut bench, (_, a), (_, b)) = friends();
    for _ in 0..40 {
        bench.pass_ms(3_000);
        beat(&mut bench, a);
        beat(&mut bench, b);
    }
    assert!(bench.presence(a).is_empty() && bench.presence(b).is_empty());
}

#[test]
fn logout_and_a_closed_connection_show_at_once() {
    let (mut bench, (_, a), (bob, b)) = friends();
    assert_eq!(bench.ask(b, ClientMessage::Logout {}), ServerMessage::Done {});
    assert_eq!(bench.presence(a), [false]);
    assert!(bench.is_closed(b));
    let b = bench.login(&bob, 1);
    let alice = bench.person("alice");
    contacts(&mut bench, b, &[&alice]);
    show(&mut bench, b, PresenceStatus::Online);
    assert_eq!(bench.presence(a), [true]);
    bench.take(Input::Closed(b));
    assert_eq!(bench.presence(a), [false]);
}

#[test]
fn an_invisible_person_is_offline_to_all_never_flashes_up_and_still_sees_others() {
    let (mut bench, (alice, a), (bob, b)) = friends();
    show(&mut bench, b, PresenceStatus::Invisible);
    let gone = bench.pushed(a).pop().unwrap().message;
    bench.take(Input::Closed(b));
    assert_eq!(bench.presence(a), [] as [bool; 0], "leaving changes nothing any more");
    let b = bench.login(&bob, 1);
    contacts(&mut bench, b, &[&alice]);
    assert_eq!(bench.presence(a), [] as [bool; 0], "not seen before it says how it wants to be seen");
    assert_eq!(bench.presence(b), [true]);
    show(&mut bench, b, PresenceStatus::Invisible);
    let find = ClientMessage::Find { query: "bobby".to_owned(), limit: 1 };
    let ServerMessage::Found { users } = bench.ask(a, find.clone()) else { panic!() };
    assert!(!users[0].online);
    show(&mut bench, b, PresenceStatus::Online);
    assert_eq!(bench.presence(a), [true]);
    let ServerMessage::Found { users } = bench.ask(a, find) else { panic!() };
    assert!(users[0].online);
    // Word for word the same as when somebody leaves.
    bench.ask(b, ClientMessage::Logout {});
    let left = bench.pushed(a).pop().unwrap().message;
    let strip = |message| match message {
        ServerMessage::Presence { account, online, status, .. } => (account, online, status),
        other => panic!("{other:?}"),
    };
    assert_eq!(strip(gone), strip(left));
}

#[test]
fn taking_somebody_off_the_contacts_darkens_both_sides() {
    let (mut bench, (_, a), (_, b)) = friends();
    contacts(&mut bench, a, &[]);
    assert_eq!(bench.presence(a), [false]);
    assert_eq!(bench.presence(b), [false]);
    bench.take(Input::Closed(a));
    assert_eq!(bench.presence(b), [] as [bool; 0]);
}

#[test]
fn a_stranger_never_learns_anything() {
    let (mut bench, (alice, a), _) = friends();
    let (_, eve) = bench.reachable("eve");
    show(&mut bench, eve, PresenceStatus::Online);
    contacts(&mut bench, eve, &[&alice]);
    show(&mut bench, a, PresenceStatus::Away);
    let find = ClientMessage::Find { query: "alice".to_owned(), limit: 1 };
    let ServerMessage::Found { users } = bench.ask(eve, find) else { panic!() };
    assert!(!users[0].online);
    bench.take(Input::Closed(a));
    assert!(bench.presence(eve).is_empty());
}

#[test]
fn a_person_is_online_while_one_of_the_devices_is_and_a_new_device_learns_who_is_there() {
    let (mut bench, (_, a), (mut bob, b1)) = friends();
    bench.ask(b1, ClientMessage::PutDeviceList { list: ByteBuf::from(bob.add_device(2)), vault: None });
    let b2 = bench.login(&bob, 2);
    let alice = bench.person("alice");
    contacts(&mut bench, b2, &[&alice]);
    assert_eq!(bench.presence(b2), [true]);
    show(&mut bench, b2, PresenceStatus::Away);
    bench.take(Input::Closed(b1));
    assert_eq!(bench.presence(a), [true], "online, now as away");
    bench.take(Input::Closed(b2));
    assert_eq!(bench.presence(a), [false]);
}

#[test]
fn a_change_of_networks_is_no_coming_and_going() {
    let (mut bench, (_, a), (bob, old)) = friends();
    let new = bench.login(&bob, 1);
    bench.take(Input::Closed(old));
    let alice = bench.person("alice");
    contacts(&mut bench, new, &[&alice]);
    show(&mut bench, new, PresenceStatus::Online);
    assert_eq!(bench.presence(a), [] as [bool; 0]);
}
