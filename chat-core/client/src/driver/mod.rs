//! The driver (DESIGN §3): engine, store and connection on one thread of their own. Inputs that queue up
//! share a transaction; what came of them is let out once that is durable. One thread, so that a heartbeat
//! wakes nobody else and a message changes hands as seldom as it can.
//!
//! ```text
//! handles ──Task──▶ ┌────────────────────────┐ ──events──▶ reader
//!                   │ engine · store · clock │
//! relay ─LinkEvent─▶└────────────────────────┘ ──frames──▶ relay
//! ```

mod alarm;
mod core;
mod door;
mod line;
mod mailbox;
mod outlet;
mod run;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use chat_core::engine::{Notice, NoticeKind, Output};
use chat_wire::ids::MessageId;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};

use self::core::{Core, Fault};
use crate::config::{Ack, Config};
use crate::error::OpenError;
use crate::event::{Connection, ConnectionState};
use crate::link::{Knocker, Link, Target};
use crate::store::Store;
use crate::transport::Dialer;
use door::Standing;
use line::Line;
use run::Driver;

pub(crate) use door::{Door, Ready};
pub use mailbox::Asked;
pub(crate) use mailbox::{Answer, Mailbox, Task, WeakMailbox};

/// A driver at work.
pub(crate) struct Running {
    pub(crate) mailbox: Mailbox,
    pub(crate) door: Door,
    /// Where the reader of events notes what it is done with.
    pub(crate) taken: Option<Arc<AtomicU64>>,
    /// What transfers have to know.
    pub(crate) tidings: mpsc::UnboundedReceiver<Tidings>,
}

/// What happened that transfers have to know.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tidings {
    /// A file came.
    File(Arrival),
    /// Everything that the profile held is gone.
    Erased,
}

/// A message about a file came from somebody else, and is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Number of its notice.
    pub(crate) seq: u64,
    /// The message.
    pub(crate) id: MessageId,
    /// Bytes of the file, as its sender says.
    pub(crate) size: u64,
}

impl Arrival {
    /// The file that a notice tells of.
    pub(crate) fn of(notice: &Notice) -> Option<Self> {
        match &notice.kind {
            NoticeKind::Message(message) if !message.outgoing => {
                message.file.as_ref().map(|file| Self { seq: notice.seq, id: message.id, size: file.size })
            }
            _ => None,
        }
    }
}

/// Opens the profile on a thread of its own and starts to connect there.
pub(crate) async fn start(config: Config, dialer: Dialer) -> Result<Running, OpenError> {
    let (mailbox, tasks) = Mailbox::new();
    let (standing, shown) = watch::channel(Standing {
        connection: Connection { state: ConnectionState::Offline, relay: None, retry_in_ms: None, reason: None },
        identity: None,
        ready: None,
        failures: 0,
    });
    let taken = match config.ack {
        Ack::Automatic => Some(Arc::<AtomicU64>::default()),
        Ack::Manual => None,
    };
    let knocker = Knocker::new();
    let door = Door::new(shown, knocker.clone());
    let (told, tidings) = mpsc::unbounded_channel();
    let running = Running { mailbox, door, taken: taken.clone(), tidings };
    let opening = Opening { config, dialer, standing, knocker, taken, told };
    let (report, opened) = oneshot::channel();
    thread::Builder::new().name("chat-profile".to_owned()).spawn(move || opening.work(tasks, report))?;
    match opened.await {
        Ok(opened) => opened.map(|()| running),
        // The thread ended without a word: it panicked, and nothing was written.
        Err(_) => Err(OpenError::Io(io::Error::from(io::ErrorKind::Other))),
    }
}

/// Everything that a driver is made of, on its way to the thread.
struct Opening {
    config: Config,
    dialer: Dialer,
    standing: watch::Sender<Standing>,
    knocker: Knocker,
    taken: Option<Arc<AtomicU64>>,
    told: mpsc::UnboundedSender<Tidings>,
}

impl Opening {
    /// The life of the thread.
    fn work(self, tasks: mpsc::UnboundedReceiver<Task>, report: oneshot::Sender<Result<(), OpenError>>) {
        let opened = Builder::new_current_thread().enable_all().build().map_err(OpenError::from).and_then(|runtime| {
            let (driver, outputs) = self.open(&runtime)?;
            Ok((runtime, driver, outputs))
        });
        let (runtime, driver, outputs) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // Who opened has gone away; there is nobody else to tell.
                let _ = report.send(Err(error));
                return;
            }
        };
        // When who opened has gone away, so have all handles: the loop ends at once.
        let _ = report.send(Ok(()));
        let closed = runtime.block_on(driver.run(tasks, outputs));
        // A name that is still being resolved is not waited for.
        runtime.shutdown_background();
        // By now the store is closed and the lock given back.
        for waiting in closed {
            let _ = waiting.send(());
        }
    }

    fn open(self, network: &Runtime) -> Result<(Driver, Vec<Output>), OpenError> {
        let mut core = Core::new(Store::open(&self.config.data_dir, &self.config.store_key)?);
        let outputs = core.open().map_err(refusal)?;
        let status = core.status();
        let stored = core.store.settings().map_err(|error| refusal(error.into()))?;
        let settings = match self.config.relay {
            Some(relay) => line::moved(&stored, relay, status.enrolled),
            None => stored.clone(),
        };
        if settings != stored {
            core.within(|core| Ok(core.store.set_settings(&settings)?)).map_err(refusal)?;
        }
        let (told, first_use) = (self.config.pin, self.config.trust);
        let rule = line::rule(&settings, told, first_use);
        let target = Target { relay: settings.relay.clone(), rule, wanted: status.logged_in };
        let state = if settings.relay.is_some() { ConnectionState::Connecting } else { ConnectionState::Offline };
        self.standing.send_modify(|standing| {
            standing.connection.state = state;
            standing.connection.relay.clone_from(&settings.relay);
        });
        let link = {
            let _network = network.enter();
            Link::start(self.dialer, target, &self.knocker)
        };
        let line = Line::new(link, self.standing, settings, (told, first_use));
        Ok((Driver::new(core, line, (self.taken, self.told)), outputs))
    }
}

/// Why a profile whose store is sound does not open.
fn refusal(fault: Fault) -> OpenError {
    match fault {
        Fault::Store(error) => error.into(),
        Fault::Engine(_) | Fault::NoEngine => OpenError::Records,
    }
}
