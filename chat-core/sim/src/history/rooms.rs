//! Rooms: people make, join, leave and moderate them while everything fails; then everybody who is in one
//! is in the same one (I7), and nobody else reads it.

use std::collections::BTreeMap;

use chat_core::engine::{Command, Role, RoomCommand, RoomInfo};
use chat_wire::ids::{RoomName, UserName};

use super::History;
use crate::plan::{Kind, name};

/// The lobby, a public and a private room.
const ROOMS: [&str; 3] = ["lobby", "garden", "attic"];
/// The room that is not listed.
const PRIVATE: &str = "attic";
/// Milliseconds in which rooms settle after the last fault: two waits of a silent relay, and a resync.
const SETTLE_MS: u64 = 60_000;
/// Milliseconds after which a device may come back to a room again that it came back to too often.
const DAY_MS: u64 = 24 * 3_600_000;
/// Rounds of talk in which members who were shown different rooms find out and mend it.
const MENDING_ROUNDS: usize = 3;

impl History<'_> {
    /// One thing that somebody does with a room.
    pub(super) fn act_in_room(&mut self) {
        let actors = self.world.actors.len();
        let who = self.world.dice.index(actors);
        let (pick, whom) = (self.world.dice.index(ROOMS.len()), self.world.dice.index(self.people()));
        let Some(room) = ROOMS.get(pick).copied() else { return };
        let (Ok(there), Ok(username)) = (RoomName::parse(room), UserName::parse(&name(whom))) else { return };
        let command = match self.world.dice.below(16) {
            0 | 1 => RoomCommand::Create { name: there, public: room != PRIVATE, topic: None, idempotency_key: None },
            2..=4 => RoomCommand::Join(there),
            5 => RoomCommand::Leave(there),
            6 | 7 => RoomCommand::Invite { room: there, username },
            8 => RoomCommand::Kick { room: there, username },
            9 => RoomCommand::SetTopic { room: there, topic: format!("topic {pick}") },
            10 => RoomCommand::SetRole { room: there, username, role: Role::Admin },
            _ => return drop(self.world.say_in_room(who, room)),
        };
        self.world.report.count("room commands", 1);
        self.world.command(who, Command::Room(command));
    }

    /// Everybody who is in a room has the same epoch and the same members, hears everybody there, and is
    /// heard by nobody else (I7).
    pub(super) fn agree_in_rooms(&mut self) {
        self.world.run(SETTLE_MS);
        if self.world.plan.kind == Kind::Hostile {
            self.mend_rooms();
        }
        for room in ROOMS {
            let infos = self.ask_about(room);
            let inside: BTreeMap<usize, &RoomInfo> = infos
                .iter()
                .filter(|(who, info)| {
                    let mine = self.world.actors.get(**who).map(|actor| name(actor.person));
                    info.members.iter().any(|member| Some(member.username.as_str()) == mine.as_deref())
                })
                .map(|(who, info)| (*who, info))
                .collect();
            let mut views: Vec<(u64, Vec<String>)> = inside.values().map(|info| view(info)).collect();
            views.sort();
            views.dedup();
            if views.len() > 1 {
                self.world.violation("I7", format!("{room} is {} rooms: {views:?}", views.len()));
            }
            self.world.report.count("rooms that agreed", u64::from(views.len() == 1));
            let inside: Vec<usize> = inside.into_keys().collect();
            self.talk_in(room, &inside);
        }
    }

    /// Members whom the relay showed different rooms learn it from what the others say (SPEC 12.6).
    fn mend_rooms(&mut self) {
        self.world.sleep(DAY_MS);
        for _ in 0..MENDING_ROUNDS {
            for room in ROOMS {
                for (_, who, _) in self.world.devices() {
                    self.world.say_in_room(who, room);
                }
                self.world.run(SETTLE_MS / 4);
            }
        }
    }

    fn talk_in(&mut self, room: &'static str, inside: &[usize]) {
        let said: Vec<(usize, String)> =
            inside.iter().filter_map(|who| self.world.say_in_room(*who, room).map(|text| (*who, text))).collect();
        self.world.run(15_000);
        for (person, device, _) in self.world.devices() {
            let member = inside.contains(&device);
            for (who, text) in &said {
                let speaker = self.world.actors.get(*who).map(|actor| actor.person);
                let shown = self.world.room_ledger.was_shown(device, text);
                if member && *who != device && !shown {
                    self.world.violation("I7", format!("device {device} in {room} did not hear: {text}"));
                }
                if !member && shown && speaker != Some(person) {
                    self.world.violation("I7", format!("device {device} is not in {room} and heard: {text}"));
                }
            }
        }
    }

    fn ask_about(&mut self, room: &str) -> BTreeMap<usize, RoomInfo> {
        self.world.room_infos.clear();
        let Ok(there) = RoomName::parse(room) else { return BTreeMap::new() };
        for (_, who, _) in self.world.devices() {
            self.world.command(who, Command::Room(RoomCommand::Info(there.clone())));
        }
        self.world.run(5_000);
        std::mem::take(&mut self.world.room_infos)
    }
}

fn view(info: &RoomInfo) -> (u64, Vec<String>) {
    let mut members: Vec<String> =
        info.members.iter().map(|member| format!("{} {:?}", member.username, member.role)).collect();
    members.sort();
    (info.epoch, members)
}
