//! Opening a blob from its first chunk to its last.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::cipher::ChunkCipher;
use super::key::FileKey;
use super::layout::{HEADER_BYTES, Layout, MAGIC, Salt, Span};

/// Why a blob is not the file that the message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The header is of another format, layout or key.
    #[error("the header is of another file")]
    Header,
    /// A chunk is not as long as the layout says.
    #[error("chunk {chunk} has {expected} bytes, {found} came")]
    Length {
        /// Which.
        chunk: u64,
        /// What the layout says.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// A chunk was changed, or is another one.
    #[error("chunk {chunk} was changed")]
    Forged {
        /// Which.
        chunk: u64,
    },
    /// The padding is not zero: the sender broke the format.
    #[error("chunk {chunk} has something in its padding")]
    Padding {
        /// Which.
        chunk: u64,
    },
    /// Chunks are missing, or come behind the last one.
    #[error("chunk {chunk} of {chunks} was due")]
    Count {
        /// Which was due.
        chunk: u64,
        /// How many there are.
        chunks: u64,
    },
    /// The whole is not the file that the message names.
    #[error("the file has another hash")]
    Hash,
}

/// Opens one blob. Chunks are opened in order; after a break what was opened before is given back with
/// [`FileOpener::skip`].
///
/// ```
/// # use chat_core::file::{FileKey, FileSealer, Layout};
/// # let key = FileKey::generate(&mut chat_fixtures::seeded::Seeded::new(1));
/// # let layout = Layout::of(5).unwrap();
/// # let mut sealer = FileSealer::new(&key, &[9; 16], layout);
/// # let mut chunk = b"bytes".to_vec();
/// # sealer.seal(&mut chunk, None).unwrap();
/// # let (header, hashes) = (*sealer.header(), sealer.finish().unwrap());
/// use chat_core::file::{FileOpener, OpenError};
/// let mut buffer = Vec::new();
/// let mut opener = FileOpener::new(&key, layout, &header)?;
/// assert_eq!((opener.next(), opener.due().unwrap().bytes), (0, 5));
/// assert_eq!(opener.open(&chunk[1..], &mut buffer).err(), Some(OpenError::Length { chunk: 0, expected: 4_112, found: 4_111 }));
/// assert_eq!(opener.open(&chunk, &mut buffer)?, b"bytes");
/// opener.finish(&hashes.plain)?; // only now may the file have its name
///
/// // After a break: what was kept counts through the hash of the whole.
/// let mut opener = FileOpener::new(&key, layout, &header)?;
/// opener.skip(b"bytez")?;
/// assert_eq!(opener.finish(&hashes.plain), Err(OpenError::Hash));
/// # Ok::<(), OpenError>(())
/// ```
pub struct FileOpener {
    cipher: ChunkCipher,
    layout: Layout,
    next: u64,
    plain: Sha256,
}

impl FileOpener {
    /// Checks the header of a blob against the key and the size in the message (SPEC 13.1.1).
    ///
    /// # Errors
    /// [`OpenError::Header`].
    pub fn new(key: &FileKey, layout: Layout, header: &[u8]) -> Result<Self, OpenError> {
        let header: &[u8; HEADER_BYTES] = header.try_into().map_err(|_| OpenError::Header)?;
        let [magic @ .., _] = header.first_chunk::<5>().ok_or(OpenError::Header)?;
        let salt: &Salt = header.get(5..).and_then(|rest| rest.first_chunk()).ok_or(OpenError::Header)?;
        let (key, expected) = key.derive(salt, &layout);
        // Magic and lg are in it, the commitment too: a blob that opens under two keys is refused here.
        let same: bool = expected.as_slice().ct_eq(header.as_slice()).into();
        if magic != MAGIC || !same {
            return Err(OpenError::Header);
        }
        Ok(Self { cipher: ChunkCipher::of(key, layout), layout, next: 0, plain: Sha256::new() })
    }

    /// Number of the chunk that is due.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The part of the file that is due; none when everything was opened.
    #[must_use]
    pub fn due(&self) -> Option<Span> {
        (self.next < self.layout.chunks()).then(|| self.layout.plain(self.next))
    }

    /// Takes a part that an earlier opener gave out and that was kept since: it counts only through the
    /// hash of the whole (SPEC 13.1.3).
    ///
    /// # Errors
    /// [`OpenError::Length`] or [`OpenError::Count`]; the part is not taken.
    pub fn skip(&mut self, plain: &[u8]) -> Result<(), OpenError> {
        let chunk = self.due_chunk()?;
        let expected = self.layout.plain(chunk).bytes;
        if plain.len() != expected {
            return Err(OpenError::Length { chunk, expected, found: plain.len() });
        }
        self.plain.update(plain);
        self.next = chunk.saturating_add(1);
        Ok(())
    }

    /// Opens the chunk that is due into `buffer` and gives its part of the file.
    ///
    /// # Errors
    /// [`OpenError`]; `buffer` holds nothing then that may be used, and the chunk is still due.
    pub fn open<'a>(&mut self, sealed: &[u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], OpenError> {
        let chunk = self.due_chunk()?;
        let expected = self.layout.sealed(chunk).bytes;
        if sealed.len() != expected {
            return Err(OpenError::Length { chunk, expected, found: sealed.len() });
        }
        self.cipher.open(chunk, sealed, buffer).map_err(|_| OpenError::Forged { chunk })?;
        let plain_bytes = self.layout.plain(chunk).bytes;
        if buffer.iter().skip(plain_bytes).any(|byte| *byte != 0) {
            buffer.clear();
            return Err(OpenError::Padding { chunk });
        }
        buffer.truncate(plain_bytes);
        self.plain.update(&buffer);
        self.next = chunk.saturating_add(1);
        Ok(buffer)
    }

    /// Checks that everything came and that it is the file with this hash (SPEC 13.1.2).
    ///
    /// # Errors
    /// [`OpenError::Count`] or [`OpenError::Hash`]: nothing of what was opened may get the file's name.
    pub fn finish(self, plain: &[u8; 32]) -> Result<(), OpenError> {
        let (chunk, chunks) = (self.next, self.layout.chunks());
        if chunk != chunks {
            return Err(OpenError::Count { chunk, chunks });
        }
        if <[u8; 32]>::from(self.plain.finalize()) != *plain {
            return Err(OpenError::Hash);
        }
        Ok(())
    }

    fn due_chunk(&self) -> Result<u64, OpenError> {
        let (chunk, chunks) = (self.next, self.layout.chunks());
        if chunk < chunks { Ok(chunk) } else { Err(OpenError::Count { chunk, chunks }) }
    }
}

impl std::fmt::Debug for FileOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileOpener").field("layout", &self.layout).field("next", &self.next).finish_non_exhaustive()
    }
}
