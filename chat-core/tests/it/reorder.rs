//! Loss, reordering and duplicates.

use chat_core::session::{OpenError, Refusal};
use chat_core::time::Timestamp;

use crate::pair::{NOW, Pair, open};

#[test]
fn messages_open_in_any_order_each_once() {
    let mut pair = Pair::new(1);
    let packets: Vec<_> = (0..20_u8).map(|n| pair.for_bob(&[n])).collect();
    for n in [3_u8, 0, 19, 7, 1, 2, 18, 4, 5, 6] {
        assert_eq!(open(&mut pair.bob, &packets[usize::from(n)]), [n]);
        assert_eq!(pair.bob.open(&packets[usize::from(n)], NOW).err(), Some(OpenError::Duplicate));
    }
}

#[test]
fn a_late_message_opens_across_steps_of_both_ratchets() {
    let mut pair = Pair::new(2);
    let mut late = Vec::new();
    for _ in 0..4 {
        late.push(pair.for_bob(b"late"));
        pair.exchange();
    }
    for packet in late {
        assert_eq!(open(&mut pair.bob, &packet), b"late");
        assert_eq!(pair.bob.open(&packet, NOW).err(), Some(OpenError::Duplicate));
    }
}

#[test]
fn a_late_message_opens_after_a_post_quantum_epoch_has_passed() {
    let mut pair = Pair::new(3);
    let late = pair.for_bob(b"late");
    // Long one-sided runs keep the number of X25519 steps small while epochs go by.
    for _ in 0..4 {
        for _ in 0..8 {
            let packet = pair.for_bob(b"x");
            open(&mut pair.bob, &packet);
        }
        for _ in 0..8 {
            let packet = pair.for_alice(b"y");
            open(&mut pair.alice, &packet);
        }
    }
    assert_eq!(open(&mut pair.bob, &late), b"late");
}

#[test]
fn the_last_message_of_a_chain_may_come_after_the_next_chain_began() {
    let mut pair = Pair::new(4);
    let packets: Vec<_> = (0..5_u8).map(|n| pair.for_bob(&[n])).collect();
    open(&mut pair.bob, &packets[0]);
    let reply = pair.for_alice(b"r");
    open(&mut pair.alice, &reply);
    let next = pair.for_bob(b"next");
    assert_eq!(open(&mut pair.bob, &next), b"next");
    for n in (1..5_u8).rev() {
        assert_eq!(open(&mut pair.bob, &packets[usize::from(n)]), [n]);
    }
}

#[test]
fn a_lost_message_stops_nothing() {
    let mut pair = Pair::new(5);
    for round in 0..40 {
        let lost = pair.for_bob(b"lost");
        drop(lost);
        if round % 3 == 0 {
            let lost = pair.for_alice(b"lost");
            drop(lost);
        }
        pair.exchange();
    }
}

#[test]
fn a_message_that_is_seven_days_late_no_longer_opens() {
    let mut pair = Pair::new(6);
    let late = pair.for_bob(b"late");
    pair.exchange();
    let week = 7 * 24 * 60 * 60 * 1_000;
    let mut kept = pair.bob.open(&pair.alice.seal(b"x", &mut pair.rng).unwrap().packet, NOW).unwrap().session;
    kept.expire(NOW.plus_ms(week - 60 * 60 * 1_000 - 1));
    assert!(kept.open(&late, NOW).is_ok());
    assert_eq!(kept.open(&late, NOW.plus_ms(week)).err(), Some(OpenError::Duplicate));
    kept.expire(NOW.plus_ms(week));
    // Its header key is gone with the seed: nothing tells it from a packet of another session.
    assert_eq!(kept.open(&late, Timestamp::from_ms(0)).err(), Some(OpenError::NotThisSession));
    assert!(kept.rows().iter().all(|(key, _)| key[0] < 8), "a skipped key stayed");
}

#[test]
fn a_gap_of_two_thousand_opens_and_a_wider_one_is_refused() {
    let mut pair = Pair::new(7);
    let packets: Vec<_> = (0..2_003_u32).map(|n| pair.for_bob(&n.to_be_bytes())).collect();
    let refused = pair.bob.open(&packets[2_001], NOW).err();
    assert_eq!(refused, Some(OpenError::Refused(Refusal::TooFar { steps: 2_001 })));
    assert_eq!(open(&mut pair.bob, &packets[2_000]), 2_000_u32.to_be_bytes());
    assert_eq!(open(&mut pair.bob, &packets[1]), 1_u32.to_be_bytes());
    assert_eq!(open(&mut pair.bob, &packets[2_002]), 2_002_u32.to_be_bytes());
}
