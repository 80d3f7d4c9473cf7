//! Who does what with which file: one task that takes orders, and one a transfer that does it. A transfer
//! ends done, failed, or halted by an order; a closed client leaves it as it is stored.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use chat_core::engine::{Failure, FailureKind};
use chat_wire::ids::MessageId;
use serde_bytes::ByteArray;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::ledger::{Progress, closed};
use super::row::{Row, Way};
use super::task::{Means, Outcome, Task, clear};
use super::types::{FileToFetch, FileToSend, SavedFile, SentFile, Transfer, failed};
use super::upload::io_failure;
use super::{allowance, begin, chunks, place};
use crate::clock;
use crate::config::Downloads;
use crate::driver::{Arrival, Tidings};
use crate::event::Direction;

/// Transfers whose bytes flow at once: more only share the line.
const RUNNING_MAX: usize = 3;

/// Transfers that are over and still shown; older ones are forgotten.
const OVER_MAX: usize = 200;

/// Where an answer goes.
type Answer<T> = oneshot::Sender<Result<T, Failure>>;

/// What the desk is asked.
pub(super) enum Order {
    Send(FileToSend, Answer<SentFile>),
    Fetch(FileToFetch, Answer<SavedFile>),
    List(Answer<Vec<Transfer>>),
    Pause(MessageId, Answer<()>),
    Resume(MessageId, Answer<()>),
    Cancel(MessageId, Answer<()>),
    /// From now on files come by themselves, or to another place.
    Obey(Downloads),
    /// Everything stops as it is.
    Stop(oneshot::Sender<()>),
}

/// What a transfer is known by.
type Key = (MessageId, Direction);

/// What comes back to the desk.
enum Report {
    Begun(Result<Row, Failure>, Waiter, Option<String>),
    Over(Key, Outcome),
}

/// Who waits for a transfer.
enum Waiter {
    Sent(Answer<SentFile>),
    Saved(Answer<SavedFile>),
}

/// Why a transfer was halted.
enum Halt {
    Pause(Answer<()>),
    Cancel(Answer<()>),
}

/// A transfer, working or not.
struct Job {
    row: Row,
    progress: Progress,
    /// Stops its task; none when none works.
    stop: Option<oneshot::Sender<()>>,
    halts: Vec<Halt>,
    waiters: Vec<Waiter>,
    /// Wanted at other places as well, one after the other.
    next: Vec<(FileToFetch, Answer<SavedFile>)>,
    failure: Option<FailureKind>,
}

/// The task that takes orders.
pub(super) struct Desk {
    means: Means,
    downloads: Downloads,
    slots: Arc<Semaphore>,
    jobs: BTreeMap<Key, Job>,
    /// Sends under way to their first row, by idempotency key.
    beginning: HashMap<String, Vec<Answer<SentFile>>>,
    reports_in: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl Desk {
    pub(super) fn new(means: Means, downloads: Downloads) -> Self {
        let (reports_in, reports) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { means, downloads, slots, jobs: BTreeMap::new(), beginning: HashMap::new(), reports_in, reports }
    }

    /// Works until it is told to stop, or nobody can ask any more.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut tidings: mpsc::UnboundedReceiver<Tidings>,
    ) {
        // What can't be read now is tried at the next start.
        if let Ok(rows) = self.means.ledger.all().await {
            for row in rows {
                let wanted = row.is_wanted();
                let key = self.put(row);
                if wanted {
                    self.start(key);
                }
            }
            self.tidy_up();
        }
        self.look_back().await;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Stop(done)) => {
                        self.jobs.clear();
                        // Whoever asked has gone: nobody misses it.
                        let _ = done.send(());
                        return;
                    }
                    Some(order) => self.order(order).await,
                    None => return,
                },
                Some(report) = self.reports.recv() => self.report(report).await,
                Some(tidings) = tidings.recv() => match tidings {
                    Tidings::File(arrival) => self.arrived(arrival).await,
                    Tidings::Erased => self.erase(),
                },
            }
        }
    }

    async fn order(&mut self, order: Order) {
        match order {
            Order::Send(file, answer) => self.send(file, answer),
            Order::Fetch(file, answer) => self.fetch(file, answer),
            Order::List(answer) => tell(answer, Ok(self.list())),
            Order::Pause(id, answer) => self.halt(id, Halt::Pause(answer)).await,
            Order::Cancel(id, answer) => self.halt(id, Halt::Cancel(answer)).await,
            Order::Resume(id, answer) => {
                let result = self.resume(id).await;
                tell(answer, result);
            }
            Order::Obey(downloads) => self.obey(downloads).await,
            Order::Stop(_) => {}
        }
    }

    fn send(&mut self, file: FileToSend, answer: Answer<SentFile>) {
        let key = file.idempotency_key.clone();
        if let Some(key) = &key {
            let same = self
                .jobs
                .values_mut()
                .find(|job| matches!(&job.row.way, Way::Up(up) if up.idempotency_key.as_ref() == Some(key)));
            match same.map(|job| (job.row.is_done(), job)) {
                Some((true, job)) => {
                    let sha256 = job.row.sha256.map(ByteArray::into_array).unwrap_or_default();
                    return tell(answer, Ok(SentFile { id: job.row.id, size: job.row.size, sha256 }));
                }
                // A failed one is no result: the repeat tries anew.
                Some((false, job)) if !job.row.is_failed() => return job.waiters.push(Waiter::Sent(answer)),
                _ => {}
            }
            if let Some(waiting) = self.beginning.get_mut(key) {
                return waiting.push(answer);
            }
            self.beginning.insert(key.clone(), Vec::new());
        }
        let (ledger, reports) = (self.means.ledger.clone(), self.reports_in.clone());
        tokio::spawn(async move {
            let begun = begin::upload(&ledger, file).await;
            // The desk is gone: so is who waits.
            let _ = reports.send(Report::Begun(begun, Waiter::Sent(answer), key));
        });
    }

    fn fetch(&mut self, file: FileToFetch, answer: Answer<SavedFile>) {
        let file = FileToFetch { path: file.path.or_else(|| self.usual_dir()), ..file };
        if let Some(job) = self.jobs.get_mut(&(file.id, Direction::Download)).filter(|job| job.stop.is_some()) {
            // It may come by itself just now, to another place than the one that is asked for.
            return match begin::goes_to(&job.row, file.path.as_deref()) {
                true => job.waiters.push(Waiter::Saved(answer)),
                false => job.next.push((file, answer)),
            };
        }
        let (ledger, reports) = (self.means.ledger.clone(), self.reports_in.clone());
        tokio::spawn(async move {
            let begun = begin::download(&ledger, file).await;
            let _ = reports.send(Report::Begun(begun, Waiter::Saved(answer), None));
        });
    }

    async fn obey(&mut self, downloads: Downloads) {
        let slept = self.downloads.auto_bytes_max == 0;
        self.downloads = downloads;
        if slept {
            self.look_back().await;
        }
    }

    /// Files that came while nobody looked, or just before a kill.
    async fn look_back(&mut self) {
        if self.downloads.auto_bytes_max > 0 {
            for arrival in self.means.ledger.undecided().await.unwrap_or_default() {
                self.arrived(arrival).await;
            }
        }
    }

    /// Fetches what comes by itself. Strangers' messages do not come here before they are accepted (SPEC 13.4.4).
    async fn arrived(&mut self, arrival: Arrival) {
        if self.downloads.auto_bytes_max == 0 {
            return;
        }
        if !self.jobs.contains_key(&(arrival.id, Direction::Download)) {
            match self.allowed(&arrival).await {
                Ok(Some(row)) => self.begin_fetching(row, None).await,
                Ok(None) => tracing::info!("a file waits to be asked for"),
                Err(failure) => tracing::info!(kind = ?failure.kind, "a file does not come by itself"),
            }
        }
        // What can't be stored is decided once more after a restart: the transfer is known by then.
        let _ = self.means.ledger.decide(arrival.seq).await;
    }

    /// The download of a file that may come by itself; none when it is over what may.
    async fn allowed(&self, arrival: &Arrival) -> Result<Option<Row>, Failure> {
        let came = self.means.ledger.came().await?;
        let Some(came) = allowance::count(&self.downloads, came, (arrival.size, clock::now())) else { return Ok(None) };
        let file = FileToFetch { id: arrival.id, path: self.usual_dir() };
        let row = begin::download(&self.means.ledger, file).await?;
        if let Way::Down(down) = &row.way {
            let dir = down.target().to_path_buf();
            let free = spawn_blocking(move || allowance::free_bytes(&dir)).await;
            let free = free.map_err(|_| Failure::of(FailureKind::Internal))?.map_err(|error| io_failure(&error))?;
            if !allowance::fits(row.size, free) {
                return Ok(None);
            }
        }
        self.means.ledger.set_came(came).await?;
        Ok(Some(row))
    }

    /// Where files go to, when somebody said so.
    fn usual_dir(&self) -> Option<PathBuf> {
        // One that can't be made is told when something is to lie there.
        self.downloads.dir.clone().inspect(|dir| drop(place::make_dir(dir)))
    }

    fn list(&self) -> Vec<Transfer> {
        let mut jobs: Vec<&Job> = self.jobs.values().collect();
        jobs.sort_by_key(|job| job.row.created_ms);
        jobs.into_iter().map(Job::shown).collect()
    }

    /// Stops a transfer that works; one that does not is paused or forgotten at once.
    async fn halt(&mut self, id: MessageId, halt: Halt) {
        let Some(key) = self.key_of(id) else { return halt.refuse(FailureKind::NotFound) };
        let Some(job) = self.jobs.get_mut(&key) else { return halt.refuse(FailureKind::NotFound) };
        match job.stop.take() {
            Some(stop) => {
                // Its task may have ended in this moment: its report says how.
                let _ = stop.send(());
                job.halts.push(halt);
            }
            None if !job.halts.is_empty() => job.halts.push(halt),
            None => self.halted(key, vec![halt]).await,
        }
    }

    async fn resume(&mut self, id: MessageId) -> Result<(), Failure> {
        let key = self.key_of(id).ok_or(Failure::of(FailureKind::NotFound))?;
        let job = self.jobs.get_mut(&key).ok_or(Failure::of(FailureKind::NotFound))?;
        if job.stop.is_some() || job.row.is_done() {
            return Ok(());
        }
        job.row.want();
        job.failure = None;
        self.means.ledger.save(&job.row).await?;
        self.start(key);
        Ok(())
    }

    /// The transfer of a message: the one that is not over, if there are two.
    fn key_of(&self, id: MessageId) -> Option<Key> {
        let keys = [(id, Direction::Download), (id, Direction::Upload)];
        let of =
            |over: bool| keys.into_iter().find(|key| self.jobs.get(key).is_some_and(|job| job.row.is_done() == over));
        of(false).or_else(|| of(true))
    }

    async fn report(&mut self, report: Report) {
        match report {
            Report::Begun(Ok(row), Waiter::Saved(answer), _) => self.begin_fetching(row, Some(answer)).await,
            Report::Begun(Ok(row), waiter, name) => {
                let key = self.put(row);
                if let Some(job) = self.jobs.get_mut(&key) {
                    let others = name.and_then(|name| self.beginning.remove(&name)).unwrap_or_default();
                    job.waiters.push(waiter);
                    job.waiters.extend(others.into_iter().map(Waiter::Sent));
                }
                self.start(key);
            }
            Report::Begun(Err(failure), waiter, name) => {
                let others = name.and_then(|name| self.beginning.remove(&name)).unwrap_or_default();
                others.into_iter().for_each(|other| tell(other, Err(failure.clone())));
                waiter.refuse(failure);
            }
            Report::Over(key, outcome) => self.over(key, outcome).await,
        }
    }

    /// A download begins, unless its file is on its way by now.
    async fn begin_fetching(&mut self, row: Row, answer: Option<Answer<SavedFile>>) {
        if self.jobs.get(&(row.id, Direction::Download)).is_some_and(|job| job.stop.is_some()) {
            if let (Some(answer), Way::Down(down)) = (answer, &row.way) {
                self.fetch(FileToFetch { id: row.id, path: Some(down.target().to_path_buf()) }, answer);
            }
            return;
        }
        let saved = self.means.ledger.save(&row).await;
        let waiter = answer.map(Waiter::Saved);
        if let Err(failure) = saved {
            return waiter.into_iter().for_each(|waiter| waiter.refuse(failure.clone()));
        }
        let key = self.put(row);
        if let Some(job) = self.jobs.get_mut(&key) {
            job.waiters.extend(waiter);
        }
        self.start(key);
    }

    async fn over(&mut self, key: Key, outcome: Outcome) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        job.stop = None;
        let halts = std::mem::take(&mut job.halts);
        match outcome {
            Outcome::Halted => return self.halted(key, halts).await,
            Outcome::Closed => return,
            Outcome::Sent(ref sent) => job.row.complete(sent.sha256, None),
            Outcome::Saved(ref saved) => job.row.complete(saved.sha256, Some(&saved.path)),
            Outcome::Failed(ref failure) => {
                job.row.fail();
                job.failure = Some(failure.kind);
            }
        }
        // What can't be stored is done once more after a restart: a repeat changes nothing.
        let _ = self.means.ledger.save(&job.row).await;
        match outcome {
            Outcome::Saved(_) => clear(self.means.clone(), job.row.clone()).await,
            Outcome::Sent(_) => self.means.forget_chunks(key.0),
            // A failed upload may be resumed: what was sealed under its key is known until it is forgotten.
            _ => {}
        }
        let next = std::mem::take(&mut job.next);
        for waiter in std::mem::take(&mut job.waiters) {
            waiter.settle(&outcome);
        }
        halts.into_iter().for_each(Halt::grant);
        next.into_iter().for_each(|(file, answer)| self.fetch(file, answer));
        self.forget_old().await;
    }

    /// Nothing works on it any more.
    async fn halted(&mut self, key: Key, halts: Vec<Halt>) {
        let cancelled = halts.iter().any(|halt| matches!(halt, Halt::Cancel(_)));
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let result = if cancelled {
            let row = job.row.clone();
            let next = std::mem::take(&mut job.next).into_iter().map(|(_, answer)| Waiter::Saved(answer));
            for waiter in std::mem::take(&mut job.waiters).into_iter().chain(next) {
                waiter.refuse(Failure::of(FailureKind::Cancelled));
            }
            self.jobs.remove(&key);
            if !row.is_done() {
                tokio::spawn(clear(self.means.clone(), row));
            }
            if key.1 == Direction::Upload {
                self.means.forget_chunks(key.0);
            }
            self.means.ledger.remove(key.0, key.1).await
        } else if job.row.is_done() || job.row.is_failed() {
            Ok(())
        } else {
            job.row.pause();
            self.means.ledger.save(&job.row).await
        };
        halts.into_iter().for_each(|halt| halt.settle(result.clone()));
    }

    async fn forget_old(&mut self) {
        let mut over: Vec<(u64, Key)> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.row.is_done())
            .map(|(key, job)| (job.row.created_ms, *key))
            .collect();
        over.sort_unstable();
        let many = over.len().saturating_sub(OVER_MAX);
        for (_, key) in over.into_iter().take(many) {
            self.jobs.remove(&key);
            // Tried again when the next one is over.
            let _ = self.means.ledger.remove(key.0, key.1).await;
        }
    }

    /// The profile was erased: what goes on stops, and leaves nothing.
    fn erase(&mut self) {
        for (_, job) in std::mem::take(&mut self.jobs) {
            let next = job.next.into_iter().map(|(_, answer)| Waiter::Saved(answer));
            job.waiters.into_iter().chain(next).for_each(|waiter| waiter.refuse(Failure::of(FailureKind::NotLoggedIn)));
            job.halts.into_iter().for_each(Halt::grant);
            if !job.row.is_done() {
                tokio::spawn(clear(self.means.clone(), job.row));
            }
        }
        self.tidy_up();
    }

    /// Forgets hashes of uploads that nobody knows any more.
    fn tidy_up(&self) {
        let uploads = self.jobs.values().filter(|job| job.row.direction() == Direction::Upload && !job.row.is_done());
        let (dir, ids) = (self.means.uploads.clone(), uploads.map(|job| job.row.id).collect::<Vec<_>>());
        if let Err(error) = chunks::keep_only(&dir, &ids) {
            tracing::warn!(%error, "hashes of uploads that are over are left");
        }
    }

    fn put(&mut self, row: Row) -> Key {
        let key = (row.id, row.direction());
        let progress = Progress::new(self.means.ledger.clone(), &row);
        let (waiters, next) = (Vec::new(), Vec::new());
        let job = Job { row, progress, stop: None, halts: Vec::new(), waiters, next, failure: None };
        self.jobs.insert(key, job);
        key
    }

    fn start(&mut self, key: Key) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let (stop, stopped) = oneshot::channel();
        job.stop = Some(stop);
        let task = Task {
            means: self.means.clone(),
            slots: Arc::clone(&self.slots),
            row: job.row.clone(),
            progress: job.progress.clone(),
        };
        let reports = self.reports_in.clone();
        tokio::spawn(async move {
            let outcome = task.run(stopped).await;
            let _ = reports.send(Report::Over(key, outcome));
        });
    }
}

impl Job {
    fn shown(&self) -> Transfer {
        let row = &self.row;
        Transfer {
            id: row.id,
            direction: row.direction(),
            with: row.with.clone(),
            name: row.name.clone(),
            path: row.path().to_path_buf(),
            done: if row.is_done() { row.size } else { self.progress.done() },
            total: row.size,
            state: row.shown(self.progress.is_running(), self.failure),
        }
    }
}

impl Waiter {
    fn refuse(self, failure: Failure) {
        match self {
            Self::Sent(answer) => tell(answer, Err(failure)),
            Self::Saved(answer) => tell(answer, Err(failure)),
        }
    }

    fn settle(self, outcome: &Outcome) {
        match (self, outcome) {
            (Self::Sent(answer), Outcome::Sent(sent)) => tell(answer, Ok(sent.clone())),
            (Self::Saved(answer), Outcome::Saved(saved)) => tell(answer, Ok(saved.clone())),
            (waiter, Outcome::Failed(failure)) => waiter.refuse(failure.clone()),
            (waiter, _) => waiter.refuse(closed()),
        }
    }
}

impl Halt {
    fn refuse(self, kind: FailureKind) {
        self.settle(failed(kind));
    }

    fn grant(self) {
        self.settle(Ok(()));
    }

    fn settle(self, result: Result<(), Failure>) {
        match self {
            Self::Pause(answer) | Self::Cancel(answer) => tell(answer, result),
        }
    }
}

fn tell<T>(answer: Answer<T>, result: Result<T, Failure>) {
    // Nobody waits any more: then nobody misses it.
    let _ = answer.send(result);
}
