//! The client against a real relay: TLS, SQLite and Argon2 on both ends, in one process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod account;
mod amend;
mod devices;
mod files;
mod hostile;
mod network;
mod profile;
mod rooms;
mod silence;
mod talk;
mod trust;
mod world;
