//! SQLite as the relay's storage.

use std::cell::Cell;

use chat_server::storage::SqliteStorage;

use crate::storage_suite;

#[test]
fn sqlite_keeps_what_the_suite_asks_of_every_storage() {
    let dir = tempfile::tempdir().unwrap();
    let count = Cell::new(0);
    storage_suite::run(|| {
        count.set(count.get() + 1);
        SqliteStorage::open(&dir.path().join(format!("{}.db", count.get()))).unwrap()
    });
}

#[test]
fn what_was_synced_is_there_after_the_file_was_copied_as_it_lies() {
    use chat_relay::storage::AccountRows as _;
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("relay.db"), dir.path().join("copy.db"));
    let mut store = SqliteStorage::open(&path).unwrap();
    storage_suite::fill(&mut store);
    for suffix in ["", "-wal"] {
        std::fs::copy(dir.path().join(format!("relay.db{suffix}")), dir.path().join(format!("copy.db{suffix}")))
            .unwrap();
    }
    let mut copied = SqliteStorage::open(&copy).unwrap();
    storage_suite::is_filled(&mut copied);
    assert!(copied.account(&chat_wire::ids::AccountId([1; 32])).unwrap().is_none());
}
