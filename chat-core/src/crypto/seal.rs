//! `CSeal` and `XSeal` of key-schedule E: committing encryption under a key, and to a public key.
//!
//! ```text
//! CSeal(K, lab, AD, P): s 32 random; Exp(Ext(s, K), L(lab) ‖ H(AD), 64) = k | com; s ‖ com ‖ AEAD(k, 0^12, AD, P)
//! XSeal(pk, lab, AD, P): (ct 1120, ss) = X-Wing.Encaps(pk); ct ‖ CSeal(ss, lab, AD ‖ H(pk) ‖ H(ct), P)
//! ```

use chat_wire::codec::Reader;
use chat_wire::domain::plain_hash;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{self, TAG_BYTES};
use super::hkdf::{Prk, part};
use super::random;
use super::xwing::{self, XWingSeed};
use crate::secret::Secret;

/// Bytes that `CSeal` adds.
pub(crate) const CSEAL_BYTES: usize = 32 + 32 + TAG_BYTES;
/// Bytes that `XSeal` adds.
pub(crate) const XSEAL_BYTES: usize = xwing::CIPHERTEXT_BYTES + CSEAL_BYTES;

/// What a box is for and what it is bound to.
#[derive(Clone, Copy)]
pub(crate) struct Binding<'a> {
    /// `L(lab)`, from `labels`.
    pub(crate) label: &'static [u8],
    /// Associated data.
    pub(crate) ad: &'a [u8],
}

/// A box did not open: wrong key, wrong binding or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadSeal;

/// `CSeal`.
pub(crate) fn cseal(key: &Secret<32>, to: Binding<'_>, text: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
    let salt: [u8; 32] = random::bytes(rng);
    let keys = keys_of(key, &salt, to);
    let mut out = Vec::with_capacity(text.len().saturating_add(CSEAL_BYTES));
    out.extend_from_slice(&salt);
    out.extend_from_slice(part(&keys, 1).expose());
    let mut body = Zeroizing::new(text.to_vec());
    // The key is new with each salt, so the zero nonce is used once.
    let tag = aead::seal(part(&keys, 0).expose(), &[0; 12], to.ad, &mut body);
    out.extend_from_slice(&body);
    out.extend_from_slice(&tag);
    out
}

/// Opens a `CSeal` box.
pub(crate) fn copen(key: &Secret<32>, from: Binding<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadSeal> {
    let mut reader = Reader::new(sealed);
    let salt: [u8; 32] = reader.array().map_err(|_| BadSeal)?;
    let commitment: [u8; 32] = reader.array().map_err(|_| BadSeal)?;
    let (text, tag) = reader.rest().split_last_chunk::<TAG_BYTES>().ok_or(BadSeal)?;
    let keys = keys_of(key, &salt, from);
    if !bool::from(part(&keys, 1).expose().ct_eq(&commitment)) {
        return Err(BadSeal);
    }
    let mut body = Zeroizing::new(text.to_vec());
    aead::open(&part(&keys, 0), &[0; 12], from.ad, &mut body, tag).map_err(|_| BadSeal)?;
    Ok(body)
}

/// `XSeal`.
pub(crate) fn xseal(
    public: &[u8; xwing::PUBLIC_BYTES],
    to: Binding<'_>,
    text: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, BadSeal> {
    let (ciphertext, shared) = xwing::encapsulate(public, rng).map_err(|_| BadSeal)?;
    let ad = bound(to.ad, public, &ciphertext);
    let mut out = ciphertext.to_vec();
    out.extend_from_slice(&cseal(&shared, Binding { label: to.label, ad: &ad }, text, rng));
    Ok(out)
}

/// Opens an `XSeal` box.
pub(crate) fn xopen(seed: &XWingSeed, from: Binding<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadSeal> {
    let (ciphertext, rest) = sealed.split_first_chunk::<{ xwing::CIPHERTEXT_BYTES }>().ok_or(BadSeal)?;
    let shared = seed.decapsulate(ciphertext).map_err(|_| BadSeal)?;
    let ad = bound(from.ad, &seed.public(), ciphertext);
    copen(&shared, Binding { label: from.label, ad: &ad }, rest)
}

fn bound(ad: &[u8], public: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    [ad, &plain_hash(&[public]), &plain_hash(&[ciphertext])].concat()
}

fn keys_of(key: &Secret<32>, salt: &[u8; 32], to: Binding<'_>) -> Secret<64> {
    Prk::extract(salt, &[key.expose()]).expand(&[to.label, &plain_hash(&[to.ad])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::rng;

    const LABEL: &[u8] = b"CHAT-v1 test\0";

    #[test]
    fn a_box_opens_only_under_its_key_label_and_data_and_unchanged() {
        let rng = &mut rng();
        let (key, other) = (random::secret(rng), random::secret(rng));
        let to = Binding { label: LABEL, ad: b"for you" };
        let sealed = cseal(&key, to, b"text", rng);
        assert_eq!(sealed.len(), 4 + CSEAL_BYTES);
        assert_eq!(copen(&key, to, &sealed).as_deref().map(Vec::as_slice), Ok(&b"text"[..]));
        assert_eq!(copen(&other, to, &sealed), Err(BadSeal));
        assert_eq!(copen(&key, Binding { label: b"CHAT-v1 tesu\0", ..to }, &sealed), Err(BadSeal));
        assert_eq!(copen(&key, Binding { ad: b"for me", ..to }, &sealed), Err(BadSeal));
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(copen(&key, to, &bad), Err(BadSeal), "byte {at}");
            assert_eq!(copen(&key, to, &sealed[..at]), Err(BadSeal), "{at} bytes");
        }
    }

    #[test]
    fn a_public_key_box_opens_only_for_its_owner() {
        let rng = &mut rng();
        let (mine, other) = (XWingSeed::new(random::secret(rng)), XWingSeed::new(random::secret(rng)));
        let to = Binding { label: LABEL, ad: b"for you" };
        let sealed = xseal(&mine.public(), to, b"text", rng).unwrap();
        assert_eq!(sealed.len(), 4 + XSEAL_BYTES);
        assert_eq!(xopen(&mine, to, &sealed).as_deref().map(Vec::as_slice), Ok(&b"text"[..]));
        assert_eq!(xopen(&other, to, &sealed), Err(BadSeal));
        for at in [0, 1119, 1120, 1152, 1184, sealed.len() - 1] {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(xopen(&mine, to, &bad), Err(BadSeal), "byte {at}");
        }
    }
}
