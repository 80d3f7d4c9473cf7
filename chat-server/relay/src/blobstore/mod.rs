//! Where blobs lie: a storage of its own beside the relay's, shared by the connections that use it.

mod memory;

use std::fmt::Debug;

use bytes::Bytes;
use chat_wire::ids::{AccountId, BlobId};

pub use memory::MemoryBlobs;

/// What is known of a blob from its making on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobHead {
    /// Whose quota it fills.
    pub account: AccountId,
    /// Bytes of the whole.
    pub bytes: u64,
    /// Hash of the token that writes and deletes it.
    pub token_hash: [u8; 32],
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// A blob as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobState {
    /// Its head.
    pub head: BlobHead,
    /// Bytes that are here. After a power cut perhaps fewer than before, never others.
    pub held: u64,
    /// All bytes are here and on disk.
    pub finished: bool,
}

/// Why the storage did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobStoreError {
    /// There is no such blob.
    #[error("there is no such blob")]
    Missing,
    /// What lies there is no blob of this format.
    #[error("a blob's head is damaged")]
    Damaged,
    /// The disk is full, or fails.
    #[error("the blob storage fails ({kind:?})")]
    Io {
        /// What the system says.
        kind: std::io::ErrorKind,
    },
}

impl From<std::io::Error> for BlobStoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            kind => Self::Io { kind },
        }
    }
}

/// A storage of blobs. Calls about one blob come one after the other, but for reads of a finished one.
pub trait BlobStore: Debug + Send + Sync {
    /// Makes an empty blob.
    ///
    /// # Errors
    /// [`BlobStoreError`].
    fn create(&self, blob: &BlobId, head: &BlobHead) -> Result<(), BlobStoreError>;

    /// How a blob stands; none when there is none.
    ///
    /// # Errors
    /// [`BlobStoreError`].
    fn state(&self, blob: &BlobId) -> Result<Option<BlobState>, BlobStoreError>;

    /// Writes bytes at `at`, which is the end of what is held. They need not be on disk yet.
    ///
    /// # Errors
    /// [`BlobStoreError`]; what was held still is.
    fn append(&self, blob: &BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobStoreError>;

    /// Brings every byte to disk and makes the blob readable.
    ///
    /// # Errors
    /// [`BlobStoreError`].
    fn finish(&self, blob: &BlobId) -> Result<(), BlobStoreError>;

    /// Reads `count` bytes of a finished blob; fewer at its end.
    ///
    /// # Errors
    /// [`BlobStoreError`].
    fn read(&self, blob: &BlobId, at: u64, count: usize) -> Result<Bytes, BlobStoreError>;

    /// Removes a blob, finished or not; none there is fine.
    ///
    /// # Errors
    /// [`BlobStoreError`].
    fn remove(&self, blob: &BlobId) -> Result<(), BlobStoreError>;

    /// Shows every blob.
    ///
    /// # Errors
    /// [`BlobStoreError`].
    fn each(&self, visit: &mut dyn FnMut(BlobId, BlobState)) -> Result<(), BlobStoreError>;
}

impl<S: BlobStore + ?Sized> BlobStore for Box<S> {
    fn create(&self, blob: &BlobId, head: &BlobHead) -> Result<(), BlobStoreError> {
        (**self).create(blob, head)
    }

    fn state(&self, blob: &BlobId) -> Result<Option<BlobState>, BlobStoreError> {
        (**self).state(blob)
    }

    fn append(&self, blob: &BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobStoreError> {
        (**self).append(blob, at, bytes)
    }

    fn finish(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        (**self).finish(blob)
    }

    fn read(&self, blob: &BlobId, at: u64, count: usize) -> Result<Bytes, BlobStoreError> {
        (**self).read(blob, at, count)
    }

    fn remove(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        (**self).remove(blob)
    }

    fn each(&self, visit: &mut dyn FnMut(BlobId, BlobState)) -> Result<(), BlobStoreError> {
        (**self).each(visit)
    }
}
