//! Sessions that broke mend by themselves (DESIGN §5, SPEC 8.4.3 and 8.7).
//!
//! ```text
//! packet does not open ─▶ live session? ──no──▶ start over ─▶ ask for what is missing
//!                            │ yes                  ▲
//!                            ▼                      │ unanswered, and traffic still fails
//!                          probe in it ─────────────┘
//!                            │ answered: drop the packet
//! ```
//! A session is started over on the secret of the one before, so that whoever has only stolen the
//! device's keys can't; without that secret three times a day and device. Strangers get no answer.

pub(in crate::engine) mod errands;
pub(in crate::engine) mod renew;

use chat_wire::ids::DeviceAddress;

use super::inbox::Received;
use crate::engine::content::{Content, Probe as Question, Resend};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{AlarmKind, Trouble};
use crate::engine::limits::{ANSWER_AFTER_MESSAGES, ANSWER_AFTER_MS, PROBE_GAP_MS, PROBE_MS};
use crate::engine::memory::State;
use crate::engine::memory::errands::Errand;
use crate::engine::memory::healing::{Probe, take_bare_reset};
use crate::engine::memory::sessions::Started;
use crate::engine::memory::streams::PeerStream;

/// A packet of the mailbox did not open. `from` is what the relay says: it decides only whom we ask.
pub(in crate::engine) fn failed(
    state: &mut State,
    work: &mut Work<'_>,
    (from, trouble): (Option<DeviceAddress>, Trouble),
) -> Result<(), EngineError> {
    match trouble {
        Trouble::Duplicate => return state.healing.count(work, |counts| &mut counts.duplicates),
        Trouble::Forked(account) => {
            state.healing.count(work, |counts| &mut counts.forks)?;
            // Only who has the session's keys can have made it; a person hears of it once for each list.
            if let Some(known) = state.list_of(work, &account)? {
                let evidence = vec![known.list.as_bytes().to_vec()];
                state.alarm(work, &known.list.body().name, AlarmKind::DeviceCopied, evidence)?;
            }
        }
        Trouble::Undecryptable | Trouble::SessionBroken => {
            state.healing.count(work, |counts| &mut counts.undecryptable)?;
        }
        // Too many sessions in a minute: what was dropped comes again when it is asked for.
        Trouble::Overflow => {}
        _ => return Ok(()),
    }
    let Some(from) = from else { return Ok(()) };
    if !state.may_heal(work, &from)? {
        return Ok(());
    }
    if trouble == Trouble::Overflow {
        return fill(state, work, from, Asking::Anyway);
    }
    let live = state.sessions.has_live(work, &from)?;
    if !live || matches!(trouble, Trouble::Forked(_)) {
        return start_over(state, work, from);
    }
    let now = work.now;
    match state.healing.probes.get(&from) {
        Some(probe) if !probe.answered && now.ms_since(probe.at) >= PROBE_MS => start_over(state, work, from),
        Some(probe) if now.ms_since(probe.at) < PROBE_GAP_MS => Ok(()),
        _ => probe(state, work, from),
    }
}

/// Asks a device, inside the live session, whether it can open us.
fn probe(state: &mut State, work: &mut Work<'_>, to: DeviceAddress) -> Result<(), EngineError> {
    let nonce = work.random();
    state.healing.probes.insert(to, Probe { nonce, at: work.now, answered: false });
    state.healing.count(work, |counts| &mut counts.probes)?;
    state.errand(work, to, &Content::Probe(Question::of(nonce)))
}

/// Ends the live session and starts another one, whose first message asks for what is missing.
fn start_over(state: &mut State, work: &mut Work<'_>, with: DeviceAddress) -> Result<(), EngineError> {
    let now = work.now;
    if state.healing.resets.get(&with).is_some_and(|at| now.ms_since(*at) < PROBE_MS) {
        return Ok(());
    }
    // One that was built on the old secret and never answered: perhaps the other side lost that secret.
    let bare = !state.sessions.can_build_on(work, &with)?;
    if bare && !take_bare_reset(work, &with)? {
        return state.healing.count(work, |counts| &mut counts.resets_refused);
    }
    state.healing.resets.insert(with, now);
    state.healing.probes.remove(&with);
    state.healing.count(work, |counts| if bare { &mut counts.bare_resets } else { &mut counts.resets })?;
    work.trouble(Trouble::SessionReset(with.account));
    state.sessions.retire(work, &with, bare)?;
    ask_for_lost(state, work, with)
}

/// Asks a device for what we lack of its stream; an own device is only told of the new session.
fn ask_for_lost(state: &mut State, work: &mut Work<'_>, of: DeviceAddress) -> Result<(), EngineError> {
    if of.account == state.own_address()?.account {
        return probe(state, work, of);
    }
    let stream = PeerStream::load(work, &of.account, &of)?;
    state.healing.count(work, |counts| &mut counts.resends_asked)?;
    state.errand(work, of, &Content::Resend(stream.lacking()))
}

/// Whether what is missing of a stream is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Asking {
    /// Only where its places show a gap.
    OfGaps,
    Anyway,
}

/// Asks a device for what is missing of its stream, a few times for each gap: what asked before may
/// have been lost as well, and some gaps are never filled.
pub(in crate::engine) fn fill(
    state: &mut State,
    work: &mut Work<'_>,
    of: DeviceAddress,
    asking: Asking,
) -> Result<(), EngineError> {
    let now = work.now;
    if of.account == state.own_address()?.account {
        return Ok(());
    }
    let mut stream = PeerStream::load(work, &of.account, &of)?;
    let wanted = asking == Asking::Anyway || stream.wants();
    let asked = state.healing.asked.get(&of).is_some_and(|at| now.ms_since(*at) < PROBE_MS);
    if !wanted || asked || !state.may_heal(work, &of)? {
        return Ok(());
    }
    state.healing.asked.insert(of, now);
    stream.note_asked();
    stream.save(work, &of.account, &of)?;
    ask_for_lost(state, work, of)
}

/// A packet of a device opened. What concerns only sessions is dealt with here: `true`.
pub(in crate::engine) fn heard(
    state: &mut State,
    work: &mut Work<'_>,
    received: &Received,
    content: &Content,
) -> Result<bool, EngineError> {
    let from = received.author;
    if let Some(replaced) = received.via.started {
        started(state, work, from, replaced)?;
    }
    match content {
        Content::Probe(question) => probed(state, work, received, question)?,
        Content::Echo(answer) => answered(state, work, from, answer)?,
        Content::Resend(lacking) => resend(state, work, received, lacking)?,
        _ => {
            answer_one_way(state, work, received)?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// A device started a session in place of one that stood: both may lack something.
fn started(state: &mut State, work: &mut Work<'_>, with: DeviceAddress, replaced: Started) -> Result<(), EngineError> {
    let on_old = match replaced {
        Started::First => return Ok(()),
        Started::OnOld => true,
        Started::Bare | Started::Renewed => false,
    };
    state.healing.probes.remove(&with);
    state
        .healing
        .count(work, |counts| if on_old { &mut counts.their_resets } else { &mut counts.their_bare_resets })?;
    if !on_old {
        work.trouble(Trouble::SessionReset(with.account));
    }
    if state.may_heal(work, &with)? && with.account != state.own_address()?.account {
        ask_for_lost(state, work, with)?;
    }
    Ok(())
}

/// Somebody asks whether we can open it: we did.
fn probed(state: &mut State, work: &mut Work<'_>, received: &Received, question: &Question) -> Result<(), EngineError> {
    let from = received.author;
    if !state.may_heal(work, &from)? {
        return Ok(());
    }
    if !received.via.live && state.sessions.is_unheard(work, &from)? {
        // It asks because it can't open us, and has never heard of the session that we seal with.
        start_over(state, work, from)?;
    }
    state.errand(work, from, &Content::Echo(*question))
}

/// A probe was answered: what did not open was not of that device.
fn answered(state: &mut State, work: &mut Work<'_>, from: DeviceAddress, answer: &Question) -> Result<(), EngineError> {
    match state.healing.probes.get_mut(&from) {
        Some(probe) if probe.nonce == *answer.nonce && !probe.answered => probe.answered = true,
        _ => return Ok(()),
    }
    state.healing.count(work, |counts| &mut counts.probes_answered)
}

/// A device lacks some of our messages.
fn resend(state: &mut State, work: &mut Work<'_>, received: &Received, lacking: &Resend) -> Result<(), EngineError> {
    let to = received.author;
    if !received.via.live || to.account == state.own_address()?.account || !state.may_heal(work, &to)? {
        return Ok(());
    }
    for message in state.take_lost(work, &to, lacking)? {
        if state.errands.push(work, &Errand { to, message })? {
            state.healing.count(work, |counts| &mut counts.resent)?;
        }
    }
    Ok(())
}

/// One-way traffic heals too: after 50 messages, or a day, an empty answer turns the ratchet.
fn answer_one_way(state: &mut State, work: &mut Work<'_>, received: &Received) -> Result<(), EngineError> {
    let from = received.author;
    let old = received.via.unanswered_since.is_some_and(|since| work.now.ms_since(since) >= ANSWER_AFTER_MS);
    let due = received.via.live && (received.via.unanswered >= ANSWER_AFTER_MESSAGES || old);
    if !due || state.errands.has(&from) || !state.may_heal(work, &from)? {
        return Ok(());
    }
    state.healing.count(work, |counts| &mut counts.turns)?;
    state.errand(work, from, &Content::Empty)
}
