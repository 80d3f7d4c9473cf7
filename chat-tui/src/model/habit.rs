//! What a person set for single chats on this device: pinned, muted, put away, messages to come back to.
//! The profile keeps it as one text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MsgId, Name};
use crate::text::SafeText;

/// What was set for one chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habit {
    /// Stands above the others.
    pub pinned: bool,
    /// Put away until something comes.
    pub archived: bool,
    /// To be looked at again.
    pub unread: bool,
    /// Rings for nothing until then, in milliseconds since the Unix epoch.
    pub muted_until_ms: u64,
    /// After how long what is written here vanishes.
    pub vanishes_ms: Option<u64>,
    /// Messages to come back to, the latest first.
    pub pins: Vec<Pin>,
}

/// A message to come back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Which.
    pub id: [u8; 16],
    /// Who wrote it.
    pub author: String,
    /// How it begins.
    pub text: String,
}

/// Messages to come back to in one chat: a list that one still reads.
const PINS_MAX: usize = 50;

/// Characters that are kept of one.
const PIN_CHARS: usize = 80;

impl Habit {
    /// Whether nothing rings now.
    #[must_use]
    pub fn muted(&self, now_ms: u64) -> bool {
        self.muted_until_ms > now_ms
    }

    /// Pins a message, or takes its pin away; tells whether it is pinned now.
    pub fn pin(&mut self, id: MsgId, author: &Name, text: &SafeText) -> bool {
        let before = self.pins.len();
        self.pins.retain(|pin| pin.id != id.0);
        if self.pins.len() < before {
            return false;
        }
        let text = text.one_line().as_str().chars().take(PIN_CHARS).collect();
        self.pins.insert(0, Pin { id: id.0, author: author.to_string(), text });
        self.pins.truncate(PINS_MAX);
        true
    }
}

/// What was set for all chats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    chats: BTreeMap<String, Habit>,
}

impl Habits {
    /// From the profile's text; what can't be read is as if nothing had been set.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As the profile keeps it.
    #[must_use]
    pub fn written(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was set for a chat.
    #[must_use]
    pub fn of(&self, name: &Name) -> Option<&Habit> {
        self.chats.get(name.as_str())
    }

    /// Sets something for a chat; what says nothing is not kept.
    pub fn change<T>(&mut self, name: &Name, change: impl FnOnce(&mut Habit) -> T) -> T {
        let habit = self.chats.entry(name.as_str().to_owned()).or_default();
        let done = change(habit);
        if *habit == Habit::default() {
            self.chats.remove(name.as_str());
        }
        done
    }

    /// Whether a chat is one of those above the others.
    #[must_use]
    pub fn pinned(&self, name: &Name) -> bool {
        self.of(name).is_some_and(|h| h.pinned)
    }

    /// Whether a chat is put away.
    #[must_use]
    pub fn archived(&self, name: &Name) -> bool {
        self.of(name).is_some_and(|h| h.archived)
    }

    /// Whether a chat rings for nothing now.
    #[must_use]
    pub fn muted(&self, name: &Name, now_ms: u64) -> bool {
        self.of(name).is_some_and(|h| h.muted(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_read_again_and_what_says_nothing_is_not_kept() {
        let bob = Name::new("bob");
        let mut habits = Habits::default();
        habits.change(&bob, |h| h.muted_until_ms = 7);
        assert!(habits.change(&bob, |h| h.pin(MsgId([1; 16]), &bob, &SafeText::line("the address"))));
        let again = Habits::read(&habits.written());
        assert_eq!(again, habits);
        assert!(again.muted(&bob, 6) && !again.muted(&bob, 7));
        habits.change(&bob, |h| h.muted_until_ms = 0);
        assert!(!habits.change(&bob, |h| h.pin(MsgId([1; 16]), &bob, &SafeText::line("the address"))));
        assert_eq!(habits.of(&bob), None);
    }

    #[test]
    fn a_damaged_text_is_as_if_nothing_had_been_set() {
        assert_eq!(Habits::read("{\"chats\":{\"bob\":3}}"), Habits::default());
        assert_eq!(Habits::read(""), Habits::default());
    }
}
