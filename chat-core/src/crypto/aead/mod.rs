//! ChaCha20-Poly1305 (RFC 8439) and XChaCha20-Poly1305, sealed and opened in place.

#[cfg(feature = "aws-lc")]
mod aws;
#[cfg(any(not(feature = "aws-lc"), test))]
mod rust;

#[cfg(feature = "aws-lc")]
use aws as backend;
#[cfg(not(feature = "aws-lc"))]
use rust as backend;

use crate::secret::Secret;

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// The tag did not fit: wrong key, nonce, associated data or ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadTag;

/// Encrypts in place and returns the tag. A (key, nonce) pair is used once, ever.
pub(crate) fn seal(key: &[u8; 32], nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
    backend::seal(key, nonce, ad, text)
}

/// Decrypts in place. On failure the buffer holds no plaintext that a caller may use.
pub(crate) fn open(
    key: &Secret<32>,
    nonce: &[u8; 12],
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), BadTag> {
    backend::open(key.expose(), nonce, ad, text, tag)
}

/// Decrypts ciphertext and tag into `out`, which is as long as the text. On failure it holds no plaintext.
pub(crate) fn open_into(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    sealed: &[u8],
    out: &mut [u8],
) -> Result<(), BadTag> {
    let (text, tag) = sealed.split_last_chunk().ok_or(BadTag)?;
    if text.len() != out.len() {
        return Err(BadTag);
    }
    backend::open_into(key, nonce, ad, (text, tag), out)
}

/// As [`seal`] with a nonce wide enough to be random.
pub(crate) fn xseal(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
    backend::xseal(key, nonce, ad, text)
}

/// Decrypts ciphertext and tag into `out`, which is as long as the text, with a nonce wide enough to be
/// random. On failure it holds no plaintext.
pub(crate) fn xopen(
    key: &[u8; 32],
    nonce: &[u8; 24],
    ad: &[u8],
    sealed: (&[u8], &[u8; TAG_BYTES]),
    out: &mut [u8],
) -> Result<(), BadTag> {
    backend::xopen(key, nonce, ad, sealed, out)
}

#[cfg(test)]
mod tests;
