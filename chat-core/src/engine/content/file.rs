//! The content that names a file: where its blob lies, what opens it, and what the sender calls it.

use chat_wire::domain::labelled_hash;
use chat_wire::ids::{BlobId, MessageId, RequestKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use crate::engine::io::{FileInfo, FilePointer};
use crate::engine::limits::{FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, TEXT_BYTES_MAX, THUMBNAIL_BYTES_MAX};
use crate::file::{FileKey, Layout};

/// Label of what stands in for the body in the id of a file's message.
const FILE_ID: &str = "file-id";

/// A file (SPEC 13.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct File {
    #[serde(rename = "b")]
    pub(in crate::engine) blob: BlobId,
    #[serde(rename = "k", with = "key_bytes")]
    pub(in crate::engine) key: FileKey,
    #[serde(rename = "l")]
    blob_bytes: u64,
    #[serde(rename = "s")]
    size: u64,
    #[serde(rename = "h")]
    blob_hash: ByteArray<32>,
    #[serde(rename = "p")]
    plain_hash: ByteArray<32>,
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "m", default)]
    media_type: Option<String>,
    #[serde(rename = "i", default)]
    thumbnail: Option<ByteBuf>,
    #[serde(rename = "x")]
    expires_ms: u64,
    #[serde(rename = "t", default)]
    pub(in crate::engine) caption: Option<String>,
    #[serde(rename = "r", default)]
    pub(in crate::engine) reply_to: Option<MessageId>,
    /// What the id was made with when the upload began; never sent from here.
    #[serde(skip)]
    pub(in crate::engine) nonce: Option<RequestKey>,
}

impl File {
    /// An own file whose blob the relay holds.
    pub(in crate::engine) fn offered(nonce: RequestKey, pointer: FilePointer, caption: Option<String>) -> Self {
        Self {
            blob: pointer.blob,
            key: pointer.key,
            blob_bytes: pointer.blob_bytes,
            size: pointer.size,
            blob_hash: ByteArray::new(pointer.blob_hash),
            plain_hash: ByteArray::new(pointer.plain_hash),
            name: pointer.name,
            media_type: pointer.media_type,
            thumbnail: pointer.thumbnail.map(ByteBuf::from),
            expires_ms: pointer.expires_ms,
            caption,
            reply_to: None,
            nonce: Some(nonce),
        }
    }

    /// Whether every field is within its limit, and blob and file have sizes that belong together.
    pub(in crate::engine) fn is_sound(&self) -> bool {
        let within = |text: &Option<String>, max: usize| text.as_ref().is_none_or(|text| text.len() <= max);
        Layout::of(self.size).is_some_and(|layout| layout.blob_bytes() == self.blob_bytes)
            && self.name.len() <= FILE_NAME_BYTES_MAX
            && within(&self.media_type, MEDIA_TYPE_BYTES_MAX)
            && within(&self.caption, TEXT_BYTES_MAX)
            && self.thumbnail.as_ref().is_none_or(|bytes| bytes.len() <= THUMBNAIL_BYTES_MAX)
    }

    /// What the shell needs to fetch and open it.
    pub(in crate::engine) fn pointer(self) -> FilePointer {
        FilePointer {
            blob: self.blob,
            key: self.key,
            blob_bytes: self.blob_bytes,
            size: self.size,
            blob_hash: self.blob_hash.into_array(),
            plain_hash: self.plain_hash.into_array(),
            name: self.name,
            media_type: self.media_type,
            thumbnail: self.thumbnail.map(ByteBuf::into_vec),
            expires_ms: self.expires_ms,
        }
    }

    /// What the history shows.
    pub(in crate::engine) fn info(&self) -> FileInfo {
        FileInfo {
            name: self.name.clone(),
            size: self.size,
            media_type: self.media_type.clone(),
            sha256: *self.plain_hash,
            expires_ms: self.expires_ms,
        }
    }

    /// Stands in for the hash of the body in the message's id.
    pub(super) fn commitment(&self) -> [u8; 32] {
        commitment(&self.blob, &self.key)
    }
}

/// What names a file before anything is known of its bytes: blob and key are drawn for it alone.
pub(in crate::engine) fn commitment(blob: &BlobId, key: &FileKey) -> [u8; 32] {
    labelled_hash(FILE_ID, &[&blob.0, key.expose()])
}

/// A file's key as bytes that are wiped when they are read.
mod key_bytes {
    use super::{Deserialize, Deserializer, FileKey, Serializer, Zeroizing};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(key: &FileKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(key.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FileKey, D::Error> {
        let bytes = Zeroizing::new(serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec());
        FileKey::from_slice(&bytes).ok_or_else(|| D::Error::invalid_length(bytes.len(), &"32 bytes"))
    }
}
