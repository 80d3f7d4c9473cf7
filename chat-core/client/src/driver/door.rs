//! What the driver shows of the connection, and the way to one that may run a login.

use std::time::Duration;

use chat_core::engine::{Failure, FailureKind, Route};
use chat_wire::ids::RelayId;
use chat_wire::message::{ClientMessage, ServerMessage};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::event::{Connection, ConnectionState, OfflineReason};
use crate::link::{Knocker, Request};
use crate::request::RelayIdentity;

/// Time to get a connection on which the relay proved its identity.
const READY_TIME_MAX: Duration = Duration::from_secs(15);

/// Time for one answer of the relay.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// How things stand; published by the driver whenever that changes.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) connection: Connection,
    /// What the relay showed last.
    pub(super) identity: Option<RelayIdentity>,
    /// The connection on which the relay proved its identity.
    pub(super) ready: Option<Ready>,
    /// Attempts that failed so far: tells an old failure from a new one.
    pub(super) failures: u64,
}

/// A connection that may run a login.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) route: Route,
    pub(crate) relay: RelayId,
    pub(crate) exporter: [u8; 32],
    /// The relay's challenge on this connection.
    pub(crate) challenge: [u8; 32],
    pub(super) requests: mpsc::Sender<Request>,
}

impl Ready {
    /// Asks the relay around the engine.
    pub(crate) async fn ask(&self, message: ClientMessage) -> Result<ServerMessage, Failure> {
        let (answer, result) = oneshot::channel();
        let offline = || Failure::of(FailureKind::Offline);
        self.requests.send(Request { message, answer }).await.map_err(|_| offline())?;
        match timeout(ANSWER_TIME_MAX, result).await {
            Ok(answer) => answer.map_err(|_| offline()),
            Err(_) => Err(Failure::of(FailureKind::Timeout)),
        }
    }
}

/// Shows how things stand, and asks for a connection.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    standing: watch::Receiver<Standing>,
    knocker: Knocker,
}

impl Door {
    pub(super) fn new(standing: watch::Receiver<Standing>, knocker: Knocker) -> Self {
        Self { standing, knocker }
    }

    pub(crate) fn connection(&self) -> Connection {
        self.standing.borrow().connection.clone()
    }

    /// Somebody needs the relay: no waiting for the next attempt.
    pub(crate) fn knock(&self) {
        if self.standing.borrow().connection.state == ConnectionState::Offline {
            self.knocker.knock();
        }
    }

    /// A connection on which the relay proved its identity, however long that takes; none once the client is
    /// closed.
    pub(crate) async fn connected(&mut self) -> Option<Ready> {
        let standing = self.standing.wait_for(|standing| standing.ready.is_some()).await.ok()?;
        standing.ready.clone()
    }

    /// What the relay showed last; none for one in the same process.
    pub(crate) fn shown(&self) -> Option<RelayIdentity> {
        self.standing.borrow().identity.clone()
    }

    /// A connection that may run a login, made now if there is none.
    pub(crate) async fn ready(&mut self) -> Result<Ready, Failure> {
        self.wait(|standing| standing.ready.clone()).await
    }

    /// What the relay shows of itself, asked now if there is no connection.
    pub(crate) async fn identity(&mut self) -> Result<RelayIdentity, Failure> {
        self.wait(|standing| match standing.connection {
            Connection { state: ConnectionState::Connected, .. }
            | Connection { reason: Some(OfflineReason::CertificateUnknown), .. } => standing.identity.clone(),
            _ => None,
        })
        .await
    }

    /// Waits for something to be there, or for the next attempt to fail.
    async fn wait<T>(&mut self, there: impl Fn(&Standing) -> Option<T>) -> Result<T, Failure> {
        let failures_before = self.standing.borrow().failures;
        self.knock();
        let found = async {
            loop {
                {
                    let standing = self.standing.borrow_and_update();
                    if let Some(found) = there(&standing) {
                        return Ok(found);
                    }
                    let reason = standing.connection.reason;
                    if standing.failures > failures_before || reason == Some(OfflineReason::NoRelay) {
                        return Err(failure(reason));
                    }
                }
                if self.standing.changed().await.is_err() {
                    return Err(Failure::of(FailureKind::Internal));
                }
            }
        };
        timeout(READY_TIME_MAX, found).await.unwrap_or_else(|_| Err(Failure::of(FailureKind::Timeout)))
    }
}

/// Why there is no connection, as the kind that everybody knows.
fn failure(reason: Option<OfflineReason>) -> Failure {
    Failure::of(match reason {
        Some(OfflineReason::CertificateChanged | OfflineReason::CertificateUnknown) => FailureKind::CertificateChanged,
        _ => FailureKind::Offline,
    })
}
