//! Account, devices and trust: what changes an account, what the own devices tell each other, and who
//! is who.

pub(in crate::engine) mod change;
pub(in crate::engine) mod entrance;
pub(in crate::engine) mod handover;
pub(in crate::engine) mod own;
pub(in crate::engine) mod trust;
pub(in crate::engine) mod undertake;
