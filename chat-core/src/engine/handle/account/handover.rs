//! The history goes from one own device to another (SPEC 9.12): the new one asks, the person or the setting allows,
//! and the new one pulls part after part, the newest first. Each side keeps what it needs to go on after a restart.
//!
//! ```text
//! new ──HistoryAsk──▶ old: DeviceAsks ──▶ the person ──▶ allowed ──▶ HistoryWanted ──▶ the store
//! new ◀─HistoryPart── old ◀───────────────────────── GiveHistory ◀───────────────────────┘
//!   └──HistoryAsk (further back)──▶ …
//! ```

use std::collections::BTreeSet;

use chat_wire::ids::{DeviceAddress, DeviceId};
use serde_bytes::{ByteArray, ByteBuf};

use crate::archive::decode_rows;
use crate::engine::content::{Content, HistoryAsk, HistoryPart, HistoryRefusal};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, Event, FailureKind, HistoryPiece, HistoryProgress, NoticeKind, Reply};
use crate::engine::memory::State;
use crate::engine::memory::handover::{Fetching, Verdict, Wish, Wishes};
use crate::store::HistoryChange;

/// Asks the other devices of the account for the history.
pub(in crate::engine) fn ask(state: &mut State, work: &mut Work<'_>, command: CommandId) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    let waiting = others(state, work)?;
    if waiting.is_empty() {
        work.fail(command, FailureKind::NotFound);
        return Ok(());
    }
    let token = ByteArray::new(work.random());
    let fetching = Fetching { token, waiting, from: None, before: None, done: 0 };
    fetching.save(work)?;
    work.reply(command, Reply::Done);
    work.event(Event::HistoryProgress(HistoryProgress::Asked));
    ask_on(state, work, &fetching)
}

/// Gives the wish up; what came stays.
pub(in crate::engine) fn cancel(state: &State, work: &mut Work<'_>, command: CommandId) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
    } else if Fetching::load(work)?.is_some() {
        Fetching::end(work);
        work.reply(command, Reply::Done);
    } else {
        work.fail(command, FailureKind::NotFound);
    }
    Ok(())
}

fn ask_on(state: &mut State, work: &mut Work<'_>, fetching: &Fetching) -> Result<(), EngineError> {
    let content = Content::HistoryAsk(HistoryAsk { token: fetching.token, before: fetching.before });
    let to: Vec<u32> = fetching.from.map_or_else(|| fetching.waiting.iter().copied().collect(), |from| vec![from]);
    let account = state.own_address()?.account;
    for device in to {
        state.errand(work, DeviceAddress { account, device: DeviceId(device) }, &content)?;
    }
    Ok(())
}

/// The live devices of the account but this one.
fn others(state: &mut State, work: &Work<'_>) -> Result<BTreeSet<u32>, EngineError> {
    let own = state.own_address()?;
    let known = state.list_of(work, &own.account)?;
    let devices = known.iter().flat_map(|known| known.list.body().live_devices());
    Ok(devices.map(|device| device.id.0).filter(|id| *id != own.device.0).collect())
}

/// This device is online: what was under way goes on (SPEC 9.12.3).
pub(in crate::engine) fn go_on(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if let Some(fetching) = Fetching::load(work)? {
        ask_on(state, work, &fetching)?;
    }
    for (device, wish) in Wishes::load(work)?.by_device {
        if wish.waits && wish.verdict == Verdict::Granted {
            work.event(Event::HistoryWanted { device: DeviceId(device), before: wish.before });
        }
    }
    Ok(())
}

/// An own device wants the history.
pub(in crate::engine) fn asked(
    state: &mut State,
    work: &mut Work<'_>,
    (from, wanted): (DeviceId, HistoryAsk),
) -> Result<(), EngineError> {
    let mut wishes = Wishes::load(work)?;
    let listed = others(state, work)?;
    wishes.by_device.retain(|device, _| listed.contains(device));
    let HistoryAsk { token, before } = wanted;
    let known = wishes.by_device.get(&from.0).filter(|wish| wish.token == token).map(|wish| wish.verdict);
    let verdict = known.unwrap_or(if state.profile.share_history { Verdict::Granted } else { Verdict::Open });
    match verdict {
        Verdict::Granted => work.event(Event::HistoryWanted { device: from, before }),
        Verdict::Refused => refuse(state, work, from, token)?,
        Verdict::Open if known.is_none() => {
            let name = state.shared.devices.get(&from.0).and_then(|device| device.name.value.clone());
            work.notice(NoticeKind::DeviceAsks { device: from, name })?;
        }
        Verdict::Open => {}
    }
    wishes.by_device.insert(from.0, Wish { token, verdict, before, waits: verdict == Verdict::Granted });
    wishes.save(work)
}

/// The person decides about a device's wish (SPEC 9.12.1).
pub(in crate::engine) fn answer(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (device, allow): (DeviceId, bool),
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    let mut wishes = Wishes::load(work)?;
    let Some(wish) = wishes.by_device.get_mut(&device.0) else {
        work.fail(command, FailureKind::NotFound);
        return Ok(());
    };
    (wish.verdict, wish.waits) = if allow { (Verdict::Granted, true) } else { (Verdict::Refused, false) };
    let (token, before) = (wish.token, wish.before);
    wishes.save(work)?;
    if allow {
        work.event(Event::HistoryWanted { device, before });
    } else {
        refuse(state, work, device, token)?;
    }
    work.reply(command, Reply::Done);
    Ok(())
}

fn refuse(
    state: &mut State,
    work: &mut Work<'_>,
    device: DeviceId,
    token: crate::engine::content::Token,
) -> Result<(), EngineError> {
    let account = state.own_address()?.account;
    state.errand(work, DeviceAddress { account, device }, &Content::HistoryRefusal(HistoryRefusal { token }))
}

/// Whether wishes are granted without a question.
pub(in crate::engine) fn set_sharing(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    share: bool,
) -> Result<(), EngineError> {
    if !state.is_logged_in() {
        work.fail(command, FailureKind::NotLoggedIn);
        return Ok(());
    }
    state.profile.share_history = share;
    state.profile.save(work)?;
    work.reply(command, Reply::Done);
    Ok(())
}

/// The store has a part ready.
pub(in crate::engine) fn give(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    piece: HistoryPiece,
) -> Result<(), EngineError> {
    work.reply(command, Reply::Done);
    let HistoryPiece { device, before, rows, next, left } = piece;
    let mut wishes = Wishes::load(work)?;
    let due = |wish: &&mut Wish| wish.waits && wish.verdict == Verdict::Granted && wish.before == before;
    let Some(wish) = wishes.by_device.get_mut(&device.0).filter(due) else { return Ok(()) };
    let token = wish.token;
    wish.waits = false;
    wishes.save(work)?;
    let account = state.own_address()?.account;
    let part = HistoryPart { token, before, rows: ByteBuf::from(rows), next, left };
    state.errand(work, DeviceAddress { account, device }, &Content::HistoryPart(Box::new(part)))
}

/// A part of the history came.
pub(in crate::engine) fn came(
    state: &mut State,
    work: &mut Work<'_>,
    (from, part): (DeviceId, HistoryPart),
) -> Result<(), EngineError> {
    let Some(mut fetching) = Fetching::load(work)? else { return Ok(()) };
    let due = fetching.token == part.token
        && fetching.before == part.before
        && fetching.from.is_none_or(|giver| giver == from.0);
    // SPEC 9.12.2: a second giver, a repeat, or rows that are none: passed over.
    let Some(messages) = due.then(|| decode_rows(&part.rows).ok()).flatten() else { return Ok(()) };
    let count = u64::try_from(messages.len()).unwrap_or(u64::MAX);
    let left = part.left.saturating_sub(count);
    fetching.done = fetching.done.saturating_add(count);
    let (done, total) = (fetching.done, fetching.done.saturating_add(left));
    if !messages.is_empty() {
        work.history(HistoryChange::Import(messages));
    }
    // Only ever further back: a giver that turns in circles ends it.
    let next = part.next.filter(|next| fetching.before.is_none_or(|before| *next < before));
    (fetching.from, fetching.before) = (Some(from.0), next);
    if next.is_none() {
        Fetching::end(work);
        work.event(Event::HistoryProgress(HistoryProgress::Done { messages: done }));
        return Ok(());
    }
    fetching.save(work)?;
    work.event(Event::HistoryProgress(HistoryProgress::Coming { done, total }));
    ask_on(state, work, &fetching)
}

/// A device does not give it.
pub(in crate::engine) fn refused(
    work: &mut Work<'_>,
    (from, refusal): (DeviceId, &HistoryRefusal),
) -> Result<(), EngineError> {
    let Some(mut fetching) = Fetching::load(work)?.filter(|fetching| fetching.token == refusal.token) else {
        return Ok(());
    };
    fetching.waiting.remove(&from.0);
    let over = match fetching.from {
        Some(giver) => giver == from.0,
        None => fetching.waiting.is_empty(),
    };
    if over {
        Fetching::end(work);
        work.event(Event::HistoryProgress(HistoryProgress::Refused));
        return Ok(());
    }
    fetching.save(work)
}
