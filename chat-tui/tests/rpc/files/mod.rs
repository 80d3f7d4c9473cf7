//! Files over JSON-RPC: sizes with an edge, kills of everybody on the way, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driver::{PATIENCE, Rpc};
use crate::world::World;

mod auto;
mod bad;
mod large;
mod pictures;
mod room;
mod stops;

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0]).collect()
}

fn file(dir: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// What lies in a directory, hidden files as well.
fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits for something about the world to be so.
fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How a transfer stands.
fn state(client: &mut Rpc, id: &Value) -> String {
    let transfers = client.ok("transfers", json!({}));
    let of = transfers["transfers"].as_array().unwrap().iter().find(|transfer| transfer["id"] == *id);
    of.map_or("none", |transfer| transfer["state"].as_str().unwrap()).to_owned()
}

/// The next message about a file.
fn expect_file(client: &mut Rpc) -> Value {
    client.expect("message", |params| params["file"].is_object())
}

#[test]
fn a_file_goes_from_one_program_to_the_other() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for size in [0, 1, 65_535, 65_536, 65_537, 1_048_575, 1_048_577, 40_000_000] {
        let content = bytes(size);
        let path = file(&from, &format!("f{size}.txt"), &content);
        let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&path), "caption": "here" }));
        assert_eq!(sent["size"], size);
        let message = expect_file(&mut bob);
        assert_eq!((&message["id"], message["text"].as_str()), (&sent["id"], Some("here")));
        assert_eq!(message["file"], json!({ "name": format!("f{size}.txt"), "size": size, "mime": "text/plain" }));
        let saved = bob.ok("download", json!({ "id": sent["id"], "path": text(to.path()) }));
        assert_eq!((&saved["size"], &saved["sha256"]), (&sent["size"], &sent["sha256"]));
        assert!(fs::read(saved["path"].as_str().unwrap()).unwrap() == content, "{size}");
    }
    let transfers = bob.ok("transfers", json!({}));
    assert!(transfers["transfers"].as_array().unwrap().iter().all(|transfer| transfer["state"] == "done"));
}

#[test]
fn a_large_file_arrives_although_everybody_is_killed_on_the_way() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let content = bytes(60 << 20);
    let path = file(&from, "large.bin", &content);
    alice.post("sendFile", json!({ "to": "bob", "path": text(&path) }));
    let progress = alice.expect("fileProgress", |params| params["direction"] == "upload");
    alice.kill();
    let mut alice = world.back("alice");
    world.relay.restart();
    let message = expect_file(&mut bob);
    assert_eq!(message["id"], progress["id"], "a transfer is called like its message");
    bob.post("download", json!({ "id": message["id"], "path": text(to.path()) }));
    bob.expect("fileProgress", |params| params["direction"] == "download");
    bob.kill();
    let mut bob = world.back("bob");
    bob.expect("fileProgress", |params| params["done"] == params["total"]);
    let saved = to.path().join("large.bin");
    for _ in 0..600 {
        if saved.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(fs::read(&saved).unwrap() == content);
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1, "no temporary file is left");
    let state = |client: &mut Rpc| client.ok("transfers", json!({}))["transfers"][0]["state"].clone();
    assert_eq!((state(&mut alice), state(&mut bob)), (json!("done"), json!("done")));
}

#[test]
fn a_file_whose_message_was_taken_back_is_not_to_be_had_any_more() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = file(&from, "regret.txt", b"x");
    let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&path) }));
    let kept = alice.ok("sendFile", json!({ "to": "bob", "path": text(&path) }));
    for _ in 0..2 {
        expect_file(&mut bob);
    }
    alice.ok("delete", json!({ "id": sent["id"], "forEveryone": true }));
    bob.expect("messageUpdated", |message| message["id"] == sent["id"] && message["deleted"] == true);
    let fetch = |id: &Value| json!({ "id": id, "path": text(to.path()) });
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.refused("download", fetch(&sent["id"])), "UnknownMessage");
        client.ok("download", fetch(&kept["id"]));
    }
    assert_eq!(names_in(to.path()), ["regret (1).txt", "regret.txt"]);
}

#[test]
fn what_is_wrong_with_a_file_is_said_by_its_kind() {
    let world = World::new();
    let (mut alice, _bob) = world.friends("alice", "bob");
    let from = TempDir::new().unwrap();
    let mut kind = |method: &str, params: Value| alice.refused(method, params);
    assert_eq!(kind("sendFile", json!({ "to": "bob", "path": text(&from.path().join("no")) })), "NotFound");
    assert_eq!(kind("sendFile", json!({ "to": "bob", "path": text(from.path()) })), "InvalidParams");
    fs::File::create(from.path().join("sparse")).unwrap().set_len(5 << 30).unwrap();
    assert_eq!(kind("sendFile", json!({ "to": "bob", "path": text(&from.path().join("sparse")) })), "TooLarge");
    let path = file(&from, "x", b"x");
    assert_eq!(kind("sendFile", json!({ "to": "nobody", "path": text(&path) })), "UnknownUser");
    assert_eq!(kind("sendFile", json!({ "to": "bob" })), "InvalidParams");
    assert_eq!(kind("download", json!({ "id": "00000000000000000000000000000000" })), "UnknownMessage");
    for method in ["pauseTransfer", "resumeTransfer", "cancelTransfer"] {
        assert_eq!(kind(method, json!({ "id": "00000000000000000000000000000000" })), "NotFound", "{method}");
    }
}
