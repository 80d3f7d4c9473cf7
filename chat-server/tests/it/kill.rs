//! SIGKILL under load: what was acknowledged is there afterwards, once and in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chat_wire::message::{ClientMessage, ServerMessage};

use crate::client::{Client, Place};
use crate::kit::{self, Person};
use crate::program::Running;

const SENDERS: usize = 3;
const KILLS: usize = 4;
/// Sends under way at once from one sender.
const UNDER_WAY: u64 = 16;

/// Sends numbered texts until the connection breaks, from `first` on; returns the first number that
/// was not acknowledged. What was in flight is sent again later under the same keys.
async fn send_until_killed(place: Place, sender: Person, bob: Arc<Person>, first: u64) -> u64 {
    let mut client = Client::login(place, &sender).await;
    let (mut next, mut acknowledged) = (first, first);
    loop {
        while next < acknowledged + UNDER_WAY {
            let text = format!("{} {next}", sender.name);
            let (message, body) = kit::send(next, vec![bob.state()], &[bob.address(1)], text.as_bytes());
            if client.write(u32::try_from(next).unwrap(), message, body).await.is_err() {
                return acknowledged;
            }
            next += 1;
        }
        match client.read().await {
            Ok(Some(frame)) if matches!(frame.message, ServerMessage::Accepted { .. }) => {
                assert_eq!(u64::from(frame.request), acknowledged, "answers come in order");
                acknowledged += 1;
            }
            Ok(Some(frame)) => assert!(matches!(frame.message, ServerMessage::Drained {}), "{frame:?}"),
            _ => return acknowledged,
        }
    }
}

/// Reads until the connection breaks; keeps every text under its place, and acknowledges some.
async fn read_until_killed(place: Place, bob: Arc<Person>, got: Arc<std::sync::Mutex<BTreeMap<u64, Bytes>>>) {
    let mut client = Client::login(place, &bob).await;
    while let Ok(Some(frame)) = client.read().await {
        let ServerMessage::Deliver { seq, .. } = frame.message else { continue };
        keep(&got, seq, frame.body);
        let ack = ClientMessage::Ack { seq };
        if seq % 7 == 0 && client.write(0, ack, Bytes::new()).await.is_err() {
            return;
        }
    }
}

/// What came again under the same place is the same text.
fn keep(got: &std::sync::Mutex<BTreeMap<u64, Bytes>>, seq: u64, body: Bytes) {
    let before = got.lock().unwrap().insert(seq, body.clone());
    assert!(before.is_none_or(|b| b == body), "place {seq} was given twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_comes_twice_whenever_the_relay_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut relay = Running::start(dir.path());
    let id = Client::relay_id(relay.place).await;
    let bob = Arc::new(Person::new("bobby", id));
    drop(Client::register(relay.place, &bob).await);
    for n in 0..SENDERS {
        drop(Client::register(relay.place, &Person::new(&format!("sender{n}"), id)).await);
    }
    let got = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
    let progress: Vec<_> = (0..SENDERS).map(|_| AtomicU64::new(1)).collect();
    for round in 0..KILLS {
        let reader = tokio::spawn(read_until_killed(relay.place, Arc::clone(&bob), Arc::clone(&got)));
        let senders: Vec<_> = (0..SENDERS)
            .map(|n| {
                let sender = Person::new(&format!("sender{n}"), id);
                let first = progress[n].load(Ordering::Relaxed);
                tokio::spawn(send_until_killed(relay.place, sender, Arc::clone(&bob), first))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(250 + 130 * round as u64)).await;
        relay.child.kill().unwrap();
        relay.child.wait().unwrap();
        for (n, sender) in senders.into_iter().enumerate() {
            progress[n].store(sender.await.unwrap(), Ordering::Relaxed);
        }
        reader.await.unwrap();
        relay = Running::start(dir.path());
    }
    let mut last = Client::login(relay.place, &bob).await;
    for (seq, body) in last.drain().await {
        keep(&got, seq, body);
    }
    let texts: Vec<String> = got.lock().unwrap().values().map(|b| String::from_utf8(b.to_vec()).unwrap()).collect();
    for (n, acknowledged) in progress.iter().enumerate() {
        let acknowledged = acknowledged.load(Ordering::Relaxed);
        assert!(acknowledged > KILLS as u64, "hardly anything was sent");
        let name = format!("sender{n} ");
        let numbers: Vec<u64> =
            texts.iter().filter_map(|t| t.strip_prefix(&name)).map(|t| t.parse().unwrap()).collect();
        let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "sender{n}: each once, in order, without a gap");
        assert!(numbers.len() as u64 >= acknowledged - 1, "sender{n}: acknowledged and lost");
    }
}
