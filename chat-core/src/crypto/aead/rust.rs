//! The AEADs from the `chacha20poly1305` crate.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag, XChaCha20Poly1305};

use super::{BadTag, TAG_BYTES};

#[expect(clippy::expect_used, reason = "RFC 8439 seals up to 256 GiB; a packet has 96 KiB, a file chunk 1 MiB")]
pub(super) fn seal(key: &[u8; 32], nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
    ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), ad, InOutBuf::from(text))
        .expect("the text is far below the cipher's limit")
        .into()
}

pub(super) fn open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), BadTag> {
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), ad, InOutBuf::from(text), &Tag::from(*tag))
        .map_err(|_| BadTag)
}

pub(super) fn open_into(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    (text, tag): (&[u8], &[u8; TAG_BYTES]),
    out: &mut [u8],
) -> Result<(), BadTag> {
    out.copy_from_slice(text);
    open(key, nonce, ad, out, tag)
}

#[expect(clippy::expect_used, reason = "as for `seal`")]
pub(super) fn xseal(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
    XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), ad, InOutBuf::from(text))
        .expect("the text is far below the cipher's limit")
        .into()
}

pub(super) fn xopen(
    key: &[u8; 32],
    nonce: &[u8; 24],
    ad: &[u8],
    (text, tag): (&[u8], &[u8; TAG_BYTES]),
    out: &mut [u8],
) -> Result<(), BadTag> {
    out.copy_from_slice(text);
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), ad, InOutBuf::from(out), &Tag::from(*tag))
        .map_err(|_| BadTag)
}
