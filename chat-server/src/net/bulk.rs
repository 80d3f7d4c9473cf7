//! Bulk connections (SPEC 13.3): blobs go in and out beside the worker, so that no message waits for a
//! file. Reading, the disk and writing overlap; what is under way is bounded at each step.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chat_relay::{Blobs, Tickets};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::{ClientFrame, Deframer, Frame, FrameError, ServerFrame};
use chat_wire::ids::AccountId;
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::{BlobAnswer, BlobAsk, ClientMessage, ServerMessage};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

use super::carrier::{Load, Sink, Source, put};
use crate::blobstore::AnyBlobs;

/// Without a frame for this long nobody needs the connection; a slow line moves a part in less.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Frames between two steps: one is worked on while the next comes in.
const FRAMES_WAITING_MAX: usize = 2;

/// Threads that decrypt and encrypt for bulk connections; the disk has others.
const THREADS: usize = 2;

/// How far they stand back: a thread that passes messages on gets ten times as much of a processor that both
/// want, and gets it at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Bytes asked for in one read: four TLS records.
const READ_BYTES: usize = 64 * 1024;

/// What bulk connections work on.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    blobs: Arc<Blobs<AnyBlobs>>,
    tickets: Tickets,
    threads: Arc<Threads>,
}

/// The threads of bulk connections, started with the first one. They give way to those that messages pass
/// through: files fill the time that messages leave.
#[derive(Debug, Default)]
struct Threads(OnceLock<Option<Runtime>>);

impl Threads {
    /// Runs work there; it ends with the future that waits for it.
    async fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let start = || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(THREADS).thread_name("relay-bulk").enable_all();
            builder.on_thread_start(stand_back());
            builder.build().inspect_err(|error| tracing::warn!(%error, "files compete with messages")).ok()
        };
        let Some(runtime) = self.0.get_or_init(start) else { return work.await };
        let mut task = JoinSet::new();
        task.spawn_on(work, runtime.handle());
        task.join_next().await;
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // The last holder may stand where nobody may wait.
        if let Some(runtime) = self.0.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Lets messages go first: threads for files stand back behind the one that starts them.
#[cfg(target_os = "linux")]
fn stand_back() -> impl Fn() + Send + Sync + 'static {
    let rank = rustix::process::getpriority_process(None).map(|rank| rank.saturating_add(NICE));
    // A thread of this runtime may start another one: it is not to stand back twice.
    move || {
        if let Err(error) = rank.and_then(|rank| rustix::process::setpriority_process(None, rank)) {
            tracing::debug!(%error, "files compete with messages");
        }
    }
}

/// Elsewhere rank belongs to the whole process.
#[cfg(not(target_os = "linux"))]
fn stand_back() -> impl Fn() + Send + Sync + 'static {
    || {}
}

/// The first frame of a bulk connection, and the answer to it.
#[derive(Debug)]
pub(crate) struct Entry {
    request: u32,
    account: Option<AccountId>,
}

impl Bulk {
    /// Work on these blobs for who has one of these tickets.
    pub(crate) fn new(blobs: Blobs<AnyBlobs>, tickets: Tickets) -> Self {
        Self { blobs: Arc::new(blobs), tickets, threads: Arc::default() }
    }

    /// Whether a connection's first frame makes it a bulk connection; its ticket is checked then.
    pub(crate) fn entry(&self, frame: &ClientFrame, exporter: &[u8; 32]) -> Option<Entry> {
        let ClientMessage::Blob(BlobAsk::Enter { pass, proof }) = &frame.message else { return None };
        let account = self.tickets.check(now_ms(), pass, proof, exporter);
        Some(Entry { request: frame.request, account })
    }

    /// Removes what has expired.
    pub(crate) async fn sweep(&self) {
        let blobs = Arc::clone(&self.blobs);
        if let Ok(Err(error)) = spawn_blocking(move || blobs.sweep(now_ms())).await {
            tracing::error!(%error, "expired blobs are not removed");
        }
    }
}

/// Serves a bulk connection until either side ends it.
pub(crate) async fn serve(
    bulk: &Bulk,
    entry: Entry,
    deframer: Deframer,
    ends: (impl Source + 'static, Box<dyn Sink>),
    patience: Duration,
) {
    let work = converse(bulk.clone(), entry, deframer, ends, patience);
    bulk.threads.run(work).await;
}

async fn converse(
    bulk: Bulk,
    entry: Entry,
    mut deframer: Deframer,
    (source, mut sink): (impl Source, Box<dyn Sink>),
    patience: Duration,
) {
    let Some(account) = entry.account else {
        let refusal = ServerMessage::Refused(Refusal::of(RefusalKind::Forbidden));
        // A client that does not read it sees the end.
        let _ = send(&mut *sink, Frame::new(entry.request, refusal), patience).await;
        let _ = poll_fn(|cx| sink.poll_end(cx)).await;
        return;
    };
    deframer.set_limit(FRAME_BYTES_MAX);
    let (asks_in, asks) = mpsc::channel(FRAMES_WAITING_MAX);
    let (answers_in, answers) = mpsc::channel(FRAMES_WAITING_MAX);
    let entered = Frame::new(entry.request, ServerMessage::Blob(BlobAnswer::Entered {}));
    if answers_in.send(entered).await.is_err() {
        return;
    }
    tokio::join!(
        read(source, deframer, asks_in),
        work(&bulk, account, asks, answers_in),
        write(sink, answers, patience)
    );
}

/// Ends when the peer does, when it sends what is no frame, or when nobody takes its frames.
async fn read(mut source: impl Source, mut deframer: Deframer, asks: mpsc::Sender<ClientFrame>) {
    loop {
        loop {
            match deframer.next_frame().map(|bytes| bytes.map(ClientFrame::decode)) {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => {
                    if asks.send(frame).await.is_err() {
                        return;
                    }
                }
                // SPEC 4.4.2: refused by the service, whatever it is.
                Ok(Some(Err(FrameError::Unknown { request }))) => {
                    let nothing = ClientFrame::new(request, ClientMessage::Heartbeat {});
                    if asks.send(nothing).await.is_err() {
                        return;
                    }
                }
                Ok(Some(Err(_))) | Err(_) => return,
            }
        }
        let filled = tokio::time::timeout(SILENCE_MAX, source.fill(deframer.buffer_mut(), READ_BYTES));
        // A writer that failed dropped its end: nothing that comes in is of use.
        let filled = tokio::select! { filled = filled => filled, () = asks.closed() => return };
        if !matches!(filled, Ok(Ok(read)) if read > 0) {
            return;
        }
    }
}

async fn work(
    bulk: &Bulk,
    account: AccountId,
    mut asks: mpsc::Receiver<ClientFrame>,
    answers: mpsc::Sender<ServerFrame>,
) {
    while let Some(ClientFrame { request, message, body }) = asks.recv().await {
        let ClientMessage::Blob(ask) = message else {
            let refusal = ServerMessage::Refused(Refusal::of(RefusalKind::OutOfPlace));
            if answers.send(Frame::new(request, refusal)).await.is_err() {
                return;
            }
            continue;
        };
        let blobs = Arc::clone(&bulk.blobs);
        let Ok(answer) = spawn_blocking(move || answer(&blobs, account, ask, &body)).await else { return };
        let (message, body) = answer;
        if answers.send(Frame::with_body(request, message, body)).await.is_err() {
            return;
        }
    }
}

fn answer(blobs: &Blobs<AnyBlobs>, account: AccountId, ask: BlobAsk, body: &Bytes) -> (ServerMessage, Bytes) {
    match blobs.handle(now_ms(), account, ask, body) {
        Ok((answer, body)) => (ServerMessage::Blob(answer), body),
        Err(kind) => (ServerMessage::Refused(Refusal::of(kind)), Bytes::new()),
    }
}

async fn write(mut sink: Box<dyn Sink>, mut answers: mpsc::Receiver<ServerFrame>, patience: Duration) {
    while let Some(frame) = answers.recv().await {
        if send(&mut *sink, frame, patience).await.is_err() {
            return;
        }
    }
    // The peer may be gone already.
    let _ = poll_fn(|cx| sink.poll_end(cx)).await;
}

async fn send(sink: &mut dyn Sink, frame: ServerFrame, patience: Duration) -> std::io::Result<()> {
    let mut load = Load::default();
    load.add(frame).map_err(|_| std::io::ErrorKind::InvalidData)?;
    put(sink, &mut load, patience).await
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
