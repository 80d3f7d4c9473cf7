//! Many engines, one relay core, one seed: a whole history in one thread, without sockets or real time,
//! checked against what the protocol promises (DESIGN §12).
//!
//! ```text
//! plan (from the seed) ─▶ world: events by virtual time ─▶ engines ⇄ network ⇄ relay
//!                            │ faults: cuts, crashes of programs and of the relay, set-back stores, clones,
//!                            │         devices that join and are removed, a relay that lies
//!                            └─▶ checks at each step and at the end ─▶ report
//! ```
//! A history has three parts: people meet; faults and talk; then the faults end and everything must mend.
//! The same seed gives the same history to the bit: the report holds a hash over every frame (of frames about
//! rooms over their length, because OpenMLS stamps what it makes with the system's clock).
//!
//! | promise | checked |
//! |---|---|
//! | I1 nothing readable leaves a device | in every frame |
//! | I2 what the relay accepted arrives | at the end |
//! | I3 once, by its author, in order | at each showing |
//! | I4 no key and nonce twice, no one-time key twice | in every packet |
//! | I5 what is refused changes nothing: packets no table but counts, entries of rooms no group | at each refusal |
//! | I6 two round trips after the last fault all talk | at the end |
//! | I7 who is in a room is in the same one, and nobody else hears it | at the end |
//! | I8 a copied state opens nothing after the healing bound | at the end |
//! | I11 what a relay lies about lists, keys, trees and branches of rooms is refused or mended | at the end, as I6 and I7 |
//! | I10 everything is bounded | every thousand events |
//!
//! What a relay that lies withholds is not held against the device that it was kept from (SPEC 8.7); with an honest
//! one everything holds, also for two lives of one device that renew themselves against each other.
//!
//! Floors (a module imports only lower ones):
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`chance`] [`report`] |
//! | 1 | [`plan`] `disk` `network` `shelf` |
//! | 2 | `check` `login` |
//! | 3 | `actor` `hostile` |
//! | 4 | `world` |
//! | 5 | [`history`] |

#![deny(missing_docs)]

mod actor;
pub mod chance;
mod check;
mod disk;
pub mod history;
mod hostile;
mod login;
mod network;
pub mod plan;
pub mod report;
mod shelf;
mod world;
