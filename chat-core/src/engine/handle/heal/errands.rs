//! The way of what goes to one device only: sealed in its session, sent until the relay has it.

use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::RequestKey;
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::limits::{ERRAND_RETRY_MS, PACKETS_PER_SEND_MAX, SEND_BYTES_MAX};
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;
use crate::engine::memory::errands::{Trip, load_errand, load_trip};
use crate::engine::memory::fanout::Packets;
use crate::engine::memory::me;
use crate::identity::Party;

/// Sends what can be sent now.
pub(in crate::engine) fn pump(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if state.errands.lines.is_empty() || !state.is_online() || state.renewal.is_some() || !state.is_listed(work)? {
        return Ok(());
    }
    let now = work.now;
    let ready = |line: &crate::engine::memory::errands::Line| line.trip.is_none() && !line.waiting.is_empty();
    let lines: Vec<_> = state.errands.lines.iter().filter(|(_, line)| ready(line)).map(|(to, _)| *to).collect();
    for to in lines {
        if !state.may_heal(work, &to)? {
            // Somebody who is no contact any more, or a device that is no longer listed.
            state.errands.give_up(work, &to);
            continue;
        }
        let known = state.list_of(work, &to.account)?;
        let Some(party) = known.and_then(|known| Party::of(&known.list, to.device)) else { continue };
        if state.sessions.can_seal(work, &party)? || state.bundles.has(&to) {
            depart(state, work, &party)?;
            continue;
        }
        let held = state.errands.line(to).hold.is_some_and(|until| until > now);
        if !held && !state.asks.any(|ask| matches!(ask, Ask::Claim { of, .. } if *of == to.account)) {
            state.errands.line(to).hold = Some(now.plus_ms(ERRAND_RETRY_MS));
            let message = ClientMessage::Claim { account: Some(to.account), name: None, devices: vec![to.device] };
            state.ask(work, Ask::Claim { lane: to.account, of: to.account }, message);
        }
    }
    Ok(())
}

/// Seals what waits for a device, as much as one send takes, and stores it before it leaves.
fn depart(state: &mut State, work: &mut Work<'_>, party: &Party) -> Result<(), EngineError> {
    let to = party.address();
    let gossip = state.gossip(work, &to.account)?;
    let (mut contents, mut covers, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
    let waiting: Vec<u64> = state.errands.line(to).waiting.iter().copied().take(PACKETS_PER_SEND_MAX).collect();
    for number in waiting {
        let errand = load_errand(work, number)?;
        bytes = bytes.saturating_add(errand.message.body.len());
        if bytes > SEND_BYTES_MAX && !covers.is_empty() {
            break;
        }
        covers.push(number);
        contents.push(gossip.wrap(errand.message)?);
    }
    let mut packets = Packets::default();
    state.seal_for(work, party, &contents, &mut packets)?;
    if packets.heads.is_empty() {
        state.errands.line(to).hold = Some(work.now.plus_ms(ERRAND_RETRY_MS));
        return Ok(());
    }
    let lengths = packets.heads.iter().map(|head| head.len).collect();
    let step = me::raise_step(work, 0)?;
    let trip = Trip { to, key: RequestKey(work.random()), step, lengths, covers, body: ByteBuf::from(packets.body) };
    let number = state.errands.launch(work, &trip)?;
    state.transmit_trip(work, number, trip)
}

/// The time of some has come.
pub(in crate::engine) fn retry(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if !state.is_online() {
        return Ok(());
    }
    let now = work.now;
    resend(state, work, |hold| hold.is_some_and(|until| until <= now))?;
    for line in state.errands.lines.values_mut() {
        line.hold = line.hold.filter(|until| *until > now);
    }
    Ok(())
}

fn resend(
    state: &mut State,
    work: &mut Work<'_>,
    due: impl Fn(Option<crate::time::Timestamp>) -> bool,
) -> Result<(), EngineError> {
    let lines = state.errands.lines.values().filter(|line| due(line.hold));
    let trips: Vec<u64> = lines.filter_map(|line| line.trip).collect();
    for number in trips {
        if !state.asks.any(|ask| *ask == Ask::Errand(number)) {
            let trip = load_trip(work, number)?;
            state.transmit_trip(work, number, trip)?;
        }
    }
    Ok(())
}

/// The relay holds a trip.
pub(in crate::engine) fn accepted(state: &mut State, work: &mut Work<'_>, number: u64) -> Result<(), EngineError> {
    state.errands.land(work, number).map(|_| ())
}

/// The relay did not take a trip.
pub(in crate::engine) fn refused(
    state: &mut State,
    work: &mut Work<'_>,
    number: u64,
    refusal: &Refusal,
) -> Result<(), EngineError> {
    match refusal.kind {
        RefusalKind::RateLimited | RefusalKind::Unavailable | RefusalKind::MailboxFull => {
            let trip = Trip { step: 0, ..load_trip(work, number)? };
            trip.save(work, number)?;
            let wait_ms = refusal.retry_ms.max(ERRAND_RETRY_MS);
            state.errands.line(trip.to).hold = Some(work.now.plus_ms(wait_ms));
            Ok(())
        }
        RefusalKind::Conflict => state.overtaken(work),
        // The device is gone, or can't be written to.
        _ => accepted(state, work, number),
    }
}
