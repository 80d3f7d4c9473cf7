//! Rooms with several people against a relay in memory.

use chat_core::engine::{
    Command, FailureKind, NoticeKind, Reply, Role, RoomCommand, RoomEventKind, RoomInfo, RoomReply,
};
use chat_core::store::MessageStatus;
use chat_wire::ids::RoomName;
use chat_wire::message::EntryKind;

use super::room_service::Entry;
use super::world::{World, name, send};

pub(super) fn room(text: &str) -> RoomName {
    RoomName::parse(text).unwrap()
}

pub(super) fn create(text: &str, public: bool) -> Command {
    let idempotency_key = None;
    Command::Room(RoomCommand::Create { name: room(text), public, topic: None, idempotency_key })
}

pub(super) fn join(text: &str) -> Command {
    Command::Room(RoomCommand::Join(room(text)))
}

pub(super) fn invite(text: &str, whom: &str) -> Command {
    Command::Room(RoomCommand::Invite { room: room(text), username: name(whom) })
}

pub(super) fn kick(text: &str, whom: &str) -> Command {
    Command::Room(RoomCommand::Kick { room: room(text), username: name(whom) })
}

/// People who are connected to a relay with rooms.
pub(super) fn people(seed: u64, names: &[&'static str]) -> World {
    let mut world = World::new(seed);
    world.relay.rooms.on = true;
    for who in names {
        world.register(who);
    }
    world
}

pub(super) fn info(world: &mut World, who: &'static str, text: &str) -> RoomInfo {
    match world.ok(who, Command::Room(RoomCommand::Info(room(text)))) {
        Reply::Room(RoomReply::Info(info)) => info,
        other => panic!("{other:?}"),
    }
}

pub(super) fn members(world: &mut World, who: &'static str, text: &str) -> Vec<String> {
    info(world, who, text).members.into_iter().map(|member| member.username.to_string()).collect()
}

/// Room events of a kind that somebody saw, by whom they are about.
pub(super) fn events(world: &mut World, who: &str, text: &str, kind: RoomEventKind) -> Vec<String> {
    let wanted = room(text);
    let notices = &world.client(who).disk.notices;
    let told = notices.iter().filter_map(|notice| match &notice.kind {
        NoticeKind::Room(event) if event.room == wanted && event.kind == kind => {
            Some(event.username.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn the_first_person_makes_the_lobby_and_everybody_is_in_it() {
    let mut world = people(1, &["alice", "bob", "carol"]);
    for who in ["alice", "bob", "carol"] {
        assert_eq!(members(&mut world, who, "lobby"), ["alice", "bob", "carol"]);
    }
    assert_eq!(info(&mut world, "bob", "lobby").owner, None);
    world.say("carol", "#lobby", "hello all");
    assert_eq!(world.heard("alice"), ["hello all"]);
    assert_eq!(world.heard("bob"), ["hello all"]);
    assert!(world.heard("carol").is_empty());
}

#[test]
fn where_the_lobby_is_off_nobody_has_one_and_where_it_is_on_again_everybody_does() {
    let mut world = World::new(12);
    world.relay.rooms.on = true;
    world.relay.rooms.no_lobby = true;
    for who in ["alice", "bob"] {
        world.register(who);
        assert_eq!(world.refused(who, send("#lobby", "hello?")), FailureKind::UnknownRoom);
    }
    assert!(world.relay.rooms.rooms.is_empty());
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    assert!(events(&mut world, "alice", "lobby", RoomEventKind::Created).is_empty());
    world.relay.rooms.no_lobby = false;
    for who in ["alice", "bob"] {
        world.restart(who);
    }
    assert_eq!(members(&mut world, "alice", "lobby"), ["alice", "bob"]);
    assert_eq!(members(&mut world, "bob", "tea"), ["alice", "bob"]);
}

#[test]
fn a_public_room_is_joined_by_whoever_likes_and_read_from_then_on() {
    let mut world = people(2, &["alice", "bob"]);
    world.ok("alice", create("tea", true));
    world.say("alice", "#tea", "before");
    world.ok("bob", join("tea"));
    let id = world.say("alice", "#tea", "after");
    world.say("bob", "#tea", "and back");
    assert_eq!(world.heard("bob"), ["after"]);
    assert_eq!(world.heard("alice"), ["and back"]);
    assert_eq!(world.status_of("alice", id), MessageStatus::Sent);
    assert_eq!(world.receipts("alice", id), [MessageStatus::Sent]);
    assert_eq!(events(&mut world, "alice", "tea", RoomEventKind::Joined), ["bob"]);
    assert_eq!(info(&mut world, "bob", "tea").owner, Some(name("alice")));
    assert_eq!(world.refused("bob", create("tea", true)), FailureKind::RoomExists);
    assert_eq!(world.refused("bob", join("nowhere")), FailureKind::UnknownRoom);
}

#[test]
fn a_room_that_was_being_made_when_the_program_was_killed_answers_its_key() {
    let mut world = people(71, &["alice", "bob"]);
    let keyed = |text: &str, key: &str| {
        let idempotency_key = Some(key.to_owned());
        Command::Room(RoomCommand::Create { name: room(text), public: true, topic: None, idempotency_key })
    };
    for (number, frames) in (0..6).enumerate() {
        let (text, key) = (format!("tea-{number}"), format!("key-{number}"));
        world.start("alice", keyed(&text, &key));
        world.run_some(frames);
        world.kill("alice");
        world.open("alice");
        if let Err(refused) = world.command("alice", keyed(&text, &key)) {
            assert_eq!(refused.kind, FailureKind::Offline, "not known yet, after {frames} frames");
        }
        world.connect("alice");
        let repeated = world.ok("alice", keyed(&text, &key));
        assert!(matches!(repeated, Reply::Room(RoomReply::Created(name)) if name == room(&text)), "{frames} frames");
        assert_eq!(members(&mut world, "alice", &text), ["alice"]);
    }
    // A key whose room was refused makes another one.
    world.ok("bob", create("taken", true));
    assert_eq!(world.refused("alice", keyed("taken", "late")), FailureKind::RoomExists);
    world.ok("alice", keyed("free", "late"));
}

#[test]
fn a_key_that_was_used_for_something_else_is_refused() {
    let mut world = people(72, &["alice", "bob"]);
    let made = |text: &str| {
        let idempotency_key = Some("key".to_owned());
        Command::Room(RoomCommand::Create { name: room(text), public: true, topic: None, idempotency_key })
    };
    let said = |to: &str, text: &str, key: &str| {
        let (to, text, idempotency_key) = (to.to_owned(), text.to_owned(), Some(key.to_owned()));
        Command::Send { to, text, reply_to: None, idempotency_key, expires_in_ms: None }
    };
    world.start("alice", made("tea"));
    world.ok("alice", made("tea"));
    world.ok("alice", made("tea"));
    for command in [made("milk"), said("bob", "x", "key"), said("#tea", "x", "key")] {
        assert_eq!(world.refused("alice", command), FailureKind::InvalidParams);
    }
    world.ok("alice", said("bob", "x", "other"));
    world.ok("alice", said("bob", "x", "other"));
    for command in [said("bob", "y", "other"), said("#tea", "x", "other"), said("alice", "x", "other")] {
        assert_eq!(world.refused("alice", command), FailureKind::InvalidParams);
    }
    world.ok("bob", Command::AcceptRequest(name("alice")));
    assert_eq!(world.heard("bob"), ["x"], "once, and nothing else");
}

#[test]
fn four_who_join_at_once_end_in_one_epoch() {
    let names = ["alice", "bob", "carol", "dave", "erin"];
    let mut world = people(3, &names);
    world.ok("alice", create("tea", true));
    for who in &names[1..] {
        world.start(who, join("tea"));
    }
    world.run();
    world.pass(20_000);
    let epochs: Vec<u64> = names.iter().map(|who| info(&mut world, who, "tea").epoch).collect();
    assert_eq!(epochs, [4; 5]);
    assert!(world.relay.rooms.behind > 0, "somebody had to be faster");
    for who in names {
        assert_eq!(members(&mut world, who, "tea"), names);
    }
    world.say("erin", "#tea", "all here");
    for who in &names[..4] {
        assert_eq!(world.heard(who), ["all here"], "{who}");
    }
}

#[test]
fn a_contact_is_added_at_once_and_a_stranger_decides() {
    let mut world = people(4, &["alice", "bob", "carol"]);
    world.say("alice", "bob", "hello");
    world.ok("bob", Command::AcceptRequest(name("alice")));
    world.pass(2_000);
    world.ok("alice", create("secret", false));
    world.ok("alice", invite("secret", "bob"));
    world.ok("alice", invite("secret", "carol"));
    world.pass(2_000);
    assert_eq!(events(&mut world, "bob", "secret", RoomEventKind::Joined), ["bob", "carol"]);
    assert_eq!(events(&mut world, "carol", "secret", RoomEventKind::Invited), ["carol"]);
    world.say("alice", "#secret", "for two");
    assert_eq!(world.heard("bob").last().unwrap(), "for two");
    assert!(world.heard("carol").is_empty());
    world.ok("carol", join("secret"));
    world.pass(1_000);
    world.say("bob", "#secret", "for three");
    assert_eq!(world.heard("carol").last().unwrap(), "for three");
    assert_eq!(members(&mut world, "carol", "secret"), ["alice", "bob", "carol"]);
    assert_eq!(world.refused("carol", join("other")), FailureKind::UnknownRoom);
}

#[test]
fn members_can_do_what_their_role_allows() {
    let mut world = people(5, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.ok("carol", join("tea"));
    assert_eq!(world.refused("bob", kick("tea", "carol")), FailureKind::Forbidden);
    let topic = |topic: &str| Command::Room(RoomCommand::SetTopic { room: room("tea"), topic: topic.to_owned() });
    assert_eq!(world.refused("bob", topic("mine")), FailureKind::Forbidden);
    let role = |whom: &str, role| Command::Room(RoomCommand::SetRole { room: room("tea"), username: name(whom), role });
    assert_eq!(world.refused("bob", role("bob", Role::Admin)), FailureKind::Forbidden);
    assert_eq!(world.refused("bob", Command::Room(RoomCommand::Delete(room("tea")))), FailureKind::Forbidden);
    world.ok("alice", role("bob", Role::Admin));
    assert_eq!(events(&mut world, "carol", "tea", RoomEventKind::Role), ["bob"]);
    world.ok("bob", topic("leaves"));
    assert_eq!(info(&mut world, "carol", "tea").topic.as_deref(), Some("leaves"));
    assert_eq!(world.refused("bob", kick("tea", "alice")), FailureKind::Forbidden);
    world.ok("bob", kick("tea", "carol"));
    assert_eq!(events(&mut world, "carol", "tea", RoomEventKind::Kicked), ["carol"]);
    assert_eq!(world.refused("carol", send("#tea", "x")), FailureKind::UnknownRoom);
    world.say("alice", "#tea", "without carol");
    assert!(world.heard("carol").is_empty());
    // A public room takes her back.
    world.ok("carol", join("tea"));
    world.ok("alice", role("bob", Role::Owner));
    assert_eq!(info(&mut world, "carol", "tea").owner, Some(name("bob")));
    world.ok("bob", Command::Room(RoomCommand::Delete(room("tea"))));
    assert_eq!(events(&mut world, "carol", "tea", RoomEventKind::Deleted).len(), 1);
    assert_eq!(world.refused("alice", send("#tea", "x")), FailureKind::UnknownRoom);
}

#[test]
fn who_leaves_is_out_at_once_and_the_room_gets_another_owner() {
    let mut world = people(6, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.ok("carol", join("tea"));
    world.ok("alice", Command::Room(RoomCommand::Leave(room("tea"))));
    world.pass(5_000);
    assert_eq!(events(&mut world, "bob", "tea", RoomEventKind::Left), ["alice"]);
    assert_eq!(members(&mut world, "carol", "tea"), ["bob", "carol"]);
    assert_eq!(info(&mut world, "carol", "tea").owner, Some(name("bob")));
    world.say("bob", "#tea", "she is gone");
    assert!(world.heard("alice").is_empty());
    assert_eq!(world.heard("carol"), ["she is gone"]);
    world.ok("alice", join("tea"));
    world.say("carol", "#tea", "back");
    assert_eq!(world.heard("alice"), ["back"]);
}

#[test]
fn who_was_away_across_epochs_reads_everything_and_writes_again() {
    let mut world = people(7, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.cut("bob");
    world.ok("carol", join("tea"));
    world.say("carol", "#tea", "one");
    let topic = Command::Room(RoomCommand::SetTopic { room: room("tea"), topic: "leaves".to_owned() });
    world.ok("alice", topic);
    world.say("alice", "#tea", "two");
    // What is written while away goes out afterwards.
    world.say("bob", "#tea", "from afar");
    world.restart("bob");
    assert_eq!(world.heard("bob"), ["one", "two"]);
    assert_eq!(world.heard("carol"), ["two", "from afar"]);
    assert_eq!(info(&mut world, "bob", "tea").topic.as_deref(), Some("leaves"));
}

#[test]
fn a_kill_after_any_step_of_a_join_ends_in_the_room_or_outside_and_nothing_is_lost() {
    for step in 1..9 {
        let mut world = people(8, &["alice", "bob"]);
        world.ok("alice", create("tea", true));
        let now = world.client("bob").steps;
        world.client("bob").crash_after = Some(now + step);
        world.start("bob", join("tea"));
        world.run();
        world.client("bob").crash_after = None;
        if world.client("bob").engine.is_none() {
            world.restart("bob");
        }
        world.pass(10_000);
        let _ = world.command("bob", join("tea"));
        world.pass(10_000);
        world.say("alice", "#tea", "in?");
        assert_eq!(world.heard("bob"), ["in?"], "step {step}");
        assert_eq!(members(&mut world, "alice", "tea"), ["alice", "bob"], "step {step}");
    }
}

#[test]
fn what_is_no_sound_commit_or_message_is_passed_over_by_everybody() {
    let mut world = people(9, &["alice", "bob"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    let id = world.relay.rooms.named("tea");
    let from = world.relay.device_of("bob");
    let entries = world.relay.rooms.rooms[&id].log.clone();
    for kind in [EntryKind::Commit, EntryKind::Message, EntryKind::Leave] {
        for body in [&b""[..], b"\x00", b"nonsense that is long enough to look like something"] {
            let body = bytes::Bytes::copy_from_slice(body);
            world.relay.append(id, Entry { from, kind, body });
        }
    }
    // A replay of what is over.
    for entry in entries {
        world.relay.append(id, entry);
    }
    world.run();
    world.say("alice", "#tea", "still here");
    world.say("bob", "#tea", "me too");
    assert_eq!(world.heard("bob"), ["still here"]);
    assert_eq!(world.heard("alice"), ["me too"]);
    assert_eq!(members(&mut world, "bob", "tea"), ["alice", "bob"]);
}

#[test]
fn a_base_that_is_taken_by_nonsense_is_contested_and_the_room_goes_on() {
    let mut world = people(10, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    let id = world.relay.rooms.named("tea");
    let from = world.relay.device_of("bob");
    world.relay.rooms.rooms.get_mut(&id).unwrap().epoch += 1;
    let body = bytes::Bytes::from_static(b"no commit at all");
    world.relay.append(id, Entry { from, kind: EntryKind::Commit, body });
    world.run();
    let topic = Command::Room(RoomCommand::SetTopic { room: room("tea"), topic: "still".to_owned() });
    let command = world.start("alice", topic);
    world.run();
    world.pass(5_000);
    assert_eq!(world.client("alice").replies.remove(&command), Some(Ok(Reply::Done)));
    world.ok("carol", join("tea"));
    world.say("bob", "#tea", "goes on");
    assert_eq!(world.heard("alice"), ["goes on"]);
    assert_eq!(world.heard("carol"), ["goes on"]);
    assert_eq!(info(&mut world, "carol", "tea").topic.as_deref(), Some("still"));
}

#[test]
fn who_missed_a_commit_enters_a_public_room_afresh_and_its_old_leaf_goes() {
    let mut world = people(11, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.cut("bob");
    world.ok("carol", join("tea"));
    // The relay keeps the commit from bob: it hands out something else in its place.
    let id = world.relay.rooms.named("tea");
    let kept = world.relay.rooms.rooms[&id].log.len() - 1;
    world.relay.rooms.rooms.get_mut(&id).unwrap().log[kept].body = bytes::Bytes::from_static(b"something else");
    world.say("carol", "#tea", "in the next epoch");
    world.connect("bob");
    world.pass(10_000);
    // Carol is nobody that bob knows; what alice says of her epoch counts.
    assert!(events(&mut world, "bob", "tea", RoomEventKind::Resynced).is_empty());
    world.say("alice", "#tea", "bob?");
    world.pass(10_000);
    assert_eq!(events(&mut world, "bob", "tea", RoomEventKind::Resynced).len(), 1);
    world.say("carol", "#tea", "welcome back");
    assert_eq!(world.heard("bob"), ["welcome back"]);
    world.say("bob", "#tea", "thanks");
    assert_eq!(world.heard("alice"), ["in the next epoch", "welcome back", "thanks"]);
    assert_eq!(info(&mut world, "alice", "tea").members.len(), 3);
}
