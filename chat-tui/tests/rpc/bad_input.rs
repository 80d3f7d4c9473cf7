//! Bad input of every sort, each named by its kind.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::driver::{PASSWORD, Profile, Rpc};
use crate::world::{Relay, World, files_under};

#[test]
fn lines_that_are_no_requests_are_answered_and_the_process_goes_on() {
    let world = World::new();
    let mut client = world.profile("alice").start();
    for (line, code) in [
        ("hello", -32700),
        ("{\"id\":1", -32700),
        ("", -32700),
        ("[1,2]", -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"fly"}"#, -32601),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ack","params":{"seq":"x"}}"#, -32602),
    ] {
        client.line(line);
        let refusal = client.stray();
        assert_eq!(refusal.code, code, "{line}");
        assert!(!refusal.kind.is_empty(), "{line}");
    }
    assert_eq!(client.call("fly", json!({})).unwrap_err().code, -32601);
    for method in ["connectDirect", "disconnectDirect"] {
        assert_eq!(client.call(method, json!({})).unwrap_err().code, -32601, "{method} comes later");
    }
    assert_eq!(client.call("send", json!({ "to": 5, "text": "x" })).unwrap_err().code, -32602);
    assert_eq!(client.ok("version", json!({}))["rpc"], 1);
    client.quit().cleanly();
}

#[test]
fn a_line_of_32_mib_is_read_and_answered_by_its_id() {
    let world = World::new();
    let mut client = world.registered("alice");
    let id = client.post("send", json!({ "to": "alice", "text": "x".repeat(32 * 1024 * 1024 - 200) }));
    assert_eq!(client.answer(id).unwrap_err().kind, "TooLarge");
    assert_eq!(client.ok("status", json!({}))["loggedIn"], true);
}

#[test]
fn a_weak_password_is_refused_with_what_it_lacks() {
    let world = World::new();
    let mut client = world.profile("alice").start();
    for (password, unmet) in [
        ("Ab1", &["length"][..]),
        ("tr0ub4dor-and-three", &["capital"]),
        ("Troubador-and-three", &["digit"]),
        ("Password1", &["common"]),
        ("", &["length", "capital", "digit"]),
    ] {
        let refusal = client.call("register", json!({ "username": "alice", "password": password })).unwrap_err();
        assert_eq!(refusal.kind, "WeakPassword", "{password}");
        let told: Vec<&str> = refusal.data["unmet"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(unmet.iter().all(|word| told.contains(word)), "{password}: {told:?}");
    }
    client.register("alice");
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_told_alike() {
    let world = World::new();
    world.registered("alice").quit().cleanly();
    let mut other = world.profile("other").start();
    let wrong = other.call("login", json!({ "username": "alice", "password": "Wr0ng-but-long-enough" })).unwrap_err();
    let unknown = other.call("login", json!({ "username": "nobody", "password": PASSWORD })).unwrap_err();
    assert_eq!(wrong.kind, "BadCredentials");
    assert_eq!(wrong, unknown);
}

#[test]
fn a_name_can_be_taken_once_in_any_spelling() {
    let world = World::new();
    let _alice = world.registered("alice");
    let mut other = world.profile("other").start();
    for name in ["alice", "ALICE", "Alice"] {
        assert_eq!(other.refused("register", json!({ "username": name, "password": PASSWORD })), "UsernameTaken");
    }
    other.register("alicia");
}

#[test]
fn a_malformed_name_is_a_wrong_parameter() {
    let world = World::new();
    let mut client = world.profile("alice").start();
    for name in ["", "al", "with space", "ünal", "a/b/c", "#room", &"x".repeat(33)] {
        for method in ["register", "login"] {
            let refusal = client.call(method, json!({ "username": name, "password": PASSWORD })).unwrap_err();
            assert_eq!((refusal.code, refusal.kind.as_str()), (-32602, "InvalidParams"), "{method} {name}");
        }
    }
    client.register("alice");
    assert_eq!(client.refused("send", json!({ "to": "no spaces", "text": "x" })), "InvalidParams");
    assert_eq!(client.refused("block", json!({ "username": "" })), "InvalidParams");
}

#[test]
fn whoever_is_not_logged_in_is_told_so() {
    let world = World::new();
    let mut client = world.profile("alice").start();
    for (method, params) in [
        ("send", json!({ "to": "bob", "text": "x" })),
        ("search", json!({ "query": "bob" })),
        ("typing", json!({ "to": "bob", "active": true })),
        ("block", json!({ "username": "bob" })),
        ("setProfile", json!({ "displayName": "x" })),
        ("setPresence", json!({ "status": "away" })),
        ("logout", json!({})),
        ("transfers", json!({})),
        ("pauseTransfer", json!({ "id": "00".repeat(16) })),
        ("resumeTransfer", json!({ "id": "00".repeat(16) })),
        ("cancelTransfer", json!({ "id": "00".repeat(16) })),
        ("pauseTransfer", json!({ "id": "x" })),
        ("download", json!({ "id": "x" })),
        ("edit", json!({ "id": "x", "text": "y" })),
        ("delete", json!({ "id": "x", "forEveryone": true })),
        ("react", json!({ "id": "x", "emoji": "👍" })),
        ("markRead", json!({ "with": "bob", "id": "x" })),
        ("removeDevice", json!({ "id": "x" })),
    ] {
        assert_eq!(client.refused(method, params), "NotLoggedIn", "{method}");
    }
    let of_the_account = ["contacts", "requests", "conversations"];
    for method in of_the_account {
        assert_eq!(client.refused(method, json!({})), "NotLoggedIn", "{method}");
    }
    assert_eq!(client.refused("history", json!({ "with": "bob" })), "NotLoggedIn");
    assert_eq!(client.refused("searchMessages", json!({ "query": "bob" })), "NotLoggedIn");
    assert_eq!(client.ok("status", json!({}))["loggedIn"], false);
    client.register("alice");
    for method in of_the_account {
        client.ok(method, json!({}));
    }
    client.ok("logout", json!({}));
    assert_eq!(client.refused("send", json!({ "to": "bob", "text": "x" })), "NotLoggedIn");
    assert_eq!(client.refused("contacts", json!({})), "NotLoggedIn");
}

#[test]
fn an_unknown_person_and_an_unknown_message_are_told() {
    let world = World::new();
    let mut client = world.registered("alice");
    client.online();
    assert_eq!(client.refused("send", json!({ "to": "nobody", "text": "x" })), "UnknownUser");
    assert_eq!(client.refused("acceptRequest", json!({ "username": "nobody" })), "UnknownUser");
    client.send("alice", "a note");
    for id in ["x".to_owned(), "00".repeat(16)] {
        assert_eq!(client.refused("markRead", json!({ "with": "alice", "id": id })), "UnknownMessage");
        assert_eq!(client.refused("history", json!({ "with": "alice", "before": id })), "UnknownMessage");
        assert_eq!(client.refused("send", json!({ "to": "alice", "text": "yes", "replyTo": id })), "UnknownMessage");
    }
}

#[test]
fn a_text_of_64_kib_arrives_whole_and_one_byte_more_is_too_large() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    // Two bytes a letter: the limit counts UTF-8, not characters.
    let most = "é".repeat(32 * 1024);
    alice.send("bob", &most);
    bob.expect_text(&most);
    assert_eq!(alice.refused("send", json!({ "to": "bob", "text": format!("{most}x") })), "TooLarge");
    alice.send("bob", "and on");
    bob.expect_text("and on");
}

#[test]
fn a_relay_that_is_not_there_is_told_and_the_profile_works_offline() {
    let mut world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    bob.quit().cleanly();
    world.relay.kill();
    alice.expect("connection", |c| c["state"] == "offline" && c["relay"] == world.relay.address.as_str());
    let id = alice.send("bob", "while away");
    assert_eq!(alice.refused("send", json!({ "to": "stranger", "text": "x" })), "Offline");
    assert_eq!(alice.refused("search", json!({ "query": "bob" })), "Offline");
    let history = alice.ok("history", json!({ "with": "bob" }));
    let last = history["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["id"], &last["status"]), (&json!(id), &json!("queued")));
    alice.quit().cleanly();

    // Never connected at all: the start does not fail either, and a new account says why it can't be.
    let mut fresh = world.profile("fresh").start();
    fresh.expect("connection", |c| c["state"] == "offline");
    assert_eq!(fresh.refused("register", json!({ "username": "fresh", "password": PASSWORD })), "Offline");
    let mut alice = world.profile("alice").start();
    assert_eq!(alice.ok("status", json!({})), {
        let status = alice.ok("status", json!({}));
        json!({ "loggedIn": true, "connected": false, "username": "alice", "device": status["device"] })
    });

    world.relay.restart();
    alice.expect("receipt", |receipt| receipt["id"] == id.as_str() && receipt["status"] == "sent");
    world.back("bob").expect_text("while away");
}

#[test]
fn another_certificate_than_the_pinned_one_is_refused_before_anything_is_said() {
    let world = World::new();
    let wrong = format!("sha256:{}", "00".repeat(32));
    let profile = Profile { pin: Some(wrong), ..world.profile("alice") };
    let mut client = profile.start();
    assert_eq!(client.refused("register", json!({ "username": "alice", "password": PASSWORD })), "CertificateChanged");
    assert_eq!(client.refused("login", json!({ "username": "alice", "password": PASSWORD })), "CertificateChanged");
    client.quit().cleanly();
}

#[test]
fn a_certificate_trusted_on_first_use_may_not_change_later() {
    let world = World::new();
    let profile = Profile { pin: None, ..world.profile("alice") };
    let mut alice = profile.start();
    alice.register("alice");
    alice.quit().cleanly();

    let other_folder = tempfile::TempDir::new().unwrap();
    let other = Relay::start(&other_folder.path().join("relay"), "127.0.0.1:0");
    let mut alice = Profile { relay: other.address.clone(), ..profile.clone() }.start();
    alice.expect("connection", |connection| connection["state"] == "offline");
    assert_eq!(alice.refused("login", json!({ "username": "alice", "password": PASSWORD })), "CertificateChanged");
    assert_eq!(alice.ok("status", json!({}))["connected"], false);
    alice.quit().cleanly();

    let mut alice = profile.start();
    alice.online();
}

#[test]
fn a_profile_that_is_open_elsewhere_is_refused_and_its_owner_unharmed() {
    let world = World::new();
    let mut first = world.registered("alice");
    let mut second = world.profile("alice").start();
    let id = second.post("status", json!({}));
    let refused = second.stray();
    assert_eq!(refused.kind, "ProfileInUse");
    assert_eq!(second.answer(id).unwrap_err().kind, "ProfileInUse");
    let gone = second.gone();
    assert_ne!(gone.status.code(), Some(0));
    assert!(gone.log.contains("ProfileInUse"), "{}", gone.log);
    assert_eq!(first.ok("status", json!({}))["loggedIn"], true);
    first.quit().cleanly();
}

#[test]
fn a_locked_profile_says_so_and_opens_with_its_passphrase_only() {
    let world = World::new();
    let with = |passphrase: &str| {
        let mut profile = world.profile("alice");
        profile.env.push(("CHAT_STORE_PASSPHRASE".to_owned(), passphrase.to_owned()));
        profile
    };
    let mut alice = with("open sesame").start();
    alice.register("alice");
    alice.quit().cleanly();
    for (profile, kind) in [(world.profile("alice"), "StoreLocked"), (with("open barley"), "WrongPassphrase")] {
        let client = profile.start();
        assert_eq!(client.stray().kind, kind);
        let gone = client.gone();
        assert_eq!(gone.status.code(), Some(3));
        assert!(gone.log.contains(kind) && !gone.log.contains("barley"), "{}", gone.log);
    }
    let mut alice = with("open sesame").start();
    alice.online();
    alice.quit().cleanly();
    // Unlocked for good.
    let mut command = with("open sesame").command();
    command.args(["--store-key", "file"]);
    Rpc::of(command).quit().cleanly();
    world.back("alice").quit().cleanly();
}

#[test]
fn a_damaged_store_is_refused_and_left_as_it_is() {
    let world = World::new();
    world.registered("alice").quit().cleanly();
    let folder = world.folder.path().join("alice");
    let largest = files_under(&folder).into_iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    for damage in [damaged_in_the_middle, cut_in_half, not_a_store] {
        std::fs::write(&largest.0, damage(&largest.1)).unwrap();
        let before = fingerprints(&folder);
        let mut client = world.profile("alice").start();
        assert_eq!(client.stray().kind, "Integrity");
        client.line("");
        let gone = client.gone();
        assert_ne!(gone.status.code(), Some(0));
        assert!(gone.log.contains("Integrity"), "{}", gone.log);
        assert_untouched(&folder, &before);
    }
    std::fs::write(&largest.0, &largest.1).unwrap();
    world.back("alice").quit().cleanly();
}

/// Every file with a hash of its content.
fn fingerprints(folder: &Path) -> Vec<(PathBuf, usize, u64)> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let print = |(path, bytes): (PathBuf, Vec<u8>)| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        (path, bytes.len(), hasher.finish())
    };
    files_under(folder).into_iter().map(print).collect()
}

/// Looking at a store may leave an empty log beside it, and changes nothing that was there.
fn assert_untouched(folder: &Path, before: &[(PathBuf, usize, u64)]) {
    let after = fingerprints(folder);
    assert!(before.iter().all(|file| after.contains(file)), "{before:#?} became {after:#?}");
}

fn damaged_in_the_middle(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // Every page: whichever is read first is damaged.
    for byte in bytes.iter_mut().skip(1_000).step_by(1_000) {
        *byte ^= 0x55;
    }
    bytes
}

fn cut_in_half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

fn not_a_store(_: &[u8]) -> Vec<u8> {
    b"hello, this is no store".to_vec()
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    let world = World::new();
    world.registered("alice").quit().cleanly();
    let folder = world.folder.path().join("alice");
    let set_version = |version: u32| {
        let files = files_under(&folder);
        let (_, key) = files.iter().find(|(_, bytes)| bytes.len() == 32).unwrap();
        let (store, _) = files.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
        let db = rusqlite::Connection::open(store).unwrap();
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        db.execute_batch(&format!("PRAGMA key = \"x'{key}'\"")).unwrap();
        let before: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        db.execute_batch(&format!("PRAGMA user_version = {version}")).unwrap();
        // Closing takes the files away that stand beside an open store.
        drop(db);
        before
    };
    let known = set_version(9_999);
    let before = fingerprints(&folder);
    let client = world.profile("alice").start();
    assert_eq!(client.stray().kind, "StoreTooNew");
    let gone = client.gone();
    assert_ne!(gone.status.code(), Some(0));
    assert!(gone.log.contains("StoreTooNew"), "{}", gone.log);
    assert_untouched(&folder, &before);
    set_version(known);
    world.back("alice").quit().cleanly();
}
