//! Ways of doing the same thing, measured in turns, so that a busy machine slows all of them alike.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Rounds whose median counts.
const ROUNDS: usize = 61;

/// Nanoseconds of one deed: a round does several and divides.
pub type Lane<'a> = &'a mut dyn FnMut() -> f64;

/// Times each deed of a round together; setting up and dropping the results are not timed.
pub fn timed<I, O>(inputs: Vec<I>, mut deed: impl FnMut(I) -> O) -> f64 {
    let count = inputs.len().max(1) as f64;
    let mut results = Vec::with_capacity(inputs.len());
    let began = own_time();
    for input in inputs {
        results.push(deed(input));
    }
    let took = own_time() - began;
    drop(std::hint::black_box(results));
    took / count
}

/// How long one short deed takes by the clock on the wall, and what it gives.
pub fn once<O>(deed: impl FnOnce() -> O) -> (f64, O) {
    let began = Instant::now();
    let result = deed();
    (nanoseconds(began.elapsed()), result)
}

/// The median of each lane over rounds in which all take their turn, each round beginning with another.
pub fn medians<const N: usize>(lanes: [Lane<'_>; N]) -> [f64; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    // The first round warms caches and branch predictors and is thrown away.
    for round in 0..=ROUNDS {
        for turn in 0..N {
            let lane = (round + turn) % N;
            let time = lanes[lane]();
            if round > 0 {
                times[lane].push(time);
            }
        }
    }
    times.map(median)
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Nanoseconds that this thread has run: what others do on the machine is not counted.
fn own_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
