//! How frames travel: as they are over TLS, or in binary messages of a WebSocket. Either way a stream of
//! bytes comes in and gathered frames go out.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chat_wire::frame::ServerFrame;
use chat_wire::limits::FRAME_BYTES_MAX;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadHalf, WriteHalf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// A body up to this size is copied behind its head: one slice more costs a system call and a TLS
/// record more than the copy does. Larger ones are written from where they lie.
const SMALL_BODY_BYTES_MAX: usize = 1_024;

/// Bytes of heads that a writer keeps between two gatherings; an idle connection keeps none.
const HEADS_KEPT_BYTES_MAX: usize = 64 * 1_024;

/// Slices of one vectored write.
const SLICES_MAX: usize = 64;

/// Where bytes come from.
pub(crate) trait Source: Send {
    /// Appends what comes next, about `room` bytes; none at the end.
    fn fill(&mut self, buffer: &mut BytesMut, room: usize) -> impl Future<Output = io::Result<usize>> + Send;
}

/// Where frames go.
pub(crate) trait Sink: Send {
    /// Writes some of a load, or what the carrier still holds of it; the load is empty once all of it is on its way.
    fn poll_put(&mut self, cx: &mut Context<'_>, load: &mut Load) -> Poll<io::Result<()>>;
    /// Says goodbye.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Writes all of a load. A peer that takes nothing for `patience` fails it.
pub(crate) async fn put(sink: &mut dyn Sink, load: &mut Load, patience: Duration) -> io::Result<()> {
    while !load.is_empty() {
        let step = poll_fn(|cx| sink.poll_put(cx, load));
        tokio::time::timeout(patience, step).await.map_err(|_| io::ErrorKind::TimedOut)??;
    }
    Ok(())
}

/// Frames that are written together.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Heads, and small bodies behind them.
    heads: Vec<u8>,
    pieces: Vec<Piece>,
    bytes: usize,
    /// Bytes of it that were written.
    written: usize,
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
        self.added_heads(start);
        if frame.body.len() > SMALL_BODY_BYTES_MAX {
            self.add_slice(frame.body);
        }
        Ok(())
    }

    /// A frame that was encoded before, once for all who get it. The first one is written from where it lies.
    pub(crate) fn add_encoded(&mut self, frame: Bytes) {
        if self.is_empty() || frame.len() > SMALL_BODY_BYTES_MAX {
            return self.add_slice(frame);
        }
        let start = self.heads.len();
        self.heads.extend_from_slice(&frame);
        self.added_heads(start);
    }

    fn added_heads(&mut self, start: usize) {
        let end = self.heads.len();
        match self.pieces.last_mut() {
            Some(Piece::Heads(range)) => range.end = end,
            _ => self.pieces.push(Piece::Heads(start..end)),
        }
        self.bytes = self.bytes.saturating_add(end.saturating_sub(start));
    }

    fn add_slice(&mut self, bytes: Bytes) {
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.pieces.push(Piece::Body(bytes));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn is_written(&self) -> bool {
        self.written >= self.bytes
    }

    /// What is not written yet, in as many slices as one call takes.
    fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let (mut skip, mut count) = (self.written, 0);
        let mut places = slices.iter_mut();
        for piece in &self.pieces {
            let bytes = self.piece(piece);
            let Some(rest) = bytes.get(skip..).filter(|rest| !rest.is_empty()) else {
                skip = skip.saturating_sub(bytes.len());
                continue;
            };
            skip = 0;
            let Some(place) = places.next() else { break };
            *place = IoSlice::new(rest);
            count += 1;
        }
        count
    }

    /// The same when it lies in one place.
    fn only_slice(&self) -> Option<&[u8]> {
        let [piece] = &self.pieces[..] else { return None };
        self.piece(piece).get(self.written..)
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

    /// Drops what is left of it.
    pub(crate) fn forget(&mut self) {
        if !self.is_empty() {
            self.clear();
        }
    }

    /// For the next frames, with the memory of these unless it is much.
    fn clear(&mut self) {
        self.pieces.clear();
        (self.bytes, self.written) = (0, 0);
        if self.heads.capacity() > HEADS_KEPT_BYTES_MAX {
            self.heads = Vec::new();
        } else {
            self.heads.clear();
        }
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
    fn poll_put(&mut self, cx: &mut Context<'_>, load: &mut Load) -> Poll<io::Result<()>> {
        while !load.is_written() {
            let written = ready!(poll_some(Pin::new(&mut *self), cx, load))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            load.written = load.written.saturating_add(written);
            if !load.is_written() {
                return Poll::Ready(Ok(()));
            }
        }
        ready!(Pin::new(self).poll_flush(cx))?;
        load.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_shutdown(cx)
    }
}

fn poll_some(writer: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>, load: &Load) -> Poll<io::Result<usize>> {
    // Mostly there is one: it needs no list of slices.
    if let Some(only) = load.only_slice() {
        return writer.poll_write(cx, only);
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let count = load.slices(&mut slices);
    writer.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
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
    fn poll_put(&mut self, cx: &mut Context<'_>, load: &mut Load) -> Poll<io::Result<()>> {
        if !load.is_written() {
            ready!(Pin::new(&mut *self).poll_ready(cx)).map_err(from_socket)?;
            let message = Message::Binary(load.joined());
            Pin::new(&mut *self).start_send(message).map_err(from_socket)?;
            load.written = load.bytes;
        }
        ready!(Pin::new(self).poll_flush(cx)).map_err(from_socket)?;
        load.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_close(cx).map_err(from_socket)
    }
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
        let all = |load: &mut Load, size: usize, encoded: bool| match encoded {
            true => load.add_encoded(frame(size).encode(FRAME_BYTES_MAX).unwrap()),
            false => load.add(frame(size)).unwrap(),
        };
        sizes.iter().enumerate().for_each(|(at, size)| all(&mut load, *size, at % 2 == 0));
        let expected = load.bytes();
        let write = async { put(&mut sink, &mut load, Duration::from_secs(5)).await.unwrap() };
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
    fn a_writer_keeps_no_large_buffer() {
        let mut load = Load::default();
        (0..1_000).for_each(|_| load.add(frame(1_000)).unwrap());
        assert!(load.heads.capacity() > HEADS_KEPT_BYTES_MAX);
        load.clear();
        assert_eq!((load.heads.capacity(), load.is_empty()), (0, true));
    }
}
