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

    fn send(&mut self, from: usize) -> BraidPart {
        let emitted = self.sides[from].send(self.room, &mut self.rng);
        self.keys[from].extend(emitted.key.map(|(epoch, key)| (epoch, *key.expose())));
        assert!(emitted.part.is_well_formed());
        emitted.part
    }

    fn deliver(&mut self, to: usize, part: &BraidPart) {
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
    let last = part.chunks.last_mut().unwrap();
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
    vector.chunks[0][5] ^= 1;
    world.deliver(1, &vector);
    let rest = world.send(0);
    assert_eq!(world.sides[1].receive(&rest).err(), Some(BraidError::Key));

    let mut world = World::new(3, 32);
    for turn in 0..20 {
        let mut part = world.send(turn % 2);
        if part.kind == PartKind::Ct2 {
            part.chunks[0][0] ^= 1;
            assert_eq!(world.sides[0].receive(&part).err(), Some(BraidError::CiphertextTag));
            return;
        }
        world.deliver(1 - turn % 2, &part);
    }
    panic!("no second half was ever sent");
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
        let mut under_way: [Vec<BraidPart>; 2] = [vec![], vec![]];
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
