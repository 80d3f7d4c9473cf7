//! Frames (SPEC 4.4): `length u32 | head length u32 | CBOR head | body`. The length counts what
//! follows it. Bodies are sliced out of the received buffer, never copied.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::limits::HEAD_BYTES_MAX;
use crate::message::{ClientMessage, ServerMessage};

/// Bytes of the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// Room for a head when a buffer is made for it: all but lists and prekeys fit, in bytes.
const HEAD_BYTES_USUAL: usize = 128;

/// Room that a deframer makes at a time for the rest of an announced frame, in bytes.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// A message with its request number and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<M> {
    /// Number of the request, chosen by the client, echoed in the answer; 0 in pushes.
    pub request: u32,
    /// The message.
    pub message: M,
    /// Bulk bytes of messages that carry some, else empty.
    pub body: Bytes,
}

/// What a client sends.
pub type ClientFrame = Frame<ClientMessage>;
/// What a relay sends.
pub type ServerFrame = Frame<ServerMessage>;

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length prefix is over the limit; nothing was read.
    #[error("a frame of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Announced size.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The head is no CBOR map of this protocol.
    #[error("a frame's head is malformed")]
    Malformed,
    /// The head is well-formed, but its message is unknown here: answer `unsupported`, go on.
    #[error("a frame's message is unknown")]
    Unknown {
        /// The request to refuse.
        request: u32,
    },
}

#[derive(Serialize)]
struct HeadOut<'a, M> {
    #[serde(rename = "r")]
    request: u32,
    #[serde(rename = "m")]
    message: &'a M,
}

#[derive(Deserialize)]
struct HeadIn<M> {
    #[serde(rename = "r")]
    request: u32,
    #[serde(rename = "m")]
    message: M,
}

/// Only the request number: read when the message is unknown.
#[derive(Deserialize)]
struct HeadNumber {
    #[serde(rename = "r")]
    request: u32,
}

impl<M> Frame<M> {
    /// A frame without a body.
    pub fn new(request: u32, message: M) -> Self {
        Self { request, message, body: Bytes::new() }
    }

    /// A frame with a body.
    pub fn with_body(request: u32, message: M, body: Bytes) -> Self {
        Self { request, message, body }
    }
}

impl<M: Serialize> Frame<M> {
    /// Length prefix, head length and head; the body follows as it is. Two buffers, so that a shared
    /// body is written without a copy.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] when head or whole is over its limit.
    pub fn encode_head(&self, limit: usize) -> Result<Bytes, FrameError> {
        let mut out = Vec::with_capacity(HEAD_BYTES_USUAL);
        self.encode_head_into(&mut out, limit)?;
        Ok(Bytes::from(out))
    }

    /// The same at the end of a buffer that many frames share; the buffer is as before after an error.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] when head or whole is over its limit.
    pub fn encode_head_into(&self, out: &mut Vec<u8>, limit: usize) -> Result<(), FrameError> {
        let start = out.len();
        let result = self.try_encode_head(out, limit);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn try_encode_head(&self, out: &mut Vec<u8>, limit: usize) -> Result<(), FrameError> {
        let start = out.len();
        out.extend_from_slice(&[0; 2 * PREFIX_BYTES]);
        let mut serializer = minicbor_serde::Serializer::new(&mut *out);
        HeadOut { request: self.request, message: &self.message }
            .serialize(&mut serializer)
            .map_err(|_| FrameError::Malformed)?;
        let head = out.len().saturating_sub(start).saturating_sub(2 * PREFIX_BYTES);
        let total = head.saturating_add(self.body.len()).saturating_add(PREFIX_BYTES);
        let (Ok(total_u32), Ok(head_u32)) = (u32::try_from(total), u32::try_from(head)) else {
            return Err(FrameError::TooLarge { bytes: total, limit });
        };
        if head > HEAD_BYTES_MAX {
            return Err(FrameError::TooLarge { bytes: head, limit: HEAD_BYTES_MAX });
        }
        if total > limit {
            return Err(FrameError::TooLarge { bytes: total, limit });
        }
        let prefixes = total_u32.to_be_bytes().into_iter().chain(head_u32.to_be_bytes());
        out.iter_mut().skip(start).zip(prefixes).for_each(|(slot, byte)| *slot = byte);
        Ok(())
    }

    /// The whole frame in one buffer.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] when head or whole is over its limit.
    pub fn encode(&self, limit: usize) -> Result<Bytes, FrameError> {
        let head = self.encode_head(limit)?;
        let mut out = BytesMut::with_capacity(head.len().saturating_add(self.body.len()));
        out.put_slice(&head);
        out.put_slice(&self.body);
        Ok(out.freeze())
    }
}

impl<M: DeserializeOwned> Frame<M> {
    /// Reads what follows a length prefix.
    ///
    /// # Errors
    /// [`FrameError`]: malformed closes the connection, unknown is refused and goes on.
    pub fn decode(mut bytes: Bytes) -> Result<Self, FrameError> {
        let head_len = bytes.try_get_u32().map_err(|_| FrameError::Malformed)?;
        let head_len = usize::try_from(head_len).map_err(|_| FrameError::Malformed)?;
        if head_len > bytes.len() || head_len > HEAD_BYTES_MAX {
            return Err(FrameError::Malformed);
        }
        let head = bytes.split_to(head_len);
        match whole::<HeadIn<M>>(&head) {
            Some(HeadIn { request, message }) => Ok(Self { request, message, body: bytes }),
            None => match whole::<HeadNumber>(&head) {
                Some(HeadNumber { request }) => Err(FrameError::Unknown { request }),
                None => Err(FrameError::Malformed),
            },
        }
    }
}

/// Reads a value that fills the bytes to the last one.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut deserializer = minicbor_serde::Deserializer::new(bytes);
    let value = T::deserialize(&mut deserializer).ok()?;
    (deserializer.decoder().position() == bytes.len()).then_some(value)
}

/// Cuts a byte stream into frames without knowing where the bytes come from.
#[derive(Debug)]
pub struct Deframer {
    buffer: BytesMut,
    limit: usize,
}

impl Deframer {
    /// Starts with a limit on one frame, in bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Sets the limit for the frames to come.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The buffer to read into.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame without its length prefix, or none yet.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] as soon as a prefix announces too much; the stream is then useless.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if len > self.limit {
            return Err(FrameError::TooLarge { bytes: len, limit: self.limit });
        }
        let whole = len.saturating_add(PREFIX_BYTES);
        if self.buffer.len() < whole {
            // Room for what has been announced grows with what has come: a prefix alone costs little.
            let missing = whole.saturating_sub(self.buffer.len());
            self.buffer.reserve(missing.min(READ_AHEAD_BYTES));
            return Ok(None);
        }
        self.buffer.advance(PREFIX_BYTES);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, DeviceAddress, DeviceId, RequestKey};
    use crate::limits::FRAME_BYTES_MAX;
    use crate::message::{ListState, PacketHead};

    fn send() -> ClientFrame {
        let account = AccountId([7; 32]);
        let to = DeviceAddress { account, device: DeviceId(9) };
        let message = ClientMessage::Send {
            key: RequestKey([1; 16]),
            step: 3,
            lists: vec![ListState { account, seq: 1 }],
            packets: vec![PacketHead { to, len: 5 }],
        };
        Frame::with_body(42, message, Bytes::from_static(b"hello"))
    }

    #[test]
    fn a_frame_survives_being_cut_at_every_byte() {
        let bytes = send().encode(FRAME_BYTES_MAX).unwrap();
        let mut deframer = Deframer::new(FRAME_BYTES_MAX);
        for (at, byte) in bytes.iter().enumerate() {
            assert_eq!(deframer.next_frame().unwrap(), None, "at {at}");
            deframer.buffer_mut().put_u8(*byte);
        }
        let frame = deframer.next_frame().unwrap().unwrap();
        assert_eq!(ClientFrame::decode(frame).unwrap(), send());
    }

    #[test]
    fn an_unknown_message_keeps_its_number_and_an_oversized_prefix_is_refused_unread() {
        let head = minicbor_serde::to_vec(std::collections::BTreeMap::from([("r", 5)])).unwrap();
        let mut raw = BytesMut::new();
        raw.put_u32(u32::try_from(head.len()).unwrap());
        raw.put_slice(&head);
        assert_eq!(ClientFrame::decode(raw.freeze()), Err(FrameError::Unknown { request: 5 }));
        let mut deframer = Deframer::new(100);
        deframer.buffer_mut().put_u32(101);
        assert_eq!(deframer.next_frame(), Err(FrameError::TooLarge { bytes: 101, limit: 100 }));
    }
}
