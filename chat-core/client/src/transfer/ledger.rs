//! The way from a transfer to the profile: its rows, the engine, and who watches. Weak, so that a transfer
//! under way never keeps a profile open that nobody holds any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat_core::engine::{Answer, Command, Failure, FailureKind, Query, Reply};
use chat_wire::ids::MessageId;

use super::row::Row;
use crate::driver::{Arrival, Task, WeakMailbox};
use crate::event::{ClientEvent, Direction};
use crate::store::{Came, StoreError};

/// Time between two events about one transfer: what an eye follows.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

/// Notices read at once.
const NOTICES_MAX: u32 = 64;

/// The profile, as long as it is open.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    mailbox: WeakMailbox,
}

impl Ledger {
    pub(super) fn new(mailbox: WeakMailbox) -> Self {
        Self { mailbox }
    }

    pub(super) async fn all(&self) -> Result<Vec<Row>, Failure> {
        let rows = self.work(|store| store.transfers()).await?;
        // A row of a later version is none of ours.
        Ok(rows.iter().filter_map(|row| minicbor_serde::from_slice(row).ok()).collect())
    }

    pub(super) async fn save(&self, row: &Row) -> Result<(), Failure> {
        let body = minicbor_serde::to_vec(row).map_err(|_| Failure::of(FailureKind::Internal))?;
        let (id, direction) = (row.id, number(row.direction()));
        self.work(move |store| store.set_transfer(&id, direction, &body)).await
    }

    pub(super) async fn remove(&self, id: MessageId, direction: Direction) -> Result<(), Failure> {
        self.work(move |store| store.remove_transfer(&id, number(direction))).await
    }

    /// Files of notices that nobody has taken and about which nothing was decided.
    pub(super) async fn undecided(&self) -> Result<Vec<Arrival>, Failure> {
        self.work(|store| {
            let (mut after, mut arrivals) = (store.files_decided()?, Vec::new());
            loop {
                let notices = store.notices(after, NOTICES_MAX)?;
                let Some(last) = notices.last() else { return Ok(arrivals) };
                after = last.seq;
                arrivals.extend(notices.iter().filter_map(Arrival::of));
            }
        })
        .await
    }

    pub(super) async fn decide(&self, seq: u64) -> Result<(), Failure> {
        self.work(move |store| store.set_files_decided(seq)).await
    }

    pub(super) async fn came(&self) -> Result<Came, Failure> {
        self.work(|store| store.files_came()).await
    }

    /// Counted before the file begins to come: a kill in between costs a little of the day's allowance.
    pub(super) async fn set_came(&self, came: Came) -> Result<(), Failure> {
        self.work(move |store| store.set_files_came(came)).await
    }

    pub(super) async fn run(&self, command: Command) -> Result<Reply, Failure> {
        let asked = {
            let mailbox = self.mailbox.upgrade().ok_or(closed())?;
            mailbox.ask(move |answer| Task::Command(command, answer))
        };
        asked.await
    }

    pub(super) async fn query(&self, query: Query) -> Result<Answer, Failure> {
        let asked = {
            let mailbox = self.mailbox.upgrade().ok_or(closed())?;
            mailbox.ask(move |answer| Task::Query(query, answer))
        };
        asked.await
    }

    /// Whether the client was closed.
    pub(super) fn is_closed(&self) -> bool {
        self.mailbox.upgrade().is_none_or(|mailbox| mailbox.is_closed())
    }

    fn announce(&self, event: ClientEvent) {
        if let Some(mailbox) = self.mailbox.upgrade() {
            mailbox.post(Task::Announce(event));
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&crate::store::Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let asked = self.mailbox.upgrade().ok_or(closed())?.work(work);
        asked.await
    }
}

/// How far a transfer is: told to who watches, and looked up by who asks.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    ledger: Ledger,
    id: MessageId,
    direction: Direction,
    total: u64,
    done: Arc<AtomicU64>,
    running: Arc<AtomicBool>,
    told: Option<Instant>,
}

impl Progress {
    pub(super) fn new(ledger: Ledger, row: &Row) -> Self {
        let (id, direction, total) = (row.id, row.direction(), row.size);
        Self { ledger, id, direction, total, done: Arc::default(), running: Arc::default(), told: None }
    }

    /// So many bytes of the file went over.
    pub(super) fn reached(&mut self, done: u64) {
        let done = done.min(self.total);
        self.done.store(done, Ordering::Relaxed);
        if self.told.is_none_or(|told| told.elapsed() >= PROGRESS_PAUSE) || done == self.total {
            self.told = Some(Instant::now());
            let Self { id, direction, total, .. } = *self;
            self.ledger.announce(ClientEvent::FileProgress { id, direction, done, total });
        }
    }

    pub(super) fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Relaxed);
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

fn number(direction: Direction) -> u8 {
    match direction {
        Direction::Upload => 1,
        Direction::Download => 2,
    }
}

/// A client that was closed can do nothing any more.
pub(super) fn closed() -> Failure {
    Failure::of(FailureKind::Internal)
}
