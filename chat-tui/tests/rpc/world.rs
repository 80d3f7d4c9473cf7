//! A relay in a process of its own, and the folders of its clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::Pid;
use serde_json::json;
use tempfile::TempDir;

use crate::driver::{Profile, Rpc};

/// A relay and everything that its clients keep; gone when dropped.
pub struct World {
    pub relay: Relay,
    pub folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let relay = Relay::start(&folder.path().join("relay"), "127.0.0.1:0");
        Self { relay, folder }
    }

    pub fn profile(&self, name: &str) -> Profile {
        Profile::new(self.folder.path().join(name), &self.relay.address, &self.relay.pin)
    }

    /// A client that has just registered under this name.
    pub fn registered(&self, name: &str) -> Rpc {
        let mut client = self.profile(name).start();
        client.register(name);
        client
    }

    /// An enrolled client started again, let in by the relay.
    pub fn back(&self, name: &str) -> Rpc {
        let mut client = self.profile(name).start();
        client.online();
        client
    }

    /// Two people who have accepted each other.
    pub fn friends(&self, one: &str, other: &str) -> (Rpc, Rpc) {
        let (mut a, mut b) = (self.registered(one), self.registered(other));
        befriend(&mut a, one, &mut b, other);
        (a, b)
    }

    /// All bytes of all files under a folder of this world.
    pub fn files(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        files_under(&self.folder.path().join(name))
    }
}

/// `a` writes, `b` accepts, and both see the other come.
pub fn befriend(a: &mut Rpc, a_name: &str, b: &mut Rpc, b_name: &str) {
    a.send(b_name, "hello");
    b.expect("request", |request| request["username"] == a_name);
    b.ok("acceptRequest", json!({ "username": a_name }));
    b.expect_text("hello");
    a.expect("presence", |presence| presence["username"] == b_name && presence["online"] == true);
    b.expect("presence", |presence| presence["username"] == a_name && presence["online"] == true);
}

pub fn files_under(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

pub fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A relay process: the program of `tests/programs/relay.rs`.
pub struct Relay {
    child: Child,
    /// Kept open, so that the relay can always write to it.
    stdout: Option<BufReader<ChildStdout>>,
    log: Arc<Mutex<Vec<u8>>>,
    data: PathBuf,
    pub address: String,
    pub pin: String,
}

impl Relay {
    pub fn start(data: &Path, listen: &str) -> Self {
        Self::start_by(Command::new(program("relay")), data, listen)
    }

    /// A relay that can't write files of more than `blocks` (of 512 or 1024 bytes, as the shell counts).
    pub fn cramped(data: &Path, listen: &str, blocks: u32) -> Self {
        Self::start_by(cramped(&Command::new(program("relay")), blocks), data, listen)
    }

    fn start_by(mut command: Command, data: &Path, listen: &str) -> Self {
        let mut child = command
            .arg(data)
            .arg(listen)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut stderr = child.stderr.take().unwrap();
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                let mut chunk = [0; 8192];
                while let Ok(bytes @ 1..) = stderr.read(&mut chunk) {
                    log.lock().unwrap().extend_from_slice(&chunk[..bytes]);
                }
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (address, pin) = ready(&mut stdout, &log);
        Self { child, stdout: Some(stdout), log, data: data.to_path_buf(), address, pin }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same data and the same port.
    pub fn restart(&mut self) {
        self.kill();
        let old_log = std::mem::take(&mut *self.log.lock().unwrap());
        *self = Self::start(&self.data.clone(), &self.address.clone());
        let mut log = self.log.lock().unwrap();
        let new_log = std::mem::replace(&mut *log, old_log);
        log.extend(new_log);
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ready(stdout: &mut impl BufRead, log: &Mutex<Vec<u8>>) -> (String, String) {
    let mut line = String::new();
    loop {
        line.clear();
        let read = stdout.read_line(&mut line).unwrap();
        assert!(read > 0, "the relay did not start: {}", String::from_utf8_lossy(&log.lock().unwrap()));
        if let Some((relay, pin)) = line.trim().strip_prefix("ready relay=").and_then(|rest| rest.split_once(" pin=")) {
            return (relay.to_owned(), pin.to_owned());
        }
    }
}

/// The same program where no file grows beyond so many blocks: what a full disk is to it.
pub fn cramped(command: &Command, blocks: u32) -> Command {
    let mut shell = Command::new("/bin/sh");
    // Ignored signals stay ignored: writing too much then fails instead of ending the process.
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

/// A program of `tests/programs`, which cargo builds as an example whenever it builds all tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "{name} is not built: run `cargo test -p chat-tui` without picking a target");
    path
}

/// Passes connections on to a relay and keeps every byte that crosses.
pub struct Proxy {
    pub address: String,
    recorded: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn to(relay: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let (closed, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let proxy =
            Self { address, recorded: Arc::clone(&recorded), closed: Arc::clone(&closed), open: Arc::clone(&open) };
        let relay = relay.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&relay)) else { continue };
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                let ends = [(&client, &server), (&server, &client)]
                    .map(|(a, b)| (a.try_clone().unwrap(), b.try_clone().unwrap()));
                open.lock().unwrap().extend([client, server]);
                for (from, to) in ends {
                    let recorded = Arc::clone(&recorded);
                    std::thread::spawn(move || pump(from, to, &recorded));
                }
            }
        });
        proxy
    }

    pub fn recorded(&self) -> Vec<u8> {
        self.recorded.lock().unwrap().clone()
    }

    /// Cuts every connection, and new ones as long as `cut`.
    pub fn cut(&self, cut: bool) {
        self.closed.store(cut, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, recorded: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut chunk) {
        recorded.lock().unwrap().extend_from_slice(&chunk[..bytes]);
        if to.write_all(&chunk[..bytes]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
