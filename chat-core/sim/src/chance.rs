//! Dice from the seed.

use chat_fixtures::seeded::Seeded;
use rand_core::TryRng;

/// A stream of throws.
#[derive(Debug, Clone)]
pub struct Dice(Seeded);

impl Dice {
    /// The dice of a seed for one purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(Seeded::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(purpose)))
    }

    /// A number from 0 to `sides` − 1.
    pub fn below(&mut self, sides: u64) -> u64 {
        let Ok(number) = self.0.try_next_u64();
        number.checked_rem(sides).unwrap_or(0)
    }

    /// A number from 0 to `sides` − 1, as an index.
    pub fn index(&mut self, sides: usize) -> usize {
        usize::try_from(self.below(u64::try_from(sides).unwrap_or(1))).unwrap_or(0)
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, times: u64) -> bool {
        self.below(1_000) < times
    }

    /// So many random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let Ok(()) = self.0.try_fill_bytes(&mut bytes);
        bytes
    }
}
