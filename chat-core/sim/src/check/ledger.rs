//! Who said what, and who was shown it (I1, I2, I3).

use std::collections::{BTreeMap, BTreeSet};

use chat_core::engine::{Message, MessageStatus};

use crate::disk::Disk;

/// What every text begins with: it must never be seen outside of a device.
pub(crate) const CANARY: &str = "canary-7f3a ";

/// One text.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// When it was said, among all.
    pub(crate) place: u64,
}

/// All texts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    said: BTreeMap<String, Said>,
    /// Texts that a person was shown, in any life.
    shown: BTreeSet<(usize, String)>,
    /// Last place shown by one person of another, for the order.
    last: BTreeMap<(usize, usize), u64>,
    next: u64,
}

impl Ledger {
    /// A new text.
    pub(crate) fn say(&mut self, from: usize, to: usize) -> String {
        self.next = self.next.saturating_add(1);
        let text = format!("{CANARY}{} from {from} to {to}", self.next);
        self.said.insert(text.clone(), Said { from, to, place: self.next });
        text
    }

    /// A person is shown a message; what is wrong with it.
    pub(crate) fn show(&mut self, person: usize, (message, again): (&Message, bool), in_order: bool) -> Option<String> {
        let text = message.text.clone().unwrap_or_default();
        let Some(said) = self.said.get(&text) else {
            return Some(format!("{person} was shown what nobody said: {text}"));
        };
        if again {
            return Some(format!("{person} was shown twice: {text}"));
        }
        if said.to != person || message.from.as_str() != name(said.from) {
            return Some(format!("{person} was shown as of {}: {text}", message.from));
        }
        self.shown.insert((person, text.clone()));
        let last = self.last.insert((person, said.from), said.place).unwrap_or(0);
        (in_order && last > said.place).then(|| format!("{person} was shown out of order: {text}"))
    }

    /// Whether a person was ever shown a text.
    pub(crate) fn was_shown(&self, person: usize, text: &str) -> bool {
        self.shown.contains(&(person, text.to_owned()))
    }

    /// Texts of a store that the relay accepted and that nobody was shown; those still waiting.
    pub(crate) fn lost(&self, disk: &Disk) -> (Vec<String>, Vec<String>) {
        let (mut lost, mut waiting) = (Vec::new(), Vec::new());
        for (text, status) in disk.sent.values() {
            let Some(said) = self.said.get(text) else { continue };
            if *status == MessageStatus::Queued {
                waiting.push(text.clone());
            } else if *status == MessageStatus::Failed || !self.was_shown(said.to, text) {
                lost.push(format!("{text} ({status:?})"));
            }
        }
        (lost, waiting)
    }
}

/// The name of a person.
pub(crate) fn name(person: usize) -> String {
    format!("person{person}")
}

/// Whether bytes hold the canary.
pub(crate) fn leaks(bytes: &[u8]) -> bool {
    let canary = CANARY.as_bytes();
    bytes.windows(canary.len()).any(|window| window == canary)
}
