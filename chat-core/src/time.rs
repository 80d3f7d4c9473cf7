//! Time as an argument: the engine has no clock.

use std::fmt;

/// Milliseconds since the Unix epoch, by the clock of whoever calls.
///
/// ```
/// use chat_core::time::Timestamp;
/// let (now, later) = (Timestamp::from_ms(1_000), Timestamp::from_ms(1_000).plus_ms(500));
/// assert_eq!((later.as_ms(), later.ms_since(now)), (1_500, 500));
/// assert_eq!(now.ms_since(later), 0); // a clock that went backwards
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// This much later; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; 0 when the clock went backwards.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
