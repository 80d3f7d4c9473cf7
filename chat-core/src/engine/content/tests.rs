//! What an authentic peer may put into a message, good and bad.

use chat_wire::ids::DeviceId;
use proptest::prelude::*;

use super::*;

fn author(n: u8) -> DeviceAddress {
    DeviceAddress { account: AccountId([n; 32]), device: DeviceId(7) }
}

fn body(kind: u32, data: &[u8]) -> Body {
    Body { time_ms: 1, kind, data: ByteBuf::from(data.to_vec()) }
}

#[test]
fn an_id_belongs_to_one_author_and_one_body() {
    let bytes = encode(&body(KIND_EMPTY, b"")).unwrap();
    let nonce = RequestKey([3; 16]);
    let message = Identified {
        id: message_id(&author(1), &nonce, &plain_hash(&[&bytes])),
        nonce,
        counter: 1,
        previous: ByteArray::new([0; 16]),
        body: ByteBuf::from(bytes),
    };
    assert!(message.verified_body(&author(1)).is_some());
    assert!(message.verified_body(&author(2)).is_none());
    let mut changed = message.clone();
    changed.body.push(0);
    assert!(changed.verified_body(&author(1)).is_none());
    // Elsewhere in the stream it is the same message, at a place of another name.
    let moved = Identified { counter: 2, ..message.clone() };
    assert!(moved.verified_body(&author(1)).is_some());
    assert_ne!(moved.chain_hash(), message.chain_hash());
}

#[test]
fn a_kind_of_a_later_version_and_a_misshapen_one_read_as_unknown() {
    assert_eq!(body(999, b"whatever").content(), Content::Unknown);
    assert_eq!(body(KIND_TEXT, b"\xff").content(), Content::Unknown);
}

/// One of each kind.
fn contents() -> Vec<Content> {
    let hash = ByteArray::new([5; 16]);
    let mark = StreamMark { device: 1, delivered: 9, hash, read: 4, gaps: vec![(2, 3)] };
    let (id, nonce) = (MessageId([1; 16]), RequestKey([2; 16]));
    let message = Identified { id, nonce, counter: 3, previous: hash, body: ByteBuf::from(vec![1]) };
    vec![
        Content::Text(Text { text: "grüße".into(), reply_to: Some(MessageId([9; 16])), expires_in_ms: Some(7) }),
        Content::Edit(Edit { id: MessageId([1; 16]), text: "anders".into() }),
        Content::Deletion(Deletion { id: MessageId([1; 16]) }),
        Content::Reaction(Reaction { id: MessageId([1; 16]), sign: "👍".into() }),
        Content::Hiding(Hiding { with: AccountId([4; 32]), id: MessageId([1; 16]), room: None }),
        Content::Receipt(Receipt { streams: vec![mark] }),
        Content::Typing(Typing { active: true }),
        Content::Accepted,
        Content::Profile(Profile { display_name: None }),
        Content::Empty,
        Content::Sync(Sync { with: AccountId([4; 32]), name: None, message }),
        Content::Probe(Probe::of([1; 16])),
        Content::Echo(Probe::of([2; 16])),
        Content::Resend(Resend { counter: 4, hash, gaps: vec![(1, 2)] }),
    ]
}

#[test]
fn every_kind_reads_back() {
    for content in contents() {
        let (kind, data) = content.encode().unwrap();
        let read = encode(&Body { time_ms: 0, kind, data }).unwrap();
        assert_eq!(minicbor_serde::from_slice::<Body>(&read).unwrap().content(), content);
    }
}

/// Whatever reads as a content is one: it is written and reads the same again.
fn reads_again(kind: u32, data: &[u8]) {
    let content = body(kind, data).content();
    if content != Content::Unknown {
        let (kind, data) = content.encode().unwrap();
        assert_eq!(body(kind, &data).content(), content);
    }
}

proptest! {
    #[test]
    fn any_bytes_behind_any_kind_are_a_content_or_unknown(
        kind in 0_u32..40, data in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        reads_again(kind, &data);
        let _ = Envelope::decode(&data);
    }

    #[test]
    fn a_content_that_was_bent_cut_extended_or_put_behind_another_kind_is_a_content_or_unknown(
        which in any::<proptest::sample::Index>(), at in any::<proptest::sample::Index>(), value in any::<u8>(),
        kind in 0_u32..40,
    ) {
        let (own_kind, data) = which.get(&contents()).encode().unwrap();
        reads_again(kind, &data);
        let mut bent = data.to_vec();
        if !bent.is_empty() {
            let at = at.index(bent.len());
            bent[at] ^= value;
            reads_again(own_kind, &bent);
            reads_again(own_kind, &data[..at]);
        }
        bent.push(value);
        reads_again(own_kind, &bent);
    }

    #[test]
    fn an_envelope_that_was_bent_anywhere_is_refused_or_names_no_other_body(
        at in any::<proptest::sample::Index>(), value in 1..=u8::MAX,
    ) {
        let bytes = encode(&body(KIND_TEXT, b"text")).unwrap();
        let nonce = RequestKey([3; 16]);
        let id = message_id(&author(1), &nonce, &plain_hash(&[&bytes]));
        let previous = ByteArray::new([0; 16]);
        let message = Identified { id, nonce, counter: 1, previous, body: ByteBuf::from(bytes.clone()) };
        let sealed = encode(&Envelope::new(message, ListGossip::of(None), ListGossip::of(None))).unwrap();
        let mut bent = sealed.clone();
        let at = at.index(bent.len());
        bent[at] ^= value;
        if let Some(read) = Envelope::decode(&bent).map(Envelope::into_identified)
            && read.verified_body(&author(1)).is_some()
        {
            prop_assert_eq!((read.id, read.nonce.0, &*read.body), (id, [3; 16], &bytes));
        }
        prop_assert!(Envelope::decode(&sealed[..at]).is_none());
    }
}
