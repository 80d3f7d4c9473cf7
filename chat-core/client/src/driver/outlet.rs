//! Events on their way to the reader. As long as it keeps up they wait here in their order; a reader
//! that falls behind gets its notices from the store, so that memory stays bounded and none is lost.

use std::collections::VecDeque;

use chat_core::engine::{Notice, NoticeKind};
use tokio::sync::oneshot;

use crate::event::ClientEvent;
use crate::store::{Store, StoreError};

/// Passing events in memory: a burst of a reader that only pauses; at about 300 bytes each, 1.2 MB.
const PASSING_MAX: usize = 4_096;

/// Notices in memory: with texts of 64 KiB each 16 MiB, with usual ones a few dozen KiB.
const NOTICES_MAX: usize = 256;

/// Events handed over at once.
const PULL_MAX: usize = 64;

/// The queue to the one reader.
#[derive(Debug)]
pub(super) struct Outlet {
    queue: VecDeque<ClientEvent>,
    /// Notices in the queue; the rest is passing.
    notices: usize,
    /// Whether the store holds notices after `queued`.
    behind: bool,
    /// Highest notice that was put into the queue.
    queued: u64,
    /// Highest notice handed over.
    delivered: u64,
    reader: Option<oneshot::Sender<Vec<ClientEvent>>>,
}

impl Outlet {
    /// Starts with what an earlier run left unacknowledged.
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new(), notices: 0, behind: true, queued: 0, delivered: 0, reader: None }
    }

    /// The notices were erased and count from the beginning.
    pub(super) fn restart(&mut self) {
        self.queue.retain(|event| !matches!(event, ClientEvent::Notice(_)));
        self.notices = 0;
        self.behind = true;
        self.queued = 0;
        self.delivered = 0;
    }

    /// Something passing; when too much waits, the oldest of it is missed.
    pub(super) fn push(&mut self, event: ClientEvent) {
        if self.queue.len().saturating_sub(self.notices) >= PASSING_MAX {
            let oldest = self.queue.iter().position(|event| !matches!(event, ClientEvent::Notice(_)));
            oldest.and_then(|at| self.queue.remove(at));
        }
        self.queue.push_back(event);
    }

    /// A notice that is stored.
    pub(super) fn push_notice(&mut self, notice: Notice) {
        // The history knows what a changed message looks like now.
        let untold = matches!(notice.kind, NoticeKind::Changed { .. });
        self.behind |= untold || self.notices >= NOTICES_MAX;
        if !self.behind {
            self.enqueue(notice);
        }
    }

    /// The reader wants more.
    pub(super) fn pull(&mut self, reader: oneshot::Sender<Vec<ClientEvent>>) {
        self.reader = Some(reader);
    }

    /// Highest notice handed over.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Hands over what there is, if somebody waits for it. Not inside a transaction.
    pub(super) fn serve(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.reader.is_none() {
            return Ok(());
        }
        if self.behind && self.notices < PULL_MAX {
            let limit = u32::try_from(PULL_MAX).unwrap_or(u32::MAX);
            let notices = store.notices(self.queued, limit)?;
            self.behind = notices.len() == PULL_MAX;
            notices.into_iter().for_each(|notice| self.enqueue(notice));
        }
        if self.queue.is_empty() {
            return Ok(());
        }
        let events: Vec<_> = self.queue.drain(..self.queue.len().min(PULL_MAX)).collect();
        for event in &events {
            if let ClientEvent::Notice(notice) = event {
                self.delivered = notice.seq;
                self.notices = self.notices.saturating_sub(1);
            }
        }
        if let Some(reader) = self.reader.take() {
            // The reader is gone for good: what is durable waits for the next run.
            let _ = reader.send(events);
        }
        Ok(())
    }

    fn enqueue(&mut self, notice: Notice) {
        self.queued = notice.seq;
        self.notices = self.notices.saturating_add(1);
        self.queue.push_back(ClientEvent::Notice(notice));
    }
}

#[cfg(test)]
mod tests {
    use chat_core::engine::Event;
    use chat_core::store::WriteBatch;
    use tempfile::TempDir;

    use super::*;

    fn notice(seq: u64) -> Notice {
        Notice { seq, kind: NoticeKind::LoggedOut { reason: seq.to_string() } }
    }

    /// What the driver does with a notice: stored first, then announced.
    fn arrive(outlet: &mut Outlet, store: &Store, seqs: std::ops::Range<u64>) {
        store.begin().unwrap();
        store.apply(&WriteBatch { notices: seqs.clone().map(notice).collect(), ..WriteBatch::default() }).unwrap();
        store.commit().unwrap();
        seqs.for_each(|seq| outlet.push_notice(notice(seq)));
    }

    /// Reads until nothing comes at once.
    fn drain(outlet: &mut Outlet, store: &Store) -> Vec<ClientEvent> {
        let mut all = Vec::new();
        loop {
            let (reader, mut events) = oneshot::channel();
            outlet.pull(reader);
            outlet.serve(store).unwrap();
            match events.try_recv() {
                Ok(events) => all.extend(events),
                Err(_) => return all,
            }
        }
    }

    fn seqs(events: &[ClientEvent]) -> Vec<u64> {
        let seq = |event: &ClientEvent| match event {
            ClientEvent::Notice(notice) => Some(notice.seq),
            _ => None,
        };
        events.iter().filter_map(seq).collect()
    }

    #[test]
    fn what_an_earlier_run_left_comes_first_and_nothing_comes_twice() {
        let dir = TempDir::new().unwrap();
        let store = Store::bare(dir.path()).unwrap();
        arrive(&mut Outlet::new(), &store, 1..200);
        let mut outlet = Outlet::new();
        arrive(&mut outlet, &store, 200..300);
        assert_eq!(seqs(&drain(&mut outlet, &store)), (1..300).collect::<Vec<_>>());
        arrive(&mut outlet, &store, 300..310);
        assert_eq!(seqs(&drain(&mut outlet, &store)), (300..310).collect::<Vec<_>>());
    }

    #[test]
    fn a_reader_that_fell_behind_loses_passing_events_only_and_memory_stays_bounded() {
        let dir = TempDir::new().unwrap();
        let store = Store::bare(dir.path()).unwrap();
        let mut outlet = Outlet::new();
        drain(&mut outlet, &store);
        let total = u64::try_from(PASSING_MAX).unwrap() * 2;
        for first in (1..=total).step_by(64) {
            arrive(&mut outlet, &store, first..first + 64);
            (0..64).for_each(|_| outlet.push(ClientEvent::Event(Event::Online(true))));
            assert!(outlet.notices <= NOTICES_MAX + 64 && outlet.queue.len() <= PASSING_MAX + outlet.notices);
        }
        let events = drain(&mut outlet, &store);
        assert_eq!(seqs(&events), (1..=total).collect::<Vec<_>>());
    }

    #[test]
    fn events_and_notices_keep_their_order_for_a_reader_that_keeps_up() {
        let dir = TempDir::new().unwrap();
        let store = Store::bare(dir.path()).unwrap();
        let mut outlet = Outlet::new();
        drain(&mut outlet, &store);
        let passing = ClientEvent::Event(Event::Online(false));
        arrive(&mut outlet, &store, 1..2);
        outlet.push(passing.clone());
        arrive(&mut outlet, &store, 2..3);
        let expected = [ClientEvent::Notice(notice(1)), passing, ClientEvent::Notice(notice(2))];
        assert_eq!(drain(&mut outlet, &store), expected);
    }
}
