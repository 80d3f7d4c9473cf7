//! Strangers, blocks, contacts.

use chat_core::engine::{Command, FailureKind, MessageStatus, NoticeKind};

use super::world::{World, name, send};

#[test]
fn a_stranger_is_announced_once_and_learns_nothing() {
    let mut world = World::with(30, &["alice", "bob"]);
    let before = world.relay.log.len();
    let ids: Vec<_> = (0..5).map(|n| world.say("alice", "bob", &n.to_string())).collect();
    world.pass(10_000);
    assert_eq!(world.notices("bob", |kind| matches!(kind, NoticeKind::Request(_))), 1);
    assert!(world.heard("bob").is_empty() && world.client("bob").disk.history.is_empty());
    assert!(ids.iter().all(|id| world.status_of("alice", *id) == MessageStatus::Sent));
    let sends = world.relay.log[before..].iter().filter(|message| *message == "Send").count();
    assert_eq!(sends, 5, "nothing went back");
}

#[test]
fn accepting_delivers_what_was_held_in_order_and_tells_the_other_side() {
    let mut world = World::with(31, &["alice", "bob"]);
    let ids: Vec<_> = (0..5).map(|n| world.say("alice", "bob", &n.to_string())).collect();
    world.ok("bob", Command::AcceptRequest(name("alice")));
    world.pass(2_000);
    assert_eq!(world.heard("bob"), ["0", "1", "2", "3", "4"]);
    assert!(world.requests("bob").is_empty());
    assert!(ids.iter().all(|id| world.status_of("alice", *id) == MessageStatus::Delivered));
    assert!(world.contact("alice", "bob").mutual);
    world.ok("bob", Command::MarkRead { with: "alice".into(), id: ids[4] });
    world.pass(2_000);
    assert!(ids.iter().all(|id| world.status_of("alice", *id) == MessageStatus::Read));
    world.ok("bob", Command::AcceptRequest(name("alice")));
}

#[test]
fn writing_to_a_stranger_accepts() {
    let mut world = World::with(32, &["alice", "bob"]);
    world.say("alice", "bob", "hi");
    world.say("bob", "alice", "hi yourself");
    world.pass(2_000);
    assert_eq!(world.heard("bob"), ["hi"]);
    assert_eq!(world.heard("alice"), ["hi yourself"]);
    assert!(world.contact("bob", "alice").mutual && world.contact("alice", "bob").mutual);
}

#[test]
fn a_declined_stranger_is_dropped_in_silence_until_written_to() {
    let mut world = World::with(33, &["alice", "bob"]);
    let id = world.say("alice", "bob", "buy this");
    world.ok("bob", Command::DeclineRequest(name("alice")));
    let second = world.say("alice", "bob", "buy that");
    world.pass(5_000);
    assert!(world.requests("bob").is_empty() && world.heard("bob").is_empty());
    assert_eq!(world.status_of("alice", id), MessageStatus::Sent);
    assert_eq!(world.refused("bob", Command::AcceptRequest(name("alice"))), FailureKind::NotFound);
    world.say("bob", "alice", "changed my mind");
    let third = world.say("alice", "bob", "good");
    world.pass(5_000);
    assert_eq!(world.heard("bob"), ["good"]);
    assert_eq!(world.status_of("alice", third), MessageStatus::Delivered);
    for lost in [id, second] {
        assert_eq!(world.status_of("alice", lost), MessageStatus::Sent, "nobody has it");
    }
    world.ok("bob", Command::MarkRead { with: "alice".into(), id: third });
    world.pass(5_000);
    assert_eq!(world.status_of("alice", third), MessageStatus::Read);
    assert!([id, second].iter().all(|lost| world.status_of("alice", *lost) == MessageStatus::Sent));
}

#[test]
fn what_waited_when_its_author_was_blocked_is_never_told_as_delivered() {
    let mut world = World::with(38, &["alice", "bob"]);
    let lost = world.say("alice", "bob", "buy this");
    world.ok("bob", Command::Block(name("alice")));
    world.ok("bob", Command::Unblock(name("alice")));
    world.say("bob", "alice", "who is this?");
    let heard = world.say("alice", "bob", "me");
    world.pass(5_000);
    assert_eq!(world.heard("bob"), ["me"]);
    assert_eq!(world.status_of("alice", heard), MessageStatus::Delivered);
    assert_eq!(world.status_of("alice", lost), MessageStatus::Sent);
}

#[test]
fn at_most_fifty_messages_of_a_stranger_are_held() {
    let mut world = World::with(34, &["alice", "bob"]);
    for n in 0..60 {
        world.say("alice", "bob", &n.to_string());
    }
    world.ok("bob", Command::AcceptRequest(name("alice")));
    assert_eq!(world.heard("bob"), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(world.relay.devices[&world.relay.device_of("bob")].mailbox.len(), 0, "acknowledged all the same");
}

#[test]
fn what_is_sent_while_blocked_is_never_delivered_and_unblocking_restores() {
    let mut world = World::friends(35);
    world.ok("bob", Command::Block(name("alice")));
    assert_eq!(world.refused("bob", send("alice", "x")), FailureKind::Blocked);
    let lost = world.say("alice", "bob", "into the void");
    world.pass(5_000);
    assert_eq!(world.status_of("alice", lost), MessageStatus::Sent);
    assert!(world.contact("bob", "alice").blocked);
    world.ok("bob", Command::Unblock(name("alice")));
    assert_eq!(world.heard("bob"), ["hello"]);
    let heard = world.say("alice", "bob", "and now?");
    world.pass(5_000);
    assert_eq!(world.heard("bob"), ["hello", "and now?"]);
    assert_eq!(world.status_of("alice", heard), MessageStatus::Delivered);
    assert_eq!(world.status_of("alice", lost), MessageStatus::Sent, "it never was");
    world.say("bob", "alice", "friends again");
    assert_eq!(world.heard("alice"), ["friends again"]);
}

#[test]
fn somebody_never_met_can_be_blocked_and_is_then_never_announced() {
    let mut world = World::with(36, &["alice", "bob"]);
    world.ok("bob", Command::Block(name("alice")));
    assert_eq!(world.relay.handed_out, 0, "it needs no keys");
    world.say("alice", "bob", "hi");
    world.pass(2_000);
    assert!(world.requests("bob").is_empty());
    assert_eq!(world.refused("bob", Command::Block(name("nobody"))), FailureKind::UnknownUser);
    assert_eq!(world.refused("bob", Command::Unblock(name("nobody"))), FailureKind::UnknownUser);
    assert_eq!(world.refused("bob", Command::Block(name("bob"))), FailureKind::InvalidParams);
}

#[test]
fn a_request_and_a_block_survive_a_restart() {
    let mut world = World::with(37, &["alice", "bob", "carol"]);
    world.say("alice", "bob", "kept");
    world.say("carol", "bob", "gone");
    world.ok("bob", Command::Block(name("carol")));
    world.restart("bob");
    assert_eq!(world.requests("bob").len(), 1);
    assert!(world.contact("bob", "carol").blocked);
    world.ok("bob", Command::AcceptRequest(name("alice")));
    assert_eq!(world.heard("bob"), ["kept"]);
}
