//! Log lines about connections that were turned away or cut: one each, and in a flood one a minute and
//! reason with a count, so that whoever knocks often does not fill the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::{Metrics, Reason};

/// Lines of one reason that are written before the rest of the minute is only counted.
const LINES_PER_MINUTE_MAX: u32 = 20;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts and writes.
#[derive(Debug)]
pub(crate) struct Notes {
    metrics: Arc<Metrics>,
    /// Whether lines may name addresses: the operator asked for them.
    addresses: bool,
    minutes: Mutex<HashMap<Reason, Minute>>,
}

#[derive(Debug, Clone, Copy)]
struct Minute {
    since: Instant,
    lines: u32,
    unwritten: u64,
}

impl Notes {
    pub(crate) fn new(metrics: Arc<Metrics>, addresses: bool) -> Arc<Self> {
        Arc::new(Self { metrics, addresses, minutes: Mutex::default() })
    }

    /// A connection was turned away or cut.
    pub(crate) fn dropped(&self, reason: Reason, from: IpAddr) {
        self.metrics.dropped(reason);
        let Some(unwritten) = self.count(reason, Instant::now()) else { return };
        let why = reason.text();
        if self.addresses {
            tracing::info!(why, %from, unwritten, "connection dropped");
        } else {
            tracing::info!(why, unwritten, "connection dropped");
        }
    }

    /// Lines that were left out before this one; none when this one is left out as well.
    fn count(&self, reason: Reason, now: Instant) -> Option<u64> {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = minutes.entry(reason).or_insert(Minute { since: now, lines: 0, unwritten: 0 });
        if now.duration_since(minute.since) >= MINUTE {
            *minute = Minute { since: now, lines: 0, unwritten: minute.unwritten };
        }
        if minute.lines >= LINES_PER_MINUTE_MAX {
            minute.unwritten = minute.unwritten.saturating_add(1);
            return None;
        }
        minute.lines += 1;
        Some(std::mem::take(&mut minute.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_no_longer_written_line_by_line() {
        let notes = Notes::new(Arc::new(Metrics::new()), false);
        let start = Instant::now();
        let written = (0..1_000).filter(|_| notes.count(Reason::Handshake, start).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(notes.count(Reason::Unreadable, start), Some(0), "another reason has lines of its own");
        assert_eq!(notes.count(Reason::Handshake, start + MINUTE), Some(980), "what was left out is told");
    }
}
