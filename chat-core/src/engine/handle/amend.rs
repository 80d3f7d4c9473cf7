//! Messages that were said: edited, taken back, hidden, reacted to, here and by others.

use chat_wire::ids::{AccountId, MessageId, RoomId};

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
    let own = state.own_address()?;
    let Some(target) = find(work, own.account, conversation, id)? else {
        return Ok(Err(FailureKind::UnknownMessage));
    };
    if let Some(kind) = refusal(state, work, &target, &change)? {
        return Ok(Err(kind));
    }
    let room = match conversation {
        Conversation::Room(room) => Some(room),
        Conversation::Direct(_) => None,
    };
    let with = match conversation {
        Conversation::Direct(with) => with,
        Conversation::Room(_) => own.account,
    };
    let (content, what) = match change {
        Change::Edit(text) => (Content::Edit(Edit { id, text: text.clone() }), What::Edit(text)),
        Change::Delete => (Content::Deletion(Deletion { id }), What::Gone),
        Change::Hide => (Content::Hiding(Hiding { with, id, room }), What::Gone),
        Change::React(sign) => (Content::Reaction(Reaction { id, sign: sign.clone() }), What::React(sign)),
    };
    match (&content, room) {
        (Content::Hiding(_), _) if state.is_only_device(work)? => {}
        (Content::Hiding(_), _) => state.post(work, own.account, &content).map(|_| ())?,
        (_, Some(room)) => state.queue_in_room(work, room, (&content, false)).map(|_| ())?,
        (_, None) if with == own.account && state.is_only_device(work)? => {}
        (_, None) => state.post(work, with, &content).map(|_| ())?,
    }
    let doer = Doer { device: own, time_ms: work.now.as_ms() };
    state.change_message(work, &target, doer.deed(what))?;
    Ok(Ok(()))
}

/// The message that is meant, if it is shown here.
fn find(
    work: &Work<'_>,
    own: AccountId,
    conversation: Conversation,
    id: MessageId,
) -> Result<Option<Target>, EngineError> {
    let candidates = match conversation {
        Conversation::Direct(with) => vec![Target::direct(with, own, id), Target::direct(with, with, id)],
        Conversation::Room(room) => Target::in_room(work, room, id)?.into_iter().collect(),
    };
    for target in candidates {
        if target.standing(work)? == Presence::Shown {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

/// Why a change is not made, if it is not.
fn refusal(
    state: &mut State,
    work: &mut Work<'_>,
    target: &Target,
    change: &Change,
) -> Result<Option<FailureKind>, EngineError> {
    let own = state.own_address()?.account;
    let gone = target.is_gone(work)?;
    let keeps_order = matches!(change, Change::Delete) && keeps_order(state, work, &own, target)?;
    Ok(match change {
        Change::Edit(_) | Change::Delete if target.author != own && !keeps_order => Some(FailureKind::Forbidden),
        Change::Edit(_) | Change::React(_) if gone => Some(FailureKind::UnknownMessage),
        Change::Edit(text) if text.len() > TEXT_BYTES_MAX => Some(FailureKind::TooLarge),
        Change::React(sign) if !is_sign(sign) => Some(FailureKind::InvalidParams),
        // Nothing is told to anybody.
        Change::Hide => None,
        _ => match &target.conversation {
            Conversation::Direct(with) => state.people.get(with).and_then(|person| match () {
                () if person.blocked => Some(FailureKind::Blocked),
                () if person.name_moved => Some(FailureKind::KeyChanged),
                () => None,
            }),
            Conversation::Room(room) => (!state.rooms.is_joined(room)).then_some(FailureKind::UnknownRoom),
        },
    })
}

/// Whether somebody may take back what another member of a room said: as an owner or admin above its author.
fn keeps_order(state: &mut State, work: &mut Work<'_>, by: &AccountId, target: &Target) -> Result<bool, EngineError> {
    let Conversation::Room(room) = &target.conversation else { return Ok(false) };
    let Some(group) = state.rooms.group(work, room)? else { return Ok(false) };
    Ok(group.policy().is_ok_and(|policy| policy.may_kick(by, &target.author)))
}

/// A member of a room changed a message of it, as MLS and lists authenticated the member. What this device
/// never had is not changed: the log has one order for everybody (SPEC 12.5.3).
pub(in crate::engine) fn heard_in_room(
    state: &mut State,
    work: &mut Work<'_>,
    doer: Doer,
    (room, content): (RoomId, Content),
) -> Result<(), EngineError> {
    let (id, what) = match content {
        Content::Edit(Edit { id, text }) if text.len() <= TEXT_BYTES_MAX => (id, What::Edit(text)),
        Content::Deletion(Deletion { id }) => (id, What::Gone),
        Content::Reaction(Reaction { id, sign }) if is_sign(&sign) => (id, What::React(sign)),
        _ => return Ok(()),
    };
    let Some(target) = Target::in_room(work, room, id)? else { return Ok(()) };
    let by = doer.device.account;
    let allowed = match &what {
        What::React(_) => true,
        What::Edit(_) => by == target.author,
        What::Gone => by == target.author || keeps_order(state, work, &by, &target)?,
    };
    if allowed { state.change_message(work, &target, doer.deed(what)) } else { Ok(()) }
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
    let said = |id| Target::direct(with, by.account, id);
    let (target, what) = match content {
        Content::Edit(Edit { id, text }) if text.len() <= TEXT_BYTES_MAX => (said(id), What::Edit(text)),
        Content::Deletion(Deletion { id }) => (said(id), What::Gone),
        Content::Reaction(Reaction { id, sign }) if is_sign(&sign) => {
            // Somebody's own, or the other side's: where it is known, else more likely the latter.
            let other = Target { author: if by.account == own { with } else { own }, ..said(id) };
            let own_known = said(id).standing(work)? != Presence::Unknown;
            (if own_known { said(id) } else { other }, What::React(sign))
        }
        Content::Hiding(Hiding { id, room: Some(room), .. }) if by.account == own => {
            let Some(target) = Target::in_room(work, room, id)? else { return Ok(()) };
            (target, What::Gone)
        }
        Content::Hiding(Hiding { with: hidden_with, id, room: None }) if by.account == own => {
            let theirs = Target::direct(hidden_with, hidden_with, id);
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
