//! Rooms whose members lost their place: noticed by signed statements, mended in one exchange, and shown.

use bytes::Bytes;
use chat_core::engine::{Command, Event, Role, RoomCommand, RoomEventKind, Trouble};
use chat_wire::ids::RoomId;

use super::rooms::{create, events, info, invite, join, members, people, room};
use super::world::{World, name};

/// People of a private room; the first one owns it, and all know each other.
fn private(seed: u64, names: &[&'static str]) -> World {
    let mut world = people(seed, names);
    let (owner, others) = names.split_first().unwrap();
    for other in others {
        world.say(owner, other, "hello");
        world.ok(other, Command::AcceptRequest(name(owner)));
    }
    world.pass(2_000);
    world.ok(owner, create("den", false));
    for other in others {
        world.ok(owner, invite("den", other));
        world.pass(500);
    }
    for who in names {
        assert_eq!(members(&mut world, who, "den").len(), names.len());
        world.heard(who);
    }
    world
}

fn topic(name: &str, topic: &str) -> Command {
    Command::Room(RoomCommand::SetTopic { room: room(name), topic: topic.to_owned() })
}

/// The relay shows something else in the place of the last entry.
fn replace_last(world: &mut World, name: &str) -> RoomId {
    let id = world.relay.rooms.named(name);
    let log = &mut world.relay.rooms.rooms.get_mut(&id).unwrap().log;
    log.last_mut().unwrap().body = Bytes::from_static(b"something else");
    id
}

fn forks_seen(world: &mut World, who: &str) -> usize {
    let events = &world.client(who).events;
    events.iter().filter(|event| matches!(event, Event::Trouble(Trouble::RoomForked))).count()
}

fn last_heard(world: &mut World, who: &str) -> String {
    world.heard(who).last().cloned().unwrap_or_default()
}

fn same_epoch(world: &mut World, names: &[&'static str], room: &str) {
    let epochs: Vec<u64> = names.iter().map(|who| info(world, who, room).epoch).collect();
    assert!(epochs.windows(2).all(|two| two[0] == two[1]), "{epochs:?}");
}

#[test]
fn who_missed_a_commit_comes_back_into_a_private_room_by_the_secret_of_an_epoch_it_was_in() {
    let names = ["alice", "bob", "carol"];
    let mut world = private(720, &names);
    world.cut("bob");
    world.ok("alice", topic("den", "leaves"));
    replace_last(&mut world, "den");
    world.say("alice", "#den", "lost to bob");
    let queued = world.say("bob", "#den", "from afar");
    world.connect("bob");
    world.pass(10_000);
    assert_eq!(events(&mut world, "bob", "den", RoomEventKind::Resynced), ["bob"]);
    assert_eq!(events(&mut world, "carol", "den", RoomEventKind::Resynced), ["bob"], "the others see it");
    assert_eq!(last_heard(&mut world, "carol"), "from afar", "what waited goes out from there");
    assert_eq!(world.receipts("bob", queued).len(), 1);
    world.say("carol", "#den", "welcome back");
    assert_eq!(last_heard(&mut world, "bob"), "welcome back");
    assert_eq!(info(&mut world, "bob", "den").topic.as_deref(), Some("leaves"));
    same_epoch(&mut world, &names, "den");
}

#[test]
fn who_missed_that_somebody_came_is_put_back_by_a_member_and_keeps_its_role() {
    let names = ["alice", "bob", "carol"];
    let mut world = private(721, &names);
    world.register("dave");
    world.say("bob", "dave", "hello");
    world.ok("dave", Command::AcceptRequest(name("bob")));
    world.pass(2_000);
    world.heard("dave");
    world.cut("alice");
    world.ok("bob", invite("den", "dave"));
    replace_last(&mut world, "den");
    world.say("bob", "#den", "lost to alice");
    world.connect("alice");
    world.pass(20_000);
    assert_eq!(events(&mut world, "alice", "den", RoomEventKind::Resynced), ["alice"]);
    world.say("dave", "#den", "who are you?");
    assert_eq!(last_heard(&mut world, "alice"), "who are you?");
    world.say("alice", "#den", "the owner");
    for who in ["bob", "carol", "dave"] {
        assert_eq!(last_heard(&mut world, who), "the owner", "{who}");
        assert_eq!(info(&mut world, who, "den").owner, Some(name("alice")));
    }
    same_epoch(&mut world, &["alice", "bob", "carol", "dave"], "den");
}

#[test]
fn a_room_that_the_relay_forked_is_noticed_by_one_message_and_is_one_again() {
    let names = ["alice", "bob", "carol"];
    let mut world = people(722, &names);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.ok("carol", join("tea"));
    let admin = RoomCommand::SetRole { room: room("tea"), username: name("bob"), role: Role::Admin };
    world.ok("alice", Command::Room(admin));
    // Bob is shown nonsense where the others see a commit, and takes the base himself.
    world.cut("bob");
    world.ok("alice", topic("tea", "leaves"));
    replace_last(&mut world, "tea");
    world.connect("bob");
    world.start("bob", topic("tea", "sticks"));
    world.pass(10_000);
    assert_eq!(info(&mut world, "bob", "tea").topic.as_deref(), Some("sticks"));
    assert_eq!(info(&mut world, "carol", "tea").topic.as_deref(), Some("leaves"));
    // One message is enough: the others show bob where the room is.
    world.say("bob", "#tea", "on my own");
    world.pass(30_000);
    assert!(forks_seen(&mut world, "alice") > 0 && forks_seen(&mut world, "bob") > 0);
    world.say("carol", "#tea", "one");
    world.say("bob", "#tea", "two");
    assert_eq!(last_heard(&mut world, "bob"), "one");
    assert_eq!(last_heard(&mut world, "alice"), "two");
    assert_eq!(info(&mut world, "bob", "tea").topic.as_deref(), Some("leaves"));
    same_epoch(&mut world, &names, "tea");
}

#[test]
fn a_store_that_was_an_old_copy_says_nothing_in_its_rooms_before_it_came_back() {
    let names = ["alice", "bob", "carol"];
    let mut world = private(723, &names);
    let copy = world.client("bob").disk.records.clone();
    world.say("bob", "alice", "to make the relay count");
    world.say("bob", "#den", "before");
    world.kill("bob");
    world.client("bob").disk.records = copy;
    world.open("bob");
    world.connect("bob");
    world.pass(20_000);
    assert_eq!(events(&mut world, "bob", "den", RoomEventKind::Resynced), ["bob"]);
    world.say("bob", "#den", "after");
    for who in ["alice", "carol"] {
        let heard = world.heard(who);
        let said: Vec<&str> = heard.iter().map(String::as_str).filter(|text| text.len() < 7).collect();
        assert_eq!(said[said.len() - 2..], ["before", "after"], "{who}");
    }
    world.say("alice", "#den", "and back");
    assert_eq!(last_heard(&mut world, "bob"), "and back");
}

#[test]
fn the_relay_reads_neither_topic_nor_roles_of_a_private_room() {
    let mut world = private(724, &["alice", "bob"]);
    world.ok("alice", topic("den", "CANARY-OF-THE-TOPIC"));
    let id = world.relay.rooms.named("den");
    let known = &world.relay.rooms.rooms[&id];
    let canary = b"CANARY-OF-THE-TOPIC";
    let holds = |bytes: &[u8]| bytes.windows(canary.len()).any(|window| window == canary);
    assert!(!holds(&known.group_info) && known.log.iter().all(|entry| !holds(&entry.body)));
    assert_eq!(known.topic, None);
    assert_eq!(info(&mut world, "bob", "den").topic.as_deref(), Some("CANARY-OF-THE-TOPIC"));
}
