//! A relay inside another program: for the demo, for tests, for people who want one process.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::net::tls::Pin;
use crate::server::{Server, StartError};

/// What an embedded relay is started with; the rest are defaults.
#[derive(Debug, Clone, Default)]
pub struct EmbedConfig {
    /// Where it keeps its data; none keeps nothing beyond the end.
    pub data_dir: Option<PathBuf>,
    /// Where it listens; none for a free port of the loopback interface.
    pub listen: Option<SocketAddr>,
    /// Registration and limits.
    pub relay: chat_relay::Config,
}

/// A running relay. Dropping it stops the relay without waiting for the end.
#[derive(Debug)]
pub struct Embedded {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The pin of its certificate.
    pub pin: Pin,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Starts a relay on the current tokio runtime. It accepts connections when this returns.
///
/// # Errors
/// [`StartError`] says what is in the way.
pub fn embed(config: EmbedConfig) -> Result<Embedded, StartError> {
    let config = Config {
        listen: config.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
        data: config.data_dir,
        relay: config.relay,
        ..Config::default()
    };
    let server = Server::start(config)?;
    let (addr, pin) = (server.address(), server.pin());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async {
        let ended = server.run_until(async {
            // Sent or dropped: either ends the relay.
            let _ = stopped.await;
        });
        if ended.await.is_err() {
            tracing::error!("the embedded relay ended unexpectedly");
        }
    });
    Ok(Embedded { addr, pin, stop, task })
}

impl Embedded {
    /// Stops the relay and waits until everything is written and closed.
    pub async fn shutdown(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
