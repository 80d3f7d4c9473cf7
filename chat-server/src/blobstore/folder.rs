//! Blobs in a folder of the data directory: one file a blob, its head before its bytes.
//!
//! ```text
//! DATA/blobs/ab/abcd….part    being uploaded: its bytes count up to the mark in the head after a power cut
//! DATA/blobs/ab/abcd…         finished: renamed when every byte was on disk
//! ```
//! What this run wrote counts at once; what an earlier one left counts up to the mark, which is written
//! only behind a sync. So a file system that fills unsynced space with other bytes is never believed.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chat_relay::blobstore::{BlobHead, BlobState, BlobStore, BlobStoreError};
use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::ids::{AccountId, BlobId};
#[cfg(target_os = "linux")]
use rustix::fs::Advice;

/// First bytes of every blob's file.
const MAGIC: &[u8; 4] = b"CBS1";

/// Bytes before those of the blob.
const HEAD_BYTES: usize = 128;
/// The same as a place in a file.
const BYTES_AT: u64 = HEAD_BYTES as u64;

/// Where the mark stands: behind magic, account, size, token and time.
const MARK_AT: u64 = 4 + 32 + 8 + 32 + 8;

/// Bytes written between two syncs of one upload: what a power cut costs, and how long a sync takes. What is
/// written is on its way to the disk long before.
const UNSYNCED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Uploads whose files are kept open: a descriptor each.
const OPEN_UPLOADS_MAX: usize = 256;

/// Blobs in a folder.
#[derive(Debug)]
pub(super) struct FolderBlobs {
    path: PathBuf,
    uploads: Mutex<HashMap<BlobId, Upload>>,
}

/// An upload that this run has to do with.
#[derive(Debug)]
struct Upload {
    file: File,
    head: BlobHead,
    held: u64,
    marked: u64,
}

impl FolderBlobs {
    /// Opens or makes the folder.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        make_private_dir(path)?;
        Ok(Self { path: path.to_path_buf(), uploads: Mutex::default() })
    }

    /// Bytes of an upload under way.
    #[cfg(feature = "object_store")]
    pub(super) fn read_unfinished(&self, blob: &BlobId, at: u64, count: usize) -> Result<Bytes, BlobStoreError> {
        read_part(&File::open(self.part(blob))?, at, count)
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<BlobId, Upload>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf(&self, blob: &BlobId) -> PathBuf {
        let [first, ..] = blob.0;
        self.path.join(data_encoding::HEXLOWER.encode(&[first]))
    }

    fn finished(&self, blob: &BlobId) -> PathBuf {
        self.shelf(blob).join(data_encoding::HEXLOWER.encode(&blob.0))
    }

    fn part(&self, blob: &BlobId) -> PathBuf {
        self.finished(blob).with_extension(PART)
    }

    /// Takes an upload out of the map, opening what an earlier run left. While it is out, the service's
    /// lock keeps others of this blob away.
    fn take(&self, blob: &BlobId) -> Result<Upload, BlobStoreError> {
        if let Some(upload) = self.uploads().remove(blob) {
            return Ok(upload);
        }
        let file = private_file().open(self.part(blob))?;
        let (head, marked) = read_head(&file)?;
        Ok(Upload { file, head, held: marked, marked })
    }

    fn put_back(&self, blob: &BlobId, upload: Upload) -> Result<(), BlobStoreError> {
        let crowd = {
            let mut uploads = self.uploads();
            uploads.insert(*blob, upload);
            let one = uploads.keys().find(|other| *other != blob).copied();
            if uploads.len() > OPEN_UPLOADS_MAX { one.and_then(|one| uploads.remove(&one)) } else { None }
        };
        // Its mark says how far it got; it is opened again when its next part comes.
        crowd.map_or(Ok(()), |mut upload| upload.mark())
    }
}

impl Upload {
    /// Brings what is held to disk, then says so.
    fn mark(&mut self) -> Result<(), BlobStoreError> {
        self.file.sync_data()?;
        self.file.write_all_at(&self.held.to_be_bytes(), MARK_AT)?;
        self.marked = self.held;
        Ok(())
    }

    fn append(&mut self, at: u64, bytes: &[u8]) -> Result<(), BlobStoreError> {
        let from = BYTES_AT.saturating_add(at);
        self.file.write_all_at(bytes, from)?;
        start_writing(&self.file, from, bytes.len());
        self.held = at.saturating_add(bytes.len() as u64);
        if self.held.saturating_sub(self.marked) >= UNSYNCED_BYTES_MAX { self.mark() } else { Ok(()) }
    }
}

impl BlobStore for FolderBlobs {
    fn create(&self, blob: &BlobId, head: &BlobHead) -> Result<(), BlobStoreError> {
        make_private_dir(&self.shelf(blob))?;
        let file = private_file().create_new(true).open(self.part(blob))?;
        if let Err(error) = file.write_all_at(&encode_head(head), 0) {
            // Without its head the file is nobody's.
            let _ = fs::remove_file(self.part(blob));
            return Err(error.into());
        }
        self.put_back(blob, Upload { file, head: *head, held: 0, marked: 0 })
    }

    fn state(&self, blob: &BlobId) -> Result<Option<BlobState>, BlobStoreError> {
        if let Some(upload) = self.uploads().get(blob) {
            return Ok(Some(BlobState { head: upload.head, held: upload.held, finished: false }));
        }
        for (path, finished) in [(self.finished(blob), true), (self.part(blob), false)] {
            match File::open(path) {
                Ok(file) => return state_of(&file, finished).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn append(&self, blob: &BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobStoreError> {
        let mut upload = self.take(blob)?;
        let appended = upload.append(at, bytes);
        self.put_back(blob, upload)?;
        appended
    }

    fn finish(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        let mut upload = self.take(blob)?;
        if let Err(error) = upload.mark() {
            self.put_back(blob, upload)?;
            return Err(error);
        }
        fs::rename(self.part(blob), self.finished(blob))?;
        Ok(File::open(self.shelf(blob))?.sync_all()?)
    }

    fn read(&self, blob: &BlobId, at: u64, count: usize) -> Result<Bytes, BlobStoreError> {
        read_part(&File::open(self.finished(blob))?, at, count)
    }

    fn remove(&self, blob: &BlobId) -> Result<(), BlobStoreError> {
        self.uploads().remove(blob);
        for path in [self.part(blob), self.finished(blob)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn each(&self, visit: &mut dyn FnMut(BlobId, BlobState)) -> Result<(), BlobStoreError> {
        for shelf in fs::read_dir(&self.path)? {
            for entry in fs::read_dir(shelf?.path())? {
                let path = entry?.path();
                let Some((blob, finished)) = blob_of(&path) else { continue };
                // Removed meanwhile, or cut off while it was made: nobody's.
                let Ok(file) = File::open(&path) else { continue };
                match state_of(&file, finished) {
                    Ok(state) => visit(blob, state),
                    Err(error) => tracing::warn!(%error, "a file among the blobs is none"),
                }
            }
        }
        Ok(())
    }
}

/// Has the kernel begin to write these bytes, without waiting: a sync finds little left to do then, and syncs of
/// messages do not queue up behind it.
#[cfg(target_os = "linux")]
fn start_writing(file: &File, at: u64, bytes: usize) {
    // A wish: without it the sync does everything.
    let _ = rustix::fs::fadvise(file, at, NonZeroU64::new(bytes as u64), Advice::DontNeed);
}

/// Elsewhere the sync does everything.
#[cfg(not(target_os = "linux"))]
fn start_writing(_: &File, _: u64, _: usize) {}

fn read_part(file: &File, at: u64, count: usize) -> Result<Bytes, BlobStoreError> {
    let mut bytes = vec![0; count];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let from = BYTES_AT.saturating_add(at).saturating_add(filled as u64);
        match file.read_at(rest, from)? {
            0 => break,
            read => filled = filled.saturating_add(read),
        }
    }
    bytes.truncate(filled);
    Ok(Bytes::from(bytes))
}

/// Ending of the name of what is not finished.
const PART: &str = "part";

fn blob_of(path: &Path) -> Option<(BlobId, bool)> {
    let finished = path.extension().is_none();
    let name = data_encoding::HEXLOWER.decode(path.file_stem()?.as_encoded_bytes()).ok()?;
    BlobId::from_slice(&name).map(|blob| (blob, finished))
}

fn state_of(file: &File, finished: bool) -> Result<BlobState, BlobStoreError> {
    let (head, marked) = read_head(file)?;
    Ok(BlobState { head, held: if finished { head.bytes } else { marked }, finished })
}

fn encode_head(head: &BlobHead) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEAD_BYTES);
    writer.put(MAGIC).put(&head.account.0).u64(head.bytes).put(&head.token_hash).u64(head.created_ms).u64(0);
    let mut bytes = writer.finish();
    bytes.resize(HEAD_BYTES, 0);
    bytes
}

fn read_head(file: &File) -> Result<(BlobHead, u64), BlobStoreError> {
    let mut bytes = [0; HEAD_BYTES];
    file.read_exact_at(&mut bytes, 0).map_err(|_| BlobStoreError::Damaged)?;
    let (head, marked) = decode_head(&bytes).map_err(|Malformed| BlobStoreError::Damaged)?;
    if marked > head.bytes {
        return Err(BlobStoreError::Damaged);
    }
    Ok((head, marked))
}

fn decode_head(bytes: &[u8]) -> Result<(BlobHead, u64), Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.array()? != *MAGIC {
        return Err(Malformed);
    }
    let head = BlobHead {
        account: AccountId(reader.array()?),
        bytes: reader.u64()?,
        token_hash: reader.array()?,
        created_ms: reader.u64()?,
    };
    Ok((head, reader.u64()?))
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOB: BlobId = BlobId([0xab; 16]);
    const HEAD: BlobHead = BlobHead { account: AccountId([1; 32]), bytes: 6, token_hash: [2; 32], created_ms: 3 };

    fn all(blobs: &FolderBlobs) -> Vec<(BlobId, BlobState)> {
        let mut all = Vec::new();
        blobs.each(&mut |blob, state| all.push((blob, state))).unwrap();
        all
    }

    #[test]
    fn a_blob_is_written_finished_read_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::open(&dir.path().join("blobs")).unwrap();
        assert_eq!(blobs.state(&BLOB).unwrap(), None);
        blobs.create(&BLOB, &HEAD).unwrap();
        blobs.append(&BLOB, 0, b"abc").unwrap();
        blobs.append(&BLOB, 3, b"def").unwrap();
        assert_eq!(blobs.state(&BLOB).unwrap(), Some(BlobState { head: HEAD, held: 6, finished: false }));
        assert_eq!(blobs.read(&BLOB, 0, 6), Err(BlobStoreError::Missing));
        blobs.finish(&BLOB).unwrap();
        assert_eq!(all(&blobs), [(BLOB, BlobState { head: HEAD, held: 6, finished: true })]);
        assert_eq!(blobs.read(&BLOB, 2, 100).unwrap(), &b"cdef"[..]);
        blobs.remove(&BLOB).unwrap();
        blobs.remove(&BLOB).unwrap();
        assert!(all(&blobs).is_empty());
    }

    #[test]
    fn after_a_restart_only_what_was_synced_counts_and_it_goes_on_from_there() {
        let dir = tempfile::tempdir().unwrap();
        let head = BlobHead { bytes: UNSYNCED_BYTES_MAX + 10, ..HEAD };
        let first = FolderBlobs::open(dir.path()).unwrap();
        first.create(&BLOB, &head).unwrap();
        let large = vec![7; usize::try_from(UNSYNCED_BYTES_MAX).unwrap()];
        first.append(&BLOB, 0, &large).unwrap();
        first.append(&BLOB, UNSYNCED_BYTES_MAX, b"lost?").unwrap();
        drop(first);
        let second = FolderBlobs::open(dir.path()).unwrap();
        let held = second.state(&BLOB).unwrap().map(|state| state.held);
        assert_eq!(held, Some(UNSYNCED_BYTES_MAX));
        second.append(&BLOB, UNSYNCED_BYTES_MAX, b"0123456789").unwrap();
        second.finish(&BLOB).unwrap();
        assert_eq!(second.read(&BLOB, UNSYNCED_BYTES_MAX, 100).unwrap(), &b"0123456789"[..]);
    }

    #[test]
    fn many_uploads_at_once_keep_few_files_open_and_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::open(dir.path()).unwrap();
        let names: Vec<BlobId> = (0..=u16::try_from(OPEN_UPLOADS_MAX).unwrap() + 5)
            .map(|n| BlobId([n.to_be_bytes(); 8].concat().try_into().unwrap()))
            .collect();
        for blob in &names {
            blobs.create(blob, &HEAD).unwrap();
            blobs.append(blob, 0, b"abcdef").unwrap();
        }
        assert!(blobs.uploads().len() <= OPEN_UPLOADS_MAX);
        for blob in &names {
            assert_eq!(blobs.state(blob).unwrap().unwrap().held, 6);
            blobs.finish(blob).unwrap();
            assert_eq!(blobs.read(blob, 0, 6).unwrap(), &b"abcdef"[..]);
        }
    }

    #[test]
    fn what_is_no_blob_is_neither_counted_nor_read() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::open(dir.path()).unwrap();
        blobs.create(&BLOB, &HEAD).unwrap();
        blobs.uploads().clear();
        fs::write(blobs.part(&BLOB), b"short").unwrap();
        fs::write(blobs.shelf(&BLOB).join("README"), b"not ours").unwrap();
        assert!(all(&blobs).is_empty());
        assert_eq!(blobs.state(&BLOB), Err(BlobStoreError::Damaged));
    }
}
