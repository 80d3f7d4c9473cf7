//! The relay core: accounts, device lists, prekeys, mailboxes, directory and presence as one value
//! that takes inputs and gives outputs. No sockets, no runtime, no database, no clock, no key that
//! could open a message.
//!
//! ```text
//!   shell ── Input ──▶ Relay::handle ──▶ dispatch ──▶ services ──▶ Storage::apply
//!     ▲                                                                 │
//!     └── Output ◀── Relay::flush ◀──────── one Storage::sync ◀─────────┘
//! ```
//!
//! Signatures and OPAQUE need nothing of the relay's state: a shell may have them done elsewhere
//! ([`Relay::defer_tasks`]) while the relay goes on.
//!
//! The shell hands in everything that queued up, then flushes: one sync serves the whole round, and
//! nothing that rests on the storage leaves before it. There is no timer; under load the rounds grow.
//!
//! Floors (a module imports only lower ones):
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`limits`] [`clock`] |
//! | 1 | [`storage`] [`blobstore`] `rate` `identity` |
//! | 2 | `round` `refuse` `window` |
//! | 3 | `service::*`; none calls another |
//! | 4 | `peer`, the state of one connection; `reply` |
//! | 5 | `core`, what handlers work on |
//! | 6 | `dispatch` `meters` `task` |
//! | 7 | `relay` |
//!
//! Absent on purpose: a message in the clear, a password, a private key of anybody but the relay.

#![deny(missing_docs, clippy::arithmetic_side_effects)]

pub mod blobstore;
pub mod clock;
mod core;
mod dispatch;
mod identity;
pub mod limits;
mod meters;
mod peer;
mod rate;
mod refuse;
mod relay;
mod reply;
mod round;
mod service;
pub mod storage;
mod task;
mod window;

pub use crate::clock::Now;
pub use crate::core::{Config, Lobby, Secrets};
pub use crate::identity::{Greeter, Greeting, RelayIdentity};
pub use crate::peer::{AddressKey, Origin};
pub use crate::rate::{Exhausted, Limiter};
pub use crate::relay::{Input, Relay};
pub use crate::round::{ConnectionId, Output};
pub use crate::service::accounts::{Registration, invite_hash};
pub use crate::service::blobs::{Blobs, Tickets};
pub use crate::task::{Done, Task};
