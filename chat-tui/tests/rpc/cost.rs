//! What a pair of clients and their relay cost: memory, wake-ups, and the time of a message there and back.
//!
//! `cargo test --release -p chat-tui cost -- --nocapture` prints the figures of the README.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::driver::Rpc;
use crate::world::{World, befriend};

/// Messages each way; the median is of this many.
const EXCHANGES: usize = 250;

/// A client's memory, in MiB: what issue and design ask of the release build. Debug builds carry more code.
const CLIENT_MIB: f64 = if cfg!(debug_assertions) { 80.0 } else { 25.0 };

/// Wake-ups of an idle client in ten seconds: half of one a second, and room for a busy machine.
const IDLE_WAKE_UPS: u64 = 8;

fn of_status(file: &Path, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn mib(pid: Pid) -> f64 {
    let file = format!("/proc/{}/status", pid.as_raw_nonzero());
    f64::from(u32::try_from(of_status(file.as_ref(), "VmRSS:").unwrap()).unwrap()) / 1024.0
}

/// Voluntary context switches of each thread so far: each is a wake-up that ended.
fn wake_ups(pid: Pid) -> BTreeMap<PathBuf, u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap();
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let status = task.ok()?.path().join("status");
        Some((status.clone(), of_status(&status, "voluntary_ctxt_switches:")?))
    };
    tasks.filter_map(of_task).collect()
}

/// Wake-ups in ten seconds of the threads that are there then: one that ended meanwhile had nothing to do.
fn ten_seconds(pid: Pid) -> u64 {
    let before = wake_ups(pid);
    std::thread::sleep(Duration::from_secs(10));
    wake_ups(pid).into_iter().map(|(task, now)| now - before.get(&task).copied().unwrap_or(0)).sum()
}

/// A text there and a text back, each waited for where it arrives.
fn exchange(a: &mut Rpc, b: &mut Rpc, round: usize) -> Duration {
    let (there, back) = (format!("there {round}"), format!("back {round}"));
    let start = Instant::now();
    a.send("bob", &there);
    b.expect_text(&there);
    b.send("alice", &back);
    a.expect_text(&back);
    start.elapsed()
}

/// Logs cost time; a person who measures keeps them at what is wrong.
fn quiet(world: &World, name: &str) -> Rpc {
    let mut profile = world.profile(name);
    profile.env.push(("CHAT_LOG".to_owned(), "warn".to_owned()));
    profile.start()
}

#[test]
fn a_client_is_small_sleeps_while_nothing_happens_and_stays_small_after_five_hundred_messages() {
    let world = World::new();
    let (mut alice, mut bob) = (quiet(&world, "alice"), quiet(&world, "bob"));
    alice.register("alice");
    bob.register("bob");
    std::thread::sleep(Duration::from_secs(2));
    let registered = mib(alice.pid());
    befriend(&mut alice, "alice", &mut bob, "bob");

    let mut rounds: Vec<_> = (0..EXCHANGES).map(|round| exchange(&mut alice, &mut bob, round)).collect();
    rounds.sort_unstable();
    std::thread::sleep(Duration::from_secs(2));
    let (talked, relay) = (mib(alice.pid()), mib(world.relay.pid()));

    // A busy machine may lose the connection meanwhile, which is something: the quietest of three counts.
    let idle = (0..3).map(|_| ten_seconds(alice.pid())).min().unwrap();

    println!("client, MiB: {registered:.1} registered, {talked:.1} after {} messages; relay {relay:.1}", 2 * EXCHANGES);
    println!("there and back: median {:?}, 99 % {:?}", rounds[EXCHANGES / 2], rounds[EXCHANGES * 99 / 100]);
    println!("idle wake-ups in 10 s: {idle}");
    assert!(registered <= CLIENT_MIB && talked <= CLIENT_MIB, "{registered} and {talked} MiB");
    assert!(idle <= IDLE_WAKE_UPS, "{idle} wake-ups in 10 s");
}
