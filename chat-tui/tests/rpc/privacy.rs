//! No plaintext where it has no business: on the wire, in files of relay or clients, in logs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::json;

use crate::driver::{PASSWORD, Profile, Rpc};
use crate::world::{Proxy, World, befriend, files_under, holds};

/// A text as it is, in wide letters, in hex, and in base64 wherever it may begin in a longer text.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let hex = |upper: bool| text.bytes().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect();
    let base64 = |before: usize| {
        let bytes = [&vec![0; before][..], text.as_bytes()].concat();
        let all = STANDARD_NO_PAD.encode(bytes);
        // The letters that neighbours have a part in are left out.
        all.as_bytes()[(before * 8).div_ceil(6)..all.len() - 1].to_vec()
    };
    let texts: [String; 2] = [hex(true), hex(false)];
    let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let plain = [text.as_bytes().to_vec(), wide];
    plain.into_iter().chain(texts.map(String::into_bytes)).chain((0..3).map(base64)).collect()
}

#[test]
fn planted_words_are_on_no_wire_in_no_file_and_in_no_log() {
    let mut world = World::new();
    let proxy = Proxy::to(&world.relay.address);
    let through = |name: &str| Profile { relay: proxy.address.clone(), ..world.profile(name) };
    let (mut alice, mut bob) = (through("alice").start(), through("bob").start());
    let code = alice.register("alice")["recoveryCode"].as_str().unwrap().to_owned();
    bob.ok(
        "register",
        json!({ "username": "bob", "password": PASSWORD, "deviceName": CANARIES[3], "displayName": CANARIES[2] }),
    );
    befriend(&mut alice, "alice", &mut bob, "bob");
    alice.ok("setProfile", json!({ "displayName": CANARIES[2] }));
    let id = alice.send("bob", &format!("the {} is here", CANARIES[0]));
    bob.expect("message", |message| message["id"] == id.as_str());
    bob.ok("searchMessages", json!({ "query": CANARIES[0] }));
    bob.ok("markRead", json!({ "with": "alice", "id": id }));
    alice.expect("receipt", |receipt| receipt["status"] == "read");
    // Also what never leaves the device, and what is refused.
    bob.refused("send", json!({ "to": "nobody", "text": CANARIES[1] }));
    bob.line(&format!("{} is no JSON", CANARIES[1]));
    bob.stray();
    // What waits for somebody who is away lies on the relay's disk.
    let bob = bob.quit();
    let waiting = alice.send("bob", &format!("the {} waits", CANARIES[0]));
    alice.expect("receipt", |receipt| receipt["status"] == "sent" && receipt["id"] == waiting.as_str());
    world.relay.kill();
    alice.expect("connection", |connection| connection["state"] == "offline");
    alice.refused("search", json!({ "query": CANARIES[1] }));
    let alice = alice.kill();
    let logs = [alice.log, bob.log, world.relay.log()];
    // The positive control: the planted words are where they belong, and logs are written at all.
    assert!(holds(bob.raw.as_bytes(), CANARIES[0].as_bytes()));
    assert!(logs.iter().any(|log| !log.is_empty()));

    let secrets: Vec<&str> = CANARIES.iter().copied().chain([PASSWORD, code.as_str()]).collect();
    let wire = proxy.recorded();
    assert!(wire.len() > 10_000, "the proxy was in between");
    for secret in &secrets {
        assert!(!holds(&wire, secret.as_bytes()), "{secret} on the wire");
        for (path, bytes) in files_under(world.folder.path()) {
            for form in forms(secret) {
                assert!(!holds(&bytes, &form), "{secret} in {}", path.display());
            }
        }
        for log in &logs {
            assert!(!log.contains(secret), "{secret} in a log");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_profile_is_closed_to_everybody_else() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let mut alice = world.registered("alice");
    alice.send("alice", "x");
    let folder = world.folder.path().join("alice");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for (path, _) in files_under(&folder) {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn the_password_may_come_from_the_environment_and_is_no_argument() {
    let world = World::new();
    let profile = Profile { env: vec![("CHAT_PASSWORD".to_owned(), PASSWORD.to_owned())], ..world.profile("alice") };
    let mut alice = profile.start();
    alice.ok("register", json!({ "username": "alice" }));
    alice.ok("logout", json!({}));
    assert_eq!(alice.ok("login", json!({ "username": "alice" }))["newDevice"], false);
    alice.quit().cleanly();
    let mut bob = world.profile("bob").start();
    assert_eq!(bob.refused("register", json!({ "username": "bob" })), "InvalidParams");
}

const CANARIES: [&str; 4] = ["Zanzibarquokka", "Xylographpanda", "Quetzalcoatlus Q. Nominal", "Wombatlaptopium"];

/// The word lists behind an estimate are megabytes that no allocator gives back; a child has them.
#[test]
#[cfg(target_os = "linux")]
fn registering_leaves_no_word_lists_in_memory() {
    let world = World::new();
    let own_kib = |client: &Rpc| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", client.pid().as_raw_nonzero())).unwrap();
        let row = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        row.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let mut alice = world.profile("alice").start();
    alice.connected();
    assert_eq!(alice.refused("register", json!({ "username": "alice", "password": "Password1" })), "WeakPassword");
    alice.register("alice");
    alice.quit().cleanly();
    let mut alice = world.back("alice");
    let before = own_kib(&alice);
    let weak = json!({ "old": PASSWORD, "new": "Password1" });
    assert_eq!(alice.refused("changePassword", weak), "WeakPassword");
    let grown = own_kib(&alice).saturating_sub(before);
    assert!(grown < 2_048, "{grown} KiB more after a look at a password");
}
