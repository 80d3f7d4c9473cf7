//! Frozen bytes: records of this version and packets for them. They must open for ever; a change here is
//! a new version of the format.

use chat_core::identity::{DeviceKeys, Party, RecoveryCode, Vault, VaultScope};
use chat_core::prekey::PrivatePreKey;
use chat_core::session::{Accept, IncomingInitiation, InitiationHead, PreKeyPair, Session};
use chat_wire::device_list::DeviceList;
use chat_wire::ids::UserName;
use serde_json::Value;

use crate::pair::{NOW, RELAY};

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
