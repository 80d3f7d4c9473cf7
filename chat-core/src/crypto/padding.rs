//! Padmé (Nikitin et al., PETS 2019): padded lengths show only the floating-point shape of a length,
//! and are at most 12 % longer.

/// The padded length.
pub(crate) fn padme(bytes: usize) -> usize {
    let exponent = bytes.max(2).ilog2();
    let mantissa = exponent.ilog2().saturating_add(1);
    let mask = (1_usize << exponent.saturating_sub(mantissa)).saturating_sub(1);
    bytes.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_length_is_at_most_an_eighth_longer_and_stays_when_padded_again() {
        for bytes in (0..100_000).step_by(77) {
            let size = padme(bytes);
            assert!(size >= bytes && size - bytes <= bytes / 8, "{bytes} became {size}");
            assert_eq!(padme(size), size);
        }
    }
}
