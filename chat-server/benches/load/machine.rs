//! What the machine itself allows: to be read beside the table.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, ServerConnection};

/// Raises the limit on descriptors as far as it goes, for this process and the servers that it starts; what it
/// is then.
pub fn descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

pub fn print() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    println!("{cores} cores, load {}", load.split_whitespace().next().unwrap());
    println!("fdatasync of 4 KiB appended: {:.0} a second", fsyncs());
    println!("loopback round trip of 512 B: {:.1} µs", round_trip().as_secs_f64() * 1e6);
    let tls = Tls::new();
    println!("TLS 1.3 record of 512 B, both sides: {:.2} µs", tls.record().as_secs_f64() * 1e6);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let (shake, sign, verify, opaque) = (micros(tls.handshake()), micros(sign()), micros(verify()), micros(opaque()));
    let back = shake + sign + verify;
    println!(
        "primitives of a reconnect: handshake {shake:.0} + signature {sign:.0} + check {verify:.0} = {back:.0} µs; \
         of a login: + OPAQUE {opaque:.0} = {:.0} µs",
        back + opaque
    );
}

/// Times that a primitive is done.
const TIMES: u32 = 100;

/// Processor time of this thread: others may want the machine as well.
fn spent() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn timed(mut what: impl FnMut()) -> Duration {
    let before = spent();
    (0..TIMES).for_each(|_| what());
    (spent() - before) / TIMES
}

fn sign() -> Duration {
    use ed25519_dalek::Signer as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    timed(|| {
        std::hint::black_box(key.sign(&[3; 120]));
    })
}

fn verify() -> Duration {
    use ed25519_dalek::Signer as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let (text, signature) = ([3; 120], key.sign(&[3; 120]));
    let public = key.verifying_key().to_bytes();
    timed(|| {
        let public = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
        public.verify_strict(&text, &signature).unwrap();
    })
}

/// The relay's share of a login by password: KE1 in, KE2 out.
fn opaque() -> Duration {
    use chat_login::server::{ServerSecrets, login_start};
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    let secrets = ServerSecrets::generate(&mut rng);
    let (_, ke1) = chat_login::client::LoginStart::new(crate::kit::PASSWORD, &mut rng).unwrap();
    let identities = chat_login::Identities { name: "person", relay_id: &[1; 32] };
    let terms = chat_login::Terms { identities, protocol: 1, exporter: &[2; 32], kp: 1 };
    timed(|| drop(login_start(&secrets, None, &ke1, &terms, &mut rng).unwrap()))
}

fn fsyncs() -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(dir.path().join("log")).unwrap();
    let since = Instant::now();
    for _ in 0..200 {
        file.write_all(&[7; 4_096]).unwrap();
        file.sync_data().unwrap();
    }
    200.0 / since.elapsed().as_secs_f64()
}

fn round_trip() -> Duration {
    const TRIPS: u32 = 2_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let mut buffer = [0; 512];
        for _ in 0..TRIPS {
            socket.read_exact(&mut buffer).unwrap();
            socket.write_all(&buffer).unwrap();
        }
    });
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    let (since, mut buffer) = (Instant::now(), [1; 512]);
    for _ in 0..TRIPS {
        socket.write_all(&buffer).unwrap();
        socket.read_exact(&mut buffer).unwrap();
    }
    let took = since.elapsed();
    echo.join().unwrap();
    took / TRIPS
}

/// Two ends of TLS without a network.
struct Tls {
    client: Arc<rustls::ClientConfig>,
    server: Arc<rustls::ServerConfig>,
}

impl Tls {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let pin = {
            use sha2::Digest as _;
            let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
            sha2::Sha256::digest(parsed.public_key().raw).into()
        };
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // As the relay has it.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
        let provider = Arc::new(provider);
        let private = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        server.ignore_client_order = true;
        server.send_tls13_tickets = 0;
        let client = Arc::new(crate::client::tls_config(pin, &[&rustls::version::TLS13]));
        Self { client, server: Arc::new(server) }
    }

    /// Both ends after a handshake, and the time that it took the server.
    fn shake(&self) -> (ClientConnection, ServerConnection, Duration) {
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let (mut wire, mut took) = (Vec::new(), Duration::ZERO);
        let before = spent();
        let mut server = ServerConnection::new(Arc::clone(&self.server)).unwrap();
        took += spent() - before;
        while client.is_handshaking() || server.is_handshaking() {
            client.write_tls(&mut wire).unwrap();
            let before = spent();
            feed(&mut wire, |bytes| server.read_tls(bytes));
            server.process_new_packets().unwrap();
            server.write_tls(&mut wire).unwrap();
            took += spent() - before;
            feed(&mut wire, |bytes| client.read_tls(bytes));
            client.process_new_packets().unwrap();
        }
        (client, server, took)
    }

    fn handshake(&self) -> Duration {
        (0..TIMES).map(|_| self.shake().2).sum::<Duration>() / TIMES
    }

    fn record(&self) -> Duration {
        const RECORDS: u32 = 20_000;
        let (mut client, mut server, _) = self.shake();
        let mut wire = Vec::new();
        let (before, mut text) = (spent(), [9; 512]);
        for _ in 0..RECORDS {
            client.writer().write_all(&text).unwrap();
            client.write_tls(&mut wire).unwrap();
            feed(&mut wire, |bytes| server.read_tls(bytes));
            server.process_new_packets().unwrap();
            server.reader().read_exact(&mut text).unwrap();
        }
        (spent() - before) / RECORDS
    }
}

fn feed(wire: &mut Vec<u8>, mut read: impl FnMut(&mut &[u8]) -> std::io::Result<usize>) {
    let mut bytes = &wire[..];
    while !bytes.is_empty() {
        read(&mut bytes).unwrap();
    }
    wire.clear();
}
