//! The relay as a program and as a part of another: listeners, TLS, SQLite and the operator's tools
//! around the core of `chat-relay`. It passes sealed packets and public keys; the code that could open
//! a message is not linked.
//!
//! ```no_run
//! # async fn run() -> Result<(), chat_server::StartError> {
//! let relay = chat_server::embed(chat_server::EmbedConfig::default())?;
//! println!("{} {}", relay.addr, relay.pin);
//! relay.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Floors (a module imports only lower ones): 0 [`config`] `metrics` [`notify`] · 1 `data_dir` [`logging`] · 2 [`storage`] ·
//! 3 `net` [`admin`] · 4 `server` · 5 `embed`, the program.

pub mod admin;
mod blobstore;
pub mod config;
mod data_dir;
mod embed;
pub mod logging;
mod metrics;
mod net;
pub mod notify;
mod server;
pub mod storage;

pub use crate::blobstore::BlobPlaceError;
pub use crate::config::Config;
pub use crate::data_dir::DataDirError;
pub use crate::embed::{EmbedConfig, Embedded, embed};
pub use crate::net::tls::{Pin, TlsError};
pub use crate::server::{Died, Pulse, Reload, Server, StartError};
