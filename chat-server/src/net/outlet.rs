//! The way from the worker to one connection. What a round has for it is written at once, by whoever brings it;
//! only what the system does not take then is left to the connection's own task. How much waits is
//! known to both ends: a connection reads no further request while much waits to be written or many
//! requests wait for the worker, and one that does not read what is pushed to it is cut.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_wire::frame::ServerFrame;
use tokio::sync::Notify;

use super::carrier::{Load, Oversized, Sink};

/// Bytes queued for one connection above which a push cuts it: it does not read.
pub(crate) const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The same for an answer: who asks faster than it reads is held back, not cut. Reading stops at 1 MiB, and the
/// 32 requests that may be under way then have answers of half a megabyte each at most, but for the largest records,
/// which nobody asks for in numbers.
const ANSWERED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Frames of one connection that may wait for the worker. A round takes them all, so that one sender
/// still fills 32 places of each sync.
const UNDER_WAY_MAX: usize = 32;

/// Bytes queued for one connection above which nothing more is read from it.
const READING_STOPS_BYTES: usize = 1024 * 1024;

/// What a queued frame counts beside its body: head and bookkeeping.
const FRAME_OVERHEAD_BYTES: usize = 256;

/// Bytes gathered into one write: four full TLS records a system call.
const GATHERED_BYTES_MAX: usize = 64 * 1_024;

/// For a connection.
#[derive(Debug)]
pub(crate) enum Parcel {
    Frame(ServerFrame),
    /// A frame that many connections get, encoded once.
    Encoded(Bytes),
    /// Write what came before, then close.
    Close,
}

impl Parcel {
    fn weight(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.body.len().saturating_add(FRAME_OVERHEAD_BYTES),
            Self::Encoded(frame) => frame.len(),
            Self::Close => 0,
        }
    }

    /// Bytes queued above which this one is too much.
    fn most(&self) -> usize {
        match self {
            Self::Frame(frame) if frame.request != 0 => ANSWERED_BYTES_MAX,
            _ => QUEUED_BYTES_MAX,
        }
    }
}

/// How writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// The worker wants the connection closed.
    Closing,
    /// The worker dropped it.
    Dropped,
    /// It takes nothing, or is gone.
    Dead,
}

/// What both ends of a connection know.
#[derive(Debug)]
pub(crate) struct Line {
    queued: AtomicUsize,
    under_way: AtomicUsize,
    logged_in: AtomicBool,
    progress: Notify,
    writer: Mutex<Writer>,
    /// The connection's task has something to write, or to end.
    roused: Notify,
    /// The worker let go of it.
    cut: Notify,
}

/// Who writes to a connection, and what is left for its task.
struct Writer {
    sink: Option<Box<dyn Sink>>,
    load: Load,
    waiting: VecDeque<Parcel>,
    /// The system did not take everything: from then on until nothing waits the connection's task writes.
    stuck: bool,
    closing: bool,
    dead: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("stuck", &self.stuck).field("closing", &self.closing).finish_non_exhaustive()
    }
}

/// What one step of writing left.
enum Left {
    Some,
    Nothing,
    /// Nothing, and nothing more comes.
    End,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Outlet(Arc<Line>);

/// The reader of the connection is too slow; its queue is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow;

pub(crate) fn pair(sink: Box<dyn Sink>) -> (Outlet, Arc<Line>) {
    let line = Arc::new(Line {
        queued: AtomicUsize::new(0),
        under_way: AtomicUsize::new(0),
        logged_in: AtomicBool::new(false),
        progress: Notify::new(),
        writer: Mutex::new(Writer {
            sink: Some(sink),
            load: Load::default(),
            waiting: VecDeque::new(),
            stuck: false,
            closing: false,
            dead: false,
        }),
        roused: Notify::new(),
        cut: Notify::new(),
    });
    (Outlet(Arc::clone(&line)), line)
}

impl Outlet {
    /// Counts a parcel, and where it is to be brought.
    pub(crate) fn take(&self, parcel: &Parcel) -> Result<Arc<Line>, TooSlow> {
        let bytes = parcel.weight();
        if self.0.queued.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > parcel.most() {
            return Err(TooSlow);
        }
        Ok(Arc::clone(&self.0))
    }

    /// Lets go of a connection that does not read.
    pub(crate) fn cut(&self) {
        self.0.cut.notify_one();
    }

    /// Frames of this connection were dealt with, and their answers queued.
    pub(crate) fn taken(&self, frames: usize) {
        if self.0.under_way.fetch_sub(frames, Ordering::AcqRel) >= UNDER_WAY_MAX {
            self.0.progress.notify_one();
        }
    }

    /// Lifts the frame limit, before the answer that says so is queued.
    pub(crate) fn logged_in(&self) {
        self.0.logged_in.store(true, Ordering::Release);
    }
}

impl Line {
    pub(crate) fn is_logged_in(&self) -> bool {
        self.logged_in.load(Ordering::Acquire)
    }

    /// Waits until little enough is queued and under way: how many frames may follow now.
    pub(crate) async fn room(&self) -> usize {
        loop {
            let under_way = self.under_way.load(Ordering::Acquire);
            if under_way < UNDER_WAY_MAX && self.queued.load(Ordering::Relaxed) <= READING_STOPS_BYTES {
                return UNDER_WAY_MAX - under_way;
            }
            self.progress.notified().await;
        }
    }

    /// Counts frames that are on their way to the worker.
    pub(crate) fn under_way(&self, frames: usize) {
        self.under_way.fetch_add(frames, Ordering::AcqRel);
    }

    /// Writes parcels, in order, as far as the system takes them; the rest is left to the connection's task. `load`
    /// is empty before and afterwards: its memory serves one connection after the other.
    pub(crate) fn bring(&self, parcels: &mut dyn Iterator<Item = Parcel>, load: &mut Load) {
        let mut writer = self.lock();
        while !writer.stuck && !writer.closing && !writer.dead {
            let gathered = self.gather(parcels, load);
            writer.closing = gathered == Ok(Gathered::Close);
            writer.dead = gathered.is_err();
            if !load.is_empty() && !writer.dead {
                writer.write_now(load);
            }
            if gathered == Ok(Gathered::All) {
                break;
            }
        }
        if writer.stuck {
            writer.waiting.extend(parcels);
        }
        if writer.stuck || writer.closing || writer.dead {
            self.roused.notify_one();
        }
        drop(writer);
        load.forget();
    }

    /// Loads parcels until a write is worth it.
    fn gather(&self, parcels: &mut dyn Iterator<Item = Parcel>, load: &mut Load) -> Result<Gathered, Oversized> {
        for parcel in parcels {
            // Counted as written when it is taken: at most one gathering more than counted.
            self.written(&parcel);
            match parcel {
                Parcel::Frame(frame) => load.add(frame).inspect_err(|_| {
                    tracing::error!("an answer is over the size of a frame");
                })?,
                Parcel::Encoded(frame) => load.add_encoded(frame),
                Parcel::Close => return Ok(Gathered::Close),
            }
            if load.bytes() >= GATHERED_BYTES_MAX {
                return Ok(Gathered::Some);
            }
        }
        Ok(Gathered::All)
    }

    fn written(&self, parcel: &Parcel) {
        let bytes = parcel.weight();
        let before = self.queued.fetch_sub(bytes, Ordering::Relaxed);
        if before > READING_STOPS_BYTES && before.saturating_sub(bytes) <= READING_STOPS_BYTES {
            self.progress.notify_one();
        }
    }

    /// Writes what could not be written at once, until the connection is to end. A peer that takes nothing for
    /// `patience` ends it.
    pub(crate) async fn write(&self, patience: Duration) -> Written {
        loop {
            tokio::select! {
                () = self.roused.notified() => {}
                () = self.cut.notified() => return Written::Dropped,
            }
            loop {
                let step = tokio::time::timeout(patience, poll_fn(|cx| self.poll_write(cx)));
                let step = tokio::select! {
                    biased;
                    step = step => step,
                    () = self.cut.notified() => return Written::Dropped,
                };
                match step {
                    Ok(Ok(Left::Some)) => {}
                    Ok(Ok(Left::Nothing)) => break,
                    Ok(Ok(Left::End)) => return Written::Closing,
                    Ok(Err(_)) | Err(_) => return Written::Dead,
                }
            }
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<io::Result<Left>> {
        let mut guard = self.lock();
        let writer = &mut *guard;
        let Some(sink) = writer.sink.as_mut().filter(|_| !writer.dead) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if writer.load.is_empty() && !writer.closing {
            let mut parcels = std::iter::from_fn(|| writer.waiting.pop_front());
            match self.gather(&mut parcels, &mut writer.load) {
                Ok(gathered) => writer.closing |= gathered == Gathered::Close,
                Err(_) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
        }
        if writer.load.is_empty() {
            writer.rest();
            return Poll::Ready(Ok(if writer.closing { Left::End } else { Left::Nothing }));
        }
        ready!(sink.poll_put(cx, &mut writer.load))?;
        Poll::Ready(Ok(Left::Some))
    }

    /// Takes the way out; what is brought from now on is lost.
    pub(crate) fn take_sink(&self) -> Option<Box<dyn Sink>> {
        let mut writer = self.lock();
        writer.rest();
        writer.dead = true;
        writer.sink.take()
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far gathering came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gathered {
    /// Everything.
    All,
    /// Enough for one write.
    Some,
    /// All that comes before the end.
    Close,
}

impl Writer {
    /// Writes a load; what is not taken at once is kept, and more must wait.
    fn write_now(&mut self, load: &mut Load) {
        let Some(sink) = &mut self.sink else { return };
        // Nobody is to be woken here: the connection's task asks again with a waker of its own.
        let mut cx = Context::from_waker(Waker::noop());
        while !load.is_empty() {
            match sink.poll_put(&mut cx, load) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.dead = true;
                    return;
                }
                Poll::Pending => {
                    self.stuck = true;
                    return std::mem::swap(&mut self.load, load);
                }
            }
        }
    }

    /// Nothing waits: whoever brings something may write again, and no memory is held.
    fn rest(&mut self) {
        self.stuck = false;
        self.load = Load::default();
        self.waiting = VecDeque::new();
    }
}

#[cfg(test)]
mod tests;
