//! The stock of prekeys: published after every login without anybody's doing, refilled and renewed
//! (SPEC 6.2.2).

use chat_wire::limits::{ONE_TIME_PAIRS_PER_UPLOAD_MAX, ONE_TIME_PAIRS_STORED_MAX};
use chat_wire::message::ClientMessage;

use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::CommandId;
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;
use crate::engine::memory::me::IndexedPreKey;
use crate::prekey::upkeep::{Dated, Plan, Stock, plan};
use crate::prekey::{self, PrivatePreKey};
use crate::store::Table;
use crate::time::Timestamp;

/// Publishes what is due. `pairs_left` is what the relay still holds, none when only the age counts.
pub(in crate::engine) fn upkeep(
    state: &mut State,
    work: &mut Work<'_>,
    pairs_left: Option<u32>,
    command: Option<CommandId>,
) -> Result<(), EngineError> {
    let full = u32::try_from(ONE_TIME_PAIRS_STORED_MAX).unwrap_or(u32::MAX);
    // Keys of which it is not known whether the relay has them are made and published again.
    let stock = Stock { pairs_left: pairs_left.unwrap_or(full), ..stock(state, |key| key.published) };
    publish(state, work, &plan(&stock, work.now), command)
}

/// The relay stored an upload: go on until it holds as many pairs as it takes.
pub(in crate::engine) fn stored(
    state: &mut State,
    work: &mut Work<'_>,
    (pairs_left, rotated): (u32, bool),
    command: Option<CommandId>,
) -> Result<(), EngineError> {
    if rotated {
        let index = &mut state.prekeys;
        index.signed.iter_mut().chain(&mut index.last_resort).for_each(|key| key.published = true);
        index.save(work)?;
    }
    if let Some(command) = command {
        state.enrolled(work, command);
    }
    let left = usize::try_from(pairs_left).unwrap_or(usize::MAX);
    let new_pairs = ONE_TIME_PAIRS_STORED_MAX.saturating_sub(left).min(ONE_TIME_PAIRS_PER_UPLOAD_MAX);
    publish(state, work, &Plan { new_pairs, ..Plan::default() }, None)
}

/// The mailbox is drained: what expired can't be needed any more.
pub(in crate::engine) fn drained(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let expired = plan(&stock(state, |_| true), work.now).expired;
    if expired.is_empty() {
        return Ok(());
    }
    for id in &expired {
        work.delete(Table::PreKeys, &id.0);
        for (key, _) in work.scan(Table::Replays, &id.0, None, usize::MAX) {
            work.delete(Table::Replays, &key);
        }
    }
    let index = &mut state.prekeys;
    index.signed.retain(|key| !expired.contains(&key.id));
    index.last_resort.retain(|key| !expired.contains(&key.id));
    index.save(work)
}

fn publish(state: &mut State, work: &mut Work<'_>, plan: &Plan, command: Option<CommandId>) -> Result<(), EngineError> {
    let nothing = !plan.new_signed && !plan.new_last_resort && plan.new_pairs == 0;
    if nothing || !state.is_online() {
        if let Some(command) = command {
            state.enrolled(work, command);
        }
        return Ok(());
    }
    let me = state.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let (now, keys) = (work.now, &me.keys);
    let keep = |work: &mut Work<'_>, private: &PrivatePreKey| {
        let id = private.record_key();
        work.put(Table::PreKeys, &id.0, private.encode().to_vec());
        IndexedPreKey { id, created_ms: private.created().as_ms(), uses: 0, published: false }
    };
    let signed = plan.new_signed.then(|| prekey::signed(keys, now, work.rng));
    let last_resort = plan.new_last_resort.then(|| prekey::last_resort(keys, now, work.rng));
    let pairs: Vec<_> = (0..plan.new_pairs).map(|_| prekey::one_time(keys, now, work.rng)).collect();
    for (_, private) in &pairs {
        keep(work, private);
    }
    if let Some((_, private)) = &signed {
        state.prekeys.signed.push(keep(work, private));
    }
    if let Some((_, private)) = &last_resort {
        state.prekeys.last_resort.push(keep(work, private));
    }
    let rotated = plan.new_signed || plan.new_last_resort;
    if rotated {
        state.prekeys.save(work)?;
    }
    let upload = ClientMessage::PutPreKeys {
        signed: signed.map(|(public, _)| public),
        last_resort: last_resort.map(|(public, _)| Box::new(public)),
        pairs: pairs.into_iter().map(|(public, _)| public).collect(),
    };
    state.ask(work, Ask::PreKeys { rotated, command }, upload);
    Ok(())
}

fn stock(state: &State, counts: impl Fn(&IndexedPreKey) -> bool) -> Stock {
    let dated = |keys: &[IndexedPreKey]| {
        let counting = keys.iter().filter(|key| counts(key));
        counting.map(|key| Dated { id: key.id, created: Timestamp::from_ms(key.created_ms), uses: key.uses }).collect()
    };
    Stock { signed: dated(&state.prekeys.signed), last_resort: dated(&state.prekeys.last_resort), pairs_left: u32::MAX }
}
