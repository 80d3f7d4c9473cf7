//! Accepts connections and starts a task for each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chat_relay::ConnectionId;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::address::{Admission, origin};
use super::connection;
use super::worker::Inbox;

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
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) inbox: Inbox,
    pub(crate) admission: Arc<Admission>,
    pub(crate) limit_loopback: bool,
    pub(crate) connections: watch::Sender<usize>,
}

static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);

/// Accepts until `stop`, then lets the worker finish and the connections say goodbye.
pub(crate) async fn accept_until(
    listener: TcpListener,
    door: Door,
    stop: impl Future<Output = ()>,
    drain: impl Future<Output = ()>,
) {
    let mut tasks = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            // The worker ends by itself only when it panicked: nothing can be answered any more.
            () = door.inbox.closed() => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => admit(&door, &mut tasks, socket, peer),
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {
                door.connections.send_modify(|n| *n = tasks.len());
            }
        }
    }
    drop(listener);
    drain.await;
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_TIME_MAX, all).await;
    tasks.shutdown().await;
}

fn admit(door: &Door, tasks: &mut JoinSet<()>, socket: TcpStream, peer: SocketAddr) {
    let origin = origin(peer.ip(), door.limit_loopback);
    let Some(ticket) = door.admission.admit(origin) else { return };
    // Frames are written whole; waiting for more to fill a packet would only delay them.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let connection = ConnectionId(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed));
    let place = (connection, origin, ticket);
    tasks.spawn(connection::serve(socket, door.acceptor.clone(), door.inbox.clone(), place));
    door.connections.send_modify(|n| *n = tasks.len());
}
