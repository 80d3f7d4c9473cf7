//! What is stored of a transfer: enough to go on after a restart.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use chat_core::engine::{FailureKind, FilePointer};
use chat_core::file::{FileKey, Layout, SALT_BYTES, Salt};
use chat_wire::ids::{BlobId, MessageId, RequestKey};
use chat_wire::message::BlobToken;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use super::types::TransferState;
use crate::event::Direction;

/// A transfer as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(rename = "i")]
    pub(super) id: MessageId,
    #[serde(rename = "w")]
    pub(super) with: String,
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(rename = "s")]
    pub(super) size: u64,
    #[serde(rename = "c")]
    pub(super) created_ms: u64,
    #[serde(rename = "t")]
    state: Stored,
    #[serde(rename = "p")]
    path: ByteBuf,
    #[serde(rename = "h", default)]
    pub(super) sha256: Option<ByteArray<32>>,
    #[serde(rename = "k")]
    key: Key,
    #[serde(rename = "b")]
    pub(super) blob: BlobId,
    #[serde(rename = "d")]
    pub(super) way: Way,
}

/// What only one direction needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Way {
    /// To the relay.
    #[serde(rename = "u")]
    Up(Box<Up>),
    /// From the relay.
    #[serde(rename = "d")]
    Down(Box<Down>),
}

/// An upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Up {
    #[serde(rename = "n")]
    pub(super) nonce: RequestKey,
    #[serde(rename = "s")]
    pub(super) salt: ByteArray<SALT_BYTES>,
    #[serde(rename = "t")]
    pub(super) token: BlobToken,
    #[serde(rename = "c", default)]
    pub(super) caption: Option<String>,
    #[serde(rename = "k", default)]
    pub(super) idempotency_key: Option<String>,
    #[serde(rename = "m", default)]
    pub(super) media_type: Option<String>,
    /// When the file was last written, so that a change shows before anything is sealed.
    #[serde(rename = "w")]
    pub(super) written_ns: u64,
}

/// A download.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Down {
    /// The directory that it goes to, or the file that it becomes.
    #[serde(rename = "d")]
    target: ByteBuf,
    /// `target` is the file.
    #[serde(rename = "f")]
    pub(super) exact: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stored {
    #[serde(rename = "w")]
    Wanted,
    #[serde(rename = "p")]
    Paused,
    #[serde(rename = "d")]
    Done,
    #[serde(rename = "f")]
    Failed,
}

/// A file's key in a record of the encrypted store.
#[derive(Debug, Clone)]
struct Key(FileKey);

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(ByteBuf::deserialize(deserializer)?.into_vec());
        let key = FileKey::from_slice(&bytes);
        key.map(Self).ok_or_else(|| serde::de::Error::invalid_length(bytes.len(), &"32 bytes"))
    }
}

/// A file that is about to be sent.
pub(super) struct Outgoing {
    pub(super) id: MessageId,
    pub(super) with: String,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) path: PathBuf,
    pub(super) key: FileKey,
    pub(super) blob: BlobId,
    pub(super) up: Up,
}

impl Row {
    pub(super) fn upload(file: Outgoing, created_ms: u64) -> Self {
        Self {
            id: file.id,
            with: file.with,
            name: file.name,
            size: file.size,
            created_ms,
            state: Stored::Wanted,
            path: bytes_of(&file.path),
            sha256: None,
            key: Key(file.key),
            blob: file.blob,
            way: Way::Up(Box::new(file.up)),
        }
    }

    /// A file of the history that goes to a directory, or becomes exactly that file.
    pub(super) fn download(
        file: (MessageId, String),
        pointer: &FilePointer,
        (target, exact): (&Path, bool),
        created_ms: u64,
    ) -> Self {
        let (id, with) = file;
        Self {
            id,
            with,
            name: pointer.name.clone(),
            size: pointer.size,
            created_ms,
            state: Stored::Wanted,
            path: ByteBuf::new(),
            sha256: Some(ByteArray::new(pointer.plain_hash)),
            key: Key(pointer.key.clone()),
            blob: pointer.blob,
            way: Way::Down(Box::new(Down { target: bytes_of(target), exact })),
        }
    }

    pub(super) fn direction(&self) -> Direction {
        match self.way {
            Way::Up(_) => Direction::Upload,
            Way::Down(_) => Direction::Download,
        }
    }

    /// The file here: the one that is sent, or the one that was saved.
    pub(super) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    pub(super) fn key(&self) -> &FileKey {
        &self.key.0
    }

    pub(super) fn layout(&self) -> Option<Layout> {
        Layout::of(self.size)
    }

    /// Whether it goes on by itself.
    pub(super) fn is_wanted(&self) -> bool {
        self.state == Stored::Wanted
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == Stored::Done
    }

    pub(super) fn is_failed(&self) -> bool {
        self.state == Stored::Failed
    }

    pub(super) fn want(&mut self) {
        self.state = Stored::Wanted;
    }

    pub(super) fn pause(&mut self) {
        self.state = Stored::Paused;
    }

    pub(super) fn fail(&mut self) {
        self.state = Stored::Failed;
    }

    /// Everything arrived; an upload keeps its path.
    pub(super) fn complete(&mut self, sha256: [u8; 32], saved: Option<&Path>) {
        self.state = Stored::Done;
        self.sha256 = Some(ByteArray::new(sha256));
        if let Some(saved) = saved {
            self.path = bytes_of(saved);
        }
    }

    /// How it stands, `running` or not, and `why` it failed if that is known.
    pub(super) fn shown(&self, running: bool, why: Option<FailureKind>) -> TransferState {
        match self.state {
            Stored::Wanted if running => TransferState::Running,
            Stored::Wanted => TransferState::Waiting,
            Stored::Paused => TransferState::Paused,
            Stored::Done => TransferState::Done,
            Stored::Failed => TransferState::Failed(why.unwrap_or(FailureKind::Io)),
        }
    }
}

impl Up {
    pub(super) fn salt(&self) -> &Salt {
        &self.salt
    }
}

impl Down {
    pub(super) fn target(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.target))
    }
}

fn bytes_of(path: &Path) -> ByteBuf {
    ByteBuf::from(path.as_os_str().as_bytes().to_vec())
}
