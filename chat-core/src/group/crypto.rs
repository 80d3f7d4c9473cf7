//! OpenMLS's cryptography over the primitives of this package: SHA-256, HKDF, HMAC, ChaCha20-Poly1305,
//! strict Ed25519, and HPKE (RFC 9180) with X-Wing or X25519.

use hmac::{Hmac, KeyInit, Mac};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig,
    HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
};
use sha2::{Digest, Sha256};
use tls_codec::SecretVLBytes;

use super::chance::Stream;
use crate::crypto::aead;
use crate::secret::Secret;

/// New rooms: X-Wing, ChaCha20-Poly1305, SHA-256, Ed25519 (DESIGN §6).
pub(super) const SUITE: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;
/// The classical suite of the same shape, for rooms of a later version that choose it.
const CLASSICAL: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

/// Bytes around an AEAD text.
const TAG_BYTES: usize = aead::TAG_BYTES;

/// The cryptography of one call, with its seed.
pub(super) struct Crypto {
    seed: Secret<32>,
}

impl Crypto {
    pub(super) fn new(seed: &Secret<32>) -> Self {
        Self { seed: Secret::fill(|out| out.copy_from_slice(seed.expose())) }
    }
}

fn sha256_only(hash: HashType) -> Result<(), CryptoError> {
    if hash == HashType::Sha2_256 { Ok(()) } else { Err(CryptoError::UnsupportedHashAlgorithm) }
}

fn chacha_only(alg: AeadType) -> Result<(), CryptoError> {
    if alg == AeadType::ChaCha20Poly1305 { Ok(()) } else { Err(CryptoError::UnsupportedAeadAlgorithm) }
}

fn key_of(bytes: &[u8]) -> Result<Secret<32>, CryptoError> {
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| CryptoError::InvalidLength)?;
    Ok(Secret::fill(|out| out.copy_from_slice(bytes)))
}

/// Which KEM a configuration means.
enum Which {
    XWing,
    X25519,
}

fn which(config: &HpkeConfig) -> Result<Which, CryptoError> {
    let HpkeConfig(kem, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305) = config else {
        return Err(CryptoError::UnsupportedKdf);
    };
    match kem {
        HpkeKemType::XWingKemDraft6 => Ok(Which::XWing),
        HpkeKemType::DhKem25519 => Ok(Which::X25519),
        _ => Err(CryptoError::UnsupportedCiphersuite),
    }
}

/// What an encryption is for.
struct Seal<'a> {
    public: &'a [u8],
    info: &'a [u8],
    ad: &'a [u8],
    text: &'a [u8],
}

fn seal<K: Kem>(seed: &Secret<32>, seal: &Seal<'_>) -> Result<HpkeCiphertext, CryptoError> {
    let public = K::PublicKey::from_bytes(seal.public).map_err(|_| CryptoError::InvalidPublicKey)?;
    let mut rng = Stream::hedged(seed, &[seal.public, &len(seal.info), seal.info, &len(seal.ad), seal.ad, seal.text]);
    let sealed = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        seal.info,
        seal.text,
        seal.ad,
        &mut rng,
    );
    let (encapped, ciphertext) = sealed.map_err(|_| CryptoError::HpkeEncryptionError)?;
    Ok(HpkeCiphertext { kem_output: encapped.to_bytes().to_vec().into(), ciphertext: ciphertext.into() })
}

fn len(bytes: &[u8]) -> [u8; 8] {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes()
}

fn open<K: Kem>(input: &HpkeCiphertext, private: &[u8], info: &[u8], ad: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let private = K::PrivateKey::from_bytes(private).map_err(|_| CryptoError::HpkeDecryptionError)?;
    let encapped = K::EncappedKey::from_bytes(input.kem_output.as_slice());
    let encapped = encapped.map_err(|_| CryptoError::HpkeDecryptionError)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeR::Base,
        &private,
        &encapped,
        info,
        input.ciphertext.as_slice(),
        ad,
    )
    .map_err(|_| CryptoError::HpkeDecryptionError)
}

fn send_export<K: Kem>(
    seed: &Secret<32>,
    public: &[u8],
    info: &[u8],
    context: &[u8],
    out: &mut [u8],
) -> Result<KemOutput, CryptoError> {
    let key = K::PublicKey::from_bytes(public).map_err(|_| CryptoError::InvalidPublicKey)?;
    let mut rng = Stream::hedged(seed, &[b"export", public, &len(info), info, context]);
    let setup = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeS::Base, &key, info, &mut rng);
    let (encapped, sender) = setup.map_err(|_| CryptoError::SenderSetupError)?;
    sender.export(context, out).map_err(|_| CryptoError::ExporterError)?;
    Ok(encapped.to_bytes().to_vec())
}

fn receive_export<K: Kem>(
    encapped: &[u8],
    private: &[u8],
    info: &[u8],
    context: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let private = K::PrivateKey::from_bytes(private).map_err(|_| CryptoError::ReceiverSetupError)?;
    let encapped = K::EncappedKey::from_bytes(encapped).map_err(|_| CryptoError::ReceiverSetupError)?;
    let receiver = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeR::Base, &private, &encapped, info);
    let receiver = receiver.map_err(|_| CryptoError::ReceiverSetupError)?;
    receiver.export(context, out).map_err(|_| CryptoError::ExporterError)
}

fn derive<K: Kem>(ikm: &[u8]) -> HpkeKeyPair {
    let (private, public) = K::derive_keypair(ikm);
    HpkeKeyPair { private: private.to_bytes().to_vec().into(), public: public.to_bytes().to_vec() }
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        if suite == SUITE || suite == CLASSICAL { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE, CLASSICAL]
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        sha256_only(hash)?;
        let (prk, _) = hkdf::Hkdf::<Sha256>::extract(Some(salt), ikm);
        Ok(prk.to_vec().into())
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        sha256_only(hash)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec().into())
    }

    fn hkdf_expand(&self, hash: HashType, prk: &[u8], info: &[u8], len: usize) -> Result<SecretVLBytes, CryptoError> {
        sha256_only(hash)?;
        let hkdf = hkdf::Hkdf::<Sha256>::from_prk(prk).map_err(|_| CryptoError::InvalidLength)?;
        let mut out = vec![0; len];
        hkdf.expand(info, &mut out).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        Ok(out.into())
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        sha256_only(hash)?;
        Ok(Sha256::digest(data).to_vec())
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        ad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        chacha_only(alg)?;
        let nonce = nonce.try_into().map_err(|_| CryptoError::InvalidLength)?;
        let mut out = Vec::with_capacity(data.len().saturating_add(TAG_BYTES));
        out.extend_from_slice(data);
        let tag = aead::seal(key_of(key)?.expose(), nonce, ad, &mut out);
        out.extend_from_slice(&tag);
        Ok(out)
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        sealed: &[u8],
        nonce: &[u8],
        ad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        chacha_only(alg)?;
        let nonce = nonce.try_into().map_err(|_| CryptoError::InvalidLength)?;
        let (text, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(CryptoError::InvalidLength)?;
        let mut out = text.to_vec();
        aead::open(&key_of(key)?, nonce, ad, &mut out, tag).map_err(|_| CryptoError::AeadDecryptionError)?;
        Ok(out)
    }

    fn signature_key_gen(&self, _: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        // Leaf keys are made by `keys`, with the caller's randomness.
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        if alg != SignatureScheme::ED25519 {
            return Err(CryptoError::UnsupportedSignatureScheme);
        }
        let key: &[u8; 32] = key.try_into().map_err(|_| CryptoError::InvalidLength)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| CryptoError::InvalidPublicKey)?;
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| CryptoError::InvalidLength)?;
        key.verify_strict(data, &signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn sign(&self, _: SignatureScheme, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        ad: &[u8],
        text: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let what = Seal { public, info, ad, text };
        match which(&config)? {
            Which::XWing => seal::<XWing>(&self.seed, &what),
            Which::X25519 => seal::<X25519HkdfSha256>(&self.seed, &what),
        }
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        private: &[u8],
        info: &[u8],
        ad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        match which(&config)? {
            Which::XWing => open::<XWing>(input, private, info, ad),
            Which::X25519 => open::<X25519HkdfSha256>(input, private, info, ad),
        }
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        let mut out = vec![0; length];
        let encapped = match which(&config)? {
            Which::XWing => send_export::<XWing>(&self.seed, public, info, context, &mut out)?,
            Which::X25519 => send_export::<X25519HkdfSha256>(&self.seed, public, info, context, &mut out)?,
        };
        Ok((encapped, out.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        encapped: &[u8],
        private: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        let mut out = vec![0; length];
        match which(&config)? {
            Which::XWing => receive_export::<XWing>(encapped, private, info, context, &mut out)?,
            Which::X25519 => receive_export::<X25519HkdfSha256>(encapped, private, info, context, &mut out)?,
        }
        Ok(out.into())
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        Ok(match which(&config)? {
            Which::XWing => derive::<XWing>(ikm),
            Which::X25519 => derive::<X25519HkdfSha256>(ikm),
        })
    }
}
