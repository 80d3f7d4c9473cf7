//! Signals: being asked to end, to sleep, and being woken.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StageEvent {
    /// SIGTERM, SIGINT, SIGHUP, SIGQUIT.
    End,
    /// SIGTSTP from elsewhere; Ctrl-Z comes as a key.
    Suspend,
    /// SIGCONT.
    Awake,
    /// SIGWINCH.
    Resized,
}

/// Listens to signals.
pub(super) struct Stage {
    terminate: Stream,
    interrupt: Stream,
    hang_up: Stream,
    quit: Stream,
    stop: Stream,
    wake: Stream,
    resize: Stream,
}

impl Stage {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
            resize: signal(SignalKind::window_change())?,
            wake: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> StageEvent {
        tokio::select! {
            _ = self.terminate.recv() => StageEvent::End,
            _ = self.interrupt.recv() => StageEvent::End,
            _ = self.hang_up.recv() => StageEvent::End,
            _ = self.quit.recv() => StageEvent::End,
            _ = self.stop.recv() => StageEvent::Suspend,
            _ = self.wake.recv() => StageEvent::Awake,
            _ = self.resize.recv() => StageEvent::Resized,
        }
    }
}
