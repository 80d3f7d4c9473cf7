//! The program may die between any two lines: nothing is lost, nothing comes twice, order stays.

use chat_core::engine::{Command, MessageStatus};

use super::world::{World, name, send};

#[test]
fn a_death_after_any_step_of_the_sender_loses_and_repeats_nothing() {
    crash_everywhere("alice");
}

#[test]
fn a_death_after_any_step_of_the_recipient_loses_and_repeats_nothing() {
    crash_everywhere("bob");
}

/// Plays the same conversation again and again, dying one step later each time.
fn crash_everywhere(victim: &'static str) {
    let mut died = 0;
    for at in 1..200 {
        let mut world = World::with(100, &["alice", "bob"]);
        let steps = world.client(victim).steps;
        world.client(victim).crash_after = Some(steps + at);
        let mut said = Vec::new();
        for n in 0..4 {
            say_until_queued(&mut world, "alice", "bob", &format!("a{n}"), &mut said);
            if n == 1 {
                revive(&mut world, victim);
                world.ok_or_again("bob", || Command::AcceptRequest(name("alice")));
            }
        }
        for n in 0..4 {
            say_until_queued(&mut world, "bob", "alice", &format!("b{n}"), &mut said);
        }
        revive(&mut world, victim);
        let last = world.client("alice").disk.history.iter().rfind(|m| !m.outgoing).map(|m| m.id);
        if let Some(id) = last {
            world.ok_or_again("alice", || Command::MarkRead { with: "bob".into(), id });
        }
        world.ok_or_again("bob", || Command::SetProfile { display_name: Some("Bobby".into()) });
        world.pass(5_000);
        let crashed = world.client(victim).crash_after.take().is_none();
        revive(&mut world, victim);
        world.pass(10_000);
        check(&mut world, &said, at);
        if !crashed {
            break;
        }
        died += 1;
    }
    assert!(died > 23, "the conversation has more steps than {died}");
}

fn check(world: &mut World, said: &[(&str, String)], at: usize) {
    for (who, other) in [("alice", "bob"), ("bob", "alice")] {
        let expected: Vec<String> =
            said.iter().filter(|(from, _)| *from == other).map(|(_, text)| text.clone()).collect();
        assert_eq!(world.heard(who), expected, "{who}'s notices, death after step {at}");
        assert_eq!(world.read(who), expected, "{who}'s history, death after step {at}");
        assert_eq!(world.status(who).outbox, 0);
    }
    let alices = world.client("alice").disk.history.clone();
    for message in alices.iter().filter(|message| message.outgoing) {
        assert_eq!(message.status, MessageStatus::Delivered, "{:?}, death after step {at}", message.text);
    }
    let bobs = world.client("bob").disk.history.clone();
    for message in bobs.iter().filter(|message| message.outgoing) {
        assert_eq!(message.status, MessageStatus::Read, "{:?}, death after step {at}", message.text);
    }
    assert_eq!(world.contact("alice", "bob").display_name.as_deref(), Some("Bobby"), "death after step {at}");
}

/// A person whose program died before it said that the message is queued looks into the history and
/// says it again only if it is not there.
fn say_until_queued(
    world: &mut World,
    who: &'static str,
    to: &'static str,
    text: &str,
    said: &mut Vec<(&'static str, String)>,
) {
    for _ in 0..3 {
        revive(world, who);
        let there = |world: &mut World| {
            world.client(who).disk.history.iter().any(|m| m.outgoing && m.text.as_deref() == Some(text))
        };
        if world.command(who, send(to, text)).is_ok() || there(world) {
            said.push((who, text.to_owned()));
            return;
        }
    }
    panic!("{who} can't say {text}");
}

/// Starts a dead program again, as often as it takes: it may die while it starts.
fn revive(world: &mut World, who: &'static str) {
    while world.client(who).engine.is_none() || world.client(who).connection.is_none() {
        if world.client(who).engine.is_none() {
            world.open(who);
        }
        if world.client(who).engine.is_some() {
            world.connect(who);
        }
    }
}

impl World {
    fn ok_or_again(&mut self, who: &'static str, command: impl Fn() -> Command) {
        if self.command(who, command()).is_err() {
            revive(self, who);
            self.ok(who, command());
        }
    }
}

#[test]
fn what_was_queued_goes_out_after_a_restart() {
    let mut world = World::friends(51);
    world.cut("alice");
    let id = world.say("alice", "bob", "later");
    world.restart("alice");
    assert_eq!(world.heard("bob"), ["hello", "later"]);
    assert!(world.status_of("alice", id) >= MessageStatus::Sent);
}

#[test]
fn a_receipt_that_was_due_at_the_end_goes_out_after_a_restart() {
    let mut world = World::friends(52);
    let first = world.say("alice", "bob", "one");
    let second = world.say("alice", "bob", "two");
    world.kill("bob");
    world.open("bob");
    world.connect("bob");
    world.pass(2_000);
    assert_eq!(world.status_of("alice", first), MessageStatus::Delivered);
    assert_eq!(world.status_of("alice", second), MessageStatus::Delivered);
}

#[test]
fn a_store_that_was_set_back_never_seals_with_its_old_sessions() {
    let mut world = World::friends(53);
    let old = world.client("alice").disk.clone();
    for n in 0..5 {
        world.say("alice", "bob", &format!("first life {n}"));
        world.say("bob", "alice", &format!("answer {n}"));
    }
    world.kill("alice");
    world.client("alice").disk = old;
    world.open("alice");
    world.connect("alice");
    let stale = |event: &chat_core::engine::Event| {
        matches!(event, chat_core::engine::Event::Trouble(chat_core::engine::Trouble::StoreStale))
    };
    assert!(world.client("alice").events.iter().any(stale));
    world.say("alice", "bob", "second life");
    world.say("bob", "alice", "still here");
    world.pass(3_000);
    assert_eq!(world.heard("bob").last().unwrap(), "second life");
    assert_eq!(world.heard("alice").last().unwrap(), "still here");
    assert_eq!(world.heard("bob").len(), 7, "nothing twice");
}

#[test]
fn a_copy_that_was_opened_elsewhere_makes_both_start_afresh() {
    let mut world = World::friends(54);
    let copy = world.client("alice").disk.clone();
    world.kill("alice");
    world.open("alice");
    world.connect("alice");
    world.say("alice", "bob", "the original");
    world.kill("alice");
    let original = std::mem::replace(&mut world.client("alice").disk, copy);
    world.open("alice");
    world.connect("alice");
    world.say("alice", "bob", "the copy");
    world.kill("alice");
    world.pass(2_000);
    world.client("alice").disk = original;
    world.open("alice");
    world.connect("alice");
    world.say("alice", "bob", "the original again");
    assert_eq!(world.heard("bob"), ["hello", "the original", "the copy", "the original again"]);
}

#[test]
fn a_replaced_session_can_receive_for_a_week_and_then_its_keys_are_gone() {
    let mut world = World::friends(55);
    let old = world.client("alice").disk.clone();
    world.say("alice", "bob", "lost with the disk");
    world.kill("alice");
    world.pass(2_000);
    world.client("alice").disk = old;
    world.open("alice");
    world.connect("alice");
    world.say("alice", "bob", "from the backup");
    world.say("bob", "alice", "welcome back");
    assert_eq!((sessions(&mut world, "alice"), sessions(&mut world, "bob")), (2, 2));
    for who in ["alice", "bob"] {
        world.cut(who);
    }
    world.now = world.now.plus_ms(8 * 24 * 3_600_000);
    for who in ["alice", "bob"] {
        world.connect(who);
    }
    assert_eq!((sessions(&mut world, "alice"), sessions(&mut world, "bob")), (1, 1));
    world.say("bob", "alice", "still there?");
    assert_eq!(world.heard("alice").last().unwrap(), "still there?");
}

fn sessions(world: &mut World, who: &str) -> usize {
    use chat_core::store::{Records, Table};
    let rows = world.client(who).disk.records.scan(Table::Sessions, &[], None, usize::MAX);
    let sids: std::collections::BTreeSet<Vec<u8>> =
        rows.iter().filter_map(|(key, _)| key.get(36..52).map(<[u8]>::to_vec)).collect();
    sids.len()
}
