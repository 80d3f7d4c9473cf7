//! When both sides began a session at once (SPEC 8.4.2): the smaller sid wins, on both sides alike.

use super::Session;

impl Session {
    /// Whether this session stays and the other one becomes receive-only. Ask only while the own one is
    /// unacknowledged; afterwards there is no race.
    #[must_use]
    pub fn wins_over(&self, other: &Self) -> bool {
        self.fixed.sid < other.fixed.sid
    }
}
