//! Symmetric chains (key-schedule B): each step gives one message's half of a key and the next chain
//! key, and there is no way back.

use crate::crypto::mac;
use crate::secret::{secret_role, shared_role};

shared_role!(
    /// CK of the Double Ratchet.
    pub(crate) ChainKey, 32
);
secret_role!(
    /// `seed_N`: the classical half of a message key.
    pub(crate) MessageSeed, 32
);
shared_role!(
    /// C of the post-quantum ratchet.
    pub(crate) PqChainKey, 32
);
secret_role!(
    /// `pqk`: the post-quantum half of a message key.
    pub(crate) PqMessageKey, 32
);

impl ChainKey {
    /// `seed_N = HMAC(CK, 0x01)`, `CK' = HMAC(CK, 0x02)`.
    pub(crate) fn step(&self) -> (Self, MessageSeed) {
        let (next, seed) = mac::derive_two(self.expose(), &[&[0x02]], &[&[0x01]]);
        (Self(next), MessageSeed::new(seed))
    }
}

impl PqChainKey {
    /// `pqk = HMAC(C, 0x01 ‖ ctr u32)`, `C' = HMAC(C, 0x02 ‖ ctr)`.
    pub(crate) fn step(&self, counter: u32) -> (Self, PqMessageKey) {
        let counter = counter.to_be_bytes();
        let (next, key) = mac::derive_two(self.expose(), &[&[0x02], &counter], &[&[0x01], &counter]);
        (Self(next), PqMessageKey::new(key))
    }
}
