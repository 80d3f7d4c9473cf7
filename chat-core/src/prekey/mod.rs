//! Prekeys: made and signed by a device, published as bundles, kept as private halves until they are
//! used or expire (key-schedule A, SPEC 6).

pub mod bundle;
pub mod records;
pub mod upkeep;

pub use bundle::{BundleError, VerifiedBundle};
pub use records::{PrivatePreKey, last_resort, one_time, signed};
