//! Runs histories: `chat-sim --seeds 2000` prints what was done and seen, broken promises, and the hash of
//! everything. The same seeds print the same hash.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use chat_sim::history::{Shared, run};
use chat_sim::plan::Plan;
use chat_sim::report::Report;
use clap::Parser;

/// Deterministic simulation of the chat protocol under faults.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads; the result does not depend on it.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Prints the plan and the report of each seed.
    #[arg(long)]
    verbose: bool,
    /// Prints what happened, line by line: for one seed.
    #[arg(long)]
    log: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Some(shared) = Shared::new() else {
        eprintln!("the login record could not be made");
        return ExitCode::FAILURE;
    };
    let end = args.first.saturating_add(args.seeds);
    let next = AtomicU64::new(args.first);
    let mut reports: Vec<(u64, Report)> = std::thread::scope(|scope| {
        let work = || {
            let mut reports = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return reports;
                }
                let report = run(seed, &shared, args.log);
                // At once, for whoever waits for thousands; in order at the end.
                if let Some(first) = report.violations.first() {
                    eprintln!("seed {seed} breaks {} at {} ms: {}", first.invariant, first.at_ms, first.what);
                }
                reports.push((seed, report));
            }
        };
        let threads: Vec<_> = (0..args.threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    reports.sort_by_key(|(seed, _)| *seed);
    let mut all = Report::default();
    for (seed, report) in &reports {
        if args.verbose {
            println!("{:?}\n{report}\n", Plan::of(*seed));
        }
        report.log.iter().flatten().for_each(|line| println!("{line}"));
        for violation in &report.violations {
            println!("seed {seed}: {} at {} ms: {}", violation.invariant, violation.at_ms, violation.what);
        }
        all.add(report);
    }
    println!("{:>10}  seeds", reports.len());
    println!("{all}");
    let complete = u64::try_from(reports.len()) == Ok(args.seeds);
    if !complete {
        println!("a history ended in a panic");
    }
    if all.violations.is_empty() && complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
