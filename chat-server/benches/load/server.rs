//! The server under load: a process of its own, and what it costs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::client::Place;

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The control: almost nothing, plain TCP.
    Control,
    /// The relay without TLS.
    Plain,
    /// The relay as it is.
    Tls,
    /// The same with its limits, which count this machine's addresses as well.
    Guarded,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Plain => "relay plain",
            Self::Tls => "relay TLS",
            Self::Guarded => "relay guarded",
        }
    }
}

/// A server that runs until dropped.
pub struct Server {
    pub kind: Kind,
    pub place: Place,
    child: Child,
    _dir: tempfile::TempDir,
}

/// Everything that would say "slow down" is out of the way: the relay is measured, not its limits.
const CONFIG: &str = "[log]\nlevel = \"warn\"\n[limits]\nconnections = 100000\nmailbox_entries = 1000000\n\
    mailbox_mib = 4000\nsends = { burst = 4000000, per_minute = 60000 }\n\
    room_messages = { burst = 4000000, per_minute = 60000 }\n\
    password_tries_per_name = { burst = 40, per_minute = 60000 }\n";

/// As shipped, but for the address that everybody here shares.
const GUARDED: &str = "[log]\nlevel = \"warn\"\n[limits]\ncount_loopback = true\n\
    registrations_per_address = { burst = 100, per_minute = 60 }\n";

impl Server {
    pub fn start(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut command = match kind {
            Kind::Tls | Kind::Guarded => {
                let config = dir.path().join("relay.toml");
                std::fs::write(&config, if kind == Kind::Tls { CONFIG } else { GUARDED }).unwrap();
                let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
                command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg("--config").arg(&config);
                command
            }
            Kind::Plain | Kind::Control => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                let mode = if kind == Kind::Plain { "serve-plain" } else { "serve-control" };
                command.arg(mode).arg(dir.path());
                command
            }
        };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim_end().strip_prefix("ready relay=").unwrap_or_else(|| panic!("{line:?}"));
        let (addr, pin) = rest.split_once(" pin=sha256:").unwrap();
        let pin = data_encoding::HEXLOWER.decode(pin.as_bytes()).unwrap().try_into().unwrap();
        Self { kind, place: Place { addr: addr.parse().unwrap(), pin }, child, _dir: dir }
    }

    /// Processor time so far: of its threads in nanoseconds where the system tells, else in ticks of 10 ms.
    pub fn time(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        };
        let all: Option<u64> = tasks.flatten().map(|task| of(task.path())).sum();
        if let Some(nanos) = all.filter(|nanos| *nanos > 0) {
            return Duration::from_nanos(nanos);
        }
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        Duration::from_millis(fields.map(|f| 10 * f.parse::<u64>().unwrap()).sum())
    }

    /// Memory that it holds, KiB.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:").iter().sum::<u64>()
    }

    /// Times that a thread of it went to sleep.
    pub fn switches(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |path: std::path::PathBuf| number(&std::fs::read_to_string(path).unwrap(), "voluntary_ctxt_switches:");
        tasks.flatten().map(|task| of(task.path().join("status"))).sum()
    }

    fn status(&self, key: &str) -> Vec<u64> {
        vec![number(&std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap(), key)]
    }
}

fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find(|l| l.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The relay without TLS, until it is killed.
pub async fn serve_plain(dir: &str) {
    let file = Path::new(dir).join("relay.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let mut config = chat_server::Config::read(Some(&file), []).unwrap();
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.data = Some(Path::new(dir).join("data"));
    config.danger_plain = true;
    let server = chat_server::Server::start(config).unwrap();
    ready(server.address(), &server.pin().to_string());
    server.run_until(std::future::pending()).await.unwrap();
}

pub fn ready(address: SocketAddr, pin: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "ready relay={address} pin={pin}").unwrap();
    out.flush().unwrap();
}
