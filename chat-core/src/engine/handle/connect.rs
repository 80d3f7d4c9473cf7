//! From a connection to being let in: greeting, proof, boot id; and back out.
//!
//! The boot id says which opening of the store may seal. The relay keeps the last one; a store that
//! finds another one there than its own last is an old copy, or was copied, and must never again seal
//! with the sessions it holds (DESIGN §5).

use chat_wire::domain::SIG_READY;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::BootId;
use chat_wire::keys::{Signature, VerifyKey};
use chat_wire::limits::PROTOCOL_VERSION;
use chat_wire::message::{ChannelBinding, ClientMessage, LogoutReason, ready_bytes};

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, Event, Failure, FailureKind, NoticeKind, Output, Reply, Route, Trouble};
use crate::engine::memory::asks::Ask;
use crate::engine::memory::me::{self, RelayPin};
use crate::engine::memory::{Entry, Link, Parcels, Phase, State};

/// What `Ready` says.
pub(in crate::engine) struct Greeting {
    pub(in crate::engine) version: u16,
    pub(in crate::engine) relay_key: VerifyKey,
    pub(in crate::engine) challenge: [u8; 32],
    pub(in crate::engine) signature: Signature,
}

/// A connection stands: greet.
pub(in crate::engine) fn connected(
    state: &mut State,
    work: &mut Work<'_>,
    route: Route,
    exporter: [u8; 32],
) -> Result<(), EngineError> {
    if state.link.is_some() {
        close(state, work)?;
    }
    let now = work.now;
    let phase = Phase::Greeting;
    state.link =
        Some(Link { route, exporter, challenge: [0; 32], phase, last_sent: now, last_heard: now, entry: None });
    let hello = ClientMessage::Hello { versions: vec![PROTOCOL_VERSION], features: Vec::new() };
    state.ask(work, Ask::Hello, hello);
    Ok(())
}

/// The relay answered the greeting: it proves its key over this very connection, or is left (SPEC 7.1.2).
pub(in crate::engine) fn greeted(
    state: &mut State,
    work: &mut Work<'_>,
    greeting: &Greeting,
) -> Result<(), EngineError> {
    let Some(link) = &mut state.link else { return Ok(()) };
    let binding = ChannelBinding { challenge: greeting.challenge, exporter: link.exporter };
    let signed = ready_bytes(&binding, greeting.version);
    let proven = greeting.relay_key.verifies(SIG_READY, &[&signed], &greeting.signature);
    let pin = RelayPin { key: greeting.relay_key };
    // Before there is an account nothing is tied to a relay, so another one may be tried.
    let expected = state.relay.filter(|_| state.me.is_some());
    if !proven || greeting.version != PROTOCOL_VERSION || link.phase != Phase::Greeting {
        return refuse(state, work, Trouble::RelayBroken);
    }
    if expected.is_some_and(|known| known != pin) {
        return refuse(state, work, Trouble::RelayKeyChanged);
    }
    link.phase = Phase::Greeted;
    link.challenge = greeting.challenge;
    let route = link.route;
    state.relay_refused = false;
    if state.relay != Some(pin) {
        pin.save(work)?;
        state.relay = Some(pin);
    }
    let challenge = greeting.challenge;
    work.event(Event::Greeted { route, relay: pin.id(), challenge });
    if state.is_logged_in() {
        prove(state, work, None);
    }
    Ok(())
}

/// Answers the challenge with the device's key.
pub(in crate::engine) fn prove(state: &mut State, work: &mut Work<'_>, command: Option<CommandId>) {
    let (Some(me), Some(link)) = (&state.me, &state.link) else { return };
    if link.phase != Phase::Greeted {
        return;
    }
    let binding = ChannelBinding { challenge: link.challenge, exporter: link.exporter };
    let proof = ClientMessage::Proof {
        device: me.address(),
        incarnation: me.keys.incarnation(),
        signature: me.keys.sign_proof(&me.relay, &binding),
    };
    state.set_phase(Phase::Entering);
    state.ask(work, Ask::Proof(command), proof);
}

/// The relay let this device in: compare its view of the store with ours, then write the new boot id.
/// `true` when that stands already: the connection is a second one of the same run.
pub(in crate::engine) fn entered(
    state: &mut State,
    work: &mut Work<'_>,
    entry: Entry,
    command: Option<CommandId>,
) -> Result<bool, EngineError> {
    if state.me.as_ref().is_none_or(|me| me.address() != entry.device) {
        refuse(state, work, Trouble::RelayBroken)?;
        return Ok(false);
    }
    if state.profile.logged_out {
        (state.profile.logged_out, state.profile.dismissed) = (false, false);
        state.profile.save(work)?;
    }
    if let Some(command) = command {
        welcome(state, work, command, false);
    }
    if let Some(link) = &mut state.link {
        link.entry = Some(entry);
        link.phase = Phase::Booting;
    }
    let same_run = entry.boot == Some(state.boot);
    let known = me::known_boots(work)?;
    let foreign = !same_run && entry.boot.is_some_and(|boot| !known.contains(&boot));
    // A copy that was made with all its chance has the same boot id; what it sent shows.
    if foreign || entry.step > me::step(work)? {
        me::raise_step(work, entry.step)?;
        state.renew(work)?;
    }
    if same_run {
        return Ok(true);
    }
    // Written before it is sent: if the answer is lost, the relay may hold either.
    let boots: Vec<BootId> = entry.boot.into_iter().chain([state.boot]).collect();
    me::save_boots(work, &boots)?;
    state.ask(work, Ask::Boot, ClientMessage::PutBoot { expected: entry.boot, new: state.boot });
    Ok(false)
}

/// Answers a login.
pub(in crate::engine) fn welcome(state: &State, work: &mut Work<'_>, command: CommandId, new_device: bool) {
    if let Some(me) = &state.me {
        let reply = Reply::LoggedIn { username: me.name.clone(), device: me.address().device, new_device };
        work.reply(command, reply);
    }
}

/// The boot id stands: everything may flow. What was under way goes out again first, as it is.
pub(in crate::engine) fn online(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    me::save_boots(work, &[state.boot])?;
    state.set_phase(Phase::Online);
    work.event(Event::Online(true));
    state.resend_under_way(work)?;
    state.appear(work);
    let account = state.own_address()?.account;
    let known_seq = state.list_of(work, &account)?.map_or(0, |known| known.list.body().seq);
    let relay_seq = state.link.as_ref().and_then(|link| link.entry).map_or(0, |entry| entry.list_seq);
    // One that a device signed may have been replaced meanwhile (SPEC 5.4.5).
    if relay_seq > known_seq || state.lists.ask_after(work, &account, known_seq) != known_seq {
        state.fetch_lists(work, account, known_seq);
    }
    state.queue.wake_all();
    Ok(())
}

/// The relay did not let this device in.
pub(in crate::engine) fn not_let_in(
    state: &mut State,
    work: &mut Work<'_>,
    command: Option<CommandId>,
    refusal: &Refusal,
) -> Result<(), EngineError> {
    if let Some(command) = command {
        work.fail_with(command, Failure::from(refusal));
    }
    if refusal.kind == RefusalKind::NotEnrolled {
        return logged_out(state, work, LogoutReason::Removed);
    }
    close(state, work)
}

/// The relay ended the login.
pub(in crate::engine) fn logged_out(
    state: &mut State,
    work: &mut Work<'_>,
    reason: LogoutReason,
) -> Result<(), EngineError> {
    let word = match reason {
        LogoutReason::Removed => Some("removed"),
        LogoutReason::Deleted => Some("deleted"),
        // The connection is gone, the login is not.
        LogoutReason::Replaced | LogoutReason::Draining | LogoutReason::Unknown => None,
    };
    let told = !state.is_logged_in();
    if let Some(word) = word.filter(|_| state.me.is_some()) {
        (state.profile.logged_out, state.profile.dismissed) = (true, true);
        state.profile.save(work)?;
        if told {
            return close(state, work);
        }
        work.notice(NoticeKind::LoggedOut { reason: word.to_owned() })?;
    }
    close(state, work)
}

/// Leaves the relay: it broke the protocol, or is not the one we know.
pub(in crate::engine) fn refuse(state: &mut State, work: &mut Work<'_>, trouble: Trouble) -> Result<(), EngineError> {
    work.trouble(trouble);
    state.relay_refused = true;
    close(state, work)
}

/// Closes the connection from our side.
pub(in crate::engine) fn close(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let Some(route) = state.link.as_ref().map(|link| link.route) else { return Ok(()) };
    work.output(Output::Close(route));
    lost(state, work, route)
}

/// The connection is gone: who waits for an answer learns it; what is queued stays.
pub(in crate::engine) fn lost(state: &mut State, work: &mut Work<'_>, route: Route) -> Result<(), EngineError> {
    if state.link.as_ref().is_none_or(|link| link.route != route) {
        return Ok(());
    }
    let was_online = state.is_online();
    state.link = None;
    state.parcels = Parcels::default();
    let kind = if state.relay_refused { FailureKind::Integrity } else { FailureKind::Offline };
    for ask in state.asks.close_all() {
        match ask {
            // The account stands, and so does what was decided on this device.
            Ask::PreKeys { command: Some(command), .. } => state.enrolled(work, command),
            Ask::Logout(command) | Ask::Presence(Some(command)) => work.reply(command, Reply::Done),
            Ask::Register(command) | Ask::Proof(Some(command)) | Ask::Search(command) | Ask::Forget(command) => {
                work.fail(command, kind);
            }
            Ask::Entry(entry) => entry.command.into_iter().for_each(|command| work.fail(command, kind)),
            Ask::Room(task) => task.command().into_iter().for_each(|command| work.fail(command, kind)),
            _ => {}
        }
    }
    for command in state.rooms.disconnect() {
        work.fail(command, kind);
    }
    if let Some(command) = state.undertaking.take().and_then(|under_way| under_way.command) {
        work.fail(command, kind);
    }
    if let Some(command) = state.newcomer.take() {
        work.fail(command, kind);
    }
    state.farewell = None;
    (state.exchange.asked, state.exchange.refused) = (false, false);
    for want in state.names.take_all() {
        work.fail(want.command(), kind);
    }
    if let Some(command) = state.enrolling.as_mut().and_then(|enrolling| enrolling.command.take()) {
        work.fail(command, kind);
    }
    if was_online {
        let gone: Vec<_> = std::mem::take(&mut state.online).into_keys().collect();
        for account in gone {
            state.announce_presence(work, account, None);
        }
        work.event(Event::Online(false));
    }
    state.online.clear();
    Ok(())
}
