//! What is said in rooms, and what becomes of it: edits, deletions, reactions, expiry, files.

use chat_core::engine::{Amendment, Change, Command, FailureKind, Reply, Role, RoomCommand};
use chat_core::store::MessageStatus;
use chat_wire::ids::MessageId;

use super::amend::{amend, message, not_amended, signs, updates};
use super::files::{file_of, offer, pointer, reserve};
use super::rooms::{create, join, people, room};
use super::world::{World, name};

/// Alice owns the room, bob and carol are in it.
fn three(seed: u64) -> World {
    let mut world = people(seed, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.ok("carol", join("tea"));
    world
}

fn text(world: &mut World, who: &str, id: MessageId) -> Option<String> {
    message(world, who, id).text
}

#[test]
fn what_is_said_in_a_room_is_edited_and_taken_back_by_its_author_alone() {
    let mut world = three(700);
    let id = world.say("bob", "#tea", "helo");
    amend(&mut world, "bob", id, Change::Edit("hello".into()));
    for who in ["alice", "bob", "carol"] {
        assert_eq!((text(&mut world, who, id).as_deref(), updates(&mut world, who, id)), (Some("hello"), 1), "{who}");
    }
    assert_eq!(not_amended(&mut world, "carol", id, Change::Edit("bye".into())), FailureKind::Forbidden);
    assert_eq!(not_amended(&mut world, "alice", id, Change::Edit("bye".into())), FailureKind::Forbidden);
    assert_eq!(not_amended(&mut world, "carol", id, Change::Delete), FailureKind::Forbidden);
    amend(&mut world, "bob", id, Change::Delete);
    for who in ["alice", "bob", "carol"] {
        assert!(message(&mut world, who, id).deleted, "{who}");
    }
}

#[test]
fn an_owner_takes_back_what_a_member_said_and_a_member_hides_it_for_itself() {
    let mut world = three(701);
    let (one, two) = (world.say("bob", "#tea", "one"), world.say("bob", "#tea", "two"));
    let role = |whom: &str, role| Command::Room(RoomCommand::SetRole { room: room("tea"), username: name(whom), role });
    world.ok("alice", role("carol", Role::Admin));
    amend(&mut world, "carol", one, Change::Delete);
    amend(&mut world, "bob", two, Change::Hide);
    for who in ["alice", "bob", "carol"] {
        assert!(message(&mut world, who, one).deleted, "{who}");
        assert_eq!(message(&mut world, who, two).deleted, who == "bob", "{who}");
    }
    // The owner is above the admin, and not the other way round.
    let mine = world.say("alice", "#tea", "mine");
    assert_eq!(not_amended(&mut world, "carol", mine, Change::Delete), FailureKind::Forbidden);
}

#[test]
fn reactions_and_answers_of_a_room_reach_everybody_in_it() {
    let mut world = three(702);
    let id = world.say("bob", "#tea", "who is there?");
    amend(&mut world, "carol", id, Change::React("🖐".into()));
    amend(&mut world, "alice", id, Change::React("👍".into()));
    world.pass(10);
    amend(&mut world, "carol", id, Change::React(String::new()));
    let answer = Command::Send {
        to: "#tea".into(),
        text: "I am".into(),
        reply_to: Some(id),
        idempotency_key: None,
        expires_in_ms: None,
    };
    let Reply::Queued { id: answer, .. } = world.ok("carol", answer) else { panic!("queued") };
    world.run();
    for who in ["alice", "bob", "carol"] {
        assert_eq!(signs(&mut world, who, id), [("alice".to_owned(), "👍".to_owned())], "{who}");
        assert_eq!(message(&mut world, who, answer).reply_to, Some(id), "{who}");
    }
    // What was said elsewhere is nobody's to react to here.
    let elsewhere = foreign(703);
    assert_eq!(world.refused("alice", elsewhere), FailureKind::UnknownMessage);
}

/// A reaction to a message of another world.
fn foreign(seed: u64) -> Command {
    let mut world = three(seed);
    let id = world.say("bob", "#tea", "elsewhere");
    let conversation = message(&mut world, "bob", id).conversation;
    Command::Amend(Amendment { conversation, id, change: Change::React("👍".into()) })
}

#[test]
fn what_expires_in_a_room_is_gone_for_everybody_when_its_time_is_over() {
    let mut world = three(704);
    let send = |ms| Command::Send {
        to: "#tea".into(),
        text: "burns".into(),
        reply_to: None,
        idempotency_key: None,
        expires_in_ms: Some(ms),
    };
    assert_eq!(world.refused("alice", send(0)), FailureKind::InvalidParams);
    let Reply::Queued { id, .. } = world.ok("alice", send(1_500)) else { panic!("queued") };
    world.run();
    assert_eq!(text(&mut world, "bob", id).as_deref(), Some("burns"));
    world.restart("carol");
    world.pass(2_000);
    for who in ["alice", "bob", "carol"] {
        assert!(message(&mut world, who, id).deleted, "{who}");
    }
}

#[test]
fn a_file_lies_in_a_room_under_the_id_that_was_told_before() {
    let mut world = three(705);
    let (id, nonce) = reserve(&mut world, "#tea");
    let Reply::Queued { id: sent, .. } = world.ok("alice", offer("#tea", nonce, pointer("a.png"))) else {
        panic!("queued")
    };
    assert_eq!(sent, id);
    world.run();
    for who in ["alice", "bob", "carol"] {
        let file = message(&mut world, who, id).file.unwrap();
        assert_eq!((file.name.as_str(), file.size), ("a.png", 5), "{who}");
        let shared = file_of(&mut world, who, id).unwrap();
        assert_eq!((shared.with.as_str(), shared.outgoing), ("#tea", who == "alice"), "{who}");
        assert_eq!(text(&mut world, who, id).as_deref(), Some("look"));
    }
    amend(&mut world, "alice", id, Change::Delete);
    assert!(message(&mut world, "bob", id).deleted);
}

#[test]
fn what_is_said_too_soon_in_a_slow_room_goes_out_by_itself_in_order() {
    let mut world = people(735, &["alice", "bob"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.relay.rooms.slow_ms = 5_000;
    let texts = ["one", "two", "three"];
    let ids = texts.map(|text| world.say("bob", "#tea", text));
    assert_eq!(world.heard("alice"), ["one"]);
    assert_eq!(world.status_of("bob", ids[1]), MessageStatus::Queued, "it waits, and is not lost");
    world.pass(5_500);
    assert_eq!(world.heard("alice"), ["one", "two"]);
    world.pass(5_500);
    assert_eq!(world.heard("alice"), texts);
    assert_eq!(world.status_of("bob", ids[2]), MessageStatus::Sent);
    assert!(world.heard("bob").is_empty());
}
