//! What an embedder sees of the protocol floors: two people, their prekeys and the packets between them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod copies;
mod engine;
mod examples;
mod frozen;
mod handshake;
mod interleavings;
mod limits;
mod line;
mod manual;
mod pair;
mod race;
mod records;
mod refusals;
mod reorder;
