//! One session: requests in, answers and notifications out, on one task.
//!
//! Calls are given to the client in the order of their lines and awaited apart, so that a slow one
//! holds up nobody and sends keep their order. The next event is pulled only when the line of the one
//! before has left: a slow reader makes events wait where they lie, on disk.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use chat_client::{ClientEvent, Notice};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::call::Call;
use super::error::RpcError;
use super::input::Line;
use super::line::encode;
use super::output::{Left, Output};
use super::request::{Id, Refused, Request};
use super::shape::{Body, Notification, Response};

/// What a session needs of a client.
pub(crate) trait Backend {
    /// Gives a call to the client at once, in the order of calls, and answers when it is done.
    fn call(&self, call: Call) -> LocalBoxFuture<'static, Result<Body, RpcError>>;
}

/// Where events come from, one at a time.
pub(crate) trait Source {
    /// The next event; none once the client is closed. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<ClientEvent>>;
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Input ended, or somebody asked for the end.
    Wanted,
    /// The client closed by itself.
    ClientGone,
}

/// What is left to do after the session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// How it ended.
    pub(crate) end: End,
    /// The last notice whose line has left.
    pub(crate) taken: Option<u64>,
}

/// Serves until input ends, `quit`, `stop`, a broken output or the client's own end. When it returns,
/// every request was answered and every line has left, as far as the reader takes them.
pub(crate) async fn serve<B: Backend, S: Source>(
    backend: &B,
    mut source: S,
    mut lines: mpsc::Receiver<Line>,
    output: &Output,
    setup: Setup<'_, impl Future<Output = ()>>,
) -> Ended {
    let mut stop = pin!(setup.stop);
    let mut session = Session::new(backend, output, setup.password);
    let mut input_open = true;
    let (end, grace) = loop {
        if !input_open && session.under_way.is_empty() {
            break (End::Wanted, GRACE);
        }
        tokio::select! {
            () = &mut stop => break (End::Wanted, GRACE),
            () = output.broken() => break (End::Wanted, Duration::ZERO),
            line = lines.recv(), if input_open && session.has_room() => match line {
                Some(line) => session.accept(&line),
                None => input_open = false,
            },
            Some(ticket) = session.under_way.next() => session.answered(ticket),
            event = source.next(), if session.writing.is_none() => match event {
                Some(event) => session.notify(event),
                None => break (End::ClientGone, GRACE),
            },
            seq = has_left(&mut session.writing) => session.taken = seq.or(session.taken),
        }
        if session.quit.is_some() {
            break (End::Wanted, GRACE);
        }
    };
    session.finish(grace).await;
    Ended { end, taken: session.taken }
}

/// What a session is told at its start.
pub(crate) struct Setup<'a, F> {
    /// Stands in where a password is wanted and none is given.
    pub(crate) password: Option<&'a str>,
    /// Ends when the program shall end.
    pub(crate) stop: F,
}

struct Session<'a, B> {
    backend: &'a B,
    output: &'a Output,
    password: Option<&'a str>,
    /// Calls whose answer has not left yet; each yields its ticket.
    under_way: FuturesUnordered<LocalBoxFuture<'a, u64>>,
    unanswered: BTreeMap<u64, Id>,
    tickets: u64,
    /// The event whose line has not left yet.
    writing: Option<Writing>,
    taken: Option<u64>,
    /// The request that ends the session, with its id when it wants an answer.
    quit: Option<Option<Id>>,
}

struct Writing {
    left: Left,
    seq: Option<u64>,
}

impl<'a, B: Backend> Session<'a, B> {
    fn new(backend: &'a B, output: &'a Output, password: Option<&'a str>) -> Self {
        Self {
            backend,
            output,
            password,
            under_way: FuturesUnordered::new(),
            unanswered: BTreeMap::new(),
            tickets: 0,
            writing: None,
            taken: None,
            quit: None,
        }
    }

    fn has_room(&self) -> bool {
        self.under_way.len() < UNDER_WAY_MAX
    }

    fn accept(&mut self, line: &Line) {
        let bytes = match line {
            Line::Read(bytes) => bytes,
            Line::TooLong => return self.start(Some(Id::Null), refuse(RpcError::line_too_long())),
        };
        let request = match Request::parse(bytes) {
            Ok(request) => request,
            Err(Refused { id, error }) => return self.start(Some(id), refuse(error)),
        };
        match Call::parse(&request, self.password) {
            Ok(Call::Quit) => self.quit = Some(request.id),
            Ok(call) => {
                let answer = self.backend.call(call);
                self.start(request.id, answer);
            }
            Err(error) => self.start(request.id, refuse(error)),
        }
    }

    /// Awaits an answer apart and writes it; a notification's answer goes nowhere.
    fn start(&mut self, id: Option<Id>, answer: LocalBoxFuture<'static, Result<Body, RpcError>>) {
        let ticket = self.tickets;
        self.tickets = ticket.wrapping_add(1);
        if let Some(id) = &id {
            self.unanswered.insert(ticket, id.clone());
        }
        let output = self.output;
        let written = async move {
            let outcome = answer.await;
            if let Some(id) = id {
                // Not having left means that the reader is gone, which ends the session.
                let _ = output.line(response(id, outcome)).await;
            }
            ticket
        };
        self.under_way.push(written.boxed_local());
    }

    fn answered(&mut self, ticket: u64) {
        self.unanswered.remove(&ticket);
    }

    fn notify(&mut self, event: ClientEvent) {
        let seq = match &event {
            ClientEvent::Notice(Notice { seq, .. }) => Some(*seq),
            _ => None,
        };
        match Notification::of(event).map(|notification| encode(&notification)) {
            Some(Ok(line)) => self.writing = Some(Writing { left: self.output.line(line), seq }),
            Some(Err(_)) => tracing::error!("a notification has no JSON form"),
            None => {}
        }
    }

    /// Answers what can still be answered in time, then the rest with its fate unknown, `quit` last.
    async fn finish(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        while let Ok(Some(ticket)) = timeout_at(deadline, self.under_way.next()).await {
            self.answered(ticket);
        }
        // A reader that takes nothing gets the event under way again after a restart.
        if self.writing.is_some()
            && let Ok(seq) = timeout_at(deadline, has_left(&mut self.writing)).await
        {
            self.taken = seq.or(self.taken);
        }
        let mut last: Vec<Left> = Vec::new();
        for id in std::mem::take(&mut self.unanswered).into_values() {
            last.push(self.output.line(response(id, Err(RpcError::ended()))));
        }
        if let Some(Some(id)) = self.quit.take() {
            last.push(self.output.line(response(id, Ok(Body::Done {}))));
        }
        let flush_by = Instant::now() + grace;
        for left in last {
            let _ = timeout_at(flush_by, left).await;
        }
    }
}

/// The number of the notice under way once its line has left; pending when none is.
async fn has_left(writing: &mut Option<Writing>) -> Option<u64> {
    let Some(under_way) = writing else {
        return std::future::pending().await;
    };
    let left = (&mut under_way.left).await;
    let seq = under_way.seq;
    *writing = None;
    left.ok().and(seq)
}

fn refuse(error: RpcError) -> LocalBoxFuture<'static, Result<Body, RpcError>> {
    std::future::ready(Err(error)).boxed_local()
}

/// The line of an answer. Strings and numbers always have a JSON form; should one ever not, the
/// reader still gets a line.
fn response(id: Id, outcome: Result<Body, RpcError>) -> Vec<u8> {
    encode(&Response::new(id, outcome)).unwrap_or_else(|_| {
        tracing::error!("an answer has no JSON form");
        NO_FORM.to_vec()
    })
}

const NO_FORM: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32603,\"message\":\"The answer has no JSON form.\",\"data\":{\"kind\":\"Internal\"}}}\n";

/// Requests that may be unanswered before the next line is read: bounds the memory that a writer who
/// does not read can take.
const UNDER_WAY_MAX: usize = 1_024;

/// Time that answers get at the end: more than any local call takes, less than a person waits.
const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
