//! Pauses, cancellations, cut lines, and several transfers at once.

use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::driver::Profile;
use crate::world::{Proxy, befriend};

#[test]
fn a_paused_upload_rests_over_restarts_goes_on_when_resumed_and_a_cancelled_one_leaves_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let from = TempDir::new().unwrap();
    world.relay.kill();
    alice.expect("connection", |connection| connection["state"] == "offline");
    let (kept, dropped) = (file(&from, "kept.bin", &bytes(300_000)), file(&from, "dropped.bin", &bytes(300_000)));
    alice.post("sendFile", json!({ "to": "bob", "path": text(&kept) }));
    let cancelled = alice.post("sendFile", json!({ "to": "bob", "path": text(&dropped) }));
    let id_of = |client: &mut Rpc, name: &str| {
        let transfers = client.ok("transfers", json!({}))["transfers"].as_array().unwrap().clone();
        transfers.iter().find(|transfer| transfer["name"] == name).map(|transfer| transfer["id"].clone())
    };
    wait_until("both are known", || id_of(&mut alice, "kept.bin").and(id_of(&mut alice, "dropped.bin")).is_some());
    let (kept_id, dropped_id) = (id_of(&mut alice, "kept.bin").unwrap(), id_of(&mut alice, "dropped.bin").unwrap());
    alice.ok("pauseTransfer", json!({ "id": kept_id }));
    alice.ok("cancelTransfer", json!({ "id": dropped_id }));
    assert_eq!(alice.answer(cancelled).unwrap_err().kind, "Cancelled");
    assert_eq!((state(&mut alice, &kept_id), state(&mut alice, &dropped_id)), ("paused".into(), "none".into()));
    alice.kill();
    world.relay.restart();
    let mut alice = world.back("alice");
    bob.online();
    // A text overtakes what rests.
    alice.send("bob", "later");
    bob.expect_text("later");
    assert_eq!(state(&mut alice, &kept_id), "paused", "over a restart as well");
    assert!(world.files("relay/blobs").is_empty());
    alice.ok("resumeTransfer", json!({ "id": kept_id }));
    assert_eq!(expect_file(&mut bob)["id"], kept_id);
    wait_until("it is done", || state(&mut alice, &kept_id) == "done");
    alice.ok("resumeTransfer", json!({ "id": kept_id }));
    assert_eq!(world.files("relay/blobs").len(), 1, "one that is done is not sent again");
}

#[test]
fn cut_lines_cost_nothing_but_time() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    alice.quit();
    let proxy = Proxy::to(&world.relay.address);
    let through = |name: &str| Profile::new(world.folder.path().join(name), &proxy.address, &world.relay.pin);
    let mut alice = through("alice").start();
    alice.online();
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let content = bytes(30 << 20);
    let path = file(&from, "large.bin", &content);
    let sending = alice.post("sendFile", json!({ "to": "bob", "path": text(&path) }));
    for _ in 0..3 {
        alice.expect("fileProgress", |progress| progress["done"].as_u64() > Some(0));
        proxy.cut(true);
        std::thread::sleep(Duration::from_millis(300));
        proxy.cut(false);
    }
    let sent = alice.answer(sending).unwrap();
    assert_eq!(expect_file(&mut bob)["id"], sent["id"]);
    bob.quit();
    let mut bob = through("bob").start();
    bob.online();
    let fetching = bob.post("download", json!({ "id": sent["id"], "path": text(to.path()) }));
    bob.expect("fileProgress", |progress| progress["direction"] == "download");
    proxy.cut(true);
    proxy.cut(false);
    let saved = bob.answer(fetching).unwrap();
    assert_eq!((&saved["sha256"], &saved["size"]), (&sent["sha256"], &sent["size"]));
    assert!(fs::read(to.path().join("large.bin")).unwrap() == content);
    assert_eq!(names_in(to.path()), ["large.bin"]);
}

#[test]
fn a_cancelled_download_leaves_nothing_and_may_be_begun_again() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let content = bytes(30 << 20);
    let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, "large.bin", &content)) }));
    expect_file(&mut bob);
    let fetch = json!({ "id": sent["id"], "path": text(to.path()) });
    let cancelled = bob.post("download", fetch.clone());
    bob.expect("fileProgress", |progress| progress["direction"] == "download");
    bob.ok("cancelTransfer", json!({ "id": sent["id"] }));
    if bob.answer(cancelled).is_err_and(|refusal| refusal.kind == "Cancelled") {
        wait_until("nothing half-written is left", || names_in(to.path()).is_empty());
    } else {
        // It was through before the word came.
        assert_eq!(names_in(to.path()), ["large.bin"]);
        fs::remove_file(to.path().join("large.bin")).unwrap();
    }
    bob.ok("download", fetch);
    assert!(fs::read(to.path().join("large.bin")).unwrap() == content);
}

#[test]
fn a_device_that_forgets_keeps_neither_transfers_nor_what_half_came() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = file(&from, "large.bin", &bytes(30 << 20));
    let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&path) }));
    assert!(world.files("alice/uploads").is_empty(), "what is over needs no hashes");
    expect_file(&mut bob);
    bob.post("download", json!({ "id": sent["id"], "path": text(to.path()) }));
    bob.expect("fileProgress", |progress| progress["direction"] == "download");
    bob.ok("pauseTransfer", json!({ "id": sent["id"] }));
    bob.ok("logout", json!({ "forget": true }));
    wait_until("nothing half-written is left", || names_in(to.path()).iter().all(|name| name == "large.bin"));
    assert_eq!(bob.refused("transfers", json!({})), "NotLoggedIn");
    alice.post("sendFile", json!({ "to": "alice", "path": text(&path) }));
    let id = alice.expect("fileProgress", |progress| progress["id"] != sent["id"])["id"].clone();
    alice.ok("pauseTransfer", json!({ "id": id }));
    alice.ok("logout", json!({ "forget": true }));
    wait_until("no hash is left", || world.files("alice/uploads").is_empty());
    assert_eq!(alice.refused("transfers", json!({})), "NotLoggedIn");
}

#[test]
fn several_files_go_at_once_and_a_text_does_not_wait_for_them() {
    let world = World::new();
    let (mut alice, mut bob) = (world.registered("alice"), world.registered("bob"));
    befriend(&mut alice, "alice", &mut bob, "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let names: Vec<String> = (0..6).map(|number| format!("{number}.bin")).collect();
    let content = |name: &str| {
        let mut content = bytes(12 << 20);
        content[..5].copy_from_slice(name.as_bytes());
        content
    };
    let sending: Vec<u64> = names
        .iter()
        .map(|name| alice.post("sendFile", json!({ "to": "bob", "path": text(&file(&from, name, &content(name))) })))
        .collect();
    alice.send("bob", "by the way");
    bob.expect_text("by the way");
    for sending in sending {
        alice.answer(sending).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(60);
    let ids: Vec<Value> = loop {
        let messages = bob.so_far("message");
        let files = messages.iter().filter(|message| message["file"].is_object());
        let ids: Vec<Value> = files.map(|message| message["id"].clone()).collect();
        if ids.len() == names.len() {
            break ids;
        }
        assert!(Instant::now() < until, "{messages:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let fetching: Vec<u64> =
        ids.iter().map(|id| bob.post("download", json!({ "id": id, "path": text(to.path()) }))).collect();
    bob.send("alice", "they come");
    alice.expect_text("they come");
    for fetching in fetching {
        bob.answer(fetching).unwrap();
    }
    assert_eq!(names_in(to.path()), names);
    for name in &names {
        assert!(fs::read(to.path().join(name)).unwrap() == content(name), "{name}");
    }
}

#[test]
fn a_file_that_is_wanted_at_two_places_at_once_comes_to_both() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to, other) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let content = bytes(10 << 20);
    let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, "a.bin", &content)) }));
    expect_file(&mut bob);
    let fetching: Vec<u64> = [to.path(), other.path(), to.path()]
        .map(|path| bob.post("download", json!({ "id": sent["id"], "path": text(path) })))
        .to_vec();
    let saved: Vec<Value> = fetching.into_iter().map(|id| bob.answer(id).unwrap()["path"].clone()).collect();
    assert_eq!(saved[0], text(&to.path().join("a.bin")));
    assert_eq!(saved[1], text(&other.path().join("a.bin")));
    for path in &saved {
        assert!(fs::read(path.as_str().unwrap()).unwrap() == content, "{path}");
    }
}
