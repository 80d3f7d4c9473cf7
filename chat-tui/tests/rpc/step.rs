//! Five processes of two people stay in step: devices come and go, are killed, lose their connection and get it back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::{PASSWORD, Profile, Rpc};
use crate::world::{Proxy, World, befriend};

/// Time for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn login(profile: &Profile, username: &str) -> Rpc {
    let mut client = profile.start();
    let login = client.ok("login", json!({ "username": username, "password": PASSWORD, "deviceName": "another" }));
    assert_eq!(login["newDevice"], true);
    client.online();
    client
}

/// What a device shows of a conversation since a message, as text and sender, in any order: devices order by arrival.
fn shown(client: &mut Rpc, with: &str, since: &str) -> BTreeSet<(String, String)> {
    let page = client.ok("history", json!({ "with": with, "limit": 1_000 }));
    let messages = page["messages"].as_array().unwrap();
    let start = messages.iter().position(|message| message["text"] == since).unwrap_or(messages.len());
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    messages[start..].iter().map(|message| (word(&message["from"]), word(&message["text"]))).collect()
}

/// Waits until all devices show the same set; tells how much that is.
fn in_step(hers: &mut [&mut Rpc], his: &mut [&mut Rpc], since: &str, texts: usize) {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut all: Vec<_> = hers.iter_mut().map(|client| shown(client, "bob", since)).collect();
        all.extend(his.iter_mut().map(|client| shown(client, "alice", since)));
        if all.iter().all(|one| one.len() == texts && *one == all[0]) {
            return;
        }
        assert!(Instant::now() < until, "not in step: {all:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a device shows what it should of its contact.
fn sees(client: &mut Rpc, field: &str, value: &Value) {
    let until = Instant::now() + PATIENCE;
    loop {
        let contacts = client.ok("contacts", json!({}));
        let contact = contacts["contacts"][0].clone();
        if contact[field] == *value {
            return;
        }
        assert!(Instant::now() < until, "{field}: {contact}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn three_processes_of_one_account_and_two_of_another_stay_in_step() {
    let world = World::new();
    let (mut a1, mut b1) = world.friends("alice", "bob");
    let proxy = Proxy::to(&world.relay.address);
    let behind = Profile::new(world.folder.path().join("a2"), &proxy.address, &world.relay.pin);
    let mut a2 = login(&behind, "alice");
    let mut a3 = login(&world.profile("a3"), "alice");
    let mut b2 = login(&world.profile("b2"), "bob");

    // Everybody writes.
    let first = "from the first";
    a1.send("bob", first);
    for (client, text) in [(&mut a2, "from the second"), (&mut a3, "from the third")] {
        client.expect_text(first);
        client.send("bob", text);
    }
    b1.send("alice", "from his first");
    b2.expect_text(first);
    b2.send("alice", "from his second");
    in_step(&mut [&mut a1, &mut a2, &mut a3], &mut [&mut b1, &mut b2], first, 5);

    // One loses its connection, one is killed; both come back to what they missed, and what they said goes out.
    proxy.cut(true);
    a2.expect("connection", |connection| connection["state"] == "offline");
    a2.send("bob", "said while cut off");
    a3.kill();
    b1.send("alice", "while two are away");
    a1.send("bob", "still here");
    b2.expect_text("still here");
    let digits = b1.ok("safetyNumber", json!({ "username": "alice" }))["digits"].clone();
    b1.ok("verify", json!({ "username": "alice", "digits": digits }));
    a1.ok("setProfile", json!({ "displayName": "Alice the First" }));
    proxy.cut(false);
    a2.online();
    let mut a3 = world.back("a3");
    in_step(&mut [&mut a1, &mut a2, &mut a3], &mut [&mut b1, &mut b2], first, 8);
    sees(&mut b2, "verified", &json!(true));
    sees(&mut b2, "displayName", &json!("Alice the First"));

    // One goes for good: the others talk on without it, and it reads nothing any more.
    let devices = a1.ok("devices", json!({}));
    let third = a3.ok("status", json!({}))["device"].clone();
    assert!(devices["devices"].as_array().unwrap().iter().any(|device| device["id"] == third), "{devices}");
    let second = a2.ok("status", json!({}))["device"].clone();
    let seen = |device: &&Value| device["id"] == second && device["lastSeen"].as_u64().is_some_and(|at| at > 0);
    assert!(devices["devices"].as_array().unwrap().iter().any(|device| seen(&device)), "{devices}");
    a1.ok("removeDevice", json!({ "id": third }));
    a3.expect("loggedOut", |notice| notice["reason"] == "removed");
    b1.send("alice", "without the third");
    a1.expect_text("without the third");
    a2.expect_text("without the third");
    a2.ok("block", json!({ "username": "bob" }));
    sees(&mut a1, "blocked", &json!(true));
    let unheard = json!(b1.send("alice", "to nobody"));
    b1.expect("receipt", |receipt| receipt["id"] == unheard && receipt["status"] == "sent");
    // It is with her devices by now, and they keep silent about it.
    std::thread::sleep(Duration::from_secs(1));
    a1.ok("unblock", json!({ "username": "bob" }));
    sees(&mut a2, "blocked", &json!(false));
    b2.send("alice", "after all that");
    a1.expect_text("after all that");
    in_step(&mut [&mut a2], &mut [], first, 10);
    in_step(&mut [&mut a1], &mut [], first, 10);
    assert_eq!(a3.refused("history", json!({ "with": "bob" })), "NotLoggedIn");

    // The relay restarts; a device of either logs out and in again.
    let mut world = world;
    world.relay.restart();
    a2.online();
    b2.ok("logout", json!({}));
    a2.send("bob", "while his second is out");
    b1.expect_text("while his second is out");
    let again = b2.ok("login", json!({ "username": "bob", "password": PASSWORD }));
    assert_eq!(again["newDevice"], false);
    b2.expect_text("while his second is out");
    a1.expect_text("while his second is out");
    let numbers = [(&mut a1, "bob"), (&mut a2, "bob"), (&mut b1, "alice"), (&mut b2, "alice")];
    let digits: BTreeSet<String> = numbers
        .into_iter()
        .map(|(client, of)| client.ok("safetyNumber", json!({ "username": of }))["digits"].to_string())
        .collect();
    assert_eq!(digits.len(), 1, "one number on all devices, whatever came and went");
    let mut carol = world.registered("carol");
    befriend(&mut carol, "carol", &mut b2, "bob");
    b1.expect_text("hello");
}
