//! Ed25519 (RFC 8032) over `L(label) ‖ parts…`. Strict verification is `VerifyKey::verifies` in
//! `chat_wire`: relay and client share it.

use chat_wire::domain::labelled;
use chat_wire::keys::{Signature, VerifyKey};
use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRng;

use super::random;
use crate::secret::secret_role;

secret_role!(
    /// The seed of an Ed25519 key.
    pub(crate) SigningSecret, 32
);

impl SigningSecret {
    /// A new independent key.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(random::secret(rng))
    }

    /// Its public key.
    pub(crate) fn public(&self) -> VerifyKey {
        VerifyKey(SigningKey::from_bytes(self.expose()).verifying_key().to_bytes())
    }

    /// Signs `L(label) ‖ parts…`.
    pub(crate) fn sign(&self, label: &str, parts: &[&[u8]]) -> Signature {
        Signature(SigningKey::from_bytes(self.expose()).sign(&labelled(label, parts)).to_bytes())
    }
}

#[cfg(test)]
mod tests;
