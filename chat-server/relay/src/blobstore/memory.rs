//! Blobs in memory: for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chat_wire::ids::BlobId;

use super::{BlobHead, BlobState, BlobStore, BlobStoreError};

#[derive(Debug)]
struct Kept {
    head: BlobHead,
    bytes: Vec<u8>,
    finished: bool,
}

/// Blobs in an ordered map.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    kept: Mutex<BTreeMap<BlobId, Kept>>,
}

impl MemoryBlobs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlobId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn state(&self) -> BlobState {
        let held = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        BlobState { head: self.head, held, finished: self.finished }
    }
}

impl BlobStore for MemoryBlobs {
    fn create(&self, blob: &BlobId, head: &BlobHead) -> Result<(), BlobStoreError> {
        self.lock().insert(*blob, Kept { head: *head, bytes: Vec::new(), finished: false });
        Ok(())
    }

    fn state(&self, blob: &BlobId) -> Result<Option<BlobState>, BlobStoreError> {
        Ok(self.lock().get(blob).map(Kept::state))
    }

    fn append(&self, blob: &BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobStoreError> {
        let mut all = self.lock();
        let kept = all.get_mut(blob).ok_or(BlobStoreError::Missing)?;
        kept.bytes.truncate(usize::try_from(at).unwrap_or(usize::MAX));
        kept.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        self.lock().get_mut(blob).ok_or(BlobStoreError::Missing)?.finished = true;
        Ok(())
    }

    fn read(&self, blob: &BlobId, at: u64, count: usize) -> Result<Bytes, BlobStoreError> {
        let all = self.lock();
        let kept = all.get(blob).ok_or(BlobStoreError::Missing)?;
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        Ok(kept.bytes.iter().skip(at).take(count).copied().collect())
    }

    fn remove(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        self.lock().remove(blob);
        Ok(())
    }

    fn each(&self, visit: &mut dyn FnMut(BlobId, BlobState)) -> Result<(), BlobStoreError> {
        self.lock().iter().for_each(|(blob, kept)| visit(*blob, kept.state()));
        Ok(())
    }
}
