//! Two sides over a lossy line.

use proptest::prelude::*;

use super::*;
use crate::crypto::tests::{SeededRng, seeded};

struct World {
    sides: [Braid; 2],
    keys: [Vec<(u64, [u8; 32])>; 2],
    rng: SeededRng,
    room: usize,
}

impl World {
    fn new(seed: u64, room: usize) -> Self {
        let start = Secret::fill(|b| b.fill(4));
        let side = |initiator| Braid::start(initiator, [9; 16], &start);
        Self { sides: [side(true), side(false)], keys: [vec![], vec![]], rng: seeded(seed), room }
    }

    fn send(&mut self, from: usize) -> BraidPart<'static> {
        let emitted = self.sides[from].send(self.room, &mut self.rng);
        self.keys[from].extend(emitted.key.map(|(epoch, key)| (epoch, *key.expose())));
        assert!(emitted.part.is_well_formed());
        emitted.part
    }

    fn deliver(&mut self, to: usize, part: &BraidPart<'_>) {
        let Some((next, key)) = self.sides[to].receive(part).unwrap() else { return };
        self.keys[to].extend(key.map(|(epoch, key)| (epoch, *key.expose())));
        // Every state goes through its record.
        self.sides[to] = Braid::decode(&next.encode()).unwrap();
    }

    /// Epoch keys that both have must be equal; each side has each epoch once, in order.
    fn check(&self) {
        for (one, other) in self.keys[0].iter().zip(&self.keys[1]) {
            assert_eq!(one, other);
        }
        for keys in &self.keys {
            assert!(keys.iter().map(|(epoch, _)| *epoch).eq(1..=keys.len() as u64));
        }
    }
}

#[test]
fn one_epoch_of_strict_alternation_takes_at_most_fifteen_messages_with_eight_chunks() {
    let mut world = World::new(1, 8);
    let mut sent = 0;
    while world.keys.iter().any(Vec::is_empty) {
        let from = sent % 2;
        let part = world.send(from);
        world.deliver(1 - from, &part);
        sent += 1;
    }
    world.check();
    assert!(sent <= 15, "{sent} messages");
    // Roles swap: the second epoch comes out as well, with another key.
    for turn in sent..sent + 30 {
        let part = world.send(turn % 2);
        world.deliver(1 - turn % 2, &part);
    }
    world.check();
    assert!(world.keys[0].len() >= 2);
    assert_ne!(world.keys[0][0].1, world.keys[0][1].1);
}

#[test]
fn a_forged_header_tag_and_an_epoch_from_the_future_are_refused() {
    let mut world = World::new(2, 32);
    let mut part = world.send(0);
    let last = part.chunks.to_mut().last_mut().unwrap();
    last[31] ^= 1;
    assert_eq!(world.sides[1].receive(&part).err(), Some(BraidError::HeaderTag));
    let early = BraidPart { epoch: 3, ..BraidPart::bare(PartKind::None) };
    assert_eq!(world.sides[1].receive(&early).err(), Some(BraidError::EpochOutOfRange { got: 3, at: 1 }));
}

#[test]
fn a_vector_that_is_not_the_header_s_and_a_forged_ciphertext_are_refused() {
    let mut world = World::new(3, 32);
    let header = world.send(0);
    world.deliver(1, &header);
    let first = world.send(1);
    world.deliver(0, &first);
    // 36 chunks need two messages; the first of them is changed.
    let mut vector = world.send(0);
    vector.chunks.to_mut()[0][5] ^= 1;
    world.deliver(1, &vector);
    let rest = world.send(0);
    assert_eq!(world.sides[1].receive(&rest).err(), Some(BraidError::Key));

    let mut world = World::new(3, 32);
    for turn in 0..20 {
        let mut part = world.send(turn % 2);
        if part.kind == PartKind::Ct2 {
            part.chunks.to_mut()[0][0] ^= 1;
            assert_eq!(world.sides[0].receive(&part).err(), Some(BraidError::CiphertextTag));
            return;
        }
        world.deliver(1 - turn % 2, &part);
    }
    panic!("no second half was ever sent");
}

/// The header that one side makes, and the vector behind it.
#[test]
fn the_header_s_hash_is_that_of_the_standard_s_key() {
    // SPEC 8.5.4.
    use sha3::{Digest, Sha3_256};
    let mut world = World::new(5, 32);
    let header = world.send(0).chunks.concat();
    world.sides[0] = Braid::decode(&world.sides[0].encode()).unwrap();
    let State::KeysSampled { side } = &world.sides[0].state else { panic!("{:?}", world.sides[0].state) };
    let (_, public) = side.seed.expand();
    assert_eq!(header[..64], public.header);
    assert_eq!(header[32..64], Sha3_256::digest([&public.vector[..], &header[..32]].concat())[..]);
}

#[test]
fn the_authenticator_extracts_with_its_root_as_salt() {
    // SPEC 8.5.5: by hand, from HMAC alone.
    let (sid, start) = ([9; 16], Secret::<32>::fill(|b| b.fill(4)));
    let run = |key: &[u8; 32], parts: &[&[u8]]| crate::crypto::mac::tag(key, parts);
    let prk = run(&[0; 32], &[start.expose()]);
    let info = [crate::labels::PQ_AUTH, &sid, &1_u64.to_be_bytes()].concat();
    let root = run(&prk, &[&info, &[1]]);
    let mac = run(&prk, &[&root, &info, &[2]]);
    let auth = Authenticator::start(&sid, &start);
    assert_eq!(auth.expose(), (&root, &mac));
    let key = EpochKey::new(Secret::fill(|b| b.fill(8)));
    let info = [crate::labels::PQ_AUTH, &sid, &1_u64.to_be_bytes()].concat();
    let next = run(&run(&root, &[key.expose()]), &[&info, &[1]]);
    assert_eq!(auth.update(&sid, 1, &key).expose().0, &next);
}

#[test]
fn who_has_the_first_half_says_so_in_every_later_message_of_the_epoch() {
    // SPEC 8.5.6.
    let mut world = World::new(6, 4);
    let mut has_it = false;
    for turn in 0..120 {
        let part = world.send(turn % 2);
        if turn % 2 == 0 && part.epoch == 1 {
            let says = matches!(part.kind, PartKind::EkCt1Ack | PartKind::Ct1Ack);
            assert!(says || !has_it, "{:?} takes back what was said", part.kind);
            has_it |= says;
        }
        world.deliver(1 - turn % 2, &part);
        if matches!(world.sides[0].state, State::EkSentCt1Received { .. }) {
            assert_eq!(world.send(0).kind, PartKind::Ct1Ack);
        }
    }
    assert!(has_it && !world.keys[0].is_empty());
    world.check();
}

#[test]
fn a_late_chunk_of_the_vector_counts_after_the_first_half_was_acknowledged() {
    // SPEC 8.5.7.
    let mut world = World::new(7, 8);
    let mut held: Vec<BraidPart<'static>> = Vec::new();
    for turn in 0..60 {
        let part = world.send(turn % 2);
        if part.kind == PartKind::Ek {
            held.push(part);
            continue;
        }
        world.deliver(1 - turn % 2, &part);
        if let State::Ct1Acknowledged { ek, .. } = &world.sides[1].state {
            let before = ek.chunks().len();
            world.deliver(1, &held[0]);
            let State::Ct1Acknowledged { ek, .. } = &world.sides[1].state else { return };
            assert!(ek.chunks().len() > before);
            return;
        }
    }
    panic!("the first half was never acknowledged");
}

#[test]
fn an_epoch_s_key_has_its_number_on_both_sides() {
    // SPEC 8.5.8.
    let mut world = World::new(8, 8);
    for turn in 0..60 {
        let part = world.send(turn % 2);
        world.deliver(1 - turn % 2, &part);
    }
    for keys in &world.keys {
        assert_eq!(keys.iter().map(|(epoch, _)| *epoch).take(3).collect::<Vec<_>>(), [1, 2, 3]);
    }
    world.check();
}

#[test]
fn a_byte_of_the_epoch_is_enough_around_a_wrap() {
    let mut braid = Braid::start(true, [0; 16], &Secret::fill(|_| ()));
    braid.epoch = 256;
    assert_eq!([255, 0, 1].map(|byte| braid.epoch_of_byte(byte)), [255, 256, 257]);
    braid.epoch = 1;
    assert_eq!([0, 1, 2].map(|byte| braid.epoch_of_byte(byte)), [0, 1, 2]);
}

#[test]
fn a_damaged_record_is_refused() {
    let mut world = World::new(4, 8);
    for turn in 0..5 {
        let part = world.send(turn % 2);
        world.deliver(1 - turn % 2, &part);
    }
    let record = world.sides[0].encode();
    assert!(Braid::decode(&record).is_ok());
    for cut in 0..record.len() {
        assert!(Braid::decode(&record[..cut]).is_err(), "cut at {cut}");
    }
    assert!(Braid::decode(&[&record[..], &[0]].concat()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any order of senders, any loss, any delay: keys agree, and with a fair line they keep coming.
    #[test]
    fn keys_agree_under_loss_and_reordering(
        seed in any::<u64>(),
        room in 1_usize..40,
        line in proptest::collection::vec((0..2_usize, 0..10_u8, 0..4_usize), 1..200),
    ) {
        let mut world = World::new(seed, room);
        let mut under_way: [Vec<BraidPart<'static>>; 2] = [vec![], vec![]];
        for (from, fate, at) in line {
            let part = world.send(from);
            if fate >= 3 {
                under_way[from].push(part);
            }
            if fate >= 5 && !under_way[from].is_empty() {
                let at = at % under_way[from].len();
                let part = under_way[from].remove(at);
                world.deliver(1 - from, &part);
            }
        }
        world.check();
        let before = world.keys[0].len();
        for turn in 0..200 {
            let part = world.send(turn % 2);
            world.deliver(1 - turn % 2, &part);
        }
        world.check();
        prop_assert!(world.keys[0].len() > before);
    }
}
