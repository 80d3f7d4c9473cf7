//! A program with a profile: an engine, its store, its connection and its own chance.

use std::convert::Infallible;

use chat_core::engine::{Answer, Boot, Context, Engine, EngineError, ExportKey, Input, Query, Step};
use chat_core::time::Timestamp;
use chat_fixtures::seeded::Seeded;
use chat_login::client::LoginStart;
use chat_wire::ids::{BootId, DeviceId};
use rand_core::TryRng;

use crate::disk::Disk;

/// One running or dead program.
pub(crate) struct Actor {
    /// Whose it is.
    pub(crate) person: usize,
    /// Which device: a copy is the same one.
    pub(crate) device: usize,
    /// It logs in to an account that is there, instead of registering.
    pub(crate) joins: bool,
    /// What was said from there on reaches it.
    pub(crate) since: Option<u64>,
    /// It was taken off the account.
    pub(crate) removed: bool,
    /// A password that is being checked, and the key that it led to.
    pub(crate) login: Option<LoginStart>,
    pub(crate) key: Option<ExportKey>,
    pub(crate) disk: Disk,
    pub(crate) engine: Option<Engine>,
    pub(crate) connection: Option<u64>,
    pub(crate) wake_at: Option<u64>,
    pub(crate) rng: Seeded,
    /// A copy that is not to be started again.
    pub(crate) buried: bool,
    pub(crate) backups: Vec<Disk>,
    pub(crate) commands: u64,
}

impl Actor {
    pub(crate) fn new((person, device): (usize, usize), disk: Disk, rng: Seeded) -> Self {
        Self {
            person,
            device,
            joins: false,
            since: Some(0),
            removed: false,
            login: None,
            key: None,
            disk,
            engine: None,
            connection: None,
            wake_at: None,
            rng,
            buried: false,
            backups: Vec::new(),
            commands: 0,
        }
    }

    /// Starts the program.
    pub(crate) fn open(&mut self, now_ms: u64) -> Result<Step, EngineError> {
        let mut id = [0; 16];
        let Ok::<(), Infallible>(()) = self.rng.try_fill_bytes(&mut id);
        let mut cx = Context { records: &self.disk.records, rng: &mut self.rng };
        let (engine, step) = Engine::open(Timestamp::from_ms(now_ms), Boot { id: BootId(id) }, &mut cx)?;
        self.engine = Some(engine);
        self.wake_at = None;
        Ok(step)
    }

    /// Gives the engine an input; none when the program is not running.
    pub(crate) fn handle(&mut self, now_ms: u64, input: Input) -> Option<Result<Step, EngineError>> {
        let engine = self.engine.as_mut()?;
        let mut cx = Context { records: &self.disk.records, rng: &mut self.rng };
        Some(engine.handle(Timestamp::from_ms(now_ms), input, &mut cx))
    }

    /// The device's id, when the running engine is logged in.
    pub(crate) fn logged_in(&self, now_ms: u64) -> Option<DeviceId> {
        let engine = self.engine.as_ref()?;
        match engine.query(Timestamp::from_ms(now_ms), &Query::Status, &self.disk.records) {
            Answer::Status(status) if status.logged_in => status.device,
            _ => None,
        }
    }

    /// How many packets the running engine has refused.
    pub(crate) fn refused(&self, now_ms: u64) -> Option<u64> {
        let engine = self.engine.as_ref()?;
        match engine.query(Timestamp::from_ms(now_ms), &Query::Diagnostics, &self.disk.records) {
            Answer::Diagnostics(counts) => Some([counts.undecryptable, counts.duplicates, counts.forks].iter().sum()),
            _ => None,
        }
    }

    /// The program dies; what is on disk stays.
    pub(crate) fn die(&mut self) -> Option<u64> {
        self.engine = None;
        (self.wake_at, self.login) = (None, None);
        self.connection.take()
    }
}
