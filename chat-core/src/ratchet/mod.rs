//! The two ratchets of a session, side by side: the header-encrypted Double Ratchet over X25519 and the
//! post-quantum chains that the Braid feeds (key-schedule B, SPEC 8.2; Double Ratchet rev 4 §4, §5, §7).
//!
//! Neither knows the other; a message key needs both. Every change is made on a copy of the state that
//! the session keeps only after the message's tag was verified.

pub(crate) mod braid;
pub(crate) mod chain;
pub(crate) mod double;
pub(crate) mod erasure;
mod field;
pub(crate) mod header;
pub(crate) mod pq;
pub(crate) mod record;
pub(crate) mod root;
pub(crate) mod skipped;
pub(crate) mod witness;
