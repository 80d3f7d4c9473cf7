//! SPEC 4.1, 8.1 to 8.3 on aws-lc-rs, `chacha20` (for XChaCha's subkey) and `ml-kem`.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::{digest, hmac};

/// `L(x)`.
pub(crate) fn label(text: &str) -> Vec<u8> {
    [b"CHAT-v1 ", text.as_bytes(), &[0]].concat()
}

/// `H`.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    digest::digest(&digest::SHA256, &parts.concat()).as_ref().try_into().unwrap()
}

pub(crate) fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().try_into().unwrap()
}

/// `Ext` of HKDF.
pub(crate) fn extract(salt: &[u8], input: &[u8]) -> [u8; 32] {
    mac(salt, input)
}

/// `Exp` of HKDF.
pub(crate) fn expand(prk: &[u8; 32], info: &[&[u8]], len: usize) -> Vec<u8> {
    let (info, mut out, mut block) = (info.concat(), Vec::new(), Vec::new());
    for counter in 1_u8.. {
        block = mac(prk, &[&block[..], &info, &[counter]].concat()).to_vec();
        out.extend_from_slice(&block);
        if out.len() >= len {
            break;
        }
    }
    out.truncate(len);
    out
}

pub(crate) fn agree(secret: &[u8], public: &[u8]) -> [u8; 32] {
    let own = PrivateKey::from_private_key(&X25519, secret).unwrap();
    let peer = UnparsedPublicKey::new(&X25519, public);
    agreement::agree(&own, peer, (), |shared| Ok(<[u8; 32]>::try_from(shared).unwrap())).unwrap()
}

pub(crate) fn public_of(secret: &[u8]) -> Vec<u8> {
    let own = PrivateKey::from_private_key(&X25519, secret).unwrap();
    own.compute_public_key().unwrap().as_ref().to_vec()
}

/// ChaCha20-Poly1305.
pub(crate) fn open(key: &[u8], nonce: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap());
    let mut bytes = sealed.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    key.open_in_place(nonce, Aad::from(aad), &mut bytes).ok().map(|text| text.to_vec())
}

/// XChaCha20-Poly1305: HChaCha20 of the first 16 bytes of the nonce, then the rest behind four zeros.
pub(crate) fn xopen(key: &[u8], nonce: &[u8; 24], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let subkey = chacha20::hchacha::<chacha20::R20>(key.try_into().unwrap(), nonce[..16].try_into().unwrap());
    open(&subkey, &[&[0; 4], &nonce[16..]].concat(), aad, sealed)
}

pub(crate) fn sha3_256(text: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA3_256, text).as_ref().to_vec()
}

/// FIPS 203's `K` of an encapsulation: the first half of `G(m ‖ H(ek))`.
pub(crate) fn kem_shared_768(coins: &[u8], hash: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA3_512, &[coins, hash].concat()).as_ref()[..32].to_vec()
}

pub(crate) fn decapsulate_768(seed: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    use ml_kem::{Decapsulate as _, MlKem768};
    let secret = ml_kem::DecapsulationKey::<MlKem768>::from_seed(ml_kem::Seed::try_from(seed).unwrap());
    secret.decapsulate(ciphertext.try_into().unwrap()).as_slice().to_vec()
}

/// The encapsulation key of a seed `d ‖ z`, and the secret of a ciphertext (ML-KEM-1024).
pub(crate) fn decapsulate(seed: &[u8], ciphertext: &[u8]) -> (Vec<u8>, [u8; 32]) {
    use ml_kem::{Decapsulate as _, KeyExport as _, MlKem1024};
    let secret = ml_kem::DecapsulationKey::<MlKem1024>::from_seed(ml_kem::Seed::try_from(seed).unwrap());
    let shared = secret.decapsulate(ciphertext.try_into().unwrap());
    (secret.encapsulation_key().to_bytes().to_vec(), shared.as_slice().try_into().unwrap())
}
