//! Tests of the session with a scripted client.

use super::*;
use chat_client::{Command, ConnectionState, Failure, FailureKind, NoticeKind, Reply};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::mpsc as std_mpsc;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Answers sends when the test says so, everything else at once.
#[derive(Default)]
struct Scripted {
    calls: RefCell<Vec<String>>,
    held: RefCell<VecDeque<oneshot::Sender<Result<Reply, Failure>>>>,
}

impl Backend for Rc<Scripted> {
    fn call(&self, call: Call) -> LocalBoxFuture<'static, Result<Body, RpcError>> {
        let Call::Run(Command::Send { text, .. }) = call else {
            self.calls.borrow_mut().push("other".to_owned());
            return std::future::ready(Ok(Body::Done {})).boxed_local();
        };
        self.calls.borrow_mut().push(text);
        let (answer, told) = oneshot::channel();
        self.held.borrow_mut().push_back(answer);
        async move { told.await.unwrap().map(Body::from).map_err(RpcError::from) }.boxed_local()
    }
}

impl Scripted {
    fn answer(&self, nth: usize, with: Result<Reply, Failure>) {
        self.held.borrow_mut().remove(nth).unwrap().send(with).unwrap();
    }
}

/// Events that a test gives one by one; counts how many were pulled.
struct Given(mpsc::Receiver<ClientEvent>, Rc<RefCell<usize>>);

impl Source for Given {
    async fn next(&mut self) -> Option<ClientEvent> {
        let event = self.0.recv().await;
        *self.1.borrow_mut() += 1;
        event
    }
}

/// A stdout that a test reads line by line; each write waits until it is read.
struct Pipe(std_mpsc::SyncSender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Bench {
    scripted: Rc<Scripted>,
    lines: Option<mpsc::Sender<Line>>,
    events: Option<mpsc::Sender<ClientEvent>>,
    pulled: Rc<RefCell<usize>>,
    stop: Option<oneshot::Sender<()>>,
    settle: Option<oneshot::Sender<()>>,
    out: std_mpsc::Receiver<Vec<u8>>,
    read: Vec<u8>,
    ended: tokio::task::JoinHandle<Ended>,
}

impl Bench {
    /// A session that is under way.
    fn new(depth: usize) -> Self {
        let mut bench = Self::starting(depth);
        bench.settle = None;
        bench
    }

    /// A session that still connects, and whose stdout takes `depth` writes that nobody reads. On a local set.
    fn starting(depth: usize) -> Self {
        let scripted = Rc::new(Scripted::default());
        let (lines, line) = mpsc::channel(64);
        let (events, event) = mpsc::channel(64);
        let (stop, stopped) = oneshot::channel::<()>();
        let (settle, settled) = oneshot::channel::<()>();
        let settled = async move { settled.await.unwrap_or_default() };
        let (out, read) = std_mpsc::sync_channel(depth);
        let pulled = Rc::new(RefCell::new(0));
        let source = Given(event, Rc::clone(&pulled));
        let backend = Rc::clone(&scripted);
        let ended = tokio::task::spawn_local(async move {
            let output = Output::to(Pipe(out)).unwrap();
            let stop = async move {
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            serve(&backend, source, line, &output, Setup { password: None, stop, settled }).await
        });
        Self {
            scripted,
            lines: Some(lines),
            events: Some(events),
            pulled,
            stop: Some(stop),
            settle: Some(settle),
            out: read,
            read: Vec::new(),
            ended,
        }
    }

    async fn line(&self, text: &str) {
        let line = Line::Read(Zeroizing::new(text.as_bytes().to_vec()));
        self.lines.as_ref().unwrap().send(line).await.unwrap();
    }

    async fn send(&self, id: u64, text: &str) {
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"send","params":{{"to":"bob","text":"{text}"}}}}"#))
            .await;
    }

    async fn event(&self, event: ClientEvent) {
        self.events.as_ref().unwrap().send(event).await.unwrap();
    }

    /// The next line of stdout.
    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            match self.out.try_recv() {
                Ok(bytes) => self.read.extend(bytes),
                Err(std_mpsc::TryRecvError::Empty) => tokio::task::yield_now().await,
                Err(std_mpsc::TryRecvError::Disconnected) => panic!("stdout ended"),
            }
        }
    }

    /// Lets the session do all it can do now.
    async fn run_on(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// All that is left on stdout, and how the session ended.
    async fn end(mut self) -> (Vec<Value>, Ended) {
        let ended = self.ended.await.unwrap();
        self.read.extend(self.out.iter().flatten());
        let lines = self.read.split_inclusive(|byte| *byte == b'\n');
        (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), ended)
    }
}

fn queued(n: u8) -> Result<Reply, Failure> {
    Ok(Reply::Queued { id: chat_client::MessageId([n; 16]), timestamp_ms: n.into() })
}

fn logged_out(seq: u64) -> ClientEvent {
    ClientEvent::Notice(Notice { seq, kind: NoticeKind::LoggedOut { reason: "removed".to_owned() } })
}

fn connecting() -> ClientEvent {
    ClientEvent::Connection(chat_client::Connection {
        state: ConnectionState::Connecting,
        relay: None,
        retry_in_ms: None,
        reason: None,
    })
}

/// Runs a test on one thread, as the program does.
fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn calls_reach_the_client_in_the_order_of_their_lines_and_a_slow_one_holds_up_nobody() {
    local(async {
        let mut bench = Bench::new(64);
        for n in 0..3 {
            bench.send(n, &n.to_string()).await;
        }
        bench.line(r#"{"id":"v","method":"status"}"#).await;
        assert_eq!(bench.next().await["id"], "v");
        assert_eq!(*bench.scripted.calls.borrow(), ["0", "1", "2", "other"]);

        bench.scripted.answer(2, queued(2));
        assert_eq!(bench.next().await["id"], 2);
        bench.scripted.answer(0, Err(Failure::of(FailureKind::Blocked)));
        let refused = bench.next().await;
        assert_eq!((&refused["id"], &refused["error"]["data"]["kind"]), (&json!(0), &json!("Blocked")));
    });
}

#[test]
fn what_may_need_the_relay_waits_for_the_first_attempt_and_keeps_its_order() {
    local(async {
        let mut bench = Bench::starting(64);
        bench.send(1, "one").await;
        bench.send(2, "two").await;
        bench.line(r#"{"id":"s","method":"status"}"#).await;
        assert_eq!(bench.next().await["id"], "s", "what needs no relay does not wait");
        assert_eq!(*bench.scripted.calls.borrow(), ["other"]);
        bench.settle = None;
        bench.run_on().await;
        assert_eq!(*bench.scripted.calls.borrow(), ["other", "one", "two"]);

        let mut bench = Bench::starting(64);
        bench.send(1, "last words").await;
        bench.lines = None;
        bench.run_on().await;
        assert!(!bench.ended.is_finished(), "the end of input waits too");
        bench.settle = None;
        bench.run_on().await;
        bench.scripted.answer(0, queued(1));
        assert_eq!(bench.end().await.0.len(), 1);

        let bench = Bench::starting(64);
        bench.send(1, "in a hurry").await;
        bench.line(r#"{"id":2,"method":"quit"}"#).await;
        bench.run_on().await;
        bench.scripted.answer(0, queued(1));
        assert_eq!(bench.end().await.0.len(), 2, "quit does not wait, and forgets nothing");
    });
}

#[test]
fn bad_lines_are_answered_and_the_session_goes_on() {
    local(async {
        let mut bench = Bench::new(64);
        bench.line("hello").await;
        assert_eq!(bench.next().await["error"]["code"], -32700);
        bench.line(r#"{"id":1,"method":"fly"}"#).await;
        assert_eq!(bench.next().await["error"]["code"], -32601);
        bench.line(r#"{"id":2,"method":"send","params":{"to":5}}"#).await;
        assert_eq!(bench.next().await["error"]["code"], -32602);
        bench.lines.as_ref().unwrap().send(Line::TooLong).await.unwrap();
        assert_eq!(bench.next().await["error"]["data"]["kind"], "TooLarge");
        bench.line(r#"{"id":3,"method":"status"}"#).await;
        assert_eq!(bench.next().await["id"], 3);
    });
}

#[test]
fn a_request_without_an_id_is_done_and_not_answered() {
    local(async {
        let mut bench = Bench::new(64);
        bench.line(r#"{"method":"send","params":{"to":"bob","text":"quiet"}}"#).await;
        bench.line(r#"{"method":"fly"}"#).await;
        bench.run_on().await;
        bench.scripted.answer(0, queued(0));
        bench.line(r#"{"id":1,"method":"status"}"#).await;
        assert_eq!(bench.next().await["id"], 1);
        assert_eq!(*bench.scripted.calls.borrow(), ["quiet", "other"]);
    });
}

#[test]
fn the_end_of_input_waits_for_answers_and_then_ends() {
    local(async {
        let mut bench = Bench::new(64);
        bench.send(1, "late").await;
        bench.lines = None;
        bench.run_on().await;
        assert!(!bench.ended.is_finished());
        bench.scripted.answer(0, queued(1));
        let (lines, ended) = bench.end().await;
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["result"]["timestamp"], 1);
        assert_eq!(ended.end, End::Wanted);
    });
}

#[test]
fn quit_is_answered_last_and_requests_without_an_answer_in_time_learn_that() {
    local(async {
        let bench = Bench::new(64);
        bench.send(1, "never answered").await;
        bench.line(r#"{"id":2,"method":"quit"}"#).await;
        bench.line(r#"{"id":3,"method":"status"}"#).await;
        let (lines, ended) = bench.end().await;
        let ids: Vec<_> = lines.iter().map(|line| line["id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!(2)], "what comes after quit is not read");
        assert_eq!(lines[0]["error"]["data"]["kind"], "Timeout");
        assert_eq!(lines[1]["result"], json!({}));
        assert_eq!(ended.end, End::Wanted);
    });
}

#[test]
fn a_signal_ends_a_session_whose_calls_hang() {
    local(async {
        let mut bench = Bench::new(64);
        bench.send(1, "hangs").await;
        bench.run_on().await;
        bench.stop.take().unwrap().send(()).unwrap();
        let (lines, ended) = bench.end().await;
        assert_eq!((lines.len(), ended.end), (1, End::Wanted));
    });
}

#[test]
fn an_event_is_pulled_only_when_the_one_before_has_left() {
    local(async {
        // A rendezvous: a write ends only when somebody reads it.
        let mut bench = Bench::new(0);
        for seq in 1..=3 {
            bench.event(logged_out(seq)).await;
        }
        bench.run_on().await;
        assert_eq!(*bench.pulled.borrow(), 1);
        for seq in 1..=3u64 {
            assert_eq!(bench.next().await["params"]["seq"], seq);
        }
    });
}

#[test]
fn only_notices_whose_line_has_left_count_as_taken() {
    local(async {
        let mut bench = Bench::new(64);
        bench.event(logged_out(7)).await;
        bench.event(connecting()).await;
        assert_eq!(bench.next().await["params"]["seq"], 7);
        assert_eq!(bench.next().await["method"], "connection");
        bench.lines = None;
        assert_eq!(bench.end().await.1.taken, Some(7));

        let mut bench = Bench::new(0);
        bench.event(logged_out(8)).await;
        bench.run_on().await;
        bench.lines = None;
        let ended = (&mut bench.ended).await.unwrap();
        assert_eq!(ended.taken, None, "nobody read it");
    });
}

#[test]
fn a_reader_that_goes_away_ends_the_session_without_waiting() {
    local(async {
        let mut bench = Bench::new(0);
        bench.out = std_mpsc::sync_channel(0).1;
        bench.event(logged_out(1)).await;
        let started = Instant::now();
        let ended = (&mut bench.ended).await.unwrap();
        assert_eq!(ended, Ended { end: End::Wanted, taken: None });
        assert_eq!(started.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_client_that_closes_by_itself_is_told_apart_from_a_wanted_end() {
    local(async {
        let mut bench = Bench::new(64);
        bench.events = None;
        assert_eq!((&mut bench.ended).await.unwrap().end, End::ClientGone);
    });
}
