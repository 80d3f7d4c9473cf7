//! Who is in a room: people and devices that are no more leave it, who was long away comes back, and what members
//! see of each other in passing.

use chat_core::engine::{AccountCommand, Command, Deletion, Event, RoomEventKind, Route, Trouble};
use chat_core::identity::DeviceKeys;
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::domain::SIG_DELETION;
use chat_wire::ids::{DeviceAddress, DeviceId};
use chat_wire::keys::Signature;
use chat_wire::message::{Departure, EntryKind, deletion_bytes};

use super::room_service::Entry;
use super::rooms::{create, events, info, invite, join, members, people, room};
use super::world::{Seeded, World, name};

const DAY_MS: u64 = 24 * 3_600_000;

fn delete_account(world: &mut World, who: &'static str) {
    let route = Route(world.client(who).connection.unwrap());
    let deletion = Deletion { route, password: world.proven(who, [7; 64]) };
    world.account(who, AccountCommand::Delete(Box::new(deletion))).unwrap();
    world.kill(who);
}

fn same_epoch(world: &mut World, names: &[&'static str], room: &str) {
    let epochs: Vec<u64> = names.iter().map(|who| info(world, who, room).epoch).collect();
    assert!(epochs.windows(2).all(|two| two[0] == two[1]), "{epochs:?}");
}

fn typing(who: &str, active: bool) -> Event {
    Event::Typing { from: name(who), to: "#tea".into(), active }
}

fn count(world: &mut World, who: &str, wanted: &Event) -> usize {
    world.client(who).events.iter().filter(|event| *event == wanted).count()
}

#[test]
fn a_deleted_account_leaves_its_rooms_at_once_and_they_get_another_owner() {
    let mut world = people(760, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.ok("carol", join("tea"));
    delete_account(&mut world, "alice");
    world.pass(5_000);
    for who in ["bob", "carol"] {
        assert_eq!(members(&mut world, who, "tea"), ["bob", "carol"]);
        assert_eq!(members(&mut world, who, "lobby"), ["bob", "carol"]);
        assert_eq!(events(&mut world, who, "tea", RoomEventKind::Left), ["alice"], "told once");
        assert!(events(&mut world, who, "tea", RoomEventKind::Kicked).is_empty(), "nobody threw it out");
    }
    assert_eq!(info(&mut world, "carol", "tea").owner, Some(name("bob")));
    same_epoch(&mut world, &["bob", "carol"], "tea");
    world.say("bob", "#tea", "without her");
    assert_eq!(world.heard("carol"), ["without her"]);
}

#[test]
fn who_came_in_after_somebody_left_judges_the_commit_that_follows_as_the_others_do() {
    let mut world = people(761, &["alice", "bob", "carol", "dave", "erin"]);
    world.ok("alice", create("tea", true));
    for who in ["bob", "carol"] {
        world.ok(who, join("tea"));
    }
    // Nobody is there to take their leaves away.
    world.cut("alice");
    let leave = chat_core::engine::RoomCommand::Leave(room("tea"));
    world.ok("carol", Command::Room(leave));
    delete_account(&mut world, "bob");
    // They come in after the two have gone, and read nothing of it.
    world.ok("dave", join("tea"));
    world.ok("erin", join("tea"));
    let before = info(&mut world, "dave", "tea").epoch;
    world.connect("alice");
    world.pass(10_000);
    let names = ["alice", "dave", "erin"];
    for who in names {
        assert_eq!(members(&mut world, who, "tea"), names, "{who}");
        assert!(events(&mut world, who, "tea", RoomEventKind::Resynced).is_empty(), "{who} lost its place");
    }
    assert!(info(&mut world, "dave", "tea").epoch > before);
    same_epoch(&mut world, &names, "tea");
    world.say("alice", "#tea", "all three");
    assert_eq!(world.heard("dave"), ["all three"]);
    assert_eq!(world.heard("erin"), ["all three"]);
}

#[test]
fn a_relay_can_not_make_up_that_somebody_is_gone() {
    let mut world = people(762, &["alice", "bob", "mallory"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    let id = world.relay.rooms.named("tea");
    let from = world.relay.device_of("bob");
    let list = bytes::Bytes::from(world.relay.list_of("bob"));
    let decoded = DeviceList::decode(&list).unwrap();
    // A list without the device, by a key that is not the account's, and a deletion signed by somebody else.
    let mallory = world.relay.account_key("mallory");
    let keys =
        DeviceKeys::generate(DeviceAddress { account: from.account, device: DeviceId(u32::MAX) }, &mut Seeded::new(5));
    let seq = decoded.body().seq + 1;
    let devices = vec![keys.listed(&mallory.public(), seq, 0)];
    let body = ListBody { seq, prev_hash: decoded.hash(), devices, ..decoded.body().clone() };
    let forged = bytes::Bytes::from(mallory.sign_list(&body));
    let relay = world.relay.id();
    let word = deletion_bytes(&relay, &from.account, &decoded.hash());
    assert!(!decoded.body().account_key.verifies(SIG_DELETION, &[&word], &Signature([7; 64])));
    let others = world.relay.account_key("mallory").sign_deletion(&relay, &from.account, &decoded.hash());
    let lies = [
        Departure { lists: vec![list.clone(), forged], deletion: None },
        Departure { lists: vec![list.clone()], deletion: Some(Signature([7; 64])) },
        Departure { lists: vec![list.clone()], deletion: Some(others) },
        Departure { lists: vec![], deletion: Some(Signature([7; 64])) },
        Departure { lists: vec![list], deletion: None },
    ];
    for lie in lies {
        let body = bytes::Bytes::from(lie.encode());
        world.relay.append(id, Entry { from, kind: EntryKind::Departed, body });
    }
    world.relay.append(id, Entry { from, kind: EntryKind::Departed, body: bytes::Bytes::from_static(b"gone") });
    world.pass(10_000);
    assert_eq!(members(&mut world, "alice", "tea"), ["alice", "bob"]);
    assert!(events(&mut world, "alice", "tea", RoomEventKind::Left).is_empty());
    world.say("alice", "#tea", "still here?");
    assert_eq!(world.heard("bob"), ["still here?"]);
}

#[test]
fn a_device_that_its_account_removed_leaves_the_rooms_of_others_at_once() {
    let mut world = World::new(763);
    world.relay.rooms.on = true;
    for who in ["alice", "bob"] {
        world.register(who);
    }
    world.ok("bob", create("tea", true));
    world.ok("alice", join("tea"));
    world.join("laptop", "alice").unwrap();
    world.pass(5_000);
    world.say("bob", "#tea", "to both");
    assert_eq!(world.heard("laptop"), ["to both"]);
    let gone = world.status("laptop").device.unwrap();
    let before = info(&mut world, "bob", "tea").epoch;
    world.account("alice", AccountCommand::RemoveDevice(gone)).unwrap();
    world.pass(5_000);
    assert!(info(&mut world, "bob", "tea").epoch > before, "its leaf went, with nothing else happening");
    same_epoch(&mut world, &["alice", "bob"], "tea");
    assert_eq!(members(&mut world, "bob", "tea"), ["alice", "bob"], "the person stays");
    assert!(events(&mut world, "bob", "tea", RoomEventKind::Left).is_empty());
    world.say("bob", "#tea", "to one");
    assert_eq!(world.heard("alice").last().unwrap(), "to one");
    assert!(!world.heard("laptop").contains(&"to one".to_owned()));
}

#[test]
fn who_was_away_for_two_weeks_is_taken_out_of_the_lobby_and_comes_back_by_itself() {
    let names = ["alice", "bob", "carol"];
    let mut world = people(764, &names);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    names.iter().for_each(|who| world.cut(who));
    world.pass(13 * DAY_MS);
    world.connect("alice");
    world.pass(5_000);
    assert_eq!(members(&mut world, "alice", "lobby"), names, "thirteen days are not two weeks");
    world.cut("alice");
    world.pass(2 * DAY_MS);
    world.connect("alice");
    world.pass(5_000);
    assert_eq!(members(&mut world, "alice", "lobby"), ["alice"]);
    assert_eq!(members(&mut world, "alice", "tea"), ["alice", "bob"], "a room of somebody keeps its members");
    assert!(events(&mut world, "alice", "lobby", RoomEventKind::Kicked).is_empty());
    for who in ["bob", "carol"] {
        world.connect(who);
        world.pass(10_000);
        assert!(events(&mut world, who, "lobby", RoomEventKind::Kicked).is_empty(), "{who} was thrown out");
    }
    for who in names {
        assert_eq!(members(&mut world, who, "lobby"), names, "{who}");
    }
    same_epoch(&mut world, &names, "lobby");
    world.say("carol", "#lobby", "back");
    assert_eq!(world.heard("bob"), ["back"]);
}

#[test]
fn who_writes_in_a_room_shows_to_its_members_and_is_stored_nowhere() {
    let mut world = people(765, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    let id = world.relay.rooms.named("tea");
    let stored = world.relay.rooms.rooms[&id].log.len();
    let writes = |active| Command::Typing { to: "#tea".into(), active };
    world.ok("alice", writes(true));
    world.ok("alice", writes(true));
    assert_eq!(count(&mut world, "bob", &typing("alice", true)), 1, "not for every key");
    assert_eq!(count(&mut world, "carol", &typing("alice", true)), 0, "she is not in the room");
    assert_eq!(count(&mut world, "alice", &typing("alice", true)), 0);
    world.ok("alice", writes(false));
    assert_eq!(count(&mut world, "bob", &typing("alice", false)), 1);
    assert_eq!(world.relay.rooms.rooms[&id].log.len(), stored);
    world.ok("bob", Command::Block(name("alice")));
    world.pass(10_000);
    world.ok("alice", writes(true));
    assert_eq!(count(&mut world, "bob", &typing("alice", true)), 1, "whom one blocks writes unseen");
    assert!(world.command("carol", writes(true)).is_err());
}

#[test]
fn what_a_relay_makes_up_repeats_or_bends_of_typing_shows_nothing() {
    let mut world = people(766, &["alice", "bob", "carol"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.relay.rooms.keeps_typing = true;
    world.ok("alice", Command::Typing { to: "#tea".into(), active: true });
    let (id, body) = world.relay.rooms.typing.pop().unwrap();
    world.relay.pass_typing_on(id, &body);
    world.run();
    assert_eq!(count(&mut world, "bob", &typing("alice", true)), 1);
    let mut bent = body.to_vec();
    *bent.last_mut().unwrap() ^= 1;
    for lie in [&body[..], &bent, b"", b"\x01nonsense"] {
        world.relay.pass_typing_on(id, lie);
        world.run();
    }
    world.pass(10 * 60_000);
    world.ok("carol", join("tea"));
    world.relay.pass_typing_on(id, &body);
    world.run();
    assert_eq!(count(&mut world, "bob", &typing("alice", true)), 1, "once, and never again");
}

#[test]
fn members_of_a_small_private_room_see_who_is_online_and_those_of_a_public_one_do_not() {
    let mut world = people(767, &["alice", "bob", "carol"]);
    for other in ["bob", "carol"] {
        world.say("alice", other, "hello");
        world.ok(other, Command::AcceptRequest(name("alice")));
    }
    world.pass(2_000);
    world.ok("alice", create("den", false));
    world.ok("alice", create("tea", true));
    for other in ["bob", "carol"] {
        world.ok("alice", invite("den", other));
        world.pass(500);
        world.ok(other, join("tea"));
    }
    let sees = |world: &mut World, room: &str| {
        let info = info(world, "bob", room);
        info.members.iter().find(|member| member.username == name("carol")).unwrap().online
    };
    assert!(sees(&mut world, "den"), "no contacts, but of one small room");
    assert!(!sees(&mut world, "tea"));
    world.cut("carol");
    assert!(!sees(&mut world, "den"));
}

#[test]
fn what_a_relay_keeps_back_of_a_room_shows_and_the_rest_is_read() {
    let mut world = people(768, &["alice", "bob"]);
    world.ok("alice", create("tea", true));
    world.ok("bob", join("tea"));
    world.say("alice", "#tea", "zero");
    world.cut("bob");
    for text in ["one", "two", "three"] {
        world.say("alice", "#tea", text);
    }
    let id = world.relay.rooms.named("tea");
    let alice = world.relay.device_of("alice").account;
    let log = &mut world.relay.rooms.rooms.get_mut(&id).unwrap().log;
    let two = log.len() - 2;
    log[two].kind = EntryKind::Unknown;
    world.connect("bob");
    world.pass(2_000);
    assert_eq!(world.heard("bob"), ["zero", "one", "three"]);
    let missing = Event::Trouble(Trouble::Missing(alice));
    assert_eq!(count(&mut world, "bob", &missing), 1);
    world.say("alice", "#tea", "four");
    assert_eq!(count(&mut world, "bob", &missing), 1, "what follows follows");
    assert_eq!(count(&mut world, "bob", &Event::Trouble(Trouble::StreamBroken(alice))), 0);
}

#[test]
fn a_new_device_is_let_into_the_private_rooms_of_its_account_by_whoever_is_there() {
    let mut world = people(769, &["alice", "bob", "carol"]);
    for other in ["bob", "carol"] {
        world.say("bob", other, "hello");
    }
    world.ok("carol", Command::AcceptRequest(name("bob")));
    world.ok("bob", create("den", false));
    world.ok("bob", invite("den", "carol"));
    world.ok("bob", invite("den", "alice"));
    world.pass(1_000);
    // Alice knows neither of the others: she took an invitation up.
    world.ok("alice", join("den"));
    assert_eq!(members(&mut world, "alice", "den"), ["alice", "bob", "carol"]);
    // Her device and bob's are off; carol is nobody that she knows.
    world.cut("alice");
    world.cut("bob");
    world.join("laptop", "alice").unwrap();
    world.pass(10_000);
    assert_eq!(members(&mut world, "laptop", "den"), ["alice", "bob", "carol"]);
    world.say("carol", "#den", "to the new one");
    world.say("laptop", "#den", "and back");
    assert_eq!(world.heard("laptop"), ["to the new one"]);
    assert_eq!(world.heard("carol").last().unwrap(), "and back");
    assert!(events(&mut world, "laptop", "den", RoomEventKind::Invited).is_empty(), "the person is in it already");
    for who in ["alice", "bob"] {
        world.connect(who);
        world.pass(5_000);
    }
    same_epoch(&mut world, &["alice", "bob", "carol", "laptop"], "den");
    world.say("alice", "#den", "all four");
    assert_eq!(world.heard("laptop").last().unwrap(), "all four");
}
