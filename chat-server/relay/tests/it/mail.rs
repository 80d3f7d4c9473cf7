//! Sends, deliveries, acknowledgements.

use bytes::Bytes;
use chat_relay::limits::Limits;
use chat_relay::storage::StorageError;
use chat_relay::{Config, ConnectionId, Input, Output};
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, RequestKey};
use chat_wire::limits::DELIVERIES_UNDER_WAY_MAX;
use chat_wire::message::{ClientMessage, PacketHead, ServerMessage};
use serde_bytes::ByteBuf;

use crate::bench::Bench;
use crate::full_disk::FullDisk;
use crate::kit;

fn accepted(message: &ServerMessage) -> (u64, u64) {
    match message {
        ServerMessage::Accepted { now_ms, step } => (*now_ms, *step),
        other => panic!("{other:?}"),
    }
}

fn refusal_of(message: &ServerMessage) -> RefusalKind {
    match message {
        ServerMessage::Refused(refusal) => refusal.kind,
        other => panic!("{other:?}"),
    }
}

fn texts(bench: &mut Bench, connection: ConnectionId) -> Vec<String> {
    let delivered = bench.delivered(connection);
    delivered.into_iter().map(|(_, body)| String::from_utf8(body.to_vec()).unwrap()).collect()
}

#[test]
fn a_packet_reaches_a_connected_device_with_its_sender_and_place() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.pushed(b);
    let (now_ms, step) = accepted(&bench.send(a, 1, &bob, b"hello"));
    assert_eq!((now_ms, step), (bench.now.wall_ms, 1));
    let pushed = bench.pushed(b);
    assert_eq!(pushed.len(), 1);
    let expected = ServerMessage::Deliver { seq: 1, from: Some(alice.address(1)), sent_ms: now_ms };
    assert_eq!((&pushed[0].message, pushed[0].request, &pushed[0].body[..]), (&expected, 0, &b"hello"[..]));
}

#[test]
fn a_repeat_is_answered_like_the_first_and_delivered_once() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let first = accepted(&bench.send(a, 1, &bob, b"once"));
    accepted(&bench.send(a, 2, &bob, b"other"));
    bench.pass_ms(5_000);
    let (now_ms, step) = accepted(&bench.send(a, 1, &bob, b"once"));
    assert_eq!((now_ms, step), (first.0, 2));
    assert_eq!(texts(&mut bench, b), ["once", "other"]);
}

#[test]
fn a_step_that_another_life_of_the_device_took_is_refused_also_right_after_a_login() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    for number in 1..=3 {
        accepted(&bench.send(a, number, &bob, b"first life"));
    }
    let a = bench.login(&alice, 1);
    let (message, body) = kit::send(3, vec![bob.state()], &[bob.address(1)], b"second life");
    let ClientMessage::Send { step, lists, packets, .. } = message else { unreachable!() };
    let message = ClientMessage::Send { key: RequestKey([9; 16]), step, lists, packets };
    assert_eq!(refusal_of(&bench.ask_with(a, message, body).message), RefusalKind::Conflict);
    accepted(&bench.send(a, 4, &bob, b"next"));
    assert_eq!(texts(&mut bench, b), ["first life", "first life", "first life", "next"]);
}

#[test]
fn what_waits_is_delivered_in_order_at_login_then_the_mailbox_is_called_drained() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.take(Input::Closed(b));
    for number in 1..=5_u64 {
        bench.send(a, number, &bob, number.to_string().as_bytes());
    }
    let b = bench.login(&bob, 1);
    bench.send(a, 6, &bob, b"6");
    let pushed = bench.pushed(b);
    let order: Vec<String> = pushed
        .iter()
        .map(|frame| match &frame.message {
            ServerMessage::Deliver { .. } => String::from_utf8(frame.body.to_vec()).unwrap(),
            ServerMessage::Drained {} => "drained".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, ["1", "2", "3", "4", "5", "drained", "6"]);
    let empty = bench.login(&bob, 1);
    bench.tell(empty, ClientMessage::Ack { seq: 6 });
    let again = bench.login(&bob, 1);
    let pushed = bench.pushed(again);
    assert_eq!(pushed.len(), 1, "everything was acknowledged");
    assert_eq!(pushed[0].message, ServerMessage::Drained {});
}

#[test]
fn what_was_not_acknowledged_comes_again_and_what_was_does_not() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    for number in 1..=4_u64 {
        bench.send(a, number, &bob, number.to_string().as_bytes());
    }
    assert_eq!(texts(&mut bench, b), ["1", "2", "3", "4"]);
    bench.tell(b, ClientMessage::Ack { seq: 2 });
    let b = bench.login(&bob, 1);
    assert_eq!(texts(&mut bench, b), ["3", "4"]);
    bench.tell(b, ClientMessage::Ack { seq: u64::MAX });
    bench.send(a, 5, &bob, b"5");
    let b = bench.login(&bob, 1);
    assert_eq!(texts(&mut bench, b), ["5"], "nobody acknowledges what was not delivered yet");
}

#[test]
fn a_reader_that_does_not_acknowledge_gets_one_window_and_the_rest_in_order_later() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let total = DELIVERIES_UNDER_WAY_MAX as u64 * 3;
    for number in 1..=total {
        accepted(&bench.send(a, number, &bob, number.to_string().as_bytes()));
    }
    let mut got = bench.delivered(b);
    assert_eq!(got.len(), DELIVERIES_UNDER_WAY_MAX);
    while (got.len() as u64) < total {
        let last = got.last().unwrap().0;
        bench.tell(b, ClientMessage::Ack { seq: last - 100 });
        let more = bench.delivered(b);
        assert!(!more.is_empty(), "stuck at {last}");
        got.extend(more);
    }
    let places: Vec<u64> = got.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(places, (1..=total).collect::<Vec<_>>());
}

#[test]
fn large_packets_under_way_are_bounded_by_their_bytes() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let large = vec![1; 90 * 1024];
    for number in 1..=100_u64 {
        accepted(&bench.send(a, number, &bob, &large));
    }
    let under_way = bench.delivered(b).len();
    assert!(under_way < 30, "{under_way} × 90 KiB wait for one reader");
}

#[test]
fn a_send_with_an_old_list_or_without_a_device_is_given_the_current_lists() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (mut bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let old = bob.state();
    let list = bob.add_device(2);
    bench.ask(b, ClientMessage::PutDeviceList { list: ByteBuf::from(list.clone()), vault: None });
    let stale = ServerMessage::StaleDevices { lists: vec![ByteBuf::from(list)] };
    let both = [bob.address(1), bob.address(2)];
    let mut number = 0;
    let mut send = |bench: &mut Bench, lists, to: &[DeviceAddress]| {
        number += 1;
        let (message, body) = kit::send(number, lists, to, b"x");
        bench.ask_with(a, message, body).message
    };
    assert_eq!(send(&mut bench, vec![old], &both), stale);
    accepted(&send(&mut bench, vec![bob.state()], &both[..1]));
    let b2 = bench.login(&bob, 2);
    bench.ask(b2, bob.prekeys(2, 1, 1));
    assert_eq!(send(&mut bench, vec![bob.state()], &both[..1]), stale, "the new device can be reached now");
    assert_eq!(send(&mut bench, vec![bob.state()], &[bob.address(1), bob.address(2), bob.address(3)]), stale);
    assert_eq!(send(&mut bench, vec![], &[bob.address(7)]), stale);
    accepted(&send(&mut bench, vec![bob.state()], &both));
    accepted(&send(&mut bench, vec![], &both[1..]));
    assert_eq!(texts(&mut bench, b), ["x", "x"]);
    assert_eq!(texts(&mut bench, b2), ["x", "x"]);
}

#[test]
fn ones_own_other_devices_are_part_of_a_send() {
    let mut bench = Bench::new(Config::default());
    let ((mut alice, a1), (bob, _)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.ask(a1, ClientMessage::PutDeviceList { list: ByteBuf::from(alice.add_device(2)), vault: None });
    let a2 = bench.login(&alice, 2);
    bench.ask(a2, alice.prekeys(2, 1, 1));
    let lists = vec![bob.state(), alice.state()];
    let (message, body) = kit::send(1, lists.clone(), &[bob.address(1)], b"x");
    let reply = bench.ask_with(a1, message, body).message;
    assert!(matches!(reply, ServerMessage::StaleDevices { .. }), "{reply:?}");
    let (message, body) = kit::send(2, lists, &[bob.address(1), alice.address(2)], b"x");
    accepted(&bench.ask_with(a1, message, body).message);
    assert_eq!(texts(&mut bench, a2), ["x"]);
}

#[test]
fn a_note_to_oneself_with_one_device_goes_nowhere_and_is_accepted() {
    let mut bench = Bench::new(Config::default());
    let (alice, a) = bench.reachable("alice");
    let (message, body) = kit::send(1, vec![alice.state()], &[], b"");
    accepted(&bench.ask_with(a, message, body).message);
}

#[test]
fn several_packets_of_one_send_for_one_device_keep_their_order() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let packets = [3, 2, 1].map(|len| PacketHead { to: bob.address(1), len }).to_vec();
    let message = ClientMessage::Send { key: RequestKey([4; 16]), step: 1, lists: vec![bob.state()], packets };
    accepted(&bench.ask_with(a, message, Bytes::from_static(b"abcdef")).message);
    assert_eq!(texts(&mut bench, b), ["abc", "de", "f"]);
}

#[test]
fn a_send_whose_lengths_lie_or_that_goes_to_too_many_is_refused_and_delivers_nothing() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let (carol, _) = bench.reachable("carol");
    let (dave, _) = bench.reachable("dave");
    let send = |bench: &mut Bench, lens: &[(DeviceAddress, u32)], body: &'static [u8]| {
        let packets = lens.iter().map(|(to, len)| PacketHead { to: *to, len: *len }).collect();
        let message = ClientMessage::Send { key: RequestKey([9; 16]), step: 1, lists: vec![], packets };
        refusal_of(&bench.ask_with(a, message, Bytes::from_static(body)).message)
    };
    let to = bob.address(1);
    assert_eq!(send(&mut bench, &[(to, 4)], b"abc"), RefusalKind::Malformed);
    assert_eq!(send(&mut bench, &[(to, 2)], b"abc"), RefusalKind::Malformed);
    assert_eq!(send(&mut bench, &[(to, u32::MAX)], b"abc"), RefusalKind::Malformed);
    assert_eq!(send(&mut bench, &[(to, 1), (to, u32::MAX)], b"abc"), RefusalKind::Malformed);
    assert_eq!(send(&mut bench, &[(alice.address(1), 3)], b"abc"), RefusalKind::Malformed);
    let three = [(to, 1), (carol.address(1), 1), (dave.address(1), 1)];
    assert_eq!(send(&mut bench, &three, b"abc"), RefusalKind::TooLarge);
    let nobody = DeviceAddress { account: AccountId([5; 32]), device: DeviceId(1) };
    assert_eq!(send(&mut bench, &[(nobody, 3)], b"abc"), RefusalKind::UnknownUser);
    assert_eq!(texts(&mut bench, b), Vec::<String>::new());
}

#[test]
fn a_full_mailbox_is_said_so_unless_another_device_of_the_person_takes_the_mail() {
    let limits = Limits { mailbox_entries_max: 3, ..Limits::default() };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    let ((_, a), (mut bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    for number in 1..=3 {
        accepted(&bench.send(a, number, &bob, b"x"));
    }
    assert_eq!(refusal_of(&bench.send(a, 4, &bob, b"x")), RefusalKind::MailboxFull);
    bench.tell(b, ClientMessage::Ack { seq: 1 });
    accepted(&bench.send(a, 5, &bob, b"y"));
    bench.ask(b, ClientMessage::PutDeviceList { list: ByteBuf::from(bob.add_device(2)), vault: None });
    let b2 = bench.login(&bob, 2);
    bench.ask(b2, bob.prekeys(2, 1, 1));
    accepted(&bench.send(a, 6, &bob, b"z"));
    assert_eq!(texts(&mut bench, b2), ["z"]);
    assert_eq!(texts(&mut bench, b), ["x", "x", "x", "y"]);
}

#[test]
fn mail_older_than_the_retention_is_gone_and_its_places_are_not_used_again() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.take(Input::Closed(b));
    bench.send(a, 1, &bob, b"old");
    bench.now.wall_ms += Limits::default().retention_ms + 1;
    bench.pass_ms(61_000);
    let (alice, _) = (bench.person("alice"), ());
    let a = bench.login(&alice, 1);
    bench.send(a, 2, &bob, b"new");
    let b = bench.login(&bob, 1);
    assert_eq!(bench.delivered(b), [(2, Bytes::from_static(b"new"))]);
}

#[test]
fn a_burst_over_the_limit_is_refused_with_a_time_to_come_back_and_repeats_are_free() {
    let limits = Limits { sends: chat_relay::limits::Allowance::per_minute(3, 60), ..Limits::default() };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    let ((_, a), (bob, _)) = (bench.reachable("alice"), bench.reachable("bobby"));
    for number in [1, 2, 1, 3, 1, 1] {
        accepted(&bench.send(a, number, &bob, b"x"));
    }
    let ServerMessage::Refused(refusal) = bench.send(a, 4, &bob, b"x") else { panic!() };
    assert_eq!((refusal.kind, refusal.retry_ms), (RefusalKind::RateLimited, 1_000));
    bench.pass_ms(1_000);
    accepted(&bench.send(a, 4, &bob, b"x"));
}

#[test]
fn ephemeral_packets_pass_between_mutual_contacts_and_are_never_kept() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let ephemeral = |to: DeviceAddress| ClientMessage::Ephemeral { packets: vec![PacketHead { to, len: 3 }] };
    bench.pushed(b);
    let say = |bench: &mut Bench| bench.tell_with(a, ephemeral(bob.address(1)), Bytes::from_static(b"typ"));
    bench.ask(a, ClientMessage::SetContacts { accounts: vec![bob.account] });
    say(&mut bench);
    assert!(bench.pushed(b).is_empty(), "bob does not know alice");
    bench.ask(b, ClientMessage::SetContacts { accounts: vec![alice.account] });
    say(&mut bench);
    let pushed = bench.pushed(b);
    assert_eq!(pushed.len(), 1);
    assert_eq!(pushed[0].message, ServerMessage::DeliverEphemeral { from: Some(alice.address(1)) });
    assert_eq!(&pushed[0].body[..], b"typ");
    bench.take(Input::Closed(b));
    say(&mut bench);
    let b = bench.login(&bob, 1);
    assert_eq!(bench.delivered(b), []);
    bench.outputs.clear();
    for _ in 0..1_000 {
        say(&mut bench);
    }
    assert!(bench.pushed(b).len() <= 60, "a flood is thinned out, silently");
}

#[test]
fn when_the_disk_is_full_nothing_is_accepted_nothing_is_shown_and_idle_clients_stay() {
    let mut bench = Bench::on(FullDisk::default(), Config::default());
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.outputs.clear();
    bench.relay.storage().full = true;
    let (message, body) = kit::send(1, vec![bob.state()], &[bob.address(1)], b"lost");
    let frame = |request, message, body| chat_wire::frame::Frame::with_body(request, message, body);
    let now = bench.now;
    bench.relay.handle(now, Input::Frame(a, frame(70, message.clone(), body.clone())));
    bench.relay.handle(now, Input::Frame(b, frame(71, ClientMessage::Heartbeat {}, Bytes::new())));
    bench.flush();
    assert!(bench.outputs.contains(&Output::Trouble(StorageError::Full)));
    let to_alice = bench.pushed(a);
    assert_eq!(refusal_of(&to_alice[0].message), RefusalKind::Unavailable);
    assert!(bench.is_closed(a), "what it knows may be gone: it logs in again");
    let to_bob = bench.pushed(b);
    assert_eq!(to_bob.len(), 1);
    assert_eq!(to_bob[0].message, ServerMessage::Heartbeat {});
    assert!(!bench.is_closed(b));

    bench.relay.storage().full = false;
    let a = bench.login(&alice, 1);
    accepted(&bench.ask_with(a, message, body).message);
    assert_eq!(bench.delivered(b), [(2, Bytes::from_static(b"lost"))], "once, in a place that was never given");
}

#[test]
fn a_clock_that_jumps_a_year_ahead_and_back_costs_nobody_mail_and_nobody_the_connection() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.take(Input::Closed(b));
    bench.send(a, 1, &bob, b"before");
    // Somebody beats, so that the time that passes is not silence.
    let pass = |bench: &mut Bench| {
        for _ in 0..14 {
            bench.tell(a, ClientMessage::Heartbeat {});
            bench.pass_ms(5_000);
        }
    };
    pass(&mut bench);
    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;
    bench.now.wall_ms += YEAR_MS;
    pass(&mut bench);
    bench.send(a, 2, &bob, b"ahead");
    bench.now.wall_ms -= 2 * YEAR_MS;
    pass(&mut bench);
    bench.send(a, 3, &bob, b"back");
    assert!(!bench.is_closed(a));
    let b = bench.login(&bob, 1);
    let texts: Vec<Bytes> = bench.delivered(b).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["before", "ahead", "back"]);
}
