//! The storage that the tests of this package run on, and what the operator does to it.

use chat_relay::storage::memory::MemoryStorage;
use chat_relay::storage::{Invite, InviteHash};
use chat_wire::ids::{AccountId, RoomId};

pub(crate) type Store = MemoryStorage;

pub(crate) fn open() -> Store {
    MemoryStorage::default()
}

pub(crate) fn put_invite(store: &mut Store, hash: InviteHash, invite: Invite) {
    store.put_invite(hash, invite);
}

pub(crate) fn set_disabled(store: &mut Store, account: &AccountId, disabled: bool) {
    assert!(store.set_disabled(account, disabled));
}

pub(crate) fn slow_room(store: &mut Store, room: &RoomId, slow_ms: u64) {
    assert!(store.slow_room(room, slow_ms));
}

pub(crate) fn close_room(store: &mut Store, room: &RoomId) {
    assert!(store.close_room(room));
}
