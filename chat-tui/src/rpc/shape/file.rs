//! Files: what is told of them and of their transfers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chat_client::{Direction, FileInfo, SavedFile, SentFile, Transfer, TransferState};
use serde::Serialize;

use super::message;
use crate::failure::kind_name;

/// Results about files.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum FileBody {
    Sent { id: String, size: u64, sha256: String },
    Saved { path: String, size: u64, sha256: String },
    Transfers { transfers: Vec<TransferShape> },
    Thumbnail(Thumbnail),
}

/// A JPEG in base64; hostile like any picture of others.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Thumbnail {
    #[serde(skip_serializing_if = "Option::is_none")]
    jpeg: Option<String>,
}

impl From<Option<Vec<u8>>> for FileBody {
    fn from(jpeg: Option<Vec<u8>>) -> Self {
        Self::Thumbnail(Thumbnail { jpeg: jpeg.map(|jpeg| STANDARD.encode(jpeg)) })
    }
}

impl From<SentFile> for FileBody {
    fn from(sent: SentFile) -> Self {
        Self::Sent { id: message(&sent.id), size: sent.size, sha256: hex(&sent.sha256) }
    }
}

impl From<SavedFile> for FileBody {
    fn from(saved: SavedFile) -> Self {
        let path = saved.path.to_string_lossy().into_owned();
        Self::Saved { path, size: saved.size, sha256: hex(&saved.sha256) }
    }
}

impl From<Vec<Transfer>> for FileBody {
    fn from(transfers: Vec<Transfer>) -> Self {
        Self::Transfers { transfers: transfers.into_iter().map(TransferShape::from).collect() }
    }
}

/// The file of a message.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct FileShape {
    name: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime: Option<String>,
}

impl From<FileInfo> for FileShape {
    fn from(file: FileInfo) -> Self {
        Self { name: file.name, size: file.size, mime: file.media_type }
    }
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct TransferShape {
    id: String,
    direction: &'static str,
    with: String,
    name: String,
    done: u64,
    total: u64,
    state: &'static str,
    /// Where the file lies here, once it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl From<Transfer> for TransferShape {
    fn from(transfer: Transfer) -> Self {
        let (state, reason) = match transfer.state {
            TransferState::Running => ("running", None),
            TransferState::Paused => ("paused", None),
            TransferState::Done => ("done", None),
            TransferState::Failed(kind) => ("failed", Some(kind_name(kind))),
            _ => ("waiting", None),
        };
        let path = transfer.path.to_string_lossy().into_owned();
        Self {
            id: message(&transfer.id),
            direction: direction_word(transfer.direction),
            with: transfer.with,
            name: transfer.name,
            done: transfer.done,
            total: transfer.total,
            state,
            path: Some(path).filter(|path| !path.is_empty()),
            reason,
        }
    }
}

pub(super) fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Upload => "upload",
        Direction::Download => "download",
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
