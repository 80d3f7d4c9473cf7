//! Ways to a relay: an encrypted stream with an exporter, and frames on it. Nothing here knows what
//! the frames say.

mod frames;
mod loopback;
#[cfg(test)]
mod tests;
mod tls;
mod verify;

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

pub(crate) use frames::{FrameReader, FrameWriter};
pub use loopback::{Loopback, LoopbackEnd};
pub(crate) use verify::TrustRule;

use crate::config::{Pin, RelayAddress, Trust};
use crate::request::RelayIdentity;

/// An ordered, reliable byte stream in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that stands, before the first frame.
pub(crate) struct Established {
    pub(crate) stream: Box<dyn Stream>,
    /// 32 bytes that both ends share and nobody else knows (label `EXPORTER-chat-v1`).
    pub(crate) exporter: [u8; 32],
    /// What the relay showed; none on a loopback, which shows nothing.
    pub(crate) identity: Option<RelayIdentity>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Name resolution, routing, or nobody listening.
    #[error("the relay was not reached: {0}")]
    Unreachable(#[from] io::Error),
    /// What answered does not speak TLS 1.3.
    #[error("what answered does not speak TLS 1.3")]
    Protocol,
    /// Nobody vouches for the key that was shown.
    #[error("the relay's certificate is unknown")]
    Unknown(Pin),
    /// Another key than the one known, or no longer one that a root vouches for.
    #[error("the relay's certificate changed")]
    Changed,
}

/// How relays are reached.
#[derive(Debug, Clone)]
pub(crate) enum Dialer {
    /// TLS 1.3 over TCP.
    Tls {
        /// The system's roots, read when they are first needed; none when there are none.
        roots: Arc<OnceCell<Option<Arc<WebPkiServerVerifier>>>>,
    },
    /// A relay in the same process.
    Loopback(Loopback),
}

impl Dialer {
    /// TLS 1.3 over TCP, with the system's roots.
    pub(crate) fn tls() -> Self {
        Self::Tls { roots: Arc::default() }
    }

    /// Connects and proves the relay's key.
    pub(crate) async fn dial(&self, address: &RelayAddress, rule: TrustRule) -> Result<Established, DialError> {
        match self {
            Self::Tls { roots } => {
                // A pinned key needs nobody to vouch for it.
                let roots = if rule.pin.is_some() { None } else { roots.get_or_init(read_roots).await.clone() };
                tls::connect(address, verify::Verifier::new(rule, roots)).await
            }
            Self::Loopback(loopback) => Ok(loopback.connect()?),
        }
    }
}

impl Dialer {
    /// Another connection to the relay that showed this: with the same key or not at all. None for one in
    /// the same process.
    pub(crate) async fn dial_again(&self, shown: Option<&RelayIdentity>) -> Result<Established, DialError> {
        match (self, shown) {
            (Self::Loopback(loopback), _) => Ok(loopback.connect()?),
            (Self::Tls { .. }, Some(shown)) => {
                let rule = TrustRule { pin: Some(shown.pin), rooted: false, first_use: Trust::Ask };
                tls::connect(&shown.relay, verify::Verifier::new(rule, None)).await
            }
            (Self::Tls { .. }, None) => Err(DialError::Protocol),
        }
    }
}

/// Reads the roots on a thread that may wait for files.
async fn read_roots() -> Option<Arc<WebPkiServerVerifier>> {
    spawn_blocking(verify::load_roots).await.ok().flatten()
}
