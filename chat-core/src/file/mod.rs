//! Files (key-schedule D, SPEC 13): sealed chunk by chunk under a key of their own, so that a blob can be
//! sent, fetched and checked piece by piece with constant memory, and resumed at any chunk.
//!
//! ```text
//! blob = "CFB1" ‖ lg ‖ salt 16 ‖ commitment 32 ‖ C_0 ‖ C_1 … C_last        (header 53)
//! C_i  = ChaCha20-Poly1305(key, nonce = i as 11 B ‖ last u8, AD = "", P'_i)
//! ```
//!
//! Values in, values out: the caller reads files and moves bytes. A chunk that was sealed before is sealed
//! again only to the same bytes, so a file that changed meanwhile never uses its key stream twice. Key,
//! salt and blob id are drawn for one file (SPEC 13.2.1).

mod cipher;
mod key;
mod layout;
mod open;
mod seal;
#[cfg(test)]
mod tests;

pub use key::{FILE_KEY_BYTES, FileKey};
pub use layout::{FILE_BYTES_FORMAT_MAX, HEADER_BYTES, Layout, SALT_BYTES, Salt, Span, TAG_BYTES};
pub use open::{FileOpener, OpenError};
pub use seal::{FileHashes, FileSealer, SealError};

/// For measurements, and for tools that know what they do.
pub mod hazmat {
    pub use super::cipher::{ChunkCipher, ForgedChunk};
}

/// SHA-256 of one sealed chunk.
pub type ChunkHash = [u8; 32];
