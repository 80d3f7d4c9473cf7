//! Leads a change of the account through its stages: what is known must be what the relay has before
//! anything is signed, and a change that somebody else's came before is made again from there.

use bytes::Bytes;
use chat_wire::device_list::{DEVICE_MAY_SIGN, DeviceList, FLAG_APPROVAL};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::AccountId;
use chat_wire::limits::LISTS_PER_ANSWER_MAX;
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;

use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, Failure, FailureKind, Reply, Trouble};
use crate::engine::limits::{LIST_CHAIN_MAX, LIST_RENEWAL_MS, UNDERTAKING_TRIES_MAX};
use crate::engine::memory::asks::Ask;
use crate::engine::memory::share::Taken;
use crate::engine::memory::undertaking::{Goal, Signed, Stage, Undertaking, UntoldCode};
use crate::engine::memory::{Phase, State};

/// Milliseconds after which a second change may be tried while one is under way.
const BUSY_MS: u64 = 1_000;

/// What is due after a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Next {
    /// The relay was asked, or the command was answered.
    Wait,
    /// Everything is known that the change needs.
    Change,
    /// The password is not enough: somebody has to let this device in (SPEC 9.13).
    AskIn,
    /// This device is of the account: it lets itself in.
    Prove(Option<CommandId>),
}

/// Begins: the lists first.
pub(in crate::engine) fn start(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    goal: Goal,
) -> Result<(), EngineError> {
    if goal.account().is_some()
        && let Some(waiting) = state.undertaking.take_if(|under_way| under_way.waits)
    {
        // Another way in was found, or another try begins.
        state.awaiting = None;
        waiting.command.into_iter().for_each(|command| work.fail(command, FailureKind::Cancelled));
    }
    if let Some(failure) = obstacle(state, &goal) {
        work.fail_with(command, failure);
        return Ok(());
    }
    state.undertaking = Some(Undertaking::new(Some(command), goal));
    ask_lists(state, work)
}

/// Renews the own list before it expires, so that nobody is warned of it (SPEC 5.4.3).
pub(in crate::engine) fn renew_list(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if !state.is_online() || state.undertaking.is_some() || state.renewal.is_some() {
        return Ok(());
    }
    let own = state.own_address()?;
    let Some(known) = state.list_of(work, &own.account)? else { return Ok(()) };
    let body = known.list.body();
    let may_sign = body.device(own.device).is_some_and(|device| device.flags & DEVICE_MAY_SIGN != 0);
    if may_sign && body.expires_ms.saturating_sub(work.now.as_ms()) < LIST_RENEWAL_MS {
        state.undertaking = Some(Undertaking::new(None, Goal::Renew));
        ask_lists(state, work)?;
    }
    Ok(())
}

/// Why it can't be begun.
fn obstacle(state: &State, goal: &Goal) -> Option<Failure> {
    let offline = if state.relay_refused { FailureKind::Integrity } else { FailureKind::Offline };
    let phase = state.link.as_ref().map(|link| (link.route, link.phase));
    let stands = match goal {
        Goal::Join(wanted) => phase == Some((wanted.route, Phase::Greeted)),
        Goal::Recover(wanted) => {
            let route_stands =
                |phases: &[Phase]| phase.is_some_and(|(route, at)| route == wanted.route && phases.contains(&at));
            route_stands(&[Phase::Greeted, Phase::Online])
        }
        Goal::Password(wanted) => phase == Some((wanted.route, Phase::Online)),
        Goal::Delete(wanted) => phase == Some((wanted.route, Phase::Online)),
        Goal::Approval(wanted) => phase == Some((wanted.route, Phase::Online)),
        Goal::Remove(_) if !state.is_logged_in() => return Some(Failure::of(FailureKind::NotLoggedIn)),
        Goal::Remove(_) | Goal::Renew | Goal::Settle => state.is_online(),
    };
    if !stands {
        return Some(Failure::of(offline));
    }
    let ours = state.me.as_ref().map(|me| me.account()).or(state.former);
    let of_another = goal.account().is_some_and(|wanted| ours.is_some_and(|ours| ours != wanted));
    if of_another {
        return Some(Failure::of(FailureKind::Forbidden));
    }
    state
        .undertaking
        .is_some()
        .then(|| Failure { retry_after_ms: Some(BUSY_MS), ..Failure::of(FailureKind::RateLimited) })
}

impl Goal {
    fn account(&self) -> Option<AccountId> {
        match self {
            Self::Join(wanted) => Some(wanted.account),
            Self::Recover(wanted) => Some(wanted.account),
            _ => None,
        }
    }
}

fn ask_lists(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let (account, after_seq) = match (&state.me, &state.undertaking) {
        (Some(me), _) => {
            let account = me.account();
            let newest = state.list_of(work, &account)?.map_or(0, |known| known.list.body().seq);
            (account, state.lists.ask_after(work, &account, newest))
        }
        (None, Some(under_way)) => {
            let account = under_way.joins().ok_or(EngineError::Broken(Bug::OwnKeys))?;
            (account, under_way.chain.last().map_or(0, |list| list.body().seq))
        }
        (None, None) => return Ok(()),
    };
    state.ask(work, Ask::Undertake(Stage::Lists), ClientMessage::FetchLists { account, after_seq });
    Ok(())
}

/// The account's lists came.
pub(in crate::engine) fn lists_came(
    state: &mut State,
    work: &mut Work<'_>,
    lists: &[ByteBuf],
) -> Result<Next, EngineError> {
    let sound = match state.me.as_ref().map(|me| me.account()) {
        Some(account) => state.take_lists(work, &account, lists)?,
        None => extend_chain(state, work, lists),
    };
    if !sound {
        fail(state, work, FailureKind::Integrity);
        return Ok(Next::Wait);
    }
    if lists.len() >= LISTS_PER_ANSWER_MAX {
        return ask_lists(state, work).map(|()| Next::Wait);
    }
    if let Some(next) = entering(state, work)? {
        return Ok(next);
    }
    let settles = state.undertaking.as_ref().is_some_and(|under_way| matches!(under_way.goal, Goal::Settle));
    if let Some(signed) = Signed::load(work)?.filter(|_| state.me.is_some()) {
        let account = state.own_address()?.account;
        let newest = state.list_of(work, &account)?.ok_or(EngineError::Broken(Bug::OwnKeys))?.list;
        if newest.body().seq.checked_add(1) == Some(signed.seq) && (settles || is_a_device_s(&signed)) {
            // One signature per sequence, ever (SPEC 5.4.4): what was signed once is sent first.
            let body = Bytes::from(signed.body.into_vec());
            state.ask_with(work, Ask::Undertake(Stage::Again), signed.message, body);
            return Ok(Next::Wait);
        }
    }
    if settles && code_stands(state, work)?.is_none() {
        // Another list came first: what was signed is void.
        state.undertaking = None;
        UntoldCode::forget(work);
        return Ok(Next::Wait);
    }
    state.ask(work, Ask::Undertake(Stage::Record), ClientMessage::GetRecord {});
    Ok(Next::Wait)
}

/// What a device that comes to an account, or back to it, does before anything else.
fn entering(state: &mut State, work: &mut Work<'_>) -> Result<Option<Next>, EngineError> {
    let Some(under_way) = &state.undertaking else { return Ok(Some(Next::Wait)) };
    let joins = matches!(under_way.goal, Goal::Join(_));
    if under_way.goal.account().is_none() {
        return Ok(None);
    }
    if state.me.is_some() {
        if state.is_listed(work)? {
            return Ok(joins.then(|| Next::Prove(state.undertaking.take().and_then(|under_way| under_way.command))));
        }
        // It was taken off the account, as a signed list says: it comes back as another device.
        state.renounce(work)?;
        return ask_lists(state, work).map(|()| Some(Next::Wait));
    }
    if under_way.standing(work)?.is_some() {
        return Ok(joins.then_some(Next::Change));
    }
    let newest = under_way.chain.last();
    let wants_more = newest.is_some_and(|list| list.body().flags & FLAG_APPROVAL != 0);
    Ok((joins && wants_more && !under_way.let_in).then_some(Next::AskIn))
}

/// Another device let this one in: on with it.
pub(in crate::engine) fn let_in(state: &mut State, work: &mut Work<'_>) {
    state.ask(work, Ask::Undertake(Stage::Record), ClientMessage::GetRecord {});
}

/// Begins to find out what became of a new password whose answer was lost (SPEC 9.8.4).
pub(in crate::engine) fn settle(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if state.undertaking.is_some() || state.code_told || UntoldCode::load_now(work)?.is_none() {
        return Ok(());
    }
    state.undertaking = Some(Undertaking::new(None, Goal::Settle));
    ask_lists(state, work)
}

/// The code of the last new password, if that stands and nobody was told.
fn code_stands(state: &mut State, work: &Work<'_>) -> Result<Option<UntoldCode>, EngineError> {
    let account = state.own_address()?.account;
    let Some(untold) = UntoldCode::load_now(work)? else { return Ok(None) };
    let Some(known) = state.list_of(work, &account)? else { return Ok(None) };
    let stands = DeviceList::decode(&untold.list).is_ok_and(|list| {
        // Later lists keep the vault until the next new password.
        list.body().vault_hash == known.list.body().vault_hash && list.body().vault_gen == known.list.body().vault_gen
    });
    Ok(Some(untold).filter(|_| stands))
}

/// Tells the code of a new password whose answer was lost.
pub(in crate::engine) fn tell_code(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    match code_stands(state, work)?.filter(|_| !state.code_told) {
        Some(untold) => {
            state.code_told = true;
            work.reply(command, Reply::PasswordChanged { recovery_code: untold.into_code() });
        }
        None => work.fail(command, FailureKind::NotFound),
    }
    Ok(())
}

/// What was told in an earlier step is out: a kill between storing and telling no longer takes it away.
pub(in crate::engine) fn forget_told(state: &mut State, work: &mut Work<'_>) {
    if std::mem::take(&mut state.code_told) {
        UntoldCode::forget(work);
    }
}

/// Whether a device signed it: a password that never came to be is not made up for.
fn is_a_device_s(signed: &Signed) -> bool {
    DeviceList::decode(&signed.list).is_ok_and(|list| list.signer().is_some())
}

/// Follows the chain from the first list on: a device that joins believes nothing less (SPEC 9.7.1).
fn extend_chain(state: &mut State, work: &mut Work<'_>, lists: &[ByteBuf]) -> bool {
    let Some(relay) = state.relay.map(|pin| pin.id()) else { return false };
    let Some(under_way) = &mut state.undertaking else { return false };
    let Some(account) = under_way.joins() else { return false };
    for bytes in lists {
        let read = DeviceList::decode(bytes).ok();
        let right = |list: &DeviceList| list.body().account_id == account && list.body().relay_id == relay;
        let Some(list) = read.filter(|list| right(list)) else {
            work.trouble(Trouble::ListRefused(account));
            return false;
        };
        let continues = match under_way.chain.last() {
            Some(before) => list.follows(before),
            None => list.body().seq == 1 && list.certifies_itself(),
        };
        if !continues || under_way.chain.len() >= LIST_CHAIN_MAX {
            work.trouble(Trouble::ListRefused(account));
            return false;
        }
        under_way.chain.push(list);
    }
    !under_way.chain.is_empty()
}

/// What had been signed before was sent again: look at the lists once more.
pub(in crate::engine) fn sent_again(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    retry(state, work)
}

/// The account record came.
pub(in crate::engine) fn record_came(
    state: &mut State,
    work: &mut Work<'_>,
    (version, body): (u64, Bytes),
) -> Result<Next, EngineError> {
    if state.me.is_some() {
        let taken = state.take_record(work, (version, &body))?;
        // An older record than the known one was noted as such, and is written over.
        if taken == Taken::Useless && state.exchange_base.is_none() {
            fail(state, work, FailureKind::Timeout);
            return Ok(Next::Wait);
        }
    }
    let Some(under_way) = &mut state.undertaking else { return Ok(Next::Wait) };
    under_way.record = Some((version, body));
    let vault_missing = match &under_way.goal {
        Goal::Remove(_) => true,
        // A password that is not enough opens the vault only after somebody let the device in (SPEC 9.13.1).
        Goal::Join(wanted) => wanted.vault.is_empty(),
        _ => false,
    };
    if vault_missing {
        state.ask(work, Ask::Undertake(Stage::Vault), ClientMessage::GetVault {});
        return Ok(Next::Wait);
    }
    Ok(Next::Change)
}

/// The vault came.
pub(in crate::engine) fn vault_came(state: &mut State, vault: ByteBuf) -> Next {
    let Some(under_way) = &mut state.undertaking else { return Next::Wait };
    let vault = Bytes::from(vault.into_vec());
    match &mut under_way.goal {
        Goal::Join(wanted) => wanted.vault = vault,
        _ => under_way.vault = Some(vault),
    }
    Next::Change
}

/// The relay refused a stage.
pub(in crate::engine) fn refused(
    state: &mut State,
    work: &mut Work<'_>,
    stage: Stage,
    refusal: &Refusal,
) -> Result<(), EngineError> {
    let came_first = matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::BadList);
    if stage == Stage::Again || (stage == Stage::Change && came_first) {
        return retry(state, work);
    }
    end(state, work, &Failure::from(refusal));
    Ok(())
}

/// Once more from the lists on.
fn retry(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let Some(under_way) = &mut state.undertaking else { return Ok(()) };
    under_way.tries = under_way.tries.saturating_add(1);
    if under_way.tries >= UNDERTAKING_TRIES_MAX {
        fail(state, work, FailureKind::Timeout);
        return Ok(());
    }
    if let Some(link) = state.link.as_mut().filter(|link| link.phase == Phase::Entering) {
        link.phase = Phase::Greeted;
    }
    ask_lists(state, work)
}

/// Ends it without a result.
pub(in crate::engine) fn fail(state: &mut State, work: &mut Work<'_>, kind: FailureKind) {
    end(state, work, &Failure::of(kind));
}

fn end(state: &mut State, work: &mut Work<'_>, failure: &Failure) {
    let Some(under_way) = state.undertaking.take() else { return };
    state.awaiting = None;
    if let Some(link) = state.link.as_mut().filter(|link| link.phase == Phase::Entering) {
        link.phase = Phase::Greeted;
    }
    if let Some(command) = under_way.command {
        work.fail_with(command, failure.clone());
    }
}
