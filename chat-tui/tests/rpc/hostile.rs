//! A relay that lies or is asked too often: what a program is told.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::driver::PASSWORD;
use crate::world::World;

/// The relay's own records, while it is down.
fn records(world: &World) -> Connection {
    Connection::open(world.folder.path().join("relay").join("relay.db")).unwrap()
}

#[test]
fn a_name_that_leads_elsewhere_is_told_and_nothing_more_is_sent_under_it() {
    let mut world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    world.registered("mallory").quit().cleanly();
    bob.quit().cleanly();
    world.relay.kill();
    let names = "UPDATE accounts SET name = 'gone' WHERE name = 'bob';
                 UPDATE accounts SET name = 'bob' WHERE name = 'mallory'";
    records(&world).execute_batch(names).unwrap();
    world.relay.restart();
    alice.online();
    alice.ok("search", json!({ "query": "bob" }));
    let told = alice.expect("identityChanged", |_| true);
    assert_eq!((&told["username"], &told["reason"]), (&json!("bob"), &json!("name")));
    assert!(told["seq"].is_u64(), "{told}");
    assert_eq!(alice.refused("send", json!({ "to": "bob", "text": "are you you?" })), "KeyChanged");
    alice.quit().cleanly();
    let mut alice = world.back("alice");
    assert_eq!(alice.refused("send", json!({ "to": "bob", "text": "still?" })), "KeyChanged");
}

#[test]
fn a_relay_that_takes_an_account_record_back_is_caught_with_evidence() {
    let mut world = World::new();
    let mut alice = world.registered("alice");
    let (bob, carol) = (world.registered("bob"), world.registered("carol"));
    let stored = |world: &World| -> (i64, Vec<u8>) {
        let row = "SELECT version, body FROM records JOIN accounts ON no = account WHERE name = 'alice'";
        records(world).query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    alice.ok("block", json!({ "username": "bob" }));
    let newer = |world: &World, than: i64| {
        for _ in 0..400 {
            if stored(world).0 > than {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the record never changed");
    };
    newer(&world, 1);
    let (version, body) = stored(&world);
    alice.ok("block", json!({ "username": "carol" }));
    newer(&world, version);
    alice.quit().cleanly();
    world.relay.kill();
    let back = "UPDATE records SET version = ?1, body = ?2
                WHERE account = (SELECT no FROM accounts WHERE name = 'alice')";
    records(&world).execute(back, params![version, body]).unwrap();
    world.relay.restart();
    let mut alice = world.profile("alice").start();
    let alarm = alice.expect("trustAlarm", |_| true);
    assert_eq!((&alarm["subject"], &alarm["kind"]), (&json!("alice"), &json!("record-rolled-back")));
    let evidence: Vec<&Value> = alarm["evidence"].as_array().unwrap().iter().collect();
    assert_eq!(evidence.len(), 2, "what was known, and what was shown");
    // What was decided stands, whatever the relay says.
    let contacts = alice.ok("contacts", json!({}));
    let blocked = contacts["contacts"].as_array().unwrap().iter().filter(|c| c["blocked"] == true).count();
    assert_eq!(blocked, 2, "{contacts}");
    drop((bob, carol));
}

#[test]
fn wrong_passwords_are_limited_and_the_owner_is_not() {
    let world = World::new();
    let mut alice = world.registered("alice");
    let mut thief = world.profile("thief").start();
    let mut guesses = 0;
    let refused = loop {
        let wrong = json!({ "username": "alice", "password": format!("Wr0ng-but-long-{guesses}") });
        let refusal = thief.call("login", wrong).unwrap_err();
        if refusal.kind == "RateLimited" {
            break refusal;
        }
        assert_eq!(refusal.kind, "BadCredentials");
        guesses += 1;
        assert!(guesses <= 40, "more than 40 guesses");
    };
    assert!(refused.data["retryAfterMs"].as_u64().unwrap() > 0);
    alice.send("alice", "still here");
    alice.quit().cleanly();
    world.back("alice").quit().cleanly();
}

/// Once in hundreds of runs a client did not answer `quit` after this. `CHAT_TEST_ROUNDS` walks more rounds.
#[test]
fn quit_is_answered_after_a_profile_was_forgotten_and_a_login_refused() {
    let rounds = std::env::var("CHAT_TEST_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    let world = World::new();
    for round in 0..rounds {
        let name = format!("alice{round}");
        let mut alice = world.registered(&name);
        alice.send(&name, "a note");
        alice.ok("logout", json!({ "forget": true }));
        let wrong = json!({ "username": name, "password": "Wr0ng-but-long-enough" });
        assert_eq!(alice.refused("login", wrong), "BadCredentials");
        let asked = std::time::Instant::now();
        alice.quit().cleanly();
        assert!(asked.elapsed() < std::time::Duration::from_secs(5), "{:?}", asked.elapsed());
        let mut alice = world.profile(&name).start();
        assert_eq!(alice.ok("status", json!({}))["loggedIn"], false);
        assert_eq!(alice.ok("login", json!({ "username": name, "password": PASSWORD }))["newDevice"], true);
        alice.quit().cleanly();
    }
}
