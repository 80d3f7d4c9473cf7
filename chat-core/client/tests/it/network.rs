//! What the network does to a conversation: cut, frozen, and listened to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chat_client::{Client, Config, ConnectionState, MessageStatus, OfflineReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::{Person, Relay, friends};

/// What the network does at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Carries,
    /// Takes bytes and delivers nothing: the worst, because nothing says so.
    Freezes,
    /// Ends every connection and refuses new ones.
    Cuts,
}

/// A way to the relay that the test controls and listens to.
struct Network {
    addr: SocketAddr,
    mood: watch::Sender<Mood>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Network {
    async fn to(relay: &Relay) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mood = watch::Sender::new(Mood::Carries);
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let (moods, log, relay) = (mood.subscribe(), Arc::clone(&heard), relay.addr);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *moods.borrow() != Mood::Cuts {
                    tokio::spawn(carry(client, relay, moods.clone(), Arc::clone(&log)));
                }
            }
        });
        Self { addr, mood, heard }
    }

    /// Somebody known opens the profile anew, over this network.
    async fn connect(&self, person: Person) -> Person {
        person.client.close().await;
        let relay = Some(self.addr.to_string().parse().unwrap());
        let (client, events) = Client::open(Config { relay, ..Config::new(person.dir.path()) }).await.unwrap();
        let mut person = Person { client, events, dir: person.dir };
        person.online().await;
        person
    }
}

async fn carry(client: TcpStream, relay: SocketAddr, mut moods: watch::Receiver<Mood>, log: Arc<Mutex<Vec<u8>>>) {
    let Ok(relay) = TcpStream::connect(relay).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_relay, to_relay) = relay.into_split();
    let pipe = |mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf| {
        let (mut moods, log) = (moods.clone(), Arc::clone(&log));
        async move {
            let mut bytes = [0; 16_384];
            while let Ok(count @ 1..) = from.read(&mut bytes).await {
                if moods.wait_for(|mood| *mood != Mood::Freezes).await.is_err() {
                    return;
                }
                log.lock().unwrap().extend_from_slice(&bytes[..count]);
                if to.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = pipe(from_client, to_relay) => {}
        () = pipe(from_relay, to_client) => {}
        _ = moods.wait_for(|mood| *mood == Mood::Cuts) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_in_a_burst_lose_repeat_and_reorder_nothing() {
    let relay = Relay::start();
    let (alice, bob) = friends(&relay).await;
    let network = Network::to(&relay).await;
    let (mut alice, mut bob) = (network.connect(alice).await, network.connect(bob).await);
    let mut last = None;
    for number in 0..90 {
        last = Some(alice.send("bob", &number.to_string()).await);
        if number % 30 == 20 {
            network.mood.send_replace(Mood::Cuts);
            alice.connection(ConnectionState::Offline).await;
            network.mood.send_replace(Mood::Carries);
        }
    }
    for number in 0..90 {
        assert_eq!(bob.text().await, number.to_string());
    }
    alice.receipt(last.unwrap(), MessageStatus::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_goes_silent_is_noticed_and_left() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    bob.done_reading();
    let network = Network::to(&relay).await;
    let mut alice = network.connect(alice).await;
    network.mood.send_replace(Mood::Freezes);
    let begun = Instant::now();
    let offline = alice.connection(ConnectionState::Offline).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(offline.reason, Some(OfflineReason::Lost));
    alice.send("bob", "said into the silence").await;
    network.mood.send_replace(Mood::Carries);
    assert_eq!(bob.text().await, "said into the silence");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_wire_nor_any_file_shows_a_text_or_a_password() {
    const CANARY: &str = "CanaryOnTheWire77";
    let relay = Relay::start();
    let (alice, bob) = friends(&relay).await;
    let network = Network::to(&relay).await;
    let (mut alice, mut bob) = (network.connect(alice).await, network.connect(bob).await);
    let id = alice.send("bob", CANARY).await;
    alice.client.set_draft("bob", format!("{CANARY} draft")).await.unwrap();
    assert_eq!(bob.text().await, CANARY);
    alice.receipt(id, MessageStatus::Delivered).await;
    let places = [alice.dir.path().to_owned(), bob.dir.path().to_owned(), relay.data.path().to_owned()];
    let shows = |bytes: &[u8]| {
        [CANARY, crate::world::PASSWORD]
            .into_iter()
            .find(|secret| bytes.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes())))
    };
    for _ in 0..2 {
        for file in places.iter().flat_map(|place| std::fs::read_dir(place).unwrap()) {
            let path = file.unwrap().path();
            if path.is_file() {
                assert_eq!(shows(&std::fs::read(&path).unwrap()), None, "{path:?}");
            }
        }
        // And once more when the logs have been copied into the files.
        alice.client.close().await;
        bob.client.close().await;
    }
    let heard = network.heard.lock().unwrap();
    assert!(heard.len() > 1_000);
    assert_eq!(shows(&heard), None);
}
