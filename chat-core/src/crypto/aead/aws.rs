//! The AEADs from aws-lc-rs. It has no XChaCha20-Poly1305: the subkey comes from HChaCha20, as
//! draft-irtf-cfrg-xchacha-03 §2.3 builds it.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20::hchacha;
use zeroize::Zeroizing;

use super::{BadTag, TAG_BYTES};

pub(super) fn seal(key: &[u8; 32], nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
    let mut out = [0; TAG_BYTES];
    seal_into(key, nonce, ad, text, &mut out);
    out
}

#[expect(clippy::expect_used, reason = "RFC 8439 seals up to 256 GiB; a packet has 96 KiB, a file chunk 1 MiB")]
fn seal_into(key: &[u8; 32], nonce: &[u8; 12], ad: &[u8], text: &mut [u8], out: &mut [u8; TAG_BYTES]) {
    let tag = key_of(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(ad), text)
        .expect("the text is far below the cipher's limit");
    for (to, from) in out.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
}

pub(super) fn open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), BadTag> {
    let mut plain = Zeroizing::new(vec![0; text.len()]);
    open_into(key, nonce, ad, (text, tag), &mut plain)?;
    text.copy_from_slice(&plain);
    Ok(())
}

pub(super) fn open_into(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    (text, tag): (&[u8], &[u8; TAG_BYTES]),
    out: &mut [u8],
) -> Result<(), BadTag> {
    key_of(key)
        .open_separate_gather(Nonce::assume_unique_for_key(*nonce), Aad::from(ad), text, tag, out)
        .map_err(|_| BadTag)
}

pub(super) fn xseal(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
    let (subkey, nonce) = subkey(key, nonce);
    seal(&subkey, &nonce, ad, text)
}

pub(super) fn xopen(
    key: &[u8; 32],
    nonce: &[u8; 24],
    ad: &[u8],
    sealed: (&[u8], &[u8; TAG_BYTES]),
    out: &mut [u8],
) -> Result<(), BadTag> {
    let (subkey, nonce) = subkey(key, nonce);
    open_into(&subkey, &nonce, ad, sealed, out)
}

/// The key that 16 bytes of the nonce select, and the short nonce with the other 8.
fn subkey(key: &[u8; 32], nonce: &[u8; 24]) -> (Zeroizing<[u8; 32]>, [u8; 12]) {
    let [head @ .., _, _, _, _, _, _, _, _] = nonce;
    let [.., a, b, c, d, e, f, g, h] = *nonce;
    let subkey = hchacha::<chacha20::R20>(key.into(), head.into());
    (Zeroizing::new(subkey.into()), [0, 0, 0, 0, a, b, c, d, e, f, g, h])
}

#[expect(clippy::expect_used, reason = "the only refusal is a wrong key length")]
fn key_of(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes"))
}
