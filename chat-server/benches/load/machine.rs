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
    println!("TLS 1.3 record of 512 B, both sides: {:.2} µs", record().as_secs_f64() * 1e6);
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

fn record() -> Duration {
    const RECORDS: u32 = 20_000;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let pin = {
        use sha2::Digest as _;
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        sha2::Sha256::digest(parsed.public_key().raw).into()
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let client = crate::client::tls_config(pin, &[&rustls::version::TLS13]);
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        client.write_tls(&mut wire).unwrap();
        feed(&mut wire, |bytes| server.read_tls(bytes));
        server.process_new_packets().unwrap();
        server.write_tls(&mut wire).unwrap();
        feed(&mut wire, |bytes| client.read_tls(bytes));
        client.process_new_packets().unwrap();
    }
    let (since, mut text) = (Instant::now(), [9; 512]);
    for _ in 0..RECORDS {
        client.writer().write_all(&text).unwrap();
        client.write_tls(&mut wire).unwrap();
        feed(&mut wire, |bytes| server.read_tls(bytes));
        server.process_new_packets().unwrap();
        server.reader().read_exact(&mut text).unwrap();
    }
    since.elapsed() / RECORDS
}

fn feed(wire: &mut Vec<u8>, mut read: impl FnMut(&mut &[u8]) -> std::io::Result<usize>) {
    let mut bytes = &wire[..];
    while !bytes.is_empty() {
        read(&mut bytes).unwrap();
    }
    wire.clear();
}
