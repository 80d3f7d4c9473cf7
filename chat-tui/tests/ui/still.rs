//! What it costs: nothing while nothing happens, and little when something does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::journey;
use crate::pty::Pty;
use crate::world::World;

/// Voluntary context switches of each thread so far: each is a wake-up that ended.
fn wake_ups(pid: i32) -> BTreeMap<String, u64> {
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let path = task.ok()?.path();
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let switches = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()?;
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        Some((format!("{} {}", path.file_name()?.display(), name.trim()), switches))
    };
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().filter_map(of_task).collect()
}

/// Bytes written, wake-ups, and whose, in ten seconds.
fn ten_seconds(pty: &Pty) -> (usize, u64, BTreeMap<String, u64>) {
    let (bytes, before) = (pty.bytes().len(), wake_ups(pty.pid()));
    std::thread::sleep(Duration::from_secs(10));
    let woken = wake_ups(pty.pid()).into_iter().map(|(task, now)| {
        let then = before.get(&task).copied().unwrap_or(0);
        (task, now - then)
    });
    let woken: BTreeMap<_, _> = woken.filter(|(_, n)| *n > 0).collect();
    (pty.bytes().len() - bytes, woken.values().sum(), woken)
}

#[test]
#[cfg(target_os = "linux")]
fn idle_it_sleeps_and_a_key_is_on_the_screen_at_once() {
    let world = World::new();
    let pty = Pty::start(world.program("alice"), 120, 36);
    journey::register(&pty, &world, (120, 36), "alice");
    pty.wait_until("the toast goes", |s| !s.contains("safe with you"));
    std::thread::sleep(Duration::from_secs(2));

    // A busy machine may lose the connection meanwhile, which is something: the quietest of three counts.
    let (drawn, idle, woken) =
        (0..3).map(|_| ten_seconds(&pty)).min_by_key(|(drawn, idle, _)| (*drawn, *idle)).unwrap();
    assert_eq!(drawn, 0, "nothing is drawn while nothing happens");
    let bytes = pty.bytes().len();

    let mut echoes = Vec::new();
    for letter in "abcdefghijklmnopqrstuvwxyz".chars() {
        let (start, seen) = (Instant::now(), pty.bytes().len());
        pty.keys(&letter.to_string());
        while pty.bytes().len() == seen {
            std::thread::sleep(Duration::from_micros(50));
        }
        echoes.push(start.elapsed());
        std::thread::sleep(Duration::from_millis(30));
    }
    echoes.sort_unstable();
    let per_key = (pty.bytes().len() - bytes) / 26;
    println!(
        "idle wake-ups in 10 s: {idle} {woken:?}; key to echo: median {:?}, worst {:?}; {per_key} bytes a key",
        echoes[13], echoes[25]
    );
    // A heartbeat every 3 s and, each third time, its answer: five, and room for a busy machine.
    assert!(idle <= 8, "{idle} wake-ups in 10 s");
    assert!(per_key < 200, "{per_key} bytes a key");
}

#[test]
#[cfg(target_os = "linux")]
fn the_first_frame_comes_from_the_store_without_waiting_for_the_relay() {
    let world = World::new();
    let mut pty = Pty::start(world.program("alice"), 120, 36);
    journey::register(&pty, &world, (120, 36), "alice");
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
    // Nobody answers there.
    let nowhere = world.program_at("alice", "127.0.0.1:9");
    let start = Instant::now();
    let pty = Pty::start(nowhere, 120, 36);
    while !pty.bytes().windows(6).any(|w| w == b"\x1b[?202") || pty.screen().trim().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("first frame after {:?}", start.elapsed());
    pty.wait_for("Who do you want to talk to?");
}
