//! What every handler is given and gives back.

use bytes::Bytes;
use chat_wire::message::ServerMessage;

use crate::clock::Now;
use crate::round::ConnectionId;

/// When and where a message came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here {
    pub(crate) now: Now,
    pub(crate) connection: ConnectionId,
}

/// What a handler wants to say.
#[derive(Debug)]
pub(crate) enum Reply {
    /// An answer.
    Answer(ServerMessage),
    /// An answer with a body.
    WithBody(ServerMessage, Bytes),
    /// An answer after which the connection closes.
    Last(ServerMessage),
    /// Nothing now: the answer comes when what was asked is durable.
    Later,
    /// Nothing.
    Silence,
}

impl Reply {
    pub(crate) fn done() -> Self {
        Self::Answer(ServerMessage::Done {})
    }
}
