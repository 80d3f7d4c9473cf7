//! Beginning and end of an account, a login and a process.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::driver::{PASSWORD, Profile};
use crate::world::World;

#[test]
fn registering_logs_in_and_an_enrolled_profile_connects_by_itself() {
    let world = World::new();
    let mut alice = world.profile("alice").start();
    assert_eq!(alice.ok("status", json!({}))["loggedIn"], false);
    let account = alice.ok(
        "register",
        json!({ "username": "Alice", "password": PASSWORD, "displayName": "Alice", "deviceName": "laptop" }),
    );
    assert_eq!(account["username"], "alice");
    assert!(account["recoveryCode"].as_str().unwrap().len() >= 40);
    let status = alice.ok("status", json!({}));
    assert_eq!((&status["loggedIn"], &status["username"]), (&json!(true), &json!("alice")));
    assert_eq!(status["device"], account["device"]);
    assert_eq!(alice.refused("register", json!({ "username": "alice2", "password": PASSWORD })), "Forbidden");
    alice.quit().cleanly();

    let mut alice = world.profile("alice").start();
    alice.connected();
    alice.online();
    assert_eq!(alice.ok("status", json!({}))["device"], account["device"]);
    let login = alice.ok("login", json!({ "username": "alice", "password": PASSWORD }));
    assert_eq!((&login["newDevice"], &login["device"]), (&json!(false), &account["device"]));
}

#[test]
fn after_logout_the_profile_waits_for_the_next_login_and_keeps_its_history() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    alice.ok("logout", json!({}));
    assert_eq!(alice.ok("status", json!({}))["loggedIn"], false);
    bob.send("alice", "are you there?");
    alice.quit().cleanly();

    let mut alice = world.profile("alice").start();
    assert_eq!(alice.ok("status", json!({}))["loggedIn"], false);
    assert_eq!(
        alice.refused("login", json!({ "username": "alice", "password": "Wr0ng-but-long-enough" })),
        "BadCredentials"
    );
    assert_eq!(alice.refused("login", json!({ "username": "bob", "password": PASSWORD })), "Forbidden");
    assert_eq!(alice.ok("login", json!({ "username": "ALICE", "password": PASSWORD }))["newDevice"], false);
    alice.expect_text("are you there?");
    let history = alice.ok("history", json!({ "with": "bob" }));
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn the_process_ends_cleanly_by_quit_end_of_input_and_signals() {
    let world = World::new();
    world.registered("alice").quit().cleanly();
    world.back("alice").hang_up().cleanly();
    for signal in [Signal::TERM, Signal::INT] {
        world.back("alice").signal(signal).cleanly();
    }
    // Before anything was said.
    world.profile("fresh").start().hang_up().cleanly();
    // While a registration is under way: it is answered, if only with its fate unknown.
    let mut fresh = world.profile("fresh").start();
    fresh.post("register", json!({ "username": "fresh", "password": PASSWORD }));
    fresh.ok("version", json!({}));
    let gone = fresh.signal(Signal::TERM).cleanly();
    assert!(gone.raw.lines().any(|line| line.contains("\"id\":1,")), "{}", gone.raw);
}

#[test]
fn quitting_does_not_wait_for_a_relay_that_is_silent_or_away() {
    let mut world = World::new();
    world.registered("alice").quit().cleanly();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut alice = Profile { relay: address, ..world.profile("alice") }.start();
    alice.ok("status", json!({}));
    let started = Instant::now();
    alice.quit().cleanly();
    world.relay.kill();
    let mut alice = world.profile("alice").start();
    alice.send("alice", "offline note");
    alice.signal(Signal::TERM).cleanly();
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn a_signal_ends_a_process_whose_reader_is_stuck_and_the_event_comes_again() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    bob.quit().cleanly();
    // More than the pipe holds, so that a line is under way when the signal comes.
    let texts: Vec<String> = (0..40).map(|n| format!("{n} {}", "x".repeat(16 * 1024))).collect();
    for text in &texts {
        alice.send("bob", text);
    }
    let mut stuck = world.profile("bob").command().spawn().unwrap();
    let id = stuck.id();
    let last = alice.send("bob", "the last");
    alice.expect("receipt", |receipt| receipt["id"] == last.as_str() && receipt["status"] == "delivered");
    rustix::process::kill_process(rustix::process::Pid::from_child(&stuck), Signal::TERM).unwrap();
    assert_eq!(stuck.wait().unwrap().code(), Some(0), "process {id}");
    let mut told = Vec::new();
    std::io::Read::read_to_end(&mut stuck.stdout.take().unwrap(), &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    let whole = told
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n') && line.contains("\"method\":\"message\""))
        .count();
    assert!(whole < texts.len(), "the reader was stuck");

    let mut bob = world.back("bob");
    bob.expect_text("the last");
    // Written lines are not told again, save the one that was under way.
    let again = bob.so_far("message").len();
    assert!((texts.len() + 1..=texts.len() + 2).contains(&(whole + again)), "{whole} and {again}");
}

#[test]
fn a_registration_cut_off_by_a_kill_leaves_no_half_account() {
    let world = World::new();
    for (n, pause_ms) in [0, 20, 60, 120, 200, 300, 450].into_iter().enumerate() {
        let name = format!("user{n}");
        let mut client = world.profile(&name).start();
        client.ok("version", json!({}));
        client.post("register", json!({ "username": name, "password": PASSWORD }));
        // Not to wait for something: to cut at different points.
        std::thread::sleep(Duration::from_millis(pause_ms));
        client.kill();
        let mut client = world.profile(&name).start();
        if client.ok("status", json!({}))["loggedIn"] == true {
            client.online();
        } else {
            client.register(&name);
        }
        client.send(&name, "note");
    }
}

#[test]
fn the_end_of_input_waits_for_the_answers_that_are_due() {
    let world = World::new();
    let mut alice = world.profile("alice").start();
    alice.post("register", json!({ "username": "alice", "password": PASSWORD }));
    alice.post("version", json!({}));
    let gone = alice.hang_up().cleanly();
    assert!(gone.raw.contains("recoveryCode"), "{}", gone.raw);
    assert!(gone.raw.contains("\"rpc\":1"));
    world.back("alice");
}

#[test]
fn a_reader_that_goes_away_ends_the_process_cleanly() {
    use std::io::Write;
    let world = World::new();
    world.registered("alice").quit().cleanly();
    let mut child = world.profile("alice").command().spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The process may be gone before all is written.
    let _ = stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn when_connected_is_told_what_needs_the_relay_works() {
    let world = World::new();
    let _bob = world.registered("bob");
    let mut fresh = world.profile("alice").start();
    fresh.connected();
    assert_eq!(fresh.ok("status", json!({}))["connected"], true, "also before there is an account");
    fresh.register("alice");
    fresh.quit().cleanly();
    for _ in 0..5 {
        let mut alice = world.profile("alice").start();
        alice.connected();
        assert_eq!(alice.ok("status", json!({}))["connected"], true);
        assert_eq!(alice.ok("search", json!({ "query": "bob" }))["users"][0]["username"], "bob");
        alice.quit().cleanly();
    }
}

#[test]
fn a_script_need_not_wait_for_the_connection() {
    let world = World::new();
    let mut bob = world.registered("bob");
    world.registered("alice").quit().cleanly();
    let mut alice = world.profile("alice").start();
    alice.post("send", json!({ "to": "bob", "text": "first" }));
    alice.post("send", json!({ "to": "bob", "text": "second" }));
    alice.post("search", json!({ "query": "bob" }));
    let gone = alice.hang_up().cleanly();
    assert!((1..=3).all(|id| gone.done(id)), "{}", gone.raw);
    let _alice = world.back("alice");
    bob.expect("request", |request| request["username"] == "alice");
    bob.ok("acceptRequest", json!({ "username": "alice" }));
    assert_eq!(bob.at_least("message", 2)[0]["text"], "first");
}
