//! The relay over real sockets, TLS and SQLite, and as a program that is killed and restarted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

#[path = "../../relay/tests/it/accounts.rs"]
mod accounts;
#[path = "../../relay/tests/it/bench.rs"]
mod bench;
#[path = "../../relay/tests/it/devices.rs"]
mod devices;
#[path = "../../relay/tests/it/kit.rs"]
mod kit;
#[path = "../../relay/tests/it/prekeys.rs"]
mod prekeys;
#[path = "../../relay/tests/it/renewal.rs"]
mod renewal;
#[path = "../../relay/tests/it/rooms.rs"]
mod rooms;
#[path = "../../relay/tests/it/storage_suite.rs"]
mod storage_suite;

mod admin;
mod client;
mod database;
mod guessing;
mod hostile;
mod kill;
mod operating;
mod program;
#[cfg(feature = "s3_tests")]
mod s3;
mod service;
mod store;
