//! A relay that listens: everything opened, put together, and ended in order.

use std::future::Future;
use std::net::SocketAddr;

use chat_relay::{Relay, Secrets};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::data_dir::{DataDir, DataDirError};
use crate::net::address::Admission;
use crate::net::listener::{self, Door};
use crate::net::tls::{self, Pin, TlsError};
use crate::net::worker::{self, Event, Inbox};
use crate::storage::{OpenError, SqliteStorage};

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
    listener: TcpListener,
    door: Door,
    inbox: Inbox,
    connections: watch::Receiver<usize>,
    worker_ended: oneshot::Receiver<()>,
    address: SocketAddr,
    pin: Pin,
}

impl Server {
    /// Opens the data directory, the database and the socket.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let data = match &config.data {
            Some(path) => DataDir::open(path)?,
            None => DataDir::temporary()?,
        };
        let (acceptor, pin) = tls::acceptor(config.tls.as_ref(), &data)?;
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = listener::listen(config.listen).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let secrets =
            Secrets { identity: data.identity()?, login: data.login_secrets()?, rng: Box::new(UnwrapErr(SysRng)) };
        let relay = Relay::new(SqliteStorage::open(&data.database())?, config.relay, secrets);
        let (ended, worker_ended) = oneshot::channel();
        let on_end = move || {
            // The database is closed by now: the directory's lock may go, and a temporary one itself.
            drop(data);
            let _ = ended.send(());
        };
        let inbox = worker::start(relay, on_end).map_err(StartError::Thread)?;
        let (sender, connections) = watch::channel(0);
        let admission = Admission::new(config.connections_max, config.strangers_per_address_max);
        let door = Door {
            acceptor,
            inbox: inbox.clone(),
            admission,
            limit_loopback: config.limit_loopback,
            connections: sender,
        };
        Ok(Self { listener, door, inbox, connections, worker_ended, address, pin })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The pin of its certificate.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Serves until `stop`; then accepts no more, syncs, answers what was asked, closes.
    ///
    /// # Errors
    /// [`Died`] when the relay ended by itself.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), Died> {
        let Self { listener, door, inbox, connections, worker_ended, .. } = self;
        let ticker = tokio::spawn(worker::tick(inbox.clone(), connections));
        let mut ended = Err(Died);
        let drain = async {
            let _ = inbox.send(Event::Stop).await;
            ended = worker_ended.await.map_err(|_| Died);
        };
        listener::accept_until(listener, door, stop, drain).await;
        ticker.abort();
        ended
    }
}
