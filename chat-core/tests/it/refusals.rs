//! Packets that must not open, and what they must not change.

use chat_core::session::{AcceptError, OpenError, Refusal, Session};

use crate::pair::{NOW, Pair, Person, seeded};

/// Nothing about the session may change, to the byte.
#[track_caller]
fn refused(session: &Session, packet: &[u8]) -> OpenError {
    let before = session.encode();
    let why = session.open(packet, NOW).expect_err("it opened");
    assert_eq!(session.encode(), before);
    why
}

#[test]
fn a_changed_byte_anywhere_refuses_the_packet_and_leaves_the_session_unchanged() {
    let mut pair = Pair::new(1);
    pair.for_bob(b"lost");
    let packet = pair.for_bob(b"text");
    for at in 0..packet.len() {
        let mut bad = packet.clone();
        bad[at] ^= 1;
        let why = refused(&pair.bob, &bad);
        let expected = match at {
            0 => OpenError::Malformed,
            1..78 => OpenError::NotThisSession,
            _ => OpenError::Refused(Refusal::Body),
        };
        assert_eq!(why, expected, "byte {at}");
    }
    assert!(pair.bob.open(&packet, NOW).is_ok());
}

#[test]
fn a_cut_or_longer_packet_is_refused() {
    let mut pair = Pair::new(2);
    let packet = pair.for_bob(b"text");
    for cut in 0..packet.len() {
        refused(&pair.bob, &packet[..cut]);
    }
    assert_eq!(refused(&pair.bob, &[&packet[..], &[0]].concat()), OpenError::Refused(Refusal::Body));
    assert_eq!(refused(&pair.bob, &[]), OpenError::Malformed);
}

#[test]
fn a_repeated_a_doubled_and_a_far_packet_are_refused_and_leave_the_session_unchanged() {
    let mut pair = Pair::new(11);
    let copy = Session::decode(&pair.alice.encode()).unwrap();
    let packet = pair.for_bob(b"text");
    let far: Vec<_> = (0..=chat_core::limits::CHAIN_STEPS_MAX).map(|_| pair.for_bob(b"far")).collect();
    crate::pair::open(&mut pair.bob, &packet);
    assert_eq!(refused(&pair.bob, &packet), OpenError::Duplicate);
    // A copy of the other side seals something else at the same place.
    let mut other = std::mem::replace(&mut pair.alice, copy);
    pair.rng = seeded(12);
    let doubled = pair.for_bob(b"something else");
    // Its ratchet key is another one under the same header key: a fork, told from a duplicate.
    assert_eq!(refused(&pair.bob, &doubled), OpenError::Refused(Refusal::Contradiction));
    std::mem::swap(&mut other, &mut pair.alice);
    let (furthest, too_far) = (&far[far.len() - 2], pair.for_bob(b"one more"));
    let steps = chat_core::limits::CHAIN_STEPS_MAX + 1;
    assert_eq!(refused(&pair.bob, &too_far), OpenError::Refused(Refusal::TooFar { steps }));
    let mut mangled = furthest.clone();
    *mangled.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&pair.bob, &mangled), OpenError::Refused(Refusal::Body));
    assert!(pair.bob.open(furthest, NOW).is_ok());
}

#[test]
fn a_packet_sent_back_to_its_author_is_refused() {
    let mut pair = Pair::new(3);
    let packet = pair.for_bob(b"text");
    assert_eq!(refused(&pair.alice, &packet), OpenError::NotThisSession);
}

#[test]
fn a_packet_of_another_session_is_refused() {
    let (mut one, other) = (Pair::new(4), Pair::new(5));
    let packet = one.for_bob(b"text");
    assert_eq!(refused(&other.bob, &packet), OpenError::NotThisSession);
}

#[test]
fn parts_of_two_packets_do_not_make_a_third() {
    let mut pair = Pair::new(6);
    let (one, two) = (pair.for_bob(b"one"), pair.for_bob(b"two"));
    // Random value, header, commitment, body: each from the one and the rest from the other.
    for cut in [17, 78, 94, 606] {
        refused(&pair.bob, &[&one[..cut], &two[cut..]].concat());
        refused(&pair.bob, &[&two[..cut], &one[cut..]].concat());
    }
}

#[test]
fn a_normal_packet_does_not_pass_as_an_initiation_nor_the_other_way_round() {
    let mut rng = seeded(7);
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    let bundle = bob.verified_bundle(true, &mut rng);
    let mut session = alice.initiate(bundle, None, &mut rng);
    let first = session.seal(b"one", &mut rng).unwrap().packet;
    let second = session.seal(b"two", &mut rng).unwrap().packet;
    let session_b = bob.accept(&first, &alice.party).unwrap().0.session;
    let initiation = 1_900;
    let stripped = [&[1], &second[initiation..]].concat();
    assert_eq!(refused(&session_b, &stripped), OpenError::NotThisSession);
    let foreign = {
        let bundle = bob.verified_bundle(true, &mut rng);
        alice.initiate(bundle, None, &mut rng).seal(b"x", &mut rng).unwrap().packet
    };
    let mixed = [&foreign[..initiation], &second[initiation..]].concat();
    assert_eq!(refused(&session_b, &mixed), OpenError::NotThisSession);
}

#[test]
fn a_changed_initiation_brings_no_session() {
    let mut rng = seeded(8);
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    let bundle = bob.verified_bundle(false, &mut rng);
    let mut session = alice.initiate(bundle, None, &mut rng);
    let packet = session.seal(b"hello", &mut rng).unwrap().packet;
    for at in (0..packet.len()).step_by(7).chain(0..64).chain(1_600..1_700) {
        let mut bad = packet.clone();
        bad[at] ^= 0x10;
        assert!(bob.accept(&bad, &alice.party).is_err(), "byte {at}");
    }
    for cut in (0..packet.len()).step_by(13) {
        assert!(matches!(
            bob.accept(&packet[..cut], &alice.party),
            Err(AcceptError::Handshake(_) | AcceptError::Open(_))
        ));
    }
    assert!(bob.accept(&packet, &alice.party).is_ok());
}

#[test]
fn random_bytes_never_open_and_never_panic() {
    use rand_core::Rng;
    let pair = Pair::new(9);
    let mut rng = seeded(10);
    for round in 0..2_000 {
        let mut bytes = vec![0; round];
        rng.fill_bytes(&mut bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1 + (*first & 1);
        }
        assert!(pair.bob.open(&bytes, NOW).is_err());
        let _ = chat_core::session::InitiationHead::parse(&bytes);
    }
}
