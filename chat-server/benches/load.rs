//! Figures of a relay as a program of its own: `cargo bench -p chat-server --bench load`. Not a gate: they
//! depend on the machine. `-- --test` only checks that it runs, with fewer messages.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a measurement, built on the helpers of the tests"
)]

#[path = "../tests/it/client.rs"]
mod client;
#[path = "../relay/tests/it/kit.rs"]
mod kit;
#[path = "../tests/it/program.rs"]
mod program;
#[path = "../tests/it/service.rs"]
mod service;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_wire::message::{ClientMessage, ServerMessage};

use client::{Client, Place};
use kit::Person;
use program::Running;

const SENDERS: u64 = 10;
const UNDER_WAY: u64 = 64;

/// Processor time of a process so far, and the memory that it holds.
fn cost(pid: u32) -> (Duration, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|f| f.parse().unwrap()).collect();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    let rss = rss.split_whitespace().nth(1).unwrap().parse().unwrap();
    // In ticks of 10 ms, as everywhere on Linux.
    (Duration::from_millis(10 * (fields[0] + fields[1])), rss)
}

async fn send_all(place: Place, sender: Arc<Person>, to: Arc<Person>, messages: u64) {
    let mut client = Client::login(place, &sender).await;
    let text = vec![7; 512];
    let (mut next, mut answered) = (1, 0);
    while answered < messages {
        while next <= messages && next <= answered + UNDER_WAY {
            let (message, body) = kit::send(next, vec![to.state()], &[to.address(1)], &text);
            client.write(u32::try_from(next).unwrap(), message, body).await.unwrap();
            next += 1;
        }
        let frame = client.read().await.unwrap().unwrap();
        match frame.message {
            ServerMessage::Accepted { .. } => answered += 1,
            ServerMessage::Drained {} => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::main]
async fn main() {
    let smoke = std::env::args().any(|arg| arg == "--test");
    let (messages, idle_count) = if smoke { (50, 20) } else { (2_000, 900) };
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path());
    let (place, pid) = (relay.place, relay.child.id());
    let id = Client::relay_id(place).await;
    println!("idle: {} KiB", cost(pid).1);
    let people: Vec<_> = (0..2 * SENDERS).map(|n| Arc::new(Person::new(&format!("person{n}"), id))).collect();
    for person in &people {
        drop(Client::register(place, person).await);
    }
    let (before, since) = (cost(pid), Instant::now());
    let pairs = people.chunks(2).map(|pair| (Arc::clone(&pair[0]), Arc::clone(&pair[1])));
    let tasks: Vec<_> = pairs.map(|(from, to)| tokio::spawn(send_all(place, from, to, messages))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (after, took) = (cost(pid), since.elapsed());
    let total = SENDERS * messages;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / total as f64;
    println!(
        "accepted: {:.0}/s, {:.1} µs of processor time each",
        total as f64 / took.as_secs_f64(),
        micros(after.0 - before.0)
    );

    let before = cost(pid);
    for pair in people.chunks(2) {
        assert_eq!(Client::login(place, &pair[1]).await.drain().await.len() as u64, messages);
    }
    println!("drained: {:.1} µs of processor time each", micros(cost(pid).0 - before.0));

    let before = cost(pid);
    let mut idle = Vec::new();
    for n in 0..idle_count {
        let mut client = Client::connect(place).await;
        client.hello().await;
        idle.push(client);
        if n % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let after = cost(pid);
    let each = after.1.saturating_sub(before.1) / idle.len() as u64;
    println!(
        "connection: {each} KiB, {:.0} µs of processor time to open",
        (after.0 - before.0).as_secs_f64() * 1e6 / idle.len() as f64
    );
    let (mut from, to) = (Client::login(place, &people[0]).await, Client::login(place, &people[1]).await);
    let mut to = to;
    to.drain().await;
    let mut trips: Vec<Duration> = Vec::new();
    for number in 10_000..10_500 {
        let since = Instant::now();
        from.send(number, &people[1], b"there").await.unwrap();
        let (seq, _) = to.delivery().await;
        trips.push(since.elapsed());
        to.write(0, ClientMessage::Ack { seq }, Bytes::new()).await.unwrap();
    }
    trips.sort_unstable();
    println!("send to delivery: p50 {:?}, p99 {:?}", trips[250], trips[495]);
}
