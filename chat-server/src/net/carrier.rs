//! How frames travel: as they are over TLS, or in binary messages of a WebSocket. Either way a stream of
//! bytes comes in and gathered frames go out.

use std::future::Future;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chat_wire::frame::ServerFrame;
use chat_wire::limits::FRAME_BYTES_MAX;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// A body up to this size is copied behind its head: one slice more costs a system call and a TLS
/// record more than the copy does. Larger ones are written from where they lie.
const SMALL_BODY_BYTES_MAX: usize = 1_024;

/// Bytes of heads that a writer keeps between two gatherings; an idle connection keeps none.
const HEADS_KEPT_BYTES_MAX: usize = 4 * 1_024;

/// Slices of one vectored write.
const SLICES_MAX: usize = 64;

/// Where bytes come from.
pub(crate) trait Source: Send {
    /// Appends what comes next, about `room` bytes; none at the end.
    fn fill(&mut self, buffer: &mut BytesMut, room: usize) -> impl Future<Output = io::Result<usize>> + Send;
}

/// Where frames go.
pub(crate) trait Sink: Send {
    /// Writes all of it, and leaves it empty. A peer that takes nothing for `patience` fails it.
    fn put(&mut self, load: &mut Load, patience: Duration) -> impl Future<Output = io::Result<()>> + Send;
    /// Says goodbye.
    fn end(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

/// Frames that are written together.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Heads, and small bodies behind them.
    heads: Vec<u8>,
    pieces: Vec<Piece>,
    bytes: usize,
}

#[derive(Debug)]
enum Piece {
    Heads(Range<usize>),
    Body(Bytes),
}

/// We made a frame that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Oversized;

impl Load {
    pub(crate) fn add(&mut self, frame: ServerFrame) -> Result<(), Oversized> {
        let start = self.heads.len();
        frame.encode_head_into(&mut self.heads, FRAME_BYTES_MAX).map_err(|_| Oversized)?;
        if frame.body.len() <= SMALL_BODY_BYTES_MAX {
            self.heads.extend_from_slice(&frame.body);
        }
        let end = self.heads.len();
        match self.pieces.last_mut() {
            Some(Piece::Heads(range)) => range.end = end,
            _ => self.pieces.push(Piece::Heads(start..end)),
        }
        self.bytes = self.bytes.saturating_add(end.saturating_sub(start));
        if frame.body.len() > SMALL_BODY_BYTES_MAX {
            self.bytes = self.bytes.saturating_add(frame.body.len());
            self.pieces.push(Piece::Body(frame.body));
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces.iter().map(|piece| IoSlice::new(self.piece(piece))).collect()
    }

    fn piece<'a>(&'a self, piece: &'a Piece) -> &'a [u8] {
        match piece {
            Piece::Heads(range) => self.heads.get(range.clone()).unwrap_or_default(),
            Piece::Body(body) => body,
        }
    }

    /// All of it in one buffer.
    fn joined(&self) -> Bytes {
        let mut joined = Vec::with_capacity(self.bytes);
        self.pieces.iter().for_each(|piece| joined.extend_from_slice(self.piece(piece)));
        Bytes::from(joined)
    }

    fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
        if self.heads.capacity() > HEADS_KEPT_BYTES_MAX {
            self.heads = Vec::new();
        } else {
            self.heads.clear();
        }
    }

    /// Gives the memory back: nothing is queued behind this.
    pub(crate) fn rest(&mut self) {
        *self = Self::default();
    }
}

impl<S: AsyncRead + Send + Unpin> Source for ReadHalf<S> {
    async fn fill(&mut self, buffer: &mut BytesMut, room: usize) -> io::Result<usize> {
        // A rest of the last buffer is used up only while it is worth a system call.
        if buffer.capacity().saturating_sub(buffer.len()) < room / 2 {
            buffer.reserve(room);
        }
        self.read_buf(buffer).await
    }
}

impl<S: AsyncWrite + Send + Unpin> Sink for WriteHalf<S> {
    async fn put(&mut self, load: &mut Load, patience: Duration) -> io::Result<()> {
        {
            let mut all = load.slices();
            let mut slices = &mut all[..];
            while !slices.is_empty() {
                let now = slices.get(..SLICES_MAX.min(slices.len())).unwrap_or_default();
                let written = in_time(patience, self.write_vectored(now)).await?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                IoSlice::advance_slices(&mut slices, written);
            }
        }
        load.clear();
        in_time(patience, self.flush()).await
    }

    async fn end(&mut self) -> io::Result<()> {
        self.shutdown().await
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Source for SplitStream<WebSocketStream<S>> {
    async fn fill(&mut self, buffer: &mut BytesMut, _: usize) -> io::Result<usize> {
        while let Some(message) = self.next().await {
            match message.map_err(from_socket)? {
                Message::Binary(bytes) if !bytes.is_empty() => {
                    buffer.extend_from_slice(&bytes);
                    return Ok(bytes.len());
                }
                Message::Text(_) => return Err(io::ErrorKind::InvalidData.into()),
                Message::Close(_) => return Ok(0),
                // Pings are answered by the library with the next write.
                _ => {}
            }
        }
        Ok(0)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Sink for SplitSink<WebSocketStream<S>, Message> {
    async fn put(&mut self, load: &mut Load, patience: Duration) -> io::Result<()> {
        let joined = load.joined();
        load.clear();
        in_time(patience, async { self.send(Message::Binary(joined)).await.map_err(from_socket) }).await
    }

    async fn end(&mut self) -> io::Result<()> {
        self.close().await.map_err(from_socket)
    }
}

async fn in_time<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(patience, work).await.map_err(|_| io::ErrorKind::TimedOut)?
}

fn from_socket(error: SocketError) -> io::Error {
    match error {
        SocketError::Io(error) => error,
        SocketError::ConnectionClosed | SocketError::AlreadyClosed => io::ErrorKind::NotConnected.into(),
        _ => io::ErrorKind::InvalidData.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_wire::frame::{Deframer, Frame};
    use chat_wire::message::ServerMessage;

    fn frame(bytes: usize) -> ServerFrame {
        Frame::with_body(7, ServerMessage::Done {}, Bytes::from(vec![3; bytes]))
    }

    #[tokio::test]
    async fn small_and_large_bodies_arrive_whole_and_in_order_through_a_narrow_pipe() {
        let sizes = [0, 10, 5_000, 1_024, 1_025, 0, 70_000];
        let (ours, theirs) = tokio::io::duplex(100);
        let (_, mut sink) = tokio::io::split(ours);
        let (mut source, _) = tokio::io::split(theirs);
        let mut load = Load::default();
        sizes.iter().for_each(|size| load.add(frame(*size)).unwrap());
        let expected = load.bytes();
        let write = async { sink.put(&mut load, Duration::from_secs(5)).await.unwrap() };
        let read = async {
            let (mut deframer, mut got, mut total) = (Deframer::new(FRAME_BYTES_MAX), Vec::new(), 0);
            while got.len() < sizes.len() {
                total += source.fill(deframer.buffer_mut(), 4_096).await.unwrap();
                while let Some(bytes) = deframer.next_frame().unwrap() {
                    got.push(ServerFrame::decode(bytes).unwrap().body.len());
                }
            }
            (got, total)
        };
        let ((), (got, total)) = tokio::join!(write, read);
        assert_eq!((got, total), (sizes.to_vec(), expected));
        assert!(load.is_empty());
    }

    #[test]
    fn an_idle_writer_keeps_no_buffer() {
        let mut load = Load::default();
        load.add(frame(1_000)).unwrap();
        load.clear();
        load.rest();
        assert_eq!((load.heads.capacity(), load.pieces.capacity()), (0, 0));
    }
}
