//! A session that was copied or set back, with the randomness copied as well: the worst case.

use chat_core::session::{OpenError, Refusal, Session};

use crate::pair::{NOW, Pair, open};

/// The random value, from which with the position every key and nonce of a message follows.
fn random_value(packet: &[u8]) -> &[u8] {
    &packet[1..17]
}

#[test]
fn two_contents_at_one_position_never_share_key_and_nonce_even_with_the_same_chance() {
    let mut pair = Pair::new(1);
    let mut copy = Session::decode(&pair.alice.encode()).unwrap();
    let chance = pair.rng.clone();
    let one = pair.alice.seal(b"meet at nine", &mut chance.clone()).unwrap().packet;
    let two = copy.seal(b"meet at ten!", &mut chance.clone()).unwrap().packet;
    assert_ne!(random_value(&one), random_value(&two));
    let same = one.iter().zip(&two).skip(1).filter(|(a, b)| a == b).count();
    assert!(same < one.len() / 32, "{same} equal bytes");
    // Either opens alone; after one of them the other is a used position.
    assert_eq!(open(&mut pair.bob, &one), b"meet at nine");
    assert_eq!(pair.bob.open(&two, NOW).unwrap_err(), OpenError::Refused(Refusal::Forked), "told from a duplicate");
    assert_eq!(pair.bob.open(&one, NOW).unwrap_err(), OpenError::Duplicate);
}

#[test]
fn a_copy_that_turns_the_ratchet_by_itself_is_told_by_its_peer() {
    let mut pair = Pair::new(4);
    let packet = pair.for_alice(b"your turn");
    open(&mut pair.alice, &packet);
    let mut copy = Session::decode(&pair.alice.encode()).unwrap();
    let first = pair.for_bob(b"from the original");
    open(&mut pair.bob, &first);
    let packet = copy.seal(b"from the copy", &mut pair.rng).unwrap().packet;
    assert_eq!(pair.bob.open(&packet, NOW).unwrap_err(), OpenError::Refused(Refusal::Contradiction));
}

#[test]
fn the_same_content_with_the_same_chance_is_the_same_packet_and_tells_nothing_new() {
    let mut pair = Pair::new(2);
    let mut copy = Session::decode(&pair.alice.encode()).unwrap();
    let chance = pair.rng.clone();
    let one = pair.alice.seal(b"again", &mut chance.clone()).unwrap().packet;
    assert_eq!(one, copy.seal(b"again", &mut chance.clone()).unwrap().packet);
}

#[test]
fn chance_that_never_changes_gives_no_random_value_twice_in_a_conversation() {
    let mut pair = Pair::new(3);
    let stuck = pair.rng.clone();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let packet = pair.alice.seal(b"stuck", &mut stuck.clone()).unwrap().packet;
        assert!(seen.insert(random_value(&packet).to_vec()));
        open(&mut pair.bob, &packet);
        let packet = pair.bob.seal(b"stuck", &mut stuck.clone()).unwrap().packet;
        assert!(seen.insert(random_value(&packet).to_vec()));
        open(&mut pair.alice, &packet);
    }
}
