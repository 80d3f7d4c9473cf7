//! One session: requests in, answers and notifications out, on one task.
//!
//! Calls are given to the client in the order of their lines and awaited apart, so that a slow one
//! holds up nobody and sends keep their order. What may need the relay waits at the start until the first
//! attempt to connect has ended, so that a script need not. The next event is pulled only when the line of the one
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
    setup: Setup<'_, impl Future<Output = ()>, impl Future<Output = ()>>,
) -> Ended {
    let (mut stop, mut settled) = (pin!(setup.stop), pin!(setup.settled));
    let mut session = Session::new(backend, output, setup.password);
    let mut input_open = true;
    let (end, grace) = loop {
        if !input_open && session.is_idle() {
            break (End::Wanted, GRACE);
        }
        tokio::select! {
            () = &mut stop => break (End::Wanted, GRACE),
            () = &mut settled, if !session.settled => session.settle(),
            () = output.broken() => break (End::Wanted, Duration::ZERO),
            line = lines.recv(), if input_open && session.has_room() => match line {
                Some(line) => session.accept(&line),
                None => input_open = false,
            },
            Some((ticket, outcome)) = session.under_way.next() => session.answer(ticket, outcome),
            Some(_) = session.leaving.next() => {}
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
pub(crate) struct Setup<'a, F, G> {
    /// Stands in where a password is wanted and none is given.
    pub(crate) password: Option<&'a str>,
    /// Ends when the program shall end.
    pub(crate) stop: F,
    /// Ends when the first attempt to connect has, or takes long.
    pub(crate) settled: G,
}

struct Session<'a, B> {
    backend: &'a B,
    output: &'a Output,
    password: Option<&'a str>,
    under_way: FuturesUnordered<LocalBoxFuture<'static, Ticketed>>,
    /// What asks for an answer, by ticket.
    unanswered: BTreeMap<u64, Id>,
    /// Answers whose line has not left yet.
    leaving: FuturesUnordered<Left>,
    tickets: u64,
    settled: bool,
    /// Commands that wait for that, in the order of their lines.
    waiting: Vec<(Option<Id>, Call)>,
    /// The event whose line has not left yet.
    writing: Option<Writing>,
    taken: Option<u64>,
    /// The request that ends the session, with its id when it wants an answer.
    quit: Option<Option<Id>>,
}

/// The outcome of a call, with its ticket.
type Ticketed = (u64, Result<Body, RpcError>);

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
            leaving: FuturesUnordered::new(),
            tickets: 0,
            settled: false,
            waiting: Vec::new(),
            writing: None,
            taken: None,
            quit: None,
        }
    }

    fn has_room(&self) -> bool {
        self.under_way.len() + self.waiting.len() + self.leaving.len() < UNDER_WAY_MAX
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty() && self.leaving.is_empty()
    }

    fn settle(&mut self) {
        self.settled = true;
        for (id, call) in std::mem::take(&mut self.waiting) {
            self.carry_out(id, call);
        }
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
            Ok(call @ (Call::Run(_) | Call::Amend(..))) if !self.settled => self.waiting.push((request.id, call)),
            Ok(call) => self.carry_out(request.id, call),
            Err(error) => self.start(request.id, refuse(error)),
        }
    }

    fn carry_out(&mut self, id: Option<Id>, call: Call) {
        let answer = self.backend.call(call);
        self.start(id, answer);
    }

    /// Awaits an outcome apart.
    fn start(&mut self, id: Option<Id>, outcome: LocalBoxFuture<'static, Result<Body, RpcError>>) {
        let ticket = self.tickets;
        self.tickets = ticket.wrapping_add(1);
        if let Some(id) = id {
            self.unanswered.insert(ticket, id);
        }
        self.under_way.push(outcome.map(move |outcome| (ticket, outcome)).boxed_local());
    }

    /// Answers a request, unless nobody wants to know.
    fn answer(&mut self, ticket: u64, outcome: Result<Body, RpcError>) {
        if let Some(id) = self.unanswered.remove(&ticket) {
            self.leaving.push(self.output.line(response(id, outcome)));
        }
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
        self.settle();
        let deadline = Instant::now() + grace;
        while let Ok(Some((ticket, outcome))) = timeout_at(deadline, self.under_way.next()).await {
            self.answer(ticket, outcome);
        }
        // A reader that takes nothing gets the event under way again after a restart.
        if self.writing.is_some()
            && let Ok(seq) = timeout_at(deadline, has_left(&mut self.writing)).await
        {
            self.taken = seq.or(self.taken);
        }
        while let Some((ticket, _)) = self.unanswered.first_key_value() {
            self.answer(*ticket, Err(RpcError::ended()));
        }
        if let Some(Some(id)) = self.quit.take() {
            self.leaving.push(self.output.line(response(id, Ok(Body::Done {}))));
        }
        let flush_by = Instant::now() + grace;
        while let Ok(Some(_)) = timeout_at(flush_by, self.leaving.next()).await {}
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
