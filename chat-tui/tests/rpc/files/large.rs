//! A large file with everybody killed once on the way, and what it costs in memory.
//!
//! `CHAT_FILE_MIB` sets its size: 40 unless it is given, 2048 for the largest file that may be sent.

use std::io::{BufReader, Read as _, Write as _};

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// KiB that a client's memory may grow by, whatever the size of the file.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

/// Time for the largest file, on a slow disk.
const LARGE_PATIENCE: Duration = Duration::from_secs(560);

fn mib() -> u64 {
    std::env::var("CHAT_FILE_MIB").ok().map_or(40, |mib| mib.parse().expect("CHAT_FILE_MIB is a number"))
}

/// A file that no two MiB of are alike, written piece by piece.
fn large_file(dir: &TempDir, mib: u64) -> PathBuf {
    let path = dir.path().join("large.bin");
    let mut out = fs::File::create(&path).unwrap();
    let mut piece = bytes(1 << 20);
    for number in 0..mib {
        piece[..8].copy_from_slice(&number.to_le_bytes());
        out.write_all(&piece).unwrap();
    }
    path
}

fn same_content(one: &Path, other: &Path) -> bool {
    let open = |path: &Path| BufReader::with_capacity(1 << 20, fs::File::open(path).unwrap());
    let (mut one, mut other) = (open(one), open(other));
    let (mut a, mut b) = (vec![0; 1 << 20], Vec::new());
    loop {
        let read = one.read(&mut a).unwrap();
        b.resize(read.max(1), 0);
        if read == 0 {
            return other.read(&mut b).unwrap() == 0;
        }
        if other.read_exact(&mut b).is_err() || a[..read] != b[..] {
            return false;
        }
    }
}

fn rss_kib(client: &Rpc) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", client.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The only transfer, and the most memory that the client had while it was looked at.
fn watch(client: &mut Rpc, most: &mut u64, done: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + LARGE_PATIENCE;
    loop {
        let transfers = client.ok("transfers", json!({}));
        *most = rss_kib(client).max(*most);
        match transfers["transfers"].as_array().unwrap().first() {
            Some(transfer) if done(transfer) => return transfer.clone(),
            _ => assert!(Instant::now() < until, "{transfers}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn share_done(transfer: &Value, percent: u64) -> bool {
    let number = |name: &str| transfer[name].as_u64().unwrap();
    transfer["state"] == "done" || number("done") * 100 >= number("total") * percent
}

#[test]
fn a_large_file_survives_a_kill_of_sender_relay_and_receiver_in_constant_memory() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = large_file(&from, mib());
    let (before, mut most) = (rss_kib(&alice), 0);
    alice.post("sendFile", json!({ "to": "bob", "path": text(&path) }));
    watch(&mut alice, &mut most, |transfer| share_done(transfer, 30));
    let mut growth = most.saturating_sub(before);
    alice.kill();
    let mut alice = world.back("alice");
    let (before, mut most) = (rss_kib(&alice), 0);
    watch(&mut alice, &mut most, |transfer| share_done(transfer, 60));
    world.relay.restart();
    let sent = watch(&mut alice, &mut most, |transfer| transfer["state"] == "done");
    growth = growth.max(most.saturating_sub(before));
    // However long that took, the message comes once the receiver is back as well.
    bob.online();
    let message = expect_file(&mut bob);
    assert_eq!((&message["id"], &message["file"]["size"]), (&sent["id"], &json!(mib() << 20)));
    bob.post("download", json!({ "id": sent["id"], "path": text(to.path()) }));
    watch(&mut bob, &mut 0, |transfer| share_done(transfer, 40));
    bob.kill();
    let mut bob = world.back("bob");
    let (before, mut most) = (rss_kib(&bob), 0);
    watch(&mut bob, &mut most, |transfer| transfer["state"] == "done");
    growth = growth.max(most.saturating_sub(before));
    assert_eq!(names_in(to.path()), ["large.bin"], "once, and no temporary file");
    assert!(same_content(&path, &to.path().join("large.bin")));
    // The hash that the message names is the one of what lies here.
    let again = TempDir::new().unwrap();
    if mib() <= 100 {
        let saved = bob.ok("download", json!({ "id": sent["id"], "path": text(again.path()) }));
        assert_eq!(saved["size"], mib() << 20);
    }
    eprintln!("{} MiB: memory of a client grew by {growth} KiB", mib());
    assert!(growth <= GROWTH_KIB_MAX, "memory grew by {growth} KiB");
}
