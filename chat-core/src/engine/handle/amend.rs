//! Messages that were said: edited, taken back, hidden, reacted to, here and by others.

use chat_wire::ids::AccountId;

use crate::engine::content::{Content, Deletion, Edit, Hiding, Reaction};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{Amendment, Change, CommandId, Conversation, FailureKind, Reply};
use crate::engine::limits::{SIGN_BYTES_MAX, TEXT_BYTES_MAX};
use crate::engine::memory::State;
use crate::engine::memory::changes::{Doer, Presence, Target, What};
use crate::engine::memory::people::Standing;

/// A person changes a message.
pub(in crate::engine) fn amend(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    amendment: Amendment,
) -> Result<(), EngineError> {
    match carry_out(state, work, amendment)? {
        Ok(()) => work.reply(command, Reply::Done),
        Err(kind) => work.fail(command, kind),
    }
    Ok(())
}

fn carry_out(
    state: &mut State,
    work: &mut Work<'_>,
    amendment: Amendment,
) -> Result<Result<(), FailureKind>, EngineError> {
    if !state.is_logged_in() {
        return Ok(Err(FailureKind::NotLoggedIn));
    }
    let Amendment { conversation, id, change } = amendment;
    let Conversation::Direct(with) = conversation else { return Ok(Err(FailureKind::Forbidden)) };
    let own = state.own_address()?;
    let mut target = Target { conversation: with, author: own.account, id };
    if target.standing(work)? != Presence::Shown {
        target.author = with;
        if target.standing(work)? != Presence::Shown {
            return Ok(Err(FailureKind::UnknownMessage));
        }
    }
    if let Some(kind) = refusal(state, work, &target, &change)? {
        return Ok(Err(kind));
    }
    let (content, what) = match change {
        Change::Edit(text) => (Content::Edit(Edit { id, text: text.clone() }), What::Edit(text)),
        Change::Delete => (Content::Deletion(Deletion { id }), What::Gone),
        Change::Hide => (Content::Hiding(Hiding { with, id }), What::Gone),
        Change::React(sign) => (Content::Reaction(Reaction { id, sign: sign.clone() }), What::React(sign)),
    };
    let to = if matches!(content, Content::Hiding(_)) { own.account } else { with };
    if to != own.account || !state.is_only_device(work)? {
        state.post(work, to, &content)?;
    }
    let doer = Doer { device: own, time_ms: work.now.as_ms() };
    state.change_message(work, &target, doer.deed(what))?;
    Ok(Ok(()))
}

/// Why a change is not made, if it is not.
fn refusal(
    state: &State,
    work: &Work<'_>,
    target: &Target,
    change: &Change,
) -> Result<Option<FailureKind>, EngineError> {
    let own = state.own_address()?.account;
    let gone = target.is_gone(work)?;
    Ok(match change {
        Change::Edit(_) | Change::Delete if target.author != own => Some(FailureKind::Forbidden),
        Change::Edit(_) | Change::React(_) if gone => Some(FailureKind::UnknownMessage),
        Change::Edit(text) if text.len() > TEXT_BYTES_MAX => Some(FailureKind::TooLarge),
        Change::React(sign) if !is_sign(sign) => Some(FailureKind::InvalidParams),
        // Nothing is told to anybody.
        Change::Hide => None,
        _ => state.people.get(&target.conversation).and_then(|person| match () {
            () if person.blocked => Some(FailureKind::Blocked),
            () if person.name_moved => Some(FailureKind::KeyChanged),
            () => None,
        }),
    })
}

/// Somebody, or an own other device, changed a message; `with` is the other side of the conversation.
pub(in crate::engine) fn heard(
    state: &mut State,
    work: &mut Work<'_>,
    doer: Doer,
    (with, content): (AccountId, Content),
) -> Result<(), EngineError> {
    let by = doer.device;
    let own = state.own_address()?.account;
    let welcome = with == own
        || state.people.get(&with).is_some_and(|person| !person.blocked && person.standing != Standing::Declined);
    if !welcome {
        return Ok(());
    }
    let said = |id| Target { conversation: with, author: by.account, id };
    let (target, what) = match content {
        Content::Edit(Edit { id, text }) if text.len() <= TEXT_BYTES_MAX => (said(id), What::Edit(text)),
        Content::Deletion(Deletion { id }) => (said(id), What::Gone),
        Content::Reaction(Reaction { id, sign }) if is_sign(&sign) => {
            // Somebody's own, or the other side's: where it is known, else more likely the latter.
            let other = Target { author: if by.account == own { with } else { own }, ..said(id) };
            let own_known = said(id).standing(work)? != Presence::Unknown;
            (if own_known { said(id) } else { other }, What::React(sign))
        }
        Content::Hiding(Hiding { with: hidden_with, id }) if by.account == own => {
            let theirs = Target { conversation: hidden_with, author: hidden_with, id };
            let known = theirs.standing(work)? != Presence::Unknown;
            (if known { theirs } else { Target { author: own, ..theirs } }, What::Gone)
        }
        _ => return Ok(()),
    };
    state.change_message(work, &target, doer.deed(what))
}

/// A few letters or one picture; nothing that breaks a line.
fn is_sign(sign: &str) -> bool {
    sign.len() <= SIGN_BYTES_MAX && !sign.chars().any(|c| c.is_whitespace() || c.is_control())
}
