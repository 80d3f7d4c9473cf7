//! Messages of rooms: queued at once, sealed when the room is up to date, sent until the relay has them;
//! what comes is shown once.

use bytes::Bytes;
use chat_wire::ids::{BlobId, MessageId, RequestKey, RoomId, RoomName, UserName};
use chat_wire::message::RoomAsk;
use serde_bytes::ByteBuf;

use crate::engine::content::{Content, Identified, file_commitment};
use crate::engine::context::{Work, encode};
use crate::engine::error::{Bug, EngineError};
use crate::engine::handle::amend;
use crate::engine::io::{CommandId, Conversation, Event, Failure, FailureKind, MessageStatus, Reply, Trouble};
use crate::engine::limits::{CLOCK_SKEW_MS_MAX, RETRY_MS_MIN, ROOM_POST_WAIT_MS_MAX, ROOM_POSTS_UNDER_WAY_MAX};
use crate::engine::memory::State;
use crate::engine::memory::changes::{Doer, Target};
use crate::engine::memory::names::Draft;
use crate::engine::memory::room_tasks::RoomTask;
use crate::engine::memory::rooms::{LeafStream, Order, Post, RoomShelf, seed};
use crate::engine::memory::sayings::{Entered, Saying};
use crate::file::FileKey;
use crate::group::Leaf;
use crate::store::HistoryChange;
use crate::time::Timestamp;

/// A content of the log, as MLS and lists authenticated its author.
pub(super) struct Said {
    pub(super) leaf: Leaf,
    pub(super) name: UserName,
    pub(super) content: Vec<u8>,
    pub(super) at_ms: u64,
}

/// The room that a command means, if this device is in it.
fn named(state: &State, work: &mut Work<'_>, command: CommandId, to: &str) -> Option<(RoomName, RoomId)> {
    let kind = if state.is_logged_in() { FailureKind::UnknownRoom } else { FailureKind::NotLoggedIn };
    let name = RoomName::parse(to).ok();
    let found = name.and_then(|name| state.rooms.joined(&name).map(|room| (name, room)));
    if found.is_none() || !state.is_logged_in() {
        work.fail(command, kind);
        return None;
    }
    found
}

/// A person sends a text to a room.
pub(in crate::engine) fn send(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    to: &str,
    draft: Draft,
) -> Result<(), EngineError> {
    let Some((name, room)) = named(state, work, command, to) else { return Ok(()) };
    if let Some(kind) = draft.refusal() {
        work.fail(command, kind);
        return Ok(());
    }
    let repeatable = draft.repeatable(&room.0);
    if repeatable.as_ref().map_or(Ok(false), |repeatable| repeatable.answers(work, command))? {
        return Ok(());
    }
    let content = draft.into_content();
    let id = state.queue_in_room(work, room, (&content, true))?;
    state.enter_own(work, (Conversation::Room(room), name.to_string()), (id, content), MessageStatus::Queued)?;
    let timestamp_ms = work.now.as_ms();
    if let Some(repeatable) = repeatable {
        repeatable.save(work, id)?;
    }
    work.reply(command, Reply::Queued { id, timestamp_ms });
    Ok(())
}

/// Names the message of a file that is about to be uploaded.
pub(in crate::engine) fn reserve(
    state: &State,
    work: &mut Work<'_>,
    command: CommandId,
    to: &str,
    (blob, key): (&BlobId, &FileKey),
) -> Result<(), EngineError> {
    if named(state, work, command, to).is_some() {
        let (id, nonce) = Identified::reserve(&state.own_address()?, &file_commitment(blob, key), work);
        work.reply(command, Reply::FileReserved { id, nonce });
    }
    Ok(())
}

/// Everything up to a message was read here.
pub(in crate::engine) fn mark_read(
    state: &mut State,
    work: &mut Work<'_>,
    command: CommandId,
    (with, id): (&str, MessageId),
) {
    let Some((_, room)) = named(state, work, command, with) else { return };
    work.history(HistoryChange::ReadUpTo { conversation: Conversation::Room(room), id });
    work.reply(command, Reply::Done);
}

/// Seals what waits and sends it, in order.
pub(super) fn flush(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    let too_soon = |at: Timestamp| at > work.now;
    if state.rooms.get(&room).is_none_or(|room| room.live.quiet || room.live.posts_at.is_some_and(too_soon)) {
        return Ok(());
    }
    let from = state.rooms.get(&room).map_or(0, |room| room.live.seal_from);
    if state.rooms.group(work, &room)?.is_none_or(|group| group.epoch() < from) {
        return Ok(());
    }
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.quiet = true;
    }
    for (order, mut post) in Post::waiting(work, &room, ROOM_POSTS_UNDER_WAY_MAX)? {
        let under_way = state.rooms.get(&room).is_none_or(|room| room.live.posting.contains(&order));
        if under_way {
            continue;
        }
        let (epoch, sealed) = match post.sealed.take() {
            Some(sealed) => sealed,
            None => {
                let seed = seed(work);
                let content = encode(&post.content)?;
                let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
                let sealed = group.seal(&mut RoomShelf::new(work, &room), &seed, &content);
                let sealed = sealed.map_err(|_| EngineError::Broken(Bug::NoSession))?;
                (group.epoch(), ByteBuf::from(sealed))
            }
        };
        post.sealed = Some((epoch, sealed.clone()));
        post.save(work, &room, order)?;
        if let Some(known) = state.rooms.get_mut(&room) {
            known.live.posting.insert(order);
        }
        let ask = RoomAsk::Post { key: post.key, room, epoch };
        state.ask_room(work, RoomTask::Post(room, order), ask, Bytes::from(sealed.into_vec()));
    }
    Ok(())
}

/// The log holds it.
pub(super) fn posted(state: &mut State, work: &mut Work<'_>, room: RoomId, order: u64) -> Result<(), EngineError> {
    finish(state, work, (room, order), MessageStatus::Sent)
}

fn finish(
    state: &mut State,
    work: &mut Work<'_>,
    (room, order): (RoomId, u64),
    status: MessageStatus,
) -> Result<(), EngineError> {
    let Some(post) = Post::load(work, &room, order)? else { return Ok(()) };
    Post::land(work, &room, order);
    let Some(known) = state.rooms.get_mut(&room) else { return Ok(()) };
    known.live.posting.remove(&order);
    known.live.quiet = false;
    let to = known.record.name.to_string();
    let Some(id) = post.message else { return Ok(()) };
    let conversation = Conversation::Room(room);
    work.history(HistoryChange::Status { conversation, id, status });
    work.event(Event::Receipt { id, conversation, to, by: None, status });
    Ok(())
}

/// The room went on, or somebody came in: sealed afresh, under a key of its own.
pub(super) fn behind(state: &mut State, work: &mut Work<'_>, (room, order): (RoomId, u64)) -> Result<(), EngineError> {
    if let Some(mut post) = Post::load(work, &room, order)? {
        post.sealed = None;
        post.key = RequestKey(work.random());
        post.save(work, &room, order)?;
    }
    if let Some(known) = state.rooms.get_mut(&room) {
        known.live.posting.remove(&order);
    }
    state.rooms.wake(&room);
    Ok(())
}

/// The relay does not take it.
pub(super) fn refused(
    state: &mut State,
    work: &mut Work<'_>,
    (room, order): (RoomId, u64),
    failure: &Failure,
) -> Result<(), EngineError> {
    if failure.kind == FailureKind::Offline {
        // It stays under way until the next connection.
        return Ok(());
    }
    if let Some(wait_ms) = failure.retry_after_ms {
        // Too soon, in a slow room or for this account: as it is, with all that follows it, when it is time.
        let at = work.now.plus_ms(wait_ms.clamp(RETRY_MS_MIN, ROOM_POST_WAIT_MS_MAX));
        if let Some(known) = state.rooms.get_mut(&room) {
            known.live.posting.remove(&order);
            known.live.quiet = false;
            known.live.posts_at = known.live.posts_at.max(Some(at));
        }
        return Ok(());
    }
    finish(state, work, (room, order), MessageStatus::Failed)
}

/// Nothing of what waits will be sent.
pub(super) fn drop_all(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    for (order, _) in Post::waiting(work, &room, usize::MAX)? {
        finish(state, work, (room, order), MessageStatus::Failed)?;
    }
    Ok(())
}

/// Shows a message of the log, once, if its id belongs to its author and its body (SPEC 12.5.1).
pub(super) fn show(state: &mut State, work: &mut Work<'_>, room: RoomId, said: Said) -> Result<(), EngineError> {
    let author = said.leaf.owner();
    let identified: Option<Identified> = minicbor_serde::from_slice(&said.content).ok();
    let body = identified.as_ref().and_then(|message| message.verified_body(&author));
    let (Some(identified), Some(body)) = (identified, body) else {
        work.trouble(Trouble::Undecryptable);
        return Ok(());
    };
    let target = Target { conversation: Conversation::Room(room), author: author.account, id: identified.id };
    if target.is_known(work) {
        work.trouble(Trouble::Duplicate);
        return Ok(());
    }
    note_place(state, work, room, (&said.leaf, &identified))?;
    if state.people.get(&author.account).is_some_and(|person| person.blocked) {
        return Ok(());
    }
    let earliest = said.at_ms.saturating_sub(CLOCK_SKEW_MS_MAX);
    let time_ms = body.time_ms.clamp(earliest, said.at_ms.saturating_add(CLOCK_SKEW_MS_MAX));
    let content = body.content();
    match content {
        Content::Text(_) | Content::File(_) | Content::Unknown => {}
        Content::Edit(_) | Content::Deletion(_) | Content::Reaction(_) => {
            // Once more changes nothing: the stamp of the one that stands is as great.
            let doer = Doer { device: author, time_ms };
            return amend::heard_in_room(state, work, doer, (room, content));
        }
        // What belongs between two people, or own devices, says nothing here.
        _ => return Ok(()),
    }
    let Some(name) = state.rooms.get(&room).map(|room| room.record.name.clone()) else { return Ok(()) };
    let outgoing = author.account == state.own_address()?.account;
    let status = if outgoing { MessageStatus::Sent } else { MessageStatus::Delivered };
    let saying = Saying::heard(content, &body);
    let (from, to) = (said.name, name.to_string());
    state.enter(work, Entered { target, from, to, outgoing, status, time_ms, announced: true, saying }).map(|_| ())
}

/// Each leaf counts and chains what it says (SPEC 12.5.5): what the relay kept back or passed on in another order
/// shows. The message is shown all the same.
fn note_place(
    state: &State,
    work: &mut Work<'_>,
    room: RoomId,
    (leaf, said): (&Leaf, &Identified),
) -> Result<(), EngineError> {
    if leaf.owner() == state.own_address()? {
        return Ok(());
    }
    let account = leaf.owner().account;
    match LeafStream::note(work, (&room, &leaf.key), said)? {
        Order::Next => {}
        Order::Missing => work.trouble(Trouble::Missing(account)),
        Order::Broken => work.trouble(Trouble::StreamBroken(account)),
    }
    Ok(())
}
