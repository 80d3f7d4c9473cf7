//! X-Wing, the hybrid of X25519 and ML-KEM-768, for the vault. Keys are 32-byte seeds.

use rand_core::CryptoRng;
use x_wing::kem::{Encapsulate, KeyExport, TryDecapsulate, TryKeyInit};
use x_wing::{CIPHERTEXT_SIZE, DecapsulationKey, DecapsulationKeyRejectNonContrib, Decapsulator, EncapsulationKey};

use crate::secret::{Secret, secret_role};

/// Bytes of a public key.
pub(crate) const PUBLIC_BYTES: usize = 1216;
/// Bytes of a ciphertext.
pub(crate) const CIPHERTEXT_BYTES: usize = CIPHERTEXT_SIZE;

secret_role!(
    /// The seed of an X-Wing key pair.
    pub(crate) XWingSeed, 32
);

/// A public key or a ciphertext that X-Wing refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadXWing;

impl XWingSeed {
    /// Its public key.
    pub(crate) fn public(&self) -> [u8; PUBLIC_BYTES] {
        DecapsulationKey::from(*self.expose()).encapsulation_key().to_bytes().into()
    }

    /// The shared secret of a ciphertext; a low-order X25519 half is refused.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_BYTES]) -> Result<Secret<32>, BadXWing> {
        let key = DecapsulationKeyRejectNonContrib::from(*self.expose());
        let shared = key.try_decapsulate(&(*ciphertext).into()).map_err(|_| BadXWing)?;
        Ok(Secret::fill(|out| out.copy_from_slice(&shared)))
    }
}

/// A ciphertext for `public` and its shared secret.
pub(crate) fn encapsulate(
    public: &[u8; PUBLIC_BYTES],
    rng: &mut dyn CryptoRng,
) -> Result<([u8; CIPHERTEXT_BYTES], Secret<32>), BadXWing> {
    let key = EncapsulationKey::new(public.into()).map_err(|_| BadXWing)?;
    let (ciphertext, shared) = key.encapsulate_with_rng(rng);
    Ok((ciphertext.into(), Secret::fill(|out| out.copy_from_slice(&shared))))
}

#[cfg(test)]
mod tests;
