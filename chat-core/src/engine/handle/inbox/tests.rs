//! What single contents may do, and from whom.

use chat_wire::device_list::{DEVICE_MAY_SIGN, ListBody};
use chat_wire::ids::{BootId, DeviceId, ListHash, MessageId, RelayId, UserName};
use serde_bytes::{ByteArray, ByteBuf};

use super::*;
use crate::engine::content::{Profile, Receipt, StreamMark, Text, Typing};
use crate::engine::context::Context;
use crate::engine::io::{Boot, Event, MessageStatus, NoticeKind, Output};
use crate::engine::memory::me::Me;
use crate::engine::{Engine, Step};
use crate::identity::{AccountKey, DeviceKeys};
use crate::store::{HistoryChange, MemoryRecords, WriteBatch};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const RELAY: RelayId = RelayId([5; 32]);

/// Alice's engine, and bob, whom she has accepted unless told otherwise.
struct Bench {
    engine: Engine,
    records: MemoryRecords,
    rng: rand_core::UnwrapErr<getrandom::SysRng>,
    bob: DeviceAddress,
    own: DeviceAddress,
}

impl Bench {
    fn new(accepted: bool) -> Self {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let records = MemoryRecords::default();
        let boot = Boot { id: BootId([1; 16]) };
        let (engine, _step) = Engine::open(NOW, boot, &mut Context { records: &records, rng: &mut rng }).unwrap();
        let (own_keys, own_list) = account("alice", &mut rng);
        let (bob_keys, bob_list) = account("bob", &mut rng);
        let (own, bob) = (own_keys.address(), bob_keys.address());
        let mut bench = Self { engine, records, rng, bob, own };
        bench.engine.state.me = Some(Me { name: UserName::parse("alice").unwrap(), relay: RELAY, keys: own_keys });
        bench.step(|engine, work| {
            engine.state.take_list(work, &own.account, &own_list)?;
            engine.state.take_list(work, &bob.account, &bob_list)?;
            engine.state.people.meet(work, bob.account, &UserName::parse("bob").unwrap())?;
            if accepted { engine.state.accept(work, bob.account) } else { Ok(()) }
        });
        bench
    }

    fn step(
        &mut self,
        work: impl FnOnce(&mut Engine, &mut Work<'_>) -> Result<(), EngineError>,
    ) -> (WriteBatch, Vec<Output>) {
        let mut cx = Context { records: &self.records, rng: &mut self.rng };
        let mut making = Work::new(NOW, &mut cx);
        work(&mut self.engine, &mut making).unwrap();
        let step: Step = making.finish();
        let mut stored = WriteBatch::default();
        let released = step.apply(|batch| {
            stored = batch.clone();
            Ok::<(), ()>(())
        });
        self.records.apply(&stored);
        (stored, released.unwrap().into_outputs())
    }

    /// Lets a content of a device arrive.
    fn hear(&mut self, author: DeviceAddress, content: (u32, Vec<u8>), way: Way) -> (WriteBatch, Vec<Output>) {
        let (kind, data) = content;
        let body = Body { time_ms: way.time_ms, kind, data: ByteBuf::from(data) };
        self.step(|engine, work| {
            let place = (way.counter, ByteArray::new([0; 16]));
            let message = Identified::new(&author, place, (&body, &body.content()), work)?;
            let none = ListGossip::of(None);
            let received = Received {
                author,
                message,
                body,
                ephemeral: way.ephemeral,
                via: Via { live: true, unanswered: 0, unanswered_since: None, started: None },
                sent_ms: NOW.as_ms(),
                own_list: none,
                peer_list: none,
            };
            engine.content(work, received)
        })
    }

    fn hear_content(&mut self, author: DeviceAddress, content: &Content, way: Way) -> (WriteBatch, Vec<Output>) {
        let (kind, data) = content.encode().unwrap();
        self.hear(author, (kind, data.into_vec()), way)
    }
}

/// How a content comes.
#[derive(Clone, Copy)]
struct Way {
    counter: u64,
    ephemeral: bool,
    time_ms: u64,
}

const MAIL: Way = Way { counter: 1, ephemeral: false, time_ms: NOW.as_ms() };

fn account(name: &str, rng: &mut dyn rand_core::CryptoRng) -> (DeviceKeys, Vec<u8>) {
    let key = AccountKey::generate(rng);
    let keys = DeviceKeys::generate(DeviceAddress { account: key.id(), device: DeviceId(3) }, rng);
    let body = ListBody {
        relay_id: RELAY,
        account_id: key.id(),
        seq: 1,
        prev_hash: ListHash([0; 32]),
        merged_hash: ListHash([0; 32]),
        created_ms: 0,
        expires_ms: u64::MAX,
        account_key: key.public(),
        next_account_key_hash: [0; 32],
        flags: 0,
        vault_gen: 1,
        vault_hash: [0; 32],
        record_floor: 0,
        name: UserName::parse(name).unwrap(),
        devices: vec![keys.listed(&key.public(), 1, DEVICE_MAY_SIGN)],
    };
    let list = key.sign_list(&body);
    (keys, list)
}

fn text(text: &str) -> Content {
    Content::Text(Text { text: text.into(), reply_to: None, expires_in_ms: None })
}

fn shown(batch: &WriteBatch) -> Vec<crate::engine::io::Message> {
    let inserted = batch.history.iter().filter_map(|change| match change {
        HistoryChange::Insert(message) => Some(message.clone()),
        _ => None,
    });
    inserted.collect()
}

#[test]
fn a_kind_of_a_later_version_is_kept_raw_and_shown_as_unknown() {
    let mut bench = Bench::new(true);
    let (batch, _) = bench.hear(bench.bob, (4_711, b"later".to_vec()), MAIL);
    let messages = shown(&batch);
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].text.clone(), messages[0].unknown.clone()), (None, Some(b"later".to_vec())));
}

#[test]
fn a_senders_clock_counts_only_to_within_five_minutes_of_the_relays() {
    let mut bench = Bench::new(true);
    let (late, early) = (NOW.as_ms() + CLOCK_SKEW_MS_MAX, NOW.as_ms() - CLOCK_SKEW_MS_MAX);
    for (counter, (claimed, expected)) in [(u64::MAX, late), (0, early)].into_iter().enumerate() {
        let way = Way { counter: counter as u64 + 1, time_ms: claimed, ..MAIL };
        let (batch, _) = bench.hear_content(bench.bob, &text("when?"), way);
        assert_eq!(shown(&batch)[0].timestamp_ms, expected);
    }
}

#[test]
fn copies_of_own_messages_count_only_from_own_devices() {
    let mut bench = Bench::new(true);
    let bob = bench.bob;
    let message = Identified {
        id: MessageId([1; 16]),
        nonce: chat_wire::ids::RequestKey([2; 16]),
        counter: 1,
        previous: ByteArray::new([0; 16]),
        body: ByteBuf::from(vec![0]),
    };
    let sync = Content::Sync(Sync { with: bob.account, name: None, message });
    let (batch, outputs) = bench.hear_content(bob, &sync, MAIL);
    assert!(shown(&batch).is_empty() && outputs.is_empty());
    let own_second = DeviceAddress { device: DeviceId(99), ..bench.own };
    let (batch, _) = bench.hear_content(own_second, &sync, MAIL);
    assert!(shown(&batch).is_empty(), "an id that is not its body's");
}

#[test]
fn a_copy_from_an_own_device_is_shown_as_sent_by_us() {
    let mut bench = Bench::new(true);
    let (bob, second) = (bench.bob, DeviceAddress { device: DeviceId(99), ..bench.own });
    let (kind, data) = text("from my other device").encode().unwrap();
    let body = Body { time_ms: NOW.as_ms(), kind, data };
    let mut message = None;
    bench.step(|_, work| {
        let place = (1, ByteArray::new([0; 16]));
        message = Some(Identified::new(&second, place, (&body, &body.content()), work)?);
        Ok(())
    });
    let sync = Content::Sync(Sync { with: bob.account, name: None, message: message.unwrap() });
    let (batch, _) = bench.hear_content(second, &sync, MAIL);
    let messages = shown(&batch);
    assert!(messages[0].outgoing);
    assert_eq!((messages[0].from.as_str(), messages[0].to.as_str()), ("alice", "bob"));
    let (again, _) = bench.hear_content(second, &sync, MAIL);
    assert!(shown(&again).is_empty(), "once");
}

#[test]
fn only_typing_may_come_beside_the_mailbox_and_typing_only_there() {
    let mut bench = Bench::new(true);
    let beside = Way { ephemeral: true, ..MAIL };
    let (batch, _) = bench.hear_content(bench.bob, &text("not here"), beside);
    assert!(shown(&batch).is_empty());
    let typing = Content::Typing(Typing { active: true });
    let (_, outputs) = bench.hear_content(bench.bob, &typing, MAIL);
    assert!(outputs.is_empty());
    let (_, outputs) = bench.hear_content(bench.bob, &typing, beside);
    assert!(matches!(outputs[..], [Output::Event(Event::Typing { active: true, .. })]));
}

#[test]
fn a_stranger_moves_nothing_but_its_request() {
    let mut bench = Bench::new(false);
    let (batch, outputs) = bench.hear_content(bench.bob, &Content::Accepted, MAIL);
    assert!(batch.history.is_empty() && outputs.is_empty());
    assert!(!bench.engine.state.people.get(&bench.bob.account).unwrap().accepts_us);
    let streams = vec![StreamMark {
        device: bench.own.device.0,
        delivered: 9,
        hash: ByteArray::new([0; 16]),
        read: 9,
        gaps: vec![],
    }];
    let (batch, outputs) = bench.hear_content(bench.bob, &Content::Receipt(Receipt { streams }), MAIL);
    assert!(batch.history.is_empty() && outputs.is_empty());
    let (batch, _) = bench.hear_content(bench.bob, &text("hi"), Way { counter: 2, ..MAIL });
    assert!(batch.history.is_empty());
    assert!(matches!(batch.notices[..], [crate::engine::Notice { kind: NoticeKind::Request(_), .. }]));
}

#[test]
fn receipts_speak_only_of_what_was_sent_to_their_sender() {
    let mut bench = Bench::new(true);
    let bob = bench.bob;
    let mut posted = None;
    bench.step(|engine, work| {
        posted = Some(engine.state.post(work, bob.account, &text("mine"))?);
        Ok(())
    });
    let posted = posted.unwrap();
    let (id, hash) = (Some(posted.id), ByteArray::new(posted.chain_hash()));
    let mark = |device| StreamMark { device, delivered: 1, hash, read: 0, gaps: vec![] };
    let own = mark(bench.own.device.0);
    // Of another device; of a place that was never sent; of what another life of this device said there.
    let other_life = StreamMark { hash: ByteArray::new([9; 16]), ..own.clone() };
    for mark in [mark(12_345), StreamMark { delivered: 50, ..own.clone() }, other_life] {
        let (batch, _) = bench.hear_content(bob, &Content::Receipt(Receipt { streams: vec![mark] }), MAIL);
        assert!(batch.history.is_empty());
    }
    let receipt = Content::Receipt(Receipt { streams: vec![own] });
    let (batch, _) = bench.hear_content(bob, &receipt, MAIL);
    let status = |change: &HistoryChange| matches!(change, HistoryChange::Status { id: of, status: MessageStatus::Delivered, .. } if Some(*of) == id);
    assert_eq!(batch.history.iter().filter(|change| status(change)).count(), 1);
    let (again, _) = bench.hear_content(bob, &receipt, MAIL);
    assert!(again.history.is_empty(), "told once");
}

#[test]
fn a_display_name_is_cut_at_a_character_and_never_overlong() {
    let mut bench = Bench::new(true);
    let long = Content::Profile(Profile { display_name: Some("é".repeat(1_000)) });
    bench.hear_content(bench.bob, &long, MAIL);
    let name = bench.engine.state.people.get(&bench.bob.account).unwrap().display_name.clone().unwrap();
    assert_eq!(name.len(), 256);
}

#[test]
fn a_name_that_is_somebody_elses_here_raises_an_alarm_and_shows_nothing() {
    let mut bench = Bench::new(true);
    let (keys, list) = account("bob", &mut bench.rng);
    let other = keys.address();
    bench.step(|engine, work| engine.state.take_list(work, &other.account, &list).map(|_| ()));
    let (batch, _) = bench.hear_content(other, &text("it's me, bob"), MAIL);
    assert!(shown(&batch).is_empty());
    assert!(matches!(batch.notices[..], [crate::engine::Notice { kind: NoticeKind::IdentityChanged { .. }, .. }]));
    assert!(bench.engine.state.people.get(&bench.bob.account).unwrap().name_moved);
}
