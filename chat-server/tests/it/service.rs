//! The relay as people use it, over TLS.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_server::{EmbedConfig, Embedded, embed};
use chat_wire::message::{ClientMessage, PresenceStatus, ServerMessage};

use crate::client::{Client, Place, is_well, tls_config};
use crate::kit::Person;

pub(crate) fn start() -> (Embedded, Place) {
    let relay = embed(EmbedConfig::default()).unwrap();
    let place = Place { addr: relay.addr, pin: relay.pin.0 };
    (relay, place)
}

/// Two people, registered and connected.
pub(crate) async fn two(place: Place) -> ((Person, Client), (Person, Client)) {
    let relay = Client::relay_id(place).await;
    let (alice, bob) = (Person::new("alice", relay), Person::new("bobby", relay));
    let (a, b) = (Client::register(place, &alice).await, Client::register(place, &bob).await);
    ((alice, a), (bob, b))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_messages_each_way_arrive_once_and_in_order() {
    let (relay, place) = start();
    let ((alice, mut a), (bob, mut b)) = two(place).await;
    for number in 1..=100_u64 {
        let text = number.to_string();
        assert!(matches!(a.send(number, &bob, text.as_bytes()).await.unwrap(), ServerMessage::Accepted { .. }));
        assert_eq!(b.delivery().await, (number, Bytes::from(text.clone())));
        b.write(0, ClientMessage::Ack { seq: number }, Bytes::new()).await.unwrap();
        assert!(matches!(b.send(number, &alice, text.as_bytes()).await.unwrap(), ServerMessage::Accepted { .. }));
        assert_eq!(a.delivery().await, (number, Bytes::from(text)));
        a.write(0, ClientMessage::Ack { seq: number }, Bytes::new()).await.unwrap();
    }
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_send_passes_whole_and_the_pre_login_limit_is_lifted() {
    let (relay, place) = start();
    let ((_, mut a), (bob, mut b)) = two(place).await;
    let large = vec![7; chat_wire::limits::PACKET_BYTES_MAX];
    assert!(matches!(a.send(1, &bob, &large).await.unwrap(), ServerMessage::Accepted { .. }));
    assert_eq!(b.delivery().await, (1, Bytes::from(large)));
    let record = vec![3; chat_wire::limits::RECORD_BYTES_MAX];
    let put = ClientMessage::PutRecord { expected: 0, version: 1 };
    assert_eq!(a.try_ask(put, Bytes::from(record.clone())).await.unwrap().message, ServerMessage::Done {});
    let got = a.try_ask(ClientMessage::GetRecord {}, Bytes::new()).await.unwrap();
    assert_eq!(got.body, record);
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_goes_within_a_second_of_a_closed_connection() {
    let (relay, place) = start();
    let ((alice, mut a), (bob, mut b)) = two(place).await;
    for (client, other) in [(&mut a, &bob), (&mut b, &alice)] {
        client.ask(ClientMessage::SetContacts { accounts: vec![other.account] }).await;
        client.ask(ClientMessage::SetPresence { status: PresenceStatus::Online }).await;
    }
    let online = async |client: &mut Client| loop {
        if let ServerMessage::Presence { online, .. } = client.push().await.message {
            return online;
        }
    };
    assert!(online(&mut a).await);
    drop(b);
    let since = Instant::now();
    assert!(!online(&mut a).await);
    assert!(since.elapsed() < Duration::from_secs(1));
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_1_3_is_spoken_and_the_hybrid_exchange_is_taken() {
    let (relay, place) = start();
    let client = Client::connect(place).await;
    let (_, connection) = client.stream.get_ref();
    assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let group = connection.negotiated_key_exchange_group().map(|g| g.name());
    assert_eq!(group, Some(rustls::NamedGroup::X25519MLKEM768));

    let old = tls_config(place.pin, &[&rustls::version::TLS12]);
    let socket = tokio::net::TcpStream::connect(place.addr).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let refused = tokio_rustls::TlsConnector::from(std::sync::Arc::new(old)).connect(name, socket).await;
    assert!(refused.is_err());
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart_and_the_certificate_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let config = EmbedConfig { data_dir: Some(dir.path().join("data")), ..EmbedConfig::default() };
    let relay = embed(config.clone()).unwrap();
    let place = Place { addr: relay.addr, pin: relay.pin.0 };
    let ((alice, mut a), (bob, b)) = two(place).await;
    drop(b);
    for number in 1..=20_u64 {
        a.send(number, &bob, number.to_string().as_bytes()).await.unwrap();
    }
    relay.shutdown().await;
    assert_eq!(a.read().await.unwrap(), None, "closed cleanly");

    let relay = embed(config).unwrap();
    assert_eq!(relay.pin.0, place.pin);
    let place = Place { addr: relay.addr, ..place };
    let mut b = Client::login(place, &bob).await;
    let texts: Vec<Bytes> = b.drain().await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, (1..=20).map(|n: u64| Bytes::from(n.to_string())).collect::<Vec<_>>());
    let mut a = Client::login(place, &alice).await;
    let repeat = a.send(20, &bob, b"20").await.unwrap();
    assert!(matches!(repeat, ServerMessage::Accepted { step: 20, .. }), "{repeat:?}");
    a.send(21, &bob, b"21").await.unwrap();
    assert_eq!(b.delivery().await, (21, Bytes::from("21")), "the repeat was not delivered again");
    let claim = ClientMessage::Claim { account: None, name: Some(bob.name.clone()), devices: vec![] };
    let reply = a.ask(claim).await;
    assert!(matches!(&reply, ServerMessage::Claimed { bundles, .. } if bundles.len() == 1), "{reply:?}");
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_over_many_connections_at_once_never_share_a_pair() {
    let (relay, place) = start();
    let id = Client::relay_id(place).await;
    let bob = Person::new("bobby", id);
    let mut b = Client::register(place, &bob).await;
    b.ask(bob.prekeys(1, 10, 35)).await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (claimant, account) = (Person::new(&format!("claimant{n}"), id), bob.account);
            tokio::spawn(async move {
                let mut client = Client::register(place, &claimant).await;
                let mut pairs = Vec::new();
                for _ in 0..8 {
                    let claim = ClientMessage::Claim { account: Some(account), name: None, devices: vec![] };
                    let reply = client.ask(claim).await;
                    let ServerMessage::Claimed { bundles, .. } = reply else { panic!("{reply:?}") };
                    pairs.extend(bundles[0].one_time.as_ref().map(|pair| pair.dh_id()));
                }
                pairs
            })
        })
        .collect();
    let mut pairs = Vec::new();
    for task in tasks {
        pairs.extend(task.await.unwrap());
    }
    assert_eq!(pairs.len(), 40);
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), 40, "a pair was handed out twice");
    is_well(&mut b).await;
    relay.shutdown().await;
}
