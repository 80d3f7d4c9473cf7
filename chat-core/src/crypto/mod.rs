//! Thin wrappers around the primitives, one file each, that take and return only our types.
//!
//! The feature `aws-lc` exchanges the files `aead/rust` and `dh/rust` for `aead/aws` and `dh/aws`;
//! nothing above this folder can tell.

pub(crate) mod aead;
pub(crate) mod dh;
pub(crate) mod hkdf;
pub(crate) mod kem;
pub(crate) mod kem_parts;
pub(crate) mod mac;
pub(crate) mod padding;
pub(crate) mod random;
pub(crate) mod seal;
pub(crate) mod sign;
pub(crate) mod xwing;

#[cfg(test)]
pub(crate) mod tests;
