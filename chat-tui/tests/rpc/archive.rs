//! The history in a file under a passphrase.

use serde_json::{Value, json};

use crate::driver::{PASSWORD, Rpc};
use crate::world::{World, holds};

const PHRASE: &str = "tundra quarz lampe elf";

fn history(client: &mut Rpc, with: &str) -> Vec<Value> {
    client.ok("history", json!({ "with": with, "limit": 1_000 }))["messages"].as_array().unwrap().clone()
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

#[test]
fn a_history_goes_to_another_device_in_a_file_in_its_order_and_without_doubles() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    for n in 0..5 {
        alice.send("bob", &format!("before {n}"));
        bob.expect_text(&format!("before {n}"));
    }
    let mut phone = world.profile("phone").start();
    phone.ok("login", json!({ "username": "alice", "password": PASSWORD }));
    phone.online();
    bob.send("alice", "after");
    phone.expect_text("after");
    alice.expect_text("after");
    let path = world.folder.path().join("history.chat");
    let there = json!({ "path": path, "passphrase": PHRASE });
    let exported = alice.ok("exportHistory", there.clone());
    assert_eq!(exported, json!({ "messages": 7 }));
    assert!(!holds(&std::fs::read(&path).unwrap(), b"before 1"), "nothing of it is in the clear");
    assert_eq!(phone.ok("importHistory", there.clone()), json!({ "messages": 6 }));
    let (old, new) = (history(&mut alice, "bob"), history(&mut phone, "bob"));
    assert_eq!(texts(&old), texts(&new));
    let ids = |messages: &[Value]| messages.iter().map(|message| message["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&old), ids(&new));
    assert!(new[..6].iter().all(|message| message["imported"] == true), "{new:#?}");
    assert!(new[6].get("imported").is_none(), "what came by itself is not imported");
    assert_eq!(phone.ok("importHistory", there), json!({ "messages": 0 }));
    assert_eq!(history(&mut phone, "bob").len(), 7);
    let found = phone.ok("searchMessages", json!({ "query": "before" }));
    assert_eq!(found["messages"].as_array().unwrap().len(), 5, "the search knows them");
}

#[test]
fn an_export_is_refused_with_a_weak_passphrase_and_over_a_file_that_is_there() {
    let world = World::new();
    let mut alice = world.registered("alice");
    alice.send("alice", "note");
    let path = world.folder.path().join("taken");
    std::fs::write(&path, b"mine").unwrap();
    let export = |path: &std::path::Path, phrase: &str| json!({ "path": path, "passphrase": phrase });
    assert_eq!(alice.refused("exportHistory", export(&path, PHRASE)), "FileExists");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let free = world.folder.path().join("free");
    assert_eq!(alice.refused("exportHistory", export(&free, "")), "WeakPassword");
    assert_eq!(alice.refused("exportHistory", export(&world.folder.path().join("no/dir"), PHRASE)), "NotFound");
    assert_eq!(alice.refused("exportHistory", json!({ "path": free })), "InvalidParams");
    assert!(!free.exists());
    let left = std::fs::read_dir(world.folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(left.count(), 0, "no temporary file is left");
    let mut fresh = world.profile("fresh").start();
    assert_eq!(fresh.refused("exportHistory", export(&free, PHRASE)), "NotLoggedIn");
    assert_eq!(fresh.refused("importHistory", export(&free, PHRASE)), "NotLoggedIn");
}

#[test]
fn a_file_that_is_wrong_in_any_way_is_named_for_what_it_is_and_leaves_nothing_behind() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    // More than one piece, so that the last one can be wrong behind a good one.
    for n in 0..3 {
        alice.send("bob", &format!("{n}{}", "x".repeat(40_000)));
    }
    let path = world.folder.path().join("history.chat");
    alice.ok("exportHistory", json!({ "path": path, "passphrase": PHRASE }));
    let whole = std::fs::read(&path).unwrap();
    let mut phone = world.profile("phone").start();
    phone.ok("login", json!({ "username": "alice", "password": PASSWORD }));
    let place = world.folder.path().join("changed");
    let refused = |client: &mut Rpc, bytes: &[u8], phrase: &str| {
        std::fs::write(&place, bytes).unwrap();
        client.refused("importHistory", json!({ "path": place, "passphrase": phrase }))
    };
    assert_eq!(refused(&mut phone, &whole, "another phrase entirely 5"), "BadCredentials");
    let changed = |at: usize, to: u8| {
        let mut bytes = whole.clone();
        bytes[at] = to;
        bytes
    };
    assert_eq!(refused(&mut phone, &changed(12, 2), PHRASE), "StoreTooNew");
    assert_eq!(refused(&mut phone, &changed(13, 9), PHRASE), "Integrity", "a profile outside the table");
    let last = whole.len() - 1;
    assert_eq!(refused(&mut phone, &changed(last, whole[last] ^ 1), PHRASE), "Integrity");
    assert_eq!(refused(&mut phone, &whole[..last], PHRASE), "Integrity");
    assert_eq!(refused(&mut phone, &[&whole[..], b"x"].concat(), PHRASE), "Integrity");
    assert_eq!(refused(&mut phone, b"", PHRASE), "Integrity");
    assert_eq!(refused(&mut phone, b"no archive at all, only some text of a person", PHRASE), "Integrity");
    assert_eq!(refused(&mut bob, &whole, PHRASE), "Forbidden", "somebody else's");
    assert_eq!(history(&mut phone, "bob").len(), 0);
    let nowhere = json!({ "path": world.folder.path().join("nowhere"), "passphrase": PHRASE });
    assert_eq!(phone.refused("importHistory", nowhere), "NotFound");
    let folder = json!({ "path": world.folder.path(), "passphrase": PHRASE });
    assert_eq!(phone.refused("importHistory", folder), "InvalidParams");
    assert_eq!(phone.ok("importHistory", json!({ "path": path, "passphrase": PHRASE })), json!({ "messages": 4 }));
}

#[test]
fn what_is_to_expire_stays_out_of_an_archive() {
    let world = World::new();
    let mut alice = world.registered("alice");
    alice.ok("send", json!({ "to": "alice", "text": "for an hour", "expiresInMs": 3_600_000 }));
    alice.send("alice", "for good");
    let path = world.folder.path().join("history.chat");
    assert_eq!(alice.ok("exportHistory", json!({ "path": path, "passphrase": PHRASE })), json!({ "messages": 1 }));
}

#[test]
fn a_new_device_gets_the_history_of_another_one_that_allows_it_also_over_a_restart() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    for n in 0..60 {
        alice.send("bob", &format!("{n} {}", "x".repeat(3_000)));
    }
    bob.expect("message", |message| message["text"].as_str().unwrap().starts_with("59 "));
    assert_eq!(alice.refused("askHistory", json!({})), "NotFound", "there is no other device");
    let mut phone = world.profile("phone").start();
    phone.ok("login", json!({ "username": "alice", "password": PASSWORD, "deviceName": "phone" }));
    phone.online();
    bob.send("alice", "first on both");
    phone.expect_text("first on both");
    phone.ok("askHistory", json!({}));
    let asks = alice.expect("deviceAsks", |ask| ask["seq"].is_u64());
    assert_eq!(asks["id"], phone.ok("status", json!({}))["device"]);
    assert_eq!(alice.refused("answerHistory", json!({ "id": "1", "allow": true })), "NotFound");
    // Nothing before the person says so.
    assert_eq!(history(&mut phone, "bob").len(), 1);
    phone.kill();
    alice.ok("answerHistory", json!({ "id": asks["id"], "allow": true }));
    let mut phone = world.back("phone");
    let done = phone.expect("historyProgress", |progress| progress["state"] == "done");
    assert!(done["done"].as_u64().unwrap() >= 61, "{done}");
    assert!(!phone.so_far("historyProgress").iter().all(|progress| progress["state"] == "done"), "it tells how far");
    let (old, new) = (history(&mut alice, "bob"), history(&mut phone, "bob"));
    assert_eq!(texts(&old), texts(&new));
    assert_eq!(new.iter().filter(|message| message["imported"] == true).count(), new.len() - 1);

    phone.ok("askHistory", json!({}));
    alice.expect("deviceAsks", |_| true);
    alice.ok("answerHistory", json!({ "id": asks["id"], "allow": false }));
    phone.expect("historyProgress", |progress| progress["state"] == "refused");
    alice.ok("shareHistory", json!({ "on": true }));
    phone.ok("askHistory", json!({}));
    phone.expect("historyProgress", |progress| progress["state"] == "done");
    assert_eq!(history(&mut phone, "bob").len(), old.len(), "without doubles");
}
