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

fn main() {
    let file = json!({
        "about": "Records of version 1 and packets for them; hex. `after` is the session once the packet is opened.",
        "first_messages": [first_message(true), first_message(false)],
        "messages": messages(),
        "vault": a_vault(),
    });
    std::fs::create_dir_all(std::path::Path::new(FILE).parent().unwrap()).unwrap();
    std::fs::write(FILE, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
    let file = json!({
        "about": "First chains with every private key of the responder in the clear, for a decoder written from SPEC.md; hex. Packets are to be opened in this order; those without content must be refused.",
        "chains": [chain(true), chain(false)],
    });
    std::fs::write(SPEC_FILE, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
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

/// The first chain of a session as its responder gets it: in and out of order, lost, late, long, mangled.
fn chain(one_time: bool) -> Value {
    let mut rng = seeded(u64::from(one_time) + 80);
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    let bundle = bob.verified_bundle(one_time, &mut rng);
    let mut session = alice.initiate(bundle, None, &mut rng);
    let contents: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; if n == 3 { 3_000 } else { 20 }]).collect();
    let sealed: Vec<Vec<u8>> = contents.iter().map(|c| session.seal(c, &mut rng).unwrap().packet).collect();
    let head = InitiationHead::parse(&sealed[0]).unwrap();
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
        "sid": hex::encode(session.sid().as_bytes()),
        "packets": packets,
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
