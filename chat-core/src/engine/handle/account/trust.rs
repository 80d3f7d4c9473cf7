//! Who is who: the number that two people compare, and what follows from it.

use chat_wire::ids::{AccountId, UserName};

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FailureKind, Reply, SafetyNumber, SafetyProof};
use crate::engine::memory::State;
use crate::engine::memory::lists;
use crate::engine::memory::names::{TrustQuestion, Want};
use crate::engine::memory::people::{VerifiedMark, VerifyMethod};
use crate::identity::safety_number::{safety_code, safety_number};

/// Asks about somebody whose lists may have to be fetched first. `Some` when they are known.
pub(in crate::engine) fn ask(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (name, question): (UserName, TrustQuestion),
) -> Result<Option<(AccountId, TrustQuestion)>, EngineError> {
    let Some(me) = state.me.as_ref().filter(|_| state.is_logged_in()) else {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(None);
    };
    if me.name == name {
        work.fail(command, FailureKind::InvalidParams);
        return Ok(None);
    }
    let known = state.people.account_of(&name);
    if let Some(account) = known
        && state.list_of(work, &account)?.is_some()
    {
        return Ok(Some((account, question)));
    }
    if !state.is_online() {
        work.fail(command, FailureKind::Offline);
        return Ok(None);
    }
    match (known, state.names.wait(&name, Want::Trust(command, question))) {
        (_, None) => work.fail(command, FailureKind::RateLimited),
        (Some(account), Some(true)) => {
            state.names.fetch(account, name);
            state.fetch_lists(work, account, 0);
        }
        (None, Some(true)) => state.find_name(work, name),
        (_, Some(false)) => {}
    }
    Ok(None)
}

/// Answers a question about an account whose list is known.
pub(in crate::engine) fn answer(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (account, question): (AccountId, TrustQuestion),
) -> Result<(), EngineError> {
    let own = state.own_address()?.account;
    let (Some(ours), Some(theirs)) = (state.list_of(work, &own)?, state.list_of(work, &account)?) else {
        work.fail(command, FailureKind::UnknownUser);
        return Ok(());
    };
    let key = theirs.list.body().account_key;
    let (mine, other) = ((&own, &ours.list.body().account_key), (&account, &key));
    let digits = safety_number(mine, other);
    let code = safety_code(mine, other);
    match question {
        TrustQuestion::Show => {
            let person = state.people.get(&account);
            let verified = person.and_then(|person| person.verified).is_some_and(|mark| mark.account_key == key);
            let username = theirs.list.body().name.clone();
            work.reply(command, Reply::Safety(SafetyNumber { username, digits, code, verified }));
        }
        TrustQuestion::Compare(proof) => {
            let (same, method) = match &proof {
                SafetyProof::Digits(shown) => (only_digits(shown) == only_digits(&digits), VerifyMethod::Digits),
                SafetyProof::Code(shown) => (shown.trim().eq_ignore_ascii_case(&code), VerifyMethod::Code),
            };
            if !same {
                work.fail(command, FailureKind::Integrity);
                return Ok(());
            }
            let (device, at_ms) = (state.own_address()?.device, work.now.as_ms());
            let mark = VerifiedMark { account_key: key, method, device, at_ms };
            state.people.change(work, account, |person| {
                person.verified = Some(mark);
                (person.key_changed, person.name_moved) = (false, false);
            })?;
            state.queue.lane(account);
            work.reply(command, Reply::Verified);
        }
    }
    Ok(())
}

/// Takes back that somebody was verified.
pub(in crate::engine) fn unverify(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &UserName,
) -> Result<(), EngineError> {
    decide(state, work, command, name, |person| person.verified = None)
}

/// Goes on with somebody without comparing.
pub(in crate::engine) fn accept_identity(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &UserName,
) -> Result<(), EngineError> {
    if let Some(account) = state.people.account_of(name).filter(|_| state.is_logged_in()) {
        // The branch that is known is the one to go on with.
        lists::end_fork(work, &account);
    }
    decide(state, work, command, name, |person| (person.key_changed, person.name_moved) = (false, false))
}

fn decide(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    name: &UserName,
    change: impl FnOnce(&mut crate::engine::memory::people::Person),
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    let Some(account) = state.people.account_of(name) else {
        work.fail(command, FailureKind::UnknownUser);
        return Ok(());
    };
    state.people.change(work, account, change)?;
    // What waited for the decision may go now.
    state.queue.lane(account);
    work.reply(command, Reply::Done);
    Ok(())
}

fn only_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
