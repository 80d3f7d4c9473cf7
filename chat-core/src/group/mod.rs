//! Rooms by MLS (RFC 9420) through OpenMLS: its cryptography over our primitives, its storage as an overlay
//! of one write batch, its randomness from the caller; who may do what as a GroupContext extension (SPEC 12).
//!
//! ```text
//! group      one room's MLS state: create, join, commit, process, seal
//!  ├ policy      roles and rights, checked before every merge
//!  ├ credential  leaf ← device ← verified list
//!  └ provider    crypto (hpke over our generation) · chance (hedged, from one seed) · shelf (records)
//! ```
//!
//! Exceptions that are OpenMLS's own: it reads the system clock for the lifetime of key packages and to stamp
//! past epochs; nothing of ours is decided by it.
//!
//! Absent on purpose: the relay, device lists, time, and everything that people see.

mod chance;
mod credential;
mod crypto;
mod door;
mod keys;
mod leaf;
mod overlay;
mod policy;
mod room;
mod shelf;
mod values;
mod whisper;
mod witness;

pub(crate) use credential::{LeafClaim, LeafCredential};
pub(crate) use door::DoorKey;
pub(crate) use keys::{LeafKey, OfferedMember, key_package, offered_member};
pub(crate) use leaf::{GroupError, Leaf};
pub(crate) use overlay::is_roomless;
pub(crate) use policy::{Actor, Policy};
pub(crate) use room::{Group, peek_welcome};
pub(crate) use shelf::{Scratch, Shelf};
pub(crate) use values::{Added, Back, Elsewhere, MadeCommit, OwnLeaf, Processed, StagedChange, WelcomeCard};
pub(crate) use witness::{Base, Statement};
