//! Black-box tests of `chat-tui rpc`: real processes, a real relay, TLS and disks in between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    unreachable_pub,
    dead_code,
    reason = "tests"
)]

mod amend;
mod archive;
mod bad_input;
mod conversation;
mod cost;
mod devices;
mod driver;
mod durability;
mod files;
mod hostile;
mod lifecycle;
mod presence;
mod privacy;
mod room_walk;
mod rooms;
mod step;
mod world;
