//! Lines in and out. The terminal edits them itself, as a screen reader expects; a secret is typed
//! without an echo.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zeroize::Zeroizing;

/// Lines of stdin and stdout.
pub(super) struct Lines {
    typed: UnboundedReceiver<Zeroizing<String>>,
}

impl Lines {
    /// Reads from now on.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn open() -> io::Result<Self> {
        let (tell, typed) = unbounded_channel();
        std::thread::Builder::new().name("chat-lines".to_owned()).spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut line = Zeroizing::new(String::new());
                let read = stdin.read_line(&mut line);
                if !matches!(read, Ok(1..)) || tell.send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { typed })
    }

    /// The next line; none at the end.
    pub(super) async fn next(&mut self) -> Option<Zeroizing<String>> {
        let mut line = self.typed.recv().await?;
        let end = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(end);
        Some(line)
    }

    /// Asks for a line.
    pub(super) async fn ask(&mut self, question: &str) -> Option<String> {
        prompt(question);
        self.next().await.map(|line| line.trim().to_owned())
    }

    /// Asks for a secret, which is not shown while it is typed.
    pub(super) async fn ask_secret(&mut self, question: &str) -> Option<Zeroizing<String>> {
        prompt(question);
        let hidden = Hidden::begin();
        let line = self.next().await;
        if hidden.is_some() {
            say("");
        }
        line
    }
}

/// Says a line. Nobody is there to be told when it can't be written.
pub(super) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

fn prompt(question: &str) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "{question} ");
    let _ = out.flush();
}

/// The terminal does not show what is typed; it does again when this ends, however it ends.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn begin() -> Option<Self> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
