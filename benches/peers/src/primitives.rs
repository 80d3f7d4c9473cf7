//! The primitives of the construction called by hand, one after the other, as a program would that needs
//! nothing else: no types, no states, no copies, no checks but those that a primitive asks for.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use libcrux_ml_kem::mlkem1024;
use rand_core::Rng as _;
use sha2::{Digest, Sha256};

use crate::chance::Chance;

/// Bytes of a header before and after sealing.
const HEADER: usize = 45;

#[cfg(feature = "aws-lc")]
mod backend {
    use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
    use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree as aws_agree};

    fn key_of(key: &[u8]) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("32 bytes"))
    }

    pub fn seal(key: &[u8], nonce: [u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; 16] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key_of(key).seal_in_place_separate_tag(nonce, Aad::from(ad), text).expect("seals");
        tag.as_ref().try_into().expect("16 bytes")
    }

    pub fn open(key: &[u8], nonce: [u8; 12], ad: &[u8], (text, tag): (&[u8], &[u8]), out: &mut [u8]) -> bool {
        key_of(key).open_separate_gather(Nonce::assume_unique_for_key(nonce), Aad::from(ad), text, tag, out).is_ok()
    }

    fn wide(key: &[u8; 32], nonce: &[u8; 24]) -> ([u8; 32], [u8; 12]) {
        let subkey = chacha20::hchacha::<chacha20::R20>(key.into(), nonce[..16].try_into().expect("16 bytes"));
        let mut short = [0; 12];
        short[4..].copy_from_slice(&nonce[16..]);
        (subkey.into(), short)
    }

    pub fn xseal(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], text: &mut [u8]) -> [u8; 16] {
        let (key, nonce) = wide(key, nonce);
        seal(&key, nonce, ad, text)
    }

    pub fn xopen(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], sealed: (&[u8], &[u8]), out: &mut [u8]) -> bool {
        let (key, nonce) = wide(key, nonce);
        open(&key, nonce, ad, sealed, out)
    }

    pub type Prepared = PrivateKey;

    pub fn prepare(secret: &[u8; 32]) -> Prepared {
        PrivateKey::from_private_key(&X25519, secret).expect("32 bytes")
    }

    pub fn public(secret: &Prepared) -> [u8; 32] {
        secret.compute_public_key().expect("a key").as_ref().try_into().expect("32 bytes")
    }

    pub fn agree(secret: &Prepared, theirs: &[u8; 32]) -> [u8; 32] {
        aws_agree(secret, UnparsedPublicKey::new(&X25519, theirs), (), |s| Ok(s.try_into().expect("32 bytes")))
            .expect("contributory")
    }
}

#[cfg(not(feature = "aws-lc"))]
mod backend {
    use chacha20poly1305::aead::inout::InOutBuf;
    use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag, XChaCha20Poly1305};
    use x25519_dalek::{PublicKey, StaticSecret};

    pub fn seal(key: &[u8], nonce: [u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; 16] {
        let cipher = ChaCha20Poly1305::new(key.try_into().expect("32 bytes"));
        cipher.encrypt_inout_detached(&nonce.into(), ad, InOutBuf::from(text)).expect("seals").into()
    }

    pub fn open(key: &[u8], nonce: [u8; 12], ad: &[u8], (text, tag): (&[u8], &[u8]), out: &mut [u8]) -> bool {
        let cipher = ChaCha20Poly1305::new(key.try_into().expect("32 bytes"));
        let tag = Tag::try_from(tag).expect("16 bytes");
        out.copy_from_slice(text);
        cipher.decrypt_inout_detached(&nonce.into(), ad, InOutBuf::from(out), &tag).is_ok()
    }

    pub fn xseal(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], text: &mut [u8]) -> [u8; 16] {
        let cipher = XChaCha20Poly1305::new(key.into());
        cipher.encrypt_inout_detached(nonce.into(), ad, InOutBuf::from(text)).expect("seals").into()
    }

    pub fn xopen(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], (text, tag): (&[u8], &[u8]), out: &mut [u8]) -> bool {
        let cipher = XChaCha20Poly1305::new(key.into());
        let tag = Tag::try_from(tag).expect("16 bytes");
        out.copy_from_slice(text);
        cipher.decrypt_inout_detached(nonce.into(), ad, InOutBuf::from(out), &tag).is_ok()
    }

    pub type Prepared = StaticSecret;

    pub fn prepare(secret: &[u8; 32]) -> Prepared {
        StaticSecret::from(*secret)
    }

    pub fn public(secret: &Prepared) -> [u8; 32] {
        PublicKey::from(secret).to_bytes()
    }

    pub fn agree(secret: &Prepared, theirs: &[u8; 32]) -> [u8; 32] {
        let shared = secret.diffie_hellman(&PublicKey::from(*theirs));
        assert!(shared.was_contributory());
        shared.to_bytes()
    }
}

pub use backend::Prepared;

/// One key in, two HMACs out: a step of a chain.
fn chain(key: &[u8; 32], one: &[u8], other: &[u8]) -> ([u8; 32], [u8; 32]) {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    let run = |mut mac: Hmac<Sha256>, text: &[u8]| {
        mac.update(text);
        mac.finalize().into_bytes().into()
    };
    (run(mac.clone(), one), run(mac, other))
}

/// A step of both chains.
pub fn chain_step(ec: &mut [u8; 32], pq: &mut [u8; 32]) -> ([u8; 32], [u8; 32]) {
    let (next, seed) = chain(ec, &[2], &[1]);
    let (pq_next, pq_key) = chain(pq, &[2, 0, 0, 0, 9], &[1, 0, 0, 0, 9]);
    (*ec, *pq) = (next, pq_next);
    (seed, pq_key)
}

/// What sealing a padded body of these bytes needs: both chains, the hedged value, header, keys, body.
pub fn seal_in_chain(body: &mut [u8], rng: &mut Chance) -> [u8; 16] {
    let (seed, pq_key) = chain_step(&mut [1; 32], &mut [2; 32]);
    let joined = Hkdf::<Sha256>::new(Some(&pq_key), &seed);
    let mut random = [0; 32];
    rng.fill_bytes(&mut random);
    let mut hedged = [0; 16];
    let label = b"CHAT-v1 dm/r\0";
    joined.expand_multi_info(&[label, &random, &Sha256::digest(&body)], &mut hedged).expect("16 bytes");
    let mut header = [5; HEADER];
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(&hedged);
    let tag = backend::xseal(&[7; 32], &nonce, &[3; 46], &mut header);
    let keys = body_keys(&joined, &hedged, &header, &tag);
    backend::seal(&keys[..32], keys[32..44].try_into().expect("12 bytes"), &[4; 110], body)
}

/// A header and a body that [`open_in_chain`] opens.
pub struct SealedPair {
    header: ([u8; HEADER], [u8; 16]),
    body: (Vec<u8>, [u8; 16]),
}

impl SealedPair {
    /// A padded body of these bytes.
    pub fn of(mut body: Vec<u8>) -> Self {
        let mut header = [5; HEADER];
        let header_tag = backend::xseal(&[7; 32], &[6; 24], &[3; 46], &mut header);
        let (seed, pq_key) = chain_step(&mut [1; 32], &mut [2; 32]);
        let keys = body_keys(&Hkdf::<Sha256>::new(Some(&pq_key), &seed), &[6; 16], &header, &header_tag);
        let nonce = keys[32..44].try_into().expect("12 bytes");
        let tag = backend::seal(&keys[..32], nonce, &[4; 110], &mut body);
        Self { header: (header, header_tag), body: (body, tag) }
    }
}

/// What opening needs: the header, both chains, keys, body.
pub fn open_in_chain(sealed: &SealedPair, out: &mut [u8]) {
    let (header, tag) = (&sealed.header.0, &sealed.header.1);
    assert!(backend::xopen(&[7; 32], &[6; 24], &[3; 46], (header, tag), &mut [0; HEADER]));
    let (seed, pq_key) = chain_step(&mut [1; 32], &mut [2; 32]);
    let keys = body_keys(&Hkdf::<Sha256>::new(Some(&pq_key), &seed), &[6; 16], header, tag);
    let nonce = keys[32..44].try_into().expect("12 bytes");
    assert!(backend::open(&keys[..32], nonce, &[4; 110], (&sealed.body.0, &sealed.body.1), out));
}

fn body_keys(joined: &Hkdf<Sha256>, hedged: &[u8; 16], header: &[u8; HEADER], tag: &[u8; 16]) -> [u8; 60] {
    let mut keys = [0; 60];
    let label = b"CHAT-v1 dm/mk\0";
    joined.expand_multi_info(&[label, &[8; 32], &[1], hedged, header, tag], &mut keys).expect("60 bytes");
    keys
}

/// Opens that fail, one for each header key that is tried.
pub fn failed_header_opens(count: usize) {
    for key in 0..count {
        let key = [u8::try_from(key).expect("few"); 32];
        assert!(!backend::xopen(&key, &[6; 24], &[3; 46], (&[9; HEADER], &[9; 16]), &mut [0; HEADER]));
    }
}

/// A step of the root: one agreement and the derivation behind it.
pub fn root_step(secret: &Prepared, theirs: &[u8; 32]) -> [u8; 96] {
    let shared = backend::agree(secret, theirs);
    let mut keys = [0; 96];
    let label = b"CHAT-v1 dm/root\0";
    Hkdf::<Sha256>::new(Some(&[1; 32]), &shared).expand_multi_info(&[label, &[2; 16]], &mut keys).expect("96 bytes");
    keys
}

/// A new ratchet key.
pub fn ratchet_key(rng: &mut Chance) -> (Prepared, [u8; 32]) {
    let mut secret = [0; 32];
    rng.fill_bytes(&mut secret);
    let secret = backend::prepare(&secret);
    let public = backend::public(&secret);
    (secret, public)
}

/// A signature of somebody over a prekey.
pub struct Signed {
    key: [u8; 32],
    signature: [u8; 64],
    text: Vec<u8>,
}

impl Signed {
    /// Over a text of these bytes.
    pub fn over(bytes: usize) -> Self {
        use ed25519_dalek::Signer as _;
        let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        let text = vec![7; bytes];
        Self { key: key.verifying_key().to_bytes(), signature: key.sign(&text).to_bytes(), text }
    }

    fn verify(&self) {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.key).expect("a key");
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
        key.verify_strict(&self.text, &signature).expect("verifies");
    }
}

/// Two people's keys for a handshake.
pub struct Handshake {
    seed: [u8; 64],
    kem: Vec<u8>,
    ciphertext: Vec<u8>,
    secret: Prepared,
    public: [u8; 32],
    signed: [Signed; 2],
}

impl Default for Handshake {
    fn default() -> Self {
        let seed = [4; 64];
        let pair = mlkem1024::generate_key_pair(seed);
        let (ciphertext, _) = mlkem1024::encapsulate(pair.public_key(), [5; 32]);
        Self {
            seed,
            kem: pair.pk().to_vec(),
            ciphertext: ciphertext.as_slice().to_vec(),
            secret: backend::prepare(&[6; 32]),
            public: backend::public(&backend::prepare(&[8; 32])),
            // Label, owner and key: of the signed prekey, of the pair.
            signed: [Signed::over(96), Signed::over(1_696)],
        }
    }
}

impl Handshake {
    /// Two signatures, a key pair, an encapsulation, four agreements, and what joins them.
    pub fn initiate(&self, rng: &mut Chance) -> [u8; 192] {
        self.signed.iter().for_each(Signed::verify);
        let (secret, _) = ratchet_key(rng);
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let kem: [u8; 1568] = self.kem.as_slice().try_into().expect("a key");
        let public = kem.into();
        assert!(mlkem1024::validate_public_key(&public));
        let (_, shared) = mlkem1024::encapsulate(&public, random);
        self.join(&secret, &shared, true)
    }

    /// A key pair from its seed, a decapsulation, four agreements, and what joins them.
    pub fn accept(&self) -> [u8; 192] {
        let pair = mlkem1024::generate_key_pair(self.seed);
        let ciphertext: [u8; 1568] = self.ciphertext.as_slice().try_into().expect("a ciphertext");
        let shared = mlkem1024::decapsulate(pair.private_key(), &ciphertext.into());
        self.join(&self.secret, &shared, false)
    }

    /// Hashes and derivations are the same on both sides, as key-schedule A and B write them down.
    fn join(&self, secret: &Prepared, shared: &[u8; 32], seals: bool) -> [u8; 192] {
        // The ids of the three prekeys, with label and kind.
        for key in [&[1; 32][..], &[2; 32], &self.kem] {
            std::hint::black_box(Sha256::digest([&[3; 19][..], key].concat()));
        }
        let agreed: Vec<_> = (0..4).flat_map(|_| backend::agree(secret, &self.public)).collect();
        let prefix = [&[1; 92][..], &self.ciphertext].concat();
        let input = [&[0xff; 32][..], &agreed, shared].concat();
        let mut key = [0; 32];
        let hash = Sha256::digest(&prefix);
        Hkdf::<Sha256>::new(Some(&[1; 32]), &input)
            .expand_multi_info(&[b"CHAT-v1 dm/id\0", &hash], &mut key)
            .expect("32");
        let mut identity = [0; 253];
        let tag = backend::seal(&key, [0; 12], &prefix, &mut identity);
        if !seals {
            // As long as opening it; sealing makes what is opened here.
            std::hint::black_box(tag);
        }
        let (id, kem) = (Sha256::digest(&prefix), Sha256::digest(&self.kem));
        std::hint::black_box(id);
        // Label, suite, relay, both identities, number, flags, keys and ids; H(ek) and the ciphertext.
        let transcript = Sha256::digest([&[2; 590][..], &kem, &self.ciphertext].concat());
        let mut out = [0; 192];
        let label = b"CHAT-v1 dm/sk\0";
        Hkdf::<Sha256>::new(Some(&[0; 32]), &input).expand_multi_info(&[label, &transcript], &mut out).expect("192");
        for direction in 0..2 {
            std::hint::black_box(Sha256::digest([&[4; 14][..], &transcript, &out[..16], &[direction]].concat()));
        }
        let mut start = [0; 128];
        Hkdf::<Sha256>::from_prk(&out[32..64])
            .expect("32 bytes")
            .expand(b"CHAT-v1 pq/start\0 and sid", &mut start)
            .expect("128");
        let mut authenticator = [0; 64];
        Hkdf::<Sha256>::new(Some(&[0; 32]), &start[96..])
            .expand(b"CHAT-v1 pq/auth\0 and sid and epoch", &mut authenticator)
            .expect("64");
        std::hint::black_box(authenticator);
        out
    }
}

/// Single primitives, for what they say of the machine: an agreement, a new key, a padded body of 512 B.
pub fn agreement(own: &Prepared, theirs: &[u8; 32]) -> [u8; 32] {
    backend::agree(own, theirs)
}

/// ML-KEM-768: a key pair from a seed, an encapsulation, a decapsulation.
pub fn kem_epoch() -> [u8; 32] {
    use libcrux_ml_kem::mlkem768;
    let pair = mlkem768::generate_key_pair([3; 64]);
    let (ciphertext, _) = mlkem768::encapsulate(pair.public_key(), [4; 32]);
    mlkem768::decapsulate(pair.private_key(), &ciphertext)
}
