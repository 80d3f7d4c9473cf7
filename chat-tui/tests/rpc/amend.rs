//! Messages that change after they were sent.

use serde_json::{Value, json};

use crate::driver::Rpc;
use crate::world::World;

fn updated(client: &mut Rpc, id: &str, is: impl Fn(&Value) -> bool) -> Value {
    client.expect("messageUpdated", |message| message["id"] == id && is(message))
}

fn shown(client: &mut Rpc, with: &str, id: &str) -> Value {
    let history = client.ok("history", json!({ "with": with }));
    history["messages"].as_array().unwrap().iter().find(|message| message["id"] == id).unwrap().clone()
}

#[test]
fn an_edit_is_told_to_both_and_stands_in_the_history() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let id = alice.send("bob", "see you at 8");
    bob.expect_text("see you at 8");
    assert_eq!(alice.ok("edit", json!({ "id": id, "text": "see you at 9" })), json!({}));
    for (client, with) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        let told = updated(client, &id, |message| message["text"] == "see you at 9");
        assert!(told["seq"].is_u64() && told["edited"] == true && told["deleted"] == false, "{told}");
        assert_eq!(shown(client, with, &id)["text"], "see you at 9");
        let found = client.ok("searchMessages", json!({ "query": "see you at 8" }));
        assert_eq!(found["messages"], json!([]));
    }
    assert_eq!(bob.refused("edit", json!({ "id": id, "text": "never" })), "Forbidden");
    assert_eq!(alice.refused("edit", json!({ "id": id, "text": "x".repeat(64 * 1024 + 1) })), "TooLarge");
    assert_eq!(alice.refused("edit", json!({ "id": "ab".repeat(16), "text": "x" })), "UnknownMessage");
    assert_eq!(alice.refused("edit", json!({ "id": "no id of ours", "text": "x" })), "UnknownMessage");
    assert_eq!(alice.refused("edit", json!({ "id": id })), "InvalidParams");
    alice.ok("logout", json!({}));
    assert_eq!(alice.refused("edit", json!({ "id": id, "text": "x" })), "NotLoggedIn");
}

#[test]
fn what_is_deleted_for_everyone_is_gone_on_both_sides_and_else_on_ones_own() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (regret, clutter) = (alice.send("bob", "a regretted word"), alice.send("bob", "clutter"));
    bob.expect_text("clutter");
    assert_eq!(bob.refused("delete", json!({ "id": regret, "forEveryone": true })), "Forbidden");
    assert_eq!(bob.refused("delete", json!({ "id": regret })), "InvalidParams");
    alice.ok("delete", json!({ "id": regret, "forEveryone": true }));
    for (client, with) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        let told = updated(client, &regret, |message| message["deleted"] == true);
        assert!(told.get("text").is_none(), "{told}");
        assert!(shown(client, with, &regret).get("text").is_none());
    }
    bob.ok("delete", json!({ "id": clutter, "forEveryone": false }));
    updated(&mut bob, &clutter, |message| message["deleted"] == true);
    assert_eq!(shown(&mut alice, "bob", &clutter)["text"], "clutter");
    assert_eq!(alice.refused("edit", json!({ "id": regret, "text": "back" })), "UnknownMessage");
    bob.quit().cleanly();
    let mut bob = world.back("bob");
    assert_eq!(shown(&mut bob, "alice", &regret)["deleted"], true);
}

#[test]
fn a_reaction_is_seen_by_both_replaced_and_taken_back() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let id = alice.send("bob", "good news");
    bob.expect_text("good news");
    bob.ok("react", json!({ "id": id, "emoji": "👍" }));
    for client in [&mut alice, &mut bob] {
        let told = updated(client, &id, |message| message.get("reactions").is_some());
        assert_eq!(told["reactions"], json!([{ "from": "bob", "emoji": "👍" }]));
    }
    bob.ok("react", json!({ "id": id, "emoji": "🎉" }));
    updated(&mut alice, &id, |message| message["reactions"] == json!([{ "from": "bob", "emoji": "🎉" }]));
    bob.ok("react", json!({ "id": id, "emoji": "" }));
    updated(&mut alice, &id, |message| message.get("reactions").is_none());
    for emoji in ["two words", "\n", &"x".repeat(65)] {
        assert_eq!(bob.refused("react", json!({ "id": id, "emoji": emoji })), "InvalidParams");
    }
    bob.ok("block", json!({ "username": "alice" }));
    assert_eq!(bob.refused("react", json!({ "id": id, "emoji": "👍" })), "Blocked");
}

#[test]
fn an_expiring_message_goes_by_itself_on_both_sides() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let sent = alice.ok("send", json!({ "to": "bob", "text": "this will burn", "expiresInMs": 1_500 }));
    let id = sent["id"].as_str().unwrap().to_owned();
    bob.expect_text("this will burn");
    for (client, with) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        let told = updated(client, &id, |message| message["deleted"] == true);
        assert!(told.get("text").is_none(), "{told}");
        assert_eq!(shown(client, with, &id)["deleted"], true);
    }
    for bad in [json!(0), json!(-5), json!("soon"), json!(1e18)] {
        assert_eq!(alice.refused("send", json!({ "to": "bob", "text": "x", "expiresInMs": bad })), "InvalidParams");
    }
}

#[test]
fn changes_made_offline_reach_whoever_was_away() {
    let mut world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let id = alice.send("bob", "draft");
    alice.expect("receipt", |receipt| receipt["id"] == id && receipt["status"] == "sent");
    bob.quit().cleanly();
    world.relay.kill();
    alice.expect("connection", |connection| connection["state"] == "offline");
    alice.ok("edit", json!({ "id": id, "text": "final" }));
    alice.quit().cleanly();
    world.relay.restart();
    let (_alice, mut bob) = (world.back("alice"), world.back("bob"));
    updated(&mut bob, &id, |message| message["text"] == "final");
    assert_eq!(shown(&mut bob, "alice", &id)["text"], "final");
}
