//! The first packet of a session that somebody starts with us (key-schedule A).
//!
//! Who writes is a claim until the account's own verified list says the same. Lists that are missing
//! are fetched first; nothing is stored before the first message opened.

use chat_wire::ids::{AccountId, PreKeyId};

use super::Outcome;
use crate::engine::context::{Work, read_u64};
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::Trouble;
use crate::engine::limits::{INITIATIONS_PER_MINUTE_MAX, LAST_RESORT_USES_MAX, LAST_RESORT_USES_PER_ACCOUNT_MAX};
use crate::engine::memory::State;
use crate::engine::memory::sessions::{Unsealed, Via, replay_count_key, replay_key};
use crate::identity::Party;
use crate::prekey::PrivatePreKey;
use crate::session::{Accept, AcceptError, IncomingInitiation, InitiationHead, Opened, PreKeyPair, Sid, UsedPreKeys};
use crate::store::Table;

const UNDECRYPTABLE: Outcome = Outcome::Dropped(Trouble::Undecryptable);

/// Both sides as verified lists name them.
struct Parties {
    my: Party,
    peer: Party,
}

pub(super) fn open(state: &mut State, work: &mut Work<'_>, packet: &[u8]) -> Result<Outcome, EngineError> {
    let Ok(head) = InitiationHead::parse(packet) else { return Ok(UNDECRYPTABLE) };
    if head.last_resort() && work.get(Table::Replays, &replay_key(&head.kem(), head.id().as_bytes())).is_some() {
        return Ok(Outcome::Dropped(Trouble::Duplicate));
    }
    let kem_key = if head.last_resort() { Some(head.kem()) } else { head.one_time() };
    let signed = private(work, &head.signed())?;
    let kem = kem_key.map(|id| private(work, &id)).transpose()?.flatten();
    let (Some(signed), Some(kem)) = (signed, kem) else { return Ok(UNDECRYPTABLE) };
    let me = state.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let (own, pair) = (me.address(), PreKeyPair { signed: &signed, kem: &kem });
    let Ok(incoming) = IncomingInitiation::open(packet, &me.keys, &pair) else { return Ok(UNDECRYPTABLE) };
    let from = incoming.claimed().address();
    let number = (incoming.claimed().incarnation(), incoming.session_no());
    if from == own || !state.sessions.is_new(work, &from, number)? {
        return Ok(Outcome::Dropped(Trouble::Duplicate));
    }
    let parties = match verify(state, work, &incoming)? {
        Ok(parties) => parties,
        Err(outcome) => return Ok(outcome),
    };
    let exhausted = head.last_resort() && !has_room(state, work, &head.kem(), &from.account)?;
    if exhausted || !within_rate(state, work, from.account) {
        return Ok(Outcome::Dropped(Trouble::Overflow));
    }
    match accept(state, work, &incoming, &parties)? {
        Some((Opened { content, session }, used, built_on)) => {
            let sid = *session.sid();
            let unanswered = session.unanswered();
            let started = state.sessions.adopt(work, &from, (session, built_on), number)?;
            let live = state.sessions.is_live(work, &from, &sid)?;
            spend(state, work, &used, &head, &from.account)?;
            let via = Via { live, unanswered, unanswered_since: None, started: Some(started) };
            Ok(Outcome::Opened(from, Unsealed { content, via }))
        }
        None => Ok(UNDECRYPTABLE),
    }
}

/// The claim counts only where the account's own verified list says the same; and it was made for a
/// version of our own list.
fn verify(
    state: &mut State,
    work: &Work<'_>,
    incoming: &IncomingInitiation,
) -> Result<Result<Parties, Outcome>, EngineError> {
    let claimed = incoming.claimed();
    let (from, seq, hash) = (claimed.address(), claimed.list_seq(), claimed.list_hash());
    let Some(list) = state.lists.version(work, &from.account, seq)?.filter(|list| list.hash() == hash) else {
        return Ok(Err(Outcome::Needs(from.account, fetch_from(state, work, &from.account, seq)?)));
    };
    let own = state.own_address()?;
    let (my_seq, my_hash) = incoming.my_list();
    let Some(my_list) = state.lists.version(work, &own.account, my_seq)?.filter(|list| list.hash() == my_hash) else {
        return Ok(Err(Outcome::Needs(own.account, fetch_from(state, work, &own.account, my_seq)?)));
    };
    // A device that was removed meanwhile starts nothing any more.
    let is_listed = |known: &crate::engine::memory::lists::Known| known.list.body().device(from.device).is_some();
    let still_listed = state.list_of(work, &from.account)?.as_ref().is_some_and(is_listed);
    let parties = Party::of(&my_list, own.device).zip(Party::of(&list, from.device)).filter(|_| still_listed);
    Ok(parties.map(|(my, peer)| Parties { my, peer }).ok_or(UNDECRYPTABLE))
}

/// Completes the handshake; with the secret of a session that it replaces, if it builds on one.
fn accept(
    state: &mut State,
    work: &Work<'_>,
    incoming: &IncomingInitiation,
    parties: &Parties,
) -> Result<Option<(Opened, UsedPreKeys, Option<Sid>)>, EngineError> {
    let relay = state.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?.relay;
    let psks: Vec<_> = if incoming.uses_psk() {
        let known = state.sessions.psks(work, &parties.peer.address())?.into_iter();
        known.map(|(sid, psk)| (Some(sid), Some(psk))).collect()
    } else {
        vec![(None, None)]
    };
    for (built_on, psk) in psks {
        let accept = Accept { my: &parties.my, peer: &parties.peer, relay, psk, now: work.now };
        match incoming.complete(accept) {
            Ok((opened, used)) => return Ok(Some((opened, used, built_on))),
            Err(AcceptError::Psk) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// From where lists have to be fetched so that a certain version is among them.
fn fetch_from(state: &mut State, work: &Work<'_>, account: &AccountId, seq: u64) -> Result<u64, EngineError> {
    let known = state.list_of(work, account)?.map(|known| known.list.body().seq);
    // A newer one continues what is known; an older one must lead up to it.
    Ok(known.map_or(0, |known| known.min(seq.saturating_sub(1))))
}

/// One-time keys are gone with their first use, in the change that stores the session (SPEC 6.1.2); a
/// last-resort key remembers who used it.
fn spend(
    state: &mut State,
    work: &mut Work<'_>,
    used: &UsedPreKeys,
    head: &InitiationHead,
    account: &AccountId,
) -> Result<(), EngineError> {
    if let Some(id) = &used.one_time {
        work.delete(Table::PreKeys, &id.0);
    }
    let Some(id) = &used.last_resort else { return Ok(()) };
    if let Some(key) = state.prekeys.last_resort.iter_mut().find(|key| key.id == *id) {
        key.uses = key.uses.saturating_add(1);
        state.prekeys.save(work)?;
    }
    work.put(Table::Replays, &replay_key(id, head.id().as_bytes()), Vec::new());
    let count = uses_of(work, id, account)?.saturating_add(1);
    work.put(Table::Replays, &replay_count_key(id, account), count.to_be_bytes().to_vec());
    Ok(())
}

/// Whether the replay record of a last-resort key takes one more: full means closed.
fn has_room(state: &State, work: &Work<'_>, id: &PreKeyId, account: &AccountId) -> Result<bool, EngineError> {
    let all = state.prekeys.last_resort.iter().find(|key| key.id == *id).map_or(0, |key| key.uses);
    Ok(all < LAST_RESORT_USES_MAX && uses_of(work, id, account)? < LAST_RESORT_USES_PER_ACCOUNT_MAX)
}

fn uses_of(work: &Work<'_>, id: &PreKeyId, account: &AccountId) -> Result<u64, EngineError> {
    read_u64(Table::Replays, work.get(Table::Replays, &replay_count_key(id, account)))
}

fn private(work: &Work<'_>, id: &PreKeyId) -> Result<Option<PrivatePreKey>, EngineError> {
    let bytes = work.get(Table::PreKeys, &id.0).map(zeroize::Zeroizing::new);
    let read = |bytes: zeroize::Zeroizing<Vec<u8>>| PrivatePreKey::decode(&bytes);
    bytes.map(read).transpose().map_err(|_| EngineError::Store { table: Table::PreKeys })
}

fn within_rate(state: &mut State, work: &Work<'_>, account: AccountId) -> bool {
    let minute = |since: crate::time::Timestamp| work.now.ms_since(since) < 60_000;
    let counts = &mut state.parcels.initiations;
    counts.retain(|_, (since, _)| minute(*since));
    let (_, count) = counts.entry(account).or_insert((work.now, 0));
    *count = count.saturating_add(1);
    *count <= INITIATIONS_PER_MINUTE_MAX
}
