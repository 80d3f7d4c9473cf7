//! What people do with each other.

use serde_json::{Value, json};

use crate::driver::Rpc;
use crate::world::World;

fn texts(client: &mut Rpc, with: &str) -> Vec<String> {
    let page = client.ok("history", json!({ "with": with, "limit": 1000 }));
    page["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect()
}

fn names(rows: &Value, member: &str) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_stranger_is_held_back_until_accepted_and_learns_nothing_before() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    for text in ["one", "two", "three"] {
        alice.send("bob", text);
    }
    let request = bob.expect("request", |_| true);
    assert_eq!((&request["username"], &request["preview"]), (&json!("alice"), &json!("one")));
    assert!(request["seq"].is_u64() && request["timestamp"].is_u64());
    let requests = bob.ok("requests", json!({}));
    assert_eq!(names(&requests["requests"], "username"), ["alice"]);
    // `sent` for all of them: the relay holds them, so bob had the chance to betray himself.
    alice.at_least("receipt", 3);
    assert_eq!(bob.so_far("message"), Vec::<Value>::new());
    assert_eq!(texts(&mut bob, "alice"), Vec::<String>::new());
    assert!(alice.so_far("receipt").iter().all(|receipt| receipt["status"] == "sent"));
    assert_eq!(alice.so_far("presence"), Vec::<Value>::new());

    bob.ok("acceptRequest", json!({ "username": "ALICE" }));
    for text in ["one", "two", "three"] {
        bob.expect_text(text);
    }
    assert_eq!(texts(&mut bob, "alice"), ["one", "two", "three"]);
    assert_eq!(bob.ok("requests", json!({}))["requests"], json!([]));
    assert_eq!(bob.so_far("request").len(), 1, "announced once");
    alice.expect("receipt", |receipt| receipt["status"] == "delivered" && receipt["by"] == "bob");
    alice.expect("presence", |presence| presence["username"] == "bob" && presence["online"] == true);
}

#[test]
fn writing_to_a_person_accepts_that_person() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    alice.send("bob", "hello");
    bob.expect("request", |_| true);
    bob.send("alice", "I know you");
    bob.expect_text("hello");
    alice.expect_text("I know you");
    assert_eq!(alice.so_far("request"), Vec::<Value>::new());
    assert_eq!(names(&alice.ok("contacts", json!({}))["contacts"], "username"), ["bob"]);
    assert_eq!(names(&bob.ok("contacts", json!({}))["contacts"], "username"), ["alice"]);
}

#[test]
fn a_declined_stranger_stays_outside_and_hears_nothing() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    alice.send("bob", "buy now");
    bob.expect("request", |_| true);
    bob.ok("declineRequest", json!({ "username": "alice" }));
    assert_eq!(bob.ok("requests", json!({}))["requests"], json!([]));
    assert_eq!(texts(&mut bob, "alice"), Vec::<String>::new());
    let receipts = alice.at_least("receipt", 1);
    assert!(receipts.iter().all(|receipt| receipt["status"] == "sent"));
    assert_eq!(names(&bob.ok("contacts", json!({}))["contacts"], "username"), Vec::<String>::new());
}

#[test]
fn what_is_sent_while_blocked_never_arrives_and_unblocking_restores_the_contact() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    bob.ok("block", json!({ "username": "alice" }));
    assert_eq!(bob.ok("contacts", json!({}))["contacts"][0]["blocked"], true);
    assert_eq!(bob.refused("send", json!({ "to": "alice", "text": "x" })), "Blocked");
    // Offline for the blocked one, who is told nothing else.
    alice.expect("presence", |presence| presence["username"] == "bob" && presence["online"] == false);
    let lost = alice.send("bob", "lost");
    alice.expect("receipt", |receipt| receipt["id"] == lost.as_str() && receipt["status"] == "sent");

    bob.ok("unblock", json!({ "username": "alice" }));
    let kept = alice.send("bob", "kept");
    bob.expect_text("kept");
    alice.expect("receipt", |receipt| receipt["id"] == kept.as_str() && receipt["status"] == "delivered");
    assert_eq!(texts(&mut bob, "alice"), ["hello", "kept"]);
    bob.send("alice", "back again");
    alice.expect_text("back again");
    let receipts = alice.so_far("receipt");
    assert!(receipts.iter().all(|r| r["id"] != lost.as_str() || r["status"] == "sent"), "{receipts:?}");
}

#[test]
fn a_message_goes_from_queued_over_sent_and_delivered_to_read() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let id = alice.send("bob", "look");
    let got = bob.expect_text("look");
    assert_eq!(got["id"], id.as_str(), "one id for both");
    assert_eq!((&got["from"], &got["to"], &got["outgoing"]), (&json!("alice"), &json!("bob"), &json!(false)));
    alice.expect("receipt", |receipt| receipt["id"] == id.as_str() && receipt["status"] == "delivered");
    assert_eq!(unread(&mut bob, "alice"), 2);
    bob.ok("markRead", json!({ "with": "alice", "id": id }));
    assert_eq!(unread(&mut bob, "alice"), 0);
    let read = alice.expect("receipt", |receipt| receipt["id"] == id.as_str() && receipt["status"] == "read");
    assert_eq!((&read["to"], &read["by"]), (&json!("bob"), &json!("bob")));
    let last = alice.ok("conversations", json!({}))["conversations"][0]["lastMessage"].clone();
    assert_eq!((&last["id"], &last["status"], &last["outgoing"]), (&json!(id), &json!("read"), &json!(true)));
    // Once a status: `delivered` is not told after `read`.
    let mine: Vec<_> = alice.so_far("receipt").into_iter().filter(|r| r["id"] == id.as_str()).collect();
    let words: Vec<_> = mine.iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert!(words == ["sent", "delivered", "read"] || words == ["delivered", "read"], "{words:?}");
}

fn unread(client: &mut Rpc, name: &str) -> u64 {
    let rows = client.ok("conversations", json!({}));
    let row = rows["conversations"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(row["kind"], "direct");
    row["unread"].as_u64().unwrap()
}

#[test]
fn an_answer_names_what_it_answers() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let question = alice.send("bob", "when?");
    bob.expect_text("when?");
    bob.ok("send", json!({ "to": "alice", "text": "now", "replyTo": question }));
    assert_eq!(alice.expect_text("now")["replyTo"], question.as_str());
}

#[test]
fn a_repeated_send_with_the_same_key_is_one_message() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let send = json!({ "to": "bob", "text": "once", "idempotencyKey": "order-66" });
    let first = alice.ok("send", send.clone());
    assert_eq!(alice.ok("send", send.clone()), first);
    bob.expect_text("once");
    alice.quit().cleanly();
    let mut alice = world.back("alice");
    assert_eq!(alice.ok("send", send), first, "also after a restart");
    alice.send("bob", "end");
    bob.expect_text("end");
    assert_eq!(texts(&mut bob, "alice"), ["hello", "once", "end"]);
}

#[test]
fn typing_is_seen_by_friends_and_kept_nowhere() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    alice.ok("typing", json!({ "to": "bob", "active": true }));
    bob.expect("typing", |typing| typing["from"] == "alice" && typing["active"] == true);
    alice.ok("typing", json!({ "to": "bob", "active": false }));
    bob.expect("typing", |typing| typing["from"] == "alice" && typing["active"] == false);
    assert_eq!(texts(&mut bob, "alice"), ["hello"]);
}

#[test]
fn a_text_arrives_exactly_as_it_was_sent_and_is_printed_harmlessly() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let hostile =
        "\u{0}\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}evil\u{2066}\u{2028}x\u{2029}\u{85}\r\n\t\u{7f}\u{feff}👩‍👩‍👧 é e\u{301}";
    alice.send("bob", hostile);
    bob.expect("message", |message| message["text"] == hostile);
    let history = bob.ok("history", json!({ "with": "alice" }));
    assert_eq!(history["messages"][1]["text"], hostile);
    for client in [alice, bob] {
        let gone = client.quit().cleanly();
        let active = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{2028}\u{2029}\u{feff}".contains(c);
        assert_eq!(gone.raw.chars().find(|c| active(*c)), None);
        assert!(!gone.log.contains("owned"), "no text in a log");
    }
}

#[test]
fn the_history_pages_backwards_and_search_finds_words() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    for n in 0..30 {
        alice.send("bob", &format!("message number {n} about {}", if n % 10 == 7 { "giraffes" } else { "lions" }));
    }
    bob.at_least("message", 31);
    let page = bob.ok("history", json!({ "with": "alice", "limit": 10 }));
    let page = page["messages"].as_array().unwrap();
    assert_eq!(page.len(), 10);
    assert!(page[0]["text"].as_str().unwrap().starts_with("message number 20 "));
    let older = bob.ok("history", json!({ "with": "alice", "limit": 10, "before": page[0]["id"] }));
    assert!(older["messages"][9]["text"].as_str().unwrap().starts_with("message number 19 "));
    let first = bob.ok("history", json!({ "with": "alice", "limit": 100 }));
    assert_eq!(first["messages"].as_array().unwrap().len(), 31);

    for params in [json!({ "query": "giraffes" }), json!({ "query": "GIRAFFES", "with": "alice" })] {
        let found = bob.ok("searchMessages", params);
        assert_eq!(found["messages"].as_array().unwrap().len(), 3);
    }
    assert_eq!(bob.ok("searchMessages", json!({ "query": "unicorns" }))["messages"], json!([]));
    // What looks like a query language is words.
    for query in ["\"", "giraffes OR lions NEAR(", "*", "a:b", "", "-", "'; DROP TABLE messages; --"] {
        bob.ok("searchMessages", json!({ "query": query, "limit": 5 }));
    }
    assert_eq!(
        alice.ok("searchMessages", json!({ "query": "giraffes", "limit": 2 }))["messages"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn people_are_found_by_name_or_prefix_and_strangers_are_never_shown_online() {
    let world = World::new();
    let mut alice = world.registered("alice");
    let (_bob, _bobby) = (world.registered("bob"), world.registered("bobby"));
    let found = alice.ok("search", json!({ "query": "BOB" }));
    assert_eq!(
        found["users"],
        json!([{ "username": "bob", "online": false }, { "username": "bobby", "online": false }])
    );
    let found = alice.ok("search", json!({ "query": "bob", "limit": 1 }));
    assert_eq!(names(&found["users"], "username"), ["bob"]);
    assert_eq!(alice.ok("search", json!({ "query": "zzz" }))["users"], json!([]));
}

#[test]
fn a_display_name_reaches_friends() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    alice.ok("setProfile", json!({ "displayName": "Alice Ünder \u{202e}Lined" }));
    alice.send("bob", "new name");
    bob.expect_text("new name");
    let contacts = bob.ok("contacts", json!({}));
    let shown = contacts["contacts"][0]["displayName"].as_str().unwrap();
    assert!(shown.starts_with("Alice Ünder"), "{shown}");
}

#[test]
fn a_note_to_oneself_is_kept() {
    let world = World::new();
    let mut alice = world.registered("alice");
    alice.send("alice", "milk, eggs");
    assert_eq!(texts(&mut alice, "alice"), ["milk, eggs"]);
    alice.quit().cleanly();
    let mut alice = world.back("alice");
    assert_eq!(texts(&mut alice, "alice"), ["milk, eggs"]);
}

#[test]
fn requests_under_way_do_not_hold_up_each_other_and_sends_keep_their_order() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let mut ids = Vec::new();
    for n in 0..100 {
        ids.push(alice.post("send", json!({ "to": "bob", "text": n.to_string() })));
        ids.push(alice.post("search", json!({ "query": "bob" })));
        ids.push(alice.post("status", json!({})));
    }
    let results: Vec<Result<Value, _>> = ids.iter().map(|id| alice.answer(*id)).collect();
    // Searches may be limited, sends and questions to oneself never.
    assert!(results.iter().enumerate().all(|(at, result)| at % 3 == 1 || result.is_ok()));
    let got: Vec<String> =
        bob.at_least("message", 101).iter().skip(1).map(|m| m["text"].as_str().unwrap().to_owned()).collect();
    let sent: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(got, sent);
}
