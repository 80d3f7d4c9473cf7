//! Files: sealing and opening beside the fastest ChaCha20-Poly1305 that is at hand, the whole way over
//! loopback beside a plain copy over TLS through the same two hops, and what a transfer costs the chat.
//!
//! `cargo bench -p chat-benches --bench files` measures; behind `--`, `--test` runs everything once, small.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a bench stops where it fails")]

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _};
use chat_client::{
    Client, ClientEvent, Command, Config, Events, FileToFetch, FileToSend, NoticeKind, Registration, Reply, UserName,
};
use chat_core::file::hazmat::ChunkCipher;
use chat_core::file::{FileKey, FileOpener, FileSealer, Layout};
use chat_fixtures::seeded::Seeded;
use chat_server::{EmbedConfig, embed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const CHUNK: usize = 1 << 20;

fn main() {
    let small = std::env::args().any(|argument| argument == "--test");
    ciphers(if small { 8 } else { 256 }, if small { 1 } else { 7 });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mib = if small { 8 } else { 512 };
    runtime.block_on(way(mib, if small { 1 } else { 3 }));
    runtime.block_on(talk(if small { 4 } else { 1_024 }, if small { 3 } else { 300 }));
}

/// MiB a second, the best of some rounds in which every way takes its turn.
fn best_of(rounds: u32, mib: u32, ways: &mut [(&str, &mut dyn FnMut())]) -> Vec<f64> {
    let mut best = vec![Duration::MAX; ways.len()];
    for _ in 0..rounds {
        for (best, (_, way)) in best.iter_mut().zip(ways.iter_mut()) {
            let begun = Instant::now();
            way();
            *best = begun.elapsed().min(*best);
        }
    }
    let rates: Vec<f64> = best.iter().map(|best| f64::from(mib) / best.as_secs_f64()).collect();
    for ((name, _), rate) in ways.iter().zip(&rates) {
        println!("{name:<44} {rate:>9.0} MiB/s");
    }
    rates
}

fn ciphers(mib: u32, rounds: u32) {
    let layout = Layout::of(u64::from(mib) << 20).unwrap();
    let key = FileKey::generate(&mut Seeded::new(1));
    let cipher = ChunkCipher::new(&key, &[7; 16], layout);
    let aws = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.expose()).unwrap());
    let rust = ChaCha20Poly1305::new(key.expose().into());
    let chunks = u64::from(mib);
    let nonce = |chunk: u64| -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&chunk.to_be_bytes());
        nonce
    };
    let mut text = vec![1; CHUNK];
    let mut other = text.clone();
    let mut ours = text.clone();
    let mut hashed = text.clone();
    let rates = best_of(
        rounds,
        mib,
        &mut [
            ("seal: aws-lc", &mut || {
                for chunk in 0..chunks {
                    let nonce = Nonce::assume_unique_for_key(nonce(chunk));
                    let _tag = aws.seal_in_place_separate_tag(nonce, Aad::empty(), &mut text).unwrap();
                }
            }),
            ("seal: chacha20poly1305", &mut || {
                for chunk in 0..chunks {
                    let text = InOutBuf::from(other.as_mut_slice());
                    rust.encrypt_inout_detached(&nonce(chunk).into(), b"", text).unwrap();
                }
            }),
            ("seal: chunks of a file", &mut || {
                for chunk in 0..chunks {
                    ours.truncate(CHUNK);
                    cipher.seal(chunk, &mut ours);
                }
            }),
            ("seal: a whole file, with its three hashes", &mut || {
                let mut sealer = FileSealer::new(&key, &[7; 16], layout);
                while let Some(span) = sealer.wants() {
                    hashed.truncate(span.bytes);
                    sealer.seal(&mut hashed, None).unwrap();
                }
            }),
        ],
    );
    println!("sealing beside the fastest: {:.2}", rates[2] / rates[0].max(rates[1]));
    opening(&key, layout, (mib, rounds), &aws);
}

fn opening(key: &FileKey, layout: Layout, (mib, rounds): (u32, u32), aws: &LessSafeKey) {
    let mut sealer = FileSealer::new(key, &[7; 16], layout);
    let header = *sealer.header();
    let mut sealed = Vec::new();
    while let Some(span) = sealer.wants() {
        let mut chunk = vec![1; span.bytes];
        sealer.seal(&mut chunk, None).unwrap();
        sealed.push(chunk);
    }
    let cipher = ChunkCipher::new(key, &[7; 16], layout);
    let nonce = || Nonce::assume_unique_for_key([3; 12]);
    let mut foreign = vec![1; CHUNK];
    let tag = aws.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut foreign).unwrap();
    let (mut plain, mut ours, mut whole) = (vec![0; CHUNK], Vec::new(), Vec::new());
    let rates = best_of(
        rounds,
        mib,
        &mut [
            ("open: aws-lc", &mut || {
                for _ in 0..mib {
                    aws.open_separate_gather(nonce(), Aad::empty(), &foreign, tag.as_ref(), &mut plain).unwrap();
                }
            }),
            ("open: chunks of a file", &mut || {
                for (chunk, sealed) in (0_u64..).zip(&sealed) {
                    cipher.open(chunk, sealed, &mut ours).unwrap();
                }
            }),
            ("open: a whole file, with its hash", &mut || {
                let mut opener = FileOpener::new(key, layout, &header).unwrap();
                for sealed in &sealed {
                    opener.open(sealed, &mut whole).unwrap();
                }
            }),
        ],
    );
    println!("opening beside the fastest: {:.2}", rates[1] / rates[0]);
}

fn write_file(path: &Path, mib: u64) {
    let mut file = File::create(path).unwrap();
    let mut piece: Vec<u8> = (0..CHUNK).map(|at| (at.wrapping_mul(2_654_435_761) >> 9).to_le_bytes()[0]).collect();
    for number in 0..mib {
        piece[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&piece).unwrap();
    }
    file.sync_all().unwrap();
}

/// A profile that has just registered.
async fn person(relay: &str, dir: &Path, name: &str) -> (Client, Events) {
    let config = Config { relay: Some(relay.parse().unwrap()), ..Config::new(dir.join(name)) };
    let (client, events) = Client::open(config).await.unwrap();
    let registration = Registration {
        username: name.to_owned(),
        password: "Vy3-quarzlampe-tundra".to_owned().into(),
        display_name: None,
        device_name: None,
        invite: None,
    };
    client.register(registration).await.unwrap();
    (client, events)
}

/// Seal, upload, durable, download, open, verify, durable; beside a file that is only copied.
async fn way(mib: u64, rounds: u32) {
    let dir = tempfile::tempdir().unwrap();
    let relay = embed(EmbedConfig { data_dir: Some(dir.path().join("relay")), ..EmbedConfig::default() }).unwrap();
    let (alice, _events) = person(&relay.addr.to_string(), dir.path(), "alice").await;
    let path = dir.path().join("file");
    write_file(&path, mib);
    let copier = Copier::new();
    let (mut best_ours, mut best_plain) = (Duration::MAX, Duration::MAX);
    for round in 0..rounds {
        let begun = Instant::now();
        let file = FileToSend { to: "alice".into(), path: path.clone(), caption: None, idempotency_key: None };
        let sent = alice.send_file(file).await.unwrap();
        let up = begun.elapsed();
        let to = dir.path().join(format!("got-{round}"));
        alice.download(FileToFetch { id: sent.id, path: Some(to.clone()) }).await.unwrap();
        let ours = begun.elapsed();
        std::fs::remove_file(to).unwrap();
        let (copier, from, dir) = (copier.clone(), path.clone(), dir.path().to_path_buf());
        let plain = tokio::task::spawn_blocking(move || copier.twice(&from, &dir)).await.unwrap();
        println!("{mib} MiB: up {up:.2?}, up and down {ours:.2?}, plain copy through two hops {plain:.2?}");
        (best_ours, best_plain) = (best_ours.min(ours), best_plain.min(plain));
    }
    println!("the whole way beside a plain copy: {:.2}", best_plain.as_secs_f64() / best_ours.as_secs_f64());
    alice.close().await;
    relay.shutdown().await;
}

/// Copies files over TLS.
#[derive(Clone)]
struct Copier {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Copier {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { server: Arc::new(server), client: Arc::new(client) }
    }

    /// To a file, and from there to another one, each durable before the next step.
    fn twice(&self, from: &Path, dir: &Path) -> Duration {
        let (relay, to) = (dir.join("copy-at-relay"), dir.join("copy"));
        let begun = Instant::now();
        self.once(from, &relay);
        self.once(&relay, &to);
        let took = begun.elapsed();
        std::fs::remove_file(relay).unwrap();
        std::fs::remove_file(to).unwrap();
        took
    }

    fn once(&self, from: &Path, to: &Path) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (server, to) = (Arc::clone(&self.server), to.to_path_buf());
        let taking = thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let mut tls = StreamOwned::new(ServerConnection::new(server).unwrap(), socket);
            let mut file = File::create(to).unwrap();
            copy(&mut tls, &mut file);
            file.sync_all().unwrap();
        });
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let mut tls = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        copy(&mut File::open(from).unwrap(), &mut tls);
        tls.conn.send_close_notify();
        tls.flush().unwrap();
        taking.join().unwrap();
    }
}

fn copy(from: &mut impl io::Read, to: &mut impl io::Write) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).unwrap();
        if read == 0 {
            return;
        }
        to.write_all(&buffer[..read]).unwrap();
    }
}

/// How long a text takes from one person to the other, idle and beside a transfer.
async fn talk(mib: u64, times: u32) {
    let dir = tempfile::tempdir().unwrap();
    let relay = embed(EmbedConfig { data_dir: Some(dir.path().join("relay")), ..EmbedConfig::default() }).unwrap();
    let address = relay.addr.to_string();
    let (alice, mut alice_hears) = person(&address, dir.path(), "alice").await;
    let (bob, mut bob_hears) = person(&address, dir.path(), "bob").await;
    say(&alice, "bob", "hello").await;
    while !matches!(bob_hears.next().await, Some(ClientEvent::Notice(n)) if matches!(n.kind, NoticeKind::Request(_))) {}
    bob.run(Command::AcceptRequest(UserName::parse("alice").unwrap())).await.unwrap();
    hears(&mut bob_hears, "hello").await;
    let path = dir.path().join("file");
    write_file(&path, mib);
    let mut there_and_back = async |until: &dyn Fn() -> bool, times: u32| {
        let mut took = Vec::new();
        for number in 0..times {
            if until() {
                break;
            }
            let begun = Instant::now();
            let text = number.to_string();
            say(&alice, "bob", &text).await;
            hears(&mut bob_hears, &text).await;
            say(&bob, "alice", &text).await;
            hears(&mut alice_hears, &text).await;
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        (took[took.len() / 2], took.len())
    };
    let (idle, _) = there_and_back(&|| false, times).await;
    let file = FileToSend { to: "alice".into(), path, caption: None, idempotency_key: None };
    let sending = tokio::spawn(alice.send_file(file));
    let (up, counted_up) = there_and_back(&|| sending.is_finished(), u32::MAX).await;
    let sent = sending.await.unwrap().unwrap();
    let fetching = tokio::spawn(alice.download(FileToFetch { id: sent.id, path: Some(dir.path().join("got")) }));
    let (down, counted_down) = there_and_back(&|| fetching.is_finished(), u32::MAX).await;
    fetching.await.unwrap().unwrap();
    println!("a text there and back, idle: {idle:.2?}");
    println!("beside an upload ({counted_up}): {up:.2?}, × {:.2}", up.as_secs_f64() / idle.as_secs_f64());
    println!("beside a download ({counted_down}): {down:.2?}, × {:.2}", down.as_secs_f64() / idle.as_secs_f64());
    alice.close().await;
    bob.close().await;
    relay.shutdown().await;
}

async fn say(client: &Client, to: &str, text: &str) {
    let send =
        Command::Send { to: to.into(), text: text.into(), reply_to: None, idempotency_key: None, expires_in_ms: None };
    assert!(matches!(client.run(send).await, Ok(Reply::Queued { .. })));
}

async fn hears(events: &mut Events, text: &str) {
    loop {
        if let Some(ClientEvent::Notice(notice)) = events.next().await
            && let NoticeKind::Message(message) = notice.kind
            && message.text.as_deref() == Some(text)
        {
            return;
        }
    }
}
