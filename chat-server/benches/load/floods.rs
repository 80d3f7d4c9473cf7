//! Floods beside an honest pair: its messages stay quick, the relay's memory comes back to where it was. Who floods
//! does so from a process of its own that stands back behind everything else, as if it were another machine.

use std::io::Read as _;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat_wire::ids::{AccountId, RelayId};
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

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

impl Flood {
    const ALL: [Self; 5] = [Self::Nothing, Self::Noise, Self::Connects, Self::Logins, Self::Questions];
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

/// How far who floods stands back (as `nice` counts).
const FLOOD_NICENESS: &str = "19";

/// A process that floods until its input ends, then says how often it did.
pub async fn flood_until_told(arguments: &[String]) {
    let [flood, place, pin, relay] = arguments else { panic!("{arguments:?}") };
    let flood = *Flood::ALL.iter().find(|known| format!("{known:?}") == *flood).unwrap();
    let hex = |text: &String| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap();
    let (place, relay) = (Place { addr: place.parse().unwrap(), pin: hex(pin) }, RelayId(hex(relay)));
    let did = Arc::new(AtomicU64::new(0));
    for number in 0..FLOODERS {
        let person = Arc::new(Person::new(&format!("person{}", number + 2), relay));
        tokio::spawn(repeat(flood, place, person, Arc::clone(&did)));
    }
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = told.await;
    println!("{}", did.load(Ordering::Relaxed));
    std::process::exit(0);
}

/// Starts one.
fn start(flood: Flood, server: &Server, relay: RelayId) -> Child {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let place = server.place;
    let mut command = Command::new("nice");
    command
        .args(["-n", FLOOD_NICENESS])
        .arg(std::env::current_exe().unwrap())
        .arg("flood")
        .arg(format!("{flood:?}"))
        .arg(place.addr.to_string())
        .args([hex(&place.pin), hex(&relay.0)]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Ends one: how often it did what it does.
fn end(mut child: Child) -> u64 {
    drop(child.stdin.take());
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    said.trim().parse().unwrap()
}

async fn repeat(flood: Flood, place: Place, person: Arc<Person>, did: Arc<AtomicU64>) {
    let kind = Kind::Guarded;
    let mut device = None;
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    loop {
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
                if user.exchange(ClientMessage::Hello { versions: vec![1], features: vec![] }).await.is_err() {
                    continue;
                }
                for _ in 0..TRIES {
                    let (_, ke1) = chat_login::client::LoginStart::new(crate::kit::PASSWORD, &mut rng).unwrap();
                    let ke1 = ByteBuf::from(ke1.to_vec());
                    let tried = user.exchange(ClientMessage::Ke1 { name: person.name.clone(), ke1 }).await;
                    if tried.is_err() {
                        break;
                    }
                    did.fetch_add(1, Ordering::Relaxed);
                }
            }
            Flood::Questions => {
                if device.is_none() {
                    device = User::come_back(kind, place, &person).await.ok();
                }
                let Some(user) = &mut device else { continue };
                let stranger = AccountId([9; 32]);
                let questions = [
                    ClientMessage::Find { query: "person".to_owned(), limit: 20 },
                    ClientMessage::Claim { account: Some(stranger), name: None, devices: vec![] },
                    ClientMessage::FetchLists { account: stranger, after_seq: 0 },
                ];
                for question in questions {
                    if user.exchange(question).await.is_err() {
                        device = None;
                        break;
                    }
                }
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
    let Name::Person(anybody) = &people[0] else { panic!("people of a relay are persons") };
    let relay = anybody.relay;
    let (mut first, mut usual) = (1 << 20, 0.0);
    // Each once to fill caches and what the allocator keeps: from then on nothing may grow.
    for kind in Flood::ALL {
        let flooding = start(kind, server, relay);
        let few = size.honest / 4;
        talk(server, &people, few, first).await;
        first += few;
        end(flooding);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = server.memory();
    for kind in Flood::ALL {
        let flooding = start(kind, server, relay);
        // From when it floods.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let worst = p99(talk(server, &people, size.honest, first).await);
        first += size.honest;
        let did = end(flooding);
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
            did,
        );
    }
}
