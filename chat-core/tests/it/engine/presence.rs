//! Presence, typing, names, search, and an idle engine.

use chat_core::engine::{Command, Event, FailureKind, Reply};
use chat_wire::message::PresenceStatus;

use super::world::{World, name};

fn presence_of(world: &mut World, who: &str, whom: &str) -> Vec<(bool, PresenceStatus)> {
    let events = &world.client(who).events;
    let seen = events.iter().filter_map(|event| match event {
        Event::Presence { username, online, status } if username.as_str() == whom => Some((*online, *status)),
        _ => None,
    });
    seen.collect()
}

#[test]
fn presence_flows_between_those_who_accepted_each_other_only() {
    let mut world = World::with(40, &["alice", "bob"]);
    world.say("alice", "bob", "hello");
    assert!(!world.contact("alice", "bob").online);
    world.ok("bob", Command::AcceptRequest(name("alice")));
    world.run();
    assert!(world.contact("alice", "bob").online && world.contact("bob", "alice").online);
    world.kill("bob");
    assert!(!world.contact("alice", "bob").online);
    assert!(world.contact("alice", "bob").last_seen_ms.is_some());
    assert_eq!(presence_of(&mut world, "alice", "bob").last().map(|seen| seen.0), Some(false));
}

#[test]
fn away_shows_and_invisible_is_offline_also_after_a_restart() {
    let mut world = World::friends(41);
    world.ok("bob", Command::SetPresence { status: PresenceStatus::Away });
    assert_eq!(world.contact("alice", "bob").status, PresenceStatus::Away);
    world.ok("bob", Command::SetPresence { status: PresenceStatus::Invisible });
    assert!(!world.contact("alice", "bob").online);
    world.restart("bob");
    assert!(!world.contact("alice", "bob").online);
}

#[test]
fn a_blocked_contact_sees_nobody() {
    let mut world = World::friends(42);
    world.ok("bob", Command::Block(name("alice")));
    assert!(!world.contact("alice", "bob").online);
    assert!(!world.contact("bob", "alice").online);
    world.ok("bob", Command::Unblock(name("alice")));
    assert!(world.contact("alice", "bob").online);
}

#[test]
fn typing_reaches_a_contact_who_is_here_and_nobody_else() {
    let mut world = World::friends(43);
    world.say("bob", "alice", "yes?");
    world.ok("alice", Command::Typing { to: "bob".into(), active: true });
    let typed = Event::Typing { from: name("alice"), to: "bob".into(), active: true };
    assert_eq!(world.client("bob").events.iter().filter(|event| **event == typed).count(), 1);
    world.ok("alice", Command::Typing { to: "bob".into(), active: true });
    assert_eq!(world.client("bob").events.iter().filter(|event| **event == typed).count(), 1, "not twice in a row");
    world.say("alice", "bob", "here it is");
    assert_eq!(world.heard("bob").last().unwrap(), "here it is");
    world.register("carol");
    world.say("carol", "bob", "stranger");
    world.ok("carol", Command::Typing { to: "bob".into(), active: true });
    assert!(!world.client("bob").events.contains(&Event::Typing {
        from: name("carol"),
        to: "bob".into(),
        active: true
    }));
}

#[test]
fn a_display_name_reaches_contacts_sealed_and_new_ones_with_the_first_message() {
    let mut world = World::friends(44);
    world.ok("alice", Command::SetProfile { display_name: Some("Alice in Chains".into()) });
    assert_eq!(world.contact("bob", "alice").display_name.as_deref(), Some("Alice in Chains"));
    world.register("carol");
    world.say("alice", "carol", "hi");
    world.ok("carol", Command::AcceptRequest(name("alice")));
    assert_eq!(world.contact("carol", "alice").display_name.as_deref(), Some("Alice in Chains"));
    assert_eq!(world.heard("carol"), ["hi"]);
}

#[test]
fn a_search_finds_names_and_hides_who_is_here_from_strangers() {
    let mut world = World::friends(45);
    world.register("bobby");
    let Reply::Found(found) = world.ok("alice", Command::Search { query: "BOB".into(), limit: 10 }) else { panic!() };
    let seen: Vec<_> = found.iter().map(|person| (person.username.as_str(), person.online)).collect();
    assert_eq!(seen, [("bob", true), ("bobby", false)]);
    assert_eq!(world.ok("alice", Command::Search { query: "ü".into(), limit: 10 }), Reply::Found(vec![]));
    world.cut("alice");
    assert_eq!(world.refused("alice", Command::Search { query: "bob".into(), limit: 1 }), FailureKind::Offline);
}

#[test]
fn an_idle_engine_wakes_for_its_heartbeat_and_for_nothing_else() {
    let mut world = World::friends(46);
    world.pass(10_000);
    let (steps, sent) = (world.client("alice").steps, world.relay.log.len());
    world.pass(60_000);
    let heard: Vec<_> = world.relay.log[sent..].iter().collect();
    assert!(heard.iter().all(|message| *message == "Heartbeat"), "{heard:?}");
    assert!((38..=42).contains(&heard.len()), "{} heartbeats of two in a minute", heard.len());
    assert!(world.client("alice").steps - steps <= 28, "one wake-up each, and an answer in nine seconds");
}

#[test]
fn a_relay_that_falls_silent_is_left() {
    let mut world = World::friends(47);
    world.relay.hostile.mute = true;
    world.pass(30_000);
    assert_eq!(world.client("alice").connection, None);
    assert!(!world.status("alice").online);
}

#[test]
fn a_clock_that_is_set_back_does_not_silence_an_engine() {
    let mut world = World::friends(48);
    world.now = chat_core::time::Timestamp::from_ms(world.now.as_ms() - 3_600_000);
    let id = world.say("alice", "bob", "what time is it?");
    let before = world.relay.log.len();
    world.pass(20_000);
    let beats = world.relay.log[before..].iter().filter(|message| *message == "Heartbeat").count();
    assert!((10..=14).contains(&beats), "{beats} heartbeats of two in 20 s");
    assert_eq!(world.receipts("alice", id).last(), Some(&chat_core::engine::MessageStatus::Delivered));
}

#[test]
fn whoever_is_blocked_is_shown_as_gone_and_comes_back_with_the_block_taken_back() {
    let mut world = World::friends(49);
    world.ok("bob", Command::Block(name("alice")));
    assert_eq!(presence_of(&mut world, "bob", "alice").last().map(|seen| seen.0), Some(false));
    world.ok("bob", Command::Unblock(name("alice")));
    assert_eq!(presence_of(&mut world, "bob", "alice").last().map(|seen| seen.0), Some(true));
}

#[test]
fn typing_that_begins_just_before_the_acceptance_is_known_is_not_lost() {
    let mut world = World::with(50, &["alice", "bob"]);
    world.say("alice", "bob", "hello");
    world.ok("alice", Command::Typing { to: "bob".into(), active: true });
    let typed = |world: &mut World| {
        let events = &world.client("bob").events;
        events.iter().filter(|event| matches!(event, Event::Typing { active: true, .. })).count()
    };
    assert_eq!(typed(&mut world), 0, "a stranger's typing shows nothing");
    world.ok("bob", Command::AcceptRequest(name("alice")));
    assert_eq!(typed(&mut world), 1);
    world.ok("alice", Command::Typing { to: "nobody".into(), active: true });
}

#[test]
fn typing_that_is_too_old_is_forgotten() {
    let mut world = World::with(51, &["alice", "bob"]);
    world.say("alice", "bob", "hello");
    world.ok("alice", Command::Typing { to: "bob".into(), active: true });
    world.pass(6_000);
    world.ok("bob", Command::AcceptRequest(name("alice")));
    assert!(!world.client("bob").events.iter().any(|event| matches!(event, Event::Typing { .. })));
}
