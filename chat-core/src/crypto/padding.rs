//! Padmé (Nikitin et al., PETS 2019): padded lengths show only the floating-point shape of a length,
//! and are at most 12 % longer.

/// The padded length.
pub(crate) fn padme(bytes: u64) -> u64 {
    let exponent = bytes.max(2).ilog2();
    let mantissa = exponent.ilog2().saturating_add(1);
    let mask = (1_u64 << exponent.saturating_sub(mantissa)).saturating_sub(1);
    bytes.saturating_add(mask) & !mask
}

/// The same for what lies in memory.
pub(crate) fn padme_len(bytes: usize) -> usize {
    // Lengths in memory fit 64 bits, and so do they one eighth longer.
    u64::try_from(bytes).ok().and_then(|bytes| usize::try_from(padme(bytes)).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_length_is_at_most_an_eighth_longer_and_stays_when_padded_again() {
        for bytes in (0..100_000).step_by(77) {
            let size = padme_len(bytes);
            assert!(size >= bytes && size - bytes <= bytes / 8, "{bytes} became {size}");
            assert_eq!(padme_len(size), size);
        }
    }
}
