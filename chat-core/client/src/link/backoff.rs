//! How long to wait before trying again: twice as long each time, with a random part, so that the
//! clients of a relay that went down do not come back all at once.

use std::time::Duration;

const DELAY_MIN: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_secs(30);

/// The delays of one series of failures.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { ceiling: DELAY_MIN }
    }

    /// The next delay: between half and all of a ceiling that doubles.
    pub(super) fn next(&mut self) -> Duration {
        let half = self.ceiling / 2;
        self.ceiling = (self.ceiling * 2).min(DELAY_MAX);
        half.saturating_add(half.mul_f64(fraction()))
    }

    /// Trying soon is of no use: only the longest delay from now on.
    pub(super) fn exhaust(&mut self) {
        self.ceiling = DELAY_MAX;
    }
}

/// A random number from 0 to 1.
fn fraction() -> f64 {
    // Without randomness the delay is only less spread.
    f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_a_quarter_second_to_half_a_minute_and_stay_there() {
        let mut backoff = Backoff::new();
        for ceiling_ms in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let ceiling = Duration::from_millis(ceiling_ms);
            let delay = backoff.next();
            assert!((ceiling / 2..=ceiling).contains(&delay), "{delay:?} of {ceiling:?}");
        }
    }

    #[test]
    fn two_clients_do_not_come_back_together() {
        let delays: std::collections::BTreeSet<_> = (0..20).map(|_| Backoff::new().next()).collect();
        assert!(delays.len() > 10);
    }
}
