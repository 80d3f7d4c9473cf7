//! Transport-agnostic end-to-end encryption for chat: key exchange, sealing and a sans-IO engine.

#![deny(missing_docs, clippy::arithmetic_side_effects)]

mod crypto;
pub mod engine;
pub mod handshake;
pub mod identity;
mod labels;
pub mod limits;
pub mod prekey;
mod ratchet;
pub mod secret;
pub mod session;
pub mod store;
pub mod time;
