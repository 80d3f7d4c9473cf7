//! A generator for tests: the same seed gives the same run.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

/// SHA-256 in counter mode.
pub(crate) struct SeededRng {
    seed: u64,
    block: u64,
    left: Vec<u8>,
}

pub(crate) fn seeded(seed: u64) -> SeededRng {
    SeededRng { seed, block: 0, left: Vec::new() }
}

pub(crate) fn rng() -> SeededRng {
    seeded(7)
}

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            if self.left.is_empty() {
                let mut hash = Sha256::new();
                hash.update(self.seed.to_be_bytes());
                hash.update(self.block.to_be_bytes());
                self.block += 1;
                self.left = hash.finalize().to_vec();
            }
            *byte = self.left.pop().unwrap();
        }
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}
