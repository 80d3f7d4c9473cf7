//! A `chat-tui rpc` process with its ends in the test's hands.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How long anything may take on a loaded machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How a client is started.
#[derive(Debug, Clone)]
pub struct Profile {
    pub data: PathBuf,
    pub relay: String,
    pub pin: Option<String>,
    pub manual_ack: bool,
    pub env: Vec<(String, String)>,
    /// Further arguments.
    pub args: Vec<String>,
}

impl Profile {
    pub fn new(data: impl AsRef<Path>, relay: &str, pin: &str) -> Self {
        Self {
            data: data.as_ref().to_path_buf(),
            relay: relay.to_owned(),
            pin: Some(pin.to_owned()),
            manual_ack: false,
            env: Vec::new(),
            args: Vec::new(),
        }
    }

    pub fn manual(mut self) -> Self {
        self.manual_ack = true;
        self
    }

    pub fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-tui"));
        command.arg("rpc").arg("--data").arg(&self.data).arg("--relay").arg(&self.relay);
        if let Some(pin) = &self.pin {
            command.arg("--pin").arg(pin);
        }
        if self.manual_ack {
            command.args(["--ack", "manual"]);
        }
        command.args(&self.args);
        // Everything the program could say, so that logs can be searched for what must not be there.
        command.env("CHAT_LOG", "trace").env_remove("CHAT_PASSWORD");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self) -> Rpc {
        Rpc::of(self.command())
    }
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub code: i64,
    pub kind: String,
    pub data: Value,
}

#[derive(Debug, Default)]
struct Heard {
    answers: HashMap<u64, Value>,
    /// Answers whose id is no number of ours.
    strays: Vec<Value>,
    notifications: Vec<Value>,
    /// All of stdout.
    raw: String,
    ended: bool,
}

#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Heard>,
    news: Condvar,
}

/// A running client; killed when dropped.
#[derive(Debug)]
pub struct Rpc {
    child: Child,
    stdin: Option<ChildStdin>,
    ear: Arc<Ear>,
    log: Arc<Mutex<Vec<u8>>>,
    threads: Vec<JoinHandle<()>>,
    ids: u64,
    /// Notifications before this one were looked at by [`Rpc::expect`].
    seen: HashMap<String, usize>,
}

impl Rpc {
    pub fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let ear = Arc::new(Ear::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let threads = vec![
            std::thread::spawn({
                let ear = Arc::clone(&ear);
                move || listen(BufReader::new(stdout), &ear)
            }),
            std::thread::spawn({
                let log = Arc::clone(&log);
                move || {
                    let mut chunk = [0; 8192];
                    while let Ok(bytes @ 1..) = stderr.read(&mut chunk) {
                        log.lock().unwrap().extend_from_slice(&chunk[..bytes]);
                    }
                }
            }),
        ];
        let stdin = child.stdin.take();
        Self { child, stdin, ear, log, threads, ids: 0, seen: HashMap::new() }
    }

    /// Writes a line as it is; a process that is gone is found out by whoever waits for it.
    pub fn line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        let _ = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush());
    }

    /// Sends a request and does not wait.
    pub fn post(&mut self, method: &str, params: Value) -> u64 {
        self.ids += 1;
        let id = self.ids;
        self.line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        id
    }

    /// The answer to a request.
    pub fn answer(&self, id: u64) -> Result<Value, Refusal> {
        let answer = self.wait(|heard| heard.answers.remove(&id), || format!("answer {id}"));
        outcome(&answer)
    }

    /// An answer whose id is none of ours.
    pub fn stray(&self) -> Refusal {
        let wait = |heard: &mut Heard| (!heard.strays.is_empty()).then(|| heard.strays.remove(0));
        outcome(&self.wait(wait, || "an answer without an id".to_owned())).unwrap_err()
    }

    /// Sends a request and waits for its result.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Refusal> {
        let id = self.post(method, params);
        self.answer(id)
    }

    /// A request that must succeed.
    pub fn ok(&mut self, method: &str, params: Value) -> Value {
        match self.call(method, params) {
            Ok(result) => result,
            Err(refusal) => panic!("{method}: {refusal:?}\n{}", self.log_tail()),
        }
    }

    /// The kind with which a request is refused.
    pub fn refused(&mut self, method: &str, params: Value) -> String {
        match self.call(method, params) {
            Ok(result) => panic!("{method} was not refused: {result}"),
            Err(refusal) => refusal.kind,
        }
    }

    pub fn register(&mut self, name: &str) -> Value {
        self.ok("register", json!({ "username": name, "password": PASSWORD }))
    }

    pub fn send(&mut self, to: &str, text: &str) -> String {
        self.ok("send", json!({ "to": to, "text": text }))["id"].as_str().unwrap().to_owned()
    }

    /// Waits for the next notification of a method that fits, passing over those of this method
    /// before it. Parameters only.
    pub fn expect(&mut self, method: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let from = self.seen.get(method).copied().unwrap_or(0);
        let (at, params) = self.wait(
            |heard| {
                let later = heard.notifications.iter().enumerate().skip(from);
                let mut fitting = later.filter(|(_, n)| n["method"] == method && fits(&n["params"]));
                fitting.next().map(|(at, n)| (at, n["params"].clone()))
            },
            || format!("notification {method}"),
        );
        self.seen.insert(method.to_owned(), at + 1);
        params
    }

    pub fn expect_text(&mut self, text: &str) -> Value {
        self.expect("message", |message| message["text"] == text)
    }

    pub fn connected(&mut self) {
        self.expect("connection", |connection| connection["state"] == "connected");
    }

    /// Waits until the relay has let this device in.
    pub fn online(&mut self) {
        let until = Instant::now() + PATIENCE;
        while self.ok("status", json!({}))["connected"] != true {
            assert!(Instant::now() < until, "never online\n{}", self.log_tail());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until this many notifications of a method came, and gives their parameters.
    pub fn at_least(&self, method: &str, count: usize) -> Vec<Value> {
        let of = |heard: &Heard| -> Vec<Value> {
            heard.notifications.iter().filter(|n| n["method"] == method).map(|n| n["params"].clone()).collect()
        };
        self.wait(|heard| Some(of(heard)).filter(|all| all.len() >= count), || format!("{count} × {method}"))
    }

    /// What came so far of a method, without waiting.
    pub fn so_far(&self, method: &str) -> Vec<Value> {
        self.at_least(method, 0)
    }

    /// Ends by `quit`.
    pub fn quit(mut self) -> Gone {
        assert_eq!(self.call("quit", json!({})), Ok(json!({})));
        self.gone()
    }

    /// Ends by a signal.
    pub fn signal(self, signal: Signal) -> Gone {
        self.give(signal);
        self.gone()
    }

    pub fn give(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends by the end of stdin.
    pub fn hang_up(mut self) -> Gone {
        self.stdin = None;
        self.gone()
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Gone {
        self.child.kill().unwrap();
        self.gone()
    }

    pub fn wait_for_end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the process does not end\n{}", self.log_tail());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end.
    pub fn gone(mut self) -> Gone {
        let status = self.wait_for_end();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let mut heard = std::mem::take(&mut *self.ear.heard.lock().unwrap());
        let log = String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned();
        Gone {
            status,
            log,
            raw: std::mem::take(&mut heard.raw),
            notifications: heard.notifications,
            strays: heard.strays,
            answers: heard.answers,
        }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn wait<T>(&self, mut look: impl FnMut(&mut Heard) -> Option<T>, what: impl Fn() -> String) -> T {
        let until = Instant::now() + PATIENCE;
        let mut heard = self.ear.heard.lock().unwrap();
        loop {
            if let Some(found) = look(&mut heard) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                let why = if heard.ended { "stdout ended" } else { "nothing came" };
                let tail: Vec<_> = heard.notifications.iter().rev().take(10).collect();
                panic!("waiting for {}: {why}; last {tail:#?}\n{}", what(), self.log_tail());
            }
            heard = self.ear.news.wait_timeout(heard, left).unwrap().0;
        }
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        // Gone already after `gone`; else nothing of a failed test stays behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that has ended.
#[derive(Debug)]
pub struct Gone {
    pub status: ExitStatus,
    pub log: String,
    pub raw: String,
    pub notifications: Vec<Value>,
    pub strays: Vec<Value>,
    /// Answers that came and that nobody took.
    pub answers: HashMap<u64, Value>,
}

impl Gone {
    /// Whether this request was answered with a result before the end.
    pub fn done(&self, id: u64) -> bool {
        self.answers.get(&id).is_some_and(|answer| answer.get("result").is_some())
    }

    pub fn cleanly(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{}", self.log);
        self
    }
}

fn listen(mut stdout: impl BufRead, ear: &Ear) {
    let mut line = String::new();
    while let Ok(1..) = stdout.read_line(&mut line) {
        let mut heard = ear.heard.lock().unwrap();
        heard.raw.push_str(&line);
        // A kill can cut the last line; a whole line is always JSON.
        if line.ends_with('\n') {
            let value: Value = serde_json::from_str(&line).expect("stdout holds JSON lines only");
            assert_eq!(value["jsonrpc"], "2.0");
            match (value.get("method"), value.get("id").and_then(Value::as_u64)) {
                (Some(_), _) => heard.notifications.push(value),
                (None, Some(id)) => assert!(heard.answers.insert(id, value).is_none(), "answered twice"),
                (None, None) => heard.strays.push(value),
            }
        }
        line.clear();
        ear.news.notify_all();
    }
    ear.heard.lock().unwrap().ended = true;
    ear.news.notify_all();
}

fn outcome(answer: &Value) -> Result<Value, Refusal> {
    match answer.get("error") {
        None => Ok(answer["result"].clone()),
        Some(error) => Err(Refusal {
            code: error["code"].as_i64().unwrap(),
            kind: error["data"]["kind"].as_str().unwrap_or_default().to_owned(),
            data: error["data"].clone(),
        }),
    }
}

/// A password that every policy passes.
pub const PASSWORD: &str = "Tr0ub4dor-and-three-more";
