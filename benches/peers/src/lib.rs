//! Our sessions beside the sum of their primitives and beside vodozemac's (Olm), in one run and in turns.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml` prints the table;
//! with `--no-default-features`, that of the back end without C. What can be counted is counted: bytes,
//! messages, chain steps; times are medians, and the ratios are what counts.
//!
//! The two do not do the same: ours encrypts headers, pads, mixes ML-KEM into handshake and ratchet and
//! keeps whole tags; Olm is X25519 only with tags of 8 bytes. Both sides are measured on bytes.

pub mod chance;
pub mod counts;
pub mod measure;
pub mod olm;
pub mod primitives;
pub mod table;
pub mod times;
