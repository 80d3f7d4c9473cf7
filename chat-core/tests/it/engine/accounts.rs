//! Registering, logging in and out, erasing.

use chat_core::engine::{Command, FailureKind, NoticeKind, Reply};
use chat_core::identity::RecoveryCode;
use chat_wire::message::LogoutReason;

use super::world::{World, name, send};

#[test]
fn a_registration_ends_with_keys_published_and_a_recovery_code() {
    let mut world = World::new(1);
    let reply = world.register("alice");
    let Reply::Enrolled { username, recovery_code, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(username, name("alice"));
    assert_eq!(recovery_code.split('-').map(str::len).collect::<Vec<_>>(), vec![5; 8]);
    let device = world.relay.device_of("alice");
    assert_eq!(world.relay.devices[&device].pairs.len(), 100, "filled in the background");
    let status = world.status("alice");
    assert!(status.enrolled && status.logged_in && status.online);
}

#[test]
fn a_taken_name_is_refused_and_another_one_works_on_the_same_connection() {
    let mut world = World::with(2, &["alice"]);
    world.open("mallory");
    world.connect("mallory");
    assert_eq!(world.enroll("mallory", "alice").unwrap_err().kind, FailureKind::UsernameTaken);
    assert!(!world.status("mallory").enrolled);
    assert!(world.enroll("mallory", "mallory").is_ok());
}

#[test]
fn an_enrolled_profile_comes_back_by_itself() {
    let mut world = World::with(3, &["alice", "bob"]);
    world.restart("alice");
    assert!(world.status("alice").online);
    world.say("alice", "bob", "still me");
    assert_eq!(world.requests("bob").len(), 1);
}

#[test]
fn after_a_logout_nothing_works_until_the_login_and_the_device_is_the_same() {
    let mut world = World::friends(4);
    let device = world.status("alice").device;
    assert_eq!(world.ok("alice", Command::Logout { forget: false }), Reply::Done);
    assert_eq!(world.client("alice").connection, None);
    assert_eq!(world.refused("alice", send("bob", "no")), FailureKind::NotLoggedIn);
    world.connect("alice");
    assert!(!world.status("alice").logged_in, "it does not log in by itself");
    world.say("bob", "alice", "while you were away");
    let reply = world.resume("alice").unwrap();
    assert_eq!(reply, Reply::LoggedIn { username: name("alice"), device: device.unwrap(), new_device: false });
    assert_eq!(world.heard("alice"), vec!["while you were away"]);
}

#[test]
fn forgetting_takes_the_device_off_the_account_and_leaves_nothing() {
    let mut world = World::friends(6);
    assert_eq!(world.ok("alice", Command::Logout { forget: true }), Reply::Done);
    let disk = &world.client("alice").disk;
    assert!(disk.records.is_empty() && disk.history.is_empty() && disk.notices.is_empty());
    assert!(!world.status("alice").enrolled);
    let list = chat_wire::device_list::DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    assert_eq!(list.body().live_devices().count(), 0);
    // The profile is as new.
    world.connect("alice");
    assert!(world.enroll("alice", "alice2").is_ok());
}

#[test]
fn a_device_that_was_removed_is_told_once_and_stays_out() {
    let mut world = World::friends(7);
    world.relay.log_out("alice", LogoutReason::Removed);
    world.run();
    assert!(!world.status("alice").logged_in);
    let told = |kind: &NoticeKind| matches!(kind, NoticeKind::LoggedOut { reason } if reason == "removed");
    assert_eq!(world.notices("alice", told), 1);
    world.connect("alice");
    assert!(!world.status("alice").online);
    assert_eq!(world.notices("alice", told), 1);
}

#[test]
fn a_lost_answer_to_a_registration_is_made_up_for_by_a_login() {
    let mut world = World::new(8);
    world.open("alice");
    world.connect("alice");
    let steps = world.client("alice").steps;
    // The registration goes out with the next step; the program dies on the answer.
    world.client("alice").crash_after = Some(steps + 2);
    assert!(world.enroll("alice", "alice").is_err());
    world.open("alice");
    assert!(world.client("alice").engine.is_some());
    world.connect("alice");
    if !world.status("alice").enrolled {
        assert!(world.resume("alice").is_ok());
    }
    assert!(world.status("alice").online);
    world.register("bob");
    world.say("bob", "alice", "hello");
    assert_eq!(world.requests("alice").len(), 1);
}

#[test]
fn a_registration_that_died_at_any_step_is_finished_by_the_next_one() {
    for died_after in 1..=6 {
        let mut world = World::new(8);
        world.open("alice");
        world.connect("alice");
        let steps = world.client("alice").steps;
        world.client("alice").crash_after = Some(steps + died_after);
        let told = world.enroll("alice", "alice");
        if told.is_ok() {
            continue;
        }
        world.open("alice");
        world.connect("alice");
        let account_stands = world.relay.names.contains_key(&name("alice"));
        if account_stands && world.status("alice").registering.is_none() {
            // The step that answers was stored, and only its output is lost.
            assert!(world.status("alice").online, "after {died_after}");
            continue;
        }
        let reply = if account_stands {
            assert_eq!(world.status("alice").registering, Some(name("alice")), "after {died_after}");
            world.finish_registration("alice")
        } else {
            world.enroll("alice", "alice")
        };
        let Ok(Reply::Enrolled { recovery_code, .. }) = reply else { panic!("after {died_after}: {reply:?}") };
        assert!(RecoveryCode::parse(&recovery_code).is_ok());
        assert!(world.status("alice").online);
        assert_eq!(world.status("alice").registering, None, "the code is told once");
        world.register("bob");
        world.say("bob", "alice", "hello");
        assert_eq!(world.requests("alice").len(), 1);
    }
}
