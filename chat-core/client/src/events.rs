//! The stream of events: one reader, at its own pace.

use chat_core::engine::Notice;
use tokio::sync::oneshot;

use crate::config::Ack;
use crate::driver::{Mailbox, Task};
use crate::event::ClientEvent;

/// The events of a client. Notices wait on disk for a slow reader, so a backlog costs no memory;
/// passing events of a reader that fell far behind are dropped, the oldest first.
#[derive(Debug)]
pub struct Events {
    mailbox: Mailbox,
    ack: Ack,
    /// Received, not yet read.
    ready: std::vec::IntoIter<ClientEvent>,
    /// A pull under way: kept, so that a dropped `next` loses nothing.
    pull: Option<oneshot::Receiver<Vec<ClientEvent>>>,
    /// Highest notice read and not yet acknowledged.
    taken: Option<u64>,
}

impl Events {
    pub(crate) fn new(mailbox: Mailbox, ack: Ack) -> Self {
        Self { mailbox, ack, ready: Vec::new().into_iter(), pull: None, taken: None }
    }

    /// The next event; none once the client is closed. Cancel-safe.
    ///
    /// Notices come in the order of their `seq`, each once in a run, and again after a restart until
    /// they are acknowledged. With [`Ack::Automatic`] asking for the next one acknowledges those before.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        loop {
            if let Some(event) = self.ready.next() {
                if let (Ack::Automatic, ClientEvent::Notice(Notice { seq, .. })) = (self.ack, &event) {
                    self.taken = Some(*seq);
                }
                return Some(event);
            }
            let pull = match &mut self.pull {
                Some(pull) => pull,
                None => {
                    let (events, pull) = oneshot::channel();
                    if !self.mailbox.post(Task::Pull { taken: self.taken, events }) {
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
