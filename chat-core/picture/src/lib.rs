//! Decodes pictures that others made (security.md 1f, case 71), in a process that can do nothing else: a
//! program starts itself once more with the words that [`serve`] takes, gives it the picture on stdin, and
//! reads pixels or a thumbnail from its stdout. Before the first byte is read the process gives up files,
//! most of its memory and most of its time; a decoder that is led astray can only fail.
//!
//! ```text
//! pixels WIDTH HEIGHT    ─▶ width u16 ‖ height u16 ‖ RGBA, row by row     (numbers big-endian)
//! thumbnail BYTES        ─▶ a JPEG of so many bytes at most
//! ```
//! No secret and no text of a conversation ever reaches this process.
//!
//! Floors: 0 `decode` · 1 `child`.

#![deny(missing_docs)]

mod child;
mod decode;

pub use child::{Refused, answer, serve};
