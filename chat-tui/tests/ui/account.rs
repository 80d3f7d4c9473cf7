//! One person on two devices, and two people who compare.

use chat_client::{AccountCommand, Command, Reply, UserName};

use crate::journey;
use crate::pty::Pty;
use crate::world::{PASSWORD, World};

/// Signs in on a profile that knows nothing.
fn sign_in(pty: &Pty, name: &str, password: &str) {
    pty.wait_for("trust it");
    pty.keys("y");
    pty.wait_for("the relay you trust");
    pty.keys(name);
    pty.keys("\r");
    pty.keys(password);
    pty.keys("\r");
}

#[test]
fn a_second_device_comes_with_the_password_alone_and_is_named_and_removed_by_the_first() {
    let world = World::new();
    let mut bob = world.person("bob");
    let mut first = Pty::start(world.program("alice"), 80, 24);
    journey::register(&first, &world, (80, 24), "alice");
    first.keys("/dm bob\rhello from the first\r");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "hello from the first");

    let mut second = Pty::start(world.program("alice-2"), 80, 24);
    sign_in(&second, "alice", PASSWORD);
    second.wait_for("● online  alice");
    world.says(&bob, "alice", "to both of you");
    first.wait_for("to both of you");
    second.keys("/dm bob\r");
    second.wait_for("to both of you");
    second.keys("and from the second\r");
    world.gets(&mut bob, "and from the second");
    first.wait_for("and from the second");

    first.keys("/devices\r");
    first.wait_until("both are listed", |s| s.contains("this device") && s.matches("since").count() == 2);
    first.keys("\x1b[B");
    first.keys("n");
    first.wait_for("Name of this device");
    first.keys("\x15pocket\r");
    first.wait_for("pocket");
    first.keys("x");
    first.wait_for("Remove pocket?");
    first.keys("y");
    second.wait_for("This device was removed from the account.");
    first.wait_until("one is left", |s| s.contains("this device") && !s.contains("pocket"));
    for pty in [&mut first, &mut second] {
        pty.keys("\x1b");
        std::thread::sleep(std::time::Duration::from_millis(100));
        pty.keys("\x11");
        assert_eq!(pty.ended(), 0);
    }
}

#[test]
fn where_a_password_is_not_enough_the_new_device_waits_and_the_first_one_lets_it_in() {
    let world = World::new();
    let mut first = Pty::start(world.program("alice"), 80, 24);
    journey::register(&first, &world, (80, 24), "alice");
    first.keys("/approval\r");
    first.wait_for("What a new device needs");
    first.keys(&format!(" \r{PASSWORD}\r"));
    first.wait_for("New devices need a yes");
    let mut second = Pty::start(world.program("alice-2"), 80, 24);
    sign_in(&second, "alice", PASSWORD);
    second.wait_for("Say yes on another device of yours");
    first.wait_for("Let the device in that shows");
    let code_on = |pty: &Pty, before: &str| {
        let shown = pty.screen();
        let after = shown.split(before).nth(1).expect("it stands there").trim_start();
        after.chars().take(9).collect::<String>()
    };
    assert_eq!(code_on(&first, "that shows"), code_on(&second, "This device shows"));
    first.keys("y");
    first.wait_for("may come in");
    second.wait_for("● online  alice");
    for pty in [&mut first, &mut second] {
        pty.keys("\x11");
        assert_eq!(pty.ended(), 0);
    }
}

#[test]
fn two_people_compare_their_number_and_see_that_nobody_is_in_between() {
    let world = World::new();
    let mut bob = world.person("bob");
    let mut pty = Pty::start(world.program("alice"), 120, 36);
    journey::register(&pty, &world, (120, 36), "alice");
    pty.keys("/dm bob\rshall we compare?\r");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "shall we compare?");
    let ask = Command::Account(AccountCommand::SafetyNumber(UserName::parse("alice").unwrap()));
    let Ok(Reply::Safety(theirs)) = world.runtime.block_on(bob.client.run(ask)) else { panic!("bob has no number") };
    let groups: Vec<&str> = theirs.digits.split_whitespace().collect();
    assert_eq!(groups.len(), 12);

    pty.keys("\x1bOR");
    pty.wait_for(groups[0]);
    let shown = pty.screen();
    assert!(groups.iter().all(|group| shown.contains(group)), "both see the same number:\n{shown}");
    assert!(shown.contains('▀') && shown.contains('▄'), "and the code beside it");
    // What they typed wrong is no match; what they read out is.
    pty.keys("s");
    pty.wait_for("What bob's screen shows");
    pty.keys(&format!("{} 00000\r", groups[..11].join(" ")));
    pty.wait_for("The numbers differ");
    pty.keys("s");
    pty.wait_for("What bob's screen shows");
    pty.keys(&format!("{}\r", theirs.digits));
    pty.wait_for("✓ verified: the numbers match");
    pty.keys("\x1b");
    pty.wait_until("the page is closed", |s| s.contains("bob ✓ verified") && !s.contains("Compare in person"));
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
}

/// The groups of a recovery code on the screen.
fn shown_code(pty: &Pty) -> String {
    let shown = pty.wait_for("when it is written down");
    let groups: Vec<&str> = shown
        .split_whitespace()
        .filter(|w| w.len() == 5 && w.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()))
        .collect();
    assert_eq!(groups.len(), 8, "{shown}");
    groups.join("-")
}

#[test]
fn a_new_password_brings_a_new_code_and_the_code_brings_a_lost_account_back() {
    const NEW: &str = "Twelve9Herons";
    const NEWER: &str = "Forty4Sparrows";
    let world = World::new();
    let mut first = Pty::start(world.program("alice"), 80, 24);
    journey::register(&first, &world, (80, 24), "alice");
    first.keys("/password\r");
    first.wait_for("Change your password");
    first.keys(&format!("Wrong1Password\r{NEW}\r{NEW}\r"));
    first.wait_for("password is wrong");
    first.keys(&format!("{PASSWORD}\r"));
    first.wait_until("the cursor is in the second field", |s| s.contains("Change your password"));
    first.keys(&format!("{NEW}\r{NEW}\r"));
    let code = shown_code(&first);
    journey::confirm_code(&first);
    first.wait_for("safe with you");
    first.keys("\x11");
    assert_eq!(first.ended(), 0);

    // Another machine, and the password is forgotten.
    let mut second = Pty::start(world.program("alice-2"), 80, 24);
    second.wait_for("trust it");
    second.keys("y");
    second.wait_for("the relay you trust");
    second.keys("\x1bOR");
    second.wait_for("A new password");
    second.keys(&format!("alice\r{code}\r{NEWER}\r"));
    let next = shown_code(&second);
    assert_ne!(next, code, "a code is used once");
    journey::confirm_code(&second);
    second.wait_for("● online  alice");

    // The account ends only with the password, and with it the program is back at the door.
    second.keys("/deleteaccount\r");
    second.wait_for("Delete your account");
    second.keys(&format!("{NEWER}\r"));
    second.wait_for("Your account is deleted.");
    second.keys("\x11");
    assert_eq!(second.ended(), 0);
}

#[test]
fn the_history_moves_to_another_device_in_a_file_under_a_passphrase() {
    let world = World::new();
    let mut bob = world.person("bob");
    let mut first = Pty::start(world.program("alice"), 80, 24);
    journey::register(&first, &world, (0, 0), "alice");
    first.keys("/dm bob\rkeep this\r");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "keep this");
    let file = world.folder.path().join("history");
    first.keys(&format!("/export {}\r", file.display()));
    first.wait_for("Write the history to a file");
    first.keys("\r");
    first.keys("seven grey lanterns sing\r");
    first.keys("seven grey lanterns sing\r");
    first.wait_for("1 message is in ");

    let mut second = Pty::start(world.program("alice-2"), 80, 24);
    sign_in(&second, "alice", PASSWORD);
    second.wait_for("● online  alice");
    second.keys("/dm bob\r");
    second.wait_for("The beginning of your chat with bob");
    second.keys(&format!("/import {}\r", file.display()));
    second.wait_for("Take over the history of a file");
    second.keys("\rnot these words\r");
    second.wait_for("That is not the passphrase of this file.");
    second.keys("\x15seven grey lanterns sing\r");
    second.wait_for("keep this (imported)");
    for pty in [&mut first, &mut second] {
        pty.keys("\x11");
        assert_eq!(pty.ended(), 0);
    }
}
