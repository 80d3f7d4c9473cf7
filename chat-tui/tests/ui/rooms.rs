//! Rooms by two people: one in the interface, one a program.

use chat_client::{Command, RoomCommand, RoomName, RoomReply, UserName};

use crate::journey;
use crate::pty::Pty;
use crate::world::{Person, World};

const ENTER: &str = "\r";
const ESC: &str = "\x1b";

fn ops() -> RoomName {
    RoomName::parse("#ops").unwrap()
}

fn members(world: &World, person: &Person) -> usize {
    match world.runtime.block_on(person.client.run(Command::Room(RoomCommand::Info(ops())))) {
        Ok(chat_client::Reply::Room(RoomReply::Info(info))) => info.members.len(),
        _ => 0,
    }
}

#[test]
fn a_room_is_made_filled_moderated_and_left() {
    let world = World::new();
    let mut bob = world.person("bob");
    let mut pty = Pty::start(world.program("alice"), 80, 24);
    journey::register(&pty, &world, (80, 24), "alice");

    // The lobby is there by itself.
    pty.wait_for("#lobby");
    pty.keys("/create #ops\r");
    pty.wait_for("Make a room");
    pty.keys(ENTER);
    pty.keys(ENTER);
    pty.keys("releases\r");
    pty.wait_for("the room was made by alice");

    // Somebody comes in; both read each other, and who is named sees it.
    world.runtime.block_on(bob.client.run(Command::Room(RoomCommand::Join(ops())))).unwrap();
    pty.wait_for("bob joined");
    world.says(&bob, "#ops", "@alice shall I tag it?");
    pty.wait_for("shall I tag it?");
    pty.keys("yes, go\r");
    world.gets(&mut bob, "yes, go");
    pty.wait_until("the room holds it", |s| s.lines().any(|l| l.contains("yes, go") && l.trim_end().ends_with('✓')));

    // The page of the room: topic, members, what the owner may do.
    pty.keys("\x1bOQ");
    pty.wait_for("2 members");
    pty.wait_until("the owner is told", |s| s.contains("owner") && s.contains("releases"));
    pty.keys("t");
    pty.wait_for("Topic of #ops");
    pty.keys("\x15release day\r");
    pty.wait_for("The topic is changed.");
    pty.wait_until("the page shows it", |s| s.contains("│ release day"));
    pty.keys("\x1b[B");
    pty.keys("p");
    pty.wait_for("The role is changed.");
    pty.wait_until("bob is an admin", |s| s.lines().any(|l| l.contains("bob") && l.contains("admin")));
    pty.keys("x");
    pty.wait_for("Put bob out of #ops?");
    pty.keys("y");
    pty.wait_for("1 member");
    assert_eq!(members(&world, &bob), 0, "who is out sees nobody");
    pty.keys(ESC);
    pty.wait_for("Enter send");
    pty.wait_for("bob was put out");

    // An invitation lets him in again.
    pty.keys("/invite bob\r");
    pty.wait_for("Invited.");
    pty.keys("/leave\r");
    pty.wait_for("Leave #ops?");
    pty.keys("y");
    pty.wait_for("You left #ops.");
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
    assert_eq!(UserName::parse("bob").unwrap().as_str(), "bob");
}

#[test]
fn what_is_said_in_a_room_is_changed_reacted_to_and_taken_back_and_the_room_is_ended_for_everybody() {
    let world = World::new();
    let mut bob = world.person("bob");
    let mut pty = Pty::start(world.program("alice"), 120, 36);
    journey::register(&pty, &world, (0, 0), "alice");
    pty.keys("/create #ops\r");
    pty.wait_for("Make a room");
    pty.keys("\r\r\r");
    pty.wait_for("the room was made by alice");
    world.runtime.block_on(bob.client.run(Command::Room(RoomCommand::Join(ops())))).unwrap();
    pty.wait_until("the members stand beside it", |s| s.contains("2 members") && s.contains("bob"));

    pty.keys("fisrt\r");
    world.gets(&mut bob, "fisrt");
    pty.keys("\x1b[A");
    pty.wait_for("changing your message");
    pty.keys("\x17first\r");
    pty.wait_for("first (edited)");
    world.says(&bob, "#ops", "well done");
    pty.wait_for("well done");
    pty.keys("/react tada\r");
    pty.wait_until("the reaction is shown", |s| s.contains("🎉") && s.contains(" 1"));
    pty.keys("/delete\r");
    pty.wait_for("Take this message back?");
    pty.keys(ENTER);
    pty.wait_until("it is gone", |s| !s.contains("first (edited)") && s.contains("deleted"));

    pty.keys("/deleteroom\r");
    pty.wait_for("End #ops for everybody?");
    pty.keys("y");
    pty.wait_for("#ops is ended for everybody.");
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
}

/// Two people at two terminals: over an absence, over epochs, over a stop of the relay, to the end of the room.
#[test]
fn a_room_of_two_terminals_goes_on_over_an_absence_and_a_stop_of_the_relay_until_it_is_ended() {
    let mut world = World::new();
    let mut alice = Pty::start(world.program("alice"), 100, 30);
    journey::register(&alice, &world, (0, 0), "alice");
    let mut bob = Pty::start(world.program("bob"), 100, 30);
    journey::register(&bob, &world, (0, 0), "bob");
    alice.keys("/create #ops\r");
    alice.wait_for("Make a room");
    alice.keys("\r\r\r");
    alice.wait_for("the room was made by alice");
    bob.keys("/join #ops\r");
    alice.wait_for("bob joined");
    alice.keys("are you there?\r");
    bob.wait_for("are you there?");

    // Who writes is seen while it writes; whom a text names sees that it is meant.
    bob.keys("@alice here I am");
    alice.wait_until("bob writes", |s| s.contains("types …"));
    bob.keys("\r");
    alice.wait_for("here I am");

    // Bob is away over several epochs, and reads everything when he comes back.
    bob.keys("\x11");
    assert_eq!(bob.ended(), 0);
    let carol = world.person("carol");
    world.runtime.block_on(carol.client.run(Command::Room(RoomCommand::Join(ops())))).unwrap();
    alice.wait_for("carol joined");
    alice.keys("/topic release day\r");
    alice.wait_for("The topic is changed.");
    alice.keys("while bob was away\r");
    let mut bob = Pty::start(world.program("bob"), 100, 30);
    bob.wait_for("#ops");
    bob.keys("/join #ops\r");
    bob.wait_for("while bob was away");

    // What is said while the relay is gone reaches everybody once it is back.
    world.restart_relay(|| {
        alice.keys("into the void\r");
        alice.wait_for("into the void");
    });
    bob.wait_for("into the void");
    alice.keys("/deleteroom\r");
    alice.wait_for("End #ops for everybody?");
    alice.keys("y");
    alice.wait_for("#ops is ended for everybody.");
    bob.wait_until("bob reads that it is over", |s| s.contains("ended"));
    for pty in [&mut alice, &mut bob] {
        pty.keys("\x11");
        assert_eq!(pty.ended(), 0);
    }
}
