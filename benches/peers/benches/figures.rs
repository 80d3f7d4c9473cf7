//! Prints both tables. With `--check`, as CI runs it, a figure that misses what is asked of it fails.

use std::process::ExitCode;

use chat_peers::table::{Count, Time};
use chat_peers::{counts, times};

fn main() -> ExitCode {
    let backend = if cfg!(feature = "aws-lc") { "aws-lc-rs" } else { "the Rust crates" };
    println!("AEAD and X25519 by {backend}; vodozemac 0.11.1; medians of one run.\n\n{}", Time::HEAD);
    let mut held = true;
    for group in [
        times::handshake,
        times::in_chain,
        times::ping_pong,
        times::post_quantum,
        times::refusals,
        times::skipped,
        times::primitives_alone,
    ] {
        for row in group() {
            println!("{row}");
            held &= row.holds();
        }
    }
    println!("\n{}", Count::HEAD);
    for row in counts::all() {
        println!("{row}");
        held &= row.holds();
    }
    let check = std::env::args().any(|argument| argument == "--check");
    if held || !check { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
