//! Rooms and key packages in memory.

use std::collections::BTreeSet;

use chat_wire::ids::{AccountId, DeviceAddress, RoomId, RoomName};

use super::MemoryStorage;
use super::logs::StoredLog;
use crate::storage::{Ending, Log, Room, RoomRows, RoomWrite, StorageError, StoredGroupInfo, StoredKeyPackage, Write};

#[derive(Debug, Clone)]
pub(super) struct Holding {
    room: Room,
    group_info: StoredGroupInfo,
}

fn members(log: &StoredLog) -> BTreeSet<AccountId> {
    log.readers().filter(|reader| reader.is_member()).map(|reader| reader.device.account).collect()
}

impl MemoryStorage {
    /// Has a room closed, as the operator does. False when there is none.
    pub fn close_room(&mut self, room: &RoomId) -> bool {
        let Some(holding) = self.rooms.get_mut(room) else { return false };
        holding.room.closed = true;
        self.outside_changes = self.outside_changes.saturating_add(1);
        true
    }

    /// Sets the time between two messages of one account, as the operator does. False when there is none.
    pub fn slow_room(&mut self, room: &RoomId, slow_ms: u64) -> bool {
        let Some(holding) = self.rooms.get_mut(room) else { return false };
        holding.room.slow_ms = slow_ms;
        self.outside_changes = self.outside_changes.saturating_add(1);
        true
    }

    pub(super) fn check_room(&self, write: &RoomWrite, before: &[Write]) -> bool {
        let added =
            |id: &RoomId| before.iter().any(|w| matches!(w, Write::Room(RoomWrite::Add(room, _)) if room.id == *id));
        match write {
            RoomWrite::Add(room, _) => {
                let known = self.rooms.contains_key(&room.id) || self.endings.contains_key(&room.id);
                !known && !self.room_names.contains_key(&room.name) && !added(&room.id)
            }
            RoomWrite::Put(room, epoch, _) => match self.rooms.get(&room.id) {
                Some(holding) => holding.room.epoch == *epoch,
                None => added(&room.id),
            },
            RoomWrite::End(ending) => self.rooms.contains_key(&ending.room),
            RoomWrite::SpendKeyPackage(device, id) => {
                self.devices.get(device).is_some_and(|d| d.packages.iter().any(|p| p.id == *id))
            }
            RoomWrite::AddKeyPackage(..) | RoomWrite::PutLastKeyPackage(..) => true,
        }
    }

    pub(super) fn write_room(&mut self, write: &RoomWrite) {
        match write {
            RoomWrite::Add(room, group_info) => {
                let holding = Holding { room: (**room).clone(), group_info: group_info.clone() };
                self.room_names.insert(room.name.clone(), room.id);
                self.rooms.insert(room.id, holding);
                self.log(&Log::Room(room.id));
            }
            RoomWrite::Put(room, _, group_info) => {
                let Some(holding) = self.rooms.get_mut(&room.id) else { return };
                // The operator's own columns are not the relay's to write.
                let (closed, slow_ms) = (holding.room.closed, holding.room.slow_ms);
                holding.room = Room { closed, slow_ms, ..(**room).clone() };
                if let Some(group_info) = group_info {
                    holding.group_info = group_info.clone();
                }
            }
            RoomWrite::End(ending) => {
                self.rooms.remove(&ending.room);
                self.room_names.remove(&ending.name);
                self.logs.remove(&Log::Room(ending.room));
                self.endings.insert(ending.room, (**ending).clone());
            }
            RoomWrite::AddKeyPackage(device, package) => {
                let device = self.device(device);
                if device.known_packages.insert(package.id) {
                    device.packages.push(package.clone());
                }
            }
            RoomWrite::SpendKeyPackage(device, id) => self.device(device).packages.retain(|p| p.id != *id),
            RoomWrite::PutLastKeyPackage(device, package) => self.device(device).last_package = Some(package.clone()),
        }
    }

    fn counted(&self, holding: &Holding) -> Room {
        let members = self.logs.get(&Log::Room(holding.room.id)).map_or(0, |log| members(log).len());
        Room { members: u32::try_from(members).unwrap_or(u32::MAX), ..holding.room.clone() }
    }

    fn is_in(&self, account: &AccountId, room: &RoomId) -> bool {
        self.logs.get(&Log::Room(*room)).is_some_and(|log| members(log).contains(account))
    }
}

impl RoomRows for MemoryStorage {
    fn room(&mut self, id: &RoomId) -> Result<Option<Room>, StorageError> {
        Ok(self.rooms.get(id).map(|holding| self.counted(holding)))
    }

    fn room_named(&mut self, name: &RoomName) -> Result<Option<RoomId>, StorageError> {
        Ok(self.room_names.get(name).copied())
    }

    fn rooms(
        &mut self,
        asking: &AccountId,
        joined: bool,
        after: Option<&RoomName>,
        limit: usize,
    ) -> Result<Vec<(Room, bool)>, StorageError> {
        let named = self.room_names.iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        let rooms = named.filter_map(|(_, id)| self.rooms.get(id)).map(|holding| {
            let is_in = self.is_in(asking, &holding.room.id);
            (self.counted(holding), is_in)
        });
        let shown = rooms.filter(|(room, is_in)| *is_in || (room.public && !joined && !room.closed));
        Ok(shown.take(limit).collect())
    }

    fn closed_rooms(&mut self) -> Result<Vec<RoomId>, StorageError> {
        let closed = self.rooms.values().filter(|holding| holding.room.closed);
        Ok(closed.map(|holding| holding.room.id).collect())
    }

    fn rooms_joined(&mut self, account: &AccountId) -> Result<usize, StorageError> {
        Ok(self.rooms.keys().filter(|room| self.is_in(account, room)).count())
    }

    fn ending(&mut self, id: &RoomId) -> Result<Option<Ending>, StorageError> {
        Ok(self.endings.get(id).cloned())
    }

    fn ending_named(&mut self, name: &RoomName) -> Result<Option<Ending>, StorageError> {
        let of_name = self.endings.values().filter(|ending| ending.name == *name);
        Ok(of_name.max_by_key(|ending| ending.reserved_until_ms).cloned())
    }

    fn group_info(&mut self, id: &RoomId) -> Result<Option<StoredGroupInfo>, StorageError> {
        Ok(self.rooms.get(id).map(|holding| holding.group_info.clone()))
    }

    fn key_package(&mut self, device: &DeviceAddress, now_ms: u64) -> Result<Option<StoredKeyPackage>, StorageError> {
        let packages = self.devices.get(device).into_iter().flat_map(|device| &device.packages);
        Ok(packages.into_iter().find(|package| package.expires_ms > now_ms).cloned())
    }

    fn last_key_package(&mut self, device: &DeviceAddress) -> Result<Option<StoredKeyPackage>, StorageError> {
        Ok(self.devices.get(device).and_then(|device| device.last_package.clone()))
    }

    fn key_packages_left(&mut self, device: &DeviceAddress) -> Result<u32, StorageError> {
        let left = self.devices.get(device).map_or(0, |device| device.packages.len());
        Ok(u32::try_from(left).unwrap_or(u32::MAX))
    }
}
