//! Answers that say whom a name means or which devices an account has.
//!
//! A relay can forge one binding only: which account a name leads to, at first sight. So the name must
//! stand in the account's own signed list, and from then on the account is pinned.

use std::collections::BTreeSet;

use chat_wire::bundle::PreKeyBundle;
use chat_wire::device_list::DeviceList;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::{AccountId, UserName};
use chat_wire::limits::LISTS_PER_ANSWER_MAX;
use chat_wire::message::{ClientMessage, FoundUser};
use serde_bytes::ByteBuf;

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{Failure, FailureKind, Trouble};
use crate::engine::limits::{RETRY_MS_MAX, RETRY_MS_MIN, UNPUBLISHED_MS_MAX};
use crate::engine::memory::State;
use crate::engine::memory::asks::{Ask, ListsAfter};
use crate::engine::memory::lists::Offer;
use crate::engine::memory::names::Want;
use crate::identity::Party;
use crate::prekey::VerifiedBundle;

/// A name is known now: whom it means, and the commands that waited for it.
pub(in crate::engine) struct Resolved {
    pub(in crate::engine) account: AccountId,
    pub(in crate::engine) wants: Vec<Want>,
}

/// Bundles of a name came.
pub(in crate::engine) fn name_claimed(
    state: &mut State,
    work: &mut Work<'_>,
    name: &UserName,
    (list, bundles): (&[u8], &[PreKeyBundle]),
) -> Result<Option<Resolved>, EngineError> {
    let account = match DeviceList::decode(list) {
        // The relay may answer with whatever it likes; only a list that itself bears the name counts.
        Ok(read) if read.body().name == *name => read.body().account_id,
        _ => return Ok(fail(state, work, name, &Failure::of(FailureKind::Integrity))),
    };
    match state.take_current_list(work, &account, list)? {
        Offer::Refused | Offer::Forked => Ok(fail(state, work, name, &Failure::of(FailureKind::Integrity))),
        Offer::Gap { after_seq } => {
            state.names.fetch(account, name.clone());
            state.fetch_lists(work, account, after_seq);
            Ok(None)
        }
        Offer::Same | Offer::Older | Offer::First | Offer::Newer(_) => {
            keep_bundles(state, work, &account, bundles)?;
            settle(state, work, account, name)
        }
    }
}

/// A search for whom a name leads to came back: its lists decide.
pub(in crate::engine) fn name_found(state: &mut State, work: &mut Work<'_>, name: &UserName, users: &[FoundUser]) {
    match users.iter().find(|user| user.name == *name) {
        Some(user) => {
            state.names.fetch(user.account, name.clone());
            state.fetch_lists(work, user.account, 0);
        }
        None => {
            fail(state, work, name, &Failure::of(FailureKind::UnknownUser));
        }
    }
}

/// A name could not be looked up.
pub(in crate::engine) fn name_refused(state: &mut State, work: &mut Work<'_>, name: &UserName, refusal: &Refusal) {
    fail(state, work, name, &Failure::from(refusal));
}

/// Lists of an account came.
pub(in crate::engine) fn lists_came(
    state: &mut State,
    work: &mut Work<'_>,
    asked: ListsAfter,
    lists: &[ByteBuf],
) -> Result<Option<Resolved>, EngineError> {
    let account = asked.account;
    let sound = state.take_lists(work, &account, lists)?;
    let newest = state.list_of(work, &account)?.map(|known| known.list.body().seq);
    if let Some(after_seq) = newest.filter(|_| sound && lists.len() >= LISTS_PER_ANSWER_MAX) {
        // A long chain comes in pieces.
        if let Some(wanted) = state.parcels.waits_for.as_mut().filter(|wanted| asked.covers(wanted)) {
            wanted.seq = after_seq;
        }
        state.fetch_lists(work, account, after_seq);
        return Ok(None);
    }
    after_lists(state, work, asked, sound)
}

/// Lists of an account did not come.
pub(in crate::engine) fn lists_refused(
    state: &mut State,
    work: &mut Work<'_>,
    asked: ListsAfter,
    refusal: &Refusal,
) -> Result<Option<Resolved>, EngineError> {
    let account = asked.account;
    if let Some(name) = state.names.fetched(&account) {
        fail(state, work, &name, &Failure::from(refusal));
    }
    let for_now = matches!(refusal.kind, RefusalKind::RateLimited | RefusalKind::Unavailable);
    if for_now && state.parcels.waits_for.is_some_and(|wanted| asked.covers(&wanted)) {
        // Mail is not given up because the relay is busy.
        let wait_ms = refusal.retry_ms.clamp(RETRY_MS_MIN, RETRY_MS_MAX);
        state.parcels.retry_at = Some(work.now.plus_ms(wait_ms));
        return Ok(None);
    }
    after_lists(state, work, asked, false)
}

/// Whoever waits for an account's lists looks again.
fn after_lists(
    state: &mut State,
    work: &mut Work<'_>,
    asked: ListsAfter,
    sound: bool,
) -> Result<Option<Resolved>, EngineError> {
    let (now, account) = (work.now, asked.account);
    if state.parcels.waits_for.take_if(|wanted| asked.covers(wanted)).is_some() {
        state.parcels.fetched = true;
    }
    state.queue.release_asking();
    if !sound && state.queue.peek(&account).is_some() {
        state.queue.lane(account).back_off(now, 0);
    }
    let Some(name) = state.names.fetched(&account) else { return Ok(None) };
    let bears = state.list_of(work, &account)?.is_some_and(|known| known.list.body().name == name);
    if sound && bears {
        settle(state, work, account, &name)
    } else {
        Ok(fail(state, work, &name, &Failure::of(FailureKind::Integrity)))
    }
}

fn settle(
    state: &mut State,
    work: &mut Work<'_>,
    account: AccountId,
    name: &UserName,
) -> Result<Option<Resolved>, EngineError> {
    if !state.people.meet(work, account, name)? {
        return Ok(fail(state, work, name, &Failure::of(FailureKind::KeyChanged)));
    }
    Ok(Some(Resolved { account, wants: state.names.take(name) }))
}

fn fail(state: &mut State, work: &mut Work<'_>, name: &UserName, failure: &Failure) -> Option<Resolved> {
    for want in state.names.take(name) {
        work.fail_with(want.command(), failure.clone());
    }
    None
}

/// Bundles for a lane came. A device without one is left out for a while.
pub(in crate::engine) fn claimed(
    state: &mut State,
    work: &mut Work<'_>,
    (lane, of): (AccountId, AccountId),
    (list, bundles): (&[u8], &[PreKeyBundle]),
) -> Result<(), EngineError> {
    let now = work.now;
    let offer = state.take_current_list(work, &of, list)?;
    if let Offer::Gap { after_seq } = offer {
        state.fetch_lists(work, of, after_seq);
        return Ok(());
    }
    keep_bundles(state, work, &of, bundles)?;
    // Also a lane that was to wait because an earlier claim was refused: what it lacks may have come for an errand.
    state.queue.lane(lane).succeeded();
    state.queue.release_asking();
    let Some(audience) = state.audience(work, &lane)? else { return Ok(()) };
    for device in state.missing(work, &audience)?.into_iter().filter(|device| device.account == of) {
        // A listed device without prekeys can't be written to; the others need not wait for it.
        state.bundles.leave_out(device, now.plus_ms(UNPUBLISHED_MS_MAX));
    }
    Ok(())
}

/// Bundles for a lane did not come.
pub(in crate::engine) fn claim_refused(state: &mut State, work: &Work<'_>, lane: AccountId, refusal: &Refusal) {
    state.queue.release_asking();
    let at_least = if refusal.kind == RefusalKind::RateLimited { refusal.retry_ms } else { 0 };
    state.queue.lane(lane).back_off(work.now, at_least);
}

/// Keeps bundles whose device is in the verified list and signed them (SPEC 6.3.2).
fn keep_bundles(
    state: &mut State,
    work: &mut Work<'_>,
    account: &AccountId,
    bundles: &[PreKeyBundle],
) -> Result<(), EngineError> {
    let Some(known) = state.list_of(work, account)? else { return Ok(()) };
    let mut taken = BTreeSet::new();
    for bundle in bundles {
        let party = Party::of(&known.list, bundle.owner.device).filter(|party| party.address() == bundle.owner);
        let verified = party.and_then(|party| VerifiedBundle::verify(bundle, &party).ok());
        match verified {
            Some(verified) if taken.insert(bundle.owner) => state.bundles.keep(bundle.owner, verified),
            _ => work.trouble(Trouble::BundleRefused(*account)),
        }
    }
    Ok(())
}

/// Looks up whom a name means without claiming keys.
pub(in crate::engine) fn look_up(state: &mut State, work: &mut Work<'_>, name: UserName, want: Want) {
    let command = want.command();
    if !state.is_online() {
        let kind = if state.relay_refused { FailureKind::Integrity } else { FailureKind::Offline };
        return work.fail(command, kind);
    }
    match state.names.wait(&name, want) {
        Some(true) => {
            let find = ClientMessage::Find { query: name.to_string(), limit: 1 };
            state.ask(work, Ask::FindName(name), find);
        }
        Some(false) => {}
        None => work.fail(command, FailureKind::RateLimited),
    }
}
