//! Transport-agnostic end-to-end encryption for chat: key exchange, sealing and a sans-IO engine.

pub mod engine;
pub mod store;
pub mod time;
