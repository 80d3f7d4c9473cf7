//! Who said what, and who was shown it (I1, I2, I3).

use std::collections::{BTreeMap, BTreeSet};

use chat_core::engine::{Message, MessageStatus};

use crate::disk::Disk;
use crate::plan::name;

/// What every text begins with: it must never be seen outside of a device.
pub(crate) const CANARY: &str = "canary-7f3a ";

/// One text.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The device that said it.
    device: usize,
    /// When it was said, among all.
    pub(crate) place: u64,
}

/// All texts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    said: BTreeMap<String, Said>,
    /// Texts that a device showed, in any life.
    shown: BTreeSet<(usize, String)>,
    /// Texts that some device of a person showed, also one that was removed since.
    heard: BTreeSet<(usize, String)>,
    /// Last place shown by one device of another in a conversation, for the order.
    last: BTreeMap<(usize, usize, usize), u64>,
    next: u64,
}

impl Ledger {
    /// A new text.
    pub(crate) fn say(&mut self, device: usize, (from, to): (usize, usize)) -> String {
        self.next = self.next.saturating_add(1);
        let text = format!("{CANARY}{} from {from} to {to}", self.next);
        self.said.insert(text.clone(), Said { from, to, device, place: self.next });
        text
    }

    /// The place of what is said next.
    pub(crate) fn next_place(&self) -> u64 {
        self.next.saturating_add(1)
    }

    /// A device shows a message; what is wrong with it.
    pub(crate) fn show(
        &mut self,
        (person, device): (usize, usize),
        (message, again): (&Message, bool),
        in_order: bool,
    ) -> Option<String> {
        let text = message.text.clone().unwrap_or_default();
        let Some(said) = self.said.get(&text) else {
            return Some(format!("{person} was shown what nobody said: {text}"));
        };
        if again {
            return Some(format!("device {device} of {person} showed twice: {text}"));
        }
        let mine = if message.outgoing { said.from == person } else { said.to == person };
        if !mine || message.from.as_str() != name(said.from) || message.to != name(said.to) {
            return Some(format!("{person} was shown from {} to {}: {text}", message.from, message.to));
        }
        self.shown.insert((device, text.clone()));
        self.heard.insert((person, text.clone()));
        let last = self.last.insert((device, said.device, said.to), said.place).unwrap_or(0);
        (in_order && last > said.place).then(|| format!("device {device} of {person} showed out of order: {text}"))
    }

    /// Whether a device ever showed a text.
    pub(crate) fn was_shown(&self, device: usize, text: &str) -> bool {
        self.shown.contains(&(device, text.to_owned()))
    }

    /// Texts of a store that the relay accepted and that not every device that was there showed (or, unless
    /// it is asked for everywhere, none did); those still waiting. A device is told by whose it is, its
    /// number and since which place it is there.
    pub(crate) fn lost(
        &self,
        by: usize,
        disk: &Disk,
        (devices, everywhere): (&[(usize, usize, u64)], bool),
    ) -> (Vec<String>, Vec<String>) {
        let (mut lost, mut waiting) = (Vec::new(), Vec::new());
        for (text, status) in disk.sent.values() {
            let Some(said) = self.said.get(text).filter(|said| said.device == by) else { continue };
            let there = devices.iter().filter(|(person, _, since)| *person == said.to && *since <= said.place);
            let (all, showed) = there.fold((0_usize, 0_usize), |(all, showed), (_, device, _)| {
                let shown = usize::from(self.was_shown(*device, text));
                (all.saturating_add(1), showed.saturating_add(shown))
            });
            let unheard = !self.heard.contains(&(said.to, text.clone()));
            let missed = if everywhere { showed < all } else { unheard && all > 0 };
            if *status == MessageStatus::Queued {
                waiting.push(text.clone());
            } else if *status == MessageStatus::Failed || missed {
                lost.push(format!("{text} ({status:?})"));
            }
        }
        (lost, waiting)
    }

    /// Texts of a store that the relay accepted and that an own other device that was there has no copy of.
    pub(crate) fn uncopied(&self, by: usize, disk: &Disk, others: &[(usize, u64)]) -> Vec<String> {
        let mut missing = Vec::new();
        for (text, status) in disk.sent.values() {
            let Some(said) = self.said.get(text).filter(|said| said.device == by) else { continue };
            let lacks = |(device, since): &(usize, u64)| *since <= said.place && !self.was_shown(*device, text);
            if *status > MessageStatus::Queued && others.iter().any(lacks) {
                missing.push(text.clone());
            }
        }
        missing
    }
}

/// Whether bytes hold the canary.
pub(crate) fn leaks(bytes: &[u8]) -> bool {
    let canary = CANARY.as_bytes();
    bytes.windows(canary.len()).any(|window| window == canary)
}
