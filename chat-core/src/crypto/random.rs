//! Randomness as an argument: whoever calls brings the generator.

use rand_core::CryptoRng;

use crate::secret::Secret;

/// `N` random secret bytes, drawn where they live.
pub(crate) fn secret<const N: usize>(rng: &mut dyn CryptoRng) -> Secret<N> {
    Secret::fill(|out| rng.fill_bytes(out))
}

/// `N` random public bytes.
pub(crate) fn bytes<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut out = [0; N];
    rng.fill_bytes(&mut out);
    out
}
