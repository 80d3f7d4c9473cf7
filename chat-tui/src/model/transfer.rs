//! A file on its way.

use super::{MsgId, Name};
use crate::keymap::Action;
use crate::text::SafeText;

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Waits for its turn or the relay.
    Waiting,
    /// Under way.
    Running,
    /// Stopped by the person.
    Paused,
    /// Complete.
    Done,
    /// Given up or impossible.
    Failed,
}

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The message that carries it.
    pub id: MsgId,
    /// From here to the relay.
    pub outgoing: bool,
    /// The file's name.
    pub name: SafeText,
    /// The conversation, when it is known.
    pub chat: Option<Name>,
    /// Bytes done.
    pub done: u64,
    /// Bytes altogether.
    pub total: u64,
    /// How it stands.
    pub progress: Progress,
    /// Where it was saved.
    pub path: Option<SafeText>,
    /// Bytes a second, smoothed; none before two reports came.
    pub rate: Option<u64>,
    /// When the last report came.
    pub told_ms: u64,
}

/// Share of a new measurement in the smoothed rate, in percent: a second's jitter does not show.
const NEW_RATE_PERCENT: u64 = 30;

impl Transfer {
    /// A report: so many bytes are done at this moment.
    pub fn advance(&mut self, done: u64, total: u64, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.told_ms);
        let gained = done.saturating_sub(self.done);
        if self.told_ms > 0 && elapsed > 0 && gained > 0 {
            let now = gained.saturating_mul(1000) / elapsed;
            self.rate = Some(match self.rate {
                Some(before) => (before / 100 * (100 - NEW_RATE_PERCENT)).saturating_add(now / 100 * NEW_RATE_PERCENT),
                None => now,
            });
        }
        (self.done, self.total, self.told_ms) = (done.min(total), total, now_ms);
        self.progress = if done >= total { Progress::Done } else { Progress::Running };
    }

    /// Whether it still has something to do.
    #[must_use]
    pub fn open(&self) -> bool {
        matches!(self.progress, Progress::Waiting | Progress::Running | Progress::Paused)
    }

    /// Whether an action makes sense for it now.
    #[must_use]
    pub fn offers(&self, action: Action) -> bool {
        match action {
            Action::Pause => self.open() && self.progress != Progress::Paused,
            Action::Resume => self.progress == Progress::Paused,
            Action::Cancel => self.open(),
            Action::OpenFolder => self.path.is_some(),
            Action::OpenFile => self.path.is_some() || (!self.outgoing && !self.open()),
            _ => true,
        }
    }

    /// Hundredths done.
    #[must_use]
    pub fn percent(&self) -> u64 {
        match self.total {
            0 => 100,
            total => u64::try_from(u128::from(self.done) * 100 / u128::from(total)).unwrap_or(100),
        }
    }

    /// Seconds left at this rate; none while that is a guess.
    #[must_use]
    pub fn seconds_left(&self) -> Option<u64> {
        let rate = self.rate.filter(|r| *r > 0 && self.progress == Progress::Running)?;
        Some(self.total.saturating_sub(self.done).div_ceil(rate))
    }
}

/// `7.0 MB`: decimal, one digit behind the point below a hundred.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (count.div_euclid(100), 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if tenths < 1000 { format!("{}.{} {name}", tenths / 10, tenths % 10) } else { format!("{} {name}", tenths / 10) }
}

/// `0:01`, `12:30`, `1:05:00`.
#[must_use]
pub fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_told_as_people_say_them() {
        let sizes = [0, 999, 1_000, 7_012_000, 99_949_999, 412_000_000, 5_368_709_120].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "7.0 MB", "99.9 MB", "412 MB", "5.3 GB"]);
        assert_eq!([0, 61, 3_900].map(clock), ["0:00", "1:01", "1:05:00"]);
    }

    #[test]
    fn the_time_left_follows_the_rate_and_a_pause_tells_none() {
        let mut file = Transfer {
            id: MsgId([0; 16]),
            outgoing: true,
            name: SafeText::line("a"),
            chat: None,
            done: 0,
            total: 10_000_000,
            progress: Progress::Waiting,
            path: None,
            rate: None,
            told_ms: 1_000,
        };
        assert_eq!(file.seconds_left(), None);
        file.advance(2_000_000, 10_000_000, 2_000);
        assert_eq!((file.percent(), file.seconds_left()), (20, Some(4)));
        file.progress = Progress::Paused;
        assert_eq!(file.seconds_left(), None);
        file.advance(10_000_000, 10_000_000, 3_000);
        assert_eq!((file.progress, file.percent()), (Progress::Done, 100));
    }
}
