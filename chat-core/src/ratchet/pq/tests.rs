//! Two sides of the post-quantum chains, the Braid between them.

use super::*;
use crate::crypto::tests::{SeededRng, rng};

const SID: [u8; 16] = [3; 16];
const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

struct Two {
    sides: [PqRatchet; 2],
    rng: SeededRng,
}

fn two() -> Two {
    let secret = Secret::fill(|b: &mut [u8; 32]| b.fill(4));
    Two { sides: [true, false].map(|initiator| PqRatchet::start(initiator, &secret, &SID)), rng: rng() }
}

impl Two {
    fn send(&mut self, from: usize) -> PqSendSlot {
        self.sides[from].send(&SID, 12, &mut self.rng).unwrap()
    }

    #[track_caller]
    fn deliver(&mut self, to: usize, slot: &PqSendSlot, late: bool) {
        let place = PqPlace { epoch: slot.epoch, counter: slot.counter, late };
        let opened = self.sides[to].receive(place, NOW).unwrap();
        assert_eq!(opened.key.expose(), slot.key.expose());
        self.sides[to].carry(&BraidPart { epoch: opened.epoch, ..slot.part.clone() }, &SID).unwrap();
    }

    fn until_epoch(&mut self, epoch: u64) {
        for turn in 0..400 {
            if self.sides.iter().all(|side| side.receiving.epoch >= epoch && side.sending.epoch >= epoch) {
                return;
            }
            let slot = self.send(turn % 2);
            self.deliver(1 - turn % 2, &slot, false);
        }
        panic!("no epoch within 400 messages");
    }
}

fn place(slot: &PqSendSlot, late: bool) -> PqPlace {
    PqPlace { epoch: slot.epoch, counter: slot.counter, late }
}

#[test]
fn both_sides_have_the_same_keys_epoch_after_epoch() {
    let mut two = two();
    two.until_epoch(20);
    assert_eq!(two.sides[0].root.expose(), two.sides[1].root.expose());
}

#[test]
fn a_new_position_may_not_fall_back_to_an_older_chain_and_a_late_one_may_not_run_ahead() {
    let mut two = two();
    two.until_epoch(1);
    let kept = two.send(0);
    two.until_epoch(2);
    // Kept: as a late message it opens, as a new one it would bring a stolen old chain back to life.
    assert_eq!(two.sides[1].clone().receive(place(&kept, false), NOW).err(), Some(NoPqKey::Epoch));
    two.deliver(1, &kept, true);
    assert_eq!(two.sides[1].clone().receive(place(&kept, true), NOW).err(), Some(NoPqKey::Used));
    let next = two.send(0);
    let ahead = PqPlace { epoch: next.epoch.wrapping_add(1), ..place(&next, true) };
    assert_eq!(two.sides[1].clone().receive(ahead, NOW).err(), Some(NoPqKey::Epoch));
}

#[test]
fn a_counter_too_far_ahead_is_refused_and_a_gap_is_kept() {
    let mut two = two();
    let slots: Vec<_> = (0..3).map(|_| two.send(0)).collect();
    let far = PqPlace { counter: CHAIN_STEPS_MAX + 2, ..place(&slots[0], false) };
    let refused = two.sides[1].clone().receive(far, NOW).err();
    assert_eq!(refused, Some(NoPqKey::TooFar { steps: CHAIN_STEPS_MAX + 1 }));
    two.deliver(1, &slots[2], false);
    two.deliver(1, &slots[0], true);
    assert_eq!(two.sides[1].clone().receive(place(&slots[0], true), NOW).err(), Some(NoPqKey::Used));
    let zero = PqPlace { counter: 0, ..place(&slots[0], false) };
    assert_eq!(two.sides[1].clone().receive(zero, NOW).err(), Some(NoPqKey::Used));
}

#[test]
fn old_chains_are_bounded_and_go_when_nothing_is_late() {
    let mut two = two();
    two.until_epoch(OLD_PQ_CHAINS_MAX as u64 + 3);
    assert_eq!(two.sides[0].old.len(), OLD_PQ_CHAINS_MAX);
    assert!(two.sides[0].expire(false, NOW));
    assert!(two.sides[0].old.is_empty() && two.sides[0].skipped.is_empty());
}
