//! How the rest of the client speaks to the driver: tasks go in, answers come back on their own way.

use std::pin::Pin;
use std::task::{Context, Poll};

use chat_core::engine::{Change, Command, Failure, FailureKind, Query, Reply};
use chat_wire::ids::MessageId;
use tokio::sync::{mpsc, oneshot};

use crate::config::{Pin as RelayPin, RelayAddress};
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
    /// For the engine, about a message wherever it lies.
    Amend(MessageId, Change, Answer<Reply>),
    /// For the engine's records.
    Query(Query, Answer<chat_core::engine::Answer>),
    /// For the store.
    Work(StoreWork),
    /// More events, as soon as there are some.
    Pull(oneshot::Sender<Vec<ClientEvent>>),
    /// Another relay.
    Relay(RelayAddress, Answer<()>),
    /// This certificate is the relay's.
    Trust(RelayPin, Answer<()>),
    /// Something passing for the reader of events.
    Announce(ClientEvent),
    /// Save everything and end.
    Close(oneshot::Sender<()>),
}

/// The sending end, cheap to clone. A task takes its place in the queue when it is posted, so calls are
/// done in the order in which they were made; how many are under way is the caller's to bound.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    tasks: mpsc::UnboundedSender<Task>,
}

impl Mailbox {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Task>) {
        let (tasks, inbox) = mpsc::unbounded_channel();
        (Self { tasks }, inbox)
    }

    /// The sending end without keeping the driver at work.
    pub(crate) fn downgrade(&self) -> WeakMailbox {
        WeakMailbox { tasks: self.tasks.downgrade() }
    }

    /// Whether nobody takes tasks any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.tasks.is_closed()
    }

    /// Posts a task without an answer; false when the client is closed.
    pub(crate) fn post(&self, task: Task) -> bool {
        self.tasks.send(task).is_ok()
    }

    /// Posts at once; the future waits for the answer only.
    pub(crate) fn ask<T>(&self, task: impl FnOnce(Answer<T>) -> Task) -> Asked<T> {
        let (answer, result) = oneshot::channel();
        // When nobody takes the task, its answer is dropped with it.
        self.post(task(answer));
        Asked(result)
    }

    /// Has something done with the store, between two transactions of the engine or within one.
    pub(crate) fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Asked<T> {
        self.ask(move |answer: Answer<T>| {
            Task::Work(Box::new(move |store| {
                let result = work(store).map_err(|error| Failure::of(error.kind()));
                Box::new(move |stored| {
                    // Nobody waits any more: then nobody misses the answer.
                    let _ = answer.send(stored.and(result));
                })
            }))
        })
    }
}

/// A way to the driver as long as somebody else holds one.
#[derive(Clone, Debug)]
pub(crate) struct WeakMailbox {
    tasks: mpsc::WeakUnboundedSender<Task>,
}

impl WeakMailbox {
    /// The way itself; none when nobody holds one any more.
    pub(crate) fn upgrade(&self) -> Option<Mailbox> {
        self.tasks.upgrade().map(|tasks| Mailbox { tasks })
    }
}

/// An answer to come. What was asked is done even if nobody waits for it.
#[derive(Debug)]
#[must_use = "the answer may be a failure"]
pub struct Asked<T>(oneshot::Receiver<Result<T, Failure>>);

impl<T> Future for Asked<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(closed())))
    }
}

/// A client that was closed can do nothing any more.
fn closed() -> Failure {
    Failure::of(FailureKind::Internal)
}
