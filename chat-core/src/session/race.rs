//! When both sides began a session at once (SPEC 8.4.2): the smaller sid wins, on both sides alike.

use super::Session;

impl Session {
    /// Whether this session stays and the other one becomes receive-only. Ask only while the own one is
    /// unacknowledged; afterwards there is no race.
    ///
    /// ```
    /// # use chat_fixtures::{pair::Couple, seeded::Seeded};
    /// let couple = Couple::new(2, true);
    /// let (one, _) = couple.begin(b"hello", &mut Seeded::new(1));
    /// let (other, _) = couple.begin(b"hello", &mut Seeded::new(2));
    /// assert_ne!(one.wins_over(&other), other.wins_over(&one));
    /// ```
    #[must_use]
    pub fn wins_over(&self, other: &Self) -> bool {
        self.fixed.sid < other.fixed.sid
    }
}
