//! Frozen bytes: records of this version and packets for them. They must open for ever; a change here is
//! a new version of the format.

use chat_core::identity::{AccountKey, DeviceKeys, Party, RecoveryCode, Vault, VaultScope, vault};
use chat_core::prekey::PrivatePreKey;
use chat_core::session::{Accept, IncomingInitiation, InitiationHead, PreKeyPair, Session};
use chat_wire::device_list::DeviceList;
use chat_wire::ids::UserName;
use serde_json::{Value, json};

use crate::pair::{NOW, Pair, Person, RELAY, open, seeded};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/version-1.json");

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn frozen() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

#[test]
fn frozen_first_messages_open() {
    for case in frozen()["first_messages"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let list = |key: &str| DeviceList::decode(&bytes(&case[key])).unwrap();
        let party = |list: &DeviceList| {
            let device = list.body().devices[0].id;
            Party::of(list, device).unwrap()
        };
        let (alice, bob) = (party(&list("initiator_list")), party(&list("responder_list")));
        let keys = DeviceKeys::decode(&bytes(&case["responder_keys"])).unwrap();
        let signed = PrivatePreKey::decode(&bytes(&case["signed"])).unwrap();
        let kem = PrivatePreKey::decode(&bytes(&case["kem"])).unwrap();
        let packet = bytes(&case["packet"]);
        let head = InitiationHead::parse(&packet).unwrap();
        assert_eq!(head.signed(), signed.record_key(), "{name}");
        let incoming = IncomingInitiation::open(&packet, &keys, &PreKeyPair { signed: &signed, kem: &kem }).unwrap();
        let with = Accept { my: &bob, peer: &alice, relay: RELAY, psk: None, now: NOW };
        let (opened, _) = incoming.complete(with).unwrap();
        assert_eq!(opened.content, bytes(&case["content"]), "{name}");
        assert_eq!(opened.session.sid().as_bytes().as_slice(), bytes(&case["sid"]), "{name}");
    }
}

#[test]
fn frozen_sessions_read_and_their_packets_open() {
    for case in frozen()["messages"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let record = bytes(&case["session"]);
        let session = Session::decode(&record).unwrap();
        assert_eq!(*session.encode(), record, "{name}");
        let opened = session.open(&bytes(&case["packet"]), NOW).unwrap();
        assert_eq!(opened.content, bytes(&case["content"]), "{name}");
        assert_eq!(*opened.session.encode(), bytes(&case["after"]), "{name}");
    }
}

#[test]
fn a_frozen_vault_opens_with_password_and_recovery_code() {
    let case = &frozen()["vault"];
    let name = UserName::parse("alice").unwrap();
    let account = chat_wire::ids::AccountId::from_slice(&bytes(&case["account"])).unwrap();
    let scope = VaultScope { relay: RELAY, account, name: &name, generation: 1, kp: 1 };
    let vault = Vault::decode(&bytes(&case["vault"])).unwrap();
    let code = RecoveryCode::parse(case["recovery_code"].as_str().unwrap()).unwrap();
    for opened in [vault.open_with_password(&scope, &[7; 64]), vault.open_with_recovery(&scope, &code)] {
        assert_eq!(opened.unwrap().account_key.id(), account);
    }
}

/// Writes the file anew: only for a new version of the format.
#[test]
#[ignore = "overwrites the frozen bytes"]
fn write_the_frozen_bytes() {
    let file = json!({
        "about": "Records of version 1 and packets for them; hex. `after` is the session once the packet is opened.",
        "first_messages": [first_message(true), first_message(false)],
        "messages": messages(),
        "vault": a_vault(),
    });
    std::fs::create_dir_all(std::path::Path::new(FILE).parent().unwrap()).unwrap();
    std::fs::write(FILE, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
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
