//! Frozen bytes: records of this version and packets for them. They must open for ever; a change here is
//! a new version of the format.

use chat_core::identity::{DeviceKeys, Party, RecoveryCode, Vault, VaultScope};
use chat_core::prekey::PrivatePreKey;
use chat_core::session::{Accept, IncomingInitiation, InitiationHead, PreKeyPair, Session};
use chat_wire::device_list::DeviceList;
use chat_wire::ids::UserName;
use serde_json::Value;

use crate::pair::{NOW, Person, RELAY, open, seeded};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn read(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{FOLDER}/{file}")).unwrap()).unwrap()
}

fn frozen() -> Value {
    read("version-1.json")
}

/// Initiator and responder of a case that was frozen for other decoders: made anew from the same chance, because the
/// file has only what SPEC.md asks of a decoder.
fn people(case: &Value, seed: u64) -> (Person, Person) {
    let one_time = case["one_time_dh"].is_string();
    let mut rng = seeded(seed + u64::from(one_time));
    let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
    bob.verified_bundle(one_time, &mut rng);
    assert_eq!(alice.list.as_bytes(), bytes(&case["initiator_list"]));
    assert_eq!(bob.list.as_bytes(), bytes(&case["responder_list"]));
    assert!(bob.keys.encode().ends_with(&bytes(&case["responder_dh"])));
    (alice, bob)
}

/// Gives what was drawn when a packet was frozen, and zeros behind it, where only the packet's own value is drawn.
struct Replay(std::collections::VecDeque<Vec<u8>>);

impl rand_core::TryRng for Replay {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("only bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("only bytes are drawn")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        match self.0.pop_front() {
            Some(drawn) => out.copy_from_slice(&drawn),
            None => out.fill(0),
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Replay {}

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

#[test]
fn the_chains_that_were_frozen_for_other_decoders_open_here_too() {
    for case in read("spec-1.json")["chains"].as_array().unwrap() {
        let (name, (alice, bob)) = (case["name"].as_str().unwrap(), people(case, 80));
        let packets = case["packets"].as_array().unwrap();
        let (first, rest) = packets.split_first().unwrap();
        let opened = bob.accept(&bytes(&first["packet"]), &alice.party).unwrap().0;
        assert_eq!(opened.content, bytes(&first["content"]), "{name}");
        let mut session = opened.session;
        assert_eq!(session.sid().as_bytes().as_slice(), bytes(&case["sid"]), "{name}");
        for (at, entry) in rest.iter().enumerate() {
            let (packet, before) = (bytes(&entry["packet"]), session.encode());
            match session.open(&packet, NOW) {
                Ok(opened) => {
                    assert_eq!(opened.content, bytes(&entry["content"]), "{name}, packet {at}");
                    session = opened.session;
                }
                Err(_) => {
                    assert!(entry["content"].is_null(), "{name}, packet {at}");
                    assert_eq!(session.encode(), before);
                }
            }
        }
    }
}

#[test]
fn the_dialogues_that_were_frozen_for_other_decoders_open_here_too() {
    for case in read("spec-2.json")["dialogues"].as_array().unwrap() {
        let (name, (alice, bob)) = (case["name"].as_str().unwrap(), people(case, 90));
        let packets = case["packets"].as_array().unwrap();
        let mut session = bob.accept(&bytes(&packets[0]["packet"]), &alice.party).unwrap().0.session;
        for (at, entry) in packets.iter().enumerate().skip(1) {
            let (packet, content) = (bytes(&entry["packet"]), bytes(&entry["content"]));
            if entry["from"] == "initiator" {
                assert_eq!(open(&mut session, &packet), content, "{name}, packet {at}");
                continue;
            }
            let drawn = ["ratchet", "seed", "coins"].map(|key| entry[key].is_string().then(|| bytes(&entry[key])));
            let mut replay = Replay(drawn.into_iter().flatten().collect());
            let sealed = session.seal(&content, &mut replay).unwrap().packet;
            // The value that hedges each packet was not frozen: all but it, and what depends on it, is the same.
            assert_eq!((sealed.len(), sealed[0]), (packet.len(), packet[0]), "{name}, packet {at}");
            assert!(replay.0.is_empty(), "{name}, packet {at}: another number of draws");
        }
    }
}
