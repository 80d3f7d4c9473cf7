//! Receipts: what the others got and read of our streams, and what we read of theirs.

use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, MessageId, UserName};

use crate::engine::content::{Content, OwnRead, Receipt, StreamMark};
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, Conversation, FailureKind, MessageStatus, Reply};
use crate::engine::memory::State;
use crate::engine::memory::arrivals::{Seen, Unread, seen_key, unread_key};
use crate::engine::memory::kept;
use crate::engine::memory::streams::{OwnStream, PeerStream, contains, sent_between, sent_key, split_key};
use crate::store::{HistoryChange, Table};

/// A person read everything up to a message.
pub(in crate::engine) fn mark_read(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (with, id): (&str, MessageId),
) -> Result<(), EngineError> {
    let failure = match known(state, with) {
        Err(kind) => Some(kind),
        Ok(account) => match place(state, work, &account, &id)? {
            None => Some(FailureKind::UnknownMessage),
            Some(order) => {
                read_up_to(state, work, account, order)?;
                work.history(HistoryChange::ReadUpTo { conversation: Conversation::Direct(account), id });
                state.post_to_own(work, &Content::OwnRead(OwnRead { with: account, id }))?;
                None
            }
        },
    };
    match failure {
        Some(kind) => work.fail(command, kind),
        None => work.reply(command, Reply::Done),
    }
    Ok(())
}

/// An own other device read everything up to a message.
pub(in crate::engine) fn read_elsewhere(
    state: &mut State,
    work: &mut Work<'_>,
    read: &OwnRead,
) -> Result<(), EngineError> {
    // A message that is not here yet will be unread here: the next one read there makes up for it.
    let Some(order) = place(state, work, &read.with, &read.id)? else { return Ok(()) };
    read_up_to(state, work, read.with, order)?;
    work.history(HistoryChange::ReadUpTo { conversation: Conversation::Direct(read.with), id: read.id });
    Ok(())
}

fn known(state: &State, with: &str) -> Result<AccountId, FailureKind> {
    if with.starts_with('#') {
        return Err(FailureKind::UnknownRoom);
    }
    let me = state.me.as_ref().filter(|_| state.is_logged_in()).ok_or(FailureKind::NotLoggedIn)?;
    let name = UserName::parse(with).map_err(|_| FailureKind::InvalidParams)?;
    if name == me.name {
        return Ok(me.account());
    }
    state.people.account_of(&name).ok_or(FailureKind::UnknownUser)
}

/// The place of a shown message, of either side.
fn place(state: &State, work: &Work<'_>, conversation: &AccountId, id: &MessageId) -> Result<Option<u64>, EngineError> {
    let own = state.own_address()?.account;
    for author in [conversation, &own] {
        let seen: Option<Seen> = work.load(Table::Seen, &seen_key(conversation, author, id))?;
        if let Some(seen) = seen.filter(|seen| seen.order > 0) {
            return Ok(Some(seen.order));
        }
    }
    Ok(None)
}

fn read_up_to(state: &mut State, work: &mut Work<'_>, account: AccountId, order: u64) -> Result<(), EngineError> {
    let mut devices: Vec<(DeviceId, u64)> = Vec::new();
    for (key, value) in work.scan(Table::Received, &account.0, None, usize::MAX) {
        if key > unread_key(&account, order) {
            break;
        }
        let Unread { device, counter } = decode(Table::Received, &value)?;
        match devices.iter_mut().find(|(known, _)| *known == device) {
            Some((_, highest)) => *highest = counter.max(*highest),
            None => devices.push((device, counter)),
        }
        work.delete(Table::Received, &key);
    }
    for (device, counter) in &devices {
        let author = DeviceAddress { account, device: *device };
        let mut stream = PeerStream::load(work, &account, &author)?;
        stream.read = stream.read.max(*counter);
        stream.save(work, &account, &author)?;
    }
    if !devices.is_empty() {
        state.schedule_receipt(work, account);
    }
    Ok(())
}

/// Somebody tells how far it got with what our devices sent.
pub(in crate::engine) fn apply(
    state: &mut State,
    work: &mut Work<'_>,
    from: AccountId,
    receipt: &Receipt,
) -> Result<(), EngineError> {
    let own = state.own_address()?.account;
    let Some(list) = state.list_of(work, &own)? else { return Ok(()) };
    for mark in &receipt.streams {
        let device = DeviceId(mark.device);
        if list.list.body().devices.iter().any(|listed| listed.id == device) {
            apply_mark(state, work, from, (DeviceAddress { account: own, device }, mark))?;
        }
    }
    Ok(())
}

fn apply_mark(
    state: &State,
    work: &mut Work<'_>,
    from: AccountId,
    (author, mark): (DeviceAddress, &StreamMark),
) -> Result<(), EngineError> {
    let before = OwnStream::load(work, &from, &author)?;
    let is_own = author == state.own_address()?;
    let ours = before.bears_out(work, (&from, &author), (mark.delivered, &mark.hash))?;
    // Of what an own other device sent some may never have come here.
    if !ours.unwrap_or(!is_own) {
        return Ok(());
    }
    let mut after = before.clone();
    after.note(mark);
    if after == before {
        return Ok(());
    }
    let device = author.device.0;
    // Below the first gap everything was settled before.
    let gap = before.gaps.first().map_or(u64::MAX, |gap| gap.0);
    let read = (before.read.saturating_add(1).min(gap), after.read);
    for (counter, place) in sent_between(work, &from, device, read)? {
        if !contains(&after.gaps, counter) {
            work.delete(Table::Sent, &sent_key(&from, device, counter));
            place.id.into_iter().for_each(|id| state.announce_status(work, &from, id, MessageStatus::Read));
        }
    }
    let delivered = (before.delivered.saturating_add(1).min(gap), after.delivered);
    for (counter, place) in sent_between(work, &from, device, delivered)? {
        if after.is_delivered(counter) && !before.is_delivered(counter) {
            place.id.into_iter().for_each(|id| state.announce_status(work, &from, id, MessageStatus::Delivered));
        }
    }
    if is_own {
        kept::drop_delivered(work, &from, &after);
    }
    after.save(work, &from, &author)
}

/// After opening: receipts that were due when the program ended.
pub(in crate::engine) fn overdue(state: &mut State, work: &Work<'_>) -> Result<(), EngineError> {
    for (key, value) in work.scan(Table::Streams, &[], None, usize::MAX) {
        let (conversation, author) = split_key(&key)?;
        let theirs = author.account == conversation && state.people.get(&conversation).is_some();
        if theirs && decode::<PeerStream>(Table::Streams, &value)?.is_due() {
            state.schedule_receipt(work, conversation);
        }
    }
    Ok(())
}
