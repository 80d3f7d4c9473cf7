//! Files at the engine's boundary. The shell seals, uploads, downloads and opens (`crate::file`); the
//! engine names the file's message before the upload, sends it afterwards, and keeps what was received.

use chat_wire::ids::{BlobId, MessageId, RequestKey};

use crate::file::FileKey;

pub use crate::store::FileInfo;

/// What a shell asks about files, inside `Command::File`.
#[derive(Debug)]
pub enum FileCommand {
    /// Finds out whether a file may be sent there, and how its message will be called. Reply:
    /// `FileReserved`. Changes nothing.
    Reserve {
        /// User name or room.
        to: String,
        /// The blob to be, drawn for this file alone.
        blob: BlobId,
        /// Its key, drawn for this file alone.
        key: FileKey,
    },
    /// The relay holds the blob: sends the message about it. Reply: `Queued`. A repeat under the same
    /// nonce is answered like the first.
    Offer(Box<FileOffer>),
}

/// A file whose blob the relay holds.
#[derive(Debug)]
pub struct FileOffer {
    /// User name or room.
    pub to: String,
    /// What `FileReserved` said.
    pub nonce: RequestKey,
    /// The file.
    pub pointer: FilePointer,
    /// Text beside it.
    pub caption: Option<String>,
}

/// Everything that leads to a file (key-schedule D): travels only inside sealed messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePointer {
    /// Where its blob lies on the relay.
    pub blob: BlobId,
    /// What opens it.
    pub key: FileKey,
    /// Bytes of the blob.
    pub blob_bytes: u64,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the blob.
    pub blob_hash: [u8; 32],
    /// SHA-256 of the file.
    pub plain_hash: [u8; 32],
    /// What the sender calls it; never a path until it is sanitised.
    pub name: String,
    /// What it holds, as far as the sender says.
    pub media_type: Option<String>,
    /// A small picture of it.
    pub thumbnail: Option<Vec<u8>>,
    /// When the relay removes the blob, milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// A file in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFile {
    /// Its message.
    pub id: MessageId,
    /// Name of the conversation that it lies in.
    pub with: String,
    /// Sent from this account.
    pub outgoing: bool,
    /// What leads to it.
    pub pointer: FilePointer,
}
