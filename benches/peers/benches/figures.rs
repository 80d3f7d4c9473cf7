//! Prints both tables, or of the first one only the rows of the groups that are named. With `--check` a figure that
//! misses what is asked of it fails.

use std::process::ExitCode;

use chat_peers::table::{Count, Time};
use chat_peers::{counts, times};

fn main() -> ExitCode {
    let backend = if cfg!(feature = "aws-lc") { "aws-lc-rs" } else { "the Rust crates" };
    println!("AEAD and X25519 by {backend}; vodozemac 0.11.1; medians of one run.\n\n{}", Time::HEAD);
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut held = true;
    let groups: [(&str, fn() -> Vec<Time>); 7] = [
        ("handshake", times::handshake),
        ("chain", times::in_chain),
        ("ping-pong", times::ping_pong),
        ("post-quantum", times::post_quantum),
        ("refusals", times::refusals),
        ("skipped", times::skipped),
        ("alone", times::primitives_alone),
    ];
    for (_, group) in groups.iter().filter(|(name, _)| named.is_empty() || named.iter().any(|n| n == name)) {
        for row in group() {
            println!("{row}");
            held &= row.holds();
        }
    }
    if named.is_empty() {
        println!("\n{}", Count::HEAD);
        for row in counts::all() {
            println!("{row}");
            held &= row.holds();
        }
    }
    let check = std::env::args().any(|argument| argument == "--check");
    if held || !check { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
