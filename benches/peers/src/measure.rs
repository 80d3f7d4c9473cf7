//! Two ways of doing the same thing, measured in turns, so that a busy machine slows both alike.

use std::fmt;
use std::time::{Duration, Instant};

/// Rounds whose median counts.
const ROUNDS: usize = 41;

/// One line of the table.
pub struct Row {
    what: &'static str,
    ours: f64,
    theirs: f64,
}

/// Times `count` deeds; setting up is not timed.
pub fn timed<I>(inputs: Vec<I>, mut deed: impl FnMut(I)) -> Duration {
    let count = u32::try_from(inputs.len()).unwrap_or(u32::MAX).max(1);
    let began = Instant::now();
    for input in inputs {
        deed(input);
    }
    began.elapsed() / count
}

/// Each call gives the time of one deed of one side.
pub fn compare(what: &'static str, mut ours: impl FnMut() -> Duration, mut theirs: impl FnMut() -> Duration) -> Row {
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    // The first round warms caches and branch predictors and is thrown away.
    for round in 0..=ROUNDS {
        let (one, other) = if round % 2 == 0 {
            let one = ours();
            (one, theirs())
        } else {
            let other = theirs();
            (ours(), other)
        };
        if round > 0 {
            our_times.push(one);
            their_times.push(other);
        }
    }
    Row { what, ours: median_us(our_times), theirs: median_us(their_times) }
}

fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, ours, theirs } = self;
        write!(f, "| {what:<44} | {ours:>9.2} | {theirs:>9.2} | {:>5.2} |", ours / theirs)
    }
}
