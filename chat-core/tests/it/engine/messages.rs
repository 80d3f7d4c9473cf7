//! Messages: order, status, size, addressing.

use chat_core::engine::{Answer, Command, FailureKind, MessageStatus, Query, Reply};

use super::world::{World, send};

#[test]
fn the_first_message_to_somebody_offline_works_at_once_and_waits_there() {
    let mut world = World::with(10, &["alice", "bob"]);
    world.kill("bob");
    let id = world.say("alice", "bob", "are you there?");
    assert_eq!(world.status_of("alice", id), MessageStatus::Sent);
    world.open("bob");
    world.connect("bob");
    assert_eq!(world.requests("bob")[0].preview, "are you there?");
}

#[test]
fn a_conversation_goes_both_ways_and_every_text_arrives_as_it_was_sent() {
    let mut world = World::friends(11);
    for n in 0..100 {
        world.say("alice", "bob", &format!("a{n} 🙂\u{202e}\n\t\"\\"));
        world.say("bob", "alice", &format!("b{n}"));
    }
    world.pass(2_000);
    let expected: Vec<String> =
        ["hello".into()].into_iter().chain((0..100).map(|n| format!("a{n} 🙂\u{202e}\n\t\"\\"))).collect();
    assert_eq!(world.heard("bob"), expected);
    assert_eq!(world.read("alice"), (0..100).map(|n| format!("b{n}")).collect::<Vec<_>>());
}

#[test]
fn a_burst_written_offline_arrives_once_and_in_order() {
    let mut world = World::friends(12);
    world.cut("alice");
    for n in 0..500 {
        world.say("alice", "bob", &n.to_string());
    }
    assert_eq!(world.status("alice").outbox, 500);
    world.connect("alice");
    world.pass(5_000);
    assert_eq!(world.heard("bob")[1..], (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(world.status("alice").outbox, 0);
    let sends = world.relay.log.iter().filter(|message| *message == "Send").count();
    assert!(sends < 60, "contents share sends: {sends}");
}

#[test]
fn a_message_has_the_same_id_everywhere_and_its_status_only_goes_up() {
    let mut world = World::friends(13);
    let id = world.say("alice", "bob", "one");
    world.pass(1_500);
    assert_eq!(world.status_of("alice", id), MessageStatus::Delivered);
    assert!(world.client("bob").disk.history.iter().any(|message| message.id == id && !message.outgoing));
    world.ok("bob", Command::MarkRead { with: "alice".into(), id });
    world.pass(1_500);
    assert_eq!(world.status_of("alice", id), MessageStatus::Read);
    assert_eq!(world.receipts("alice", id), vec![MessageStatus::Sent, MessageStatus::Delivered, MessageStatus::Read]);
}

#[test]
fn reading_marks_everything_up_to_there_and_nothing_after() {
    let mut world = World::friends(14);
    let ids: Vec<_> = (0..10).map(|n| world.say("alice", "bob", &n.to_string())).collect();
    world.ok("bob", Command::MarkRead { with: "alice".into(), id: ids[6] });
    world.pass(3_000);
    for (n, id) in ids.iter().enumerate() {
        let expected = if n <= 6 { MessageStatus::Read } else { MessageStatus::Delivered };
        assert_eq!(world.status_of("alice", *id), expected, "message {n}");
    }
}

#[test]
fn a_burst_shares_receipts() {
    let mut world = World::friends(15);
    let before = world.relay.log.len();
    for n in 0..50 {
        world.say("alice", "bob", &n.to_string());
    }
    world.pass(3_000);
    let sends = world.relay.log[before..].iter().filter(|message| *message == "Send").count();
    assert!(sends <= 54, "50 texts and a few receipts: {sends}");
}

#[test]
fn an_idempotency_key_returns_the_first_result_and_sends_once() {
    let mut world = World::with(16, &["alice", "bob"]);
    let keyed = || Command::Send {
        to: "bob".into(),
        text: "pay 5".into(),
        reply_to: None,
        idempotency_key: Some("k-1".into()),
        expires_in_ms: None,
    };
    // The second one comes while the name is still being looked up.
    let (first, second) = (world.start("alice", keyed()), world.start("alice", keyed()));
    world.run();
    let (first, second) = (world.client("alice").replies.remove(&first), world.client("alice").replies.remove(&second));
    assert!(matches!(first, Some(Ok(Reply::Queued { .. }))));
    assert_eq!(first, second);
    world.restart("alice");
    assert_eq!(Some(world.command("alice", keyed())), first);
    world.ok("bob", Command::AcceptRequest(super::world::name("alice")));
    assert_eq!(world.heard("bob"), vec!["pay 5"]);
}

#[test]
fn addresses_and_sizes_are_checked() {
    let mut world = World::with(17, &["alice", "bob"]);
    assert_eq!(world.refused("alice", send("nobody", "x")), FailureKind::UnknownUser);
    assert_eq!(world.refused("alice", send("b b", "x")), FailureKind::InvalidParams);
    assert_eq!(world.refused("alice", send("#room", "x")), FailureKind::UnknownRoom);
    assert_eq!(world.refused("alice", send("bob", &"x".repeat(64 * 1024 + 1))), FailureKind::TooLarge);
    world.say("alice", "BoB", &"x".repeat(64 * 1024));
    world.ok("bob", Command::AcceptRequest(super::world::name("alice")));
    assert_eq!(world.heard("bob")[0].len(), 64 * 1024);
    world.cut("alice");
    assert_eq!(world.refused("alice", send("carol", "x")), FailureKind::Offline);
}

#[test]
fn nobody_speaks_before_logging_in() {
    let mut world = World::new(18);
    world.open("alice");
    assert_eq!(world.refused("alice", send("bob", "x")), FailureKind::NotLoggedIn);
    assert_eq!(world.refused("alice", Command::Search { query: "b".into(), limit: 5 }), FailureKind::NotLoggedIn);
}

#[test]
fn notes_to_oneself_need_nobody_else() {
    let mut world = World::with(19, &["alice"]);
    world.cut("alice");
    let id = world.say("alice", "alice", "milk");
    assert_eq!(world.status_of("alice", id), MessageStatus::Read);
    assert_eq!(world.status("alice").outbox, 0);
    let now = world.now;
    let client = world.client("alice");
    let query = Query::Conversation(super::world::name("alice"));
    let answer = client.engine.as_ref().unwrap().query(now, &query, &client.disk.records);
    let Answer::Conversation(Some(conversation)) = answer else { panic!("{answer:?}") };
    assert_eq!(client.disk.names[&conversation], "alice");
    assert!(world.heard("alice").is_empty());
    world.ok("alice", Command::MarkRead { with: "alice".into(), id });
}

#[test]
fn two_who_write_to_each_other_at_once_end_up_with_one_conversation() {
    let mut world = World::with(20, &["alice", "bob"]);
    world.start("alice", send("bob", "a1"));
    world.start("bob", send("alice", "b1"));
    world.run();
    for n in 2..12 {
        world.start("alice", send("bob", &format!("a{n}")));
        world.start("bob", send("alice", &format!("b{n}")));
        world.run();
    }
    world.pass(3_000);
    assert_eq!(world.heard("bob"), (1..12).map(|n| format!("a{n}")).collect::<Vec<_>>());
    assert_eq!(world.heard("alice"), (1..12).map(|n| format!("b{n}")).collect::<Vec<_>>());
    assert!(world.contact("alice", "bob").mutual && world.contact("bob", "alice").mutual);
}

#[test]
fn a_full_mailbox_holds_the_lane_and_keeps_the_order() {
    use chat_wire::error::{Refusal, RefusalKind};
    let mut world = World::friends(21);
    world.relay.hostile.send = Some(Refusal { kind: RefusalKind::RateLimited, retry_ms: 3_000 });
    for n in 0..40 {
        world.say("alice", "bob", &n.to_string());
    }
    world.pass(1_000);
    assert_eq!(world.heard("bob").len(), 1);
    world.relay.hostile.send = None;
    world.pass(130_000);
    assert_eq!(world.heard("bob")[1..], (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_can_never_be_delivered_fails_visibly() {
    use chat_wire::error::{Refusal, RefusalKind};
    let mut world = World::friends(22);
    world.relay.hostile.send = Some(Refusal::of(RefusalKind::UnknownUser));
    let id = world.say("alice", "bob", "too late");
    assert_eq!(world.status_of("alice", id), MessageStatus::Failed);
    assert_eq!(world.status("alice").outbox, 0);
}

#[test]
fn many_strangers_use_up_the_one_time_keys_and_the_stock_is_refilled() {
    let mut world = World::with(23, &["alice"]);
    world.kill("alice");
    let device = world.relay.device_of("alice");
    world.relay.devices.get_mut(&device).unwrap().pairs.truncate(1);
    for stranger in ["bob", "carol", "dave"] {
        world.register(stranger);
        world.say(stranger, "alice", &format!("{stranger} here"));
    }
    world.open("alice");
    world.connect("alice");
    assert_eq!(world.requests("alice").len(), 3, "one pair, two on the last-resort key");
    assert_eq!(world.relay.devices[&device].pairs.len(), 100);
}

#[test]
fn a_message_writes_a_few_small_rows_however_long_the_conversation_is() {
    let mut world = World::friends(24);
    for n in 0..200 {
        world.say("alice", "bob", &format!("some text {n}"));
        world.say("bob", "alice", &format!("some answer {n}"));
    }
    world.pass(3_000);
    for who in ["alice", "bob"] {
        let written = std::mem::take(&mut world.client(who).written);
        let (rows, bytes) = written[written.len() - 60..].iter().fold((0, 0), |(r, b), w| (r.max(w.0), b.max(w.1)));
        assert!(rows <= 24 && bytes <= 16_000, "{who}: {rows} rows, {bytes} bytes in one step");
    }
}
