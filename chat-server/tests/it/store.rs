//! SQLite under the tests of the relay core, and what the operator does to it from a connection of its own.

use std::cell::RefCell;

use chat_relay::storage::{Invite, InviteHash};
use chat_server::storage::SqliteStorage;
use chat_wire::ids::{AccountId, RoomId};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) type Store = SqliteStorage;

thread_local! {
    /// The directories of this test, the one in use last.
    static DIRS: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn open() -> Store {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStorage::open(&dir.path().join("relay.db")).unwrap();
    DIRS.with_borrow_mut(|dirs| dirs.push(dir));
    store
}

fn operator() -> Connection {
    DIRS.with_borrow(|dirs| Connection::open(dirs.last().unwrap().path().join("relay.db")).unwrap())
}

pub(crate) fn put_invite(_: &mut Store, hash: InviteHash, invite: Invite) {
    let (uses, expires) = (invite.uses_left, i64::try_from(invite.expires_ms).unwrap());
    let row = rusqlite::params![hash, uses, expires];
    operator().execute("INSERT INTO invites VALUES (?1, ?2, ?3, 0)", row).unwrap();
}

pub(crate) fn set_disabled(_: &mut Store, account: &AccountId, disabled: bool) {
    let row = rusqlite::params![account.0, disabled];
    assert_eq!(operator().execute("UPDATE accounts SET disabled = ?2 WHERE id = ?1", row).unwrap(), 1);
}

pub(crate) fn slow_room(_: &mut Store, room: &RoomId, slow_ms: u64) {
    let row = rusqlite::params![room.0, i64::try_from(slow_ms).unwrap()];
    assert_eq!(operator().execute("UPDATE rooms SET slow_ms = ?2 WHERE id = ?1", row).unwrap(), 1);
}

pub(crate) fn close_room(_: &mut Store, room: &RoomId) {
    assert_eq!(operator().execute("UPDATE rooms SET closed = 1 WHERE id = ?1", [room.0]).unwrap(), 1);
}
