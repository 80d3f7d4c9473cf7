//! Between sockets and the relay core.
//!
//! ```text
//! listener ─▶ TLS ─▶ connection: reader ──▶ worker (one thread: relay core and SQLite)
//!                                writer ◀──┘
//! ```

pub(crate) mod address;
pub(crate) mod connection;
pub(crate) mod listener;
pub(crate) mod outlet;
pub(crate) mod tls;
pub(crate) mod worker;
