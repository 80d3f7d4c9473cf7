//! A relay that listens: everything opened, put together, and ended in order.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chat_relay::blobstore::BlobStoreError;
use chat_relay::{Blobs, Relay, Secrets, Tickets};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use tokio::net::{TcpListener, UnixDatagram};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::blobstore::{self, BlobPlaceError};
use crate::config::Config;
use crate::data_dir::{DataDir, DataDirError};
use crate::metrics::{Metrics, Readiness};
use crate::net::address::Admission;
use crate::net::bulk::Bulk;
use crate::net::connection::Carrier;
use crate::net::health;
use crate::net::listener::{self, Door, Listening};
use crate::net::notes::Notes;
use crate::net::tls::{self, Pin, TlsError};
use crate::net::turns::Turns;
use crate::net::worker::{self, Event, Inbox, Meters, Started};
use crate::storage::{OpenError, SqliteStorage};

/// Between two looks for expired blobs: they are kept for days.
const BLOB_SWEEP_INTERVAL: Duration = Duration::from_secs(3_600);

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory can't be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database can't be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The blobs can't be read.
    #[error(transparent)]
    Blobs(#[from] BlobStoreError),
    /// The place of the blobs can't be used.
    #[error(transparent)]
    BlobPlace(#[from] BlobPlaceError),
    /// There is no usable certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is taken or not ours.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No thread can be started.
    #[error("can't start a thread")]
    Thread(#[source] std::io::Error),
}

/// The relay ended by itself, which is a mistake in it: whoever runs it should start it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the relay ended unexpectedly")]
pub struct Died;

/// A relay that accepts connections as soon as [`Server::run_until`] is awaited; until then the
/// kernel holds them.
pub struct Server {
    frames: Listening,
    websocket: Option<Listening>,
    health: Option<TcpListener>,
    nudges: Option<UnixDatagram>,
    door: Door,
    started: Started,
    worker_ended: oneshot::Receiver<()>,
    readiness: Arc<Readiness>,
    reload: Reload,
    address: SocketAddr,
    pin: Pin,
}

/// Takes certificates and limits over while the relay runs.
#[derive(Clone)]
pub struct Reload {
    acceptor: Arc<watch::Sender<TlsAcceptor>>,
    admission: Arc<Admission>,
    inbox: Inbox,
}

impl Reload {
    /// Certificate, registration and limits of another configuration; its addresses, its data and its
    /// log wait for the next start. Connections that stand go on as they are.
    ///
    /// # Errors
    /// [`TlsError`]: then nothing has changed.
    pub async fn apply(&self, config: &Config) -> Result<(), TlsError> {
        // A certificate that the relay made itself never changes.
        if let Some(files) = &config.tls {
            let (acceptor, _) = tls::acceptor_of(files)?;
            self.acceptor.send_replace(acceptor);
        }
        self.admission.reconfigure(config.doors);
        let _ = self.inbox.send(Event::Reconfigured(Box::new(config.relay.clone()))).await;
        Ok(())
    }
}

/// Shows whether the relay still works.
#[derive(Clone)]
pub struct Pulse {
    inbox: Inbox,
}

impl Pulse {
    /// True once the relay has taken an event and ended its round; false when it ended.
    pub async fn beats(&self) -> bool {
        let (beat, felt) = oneshot::channel();
        self.inbox.send(Event::Pulse(beat)).await.is_ok() && felt.await.is_ok()
    }
}

impl Server {
    /// Opens the data directory, the database and the sockets.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let data = match &config.data {
            Some(path) => DataDir::open(path)?,
            None => DataDir::temporary()?,
        };
        let (acceptor, pin) = tls::acceptor(config.tls.as_ref(), &data)?;
        let carrier = if config.danger_plain { Carrier::Plain } else { Carrier::Tls };
        let frames = Listening { listener: listen(config.listen)?, carrier };
        let websocket = config.websocket.map(listen).transpose()?;
        let websocket = websocket.map(|listener| Listening { listener, carrier: Carrier::WebSocket });
        let health = config.metrics.map(listen).transpose()?;
        let address =
            frames.listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        let (nudges, meters) = (data.nudges(), Meters::at(data.meters()));
        let secrets =
            Secrets { identity: data.identity()?, login: data.login_secrets()?, rng: Box::new(UnwrapErr(SysRng)) };
        let blobs = Blobs::open(blobstore::open(&config.blobs, &data.blobs())?, config.relay.blobs)?;
        let bulk = Bulk::new(blobs, Tickets::of(&secrets.identity));
        let relay = Relay::new(SqliteStorage::open(&data.database())?, config.relay, secrets);
        let (ended, worker_ended) = oneshot::channel();
        let on_end = move || {
            // The database is closed by now: the directory's lock may go, and a temporary one itself.
            drop(data);
            let _ = ended.send(());
        };
        let metrics = Arc::new(Metrics::new());
        let started = worker::start(relay, (Arc::clone(&metrics), meters), on_end).map_err(StartError::Thread)?;
        let (certificate, acceptor) = watch::channel(acceptor);
        let admission = Admission::new(config.doors);
        let reload =
            Reload { acceptor: Arc::new(certificate), admission: Arc::clone(&admission), inbox: started.inbox.clone() };
        let notes = Notes::new(Arc::clone(&metrics), config.log.addresses);
        let (inbox, greeter) = (started.inbox.clone(), started.greeter.clone());
        let turns = Turns::new();
        let door = Door { acceptor, inbox, greeter, turns, admission, notes, metrics, bulk };
        let readiness = Arc::new(Readiness::default());
        Ok(Self { frames, websocket, health, nudges, door, started, worker_ended, readiness, reload, address, pin })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for WebSockets.
    #[must_use]
    pub fn websocket_address(&self) -> Option<SocketAddr> {
        self.websocket.as_ref().and_then(|listening| listening.listener.local_addr().ok())
    }

    /// Where metrics and health are shown.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The pin of its certificate.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Takes other limits and certificates over later on.
    #[must_use]
    pub fn reload(&self) -> Reload {
        self.reload.clone()
    }

    /// Shows whether it still works.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse { inbox: self.started.inbox.clone() }
    }

    /// Serves until `stop`; then accepts no more, syncs, answers what was asked, closes.
    ///
    /// # Errors
    /// [`Died`] when the relay ended by itself.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), Died> {
        let Self { frames, websocket, health, nudges, door, started, worker_ended, readiness, .. } = self;
        let Started { inbox, next_sweep, .. } = started;
        let mut beside = JoinSet::new();
        beside.spawn(worker::tick(inbox.clone(), next_sweep));
        beside.spawn(sweep_blobs(door.bulk.clone()));
        if let Some(listener) = health {
            beside.spawn(health::serve(listener, Arc::clone(&door.metrics), Arc::clone(&readiness)));
        }
        if let Some(socket) = nudges {
            beside.spawn(pass_nudges(socket, inbox.clone()));
        }
        readiness.ready();
        let mut ended = Err(Died);
        let drain = async {
            readiness.ending();
            let _ = inbox.send(Event::Stop).await;
            ended = worker_ended.await.map_err(|_| Died);
        };
        listener::accept_until((frames, websocket), door, stop, drain).await;
        beside.shutdown().await;
        ended
    }
}

/// Removes expired blobs, soon after the start and then each hour.
async fn sweep_blobs(bulk: Bulk) {
    loop {
        bulk.sweep().await;
        tokio::time::sleep(BLOB_SWEEP_INTERVAL).await;
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    listener::listen(address).map_err(|source| StartError::Listen { address, source })
}

/// The operator's tool writes a byte when it has changed something: the relay looks at once instead of
/// asking the database again and again.
async fn pass_nudges(socket: UnixDatagram, inbox: Inbox) {
    let mut byte = [0; 1];
    while socket.recv(&mut byte).await.is_ok() {
        if inbox.send(Event::Nudged).await.is_err() {
            return;
        }
    }
}
