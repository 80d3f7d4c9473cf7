//! Messages that were said: edited, taken back, hidden, reacted to, expired.

use chat_core::engine::{Amendment, Change, Command, Conversation, FailureKind, Message, NoticeKind, Reply};
use chat_wire::ids::MessageId;

use super::world::{World, name};

pub(super) fn message(world: &mut World, who: &str, id: MessageId) -> Message {
    world.client(who).disk.history.iter().find(|message| message.id == id).unwrap().clone()
}

fn amendment(world: &mut World, who: &str, id: MessageId, change: Change) -> Command {
    let conversation = message(world, who, id).conversation;
    Command::Amend(Amendment { conversation, id, change })
}

pub(super) fn amend(world: &mut World, who: &'static str, id: MessageId, change: Change) {
    let command = amendment(world, who, id, change);
    world.ok(who, command);
    world.run();
}

pub(super) fn not_amended(world: &mut World, who: &'static str, id: MessageId, change: Change) -> FailureKind {
    let command = amendment(world, who, id, change);
    world.refused(who, command)
}

pub(super) fn updates(world: &mut World, who: &str, id: MessageId) -> usize {
    world.notices(who, |kind| matches!(kind, NoticeKind::Changed { id: of, .. } if *of == id))
}

pub(super) fn signs(world: &mut World, who: &str, id: MessageId) -> Vec<(String, String)> {
    let reactions = message(world, who, id).reactions.into_iter();
    reactions.map(|reaction| (reaction.from.to_string(), reaction.sign)).collect()
}

fn expiring(text: &str, expires_in_ms: u64) -> Command {
    let expires_in_ms = Some(expires_in_ms);
    Command::Send { to: "bob".into(), text: text.into(), reply_to: None, idempotency_key: None, expires_in_ms }
}

#[test]
fn an_edit_shows_on_both_sides_and_the_last_one_counts() {
    let mut world = World::friends(600);
    let id = world.say("alice", "bob", "helo");
    amend(&mut world, "alice", id, Change::Edit("hello".into()));
    world.pass(10);
    amend(&mut world, "alice", id, Change::Edit("hello!".into()));
    for who in ["alice", "bob"] {
        let message = message(&mut world, who, id);
        assert_eq!((message.text.as_deref(), message.edited), (Some("hello!"), true), "{who}");
        assert_eq!(updates(&mut world, who, id), 2);
    }
}

#[test]
fn nobody_edits_or_takes_back_what_somebody_else_said() {
    let mut world = World::friends(601);
    let id = world.say("alice", "bob", "mine");
    assert_eq!(not_amended(&mut world, "bob", id, Change::Edit("yours".into())), FailureKind::Forbidden);
    assert_eq!(not_amended(&mut world, "bob", id, Change::Delete), FailureKind::Forbidden);
    // What a dishonest program sends all the same names nothing of its own: it waits in vain.
    world.pass(2_000);
    assert_eq!(message(&mut world, "alice", id).text.as_deref(), Some("mine"));
    assert_eq!(updates(&mut world, "alice", id), 0);
}

#[test]
fn what_was_taken_back_is_gone_for_everybody_and_what_is_hidden_for_oneself() {
    let mut world = World::friends(602);
    let (one, two) = (world.say("alice", "bob", "one"), world.say("alice", "bob", "two"));
    amend(&mut world, "bob", one, Change::React("👍".into()));
    amend(&mut world, "alice", one, Change::Delete);
    for who in ["alice", "bob"] {
        let message = message(&mut world, who, one);
        assert_eq!((message.text, message.deleted, message.reactions.len()), (None, true, 0), "{who}");
    }
    amend(&mut world, "bob", two, Change::Hide);
    assert!(message(&mut world, "bob", two).deleted && !message(&mut world, "alice", two).deleted);
    // Gone stays gone; once more is no mistake.
    assert_eq!(not_amended(&mut world, "alice", one, Change::Edit("back".into())), FailureKind::UnknownMessage);
    assert_eq!(not_amended(&mut world, "bob", one, Change::React("👍".into())), FailureKind::UnknownMessage);
    amend(&mut world, "alice", one, Change::Delete);
    assert_eq!(updates(&mut world, "alice", one), 2);
}

#[test]
fn everybody_has_one_reaction_to_a_message_and_can_take_it_back() {
    let mut world = World::friends(603);
    let id = world.say("alice", "bob", "lunch?");
    amend(&mut world, "bob", id, Change::React("👍".into()));
    amend(&mut world, "alice", id, Change::React("🙂".into()));
    world.pass(5);
    amend(&mut world, "bob", id, Change::React("🎉".into()));
    for who in ["alice", "bob"] {
        let mut seen = signs(&mut world, who, id);
        seen.sort();
        assert_eq!(seen, [("alice".into(), "🙂".into()), ("bob".into(), "🎉".into())], "{who}");
    }
    world.pass(5);
    amend(&mut world, "bob", id, Change::React(String::new()));
    assert_eq!(signs(&mut world, "alice", id), [("alice".to_owned(), "🙂".to_owned())]);
    let bad = ["two words", "line\nfeed", &"x".repeat(65)];
    for sign in bad {
        assert_eq!(not_amended(&mut world, "bob", id, Change::React(sign.into())), FailureKind::InvalidParams);
    }
}

#[test]
fn what_can_not_be_amended_says_why() {
    let mut world = World::friends(604);
    let id = world.say("alice", "bob", "text");
    let long = "x".repeat(64 * 1024 + 1);
    assert_eq!(not_amended(&mut world, "alice", id, Change::Edit(long)), FailureKind::TooLarge);
    let conversation = message(&mut world, "alice", id).conversation;
    let unknown = Command::Amend(Amendment { conversation, id: MessageId([9; 16]), change: Change::Delete });
    assert_eq!(world.refused("alice", unknown), FailureKind::UnknownMessage);
    world.ok("alice", Command::Block(name("bob")));
    assert_eq!(not_amended(&mut world, "alice", id, Change::Edit("x".into())), FailureKind::Blocked);
    amend(&mut world, "alice", id, Change::Hide);
    world.ok("alice", Command::Logout { forget: false });
    assert_eq!(not_amended(&mut world, "alice", id, Change::Hide), FailureKind::NotLoggedIn);
}

#[test]
fn changes_made_offline_reach_whoever_was_away() {
    let mut world = World::friends(605);
    let (edited, gone) = (world.say("alice", "bob", "draft"), world.say("alice", "bob", "regret"));
    world.kill("bob");
    world.cut("alice");
    amend(&mut world, "alice", edited, Change::Edit("final".into()));
    amend(&mut world, "alice", gone, Change::Delete);
    world.restart("alice");
    world.open("bob");
    world.connect("bob");
    assert_eq!(message(&mut world, "bob", edited).text.as_deref(), Some("final"));
    assert!(message(&mut world, "bob", gone).deleted);
}

#[test]
fn what_a_stranger_changes_is_seen_once_it_is_accepted_and_not_before() {
    let mut world = World::with(606, &["alice", "bob"]);
    let (edited, gone) = (world.say("alice", "bob", "helo"), world.say("alice", "bob", "oops"));
    amend(&mut world, "alice", edited, Change::Edit("hello".into()));
    amend(&mut world, "alice", gone, Change::Delete);
    world.pass(2_000);
    assert_eq!(world.notices("bob", |kind| matches!(kind, NoticeKind::Changed { .. })), 0);
    world.ok("bob", Command::AcceptRequest(name("alice")));
    assert_eq!(message(&mut world, "bob", edited).text.as_deref(), Some("hello"));
    assert!(message(&mut world, "bob", gone).deleted);
}

#[test]
fn a_blocked_person_changes_nothing() {
    let mut world = World::friends(607);
    let id = world.say("alice", "bob", "before");
    world.ok("bob", Command::Block(name("alice")));
    amend(&mut world, "alice", id, Change::Edit("after".into()));
    world.pass(2_000);
    assert_eq!(message(&mut world, "bob", id).text.as_deref(), Some("before"));
}

#[test]
fn an_expiring_message_goes_on_each_side_after_its_time_also_over_restarts() {
    let mut world = World::friends(608);
    world.kill("bob");
    let Reply::Queued { id, .. } = world.ok("alice", expiring("burn", 60_000)) else { panic!() };
    world.pass(59_000);
    assert!(!message(&mut world, "alice", id).deleted);
    world.pass(1_000);
    assert!(message(&mut world, "alice", id).deleted, "from the sending on");
    assert_eq!(updates(&mut world, "alice", id), 1);
    world.open("bob");
    world.connect("bob");
    assert_eq!(message(&mut world, "bob", id).text.as_deref(), Some("burn"), "who was away has as long");
    world.pass(30_000);
    world.kill("bob");
    world.pass(60_000);
    assert!(!message(&mut world, "bob", id).deleted);
    world.open("bob");
    assert!(message(&mut world, "bob", id).deleted, "what was due meanwhile goes at the start");
    assert_eq!(updates(&mut world, "bob", id), 1);
    for bad in [0, u64::MAX] {
        assert_eq!(world.refused("alice", expiring("x", bad)), FailureKind::InvalidParams);
    }
}

#[test]
fn notes_to_oneself_can_be_amended_too() {
    let mut world = World::with(609, &["alice"]);
    let id = world.say("alice", "alice", "buy milk");
    assert!(matches!(message(&mut world, "alice", id).conversation, Conversation::Direct(_)));
    amend(&mut world, "alice", id, Change::Edit("buy bread".into()));
    amend(&mut world, "alice", id, Change::React("✅".into()));
    let note = message(&mut world, "alice", id);
    assert_eq!((note.text.as_deref(), note.reactions.len()), (Some("buy bread"), 1));
    amend(&mut world, "alice", id, Change::Delete);
    assert!(message(&mut world, "alice", id).deleted);
    assert_eq!(world.status("alice").outbox, 0);
}
