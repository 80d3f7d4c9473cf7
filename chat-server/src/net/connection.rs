//! One connection in one task: a reader, and a writer for what could not be written at once; nothing is understood here.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use chat_relay::{ConnectionId, Greeter, Origin};
use chat_wire::frame::{ClientFrame, Deframer, FrameError};
use chat_wire::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_LOGIN};
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::address::Ticket;
use super::bulk::{self, Bulk};
use super::carrier::{Sink, Source};
use super::notes::Notes;
use super::outlet::{self, Line, Written};
use super::tls;
use super::turns::Turns;
use super::worker::{Event, Inbox, Said};
use crate::config::Times;
use crate::metrics::Reason;

/// How long a closing connection reads on and drops what it reads: closing with unread bytes would
/// reset the connection, and the peer might never see the last answer.
const LINGER_TIME_MAX: Duration = Duration::from_secs(1);

/// While a frame is under way the worker hears this often that its sender lives, as if it beat.
const STILL_ALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// Bytes asked for in one read: small while idle, for the buffer lies there all the time.
const READ_BYTES_IDLE: usize = 1_024;
/// Bytes asked for in one read under load: a TLS record, or some twenty short messages. Their bodies stay in
/// this buffer until they are delivered and written, so that a larger one would hold more than it saves.
const READ_BYTES_BUSY: usize = 16 * 1_024;

/// Bytes of a frame with a short text or less: so many frames are expected in what one read brought.
const FRAME_BYTES_USUAL: usize = 512;

/// What speaks on a connection below the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Frames inside TLS.
    Tls,
    /// Frames in binary messages of a WebSocket inside TLS.
    WebSocket,
    /// Frames as they are: for measurements on this machine only.
    Plain,
}

/// What a connection is given.
pub(crate) struct Guest {
    pub(crate) connection: ConnectionId,
    pub(crate) from: IpAddr,
    pub(crate) origin: Origin,
    pub(crate) ticket: Ticket,
    pub(crate) inbox: Inbox,
    pub(crate) greeter: Greeter,
    pub(crate) turns: Turns,
    pub(crate) notes: Arc<Notes>,
    pub(crate) times: Times,
    pub(crate) frame_bytes_max: usize,
    pub(crate) bulk: Bulk,
}

/// What a connection does once its handshakes are done.
type Talk = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves a connection until either side ends it. Each part lies in a box of its own, so that a
/// connection that stands holds no memory for handshakes, nor for a way of speaking that is not its own.
pub(crate) async fn serve(socket: TcpStream, carrier: Carrier, acceptor: TlsAcceptor, guest: Guest) {
    let talk = Box::pin(shake_hands(socket, carrier, acceptor, guest)).await;
    if let Some(talk) = talk {
        talk.await;
    }
}

async fn shake_hands(socket: TcpStream, carrier: Carrier, acceptor: TlsAcceptor, guest: Guest) -> Option<Talk> {
    if carrier == Carrier::Plain {
        let (reader, writer) = tokio::io::split(socket);
        return Some(Box::pin(attend(reader, writer, guest, [0; 32])));
    }
    let dropped = |reason| {
        guest.notes.dropped(reason, guest.from);
        None
    };
    let handshake = guest.turns.take(socket, guest.times.handshake, |socket| acceptor.accept(socket)).await;
    let Ok(shaken) = handshake else { return dropped(Reason::HandshakeTime) };
    let Ok(stream) = shaken else { return dropped(Reason::Handshake) };
    let exporter = tls::exporter(stream.get_ref().1).ok()?;
    if carrier == Carrier::Tls {
        let (reader, writer) = tokio::io::split(stream);
        return Some(Box::pin(attend(reader, writer, guest, exporter)));
    }
    let upgraded = tokio::time::timeout(guest.times.handshake, upgrade(stream)).await;
    let Ok(Some(socket)) = upgraded else { return dropped(Reason::Upgrade) };
    let (sink, source) = socket.split();
    Some(Box::pin(attend(source, sink, guest, exporter)))
}

/// A WebSocket whose messages are no larger than a frame with its prefix. Compression is not spoken.
async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Option<tokio_tungstenite::WebSocketStream<S>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES_IDLE)
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_BYTES_MAX.saturating_add(4)))
        .max_frame_size(Some(FRAME_BYTES_MAX.saturating_add(4)));
    tokio_tungstenite::accept_async_with_config(stream, Some(config)).await.ok()
}

async fn attend(source: impl Source + 'static, sink: impl Sink + 'static, guest: Guest, exporter: [u8; 32]) {
    let (outlet, line) = outlet::pair(Box::new(sink));
    let (connection, inbox, origin) = (guest.connection, guest.inbox.clone(), guest.origin);
    let mut challenge = [0; 32];
    if getrandom::fill(&mut challenge).is_err() {
        return;
    }
    // Here, where the handshake was made: the relay's own thread has messages to pass on.
    let greeting = guest.greeter.greet(exporter, challenge);
    if inbox.send(Event::Opened { connection, exporter, origin, greeting, outlet }).await.is_err() {
        return;
    }
    converse(source, &line, (guest, exporter)).await;
    // Sent whatever happened: the core must not take the device for connected.
    let _ = inbox.send(Event::Closed(connection)).await;
}

async fn converse(mut source: impl Source + 'static, line: &Line, (mut guest, exporter): (Guest, [u8; 32])) {
    let write_time = guest.times.write;
    let mut deframer = Deframer::new(FRAME_BYTES_MAX_BEFORE_LOGIN);
    let reading = read_frames(&mut source, &mut deframer, line, (&mut guest, &exporter));
    let ended = tokio::select! {
        entry = reading => Err(entry),
        written = line.write(write_time) => Ok(written),
    };
    let Some(mut sink) = line.take_sink() else { return };
    match ended {
        Err(None) | Ok(Written::Dead) => {}
        Err(Some(entry)) => {
            // Files pass the worker by: for it the connection ends here.
            let _ = guest.inbox.send(Event::Closed(guest.connection)).await;
            Box::pin(bulk::serve(&guest.bulk, entry, deframer, (source, sink), write_time)).await;
        }
        Ok(Written::Closing) => {
            // The goodbye, then whatever the peer still sends.
            let goodbye = async {
                let _ = poll_fn(|cx| sink.poll_end(cx)).await;
                let mut dropped = BytesMut::new();
                while matches!(source.fill(&mut dropped, READ_BYTES_BUSY).await, Ok(n) if n > 0) {
                    dropped.clear();
                }
            };
            let _ = tokio::time::timeout(LINGER_TIME_MAX, goodbye).await;
        }
        Ok(Written::Dropped) => guest.notes.dropped(Reason::SlowReader, guest.from),
    }
}

/// Reads until the peer ends; after bytes that are no frames, waits for the worker to close. Gives the
/// entry of a connection that turns out to be for files.
async fn read_frames(
    source: &mut impl Source,
    deframer: &mut Deframer,
    line: &Line,
    (guest, exporter): (&mut Guest, &[u8; 32]),
) -> Option<bulk::Entry> {
    let mut first = true;
    let mut room = READ_BYTES_IDLE;
    let mut passed_on = Instant::now();
    loop {
        let read = source.fill(deframer.buffer_mut(), room).await.ok()?;
        if read == 0 {
            return None;
        }
        room = next_room(room, read);
        match pass_on(deframer, line, guest, first.then_some(exporter)).await {
            Ok(0) if passed_on.elapsed() < STILL_ALIVE_INTERVAL => {}
            // A large frame over a slow line: its sender is no less alive than one that beats.
            Ok(0) => {
                passed_on = Instant::now();
                let _ = guest.inbox.send(Event::Heard(guest.connection)).await;
            }
            Ok(_) => {
                first = false;
                passed_on = Instant::now();
            }
            Err(Stop::Bulk(entry)) => return Some(entry),
            Err(Stop::Silent) => {
                // The worker's last word is in the queue or will be: the writer ends the connection.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Grows with what comes, and shrinks only when much less comes: two small frames in a row are no
/// reason to ask the system twice for the next sixteen.
fn next_room(room: usize, read: usize) -> usize {
    if read >= room {
        READ_BYTES_BUSY.min(room.saturating_mul(4))
    } else if read < room / 8 {
        READ_BYTES_IDLE.max(room / 4)
    } else {
        room
    }
}

/// Nothing more is read here.
enum Stop {
    /// What came is of no use, or nobody takes it.
    Silent,
    /// The connection is for files.
    Bulk(bulk::Entry),
}

/// Hands on every whole frame that has come in, all of one read together, and counts them. With `entry`
/// no frame came before.
async fn pass_on(
    deframer: &mut Deframer,
    line: &Line,
    guest: &mut Guest,
    mut entry: Option<&[u8; 32]>,
) -> Result<usize, Stop> {
    let mut count: usize = 0;
    loop {
        let room = line.room().await;
        if line.is_logged_in() {
            deframer.set_limit(guest.frame_bytes_max);
            guest.ticket.logged_in();
        }
        let (said, stop) = cut(deframer, room);
        if said.is_empty() {
            return Ok(count);
        }
        if let (Some(exporter), Some(Said::Frame(first))) = (entry.take(), said.first())
            && let Some(entry) = guest.bulk.entry(first, exporter)
        {
            guest.ticket.logged_in();
            return Err(Stop::Bulk(entry));
        }
        count = count.saturating_add(said.len());
        line.under_way(said.len());
        let more = said.len() == room;
        guest.inbox.send(Event::Said(guest.connection, said)).await.map_err(|_| Stop::Silent)?;
        if stop {
            guest.notes.dropped(Reason::Unreadable, guest.from);
            return Err(Stop::Silent);
        }
        if !more {
            return Ok(count);
        }
    }
}

/// At most `room` frames; true when what follows is of no use.
fn cut(deframer: &mut Deframer, room: usize) -> (Vec<Said>, bool) {
    let mut said = Vec::with_capacity(deframer.buffer_mut().len().div_ceil(FRAME_BYTES_USUAL).min(room));
    while said.len() < room {
        // SPEC 2.1: refused by its prefix.
        let decoded = match deframer.next_frame() {
            Ok(None) => break,
            Ok(Some(bytes)) => ClientFrame::decode(bytes),
            Err(error) => Err(error),
        };
        match decoded {
            Ok(frame) => said.push(Said::Frame(frame)),
            Err(error @ FrameError::Unknown { .. }) => said.push(Said::Unreadable(error)),
            Err(error) => {
                said.push(Said::Unreadable(error));
                return (said, true);
            }
        }
    }
    (said, false)
}
