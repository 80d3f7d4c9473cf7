//! Two sides, without the session around them.

use super::*;
use crate::crypto::dh::tests::low_order_points;
use crate::crypto::tests::{SeededRng, rng};

const SID: [u8; 16] = [3; 16];
const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

fn start() -> Start {
    let secret = |byte| Secret::fill(|b: &mut [u8; 32]| b.fill(byte));
    Start { sk_ec: secret(1), hk_a: secret(2), nhk_b: secret(3) }
}

fn sides(rng: &mut SeededRng) -> (DoubleRatchet, DoubleRatchet) {
    let signed = DhSecret::generate(rng);
    (DoubleRatchet::initiator(start(), signed.public()), DoubleRatchet::responder(start(), Arc::new(signed)))
}

struct Sent {
    sealed: [u8; SEALED_HEADER_BYTES],
    seed: [u8; 32],
}

const CONTEXT: HeaderContext<'static> = HeaderContext { kind: 1, associated: &[0; 32], random: &[0; 16] };

fn send(side: &mut DoubleRatchet, rng: &mut SeededRng) -> Sent {
    let slot = side.send(&SID, rng).unwrap();
    let (ratchet, previous, position) = (slot.ratchet, slot.previous, slot.position);
    let header = Header { ratchet, previous, position, epoch: 0, counter: 0 };
    Sent { sealed: slot.header_key.seal(&header, &CONTEXT), seed: *slot.seed.expose() }
}

#[track_caller]
fn receive(side: &mut DoubleRatchet, sent: &Sent) {
    let (place, header) = side.locate(&sent.sealed, &CONTEXT).expect("no header key fits");
    let slot = side.receive((place, &header), &SID, NOW).unwrap();
    assert_eq!(slot.seed.expose(), &sent.seed);
}

#[test]
fn both_sides_get_the_same_seeds_through_many_turns() {
    let rng = &mut rng();
    let (mut a, mut b) = sides(rng);
    for _ in 0..5 {
        for _ in 0..3 {
            let sent = send(&mut a, rng);
            receive(&mut b, &sent);
        }
        let sent = send(&mut b, rng);
        receive(&mut a, &sent);
    }
}

#[test]
fn the_responder_seals_nothing_before_it_has_opened_something() {
    let rng = &mut rng();
    let (_, mut b) = sides(rng);
    assert_eq!(b.send(&SID, rng).err(), Some(NoSlot::NothingReceived));
}

#[test]
fn a_ratchet_key_of_low_order_is_refused_when_it_comes_and_when_it_would_be_used() {
    let rng = &mut rng();
    for point in low_order_points() {
        let (mut a, b) = sides(rng);
        let slot = a.send(&SID, rng).unwrap();
        let header = Header { ratchet: point, previous: 0, position: 0, epoch: 0, counter: 0 };
        let sealed = slot.header_key.seal(&header, &CONTEXT);
        let (place, header) = b.locate(&sealed, &CONTEXT).unwrap();
        assert_eq!(b.clone().receive((place, &header), &SID, NOW).err(), Some(NoSeed::LowOrder));
        let mut initiator = DoubleRatchet::initiator(start(), point);
        assert_eq!(initiator.send(&SID, rng).err(), Some(NoSlot::LowOrder));
    }
}

#[test]
fn an_authentic_header_that_contradicts_its_chain_is_refused() {
    let rng = &mut rng();
    let (mut a, mut b) = sides(rng);
    let sent = send(&mut a, rng);
    receive(&mut b, &sent);
    let slot = a.send(&SID, rng).unwrap();
    let other = DhSecret::generate(rng).public();
    let header = Header { ratchet: other, previous: 0, position: slot.position, epoch: 0, counter: 0 };
    let sealed = slot.header_key.seal(&header, &CONTEXT);
    let (place, header) = b.locate(&sealed, &CONTEXT).unwrap();
    assert_eq!(place, Place::Current);
    assert_eq!(b.clone().receive((place, &header), &SID, NOW).err(), Some(NoSeed::Contradiction));

    // The length of the last chain is said to be shorter than what was received of it.
    for _ in 0..3 {
        let sent = send(&mut a, rng);
        receive(&mut b, &sent);
    }
    let sent = send(&mut b, rng);
    receive(&mut a, &sent);
    let slot = a.send(&SID, rng).unwrap();
    let header = Header { ratchet: slot.ratchet, previous: 1, position: 0, epoch: 0, counter: 0 };
    let sealed = slot.header_key.seal(&header, &CONTEXT);
    let (place, header) = b.locate(&sealed, &CONTEXT).unwrap();
    assert_eq!(place, Place::Next);
    assert_eq!(b.receive((place, &header), &SID, NOW).err(), Some(NoSeed::Contradiction));
}

#[test]
fn steps_are_bounded_over_both_chains_together() {
    let rng = &mut rng();
    let (mut a, mut b) = sides(rng);
    let sent = send(&mut a, rng);
    receive(&mut b, &sent);
    let sent = send(&mut b, rng);
    receive(&mut a, &sent);
    let slot = a.send(&SID, rng).unwrap();
    for (previous, position, allowed) in [(1_001, 1_000, true), (1_001, 1_001, false), (u32::MAX, u32::MAX, false)] {
        let header = Header { ratchet: slot.ratchet, previous, position, epoch: 0, counter: 0 };
        let sealed = slot.header_key.seal(&header, &CONTEXT);
        let (place, header) = b.locate(&sealed, &CONTEXT).unwrap();
        assert_eq!(b.clone().receive((place, &header), &SID, NOW).is_ok(), allowed, "{previous} {position}");
    }
}

#[test]
fn a_chain_ends_after_two_to_the_31_positions() {
    let rng = &mut rng();
    let (mut a, _) = sides(rng);
    let _ = send(&mut a, rng);
    if let Turn::Theirs { sending, .. } = &mut a.turn {
        sending.next = CHAIN_POSITIONS_MAX - 1;
    }
    assert_eq!(a.send(&SID, rng).unwrap().position, CHAIN_POSITIONS_MAX - 1);
    assert_eq!(a.send(&SID, rng).err(), Some(NoSlot::Exhausted));
}

#[test]
fn the_old_chain_that_waits_for_nothing_makes_room_first() {
    let rng = &mut rng();
    let (mut a, mut b) = sides(rng);
    let mut late = Vec::new();
    for turn in 0..12 {
        let sent = send(&mut a, rng);
        if turn == 0 {
            late.push(send(&mut a, rng));
        }
        receive(&mut b, &sent);
        let sent = send(&mut b, rng);
        receive(&mut a, &sent);
    }
    assert_eq!(b.old.len(), OLD_CHAINS_MAX);
    for sent in &late {
        receive(&mut b, sent);
    }
}
