//! The wire from outside: every message against the specification, every decoder against noise.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod arbitrary;
mod arbitrary_blob;
mod arbitrary_room;
mod cddl;
mod chain;
mod decoders;
