//! Writes the frozen bytes anew, only for a new version of the format:
//! `cargo run -p chat-core --example freeze`.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a program of the tests"
)]

#[path = "../it/pair.rs"]
mod pair;

use chat_core::identity::{AccountKey, VaultScope, vault};
use chat_core::session::{InitiationHead, Session};
use chat_wire::ids::UserName;
use serde_json::{Value, json};

use pair::{Pair, Person, RELAY, open, seeded};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/version-1.json");
const SPEC_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/spec-1.json");
const DIALOGUES_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/spec-2.json");

fn main() {
    let file = json!({
        "about": "Records of version 1 and packets for them; hex. `after` is the session once the packet is opened.",
        "first_messages": [first_message(true), first_message(false)],
        "messages": messages(),
        "vault": a_vault(),
    });
    write(FILE, &file);
    let file = json!({
        "about": "First chains with every private key of the responder in the clear, for a decoder written from SPEC.md; hex. Packets are to be opened in this order; those without content must be refused.",
        "chains": [chain(true), chain(false)],
    });
    write(SPEC_FILE, &file);
    let file = json!({
        "about": "Whole sessions with every private key of the responder in the clear, also those that it made up for a packet; hex. Packets of the initiator as they came, those that were lost left out; of the responder as it sealed them, lost or not.",
        "dialogues": [dialogue(true), dialogue(false)],
    });
    write(DIALOGUES_FILE, &file);
}

/// What was frozen stays as it is: only files that are not there are written.
fn write(path: &str, file: &Value) {
    if !std::path::Path::new(path).exists() {
        std::fs::write(path, serde_json::to_string_pretty(file).unwrap() + "\n").unwrap();
    }
}

fn first_message(one_time: bool) -> Value {
    let mut rng = seeded(u64::from(one_time) + 70);
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    let bundle = bob.verified_bundle(one_time, &mut rng);
    let mut session = alice.initiate(bundle, None, &mut rng);
    let packet = session.seal(b"frozen", &mut rng).unwrap().packet;
    let head = InitiationHead::parse(&packet).unwrap();
    json!({
        "name": if one_time { "with a one-time pair" } else { "with the last-resort key" },
        "initiator_list": hex::encode(alice.list.as_bytes()),
        "responder_list": hex::encode(bob.list.as_bytes()),
        "responder_keys": hex::encode(&*bob.keys.encode()),
        "signed": hex::encode(&*bob.private[&head.signed()].encode()),
        "kem": hex::encode(&*bob.private[&head.one_time().unwrap_or(head.kem())].encode()),
        "packet": hex::encode(&packet),
        "content": hex::encode(b"frozen"),
        "sid": hex::encode(session.sid().as_bytes()),
    })
}

/// Chance that remembers what it gave.
struct Recorder {
    rng: pair::Seeded,
    draws: Vec<Vec<u8>>,
}

impl rand_core::TryRng for Recorder {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.rng.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.rng.try_fill_bytes(out)?;
        self.draws.push(out.to_vec());
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Recorder {}

/// Turns, bursts, losses both ways and late packets, for three epochs of the Braid and a few messages more.
fn dialogue(one_time: bool) -> Value {
    let mut rng = seeded(u64::from(one_time) + 90);
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    let bundle = bob.verified_bundle(one_time, &mut rng);
    let mut alices = alice.initiate(bundle, None, &mut rng);
    let first = alices.seal(b"first", &mut rng).unwrap().packet;
    let case = private_keys(&bob, &alice, &first);
    let mut bobs = bob.accept(&first, &alice.party).unwrap().0.session;
    let entry = |packet: &[u8], content: &[u8]| json!({ "from": "initiator", "packet": hex::encode(packet), "content": hex::encode(content) });
    let mut packets = vec![entry(&first, b"first")];
    let mut recorder = Recorder { rng: seeded(u64::from(one_time) + 95), draws: Vec::new() };
    let mut late: Option<(Vec<u8>, Vec<u8>)> = None;
    for round in 0..24_u8 {
        for burst in 0..1 + round % 2 {
            let content = vec![round, burst];
            recorder.draws.clear();
            let stepped = bobs.sent_in_row() == 0;
            let packet = bobs.seal(&content, &mut recorder).unwrap().packet;
            let mut sealed =
                json!({ "from": "responder", "packet": hex::encode(&packet), "content": hex::encode(&content) });
            let mut draws = recorder.draws.iter();
            if stepped {
                sealed["ratchet"] = json!(hex::encode(draws.next().unwrap()));
            }
            // The last draw is the packet's own; what is between them is the Braid's.
            let braid: Vec<_> = draws.collect();
            if let [secret, _] = braid[..] {
                sealed[if secret.len() == 64 { "seed" } else { "coins" }] = json!(hex::encode(secret));
            }
            packets.push(sealed);
            if round % 5 != 3 {
                open(&mut alices, &packet);
            }
        }
        for burst in 0..1 + round % 3 {
            let content = vec![round, burst, 9];
            let packet = alices.seal(&content, &mut rng).unwrap().packet;
            match (round % 4, burst) {
                (2, 0) => {}
                (3, 0) => late = Some((packet, content)),
                _ => {
                    assert_eq!(open(&mut bobs, &packet), content);
                    packets.push(entry(&packet, &content));
                }
            }
        }
        if round % 4 == 0
            && let Some((packet, content)) = late.take()
        {
            assert_eq!(open(&mut bobs, &packet), content);
            packets.push(entry(&packet, &content));
        }
    }
    let mut case = case;
    case["packets"] = json!(packets);
    case
}

/// The first chain of a session as its responder gets it: in and out of order, lost, late, long, mangled.
fn chain(one_time: bool) -> Value {
    let mut rng = seeded(u64::from(one_time) + 80);
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    let bundle = bob.verified_bundle(one_time, &mut rng);
    let mut session = alice.initiate(bundle, None, &mut rng);
    let contents: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; if n == 3 { 3_000 } else { 20 }]).collect();
    let sealed: Vec<Vec<u8>> = contents.iter().map(|c| session.seal(c, &mut rng).unwrap().packet).collect();
    let mut mangled = sealed[6].clone();
    *mangled.last_mut().unwrap() ^= 1;
    // 4 is lost, 2 is late, 5 comes twice, a mangled copy of 6 comes before it.
    let order = [(0, true), (1, true), (3, true), (2, true), (5, true), (5, false), (7, true)];
    let mut packets: Vec<Value> = order
        .iter()
        .map(|(n, opens)| json!({ "packet": hex::encode(&sealed[*n]), "content": opens.then(|| hex::encode(&contents[*n])) }))
        .collect();
    packets.push(json!({ "packet": hex::encode(&mangled), "content": null }));
    packets.push(json!({ "packet": hex::encode(&sealed[6]), "content": hex::encode(&contents[6]) }));
    let mut case = private_keys(&bob, &alice, &sealed[0]);
    case["sid"] = json!(hex::encode(session.sid().as_bytes()));
    case["packets"] = json!(packets);
    case
}

/// Lists of both, and every private key of the responder that a first packet names.
fn private_keys(bob: &Person, alice: &Person, first: &[u8]) -> Value {
    let head = InitiationHead::parse(first).unwrap();
    let one_time = head.one_time().is_some();
    // Behind version, kind and time of the record lie the raw keys.
    let raw = |key: &[u8], from: usize, len: usize| hex::encode(&key[from..from + len]);
    let signed = bob.private[&head.signed()].encode();
    let kem = bob.private[&head.one_time().unwrap_or(head.kem())].encode();
    let keys = bob.keys.encode();
    json!({
        "name": if one_time { "with a one-time pair" } else { "with the last-resort key" },
        "relay_id": hex::encode(RELAY.0),
        "initiator_list": hex::encode(alice.list.as_bytes()),
        "responder_list": hex::encode(bob.list.as_bytes()),
        "responder_dh": raw(&keys, keys.len() - 32, 32),
        "signed_dh": raw(&signed, 10, 32),
        "one_time_dh": one_time.then(|| raw(&kem, 10, 32)),
        "kem_seed": raw(&kem, kem.len() - 64, 64),
    })
}

/// A whole epoch with a lost, a late and a long message among them.
fn messages() -> Vec<Value> {
    let mut pair = Pair::new(72);
    let mut cases = Vec::new();
    let mut late = None;
    for round in 0..9_u8 {
        if round == 2 {
            pair.for_bob(b"lost");
            late = Some(pair.for_bob(b"late"));
        }
        let content = vec![round; if round == 4 { 3_000 } else { 40 }];
        let packet = pair.for_bob(&content);
        cases.push(case(&format!("to the responder, round {round}"), &mut pair.bob, &packet));
        let packet = pair.for_alice(&content);
        cases.push(case(&format!("to the initiator, round {round}"), &mut pair.alice, &packet));
        if round == 3 {
            cases.push(case("late by two turns", &mut pair.bob, &late.take().unwrap()));
        }
    }
    cases
}

fn case(name: &str, session: &mut Session, packet: &[u8]) -> Value {
    let before = hex::encode(&*session.encode());
    let content = open(session, packet);
    let after = hex::encode(&*session.encode());
    json!({ "name": name, "session": before, "packet": hex::encode(packet), "content": hex::encode(content), "after": after })
}

fn a_vault() -> Value {
    let mut rng = seeded(73);
    let (account, name) = (AccountKey::generate(&mut rng), UserName::parse("alice").unwrap());
    let scope = VaultScope { relay: RELAY, account: account.id(), name: &name, generation: 1, kp: 1 };
    let made = vault::create(&scope, &[7; 64], &account, &mut rng).unwrap();
    json!({
        "account": hex::encode(account.id().0),
        "vault": hex::encode(&made.bytes),
        "recovery_code": made.recovery.to_text().as_str(),
    })
}
