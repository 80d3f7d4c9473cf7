//! The OPAQUE suite, its stretching function, and the bridge to our injected randomness (SPEC 9.1).

use argon2::{Algorithm, Argon2, Block, Params, Version};
use opaque_ke::errors::InternalError;
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Ksf;
use opaque_ke::{CipherSuite, Identifiers, Ristretto255, TripleDh};
use zeroize::Zeroize as _;

use crate::profile::Profile;
use crate::terms::Identities;

/// OPAQUE-3DH over ristretto255 with SHA-512.
pub(crate) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, sha2_010::Sha512>;
    type Ksf = Stretch;
}

/// The stretching function, with its parameters at run time.
pub(crate) enum Stretch {
    Argon2id(Profile),
    /// The identity function of the published vectors.
    #[cfg(test)]
    Identity,
}

impl Default for Stretch {
    fn default() -> Self {
        Self::Argon2id(Profile::DEFAULT)
    }
}

impl Ksf for Stretch {
    fn hash<L: ArrayLength<u8>>(&self, input: GenericArray<u8, L>) -> Result<GenericArray<u8, L>, InternalError> {
        match self {
            Self::Argon2id(profile) => argon2id(*profile, &input, &SALT),
            #[cfg(test)]
            Self::Identity => Ok(input),
        }
    }
}

/// RFC 9807 §8: salt of zeros, because the input is already unique to account and relay.
const SALT: [u8; 16] = [0; 16];

/// Argon2id in memory of its own, which goes back to the system at once: it is far over what an allocator keeps.
pub(crate) fn argon2id<L: ArrayLength<u8>>(
    profile: Profile,
    input: &[u8],
    salt: &[u8; 16],
) -> Result<GenericArray<u8, L>, InternalError> {
    let costs = profile.costs();
    let params = Params::new(costs.memory_kib, costs.passes, costs.lanes, Some(L::USIZE))
        .map_err(|_| InternalError::KsfError)?;
    let mut blocks: Vec<Block> = Vec::new();
    // A machine without that much memory gets an error instead of an abort.
    blocks.try_reserve_exact(params.block_count()).map_err(|_| InternalError::KsfError)?;
    blocks.resize(params.block_count(), Block::default());
    let mut output = GenericArray::default();
    let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        input,
        salt,
        &mut output,
        &mut blocks,
    );
    for block in &mut blocks {
        block.zeroize();
    }
    hashed.map(|()| output).map_err(|_| InternalError::KsfError)
}

/// Our injected generator as the OPAQUE crate's generation of the trait wants it.
pub(crate) struct Randomness<'a>(pub(crate) &'a mut dyn rand_core::CryptoRng);

impl rand08::RngCore for Randomness<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand08::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand08::CryptoRng for Randomness<'_> {}

/// A message of the suite as plain bytes; `N` is the length that the suite gives it.
pub(crate) fn array<const N: usize>(message: &[u8]) -> [u8; N] {
    debug_assert_eq!(message.len(), N, "the suite fixes every length");
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(message) {
        *to = *from;
    }
    bytes
}

/// The identities as the OPAQUE crate wants them.
pub(crate) fn identifiers<'a>(identities: &Identities<'a>) -> Identifiers<'a> {
    Identifiers { client: Some(identities.name.as_bytes()), server: Some(identities.relay_id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another implementation of Argon2id (the reference C library) gives for 64 bytes of 7 and
    /// a salt of 16 zeros.
    const STANDARD: &str = "38cfb95476101afbf9a87097da1b1369a3bdc4a4f0e980258b12739d59a67b73\
                            1c5bb1dd934600b7576be71b050cd8c8103b91a4c29e9e02e3ccdf0d25b256d6";
    const STRONG: &str = "8fe3a741443f436efb4f2a619f74a23b93ad1ceb3db178c0dac8e52a012e347f\
                          06a3dd94eaba9a60ca9ad14d753a84f4d226bc0bcd4f21e8dfaf456cf32f5563";

    #[test]
    fn each_profile_gives_what_the_reference_implementation_gives() {
        for (profile, expected) in [(Profile::Standard, STANDARD), (Profile::Strong, STRONG)] {
            let input = GenericArray::<u8, opaque_ke::generic_array::typenum::U64>::from([7; 64]);
            let output = Stretch::Argon2id(profile).hash(input).unwrap();
            assert_eq!(hex::encode(output), expected, "{profile:?}");
        }
    }
}
