//! What a disk, a relay or a person may do to a file: each ends with its kind, and nothing half-done stays.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::geteuid;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::driver::{Profile, Rpc};
use crate::world::{Proxy, Relay, cramped};

/// Bytes before those of a blob in its file at the relay, and where the time of its making stands there.
const HEAD: usize = 128;
const CREATED_AT: usize = 4 + 32 + 8 + 32;

/// The blobs of a relay, by size.
fn blobs(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let mut blobs = world.files("relay/blobs");
    blobs.sort_by_key(|(_, content)| content.len());
    blobs
}

#[test]
fn whatever_a_relay_does_to_a_blob_is_seen_and_leaves_nothing() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut send = |name: &str, count: usize| {
        let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, name, &bytes(count))) }));
        assert_eq!(expect_file(&mut bob)["id"], sent["id"]);
        sent["id"].clone()
    };
    // The second has the layout of the first, so that only its key tells them apart.
    let (id, other) = (send("one", 4 * 65_536), send("two", 4 * 65_536));
    let [(path, honest), (_, another)] = blobs(&world).try_into().unwrap();
    let (path, honest, another) = match fs::read(&path).unwrap() == honest {
        true => (path, honest, another),
        false => panic!("the relay changes what it holds"),
    };
    let chunk = |at: usize| HEAD + 53 + at * 65_552..HEAD + 53 + (at + 1) * 65_552;
    let bent = |bend: &dyn Fn(&mut Vec<u8>)| {
        let mut blob = honest.clone();
        bend(&mut blob);
        blob
    };
    let swapped = bent(&|blob| {
        let (one, two) = (blob[chunk(0)].to_vec(), blob[chunk(1)].to_vec());
        blob[chunk(0)].copy_from_slice(&two);
        blob[chunk(1)].copy_from_slice(&one);
    });
    let size = u64::try_from(honest.len() - HEAD).unwrap();
    let cases = [
        ("truncated by a byte", bent(&|blob| blob.truncate(blob.len() - 1))),
        ("truncated at a chunk", bent(&|blob| blob.truncate(chunk(2).start))),
        (
            "said to be longer",
            bent(&|blob| {
                blob[36..44].copy_from_slice(&(size + 16).to_be_bytes());
                blob.extend([0; 16]);
            }),
        ),
        ("swapped chunks", swapped),
        ("a chunk twice", bent(&|blob| blob.copy_within(chunk(1), chunk(2).start))),
        ("a chunk moved to the end", bent(&|blob| blob.copy_within(chunk(0), chunk(3).start))),
        ("a forged chunk", bent(&|blob| blob[chunk(3).end - 1] ^= 1)),
        ("a forged head", bent(&|blob| blob[HEAD + 30] ^= 1)),
        ("another blob", bent(&|blob| blob[HEAD..].copy_from_slice(&another[HEAD..]))),
        ("nothing but zeros", bent(&|blob| blob[HEAD..].fill(0))),
    ];
    for (what, blob) in cases {
        fs::write(&path, blob).unwrap();
        // The one that was sent first is the smaller path or the larger one: whichever it is, it is bent.
        let kinds: Vec<String> = [&id, &other]
            .iter()
            .filter_map(|id| bob.call("download", json!({ "id": id, "path": text(to.path()) })).err())
            .map(|refusal| refusal.kind)
            .collect();
        assert_eq!(kinds, ["Integrity"], "{what}");
        let left = names_in(to.path());
        assert!(left.iter().all(|name| !name.starts_with('.')) && left.len() == 1, "{what}: {left:?}");
        fs::remove_file(to.path().join(&left[0])).unwrap();
    }
    // Expired, then gone.
    let expired = bent(&|blob| blob[CREATED_AT..CREATED_AT + 8].fill(0));
    for gone in [Some(expired), None] {
        match gone {
            Some(blob) => fs::write(&path, blob).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let kinds: Vec<String> = [&id, &other]
            .iter()
            .filter_map(|id| bob.call("download", json!({ "id": id, "path": text(to.path()) })).err())
            .map(|refusal| refusal.kind)
            .collect();
        assert_eq!(kinds, ["NotFound"]);
        for name in names_in(to.path()) {
            assert!(!name.starts_with('.'), "{name} is left");
            fs::remove_file(to.path().join(name)).unwrap();
        }
    }
    fs::write(&path, honest).unwrap();
    for id in [&id, &other] {
        bob.ok("download", json!({ "id": id, "path": text(to.path()) }));
    }
    assert_eq!(names_in(to.path()), ["one", "two"]);
}

#[test]
fn a_file_that_changes_before_it_was_read_is_not_sent_and_offline_one_waits() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let from = TempDir::new().unwrap();
    world.relay.kill();
    alice.expect("connection", |connection| connection["state"] == "offline");
    let unknown = file(&from, "unknown", b"x");
    assert_eq!(alice.refused("sendFile", json!({ "to": "nobody", "path": text(&unknown) })), "Offline");
    let (changed, steady) = (file(&from, "changed", &bytes(100_000)), file(&from, "steady", &bytes(100_000)));
    let of = |path: &Path| json!({ "to": "bob", "path": text(path) });
    let (first, second) = (alice.post("sendFile", of(&changed)), alice.post("sendFile", of(&steady)));
    wait_until("both wait", || {
        let transfers = alice.ok("transfers", json!({}))["transfers"].as_array().unwrap().clone();
        transfers.len() == 2 && transfers.iter().all(|transfer| transfer["state"] == "waiting")
    });
    fs::write(&changed, bytes(100_001)).unwrap();
    world.relay.restart();
    assert_eq!(alice.answer(first).unwrap_err().kind, "Integrity");
    let sent = alice.answer(second).unwrap();
    assert_eq!(expect_file(&mut bob)["id"], sent["id"], "the message of the other one was never sent");
    wait_until("only one blob is left", || blobs(&world).len() == 1);
}

/// The hashes of what was sealed outlive a kill: the same key never seals another text, whatever the file
/// says of itself.
#[test]
fn a_file_that_was_changed_secretly_while_its_sender_was_down_is_not_sent_on() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    alice.quit();
    let proxy = Proxy::to(&world.relay.address);
    let profile = Profile::new(world.folder.path().join("alice"), &proxy.address, &world.relay.pin);
    let mut alice = profile.start();
    alice.online();
    let from = TempDir::new().unwrap();
    let path = file(&from, "large", &bytes(80 << 20));
    alice.post("sendFile", json!({ "to": "bob", "path": text(&path) }));
    let id = alice.expect("fileProgress", |progress| progress["done"].as_u64() > Some(0))["id"].clone();
    proxy.cut(true);
    assert_ne!(state(&mut alice, &id), "done", "the file is too small for this machine");
    alice.kill();
    let open = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let written = open.metadata().unwrap().modified().unwrap();
    open.write_all_at(b"something else", 100).unwrap();
    open.set_modified(written).unwrap();
    proxy.cut(false);
    let mut alice = profile.start();
    wait_until("it fails", || state(&mut alice, &id) == "failed");
    let transfers = alice.ok("transfers", json!({}));
    assert_eq!(transfers["transfers"][0]["reason"], "Integrity");
    wait_until("nothing of it is left at the relay", || blobs(&world).is_empty());
    // Not when somebody insists either: what was sealed under its key is still known.
    alice.ok("resumeTransfer", json!({ "id": id }));
    wait_until("it fails again", || state(&mut alice, &id) == "failed");
    wait_until("nothing of it is left at the relay", || blobs(&world).is_empty());
    alice.send("bob", "never mind");
    bob.expect_text("never mind");
    assert!(bob.so_far("message").iter().all(|message| !message["file"].is_object()));
}

#[test]
fn a_full_disk_of_the_receiver_is_told_and_leaves_nothing() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    bob.kill();
    let mut bob = Rpc::of(cramped(&world.profile("bob").command(), 12_000));
    bob.online();
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = file(&from, "large", &bytes(20 << 20));
    let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&path) }));
    assert_eq!(expect_file(&mut bob)["id"], sent["id"]);
    let fetch = json!({ "id": sent["id"], "path": text(to.path()) });
    assert_eq!(bob.refused("download", fetch.clone()), "Io");
    assert_eq!(names_in(to.path()), [] as [&str; 0]);
    assert_eq!(state(&mut bob, &sent["id"]), "failed");
    // With room again it goes through.
    bob.kill();
    let mut bob = world.back("bob");
    bob.ok("download", fetch);
    assert!(fs::read(to.path().join("large")).unwrap() == bytes(20 << 20));
}

#[test]
fn a_full_disk_of_the_relay_is_told_and_leaves_nothing_there() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (data, address) = (world.folder.path().join("relay"), world.relay.address.clone());
    world.relay.kill();
    world.relay = Relay::cramped(&data, &address, 12_000);
    alice.online();
    bob.online();
    let from = TempDir::new().unwrap();
    let path = file(&from, "large", &bytes(20 << 20));
    let refused = alice.post("sendFile", json!({ "to": "bob", "path": text(&path) }));
    // Chat goes on meanwhile.
    alice.send("bob", "still here");
    bob.expect_text("still here");
    assert_eq!(alice.answer(refused).unwrap_err().kind, "Io");
    wait_until("nothing of it is left at the relay", || blobs(&world).is_empty());
    let small = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, "small", b"fits")) }));
    assert_eq!(expect_file(&mut bob)["id"], small["id"], "no message tells of a file that is not there");
}

#[test]
fn what_lies_in_the_way_is_neither_followed_nor_replaced() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let target = file(&outside, "target", b"mine");
    let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, "a.txt", b"theirs")) }));
    expect_file(&mut bob);
    symlink(&target, to.path().join("a.txt")).unwrap();
    symlink(outside.path().join("absent"), to.path().join("a (1).txt")).unwrap();
    fs::create_dir(to.path().join("a (2).txt")).unwrap();
    let fetch = json!({ "id": sent["id"], "path": text(to.path()) });
    let saved = bob.ok("download", fetch.clone());
    assert_eq!(saved["path"], text(&to.path().join("a (3).txt")));
    // A link where the temporary file would be.
    let part = to.path().join(format!(".chat-{}.part", sent["id"].as_str().unwrap()));
    symlink(&target, &part).unwrap();
    let blocked = bob.call("download", fetch);
    assert!(blocked.is_err_and(|refusal| refusal.kind == "Io"));
    assert_eq!((fs::read(&target).unwrap(), names_in(outside.path()).len()), (b"mine".to_vec(), 1));
    // Neither an absent directory is made nor a file taken for one.
    for path in [to.path().join("no/such/place"), target.join("below")] {
        assert_eq!(bob.refused("download", json!({ "id": sent["id"], "path": text(&path) })), "NotFound");
    }
}

#[test]
fn hostile_names_arrive_as_they_are_told_and_lie_here_under_harmless_ones() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    // What a file can really be called: separators and NUL are the receiver's own unit tests.
    let long = format!("{}.tar", "x".repeat(251));
    let names = [
        ("..\\..\\x.exe", "_.._x.exe"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("photo\u{202e}gnp.exe", "photo_gnp.exe"),
        ("a\nb\u{1b}[31m.txt", "a_b_[31m.txt"),
        ("nul.txt", "_nul.txt"),
        ("...", "file"),
        (long.as_str(), &format!("{}.tar", "x".repeat(236))),
    ];
    for (name, safe) in names {
        let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, name, b"x")) }));
        assert_eq!(expect_file(&mut bob)["id"], sent["id"], "{name:?}");
        let saved = bob.ok("download", json!({ "id": sent["id"], "path": text(to.path()) }));
        assert_eq!(saved["path"], text(&to.path().join(safe)), "{name:?}");
    }
    let mut expected: Vec<String> = names.iter().map(|(_, safe)| (*safe).to_owned()).collect();
    expected.sort();
    assert_eq!(names_in(to.path()), expected, "nothing else lies here, hidden or not");
}

/// The same client as somebody who is not root, to whom permissions mean something.
fn as_nobody(world: &World, name: &str) -> Profile {
    let folder = world.folder.path().join(format!("{name}-home"));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if geteuid().is_root() {
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    Profile::new(folder.join("profile"), &world.relay.address, &world.relay.pin)
}

const NOBODY: u32 = 65_534;

#[test]
fn what_may_not_be_read_or_written_is_forbidden() {
    let world = World::new();
    let profile = as_nobody(&world, "alice");
    let mut command = profile.command();
    if geteuid().is_root() {
        // The program lies where only its builder may look.
        let program = world.folder.path().join("chat-tui");
        fs::copy(env!("CARGO_BIN_EXE_chat-tui"), &program).unwrap();
        let mut other = Command::new(&program);
        other.args(command.get_args()).uid(NOBODY).gid(NOBODY).env("HOME", "/").current_dir("/");
        other.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        other.stderr(std::process::Stdio::piped());
        command = other;
    }
    let mut alice = Rpc::of(command);
    alice.register("alice");
    let secret = world.folder.path().join("secret");
    fs::write(&secret, b"x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(alice.refused("sendFile", json!({ "to": "alice", "path": text(&secret) })), "Forbidden");
    let open = world.folder.path().join("open");
    fs::write(&open, b"x").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let sent = alice.ok("sendFile", json!({ "to": "alice", "path": text(&open) }));
    let closed = world.folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(alice.refused("download", json!({ "id": sent["id"], "path": text(&closed) })), "Forbidden");
    assert_eq!(names_in(&closed), [] as [&str; 0]);
}
