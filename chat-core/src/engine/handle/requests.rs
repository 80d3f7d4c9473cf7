//! Strangers and blocks. Everything here is silent to the other side but an acceptance (SPEC 8.4.4).

use chat_wire::ids::{AccountId, UserName};

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FailureKind, Reply};
use crate::engine::memory::State;
use crate::engine::memory::people::Standing;

/// Accepts a request: held messages arrive, and the stranger is told.
pub(in crate::engine) fn accept(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &UserName,
) -> Result<(), EngineError> {
    match lookup(state, name) {
        Err(kind) => work.fail(command, kind),
        Ok(account) => match state.people.get(&account) {
            Some(person) if person.standing == Standing::Accepted => work.reply(command, Reply::Done),
            Some(person) if person.blocked => work.fail(command, FailureKind::Blocked),
            Some(person) if person.request.is_some() => {
                state.accept(work, account)?;
                state.post_acceptance(work, account)?;
                work.reply(command, Reply::Done);
            }
            _ => work.fail(command, FailureKind::NotFound),
        },
    }
    Ok(())
}

/// Turns a request down: what was held is gone, what comes is dropped.
pub(in crate::engine) fn decline(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &UserName,
) -> Result<(), EngineError> {
    match lookup(state, name) {
        Err(kind) => work.fail(command, kind),
        Ok(account) if state.people.get(&account).is_some_and(|person| person.request.is_some()) => {
            state.drop_held(work, &account)?;
            state.people.change(work, account, |person| {
                person.standing = Standing::Declined;
                person.request = None;
            })?;
            work.reply(command, Reply::Done);
        }
        Ok(_) => work.fail(command, FailureKind::NotFound),
    }
    Ok(())
}

/// Blocks somebody. `None` when the name has to be looked up first.
pub(in crate::engine) fn block(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &UserName,
) -> Result<Option<()>, EngineError> {
    match lookup(state, name) {
        Err(FailureKind::UnknownUser) => return Ok(None),
        Err(kind) => work.fail(command, kind),
        Ok(account) => block_account(state, work, command, account)?,
    }
    Ok(Some(()))
}

/// Blocks an account.
pub(in crate::engine) fn block_account(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    account: AccountId,
) -> Result<(), EngineError> {
    state.drop_held(work, &account)?;
    let was_contact = state.people.get(&account).is_some_and(|person| person.standing == Standing::Accepted);
    if state.online.remove(&account).is_some() {
        state.announce_presence(work, account, None);
    }
    state.people.change(work, account, |person| {
        person.blocked = true;
        person.request = None;
    })?;
    state.queue.lane(account).receipt_at = None;
    if was_contact {
        state.contacts_changed(work);
    }
    work.reply(command, Reply::Done);
    Ok(())
}

/// Takes a block back; the contact is as before. What was dropped meanwhile stays dropped.
pub(in crate::engine) fn unblock(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &UserName,
) -> Result<(), EngineError> {
    match lookup(state, name) {
        Err(kind) => work.fail(command, kind),
        Ok(account) => {
            let was_blocked = state.people.get(&account).is_some_and(|person| person.blocked);
            state.people.change(work, account, |person| {
                person.blocked = false;
                // A name that led elsewhere: whoever takes the account back says that it is the right one.
                person.name_moved = false;
                person.key_changed = false;
            })?;
            if was_blocked {
                state.contacts_changed(work);
            }
            work.reply(command, Reply::Done);
        }
    }
    Ok(())
}

/// Somebody accepted our request.
pub(in crate::engine) fn accepted(state: &mut State, work: &mut Work<'_>, from: AccountId) -> Result<(), EngineError> {
    // Only those whom we wrote to have something to accept.
    if state.people.get(&from).is_some_and(|person| person.standing == Standing::Accepted) {
        state.people.change(work, from, |person| person.accepts_us = true)?;
    }
    Ok(())
}

/// Somebody's account ends: nobody waits for it any more.
pub(in crate::engine) fn gone(state: &mut State, work: &mut Work<'_>, from: AccountId) -> Result<(), EngineError> {
    if state.online.remove(&from).is_some() {
        state.announce_presence(work, from, None);
    }
    state.people.change(work, from, |person| person.accepts_us = false)
}

/// A person that is known by name; oneself is nobody to be accepted or blocked.
fn lookup(state: &State, name: &UserName) -> Result<AccountId, FailureKind> {
    let me = state.me.as_ref().filter(|_| state.is_logged_in()).ok_or(FailureKind::NotLoggedIn)?;
    if me.name == *name {
        return Err(FailureKind::InvalidParams);
    }
    state.people.account_of(name).ok_or(FailureKind::UnknownUser)
}
