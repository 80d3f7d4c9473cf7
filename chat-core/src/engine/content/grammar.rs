//! Every content that is built matches the rules of SPEC 8.6, under the kind that they give it.

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;
use chat_wire::ids::BlobId;

use super::*;
use crate::engine::io::FilePointer;
use crate::file::FileKey;

const SPEC: &str = include_str!("../../../SPEC.md");

/// The block that defines contents.
fn rules() -> &'static str {
    let blocks = SPEC.split("```cddl").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.into_iter().find(|block| block.contains("envelope   =")).unwrap()
}

/// The rule of a content; none for those without data. A new content does not compile until it has one.
fn rule_of(content: &Content) -> Option<&'static str> {
    Some(match content {
        Content::Text(_) => "text",
        Content::Receipt(_) => "receipt",
        Content::Typing(_) => "typing",
        Content::Profile(_) => "profile",
        Content::Sync(_) => "sync",
        Content::File(_) => "file",
        Content::OwnState(_) => "own-state",
        Content::OwnRead(_) => "own-read",
        Content::Probe(_) | Content::Echo(_) => "probe",
        Content::Resend(_) => "resend",
        Content::Edit(_) => "edit",
        Content::Deletion(_) => "deletion",
        Content::Reaction(_) => "reaction",
        Content::Hiding(_) => "hiding",
        Content::HistoryAsk(_) => "history-ask",
        Content::HistoryPart(_) => "history-part",
        Content::HistoryRefusal(_) => "history-refusal",
        Content::Accepted | Content::Empty | Content::Gone | Content::Unknown => return None,
    })
}

/// The kinds that the comment behind a rule names: the words "kind N", and "and N its answer".
fn kinds_of(rule: &str) -> Vec<u32> {
    let line = rules().split(&format!("\n{rule} ")).nth(1).unwrap();
    let comment = line.split("; kind ").nth(1).unwrap().lines().next().unwrap();
    let numbers = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let second = comment.split("and ").nth(1).and_then(numbers);
    numbers(comment).into_iter().chain(second).collect()
}

/// Every kind, with its options given or not.
fn built(full: bool) -> Vec<Content> {
    let (id, hash, account) = (MessageId([1; 16]), ByteArray::new([5; 16]), AccountId([4; 32]));
    let some = |text: &str| full.then(|| text.to_owned());
    let gaps = if full { vec![(2, 3), (7, u64::MAX)] } else { Vec::new() };
    let mark = StreamMark { device: u32::MAX, delivered: 9, hash, read: 4, gaps: gaps.clone() };
    let message =
        Identified { id, nonce: RequestKey([2; 16]), counter: 3, previous: hash, body: ByteBuf::from(vec![1]) };
    let pointer = FilePointer {
        blob: BlobId([6; 16]),
        key: FileKey::from_slice(&[7; 32]).unwrap(),
        blob_bytes: 1,
        size: u64::MAX,
        blob_hash: [8; 32],
        plain_hash: [9; 32],
        name: "a.txt".to_owned(),
        media_type: some("text/plain"),
        thumbnail: full.then(|| vec![1, 2]),
        expires_ms: 5,
    };
    let mut file = File::offered(RequestKey([3; 16]), pointer, some("look"));
    file.reply_to = full.then_some(id);
    let name = full.then(|| UserName::parse("carol").unwrap());
    vec![
        Content::Text(Text {
            text: "grüße".to_owned(),
            reply_to: full.then_some(id),
            expires_in_ms: full.then_some(u64::MAX),
        }),
        Content::Receipt(Receipt { streams: if full { vec![mark.clone(), mark] } else { Vec::new() } }),
        Content::Typing(Typing { active: full }),
        Content::Accepted,
        Content::Profile(Profile { display_name: some("Alice") }),
        Content::Empty,
        Content::Sync(Sync { with: account, name, message }),
        Content::File(Box::new(file)),
        Content::OwnState(OwnState { version: 1, hash, sgen: 2, key: full.then(|| ByteBuf::from(vec![1; 32])) }),
        Content::OwnRead(OwnRead { with: account, id }),
        Content::Gone,
        Content::Probe(Probe::of([1; 16])),
        Content::Echo(Probe::of([2; 16])),
        Content::Resend(Resend { counter: 4, hash, gaps }),
        Content::Edit(Edit { id, text: "anders".to_owned() }),
        Content::Deletion(Deletion { id }),
        Content::Reaction(Reaction { id, sign: some("👍").unwrap_or_default() }),
        Content::Hiding(Hiding { with: account, id, room: full.then_some(chat_wire::ids::RoomId([3; 16])) }),
        Content::HistoryAsk(HistoryAsk { token: hash, before: full.then_some(i64::MIN) }),
        Content::HistoryPart(Box::new(HistoryPart {
            token: hash,
            before: full.then_some(-5),
            rows: ByteBuf::from(vec![1, 2, 3]),
            next: full.then_some(7),
            left: 9,
        })),
        Content::HistoryRefusal(HistoryRefusal { token: hash }),
    ]
}

fn fits(rule: &str, bytes: &[u8], context: &BasicContext) -> Result<(), String> {
    let value: ciborium::Value = ciborium::from_reader(bytes).unwrap();
    validate_cbor(&context.rules[rule], &value, context).map_err(|error| error.to_string())
}

#[test]
fn every_content_matches_the_specification_under_the_kind_that_it_names() {
    let context = BasicContext::new(flatten_from_str(rules()).unwrap());
    for full in [true, false] {
        for content in built(full) {
            let (kind, data) = content.encode().unwrap();
            match rule_of(&content) {
                None => assert!(data.is_empty(), "{content:?}"),
                Some(rule) => {
                    assert!(kinds_of(rule).contains(&kind), "{rule} is no {kind}");
                    fits(rule, &data, &context).unwrap_or_else(|error| panic!("{content:?}: {error}"));
                }
            }
            let body = Body { time_ms: u64::MAX, kind, data };
            fits("body", &encode(&body).unwrap(), &context).unwrap();
        }
    }
}

#[test]
fn the_envelope_matches_the_specification_and_the_rules_see_what_does_not() {
    let context = BasicContext::new(flatten_from_str(rules()).unwrap());
    let gossip = ListGossip { seq: 7, hash: ByteArray::new([1; 16]) };
    let message = Identified {
        id: MessageId([1; 16]),
        nonce: RequestKey([2; 16]),
        counter: 3,
        previous: ByteArray::new([3; 16]),
        body: ByteBuf::from(vec![0; 500]),
    };
    let identified = encode(&message).unwrap();
    let envelope = encode(&Envelope::new(message, gossip, gossip)).unwrap();
    fits("identified", &identified, &context).unwrap();
    fits("envelope", &envelope, &context).unwrap();
    for (rule, wrong) in [("envelope", &identified), ("identified", &envelope), ("text", &identified)] {
        assert!(fits(rule, wrong, &context).is_err(), "{rule}");
    }
}
