//! The relay as an operator has it: metrics and health, WebSockets, reload, log files, check and restore.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_wire::frame::{ClientFrame, Deframer, ServerFrame};
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::{ClientMessage, ServerMessage};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;

use crate::admin::admin;
use crate::client::{Client, is_well, tls_config};
use crate::kit::{self, Person};
use crate::program::{Running, program};
use crate::service::two;

/// A free port of the loopback interface.
fn free() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// A relay with a configuration of its own.
fn start(dir: &Path, config: &str) -> Running {
    let file = dir.join("relay.toml");
    std::fs::write(&file, config).unwrap();
    Running::start_with_options(&dir.join("data"), "127.0.0.1:0", &["--config", file.to_str().unwrap()])
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_off_unless_asked_for_and_then_tell_numbers_without_names() {
    let dir = tempfile::tempdir().unwrap();
    let address = free();
    let relay = start(dir.path(), &format!("metrics = \"{address}\"\n"));
    let ((_, mut a), (bob, mut b)) = two(relay.place).await;
    a.send(1, &bob, b"hello").await.unwrap();
    b.delivery().await;
    assert!(get(address, "/livez").starts_with("HTTP/1.1 200 OK"));
    assert!(get(address, "/readyz").contains("ready"));
    until("the figures", || {
        let page = get(address, "/metrics");
        ["messages_accepted_total 1", "messages_delivered_total 1", "logins 2", "sync_seconds_count"]
            .iter()
            .all(|figure| page.contains(figure))
    })
    .await;
    let page = get(address, "/metrics");
    for name in ["alice", "bobby", "127.0.0.1"] {
        assert!(!page.contains(name), "{name} in {page}");
    }
    assert!(get(address, "/secrets").starts_with("HTTP/1.1 404"));
}

/// The value of a figure.
fn figure(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

/// Sends until the connection ends or it is told to stop; how many were accepted.
async fn send_on(mut client: Client, to: Arc<Person>, stop: Arc<AtomicBool>) -> u64 {
    let mut accepted = 0;
    while !stop.load(Ordering::Relaxed) {
        match client.send(accepted + 1, &to, &[7; 512]).await {
            Ok(ServerMessage::Accepted { .. }) => accepted += 1,
            _ => return accepted,
        }
    }
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_tools_and_figures_are_true_while_messages_flow_and_stop_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (address, data) = (free(), dir.path().join("data"));
    let sends = "[limits]\nsends = { burst = 1000000, per_minute = 60000 }\n";
    let relay = start(dir.path(), &format!("metrics = \"{address}\"\n{sends}"));
    let ((_, a), (bob, mut b)) = two(relay.place).await;
    let carol = Person::new("carol", bob.relay);
    let c = Client::register(relay.place, &carol).await;
    let (bob, stop) = (Arc::new(bob), Arc::new(AtomicBool::new(false)));
    let alice = tokio::spawn(send_on(a, Arc::clone(&bob), Arc::clone(&stop)));
    let carol = tokio::spawn(send_on(c, Arc::clone(&bob), Arc::clone(&stop)));
    let reading = tokio::spawn(async move {
        let mut got = 0;
        while let Ok(Some(frame)) = b.read().await {
            let ServerMessage::Deliver { seq, .. } = frame.message else { continue };
            got += 1;
            if b.write(0, ClientMessage::Ack { seq }, Bytes::new()).await.is_err() {
                break;
            }
        }
        got
    });
    let mut before = 0;
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let page = get(address, "/metrics");
        let accepted = figure(&page, "chat_relay_messages_accepted_total");
        assert!(accepted > before, "messages go on: {before}, {accepted}");
        before = accepted;
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200 OK"));
        assert!(admin(&data, &["stats"]).unwrap().contains("accounts\t3"));
        assert_eq!(admin(&data, &["users"]).unwrap().lines().count(), 3);
        let backup = dir.path().join(format!("backup{round}.db"));
        admin(&data, &["backup", backup.to_str().unwrap()]).unwrap();
        if round == 1 {
            admin(&data, &["disable", "carol"]).unwrap();
        }
    }
    let of_carol = tokio::time::timeout(Duration::from_secs(2), carol).await.expect("cut off while it sent").unwrap();
    stop.store(true, Ordering::Relaxed);
    let all = alice.await.unwrap() + of_carol;
    assert!(of_carol > 0 && all > before, "{of_carol} of {all}, {before} before");
    until("every figure", || {
        let page = get(address, "/metrics");
        let (accepted, delivered) = ("chat_relay_messages_accepted_total", "chat_relay_messages_delivered_total");
        // What carol sent last may have been accepted without her hearing of it.
        (all..=all + 1).contains(&figure(&page, accepted)) && figure(&page, delivered) >= all
    })
    .await;
    drop(relay);
    assert!(reading.await.unwrap() >= all, "every accepted message came");
    assert!(admin(&data, &["check"]).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_frames_pass_in_a_websocket_and_the_login_is_bound_to_its_tls() {
    let dir = tempfile::tempdir().unwrap();
    let address = free();
    let relay = start(dir.path(), &format!("websocket = \"{address}\"\n"));
    let ((alice, mut a), (bob, b)) = two(relay.place).await;
    drop(b);
    let config = tls_config(relay.place.pin, &[&rustls::version::TLS13]);
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let label = chat_wire::message::EXPORTER_LABEL;
    let exporter = stream.get_ref().1.export_keying_material([0; 32], label, None).unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("wss://localhost/", stream).await.unwrap();
    let mut deframer = Deframer::new(FRAME_BYTES_MAX);
    let mut ask = async |message: Option<ClientMessage>| {
        if let Some(message) = message {
            let frame = ClientFrame::new(1, message).encode(FRAME_BYTES_MAX).unwrap();
            socket.send(Message::Binary(frame)).await.unwrap();
        }
        loop {
            if let Some(bytes) = deframer.next_frame().unwrap() {
                return ServerFrame::decode(bytes).unwrap();
            }
            if let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() {
                deframer.buffer_mut().extend_from_slice(&bytes);
            }
        }
    };
    let ready = ask(Some(ClientMessage::Hello { versions: vec![1], features: vec![] })).await.message;
    let answer = ask(Some(bob.proof(1, &kit::binding(&ready, exporter)))).await.message;
    assert!(matches!(answer, ServerMessage::LoggedIn { .. }), "{answer:?}");
    assert!(matches!(ask(None).await.message, ServerMessage::Drained {}));
    a.send(1, &bob, &[9; 50_000]).await.unwrap();
    let delivered = ask(None).await;
    assert!(matches!(delivered.message, ServerMessage::Deliver { seq: 1, .. }));
    assert_eq!(delivered.body, vec![9; 50_000]);
    drop(alice);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_websocket_is_closed_there_and_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let address = free();
    let relay = start(dir.path(), &format!("websocket = \"{address}\"\n"));
    let mut honest = Client::connect(relay.place).await;
    honest.hello().await;
    for noise in [&b"POST / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\x08not http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut client = Client::connect(crate::client::Place { addr: address, ..relay.place }).await;
        tokio::io::AsyncWriteExt::write_all(&mut client.stream, noise).await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect("closed");
    }
    is_well(&mut honest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_takes_limits_over_for_those_who_are_connected_and_a_mistake_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let relay = start(dir.path(), "");
    let ((_, mut a), (bob, _b)) = two(relay.place).await;
    let file = dir.path().join("relay.toml");
    std::fs::write(&file, "[limits]\nfinds = { burst = 1, per_minute = 1 }\nmailbox_entries = 0\n").unwrap();
    relay.signal("HUP");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let find = || ClientMessage::Find { query: bob.name.as_str().to_owned(), limit: 1 };
    for _ in 0..3 {
        assert!(matches!(a.ask(find()).await, ServerMessage::Found { .. }), "the old limits hold");
    }
    std::fs::write(&file, "[limits]\nfinds = { burst = 1, per_minute = 1 }\n").unwrap();
    relay.signal("HUP");
    let since = Instant::now();
    loop {
        let answer = a.ask(find()).await;
        if let ServerMessage::Refused(refusal) = answer {
            assert!(refusal.retry_ms > 0, "it says when to come back");
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "the new limits hold");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_shows_new_connections_another_certificate_and_keeps_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key);
        std::fs::write(dir.path().join("cert.pem"), certificate.unwrap().pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
        name.to_owned()
    };
    make("first");
    let place = |name: &str| dir.path().join(name).display().to_string();
    let config = format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", place("cert.pem"), place("key.pem"));
    let relay = start(dir.path(), &config);
    let mut old = Client::connect(relay.place).await;
    old.hello().await;
    make("second");
    relay.signal("HUP");
    let since = Instant::now();
    loop {
        let place = relay.place;
        // The client's check of the pin fails by panicking, in a task of its own.
        if tokio::spawn(async move { Client::connect(place).await }).await.is_err() {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "the new certificate is shown");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_well(&mut old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_go_into_a_file_as_json_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let config = format!("[log]\nfile = \"{}\"\nformat = \"json\"\nrotation = \"hourly\"\nkeep = 2\n", logs.display());
    let relay = start(dir.path(), &config);
    let mut noise = tokio::net::TcpStream::connect(relay.place.addr).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut noise, b"no TLS at all, but long enough to see").await.unwrap();
    let read = || -> String {
        let files = std::fs::read_dir(&logs).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect()
    };
    until("the line about the connection", || read().contains("no TLS 1.3 handshake")).await;
    for line in read().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["timestamp"].as_str().unwrap().starts_with("20"), "{line}");
        assert!(!line.contains("127.0.0.1:") || line.contains("accepting"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_over_what_came_after_it_and_places_are_not_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup.db"));
    let file = file.to_str().unwrap();
    let relay = Running::start(&data);
    let ((_, mut a), (bob, b)) = two(relay.place).await;
    drop(b);
    a.send(1, &bob, b"before").await.unwrap();
    admin(&data, &["backup", file]).unwrap();
    a.send(2, &bob, b"after").await.unwrap();
    assert!(admin(&data, &["restore", file]).unwrap_err().contains("stop it first"));
    drop(relay);
    assert!(admin(&data, &["check"]).unwrap().contains("whole"));
    assert!(admin(&data, &["restore", file]).unwrap().contains("relay-before-restore-1.db"));
    std::fs::write(dir.path().join("noise"), [7; 9_000]).unwrap();
    let noise = dir.path().join("noise");
    assert!(admin(&data, &["restore", noise.to_str().unwrap()]).unwrap_err().contains("damaged or no backup"));
    let relay = Running::start(&data);
    let id = Client::relay_id(relay.place).await;
    let mut b = Client::login(relay.place, &bob).await;
    assert_eq!(b.drain().await, [(1, Bytes::from("before"))]);
    let carol = Person::new("carol", id);
    Client::register(relay.place, &carol).await.send(1, &bob, b"new").await.unwrap();
    let (place, text) = b.delivery().await;
    assert_eq!(text, "new");
    assert!(place > 2, "place 2 belonged to what was lost");
}

#[test]
fn a_damaged_database_is_found_and_a_configuration_is_read_without_starting() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Running::start(&data));
    let database = rusqlite::Connection::open(data.join("relay.db")).unwrap();
    database.execute("INSERT INTO pairs (device, id, pair) VALUES (99, x'00', NULL)", []).unwrap();
    drop(database);
    std::fs::remove_file(data.join("keys/login.key")).unwrap();
    let output = program().args(["admin", "--data"]).arg(&data).arg("check").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        !output.status.success() && said.contains("prekeys without a device") && said.contains("login.key"),
        "{said}"
    );

    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chat-server.toml");
    let check = |arguments: &[&str]| {
        let mut command = program();
        command.arg("check-config").args(arguments).stdin(Stdio::null());
        command
    };
    assert!(check(&["--config", sample.to_str().unwrap()]).status().unwrap().success());
    let mut wrong: Command = check(&[]);
    let output = wrong.env("CHAT_SERVER_LIMITS__CONNECTIONS", "0").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("CHAT_SERVER_LIMITS__CONNECTIONS"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_is_taken_back_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let _relay = Running::start(dir.path());
    admin(dir.path(), &["invite", "--uses", "3"]).unwrap();
    let listed = admin(dir.path(), &["invites"]).unwrap();
    let (id, rest) = listed.split_once('\t').unwrap();
    assert!(rest.starts_with("3 uses left"), "{listed}");
    assert!(admin(dir.path(), &["revoke-invite", "zz"]).is_err());
    admin(dir.path(), &["revoke-invite", id]).unwrap();
    assert_eq!(admin(dir.path(), &["invites"]).unwrap(), "");
}

#[test]
fn a_service_manager_hears_when_the_relay_is_ready_lives_reloads_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut bytes = [0; 200];
        let len = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    };
    let mut relay = program()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(dir.path().join("data"))
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), "WATCHDOG=1");
    let signal = |name: &str| {
        let pid = relay.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    };
    signal("HUP");
    let until = |wanted: &str| std::iter::repeat_with(hear).take(50).find(|said| said.starts_with(wanted)).unwrap();
    until("RELOADING=1\nMONOTONIC_USEC=");
    until("READY=1");
    signal("TERM");
    until("STOPPING=1");
    assert!(relay.wait().unwrap().success());
}
