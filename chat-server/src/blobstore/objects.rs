//! Finished blobs in an object store (S3 and what speaks like it). An upload grows in the folder, because
//! objects do not grow; `finish` carries it over in parts and then removes it here, so that a relay that
//! dies in between carries it over once more.
//!
//! ```text
//! PREFIX/ab/abcd…/ACCOUNT-CREATED-TOKEN      the blob's bytes and nothing else
//! ```
//! What is known of a blob stands in its object's name: a listing tells everything, and no object is read
//! for anything but its bytes.

use std::collections::HashMap;
use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chat_relay::blobstore::{BlobHead, BlobState, BlobStore, BlobStoreError};
use chat_wire::ids::{AccountId, BlobId};
use data_encoding::HEXLOWER;
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::runtime::{Builder, Runtime};

use super::BlobPlaceError;
use super::folder::FolderBlobs;

/// Bytes of a part: S3 takes at least 5 MiB, and at most 10,000 parts.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Blobs whose names are remembered, so that a download asks for each only once.
const KNOWN_MAX: usize = 4_096;

/// Blobs in an object store.
#[derive(Debug)]
pub(super) struct ObjectBlobs<O> {
    uploads: FolderBlobs,
    objects: std::sync::Arc<O>,
    prefix: Path,
    known: Mutex<HashMap<BlobId, BlobHead>>,
    /// Whoever calls may stand in a runtime of its own: requests run on this one.
    runtime: Option<Runtime>,
}

impl ObjectBlobs<object_store::aws::AmazonS3> {
    /// A place such as `s3://BUCKET/PREFIX`; endpoint, region and credentials come from the variables that
    /// every tool for S3 reads (`AWS_ENDPOINT`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` and so on).
    pub(super) fn at(url: &str, uploads: FolderBlobs) -> Result<Self, BlobPlaceError> {
        let built = AmazonS3Builder::from_env().with_url(url).build();
        let objects = built.map_err(BlobPlaceError::Objects)?;
        let prefix = url.splitn(4, '/').nth(3).unwrap_or_default();
        Self::over(objects, Path::from(prefix), uploads).map_err(BlobPlaceError::Folder)
    }
}

impl<O: ObjectStore> ObjectBlobs<O> {
    fn over(objects: O, prefix: Path, uploads: FolderBlobs) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("chat-objects").enable_all().build()?;
        let objects = std::sync::Arc::new(objects);
        Ok(Self { uploads, objects, prefix, known: Mutex::default(), runtime: Some(runtime) })
    }

    /// Waits for a request: every caller is on a thread that may wait.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, object_store::Error>> + Send + 'static,
    ) -> Result<T, BlobStoreError> {
        let (done, doing) = sync_channel(1);
        let runtime = self.runtime.as_ref().ok_or(BROKEN)?;
        runtime.spawn(async move {
            // Who asked waits for it; when not, nobody misses it.
            let _ = done.send(work.await);
        });
        doing.recv().map_err(|_| BROKEN)?.map_err(|error| told(&error))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<BlobId, BlobHead>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, blob: &BlobId, head: &BlobHead) {
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(*blob, *head);
    }

    /// Where everything of a blob lies: one object, or none.
    fn place(&self, blob: &BlobId) -> Path {
        let [first, ..] = blob.0;
        let folder = self.prefix.clone().join(HEXLOWER.encode(&[first]));
        folder.join(HEXLOWER.encode(&blob.0))
    }

    fn object(&self, blob: &BlobId, head: &BlobHead) -> Path {
        let BlobHead { account, token_hash, created_ms, .. } = head;
        let (account, token) = (HEXLOWER.encode(&account.0), HEXLOWER.encode(token_hash));
        self.place(blob).join(format!("{account}-{created_ms:016x}-{token}"))
    }

    /// A finished blob's head; none when there is none.
    fn finished(&self, blob: &BlobId) -> Result<Option<BlobHead>, BlobStoreError> {
        if let Some(head) = self.known().get(blob) {
            return Ok(Some(*head));
        }
        let (objects, place) = (self.objects.clone(), self.place(blob));
        let found = self.wait(async move { objects.list(Some(&place)).try_next().await })?;
        let head = found.and_then(|meta| head_of(&meta.location, meta.size)).map(|(_, head)| head);
        if let Some(head) = &head {
            self.remember(blob, head);
        }
        Ok(head)
    }

    /// Carries a whole upload over; nothing of it is an object before the last part is there.
    fn carry(&self, blob: &BlobId, head: &BlobHead) -> Result<(), BlobStoreError> {
        let (objects, object) = (self.objects.clone(), self.object(blob, head));
        let mut upload = self.wait(async move { objects.put_multipart(&object).await })?;
        let mut at = 0;
        while at < head.bytes {
            let part = self.uploads.read_unfinished(blob, at, PART_BYTES)?;
            if part.is_empty() {
                self.abandon(upload);
                return Err(BlobStoreError::Damaged);
            }
            at = at.saturating_add(part.len() as u64);
            let sending = upload.put_part(PutPayload::from(part));
            if let Err(error) = self.wait(sending) {
                self.abandon(upload);
                return Err(error);
            }
        }
        self.wait(async move { upload.complete().await.map(|_| ()) })
    }

    fn abandon(&self, mut upload: Box<dyn MultipartUpload>) {
        // What is not abandoned now is cleared by the store's own rules.
        let _ = self.wait(async move { upload.abort().await });
    }
}

impl<O> Drop for ObjectBlobs<O> {
    fn drop(&mut self) {
        // Nothing waits for a request any more; the last holder may stand where nobody may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<O: ObjectStore> BlobStore for ObjectBlobs<O> {
    fn create(&self, blob: &BlobId, head: &BlobHead) -> Result<(), BlobStoreError> {
        self.uploads.create(blob, head)
    }

    fn state(&self, blob: &BlobId) -> Result<Option<BlobState>, BlobStoreError> {
        if let Some(state) = self.uploads.state(blob)? {
            return Ok(Some(state));
        }
        let finished = |head: BlobHead| BlobState { head, held: head.bytes, finished: true };
        Ok(self.finished(blob)?.map(finished))
    }

    fn append(&self, blob: &BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobStoreError> {
        self.uploads.append(blob, at, bytes)
    }

    fn finish(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        let state = self.uploads.state(blob)?.ok_or(BlobStoreError::Missing)?;
        self.carry(blob, &state.head)?;
        self.remember(blob, &state.head);
        self.uploads.remove(blob)
    }

    fn read(&self, blob: &BlobId, at: u64, count: usize) -> Result<Bytes, BlobStoreError> {
        let head = self.finished(blob)?.ok_or(BlobStoreError::Missing)?;
        let end = at.saturating_add(count as u64).min(head.bytes);
        if at >= end {
            return Ok(Bytes::new());
        }
        let (objects, object) = (self.objects.clone(), self.object(blob, &head));
        let read = self.wait(async move { objects.get_range(&object, at..end).await });
        if read == Err(BlobStoreError::Missing) {
            self.known().remove(blob);
        }
        read
    }

    fn remove(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        self.uploads.remove(blob)?;
        let Some(head) = self.finished(blob)? else { return Ok(()) };
        self.known().remove(blob);
        let (objects, object) = (self.objects.clone(), self.object(blob, &head));
        match self.wait(async move { objects.delete(&object).await }) {
            Err(error) if error != BlobStoreError::Missing => Err(error),
            _ => Ok(()),
        }
    }

    fn each(&self, visit: &mut dyn FnMut(BlobId, BlobState)) -> Result<(), BlobStoreError> {
        let mut under_way = Vec::new();
        self.uploads.each(&mut |blob, state| {
            under_way.push(blob);
            visit(blob, state);
        })?;
        let (objects, prefix) = (self.objects.clone(), self.prefix.clone());
        let all: Vec<_> = self.wait(async move { objects.list(Some(&prefix)).try_collect().await })?;
        for meta in all {
            match head_of(&meta.location, meta.size) {
                // Carried over by a relay that died before it removed its own copy: counted once.
                Some((blob, head)) if !under_way.contains(&blob) => {
                    visit(blob, BlobState { head, held: head.bytes, finished: true });
                }
                Some(_) => {}
                None => tracing::warn!("an object among the blobs is none"),
            }
        }
        Ok(())
    }
}

/// What an object's name says.
fn head_of(object: &Path, bytes: u64) -> Option<(BlobId, BlobHead)> {
    let parts: Vec<_> = object.parts().collect();
    let [.., blob, head] = parts.as_slice() else { return None };
    let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).ok();
    let mut fields = head.as_ref().split('-');
    let (account, created, token) = (fields.next()?, fields.next()?, fields.next()?);
    let head = BlobHead {
        account: AccountId(hex(account)?.try_into().ok()?),
        bytes,
        token_hash: hex(token)?.try_into().ok()?,
        created_ms: u64::from_str_radix(created, 16).ok()?,
    };
    let blob = BlobId::from_slice(&hex(blob.as_ref())?)?;
    fields.next().is_none().then_some((blob, head))
}

fn told(error: &object_store::Error) -> BlobStoreError {
    match error {
        object_store::Error::NotFound { .. } => BlobStoreError::Missing,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            tracing::error!("the object store refuses the relay's credentials");
            BlobStoreError::Io { kind: std::io::ErrorKind::PermissionDenied }
        }
        _ => BROKEN,
    }
}

/// A request that was not answered as it should.
const BROKEN: BlobStoreError = BlobStoreError::Io { kind: std::io::ErrorKind::Other };

#[cfg(test)]
mod tests;
