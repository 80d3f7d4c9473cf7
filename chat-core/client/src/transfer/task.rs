//! One transfer at work: tried again as long as what breaks it may pass.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chat_core::engine::{Failure, FailureKind};
use chat_wire::ids::MessageId;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::bulk::Bulk;
use super::ledger::{Ledger, Progress};
use super::row::{Row, Way};
use super::types::{SavedFile, SentFile};
use super::upload::{self, Broken};
use super::{chunks, download};
use crate::driver::Door;
use crate::picture::Decoder;
use crate::transport::Dialer;

/// Pause before a broken transfer is tried again, doubling up to the maximum.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(500);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Attempts in a row that a relay with a full disk refuses before a transfer fails: half a minute.
const STUCK_MAX: u32 = 6;

/// What transfers work with.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) ledger: Ledger,
    pub(super) door: Door,
    pub(super) dialer: Dialer,
    pub(super) decoder: Option<Decoder>,
    /// Where the hashes of chunks lie.
    pub(super) uploads: PathBuf,
}

impl Means {
    /// An upload is over: its key is not used again.
    pub(super) fn forget_chunks(&self, id: MessageId) {
        if let Err(error) = chunks::forget(&self.uploads, &id) {
            tracing::warn!(%error, "the hashes of an upload that is over are left");
        }
    }
}

/// How a transfer ended.
pub(super) enum Outcome {
    Sent(SentFile),
    Saved(SavedFile),
    Failed(Failure),
    Halted,
    /// The client is closed.
    Closed,
}

/// One transfer at work.
pub(super) struct Task {
    pub(super) means: Means,
    pub(super) slots: Arc<Semaphore>,
    pub(super) row: Row,
    pub(super) progress: Progress,
}

/// Everything but the last step, which is not broken off.
enum Ready {
    Up(upload::Uploaded),
    Down(download::Fetched),
}

impl Task {
    /// Works until the transfer is done, halted, or can't go on.
    pub(super) async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Outcome {
        let (mut pause, mut stuck) = (RETRY_PAUSE_MIN, 0_u32);
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
            stuck = if matches!(broken, Broken::Stuck) { stuck.saturating_add(1) } else { 0 };
            if stuck >= STUCK_MAX {
                return self.failed(Failure::of(FailureKind::Io)).await;
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
            Way::Up(_) => {
                let with = (self.means.uploads.as_path(), self.means.decoder.as_ref());
                upload::attempt(bulk, &self.row, with, &mut self.progress).await.map(Ready::Up)
            }
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
pub(super) async fn clear(mut means: Means, row: Row) {
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
