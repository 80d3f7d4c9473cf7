//! Randomness for OpenMLS out of one seed a call. Every draw is bound to what it is for, so that a draw of a
//! worker thread does not depend on the order in which threads run: a simulation stays repeatable, and two
//! different encryptions never share their randomness.

use std::cell::Cell;
use std::convert::Infallible;

use openmls_traits::random::OpenMlsRand;
use rand_core::{TryCryptoRng, TryRng};

use crate::crypto::hkdf::expand;
use crate::labels::{ROOM_CHANCE, ROOM_SEAL};
use crate::secret::Secret;

/// The seed of one call, and how much of it was drawn in order.
pub(super) struct Chance {
    seed: Secret<32>,
    draws: Cell<u64>,
}

/// OpenMLS asked for more than a draw can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a draw is too long")]
pub(super) struct TooLong;

impl Chance {
    pub(super) fn new(seed: &Secret<32>) -> Self {
        Self { seed: Secret::fill(|out| out.copy_from_slice(seed.expose())), draws: Cell::new(0) }
    }

    fn fill(&self, out: &mut [u8]) {
        let draw = self.draws.get();
        self.draws.set(draw.wrapping_add(1));
        let mut stream = Stream::new(Secret::fill(|key| {
            key.copy_from_slice(expand::<32, 32>(self.seed.expose(), &[ROOM_CHANCE, &draw.to_be_bytes()]).expose());
        }));
        stream.fill(out);
    }
}

impl OpenMlsRand for Chance {
    type Error = TooLong;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], TooLong> {
        let mut out = [0; N];
        self.fill(&mut out);
        Ok(out)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, TooLong> {
        let mut out = vec![0; len];
        self.fill(&mut out);
        Ok(out)
    }
}

/// Bytes that follow from a key, block by block.
pub(super) struct Stream {
    key: Secret<32>,
    block: u64,
}

impl Stream {
    fn new(key: Secret<32>) -> Self {
        Self { key, block: 0 }
    }

    /// Randomness of one encapsulation: from the seed and everything that goes into it.
    pub(super) fn hedged(seed: &Secret<32>, parts: &[&[u8]]) -> Self {
        let digest = chat_wire::domain::plain_hash(parts);
        Self::new(expand(seed.expose(), &[ROOM_SEAL, &digest]))
    }

    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block: Secret<32> = expand(self.key.expose(), &[&self.block.to_be_bytes()]);
            self.block = self.block.wrapping_add(1);
            for (to, from) in chunk.iter_mut().zip(block.expose()) {
                *to = *from;
            }
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Stream {}
