//! X25519 (RFC 7748), always contributory (SPEC 6.3.3): an all-zero result is an error, never a key.

#[cfg(feature = "aws-lc")]
mod aws;
#[cfg(any(not(feature = "aws-lc"), test))]
mod rust;

#[cfg(feature = "aws-lc")]
use aws as backend;
#[cfg(not(feature = "aws-lc"))]
use rust as backend;

use chat_wire::keys::DhKey;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::random;
use crate::secret::{Secret, secret_role};

secret_role!(
    /// A private X25519 key, with any role that its owner gives it by a field's name.
    pub(crate) DhSecret, 32
);

/// The other side's key has low order: the shared secret would be known to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotContributory;

impl DhSecret {
    /// A new independent key.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(random::secret(rng))
    }

    /// A second copy, where a prekey becomes a session's first ratchet key.
    pub(crate) fn duplicate(&self) -> Self {
        Self(Secret::fill(|out| out.copy_from_slice(self.expose())))
    }

    /// Its public key.
    pub(crate) fn public(&self) -> DhKey {
        DhKey(backend::public(self.expose()))
    }

    /// The shared secret with `theirs`.
    pub(crate) fn agree(&self, theirs: &DhKey) -> Result<Secret<32>, NotContributory> {
        let shared = Secret::try_fill(|out| backend::agree(self.expose(), theirs.as_bytes(), out))?;
        // Checked here for every back end, whether it refuses by itself or not.
        if bool::from(shared.expose().ct_eq(&[0; 32])) { Err(NotContributory) } else { Ok(shared) }
    }
}

#[cfg(test)]
pub(crate) mod tests;
