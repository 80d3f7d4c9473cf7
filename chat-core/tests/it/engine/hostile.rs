//! A relay that lies: it can withhold, never forge.

use chat_core::engine::{Command, Event, FailureKind, IdentityChange, NoticeKind, Trouble};
use chat_wire::message::LogoutReason;

use super::world::{World, name, send};

fn troubles(world: &mut World, who: &str, wanted: impl Fn(&Trouble) -> bool) -> usize {
    let events = &world.client(who).events;
    events.iter().filter(|event| matches!(event, Event::Trouble(trouble) if wanted(trouble))).count()
}

#[test]
fn another_relay_key_than_the_pinned_one_is_left_at_once() {
    let mut world = World::friends(60);
    world.cut("alice");
    world.relay.change_key();
    world.connect("alice");
    assert_eq!(world.client("alice").connection, None);
    assert!(!world.status("alice").online);
    assert_eq!(troubles(&mut world, "alice", |trouble| *trouble == Trouble::RelayKeyChanged), 1);
    assert_eq!(world.refused("alice", send("carol", "x")), FailureKind::Integrity);
    assert!(!world.relay.log.iter().rev().take(1).any(|message| message == "Proof"), "nothing is proved to it");
}

#[test]
fn a_list_of_somebody_else_under_a_name_is_refused() {
    let mut world = World::with(61, &["alice", "bob", "mallory"]);
    let mallory = world.relay.list_of("mallory");
    world.relay.hostile.list = Some(mallory);
    assert_eq!(world.refused("alice", send("bob", "for bob only")), FailureKind::Integrity);
    world.pass(5_000);
    assert!(world.requests("mallory").is_empty());
}

#[test]
fn a_bundle_that_its_device_did_not_sign_is_never_used() {
    let mut world = World::with(62, &["alice", "bob"]);
    world.relay.hostile.bundle = Some(|bundle| bundle.signed.public.0[0] ^= 1);
    world.command("alice", send("bob", "wait")).unwrap();
    assert!(troubles(&mut world, "alice", |trouble| matches!(trouble, Trouble::BundleRefused(_))) > 0);
    assert!(!world.relay.log.iter().any(|message| message == "Send"));
    world.relay.hostile.bundle = None;
    world.pass(70_000);
    assert_eq!(world.requests("bob").len(), 1, "it goes out once the relay behaves");
}

#[test]
fn packets_that_come_twice_are_shown_once() {
    let mut world = World::friends(63);
    world.relay.hostile.twice = true;
    for n in 0..10 {
        world.say("alice", "bob", &n.to_string());
    }
    world.pass(3_000);
    assert_eq!(world.heard("bob").len(), 11);
    assert_eq!(troubles(&mut world, "bob", |trouble| *trouble == Trouble::Duplicate), 10);
}

#[test]
fn a_false_sender_never_changes_the_author() {
    let mut world = World::friends(64);
    world.register("mallory");
    world.relay.hostile.from = Some(world.relay.device_of("mallory"));
    world.say("alice", "bob", "signed by alice");
    world.pass(2_000);
    let authors: Vec<_> = world.client("bob").disk.history.iter().map(|message| message.from.to_string()).collect();
    assert!(authors.iter().all(|author| author == "alice" || author == "bob"), "{authors:?}");
    assert!(world.relay.devices[&world.relay.device_of("bob")].mailbox.is_empty(), "nothing wedges");
}

#[test]
fn packets_out_of_order_all_arrive() {
    let mut world = World::friends(65);
    world.kill("bob");
    for n in 0..6 {
        world.say("alice", "bob", &n.to_string());
    }
    let bob = world.relay.device_of("bob");
    let mailbox = &mut world.relay.devices.get_mut(&bob).unwrap().mailbox;
    let keys: Vec<u64> = mailbox.keys().copied().collect();
    let mut values: Vec<_> = keys.iter().map(|key| mailbox.remove(key).unwrap()).collect();
    values.reverse();
    mailbox.extend(keys.into_iter().zip(values));
    world.open("bob");
    world.connect("bob");
    world.pass(3_000);
    let mut heard = world.heard("bob");
    heard.sort();
    assert_eq!(heard, ["0", "1", "2", "3", "4", "5", "hello"]);
    let alices = world.client("alice").disk.history.clone();
    assert!(alices.iter().filter(|m| m.outgoing).all(|m| m.status == chat_core::engine::MessageStatus::Delivered));
}

#[test]
fn a_contacts_name_that_leads_elsewhere_is_an_alarm_and_blocks_sending() {
    let mut world = World::friends(66);
    world.register("mallory");
    let mallory = world.relay.names[&name("mallory")];
    world.relay.names.insert(name("bob"), mallory);
    world.ok("alice", Command::Search { query: "bob".into(), limit: 5 });
    let alarm = |kind: &NoticeKind| matches!(kind, NoticeKind::IdentityChanged { username, reason: IdentityChange::Name } if *username == name("bob"));
    assert_eq!(world.notices("alice", alarm), 1);
    assert_eq!(world.refused("alice", send("bob", "secret")), FailureKind::KeyChanged);
    world.pass(5_000);
    assert!(world.requests("mallory").is_empty());
}

#[test]
fn rubbish_in_the_mailbox_is_dropped_and_acknowledged() {
    let mut world = World::friends(67);
    world.kill("bob");
    let (alice, bob) = (world.relay.device_of("alice"), world.relay.device_of("bob"));
    world.say("alice", "bob", "before");
    let mailbox = &mut world.relay.devices.get_mut(&bob).unwrap().mailbox;
    let (last, genuine) = mailbox.iter().next_back().map(|(n, entry)| (*n, entry.2.clone())).unwrap();
    for (n, cut) in [0, 1, 60, genuine.len() - 1].into_iter().enumerate() {
        let packet = genuine.slice(..cut);
        mailbox.insert(last + 1 + n as u64, (alice, 0, packet));
    }
    let mut mangled = genuine.to_vec();
    *mangled.last_mut().unwrap() ^= 1;
    mailbox.insert(last + 10, (alice, 0, mangled.into()));
    world.open("bob");
    world.connect("bob");
    assert_eq!(world.heard("bob"), ["hello", "before"]);
    assert!(world.relay.devices[&bob].mailbox.is_empty());
    world.say("alice", "bob", "after");
    assert_eq!(world.heard("bob").last().unwrap(), "after");
}

#[test]
fn a_login_ended_for_the_relays_reasons_is_no_logout() {
    let mut world = World::friends(68);
    world.relay.log_out("alice", LogoutReason::Draining);
    world.run();
    assert!(world.status("alice").logged_in);
    assert_eq!(world.notices("alice", |kind| matches!(kind, NoticeKind::LoggedOut { .. })), 0);
    world.connect("alice");
    assert!(world.status("alice").online);
}

#[test]
fn a_device_that_sends_too_much_that_is_unsound_is_set_aside_for_a_minute_and_loses_nothing() {
    let mut world = World::friends(69);
    world.register("carol");
    world.say("carol", "bob", "hello from carol");
    world.ok("bob", Command::AcceptRequest(name("carol")));
    world.pass(2_000);
    world.kill("bob");
    let (alice, bob) = (world.relay.device_of("alice"), world.relay.device_of("bob"));
    world.say("alice", "bob", "sound");
    world.say("carol", "bob", "in the meantime");
    let mailbox = &mut world.relay.devices.get_mut(&bob).unwrap().mailbox;
    let entries: Vec<_> = std::mem::take(mailbox).into_iter().collect();
    let from_alice = |sender| sender == alice;
    let (mut place, sound) = (entries[0].0, entries.iter().find(|(_, entry)| from_alice(entry.0)).unwrap().1.clone());
    let mut mangled = sound.2.to_vec();
    *mangled.last_mut().unwrap() ^= 1;
    // The first nine are changed copies, and the ninth is one too many.
    let copies = std::iter::repeat_n((alice, sound.1, mangled.into()), 9);
    let others = entries.into_iter().map(|(_, entry)| entry);
    for entry in copies.chain(others) {
        mailbox.insert(place, entry);
        place += 1;
    }
    world.open("bob");
    world.connect("bob");
    assert_eq!(world.heard("bob"), ["hello", "hello from carol", "in the meantime"], "others do not wait");
    assert!(world.relay.devices[&bob].mailbox.len() >= 3, "nothing behind what is set aside is acknowledged");
    world.pass(61_000);
    assert_eq!(world.heard("bob").last().unwrap(), "sound");
    assert!(world.relay.devices[&bob].mailbox.is_empty());
}
