//! Where everything of a file lies in its blob. A function of the file's size alone: the receiver takes
//! no other layout than the one that the size in the sealed message has.

use crate::crypto::padding::padme;

/// First bytes of every blob.
pub(super) const MAGIC: &[u8] = b"CFB1";

/// Bytes of the salt.
pub const SALT_BYTES: usize = 16;

/// Random, new for each blob.
pub type Salt = [u8; SALT_BYTES];

/// Bytes before the first chunk: magic, lg, salt, commitment.
pub const HEADER_BYTES: usize = 4 + 1 + SALT_BYTES + 32;

/// Bytes that sealing adds to a chunk.
pub const TAG_BYTES: usize = crate::crypto::aead::TAG_BYTES;

/// Bytes of a file: far below every counter's end, so that no sum of sizes overflows. What is allowed in
/// practice is the relay's limit.
pub const FILE_BYTES_FORMAT_MAX: u64 = 1 << 48;

/// Files up to this size are cut into small chunks: little to send again, and progress that moves.
const SMALL_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// log2 of the chunk size of small files and of larger ones.
const LG_SMALL: u8 = 16;
const LG_LARGE: u8 = 20;

/// Smaller files are padded to this size, so that all of them look alike.
const PADDED_BYTES_MIN: u64 = 4_096;

/// A part of a file or of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub at: u64,
    /// Number of bytes.
    pub bytes: usize,
}

/// How a file of a given size lies in its blob.
///
/// ```
/// use chat_core::file::{HEADER_BYTES, Layout, Span, TAG_BYTES};
/// let layout = Layout::of(100_000).unwrap(); // two chunks, the second padded
/// assert_eq!((layout.size(), layout.chunks()), (100_000, 2));
/// assert_eq!(layout.plain(1), Span { at: 65_536, bytes: 34_464 });
/// assert_eq!(layout.sealed(0), Span { at: HEADER_BYTES as u64, bytes: 65_536 + TAG_BYTES });
/// let last = layout.sealed(1);
/// assert_eq!(layout.blob_bytes(), last.at + last.bytes as u64);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: u64,
    padded: u64,
    lg: u8,
}

impl Layout {
    /// The layout of a file of `size` bytes; none above [`FILE_BYTES_FORMAT_MAX`].
    #[must_use]
    pub fn of(size: u64) -> Option<Self> {
        if size > FILE_BYTES_FORMAT_MAX {
            return None;
        }
        let lg = if size <= SMALL_FILE_BYTES_MAX { LG_SMALL } else { LG_LARGE };
        Some(Self { size, padded: padme(size.max(PADDED_BYTES_MIN)), lg })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of chunks; at least one.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.padded.div_ceil(self.chunk_bytes())
    }

    /// Bytes of the whole blob.
    #[must_use]
    pub fn blob_bytes(&self) -> u64 {
        let tags = self.chunks().saturating_mul(TAG_BYTES as u64);
        self.padded.saturating_add(tags).saturating_add(HEADER_BYTES as u64)
    }

    /// Which bytes of the file lie in a chunk; none of them in one that only pads.
    #[must_use]
    pub fn plain(&self, chunk: u64) -> Span {
        let at = chunk.saturating_mul(self.chunk_bytes()).min(self.size);
        Span { at, bytes: to_usize(self.size.saturating_sub(at).min(self.chunk_bytes())) }
    }

    /// Where a sealed chunk lies in the blob; empty behind the last one.
    #[must_use]
    pub fn sealed(&self, chunk: u64) -> Span {
        let tag = TAG_BYTES as u64;
        let at = chunk.saturating_mul(self.chunk_bytes().saturating_add(tag)).saturating_add(HEADER_BYTES as u64);
        let padded = self.padded_bytes(chunk);
        Span { at, bytes: if padded == 0 { 0 } else { padded.saturating_add(TAG_BYTES) } }
    }

    /// Bytes of the padded text in a chunk.
    pub(super) fn padded_bytes(&self, chunk: u64) -> usize {
        let at = chunk.saturating_mul(self.chunk_bytes());
        to_usize(self.padded.saturating_sub(at).min(self.chunk_bytes()))
    }

    /// log2 of the chunk size.
    pub(super) fn lg(&self) -> u8 {
        self.lg
    }

    /// The nonce of a chunk: its number and whether it is the last one.
    pub(super) fn nonce(&self, chunk: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().skip(3).zip(chunk.to_be_bytes()) {
            *to = from;
        }
        let [.., last] = &mut nonce;
        *last = u8::from(chunk.saturating_add(1) == self.chunks());
        nonce
    }

    fn chunk_bytes(&self) -> u64 {
        1_u64.checked_shl(self.lg.into()).unwrap_or(u64::MAX)
    }
}

/// At most a chunk, which is 1 MiB.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around every edge, 32 bits' too (security.md T-FILE-1).
    const SIZES: [u64; 18] = [
        0,
        1,
        4_095,
        4_096,
        4_097,
        65_535,
        65_536,
        65_537,
        (16 << 20) - 1,
        16 << 20,
        (16 << 20) + 1,
        (17 << 20) - 1,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        (1 << 32) + 1,
        FILE_BYTES_FORMAT_MAX - 1,
        FILE_BYTES_FORMAT_MAX,
    ];

    #[test]
    fn chunks_follow_each_other_without_a_gap_and_end_with_file_and_blob() {
        for size in SIZES {
            let layout = Layout::of(size).unwrap();
            let last = layout.chunks() - 1;
            for chunk in [0, 1, last / 2, last.saturating_sub(1)].into_iter().filter(|c| *c < last) {
                let (sealed, next) = (layout.sealed(chunk), layout.sealed(chunk + 1));
                assert_eq!(sealed.at + sealed.bytes as u64, next.at, "{size} {chunk}");
                let (plain, next) = (layout.plain(chunk), layout.plain(chunk + 1));
                assert_eq!(plain.at + plain.bytes as u64, next.at, "{size} {chunk}");
            }
            let (sealed, plain) = (layout.sealed(last), layout.plain(last));
            assert_eq!(sealed.at + sealed.bytes as u64, layout.blob_bytes(), "{size}");
            assert!(sealed.bytes > TAG_BYTES, "the last chunk is never empty");
            assert_eq!(layout.sealed(last + 1).bytes, 0);
            assert_eq!(plain.at + plain.bytes as u64, size);
        }
        assert_eq!(Layout::of(FILE_BYTES_FORMAT_MAX + 1), None);
    }

    #[test]
    fn padding_costs_at_most_an_eighth_and_small_files_look_alike() {
        let small = Layout::of(0).unwrap();
        assert_eq!(small.blob_bytes(), 53 + 4_096 + 16);
        for size in SIZES.into_iter().filter(|size| *size > 4_096) {
            let layout = Layout::of(size).unwrap();
            assert!(layout.padded >= size && layout.padded - size <= size / 8, "{size}");
        }
        assert!((0..=4_096).all(|size| Layout::of(size).unwrap().blob_bytes() == small.blob_bytes()));
    }
}
