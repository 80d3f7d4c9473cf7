//! One chunk under a file's stream key, and nothing around it.

use super::key::FileKey;
use super::layout::{Layout, Salt};
use crate::crypto::aead;
use crate::secret::Secret;

/// A chunk was changed, or is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunk was changed")]
pub struct ForgedChunk;

/// Seals and opens chunks by their number. It keeps no count and no hash: who seals two texts under one
/// number gives both away. [`super::FileSealer`] and [`super::FileOpener`] are what keeps that from happening.
///
/// ```
/// use chat_core::file::{FileKey, Layout, hazmat::ChunkCipher};
/// let key = FileKey::generate(&mut chat_fixtures::seeded::Seeded::new(1));
/// let cipher = ChunkCipher::new(&key, &[9; 16], Layout::of(5).unwrap());
/// let (mut chunk, mut opened) = (b"bytes".to_vec(), Vec::new());
/// cipher.seal(0, &mut chunk);
/// cipher.open(0, &chunk, &mut opened)?;
/// assert_eq!((&opened[..5], opened.len()), (&b"bytes"[..], 4_096)); // padding included
/// assert!(cipher.open(1, &chunk, &mut opened).is_err()); // another place
/// # Ok::<(), chat_core::file::hazmat::ForgedChunk>(())
/// ```
pub struct ChunkCipher {
    key: Secret<32>,
    layout: Layout,
}

impl ChunkCipher {
    /// The chunks of one file.
    #[must_use]
    pub fn new(key: &FileKey, salt: &Salt, layout: Layout) -> Self {
        Self { key: key.derive(salt, &layout).0, layout }
    }

    pub(super) fn of(key: Secret<32>, layout: Layout) -> Self {
        Self { key, layout }
    }

    /// Pads and seals in place.
    pub fn seal(&self, chunk: u64, text: &mut Vec<u8>) {
        self.seal_behind(chunk, text, 0);
    }

    /// Pads and seals in place what lies behind the first `from` bytes.
    pub(super) fn seal_behind(&self, chunk: u64, part: &mut Vec<u8>, from: usize) {
        part.resize(from.saturating_add(self.layout.padded_bytes(chunk)), 0);
        let (_, text) = part.split_at_mut(from);
        let tag = aead::seal(self.key.expose(), &self.layout.nonce(chunk), b"", text);
        part.extend_from_slice(&tag);
    }

    /// Opens into `buffer`, padding included.
    ///
    /// # Errors
    /// [`ForgedChunk`]; `buffer` is empty then.
    pub fn open(&self, chunk: u64, sealed: &[u8], buffer: &mut Vec<u8>) -> Result<(), ForgedChunk> {
        buffer.resize(self.layout.padded_bytes(chunk), 0);
        aead::open_into(self.key.expose(), &self.layout.nonce(chunk), b"", sealed, buffer).map_err(|_| {
            buffer.clear();
            ForgedChunk
        })
    }
}

impl std::fmt::Debug for ChunkCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkCipher").field("layout", &self.layout).finish_non_exhaustive()
    }
}
