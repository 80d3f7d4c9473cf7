//! The program: its one line, its signals, its exit codes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use chat_wire::message::ServerMessage;

use crate::client::{Client, Place};
use crate::service::two;

pub(crate) fn program() -> Command {
    let other = std::env::var_os("CHAT_SERVER_PROGRAM");
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_chat-server").into()));
    command.env_remove("CHAT_SERVER_CONFIG").env_remove("CHAT_SERVER_DATA").env_remove("CHAT_SERVER_LISTEN");
    command.env_remove("CHAT_SERVER_PROGRAM");
    command
}

/// A running relay of its own process.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) place: Place,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, "127.0.0.1:0")
    }

    pub(crate) fn start_with(data: &Path, listen: &str) -> Self {
        Self::start_with_options(data, listen, &[])
    }

    pub(crate) fn start_with_options(data: &Path, listen: &str, options: &[&str]) -> Self {
        let mut child = program()
            .args(["serve", "--listen", listen, "--data"])
            .arg(data)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let place = read_ready(line.trim_end_matches('\n'));
        Self { child, place, stdout }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_ready(line: &str) -> Place {
    let rest = line.strip_prefix("ready relay=").unwrap_or_else(|| panic!("{line:?}"));
    let (addr, pin) = rest.split_once(" pin=sha256:").unwrap_or_else(|| panic!("{line:?}"));
    assert_eq!(pin.len(), 64);
    let pin = data_encoding::HEXLOWER.decode(pin.as_bytes()).unwrap();
    Place { addr: addr.parse().unwrap(), pin: pin.try_into().unwrap() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_one_line_serves_and_ends_with_code_0_on_either_signal_while_clients_are_connected() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("not").join("there").join("yet");
    for name in ["TERM", "INT"] {
        let mut relay = Running::start(&data);
        let mut client = Client::connect(relay.place).await;
        assert!(matches!(client.hello().await, ServerMessage::Ready { .. }));
        let since = Instant::now();
        relay.signal(name);
        let status = relay.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "SIG{name}");
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        assert!(client.read().await.unwrap().is_none(), "the client sees a clean end");
        let mut rest = String::new();
        relay.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line and no more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_have_time_stamps_and_neither_names_nor_texts_nor_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relay.toml");
    std::fs::write(&config, "[log]\nlevel = \"trace\"\n").unwrap();
    let mut child = program()
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(&config)
        .arg("--data")
        .arg(dir.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let place = read_ready(line.trim_end_matches('\n'));
    let ((_, mut a), (bob, mut b)) = two(place).await;
    a.send(1, &bob, b"canary-in-the-text").await.unwrap();
    b.delivery().await;
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for canary in ["alice", "bobby", "canary", "Correct horse"] {
        assert!(!log.contains(canary), "{canary} in the log:\n{log}");
    }
    assert!(log.lines().next().unwrap().starts_with("20"), "{log}");
}

fn fails(arguments: &[&str]) -> Output {
    let output = program().args(arguments).stdin(Stdio::null()).output().unwrap();
    assert_ne!(output.status.code(), Some(0), "{arguments:?}");
    assert!(output.stdout.is_empty(), "stdout is for the ready line: {}", text(&output.stdout));
    output
}

#[test]
fn what_is_in_the_way_is_said_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let relay = Running::start(Path::new(data));
    let output = fails(&["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    assert!(text(&output.stderr).contains("another relay runs on this data directory"), "{}", text(&output.stderr));
    let taken = relay.place.addr.to_string();
    let other = dir.path().join("other");
    let output = fails(&["serve", "--data", other.to_str().unwrap(), "--listen", &taken]);
    assert!(text(&output.stderr).contains(&format!("can't listen on {taken}")), "{}", text(&output.stderr));

    let config = dir.path().join("relay.toml");
    std::fs::write(&config, "registration = \"open\"\n[limits]\nfinds = { burst = 0, per_minute = 1 }\n").unwrap();
    let output = fails(&["serve", "--config", config.to_str().unwrap(), "--data", other.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(said.contains("relay.toml, line 3") && said.lines().count() == 1, "{said}");
    let output = fails(&["serve", "--listen", "nowhere", "--data", other.to_str().unwrap()]);
    assert!(text(&output.stderr).contains("nowhere is no address"), "{}", text(&output.stderr));
}
