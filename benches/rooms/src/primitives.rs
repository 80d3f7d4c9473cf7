//! What a message of a room takes at least: one signature, two AEADs, and the key derivations of its ratchet.

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};

/// Derivations of one message: key, nonce and next secret of the ratchet, key and nonce of the sender's data.
const DERIVATIONS: usize = 5;
/// Bytes of a sender's data.
const SENDER_BYTES: usize = 12;

/// Everything that a message of so many padded bytes takes, by itself.
pub struct Primitives {
    key: SigningKey,
    aead: ChaCha20Poly1305,
    text: Vec<u8>,
    sealed: Vec<u8>,
    signature: ed25519_dalek::Signature,
}

impl Primitives {
    /// For a padded body.
    pub fn new(bytes: usize) -> Self {
        let key = SigningKey::from_bytes(&[4; 32]);
        let aead = ChaCha20Poly1305::new(&[9; 32].into());
        let text = vec![7; bytes];
        let sealed = aead.encrypt(&[1; 12].into(), &text[..]).expect("seals");
        let signature = key.sign(&text);
        Self { key, aead, text, sealed, signature }
    }

    fn derive(&self) {
        let hkdf = Hkdf::<Sha256>::from_prk(&[3; 32]).expect("long enough");
        for number in 0..DERIVATIONS {
            let mut out = [0; 32];
            hkdf.expand(&[number as u8; 24], &mut out).expect("short");
            std::hint::black_box(out);
        }
    }

    /// What sealing takes.
    pub fn seal(&self) {
        std::hint::black_box(self.key.sign(&self.text));
        self.derive();
        std::hint::black_box(self.aead.encrypt(&[1; 12].into(), &self.text[..]).expect("seals"));
        std::hint::black_box(self.aead.encrypt(&[2; 12].into(), &[0; SENDER_BYTES][..]).expect("seals"));
    }

    /// What opening takes.
    pub fn open(&self) {
        self.derive();
        std::hint::black_box(self.aead.decrypt(&[1; 12].into(), &self.sealed[..]).expect("opens"));
        std::hint::black_box(self.aead.encrypt(&[2; 12].into(), &[0; SENDER_BYTES][..]).expect("seals"));
        self.key.verifying_key().verify_strict(&self.text, &self.signature).expect("signed");
        std::hint::black_box(Sha256::digest(&self.text));
    }
}
