//! Bad input over real sockets: a clean close, and nobody else harmed.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use chat_relay::limits::Limits;
use chat_server::{EmbedConfig, embed};
use chat_wire::error::RefusalKind;
use chat_wire::message::{ClientMessage, ServerMessage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, Place, bytes_of, is_well};
use crate::service::{start, two};

/// Writes bytes on a fresh connection and reads to its end: what was refused, if it was said.
async fn throw(place: Place, bytes: &[u8]) -> Option<RefusalKind> {
    let mut client = Client::connect(place).await;
    client.stream.write_all(bytes).await.unwrap();
    client.stream.flush().await.unwrap();
    let mut last = None;
    while let Some(frame) = client.read().await.expect("closed cleanly, not reset") {
        if let ServerMessage::Refused(refusal) = frame.message {
            last = Some(refusal.kind);
        }
    }
    last
}

fn random(bytes: usize) -> Vec<u8> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).unwrap();
    random
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_frames_end_their_own_connection_only() {
    let (relay, place) = start();
    let ((_, mut a), (bob, mut b)) = two(place).await;
    let mut oversized = BytesMut::new();
    oversized.put_u32(64 * 1024 + 1);
    oversized.put_bytes(1, 300_000);
    assert_eq!(throw(place, &oversized).await, Some(RefusalKind::TooLarge));
    let mut no_head = BytesMut::new();
    no_head.put_u32(8);
    no_head.put_u32(u32::MAX);
    no_head.put_u32(0);
    assert_eq!(throw(place, &no_head).await, Some(RefusalKind::Malformed));
    assert_eq!(throw(place, &[0; 12]).await, Some(RefusalKind::Malformed));
    assert_eq!(throw(place, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await, Some(RefusalKind::TooLarge));
    for round in 0..50_u8 {
        // A small announced length, then noise: reaches the decoder instead of the size check.
        let noise = random(200);
        let mut framed = BytesMut::new();
        framed.put_u32(200);
        framed.put_slice(&noise);
        let said = throw(place, &framed).await;
        assert_eq!(said, Some(RefusalKind::Malformed), "round {round}");
    }
    is_well(&mut a).await;
    a.send(1, &bob, b"still here").await.unwrap();
    assert_eq!(b.delivery().await.1, "still here");
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_cut_short_or_damaged_anywhere_harm_nobody() {
    let (relay, place) = start();
    let ((alice, mut a), _) = two(place).await;
    let whole = bytes_of(ClientMessage::Hello { versions: vec![1], features: vec!["x".to_owned()] });
    for cut in 0..whole.len() {
        let mut client = Client::connect(place).await;
        client.stream.write_all(&whole[..cut]).await.unwrap();
        client.stream.shutdown().await.unwrap();
        assert!(client.read().await.map_or(true, |frame| frame.is_none()), "an answer to {cut} bytes");
    }
    let proof = bytes_of(alice.register2([1; 192]));
    for _ in 0..60 {
        let mut damaged = proof.to_vec();
        let at = usize::from(u16::from_be_bytes([random(1)[0], random(1)[0]])) % damaged.len();
        damaged[at] ^= 1 << (at % 8);
        let mut client = Client::connect(place).await;
        client.stream.write_all(&damaged).await.unwrap();
        client.stream.shutdown().await.unwrap();
        while let Ok(Some(frame)) = client.read().await {
            assert!(matches!(frame.message, ServerMessage::Refused(_)), "{frame:?}");
        }
    }
    is_well(&mut a).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_are_closed_and_cost_the_others_nothing() {
    let limits = Limits { login_ms_max: 1_000, ..Limits::default() };
    let relay = chat_relay::Config { limits, ..chat_relay::Config::default() };
    let relay = embed(EmbedConfig { relay, ..EmbedConfig::default() }).unwrap();
    let place = Place { addr: relay.addr, pin: relay.pin.0 };
    let ((_, mut a), _) = two(place).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Client::connect(place).await);
    }
    let mut greeted = Client::connect(place).await;
    greeted.hello().await;
    let since = Instant::now();
    for mut client in silent {
        assert!(client.read().await.unwrap().is_none(), "closed without a word");
    }
    assert!(greeted.read().await.unwrap().is_none());
    assert!(since.elapsed() < Duration::from_secs(3));
    is_well(&mut a).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_shakes_hands_is_closed_within_ten_seconds() {
    let (relay, place) = start();
    let mut socket = TcpStream::connect(place.addr).await.unwrap();
    let since = Instant::now();
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(12), socket.read(&mut byte)).await.expect("closed in time");
    assert!(matches!(read, Ok(0) | Err(_)));
    assert!(since.elapsed() < Duration::from_secs(10));
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_reading_is_not_waited_for() {
    let (relay, place) = start();
    let ((_, mut a), (bob, b)) = two(place).await;
    let large = vec![5; 90_000];
    // Bob's connection stands, but nobody reads from it: 18 MB go to his mailbox, not to memory.
    for number in 1..=200_u64 {
        let reply = a.send(number, &bob, &large).await.unwrap();
        assert!(matches!(reply, ServerMessage::Accepted { .. }), "{reply:?}");
    }
    is_well(&mut a).await;
    drop(b);
    let mut b = Client::login(place, &bob).await;
    let mut got = 0;
    loop {
        let frame = b.push().await;
        match frame.message {
            ServerMessage::Deliver { seq, .. } => {
                got += 1;
                assert_eq!(seq, got);
                b.write(0, ClientMessage::Ack { seq }, Bytes::new()).await.unwrap();
            }
            ServerMessage::Drained {} => break,
            _ => {}
        }
    }
    assert_eq!(got, 200);
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_and_never_reads_is_held_back_and_the_rest_go_on() {
    let (relay, place) = start();
    let ((_, mut a), (_, mut b)) = two(place).await;
    let put = ClientMessage::PutRecord { expected: 0, version: 1 };
    a.try_ask(put, Bytes::from(vec![1; 500_000])).await.unwrap();
    // 100 answers of half a megabyte that nobody takes.
    let flood = async {
        for request in 100..200 {
            if a.write(request, ClientMessage::GetRecord {}, Bytes::new()).await.is_err() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), flood).await;
    let since = Instant::now();
    is_well(&mut b).await;
    assert!(since.elapsed() < Duration::from_secs(1));
    let mut answers = 0;
    while let Ok(Some(frame)) = a.read().await {
        answers += 1;
        assert_eq!(frame.body.len(), 500_000);
        if answers == 100 {
            break;
        }
    }
    assert_eq!(answers, 100, "held back, not dropped");
    relay.shutdown().await;
}
