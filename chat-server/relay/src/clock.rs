//! Time as an argument: the relay core has no clock.

/// The two times that a shell hands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since the Unix epoch: what is stored and shown. May jump.
    pub wall_ms: u64,
    /// Milliseconds since some start, never backwards: what presence, deadlines and rates count in.
    pub uptime_ms: u64,
}

impl Now {
    /// Milliseconds from an earlier uptime to now.
    #[must_use]
    pub fn since(self, earlier_uptime_ms: u64) -> u64 {
        self.uptime_ms.saturating_sub(earlier_uptime_ms)
    }
}
