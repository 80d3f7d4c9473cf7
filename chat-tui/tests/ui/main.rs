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

#[cfg(feature = "demo")]
mod demo;
mod journey;
mod pty;
mod restore;
mod still;
mod svg;
mod world;
