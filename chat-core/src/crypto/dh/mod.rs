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

use std::fmt;
use std::sync::OnceLock;

use super::random;
use crate::secret::Secret;

/// A private X25519 key, with any role that its owner gives it by a field's name.
pub(crate) struct DhSecret {
    secret: Secret<32>,
    /// As the back end wants it, made when it is first needed: with aws-lc that costs a public key.
    prepared: OnceLock<backend::Prepared>,
}

/// The other side's key has low order: the shared secret would be known to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotContributory;

impl fmt::Debug for DhSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhSecret")
    }
}

impl DhSecret {
    fn new(secret: Secret<32>) -> Self {
        Self { secret, prepared: OnceLock::new() }
    }

    /// Copies a key out of bytes that are wiped elsewhere; none when the length differs.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Secret::from_slice(bytes).map(Self::new)
    }

    /// The bytes, for a record.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.secret.expose()
    }

    fn prepared(&self) -> &backend::Prepared {
        self.prepared.get_or_init(|| backend::prepare(self.expose()))
    }

    /// A new independent key.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::new(random::secret(rng))
    }

    /// Its public key.
    pub(crate) fn public(&self) -> DhKey {
        DhKey(backend::public(self.prepared()))
    }

    /// The shared secret with `theirs`.
    pub(crate) fn agree(&self, theirs: &DhKey) -> Result<Secret<32>, NotContributory> {
        let shared = Secret::try_fill(|out| backend::agree(self.prepared(), theirs.as_bytes(), out))?;
        // Checked here for every back end, whether it refuses by itself or not.
        if bool::from(shared.expose().ct_eq(&[0; 32])) { Err(NotContributory) } else { Ok(shared) }
    }
}

#[cfg(test)]
pub(crate) mod tests;
