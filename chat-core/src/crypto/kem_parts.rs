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

    /// The public halves.
    pub(crate) fn public(&self) -> PublicParts {
        let pair = parts::KeyPairCompressedBytes::from_seed(*self.expose());
        let public = PublicParts { header: *pair.pk1(), vector: *pair.pk2() };
        pair.to_bytes().zeroize();
        public
    }

    /// The shared secret of a ciphertext in halves. A wrong ciphertext gives another secret.
    pub(crate) fn decapsulate(&self, first: &[u8; FIRST_BYTES], second: &[u8; SECOND_BYTES]) -> Secret<32> {
        let mut pair = parts::KeyPairCompressedBytes::from_seed(*self.expose()).to_bytes();
        let (first, second) = (parts::Ciphertext1 { value: *first }, parts::Ciphertext2 { value: *second });
        let secret =
            Secret::fill(|out| out.copy_from_slice(&parts::decapsulate_compressed_key(&pair, &first, &second)));
        pair.zeroize();
        secret
    }
}

impl PartsRandomness {
    /// New randomness for one encapsulation.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::new(random::secret(rng))
    }

    /// The first half and the shared secret, which stands before the vector is known.
    pub(crate) fn encapsulate_first(
        &self,
        header: &[u8; HEADER_BYTES],
    ) -> Result<([u8; FIRST_BYTES], Secret<32>), BadParts> {
        let (first, mut state, shared) = self.run(header)?;
        state.zeroize();
        Ok((first, shared))
    }

    /// The second half. The caller has checked with [`vector_fits`] that the vector is the header's.
    pub(crate) fn encapsulate_second(
        &self,
        header: &[u8; HEADER_BYTES],
        vector: &[u8; VECTOR_BYTES],
    ) -> Result<[u8; SECOND_BYTES], BadParts> {
        let (_, mut state, _) = self.run(header)?;
        let second = parts::encapsulate2(&state, vector).value;
        state.zeroize();
        Ok(second)
    }

    fn run(
        &self,
        header: &[u8; HEADER_BYTES],
    ) -> Result<([u8; FIRST_BYTES], [u8; parts::encaps_state_len()], Secret<32>), BadParts> {
        let mut state = [0; parts::encaps_state_len()];
        let mut first = [0; FIRST_BYTES];
        let shared = Secret::try_fill(|out| {
            first = parts::encapsulate1(header, *self.expose(), &mut state, out).map_err(|_| BadParts)?.value;
            Ok(())
        })?;
        Ok((first, state, shared))
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
        let public = seed.public();
        let whole = mlkem768::generate_key_pair([3; 64]);
        let ek = [&public.vector[..], &public.header[..32]].concat();
        assert_eq!(whole.pk().as_slice(), ek.as_slice());
        let (first, shared) = coins.encapsulate_first(&public.header).unwrap();
        let second = coins.encapsulate_second(&public.header, &public.vector).unwrap();
        let (ciphertext, expected) = mlkem768::encapsulate(whole.public_key(), [9; 32]);
        assert_eq!(ciphertext.as_slice().as_slice(), [&first[..], &second].concat().as_slice());
        assert_eq!(shared.expose(), &expected);
        assert!(seed.decapsulate(&first, &second).ct_eq(&shared));
    }

    #[test]
    fn another_implementation_opens_the_halves() {
        use ml_kem::{Decapsulate, DecapsulationKey, KeyInit, MlKem768};
        let (seed, coins) = (seed(5), randomness(6));
        let public = seed.public();
        let (first, shared) = coins.encapsulate_first(&public.header).unwrap();
        let second = coins.encapsulate_second(&public.header, &public.vector).unwrap();
        let key = DecapsulationKey::<MlKem768>::new_from_slice(seed.expose()).unwrap();
        let ciphertext = [&first[..], &second].concat();
        let opened = key.decapsulate_slice(&ciphertext).unwrap();
        assert_eq!(opened.as_slice(), shared.expose());
    }

    #[test]
    fn a_vector_of_another_key_or_outside_the_modulus_does_not_fit() {
        let (one, other) = (seed(1).public(), seed(2).public());
        assert!(vector_fits(&one.header, &one.vector));
        assert!(!vector_fits(&one.header, &other.vector));
        // All ones: coefficients of 4,095 are above q = 3,329, whatever the hash says.
        assert!(!vector_fits(&one.header, &[0xff; VECTOR_BYTES]));
    }
}
