//! Histories that run with every test: a few of each kind, and each seed that once broke a promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use chat_sim::history::{Shared, run};
use chat_sim::plan::{Kind, Plan};
use chat_sim::report::Report;

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
fn two_lives_that_renew_themselves_against_each_other_lose_nothing() {
    holds(34);
    holds(102);
    holds(250);
}

#[test]
fn a_device_whose_renewed_list_the_account_key_replaced_talks_to_everybody_again() {
    holds(317);
}

#[test]
fn a_device_that_the_old_copy_did_not_know_is_asked_for_what_it_sent() {
    holds(393);
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

#[test]
fn two_lives_of_a_device_that_take_turns_end_in_one_that_everybody_talks_to() {
    holds(30);
    holds(42);
}

#[test]
fn a_room_that_waits_for_an_answer_does_not_spin_the_timer() {
    holds(37);
}

#[test]
fn devices_that_join_and_are_removed_hear_what_was_said_while_they_were_there() {
    let with_devices = |seed: &u64| Plan::of(*seed).second > 0 && Plan::of(*seed).devices > 0;
    (0..400).filter(with_devices).take(3).for_each(holds);
}

#[test]
fn a_relay_that_dies_with_unsynced_writes_loses_nothing_that_it_accepted() {
    let dying = |seed: &u64| Plan::of(*seed).relay_crashes >= 3 && Plan::of(*seed).kind == Kind::Plain;
    (0..400).filter(dying).take(3).for_each(holds);
}

#[test]
fn rooms_end_as_one_for_everybody_in_them_and_nobody_else() {
    let rooms = |seed: &u64| Plan::of(*seed).rooms > 500;
    (0..400).filter(rooms).take(3).for_each(holds);
}

#[test]
fn members_whom_a_lying_relay_showed_different_rooms_end_in_one() {
    let rooms = |seed: &u64| Plan::of(*seed).rooms > 0 && Plan::of(*seed).kind == Kind::Hostile;
    let shared = Shared::new().unwrap();
    let mut all = Report::default();
    for seed in (0..400).filter(rooms).take(8) {
        all.add(&run(seed, &shared, false));
    }
    assert!(all.violations.is_empty(), "{:?}", all.violations);
    for lie in ["fault: room forked", "fault: entry of a room made up"] {
        assert!(all.counts.contains_key(lie), "{lie}");
    }
}
