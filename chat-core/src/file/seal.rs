//! Sealing a file from its first chunk to its last.

use sha2::{Digest, Sha256};

use super::ChunkHash;
use super::cipher::ChunkCipher;
use super::key::FileKey;
use super::layout::{HEADER_BYTES, Layout, Salt, Span};

/// Why a chunk was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text is not as long as the chunk's part of the file.
    #[error("chunk {chunk} has {expected} bytes, {found} were given")]
    Length {
        /// Which.
        chunk: u64,
        /// What the layout says.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The chunk was sealed before to other bytes: the file changed. Its key must not be used again.
    #[error("chunk {chunk} changed since it was first sealed")]
    Changed {
        /// Which.
        chunk: u64,
    },
    /// Every chunk was sealed.
    #[error("there are only {chunks} chunks")]
    Behind {
        /// How many there are.
        chunks: u64,
    },
}

/// What the message about a file tells of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHashes {
    /// SHA-256 of the file.
    pub plain: [u8; 32],
    /// SHA-256 of the whole blob.
    pub blob: [u8; 32],
}

/// Seals one file. Chunks are sealed in order; after a break the same sealer is made again, and what was
/// sealed before is given its known hash.
///
/// ```
/// use chat_core::file::{FileKey, FileSealer, Layout, SealError};
/// let key = FileKey::generate(&mut chat_fixtures::seeded::Seeded::new(1));
/// let layout = Layout::of(5).unwrap();
/// let mut sealer = FileSealer::new(&key, &[9; 16], layout);
/// let mut blob = sealer.header().to_vec();
/// assert_eq!(sealer.wants().unwrap().bytes, 5);
/// let known = sealer.seal_behind(&mut [&blob[..], b"bytes"].concat(), blob.len(), None)?; // store it, then send
/// assert!(sealer.wants().is_none());
/// assert!(sealer.finish().is_some());
///
/// // Again after a break: other bytes at a place that was sealed before are refused.
/// let mut sealer = FileSealer::new(&key, &[9; 16], layout);
/// assert_eq!(sealer.seal(&mut b"bytez".to_vec(), Some(&known)), Err(SealError::Changed { chunk: 0 }));
/// # Ok::<(), SealError>(())
/// ```
pub struct FileSealer {
    cipher: ChunkCipher,
    header: [u8; HEADER_BYTES],
    layout: Layout,
    next: u64,
    plain: Sha256,
    blob: Sha256,
}

impl FileSealer {
    /// Starts before the first chunk. Key and salt belong to this file alone.
    #[must_use]
    pub fn new(key: &FileKey, salt: &Salt, layout: Layout) -> Self {
        let (key, header) = key.derive(salt, &layout);
        let mut blob = Sha256::new();
        blob.update(header);
        let cipher = ChunkCipher::of(key, layout);
        Self { cipher, header, layout, next: 0, plain: Sha256::new(), blob }
    }

    /// The first bytes of the blob.
    #[must_use]
    pub fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    /// The part of the file that [`FileSealer::seal`] wants next; none behind the last chunk.
    #[must_use]
    pub fn wants(&self) -> Option<Span> {
        (self.next < self.layout.chunks()).then(|| self.layout.plain(self.next))
    }

    /// Seals the next chunk in place: `text` is its part of the file, and holds the sealed chunk
    /// afterwards. The hash has to be durable before the chunk is first sent (SPEC 13.2.2); `known` is
    /// the one that is, when it was sealed before.
    ///
    /// # Errors
    /// [`SealError`]; `text` holds nothing then that may leave.
    pub fn seal(&mut self, text: &mut Vec<u8>, known: Option<&ChunkHash>) -> Result<ChunkHash, SealError> {
        self.seal_behind(text, 0, known)
    }

    /// As [`FileSealer::seal`], behind the first `from` bytes of `part`, which stay as they are: a part of
    /// many chunks grows in one buffer.
    ///
    /// # Errors
    /// [`SealError`]; nothing lies behind `from` then, unless the text there has the wrong length.
    pub fn seal_behind(
        &mut self,
        part: &mut Vec<u8>,
        from: usize,
        known: Option<&ChunkHash>,
    ) -> Result<ChunkHash, SealError> {
        let (chunk, chunks) = (self.next, self.layout.chunks());
        if chunk >= chunks {
            return Err(SealError::Behind { chunks });
        }
        let expected = self.layout.plain(chunk).bytes;
        let text = part.get(from..).unwrap_or_default();
        if text.len() != expected {
            return Err(SealError::Length { chunk, expected, found: text.len() });
        }
        self.plain.update(text);
        self.cipher.seal_behind(chunk, part, from);
        let sealed = part.get(from..).unwrap_or_default();
        let hash = ChunkHash::from(Sha256::digest(sealed));
        if known.is_some_and(|known| *known != hash) {
            part.truncate(from);
            return Err(SealError::Changed { chunk });
        }
        self.blob.update(sealed);
        self.next = chunk.saturating_add(1);
        Ok(hash)
    }

    /// The hashes, once every chunk was sealed.
    #[must_use]
    pub fn finish(self) -> Option<FileHashes> {
        (self.next == self.layout.chunks())
            .then(|| FileHashes { plain: self.plain.finalize().into(), blob: self.blob.finalize().into() })
    }
}

impl std::fmt::Debug for FileSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSealer").field("layout", &self.layout).field("next", &self.next).finish_non_exhaustive()
    }
}
