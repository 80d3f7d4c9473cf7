//! Histories that run with every test: a few of each kind, and each seed that once broke a promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use chat_sim::history::{Shared, run};
use chat_sim::plan::{Kind, Plan};

fn holds(seed: u64) {
    let shared = Shared::new().unwrap();
    let report = run(seed, &shared, false);
    assert!(report.violations.is_empty(), "{:?}: {:?}", Plan::of(seed), report.violations);
}

#[test]
fn the_same_seed_is_the_same_history_to_the_bit() {
    let shared = Shared::new().unwrap();
    for seed in 0..8 {
        let (one, two) = (run(seed, &shared, false), run(seed, &shared, false));
        assert_eq!(one, two, "seed {seed}");
    }
}

#[test]
fn every_promise_holds_under_every_kind_of_fault() {
    let shared = Shared::new().unwrap();
    let mut kinds = Vec::new();
    for seed in 100..112 {
        let report = run(seed, &shared, false);
        assert!(report.violations.is_empty(), "{:?}: {:?}", Plan::of(seed), report.violations);
        assert!(report.faults() > 0, "seed {seed} had no fault");
        kinds.push(Plan::of(seed).kind);
    }
    for kind in [Kind::Plain, Kind::Rollback, Kind::Clone, Kind::Hostile] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[test]
fn a_device_whose_other_life_was_renewed_renews_itself_instead_of_giving_up() {
    holds(110);
}

#[test]
fn an_answer_to_what_was_recalled_stops_nothing() {
    holds(254);
    holds(486);
}

#[test]
fn a_due_receipt_does_not_spin_the_timer_while_the_device_is_being_renewed() {
    holds(13);
}
