//! Four people and their rooms, from the lobby to the end of a room: over epochs, away and back, over a kill
//! of the relay.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::Rpc;
use crate::world::{World, befriend, holds};

fn event(client: &mut Rpc, room: &str, kind: &str, username: &str) {
    client.expect("roomEvent", |event| event["room"] == room && event["kind"] == kind && event["username"] == username);
}

fn info(client: &mut Rpc, room: &str) -> Value {
    client.ok("roomInfo", json!({ "name": room }))
}

fn members(client: &mut Rpc, room: &str) -> Vec<String> {
    let info = info(client, room);
    let mut names: Vec<String> =
        info["members"].as_array().unwrap().iter().map(|m| m["username"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Waits until everybody sees these members, in one epoch.
fn agree(clients: &mut [&mut Rpc], room: &str, expected: &[&str]) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen: Vec<Vec<String>> = clients.iter_mut().map(|client| members(client, room)).collect();
        let epochs: Vec<u64> = clients.iter_mut().map(|c| info(c, room)["epoch"].as_u64().unwrap()).collect();
        if seen.iter().all(|names| names == expected) && epochs.windows(2).all(|two| two[0] == two[1]) {
            return epochs[0];
        }
        assert!(Instant::now() < deadline, "{seen:?} {epochs:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn four_who_join_at_once_end_in_one_epoch_and_hear_each_other() {
    let world = World::new();
    let mut alice = world.registered("alice");
    let mut others: Vec<Rpc> =
        ["bob", "carol", "dave", "erin"].into_iter().map(|name| world.registered(name)).collect();
    {
        let [bob, carol, dave, erin] = others.as_mut_slice() else { panic!("four") };
        agree(&mut [&mut alice, bob, carol, dave, erin], "#lobby", &["alice", "bob", "carol", "dave", "erin"]);
    }
    alice.send("#lobby", "a message in the lobby reaches everybody");
    for other in &mut others {
        other.expect_text("a message in the lobby reaches everybody");
    }
    alice.ok("createRoom", json!({ "name": "#tea", "public": true }));
    let before = json!(alice.send("#tea", "before anybody came"));
    alice.expect("receipt", |receipt| receipt["id"] == before && receipt["status"] == "sent");
    let asked: Vec<u64> = others.iter_mut().map(|other| other.post("joinRoom", json!({ "name": "#tea" }))).collect();
    for (other, id) in others.iter().zip(asked) {
        other.answer(id).unwrap();
    }
    let [bob, carol, dave, erin] = others.as_mut_slice() else { panic!("four") };
    let all = ["alice", "bob", "carol", "dave", "erin"];
    let epoch = agree(&mut [&mut alice, bob, carol, dave, erin], "#tea", &all);
    assert!(epoch >= 4, "{epoch}");
    erin.send("#tea", "all here");
    for client in [&mut alice, bob, carol, dave] {
        client.expect_text("all here");
    }
    // History starts at the join.
    let history = erin.ok("history", json!({ "with": "#tea" }));
    assert_eq!(history["messages"].as_array().unwrap().len(), 1, "{history}");
}

#[test]
fn a_room_goes_on_over_epochs_roles_kicks_and_a_kill_of_the_relay_until_it_is_deleted() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (mut carol, mut dave) = (world.registered("carol"), world.registered("dave"));
    befriend(&mut alice, "alice", &mut carol, "carol");
    alice.ok("createRoom", json!({ "name": "#den", "public": false, "topic": "CANARY of the topic" }));
    for name in ["bob", "carol"] {
        alice.ok("invite", json!({ "name": "#den", "username": name }));
    }
    agree(&mut [&mut alice, &mut bob, &mut carol], "#den", &["alice", "bob", "carol"]);
    alice.ok("setRole", json!({ "name": "#den", "username": "bob", "role": "admin" }));
    event(&mut carol, "#den", "role", "bob");

    // Carol is away over several epochs; a late joiner comes meanwhile, by an invitation that it takes up.
    assert_eq!(carol.quit().status.code(), Some(0));
    bob.ok("invite", json!({ "name": "#den", "username": "dave" }));
    event(&mut dave, "#den", "invited", "dave");
    dave.ok("joinRoom", json!({ "name": "#den" }));
    bob.ok("setTopic", json!({ "name": "#den", "topic": "CANARY of another topic" }));
    alice.send("#den", "while carol was away");
    dave.expect_text("while carol was away");
    let mut carol = world.back("carol");
    carol.expect_text("while carol was away");
    agree(&mut [&mut alice, &mut bob, &mut carol, &mut dave], "#den", &["alice", "bob", "carol", "dave"]);

    world.relay.kill();
    alice.send("#den", "said while the relay was gone");
    world.relay.restart();
    for client in [&mut bob, &mut carol, &mut dave] {
        client.expect_text("said while the relay was gone");
    }
    bob.ok("kick", json!({ "name": "#den", "username": "dave" }));
    event(&mut dave, "#den", "kicked", "dave");
    carol.send("#den", "not for dave");
    alice.expect_text("not for dave");
    assert!(dave.so_far("message").iter().all(|message| message["text"] != "not for dave"));
    carol.ok("leaveRoom", json!({ "name": "#den" }));
    event(&mut alice, "#den", "left", "carol");
    agree(&mut [&mut alice, &mut bob], "#den", &["alice", "bob"]);
    let shown = info(&mut bob, "#den");
    assert_eq!((&shown["owner"], &shown["topic"]), (&json!("alice"), &json!("CANARY of another topic")));

    // What is said and written about a private room is in no file of the relay.
    for (path, bytes) in world.files("relay") {
        for secret in [&b"CANARY"[..], b"while carol was away", b"not for dave"] {
            assert!(!holds(&bytes, secret), "{}", path.display());
        }
    }
    alice.ok("deleteRoom", json!({ "name": "#den" }));
    bob.expect("roomEvent", |event| event["room"] == "#den" && event["kind"] == "deleted" && event["by"] == "alice");
    assert_eq!(bob.refused("send", json!({ "to": "#den", "text": "x" })), "UnknownRoom");
}
