//! Where a password is not enough: who waits, who decides, and what survives of it (SPEC 9.13). And a device that was
//! taken off its account and comes back.

use chat_core::engine::{
    AccountCommand, Answer, ApprovalChange, Command, Event, Failure, FailureKind, MessageStatus, NoticeKind, Query,
    Reply, Route, WaitingDevice,
};
use chat_wire::ids::DeviceId;

use super::world::{World, name, send};

fn guarded(seed: u64) -> World {
    let mut world = World::friends(seed);
    world.pass(2_000);
    approve(&mut world, true);
    world
}

fn approve(world: &mut World, on: bool) {
    let route = Route(world.client("alice").connection.unwrap());
    let password = world.proven("alice", [7; 64]);
    let change = ApprovalChange { route, password, on };
    assert_eq!(world.account("alice", AccountCommand::SetApproval(Box::new(change))).unwrap(), Reply::Done);
    assert_eq!(world.status("alice").approval, on);
}

fn waiting(world: &mut World, who: &str) -> Vec<WaitingDevice> {
    match world.ask(who, &Query::Waiting) {
        Answer::Waiting(devices) => devices,
        other => panic!("{other:?}"),
    }
}

fn asked(world: &mut World, who: &str) -> Vec<(DeviceId, String)> {
    let asks = world.client(who).disk.notices.iter().filter_map(|notice| match &notice.kind {
        NoticeKind::DeviceWaits { device, code } => Some((*device, code.clone())),
        _ => None,
    });
    asks.collect()
}

fn reply(world: &mut World, who: &str, number: u64) -> Option<Result<Reply, Failure>> {
    world.client(who).replies.remove(&number)
}

#[test]
fn a_device_waits_shows_the_code_that_the_others_show_and_enters_when_one_of_them_says_so() {
    let mut world = guarded(900);
    let number = world.knock("laptop", "alice");
    let code = world.status("laptop").awaiting.expect("it says that it waits");
    assert!(world.client("laptop").events.contains(&Event::AwaitsEntry { code: code.clone() }));
    assert!(reply(&mut world, "laptop", number).is_none(), "nothing is answered before somebody decides");
    let [(device, shown)] = &asked(&mut world, "alice")[..] else { panic!("asked once") };
    assert_eq!(*shown, code);
    let device = *device;
    // It waits as long as it takes, and neither a beat nor a look at it asks twice.
    world.pass(10 * 60_000);
    assert_eq!((asked(&mut world, "alice").len(), waiting(&mut world, "alice").len()), (1, 1));
    let answer = AccountCommand::AnswerEntry { device, allow: true };
    assert_eq!(world.account("alice", answer).unwrap(), Reply::Done);
    let entered = reply(&mut world, "laptop", number).unwrap().unwrap();
    assert!(matches!(entered, Reply::LoggedIn { new_device: true, device: of, .. } if of == device), "{entered:?}");
    assert_eq!((world.status("laptop").awaiting, waiting(&mut world, "alice")), (None, vec![]));
    world.pass(3_000);
    world.say("bob", "alice", "to both");
    world.pass(3_000);
    assert_eq!(world.heard("laptop"), ["to both"]);
    assert!(world.contact("laptop", "bob").mutual);
}

#[test]
fn a_device_that_is_denied_learns_so_and_what_it_was_denied_under_never_enters() {
    let mut world = guarded(901);
    let number = world.knock("laptop", "alice");
    let (device, _) = asked(&mut world, "alice").pop().unwrap();
    world.account("alice", AccountCommand::AnswerEntry { device, allow: false }).unwrap();
    assert_eq!(reply(&mut world, "laptop", number).unwrap().unwrap_err().kind, FailureKind::NotLetIn);
    assert_eq!(world.status("laptop").awaiting, None);
    assert!(!world.status("laptop").enrolled);
    // A second try is another device, asked about anew.
    world.knock("laptop", "alice");
    let asked = asked(&mut world, "alice");
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[1].0, device);
    let nobody = AccountCommand::AnswerEntry { device: DeviceId(1), allow: true };
    assert_eq!(world.account("alice", nobody).unwrap_err().kind, FailureKind::NotFound);
}

#[test]
fn who_waits_goes_on_under_the_same_code_after_a_break_a_restart_and_a_relay_that_forgot() {
    let mut world = guarded(902);
    world.knock("laptop", "alice");
    let code = world.status("laptop").awaiting.unwrap();
    let (device, _) = asked(&mut world, "alice").pop().unwrap();
    world.cut("laptop");
    assert_eq!(world.status("laptop").awaiting.as_deref(), Some(&*code), "the wish outlives the connection");
    world.connect("laptop");
    world.kill("laptop");
    // While nobody is there: the answer is kept on this device, also when the relay then forgets everything.
    world.account("alice", AccountCommand::AnswerEntry { device, allow: true }).unwrap();
    world.relay.waiting.clear();
    world.open("laptop");
    world.connect("laptop");
    let number = world.knock("laptop", "alice");
    let entered = reply(&mut world, "laptop", number).unwrap().unwrap();
    assert!(matches!(entered, Reply::LoggedIn { new_device: true, device: of, .. } if of == device));
    assert_eq!(asked(&mut world, "alice").len(), 1, "the person is not asked about the same key twice");
}

#[test]
fn all_devices_are_asked_one_decides_and_one_that_was_away_is_asked_when_it_comes() {
    let mut world = World::friends(903);
    world.pass(2_000);
    world.join("phone", "alice").unwrap();
    world.pass(3_000);
    approve(&mut world, true);
    world.pass(3_000);
    world.cut("phone");
    world.knock("laptop", "alice");
    world.connect("phone");
    let (device, code) = asked(&mut world, "phone").pop().expect("asked on coming back");
    assert_eq!(asked(&mut world, "alice"), [(device, code)]);
    world.account("phone", AccountCommand::AnswerEntry { device, allow: true }).unwrap();
    assert!(world.client("alice").events.contains(&Event::EntrySettled { device }), "the question goes away");
    assert_eq!(waiting(&mut world, "alice"), []);
    assert!(world.status("laptop").enrolled);
}

#[test]
fn a_relay_that_says_allowed_before_anybody_decided_gives_no_key_that_opens_anything() {
    // The list says that the account wants more: without an answer the device is not made at all.
    let mut world = guarded(904);
    let number = world.knock("laptop", "alice");
    world.pass(60_000);
    assert!(reply(&mut world, "laptop", number).is_none());
    assert!(!world.relay.log.iter().any(|message| message == "Account(Enroll"));
    approve(&mut world, false);
    // Another try of the same person takes the place of the one that waits.
    let reply_now = world.join("laptop", "alice").unwrap();
    assert!(matches!(reply_now, Reply::LoggedIn { new_device: true, .. }));
    assert_eq!(reply(&mut world, "laptop", number).unwrap().unwrap_err().kind, FailureKind::Cancelled);
}

#[test]
fn a_removed_device_comes_back_by_its_password_as_another_device_and_keeps_what_it_had_read() {
    let mut world = World::friends(905);
    world.pass(2_000);
    world.join("laptop", "alice").unwrap();
    world.pass(3_000);
    world.say("bob", "alice", "before");
    world.pass(3_000);
    let old = world.status("laptop").device.unwrap();
    world.cut("laptop");
    let unsent = world.say("laptop", "bob", "never sent");
    world.account("alice", AccountCommand::RemoveDevice(old)).unwrap();
    world.connect("laptop");
    assert!(!world.status("laptop").logged_in);
    world.say("bob", "alice", "meanwhile");
    world.pass(3_000);
    if world.client("laptop").connection.is_none() {
        world.connect("laptop");
    }
    let back = world.join("laptop", "alice").unwrap();
    let Reply::LoggedIn { new_device: true, device, .. } = back else { panic!("{back:?}") };
    assert_ne!(device, old);
    assert_eq!(world.read("laptop"), ["before"], "what was said without it is not its to read");
    assert_eq!(world.status_of("laptop", unsent), MessageStatus::Failed, "nothing goes out in the old one's name");
    world.pass(3_000);
    world.say("bob", "alice", "after");
    world.say("laptop", "bob", "from the new one");
    world.pass(3_000);
    assert_eq!(world.read("laptop"), ["before", "after"]);
    assert_eq!(world.heard("bob").last().unwrap(), "from the new one");
    assert!(!world.heard("bob").contains(&"never sent".to_owned()));
}

#[test]
fn a_relay_that_only_says_so_makes_no_device_give_itself_up() {
    let mut world = World::friends(906);
    world.pass(2_000);
    let device = world.status("alice").device.unwrap();
    let connection = world.client("alice").connection.unwrap();
    world.relay.lie_about_removal(connection);
    world.run();
    assert!(!world.status("alice").logged_in);
    world.connect("alice");
    let reply = world.resume("alice").unwrap();
    assert!(matches!(reply, Reply::LoggedIn { new_device: false, device: of, .. } if of == device), "{reply:?}");
    world.say("bob", "alice", "still there");
    world.pass(2_000);
    assert_eq!(world.heard("alice").last().unwrap(), "still there");
}

#[test]
fn a_profile_with_somebody_s_history_takes_no_other_account_before_it_is_erased() {
    let mut world = World::friends(907);
    world.pass(2_000);
    world.join("laptop", "alice").unwrap();
    world.pass(3_000);
    let old = world.status("laptop").device.unwrap();
    approve(&mut world, true);
    world.account("alice", AccountCommand::RemoveDevice(old)).unwrap();
    world.pass(1_000);
    world.connect("laptop");
    // It gives the old device up and waits for the new one to be let in; then it is asked to be bob's.
    world.knock("laptop", "alice");
    assert!(!world.status("laptop").enrolled && world.status("laptop").awaiting.is_some());
    assert_eq!(world.join("laptop", "bob").unwrap_err().kind, FailureKind::Forbidden);
    assert_eq!(world.enroll("laptop", "dave").unwrap_err().kind, FailureKind::Forbidden);
    world.ok("laptop", Command::Logout { forget: true });
    assert!(world.client("laptop").disk.history.is_empty());
    world.connect("laptop");
    world.join("laptop", "bob").unwrap();
    let _ = (name("bob"), send("bob", ""));
}
