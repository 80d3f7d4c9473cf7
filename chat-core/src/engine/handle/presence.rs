//! Who is here, who types, and what we show of ourselves.

use chat_wire::ids::{AccountId, UserName};
use chat_wire::message::{ClientMessage, PresenceStatus};

use crate::engine::content::{Content, Profile, Typing};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, Event, FailureKind, Reply};
use crate::engine::limits::{DISPLAY_NAME_BYTES_MAX, TYPING_GAP_MS, TYPING_LATE_MS_MAX};
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;

/// The relay says that a contact came or went.
pub(in crate::engine) fn changed(
    state: &mut State,
    work: &mut Work<'_>,
    account: AccountId,
    (status, at_ms): (Option<PresenceStatus>, u64),
) -> Result<(), EngineError> {
    let before = match status {
        Some(status) => state.online.insert(account, status),
        None => state.online.remove(&account),
    };
    if before == status || state.people.get(&account).is_none_or(|person| !person.is_contact()) {
        return Ok(());
    }
    if status.is_none() {
        let now_ms = work.now.as_ms();
        state.people.change(work, account, |person| {
            person.last_seen_ms = person.last_seen_ms.max(Some(at_ms.min(now_ms)));
        })?;
    }
    state.announce_presence(work, account, status);
    Ok(())
}

/// Sets what contacts see; kept for the next connection too.
pub(in crate::engine) fn set_status(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    status: PresenceStatus,
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    state.profile.status = status;
    state.profile.save(work)?;
    if state.is_online() {
        state.ask(work, Ask::Presence(Some(command)), ClientMessage::SetPresence { status });
    } else {
        work.reply(command, Reply::Done);
    }
    Ok(())
}

/// Sets the display name and tells every contact, sealed.
pub(in crate::engine) fn set_profile(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    display_name: Option<String>,
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    let Some(name) = display_name else {
        work.reply(command, Reply::Done);
        return Ok(());
    };
    if name.len() > DISPLAY_NAME_BYTES_MAX {
        work.fail(command, FailureKind::TooLarge);
        return Ok(());
    }
    let name = Some(name).filter(|name| !name.is_empty());
    if name != state.profile.display_name {
        state.profile.display_name = name;
        state.profile.version = state.profile.version.saturating_add(1);
        state.profile.save(work)?;
        let contacts: Vec<AccountId> =
            state.people.iter().filter(|(_, person)| person.is_contact()).map(|(account, _)| *account).collect();
        for account in contacts {
            state.post_profile(work, account)?;
        }
    }
    work.reply(command, Reply::Done);
    Ok(())
}

/// Somebody told its display name.
pub(in crate::engine) fn learned(
    state: &mut State,
    work: &mut Work<'_>,
    from: AccountId,
    profile: Profile,
) -> Result<(), EngineError> {
    let name = profile.display_name.map(|mut name| {
        let mut end = DISPLAY_NAME_BYTES_MAX.min(name.len());
        while !name.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        name.truncate(end);
        name
    });
    state.people.change(work, from, |person| person.display_name = name.filter(|name| !name.is_empty()))
}

/// Tells a mutual contact who is here that we type. Whoever is not here never learns it.
pub(in crate::engine) fn type_to(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (to, active): (&str, bool),
) -> Result<(), EngineError> {
    if let Some(kind) = typing_failure(state, to) {
        work.fail(command, kind);
        return Ok(());
    }
    work.reply(command, Reply::Done);
    let account = UserName::parse(to).ok().and_then(|name| state.people.account_of(&name));
    if let Some(account) = account {
        state.typing_late.insert(account, (active, work.now));
    }
    type_late(state, work)
}

/// Sends typing signals as soon as their person is a mutual contact who is here: two who have just
/// accepted each other learn that a moment after they begin to type. After a few seconds it is too late.
pub(in crate::engine) fn type_late(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let now = work.now;
    state.typing_late.retain(|_, (_, since)| now.ms_since(*since) < TYPING_LATE_MS_MAX);
    let waiting: Vec<(AccountId, bool)> =
        state.typing_late.iter().map(|(account, (active, _))| (*account, *active)).collect();
    for (account, active) in waiting {
        let mutual = state.people.get(&account).is_some_and(|person| person.is_mutual() && !person.is_doubtful());
        if mutual && state.presence_of(&account).is_some() {
            state.typing_late.remove(&account);
            signal_typing(state, work, account, active)?;
        }
    }
    Ok(())
}

fn signal_typing(state: &mut State, work: &mut Work<'_>, account: AccountId, active: bool) -> Result<(), EngineError> {
    let now = work.now;
    let repeated =
        state.typing.get(&account).is_some_and(|(last, at)| *last == active && now.ms_since(*at) < TYPING_GAP_MS);
    if repeated || !state.is_listed(work)? {
        return Ok(());
    }
    let Some(mut audience) = state.audience(work, &account)? else { return Ok(()) };
    audience.own.clear();
    // It is not worth a new session.
    if audience.peers.is_empty() || !state.missing(work, &audience)?.is_empty() {
        return Ok(());
    }
    state.typing.insert(account, (active, now));
    let message = state.compose(work, &account, &Content::Typing(Typing { active }))?.message;
    let packets = state.seal(work, &audience, &account, &[message])?;
    state.tell(work, ClientMessage::Ephemeral { packets: packets.heads }, packets.body.into());
    Ok(())
}

fn typing_failure(state: &State, to: &str) -> Option<FailureKind> {
    if !state.is_logged_in() {
        return Some(FailureKind::NotLoggedIn);
    }
    if to.starts_with('#') {
        return Some(FailureKind::UnknownRoom);
    }
    UserName::parse(to).is_err().then_some(FailureKind::InvalidParams)
}

/// Somebody types.
pub(in crate::engine) fn typed(state: &State, work: &mut Work<'_>, from: AccountId, typing: &Typing) {
    let (Some(me), Some(person)) = (&state.me, state.people.get(&from)) else { return };
    if person.is_contact() {
        let (from, to) = (person.name.clone(), me.name.to_string());
        work.event(Event::Typing { from, to, active: typing.active });
    }
}
