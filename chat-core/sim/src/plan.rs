//! What a seed does: how many people, which faults, how often.

use crate::chance::Dice;

/// Which kinds of faults a history has. Every kind has the network's and the crashes too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Delays, cuts, crashes and writes that fail.
    Plain,
    /// Stores that are set back to an earlier state.
    Rollback,
    /// Stores that are opened twice.
    Clone,
    /// A relay that replays, reorders, holds back, mangles, makes up and swaps.
    Hostile,
}

/// Of so many seeds those with these remainders have people who use rooms: two with a relay that dies, one with
/// a relay that lies about rooms as well.
const ROOMS_EVERY: u64 = 16;
const ROOMS: [u64; 3] = [0, 8, 3];
/// People of a history at most.
pub(crate) const PEOPLE_MAX: usize = 4;

/// The name of a person.
pub(crate) fn name(person: usize) -> String {
    format!("person{person}")
}

/// The plan of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Its kind.
    pub kind: Kind,
    /// People.
    pub people: usize,
    /// Second devices that are there before the faults begin.
    pub second: usize,
    /// Times in a thousand that an action is a device that joins or is removed.
    pub devices: u64,
    /// Times in a thousand that an action is one with rooms as well; 0 when rooms are left alone.
    pub rooms: u64,
    /// Times in a thousand that the relay dies after something that it did.
    pub relay_crashes: u64,
    /// Things that people do while faults happen.
    pub actions: u64,
    /// Milliseconds that a frame takes at least.
    pub delay_ms: u64,
    /// Milliseconds that it may take longer.
    pub jitter_ms: u64,
    /// Times in a thousand that a frame's connection breaks under it.
    pub cuts: u64,
    /// Times in a thousand that a program dies before or after a write.
    pub crashes: u64,
    /// Times in a thousand that an action is a fault of the kind.
    pub special: u64,
}

impl Plan {
    /// The plan that follows from a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let kind = match seed % 4 {
            0 => Kind::Plain,
            1 => Kind::Rollback,
            2 => Kind::Clone,
            _ => Kind::Hostile,
        };
        let rooms = seed.checked_rem(ROOMS_EVERY).is_some_and(|rest| ROOMS.contains(&rest));
        Self {
            seed,
            kind,
            people: 2_usize.saturating_add(dice.index(3)),
            actions: 40_u64.saturating_add(dice.below(60)),
            delay_ms: dice.below(80),
            jitter_ms: 1_u64.saturating_add(dice.below(400)),
            cuts: dice.below(12),
            crashes: dice.below(15),
            special: 20_u64.saturating_add(dice.below(80)),
            second: if dice.permille(400) { dice.index(3) } else { 0 },
            devices: if dice.permille(300) { dice.below(40) } else { 0 },
            rooms: if rooms { 200_u64.saturating_add(dice.below(600)) } else { 0 },
            relay_crashes: if dice.permille(500) { dice.below(4) } else { 0 },
        }
    }
}
