//! A relay in the same process, without a socket: for embedders that bring their own, and for tests.

use std::io;

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

use super::Established;

/// The client's end: each connection is handed to the [`LoopbackEnd`] that was made with it.
#[derive(Debug, Clone)]
pub struct Loopback {
    connections: mpsc::UnboundedSender<LoopbackConnection>,
}

/// The relay's end.
#[derive(Debug)]
pub struct LoopbackEnd {
    connections: mpsc::UnboundedReceiver<LoopbackConnection>,
}

/// One connection, as the relay gets it.
type LoopbackConnection = (DuplexStream, [u8; 32]);

/// Bytes under way in one direction: what a socket's buffers hold.
const BUFFER_BYTES: usize = 256 * 1024;

impl Loopback {
    /// Both ends of a way that never leaves the process.
    #[must_use]
    pub fn new() -> (Self, LoopbackEnd) {
        let (connections, accepting) = mpsc::unbounded_channel();
        (Self { connections }, LoopbackEnd { connections: accepting })
    }

    pub(super) fn connect(&self) -> io::Result<Established> {
        let (ours, theirs) = duplex(BUFFER_BYTES);
        let mut exporter = [0; 32];
        getrandom::fill(&mut exporter).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
        // Nobody accepts any more: as a closed port.
        self.connections.send((theirs, exporter)).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Established { stream: Box::new(ours), exporter, identity: None })
    }
}

impl LoopbackEnd {
    /// The next connection and what stands in for its TLS exporter; none once every client is gone.
    pub async fn accept(&mut self) -> Option<(DuplexStream, [u8; 32])> {
        self.connections.recv().await
    }
}
