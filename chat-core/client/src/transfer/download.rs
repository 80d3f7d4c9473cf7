//! A download: parts are asked for ahead, opened chunk by chunk on a thread that may wait for the disk, and
//! written into a temporary file. What an earlier try wrote is read back and counts; the hash of the whole
//! decides at the end.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chat_core::engine::{Failure, FailureKind};
use chat_core::file::{FileOpener, HEADER_BYTES, Layout};
use chat_wire::message::{BlobAnswer, BlobAsk};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::bulk::{Bulk, BulkError};
use super::ledger::Progress;
use super::place::{self, Incoming};
use super::row::{Row, Way};
use super::types::SavedFile;
use super::upload::{Broken, io_failure};

/// Bytes of a part that is asked for at once: one large chunk, or this many of small ones.
const PART_BYTES: u64 = 1024 * 1024;

/// Parts asked for and not yet here.
const PARTS_UNDER_WAY_MAX: u32 = 4;

/// Parts between the connection and the disk.
const PARTS_WAITING_MAX: usize = 2;

/// Everything came and was checked.
pub(super) enum Fetched {
    /// It has no name yet.
    Unnamed(Incoming),
    /// An earlier run gave it its name.
    Named(PathBuf),
}

/// Where a download goes.
pub(super) fn place_of(row: &Row) -> Option<(PathBuf, String)> {
    match &row.way {
        Way::Down(down) => Some(place::target(down.target(), down.exact, &row.name)),
        Way::Up(_) => None,
    }
}

/// One attempt: ends with everything here and checked, or with what broke it.
pub(super) async fn attempt(mut bulk: Bulk, row: &Row, progress: &mut Progress) -> Result<Fetched, Broken> {
    let (Some(layout), Some((dir, name))) = (row.layout(), place_of(row)) else { return Err(integrity()) };
    if let Some(path) = named(row, dir.clone(), name).await? {
        return Ok(Fetched::Named(path));
    }
    let header = part(&mut bulk, row, (0, HEADER_BYTES as u64), layout).await?;
    let begin = Begin { row: row.clone(), dir, layout, header };
    let writer = spawn_blocking(move || begin.run()).await.map_err(|_| internal())??;
    progress.reached(writer.reached());
    let mut next = writer.opener.next();
    let mut ahead = next;
    let (parts_in, parts) = mpsc::channel(PARTS_WAITING_MAX);
    let mut done = progress.clone();
    let opening = spawn_blocking(move || writer.run(parts, &mut done));
    let mut asked = std::collections::VecDeque::new();
    while next < layout.chunks() {
        while ahead < layout.chunks() && bulk.under_way() < PARTS_UNDER_WAY_MAX {
            let (end, bytes) = chunks_from(layout, ahead);
            ask(&mut bulk, row, (layout.sealed(ahead).at, bytes)).await?;
            asked.push_back((end, bytes));
            ahead = end;
        }
        let Some((end, bytes)) = asked.pop_front() else { return Err(internal()) };
        let body = answer(&mut bulk, bytes, layout).await?;
        next = end;
        // The disk's side ended: it says why.
        if parts_in.send(body).await.is_err() {
            break;
        }
    }
    drop(parts_in);
    let incoming = opening.await.map_err(|_| internal())??;
    Ok(Fetched::Unnamed(incoming))
}

async fn named(row: &Row, dir: PathBuf, name: String) -> Result<Option<PathBuf>, Broken> {
    let (id, sha256) = (row.id, row.sha256.ok_or_else(internal)?.into_array());
    let looking = spawn_blocking(move || place::published(&dir, &id, &name, &sha256));
    Ok(looking.await.map_err(|_| internal())?.map_err(|error| io_failure(&error))?)
}

/// Gives the file its name. Once begun it is not broken off.
pub(super) async fn finish(fetched: Fetched, row: &Row) -> Result<SavedFile, Broken> {
    let (Some((dir, name)), Some(sha256)) = (place_of(row), row.sha256) else { return Err(internal()) };
    let path = match fetched {
        Fetched::Named(path) => path,
        Fetched::Unnamed(incoming) => {
            let publishing = spawn_blocking(move || incoming.publish(&dir, &name));
            publishing.await.map_err(|_| internal())?.map_err(|error| io_failure(&error))?
        }
    };
    Ok(SavedFile { path, size: row.size, sha256: sha256.into_array() })
}

/// The chunks of one part: the number behind its last one, and its bytes.
fn chunks_from(layout: Layout, first: u64) -> (u64, u64) {
    let (mut end, mut bytes) = (first, 0_u64);
    while end < layout.chunks() && (end == first || bytes < PART_BYTES) {
        bytes = bytes.saturating_add(layout.sealed(end).bytes as u64);
        end = end.saturating_add(1);
    }
    (end, bytes)
}

async fn ask(bulk: &mut Bulk, row: &Row, (at, bytes): (u64, u64)) -> Result<(), Broken> {
    let count = u32::try_from(bytes).map_err(|_| internal())?;
    Ok(bulk.send(BlobAsk::Get { blob: row.blob, at, count }, Bytes::new()).await?)
}

async fn answer(bulk: &mut Bulk, bytes: u64, layout: Layout) -> Result<Bytes, Broken> {
    match bulk.answer().await? {
        // Another size is another blob; fewer bytes are no part.
        (BlobAnswer::Part { bytes: all }, body) if all == layout.blob_bytes() && body.len() as u64 == bytes => Ok(body),
        (BlobAnswer::Part { .. }, _) => Err(integrity()),
        _ => Err(BulkError::Lost.into()),
    }
}

async fn part(bulk: &mut Bulk, row: &Row, span: (u64, u64), layout: Layout) -> Result<Bytes, Broken> {
    ask(bulk, row, span).await?;
    answer(bulk, span.1, layout).await
}

/// What an attempt begins with.
struct Begin {
    row: Row,
    dir: PathBuf,
    layout: Layout,
    header: Bytes,
}

/// Opens parts and writes them.
struct Writer {
    opener: FileOpener,
    incoming: Incoming,
    layout: Layout,
    sha256: [u8; 32],
    /// Chunks that an earlier try wrote.
    kept: u64,
}

impl Begin {
    /// Checks the header, and reads back what is here.
    fn run(self) -> Result<Writer, Broken> {
        let Self { row, dir, layout, header } = self;
        let sha256 = row.sha256.ok_or_else(internal)?.into_array();
        let mut opener = FileOpener::new(row.key(), layout, &header).map_err(|_| integrity())?;
        let incoming = Incoming::open(&dir, &row.id).map_err(|error| io_failure(&error))?;
        let here = incoming.bytes().map_err(|error| io_failure(&error))?;
        let mut buffer = Vec::new();
        while let Some(span) = opener.due() {
            let end = span.at.saturating_add(span.bytes as u64);
            // The last chunk is always fetched: nothing tells a whole one from a cut one before.
            if span.bytes == 0 || end > here || opener.next().saturating_add(1) == layout.chunks() {
                break;
            }
            buffer.resize(span.bytes, 0);
            incoming.read(span.at, &mut buffer).map_err(|error| io_failure(&error))?;
            opener.skip(&buffer).map_err(|_| internal())?;
        }
        let kept = opener.next();
        Ok(Writer { opener, incoming, layout, sha256, kept })
    }
}

impl Writer {
    /// Bytes of the file that are here.
    fn reached(&self) -> u64 {
        self.opener.due().map_or(self.layout.size(), |span| span.at)
    }

    fn run(mut self, mut parts: mpsc::Receiver<Bytes>, progress: &mut Progress) -> Result<Incoming, Broken> {
        let mut buffer = Vec::new();
        while let Some(mut part) = parts.blocking_recv() {
            while !part.is_empty() {
                let Some(span) = self.opener.due() else { return Err(integrity()) };
                let sealed = self.layout.sealed(self.opener.next()).bytes;
                let chunk = part.split_to(sealed.min(part.len()));
                let plain = self.opener.open(&chunk, &mut buffer).map_err(|_| integrity())?;
                self.incoming.write(span.at, plain).map_err(|error| io_failure(&error))?;
            }
            progress.reached(self.reached());
        }
        if self.opener.due().is_some() {
            return Err(Broken::Passing);
        }
        let Self { opener, incoming, sha256, kept, layout } = self;
        if opener.finish(&sha256).is_err() {
            // What was kept may have been damaged since, or by a power cut: without it, once more.
            incoming.cut(0).map_err(|error| io_failure(&error))?;
            return Err(if kept > 0 { Broken::Passing } else { integrity() });
        }
        // What lies behind the end is not the file's: an earlier try of something else.
        incoming.cut(layout.size()).map_err(|error| io_failure(&error))?;
        Ok(incoming)
    }
}

/// Removes what an attempt left beside the finished file, or instead of one.
pub(super) fn discard(row: &Row) -> io::Result<()> {
    let Some((dir, _)) = place_of(row) else { return Ok(()) };
    let dir: &Path = &dir;
    place::discard(dir, &row.id)
}

/// The blob is not the file that the message names.
fn integrity() -> Broken {
    Broken::Failed(Failure::of(FailureKind::Integrity))
}

fn internal() -> Broken {
    Broken::Failed(Failure::of(FailureKind::Internal))
}
