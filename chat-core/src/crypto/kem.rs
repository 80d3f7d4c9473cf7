//! ML-KEM-1024 (FIPS 203) for prekeys. Private keys are kept as 64-byte seeds: shorter, and the
//! binding of key and ciphertext that expanded keys lose is kept.

use chat_wire::keys::KemKey;
use libcrux_ml_kem::mlkem1024;
use rand_core::CryptoRng;

use super::random;
use crate::secret::{Secret, secret_role};

/// Bytes of a ciphertext.
pub(crate) const CIPHERTEXT_BYTES: usize = 1568;

secret_role!(
    /// The seed `d ‖ z` of an ML-KEM-1024 key pair.
    pub(crate) KemSeed, 64
);

/// The encapsulation key is not one that FIPS 203 allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadKemKey;

impl KemSeed {
    /// A new independent seed.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(random::secret(rng))
    }

    /// Its public key.
    pub(crate) fn public(&self) -> KemKey {
        KemKey(*mlkem1024::generate_key_pair(*self.expose()).pk())
    }

    /// Its public key, and the shared secret of a ciphertext for it. A wrong ciphertext gives another
    /// secret, never an error.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_BYTES]) -> (KemKey, Secret<32>) {
        let pair = mlkem1024::generate_key_pair(*self.expose());
        let shared =
            Secret::fill(|out| out.copy_from_slice(&mlkem1024::decapsulate(pair.private_key(), &ciphertext.into())));
        (KemKey(*pair.pk()), shared)
    }
}

/// A ciphertext for `key` and its shared secret; the modulus check of FIPS 203 comes first.
pub(crate) fn encapsulate(
    key: &KemKey,
    rng: &mut dyn CryptoRng,
) -> Result<([u8; CIPHERTEXT_BYTES], Secret<32>), BadKemKey> {
    encapsulate_with(key, &random::secret(rng))
}

fn encapsulate_with(key: &KemKey, randomness: &Secret<32>) -> Result<([u8; CIPHERTEXT_BYTES], Secret<32>), BadKemKey> {
    let public = key.as_bytes().into();
    if !mlkem1024::validate_public_key(&public) {
        return Err(BadKemKey);
    }
    let (ciphertext, shared) = mlkem1024::encapsulate(&public, *randomness.expose());
    Ok((*ciphertext.as_slice(), Secret::fill(|out| out.copy_from_slice(&shared))))
}

#[cfg(test)]
mod tests;
