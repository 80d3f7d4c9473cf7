//! Bad input over real sockets: a clean close, and nobody else harmed.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use chat_relay::limits::Limits;
use chat_server::{EmbedConfig, embed};
use chat_wire::error::RefusalKind;
use chat_wire::frame::ServerFrame;
use chat_wire::message::{ClientMessage, ServerMessage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, Place, bytes_of, is_well};
use crate::kit::Person;
use crate::program::Running;
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
async fn noise_before_tls_and_handshakes_left_half_way_are_closed_and_harm_nobody() {
    let (relay, place) = start();
    let ((_, mut a), (bob, mut b)) = two(place).await;
    let mut half_open = Vec::new();
    for round in 0..60_u16 {
        let mut socket = TcpStream::connect(place.addr).await.unwrap();
        let mut noise = random(usize::from(round) * 20);
        if round % 3 == 0 && noise.len() > 5 {
            // The beginning of a handshake record, then noise.
            noise[..5].copy_from_slice(&[22, 3, 1, 2, 0]);
        }
        let _ = socket.write_all(&noise).await;
        half_open.push(socket);
    }
    is_well(&mut a).await;
    a.send(1, &bob, b"still here").await.unwrap();
    assert_eq!(b.delivery().await.1, "still here");
    let closed = async {
        for mut socket in half_open {
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(12), closed).await.expect("none is kept");
    relay.shutdown().await;
}

/// The other side ended in order: with its farewell, or without one when the farewell came from here. Not by a
/// reset, not by silence.
fn is_end(read: &std::io::Result<Option<ServerFrame>>) -> bool {
    match read {
        Ok(frame) => frame.is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
    }
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
        let read = client.read().await;
        assert!(is_end(&read), "{cut} bytes were not answered by the end: {read:?}");
    }
    let proof = bytes_of(alice.register2([1; 192]));
    for _ in 0..60 {
        let mut damaged = proof.to_vec();
        let at = usize::from(u16::from_be_bytes([random(1)[0], random(1)[0]])) % damaged.len();
        damaged[at] ^= 1 << (at % 8);
        let mut client = Client::connect(place).await;
        client.stream.write_all(&damaged).await.unwrap();
        client.stream.shutdown().await.unwrap();
        loop {
            match client.read().await {
                Ok(Some(frame)) => assert!(matches!(frame.message, ServerMessage::Refused(_)), "{frame:?}"),
                end => break assert!(is_end(&end), "no end: {end:?}"),
            }
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
    let mut asked = 0;
    let flood = async {
        for request in 100..200 {
            if a.write(request, ClientMessage::GetRecord {}, Bytes::new()).await.is_err() {
                break;
            }
            asked += 1;
        }
    };
    // The relay may take no more of them, or the machine be busy: then it is fewer.
    let _ = tokio::time::timeout(Duration::from_secs(2), flood).await;
    assert!(asked >= 20, "{asked}");
    let since = Instant::now();
    is_well(&mut b).await;
    assert!(since.elapsed() < Duration::from_secs(1));
    let mut answers = 0;
    while let Ok(Some(frame)) = a.read().await {
        answers += 1;
        assert_eq!(frame.body.len(), 500_000);
        if answers == asked {
            break;
        }
    }
    assert_eq!(answers, asked, "held back, not dropped");
    relay.shutdown().await;
}

fn memory_kib(relay: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", relay.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Connections with noise, half handshakes, wrong passwords, look-ups, claims and repeats, all at once.
async fn flood(place: Place, people: &[Person]) {
    let mut tasks = tokio::task::JoinSet::new();
    for (at, person) in people.iter().enumerate() {
        let (person, target) = (person.copy(), people[(at + 1) % people.len()].copy());
        tasks.spawn(async move {
            for round in 0..25_u64 {
                if let Ok(mut socket) = TcpStream::connect(place.addr).await {
                    let _ = socket.write_all(&random(300)).await;
                }
                let mut guest = Client::connect(place).await;
                guest.hello().await;
                let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
                let (_, ke1) = chat_login::client::LoginStart::new(crate::kit::PASSWORD, &mut rng).unwrap();
                let ke1 = serde_bytes::ByteBuf::from(ke1.to_vec());
                guest.ask(ClientMessage::Ke1 { name: person.name.clone(), ke1 }).await;
                let mut device = Client::login(place, &person).await;
                for _ in 0..4 {
                    device.ask(ClientMessage::Find { query: "per".to_owned(), limit: 20 }).await;
                    let claim =
                        ClientMessage::Claim { account: Some(person.address(1).account), name: None, devices: vec![] };
                    device.ask(claim).await;
                    let _ = device.send(1 + round % 3, &target, b"again and again").await.unwrap();
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_everything_leaves_the_relay_with_the_memory_that_it_had_before() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path());
    let ((_, mut a), (bob, mut b)) = two(relay.place).await;
    let id = Client::relay_id(relay.place).await;
    let people: Vec<Person> = (0..8).map(|n| Person::new(&format!("person{n}"), id)).collect();
    for person in &people {
        drop(Client::register(relay.place, person).await);
    }
    // The first two fill caches and what the allocator keeps; from then on nothing may grow.
    flood(relay.place, &people).await;
    flood(relay.place, &people).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = memory_kib(&relay);
    let since = Instant::now();
    flood(relay.place, &people).await;
    is_well(&mut a).await;
    a.send(1, &bob, b"still here").await.unwrap();
    assert_eq!(b.delivery().await.1, "still here");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = memory_kib(&relay);
    println!("a flood of {:?}: {before} KiB before, {after} KiB after", since.elapsed());
    // 5 %, and a page or two for each thread of the allocator.
    assert!(after <= before + before / 20 + 512, "{before} KiB grew to {after}");
}
