//! The hashes of the chunks of one upload (SPEC 13.2.2), in a file of their own: making them durable waits for
//! nothing of the profile's store, and no message waits for them. They are hashes of what the relay holds
//! anyway, and tell nothing to who copies the file.
//!
//! ```text
//! DIR/uploads/HEX      records of 40 bytes: hash 32 ‖ check 8
//! check = the first bytes of SHA-256(number of the chunk u64 ‖ hash)
//! ```
//! Records are written behind one another and synced before any of their chunks leaves. A power cut may leave a
//! tail that was never synced: records there fail their check, and their chunks never left.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chat_core::file::ChunkHash;
use chat_wire::ids::MessageId;
use sha2::{Digest as _, Sha256};

/// Bytes of a record's check: more than chance ever meets; nobody else writes here.
const CHECK_BYTES: usize = 8;

/// Bytes of a record.
const RECORD_BYTES: usize = 32 + CHECK_BYTES;

/// The hashes of one upload, open for more.
#[derive(Debug)]
pub(super) struct ChunkLog {
    file: File,
    count: u64,
}

/// A sound record lies behind one that is not: somebody else wrote here, and what left is not known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hashes of an upload are damaged")]
pub(super) struct Damaged;

impl ChunkLog {
    /// Opens the log of an upload, made if there is none; what it holds comes along. `InvalidData` when it is
    /// [`Damaged`].
    pub(super) fn open(dir: &Path, id: &MessageId) -> io::Result<(Self, Vec<ChunkHash>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = place(dir, id);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let hashes = sound(&fs::read(&path)?).map_err(|damaged| io::Error::new(io::ErrorKind::InvalidData, damaged))?;
        // Its name is as durable as what it will hold.
        File::open(dir)?.sync_all()?;
        let count = hashes.len() as u64;
        Ok((Self { file, count }, hashes))
    }

    /// How many chunks it knows.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Adds the hashes of the next chunks; durable when this returns.
    pub(super) fn add(&mut self, hashes: &[ChunkHash]) -> io::Result<()> {
        let records: Vec<u8> = (self.count..).zip(hashes).flat_map(|(number, hash)| record(number, hash)).collect();
        self.file.write_all_at(&records, self.count.saturating_mul(RECORD_BYTES as u64))?;
        self.file.sync_data()?;
        self.count = self.count.saturating_add(hashes.len() as u64);
        Ok(())
    }
}

/// Forgets the log of an upload that is over: its key is not used again.
pub(super) fn forget(dir: &Path, id: &MessageId) -> io::Result<()> {
    absent(fs::remove_file(place(dir, id)))
}

/// Forgets all logs but those of some uploads.
pub(super) fn keep_only(dir: &Path, ids: &[MessageId]) -> io::Result<()> {
    let kept: Vec<PathBuf> = ids.iter().map(|id| place(dir, id)).collect();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if !kept.contains(&path) {
            absent(fs::remove_file(path))?;
        }
    }
    Ok(())
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn place(dir: &Path, id: &MessageId) -> PathBuf {
    dir.join(id.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn record(number: u64, hash: &ChunkHash) -> [u8; RECORD_BYTES] {
    let check = Sha256::new().chain_update(number.to_be_bytes()).chain_update(hash).finalize();
    let mut record = [0; RECORD_BYTES];
    for (to, from) in record.iter_mut().zip(hash.iter().chain(&check)) {
        *to = *from;
    }
    record
}

/// The hashes up to the first record that was not written whole; none may be whole behind it.
fn sound(bytes: &[u8]) -> Result<Vec<ChunkHash>, Damaged> {
    let records = (0..).zip(bytes.as_chunks::<RECORD_BYTES>().0);
    let mut hashes = Vec::new();
    let mut whole = true;
    for (number, found) in records {
        let hash: &ChunkHash = found.first_chunk().ok_or(Damaged)?;
        match (record(number, hash) == *found, whole) {
            (true, true) => hashes.push(*hash),
            (true, false) => return Err(Damaged),
            (false, _) => whole = false,
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = MessageId([0x5a; 16]);

    fn hashes(from: u8, to: u8) -> Vec<ChunkHash> {
        (from..to).map(|byte| [byte; 32]).collect()
    }

    #[test]
    fn what_was_added_is_there_in_the_next_run_and_grows_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, known) = ChunkLog::open(dir.path(), &ID).unwrap();
        assert!(known.is_empty());
        log.add(&hashes(0, 3)).unwrap();
        log.add(&hashes(3, 4)).unwrap();
        let (mut log, known) = ChunkLog::open(dir.path(), &ID).unwrap();
        assert_eq!((known, log.count()), (hashes(0, 4), 4));
        log.add(&hashes(4, 6)).unwrap();
        assert_eq!(ChunkLog::open(dir.path(), &ID).unwrap().1, hashes(0, 6));
    }

    #[test]
    fn a_tail_that_a_power_cut_left_counts_for_nothing_and_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        ChunkLog::open(dir.path(), &ID).unwrap().0.add(&hashes(0, 2)).unwrap();
        let written = fs::read(place(dir.path(), &ID)).unwrap();
        for tail in [&[0; 100][..], &[7; 13], &record(3, &[9; 32])[..20], &record(9, &[9; 32])] {
            fs::write(place(dir.path(), &ID), [&written, tail].concat()).unwrap();
            let (mut log, known) = ChunkLog::open(dir.path(), &ID).unwrap();
            assert_eq!(known, hashes(0, 2));
            log.add(&hashes(2, 6)).unwrap();
            assert_eq!(ChunkLog::open(dir.path(), &ID).unwrap().1, hashes(0, 6));
        }
    }

    #[test]
    fn a_hole_before_what_was_synced_is_damage_and_not_a_tail() {
        let dir = tempfile::tempdir().unwrap();
        ChunkLog::open(dir.path(), &ID).unwrap().0.add(&hashes(0, 4)).unwrap();
        let path = place(dir.path(), &ID);
        let mut bytes = fs::read(&path).unwrap();
        bytes[RECORD_BYTES + 5] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(ChunkLog::open(dir.path(), &ID).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn logs_of_uploads_that_are_over_are_forgotten_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = dir.path().join("uploads");
        keep_only(&uploads, &[]).unwrap();
        let other = MessageId([1; 16]);
        for id in [ID, other] {
            ChunkLog::open(&uploads, &id).unwrap();
        }
        keep_only(&uploads, &[other]).unwrap();
        assert_eq!(fs::read_dir(&uploads).unwrap().count(), 1);
        forget(&uploads, &other).unwrap();
        forget(&uploads, &other).unwrap();
        assert_eq!(fs::read_dir(&uploads).unwrap().count(), 0);
    }
}
