//! The thread that owns the relay core and its database, and the thread that waits for the disk.
//!
//! The core never waits: it writes into the log, hands the sync to its helper and goes on. What queued
//! up while a sync ran is the next group, so the more there is to do, the more one sync holds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chat_relay::storage::{Storage, StorageError, SyncJob};
use chat_relay::{ConnectionId, Greeter, Greeting, Input, Now, Origin, Output, Relay};
use chat_wire::frame::{ClientFrame, FrameError, ServerFrame};
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::ServerMessage;
use tokio::sync::{mpsc, oneshot, watch};

use super::hub::Hub;
use super::outlet::{Outlet, Parcel};
use super::pool::Pool;
use crate::data_dir::write_private;
use crate::metrics::Metrics;

/// Events that may wait for the worker; a connection whose event finds no room waits with its reading.
const EVENTS_QUEUED_MAX: usize = 4_096;

/// Events of one round: bounds the answer time of the first one in it.
const EVENTS_PER_ROUND_MAX: usize = 1_024;

/// How long a relay that stops waits for signatures that are being checked.
const STOP_WAIT_MAX: Duration = Duration::from_secs(1);

/// Between two times that the counts of the limits are written down: what a crash forgives at most.
const METERS_KEPT_INTERVAL: Duration = Duration::from_secs(20);

/// Something that a client said.
#[derive(Debug)]
pub(crate) enum Said {
    Frame(ClientFrame),
    Unreadable(FrameError),
}

/// For the worker.
#[derive(Debug)]
pub(crate) enum Event {
    Opened {
        connection: ConnectionId,
        exporter: [u8; 32],
        origin: Origin,
        greeting: Greeting,
        outlet: Outlet,
    },
    /// What one read of a connection held.
    Said(ConnectionId, Vec<Said>),
    Heard(ConnectionId),
    Closed(ConnectionId),
    /// The sync that was under way has ended.
    Synced(Result<(), StorageError>),
    /// The pool has done something.
    Worked,
    /// The operator changed registration or limits.
    Reconfigured(Box<chat_relay::Config>),
    /// The operator's tool has written into the database.
    Nudged,
    Tick,
    /// Somebody wants to know whether rounds go on.
    Pulse(oneshot::Sender<()>),
    Stop,
}

/// Where connections put their events.
pub(crate) type Inbox = mpsc::Sender<Event>;

/// A connection as the worker sees it.
struct Seat {
    outlet: Outlet,
    /// Frames of it that were taken, and that it was not told of yet.
    taken: usize,
    /// It stands in the list of those that the round touched.
    touched: bool,
}

impl Seat {
    fn touch(&mut self, connection: ConnectionId, touched: &mut Vec<ConnectionId>) {
        if !self.touched {
            self.touched = true;
            touched.push(connection);
        }
    }
}

struct Worker<S> {
    relay: Relay<S>,
    seats: HashMap<ConnectionId, Seat>,
    /// Connections that this round has something for or took something from.
    touched: Vec<ConnectionId>,
    /// Connections that may not say more before the disk has caught up.
    held: Vec<ConnectionId>,
    jobs: threads::Sender<SyncJob>,
    pool: Pool<S>,
    hub: Hub,
    /// Tasks that the pool has.
    working: usize,
    next_sweep: watch::Sender<Option<Duration>>,
    /// When the next sweep is due, and a round before that.
    sweep_at: Option<Instant>,
    held_until: Option<Instant>,
    metrics: Arc<Metrics>,
    start: Instant,
    trouble_logged: Option<Instant>,
    /// To be told when the round has ended.
    pulses: Vec<oneshot::Sender<()>>,
    meters: Meters,
    /// What was asked before is answered until then, nothing more is taken in.
    stopping: Option<Instant>,
}

/// Where what the limits on guessing have counted is kept between two runs.
#[derive(Debug)]
pub(crate) struct Meters {
    path: PathBuf,
    kept: Vec<u8>,
    kept_at: Instant,
}

impl Meters {
    pub(crate) fn at(path: PathBuf) -> Self {
        // None at the first start; one that can't be read is as none.
        let kept = std::fs::read(&path).unwrap_or_default();
        Self { path, kept, kept_at: Instant::now() }
    }

    /// Writes them down if they have changed.
    fn keep(&mut self, counted: Vec<u8>) {
        self.kept_at = Instant::now();
        if counted != self.kept {
            match write_private(&self.path, &counted) {
                Ok(()) => self.kept = counted,
                Err(error) => tracing::warn!(%error, "what the limits have counted is not kept"),
            }
        }
    }
}

/// What the worker's surroundings keep of it.
pub(crate) struct Started {
    pub(crate) inbox: Inbox,
    /// How long until the next sweep is due; none while nobody is connected.
    pub(crate) next_sweep: watch::Receiver<Option<Duration>>,
    /// Signs greetings.
    pub(crate) greeter: Greeter,
}

/// Starts the threads. They end after [`Event::Stop`], or when nobody can send any more.
pub(crate) fn start<S: Storage + Send + 'static>(
    mut relay: Relay<S>,
    (metrics, meters): (Arc<Metrics>, Meters),
    on_end: impl FnOnce() + Send + 'static,
) -> std::io::Result<Started> {
    let (inbox, events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let (jobs, work) = threads::channel::<SyncJob>();
    // Weak, so that the worker ends when its last connection and its owner are gone.
    let (back, timing) = (inbox.downgrade(), Arc::clone(&metrics));
    std::thread::Builder::new().name("relay-sync".to_owned()).spawn(move || {
        while let Ok(job) = work.recv() {
            let since = Instant::now();
            let result = job();
            timing.synced(since.elapsed());
            let Some(inbox) = back.upgrade() else { return };
            if inbox.blocking_send(Event::Synced(result)).is_err() {
                return;
            }
        }
    })?;
    let (sender, next_sweep) = watch::channel(None);
    let back = inbox.downgrade();
    let wake = move || back.upgrade().is_some_and(|inbox| inbox.blocking_send(Event::Worked).is_ok());
    let (pool, greeter) = (Pool::start(wake)?, relay.greeter());
    relay.defer_tasks();
    let worker = Worker {
        relay,
        seats: HashMap::new(),
        touched: Vec::new(),
        held: Vec::new(),
        jobs,
        pool,
        hub: Hub::start(),
        working: 0,
        next_sweep: sender,
        sweep_at: None,
        held_until: None,
        metrics,
        start: Instant::now(),
        trouble_logged: None,
        pulses: Vec::new(),
        meters,
        stopping: None,
    };
    std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
        worker.run(events);
        on_end();
    })?;
    Ok(Started { inbox, next_sweep, greeter })
}

/// Wakes the worker when a sweep is due: the relay's only timer, and none while nobody is connected.
pub(crate) async fn tick(inbox: Inbox, mut next_sweep: watch::Receiver<Option<Duration>>) {
    loop {
        let due = *next_sweep.borrow_and_update();
        let sleep = async {
            match due {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {
                if inbox.send(Event::Tick).await.is_err() || next_sweep.changed().await.is_err() {
                    return;
                }
            }
            changed = next_sweep.changed() => if changed.is_err() { return },
        }
    }
}

impl<S: Storage + 'static> Worker<S> {
    fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let now = self.now();
        self.relay.restore_meters(&self.meters.kept, now);
        while let Some(first) = events.blocking_recv() {
            let mut count: u32 = 1;
            self.take(first);
            for _ in 1..EVENTS_PER_ROUND_MAX {
                let Ok(event) = events.try_recv() else { break };
                self.take(event);
                count = count.saturating_add(1);
            }
            self.metrics.groups.observe(f64::from(count));
            self.flush();
            // A group under way is waited for: what it holds was promised to nobody yet, but asked for.
            let enough = |by: Instant| self.working == 0 || Instant::now() >= by;
            if self.stopping.is_some_and(enough) && !self.relay.is_syncing() {
                break;
            }
        }
        // Answers of the last round are on their way already: they are written, then each connection closes.
        let all: Vec<ConnectionId> = self.seats.keys().copied().collect();
        all.into_iter().for_each(|connection| self.put(connection, Parcel::Close));
        self.hub.leave();
        self.meters.keep(self.relay.meters(self.now()));
        if let Err(error) = self.relay.shut_down() {
            self.log_trouble(error);
        }
    }

    /// Hands an event on.
    fn take(&mut self, event: Event) {
        let now = self.now();
        match event {
            // Under load there would be a next group for ever.
            Event::Opened { .. } | Event::Said(..) if self.stopping.is_some() => {}
            Event::Opened { connection, exporter, origin, greeting, outlet } => {
                self.seats.insert(connection, Seat { outlet, taken: 0, touched: false });
                let greeting = Some(greeting);
                self.relay.handle(now, Input::Opened { connection, exporter, origin, greeting });
                self.announce_sweep();
            }
            Event::Said(connection, said) => self.hear(now, connection, said),
            Event::Heard(connection) => self.relay.handle(now, Input::Heard(connection)),
            Event::Closed(connection) => {
                self.seats.remove(&connection);
                self.relay.handle(now, Input::Closed(connection));
            }
            Event::Synced(result) => self.relay.handle(now, Input::Synced(result)),
            Event::Worked => self.finish(now),
            Event::Reconfigured(config) => self.relay.reconfigure(*config),
            Event::Nudged => self.relay.handle(now, Input::Nudged),
            Event::Tick => self.tick(now),
            Event::Pulse(beat) => self.pulses.push(beat),
            Event::Stop => self.stopping = Some(Instant::now() + STOP_WAIT_MAX),
        }
    }

    fn tick(&mut self, now: Now) {
        self.held_until = None;
        // A round alone may have been due.
        let left = self.sweep_at.map(|at| at.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left > Duration::ZERO) {
            self.next_sweep.send_replace(left);
            return;
        }
        self.relay.handle(now, Input::Tick);
        if self.meters.kept_at.elapsed() >= METERS_KEPT_INTERVAL {
            self.meters.keep(self.relay.meters(now));
        }
        self.plan_sweep();
    }

    fn hear(&mut self, now: Now, connection: ConnectionId, said: Vec<Said>) {
        self.metrics.frames.inc_by(u64::try_from(said.len()).unwrap_or(0));
        if let Some(seat) = self.seats.get_mut(&connection) {
            seat.taken = seat.taken.saturating_add(said.len());
            seat.touch(connection, &mut self.touched);
        }
        for said in said {
            let input = match said {
                Said::Frame(frame) => Input::Frame(connection, frame),
                Said::Unreadable(error) => Input::Unreadable(connection, error),
            };
            self.relay.handle(now, input);
        }
    }

    /// Goes on with what the pool has done.
    fn finish(&mut self, now: Now) {
        for done in self.pool.take_done() {
            self.working = self.working.saturating_sub(1);
            let connection = done.connection();
            self.relay.finish(now, done);
            // It may say more now.
            if let Some(seat) = self.seats.get_mut(&connection) {
                seat.touch(connection, &mut self.touched);
            }
        }
    }

    fn flush(&mut self) {
        for task in self.relay.take_tasks() {
            self.working = self.working.saturating_add(1);
            self.pool.give(task);
        }
        for output in self.relay.flush(self.now()) {
            match output {
                Output::Send(to, frame) => self.send(to, frame),
                Output::Spread(to, frame) => self.spread(&to, &frame),
                Output::LoggedIn(connection) => {
                    self.seats.get(&connection).into_iter().for_each(|seat| seat.outlet.logged_in());
                }
                Output::Close(connection) => self.put(connection, Parcel::Close),
                Output::Trouble(error) => self.log_trouble(error),
            }
        }
        self.hub.leave();
        if let Some(job) = self.relay.take_sync() {
            // The helper lives as long as this sender.
            let _ = self.jobs.send(job);
        }
        let held = std::mem::take(&mut self.held);
        for connection in std::mem::take(&mut self.touched).into_iter().chain(held) {
            self.let_on(connection);
        }
        self.plan_round();
        // Who no longer waits needs no answer.
        for pulse in self.pulses.drain(..) {
            let _ = pulse.send(());
        }
        self.metrics.connections.set(i64::try_from(self.seats.len()).unwrap_or(i64::MAX));
        self.metrics.logins.set(i64::try_from(self.relay.logins()).unwrap_or(i64::MAX));
    }

    fn send(&mut self, to: ConnectionId, frame: ServerFrame) {
        match &frame.message {
            ServerMessage::Accepted { .. } => drop(self.metrics.accepted.inc()),
            ServerMessage::Deliver { .. } => drop(self.metrics.delivered.inc()),
            ServerMessage::Refused(refusal) => self.metrics.refused(refusal.kind),
            _ => {}
        }
        self.put(to, Parcel::Frame(frame));
    }

    /// The same to many: encoded once, one copy of it in memory.
    fn spread(&mut self, to: &[ConnectionId], frame: &ServerFrame) {
        self.metrics.delivered.inc_by(u64::try_from(to.len()).unwrap_or(0));
        let Ok(encoded) = frame.encode(FRAME_BYTES_MAX) else {
            return tracing::error!("a frame for many is over the size of a frame");
        };
        for connection in to {
            self.put(*connection, Parcel::Encoded(encoded.clone()));
        }
    }

    /// Puts something with what leaves for a connection. One that does not read is let go; the core hears of it
    /// as a close.
    fn put(&mut self, to: ConnectionId, parcel: Parcel) {
        let Some(seat) = self.seats.get(&to) else { return };
        if let Ok(line) = seat.outlet.take(&parcel) {
            self.hub.put(to, line, parcel);
        } else {
            seat.outlet.cut();
            self.seats.remove(&to);
        }
    }

    /// Lets a connection read on whose frames were dealt with.
    fn let_on(&mut self, connection: ConnectionId) {
        let Some(seat) = self.seats.get_mut(&connection) else { return };
        seat.touched = false;
        if seat.taken == 0 || self.relay.is_busy(connection) {
            // Nothing to tell, or what it says more would only wait: it is told when its turn comes.
        } else if self.relay.is_full() {
            self.held.push(connection);
        } else {
            seat.outlet.taken(std::mem::take(&mut seat.taken));
        }
    }

    /// Somebody came: if nobody was there, no sweep was due.
    fn announce_sweep(&mut self) {
        if self.sweep_at.is_none() {
            self.plan_sweep();
        }
    }

    fn plan_sweep(&mut self) {
        let pause = self.relay.next_sweep_ms(self.now()).map(Duration::from_millis);
        self.sweep_at = pause.and_then(|pause| Instant::now().checked_add(pause));
        self.next_sweep.send_replace(pause);
    }

    /// Sends are held back for their readers: if nothing else causes a round in time, this does.
    fn plan_round(&mut self) {
        let Some(pause) = self.relay.next_round_ms().map(Duration::from_millis) else { return };
        let Some(due) = Instant::now().checked_add(pause) else { return };
        if self.held_until.is_none() && self.sweep_at.is_none_or(|at| due < at) {
            self.held_until = Some(due);
            self.next_sweep.send_replace(Some(pause));
        }
    }

    /// Once a second at most: a full disk refuses every request.
    fn log_trouble(&mut self, error: StorageError) {
        self.metrics.storage_failures.inc();
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
