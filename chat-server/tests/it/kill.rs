//! SIGKILL under load: what was acknowledged is there afterwards, once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::ids::PreKeyId;
use chat_wire::message::{ClientMessage, ServerMessage};

use crate::client::Client;
use crate::kit::{self, Person};
use crate::program::Running;

const SENDERS: usize = 3;
const KILLS: usize = 6;
/// Sends that are accepted before a kill, at least; `CHAT_SERVER_ACKNOWLEDGED` asks for more, `CHAT_SERVER_KILLS` for
/// more kills.
const ACCEPTED_BEFORE_KILL: u64 = 200;
/// Sends under way at once from one sender.
const UNDER_WAY: u64 = 16;
/// One-time pairs that are there to be claimed, in two uploads: fewer than a relay keeps of a device.
const CLAIMED_PAIRS: u32 = 90;

/// Sends numbered texts until the connection breaks, from `first` on; returns the first number that
/// was not acknowledged. What was in flight is sent again later under the same keys.
async fn send_until_killed(
    mut client: Client,
    sender: Person,
    bob: Arc<Person>,
    (first, count): (u64, Arc<AtomicU64>),
) -> u64 {
    let (mut next, mut acknowledged, mut ahead) = (first, first, BTreeSet::new());
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
                // Answers may overtake each other: a repeat waits for a sync, a new one for its reader.
                ahead.insert(u64::from(frame.request));
                while ahead.remove(&acknowledged) {
                    acknowledged += 1;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Some(frame)) if matches!(frame.message, ServerMessage::Drained {}) => {}
            // Quicker than the one who kills: nothing more is said until then.
            Ok(Some(frame)) => {
                let limited =
                    |m: &ServerMessage| matches!(m, ServerMessage::Refused(r) if r.kind == RefusalKind::RateLimited);
                assert!(limited(&frame.message), "{frame:?}");
                while client.read().await.is_ok_and(|frame| frame.is_some()) {}
                return acknowledged;
            }
            _ => return acknowledged,
        }
    }
}

/// What the reader was given, in order: place, text, and the run of the relay that it came from.
type Got = Arc<std::sync::Mutex<Vec<(u64, Bytes, usize)>>>;

/// Reads until the connection breaks; keeps every text, and acknowledges some.
async fn read_until_killed(mut client: Client, (got, run): (Got, usize)) {
    while let Ok(Some(frame)) = client.read().await {
        let ServerMessage::Deliver { seq, .. } = frame.message else { continue };
        got.lock().unwrap().push((seq, frame.body, run));
        let ack = ClientMessage::Ack { seq };
        if seq % 7 == 0 && client.write(0, ack, Bytes::new()).await.is_err() {
            return;
        }
    }
}

/// What one sender had sent, as the reader knows it: numbers in the order of their first coming. A text
/// comes again under its place until it is acknowledged, and under another place only when the relay was
/// killed before it had accepted the text: then the sender sends it again, and the first copy, delivered
/// before it was on disk, is known to the reader as one and the same packet.
fn numbers_of(name: &str, got: &[(u64, Bytes, usize)], accepted: &[u64]) -> Vec<u64> {
    let mut places: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
    let mut order = Vec::new();
    for (seq, body, run) in got {
        let text = std::str::from_utf8(body).unwrap();
        let Some(number) = text.strip_prefix(name).map(|n| n.trim_start().parse::<u64>().unwrap()) else { continue };
        let places = places.entry(number).or_default();
        if places.is_empty() {
            order.push(number);
        }
        if !places.iter().any(|(place, _)| place == seq) {
            // `accepted` holds, for each run, the first number that was not accepted when it was killed.
            let again = places.last().is_some_and(|(_, before)| number < accepted[*before]);
            assert!(!again, "{name}{number} was accepted and stored twice: {places:?}, {seq}");
            places.push((*seq, *run));
        }
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_comes_twice_whenever_the_relay_is_killed() {
    let asked = |name| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let kills = asked("CHAT_SERVER_KILLS").map_or(KILLS, |n| usize::try_from(n).unwrap());
    let acknowledged_before = asked("CHAT_SERVER_ACKNOWLEDGED").unwrap_or(ACCEPTED_BEFORE_KILL);
    let dir = tempfile::tempdir().unwrap();
    let mut relay = Running::start(dir.path());
    let id = Client::relay_id(relay.place).await;
    let bob = Arc::new(Person::new("bobby", id));
    drop(Client::register(relay.place, &bob).await);
    for n in 0..SENDERS {
        drop(Client::register(relay.place, &Person::new(&format!("sender{n}"), id)).await);
    }
    let got = Got::default();
    let mut accepted = vec![vec![1_u64]; SENDERS];
    for run in 0..kills {
        let count = Arc::new(AtomicU64::new(0));
        let reader = tokio::spawn(read_until_killed(Client::login(relay.place, &bob).await, (Arc::clone(&got), run)));
        // All are logged in before anybody sends or is killed: each has its share.
        let mut clients = Vec::new();
        for n in 0..SENDERS {
            let sender = Person::new(&format!("sender{n}"), id);
            clients.push((Client::login(relay.place, &sender).await, sender));
        }
        let mut senders = Vec::new();
        for ((client, sender), accepted) in clients.into_iter().zip(&accepted) {
            let progress = (*accepted.last().unwrap(), Arc::clone(&count));
            senders.push(tokio::spawn(send_until_killed(client, sender, Arc::clone(&bob), progress)));
        }
        while count.load(Ordering::Relaxed) < acknowledged_before + 37 * (run as u64 % 7) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        relay.child.kill().unwrap();
        relay.child.wait().unwrap();
        for (n, sender) in senders.into_iter().enumerate() {
            accepted[n].push(sender.await.unwrap());
        }
        reader.await.unwrap();
        relay = Running::start(dir.path());
    }
    let mut last = Client::login(relay.place, &bob).await;
    let mut got = got.lock().unwrap().clone();
    got.extend(last.drain().await.into_iter().map(|(seq, body)| (seq, body, kills)));
    let mut by_place = BTreeMap::new();
    for (seq, body, _) in &got {
        let before = by_place.insert(*seq, body.clone());
        assert!(before.is_none_or(|b| b == *body), "place {seq} was given twice");
    }
    let mut total = 0;
    for (n, accepted) in accepted.iter().enumerate() {
        let numbers = numbers_of(&format!("sender{n} "), &got, &accepted[1..]);
        let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "sender{n}: each once, in order, without a gap");
        let acknowledged = accepted.last().unwrap() - 1;
        assert!(acknowledged > kills as u64, "hardly anything was sent");
        assert!(numbers.len() as u64 >= acknowledged, "sender{n}: acknowledged and lost");
        total += acknowledged;
    }
    println!("{kills} kills: {total} acknowledged, {total} recovered, 0 lost, 0 stored twice");
}

/// Claims until the connection breaks: the pairs that came.
async fn claim_until_killed(mut client: Client, bob: Arc<Person>, count: Arc<AtomicU64>) -> Vec<PreKeyId> {
    let mut pairs = Vec::new();
    for request in 1.. {
        let claim = ClientMessage::Claim { account: Some(bob.account), name: None, devices: vec![] };
        if client.write(request, claim, Bytes::new()).await.is_err() {
            break;
        }
        let answer = loop {
            match client.read().await {
                Ok(Some(frame)) if frame.request == request => break Some(frame.message),
                Ok(Some(_)) => {}
                _ => break None,
            }
        };
        let Some(ServerMessage::Claimed { bundles, .. }) = answer else { break };
        pairs.extend(bundles[0].one_time.as_ref().map(|pair| pair.dh_id()));
        count.fetch_add(1, Ordering::Relaxed);
    }
    pairs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_pair_is_given_once_at_most_whenever_the_relay_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut relay = Running::start(dir.path());
    let id = Client::relay_id(relay.place).await;
    let bob = Arc::new(Person::new("bobby", id));
    let mut publisher = Client::register(relay.place, &bob).await;
    for first in [10, 60] {
        publisher.ask(bob.prekeys(1, first, CLAIMED_PAIRS / 2)).await;
    }
    drop(publisher);
    let claimants: Vec<_> = (0..SENDERS).map(|n| Person::new(&format!("claimant{n}"), id)).collect();
    for claimant in &claimants {
        drop(Client::register(relay.place, claimant).await);
    }
    let mut pairs = Vec::new();
    for run in 0..KILLS {
        let count = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for claimant in &claimants {
            let client = Client::login(relay.place, claimant).await;
            tasks.push(tokio::spawn(claim_until_killed(client, Arc::clone(&bob), Arc::clone(&count))));
        }
        while count.load(Ordering::Relaxed) < 3 + run as u64 && !tasks.iter().all(tokio::task::JoinHandle::is_finished)
        {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        relay.child.kill().unwrap();
        relay.child.wait().unwrap();
        for task in tasks {
            pairs.extend(task.await.unwrap());
        }
        relay = Running::start(dir.path());
    }
    let given = pairs.len();
    assert!(given >= KILLS, "hardly any pair was given: {given}");
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), given, "a pair was given twice");
}
