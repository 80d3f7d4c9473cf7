//! At the door: what the form tells while one types, and what is kept.

use super::*;
use crate::model::{Field, Mode, Screen};

fn registering() -> Desk {
    let mut desk = Desk::new(80, 24);
    desk.model.home.register = true;
    desk.tell(Msg::Started(Box::default()));
    desk.keys("yalice<enter>");
    desk
}

/// Numbers and passwords of the checks that were asked for.
fn checks(desk: &Desk) -> Vec<(u64, String)> {
    let of = |r: &Request| match r {
        Request::CheckPassword { password, number, .. } => Some((*number, password.expose().to_owned())),
        _ => None,
    };
    desk.asked.iter().filter_map(of).collect()
}

fn policy(desk: &mut Desk) -> String {
    desk.picture().lines().find(|l| l.contains("8 characters")).unwrap_or_default().trim().to_owned()
}

#[test]
fn what_a_good_password_has_is_told_at_once_and_only_the_estimate_is_waited_for() {
    let mut desk = registering();
    desk.mute = true;
    desk.keys("Correct7HorseBattery");
    assert_eq!(policy(&mut desk), "✓ 8 characters  ✓ a capital  ✓ a digit  … hard to guess");
    assert_eq!(checks(&desk).len(), 1, "one check at a time, whatever is typed meanwhile");
    desk.tell(Msg::Gaps { number: checks(&desk)[0].0, gaps: Gaps { common: true, ..Gaps::default() } });
    assert!(policy(&mut desk).ends_with("… hard to guess"), "the first letter's answer is not this password's");
    assert_eq!(checks(&desk).len(), 2);
    assert_eq!(checks(&desk)[1].1, "Correct7HorseBattery", "only the newest is measured");
    desk.tell(Msg::Gaps { number: checks(&desk)[1].0, gaps: Gaps::default() });
    assert_eq!(policy(&mut desk), "✓ 8 characters  ✓ a capital  ✓ a digit  ✓ hard to guess");
}

#[test]
fn what_a_password_lacks_is_told_rule_by_rule_and_refused_without_waiting() {
    let mut desk = registering();
    desk.mute = true;
    desk.keys("lowercase");
    assert_eq!(policy(&mut desk), "✓ 8 characters  ✗ a capital  ✗ a digit  … hard to guess");
    desk.keys("<enter>");
    assert!(!desk.asked.iter().any(|r| matches!(r, Request::Register(_))));
    desk.keys("<ctrl-u>");
    assert_eq!(policy(&mut desk), "· 8 characters  · a capital  · a digit  · hard to guess");
    desk.tell(Msg::Gaps { number: checks(&desk)[0].0, gaps: Gaps::default() });
    assert_eq!(policy(&mut desk), "· 8 characters  · a capital  · a digit  · hard to guess", "nothing is left of it");
}

#[test]
fn name_and_password_come_along_from_registering_to_signing_in() {
    let mut desk = registering();
    desk.keys("Correct7Horse<tab><tab><tab>");
    let at = |desk: &Desk| match &desk.model.screen {
        Screen::Door(door) => (door.mode, door.field, door.name.text().to_owned(), door.password.expose().to_owned()),
        _ => panic!("the door is closed"),
    };
    assert_eq!(at(&desk).1, Field::SwitchMode);
    desk.keys("<enter>");
    assert_eq!(at(&desk), (Mode::SignIn, Field::Name, "alice".into(), "Correct7Horse".into()));
    desk.keys("<f2>");
    assert_eq!(at(&desk).3, "Correct7Horse");
    assert!(policy(&mut desk).contains("✓ hard to guess"), "it is measured again: {}", policy(&mut desk));
    desk.keys("<f3>");
    assert_eq!(at(&desk).3, "", "a forgotten password is not the new one");
}

#[test]
fn nothing_is_told_beside_a_code_that_is_shown_once() {
    let mut desk = registering();
    desk.keys("Correct7HorseBattery<enter>");
    assert!(matches!(desk.model.screen, Screen::Code(_)));
    assert!(desk.model.toast.is_none() && desk.picture().contains("^Q quit"), "{}", desk.picture());
}
