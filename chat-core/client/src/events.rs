//! The stream of events: one reader, at its own pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use crate::driver::{Mailbox, Task};
use crate::event::ClientEvent;

/// The events of a client. Notices wait on disk for a slow reader, so a backlog costs no memory;
/// passing events of a reader that fell far behind are dropped, the oldest first.
#[derive(Debug)]
pub struct Events {
    mailbox: Mailbox,
    /// Received, not yet read.
    ready: std::vec::IntoIter<ClientEvent>,
    /// A pull under way: kept, so that a dropped `next` loses nothing.
    pull: Option<oneshot::Receiver<Vec<ClientEvent>>>,
    /// The notice read last.
    read: Option<u64>,
    /// Highest notice that the reader is done with; none when only [`crate::Client::ack`] says so.
    taken: Option<Arc<AtomicU64>>,
}

impl Events {
    pub(crate) fn new(mailbox: Mailbox, taken: Option<Arc<AtomicU64>>) -> Self {
        Self { mailbox, ready: Vec::new().into_iter(), pull: None, read: None, taken }
    }

    /// The next event; none once the client is closed. Cancel-safe.
    ///
    /// Notices come in the order of their `seq`, each once in a run, and again after a restart until
    /// they are acknowledged. With [`crate::Ack::Automatic`] asking for the next one acknowledges those
    /// before; an orderly close then never repeats one, a kill may repeat the last second's.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        if let (Some(taken), Some(seq)) = (&self.taken, self.read.take()) {
            taken.store(seq, Ordering::Release);
        }
        loop {
            if let Some(event) = self.ready.next() {
                if let ClientEvent::Notice(notice) = &event {
                    self.read = Some(notice.seq);
                }
                return Some(event);
            }
            let pull = match &mut self.pull {
                Some(pull) => pull,
                None => {
                    let (events, pull) = oneshot::channel();
                    if !self.mailbox.post(Task::Pull(events)) {
                        return None;
                    }
                    self.pull.insert(pull)
                }
            };
            let events = pull.await;
            self.pull = None;
            self.ready = events.ok()?.into_iter();
        }
    }
}
