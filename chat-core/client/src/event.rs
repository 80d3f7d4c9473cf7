//! What a client tells without being asked.

use chat_core::engine::{Event, Notice};
use chat_wire::ids::MessageId;

use crate::config::{Pin, RelayAddress};

/// Something happened.
#[expect(clippy::large_enum_variant, reason = "nearly every event is a message: a box would cost each an allocation")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Something that must not be missed; it waits on disk until it is acknowledged.
    Notice(Notice),
    /// Something passing.
    Event(Event),
    /// The connection to the relay came, went, or is being made.
    Connection(Connection),
    /// A file got further.
    FileProgress {
        /// Its message.
        id: MessageId,
        /// Which way.
        direction: Direction,
        /// Bytes of the file that went over.
        done: u64,
        /// Bytes of the file.
        total: u64,
    },
    /// The relay shows a certificate that nobody vouches for; only with [`crate::Trust::Ask`].
    /// [`crate::Client::trust_certificate`] accepts it.
    UnknownCertificate {
        /// Which relay.
        relay: RelayAddress,
        /// What it shows.
        pin: Pin,
    },
}

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the relay.
    Upload,
    /// From the relay.
    Download,
}

/// How things stand with the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// How far.
    pub state: ConnectionState,
    /// The relay; none as long as no address is known.
    pub relay: Option<RelayAddress>,
    /// Milliseconds to the next attempt; none when nothing is tried before somebody asks.
    pub retry_in_ms: Option<u64>,
    /// Why it is offline.
    pub reason: Option<OfflineReason>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// An attempt is under way.
    Connecting,
    /// The relay answered and proved its identity.
    Connected,
    /// No connection.
    Offline,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfflineReason {
    /// No address of the relay is known.
    NoRelay,
    /// The relay was not reached, or not in time.
    Unreachable,
    /// The connection ended.
    Lost,
    /// What answered does not speak TLS 1.3 or this protocol.
    Protocol,
    /// The certificate is not the pinned one, or its identity is not the one that this profile knows.
    CertificateChanged,
    /// Nobody vouches for the certificate, and it waits for a decision.
    CertificateUnknown,
    /// Nobody needs the connection at the moment.
    Idle,
}
