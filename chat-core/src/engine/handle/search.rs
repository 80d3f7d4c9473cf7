//! Looking for people. What the relay finds is a hint; whom a name means is decided by lists.

use chat_wire::ids::UserName;
use chat_wire::limits::{FIND_RESULTS_MAX, NAME_CHARS_MAX};
use chat_wire::message::{ClientMessage, FoundUser};

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FailureKind, FoundPerson, IdentityChange, NoticeKind, Reply};
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;

/// Asks the relay for names.
pub(in crate::engine) fn search(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (query, limit): (&str, u16),
) {
    if !state.is_logged_in() {
        return work.fail(command, FailureKind::NotLoggedIn);
    }
    let query = query.to_ascii_lowercase();
    let possible = (1..=NAME_CHARS_MAX).contains(&query.len())
        && query.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if !possible || limit == 0 {
        // No name begins like this.
        return work.reply(command, Reply::Found(Vec::new()));
    }
    if !state.is_online() {
        let kind = if state.relay_refused { FailureKind::Integrity } else { FailureKind::Offline };
        return work.fail(command, kind);
    }
    let limit = limit.min(u16::try_from(FIND_RESULTS_MAX).unwrap_or(u16::MAX));
    state.ask(work, Ask::Search(command), ClientMessage::Find { query, limit });
}

/// The relay's answer. A contact's name that leads elsewhere is an alarm.
pub(in crate::engine) fn found(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    users: Vec<FoundUser>,
) -> Result<(), EngineError> {
    let mut people = Vec::with_capacity(users.len());
    for user in users {
        if state.people.account_of(&user.name).is_some_and(|known| known != user.account) {
            alarm(state, work, &user.name)?;
        }
        let online = user.online && state.people.get(&user.account).is_some_and(|person| person.is_contact());
        people.push(FoundPerson { username: user.name, online });
    }
    work.reply(command, Reply::Found(people));
    Ok(())
}

/// A known name leads to another account: nothing more is sent under it until somebody decides.
pub(in crate::engine) fn alarm(state: &mut State, work: &mut Work<'_>, name: &UserName) -> Result<(), EngineError> {
    let Some(account) = state.people.account_of(name) else { return Ok(()) };
    if state.people.get(&account).is_none_or(|person| person.name_moved) {
        return Ok(());
    }
    let is_contact = state.people.get(&account).is_some_and(|person| person.is_contact());
    state.people.change(work, account, |person| person.name_moved = true)?;
    if is_contact {
        let reason = IdentityChange::Name;
        work.notice(NoticeKind::IdentityChanged { username: name.clone(), reason })?;
    }
    Ok(())
}
