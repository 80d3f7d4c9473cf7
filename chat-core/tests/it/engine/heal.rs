//! Sessions that broke mend by themselves, and say so.

use chat_core::engine::{AlarmKind, Command, Diagnostics, Event, MessageStatus, NoticeKind, Trouble};
use chat_core::store::{Records, Table, Write, WriteBatch};
use chat_wire::device_list::DeviceList;

use super::world::{World, name};

/// Drops every session that `who` has: what a damaged store, or one from before the session, looks like.
fn forget_sessions(world: &mut World, who: &'static str) {
    world.kill(who);
    let rows = world.client(who).disk.records.scan(Table::Sessions, &[], None, usize::MAX);
    let writes = rows.into_iter().map(|(key, _)| Write::Delete { table: Table::Sessions, key }).collect();
    world.client(who).disk.records.apply(&WriteBatch { writes, ..WriteBatch::default() });
    world.open(who);
    world.connect(who);
}

fn troubles(world: &mut World, who: &str, wanted: impl Fn(&Trouble) -> bool) -> usize {
    let events = &world.client(who).events;
    events.iter().filter(|event| matches!(event, Event::Trouble(trouble) if wanted(trouble))).count()
}

/// Something that nobody sealed, in a mailbox.
fn inject(world: &mut World, to: &'static str, from: &'static str, packet: &[u8]) {
    let (to, from) = (world.relay.device_of(to), world.relay.device_of(from));
    world.relay.put(to, from, packet);
    world.run();
}

#[test]
fn a_side_that_lost_its_session_starts_another_and_gets_what_it_missed() {
    let mut world = World::friends(80);
    forget_sessions(&mut world, "bob");
    let lost = world.say("alice", "bob", "into the void");
    world.pass(5_000);
    assert_eq!(world.heard("bob"), ["hello", "into the void"], "sent again in the new session");
    assert_eq!(world.status_of("alice", lost), MessageStatus::Delivered);
    let Diagnostics { bare_resets, resends_asked, .. } = world.diagnostics("bob");
    assert_eq!((bare_resets, resends_asked), (1, 1));
    let Diagnostics { resent, their_bare_resets, .. } = world.diagnostics("alice");
    assert_eq!((resent, their_bare_resets), (1, 1));
    assert_eq!(troubles(&mut world, "alice", |t| matches!(t, Trouble::SessionReset(_))), 1, "and it shows");
}

#[test]
fn without_the_old_secret_a_session_is_started_over_three_times_a_day_at_most() {
    let mut world = World::friends(81);
    for round in 0..6 {
        forget_sessions(&mut world, "bob");
        world.say("alice", "bob", &format!("round {round}"));
        world.pass(20_000);
    }
    assert_eq!(world.diagnostics("bob").bare_resets, 3);
    assert!(world.diagnostics("bob").resets_refused > 0);
}

#[test]
fn made_up_packets_cost_one_probe_a_minute_and_end_nothing() {
    let mut world = World::friends(82);
    for _ in 0..20 {
        inject(&mut world, "bob", "alice", &[1; 700]);
        world.pass(1_500);
    }
    let counts = world.diagnostics("bob");
    assert_eq!((counts.undecryptable, counts.probes, counts.probes_answered), (20, 1, 1));
    assert_eq!((counts.resets, counts.bare_resets), (0, 0));
    world.say("alice", "bob", "all is well");
    assert_eq!(world.heard("bob").last().unwrap(), "all is well");
}

#[test]
fn a_probe_that_nobody_answers_starts_the_session_over_on_the_old_secret() {
    let mut world = World::friends(83);
    world.cut("alice");
    inject(&mut world, "bob", "alice", &[1; 700]);
    world.pass(11_000);
    inject(&mut world, "bob", "alice", &[2; 700]);
    assert_eq!((world.diagnostics("bob").probes, world.diagnostics("bob").resets), (1, 1));
    world.connect("alice");
    world.pass(3_000);
    assert_eq!(world.diagnostics("alice").their_resets, 1);
    assert_eq!(troubles(&mut world, "alice", |t| matches!(t, Trouble::SessionReset(_))), 0, "it was the same device");
    world.say("alice", "bob", "here again");
    world.say("bob", "alice", "good");
    assert_eq!(
        (world.heard("bob").pop().unwrap(), world.heard("alice").pop().unwrap()),
        ("here again".into(), "good".into())
    );
}

#[test]
fn a_stranger_learns_nothing_of_what_did_not_open() {
    let mut world = World::with(84, &["alice", "bob"]);
    world.say("alice", "bob", "may I?");
    let before = world.relay.log.iter().filter(|message| *message == "Send").count();
    inject(&mut world, "bob", "alice", &[1; 700]);
    forget_sessions(&mut world, "bob");
    world.say("alice", "bob", "hello?");
    world.pass(30_000);
    let sent = world.relay.log.iter().filter(|message| *message == "Send").count();
    assert_eq!(sent, before + 1, "alice's message only");
    assert_eq!(world.diagnostics("bob").probes, 0);
}

#[test]
fn a_store_that_was_set_back_is_a_new_incarnation_and_its_contacts_hear_of_it() {
    let mut world = World::friends(85);
    let old = world.client("alice").disk.clone();
    for n in 0..3 {
        world.say("alice", "bob", &format!("first life {n}"));
    }
    world.kill("alice");
    world.client("alice").disk = old;
    world.open("alice");
    world.connect("alice");
    world.pass(3_000);
    let list = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    assert_eq!((list.body().seq, list.body().devices[0].incarnation), (2, 2));
    assert_eq!(world.diagnostics("alice").stale_stores, 1);
    assert!(
        world.diagnostics("bob").their_resets + world.diagnostics("bob").their_bare_resets >= 1,
        "told by a session"
    );
    // A second time, from the same copy: the relay lets the earlier incarnation in, to be raised again.
    let old = world.client("alice").disk.clone();
    world.say("alice", "bob", "second life");
    world.kill("alice");
    world.client("alice").disk = old;
    world.open("alice");
    world.connect("alice");
    let sent = world.say("alice", "bob", "third life");
    world.pass(3_000);
    assert_eq!(world.heard("bob").last().unwrap(), "third life");
    assert_eq!(world.status_of("alice", sent), MessageStatus::Delivered);
    let list = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    assert_eq!(list.body().devices[0].incarnation, 3);
}

#[test]
fn one_time_keys_of_a_store_that_was_set_back_open_nothing_any_more() {
    let mut world = World::friends(86);
    let old = world.client("alice").disk.clone();
    let pairs = |world: &mut World| world.client("alice").disk.records.scan(Table::PreKeys, &[], None, usize::MAX);
    let before: Vec<_> = pairs(&mut world).into_iter().map(|(key, _)| key).collect();
    world.say("alice", "bob", "on");
    world.kill("alice");
    world.client("alice").disk = old;
    world.open("alice");
    world.connect("alice");
    let after: Vec<_> = pairs(&mut world).into_iter().map(|(key, _)| key).collect();
    let kept = after.iter().filter(|key| before.contains(key)).count();
    assert_eq!(kept, 2, "the medium-term and the last-resort key, for mail that was under way");
    assert!(after.len() > 100, "and new ones are published");
}

#[test]
fn a_copy_that_speaks_in_a_session_is_noticed_by_its_peer_and_the_session_ends() {
    let mut world = World::friends(87);
    let copy = world.client("alice").disk.clone();
    let device = world.relay.device_of("alice");
    let (boot, step) = (world.relay.devices[&device].boot, world.relay.devices[&device].step);
    world.say("alice", "bob", "the original");
    world.kill("alice");
    // The relay plays along: it says what the copy expects.
    world.relay.devices.get_mut(&device).unwrap().boot = boot;
    world.relay.devices.get_mut(&device).unwrap().step = step;
    world.client("alice").disk = copy;
    world.open("alice");
    world.connect("alice");
    let at_the_same_place = world.say("alice", "bob", "the copy");
    world.pass(15_000);
    assert!(troubles(&mut world, "bob", |t| matches!(t, Trouble::Forked(_))) >= 1);
    assert_eq!((world.diagnostics("bob").resets, world.diagnostics("bob").forks), (1, 1), "and it shows");
    let is_told = |notice: &NoticeKind| match notice {
        NoticeKind::TrustAlarm(alarm) => alarm.kind == AlarmKind::DeviceCopied && alarm.subject == name("alice"),
        _ => false,
    };
    assert_eq!(world.notices("bob", is_told), 1, "to bob, once");
    // What the copy said at a place that the original had used comes again in the new session, once.
    assert_eq!(world.heard("bob"), ["hello", "the original", "the copy"]);
    assert!(world.status_of("alice", at_the_same_place) >= MessageStatus::Sent);
    world.say("bob", "alice", "who are you?");
    world.say("alice", "bob", "me");
    assert_eq!(world.heard("alice").last().unwrap(), "who are you?");
    assert_eq!(world.heard("bob").last().unwrap(), "me");
}

#[test]
fn what_two_lives_say_at_one_place_arrives_from_both_and_is_confirmed_to_each_alone() {
    let mut world = World::friends(90);
    world.restart("alice");
    let old = world.client("alice").disk.clone();
    world.say("alice", "bob", "first life");
    world.kill("alice");
    world.client("alice").disk = old;
    world.open("alice");
    // The same place of the stream, before the store can know that it is an old one.
    let waiting = world.say("alice", "bob", "second life");
    world.cut("bob");
    world.connect("alice");
    world.pass(3_000);
    assert_eq!(world.status_of("alice", waiting), MessageStatus::Sent, "bob has not seen it");
    world.connect("bob");
    world.pass(5_000);
    assert_eq!(world.heard("bob"), ["hello", "first life", "second life"]);
    assert_eq!(world.status_of("alice", waiting), MessageStatus::Delivered);
    assert_eq!((world.diagnostics("alice").stale_stores, world.diagnostics("bob").forks), (1, 0));
}

#[test]
fn a_renewed_device_asks_devices_that_its_old_copy_did_not_know() {
    let mut world = World::friends(93);
    let old = world.client("alice").disk.clone();
    world.restart("alice");
    world.join("laptop", "bob").unwrap();
    world.pass(3_000);
    world.cut("alice");
    world.say("laptop", "alice", "from the laptop");
    world.pass(1_000);
    world.kill("alice");
    world.client("alice").disk = old;
    world.open("alice");
    world.connect("alice");
    world.pass(30_000);
    assert_eq!(world.diagnostics("alice").stale_stores, 1);
    assert_eq!(world.heard("alice").last().unwrap(), "from the laptop");
}

#[test]
fn a_copy_with_the_same_boot_id_is_found_out_by_the_steps_of_its_sends() {
    let mut world = World::friends(92);
    let device = world.relay.device_of("alice");
    let (boot, step) = (world.relay.devices[&device].boot, world.relay.devices[&device].step);
    // Another life with the same chance has sent under the next step, and this one's answer is missing.
    world.relay.devices.get_mut(&device).unwrap().step = step + 1;
    let said = world.say("alice", "bob", "after the other");
    world.pass(5_000);
    assert_eq!(world.relay.devices[&device].boot, boot);
    assert_eq!(world.diagnostics("alice").stale_stores, 1, "refused, and so found out");
    assert_eq!(world.heard("bob"), ["hello", "after the other"]);
    assert_eq!(world.status_of("alice", said), MessageStatus::Delivered);
    // On the next connection it shows before anything is sent.
    world.cut("alice");
    world.relay.devices.get_mut(&device).unwrap().step += 10;
    world.connect("alice");
    world.pass(1_000);
    assert_eq!(world.diagnostics("alice").stale_stores, 2);
}

#[test]
fn a_gap_that_a_stream_shows_is_asked_about_and_filled() {
    let mut world = World::friends(93);
    world.cut("bob");
    world.say("alice", "bob", "one");
    let bob = world.relay.device_of("bob");
    world.relay.devices.get_mut(&bob).unwrap().mailbox.clear();
    world.connect("bob");
    world.say("alice", "bob", "two");
    world.pass(5_000);
    assert_eq!(world.heard("bob"), ["hello", "two", "one"]);
    assert_eq!((world.diagnostics("bob").resends_asked, world.diagnostics("alice").resent), (1, 1));
}

#[test]
fn a_last_resort_first_message_is_taken_once() {
    let mut world = World::with(89, &["alice", "bob"]);
    let (alice, bob) = (world.relay.device_of("alice"), world.relay.device_of("bob"));
    world.relay.devices.get_mut(&bob).unwrap().pairs.clear();
    world.cut("bob");
    world.say("alice", "bob", "may I?");
    let (_, _, packet) = world.relay.devices[&bob].mailbox.values().next().unwrap().clone();
    world.connect("bob");
    assert_eq!(world.requests("bob").len(), 1);
    // Without its sessions nothing but the replay record knows the packet.
    forget_sessions(&mut world, "bob");
    let before = world.diagnostics("bob").duplicates;
    world.relay.put(bob, alice, &packet);
    world.run();
    assert_eq!(world.diagnostics("bob").duplicates, before + 1);
    let rows = world.client("bob").disk.records.scan(Table::Sessions, &[], None, usize::MAX);
    assert!(rows.is_empty(), "no session came of it");
}

#[test]
fn one_way_traffic_is_answered_by_an_empty_message_so_that_keys_turn() {
    let mut world = World::friends(88);
    world.client("bob").disk.history.clear();
    world.ok("bob", Command::Block(name("alice")));
    world.ok("bob", Command::Unblock(name("alice")));
    let before = world.diagnostics("bob").turns;
    // Receipts turn the keys in ordinary talk; here they wait for the clock, which stands still.
    for n in 0..120 {
        world.say("alice", "bob", &format!("{n}"));
    }
    assert!(world.diagnostics("bob").turns > before, "{:?}", world.diagnostics("bob"));
}
