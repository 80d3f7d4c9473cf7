//! What is encapsulated opens, and a low-order half never does.

use super::{PUBLIC_BYTES, XWingSeed, encapsulate};
use crate::crypto::dh::tests::low_order_points;
use crate::crypto::tests::rng;

#[test]
fn both_sides_get_the_same_secret_and_another_seed_does_not() {
    let seed = XWingSeed::from_slice(&[3; 32]).unwrap();
    let (ciphertext, shared) = encapsulate(&seed.public(), &mut rng()).unwrap();
    assert!(seed.decapsulate(&ciphertext).unwrap().ct_eq(&shared));
    let other = XWingSeed::from_slice(&[4; 32]).unwrap();
    assert!(!other.decapsulate(&ciphertext).unwrap().ct_eq(&shared));
}

#[test]
fn a_low_order_half_of_a_ciphertext_is_refused() {
    let seed = XWingSeed::from_slice(&[3; 32]).unwrap();
    for point in low_order_points() {
        let (mut ciphertext, _) = encapsulate(&seed.public(), &mut rng()).unwrap();
        ciphertext[1088..].copy_from_slice(&point.0);
        assert!(seed.decapsulate(&ciphertext).is_err(), "{}", hex::encode(point.0));
    }
}

#[test]
fn a_public_key_outside_the_modulus_is_refused() {
    assert!(encapsulate(&[0xff; PUBLIC_BYTES], &mut rng()).is_err());
}
