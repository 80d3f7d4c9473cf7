//! The jobs, one after the other.

use std::sync::Arc;
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
    pub idle: u32,
    logins: u32,
    pub readers: u32,
    pub posts: u64,
    pub crowd: u32,
    /// Messages of an honest pair beside a flood; with those before, fewer than the limit on sends lets through.
    pub honest: u64,
    /// Heartbeats of each device.
    beats: u32,
}

impl Size {
    pub const FULL: Self = Self {
        pairs: 100,
        online: 1_000,
        stored: 20_000,
        recipients: 100,
        idle: 10_000,
        logins: 1_600,
        readers: 500,
        posts: 400,
        crowd: 10_000,
        honest: 700,
        beats: 100,
    };
    pub const SMOKE: Self = Self {
        pairs: 4,
        online: 40,
        stored: 200,
        recipients: 10,
        idle: 30,
        logins: 64,
        readers: 8,
        posts: 24,
        crowd: 30,
        honest: 40,
        beats: 5,
    };
}

/// Descriptors that a process needs beside those of its connections.
const DESCRIPTORS_APART: u64 = 500;

impl Size {
    /// As many clients as a process may have descriptors for: the generator and the server have one each.
    pub fn within(self, descriptors: u64) -> Self {
        let most = u32::try_from(descriptors.saturating_sub(DESCRIPTORS_APART)).unwrap_or(u32::MAX);
        Self { idle: self.idle.min(most), crowd: self.crowd.min(most), ..self }
    }
}

/// Messages under way from one user, online and stored.
const WINDOW: u64 = 16;
const WINDOW_STORED: u64 = 100;
const SENDERS: u32 = 10;

/// Logins that show what one costs with nothing waiting.
const EMPTY_LOGINS: u32 = 200;

/// Messages drained for each figure.
const BACKLOG: u64 = 40_000;

/// Logins at once.
const LOGINS_AT_ONCE: u32 = 32;

/// Registrations at once.
const AT_ONCE: usize = 64;

pub struct Row<'a> {
    pub job: &'a str,
    pub server: &'a Server,
    pub count: u64,
}

impl Row<'_> {
    pub fn print(&self, cpu: Duration, took: Duration, latencies: Option<Vec<u64>>) {
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
pub async fn people(server: &Server, count: u32) -> Vec<Name> {
    if server.kind == Kind::Control {
        return (1..=count).map(Name::Number).collect();
    }
    let (mut user, _) = User::connect(server.kind, server.place).await;
    let ServerMessage::Ready { relay_key, .. } = user.hello().await else { panic!("no greeting") };
    let hash = chat_wire::domain::labelled_hash(chat_wire::domain::RELAY_ID, &[&relay_key.0]);
    let relay = chat_wire::ids::RelayId(hash);
    let mut people = Vec::new();
    let numbers: Vec<u32> = (0..count).collect();
    for some in numbers.chunks(AT_ONCE) {
        let mut tasks = JoinSet::new();
        for number in some {
            let (kind, place, number) = (server.kind, server.place, *number);
            tasks.spawn(async move {
                let person = Arc::new(Person::new(&format!("person{number}"), relay));
                User::register(kind, place, &person).await;
                (number, person)
            });
        }
        // Each in its place: who floods takes some of them by their numbers.
        let mut registered = tasks.join_all().await;
        registered.sort_unstable_by_key(|(number, _)| *number);
        people.extend(registered.into_iter().map(|(_, person)| Name::Person(person)));
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

/// What a message costs with few and with many waiting for the same device, logins taken off.
pub async fn backlog(server: &Server, size: Size) {
    let people = people(server, 3).await;
    let (mut costs, mut first) = (Vec::new(), 1_u64 << 20);
    let before = server.time();
    for _ in 0..EMPTY_LOGINS {
        drain(User::login(server.kind, server.place, &people[1], 1).await).await;
    }
    let empty = (server.time() - before) / EMPTY_LOGINS;
    for (job, count, to) in [("drain of 200 waiting", 200, 1), ("drain of 20,000 waiting", size.stored, 2)] {
        let repeats = (BACKLOG / count).max(1);
        let (mut cpu, mut took) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..repeats {
            let user = User::login(server.kind, server.place, &people[0], first).await;
            fill(user, vec![people[to].clone()], count).await;
            first += count;
            let (before, start) = (server.time(), Instant::now());
            let user = User::login(server.kind, server.place, &people[to], 1).await;
            assert_eq!(drain(user).await, count);
            took += start.elapsed();
            // The next login writes what was acknowledged.
            drain(User::login(server.kind, server.place, &people[to], 1).await).await;
            cpu += server.time() - before;
        }
        let logins = 2 * u32::try_from(repeats).unwrap();
        let cpu = cpu.saturating_sub(logins * empty);
        Row { job, server, count: count * repeats }.print(cpu, took, None);
        costs.push(cpu.as_secs_f64() / (count * repeats) as f64);
    }
    println!(
        "{:<34}{:>12}{:>12.2} times the cost",
        "20,000 waiting beside 200",
        server.kind.name(),
        costs[1] / costs[0]
    );
}

/// What an idle client costs: a beat of each device at a time, as they come by themselves, none together.
pub async fn heartbeats(server: &Server, size: Size) {
    let people = people(server, size.pairs).await;
    let mut users = Vec::new();
    for name in &people {
        users.push(User::login(server.kind, server.place, name, 1).await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (cpu, start) = (server.time(), Instant::now());
    for _ in 0..size.beats {
        for user in &mut users {
            user.beat().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let count = u64::from(size.beats) * users.len() as u64;
    Row { job: "heartbeat", server, count }.print(server.time() - cpu, start.elapsed(), None);
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

/// Logins, 32 at once: a device that comes back, and one by password (all of OPAQUE but the last check of a tag).
pub async fn login(server: &Server, size: Size) {
    let people = people(server, LOGINS_AT_ONCE).await;
    for (job, password) in [("reconnect of a device", false), ("full login", true)] {
        let (cpu, start) = (server.time(), Instant::now());
        let mut tasks = JoinSet::new();
        let each = size.logins.div_ceil(LOGINS_AT_ONCE);
        for name in &people {
            let Name::Person(person) = name.clone() else { continue };
            let (kind, place) = (server.kind, server.place);
            tasks.spawn(async move {
                for _ in 0..each {
                    drop(enter(kind, place, &person, password).await);
                }
            });
        }
        tasks.join_all().await;
        let count = u64::from(each * LOGINS_AT_ONCE);
        Row { job, server, count }.print(server.time() - cpu, start.elapsed(), None);
    }
}

async fn enter(kind: Kind, place: Place, person: &Person, password: bool) -> User {
    let (mut user, exporter) = User::connect(kind, place).await;
    let ready = user.hello().await;
    if password {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (_, ke1) = chat_login::client::LoginStart::new(crate::kit::PASSWORD, &mut rng).unwrap();
        let answer = user.ask(ClientMessage::Ke1 { name: person.name.clone(), ke1: ByteBuf::from(ke1.to_vec()) }).await;
        assert!(matches!(answer, ServerMessage::Ke2 { .. }), "{answer:?}");
    }
    let answer = user.ask(person.proof(1, &crate::kit::binding(&ready, exporter))).await;
    assert!(matches!(answer, ServerMessage::LoggedIn { .. }), "{answer:?}");
    user
}
