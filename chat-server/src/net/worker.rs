//! The thread that owns the relay core and its database. It takes what queued up while the last sync
//! ran, syncs once, and lets the answers go.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chat_relay::storage::Storage;
use chat_relay::{ConnectionId, Input, Now, Origin, Output, Relay};
use chat_wire::frame::{ClientFrame, FrameError};
use tokio::sync::mpsc;

use super::outlet::Outlet;

/// Events that may wait for the worker; a connection whose event finds no room waits with its reading.
const EVENTS_QUEUED_MAX: usize = 4_096;

/// Inputs of one round: bounds the answer time of the first one in it.
const INPUTS_PER_ROUND_MAX: usize = 4_096;

/// Between two sweeps while connections stand: presence promises 10 s and allows 8 s of silence.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// Between two sweeps of an empty relay: only expiry is due.
const IDLE_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// For the worker.
#[derive(Debug)]
pub(crate) enum Event {
    Opened {
        connection: ConnectionId,
        exporter: [u8; 32],
        origin: Origin,
        outlet: Outlet,
    },
    /// Boxed, because a frame with prekeys inside is large and the queue is of one size.
    Frame(ConnectionId, Box<ClientFrame>),
    Unreadable(ConnectionId, FrameError),
    Heard(ConnectionId),
    Closed(ConnectionId),
    Tick,
    Stop,
}

/// Where connections put their events.
pub(crate) type Inbox = mpsc::Sender<Event>;

struct Worker<S> {
    relay: Relay<S>,
    outlets: HashMap<ConnectionId, Outlet>,
    /// Whose frames this round took.
    taken: Vec<ConnectionId>,
    start: Instant,
    trouble_logged: Option<Instant>,
}

/// Starts the thread. It ends after [`Event::Stop`], or when nobody can send to it any more.
pub(crate) fn start<S: Storage + Send + 'static>(
    relay: Relay<S>,
    on_end: impl FnOnce() + Send + 'static,
) -> std::io::Result<Inbox> {
    let (inbox, events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let worker =
        Worker { relay, outlets: HashMap::new(), taken: Vec::new(), start: Instant::now(), trouble_logged: None };
    std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
        worker.run(events);
        on_end();
    })?;
    Ok(inbox)
}

/// Wakes the worker for its sweeps, often only while there is somebody to sweep.
pub(crate) async fn tick(inbox: Inbox, connections: tokio::sync::watch::Receiver<usize>) {
    let mut connections = connections;
    loop {
        let busy = *connections.borrow_and_update() > 0;
        let pause = if busy { SWEEP_INTERVAL } else { IDLE_SWEEP_INTERVAL };
        tokio::select! {
            () = tokio::time::sleep(pause) => if inbox.send(Event::Tick).await.is_err() { return },
            changed = connections.changed(), if !busy => if changed.is_err() { return },
        }
    }
}

impl<S: Storage> Worker<S> {
    fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(first) = events.blocking_recv() {
            let mut stopping = self.take(first);
            for _ in 1..INPUTS_PER_ROUND_MAX {
                match events.try_recv() {
                    Ok(event) => stopping |= self.take(event),
                    Err(_) => break,
                }
            }
            self.flush();
            if stopping {
                break;
            }
        }
        // Answers of the last round are queued already: each writer sends them, then closes.
        for outlet in self.outlets.values() {
            outlet.close();
        }
    }

    /// Hands an event on; true when it is time to stop.
    fn take(&mut self, event: Event) -> bool {
        let now = self.now();
        let input = match event {
            Event::Opened { connection, exporter, origin, outlet } => {
                self.outlets.insert(connection, outlet);
                Input::Opened { connection, exporter, origin }
            }
            Event::Frame(connection, frame) => {
                self.taken.push(connection);
                Input::Frame(connection, *frame)
            }
            Event::Unreadable(connection, error) => {
                self.taken.push(connection);
                Input::Unreadable(connection, error)
            }
            Event::Heard(connection) => Input::Heard(connection),
            Event::Closed(connection) => {
                self.outlets.remove(&connection);
                Input::Closed(connection)
            }
            Event::Tick => Input::Tick,
            Event::Stop => return true,
        };
        self.relay.handle(now, input);
        false
    }

    fn flush(&mut self) {
        for output in self.relay.flush(self.now()) {
            match output {
                Output::Send(to, frame) => {
                    let sent = self.outlets.get(&to).map_or(Ok(()), |outlet| outlet.send(frame));
                    if sent.is_err() {
                        // Dropping the outlet ends the writer; the core hears of it as a close.
                        self.outlets.remove(&to);
                        tracing::info!("a connection that does not read was cut");
                    }
                }
                Output::LoggedIn(connection) => {
                    self.outlets.get(&connection).into_iter().for_each(Outlet::logged_in);
                }
                Output::Close(connection) => {
                    self.outlets.get(&connection).into_iter().for_each(Outlet::close);
                }
                Output::Trouble(error) => self.log_trouble(error),
            }
        }
        for connection in self.taken.drain(..) {
            self.outlets.get(&connection).into_iter().for_each(Outlet::taken);
        }
    }

    /// Once a second at most: a full disk refuses every request.
    fn log_trouble(&mut self, error: chat_relay::storage::StorageError) {
        let recent = self.trouble_logged.is_some_and(|at| at.elapsed() < Duration::from_secs(1));
        if !recent {
            self.trouble_logged = Some(Instant::now());
            tracing::error!(%error, "requests are refused");
        }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { wall_ms: millis(wall), uptime_ms: millis(self.start.elapsed()) }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
