//! A moment with its local date and time of day, worked out where the time zone is known, so that
//! nothing else needs a clock or a zone.

use time::{Date, Weekday};

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct When {
    /// Milliseconds since the Unix epoch.
    pub ms: u64,
    /// Local days since 1970-01-01.
    pub day: i32,
    /// Local minutes since midnight.
    pub minute: u16,
}

/// Julian day of 1970-01-01.
const EPOCH_JULIAN_DAY: i32 = 2_440_588;

impl When {
    /// From a moment and the local zone's seconds east of Greenwich at that moment.
    #[must_use]
    pub fn local(ms: u64, east_seconds: i32) -> Self {
        let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX / 2) + i64::from(east_seconds);
        let day = i32::try_from(seconds.div_euclid(86_400)).unwrap_or(i32::MAX);
        let minute = u16::try_from(seconds.rem_euclid(86_400) / 60).unwrap_or(0);
        Self { ms, day, minute }
    }

    /// `09:58`.
    #[must_use]
    pub fn clock(self) -> String {
        format!("{:02}:{:02}", self.minute / 60, self.minute % 60)
    }

    /// `Today`, `Yesterday`, `Friday 20 November`, with the year when it is another one.
    #[must_use]
    pub fn day_name(self, now: Self) -> String {
        match now.day.saturating_sub(self.day) {
            0 => return "Today".into(),
            1 => return "Yesterday".into(),
            _ => {}
        }
        let (Some(date), Some(today)) = (self.date(), now.date()) else { return String::new() };
        let year = if date.year() == today.year() { String::new() } else { format!(" {}", date.year()) };
        format!("{} {} {}{year}", weekday(date.weekday()), date.day(), date.month())
    }

    /// The shortest that tells it: `09:58` today, `Fri` this week, `20 Nov`, `2024`.
    #[must_use]
    pub fn brief(self, now: Self) -> String {
        let (Some(date), Some(today)) = (self.date(), now.date()) else { return String::new() };
        match now.day.saturating_sub(self.day) {
            i32::MIN..=0 => self.clock(),
            1..=6 => first_three(weekday(date.weekday())),
            _ if date.year() == today.year() => format!("{} {}", date.day(), first_three(&date.month().to_string())),
            _ => date.year().to_string(),
        }
    }

    /// How many days before this one a date like `2026-11-20` is; none for the future and for what is no date.
    #[must_use]
    pub fn days_since(self, date: &str) -> Option<u32> {
        let mut parts = date.splitn(3, '-');
        let year = parts.next()?.parse().ok()?;
        let month = parts.next()?.parse::<u8>().ok()?;
        let day = parts.next()?.parse().ok()?;
        let date = Date::from_calendar_date(year, month.try_into().ok()?, day).ok()?;
        u32::try_from(self.day.checked_sub(date.to_julian_day().checked_sub(EPOCH_JULIAN_DAY)?)?).ok()
    }

    /// The local midnight that a day so many days ago began with, by today's offset from Greenwich.
    #[must_use]
    pub fn midnight_ms(self, days_ago: u32) -> u64 {
        let today = u64::from(self.minute) * 60_000 + self.ms % 60_000;
        self.ms.saturating_sub(today).saturating_sub(u64::from(days_ago) * 86_400_000)
    }

    /// Milliseconds until the next local midnight.
    #[must_use]
    pub fn until_midnight_ms(self) -> u64 {
        u64::from(1440_u16.saturating_sub(self.minute)).saturating_mul(60_000).saturating_sub(self.ms % 60_000).max(1)
    }

    fn date(self) -> Option<Date> {
        Date::from_julian_day(EPOCH_JULIAN_DAY.checked_add(self.day)?).ok()
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

fn first_three(word: &str) -> String {
    word.chars().take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 09:58 in Greenwich, a Friday.
    const FRIDAY_MS: u64 = 1_795_168_680_000;
    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn a_day_is_named_as_near_as_it_is() {
        let at = |ms| When::local(ms, 0);
        let friday = at(FRIDAY_MS);
        assert_eq!(friday.clock(), "09:58");
        assert_eq!(friday.day_name(at(FRIDAY_MS)), "Today");
        assert_eq!(friday.day_name(at(FRIDAY_MS + DAY_MS)), "Yesterday");
        assert_eq!(friday.day_name(at(FRIDAY_MS + 3 * DAY_MS)), "Friday 20 November");
        assert_eq!(friday.day_name(at(FRIDAY_MS + 90 * DAY_MS)), "Friday 20 November 2026");
        assert_eq!(friday.brief(at(FRIDAY_MS + 3 * DAY_MS)), "Fri");
        assert_eq!(friday.brief(at(FRIDAY_MS + 9 * DAY_MS)), "20 Nov");
    }

    #[test]
    fn the_zone_moves_the_day() {
        assert_eq!(When::local(FRIDAY_MS, -10 * 3600).clock(), "23:58");
        assert_eq!(When::local(FRIDAY_MS, -10 * 3600).day, When::local(FRIDAY_MS, 0).day - 1);
    }

    #[test]
    fn a_time_beyond_every_calendar_is_no_panic() {
        let far = When::local(u64::MAX, 0);
        let _ = (far.day_name(When::default()), far.brief(When::default()), far.until_midnight_ms());
        let _ = When { ms: 0, day: i32::MIN, minute: u16::MAX }.day_name(far);
    }

    #[test]
    fn a_day_is_found_by_its_date() {
        let now = When::local(1_795_168_920_000, 0);
        assert_eq!(now.days_since("2026-11-20"), Some(0));
        assert_eq!(now.days_since("2026-11-13"), Some(7));
        assert_eq!(["2026-11-21", "2026-02-30", "tomorrow", "1-2", ""].map(|d| now.days_since(d)), [None; 5]);
        assert_eq!(When::local(now.midnight_ms(7), 0).day_name(now), "Friday 13 November");
        assert_eq!(When::local(now.midnight_ms(0), 0).clock(), "00:00");
    }
}
