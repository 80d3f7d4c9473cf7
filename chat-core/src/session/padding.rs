//! Padded sizes (DESIGN §5): 512 B, 1, 2, 4, 8, 16 KiB, then Padmé, so that a length tells little.

use crate::crypto::padding::padme_len;

const BUCKET_BYTES_MIN: usize = 512;
const BUCKET_BYTES_MAX: usize = 16 * 1024;

/// The size that `bytes` are padded to.
pub(super) fn padded(bytes: usize) -> usize {
    if bytes <= BUCKET_BYTES_MAX { bytes.max(BUCKET_BYTES_MIN).next_power_of_two() } else { padme_len(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_buckets_up_to_16_kib_and_at_most_an_eighth_more_beyond() {
        for (bytes, expected) in [(0, 512), (512, 512), (513, 1024), (1025, 2048), (16_384, 16_384), (16_385, 17_408)] {
            assert_eq!(padded(bytes), expected, "{bytes}");
        }
        for bytes in (16_385..100_000).step_by(77) {
            let size = padded(bytes);
            assert!(size >= bytes && size - bytes <= bytes / 8, "{bytes} became {size}");
            assert_eq!(padded(size), size);
        }
    }
}
