//! Several devices of one account, and trust between people.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::{PASSWORD, Rpc};
use crate::world::World;

fn second_device(world: &World, folder: &str, username: &str) -> Rpc {
    let mut client = world.profile(folder).start();
    let login = client.ok("login", json!({ "username": username, "password": PASSWORD, "deviceName": "phone" }));
    assert_eq!((&login["newDevice"], &login["username"]), (&json!(true), &json!(username)));
    client
}

#[test]
fn a_second_device_needs_the_password_only_and_shows_what_the_first_one_knows() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let mut phone = second_device(&world, "alice-phone", "alice");
    phone.online();
    let contacts = phone.ok("contacts", json!({}));
    assert_eq!(contacts["contacts"][0]["username"], "bob");
    bob.expect("identityChanged", |change| change["username"] == "alice" && change["reason"] == "device");
    bob.send("alice", "to both of you");
    alice.expect_text("to both of you");
    phone.expect_text("to both of you");
    phone.send("bob", "from the phone");
    bob.expect_text("from the phone");
    let copy = alice.expect_text("from the phone");
    assert_eq!((&copy["outgoing"], &copy["to"]), (&json!(true), &json!("bob")));

    let devices = alice.ok("devices", json!({}));
    let devices = devices["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    let other = devices.iter().find(|device| device["current"] == false).unwrap();
    assert_eq!(other["name"], "phone");
    assert_eq!(alice.ok("removeDevice", json!({ "id": other["id"] })), json!({}));
    phone.expect("loggedOut", |notice| notice["reason"] == "removed");
    assert_eq!(phone.refused("send", json!({ "to": "bob", "text": "still here?" })), "NotLoggedIn");
    assert_eq!(alice.refused("removeDevice", json!({ "id": "no-device" })), "NotFound");
}

#[test]
fn safety_numbers_are_equal_on_both_sides_and_verify_by_digits_or_code() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let number = |client: &mut Rpc, of: &str| -> Value { client.ok("safetyNumber", json!({ "username": of })) };
    let (hers, his) = (number(&mut alice, "bob"), number(&mut bob, "alice"));
    assert_eq!((&hers["digits"], &hers["qr"], &hers["verified"]), (&his["digits"], &his["qr"], &json!(false)));
    let digits = hers["digits"].as_str().unwrap().to_owned();
    assert!(digits.len() == 60 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
    assert_eq!(alice.refused("verify", json!({ "username": "bob" })), "InvalidParams");
    assert_eq!(alice.refused("verify", json!({ "username": "bob", "digits": "0".repeat(60) })), "Integrity");
    assert_eq!(alice.ok("verify", json!({ "username": "bob", "digits": digits })), json!({ "verified": true }));
    assert_eq!(bob.ok("verify", json!({ "username": "alice", "qr": hers["qr"] })), json!({ "verified": true }));
    assert_eq!(number(&mut alice, "bob")["verified"], true);
    assert_eq!(alice.ok("contacts", json!({}))["contacts"][0]["verified"], true);
    assert_eq!(alice.refused("safetyNumber", json!({ "username": "nobody99" })), "UnknownUser");
}

#[test]
fn a_changed_password_a_recovery_and_the_end_of_an_account_do_as_they_say() {
    let world = World::new();
    let mut alice = world.profile("alice").start();
    let first = alice.ok("register", json!({ "username": "alice", "password": PASSWORD }));
    let next = "Next-0ne-and-three-more";
    assert_eq!(
        alice.refused("changePassword", json!({ "old": "Wr0ng-but-long-enough", "new": next })),
        "BadCredentials"
    );
    assert_eq!(alice.refused("changePassword", json!({ "old": PASSWORD, "new": "weak" })), "WeakPassword");
    let changed = alice.ok("changePassword", json!({ "old": PASSWORD, "new": next }));
    assert_ne!(changed["recoveryCode"], first["recoveryCode"]);
    let mut phone = world.profile("phone").start();
    assert_eq!(phone.refused("login", json!({ "username": "alice", "password": PASSWORD })), "BadCredentials");
    let recover =
        |code: &Value| json!({ "username": "alice", "recoveryCode": code, "newPassword": "Third-0ne-and-three-more" });
    assert_eq!(phone.refused("recover", recover(&first["recoveryCode"])), "BadCredentials");
    let recovered = phone.ok("recover", recover(&changed["recoveryCode"]));
    assert_eq!((&recovered["username"], &recovered["newDevice"]), (&json!("alice"), &json!(true)));
    assert_ne!(recovered["recoveryCode"], changed["recoveryCode"]);
    assert_eq!(phone.refused("deleteAccount", json!({ "password": next })), "BadCredentials");
    phone.ok("deleteAccount", json!({ "password": "Third-0ne-and-three-more" }));
    alice.expect("loggedOut", |notice| notice["reason"] == "deleted");
    let mut other = world.profile("other").start();
    assert_eq!(other.refused("register", json!({ "username": "alice", "password": PASSWORD })), "UsernameTaken");
}

#[test]
fn after_a_recovery_the_devices_that_were_there_go_on_as_before() {
    let world = World::new();
    let mut alice = world.profile("alice").start();
    let code = alice.register("alice")["recoveryCode"].clone();
    let mut phone = world.profile("phone").start();
    let wanted = json!({
        "username": "alice", "recoveryCode": code, "newPassword": "Third-0ne-and-three-more", "deviceName": "phone",
    });
    let recovered = phone.ok("recover", wanted);
    // The name is in the record, under the key that the recovery made.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !alice.ok("devices", json!({}))["devices"].as_array().unwrap().iter().any(|d| d["name"] == "phone") {
        assert!(Instant::now() < deadline, "the old device never learnt the new key");
        std::thread::sleep(Duration::from_millis(50));
    }
    alice.ok("removeDevice", json!({ "id": recovered["device"] }));
    phone.expect("loggedOut", |notice| notice["reason"] == "removed");
}

#[test]
fn with_approval_a_password_waits_until_an_enrolled_device_says_yes_or_no_or_the_recovery_code_comes() {
    let world = World::new();
    let mut alice = world.profile("alice").start();
    let registered = alice.ok("register", json!({ "username": "alice", "password": PASSWORD }));
    let wrong = json!({ "on": true, "password": "Wr0ng-but-long-enough" });
    assert_eq!(alice.refused("setApproval", wrong), "BadCredentials");
    assert!(alice.ok("status", json!({})).get("approval").is_none());
    alice.ok("setApproval", json!({ "on": true, "password": PASSWORD }));
    assert_eq!(alice.ok("status", json!({}))["approval"], true);
    let login = json!({ "username": "alice", "password": PASSWORD });
    let mut phone = world.profile("phone").start();
    let waits = phone.post("login", login.clone());
    let code = phone.expect("awaitsApproval", |_| true)["code"].clone();
    assert_eq!(phone.ok("status", json!({}))["awaiting"], code);
    let asked = alice.expect("deviceWaits", |asked| asked["code"] == code);
    assert!(asked["seq"].is_u64());
    let waiting = alice.ok("waitingDevices", json!({}));
    assert_eq!((&waiting["devices"][0]["id"], &waiting["devices"][0]["code"]), (&asked["id"], &code));
    assert_eq!(alice.ok("devices", json!({}))["devices"].as_array().unwrap().len(), 1);
    alice.ok("answerDevice", json!({ "id": asked["id"], "allow": false }));
    let denied = phone.answer(waits).unwrap_err();
    assert_eq!(denied.kind, "NotLetIn");
    // Another try is asked about anew, and goes on when its relay was away meanwhile.
    let waits = phone.post("login", login);
    let asked = alice.expect("deviceWaits", |other| other["id"] != asked["id"]);
    alice.ok("answerDevice", json!({ "id": asked["id"], "allow": true }));
    let entered = phone.answer(waits).unwrap();
    assert_eq!((&entered["newDevice"], &entered["device"]), (&json!(true), &asked["id"]));
    assert_eq!(alice.ok("waitingDevices", json!({}))["devices"], json!([]));
    assert_eq!(alice.refused("answerDevice", json!({ "id": "1", "allow": true })), "NotFound");
    // The recovery code is enough, also for who waits already.
    let next = "Next-0ne-and-three-more";
    let recover = json!({ "username": "alice", "recoveryCode": registered["recoveryCode"], "newPassword": next });
    let mut tablet = world.profile("tablet").start();
    let waits = tablet.post("login", json!({ "username": "alice", "password": PASSWORD }));
    tablet.expect("awaitsApproval", |_| true);
    assert_eq!(tablet.ok("recover", recover)["newDevice"], true);
    assert_eq!(tablet.answer(waits).unwrap_err().kind, "Cancelled");
    // A device that is enrolled comes back without either.
    phone.ok("logout", json!({}));
    let login = json!({ "username": "alice", "password": next });
    assert_eq!(phone.ok("login", login)["newDevice"], false);
}

#[test]
fn a_wish_to_be_let_in_outlives_a_restart_of_the_relay_and_of_the_device_that_waits() {
    let mut world = World::new();
    let mut alice = world.profile("alice").start();
    alice.register("alice");
    alice.ok("setApproval", json!({ "on": true, "password": PASSWORD }));
    let login = json!({ "username": "alice", "password": PASSWORD });
    let mut phone = world.profile("phone").start();
    phone.post("login", login.clone());
    let code = phone.expect("awaitsApproval", |_| true)["code"].clone();
    let asked = alice.expect("deviceWaits", |_| true);
    world.relay.restart();
    let again = phone.at_least("awaitsApproval", 2);
    assert_eq!(again[1]["code"], code, "the same keys ask again by themselves");
    phone.kill();
    alice.online();
    let mut phone = world.profile("phone").start();
    let waits = phone.post("login", login);
    assert_eq!(phone.expect("awaitsApproval", |_| true)["code"], code);
    alice.ok("answerDevice", json!({ "id": asked["id"], "allow": true }));
    assert_eq!(phone.answer(waits).unwrap()["newDevice"], true);
}

#[test]
fn guesses_of_others_keep_no_enrolled_device_from_its_account() {
    let world = World::new();
    let mut alice = world.registered("alice");
    let mut thief = world.profile("thief").start();
    let login = |password: &str| json!({ "username": "alice", "password": password });
    let mut tries = 0;
    while thief.refused("login", login("Wr0ng-but-long-enough")) == "BadCredentials" {
        tries += 1;
        assert!(tries < 40, "guesses are limited");
    }
    alice.ok("logout", json!({}));
    assert_eq!(alice.refused("login", login("Wr0ng-but-long-enough")), "BadCredentials");
    assert_eq!(alice.ok("status", json!({}))["loggedIn"], false);
    assert_eq!(alice.ok("login", login(PASSWORD))["newDevice"], false);
    assert_eq!(thief.refused("login", login(PASSWORD)), "RateLimited");
}

#[test]
fn names_of_devices_reach_own_devices_only_and_a_removed_device_erases_itself_if_it_was_told_to() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let mut phone = second_device(&world, "phone", "alice");
    phone.online();
    bob.send("alice", "on both");
    phone.expect_text("on both");
    let id = phone.ok("status", json!({}))["device"].clone();
    alice.ok("renameDevice", json!({ "id": id, "name": "canary-phone-name" }));
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let devices = phone.ok("devices", json!({}));
        let named = |device: &Value| device["id"] == id && device["name"] == "canary-phone-name";
        if devices["devices"].as_array().unwrap().iter().any(named) {
            break;
        }
        assert!(Instant::now() < until, "{devices}");
        std::thread::sleep(Duration::from_millis(20));
    }
    for (path, bytes) in world.files("relay") {
        assert!(!crate::world::holds(&bytes, b"canary-phone-name"), "{}", path.display());
    }
    assert_eq!(alice.refused("renameDevice", json!({ "id": "1", "name": "nothing" })), "NotFound");
    phone.ok("eraseWhenRemoved", json!({ "on": true }));
    alice.ok("removeDevice", json!({ "id": id }));
    phone.expect("loggedOut", |notice| notice["reason"] == "removed");
    assert_eq!(phone.ok("status", json!({})).get("username"), None, "nothing of the account is left");
    // The profile may serve again: as a new device, which knows nothing of before.
    let login = phone.ok("login", json!({ "username": "alice", "password": PASSWORD }));
    assert_eq!(login["newDevice"], true);
    assert_eq!(phone.ok("history", json!({ "with": "bob" }))["messages"], json!([]));
}

#[test]
fn a_removed_device_that_comes_back_logs_in_as_another_one_and_reads_nothing_said_without_it() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let mut phone = second_device(&world, "phone", "alice");
    phone.online();
    bob.send("alice", "before");
    phone.expect_text("before");
    let old = phone.ok("status", json!({}))["device"].clone();
    alice.ok("removeDevice", json!({ "id": old }));
    phone.expect("loggedOut", |notice| notice["reason"] == "removed");
    bob.send("alice", "meanwhile");
    alice.expect_text("meanwhile");
    let login = json!({ "username": "alice", "password": PASSWORD });
    let wrong = json!({ "username": "alice", "password": "Wr0ng-but-long-enough" });
    assert_eq!(phone.refused("login", wrong), "BadCredentials");
    phone.quit();
    let mut phone = world.profile("phone").start();
    assert_eq!(phone.ok("status", json!({}))["loggedIn"], false);
    assert!(!phone.so_far("message").iter().any(|message| message["text"] == "meanwhile"));
    let again = phone.ok("login", login);
    assert_eq!(again["newDevice"], true);
    assert_ne!(again["device"], old, "an id is never used again");
    phone.online();
    bob.send("alice", "after");
    phone.expect_text("after");
    let history = phone.ok("history", json!({ "with": "bob" }));
    let texts: Vec<_> = history["messages"].as_array().unwrap().iter().map(|message| &message["text"]).collect();
    assert_eq!(texts, ["before", "after"], "what it had stays, what was said without it is not its to read");
}
