//! Where a password is not enough (SPEC 9.13): this device waits to be let in, or decides about one that waits.
//!
//! ```text
//! new ──ask-in──▶ relay ──wants──▶ enrolled: DeviceWaits ──▶ the person ──▶ AnswerEntry
//! new ◀──waits─── relay ◀────────────────answer-in───────────────────────────────┘
//! ```

use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::{DeviceAddress, DeviceId};
use chat_wire::keys::VerifyKey;
use chat_wire::message::{AccountAsk, ClientMessage, Verdict};

use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, Event, Failure, FailureKind, NoticeKind, Reply};
use crate::engine::memory::State;
use crate::engine::memory::asks::{Ask, Entry};
use crate::engine::memory::entrance::{Seeker, Seekers};
use crate::engine::memory::me;
use crate::engine::memory::undertaking::Stage;
use crate::identity::entry_code;

/// What became of this device's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Wish {
    /// Nobody has decided yet.
    Waits,
    /// It goes on.
    Granted,
    /// It ends here.
    Refused,
}

/// This device knows the password and asks to be let in.
pub(in crate::engine) fn ask_in(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let Some(under_way) = &state.undertaking else { return Ok(()) };
    let (me, list) = under_way.identity(work)?.ok_or(EngineError::Broken(Bug::OwnKeys))?;
    // The same keys ask again after a break: what was decided about them counts.
    me::save_joining(work, &me, list)?;
    let (address, key) = (me.address(), me.keys.sig_key());
    state.awaiting = Some(entry_code(&address, &key));
    let ask = AccountAsk::AskIn { device: address.device, key };
    state.ask(work, Ask::Undertake(Stage::Entry), ClientMessage::Account(ask));
    Ok(())
}

/// The relay says what was decided about this device.
pub(in crate::engine) fn decided(state: &mut State, work: &mut Work<'_>, verdict: Verdict) -> Wish {
    let code = state.awaiting.clone();
    let (Some(under_way), Some(code)) = (&mut state.undertaking, code) else { return Wish::Waits };
    match verdict {
        Verdict::Open => {
            under_way.waits = true;
            work.event(Event::AwaitsEntry { code });
            Wish::Waits
        }
        Verdict::Allowed => {
            (under_way.waits, under_way.let_in) = (false, true);
            state.awaiting = None;
            Wish::Granted
        }
        Verdict::Denied => {
            state.awaiting = None;
            // The next try is another device: this one was refused.
            me::end_joining(work);
            Wish::Refused
        }
    }
}

/// Somebody who knows the password asks to be let in.
pub(in crate::engine) fn wanted(
    state: &mut State,
    work: &mut Work<'_>,
    (device, key): (DeviceId, VerifyKey),
) -> Result<(), EngineError> {
    let Some(me) = &state.me else { return Ok(()) };
    let address = DeviceAddress { account: me.account(), device };
    let mut seekers = Seekers::now(work)?;
    match seekers.of(device, &key) {
        // The relay has forgotten what was said.
        Some(verdict @ (Verdict::Allowed | Verdict::Denied)) => {
            say(state, work, Entry { command: None, device, key, allow: verdict == Verdict::Allowed });
        }
        Some(Verdict::Open) => {}
        None => {
            seekers.note(device, Seeker { key, at_ms: work.now.as_ms(), verdict: Verdict::Open });
            seekers.save(work)?;
            work.notice(NoticeKind::DeviceWaits { device, code: entry_code(&address, &key) })?;
        }
    }
    Ok(())
}

/// Nothing is left to decide about a device.
pub(in crate::engine) fn settled(work: &mut Work<'_>, device: DeviceId) -> Result<(), EngineError> {
    let mut seekers = Seekers::now(work)?;
    if seekers.0.get(&device.0).is_some_and(|seeker| seeker.verdict == Verdict::Open) {
        seekers.0.remove(&device.0);
        seekers.save(work)?;
        work.event(Event::EntrySettled { device });
    }
    Ok(())
}

/// The person decides about a device that waits.
pub(in crate::engine) fn answer(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (device, allow): (DeviceId, bool),
) -> Result<(), EngineError> {
    let failure = if !state.is_logged_in() {
        Some(FailureKind::NotLoggedIn)
    } else if !state.is_online() {
        Some(if state.relay_refused { FailureKind::Integrity } else { FailureKind::Offline })
    } else {
        None
    };
    if let Some(kind) = failure {
        work.fail(command, kind);
        return Ok(());
    }
    match Seekers::now(work)?.0.get(&device.0) {
        Some(Seeker { key, .. }) => {
            let key = *key;
            say(state, work, Entry { command: Some(command), device, key, allow });
        }
        None => work.fail(command, FailureKind::NotFound),
    }
    Ok(())
}

fn say(state: &mut State, work: &mut Work<'_>, entry: Entry) {
    let Entry { device, key, allow, .. } = entry;
    let ask = AccountAsk::AnswerIn { device, key, allow };
    state.ask(work, Ask::Entry(entry), ClientMessage::Account(ask));
}

/// The relay knows what was decided here.
pub(in crate::engine) fn answered(work: &mut Work<'_>, entry: &Entry) -> Result<(), EngineError> {
    let mut seekers = Seekers::now(work)?;
    let verdict = if entry.allow { Verdict::Allowed } else { Verdict::Denied };
    seekers.note(entry.device, Seeker { key: entry.key, at_ms: work.now.as_ms(), verdict });
    seekers.save(work)?;
    work.event(Event::EntrySettled { device: entry.device });
    if let Some(command) = entry.command {
        work.reply(command, Reply::Done);
    }
    Ok(())
}

/// The relay did not take it: nobody waits there under that key any more.
pub(in crate::engine) fn refused(work: &mut Work<'_>, entry: &Entry, refusal: &Refusal) -> Result<(), EngineError> {
    if refusal.kind != RefusalKind::Conflict {
        entry.command.into_iter().for_each(|command| work.fail_with(command, Failure::from(refusal)));
        return Ok(());
    }
    let mut seekers = Seekers::now(work)?;
    seekers.0.remove(&entry.device.0);
    seekers.save(work)?;
    work.event(Event::EntrySettled { device: entry.device });
    entry.command.into_iter().for_each(|command| work.fail(command, FailureKind::NotFound));
    Ok(())
}
