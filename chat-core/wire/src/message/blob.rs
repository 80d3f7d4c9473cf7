//! Blobs (SPEC 13.3): sealed files on the relay. They move on a connection of their own, with the same
//! framing and the bulk in frame bodies, so that no message waits behind a file. Who knows a blob's id may
//! read it; who knows its token may write and delete it; an account's uploads count against its quota.
//!
//! ```text
//! main connection:  Ticket ─▶ Ticket          bulk connection:  Enter ─▶ Entered, then any of the others
//! ```

use serde::{Deserialize, Serialize};

use crate::domain::{BLOB_ENTER, BLOB_TOKEN, labelled_hash};
use crate::ids::{AccountId, BlobId};

/// What a client asks about blobs, inside `ClientMessage::Blob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobAsk {
    /// Asks, on a logged-in connection, for what opens a bulk connection. Answer: `Ticket`.
    Ticket {},
    /// First message of a bulk connection. Answer: `Entered`.
    Enter {
        /// The public half of a ticket.
        #[serde(rename = "t")]
        pass: BlobPass,
        /// [`ticket_proof`] over this connection's TLS exporter.
        #[serde(rename = "p", with = "serde_bytes")]
        proof: [u8; 32],
    },
    /// Makes a blob, or asks how far the upload got. Answer: `Held`.
    Create {
        /// Random, chosen by the client.
        #[serde(rename = "b")]
        blob: BlobId,
        /// Bytes of the whole blob.
        #[serde(rename = "l")]
        bytes: u64,
        /// What may write and delete it.
        #[serde(rename = "w")]
        token: BlobToken,
    },
    /// Writes the bytes in the body behind those that the relay holds; what it holds already is passed
    /// over, so that a repeat changes nothing. Answer: `Held`.
    Put {
        /// The blob.
        #[serde(rename = "b")]
        blob: BlobId,
        /// Place of the first byte, not behind the end of what the relay holds.
        #[serde(rename = "o")]
        at: u64,
        /// As in `Create`.
        #[serde(rename = "w")]
        token: BlobToken,
    },
    /// Every byte was put: the blob is on disk when this is answered, and can be read from then on.
    /// Answer: `Finished`.
    Finish {
        /// The blob.
        #[serde(rename = "b")]
        blob: BlobId,
        /// As in `Create`.
        #[serde(rename = "w")]
        token: BlobToken,
    },
    /// Reads a part of a finished blob. Answer: `Part`, the bytes in the body.
    Get {
        /// The blob.
        #[serde(rename = "b")]
        blob: BlobId,
        /// First byte.
        #[serde(rename = "o")]
        at: u64,
        /// Number of bytes, [`crate::limits::BLOB_PART_BYTES_MAX`] at most; less comes at the end.
        #[serde(rename = "c")]
        count: u32,
    },
    /// Deletes a blob, finished or not; one that is not there is deleted already. Answer: `Deleted`.
    Delete {
        /// The blob.
        #[serde(rename = "b")]
        blob: BlobId,
        /// As in `Create`.
        #[serde(rename = "w")]
        token: BlobToken,
    },
}

/// What the relay answers, inside `ServerMessage::Blob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobAnswer {
    /// What opens a bulk connection, once or several times until it expires.
    Ticket {
        /// The public half.
        #[serde(rename = "t")]
        pass: BlobPass,
        /// The secret half; it never crosses the bulk connection.
        #[serde(rename = "s", with = "serde_bytes")]
        secret: [u8; 32],
    },
    /// The bulk connection is the account's.
    Entered {},
    /// How far the upload got.
    Held {
        /// The relay holds the bytes before this one.
        #[serde(rename = "q")]
        bytes: u64,
        /// The blob is finished.
        #[serde(rename = "f")]
        finished: bool,
    },
    /// The blob is on disk.
    Finished {
        /// When the relay removes it, by its clock, milliseconds since the Unix epoch.
        #[serde(rename = "x")]
        expires_ms: u64,
    },
    /// A part of a blob, in the body.
    Part {
        /// Bytes of the whole blob.
        #[serde(rename = "l")]
        bytes: u64,
    },
    /// The blob is gone.
    Deleted {},
}

/// The public half of a ticket: whose it is and how long it lasts. The relay knows its own again by the
/// secret that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobPass {
    /// The account.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// When it expires, by the relay's clock.
    #[serde(rename = "x")]
    pub expires_ms: u64,
    /// Random.
    #[serde(rename = "n", with = "serde_bytes")]
    pub nonce: [u8; 16],
}

/// What may write and delete a blob: random, kept by the uploading device. The relay stores its hash.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobToken(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl BlobToken {
    /// What the relay stores.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        labelled_hash(BLOB_TOKEN, &[&self.0])
    }
}

impl std::fmt::Debug for BlobToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobToken")
    }
}

/// What `Enter` shows: that the ticket's secret is known, on this very connection. Both parts have one
/// length, so that no other pair has the same bytes.
#[must_use]
pub fn ticket_proof(secret: &[u8; 32], exporter: &[u8; 32]) -> [u8; 32] {
    labelled_hash(BLOB_ENTER, &[secret, exporter])
}
