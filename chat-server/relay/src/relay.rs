//! The relay as one value: inputs in, one sync a round, outputs out.

use std::collections::HashMap;

use chat_wire::error::RefusalKind;
use chat_wire::frame::{ClientFrame, Frame, FrameError};
use chat_wire::ids::RelayId;
use chat_wire::limits::SILENCE_MS_MAX;
use chat_wire::message::{LogoutReason, ServerMessage};

use crate::clock::Now;
use crate::core::{Config, Core, Secrets};
use crate::dispatch::{self, Here, Kind, Reply};
use crate::limits::{EXPIRED_PER_SWEEP_MAX, EXPIRY_SWEEP_MS, STRIKES_BEFORE_LOGIN_MAX};
use crate::peer::{Connection, Origin, Peer, Stage};
use crate::refuse::Refuse;
use crate::round::{ConnectionId, Output, Rests};
use crate::storage::{Log, Storage, StorageError};

/// What goes into the relay core.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every input is a frame: a box would cost each an allocation")]
pub enum Input {
    /// A connection stands.
    Opened {
        /// Its number, never used again.
        connection: ConnectionId,
        /// 32 bytes of its TLS exporter (`chat_wire::message::EXPORTER_LABEL`).
        exporter: [u8; 32],
        /// Where it comes from.
        origin: Origin,
    },
    /// A client said something.
    Frame(ConnectionId, ClientFrame),
    /// A client said something that is no frame of this protocol.
    Unreadable(ConnectionId, FrameError),
    /// Bytes of a frame that is still under way came in.
    Heard(ConnectionId),
    /// A connection is gone.
    Closed(ConnectionId),
    /// Some time has passed: sweep. Due at least twice a second while connections stand.
    Tick,
}

/// The relay core.
pub struct Relay<S> {
    core: Core<S>,
    connections: HashMap<ConnectionId, Connection>,
    expired_at_ms: u64,
    outside_changes: u64,
}

impl<S: Storage> Relay<S> {
    /// A relay without connections.
    pub fn new(store: S, config: Config, secrets: Secrets) -> Self {
        let core = Core::new(store, config, secrets);
        Self { core, connections: HashMap::new(), expired_at_ms: 0, outside_changes: 0 }
    }

    /// Takes one input. What it causes leaves with [`Relay::flush`].
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Opened { connection, exporter, origin } => {
                self.connections.insert(connection, Connection::new(exporter, origin, now.uptime_ms));
            }
            Input::Frame(connection, frame) => self.frame(Here { now, connection }, frame),
            Input::Unreadable(connection, error) => self.unreadable(Here { now, connection }, error),
            Input::Heard(connection) => drop(self.heard(Here { now, connection })),
            Input::Closed(connection) => {
                self.end(now, connection);
                self.connections.remove(&connection);
            }
            Input::Tick => self.tick(now),
        }
    }

    /// Ends the round: one sync for everything since the last one, then everything leaves.
    #[must_use]
    pub fn flush(&mut self, now: Now) -> Vec<Output> {
        let synced = if self.core.round.dirty { self.sync() } else { Ok(()) };
        let mut outputs = match synced {
            Ok(()) => self.core.round.release(),
            Err(error) => self.fail(now, error),
        };
        let mut fresh = std::mem::take(&mut self.core.round.fresh);
        for id in std::mem::take(&mut self.core.round.to_pump) {
            let Some(login) = self.connections.get_mut(&id).and_then(|c| c.peer.login()) else { continue };
            let entries = fresh.remove(&login.device);
            if let Err(error) = dispatch::pump(&mut self.core, (id, login), entries, &mut outputs) {
                outputs.push(Output::Trouble(error));
                outputs.push(Output::Close(id));
            }
        }
        outputs
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

    fn sync(&mut self) -> Result<(), StorageError> {
        self.core.settle_acknowledgements()?;
        self.core.store.sync()
    }

    fn fail(&mut self, now: Now, error: StorageError) -> Vec<Output> {
        self.core.rosters.forget_all();
        self.core.mailboxes.forget_all();
        let outputs = self.core.round.fail(error);
        for output in &outputs {
            if let Output::Close(connection) = output {
                self.end(now, *connection);
            }
        }
        outputs
    }

    fn frame(&mut self, here: Here, frame: ClientFrame) {
        let Some(connection) = self.heard(here) else { return };
        let (request, rests) = (frame.request, dispatch::rests(Kind::of(&frame.message)));
        let Some(connection) = self.connections.get_mut(&connection) else { return };
        let result = dispatch::dispatch(&mut self.core, here, connection, frame);
        match result {
            Ok(reply) => {
                if rests == Rests::OnStorage {
                    self.core.round.asked(here.connection, request);
                }
                self.answer(here, (request, rests), reply);
            }
            Err(refuse) => self.refuse(here, request, refuse),
        }
        for (connection, reason) in std::mem::take(&mut self.core.round.dismissals) {
            self.dismiss(here, connection, reason);
        }
    }

    /// Notes that a connection lives; none when it is closing or gone.
    fn heard(&mut self, here: Here) -> Option<ConnectionId> {
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
        Some(here.connection)
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
            Reply::Silence => {}
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
    fn dismiss(&mut self, here: Here, connection: ConnectionId, reason: LogoutReason) {
        self.core.round.push(Rests::OnStorage, connection, ServerMessage::LoggedOut { reason, list: None });
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
            let news = self.core.presence.leave(&login.device, id, now.wall_ms);
            self.core.spread(news);
        }
    }

    fn tick(&mut self, now: Now) {
        self.sweep_connections(now);
        if self.core.mailboxes.has_acknowledged() {
            // Lost acknowledgements cost a repeat: they wait for company, but not for ever.
            self.core.round.dirty = true;
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
        let before_ms = now.wall_ms.saturating_sub(self.core.config.limits.retention_ms);
        self.core.gates.prune(now.uptime_ms);
        self.core.round.dirty = true;
        let expired = self.core.store.expire(before_ms, EXPIRED_PER_SWEEP_MAX)?;
        if expired.rows < EXPIRED_PER_SWEEP_MAX {
            // Else the next tick goes on.
            self.expired_at_ms = now.uptime_ms;
        }
        for log in expired.logs {
            match log {
                Log::Mailbox(device) => self.core.mailboxes.forget(&device),
                Log::Room(_) => {}
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
