//! A second decoder, written from `SPEC.md` alone: no line of chat-core or chat-wire, other crates for
//! every primitive. It opens the frozen first chains, so the page says enough to build from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod braid;
mod chains;
mod dialogue;
mod handshake;
mod primitives;

use serde_json::Value;

use braid::Secret;
use chains::Session;
use dialogue::{Dialogue, Made};
use handshake::{Private, Responder};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/spec-1.json");
const RECORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/version-1.json");
const DIALOGUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/spec-2.json");

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn responder(case: &Value) -> Responder {
    Responder {
        relay_id: bytes(&case["relay_id"]),
        own_list: bytes(&case["responder_list"]),
        peer_list: bytes(&case["initiator_list"]),
        keys: Private {
            identity: bytes(&case["responder_dh"]),
            signed: bytes(&case["signed_dh"]),
            one_time: case["one_time_dh"].is_string().then(|| bytes(&case["one_time_dh"])),
            kem_seed: bytes(&case["kem_seed"]),
        },
    }
}

#[test]
fn a_decoder_written_from_the_specification_opens_the_frozen_chains() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let mut opened = 0;
    for case in file["chains"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let responder = responder(case);
        let packets = case["packets"].as_array().unwrap();
        let agreed = responder.accept(&bytes(&packets[0]["packet"]));
        assert_eq!(agreed.sid.to_vec(), bytes(&case["sid"]), "{name}");
        let mut session = Session::responder(agreed, &responder.keys.signed);
        for (at, packet) in packets.iter().enumerate() {
            let expected = packet["content"].is_string().then(|| bytes(&packet["content"]));
            assert_eq!(session.open(&bytes(&packet["packet"])), expected, "{name}, packet {at}");
            opened += usize::from(expected.is_some());
        }
    }
    assert_eq!(opened, 14);
}

#[test]
fn it_follows_the_turns_of_the_ratchet_and_whole_epochs_of_the_braid_over_a_line_that_loses() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(DIALOGUES).unwrap()).unwrap();
    for case in file["dialogues"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (responder, packets) = (responder(case), case["packets"].as_array().unwrap());
        let agreed = responder.accept(&bytes(&packets[0]["packet"]));
        let mut dialogue = Dialogue::responder(agreed, &responder.keys.signed);
        for (at, entry) in packets.iter().enumerate() {
            let (packet, content) = (bytes(&entry["packet"]), bytes(&entry["content"]));
            let opened = match entry["from"].as_str().unwrap() {
                "initiator" => {
                    let opened = dialogue.receive(&packet);
                    assert_eq!(dialogue.receive(&packet), None, "{name}, packet {at} a second time");
                    opened
                }
                _ => {
                    let secret = |key: &str| entry[key].is_string().then(|| bytes(&entry[key]));
                    let braid = secret("seed").map(Secret::Seed).or(secret("coins").map(Secret::Coins));
                    dialogue.sealed(&packet, Made { ratchet: secret("ratchet"), braid })
                }
            };
            assert_eq!(opened, Some(content), "{name}, packet {at}");
        }
        assert!(dialogue.epochs() >= 3, "{name}: {} epochs", dialogue.epochs());
    }
}

/// The records are this implementation's own; the private keys in them lie where its documentation says.
#[test]
fn it_opens_the_first_messages_that_were_frozen_with_their_records() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(RECORDS).unwrap()).unwrap();
    let cases = file["first_messages"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let [keys, signed, kem] = ["responder_keys", "signed", "kem"].map(|key| bytes(&case[key]));
        let responder = Responder {
            relay_id: vec![42; 32],
            own_list: bytes(&case["responder_list"]),
            peer_list: bytes(&case["initiator_list"]),
            keys: Private {
                identity: keys[keys.len() - 32..].to_vec(),
                signed: signed[10..42].to_vec(),
                one_time: (kem[1] == 2).then(|| kem[10..42].to_vec()),
                kem_seed: kem[kem.len() - 64..].to_vec(),
            },
        };
        let packet = bytes(&case["packet"]);
        let agreed = responder.accept(&packet);
        assert_eq!(agreed.sid.to_vec(), bytes(&case["sid"]), "{name}");
        let opened = Session::responder(agreed, &responder.keys.signed).open(&packet);
        assert_eq!(opened, Some(bytes(&case["content"])), "{name}");
    }
}
