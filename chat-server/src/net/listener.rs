//! Accepts connections and starts a task for each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chat_relay::{ConnectionId, Greeter};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::address::{Admission, origin};
use super::bulk::Bulk;
use super::connection::{self, Carrier, Guest};
use super::notes::Notes;
use super::turns::Turns;
use super::worker::Inbox;
use crate::metrics::Metrics;

/// Connections that the kernel holds for us until they are accepted: a storm of reconnections must
/// not be turned away (a peer with a backlog of 5 stalled a hundred clients for a minute, measured).
const BACKLOG: u32 = 4_096;

/// Pause after a failed accept: the process is out of descriptors, and only time helps.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long connections may take to write their last answers when the relay stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);

/// A listening socket.
pub(crate) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What every new connection needs.
pub(crate) struct Door {
    /// The current certificate; a reload puts another one here.
    pub(crate) acceptor: watch::Receiver<TlsAcceptor>,
    pub(crate) inbox: Inbox,
    pub(crate) greeter: Greeter,
    pub(crate) turns: Turns,
    pub(crate) admission: Arc<Admission>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bulk: Bulk,
}

/// A socket that listens, and what is spoken on it.
pub(crate) struct Listening {
    pub(crate) listener: TcpListener,
    pub(crate) carrier: Carrier,
}

static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);

/// Accepts until `stop`, then lets the worker finish and the connections say goodbye.
pub(crate) async fn accept_until(
    (frames, websocket): (Listening, Option<Listening>),
    door: Door,
    stop: impl Future<Output = ()>,
    drain: impl Future<Output = ()>,
) {
    let mut tasks = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (carrier, accepted) = tokio::select! {
            () = &mut stop => break,
            // The worker ends by itself only when it panicked: nothing can be answered any more.
            () = door.inbox.closed() => break,
            accepted = frames.listener.accept() => (frames.carrier, accepted),
            accepted = accept_on(websocket.as_ref()) => (Carrier::WebSocket, accepted),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        match accepted {
            Ok((socket, peer)) => admit(&door, &mut tasks, carrier, (socket, peer)),
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
    drop((frames, websocket));
    drain.await;
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_TIME_MAX, all).await;
    tasks.shutdown().await;
}

async fn accept_on(listening: Option<&Listening>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listening {
        Some(listening) => listening.listener.accept().await,
        None => std::future::pending().await,
    }
}

fn admit(door: &Door, tasks: &mut JoinSet<()>, carrier: Carrier, (socket, peer): (TcpStream, SocketAddr)) {
    let (from, doors) = (peer.ip(), door.admission.doors());
    let origin = origin(from, doors.limit_loopback);
    let ticket = match door.admission.admit(origin) {
        Ok(ticket) => ticket,
        Err(reason) => return door.notes.dropped(reason, from),
    };
    door.metrics.accepted_connections.inc();
    // Frames are written whole; waiting for more to fill a packet would only delay them.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let connection = ConnectionId(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed));
    let guest = Guest {
        connection,
        from,
        origin,
        ticket,
        inbox: door.inbox.clone(),
        greeter: door.greeter.clone(),
        turns: door.turns.clone(),
        notes: Arc::clone(&door.notes),
        times: doors.times,
        frame_bytes_max: doors.frame_bytes_max,
        bulk: door.bulk.clone(),
    };
    let acceptor = door.acceptor.borrow().clone();
    tasks.spawn(connection::serve(socket, carrier, acceptor, guest));
}
