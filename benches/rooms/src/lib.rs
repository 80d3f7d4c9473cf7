//! The groups of our rooms beside OpenMLS and mls-rs used directly, and beside the sum of the primitives: all in
//! one run, in turns, by the time that this thread has run.
//!
//! A group of n is filled as rooms fill: ten come in, one of them renews its keys, the next ten come in. So most
//! parents of the tree have keys, and a commit is a warm one.

// A bench says what failed by failing.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "benches")]

pub mod groups;
#[path = "../../peers/src/measure.rs"]
pub mod measure;
pub mod openmls_peer;
pub mod primitives;
pub mod rs_peer;
