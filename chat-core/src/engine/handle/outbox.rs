//! Own messages: queued at once, sealed when the connection allows it, sent until the relay has them.

use chat_wire::device_list::DeviceList;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::{AccountId, MessageId, UserName};
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;

use crate::engine::content::{Content, Identified};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, Conversation, FailureKind, MessageStatus, Reply, Trouble};
use crate::engine::limits::{PACKETS_PER_SEND_MAX, SEND_BYTES_MAX, UNPUBLISHED_MS_MAX};
use crate::engine::memory::State;
use crate::engine::memory::asks::Ask;
use crate::engine::memory::fanout::{Audience, Cargo};
use crate::engine::memory::kept;
use crate::engine::memory::lists::Offer;
use crate::engine::memory::names::{Draft, Want};
use crate::engine::memory::queue::{Flight, Hold, Outgoing};
use crate::engine::memory::streams::{OwnStream, sent_key};
use crate::store::Table;

/// A person sends a text or a file. A name that was never resolved is looked up first.
pub(in crate::engine) fn send(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    to: &str,
    draft: Draft,
) -> Result<(), EngineError> {
    if let Some(kind) = draft.refusal() {
        work.fail(command, kind);
        return Ok(());
    }
    match addressee(state, work, to, Want::Send(command, draft)) {
        Some((account, Want::Send(command, draft))) => write(state, work, command, account, draft),
        _ => Ok(()),
    }
}

/// Whom a conversation's name means, with the wish again. None when the command was answered, or waits
/// for the name to be looked up.
pub(in crate::engine) fn addressee(
    state: &mut State,
    work: &mut Work<'_>,
    to: &str,
    want: Want,
) -> Option<(AccountId, Want)> {
    let command = want.command();
    let mut fail = |kind| {
        work.fail(command, kind);
        None
    };
    if !state.is_logged_in() {
        return fail(FailureKind::NotLoggedIn);
    }
    if to.starts_with('#') {
        return fail(FailureKind::UnknownRoom);
    }
    let Ok(name) = UserName::parse(to) else { return fail(FailureKind::InvalidParams) };
    let own = state.me.as_ref().filter(|me| me.name == name).map(|me| me.account());
    if let Some(account) = own.or_else(|| state.people.account_of(&name)) {
        return Some((account, want));
    }
    if !state.is_online() {
        return fail(if state.relay_refused { FailureKind::Integrity } else { FailureKind::Offline });
    }
    match state.names.wait(&name, want) {
        Some(true) => {
            let claim = ClientMessage::Claim { account: None, name: Some(name.clone()), devices: Vec::new() };
            state.ask(work, Ask::ClaimName(name), claim);
        }
        Some(false) => {}
        None => work.fail(command, FailureKind::RateLimited),
    }
    None
}

/// Queues a text or a file to an account that is known.
pub(in crate::engine) fn write(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    account: AccountId,
    draft: Draft,
) -> Result<(), EngineError> {
    let repeatable = draft.repeatable(&account.0);
    if repeatable.as_ref().map_or(Ok(false), |repeatable| repeatable.answers(work, command))? {
        return Ok(());
    }
    if let Some(kind) = state.keeps_from_writing(&account) {
        work.fail(command, kind);
        return Ok(());
    }
    // Writing to somebody accepts; a declined one as well.
    state.accept(work, account)?;
    let id = if state.own_address()?.account == account {
        note_to_self(state, work, account, draft)?
    } else {
        let content = draft.into_content();
        let message = state.post(work, account, &content)?;
        record(state, work, account, (message.id, content), MessageStatus::Queued)?;
        message.id
    };
    let timestamp_ms = work.now.as_ms();
    if let Some(repeatable) = repeatable {
        repeatable.save(work, id)?;
    }
    work.reply(command, Reply::Queued { id, timestamp_ms });
    Ok(())
}

/// A note to oneself goes to the own other devices; without any it has arrived already.
fn note_to_self(
    state: &mut State,
    work: &mut Work<'_>,
    account: AccountId,
    draft: Draft,
) -> Result<MessageId, EngineError> {
    let alone = state.is_only_device(work)?;
    let content = draft.into_content();
    state.announce_conversation(work, account);
    if !alone {
        let message = state.post(work, account, &content)?;
        record(state, work, account, (message.id, content), MessageStatus::Queued)?;
        return Ok(message.id);
    }
    let id = state.compose(work, &account, &content)?.message.id;
    record(state, work, account, (id, content), MessageStatus::Read)?;
    state.announce_status(work, &account, id, MessageStatus::Read);
    Ok(id)
}

/// Puts an own message into the history.
fn record(
    state: &mut State,
    work: &mut Work<'_>,
    account: AccountId,
    message: (MessageId, Content),
    status: MessageStatus,
) -> Result<(), EngineError> {
    let Some(name) = state.name_of(&account) else { return Ok(()) };
    state.enter_own(work, (Conversation::Direct(account), name.to_string()), message, status)
}

/// Seals and sends whatever can be sent now.
pub(in crate::engine) fn pump(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if !state.is_online() || state.renewal.is_some() || !state.is_listed(work)? {
        return Ok(());
    }
    for account in state.queue.take_ready() {
        flush(state, work, account)?;
    }
    Ok(())
}

/// One lane: checks what is needed to seal, asks for what is missing, or sends the next batch.
fn flush(state: &mut State, work: &mut Work<'_>, account: AccountId) -> Result<(), EngineError> {
    let Some(lane) = state.queue.peek(&account) else { return Ok(()) };
    let receipt_due = lane.receipt_at.is_some_and(|at| at <= work.now);
    let idle = lane.waiting.is_empty() && !receipt_due;
    if idle || lane.flight.is_some() || lane.hold != Hold::Free {
        return Ok(());
    }
    if state.people.get(&account).is_some_and(|person| person.is_doubtful()) {
        return Ok(());
    }
    let Some(audience) = state.audience(work, &account)? else {
        state.queue.lane(account).hold = Hold::Asking;
        state.fetch_lists(work, account, 0);
        return Ok(());
    };
    if state.lists.warns_of(work, &account)? {
        // SPEC 5.4.3: it warns, and goes on.
        work.trouble(Trouble::ListExpired(account));
    }
    if let Some(seq) = audience.outdated {
        state.queue.lane(account).hold = Hold::Asking;
        state.fetch_lists(work, account, seq);
        return Ok(());
    }
    if !audience.reaches_somebody() {
        // Perhaps a later list names a device, or the device publishes its keys.
        let now = work.now;
        state.queue.lane(account).back_off(now, UNPUBLISHED_MS_MAX);
        return Ok(());
    }
    let missing = state.missing(work, &audience)?;
    if !missing.is_empty() {
        state.queue.lane(account).hold = Hold::Asking;
        claim(state, work, account, &missing);
        return Ok(());
    }
    dispatch(state, work, account, &audience)
}

/// Asks for bundles of devices, once for each account.
fn claim(state: &mut State, work: &mut Work<'_>, lane: AccountId, missing: &[chat_wire::ids::DeviceAddress]) {
    let accounts: std::collections::BTreeSet<AccountId> = missing.iter().map(|device| device.account).collect();
    for of in accounts {
        if state.asks.any(|ask| matches!(ask, Ask::Claim { of: asked, .. } if *asked == of)) {
            continue;
        }
        let devices = missing.iter().filter(|device| device.account == of).map(|device| device.device).collect();
        let message = ClientMessage::Claim { account: Some(of), name: None, devices };
        state.ask(work, Ask::Claim { lane, of }, message);
    }
}

/// Seals the next batch of a lane: as many contents as one `Send` takes, and the receipt that is due.
fn dispatch(
    state: &mut State,
    work: &mut Work<'_>,
    account: AccountId,
    audience: &Audience,
) -> Result<(), EngineError> {
    let now = work.now;
    let mut messages = Vec::new();
    let lane = state.queue.lane(account);
    let receipts = lane.receipt_at.take_if(|at| *at <= now).is_some();
    if receipts {
        lane.receipt_sent = Some(now);
        if let Some(content) = state.take_receipt(work, &account)? {
            messages.push(state.compose(work, &account, &content)?.message);
        }
    }
    let receipts = !messages.is_empty();
    let covers = next_batch(state, work, account, audience, &mut messages)?;
    if messages.is_empty() {
        return Ok(());
    }
    let packets = state.seal(work, audience, &account, &messages)?;
    if packets.heads.is_empty() {
        // Nobody published keys that a session could be started with.
        if receipts {
            state.untell(work, &account)?;
        }
        state.queue.lane(account).back_off(now, UNPUBLISHED_MS_MAX);
        return Ok(());
    }
    state.launch(work, account, audience, Cargo { packets, covers, receipts })
}

/// Takes contents from the front of a lane as long as they fit.
fn next_batch(
    state: &State,
    work: &Work<'_>,
    account: AccountId,
    audience: &Audience,
    messages: &mut Vec<Identified>,
) -> Result<Vec<u64>, EngineError> {
    let copies = audience.devices().count();
    let room = PACKETS_PER_SEND_MAX.checked_div(copies).unwrap_or(1).max(1);
    let mut bytes = 0_usize;
    let mut covers = Vec::new();
    let waiting = state.queue.peek(&account).into_iter().flat_map(|lane| lane.waiting.iter().copied());
    for number in waiting {
        if messages.len() >= room {
            break;
        }
        let outgoing = load(work, number)?;
        // Padding adds at most a ninth to a large text.
        bytes = bytes.saturating_add(outgoing.message.body.len().saturating_mul(copies));
        if bytes > SEND_BYTES_MAX && !covers.is_empty() {
            break;
        }
        covers.push(number);
        messages.push(outgoing.message);
    }
    Ok(covers)
}

fn load(work: &Work<'_>, number: u64) -> Result<Outgoing, EngineError> {
    let missing = EngineError::Missing { table: Table::Outbox };
    work.load(Table::Outbox, &number.to_be_bytes())?.ok_or(missing)
}

/// The relay holds a send.
pub(in crate::engine) fn accepted(state: &mut State, work: &mut Work<'_>, flight: u64) -> Result<(), EngineError> {
    let flight = state.queue.land(work, flight)?;
    for list in &flight.lists {
        // The relay compared its list with the one the packets were made for.
        state.lists.confirm(work, &list.account);
    }
    state.queue.lane(flight.conversation).succeeded();
    finish(state, work, &flight, MessageStatus::Sent)
}

/// Ends what a send carried, with one status for all its texts.
fn finish(state: &mut State, work: &mut Work<'_>, flight: &Flight, status: MessageStatus) -> Result<(), EngineError> {
    let author = state.own_address()?;
    let stream = OwnStream::load(work, &flight.conversation, &author)?;
    for number in &flight.covers {
        let outgoing = load(work, *number)?;
        work.delete(Table::Outbox, &number.to_be_bytes());
        if status == MessageStatus::Sent {
            kept::keep(work, flight, &outgoing, &stream)?;
        }
        // A receipt may have come before the relay's answer: the status never goes back.
        let Some(counter) = outgoing.counter.filter(|counter| !stream.is_delivered(*counter)) else { continue };
        if status == MessageStatus::Failed {
            work.delete(Table::Sent, &sent_key(&flight.conversation, author.device.0, counter));
        }
        state.announce_status(work, &flight.conversation, outgoing.message.id, status);
    }
    Ok(())
}

/// The devices are others than the packets were made for: look at the lists, then seal again.
pub(in crate::engine) fn stale(
    state: &mut State,
    work: &mut Work<'_>,
    flight: u64,
    lists: &[ByteBuf],
) -> Result<(), EngineError> {
    let now = work.now;
    let flight = state.recall(work, flight)?;
    flight.lists.iter().for_each(|used| state.bundles.leave_nobody_out(&used.account));
    let mut news = false;
    for bytes in lists {
        let Ok(list) = DeviceList::decode(bytes) else { continue };
        let account = list.body().account_id;
        if !flight.lists.iter().any(|used| used.account == account) {
            continue;
        }
        match state.take_current_list(work, &account, bytes)? {
            Offer::Newer(_) | Offer::First => news = true,
            Offer::Gap { after_seq } => {
                news = true;
                state.queue.lane(flight.conversation).hold = Hold::Asking;
                state.fetch_lists(work, account, after_seq);
            }
            Offer::Same | Offer::Older | Offer::Refused | Offer::Forked => {}
        }
    }
    if !news {
        // It says that we are wrong but not how: don't seal in a circle.
        state.queue.lane(flight.conversation).back_off(now, 0);
    }
    Ok(())
}

/// The relay did not take a send.
pub(in crate::engine) fn refused(
    state: &mut State,
    work: &mut Work<'_>,
    flight: u64,
    refusal: &Refusal,
) -> Result<(), EngineError> {
    let now = work.now;
    match refusal.kind {
        // It can't be delivered, now or later.
        RefusalKind::UnknownUser | RefusalKind::AccountDeleted | RefusalKind::TooLarge | RefusalKind::Forbidden => {
            let flight = state.queue.land(work, flight)?;
            state.queue.lane(flight.conversation).succeeded();
            finish(state, work, &flight, MessageStatus::Failed)
        }
        RefusalKind::Conflict => state.overtaken(work),
        // The same packets again, later: nothing else of this lane goes out before.
        _ => {
            let sent = Flight { step: 0, ..Flight::load(work, flight)? };
            sent.save(work, flight)?;
            state.queue.lane(sent.conversation).back_off(now, refusal.retry_ms);
            Ok(())
        }
    }
}

/// Sends what was refused for now, once its time has come.
pub(in crate::engine) fn retry(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if !state.is_online() {
        return Ok(());
    }
    for (number, lane) in state.queue.flights() {
        let asked = state.asks.any(|ask| matches!(ask, Ask::Send { flight, .. } if *flight == number));
        let free = state.queue.peek(&lane).is_some_and(|lane| lane.hold == Hold::Free);
        if !asked && free {
            let flight = Flight::load(work, number)?;
            state.transmit(work, number, flight)?;
        }
    }
    Ok(())
}
