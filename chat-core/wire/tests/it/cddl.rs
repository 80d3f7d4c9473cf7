//! Every message that is built matches the rules of SPEC 11, and the rules know every message.

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::{Buf, Bytes};
use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;
use chat_wire::frame::Frame;
use chat_wire::limits::FRAME_BYTES_MAX;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arbitrary::{client_message, server_message};

const SPEC: &str = include_str!("../../../SPEC.md");
const CLIENT: &str = include_str!("../../src/message/client.rs");
const SERVER: &str = include_str!("../../src/message/server.rs");
const ACCOUNT: &str = include_str!("../../src/message/account.rs");
const BLOB: &str = include_str!("../../src/message/blob.rs");
const ROOM: &str = include_str!("../../src/message/room.rs");
/// Enough for every message, every absent and present option and every value of the small enums.
const MESSAGES: u32 = 3_000;

/// The rules of the registry: the block that defines the heads.
fn registry() -> &'static str {
    SPEC.split("```cddl").map(|block| block.split("```").next().unwrap()).find(|b| b.contains("client-head =")).unwrap()
}

/// Encodes `MESSAGES` values, holds each head against the rule, and tells the names that were seen.
fn check<M>(rule: &str, messages: &BoxedStrategy<M>) -> BTreeSet<String>
where
    M: Serialize + DeserializeOwned + Debug + PartialEq,
{
    let context = BasicContext::new(flatten_from_str(registry()).unwrap());
    let definition = context.rules.get(rule).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut names = BTreeSet::new();
    for number in 0..MESSAGES {
        let message = messages.new_tree(&mut runner).unwrap().current();
        let frame = Frame::with_body(number, message, Bytes::from_static(b"body"));
        let mut bytes = frame.encode(FRAME_BYTES_MAX).unwrap();
        assert_eq!(bytes.get_u32() as usize, bytes.len());
        assert_eq!(Frame::<M>::decode(bytes.clone()).unwrap(), frame, "reads back as it was");
        let head_len = bytes.get_u32() as usize;
        let value: ciborium::Value = ciborium::from_reader(&bytes[..head_len]).unwrap();
        if let Err(error) = validate_cbor(definition, &value, &context) {
            panic!("{rule} does not allow {frame:?}: {error}");
        }
        names.insert(name(&value));
    }
    names
}

/// The key of the one-entry map under `"m"`.
fn name(head: &ciborium::Value) -> String {
    let entries = head.as_map().unwrap();
    let message = entries.iter().find(|(key, _)| key.as_text() == Some("m")).map(|(_, value)| value).unwrap();
    message.as_map().unwrap()[0].0.as_text().unwrap().to_owned()
}

/// The names that a rule lists.
fn specified(rule: &str) -> BTreeSet<String> {
    let body = registry().split(&format!("{rule} = ")).nth(1).unwrap().split("\n\n").next().unwrap();
    body.lines().map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
}

/// The variants of an enum in a source, in kebab case.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let body = source.split(&format!("pub enum {name} {{\n")).nth(1).unwrap().split("\n}\n").next().unwrap();
    let is_variant = |line: &&str| line.starts_with("    ") && line[4..].starts_with(|c: char| c.is_ascii_uppercase());
    let names = body.lines().filter(is_variant).map(|line| line.trim().split([' ', '(', ',']).next().unwrap());
    names
        .map(|name| {
            let mut kebab = String::new();
            for c in name.chars() {
                if c.is_ascii_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.push(c.to_ascii_lowercase());
            }
            kebab
        })
        .collect()
}

#[test]
fn every_message_of_a_client_matches_the_specification_and_reads_back() {
    let built = check("client-head", &client_message());
    assert_eq!(built, specified("client-message"));
    assert_eq!(built, variants(CLIENT, "ClientMessage"));
}

#[test]
fn every_message_of_a_relay_matches_the_specification_and_reads_back() {
    let built = check("server-head", &server_message());
    assert_eq!(built, specified("server-message"));
    assert_eq!(built, variants(SERVER, "ServerMessage"));
}

#[test]
fn the_rules_of_a_service_know_each_of_its_messages() {
    let services = [
        (ACCOUNT, "account-ask", "AccountAsk"),
        (ACCOUNT, "account-answer", "AccountAnswer"),
        (BLOB, "blob-ask", "BlobAsk"),
        (BLOB, "blob-answer", "BlobAnswer"),
        (ROOM, "room-ask", "RoomAsk"),
        (ROOM, "room-answer", "RoomAnswer"),
        (ROOM, "room-push", "RoomPush"),
    ];
    for (source, rule, name) in services {
        assert_eq!(specified(rule), variants(source, name));
    }
}

#[test]
fn the_rules_are_strict_enough_to_see_a_wrong_type_a_missing_key_and_a_foreign_one() {
    use ciborium::Value;
    let context = BasicContext::new(flatten_from_str(registry()).unwrap());
    let definition = context.rules.get("client-head").unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    let head = |fields: Vec<(Value, Value)>| {
        let message = Value::Map(vec![(text("ack"), Value::Map(fields))]);
        Value::Map(vec![(text("r"), Value::from(1)), (text("m"), message)])
    };
    let good = (text("q"), Value::from(5));
    assert!(validate_cbor(definition, &head(vec![good.clone()]), &context).is_ok());
    for bad in [vec![], vec![(text("q"), text("5"))], vec![good, (text("x"), Value::from(1))]] {
        assert!(validate_cbor(definition, &head(bad.clone()), &context).is_err(), "{bad:?}");
    }
}
