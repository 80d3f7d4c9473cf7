//! Groups: what waits for a sync, what does not, and what becomes of it when the sync fails (SPEC 1.3).

use std::sync::atomic::Ordering;

use bytes::Bytes;
use chat_relay::storage::{Log, LogRows as _, SyncJob};
use chat_relay::{Config, ConnectionId, Input, Output};
use chat_wire::error::RefusalKind;
use chat_wire::frame::Frame;
use chat_wire::message::{ClientMessage, ServerMessage};

use crate::bench::Bench;
use crate::full_disk::FullDisk;
use crate::kit::{self, Person};

/// A relay whose disk takes its time.
struct Slow {
    bench: Bench<FullDisk>,
    alice: ConnectionId,
    bob: (Person, ConnectionId),
    carol: (Person, ConnectionId),
}

impl Slow {
    fn new() -> Self {
        let mut bench = Bench::on(FullDisk::default(), Config::default());
        let (_, alice) = bench.reachable("alice");
        let (bob, carol) = (bench.reachable("bobby"), bench.reachable("carol"));
        bench.relay.storage().slow = true;
        bench.outputs.clear();
        Self { bench, alice, bob, carol }
    }

    /// One round without running its sync.
    fn round(&mut self, inputs: Vec<Input>) -> Option<SyncJob> {
        for input in inputs {
            self.bench.relay.handle(self.bench.now, input);
        }
        self.bench.outputs.extend(self.bench.relay.flush(self.bench.now).into_iter().flat_map(Output::apart));
        self.bench.relay.take_sync()
    }

    /// Alice's send, whose number is request, key and step.
    fn send(&self, number: u32, to: &Person, text: &[u8]) -> Input {
        let (message, body) = kit::send(number.into(), vec![to.state()], &[to.address(1)], text);
        Input::Frame(self.alice, Frame::with_body(number, message, body))
    }

    /// What Alice heard: accepted requests, and refused ones.
    fn heard(&mut self) -> (Vec<u32>, Vec<u32>) {
        let frames = self.bench.pushed(self.alice);
        let of = |wanted: fn(&ServerMessage) -> bool| {
            frames.iter().filter(|f| wanted(&f.message)).map(|f| f.request).collect()
        };
        let unavailable =
            |m: &ServerMessage| matches!(m, ServerMessage::Refused(r) if r.kind == RefusalKind::Unavailable);
        (of(|m| matches!(m, ServerMessage::Accepted { .. })), of(unavailable))
    }

    fn rows_of_bob(&mut self) -> u64 {
        let bob = self.bob.0.address(1);
        self.bench.relay.storage().log_figures(&Log::Mailbox(bob), 0).unwrap().entries
    }
}

fn ack(connection: ConnectionId, seq: u64) -> Input {
    Input::Frame(connection, Frame::new(0, ClientMessage::Ack { seq }))
}

#[test]
fn a_message_reaches_its_reader_at_once_and_its_sender_hears_after_the_sync() {
    let mut slow = Slow::new();
    let send = slow.send(1, &slow.bob.0, b"hello");
    let sync = slow.round(vec![send]).expect("a sync to wait for");
    assert_eq!(slow.bench.delivered(slow.bob.1), [(1, Bytes::from_static(b"hello"))]);
    assert_eq!(slow.heard(), (vec![], vec![]), "it is not durable yet");
    let result = sync();
    assert!(slow.round(vec![Input::Synced(result)]).is_none());
    assert_eq!(slow.heard(), (vec![1], vec![]));
}

#[test]
fn what_its_reader_acknowledges_first_is_answered_before_the_sync_and_never_written() {
    let mut slow = Slow::new();
    let first = slow.send(1, &slow.bob.0, b"one");
    let sync = slow.round(vec![first]).unwrap();
    let (second, third) = (slow.send(2, &slow.bob.0, b"two"), slow.send(3, &slow.carol.0, b"three"));
    assert!(slow.round(vec![second, third]).is_none(), "one sync at a time");
    assert!(slow.round(vec![ack(slow.bob.1, 2)]).is_none());
    assert_eq!(slow.heard(), (vec![1, 2], vec![]), "the one under way and the one that waits");
    let next = slow.round(vec![Input::Synced(sync())]).expect("the next group");
    assert_eq!(slow.heard(), (vec![], vec![]), "each answer once");
    assert_eq!(slow.rows_of_bob(), 1, "the second was never written");
    assert!(slow.round(vec![Input::Synced(next())]).is_none());
    assert_eq!(slow.heard(), (vec![3], vec![]));
    let again = slow.send(2, &slow.bob.0, b"two");
    let waiting = slow.round(vec![again]);
    assert!(waiting.is_none());
    assert_eq!(slow.heard(), (vec![2], vec![]), "a repeat gets the first one's answer");
    assert_eq!(slow.bench.delivered(slow.bob.1).len(), 2, "and is not delivered again");
}

#[test]
fn while_many_wait_for_connected_readers_none_is_written_until_one_has_waited_long() {
    let mut slow = Slow::new();
    let first = slow.send(1, &slow.bob.0, b"first");
    let sync = slow.round(vec![first]).unwrap();
    let many: Vec<Input> = (2..=101).map(|number| slow.send(number, &slow.bob.0, b"text")).collect();
    slow.round(many);
    assert!(slow.round(vec![Input::Synced(sync())]).is_none(), "held back for their reader");
    assert_eq!(slow.heard(), (vec![1], vec![]));
    assert_eq!(slow.bench.relay.next_round_ms(), Some(50), "and the shell looks again in time");
    slow.round(vec![ack(slow.bob.1, 41)]);
    assert_eq!(slow.heard().0.len(), 40, "answered by the reader's acknowledgement");
    slow.bench.now.uptime_ms += 50;
    let next = slow.round(vec![]).expect("the rest has waited long enough");
    assert_eq!(slow.rows_of_bob(), 61, "the first and those that were not acknowledged");
    slow.round(vec![Input::Synced(next())]);
    assert_eq!(slow.heard().0.len(), 60);
    assert_eq!(slow.bench.relay.next_round_ms(), None);
}

#[test]
fn a_read_sees_what_waits_for_the_next_group() {
    let mut slow = Slow::new();
    let first = slow.send(1, &slow.bob.0, b"one");
    let sync = slow.round(vec![first]).unwrap();
    let second = slow.send(2, &slow.bob.0, b"two");
    slow.round(vec![second]);
    let repeat = slow.send(2, &slow.bob.0, b"two");
    slow.round(vec![repeat]);
    assert_eq!(slow.rows_of_bob(), 2, "the look for the first answer wrote it");
    let next = slow.round(vec![Input::Synced(sync())]).unwrap();
    slow.round(vec![Input::Synced(next())]);
    assert_eq!(slow.heard(), (vec![1, 2, 2], vec![]), "both are answered alike, it is stored once");
    assert_eq!(slow.bench.delivered(slow.bob.1).len(), 2);
}

#[test]
fn a_failed_sync_is_told_to_those_who_waited_and_the_next_one_makes_it_good() {
    let mut slow = Slow::new();
    let beat = Frame::new(7, ClientMessage::Heartbeat {});
    let send = slow.send(1, &slow.bob.0, b"one");
    let sync = slow.round(vec![send]).unwrap();
    slow.bench.relay.storage().sync_fails.store(true, Ordering::Relaxed);
    let result = sync();
    assert!(result.is_err());
    let again = slow.round(vec![Input::Synced(result), Input::Frame(slow.carol.1, beat)]);
    assert_eq!(slow.heard(), (vec![], vec![1]));
    assert!(slow.bench.is_closed(slow.alice), "what it knows may be gone: it logs in again");
    assert!(!slow.bench.is_closed(slow.carol.1));
    assert_eq!(slow.bench.pushed(slow.carol.1).len(), 1, "a heartbeat rests on nothing");
    slow.bench.relay.storage().sync_fails.store(false, Ordering::Relaxed);
    let again = again.expect("it tries again by itself");
    assert!(slow.round(vec![Input::Synced(again())]).is_none());
    let trouble = slow.bench.outputs.iter().any(|o| matches!(o, Output::Trouble(_)));
    assert!(trouble, "the operator hears of it");
}

#[test]
fn mail_never_comes_before_the_answer_that_says_logged_in() {
    let mut slow = Slow::new();
    let first = slow.send(1, &slow.bob.0, b"one");
    let sync = slow.round(vec![first]).unwrap();
    let bob = slow.bench.open();
    slow.round(vec![Input::Frame(bob, Frame::new(1, ClientMessage::Hello { versions: vec![1], features: vec![] }))]);
    let ready = slow.bench.pushed(bob).remove(0).message;
    let proof = slow.bob.0.proof(1, &kit::binding(&ready, crate::bench::EXPORTER));
    slow.round(vec![Input::Frame(bob, Frame::new(2, proof))]);
    let second = slow.send(2, &slow.bob.0, b"two");
    slow.round(vec![second]);
    assert!(slow.bench.pushed(bob).is_empty(), "its login rests on the sync");
    let mut job = Some(sync);
    while let Some(sync) = job.take() {
        job = slow.round(vec![Input::Synced(sync())]);
    }
    let frames = slow.bench.pushed(bob);
    assert!(matches!(frames[0].message, ServerMessage::LoggedIn { .. }), "{:?}", frames[0].message);
    let texts: Vec<&[u8]> =
        frames.iter().filter(|f| matches!(f.message, ServerMessage::Deliver { .. })).map(|f| &f.body[..]).collect();
    assert_eq!(texts, [&b"one"[..], b"two"]);
}

#[test]
fn the_shell_is_asked_to_wait_while_a_stalled_disk_holds_much_back() {
    let mut slow = Slow::new();
    let first = slow.send(1, &slow.bob.0, b"one");
    let sync = slow.round(vec![first]).unwrap();
    let large = vec![1; chat_wire::limits::PACKET_BYTES_MAX];
    let mut number = 1;
    while !slow.bench.relay.is_full() {
        number += 1;
        assert!(number < 10_000, "it never says stop");
        let send = slow.send(number, &slow.carol.0, &large);
        slow.round(vec![send]);
        slow.bench.outputs.clear();
    }
    slow.round(vec![Input::Synced(sync())]);
    assert!(!slow.bench.relay.is_full(), "what is written no longer waits");
}
