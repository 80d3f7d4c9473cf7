//! What a relay or a member can do to a room, and that it does not help them: everybody ends in one epoch, nobody
//! is locked out, and who is no member reads nothing.

use bytes::Bytes;
use chat_core::engine::{Command, Event, FailureKind, Role, RoomCommand, RoomEventKind, Trouble};
use chat_wire::message::EntryKind;

use super::room_service::Entry;
use super::rooms::{create, events, info, invite, join, kick, members, people, room};
use super::world::{World, name};

fn same_epoch(world: &mut World, names: &[&'static str], room: &str) {
    let epochs: Vec<u64> = names.iter().map(|who| info(world, who, room).epoch).collect();
    assert!(epochs.windows(2).all(|two| two[0] == two[1]), "{epochs:?}");
}

#[test]
fn joins_kicks_leaves_and_changes_of_many_at_once_end_in_one_epoch() {
    for seed in 780..784 {
        let mut world = people(seed, &["alice", "bob", "carol", "dave", "erin", "frank"]);
        world.ok("alice", create("tea", true));
        for who in ["bob", "carol", "dave"] {
            world.ok(who, join("tea"));
        }
        let role = RoomCommand::SetRole { room: room("tea"), username: name("dave"), role: Role::Admin };
        let topic = RoomCommand::SetTopic { room: room("tea"), topic: "leaves".to_owned() };
        world.start("alice", kick("tea", "bob"));
        world.start("alice", Command::Room(role));
        world.start("carol", Command::Room(RoomCommand::Leave(room("tea"))));
        world.start("alice", Command::Room(topic));
        world.start("erin", join("tea"));
        world.start("frank", join("tea"));
        world.run();
        world.pass(30_000);
        let names = ["alice", "dave", "erin", "frank"];
        for who in names {
            assert_eq!(members(&mut world, who, "tea"), names, "{who}, seed {seed}");
            let seen = info(&mut world, who, "tea");
            assert_eq!(seen.topic.as_deref(), Some("leaves"), "{who}, seed {seed}");
            assert!(seen.members.iter().any(|m| m.username == name("dave") && m.role == Role::Admin));
        }
        same_epoch(&mut world, &names, "tea");
        for who in names {
            world.say(who, "#tea", who);
        }
        for who in names {
            assert_eq!(world.heard(who).len(), 3, "{who}, seed {seed}");
        }
        assert!(world.heard("bob").is_empty() && world.heard("carol").is_empty());
    }
}

#[test]
fn a_member_that_the_relay_invents_is_in_nobodys_room_and_reads_nothing() {
    let mut world = people(785, &["alice", "bob"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    let id = world.relay.rooms.named("tea");
    // A twin of the relay, on which somebody enters the very same room: nobody here has heard of that account.
    let mut twin = people(786, &["mallory"]);
    twin.relay.rooms.rooms.insert(id, world.relay.rooms.rooms[&id].clone());
    twin.ok("mallory", join("tea"));
    let invented = twin.relay.rooms.rooms[&id].clone();
    let mut entry = invented.log.last().unwrap().clone();
    entry.from = world.relay.device_of("bob");
    world.relay.rooms.rooms.get_mut(&id).unwrap().epoch = invented.epoch;
    world.relay.append(id, entry);
    world.run();
    world.pass(5_000);
    for who in ["alice", "bob"] {
        assert_eq!(members(&mut world, who, "tea"), ["alice", "bob"], "{who}");
        assert!(world.client(who).events.contains(&Event::Trouble(Trouble::CommitRefused)), "{who}");
    }
    world.say("alice", "#tea", "among us");
    assert_eq!(world.heard("bob"), ["among us"]);
    let said = world.relay.rooms.rooms[&id].log.last().unwrap().clone();
    twin.relay.append(id, said);
    twin.run();
    assert!(twin.heard("mallory").is_empty());
}

#[test]
fn a_key_package_of_somebody_else_lets_nobody_in() {
    let mut world = people(787, &["alice", "bob", "mallory"]);
    world.say("alice", "bob", "hello");
    world.ok("bob", Command::AcceptRequest(name("alice")));
    world.ok("alice", create("den", false));
    let (bob, mallory) = (world.relay.device_of("bob"), world.relay.device_of("mallory"));
    let own = world.relay.rooms.packages[&bob].clone();
    let others = world.relay.rooms.packages[&mallory].clone();
    world.relay.rooms.packages.insert(bob, others);
    assert_eq!(world.refused("alice", invite("den", "bob")), FailureKind::NotFound);
    assert_eq!(members(&mut world, "alice", "den"), ["alice"]);
    assert!(events(&mut world, "mallory", "den", RoomEventKind::Invited).is_empty());
    // With his own he comes in.
    world.relay.rooms.packages.insert(bob, own);
    world.ok("alice", invite("den", "bob"));
    world.pass(1_000);
    assert_eq!(members(&mut world, "bob", "den"), ["alice", "bob"]);
}

#[test]
fn a_log_in_another_order_splits_nobody_and_what_follows_is_read() {
    let mut world = people(788, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.say("alice", "#tea", "before");
    world.cut("bob");
    world.ok("carol", join("tea"));
    world.say("carol", "#tea", "of the next epoch");
    let id = world.relay.rooms.named("tea");
    let log = &mut world.relay.rooms.rooms.get_mut(&id).unwrap().log;
    let last = log.len() - 1;
    log.swap(last, last - 1);
    world.connect("bob");
    world.pass(10_000);
    let names = ["alice", "bob", "carol"];
    for who in names {
        assert_eq!(members(&mut world, who, "tea"), names, "{who}");
    }
    same_epoch(&mut world, &names, "tea");
    world.say("alice", "#tea", "afterwards");
    assert_eq!(world.heard("bob").last().unwrap(), "afterwards");
    assert_eq!(world.heard("carol").last().unwrap(), "afterwards");
    world.say("bob", "#tea", "here too");
    assert_eq!(world.heard("alice").last().unwrap(), "here too");
}

#[test]
fn a_log_that_is_replayed_from_its_beginning_changes_and_repeats_nothing() {
    let mut world = people(789, &["alice", "bob"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    for text in ["one", "two"] {
        world.say("alice", "#tea", text);
    }
    world.ok("bob", Command::Room(RoomCommand::Leave(room("tea"))));
    world.pass(5_000);
    world.ok("bob", join("tea"));
    let id = world.relay.rooms.named("tea");
    let entries: Vec<Entry> = world.relay.rooms.rooms[&id].log.clone();
    assert!(entries.iter().any(|entry| entry.kind == EntryKind::Leave));
    let before = info(&mut world, "alice", "tea");
    for entry in entries {
        world.relay.append(id, entry);
    }
    world.run();
    world.pass(10_000);
    assert_eq!(info(&mut world, "alice", "tea"), before, "an old leave is no leave");
    same_epoch(&mut world, &["alice", "bob"], "tea");
    world.say("alice", "#tea", "three");
    assert_eq!(world.heard("bob"), ["one", "two", "three"]);
}

#[test]
fn commits_that_the_relay_bends_or_makes_of_messages_are_passed_over_by_everybody() {
    let mut world = people(790, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.say("alice", "#tea", "one");
    let id = world.relay.rooms.named("tea");
    let log = world.relay.rooms.rooms[&id].log.clone();
    for entry in log {
        let mut bent = entry.body.to_vec();
        *bent.last_mut().unwrap() ^= 1;
        for kind in [EntryKind::Commit, EntryKind::Message, EntryKind::Leave, EntryKind::Departed] {
            world.relay.append(id, Entry { from: entry.from, kind, body: Bytes::from(bent.clone()) });
        }
    }
    world.run();
    world.pass(10_000);
    world.ok("carol", join("tea"));
    for who in ["alice", "bob", "carol"] {
        assert_eq!(members(&mut world, who, "tea"), ["alice", "bob", "carol"], "{who}");
    }
    same_epoch(&mut world, &["alice", "bob", "carol"], "tea");
    world.say("carol", "#tea", "two");
    assert_eq!(world.heard("bob"), ["one", "two"]);
}
