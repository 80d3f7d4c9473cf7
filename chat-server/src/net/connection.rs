//! One connection: a reader and a writer in one task, frames in between, nothing understood here.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use chat_relay::{ConnectionId, Origin};
use chat_wire::frame::{ClientFrame, Deframer, FrameError, ServerFrame};
use chat_wire::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_LOGIN};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::address::Ticket;
use super::outlet::{self, Inlet, Outgoing, Shared};
use super::tls;
use super::worker::{Event, Inbox};

/// A TLS handshake takes milliseconds; who needs longer holds a place for nothing.
/// With the core's time for the login it stays under the 30 s that are promised for both.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(8);

/// Without progress in writing for this long the peer does not read, or is gone.
const WRITE_TIME_MAX: Duration = Duration::from_secs(20);

/// How long a closing connection reads on and drops what it reads: closing with unread bytes would
/// reset the connection, and the peer might never see the last answer.
const LINGER_TIME_MAX: Duration = Duration::from_secs(1);

/// While a frame is under way the worker hears this often that its sender lives, as if it beat.
const STILL_ALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// Bytes asked for in one read: small while idle, for the buffer lies there all the time.
const READ_BYTES_IDLE: usize = 1_024;
/// Bytes asked for in one read under load.
const READ_BYTES_BUSY: usize = 64 * 1_024;

/// Frames gathered into one write: 64 KiB of TLS records a system call.
const GATHERED_BYTES_MAX: usize = 64 * 1_024;
/// Slices of one vectored write.
const SLICES_MAX: usize = 64;

/// Serves a connection until either side ends it.
pub(crate) async fn serve(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    inbox: Inbox,
    (connection, origin, ticket): (ConnectionId, Origin, Ticket),
) {
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(socket)).await else {
        return;
    };
    let Ok(exporter) = tls::exporter(stream.get_ref().1) else { return };
    let (outlet, inlet) = outlet::pair();
    if inbox.send(Event::Opened { connection, exporter, origin, outlet }).await.is_err() {
        return;
    }
    let (reader, writer) = tokio::io::split(stream);
    converse(reader, writer, inlet, Mouth { connection, inbox: inbox.clone(), ticket }).await;
    // Sent whatever happened: the core must not take the device for connected.
    let _ = inbox.send(Event::Closed(connection)).await;
}

/// Where the reader's frames go.
struct Mouth {
    connection: ConnectionId,
    inbox: Inbox,
    ticket: Ticket,
}

async fn converse(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    inlet: Inlet,
    mut mouth: Mouth,
) {
    let Inlet { mut queue, shared } = inlet;
    let closing = tokio::select! {
        () = read_frames(&mut reader, &shared, &mut mouth) => false,
        closing = write_frames(&mut writer, &mut queue, &shared) => closing,
    };
    if closing {
        // The close_notify, then whatever the peer still sends.
        let goodbye = async {
            let _ = writer.shutdown().await;
            let mut dropped = vec![0; READ_BYTES_BUSY];
            while matches!(reader.read(&mut dropped).await, Ok(n) if n > 0) {}
        };
        let _ = tokio::time::timeout(LINGER_TIME_MAX, goodbye).await;
    }
}

/// Reads until the peer ends; after bytes that are no frames, waits for the worker to close.
async fn read_frames(reader: &mut (impl AsyncRead + Unpin), shared: &Shared, mouth: &mut Mouth) {
    let mut deframer = Deframer::new(FRAME_BYTES_MAX_BEFORE_LOGIN);
    let mut chunk = READ_BYTES_IDLE;
    let mut passed_on = Instant::now();
    loop {
        let buffer = deframer.buffer_mut();
        if buffer.capacity() == buffer.len() {
            buffer.reserve(chunk);
        }
        let Ok(read) = reader.read_buf(buffer).await else { return };
        if read == 0 {
            return;
        }
        chunk = if read >= chunk { READ_BYTES_BUSY.min(chunk.saturating_mul(4)) } else { READ_BYTES_IDLE };
        match pass_on(&mut deframer, shared, mouth).await {
            Ok(0) if passed_on.elapsed() < STILL_ALIVE_INTERVAL => {}
            // A large frame over a slow line: its sender is no less alive than one that beats.
            Ok(0) => {
                passed_on = Instant::now();
                let _ = mouth.inbox.send(Event::Heard(mouth.connection)).await;
            }
            Ok(_) => passed_on = Instant::now(),
            Err(stop) => {
                if let Stop::Unreadable(error) = stop {
                    shared.one_more().await;
                    let _ = mouth.inbox.send(Event::Unreadable(mouth.connection, error)).await;
                }
                // The worker's last word is in the queue or will be: the writer ends the connection.
                std::future::pending::<()>().await;
            }
        }
    }
}

enum Stop {
    Unreadable(FrameError),
    WorkerGone,
}

/// Hands on every whole frame that has come in, and counts them.
async fn pass_on(deframer: &mut Deframer, shared: &Shared, mouth: &mut Mouth) -> Result<usize, Stop> {
    let mut count: usize = 0;
    loop {
        if shared.is_logged_in() {
            deframer.set_limit(FRAME_BYTES_MAX);
            mouth.ticket.logged_in();
        }
        // SPEC 2.1: refused by its prefix.
        let Some(bytes) = deframer.next_frame().map_err(Stop::Unreadable)? else { return Ok(count) };
        let event = match ClientFrame::decode(bytes) {
            Ok(frame) => Event::Frame(mouth.connection, Box::new(frame)),
            Err(error @ FrameError::Unknown { .. }) => Event::Unreadable(mouth.connection, error),
            Err(error) => return Err(Stop::Unreadable(error)),
        };
        shared.one_more().await;
        mouth.inbox.send(event).await.map_err(|_| Stop::WorkerGone)?;
        count = count.saturating_add(1);
    }
}

/// Writes what is queued; true when the worker wants the connection closed, false when it is dead.
async fn write_frames(
    writer: &mut (impl AsyncWrite + Unpin),
    queue: &mut tokio::sync::mpsc::UnboundedReceiver<Outgoing>,
    shared: &Shared,
) -> bool {
    let mut pieces: Vec<Bytes> = Vec::new();
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        let mut closing = false;
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Frame(frame) => {
                    // Counted as written when it is taken: at most one gathering more than counted.
                    shared.written(&frame);
                    if !gather(&mut pieces, frame) {
                        return false;
                    }
                }
                Outgoing::Close => closing = true,
            }
            let gathered: usize = pieces.iter().map(Bytes::len).sum();
            let full = gathered >= GATHERED_BYTES_MAX || pieces.len() >= SLICES_MAX;
            next = if closing || full { None } else { queue.try_recv().ok() };
        }
        if write_pieces(writer, &mut pieces).await.is_err() {
            return false;
        }
        if closing {
            return true;
        }
    }
    false
}

/// Encodes a frame's head; the body stays where it is. False for a frame that we made too large.
fn gather(pieces: &mut Vec<Bytes>, frame: ServerFrame) -> bool {
    let Ok(head) = frame.encode_head(FRAME_BYTES_MAX) else {
        tracing::error!("an answer is over the size of a frame");
        return false;
    };
    pieces.push(head);
    if !frame.body.is_empty() {
        pieces.push(frame.body);
    }
    true
}

async fn write_pieces(writer: &mut (impl AsyncWrite + Unpin), pieces: &mut Vec<Bytes>) -> io::Result<()> {
    let mut at = 0;
    while at < pieces.len() {
        let slices: Vec<IoSlice<'_>> = pieces.iter().skip(at).take(SLICES_MAX).map(|p| IoSlice::new(p)).collect();
        let written = tokio::time::timeout(WRITE_TIME_MAX, writer.write_vectored(&slices)).await;
        let mut written = written.map_err(|_| io::ErrorKind::TimedOut)??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(piece) = pieces.get_mut(at) {
            let taken = written.min(piece.len());
            piece.advance(taken);
            written -= taken;
            if !piece.is_empty() {
                break;
            }
            at += 1;
        }
    }
    pieces.clear();
    tokio::time::timeout(WRITE_TIME_MAX, writer.flush()).await.map_err(|_| io::ErrorKind::TimedOut)?
}
