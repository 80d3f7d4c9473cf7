//! Floods beside an honest pair: its messages stay quick, the relay's memory comes back to where it was.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat_wire::ids::AccountId;
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::client::Place;
use crate::kit::Person;
use crate::phases::{Size, people};
use crate::server::{Kind, Server};
use crate::user::{Heard, Name, User};

/// Between two messages of the honest pair: far below what the relay can do.
const PAUSE: Duration = Duration::from_millis(2);

/// Who floods at once.
const FLOODERS: usize = 16;

/// Where floods come from.
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Passwords tried on one connection.
const TRIES: usize = 8;

/// What somebody does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flood {
    Nothing,
    /// Noise instead of a handshake.
    Noise,
    /// Handshakes and nothing more.
    Connects,
    /// Logins by a wrong password.
    Logins,
    /// Look-ups, claims, and requests repeated, of a logged-in device.
    Questions,
}

/// The honest pair: how long each message took, from when it was sent to when it was read.
async fn talk(server: &Server, people: &[Name], count: u64, first: u64) -> Vec<u64> {
    let mut writer = User::login(server.kind, server.place, &people[0], first).await;
    let mut reader = User::login(server.kind, server.place, &people[1], 1).await;
    let start = Instant::now();
    let to = people[1].clone();
    let writing = tokio::spawn(async move {
        let (mut accepted, mut heard) = (0, Vec::new());
        for _ in 0..count {
            tokio::time::sleep(PAUSE).await;
            writer.send(&to, start);
            writer.flush().await;
        }
        while accepted < count {
            writer.hear(&mut heard).await;
            accepted += heard.drain(..).filter(|h| *h == Heard::Accepted).count() as u64;
        }
    });
    let (mut latencies, mut heard) = (Vec::new(), Vec::new());
    while (latencies.len() as u64) < count {
        reader.hear(&mut heard).await;
        for one in heard.drain(..) {
            if let Heard::Delivered(at) = one {
                latencies.push(start.elapsed().as_nanos() as u64 - at);
            }
        }
        reader.flush().await;
    }
    writing.await.unwrap();
    latencies
}

async fn flood(
    flood: Flood,
    (kind, place): (Kind, Place),
    person: Arc<Person>,
    over: Arc<AtomicBool>,
    did: Arc<AtomicU64>,
) {
    let mut device = None;
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    while !over.load(Ordering::Relaxed) {
        match flood {
            Flood::Nothing => return,
            Flood::Noise => {
                let mut noise = [0; 600];
                getrandom::fill(&mut noise).unwrap();
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind((THERE, 0).into()).unwrap();
                let Ok(mut socket) = socket.connect(place.addr).await else { continue };
                let _ = socket.write_all(&noise).await;
            }
            Flood::Connects => drop(User::connect_from(THERE, kind, place).await),
            Flood::Logins => {
                let Ok((mut user, _)) = User::connect_from(THERE, kind, place).await else { continue };
                user.hello().await;
                for _ in 0..TRIES {
                    let (_, ke1) = chat_login::client::LoginStart::new(crate::kit::PASSWORD, &mut rng).unwrap();
                    let ke1 = ByteBuf::from(ke1.to_vec());
                    user.ask(ClientMessage::Ke1 { name: person.name.clone(), ke1 }).await;
                }
            }
            Flood::Questions => {
                if device.is_none() {
                    device = User::come_back(kind, place, &person).await.ok();
                }
                let Some(user) = &mut device else { continue };
                let stranger = AccountId([9; 32]);
                user.ask(ClientMessage::Find { query: "person".to_owned(), limit: 20 }).await;
                user.ask(ClientMessage::Claim { account: Some(stranger), name: None, devices: vec![] }).await;
                user.ask(ClientMessage::FetchLists { account: stranger, after_seq: 0 }).await;
            }
        }
        did.fetch_add(1, Ordering::Relaxed);
    }
}

fn p99(mut latencies: Vec<u64>) -> f64 {
    latencies.sort_unstable();
    latencies[(latencies.len() - 1) * 99 / 100] as f64 / 1e6
}

/// Each flood in turn.
pub async fn floods(server: &Server, size: Size) {
    let people = people(server, 2 + u32::try_from(FLOODERS).unwrap()).await;
    let (mut first, mut usual) = (1 << 20, 0.0);
    // Once to fill caches.
    talk(server, &people, size.honest, 1 << 19).await;
    let before = server.memory();
    for kind in [Flood::Nothing, Flood::Noise, Flood::Connects, Flood::Logins, Flood::Questions] {
        let (over, did) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for name in &people[2..] {
            let Name::Person(person) = name.clone() else { continue };
            let ends = (server.kind, server.place);
            tasks.spawn(flood(kind, ends, person, Arc::clone(&over), Arc::clone(&did)));
        }
        let worst = p99(talk(server, &people, size.honest, first).await);
        first += size.honest;
        over.store(true, Ordering::Relaxed);
        tasks.join_all().await;
        if kind == Flood::Nothing {
            usual = worst;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let grown = 100.0 * (server.memory() as f64 / before as f64 - 1.0);
        println!(
            "{:<34}{:>12}    an honest pair's p99 {worst:.2} ms, {:.2} times the usual; {} times; memory {grown:+.1} %",
            format!("{kind:?}"),
            server.kind.name(),
            worst / usual,
            did.load(Ordering::Relaxed),
        );
    }
}
