//! Over the crate's own stores, one in memory and one in a folder, and over S3 where there is one.

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::*;

const BLOB: BlobId = BlobId([0xab; 16]);
const HEAD: BlobHead = BlobHead { account: AccountId([1; 32]), bytes: 6, token_hash: [2; 32], created_ms: 3 };

fn over<O: ObjectStore>(objects: O, folder: &std::path::Path) -> ObjectBlobs<O> {
    ObjectBlobs::over(objects, Path::from("relay/blobs"), FolderBlobs::open(folder).unwrap()).unwrap()
}

fn all(blobs: &dyn BlobStore) -> Vec<(BlobId, BlobState)> {
    let mut all = Vec::new();
    blobs.each(&mut |blob, state| all.push((blob, state))).unwrap();
    all
}

/// The life of a blob: the same wherever it lies.
fn lives(blobs: &dyn BlobStore) {
    let state = |held, finished| BlobState { head: HEAD, held, finished };
    assert_eq!((blobs.state(&BLOB).unwrap(), blobs.read(&BLOB, 0, 1)), (None, Err(BlobStoreError::Missing)));
    blobs.create(&BLOB, &HEAD).unwrap();
    blobs.append(&BLOB, 0, b"abc").unwrap();
    blobs.append(&BLOB, 3, b"def").unwrap();
    assert_eq!((blobs.state(&BLOB).unwrap(), all(blobs).len()), (Some(state(6, false)), 1));
    assert_eq!(blobs.read(&BLOB, 0, 6), Err(BlobStoreError::Missing), "not before it is finished");
    blobs.finish(&BLOB).unwrap();
    assert_eq!((blobs.state(&BLOB).unwrap(), all(blobs)), (Some(state(6, true)), vec![(BLOB, state(6, true))]));
    assert_eq!(blobs.read(&BLOB, 2, 100).unwrap(), &b"cdef"[..]);
    assert_eq!(blobs.read(&BLOB, 6, 1).unwrap(), &b""[..]);
    blobs.remove(&BLOB).unwrap();
    blobs.remove(&BLOB).unwrap();
    assert!(all(blobs).is_empty() && blobs.state(&BLOB).unwrap().is_none());
}

#[test]
fn a_blob_is_written_finished_read_and_removed_in_memory_and_in_files() {
    let (folder, objects) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    lives(&over(InMemory::new(), folder.path()));
    lives(&over(LocalFileSystem::new_with_prefix(objects.path()).unwrap(), folder.path()));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().flat_map(|d| std::fs::read_dir(d.unwrap().path())).flatten().count(),
        0
    );
}

/// Several parts, and a second run that knows nothing but what is stored.
fn outlives<O: ObjectStore>(store: impl Fn() -> O) {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..2 * PART_BYTES + 5).map(|at| (at % 251).to_le_bytes()[0]).collect();
    let head = BlobHead { bytes: content.len() as u64, ..HEAD };
    let first = over(store(), folder.path());
    first.create(&BLOB, &head).unwrap();
    first.append(&BLOB, 0, &content).unwrap();
    first.finish(&BLOB).unwrap();
    drop(first);
    let second = over(store(), folder.path());
    assert_eq!(second.state(&BLOB).unwrap().map(|state| (state.head, state.finished)), Some((head, true)));
    let middle = PART_BYTES - 10;
    assert_eq!(second.read(&BLOB, middle as u64, 20).unwrap(), content[middle..middle + 20]);
    assert_eq!(second.read(&BLOB, content.len() as u64 - 3, 100).unwrap(), content[content.len() - 3..]);
    second.remove(&BLOB).unwrap();
    assert_eq!(second.read(&BLOB, 0, 1), Err(BlobStoreError::Missing));
}

#[test]
fn a_blob_of_many_parts_is_whole_and_known_to_the_next_run_by_its_name_alone() {
    let objects = tempfile::tempdir().unwrap();
    outlives(|| LocalFileSystem::new_with_prefix(objects.path()).unwrap());
}

/// Over the protocol itself, with the operator's variables: the first part of the life, and what every part has
/// in common.
#[test]
#[cfg(feature = "s3_tests")]
fn a_blob_lives_the_same_life_in_s3() {
    let folder = tempfile::tempdir().unwrap();
    let uploads = || FolderBlobs::open(folder.path()).unwrap();
    lives(&ObjectBlobs::at("s3://blobs/one", uploads()).unwrap());
    outlives(|| AmazonS3Builder::from_env().with_url("s3://blobs").build().unwrap());
    // Nothing of the one place is seen at the other.
    let (one, other) = (ObjectBlobs::at("s3://blobs/one", uploads()), ObjectBlobs::at("s3://blobs/other", uploads()));
    let (one, other) = (one.unwrap(), other.unwrap());
    one.create(&BLOB, &HEAD).unwrap();
    one.append(&BLOB, 0, b"abcdef").unwrap();
    one.finish(&BLOB).unwrap();
    assert_eq!((all(&one).len(), all(&other).len()), (1, 0));
    assert_eq!(other.read(&BLOB, 0, 6), Err(BlobStoreError::Missing));
    one.remove(&BLOB).unwrap();
}

#[test]
#[cfg(feature = "s3_tests")]
fn s3_that_refuses_the_relay_s_credentials_or_has_no_such_bucket_is_an_error_and_no_missing_blob() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = AmazonS3Builder::from_env().with_url("s3://blobs").with_secret_access_key("wrong").build().unwrap();
    for objects in [stranger, AmazonS3Builder::from_env().with_url("s3://absent").build().unwrap()] {
        let blobs = over(objects, folder.path());
        assert!(matches!(blobs.state(&BLOB), Err(BlobStoreError::Io { .. })), "{:?}", blobs.state(&BLOB));
        blobs.create(&BLOB, &HEAD).unwrap();
        blobs.append(&BLOB, 0, b"abcdef").unwrap();
        assert!(blobs.finish(&BLOB).is_err());
        assert_eq!(blobs.state(&BLOB).unwrap().map(|state| (state.held, state.finished)), Some((6, false)));
        blobs.uploads.remove(&BLOB).unwrap();
    }
}

#[test]
fn a_relay_that_died_before_it_removed_its_copy_carries_it_over_again_and_counts_it_once() {
    let (folder, objects) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let blobs = over(LocalFileSystem::new_with_prefix(objects.path()).unwrap(), folder.path());
    blobs.create(&BLOB, &HEAD).unwrap();
    blobs.append(&BLOB, 0, b"abcdef").unwrap();
    blobs.carry(&BLOB, &HEAD).unwrap();
    assert_eq!(all(&blobs).len(), 1);
    blobs.finish(&BLOB).unwrap();
    assert_eq!(all(&blobs).len(), 1);
    assert_eq!(blobs.read(&BLOB, 0, 6).unwrap(), &b"abcdef"[..]);
}

#[tokio::test]
async fn it_may_be_opened_used_and_dropped_where_nobody_may_wait() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = over(InMemory::new(), folder.path());
    assert!(all(&blobs).is_empty());
    drop(blobs);
}

#[test]
fn what_is_no_blob_among_the_objects_is_neither_counted_nor_read() {
    let (folder, objects) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stray = objects.path().join("relay/blobs/ab").join("ab".repeat(16));
    std::fs::create_dir_all(&stray).unwrap();
    std::fs::write(stray.join("notes.txt"), b"not ours").unwrap();
    let blobs = over(LocalFileSystem::new_with_prefix(objects.path()).unwrap(), folder.path());
    assert!(all(&blobs).is_empty() && blobs.state(&BLOB).unwrap().is_none());
}
