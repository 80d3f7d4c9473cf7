//! What crosses the wire of the chat protocol, and nothing else: ids, limits, frames, the message
//! registry, signed device lists and prekey bundles.
//!
//! Both ends link this package, so it holds what both must agree on byte for byte. The normative text
//! is `SPEC.md` of `chat-core`; the section is cited at each decision.
//!
//! Floors (a module imports only lower ones):
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`limits`] [`codec`] |
//! | 1 | [`ids`] [`domain`] |
//! | 2 | [`keys`] [`error`] |
//! | 3 | [`bundle`] [`device_list`] |
//! | 4 | [`message`] |
//! | 5 | [`frame`] |
//!
//! Absent on purpose: private keys, signing, state, clocks, input/output and async.

#![deny(missing_docs, clippy::arithmetic_side_effects)]

pub mod bundle;
pub mod codec;
pub mod device_list;
pub mod domain;
pub mod error;
pub mod frame;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod message;
