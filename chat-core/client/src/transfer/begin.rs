//! How a transfer begins: what is asked is looked at and named before anything moves.

use std::path::{Path, PathBuf};

use chat_core::engine::{Answer as Told, Command, Failure, FailureKind, FileCommand, Query, Reply};
use chat_core::file::FileKey;
use chat_wire::ids::BlobId;
use chat_wire::limits::FILE_BYTES_MAX;
use chat_wire::message::BlobToken;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_bytes::ByteArray;
use tokio::task::spawn_blocking;

use super::ledger::Ledger;
use super::row::{Outgoing, Row, Up, Way};
use super::types::{FileToFetch, FileToSend, failed};
use super::upload::{io_failure, open, written_ns};
use super::{names, place};
use crate::clock;

/// Looks at a file, asks the engine for its message's name, and stores that it is to be sent.
pub(super) async fn upload(ledger: &Ledger, file: FileToSend) -> Result<Row, Failure> {
    let path = std::path::absolute(&file.path).map_err(|error| io_failure(&error))?;
    let looking = path.clone();
    let looked = spawn_blocking(move || open(&looking).map(|(_, metadata)| metadata)).await;
    let metadata = looked.map_err(|_| Failure::of(FailureKind::Internal))??;
    if metadata.len() > FILE_BYTES_MAX || file.caption.as_ref().is_some_and(|text| text.len() > CAPTION_BYTES_MAX) {
        return failed(FailureKind::TooLarge);
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let key = FileKey::generate(&mut UnwrapErr(SysRng));
    let (blob, salt, token) = (BlobId(random()?), ByteArray::new(random()?), BlobToken(random()?));
    let reserve = FileCommand::Reserve { to: file.to.clone(), blob, key: key.clone() };
    let Reply::FileReserved { id, nonce } = ledger.run(Command::File(reserve)).await? else {
        return failed(FailureKind::Internal);
    };
    let up = Up {
        nonce,
        salt,
        token,
        caption: file.caption,
        idempotency_key: file.idempotency_key,
        media_type: names::media_type(&name).map(str::to_owned),
        written_ns: written_ns(&metadata),
    };
    let outgoing = Outgoing { id, with: file.to, name, size: metadata.len(), path, key, blob, up };
    let row = Row::upload(outgoing, clock::now().as_ms());
    ledger.save(&row).await?;
    Ok(row)
}

/// Finds out what a message's file is and where it goes.
pub(super) async fn download(ledger: &Ledger, file: FileToFetch) -> Result<Row, Failure> {
    let Told::File(shared) = ledger.query(Query::File(file.id)).await? else {
        return failed(FailureKind::Internal);
    };
    let shared = shared.ok_or(Failure::of(FailureKind::UnknownMessage))?;
    if shared.pointer.size > FILE_BYTES_MAX {
        return failed(FailureKind::TooLarge);
    }
    let placed = spawn_blocking(move || target_of(file.path)).await;
    let (target, exact) = placed.map_err(|_| Failure::of(FailureKind::Internal))??;
    let with = shared.with;
    Ok(Row::download((file.id, with), &shared.pointer, (&target, exact), clock::now().as_ms()))
}

/// Whether a download goes where this one is to go.
pub(super) fn goes_to(row: &Row, path: Option<&Path>) -> bool {
    let wanted = match path {
        Some(path) => std::path::absolute(path).ok(),
        None => place::downloads(),
    };
    matches!(&row.way, Way::Down(down) if wanted.as_deref() == Some(down.target()))
}

/// The directory that a file goes to, or the file that it becomes.
fn target_of(path: Option<PathBuf>) -> Result<(PathBuf, bool), Failure> {
    let Some(path) = path else {
        let downloads = place::downloads().ok_or(Failure::of(FailureKind::NotFound))?;
        place::make_dir(&downloads).map_err(|error| io_failure(&error))?;
        return Ok((downloads, false));
    };
    let path = std::path::absolute(&path).map_err(|error| io_failure(&error))?;
    if path.is_dir() {
        return Ok((path, false));
    }
    let parent = path.parent().is_some_and(Path::is_dir);
    if parent && path.file_name().is_some() { Ok((path, true)) } else { failed(FailureKind::NotFound) }
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Failure::of(FailureKind::Io))?;
    Ok(bytes)
}

/// Bytes of a caption: what a message's text may have.
const CAPTION_BYTES_MAX: usize = 64 * 1024;
