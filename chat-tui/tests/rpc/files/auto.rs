//! Files that come by themselves: from whom, how large, and once.

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::driver::Profile;
use crate::world::befriend;

/// A client that takes files up to a million bytes by itself, into a directory of its own.
fn taking(world: &World, name: &str) -> (Profile, PathBuf) {
    let mut profile = world.profile(name).with(&["--auto-download", "1000000"]);
    let (config, downloads) = (world.folder.path().join("config"), world.folder.path().join(format!("got-{name}")));
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("user-dirs.dirs"), format!("XDG_DOWNLOAD_DIR=\"{}\"\n", downloads.display())).unwrap();
    profile.env.push(("XDG_CONFIG_HOME".to_owned(), text(&config)));
    (profile, downloads)
}

#[test]
fn a_contact_s_file_comes_by_itself_up_to_the_size_and_a_stranger_s_only_once_accepted() {
    let world = World::new();
    let mut alice = world.registered("alice");
    let (profile, downloads) = taking(&world, "bob");
    let mut bob = profile.start();
    bob.register("bob");
    let from = TempDir::new().unwrap();
    let small = file(&from, "small.bin", &bytes(200_000));
    let stranger = alice.ok("sendFile", json!({ "to": "bob", "path": text(&small) }));
    bob.expect("request", |request| request["username"] == "alice");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!downloads.exists(), "nothing of a stranger is fetched");
    assert_eq!(bob.ok("transfers", json!({})), json!({ "transfers": [] }));
    bob.ok("acceptRequest", json!({ "username": "alice" }));
    assert_eq!(expect_file(&mut bob)["id"], stranger["id"]);
    wait_until("the accepted file lies here", || downloads.join("small.bin").exists());
    let large =
        alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, "large.bin", &bytes(1_000_001))) }));
    assert_eq!(expect_file(&mut bob)["id"], large["id"]);
    let edge = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, "edge.bin", &bytes(1_000_000))) }));
    assert_eq!(expect_file(&mut bob)["id"], edge["id"]);
    wait_until("a file of the largest size lies here", || state(&mut bob, &edge["id"]) == "done");
    assert_eq!(state(&mut bob, &large["id"]), "none", "a larger one waits to be asked for");
    assert_eq!(names_in(&downloads), ["edge.bin", "small.bin"]);
    assert!(fs::read(downloads.join("edge.bin")).unwrap() == bytes(1_000_000));
    // A restart fetches nothing twice, and what one sends does not come back.
    bob.ok("sendFile", json!({ "to": "alice", "path": text(&small) }));
    bob.kill();
    let mut bob = profile.start();
    bob.online();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(names_in(&downloads), ["edge.bin", "small.bin"]);
    assert_eq!(bob.ok("transfers", json!({}))["transfers"].as_array().unwrap().len(), 3);
}

#[test]
fn so_much_comes_a_day_and_the_rest_waits_to_be_asked_for_over_restarts_too() {
    let world = World::new();
    let mut alice = world.registered("alice");
    let (profile, downloads) = taking(&world, "bob");
    let profile = profile.with(&["--auto-download-day", "450000"]);
    let mut bob = profile.start();
    bob.register("bob");
    befriend(&mut alice, "alice", &mut bob, "bob");
    let from = TempDir::new().unwrap();
    let mut send = |bob: &mut Rpc, name: &str, count: usize| {
        let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, name, &bytes(count))) }));
        // A kill may repeat the one before.
        bob.expect("message", |message| message["id"] == sent["id"]);
        sent["id"].clone()
    };
    let first = send(&mut bob, "first", 200_000);
    wait_until("the first lies here", || state(&mut bob, &first) == "done");
    bob.kill();
    let mut bob = profile.start();
    bob.online();
    let second = send(&mut bob, "second", 200_000);
    wait_until("the second lies here", || state(&mut bob, &second) == "done");
    let third = send(&mut bob, "third", 200_000);
    // What is small enough for the rest still comes.
    let fourth = send(&mut bob, "fourth", 50_000);
    wait_until("the fourth lies here", || state(&mut bob, &fourth) == "done");
    assert_eq!(state(&mut bob, &third), "none");
    assert_eq!(names_in(&downloads), ["first", "fourth", "second"]);
    bob.ok("download", json!({ "id": third }));
    assert!(fs::read(downloads.join("third")).unwrap() == bytes(200_000), "who asks gets it");
}

#[test]
fn a_room_s_file_comes_by_itself_and_nothing_does_unless_it_is_wanted() {
    let world = World::new();
    let (mut alice, mut carol) = (world.registered("alice"), world.registered("carol"));
    let (profile, downloads) = taking(&world, "bob");
    let mut bob = profile.start();
    bob.register("bob");
    befriend(&mut alice, "alice", &mut carol, "carol");
    alice.ok("createRoom", json!({ "name": "#plans", "public": true }));
    for other in [&mut bob, &mut carol] {
        other.ok("joinRoom", json!({ "name": "#plans" }));
        alice.expect("roomEvent", |event| event["kind"] == "joined");
    }
    let from = TempDir::new().unwrap();
    let path = file(&from, "plan.pdf", &bytes(300_000));
    let sent = alice.ok("sendFile", json!({ "to": "#plans", "path": text(&path) }));
    for other in [&mut bob, &mut carol] {
        assert_eq!(expect_file(other)["id"], sent["id"]);
    }
    wait_until("the room's file lies here", || downloads.join("plan.pdf").exists());
    assert!(fs::read(downloads.join("plan.pdf")).unwrap() == bytes(300_000));
    assert_eq!(carol.ok("transfers", json!({})), json!({ "transfers": [] }), "off unless somebody wants it");
}
