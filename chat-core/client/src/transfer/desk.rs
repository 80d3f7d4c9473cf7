//! Who does what with which file: one task that takes orders, and one a transfer that does it. A transfer
//! ends done, failed, or halted by an order; a closed client leaves it as it is stored.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chat_core::engine::{Answer as Told, Command, Failure, FailureKind, FileCommand, Query, Reply};
use chat_core::file::FileKey;
use chat_wire::ids::{BlobId, MessageId};
use chat_wire::limits::FILE_BYTES_MAX;
use chat_wire::message::BlobToken;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_bytes::ByteArray;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::bulk::Bulk;
use super::ledger::{Ledger, Progress, closed};
use super::row::{Outgoing, Row, Up, Way};
use super::types::{FileToFetch, FileToSend, SavedFile, SentFile, Transfer, failed};
use super::upload::{self, Broken, io_failure};
use super::{download, names, place};
use crate::clock;
use crate::driver::Door;
use crate::event::Direction;
use crate::transport::Dialer;

/// Transfers whose bytes flow at once: more only share the line.
const RUNNING_MAX: usize = 3;

/// Pause before a broken transfer is tried again, doubling up to the maximum.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(500);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

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
    /// Everything stops as it is.
    Stop(oneshot::Sender<()>),
}

/// What transfers work with.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) ledger: Ledger,
    pub(super) door: Door,
    pub(super) dialer: Dialer,
}

/// What a transfer is known by.
type Key = (MessageId, Direction);

/// What comes back to the desk.
enum Report {
    Begun(Result<Row, Failure>, Waiter, Option<String>),
    Over(Key, Outcome),
}

/// How a transfer ended.
enum Outcome {
    Sent(SentFile),
    Saved(SavedFile),
    Failed(Failure),
    Halted,
    /// The client is closed.
    Closed,
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
    failure: Option<FailureKind>,
}

/// The task that takes orders.
pub(super) struct Desk {
    means: Means,
    slots: Arc<Semaphore>,
    jobs: BTreeMap<Key, Job>,
    /// Sends under way to their first row, by idempotency key.
    beginning: HashMap<String, Vec<Answer<SentFile>>>,
    reports_in: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl Desk {
    pub(super) fn new(means: Means) -> Self {
        let (reports_in, reports) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { means, slots, jobs: BTreeMap::new(), beginning: HashMap::new(), reports_in, reports }
    }

    /// Works until it is told to stop, or nobody can ask any more.
    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        // What can't be read now is tried at the next start.
        for row in self.means.ledger.all().await.unwrap_or_default() {
            let wanted = row.is_wanted();
            let key = self.put(row);
            if wanted {
                self.start(key);
            }
        }
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
            let begun = begin_upload(&ledger, file).await;
            // The desk is gone: so is who waits.
            let _ = reports.send(Report::Begun(begun, Waiter::Sent(answer), key));
        });
    }

    fn fetch(&mut self, file: FileToFetch, answer: Answer<SavedFile>) {
        if let Some(job) = self.jobs.get_mut(&(file.id, Direction::Download)).filter(|job| job.stop.is_some()) {
            return job.waiters.push(Waiter::Saved(answer));
        }
        let (ledger, reports) = (self.means.ledger.clone(), self.reports_in.clone());
        tokio::spawn(async move {
            let begun = begin_download(&ledger, file).await;
            let _ = reports.send(Report::Begun(begun, Waiter::Saved(answer), None));
        });
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
            _ if key.1 == Direction::Upload => {
                let _ = self.means.ledger.forget_chunks(key.0).await;
            }
            _ => {}
        }
        for waiter in std::mem::take(&mut job.waiters) {
            waiter.settle(&outcome);
        }
        halts.into_iter().for_each(Halt::grant);
        self.forget_old().await;
    }

    /// Nothing works on it any more.
    async fn halted(&mut self, key: Key, halts: Vec<Halt>) {
        let cancelled = halts.iter().any(|halt| matches!(halt, Halt::Cancel(_)));
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let result = if cancelled {
            let row = job.row.clone();
            for waiter in std::mem::take(&mut job.waiters) {
                waiter.refuse(Failure::of(FailureKind::Cancelled));
            }
            self.jobs.remove(&key);
            if !row.is_done() {
                tokio::spawn(clear(self.means.clone(), row));
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

    fn put(&mut self, row: Row) -> Key {
        let key = (row.id, row.direction());
        let progress = Progress::new(self.means.ledger.clone(), &row);
        let job = Job { row, progress, stop: None, halts: Vec::new(), waiters: Vec::new(), failure: None };
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

/// One transfer at work.
struct Task {
    means: Means,
    slots: Arc<Semaphore>,
    row: Row,
    progress: Progress,
}

/// Everything but the last step, which is not broken off.
enum Ready {
    Up(upload::Uploaded),
    Down(download::Fetched),
}

impl Task {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Outcome {
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            let before = self.progress.done();
            let ready = tokio::select! {
                biased;
                _ = &mut stopped => Err(None),
                ready = self.attempt() => ready.map_err(Some),
            };
            self.progress.set_running(false);
            let broken = match ready {
                Ok(ready) => match self.finish(ready).await {
                    Ok(outcome) => return outcome,
                    Err(broken) => broken,
                },
                Err(Some(broken)) => broken,
                Err(None) => return Outcome::Halted,
            };
            if self.means.ledger.is_closed() {
                return Outcome::Closed;
            }
            if let Broken::Failed(failure) = broken {
                return self.failed(failure).await;
            }
            if self.progress.done() > before {
                pause = RETRY_PAUSE_MIN;
            }
            tokio::select! {
                _ = &mut stopped => return Outcome::Halted,
                () = sleep(pause) => pause = (pause * 2).min(RETRY_PAUSE_MAX),
            }
        }
    }

    async fn attempt(&mut self) -> Result<Ready, Broken> {
        let _slot = self.slots.acquire().await.map_err(|_| Broken::Passing)?;
        let bulk = Bulk::open(&mut self.means.door, &self.means.dialer).await?;
        self.progress.set_running(true);
        match self.row.way {
            Way::Up(_) => upload::attempt(bulk, &self.row, &self.means.ledger, &mut self.progress).await.map(Ready::Up),
            Way::Down(_) => download::attempt(bulk, &self.row, &mut self.progress).await.map(Ready::Down),
        }
    }

    async fn finish(&self, ready: Ready) -> Result<Outcome, Broken> {
        match ready {
            Ready::Up(uploaded) => upload::finish(uploaded, &self.row, &self.means.ledger).await.map(Outcome::Sent),
            Ready::Down(fetched) => download::finish(fetched, &self.row).await.map(Outcome::Saved),
        }
    }

    /// It can't go on: nothing half-done stays behind.
    async fn failed(self, failure: Failure) -> Outcome {
        clear(self.means, self.row).await;
        Outcome::Failed(failure)
    }
}

/// Removes what an unfinished transfer left, here and at the relay; there it expires anyway.
async fn clear(mut means: Means, row: Row) {
    if let Way::Up(up) = &row.way {
        let withdrawn = async {
            let bulk = Bulk::open(&mut means.door, &means.dialer).await?;
            upload::withdraw(bulk, row.blob, up).await
        };
        if tokio::time::timeout(RETRY_PAUSE_MAX, withdrawn).await.is_err() {
            tracing::debug!("an upload was not withdrawn");
        }
        return;
    }
    let discarded = spawn_blocking(move || download::discard(&row)).await;
    if !matches!(discarded, Ok(Ok(()))) {
        tracing::warn!("a temporary file was not removed");
    }
}

/// Looks at a file, asks the engine for its message's name, and stores that it is to be sent.
async fn begin_upload(ledger: &Ledger, file: FileToSend) -> Result<Row, Failure> {
    let path = std::path::absolute(&file.path).map_err(|error| io_failure(&error))?;
    let looking = path.clone();
    let looked = spawn_blocking(move || upload::open(&looking).map(|(_, metadata)| metadata)).await;
    let metadata = looked.map_err(|_| Failure::of(FailureKind::Internal))??;
    if metadata.len() > FILE_BYTES_MAX || file.caption.as_ref().is_some_and(|text| text.len() > CAPTION_BYTES_MAX) {
        return failed(FailureKind::TooLarge);
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let key = FileKey::generate(&mut UnwrapErr(SysRng));
    let (blob, salt, token) = (BlobId(random()?), ByteArray::new(random()?), BlobToken(random()?));
    let reserve = FileCommand::Reserve { to: file.to.clone(), blob, key: key.clone() };
    let Reply::FileReserved { id, nonce } = ledger.run(Command::File(reserve)).await? else {
        return failed(FailureKind::Internal);
    };
    let up = Up {
        nonce,
        salt,
        token,
        caption: file.caption,
        idempotency_key: file.idempotency_key,
        media_type: names::media_type(&name).map(str::to_owned),
        written_ns: upload::written_ns(&metadata),
    };
    let outgoing = Outgoing { id, with: file.to, name, size: metadata.len(), path, key, blob, up };
    let row = Row::upload(outgoing, clock::now().as_ms());
    ledger.save(&row).await?;
    Ok(row)
}

/// Finds out what a message's file is and where it goes, and stores that it is wanted.
async fn begin_download(ledger: &Ledger, file: FileToFetch) -> Result<Row, Failure> {
    let Told::File(shared) = ledger.query(Query::File(file.id)).await? else {
        return failed(FailureKind::Internal);
    };
    let shared = shared.ok_or(Failure::of(FailureKind::UnknownMessage))?;
    if shared.pointer.size > FILE_BYTES_MAX {
        return failed(FailureKind::TooLarge);
    }
    let placed = spawn_blocking(move || target_of(file.path)).await;
    let (target, exact) = placed.map_err(|_| Failure::of(FailureKind::Internal))??;
    let with = shared.with;
    let row = Row::download((file.id, with), &shared.pointer, (&target, exact), clock::now().as_ms());
    ledger.save(&row).await?;
    Ok(row)
}

/// The directory that a file goes to, or the file that it becomes.
fn target_of(path: Option<PathBuf>) -> Result<(PathBuf, bool), Failure> {
    let Some(path) = path else {
        let downloads = place::downloads().ok_or(Failure::of(FailureKind::NotFound))?;
        place::make_dir(&downloads).map_err(|error| io_failure(&error))?;
        return Ok((downloads, false));
    };
    let path = std::path::absolute(&path).map_err(|error| io_failure(&error))?;
    if path.is_dir() {
        return Ok((path, false));
    }
    let parent = path.parent().is_some_and(Path::is_dir);
    if parent && path.file_name().is_some() { Ok((path, true)) } else { failed(FailureKind::NotFound) }
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Failure::of(FailureKind::Io))?;
    Ok(bytes)
}

/// Bytes of a caption: what a message's text may have.
const CAPTION_BYTES_MAX: usize = 64 * 1024;

fn tell<T>(answer: Answer<T>, result: Result<T, Failure>) {
    // Nobody waits any more: then nobody misses it.
    let _ = answer.send(result);
}
