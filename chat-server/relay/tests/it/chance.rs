//! Whatever people do in whatever order: what was accepted arrives, once, in order; every request gets
//! one answer; nothing panics. A failure names its seed.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_relay::{Config, ConnectionId, Input, Output};
use chat_wire::error::RefusalKind;
use chat_wire::frame::{ClientFrame, Frame};
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, RequestKey, RoomId, RoomName, UserName};
use chat_wire::keys::Signature;
use chat_wire::message::{
    AccountAsk, ClientMessage, CommitHead, ListState, PacketHead, PresenceStatus, RoomAsk, ServerMessage,
};
use serde_bytes::ByteBuf;

use crate::bench::Bench;
use crate::kit::Person;

/// SplitMix64: chance that a seed repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.roll(256) as u8).collect()
    }
}

/// A reader with a durable store: it takes each place once, and remembers what it acknowledged.
#[derive(Default)]
struct Reader {
    texts: BTreeMap<u64, Bytes>,
    acknowledged: u64,
}

impl Reader {
    fn read(&mut self, bench: &mut Bench, connection: ConnectionId, seed: u64) {
        let mut last = None;
        for (seq, text) in bench.delivered(connection) {
            assert!(last.is_none_or(|last| last < seq), "seed {seed}: {seq} after {last:?}");
            assert!(seq > self.acknowledged, "seed {seed}: {seq} was acknowledged");
            last = Some(seq);
            let before = self.texts.insert(seq, text.clone());
            assert!(before.is_none_or(|b| b == text), "seed {seed}: place {seq} given twice");
        }
    }
}

#[test]
fn whatever_the_order_of_sends_repeats_acknowledgements_and_disconnections_each_text_arrives_once_in_order() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(Config::default());
        let ((alice, mut a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
        let (mut b, mut reader, mut sent) = (Some(b), Reader::default(), 0_u64);
        for _ in 0..300 {
            match dice.roll(12) {
                0..=4 => {
                    sent += 1;
                    let reply = bench.send(a, sent, &bob, sent.to_string().as_bytes());
                    assert!(matches!(reply, ServerMessage::Accepted { .. }), "seed {seed}: {reply:?}");
                }
                5 if sent > 0 => {
                    let number = 1 + dice.roll(sent);
                    let reply = bench.send(a, number, &bob, number.to_string().as_bytes());
                    assert!(matches!(reply, ServerMessage::Accepted { .. }), "seed {seed}: {reply:?}");
                }
                6 => a = bench.login(&alice, 1),
                7 => {
                    if let Some(connection) = b.take() {
                        reader.read(&mut bench, connection, seed);
                        bench.take(Input::Closed(connection));
                    }
                }
                8 => b = Some(bench.login(&bob, 1)),
                9 | 10 => {
                    if let Some(connection) = b {
                        reader.read(&mut bench, connection, seed);
                        let seen = reader.texts.last_key_value().map_or(0, |(seq, _)| *seq);
                        let seq = seen.saturating_sub(dice.roll(4));
                        bench.tell(connection, ClientMessage::Ack { seq });
                        reader.acknowledged = reader.acknowledged.max(seq);
                    }
                }
                _ => bench.pass_ms(500),
            }
            if let Some(connection) = b {
                bench.ask(connection, ClientMessage::Heartbeat {});
            }
            bench.ask(a, ClientMessage::Heartbeat {});
        }
        let last = bench.login(&bob, 1);
        reader.read(&mut bench, last, seed);
        let texts: Vec<String> = reader.texts.values().map(|t| String::from_utf8(t.to_vec()).unwrap()).collect();
        assert_eq!(texts, (1..=sent).map(|n| n.to_string()).collect::<Vec<_>>(), "seed {seed}");
    }
}

fn any_account_ask(dice: &mut Dice, person: &Person) -> AccountAsk {
    let signature = Signature([dice.roll(256) as u8; 64]);
    let list = ByteBuf::from(person.list.clone());
    match dice.roll(6) {
        0 => AccountAsk::Enroll { list, device: DeviceId(2), boot: BootId([1; 16]) },
        1 => AccountAsk::Recover1 { name: person.name.clone() },
        2 => AccountAsk::Recover2 { name: person.name.clone(), signature },
        3 => AccountAsk::NewPassword1 { request: ByteBuf::from(dice.bytes(32)) },
        4 => AccountAsk::NewPassword2 {
            login: ByteBuf::from(dice.bytes(192)),
            kp: 1,
            list,
            vault: ByteBuf::from(dice.bytes(40)),
            expected: dice.roll(3),
            version: dice.roll(u64::MAX),
            device: None,
        },
        _ => AccountAsk::Delete { signature },
    }
}

/// Something about one of two rooms, half of it sensible.
fn any_room_ask(dice: &mut Dice, someone: DeviceAddress) -> RoomAsk {
    let number = dice.roll(2) as u8;
    let (room, key) = (RoomId([number; 16]), RequestKey([dice.roll(30) as u8; 16]));
    let name = RoomName::parse(&format!("room{number}")).unwrap();
    let devices = |dice: &mut Dice| (0..dice.roll(3)).map(|_| someone).collect::<Vec<_>>();
    match dice.roll(14) {
        0 | 1 => RoomAsk::Create { key, room, name, public: dice.roll(2) == 0, owned: true, topic: None },
        2 => RoomAsk::List { joined: dice.roll(2) == 0, after: None, limit: u16::MAX },
        3 => RoomAsk::Info { name },
        4 => RoomAsk::GroupInfo { room },
        5 | 6 => RoomAsk::Commit(CommitHead {
            key,
            room,
            base: dice.roll(3),
            contest: dice.roll(3) == 0,
            added: devices(dice),
            removed: devices(dice),
            topic: None,
            owner: (dice.roll(4) == 0).then_some(someone.account),
            commit_len: dice.roll(100) as u32,
            group_info_len: dice.roll(100) as u32,
            welcomes: vec![],
        }),
        7 => RoomAsk::Post { key, room, epoch: dice.roll(u64::MAX) },
        8 => RoomAsk::Post { key, room, epoch: dice.roll(3) },
        9 => RoomAsk::Leave { key, room },
        10 => RoomAsk::Delete { room },
        11 => RoomAsk::Open { room, after: dice.roll(u64::MAX) },
        12 => RoomAsk::ClaimKeyPackages { account: someone.account, devices: vec![] },
        _ => RoomAsk::Lists { room, wanted: vec![ListState { account: someone.account, seq: dice.roll(u64::MAX) }] },
    }
}

/// Some message, half of it sensible.
fn any_message(dice: &mut Dice, people: &[Person]) -> (ClientMessage, Bytes) {
    let person = &people[dice.roll(people.len() as u64) as usize];
    let account = if dice.roll(4) == 0 { AccountId([dice.roll(256) as u8; 32]) } else { person.account };
    let device = DeviceId(1 + dice.roll(3) as u32);
    let address = DeviceAddress { account, device };
    let size = dice.roll(300);
    let body = Bytes::from(dice.bytes(size));
    let packets = (0..dice.roll(3)).map(|_| PacketHead { to: address, len: dice.roll(300) as u32 }).collect();
    let lists = vec![ListState { account, seq: dice.roll(3) }];
    let bytes = |dice: &mut Dice| {
        let len = dice.roll(400);
        ByteBuf::from(dice.bytes(len))
    };
    let message = match dice.roll(36) {
        0 => ClientMessage::Hello { versions: vec![dice.roll(3) as u16], features: vec![] },
        1 => ClientMessage::Register1 { name: person.name.clone(), request: bytes(dice), invite: None },
        2 => person.register2([dice.roll(256) as u8; 192]),
        3 => ClientMessage::Ke1 { name: person.name.clone(), ke1: bytes(dice) },
        4 => ClientMessage::Ke3 { ke3: bytes(dice) },
        5 => ClientMessage::PutBoot { expected: None, new: BootId([dice.roll(4) as u8; 16]) },
        6 => ClientMessage::PutDeviceList { list: bytes(dice), vault: Some(bytes(dice)) },
        7 => ClientMessage::FetchLists { account, after_seq: dice.roll(u64::MAX) },
        8 => person.prekeys(1, dice.roll(100) as u32, dice.roll(4) as u32),
        9 => ClientMessage::Claim { account: Some(account), name: None, devices: vec![device] },
        10 => ClientMessage::Claim { account: None, name: UserName::parse("alice").ok(), devices: vec![] },
        11 | 12 => {
            ClientMessage::Send { key: RequestKey([dice.roll(9) as u8; 16]), step: dice.roll(u64::MAX), lists, packets }
        }
        13 => ClientMessage::SetContacts { accounts: vec![account, person.account] },
        14 => ClientMessage::SetPresence { status: PresenceStatus::Online },
        15 => ClientMessage::Find { query: String::from_utf8_lossy(&body).into_owned(), limit: u16::MAX },
        16 => ClientMessage::PutRecord { expected: dice.roll(3), version: dice.roll(u64::MAX) },
        17 => ClientMessage::GetRecord {},
        18 => ClientMessage::GetVault {},
        19 => ClientMessage::Logout {},
        20 => ClientMessage::Account(any_account_ask(dice, person)),
        _ => ClientMessage::Room(any_room_ask(dice, address)),
    };
    (message, body)
}

#[test]
fn whatever_is_asked_is_answered_once_and_the_next_person_is_served() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(Config::default());
        let people: Vec<Person> = ["alice", "bobby", "carol"].map(|name| bench.person(name)).into();
        for person in &people {
            bench.register(person);
        }
        let mut connection = bench.login(&people[0], 1);
        for request in 1..=200 {
            if bench.is_closed(connection) {
                bench.outputs.clear();
                connection = if dice.roll(2) == 0 { bench.open() } else { bench.login(&people[0], 1) };
            }
            let (message, body) = any_message(&mut dice, &people);
            let text = format!("seed {seed}: {message:?}");
            bench.outputs.clear();
            bench.take(Input::Frame(connection, ClientFrame::with_body(request, message, body)));
            let answers = bench.outputs.iter().filter(
                |output| matches!(output, Output::Send(to, frame) if *to == connection && frame.request == request),
            );
            assert_eq!(answers.count(), 1, "{}", text.chars().take(200).collect::<String>());
        }
        bench.outputs.clear();
        let other = bench.login(&people[1], 1);
        assert_eq!(bench.ask(other, ClientMessage::Heartbeat {}), ServerMessage::Heartbeat {}, "seed {seed}");
        let unknown = Frame::new(1, ClientMessage::FetchLists { account: AccountId([1; 32]), after_seq: 0 });
        bench.take(Input::Frame(other, unknown));
        let refused = bench.pushed(other).into_iter().any(|frame| {
            matches!(frame.message, ServerMessage::Refused(refusal) if refusal.kind == RefusalKind::UnknownUser)
        });
        assert!(refused, "seed {seed}");
    }
}
