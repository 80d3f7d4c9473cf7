//! Keys of leaves, and key packages: what a device publishes so that others can add it.

use chat_wire::domain::labelled;
use chat_wire::ids::KeyPackageId;
use chat_wire::keys::{Signature, VerifyKey};
use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{
    Capabilities, CredentialWithKey, ExtensionType, KeyPackage, KeyPackageIn, LeafNodeParameters, OpenMlsProvider as _,
    ProtocolVersion,
};
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use rand_core::CryptoRng;

use super::credential::{CREDENTIAL_TYPE, LeafCredential};
use super::crypto::SUITE;
use super::leaf::{GroupError, Leaf, SEEN_TYPE, seen};
use super::overlay::Provider;
use super::shelf::Shelf;
use crate::secret::Secret;

/// Number of the GroupContext extension that holds the policy, of the range for private use.
pub(super) const POLICY_TYPE: u16 = 0xF6C2;

/// The private key of one leaf, ready to sign: made afresh for each leaf, certified by the device.
pub(crate) struct LeafKey(SigningKey);

impl std::fmt::Debug for LeafKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeafKey")
    }
}

impl LeafKey {
    /// A new independent key.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        let seed = Secret::<32>::fill(|out| rng.fill_bytes(out));
        Self(SigningKey::from_bytes(seed.expose()))
    }

    /// Reads what [`LeafKey::expose`] gave.
    pub(crate) fn read(seed: &[u8]) -> Option<Self> {
        let seed: &[u8; 32] = seed.try_into().ok()?;
        Some(Self(SigningKey::from_bytes(seed)))
    }

    /// The seed, for the store.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(crate) fn public(&self) -> VerifyKey {
        VerifyKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a statement of ours, outside of MLS.
    pub(crate) fn sign_statement(&self, label: &str, parts: &[&[u8]]) -> Signature {
        Signature(self.0.sign(&labelled(label, parts)).to_bytes())
    }

    pub(super) fn with_credential(&self, credential: &LeafCredential) -> CredentialWithKey {
        CredentialWithKey { credential: credential.to_mls(), signature_key: self.public().0.to_vec().into() }
    }
}

impl Signer for LeafKey {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// What every leaf of ours can do.
pub(super) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::Unknown(POLICY_TYPE), ExtensionType::Unknown(SEEN_TYPE)]),
        None,
        Some(&[CREDENTIAL_TYPE]),
    )
}

/// A fresh leaf of a device that is seen at this time.
pub(super) fn fresh(at_ms: u64) -> Result<LeafNodeParameters, GroupError> {
    Ok(LeafNodeParameters::builder().with_capabilities(capabilities()).with_extensions(seen(at_ms)?).build())
}

/// A key package that was made: its private parts lie on the shelf.
#[derive(Debug)]
pub(crate) struct MadeKeyPackage {
    pub(crate) id: KeyPackageId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expires_ms: u64,
}

/// Makes a key package for a leaf key.
pub(crate) fn key_package(
    shelf: &mut dyn Shelf,
    seed: &Secret<32>,
    leaf: (&LeafKey, &LeafCredential),
    last_resort: bool,
) -> Result<MadeKeyPackage, GroupError> {
    let provider = Provider::new(shelf, seed);
    let (key, credential) = leaf;
    let builder = KeyPackage::builder();
    let builder = if last_resort { builder.mark_as_last_resort() } else { builder };
    // A last-resort package says so in an extension, which its leaf must know.
    let bundle = builder
        .leaf_node_capabilities(key_package_capabilities())
        .build(SUITE, &provider, key, key.with_credential(credential))
        .map_err(|_| GroupError::Broken)?;
    let package = bundle.key_package();
    let id = package.hash_ref(provider.crypto()).map_err(|_| GroupError::Broken)?;
    let id = KeyPackageId::from_slice(id.as_slice()).ok_or(GroupError::Broken)?;
    let bytes = package.tls_serialize_detached().map_err(|_| GroupError::Broken)?;
    let expires_ms = package.life_time().not_after().saturating_mul(1_000);
    Ok(MadeKeyPackage { id, bytes, expires_ms })
}

fn key_package_capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::Unknown(POLICY_TYPE), ExtensionType::LastResort]),
        None,
        Some(&[CREDENTIAL_TYPE]),
    )
}

/// Somebody who can be added: a key package that is sound in itself. Whose it is has to be checked against
/// its owner's list.
#[derive(Debug)]
pub(crate) struct OfferedMember {
    pub(crate) leaf: Leaf,
    pub(super) package: KeyPackage,
}

/// Reads a key package that the relay handed out.
pub(crate) fn offered_member(shelf: &mut dyn Shelf, bytes: &[u8]) -> Result<OfferedMember, GroupError> {
    let provider = Provider::new(shelf, &Secret::fill(|_| ()));
    let package = KeyPackageIn::tls_deserialize_exact(bytes).map_err(|_| GroupError::Malformed)?;
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(|_| GroupError::Malformed)?;
    if package.ciphersuite() != SUITE {
        return Err(GroupError::Malformed);
    }
    let leaf = Leaf::of_node(u32::MAX, package.leaf_node())?;
    Ok(OfferedMember { leaf, package })
}
