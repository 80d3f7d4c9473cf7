//! A room's part of the records, as its group sees it.

use chat_wire::ids::RoomId;

use crate::engine::context::Work;
use crate::group::{Shelf, is_roomless};
use crate::store::Table;

/// Key package state lies under the id that no room has.
const ROOMLESS: [u8; 16] = [0; 16];

/// `room 16 ‖ key` in the table of groups.
pub(in crate::engine) struct RoomShelf<'s, 'w> {
    work: &'s mut Work<'w>,
    room: [u8; 16],
}

impl<'s, 'w> RoomShelf<'s, 'w> {
    pub(in crate::engine) fn new(work: &'s mut Work<'w>, room: &RoomId) -> Self {
        Self { work, room: room.0 }
    }

    /// For what belongs to no room yet.
    pub(in crate::engine) fn roomless(work: &'s mut Work<'w>) -> Self {
        Self { work, room: ROOMLESS }
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        let room = if is_roomless(key) { &ROOMLESS } else { &self.room };
        [&room[..], key].concat()
    }
}

impl Shelf for RoomShelf<'_, '_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.work.get(Table::Groups, &self.key(key))
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        let key = self.key(key);
        self.work.put(Table::Groups, &key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        let key = self.key(key);
        self.work.delete(Table::Groups, &key);
    }
}
