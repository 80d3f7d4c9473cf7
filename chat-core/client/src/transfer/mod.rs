//! Files on their way (DESIGN §7): uploads and downloads with their state in the store, on a thread of
//! their own, so that a message never waits for a file. What they did survives restarts, lost connections
//! and kills; nothing gets its name before it was checked.
//!
//! ```text
//! handle ──Order──▶ desk ──▶ one task a transfer ──▶ bulk connection
//!                                    │
//!                                    ├──▶ threads that seal, open, read and write; hashes of chunks
//!                                    └──▶ ledger: rows, engine, events
//! ```

mod allowance;
mod begin;
mod bulk;
mod chunks;
mod desk;
mod download;
mod ledger;
mod names;
mod place;
mod row;
mod task;
mod types;
mod upload;

use std::path::Path;
use std::thread;

use chat_core::engine::Failure;
use chat_wire::ids::MessageId;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

pub use types::{FileToFetch, FileToSend, SavedFile, SentFile, Transfer, TransferState};

use crate::config::{Downloads, FilesConfig};
use crate::driver::{Door, Mailbox, Tidings};
use crate::error::OpenError;
use crate::transport::Dialer;
use desk::{Desk, Order};
use ledger::{Ledger, closed};
use task::Means;

/// Threads that read, seal, open and write for transfers, or wait for a thumbnail: two a running transfer,
/// and two for those that begin.
const THREADS_MAX: usize = 8;

/// How far the threads that move files stand back: a thread that handles messages gets ten times as much of a
/// processor that both want, and gets it at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The desk's door, cheap to clone. Orders are taken in the order in which they are given.
#[derive(Debug, Clone)]
pub(crate) struct Transfers {
    orders: mpsc::UnboundedSender<Order>,
}

impl Transfers {
    /// Goes on with what an earlier run left, and waits for orders, on a thread of its own.
    pub(crate) fn start(
        mailbox: &Mailbox,
        (door, dialer): (Door, Dialer),
        tidings: mpsc::UnboundedReceiver<Tidings>,
        (profile, FilesConfig { decoder, downloads }): (&Path, FilesConfig),
    ) -> Result<Self, OpenError> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (ledger, uploads) = (Ledger::new(mailbox.downgrade()), profile.join("uploads"));
        let means = Means { ledger, door, dialer, decoder, uploads };
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().max_blocking_threads(THREADS_MAX).build()?;
        thread::Builder::new().name("chat-files".to_owned()).spawn(move || {
            give_way();
            runtime.block_on(Desk::new(means, downloads).run(inbox, tidings));
            // A thread that still reads or writes ends by itself; nothing waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { orders })
    }

    pub(crate) fn send(&self, file: FileToSend) -> impl Future<Output = Result<SentFile, Failure>> + Send + use<> {
        settled(self.ask(|answer| Order::Send(file, answer)))
    }

    pub(crate) fn fetch(&self, file: FileToFetch) -> impl Future<Output = Result<SavedFile, Failure>> + Send + use<> {
        settled(self.ask(|answer| Order::Fetch(file, answer)))
    }

    pub(crate) fn list(&self) -> impl Future<Output = Result<Vec<Transfer>, Failure>> + Send + use<> {
        settled(self.ask(Order::List))
    }

    pub(crate) fn pause(&self, id: MessageId) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        settled(self.ask(move |answer| Order::Pause(id, answer)))
    }

    pub(crate) fn resume(&self, id: MessageId) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        settled(self.ask(move |answer| Order::Resume(id, answer)))
    }

    pub(crate) fn cancel(&self, id: MessageId) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        settled(self.ask(move |answer| Order::Cancel(id, answer)))
    }

    /// From now on files come by themselves, or to another place.
    pub(crate) fn obey(&self, downloads: Downloads) {
        // When nobody takes it, nothing is fetched any more.
        let _ = self.orders.send(Order::Obey(downloads));
    }

    /// Stops everything as it is stored.
    pub(crate) fn stop(&self) -> impl Future<Output = ()> + Send + use<> {
        let (done, stopped) = oneshot::channel();
        // When nobody takes it, it has stopped.
        let _ = self.orders.send(Order::Stop(done));
        async move {
            let _ = stopped.await;
        }
    }

    /// Asks at once; what comes back is waited for elsewhere.
    fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Order,
    ) -> oneshot::Receiver<Result<T, Failure>> {
        let (answer, result) = oneshot::channel();
        // When nobody takes the order, its answer is dropped with it.
        let _ = self.orders.send(order(answer));
        result
    }
}

/// Lets messages go first: this thread, and those that it starts, only move files.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "files compete with messages");
    }
}

/// Elsewhere rank belongs to the whole process.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

async fn settled<T>(answer: oneshot::Receiver<Result<T, Failure>>) -> Result<T, Failure> {
    answer.await.unwrap_or_else(|_| Err(closed()))
}
