//! Every decoder against noise: it answers or refuses, and what it accepts fills the bytes.

use bytes::{BufMut, Bytes, BytesMut};
use chat_wire::codec::Reader;
use chat_wire::device_list::DeviceList;
use chat_wire::error::RefusalKind;
use chat_wire::frame::{ClientFrame, Deframer, Frame, FrameError, ServerFrame};
use chat_wire::ids::UserName;
use chat_wire::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_LOGIN};
use chat_wire::message::{ClientMessage, LogoutReason, ServerMessage};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{client_message, server_message};

/// A frame around a head, as it stands behind the length prefix.
fn around(head: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(head.len()).unwrap());
    bytes.put_slice(head);
    bytes.freeze()
}

proptest! {
    #[test]
    fn noise_never_panics_a_decoder(noise in vec(any::<u8>(), 0..600)) {
        let bytes = Bytes::from(noise.clone());
        let _ = ClientFrame::decode(bytes.clone());
        let _ = ServerFrame::decode(bytes);
        let _ = ClientFrame::decode(around(&noise));
        let _ = ServerFrame::decode(around(&noise));
        let _ = DeviceList::decode(&noise);
        let _ = UserName::parse(&String::from_utf8_lossy(&noise));
    }

    #[test]
    fn a_bent_head_is_refused_or_reads_as_another_head(message in client_message(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let whole = Frame::new(7, message).encode(FRAME_BYTES_MAX).unwrap();
        let mut bent = whole[4..].to_vec();
        let at = at.index(bent.len());
        bent[at] ^= 1 << bit;
        if let Ok(frame) = ClientFrame::decode(bent.into()) {
            prop_assert!(frame.encode(FRAME_BYTES_MAX).is_ok());
        }
    }

    #[test]
    fn no_beginning_of_a_head_passes_for_the_whole(message in server_message(), cut in any::<prop::sample::Index>()) {
        let whole = Frame::new(7, message).encode(FRAME_BYTES_MAX).unwrap();
        let head = &whole[8..];
        let cut = cut.index(head.len());
        prop_assert!(ServerFrame::decode(around(&head[..cut])).is_err());
    }

    #[test]
    fn a_head_with_bytes_behind_it_is_malformed(message in client_message(), tail in vec(any::<u8>(), 1..9)) {
        let whole = Frame::new(7, message).encode(FRAME_BYTES_MAX).unwrap();
        let long = [&whole[8..], &tail].concat();
        prop_assert_eq!(ClientFrame::decode(around(&long)), Err(FrameError::Malformed));
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames(messages in vec(client_message(), 1..5), cuts in vec(1..400_usize, 1..60)) {
        let frames: Vec<ClientFrame> = (1..).zip(messages).map(|(n, m)| Frame::with_body(n, m, Bytes::from(vec![7; 99]))).collect();
        let stream: Vec<u8> = frames.iter().flat_map(|f| f.encode(FRAME_BYTES_MAX).unwrap().to_vec()).collect();
        let mut deframer = Deframer::new(FRAME_BYTES_MAX);
        let (mut seen, mut rest, mut cuts) = (Vec::new(), &stream[..], cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            deframer.buffer_mut().put_slice(piece);
            while let Some(bytes) = deframer.next_frame().unwrap() {
                seen.push(ClientFrame::decode(bytes).unwrap());
            }
            rest = after;
        }
        prop_assert_eq!(seen, frames);
    }

    #[test]
    fn a_reader_takes_exactly_what_is_there(noise in vec(any::<u8>(), 0..64), takes in vec(0..20_usize, 0..12)) {
        let mut reader = Reader::new(&noise);
        let mut taken = Vec::new();
        for count in takes {
            match reader.take(count) {
                Ok(bytes) => taken.extend_from_slice(bytes),
                Err(_) => prop_assert!(count > noise.len() - taken.len()),
            }
        }
        prop_assert_eq!([&taken[..], reader.rest()].concat(), noise);
    }
}

#[test]
fn keys_of_a_later_version_are_ignored_and_a_known_key_twice_is_refused() {
    // {"r": 5, "z": [1, {}], "m": {"ack": {"q": 9, "later": "x"}}}
    let later = b"\xa3\x61r\x05\x61z\x82\x01\xa0\x61m\xa1\x63ack\xa2\x61q\x09\x65later\x61x";
    assert_eq!(ClientFrame::decode(around(later)), Ok(Frame::new(5, ClientMessage::Ack { seq: 9 })));
    // {"r": 5, "m": {"ack": {"q": 9, "q": 8}}}
    let twice = b"\xa2\x61r\x05\x61m\xa1\x63ack\xa2\x61q\x09\x61q\x08";
    assert_eq!(ClientFrame::decode(around(twice)), Err(FrameError::Unknown { request: 5 }));
    // {"r": 5, "r": 6, "m": {"ack": {"q": 9}}}
    let two_numbers = b"\xa3\x61r\x05\x61r\x06\x61m\xa1\x63ack\xa1\x61q\x09";
    assert_eq!(ClientFrame::decode(around(two_numbers)), Err(FrameError::Malformed));
}

#[test]
fn an_absent_option_and_null_mean_the_same() {
    // {"r": 0, "m": {"deliver-ephemeral": {}}} and the same with {"f": null}
    let absent = b"\xa2\x61r\x00\x61m\xa1\x71deliver-ephemeral\xa0";
    let null = b"\xa2\x61r\x00\x61m\xa1\x71deliver-ephemeral\xa1\x61f\xf6";
    let expected = Ok(Frame::new(0, ServerMessage::DeliverEphemeral { from: None }));
    assert_eq!(ServerFrame::decode(around(absent)), expected);
    assert_eq!(ServerFrame::decode(around(null)), expected);
}

#[test]
fn words_of_a_later_version_read_as_unknown() {
    // {"r": 1, "m": {"refused": {"k": "novel"}}}
    let refused = b"\xa2\x61r\x01\x61m\xa1\x67refused\xa1\x61k\x65novel";
    let ServerMessage::Refused(refusal) = ServerFrame::decode(around(refused)).unwrap().message else {
        panic!("a refusal");
    };
    assert_eq!((refusal.kind, refusal.retry_ms), (RefusalKind::Unknown, 0));
    // {"r": 0, "m": {"logged-out": {"y": "novel"}}}
    let logged_out = b"\xa2\x61r\x00\x61m\xa1\x6alogged-out\xa1\x61y\x65novel";
    let expected = ServerMessage::LoggedOut { reason: LogoutReason::Unknown, list: None };
    assert_eq!(ServerFrame::decode(around(logged_out)), Ok(Frame::new(0, expected)));
}

#[test]
fn a_device_zero_a_name_in_capitals_and_a_key_of_another_length_are_refused() {
    // {"r": 1, "m": {"ke1": {"n": "Alice", "k": h''}}}
    let capitals = b"\xa2\x61r\x01\x61m\xa1\x63ke1\xa2\x61n\x65Alice\x61k\x40";
    assert_eq!(ClientFrame::decode(around(capitals)), Err(FrameError::Unknown { request: 1 }));
    // {"r": 1, "m": {"claim": {"d": [0]}}}
    let zero = b"\xa2\x61r\x01\x61m\xa1\x65claim\xa1\x61d\x81\x00";
    assert_eq!(ClientFrame::decode(around(zero)), Err(FrameError::Unknown { request: 1 }));
    // {"r": 1, "m": {"fetch-lists": {"a": h'00', "q": 0}}}
    let short = b"\xa2\x61r\x01\x61m\xa1\x6bfetch-lists\xa2\x61a\x41\x00\x61q\x00";
    assert_eq!(ClientFrame::decode(around(short)), Err(FrameError::Unknown { request: 1 }));
}

#[test]
fn a_nest_of_arrays_under_an_unknown_key_does_not_exhaust_the_stack() {
    for opening in [0x81_u8, 0x9f, 0xa1, 0xbf, 0xc1] {
        let mut head = b"\xa3\x61r\x05\x61z".to_vec();
        head.extend(std::iter::repeat_n(opening, 900_000));
        assert_eq!(ClientFrame::decode(around(&head)), Err(FrameError::Malformed));
    }
}

#[test]
fn a_prefix_that_announces_much_makes_little_room() {
    let mut deframer = Deframer::new(FRAME_BYTES_MAX);
    deframer.buffer_mut().put_u32(u32::try_from(FRAME_BYTES_MAX).unwrap());
    assert_eq!(deframer.next_frame(), Ok(None));
    assert!(deframer.buffer_mut().capacity() < 256 * 1024);
    let mut deframer = Deframer::new(FRAME_BYTES_MAX_BEFORE_LOGIN);
    deframer.buffer_mut().put_u32(u32::MAX);
    assert!(matches!(deframer.next_frame(), Err(FrameError::TooLarge { limit: FRAME_BYTES_MAX_BEFORE_LOGIN, .. })));
}

#[test]
fn what_is_over_a_limit_is_not_built_either() {
    let frame = Frame::with_body(1, ClientMessage::Heartbeat {}, Bytes::from(vec![0; 1_000]));
    assert!(matches!(frame.encode(1_000), Err(FrameError::TooLarge { limit: 1_000, .. })));
}
