//! The jobs, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat_wire::message::{ClientMessage, ServerMessage};
use serde_bytes::ByteBuf;
use tokio::task::JoinSet;

use crate::client::Place;
use crate::kit::Person;
use crate::server::{Kind, Server};
use crate::user::{Heard, Name, User};

/// How much of each.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pairs: u32,
    /// Messages of each user of a pair.
    online: u64,
    stored: u64,
    recipients: u32,
    idle: u32,
    logins: u32,
}

impl Size {
    pub const FULL: Self =
        Self { pairs: 100, online: 1_000, stored: 20_000, recipients: 100, idle: 5_000, logins: 300 };
    pub const SMOKE: Self = Self { pairs: 4, online: 40, stored: 200, recipients: 10, idle: 30, logins: 5 };
}

/// Messages under way from one user, online and stored.
const WINDOW: u64 = 16;
const WINDOW_STORED: u64 = 100;
const SENDERS: u32 = 10;

struct Row<'a> {
    job: &'a str,
    server: &'a Server,
    count: u64,
}

impl Row<'_> {
    fn print(&self, cpu: Duration, took: Duration, latencies: Option<Vec<u64>>) {
        let micros = cpu.as_secs_f64() * 1e6 / self.count as f64;
        let rate = self.count as f64 / took.as_secs_f64();
        let (p50, p99) = match latencies {
            Some(mut all) if !all.is_empty() => {
                all.sort_unstable();
                let at = |percent: usize| format!("{:.2}", all[(all.len() - 1) * percent / 100] as f64 / 1e6);
                (at(50), at(99))
            }
            _ => (String::new(), String::new()),
        };
        println!("{:<34}{:>12}{micros:>12.2}{rate:>14.0}{p50:>12}{p99:>12}", self.job, self.server.kind.name());
    }
}

/// People of a server, registered where that means something.
async fn people(server: &Server, count: u32) -> Vec<Name> {
    if server.kind == Kind::Control {
        return (1..=count).map(Name::Number).collect();
    }
    let (mut user, _) = User::connect(server.kind, server.place).await;
    let ServerMessage::Ready { relay_key, .. } = user.hello().await else { panic!("no greeting") };
    let hash = chat_wire::domain::labelled_hash(chat_wire::domain::RELAY_ID, &[&relay_key.0]);
    let relay = chat_wire::ids::RelayId(hash);
    let mut people = Vec::new();
    for number in 0..count {
        let person = Arc::new(Person::new(&format!("person{number}"), relay));
        User::register(server.kind, server.place, &person).await;
        people.push(Name::Person(person));
    }
    people
}

/// Sends `count` and hears as many, with a window; returns how long each message took to come.
async fn talk(mut user: User, to: Name, count: u64, start: Instant) -> Vec<u64> {
    let (mut sent, mut accepted, mut latencies, mut heard) = (0, 0, Vec::new(), Vec::new());
    while accepted < count || (latencies.len() as u64) < count {
        while sent < count && sent < accepted + WINDOW {
            user.send(&to, start);
            sent += 1;
        }
        user.flush().await;
        user.hear(&mut heard).await;
        for one in heard.drain(..) {
            match one {
                Heard::Accepted => accepted += 1,
                Heard::Delivered(at) => latencies.push(start.elapsed().as_nanos() as u64 - at),
                _ => {}
            }
        }
    }
    user.flush().await;
    latencies
}

/// One to one, everybody online, acknowledged by relay and recipient.
pub async fn online(server: &Server, size: Size) {
    let people = people(server, 2 * size.pairs).await;
    let mut users = Vec::new();
    for name in &people {
        users.push(User::login(server.kind, server.place, name, 1).await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (cpu, start) = (server.time(), Instant::now());
    let mut tasks = JoinSet::new();
    for (at, user) in users.into_iter().enumerate() {
        tasks.spawn(talk(user, people[at ^ 1].clone(), size.online, start));
    }
    let latencies: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    let (took, count) = (start.elapsed(), latencies.len() as u64);
    Row { job: "1:1 online, both acknowledged", server, count }.print(server.time() - cpu, took, Some(latencies));
}

/// Sends to people who are away; returns how long each answer took.
async fn fill(mut user: User, to: Vec<Name>, count: u64) -> Vec<u64> {
    let start = Instant::now();
    let (mut sent, mut due, mut latencies, mut heard) =
        (0_u64, std::collections::VecDeque::new(), Vec::new(), Vec::new());
    while (latencies.len() as u64) < count {
        while sent < count && sent < latencies.len() as u64 + WINDOW_STORED {
            user.send(&to[sent as usize % to.len()], start);
            due.push_back(Instant::now());
            sent += 1;
        }
        user.flush().await;
        user.hear(&mut heard).await;
        for _ in heard.drain(..).filter(|h| *h == Heard::Accepted) {
            latencies.push(due.pop_front().unwrap().elapsed().as_nanos() as u64);
        }
    }
    latencies
}

async fn drain(mut user: User) -> u64 {
    let (mut count, mut heard) = (0, Vec::new());
    loop {
        user.hear(&mut heard).await;
        for one in heard.drain(..) {
            match one {
                Heard::Delivered(_) => count += 1,
                Heard::Drained => {
                    user.flush().await;
                    return count;
                }
                _ => {}
            }
        }
        user.flush().await;
    }
}

/// Store and forward: accepted durably for people who are away, then drained.
pub async fn store(server: &Server, size: Size) {
    let people = people(server, SENDERS + size.recipients).await;
    let (senders, recipients) = people.split_at(SENDERS as usize);
    let (cpu, start) = (server.time(), Instant::now());
    let mut tasks = JoinSet::new();
    for (at, name) in senders.iter().enumerate() {
        let user = User::login(server.kind, server.place, name, 1).await;
        let own = recipients.iter().skip(at).step_by(SENDERS as usize).cloned().collect();
        tasks.spawn(fill(user, own, size.stored / u64::from(SENDERS)));
    }
    let latencies: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    let (took, count) = (start.elapsed(), latencies.len() as u64);
    Row { job: "durable accept, ten senders", server, count }.print(server.time() - cpu, took, Some(latencies));

    let mut users = Vec::new();
    let (cpu, start) = (server.time(), Instant::now());
    for name in recipients {
        users.push(User::login(server.kind, server.place, name, 1).await);
    }
    let tasks: JoinSet<u64> = users.into_iter().map(drain).collect();
    let drained: u64 = tasks.join_all().await.into_iter().sum();
    assert_eq!(drained, count, "everything that was accepted came");
    Row { job: "drain, logins included", server, count }.print(server.time() - cpu, start.elapsed(), None);
}

/// What a message costs with few and with many waiting for the same device.
pub async fn backlog(server: &Server, size: Size) {
    let people = people(server, 3).await;
    for (job, count, to) in [("drain of 200 waiting", 200, 1), ("drain of 20,000 waiting", size.stored, 2)] {
        let repeats = if count == 200 { (size.stored / 200).max(1) } else { 1 };
        let (mut cpu, mut took, mut first) = (Duration::ZERO, Duration::ZERO, 1_u64 << (20 + to));
        for _ in 0..repeats {
            let user = User::login(server.kind, server.place, &people[0], first).await;
            fill(user, vec![people[to].clone()], count).await;
            first += count;
            let (before, start) = (server.time(), Instant::now());
            let user = User::login(server.kind, server.place, &people[to], 1).await;
            assert_eq!(drain(user).await, count);
            cpu += server.time() - before;
            took += start.elapsed();
        }
        Row { job, server, count: count * repeats }.print(cpu, took, None);
    }
}

/// Connections that say nothing: memory, and how often the server wakes.
pub async fn idle(server: &Server, size: Size) {
    let before = server.memory();
    let (cpu, start) = (server.time(), Instant::now());
    let mut users = Vec::new();
    for _ in 0..size.idle / 100 + 1 {
        let mut tasks = JoinSet::new();
        for _ in 0..size.idle.min(100) {
            let (kind, place) = (server.kind, server.place);
            tasks.spawn(async move {
                let (mut user, _) = User::connect(kind, place).await;
                if kind != Kind::Control {
                    user.hello().await;
                }
                user
            });
        }
        users.extend(tasks.join_all().await);
    }
    let count = users.len() as u64;
    Row { job: "connect, greet", server, count }.print(server.time() - cpu, start.elapsed(), None);
    let (each, switches) = ((server.memory().saturating_sub(before)) as f64 / count as f64, server.switches());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let woken = (server.switches() - switches) as f64 / 3.0;
    println!(
        "{:<34}{:>12}{each:>8.1} KiB each, {count} of them, {woken:.1} wake-ups a second",
        "idle connections",
        server.kind.name()
    );
}

/// Logins: a device that comes back, and one by password (all of OPAQUE but the last check of a tag); then a
/// crowd that comes back at once.
pub async fn login(server: &Server, size: Size) {
    let people = people(server, 20).await;
    let names: Vec<&Name> = people.iter().cycle().take(size.logins as usize).collect();
    let (cpu, start) = (server.time(), Instant::now());
    for name in &names {
        drop(User::login(server.kind, server.place, name, 1).await);
    }
    let count = names.len() as u64;
    Row { job: "reconnect of a device", server, count }.print(server.time() - cpu, start.elapsed(), None);

    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    let (cpu, start) = (server.time(), Instant::now());
    for name in &names {
        let Name::Person(person) = name else { continue };
        let (mut user, exporter) = User::connect(server.kind, server.place).await;
        let ready = user.hello().await;
        let (_, ke1) = chat_login::client::LoginStart::new(crate::kit::PASSWORD, &mut rng).unwrap();
        let answer = user.ask(ClientMessage::Ke1 { name: person.name.clone(), ke1: ByteBuf::from(ke1.to_vec()) }).await;
        assert!(matches!(answer, ServerMessage::Ke2 { .. } | ServerMessage::Refused(_)), "{answer:?}");
        user.ask(person.proof(1, &crate::kit::binding(&ready, exporter))).await;
    }
    Row { job: "full login", server, count }.print(server.time() - cpu, start.elapsed(), None);

    let back = Arc::new(AtomicU64::new(0));
    let (cpu, start) = (server.time(), Instant::now());
    let mut tasks = JoinSet::new();
    for _ in 0..size.idle {
        let (kind, place, back) = (server.kind, server.place, Arc::clone(&back));
        tasks.spawn(async move {
            let (mut user, _) = User::connect(kind, place).await;
            user.hello().await;
            back.fetch_add(1, Ordering::Relaxed);
            user
        });
    }
    let users = tasks.join_all().await;
    assert_eq!(back.load(Ordering::Relaxed), users.len() as u64, "all are back, none was refused");
    Row { job: "a crowd at once", server, count: users.len() as u64 }.print(server.time() - cpu, start.elapsed(), None);
}
