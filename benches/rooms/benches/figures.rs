//! Prints the table of rooms. With `--check` a figure that misses what is asked of it fails. A number as the last
//! argument is the size of the large group, 1,000 without one.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "benches")]

use std::process::ExitCode;

use chat_bench_rooms::measure::{median, medians, timed};
use chat_bench_rooms::primitives::Primitives;
use chat_bench_rooms::{groups, openmls_peer, rs_peer};

/// Deeds of one round.
const DEEDS: usize = 8;
/// A text of 1 KiB in its envelope, padded, with what MLS puts around it before it is sealed.
const PADDED: usize = 1_536 + 68;
/// Long deeds are done so often, and the median counts.
const LONG_ROUNDS: usize = 9;

struct Row {
    what: String,
    ours: f64,
    other: f64,
    most: Option<f64>,
    unit: &'static str,
}

impl Row {
    fn holds(&self) -> bool {
        self.most.is_none_or(|most| self.ours <= most * self.other)
    }

    fn print(&self) {
        let Self { what, ours, other, unit, .. } = self;
        let asked = self.most.map_or_else(String::new, |most| format!("≤ {most}"));
        let holds = if self.holds() { "yes" } else { "NO" };
        println!(
            "| {what:<66} | {ours:>10.1} | {other:>10.1} | {:>6.2} | {asked:<6} | {unit:<4} | {holds:<5} |",
            ours / other
        );
    }
}

fn times<O>(mut deed: impl FnMut() -> O) -> f64 {
    timed(vec![(); DEEDS], |()| deed()) / 1_000.0
}

fn messages(n: usize, rows: &mut Vec<Row>) {
    let mut ours = groups::pair(n);
    let (mut alice, mut bob) = openmls_peer::pair(n);
    let primitives = Primitives::new(PADDED);
    let text = vec![7; 1_024];
    let (mut sealed, mut peer_sealed) = (Vec::new(), Vec::new());
    let [seal, peer_seal, seal_sum] = medians([
        &mut || times(|| sealed.push(ours.alice.seal(&text).expect("seals").0)),
        &mut || times(|| peer_sealed.push(alice.seal(&text))),
        &mut || times(|| primitives.seal()),
    ]);
    let (mut sealed, mut peer_sealed) = (sealed.into_iter(), peer_sealed.into_iter());
    let [open, peer_open, open_sum] = medians([
        &mut || times(|| ours.bob.open(&sealed.next().expect("enough")).expect("opens")),
        &mut || times(|| bob.process(&peer_sealed.next().expect("enough")).expect("opens")),
        &mut || times(|| primitives.open()),
    ]);
    let mut row = |what: &str, ours, other, most, unit| {
        rows.push(Row { what: format!("{what}, {n} members"), ours, other, most, unit });
    };
    row("protect 1 KiB over the sum of primitives", seal, seal_sum, Some(2.0), "µs");
    row("protect 1 KiB beside OpenMLS", seal, peer_seal, None, "µs");
    row("unprotect 1 KiB over the sum of primitives", open, open_sum, Some(2.0), "µs");
    row("unprotect 1 KiB beside OpenMLS", open, peer_open, None, "µs");
    let (message, written) = ours.alice.seal(&text).expect("seals");
    let (_, read) = ours.bob.open(&message).expect("opens");
    let mut peer_message = Vec::new();
    let peer_written = alice.written(|alice| peer_message = alice.seal(&text)) as f64;
    let peer_read = bob.written(|bob| drop(bob.process(&peer_message))) as f64;
    row("bytes written by sealing beside OpenMLS's own storage", written as f64, peer_written, Some(1.0), "B");
    row("bytes written by opening beside OpenMLS's own storage", read as f64, peer_read, Some(1.0), "B");
    row("bytes of a message of 1 KiB beside OpenMLS's", message.len() as f64, peer_message.len() as f64, None, "B");
}

fn large(n: usize, rows: &mut Vec<Row>) {
    let (mut ours, mut peer) = (groups::filled(n), openmls_peer::filled(n));
    let mut rs_join = rs_peer::joins(n);
    let long = |deed: &mut dyn FnMut()| timed(vec![()], |()| deed()) / 1_000.0;
    let (mut commits, mut peer_commits) = (Vec::new(), Vec::new());
    let (mut joins, mut peer_joins, mut rs_joins) = (Vec::new(), Vec::new(), Vec::new());
    let (mut welcome, mut info) = (0, 0);
    for _ in 0..LONG_ROUNDS {
        commits.push(long(&mut || drop(ours.renew().expect("commits"))));
        ours.drop_commit().expect("drops");
        peer_commits.push(long(&mut || drop(peer.commit(Vec::new()))));
        peer.drop_commit();
        let (newcomer, bytes, info_bytes) = groups::last(&mut ours, n);
        (welcome, info) = (bytes.len(), info_bytes);
        let mut newcomer = Some(newcomer);
        joins.push(long(&mut || drop(newcomer.take().expect("once").join(&bytes).expect("joins"))));
        ours.drop_commit().expect("drops");
        let (newcomer, bytes) = openmls_peer::last(&mut peer, n);
        let mut newcomer = Some(newcomer);
        peer_joins.push(long(&mut || drop(newcomer.take().expect("once").join(&bytes))));
        peer.drop_commit();
        rs_joins.push(long(&mut rs_join));
    }
    let (join, commit) = (median(joins), median(commits));
    let mut row = |what: &str, ours, other, most, unit| {
        rows.push(Row { what: format!("{what}, {n} members"), ours, other, most, unit });
    };
    row("warm commit beside OpenMLS", commit, median(peer_commits), Some(1.1), "µs");
    row("join by Welcome beside OpenMLS", join, median(peer_joins), None, "µs");
    row("join by Welcome beside mls-rs (X25519, no hybrid keys)", join, median(rs_joins), Some(0.6), "µs");
    row("bytes of a Welcome beside its GroupInfo with the tree", welcome as f64, info as f64, None, "B");
}

fn main() -> ExitCode {
    let size = std::env::args().filter_map(|argument| argument.parse().ok()).next_back().unwrap_or(1_000);
    let mut rows = Vec::new();
    for n in [2, 100.min(size), size] {
        messages(n, &mut rows);
    }
    large(size, &mut rows);
    println!("Suite X-Wing, ChaCha20-Poly1305, SHA-256, Ed25519; AEAD of the Rust crates; OpenMLS 0.9.2 with the");
    println!("same primitives and its storage in memory; mls-rs 0.56.0 on its Rust back end; medians of one run.\n");
    println!(
        "| what                                                               |       ours |      other |  ratio | asked  | unit | holds |"
    );
    println!(
        "|--------------------------------------------------------------------|-----------:|-----------:|-------:|--------|------|-------|"
    );
    rows.iter().for_each(Row::print);
    let check = std::env::args().any(|argument| argument == "--check");
    if !check || rows.iter().all(Row::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
