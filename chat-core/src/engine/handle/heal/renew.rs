//! A new incarnation after the store was found to be an old copy (SPEC 7.2.4): the relay takes one more
//! list, then fresh keys are published, and everybody who talks to this device hears of it.

use chat_wire::device_list::DeviceList;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::{AccountId, DeviceAddress};
use chat_wire::message::ClientMessage;

use crate::engine::content::Content;
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::Trouble;
use crate::engine::limits::RENEWALS_REFUSED_MAX;
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;
use crate::engine::memory::kept;
use crate::engine::memory::renewal::Renewal;
use crate::engine::memory::streams::{self, PeerStream};

/// Signs and sends the list once the newest own one is known. `true` when the device has just been
/// renewed and its keys are to be published.
pub(in crate::engine) fn pump(state: &mut State, work: &mut Work<'_>) -> Result<bool, EngineError> {
    if !state.is_online() || state.asks.any(|ask| *ask == Ask::Renew) {
        return Ok(false);
    }
    if state.renewal.is_none() && state.is_outlived(work)? {
        state.renew(work)?;
    }
    let Some(renewal) = state.renewal.clone() else { return Ok(false) };
    let own = state.own_address()?;
    let Some(known) = state.list_of(work, &own.account)? else { return Ok(false) };
    let known_seq = known.list.body().seq;
    let relay_seq = state.link.as_ref().and_then(|link| link.entry).map_or(0, |entry| entry.list_seq);
    if relay_seq > known_seq && renewal.refusals < RENEWALS_REFUSED_MAX {
        // The list after the newest is signed, not one after an old copy's.
        if !state.asks.any(|ask| matches!(ask, Ask::Lists(asked) if asked.account == own.account)) {
            note_refusal(state, work, renewal)?;
            state.fetch_lists(work, own.account, known_seq);
        }
        return Ok(false);
    }
    let listed = known.list.body().live_devices().find(|device| device.id == own.device).map(|d| d.incarnation);
    let Some(listed) = listed.filter(|_| renewal.refusals < RENEWALS_REFUSED_MAX) else {
        // Not listed, or the relay takes nothing: on with fresh sessions alone.
        return finish(state, work).map(|()| true);
    };
    let signed = match renewal.signed {
        // The answer was lost: the list stands.
        Some(signed) if signed.seq == known_seq && signed.incarnation == listed => {
            state.renewed(work, &signed)?;
            return finish(state, work).map(|()| true);
        }
        Some(signed) if DeviceList::decode(&signed.list).is_ok_and(|list| list.follows(&known.list)) => signed,
        _ => state.sign_renewal(work, &known.list)?,
    };
    let renewal = Renewal { signed: Some(signed.clone()), refusals: renewal.refusals };
    renewal.save(work)?;
    state.renewal = Some(renewal);
    state.ask(work, Ask::Renew, ClientMessage::PutDeviceList { list: signed.list, vault: None });
    Ok(false)
}

/// The relay has the list.
pub(in crate::engine) fn stored(state: &mut State, work: &mut Work<'_>) -> Result<bool, EngineError> {
    let Some(signed) = state.renewal.as_ref().and_then(|renewal| renewal.signed.clone()) else { return Ok(false) };
    let account = state.own_address()?.account;
    state.take_list(work, &account, &signed.list)?;
    state.renewed(work, &signed)?;
    finish(state, work).map(|()| true)
}

/// The relay did not take the list: another one came first, or it knows a newer one.
pub(in crate::engine) fn refused(state: &mut State, work: &mut Work<'_>, refusal: &Refusal) -> Result<(), EngineError> {
    let Some(renewal) = state.renewal.clone() else { return Ok(()) };
    let account = state.own_address()?.account;
    let known_seq = state.list_of(work, &account)?.map_or(0, |known| known.list.body().seq);
    note_refusal(state, work, renewal)?;
    if refusal.kind == RefusalKind::Conflict {
        state.fetch_lists(work, account, known_seq);
    }
    Ok(())
}

fn note_refusal(state: &mut State, work: &mut Work<'_>, mut renewal: Renewal) -> Result<(), EngineError> {
    renewal.refusals = renewal.refusals.saturating_add(1);
    renewal.save(work)?;
    state.renewal = Some(renewal);
    Ok(())
}

/// Tells own devices and contacts by fresh sessions, and asks for what was lost.
fn finish(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if state.renewal.is_some() {
        work.trouble(Trouble::RelayBroken);
        state.end_renewal(work);
        streams::jump(work, &state.own_address()?)?;
    }
    state.place_anew(work)?;
    kept::trim(work);
    let own = state.own_address()?;
    let mutual = state.people.iter().filter(|(_, person)| person.is_mutual()).map(|(account, _)| *account);
    let accounts: Vec<AccountId> = mutual.chain([own.account]).collect();
    for account in accounts {
        let Some(known) = state.list_of(work, &account)? else { continue };
        for device in known.list.body().live_devices().map(|listed| listed.id) {
            let to = DeviceAddress { account, device };
            if to == own {
                continue;
            }
            let stream = PeerStream::load(work, &account, &to)?;
            state.errand(work, to, &Content::Resend(stream.lacking()))?;
        }
    }
    Ok(())
}
