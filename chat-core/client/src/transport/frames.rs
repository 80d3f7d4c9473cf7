//! Frames on a byte stream.

use std::io;

use bytes::BytesMut;
use chat_wire::frame::{ClientFrame, Deframer, FrameError, ServerFrame};
use chat_wire::limits::FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes asked of the stream at once: one TLS record.
const READ_BYTES: usize = 16 * 1024;

/// Bytes collected before they are written: several small frames share a record and a system call.
const WRITE_BYTES: usize = 64 * 1024;

/// Why no further frame comes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The stream broke.
    #[error(transparent)]
    Stream(#[from] io::Error),
    /// The bytes are no frames of this protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Cuts a stream into frames.
pub(crate) struct FrameReader<R> {
    stream: R,
    deframer: Deframer,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, deframer: Deframer::new(FRAME_BYTES_MAX) }
    }

    /// The next frame, or none at the end of the stream. Cancel-safe.
    ///
    /// A message that this version does not know is passed over: it is a push of a newer relay.
    pub(crate) async fn next(&mut self) -> Result<Option<ServerFrame>, ReadError> {
        loop {
            while let Some(bytes) = self.deframer.next_frame()? {
                match ServerFrame::decode(bytes) {
                    Err(FrameError::Unknown { .. }) => {}
                    frame => return Ok(Some(frame?)),
                }
            }
            let buffer = self.deframer.buffer_mut();
            buffer.reserve(READ_BYTES);
            if self.stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Writes frames to a stream, several at once.
pub(crate) struct FrameWriter<W> {
    stream: W,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(crate) fn new(stream: W) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(WRITE_BYTES) }
    }

    /// Puts a frame behind those that wait; writes when enough are together.
    pub(crate) async fn put(&mut self, frame: &ClientFrame) -> io::Result<()> {
        let head =
            frame.encode_head(FRAME_BYTES_MAX).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.buffer.extend_from_slice(&head);
        self.buffer.extend_from_slice(&frame.body);
        if self.buffer.len() >= WRITE_BYTES { self.write().await } else { Ok(()) }
    }

    /// Writes what waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.write().await?;
        self.stream.flush().await
    }

    /// Ends the stream in order.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await
    }

    async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        Ok(())
    }
}
