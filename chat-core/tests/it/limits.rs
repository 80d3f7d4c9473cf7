//! Sizes on the wire and on the disk.

use chat_core::limits::{CONTENT_BYTES_MAX, SKIPPED_KEYS_MAX};
use chat_core::session::SealError;
use chat_wire::limits::PACKET_BYTES_MAX;

use crate::pair::{Pair, Person, open, seeded};

#[test]
fn a_packet_is_its_padded_body_and_110_bytes() {
    let mut pair = Pair::new(1);
    for (content, body) in [(0, 512), (504, 512), (505, 1024), (9_000, 16_384), (16_376, 16_384), (16_377, 17_408)] {
        assert_eq!(pair.for_bob(&vec![1; content]).len(), body + 110, "{content}");
    }
}

#[test]
fn the_largest_content_fits_a_packet_also_with_its_initiation_and_one_more_byte_is_refused() {
    let mut rng = seeded(2);
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    let bundle = bob.verified_bundle(true, &mut rng);
    let mut session = alice.initiate(bundle, None, &mut rng);
    let before = session.encode();
    let refused = session.seal(&vec![0; CONTENT_BYTES_MAX + 1], &mut rng).err();
    assert_eq!(refused, Some(SealError::TooLarge { bytes: CONTENT_BYTES_MAX + 1, limit: CONTENT_BYTES_MAX }));
    assert_eq!(session.encode(), before);
    let content = vec![3; CONTENT_BYTES_MAX];
    let packet = session.seal(&content, &mut rng).unwrap().packet;
    assert!(packet.len() <= PACKET_BYTES_MAX);
    assert_eq!(bob.accept(&packet, &alice.party).unwrap().0.content, content);
}

#[test]
fn a_message_in_chain_writes_less_than_300_bytes_on_either_side() {
    let mut pair = Pair::new(3);
    for _ in 0..3 {
        let packet = pair.for_bob(b"warm");
        open(&mut pair.bob, &packet);
    }
    let bytes = |rows: Vec<chat_core::session::RowChange>| -> usize {
        rows.iter().map(|row| row.value.as_ref().map_or(0, |value| value.len())).sum()
    };
    let _ = (pair.alice.take_changes(), pair.bob.take_changes());
    let packet = pair.for_bob(b"in chain");
    open(&mut pair.bob, &packet);
    let (sealed, opened) = (bytes(pair.alice.take_changes()), bytes(pair.bob.take_changes()));
    assert!(sealed <= 100 && opened <= 130, "{sealed} B sealed, {opened} B opened");
}

#[test]
fn skipped_keys_are_bounded_and_the_oldest_go_first() {
    let mut pair = Pair::new(4);
    let first: Vec<_> = (0..1_500).map(|_| pair.for_bob(b"a")).collect();
    let last = pair.for_bob(b"b");
    open(&mut pair.bob, &last);
    pair.exchange();
    let second: Vec<_> = (0..1_500).map(|_| pair.for_bob(b"c")).collect();
    let last = pair.for_bob(b"d");
    open(&mut pair.bob, &last);
    let rows = |first: u8| pair.bob.rows().iter().filter(|(key, _)| key[0] == first && key.len() > 1).count();
    assert_eq!((rows(8), rows(9)), (SKIPPED_KEYS_MAX, SKIPPED_KEYS_MAX));
    assert!(pair.bob.open(&first[0], crate::pair::NOW).is_err());
    assert_eq!(open(&mut pair.bob, &first[1_499]), b"a");
    assert_eq!(open(&mut pair.bob, &second[0]), b"c");
}

#[test]
fn a_thousand_skipped_positions_are_stored_in_66_kb() {
    let mut pair = Pair::new(5);
    for _ in 0..1_000 {
        pair.for_bob(b"lost");
    }
    let last = pair.for_bob(b"b");
    let _ = pair.bob.take_changes();
    open(&mut pair.bob, &last);
    let changes = pair.bob.take_changes();
    let bytes: usize = changes.iter().filter_map(|row| row.value.as_ref()).map(|value| value.len()).sum();
    assert!(bytes <= 66_000, "{bytes}");
}
