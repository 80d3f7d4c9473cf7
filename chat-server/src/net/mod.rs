//! Between sockets and the relay core.
//!
//! ```text
//! listener ─▶ TLS ─▶ connection: reader ──▶ worker (one thread: relay core and SQLite) ──▶ sync thread
//!                     line: writer ◀── hub ◀──┘◀──────────────────────────────────────────────┘
//! ```

pub(crate) mod address;
pub(crate) mod bulk;
pub(crate) mod carrier;
pub(crate) mod connection;
pub(crate) mod health;
mod hub;
pub(crate) mod listener;
pub(crate) mod notes;
pub(crate) mod outlet;
mod pool;
pub(crate) mod tls;
pub(crate) mod turns;
pub(crate) mod worker;
