//! Rooms: made, joined, talked in, left.

use serde_json::{Value, json};

use crate::driver::{PASSWORD, Rpc};
use crate::world::World;

fn event(client: &mut Rpc, kind: &str, is: impl Fn(&Value) -> bool) -> Value {
    client.expect("roomEvent", |event| event["kind"] == kind && is(event))
}

fn names(rooms: &Value) -> Vec<String> {
    rooms["rooms"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap().to_owned()).collect()
}

fn role_of(client: &mut Rpc, room: &str, username: &str) -> Value {
    let info = client.ok("roomInfo", json!({ "name": room }));
    let members = info["members"].as_array().unwrap().clone();
    members.iter().find(|member| member["username"] == username).map_or(Value::Null, |member| member["role"].clone())
}

#[test]
fn who_has_just_registered_or_logged_in_is_in_the_lobby_and_can_write_there_at_once() {
    let world = World::new();
    let in_lobby = |client: &mut Rpc| names(&client.ok("rooms", json!({ "joined": true }))) == ["#lobby"];
    for name in ["alice", "bobby", "carol"] {
        let mut client = world.registered(name);
        assert!(in_lobby(&mut client), "{name}");
        let sent = client.ok("send", json!({ "to": "#lobby", "text": "hello everybody" }));
        client.expect("receipt", |receipt| receipt["id"] == sent["id"] && receipt["status"] == "sent");
        client.quit();
    }
    // On a fresh profile, while no other device of anybody is there to help.
    let mut again = world.profile("again").start();
    let done = again.ok("login", json!({ "username": "alice", "password": PASSWORD }));
    assert_eq!(done["newDevice"], true);
    assert!(in_lobby(&mut again));
    again.send("#lobby", "me again");
}

#[test]
fn a_public_room_is_listed_joined_talked_in_and_left() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    let made = alice.ok("createRoom", json!({ "name": "#Tea-Room", "public": true, "topic": "tea" }));
    assert_eq!(made, json!({ "name": "#tea-room" }));
    let listed = bob.ok("rooms", json!({ "joined": false }));
    assert!(names(&listed).contains(&"#tea-room".to_owned()), "{listed}");
    bob.ok("joinRoom", json!({ "name": "#tea-room" }));
    let joined = event(&mut alice, "joined", |event| event["room"] == "#tea-room" && event["username"] == "bob");
    assert!(joined["seq"].is_u64(), "{joined}");
    let sent = alice.ok("send", json!({ "to": "#tea-room", "text": "milk first?" }));
    let heard = bob.expect_text("milk first?");
    assert_eq!((&heard["id"], &heard["from"], &heard["to"]), (&sent["id"], &json!("alice"), &json!("#tea-room")));
    alice.expect("receipt", |receipt| receipt["id"] == sent["id"] && receipt["status"] == "sent");
    bob.send("#tea-room", "never");
    alice.expect_text("never");
    let history = bob.ok("history", json!({ "with": "#tea-room" }));
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
    let shown = bob.ok("conversations", json!({}));
    let room =
        shown["conversations"].as_array().unwrap().iter().find(|row| row["name"] == "#tea-room").unwrap().clone();
    assert_eq!((&room["kind"], &room["unread"]), (&json!("room"), &json!(1)));
    let info = bob.ok("roomInfo", json!({ "name": "#tea-room" }));
    assert_eq!((&info["owner"], &info["public"], &info["topic"]), (&json!("alice"), &json!(true), &json!("tea")));
    assert_eq!(role_of(&mut bob, "#tea-room", "alice"), "owner");
    bob.ok("leaveRoom", json!({ "name": "#tea-room" }));
    event(&mut alice, "left", |event| event["username"] == "bob");
    assert_eq!(bob.refused("send", json!({ "to": "#tea-room", "text": "gone" })), "UnknownRoom");
    assert!(!names(&bob.ok("rooms", json!({ "joined": true }))).contains(&"#tea-room".to_owned()));
}

#[test]
fn a_private_room_takes_whom_it_invites_and_its_owner_rules_it() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    alice.ok("createRoom", json!({ "name": "#den", "public": false }));
    assert!(!names(&bob.ok("rooms", json!({}))).contains(&"#den".to_owned()), "private rooms are in no list");
    alice.ok("invite", json!({ "name": "#den", "username": "bob" }));
    event(&mut bob, "joined", |event| event["room"] == "#den");
    alice.send("#den", "just us");
    bob.expect_text("just us");
    assert_eq!(bob.refused("setTopic", json!({ "name": "#den", "topic": "mine" })), "Forbidden");
    assert_eq!(bob.refused("deleteRoom", json!({ "name": "#den" })), "Forbidden");
    alice.ok("setRole", json!({ "name": "#den", "username": "bob", "role": "admin" }));
    event(&mut bob, "role", |event| event["username"] == "bob" && event["by"] == "alice");
    bob.ok("setTopic", json!({ "name": "#den", "topic": "quiet" }));
    event(&mut alice, "topic", |event| event["by"] == "bob");
    alice.ok("kick", json!({ "name": "#den", "username": "bob" }));
    event(&mut bob, "kicked", |event| event["room"] == "#den" && event["by"] == "alice");
    assert_eq!(bob.refused("send", json!({ "to": "#den", "text": "let me in" })), "UnknownRoom");
    alice.ok("deleteRoom", json!({ "name": "#den" }));
    assert_eq!(alice.refused("roomInfo", json!({ "name": "#den" })), "UnknownRoom");
}

#[test]
fn what_can_not_be_done_with_a_room_is_told_by_its_kind() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    alice.ok("createRoom", json!({ "name": "#club", "public": true }));
    assert_eq!(bob.refused("createRoom", json!({ "name": "#CLUB", "public": true })), "RoomExists");
    assert_eq!(bob.refused("joinRoom", json!({ "name": "#nowhere" })), "UnknownRoom");
    assert_eq!(bob.refused("roomInfo", json!({ "name": "#nowhere" })), "UnknownRoom");
    assert_eq!(bob.refused("send", json!({ "to": "#club", "text": "x" })), "UnknownRoom");
    assert_eq!(alice.refused("invite", json!({ "name": "#club", "username": "nobody99" })), "UnknownUser");
    for (method, params) in [
        ("createRoom", json!({ "name": "a b", "public": true })),
        ("createRoom", json!({ "name": "#okay" })),
        ("joinRoom", json!({ "name": "#" })),
        ("setRole", json!({ "name": "#club", "username": "bob", "role": "king" })),
        ("invite", json!({ "name": "#club", "username": "a b" })),
    ] {
        assert_eq!(alice.refused(method, params.clone()), "InvalidParams", "{method} {params}");
    }
    let fresh = &mut world.profile("carol").start();
    assert_eq!(fresh.refused("rooms", json!({})), "NotLoggedIn");
    assert_eq!(fresh.refused("createRoom", json!({ "name": "#x-1", "public": true })), "NotLoggedIn");
    let key = json!({ "name": "#once", "public": true, "idempotencyKey": "k" });
    assert_eq!(alice.ok("createRoom", key.clone()), alice.ok("createRoom", key));
}

fn row(client: &mut Rpc, room: &str) -> Value {
    let shown = client.ok("conversations", json!({}));
    shown["conversations"].as_array().unwrap().iter().find(|row| row["name"] == room).unwrap().clone()
}

#[test]
fn who_is_named_in_a_room_sees_how_often_also_after_a_restart_and_until_it_was_read() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    alice.ok("createRoom", json!({ "name": "#tea", "public": true }));
    bob.ok("joinRoom", json!({ "name": "#tea" }));
    for text in ["hello all", "ask @Bob, he knows", "mail bob@example.org", "(@bob)"] {
        alice.send("#tea", text);
        bob.expect_text(text);
    }
    let seen = row(&mut bob, "#tea");
    assert_eq!((&seen["unread"], &seen["mentions"]), (&json!(4), &json!(2)), "{seen}");
    assert_eq!(bob.quit().status.code(), Some(0));
    let mut bob = world.back("bob");
    let seen = row(&mut bob, "#tea");
    assert_eq!((&seen["unread"], &seen["mentions"]), (&json!(4), &json!(2)), "{seen}");
    bob.ok("markRead", json!({ "with": "#tea", "id": seen["lastMessage"]["id"] }));
    let seen = row(&mut bob, "#tea");
    assert_eq!((&seen["unread"], &seen["mentions"]), (&json!(0), &Value::Null), "{seen}");
}

#[test]
fn who_writes_in_a_room_shows_there_and_a_deleted_account_is_gone_from_it() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    let mut carol = world.registered("carol");
    alice.ok("createRoom", json!({ "name": "#tea", "public": true }));
    bob.ok("joinRoom", json!({ "name": "#tea" }));
    alice.expect("roomEvent", |event| {
        event["kind"] == "joined" && event["username"] == "bob" && event["room"] == "#tea"
    });
    alice.ok("typing", json!({ "to": "#tea", "active": true }));
    bob.expect("typing", |told| told["from"] == "alice" && told["to"] == "#tea" && told["active"] == true);
    alice.ok("typing", json!({ "to": "#tea", "active": false }));
    bob.expect("typing", |told| told["to"] == "#tea" && told["active"] == false);
    assert_eq!(carol.refused("typing", json!({ "to": "#tea", "active": true })), "UnknownRoom");
    assert!(carol.so_far("typing").is_empty());

    alice.ok("deleteAccount", json!({ "password": PASSWORD }));
    let left = bob.expect("roomEvent", |event| event["kind"] == "left" && event["room"] == "#tea");
    assert_eq!((&left["username"], &left["by"]), (&json!("alice"), &Value::Null));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while role_of(&mut bob, "#tea", "bob") != "owner" {
        assert!(std::time::Instant::now() < deadline, "the room has no owner");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(role_of(&mut bob, "#tea", "alice"), Value::Null);
}
