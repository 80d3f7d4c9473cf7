//! A history outside its store (SPEC 14): rows as other programs can read them, and the sealed file of an export.
//! Bytes in, bytes out; files and transactions are the shell's.
//!
//! ```text
//! file  = head 30 ‖ check 16 ‖ piece 0 (owner) ‖ pieces of rows ‖ piece n (end)
//! head  = "chat-history" ‖ version u8 ‖ Argon2id profile u8 ‖ salt 16
//! piece = kind u8 ‖ length u32 ‖ CSeal(passphrase key, "passphrase/archive", head ‖ number u64 ‖ kind, bytes)
//! ```
//!
//! The check tells a file that was damaged from a passphrase that is wrong; whoever changes the file on purpose gains
//! nothing by it, because every piece commits to key, head, place and kind.

mod row;
mod sealed;

pub use row::{HistoryFault, HistoryOwner, ROW_BYTES_MAX, decode_rows, encode_row};
pub use sealed::{
    ArchiveError, HEAD_BYTES, Head, OPENING_BYTES, Opener, PIECE_BYTES_MAX, PIECE_HEAD_BYTES, Piece, Sealer,
};
