//! `chat-tui rpc`: the client without a screen. JSON-RPC 2.0, one object a line: requests on stdin,
//! answers and notifications on stdout, logs on stderr only.
//!
//! Floors: 0 `line` `error` `input` `output` · 1 `request` · 2 `call` `shape` · 3 `session` ·
//! 4 `backend` · 5 this file.

mod backend;
mod call;
mod error;
mod input;
mod line;
mod output;
mod request;
mod session;
mod shape;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use chat_client::{Ack, Answer, Client, Config, Events, OpenError, Query};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::failure::{kind_name, sentence};
use crate::signals;
use backend::{Live, Pull};
use error::RpcError;
use input::Line;
use line::encode;
use output::Output;
use request::{Id, Request};
use session::{End, Setup, serve};
use shape::Response;

/// How `chat-tui rpc` runs.
#[derive(Debug)]
pub struct Options {
    /// The profile and its relay.
    pub config: Config,
    /// Stands in where a method wants a password and none is given (`CHAT_PASSWORD`).
    pub password: Option<Zeroizing<String>>,
}

/// Serves stdin and stdout until one of them ends, `quit`, SIGTERM or SIGINT.
///
/// # Errors
/// When no thread or signal handler can be installed.
pub async fn run(options: Options) -> io::Result<ExitCode> {
    // Before anything else, so that an early signal ends the program cleanly too.
    let stop = signals::ended()?;
    let lines = input::lines()?;
    let output = Output::to(io::stdout())?;
    let ack = options.config.ack;
    match Client::open(options.config).await {
        Ok((client, events)) => {
            let password = options.password.as_ref().map(|text| text.as_str());
            Ok(session_of((client, events), Pipes { lines, output }, password, stop, ack).await)
        }
        Err(error) => Ok(refuse_all(&error, lines, &output).await),
    }
}

struct Pipes {
    lines: mpsc::Receiver<Line>,
    output: Output,
}

async fn session_of(
    (client, events): (Client, Events),
    pipes: Pipes,
    password: Option<&str>,
    stop: impl Future<Output = ()>,
    ack: Ack,
) -> ExitCode {
    let (source, first_attempt) = Pull::new(client.clone(), events);
    let connects = matches!(client.query(Query::Status).await, Ok(Answer::Status(status)) if status.logged_in);
    let settled = async {
        if connects {
            // Over time or dropped: either way the attempt is no longer waited for.
            let _ = timeout(CONNECT_WITHIN, first_attempt).await;
        }
    };
    let setup = Setup { password, stop, settled };
    let ended = serve(&Live::new(client.clone()), source, pipes.lines, &pipes.output, setup).await;
    if let (Ack::Automatic, Some(seq)) = (ack, ended.taken)
        && timeout(CLOSE_WITHIN, client.ack(seq)).await.is_err()
    {
        tracing::warn!("the last acknowledgement was not stored in time");
    }
    if timeout(CLOSE_WITHIN, client.close()).await.is_err() {
        tracing::warn!("the profile did not close in time");
    }
    match ended.end {
        End::Wanted => ExitCode::SUCCESS,
        End::ClientGone => {
            complain("the profile closed by itself; its files are as they were after the last change");
            ExitCode::FAILURE
        }
    }
}

/// A profile that does not open: says why on stderr, and to whoever asks on stdout.
async fn refuse_all(error: &OpenError, mut lines: mpsc::Receiver<Line>, output: &Output) -> ExitCode {
    let kind = error.kind();
    complain(&format!("{}: {} ({error})", kind_name(kind), sentence(kind)));
    let refusal = || RpcError::from(chat_client::Failure::of(kind));
    let answer = |id| encode(&Response::new(id, Err(refusal()))).map(|line| output.line(line));
    let mut last = answer(Id::Null);
    let deadline = Instant::now() + REFUSE_FOR;
    while let Ok(Some(line)) = timeout_at(deadline, lines.recv()).await {
        if let Line::Read(bytes) = line
            && let Ok(Request { id: Some(id), .. }) = Request::parse(&bytes)
        {
            last = answer(id);
        }
    }
    if let Ok(left) = last {
        // Lines leave in order: when the last one has, all have. A reader that takes none is not waited for.
        let _ = timeout(CLOSE_WITHIN, left).await;
    }
    ExitCode::from(EXIT_NOT_OPEN)
}

/// One line on stderr; a stderr that is gone is no reason to fail.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "chat-tui: {text}");
}

/// How long commands that may need the relay wait for the first attempt to connect: some round trips
/// around the world.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Time to close the profile before the program ends anyhow; the store is safe at any moment.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// How long a profile that does not open answers what was asked meanwhile.
const REFUSE_FOR: Duration = Duration::from_millis(300);

/// Exit code for a profile that does not open.
const EXIT_NOT_OPEN: u8 = 3;
