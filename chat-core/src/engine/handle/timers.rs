//! One timer for everything: heartbeats, waits and chores. Nothing else wakes an idle engine.

use bytes::Bytes;
use chat_wire::limits::HEARTBEAT_MS;
use chat_wire::message::ClientMessage;

use crate::engine::context::Work;
use crate::engine::io::{FailureKind, Output, Reply};
use crate::engine::limits::{CHORES_MS, RELAY_QUIET_MS, RELAY_SILENCE_MS_MAX};
use crate::engine::memory::asks::Ask;
use crate::engine::memory::{Phase, State};
use crate::time::Timestamp;

/// What a wake-up found that others have to see to.
#[derive(Debug, Default)]
pub(in crate::engine) struct Due {
    /// The relay is silent: the connection is to be closed.
    pub(in crate::engine) relay_silent: bool,
    /// A name was not looked up in time.
    pub(in crate::engine) late: Vec<Ask>,
    /// Old things are to be looked at.
    pub(in crate::engine) chores: bool,
}

/// The time has come for something.
pub(in crate::engine) fn wake(state: &mut State, work: &mut Work<'_>) -> Due {
    state.wake_at = None;
    let now = work.now;
    state.queue.wake_due(now);
    let late = state.asks.close_overdue(now);
    if state.parcels.retry_at.take_if(|at| *at <= now).is_some() {
        state.parcels.waits_for = None;
    }
    state.parcels.put_back(now);
    let Some(link) = &state.link else { return Due { late, ..Due::default() } };
    let waited = state.asks.any(|ask| *ask == Ask::Heartbeat);
    let relay_silent = waited && now.ms_since(link.last_heard) >= RELAY_SILENCE_MS_MAX;
    if !relay_silent && beats(state) && now.ms_since(link.last_sent) >= HEARTBEAT_MS {
        let quiet_ms = now.ms_since(link.last_heard);
        if quiet_ms >= RELAY_QUIET_MS && !waited {
            state.ask(work, Ask::Heartbeat, ClientMessage::Heartbeat {});
        } else {
            // Whoever was heard just now lives: no need to be woken by an answer (SPEC 7.3.4).
            state.tell(work, ClientMessage::Heartbeat {}, Bytes::new());
        }
    }
    let chores = state.is_online() && state.chores.done_at.is_none_or(|done| now.ms_since(done) >= CHORES_MS);
    if chores {
        state.chores.done_at = Some(now);
    }
    Due { relay_silent, late, chores }
}

/// Fails a command whose answer did not come in time; `true` when the connection can't go on without.
pub(in crate::engine) fn timed_out(state: &mut State, work: &mut Work<'_>, ask: Ask) -> bool {
    match ask {
        Ask::Search(command) | Ask::Forget(command) | Ask::Presence(Some(command)) => {
            work.fail(command, FailureKind::Timeout);
            false
        }
        Ask::ClaimName(name) | Ask::FindName(name) => {
            for want in state.names.take(&name) {
                work.fail(want.command(), FailureKind::Timeout);
            }
            false
        }
        Ask::Register(command) | Ask::Proof(Some(command)) => {
            work.fail(command, FailureKind::Timeout);
            true
        }
        Ask::Entry(entry) => {
            entry.command.into_iter().for_each(|command| work.fail(command, FailureKind::Timeout));
            false
        }
        Ask::PreKeys { command: Some(command), .. } => {
            state.enrolled(work, command);
            false
        }
        Ask::Logout(command) => {
            work.reply(command, Reply::Done);
            true
        }
        Ask::Room(task) => {
            task.command().into_iter().for_each(|command| work.fail(command, FailureKind::Timeout));
            true
        }
        // Whatever else was asked is part of the connection: it starts again with a new one.
        _ => true,
    }
}

/// Tells the shell when to wake us, if that is earlier than it knows.
pub(in crate::engine) fn arm(state: &mut State, work: &mut Work<'_>) {
    let heartbeat = state.link.as_ref().filter(|_| beats(state)).map(|link| link.last_sent.plus_ms(HEARTBEAT_MS));
    let online = state.is_online();
    let due = state
        .queue
        .next_due(work.now)
        .into_iter()
        .chain(state.errands.next_due())
        .chain(state.rooms.next_due(work.now))
        .filter(|_| online)
        .min();
    let Some(next) = heartbeat
        .into_iter()
        .chain(state.asks.next_deadline())
        .chain(due)
        .chain(state.parcels.retry_at)
        .chain(state.parcels.aside.iter().map(|(_, until)| *until))
        .chain(state.next_expiry)
        .min()
    else {
        return;
    };
    let next = next.max(work.now);
    // A timer that is set too early costs one look; it is not set again for every frame.
    if state.wake_at.is_none_or(|armed| next < armed || armed < work.now) {
        state.wake_at = Some(next);
        work.output(Output::WakeAt(next));
    }
}

/// The clock may have been set back: what lies in the future then would never be due.
pub(in crate::engine) fn keep_time(state: &mut State, now: Timestamp) {
    if let Some(link) = &mut state.link {
        link.last_sent = link.last_sent.min(now);
        link.last_heard = link.last_heard.min(now);
    }
}

/// The relay said something.
pub(in crate::engine) fn heard(state: &mut State, now: Timestamp) {
    if let Some(link) = &mut state.link {
        link.last_heard = now;
    }
}

/// Connections on which the relay expects to hear from us.
fn beats(state: &State) -> bool {
    let waits = state.undertaking.as_ref().is_some_and(|under_way| under_way.waits);
    state.link.as_ref().is_some_and(|link| matches!(link.phase, Phase::Booting | Phase::Online) || waits)
}
