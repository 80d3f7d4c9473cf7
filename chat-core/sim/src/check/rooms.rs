//! Who said what in which room, and which device showed it (I3 and I7 for rooms).

use std::collections::{BTreeMap, BTreeSet};

use chat_core::engine::Message;

use super::ledger::CANARY;
use crate::plan::name;

/// All texts of rooms.
#[derive(Debug, Default)]
pub(crate) struct RoomLedger {
    /// Who said it, and where.
    said: BTreeMap<String, (usize, String)>,
    shown: BTreeSet<(usize, String)>,
    next: u64,
}

impl RoomLedger {
    /// A new text.
    pub(crate) fn say(&mut self, person: usize, room: &str) -> String {
        self.next = self.next.saturating_add(1);
        let text = format!("{CANARY}{} of {person} in {room}", self.next);
        self.said.insert(text.clone(), (person, room.to_owned()));
        text
    }

    /// Whether a text was said in a room.
    pub(crate) fn knows(&self, text: &str) -> bool {
        self.said.contains_key(text)
    }

    /// A device shows a text of a room; what is wrong with it.
    pub(crate) fn show(&mut self, device: usize, (message, again): (&Message, bool)) -> Option<String> {
        let text = message.text.clone().unwrap_or_default();
        let Some((person, room)) = self.said.get(&text) else {
            return Some(format!("device {device} was shown what nobody said: {text}"));
        };
        if again {
            return Some(format!("device {device} showed twice: {text}"));
        }
        if message.from.as_str() != name(*person) || message.to.trim_start_matches('#') != room {
            return Some(format!("device {device} was shown from {} in {}: {text}", message.from, message.to));
        }
        self.shown.insert((device, text));
        None
    }

    /// Whether a device showed a text.
    pub(crate) fn was_shown(&self, device: usize, text: &str) -> bool {
        self.shown.contains(&(device, text.to_owned()))
    }
}
