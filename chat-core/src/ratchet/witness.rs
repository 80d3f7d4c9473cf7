//! What was opened at which position: a second, different packet at a position means that somebody else
//! seals with the same state (a clone, or a store that was set back), and that is no duplicate.
//!
//! A mark is the beginning of a packet's `r`. Nobody but the sealing side can change `r` under a header
//! that opens, and it depends on the body. Marks are public values.

use std::sync::Arc;

/// Positions that are remembered: more than a repeat of the network is late by.
pub(crate) const WITNESS_SLOTS: usize = 32;
/// A slot is the low bits of chain and position together.
const SLOT_MASK: u8 = 31;
/// Bytes of a mark: two packets agree by chance once in 2^64.
pub(crate) const MARK_BYTES: usize = 8;

/// One position that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) chain: u64,
    pub(crate) position: u32,
    pub(crate) mark: [u8; MARK_BYTES],
}

/// The last positions of a session; a position's slot follows from it, so that nothing has to be counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness {
    /// As stored: shared with the session before, which most often is dropped when the next is stored.
    slots: Arc<[Option<Seen>; WITNESS_SLOTS]>,
    /// To be stored, latest last.
    changed: Vec<(u8, Seen)>,
}

impl Witness {
    /// Notes a packet that was opened; `random` is its `r`.
    pub(crate) fn note(&mut self, chain: u64, position: u32, random: &[u8]) {
        let (slot, seen) = (slot_of(chain, position), Seen { chain, position, mark: mark(random) });
        match self.changed.iter_mut().find(|(changed, _)| *changed == slot) {
            Some((_, before)) => *before = seen,
            None => self.changed.push((slot, seen)),
        }
    }

    /// Whether another packet was opened at this position.
    pub(crate) fn contradicts(&self, chain: u64, position: u32, random: &[u8]) -> bool {
        let seen = self.at(slot_of(chain, position));
        let same_place = seen.filter(|seen| (seen.chain, seen.position) == (chain, position));
        same_place.is_some_and(|seen| seen.mark != mark(random))
    }

    /// What has to be stored since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<(u8, Seen)> {
        let changed = std::mem::take(&mut self.changed);
        for (slot, seen) in &changed {
            self.put(*slot, *seen);
        }
        changed
    }

    /// Everything that is remembered, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, Seen)> + '_ {
        (0_u8..).zip(self.slots.iter()).filter_map(|(slot, _)| Some((slot, self.at(slot)?)))
    }

    /// Puts back what was stored. `false` when it was not stored by this version.
    pub(crate) fn restore(&mut self, slot: u8, seen: Seen) -> bool {
        slot_of(seen.chain, seen.position) == slot && self.put(slot, seen)
    }

    fn put(&mut self, slot: u8, seen: Seen) -> bool {
        let Some(place) = Arc::make_mut(&mut self.slots).get_mut(usize::from(slot)) else { return false };
        *place = Some(seen);
        true
    }

    fn at(&self, slot: u8) -> Option<Seen> {
        let changed = self.changed.iter().find(|(changed, _)| *changed == slot).map(|(_, seen)| *seen);
        changed.or_else(|| self.slots.get(usize::from(slot)).copied().flatten())
    }
}

fn slot_of(chain: u64, position: u32) -> u8 {
    let [.., byte] = chain.wrapping_add(u64::from(position)).to_be_bytes();
    byte & SLOT_MASK
}

fn mark(random: &[u8]) -> [u8; MARK_BYTES] {
    random.first_chunk::<MARK_BYTES>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_packet_at_a_position_is_told_from_the_same_one() {
        let mut witness = Witness::default();
        witness.note(3, 7, &[1; 16]);
        assert!(!witness.contradicts(3, 7, &[1; 16]));
        assert!(witness.contradicts(3, 7, &[2; 16]));
        assert!(!witness.contradicts(3, 8, &[2; 16]), "of a position that is not known nothing is claimed");
    }

    #[test]
    fn what_is_stored_comes_back() {
        let mut witness = Witness::default();
        (0..40).for_each(|n| witness.note(1, n, &[9; 16]));
        let stored = witness.take_changes();
        assert_eq!(witness.iter().count(), WITNESS_SLOTS);
        let mut restored = Witness::default();
        assert!(stored.iter().all(|(slot, seen)| restored.restore(*slot, *seen)));
        assert!(restored.contradicts(1, 39, &[8; 16]) && !restored.contradicts(1, 2, &[8; 16]));
        assert!(!restored.restore(0, Seen { chain: 1, position: 0, mark: [0; 8] }), "not its slot");
    }
}
