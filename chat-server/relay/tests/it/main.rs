//! The relay core from outside: frames in, frames out, on memory storage and a clock of the test's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod bench;
mod full_disk;
mod kit;
mod store;

mod accounts;
mod chance;
mod devices;
mod groups;
mod mail;
mod prekeys;
mod presence;
mod renewal;
mod rooms;
mod states;
mod storage_suite;
mod tasks;

use chat_relay::storage::memory::MemoryStorage;

#[test]
fn memory_storage_keeps_what_the_suite_asks_of_every_storage() {
    storage_suite::run(MemoryStorage::default);
}
