//! Who is here: within the times that the contract promises.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::driver::Rpc;
use crate::world::World;

fn sees_gone(client: &mut Rpc, name: &str) -> Instant {
    client.expect("presence", |presence| presence["username"] == name && presence["online"] == false);
    Instant::now()
}

fn sees_here(client: &mut Rpc, name: &str) {
    client.expect("presence", |presence| presence["username"] == name && presence["online"] == true);
}

#[test]
fn whoever_quits_or_logs_out_is_offline_within_a_second() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let left = Instant::now();
    bob.quit().cleanly();
    let took = sees_gone(&mut alice, "bob") - left;
    assert!(took < Duration::from_secs(1) + SLACK, "quit took {took:?}");
    assert_eq!(alice.ok("contacts", json!({}))["contacts"][0]["online"], false);
    assert!(alice.ok("contacts", json!({}))["contacts"][0]["lastSeen"].is_u64());

    let mut bob = world.back("bob");
    sees_here(&mut alice, "bob");
    let left = Instant::now();
    bob.ok("logout", json!({}));
    let took = sees_gone(&mut alice, "bob") - left;
    assert!(took < Duration::from_secs(1) + SLACK, "logout took {took:?}");
}

#[test]
fn whoever_is_killed_or_frozen_is_offline_within_ten_seconds() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let left = Instant::now();
    bob.kill();
    let took = sees_gone(&mut alice, "bob") - left;
    assert!(took < Duration::from_secs(10) + SLACK, "kill took {took:?}");

    let mut bob = world.back("bob");
    sees_here(&mut alice, "bob");
    let left = Instant::now();
    bob.give(Signal::STOP);
    let took = sees_gone(&mut alice, "bob") - left;
    assert!(took < Duration::from_secs(10) + SLACK, "freeze took {took:?}");

    // What is written meanwhile waits, and waking up is coming back.
    alice.send("bob", "sleep well");
    bob.give(Signal::CONT);
    sees_here(&mut alice, "bob");
    bob.expect_text("sleep well");
}

#[test]
fn away_is_told_and_invisible_looks_like_offline() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    bob.ok("setPresence", json!({ "status": "away" }));
    alice.expect("presence", |presence| presence["status"] == "away" && presence["online"] == true);
    bob.ok("setPresence", json!({ "status": "invisible" }));
    sees_gone(&mut alice, "bob");
    assert_eq!(alice.ok("search", json!({ "query": "bob" }))["users"][0]["online"], false);
    bob.send("alice", "still reading");
    alice.expect_text("still reading");
    bob.ok("setPresence", json!({ "status": "online" }));
    sees_here(&mut alice, "bob");
}

/// What a loaded test machine may add to a promise.
const SLACK: Duration = Duration::from_millis(1_500);
