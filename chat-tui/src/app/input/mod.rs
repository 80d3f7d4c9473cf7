//! What the terminal sends: read by a thread that sleeps until there is something, and taken apart here.
//!
//! The terminal library's own reader is not used: it loses keys that come together with a change of
//! size, waits for ever on an answer that it does not know, and takes late answers for keys.

mod csi;
mod heard;
mod parse;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(super) use heard::Heard;
use parse::Parser;

/// How long an escape byte waits for what makes it more than the key Esc.
const ESCAPE_WAIT: Duration = Duration::from_millis(25);

/// How long an answer that has begun may take to end.
const ANSWER_WAIT: Duration = Duration::from_millis(500);

/// Reads the terminal until it is gone or nobody listens, and tells what it heard; none at the end.
///
/// # Errors
/// When the terminal can't be opened a second time or no thread can be started.
pub(super) fn listen(mut tell: impl FnMut(Option<Heard>) -> bool + Send + 'static) -> io::Result<()> {
    let tty = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    std::thread::Builder::new().name("chat-keys".to_owned()).spawn(move || {
        read(&tty, &mut tell);
        tell(None);
    })?;
    Ok(())
}

/// What some bytes mean, with nothing behind them.
pub(super) fn take_apart(bytes: &[u8]) -> Vec<Heard> {
    let mut parser = Parser::default();
    let mut heard = parser.feed(bytes);
    heard.extend(parser.give_up_waiting());
    heard
}

fn read(tty: &File, tell: &mut dyn FnMut(Option<Heard>) -> bool) {
    let mut parser = Parser::default();
    let mut chunk = [0_u8; 4096];
    loop {
        let patience = match (parser.is_waiting(), parser.is_in_answer()) {
            (false, _) => None,
            (true, false) => Some(ESCAPE_WAIT),
            (true, true) => Some(ANSWER_WAIT),
        };
        let timeout = patience.and_then(|p| Timespec::try_from(p).ok());
        let heard = match poll(&mut [PollFd::new(tty, PollFlags::IN)], timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) => parser.give_up_waiting(),
            Ok(_) => match rustix::io::read(tty, &mut chunk) {
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
                Ok(n) if n > 0 => parser.feed(chunk.get(..n).unwrap_or_default()),
                _ => return,
            },
            Err(_) => return,
        };
        for heard in heard {
            if !tell(Some(heard)) {
                return;
            }
        }
    }
}
