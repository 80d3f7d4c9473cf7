//! How the rest of the client speaks to the driver: tasks go in, answers come back on their own way.

use chat_core::engine::{Command, Failure, FailureKind, Query, Reply};
use tokio::sync::{mpsc, oneshot};

use crate::config::{Pin, RelayAddress};
use crate::event::ClientEvent;
use crate::store::{Store, StoreError};

/// Where an answer goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Failure>>;

/// An answer that is ready, but leaves only once its transaction is stored, or failed.
pub(crate) type Held = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// Work on the store that the engine has no part in.
pub(crate) type StoreWork = Box<dyn FnOnce(&Store) -> Held + Send>;

/// What the driver is asked.
pub(crate) enum Task {
    /// For the engine.
    Command(Command, Answer<Reply>),
    /// For the engine's records.
    Query(Query, Answer<chat_core::engine::Answer>),
    /// For the store.
    Work(StoreWork),
    /// More events, as soon as there are some; `taken` notices are acknowledged with it.
    Pull {
        /// Highest notice that the reader took, when taking acknowledges.
        taken: Option<u64>,
        /// Where they go.
        events: oneshot::Sender<Vec<ClientEvent>>,
    },
    /// Another relay.
    Relay(RelayAddress, Answer<()>),
    /// This certificate is the relay's.
    Trust(Pin, Answer<()>),
    /// Save everything and end.
    Close(oneshot::Sender<()>),
}

/// Tasks that may wait: enough for a burst, and a bound on what a fast caller can pile up.
const TASKS_WAITING_MAX: usize = 1_024;

/// The sending end, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    tasks: mpsc::Sender<Task>,
}

impl Mailbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Task>) {
        let (tasks, inbox) = mpsc::channel(TASKS_WAITING_MAX);
        (Self { tasks }, inbox)
    }

    /// Sends a task without an answer; false when the client is closed.
    pub(crate) async fn post(&self, task: Task) -> bool {
        self.tasks.send(task).await.is_ok()
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(&self, task: impl FnOnce(Answer<T>) -> Task) -> Result<T, Failure> {
        let (answer, result) = oneshot::channel();
        if !self.post(task(answer)).await {
            return Err(closed());
        }
        result.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Has something done with the store, between two transactions of the engine or within one.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.ask(move |answer: Answer<T>| {
            Task::Work(Box::new(move |store| {
                let result = work(store).map_err(|error| Failure::of(error.kind()));
                Box::new(move |stored| {
                    // Nobody waits any more: then nobody misses the answer.
                    let _ = answer.send(stored.and(result));
                })
            }))
        })
        .await
    }
}

/// A client that was closed can do nothing any more.
fn closed() -> Failure {
    Failure::of(FailureKind::Internal)
}
