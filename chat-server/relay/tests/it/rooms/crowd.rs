//! Many readers of one room, in whatever order chance has it.

use super::*;

/// SplitMix64: chance that a seed repeats.
fn roll(state: &mut u64, sides: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % sides
}

/// A member's device: what it read, and where it is connected.
struct Reading {
    person: Person,
    connection: Option<ConnectionId>,
    log: std::collections::BTreeMap<u64, Bytes>,
}

impl Reading {
    fn read(&mut self, bench: &mut Bench, seed: u64) {
        let Some(connection) = self.connection else { return };
        for (seq, _, body) in entries(&bench.pushed(connection)) {
            let last = self.log.last_key_value().map(|(seq, _)| *seq);
            assert!(last.is_none_or(|last| seq == last + 1), "seed {seed}: {seq} after {last:?}");
            self.log.insert(seq, body);
        }
    }

    fn come(&mut self, bench: &mut Bench) {
        let connection = bench.login(&self.person, 1);
        bench.outputs.clear();
        let held = self.log.last_key_value().map_or(1, |(seq, _)| *seq);
        bench.ask(connection, ClientMessage::Room(open(held)));
        self.connection = Some(connection);
    }
}

/// Four people in one room, and what the relay must have stored of it.
struct Crowd {
    readers: Vec<Reading>,
    epoch: u64,
    stored: u64,
    number: u64,
}

impl Crowd {
    fn new(bench: &mut Bench) -> Self {
        let people = ["alice", "bobby", "carol", "daveb"].map(|name| bench.reachable(name).0);
        let first = bench.login(&people[0], 1);
        room_with(bench, first, create(ROOM, "garden", false), b"info");
        let everybody: Vec<_> = people[1..].iter().map(|p| p.address(1)).collect();
        room_with(bench, first, commit(0, 0, &everybody, &[]), COMMIT_BODY);
        let reading = |person| Reading { person, connection: None, log: std::collections::BTreeMap::new() };
        Self { readers: people.into_iter().map(reading).collect(), epoch: 1, stored: 1, number: 0 }
    }

    fn key(&mut self) -> RequestKey {
        self.number += 1;
        let mut fresh = key(0);
        fresh.0[..8].copy_from_slice(&self.number.to_be_bytes());
        fresh
    }

    fn speak(&mut self, bench: &mut Bench, connection: ConnectionId) {
        let (ask, body) = (RoomAsk::Post { key: self.key(), room: ROOM, epoch: self.epoch }, self.number.to_string());
        let answer = bench.ask_with(connection, ClientMessage::Room(ask), Bytes::from(body)).message;
        assert!(matches!(answer, ServerMessage::Room(RoomAnswer::Appended { .. })), "{answer:?}");
        self.stored += 1;
    }

    fn commit(&mut self, bench: &mut Bench, connection: ConnectionId, base: u64) {
        let mut ask = commit(0, base, &[], &[]);
        head(&mut ask).key = self.key();
        match room_with(bench, connection, ask, COMMIT_BODY).0 {
            RoomAnswer::Appended { epoch: next, .. } => {
                assert_eq!((base, next), (self.epoch, self.epoch + 1));
                (self.epoch, self.stored) = (next, self.stored + 1);
            }
            RoomAnswer::Behind { .. } => assert!(base < self.epoch),
            other => panic!("{other:?}"),
        }
    }

    fn act(&mut self, bench: &mut Bench, state: &mut u64, seed: u64) {
        let at = roll(state, 4) as usize;
        if self.readers[at].connection.is_none() {
            self.readers[at].come(bench);
        }
        let Some(connection) = self.readers[at].connection else { return };
        match roll(state, 8) {
            0..=3 => self.speak(bench, connection),
            4 => self.commit(bench, connection, self.epoch - roll(state, 2)),
            5 => {
                self.readers[at].read(bench, seed);
                bench.take(Input::Closed(connection));
                self.readers[at].connection = None;
            }
            6 => {
                self.readers[at].read(bench, seed);
                if let Some((seq, _)) = self.readers[at].log.last_key_value() {
                    bench.tell(connection, ClientMessage::Room(RoomAsk::Ack { room: ROOM, seq: *seq }));
                }
            }
            _ => bench.pass_ms(500),
        }
        for reader in &mut self.readers {
            if let Some(connection) = reader.connection {
                reader.read(bench, seed);
                bench.ask(connection, ClientMessage::Heartbeat {});
            }
        }
    }
}

#[test]
fn whatever_the_order_of_messages_commits_and_disconnections_every_reader_has_the_same_log_without_a_gap() {
    for seed in 0..12_u64 {
        let mut state = seed;
        let mut bench = Bench::new(Config::default());
        let mut crowd = Crowd::new(&mut bench);
        for _ in 0..150 {
            crowd.act(&mut bench, &mut state, seed);
        }
        let mut whole = std::collections::BTreeMap::new();
        for reader in &mut crowd.readers {
            if let Some(connection) = reader.connection.take() {
                bench.take(Input::Closed(connection));
            }
            reader.come(&mut bench);
            reader.read(&mut bench, seed);
            let last = reader.log.last_key_value().map_or(1, |(seq, _)| *seq);
            assert_eq!(last, crowd.stored, "seed {seed}");
            for (seq, body) in &reader.log {
                let before = whole.insert(*seq, body.clone());
                assert!(before.is_none_or(|b| b == *body), "seed {seed}: two readers, two logs");
            }
        }
        assert_eq!(whole.len() as u64, crowd.stored - 1, "seed {seed}");
    }
}
