//! An upload: read, sealed, made durable by its hashes, sent, acknowledged — each step while the one before
//! works on the next part. A break costs reading and sealing again, which proves that the file is the same.
//!
//! ```text
//! reader thread:  file ─▶ seal ─▶ part ─┐ (three wait)
//! here:                                 └─▶ hashes durable ─▶ Put ─▶ … ─▶ Finish ─▶ offer
//! ```

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chat_core::engine::{
    Command, Failure, FailureKind, FileCommand, FileOffer, FilePointer, Reply, THUMBNAIL_BYTES_MAX,
};
use chat_core::file::{ChunkHash, FileHashes, FileSealer, HEADER_BYTES, Layout};
use chat_wire::error::RefusalKind;
use chat_wire::ids::BlobId;
use chat_wire::limits::BLOB_PART_BYTES_MAX;
use chat_wire::message::{BlobAnswer, BlobAsk};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::bulk::{Bulk, BulkError};
use super::chunks::ChunkLog;
use super::ledger::{Ledger, Progress};
use super::row::{Row, Up, Way};
use super::types::{SentFile, failed};
use crate::picture::{self, Decoder, Source};

/// Bytes of a part that is sent at once: one large chunk, or this many of small ones.
const PART_BYTES: usize = 1024 * 1024;

/// Sealed parts that wait for their hashes to be durable: several share one sync.
const PARTS_AHEAD_MAX: usize = 3;

/// Parts on their way without an answer: the relay writes one while the next ones travel.
const PARTS_UNDER_WAY_MAX: u32 = 4;

/// Opens a file that is to be sent. It is looked at before: a pipe in its place would stop the reader for
/// ever. What was looked at is what was opened.
pub(super) fn open(path: &Path) -> Result<(File, Metadata), Failure> {
    let looked = std::fs::metadata(path).map_err(|error| io_failure(&error))?;
    if !looked.is_file() {
        return failed(FailureKind::InvalidParams);
    }
    let file = File::open(path).map_err(|error| io_failure(&error))?;
    let metadata = file.metadata().map_err(|error| io_failure(&error))?;
    if !metadata.is_file() || (metadata.dev(), metadata.ino()) != (looked.dev(), looked.ino()) {
        return failed(FailureKind::Integrity);
    }
    Ok((file, metadata))
}

/// When a file was last written, in nanoseconds since the Unix epoch.
pub(super) fn written_ns(metadata: &Metadata) -> u64 {
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let rest = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// What went wrong with a file here.
pub(super) fn io_failure(error: &io::Error) -> Failure {
    Failure::of(match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FailureKind::NotFound,
        io::ErrorKind::PermissionDenied => FailureKind::Forbidden,
        io::ErrorKind::IsADirectory => FailureKind::InvalidParams,
        _ => FailureKind::Io,
    })
}

/// Why an attempt ended early.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection, or the relay for now.
    Passing,
    /// The relay is there, but its disk is full or fails.
    Stuck,
    /// For good.
    Failed(Failure),
}

impl From<BulkError> for Broken {
    fn from(error: BulkError) -> Self {
        match &error {
            BulkError::Refused(refusal) if refusal.kind == RefusalKind::Unavailable => Self::Stuck,
            error if error.is_passing() => Self::Passing,
            error => Self::Failed(error.failure()),
        }
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Everything is with the relay but the last word.
pub(super) struct Uploaded {
    bulk: Bulk,
    hashes: FileHashes,
    thumbnail: Option<Vec<u8>>,
}

/// A sealed part.
struct Part {
    /// Number of its first chunk.
    first: u64,
    hashes: Vec<ChunkHash>,
    /// Place in the blob.
    at: u64,
    bytes: Bytes,
    /// Bytes of the file up to its end.
    reached: u64,
}

/// One attempt: ends with everything put, or with what broke it. `uploads` is where the hashes of chunks lie.
pub(super) async fn attempt(
    mut bulk: Bulk,
    row: &Row,
    (uploads, decoder): (&Path, Option<&Decoder>),
    progress: &mut Progress,
) -> Result<Uploaded, Broken> {
    let (Way::Up(up), Some(layout)) = (&row.way, row.layout()) else { return Err(internal()) };
    let create = BlobAsk::Create { blob: row.blob, bytes: layout.blob_bytes(), token: up.token };
    let BlobAnswer::Held { bytes: held, .. } = bulk.ask(create).await? else { return Err(Broken::Passing) };
    let drawing = decoder.and_then(|decoder| draw(row, up, decoder));
    let (mut log, known) = known_chunks(uploads, row).await?;
    let (parts_in, mut parts) = mpsc::channel(PARTS_AHEAD_MAX);
    let reader = Reader { path: row.path().to_path_buf(), row: row.clone(), layout, known };
    let sealing = spawn_blocking(move || reader.run(&parts_in));
    // Answers tell how far the relay is; the file's bytes are told by the part that is answered.
    let mut reached = std::collections::VecDeque::new();
    let mut sealed = Vec::new();
    while parts.recv_many(&mut sealed, PARTS_AHEAD_MAX).await > 0 {
        // One sync for all that are sealed by now, before any of them leaves (SPEC 13.2.2).
        let hashes = new_hashes(&sealed, log.count());
        log = remember(log, hashes).await?;
        for part in sealed.drain(..) {
            let end = part.at.saturating_add(u64::try_from(part.bytes.len()).unwrap_or(0));
            if end <= held {
                progress.reached(part.reached.max(progress.done()));
                continue;
            }
            while bulk.under_way() >= PARTS_UNDER_WAY_MAX {
                taken(&mut bulk, &mut reached, progress).await?;
            }
            bulk.send(BlobAsk::Put { blob: row.blob, at: part.at, token: up.token }, part.bytes).await?;
            reached.push_back(part.reached);
        }
    }
    let hashes = sealing.await.map_err(|_| internal())??;
    while bulk.under_way() > 0 {
        taken(&mut bulk, &mut reached, progress).await?;
    }
    let thumbnail = match drawing {
        Some(drawing) => drawing.await.unwrap_or_default(),
        None => None,
    };
    Ok(Uploaded { bulk, hashes, thumbnail })
}

/// What was ever sealed of this upload.
async fn known_chunks(uploads: &Path, row: &Row) -> Result<(ChunkLog, Vec<ChunkHash>), Broken> {
    let (uploads, id) = (uploads.to_path_buf(), row.id);
    let opened = spawn_blocking(move || ChunkLog::open(&uploads, &id)).await.map_err(|_| internal())?;
    opened.map_err(|error| match error.kind() {
        // What left under this key is not known any more: it is spent.
        io::ErrorKind::InvalidData => changed(),
        _ => Broken::Failed(io_failure(&error)),
    })
}

/// Makes hashes durable, on a thread that may wait for the disk.
async fn remember(mut log: ChunkLog, hashes: Vec<ChunkHash>) -> Result<ChunkLog, Broken> {
    if hashes.is_empty() {
        return Ok(log);
    }
    let adding = spawn_blocking(move || log.add(&hashes).map(|()| log));
    adding.await.map_err(|_| internal())?.map_err(|error| Broken::Failed(io_failure(&error)))
}

/// The hashes of chunks from number `stored` on.
fn new_hashes(parts: &[Part], stored: u64) -> Vec<ChunkHash> {
    let new = |part: &Part| {
        let known = usize::try_from(stored.saturating_sub(part.first)).unwrap_or(usize::MAX);
        part.hashes.get(known..).unwrap_or_default().to_vec()
    };
    parts.iter().flat_map(new).collect()
}

/// Makes the thumbnail of a picture while it is sealed; a file without one is sent all the same.
fn draw(row: &Row, up: &Up, decoder: &Decoder) -> Option<JoinHandle<Option<Vec<u8>>>> {
    if !picture::is_picture(up.media_type.as_deref()) || row.size > picture::PICTURE_BYTES_MAX {
        return None;
    }
    let (path, decoder) = (row.path().to_path_buf(), decoder.clone());
    Some(spawn_blocking(move || {
        let (file, _) = open(&path).ok()?;
        let drawn = decoder.thumbnail(Source::File(file), THUMBNAIL_BYTES_MAX);
        drawn.inspect_err(|error| tracing::debug!(%error, "a picture is sent without a thumbnail")).ok()
    }))
}

/// Waits for the answer to the oldest part.
async fn taken(
    bulk: &mut Bulk,
    reached: &mut std::collections::VecDeque<u64>,
    progress: &mut Progress,
) -> Result<(), BulkError> {
    let answer = bulk.answer().await?;
    match (answer, reached.pop_front()) {
        ((BlobAnswer::Held { .. }, _), Some(done)) => progress.reached(done),
        _ => return Err(BulkError::Lost),
    }
    Ok(())
}

/// The last word to the relay, then the message. Once begun it is not broken off.
pub(super) async fn finish(mut uploaded: Uploaded, row: &Row, ledger: &Ledger) -> Result<SentFile, Broken> {
    let (Way::Up(up), Some(layout)) = (&row.way, row.layout()) else { return Err(internal()) };
    let finish = BlobAsk::Finish { blob: row.blob, token: up.token };
    let BlobAnswer::Finished { expires_ms } = uploaded.bulk.ask(finish).await? else { return Err(Broken::Passing) };
    let Uploaded { hashes, thumbnail, .. } = uploaded;
    let pointer = FilePointer {
        blob: row.blob,
        key: row.key().clone(),
        blob_bytes: layout.blob_bytes(),
        size: row.size,
        blob_hash: hashes.blob,
        plain_hash: hashes.plain,
        name: row.name.clone(),
        media_type: up.media_type.clone(),
        thumbnail,
        expires_ms,
    };
    let offer = FileOffer { to: row.with.clone(), nonce: up.nonce, pointer, caption: up.caption.clone() };
    match ledger.run(Command::File(FileCommand::Offer(Box::new(offer)))).await? {
        Reply::Queued { id, .. } if id == row.id => Ok(SentFile { id, size: row.size, sha256: hashes.plain }),
        _ => Err(internal()),
    }
}

/// Takes an upload that is not wanted any more off the relay; it expires there anyway.
pub(super) async fn withdraw(mut bulk: Bulk, blob: BlobId, up: &Up) -> Result<(), BulkError> {
    bulk.ask(BlobAsk::Delete { blob, token: up.token }).await.map(|_| ())
}

fn internal() -> Broken {
    Broken::Failed(Failure::of(FailureKind::Internal))
}

/// What the reading thread works on.
struct Reader {
    path: PathBuf,
    row: Row,
    layout: Layout,
    known: Vec<ChunkHash>,
}

impl Reader {
    /// Seals the whole file, part by part; nothing when nobody takes the parts any more.
    fn run(self, parts: &mpsc::Sender<Part>) -> Result<FileHashes, Broken> {
        let Way::Up(up) = &self.row.way else { return Err(internal()) };
        let (mut file, metadata) = open(&self.path)?;
        self.unchanged(up, &metadata)?;
        let mut sealer = FileSealer::new(self.row.key(), up.salt(), self.layout);
        let mut header = Some(sealer.header().to_vec());
        let mut number: u64 = 0;
        while sealer.wants().is_some() {
            let first = number;
            let at = if header.is_some() { 0 } else { self.layout.sealed(first).at };
            let mut bytes = header.take().unwrap_or_default();
            // Read, sealed and sent in this one place.
            bytes.reserve(BLOB_PART_BYTES_MAX);
            let (mut hashes, mut reached) = (Vec::new(), 0);
            while let Some(span) =
                sealer.wants().filter(|_| hashes.is_empty() || bytes.len() < PART_BYTES - HEADER_BYTES)
            {
                let from = bytes.len();
                read(&mut file, span.bytes, &mut bytes)?;
                let known = usize::try_from(number).ok().and_then(|number| self.known.get(number));
                // Another text under the same key would give both away: this key is spent.
                let hash = sealer.seal_behind(&mut bytes, from, known).map_err(|_| changed())?;
                hashes.push(hash);
                reached = span.at.saturating_add(span.bytes as u64);
                number = number.saturating_add(1);
            }
            let part = Part { first, hashes, at, bytes: Bytes::from(bytes), reached };
            if parts.blocking_send(part).is_err() {
                return Err(Broken::Passing);
            }
        }
        self.unchanged(up, &file.metadata().map_err(|error| io_failure(&error))?)?;
        sealer.finish().ok_or_else(internal)
    }

    fn unchanged(&self, up: &Up, metadata: &Metadata) -> Result<(), Broken> {
        let same = metadata.len() == self.row.size && written_ns(metadata) == up.written_ns;
        if same { Ok(()) } else { Err(changed()) }
    }
}

/// Reads so many bytes behind those that a part has.
fn read(file: &mut File, bytes: usize, part: &mut Vec<u8>) -> Result<(), Broken> {
    let read = file.take(bytes as u64).read_to_end(part).map_err(|error| io_failure(&error))?;
    if read == bytes { Ok(()) } else { Err(changed()) }
}

/// The file is not the one that was to be sent.
fn changed() -> Broken {
    Broken::Failed(Failure::of(FailureKind::Integrity))
}
