//! The way from the worker to one connection: a queue that the worker never waits for. Its size is
//! known to both ends: a connection reads no further request while much waits to be written or many
//! requests wait for the worker, and one that does not read what is pushed to it is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chat_wire::frame::ServerFrame;
use tokio::sync::{Notify, mpsc};

/// Bytes queued for one connection above which it is cut. Answers alone never reach it: reading stops
/// at 1 MiB, and the requests under way then are answered with at most 16 × 0.5 MiB.
pub(crate) const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Frames of one connection that may wait for the worker. A round takes them all, so that one sender
/// still fills 16 places of each sync.
const UNDER_WAY_MAX: usize = 16;

/// Bytes queued for one connection above which nothing more is read from it.
const READING_STOPS_BYTES: usize = 1024 * 1024;

/// What a queued frame counts beside its body: head and bookkeeping.
const FRAME_OVERHEAD_BYTES: usize = 256;

/// For the connection's writer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are frames: a box would cost each an allocation")]
pub(crate) enum Outgoing {
    Frame(ServerFrame),
    /// Write what was queued before, then close.
    Close,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    queued: AtomicUsize,
    under_way: AtomicUsize,
    logged_in: AtomicBool,
    progress: Notify,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: mpsc::UnboundedSender<Outgoing>,
    shared: Arc<Shared>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Inlet {
    pub(crate) queue: mpsc::UnboundedReceiver<Outgoing>,
    pub(crate) shared: Arc<Shared>,
}

/// The reader of the connection is too slow; its queue is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow;

pub(crate) fn pair() -> (Outlet, Inlet) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::default());
    (Outlet { queue: sender, shared: Arc::clone(&shared) }, Inlet { queue: receiver, shared })
}

impl Outlet {
    /// Queues a frame. A connection that is gone takes it silently: the worker hears of it soon.
    pub(crate) fn send(&self, frame: ServerFrame) -> Result<(), TooSlow> {
        let bytes = weight(&frame);
        if self.shared.queued.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > QUEUED_BYTES_MAX {
            return Err(TooSlow);
        }
        let _ = self.queue.send(Outgoing::Frame(frame));
        Ok(())
    }

    /// Closes the connection after what is queued.
    pub(crate) fn close(&self) {
        let _ = self.queue.send(Outgoing::Close);
    }

    /// A frame of this connection was dealt with, and its answer queued.
    pub(crate) fn taken(&self) {
        if self.shared.under_way.fetch_sub(1, Ordering::AcqRel) == UNDER_WAY_MAX {
            self.shared.progress.notify_one();
        }
    }

    /// Lifts the frame limit, before the answer that says so is queued.
    pub(crate) fn logged_in(&self) {
        self.shared.logged_in.store(true, Ordering::Release);
    }
}

impl Shared {
    pub(crate) fn is_logged_in(&self) -> bool {
        self.logged_in.load(Ordering::Acquire)
    }

    /// A frame was written.
    pub(crate) fn written(&self, frame: &ServerFrame) {
        let bytes = weight(frame);
        let before = self.queued.fetch_sub(bytes, Ordering::Relaxed);
        if before > READING_STOPS_BYTES && before.saturating_sub(bytes) <= READING_STOPS_BYTES {
            self.progress.notify_one();
        }
    }

    /// Waits until little enough is queued and under way for one more frame, and counts it.
    pub(crate) async fn one_more(&self) {
        let is_full = || {
            self.queued.load(Ordering::Relaxed) > READING_STOPS_BYTES
                || self.under_way.load(Ordering::Acquire) >= UNDER_WAY_MAX
        };
        while is_full() {
            self.progress.notified().await;
        }
        self.under_way.fetch_add(1, Ordering::AcqRel);
    }
}

fn weight(frame: &ServerFrame) -> usize {
    frame.body.len().saturating_add(FRAME_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use chat_wire::frame::Frame;
    use chat_wire::message::ServerMessage;
    use std::time::Duration;

    fn frame(bytes: usize) -> ServerFrame {
        Frame::with_body(0, ServerMessage::Done {}, Bytes::from(vec![0; bytes]))
    }

    async fn waits(shared: &Shared) -> bool {
        tokio::time::timeout(Duration::from_millis(20), shared.one_more()).await.is_err()
    }

    #[test]
    fn a_connection_that_takes_nothing_is_cut_before_it_fills_the_memory() {
        let (outlet, inlet) = pair();
        let sent = (0..1_000).take_while(|_| outlet.send(frame(1024 * 1024)).is_ok()).count();
        assert!((10..=16).contains(&sent), "{sent} MiB");
        drop(inlet);
    }

    #[tokio::test]
    async fn reading_stops_while_much_is_queued_and_goes_on_when_it_is_written() {
        let (outlet, mut inlet) = pair();
        outlet.send(frame(2 * 1024 * 1024)).unwrap();
        assert!(waits(&inlet.shared).await);
        let Some(Outgoing::Frame(frame)) = inlet.queue.recv().await else { panic!("a frame") };
        let (_, ()) = tokio::join!(inlet.shared.one_more(), async { inlet.shared.written(&frame) });
    }

    #[tokio::test]
    async fn only_so_many_requests_of_one_connection_wait_for_the_worker() {
        let (outlet, inlet) = pair();
        for _ in 0..UNDER_WAY_MAX {
            assert!(!waits(&inlet.shared).await);
        }
        assert!(waits(&inlet.shared).await);
        outlet.taken();
        assert!(!waits(&inlet.shared).await);
        assert!(waits(&inlet.shared).await);
    }
}
