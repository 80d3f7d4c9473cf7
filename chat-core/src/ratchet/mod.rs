//! The ratchets of a session (SPEC 7, SPEC 8).

pub(crate) mod braid;
pub(crate) mod erasure;
mod field;
