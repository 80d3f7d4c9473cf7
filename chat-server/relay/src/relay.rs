//! The relay as one value: inputs in, one sync a round, outputs out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chat_wire::error::RefusalKind;
use chat_wire::frame::{ClientFrame, Frame, FrameError};
use chat_wire::ids::RelayId;
use chat_wire::limits::SILENCE_MS_MAX;
use chat_wire::message::ServerMessage;

use crate::clock::Now;
use crate::core::{Config, Core, Secrets};
use crate::dispatch::{self, Kind};
use crate::identity::{Greeter, Greeting};
use crate::limits::{
    ACKNOWLEDGED_WAIT_MS, ACKNOWLEDGEMENT_WAIT_MS, CLOCK_SET_MS_MAX, EXPIRED_PER_SWEEP_MAX, EXPIRY_SWEEP_MS,
    SEEKING_CONNECTION_MS_MAX, STRIKES_BEFORE_LOGIN_MAX, SWEEP_MS_MAX, SWEEP_MS_MIN, WAITING_BEFORE_LOGIN_MAX,
    WAITING_BYTES_MAX,
};
use crate::meters;
use crate::peer::{Connection, Origin, Peer, Stage};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::{ConnectionId, Farewell, Output, Rests};
use crate::storage::{Commit, Log, Storage, StorageError, SyncJob};
use crate::task::{Asked, Done, Task};

/// What goes into the relay core.
#[derive(Debug)]
pub enum Input {
    /// A connection stands.
    Opened {
        /// Its number, never used again.
        connection: ConnectionId,
        /// 32 bytes of its TLS exporter (`chat_wire::message::EXPORTER_LABEL`).
        exporter: [u8; 32],
        /// Where it comes from.
        origin: Origin,
        /// Its greeting, when the shell had it signed; else that is done when it is asked for.
        greeting: Option<Greeting>,
    },
    /// A client said something.
    Frame(ConnectionId, ClientFrame),
    /// A client said something that is no frame of this protocol.
    Unreadable(ConnectionId, FrameError),
    /// Bytes of a frame that is still under way came in.
    Heard(ConnectionId),
    /// A connection is gone.
    Closed(ConnectionId),
    /// The sync that was under way has ended.
    Synced(Result<(), StorageError>),
    /// Another process has written into the storage.
    Nudged,
    /// Some time has passed: sweep. [`Relay::next_sweep_ms`] says when it is due.
    Tick,
}

/// The relay core.
pub struct Relay<S> {
    core: Core<S>,
    connections: BTreeMap<ConnectionId, Connection>,
    expired_at_ms: u64,
    /// When the first sweep was: what a wall clock that jumps is held against.
    began: Option<Now>,
    outside_changes: u64,
    job: Option<SyncJob>,
    /// Commits are pending for a while, so that there will be another group.
    disk_takes_time: bool,
    /// A sync failed: nothing that was read is sure to be durable before a commit went well.
    suspect: bool,
    /// Work for the shell.
    tasks: Vec<Task<S>>,
    /// The shell takes it; else it is done at once.
    defers: bool,
}

impl<S: Storage> Relay<S> {
    /// A relay without connections.
    pub fn new(store: S, config: Config, secrets: Secrets) -> Self {
        let core = Core::new(store, config, secrets);
        Self {
            core,
            connections: BTreeMap::new(),
            expired_at_ms: 0,
            began: None,
            outside_changes: 0,
            job: None,
            disk_takes_time: false,
            suspect: false,
            tasks: Vec::new(),
            defers: false,
        }
    }

    /// From now on the shell does what [`Relay::take_tasks`] gives, and hands it to [`Relay::finish`].
    pub fn defer_tasks(&mut self) {
        self.defers = true;
    }

    /// Work that came up; at most one a connection is under way.
    pub fn take_tasks(&mut self) -> Vec<Task<S>> {
        std::mem::take(&mut self.tasks)
    }

    /// Whether work for a connection is under way: what it says waits.
    #[must_use]
    pub fn is_busy(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|c| c.waiting.is_some())
    }

    /// Signs greetings, for [`Input::Opened`].
    #[must_use]
    pub fn greeter(&self) -> Greeter {
        Greeter(Arc::clone(&self.core.secrets.identity))
    }

    /// Goes on with a request whose work is done, and then with what its connection said meanwhile.
    pub fn finish(&mut self, now: Now, done: Done<S>) {
        let Done { asked, then } = done;
        let here = Here { now, connection: asked.connection };
        let Some(connection) = self.connections.get_mut(&asked.connection) else { return };
        let mut waiting = connection.waiting.take().unwrap_or_default();
        if connection.peer.stage() == Stage::Closing {
            return;
        }
        // Reads of what follows see every send.
        self.core.settle();
        let result = then(&mut self.core, here, connection);
        self.conclude(here, (asked.request, asked.rests), result);
        while let Some(frame) = waiting.pop_front() {
            self.serve(here, frame);
            let Some(connection) = self.connections.get_mut(&asked.connection) else { return };
            if connection.waiting.is_some() {
                connection.waiting = Some(waiting);
                return;
            }
        }
    }

    /// Takes one input. What it causes leaves with [`Relay::flush`].
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Opened { connection, exporter, origin, greeting } => {
                self.connections.insert(connection, Connection::new(exporter, origin, greeting, now.uptime_ms));
            }
            Input::Frame(connection, frame) => self.frame(Here { now, connection }, frame),
            Input::Unreadable(connection, error) => self.unreadable(Here { now, connection }, error),
            Input::Heard(connection) => {
                self.heard(Here { now, connection });
            }
            Input::Closed(connection) => {
                self.end(now, connection);
                self.connections.remove(&connection);
            }
            Input::Synced(result) => self.synced(now, result),
            Input::Nudged => {
                if let Err(error) = self.notice_outside_changes(now) {
                    self.core.round.stage(Rests::OnMemory, Output::Trouble(error));
                }
            }
            Input::Tick => self.tick(now),
        }
    }

    /// Ends the round: what rests on memory leaves, and what was written is committed unless a sync is
    /// under way; then it waits for the next group. [`Relay::take_sync`] has what is to be waited for.
    #[must_use]
    pub fn flush(&mut self, now: Now) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            self.end_group(now);
            self.leave(&mut outputs);
            self.pump_all();
            self.leave(&mut outputs);
            // Reading for one window may have written what waited: that is committed as well.
            let unwritten = self.core.has_due(now);
            if !unwritten || self.core.round.is_syncing() {
                return outputs;
            }
        }
    }

    /// Lets go what may leave; mail follows for those who hear now that they are logged in.
    fn leave(&mut self, outputs: &mut Vec<Output>) {
        let leaving = self.core.round.leave();
        for output in &leaving {
            if let Output::LoggedIn(id) = output
                && let Some(login) = self.connections.get_mut(id).and_then(|c| c.peer.login())
            {
                login.announced = true;
                self.core.round.to_pump.insert(*id);
            }
        }
        if outputs.is_empty() { *outputs = leaving } else { outputs.extend(leaving) }
    }

    /// The sync to run now, on whatever thread; its result comes back as [`Input::Synced`].
    pub fn take_sync(&mut self) -> Option<SyncJob> {
        self.job.take()
    }

    /// Whether a sync is under way.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.core.round.is_syncing()
    }

    /// Whether so much waits for the disk that nothing more should come in.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.core.sends.bytes() > WAITING_BYTES_MAX
    }

    /// Milliseconds after which a round is due even if nothing comes in: sends are held back for their readers.
    #[must_use]
    pub fn next_round_ms(&self) -> Option<u64> {
        let held = self.core.sends.has_waiting() && !self.core.round.is_syncing();
        held.then_some(ACKNOWLEDGEMENT_WAIT_MS)
    }

    /// Ends in order: everything is written and durable.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn shut_down(&mut self) -> Result<(), StorageError> {
        self.core.settle();
        self.core.settle_acknowledgements()?;
        self.core.store.sync()?;
        self.core.store.close()
    }

    /// Takes another configuration over, from the next request on.
    pub fn reconfigure(&mut self, config: Config) {
        self.core.gates.reconfigure(&config.limits);
        self.core.config = config;
    }

    /// What the limits on guessing have counted, to be given to [`Relay::restore_meters`] after a
    /// restart. Holds names and addresses: as private as the storage.
    #[must_use]
    pub fn meters(&self, now: Now) -> Vec<u8> {
        meters::save(&self.core.gates, now)
    }

    /// Takes over what an earlier run has counted. What does not read is left out.
    pub fn restore_meters(&mut self, bytes: &[u8], now: Now) {
        meters::restore(&mut self.core.gates, bytes, now);
    }

    /// Milliseconds until the next sweep is due; none while nobody is connected.
    #[must_use]
    pub fn next_sweep_ms(&self, now: Now) -> Option<u64> {
        if self.connections.is_empty() {
            return None;
        }
        let limits = &self.core.config.limits;
        let due = self.connections.values().filter_map(|connection| match &connection.peer {
            Peer::Closing => None,
            Peer::LoggedIn(login) if login.dozing => {
                Some(connection.heard_ms.saturating_add(limits.silent_connection_ms_max))
            }
            Peer::LoggedIn(_) => Some(connection.heard_ms.saturating_add(SILENCE_MS_MAX)),
            _ if connection.seeks => Some(connection.heard_ms.saturating_add(limits.silent_connection_ms_max)),
            _ => Some(connection.opened_ms.saturating_add(limits.login_ms_max)),
        });
        let first = due.min().unwrap_or(u64::MAX).saturating_sub(now.uptime_ms);
        let most = if self.core.mailboxes.has_acknowledged() { ACKNOWLEDGED_WAIT_MS } else { SWEEP_MS_MAX };
        Some(first.clamp(SWEEP_MS_MIN, most))
    }

    /// Devices that are logged in.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.core.logins.len()
    }

    /// The relay's id.
    #[must_use]
    pub fn id(&self) -> RelayId {
        self.core.secrets.identity.id()
    }

    /// The storage, for tests and for the shell's own questions between rounds.
    pub fn storage(&mut self) -> &mut S {
        &mut self.core.store
    }

    fn pump_all(&mut self) {
        for (id, entry) in std::mem::take(&mut self.core.round.fresh) {
            if let Some(login) = self.connections.get_mut(&id).and_then(|c| c.peer.login()) {
                dispatch::hand(&mut self.core, (id, login), entry);
            }
        }
        for id in std::mem::take(&mut self.core.round.to_pump) {
            let Some(login) = self.connections.get_mut(&id).and_then(|c| c.peer.login()) else { continue };
            if let Err(error) = dispatch::pump(&mut self.core, (id, login)) {
                self.core.round.stage_now(Output::Trouble(error));
                self.core.round.stage_now(Output::Close(id));
            }
        }
    }

    fn end_group(&mut self, now: Now) {
        let written = self.core.has_due(now) || self.suspect;
        if !written {
            return self.core.round.nothing_written();
        }
        if self.core.round.is_syncing() {
            return;
        }
        match self.commit(now) {
            Ok(Commit::Durable) => {
                self.suspect = false;
                let receipts = self.core.sends.settled();
                self.core.accept(receipts);
                self.core.round.durable();
            }
            Ok(Commit::Pending(job)) => {
                self.disk_takes_time = true;
                self.core.sends.sync();
                self.core.round.written();
                self.job = Some(job);
            }
            Err(error) => {
                // Whatever waits is tried, and told, now.
                self.disk_takes_time = false;
                let receipts = self.core.sends.settled();
                self.core.lose(receipts);
                self.core.round.refused(error);
                self.forget(now);
            }
        }
    }

    fn commit(&mut self, now: Now) -> Result<Commit, StorageError> {
        if self.disk_takes_time {
            self.core.write_due(now);
        } else {
            self.core.settle();
        }
        if self.core.mailboxes.many_acknowledged() {
            self.core.settle_acknowledgements()?;
        }
        self.core.store.commit()
    }

    fn synced(&mut self, now: Now, result: Result<(), StorageError>) {
        self.suspect = result.is_err();
        let receipts = self.core.sends.synced();
        if self.suspect {
            self.core.lose(receipts);
        } else {
            self.core.accept(receipts);
        }
        self.core.round.synced(result);
        if self.suspect {
            self.forget(now);
        }
    }

    /// Something that was taken for written is gone, or may be.
    fn forget(&mut self, now: Now) {
        self.core.rosters.forget_all();
        self.core.mailboxes.forget_all();
        for connection in self.core.rooms.fail() {
            self.close(now, connection);
        }
        for connection in self.core.round.closing() {
            self.end(now, connection);
        }
    }

    fn frame(&mut self, here: Here, frame: ClientFrame) {
        let Some(connection) = self.heard(here) else { return };
        let stranger = connection.peer.stage() != Stage::LoggedIn;
        let Some(waiting) = &mut connection.waiting else { return self.serve(here, frame) };
        if stranger && waiting.len() >= WAITING_BEFORE_LOGIN_MAX {
            return self.refuse(here, frame.request, Refuse::Closing(RefusalKind::OutOfPlace));
        }
        waiting.push_back(frame);
    }

    /// Does what a frame asks, or has it done.
    fn serve(&mut self, here: Here, frame: ClientFrame) {
        let Some(connection) = self.connections.get_mut(&here.connection) else { return };
        if connection.peer.stage() == Stage::Closing {
            return;
        }
        let (request, rests) = (frame.request, dispatch::rests(Kind::of(&frame.message)));
        let result = dispatch::dispatch(&mut self.core, here, connection, frame);
        let work = self.core.work.take().filter(|_| result.is_ok());
        let Some(work) = work else { return self.conclude(here, (request, rests), result) };
        let task = Task { asked: Asked { connection: here.connection, request, rests }, work };
        if self.defers {
            connection.waiting = Some(VecDeque::new());
            self.tasks.push(task);
        } else {
            let done = task.run(&mut *self.core.secrets.rng);
            self.finish(here.now, done);
        }
    }

    /// Answers a request, and what it caused elsewhere.
    fn conclude(&mut self, here: Here, (request, rests): (u32, Rests), result: Result<Reply, Refuse>) {
        match result {
            Ok(reply) => {
                if rests == Rests::OnStorage && !matches!(reply, Reply::Later) {
                    self.core.round.asked(here.connection, request);
                }
                self.answer(here, (request, rests), reply);
            }
            Err(refuse) => self.refuse(here, request, refuse),
        }
        if let Err(error) = dispatch::follow(&mut self.core) {
            self.core.round.stage(Rests::OnMemory, Output::Trouble(error));
            self.close(here.now, here.connection);
        }
        for (connection, farewell) in std::mem::take(&mut self.core.round.dismissals) {
            self.dismiss(here, connection, farewell);
        }
    }

    /// Notes that a connection lives; none when it is closing or gone.
    fn heard(&mut self, here: Here) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(&here.connection)?;
        if connection.peer.stage() == Stage::Closing {
            return None;
        }
        connection.heard_ms = here.now.uptime_ms;
        if let Some(login) = connection.peer.login().filter(|login| login.dozing) {
            login.dozing = false;
            let news = self.core.presence.wake(&login.device, here.now.wall_ms);
            self.core.spread(news);
        }
        Some(connection)
    }

    fn answer(&mut self, here: Here, (request, rests): (u32, Rests), reply: Reply) {
        let to = here.connection;
        match reply {
            Reply::Answer(message) => self.core.round.stage(rests, Output::Send(to, Frame::new(request, message))),
            Reply::WithBody(message, body) => {
                self.core.round.stage(rests, Output::Send(to, Frame::with_body(request, message, body)));
            }
            Reply::Last(message) => {
                self.core.round.stage(rests, Output::Send(to, Frame::new(request, message)));
                self.close(here.now, to);
            }
            Reply::Later | Reply::Silence => {}
        }
    }

    fn refuse(&mut self, here: Here, request: u32, refuse: Refuse) {
        let (refusal, mut closing) = refuse.message();
        if let Refuse::Storage(error) = refuse {
            self.core.round.stage(Rests::OnMemory, Output::Trouble(error));
        }
        if let Some(connection) = self.connections.get_mut(&here.connection)
            && connection.peer.stage() != Stage::LoggedIn
        {
            connection.strikes = connection.strikes.saturating_add(1);
            closing |= connection.strikes >= STRIKES_BEFORE_LOGIN_MAX;
        }
        let frame = Frame::new(request, ServerMessage::Refused(refusal));
        self.core.round.stage(Rests::OnMemory, Output::Send(here.connection, frame));
        if closing {
            self.close(here.now, here.connection);
        }
    }

    fn unreadable(&mut self, here: Here, error: FrameError) {
        let live = self.connections.get(&here.connection).is_some_and(|c| c.peer.stage() != Stage::Closing);
        if !live {
            return;
        }
        match error {
            // SPEC 4.4.2.
            FrameError::Unknown { request } => self.refuse(here, request, RefusalKind::Unsupported.into()),
            FrameError::TooLarge { .. } => self.refuse(here, 0, Refuse::Closing(RefusalKind::TooLarge)),
            _ => self.refuse(here, 0, Refuse::Closing(RefusalKind::Malformed)),
        }
    }

    /// Ends a connection's login and tells it why.
    fn dismiss(&mut self, here: Here, connection: ConnectionId, farewell: Farewell) {
        self.core.round.push(Rests::OnStorage, connection, farewell.message());
        self.close(here.now, connection);
    }

    fn close(&mut self, now: Now, connection: ConnectionId) {
        self.end(now, connection);
        self.core.round.stage(Rests::OnMemory, Output::Close(connection));
    }

    /// The connection's login is over, whatever the reason; nothing more is read from it.
    fn end(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Peer::LoggedIn(login) = std::mem::replace(&mut connection.peer, Peer::Closing) {
            // A newer connection of the same device keeps its place.
            if self.core.logins.get(&login.device) == Some(&id) {
                self.core.logins.remove(&login.device);
            }
            self.core.rooms.leave(id);
            let news = self.core.presence.leave(&login.device, id, now.wall_ms);
            self.core.spread(news);
        }
    }

    fn tick(&mut self, now: Now) {
        self.sweep_connections(now);
        if self.core.mailboxes.has_acknowledged() {
            // Lost acknowledgements cost a repeat: they wait for company, but not for ever.
            if let Err(error) = self.core.settle_acknowledgements() {
                self.core.round.stage(Rests::OnMemory, Output::Trouble(error));
            }
        }
        let expiry_due = now.since(self.expired_at_ms) >= EXPIRY_SWEEP_MS;
        let result = if expiry_due { self.expire(now) } else { Ok(()) };
        if let Err(error) = result.and_then(|()| self.notice_outside_changes(now)) {
            self.core.round.stage(Rests::OnMemory, Output::Trouble(error));
        }
    }

    fn sweep_connections(&mut self, now: Now) {
        let limits = &self.core.config.limits;
        let mut overdue = Vec::new();
        let mut silent = Vec::new();
        for (id, connection) in &mut self.connections {
            let unheard_ms = now.since(connection.heard_ms);
            match &mut connection.peer {
                Peer::Closing => {}
                Peer::LoggedIn(_) if unheard_ms >= limits.silent_connection_ms_max => overdue.push(*id),
                Peer::LoggedIn(login) if unheard_ms >= SILENCE_MS_MAX && !login.dozing => {
                    login.dozing = true;
                    silent.push(login.device);
                }
                Peer::LoggedIn(_) => {}
                _ if connection.seeks
                    && unheard_ms < limits.silent_connection_ms_max
                    && now.since(connection.opened_ms) < SEEKING_CONNECTION_MS_MAX => {}
                _ if now.since(connection.opened_ms) >= limits.login_ms_max => overdue.push(*id),
                _ => {}
            }
        }
        for device in silent {
            let news = self.core.presence.doze(&device, now.wall_ms);
            self.core.spread(news);
        }
        for connection in overdue {
            self.close(now, connection);
        }
    }

    fn expire(&mut self, now: Now) -> Result<(), StorageError> {
        // A clock that jumps ahead makes nothing old: mail goes by time that has passed.
        let began = *self.began.get_or_insert(now);
        let passed_ms = now.uptime_ms.saturating_sub(began.uptime_ms);
        let latest_ms = began.wall_ms.saturating_add(passed_ms).saturating_add(CLOCK_SET_MS_MAX);
        let before_ms = now.wall_ms.min(latest_ms).saturating_sub(self.core.config.limits.retention_ms);
        self.core.gates.prune(now.uptime_ms);
        self.core.entrance.prune(now.uptime_ms);
        let acknowledged = self.core.rooms.take_acknowledged();
        self.core.apply(&acknowledged)?;
        self.core.settle();
        self.core.round.dirty = true;
        let expired = self.core.store.expire(before_ms, EXPIRED_PER_SWEEP_MAX)?;
        if expired.rows < EXPIRED_PER_SWEEP_MAX {
            // Else the next tick goes on.
            self.expired_at_ms = now.uptime_ms;
        }
        for log in expired.logs {
            match log {
                Log::Mailbox(device) => self.core.mailboxes.forget(&device),
                Log::Room(room) => self.core.rooms.forget(&room),
            }
        }
        Ok(())
    }

    /// The operator's tool wrote: rosters are read anew, and disabled accounts are cut off.
    fn notice_outside_changes(&mut self, now: Now) -> Result<(), StorageError> {
        let changes = self.core.store.outside_changes()?;
        if changes == self.outside_changes {
            return Ok(());
        }
        self.outside_changes = changes;
        self.core.rosters.forget_all();
        dispatch::end_closed(&mut self.core, now.wall_ms)?;
        let logins: Vec<_> = self.core.logins.iter().map(|(device, id)| (*device, *id)).collect();
        for (device, connection) in logins {
            let roster = self.core.rosters.get(&mut self.core.store, &device.account)?;
            if roster.is_none_or(|r| r.disabled || r.device(device.device).is_none()) {
                self.close(now, connection);
            }
        }
        Ok(())
    }
}
