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
/// still fills 32 places of each sync.
const UNDER_WAY_MAX: usize = 32;

/// Bytes queued for one connection above which nothing more is read from it.
const READING_STOPS_BYTES: usize = 1024 * 1024;

/// What a queued frame counts beside its body: head and bookkeeping.
const FRAME_OVERHEAD_BYTES: usize = 256;

/// For the connection's writer.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// All that one round has for this connection: one wake-up, and mostly one write.
    Frames(Vec<ServerFrame>),
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
    /// Queues frames. A connection that is gone takes them silently: the worker hears of it soon.
    pub(crate) fn send(&self, frames: Vec<ServerFrame>) -> Result<(), TooSlow> {
        let bytes = frames.iter().map(weight).sum();
        if self.shared.queued.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > QUEUED_BYTES_MAX {
            return Err(TooSlow);
        }
        let _ = self.queue.send(Outgoing::Frames(frames));
        Ok(())
    }

    /// Closes the connection after what is queued.
    pub(crate) fn close(&self) {
        let _ = self.queue.send(Outgoing::Close);
    }

    /// Frames of this connection were dealt with, and their answers queued.
    pub(crate) fn taken(&self, frames: usize) {
        if self.shared.under_way.fetch_sub(frames, Ordering::AcqRel) >= UNDER_WAY_MAX {
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
        tokio::time::timeout(Duration::from_millis(20), shared.room()).await.is_err()
    }

    #[test]
    fn a_connection_that_takes_nothing_is_cut_before_it_fills_the_memory() {
        let (outlet, inlet) = pair();
        let sent = (0..1_000).take_while(|_| outlet.send(vec![frame(1024 * 1024)]).is_ok()).count();
        assert!((10..=16).contains(&sent), "{sent} MiB");
        drop(inlet);
    }

    #[tokio::test]
    async fn reading_stops_while_much_is_queued_and_goes_on_when_it_is_written() {
        let (outlet, mut inlet) = pair();
        outlet.send(vec![frame(2 * 1024 * 1024)]).unwrap();
        assert!(waits(&inlet.shared).await);
        let Some(Outgoing::Frames(frames)) = inlet.queue.recv().await else { panic!("frames") };
        let (_, ()) = tokio::join!(inlet.shared.room(), async { inlet.shared.written(&frames[0]) });
    }

    #[tokio::test]
    async fn only_so_many_requests_of_one_connection_wait_for_the_worker() {
        let (outlet, inlet) = pair();
        assert_eq!(inlet.shared.room().await, UNDER_WAY_MAX);
        inlet.shared.under_way(UNDER_WAY_MAX);
        assert!(waits(&inlet.shared).await);
        outlet.taken(2);
        assert_eq!(inlet.shared.room().await, 2);
        inlet.shared.under_way(2);
        assert!(waits(&inlet.shared).await);
    }
}
