//! The terminal interface on a pseudo-terminal: the real program, a real relay, and a terminal that is
//! only a grid of cells.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod account;
#[cfg(feature = "demo")]
mod demo;
mod files;
mod journey;
mod plain;
mod pty;
mod restore;
mod rooms;
mod still;
mod svg;
mod world;
