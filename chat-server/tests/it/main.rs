//! The relay over real sockets, TLS and SQLite, and as a program that is killed and restarted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

#[path = "../../relay/tests/it/kit.rs"]
mod kit;
#[path = "../../relay/tests/it/storage_suite.rs"]
mod storage_suite;

mod admin;
mod client;
mod database;
mod hostile;
mod kill;
mod program;
mod service;
