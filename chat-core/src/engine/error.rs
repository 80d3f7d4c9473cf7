//! Why an engine can't go on, sorted by blame. What a peer or the relay does wrong never ends up
//! here: that is dropped, counted and told as a value.

use crate::store::Table;

/// Why a step was not made. The engine must be dropped; what is stored is unharmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A record can't be read: the store is damaged, or of a version this one does not know.
    #[error("a record of table {table:?} is unreadable")]
    Store {
        /// Where.
        table: Table,
    },
    /// A record that another one points to is gone.
    #[error("a record of table {table:?} is missing")]
    Missing {
        /// Where.
        table: Table,
    },
    /// Our bug: something that the lines before had established did not hold.
    #[error("the engine broke its own rule: {0:?}")]
    Broken(Bug),
}

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bug {
    /// A value of ours could not be encoded.
    Encoding,
    /// A counter came to its end.
    CounterEnd,
    /// A session that should be there was not.
    NoSession,
    /// Own keys could not do what they are for.
    OwnKeys,
}
