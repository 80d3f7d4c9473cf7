//! The way to the relay: dials, carries frames, dials again. It decides when to connect, never what is
//! said, and it keeps nothing: trust and address are told by the driver.
//!
//! ```text
//!            ┌──────────── target or knock ───────────┐
//!            ▼                                        │
//! wait ─▶ connecting ──failed──▶ offline (retry in …) ┤
//!            │ up                        ▲            │
//!            ▼                           │ lost       │
//!          carrying ─────────────────────┴── idle ────┘
//! ```

mod backoff;
mod carry;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chat_core::engine::Route;
use chat_wire::frame::{ClientFrame, ServerFrame};
use chat_wire::message::{ClientMessage, ServerMessage};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::config::{Pin, RelayAddress};
use crate::event::OfflineReason;
use crate::request::RelayIdentity;
use crate::transport::{DialError, Dialer, Established, TrustRule};
use backoff::Backoff;

/// Time to resolve, connect and shake hands.
const DIAL_TIME_MAX: Duration = Duration::from_secs(10);

/// A connection that stood this long was good: the next attempt comes quickly.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// A connection that brought so many frames was good too, however short: the relay greeted, let the device in and
/// answered it. A relay that breaks while it lets in brings fewer.
const GOOD_FRAMES: u64 = 4;

/// Time between two attempts that somebody's commands ask for.
const KNOCK_PAUSE: Duration = Duration::from_millis(250);

/// Frames read and not yet handled: one turn of the driver. At 4 MiB for the largest frame a hostile
/// relay can fill 128 MiB.
const EVENTS_WAITING_MAX: usize = 32;

/// Where to connect, and whom to expect there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) relay: Option<RelayAddress>,
    pub(crate) rule: TrustRule,
    /// Whether a lost connection is wanted again before somebody asks for it.
    pub(crate) wanted: bool,
}

/// A question that goes around the engine, with the place for its answer.
pub(crate) struct Request {
    pub(crate) message: ClientMessage,
    pub(crate) answer: oneshot::Sender<ServerMessage>,
}

/// What the link tells, in order.
pub(crate) enum LinkEvent {
    /// An attempt begins.
    Connecting,
    /// The relay showed this of itself.
    Shown(RelayIdentity),
    /// It showed a key that nobody vouches for.
    Unknown(Pin),
    /// No connection, and when the next attempt comes.
    Offline { reason: OfflineReason, retry_in: Option<Duration> },
    /// A connection stands.
    Up(Route, Wires),
    /// The relay said something.
    Frame(Route, ServerFrame),
    /// The connection is gone.
    Down(Route),
}

/// The ends of a connection that the driver holds.
pub(crate) struct Wires {
    pub(crate) exporter: [u8; 32],
    /// Frames to send; the connection closes when this is dropped and what waits is written.
    pub(crate) frames: mpsc::Sender<ClientFrame>,
    /// Questions around the engine.
    pub(crate) requests: mpsc::Sender<Request>,
    /// Tells the connection, also one that is stuck, that the driver let go.
    _hold: oneshot::Sender<()>,
}

/// The driver's side of a link.
pub(crate) struct Link {
    pub(crate) events: mpsc::Receiver<LinkEvent>,
    pub(crate) target: watch::Sender<Target>,
    task: tokio::task::JoinHandle<()>,
}

/// Lets anybody ask for a connection.
#[derive(Debug, Clone)]
pub(crate) struct Knocker(watch::Sender<()>);

impl Knocker {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Somebody needs the relay: do not wait any longer.
    pub(crate) fn knock(&self) {
        self.0.send_replace(());
    }
}

impl Link {
    /// Starts to connect on the current runtime.
    pub(crate) fn start(dialer: Dialer, target: Target, knocker: &Knocker) -> Self {
        let (events_in, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let (target, targets) = watch::channel(target);
        let knocks = knocker.0.subscribe();
        let runner = Runner { dialer, events: events_in, targets, knocks, backoff: Backoff::new(), routes: 0 };
        let task = tokio::spawn(runner.run());
        Self { events, target, task }
    }

    /// Comes when the link has ended. Connections whose wires were dropped write what waits before.
    pub(crate) async fn ended(&mut self) {
        // Nobody listens any more: the runner stops at its next event.
        self.events.close();
        // An error means that its runtime is gone, and it with that.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Runner {
    dialer: Dialer,
    events: mpsc::Sender<LinkEvent>,
    targets: watch::Receiver<Target>,
    knocks: watch::Receiver<()>,
    backoff: Backoff,
    routes: u64,
}

/// The driver is gone: nobody needs the link.
struct Unneeded;

impl Runner {
    async fn run(mut self) {
        while self.attempt().await.is_ok() {}
    }

    /// One attempt, what comes of it, and the wait for the next one.
    async fn attempt(&mut self) -> Result<(), Unneeded> {
        let target = self.targets.borrow_and_update().clone();
        let Some(relay) = &target.relay else {
            return self.rest(OfflineReason::NoRelay, None).await;
        };
        self.knocks.mark_unchanged();
        self.tell(LinkEvent::Connecting).await?;
        let dialled = timeout(DIAL_TIME_MAX, self.dialer.dial(relay, target.rule)).await;
        let reason = match dialled {
            Ok(Ok(established)) => return self.carry(established, &target).await,
            Ok(Err(DialError::Unknown(pin))) => {
                self.tell(LinkEvent::Unknown(pin)).await?;
                // Only a decision changes this.
                return self.rest(OfflineReason::CertificateUnknown, None).await;
            }
            Ok(Err(DialError::Changed)) => {
                self.backoff.exhaust();
                OfflineReason::CertificateChanged
            }
            Ok(Err(DialError::Protocol)) => OfflineReason::Protocol,
            Ok(Err(DialError::Unreachable(error))) => {
                tracing::debug!(kind = ?error.kind(), "the relay was not reached");
                OfflineReason::Unreachable
            }
            Err(_) => OfflineReason::Unreachable,
        };
        let delay = self.backoff.next();
        self.rest(reason, Some(delay)).await
    }

    /// Carries frames until the connection ends or is not the wanted one any more.
    async fn carry(&mut self, established: Established, target: &Target) -> Result<(), Unneeded> {
        if let Some(identity) = established.identity.clone() {
            self.tell(LinkEvent::Shown(identity)).await?;
        }
        self.routes = self.routes.saturating_add(1);
        let route = Route(self.routes);
        let since = Instant::now();
        let (wires, carrier) = carry::wire(established, route, self.events.clone());
        self.tell(LinkEvent::Up(route, wires)).await?;
        let mut carried = 0;
        tokio::select! {
            () = carrier.run(&mut carried) => {}
            moved = moved_away(&mut self.targets, target) => moved?,
        }
        self.tell(LinkEvent::Down(route)).await?;
        let good = since.elapsed() >= GOOD_CONNECTION;
        if good || carried >= GOOD_FRAMES {
            self.backoff = Backoff::new();
        }
        let now = self.targets.borrow().clone();
        if now.relay != target.relay {
            return Ok(());
        }
        if good && !now.wanted {
            // The relay does not keep connections that nobody logs in on.
            return self.rest(OfflineReason::Idle, None).await;
        }
        let delay = self.backoff.next();
        self.rest(OfflineReason::Lost, Some(delay)).await
    }

    /// Waits for the next attempt: a delay, a knock, or another target.
    async fn rest(&mut self, reason: OfflineReason, retry_in: Option<Duration>) -> Result<(), Unneeded> {
        let since = Instant::now();
        self.tell(LinkEvent::Offline { reason, retry_in }).await?;
        let delay = async {
            match retry_in {
                Some(delay) => sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = delay => {}
            changed = self.targets.changed() => changed.map_err(|_| Unneeded)?,
            knocked = self.knocks.changed(), if reason != OfflineReason::NoRelay => {
                knocked.map_err(|_| Unneeded)?;
                sleep(KNOCK_PAUSE.saturating_sub(since.elapsed())).await;
            }
            () = self.events.closed() => return Err(Unneeded),
        }
        Ok(())
    }

    async fn tell(&self, event: LinkEvent) -> Result<(), Unneeded> {
        self.events.send(event).await.map_err(|_| Unneeded)
    }
}

/// Ends when another relay is wanted; what else changes concerns later connections.
async fn moved_away(targets: &mut watch::Receiver<Target>, from: &Target) -> Result<(), Unneeded> {
    targets.wait_for(|target| target.relay != from.relay).await.map(|_| ()).map_err(|_| Unneeded)
}
