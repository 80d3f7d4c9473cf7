//! Epochs of a room, as this device was in them: where each began, and when its secrets go.

use chat_wire::ids::RoomId;
use serde_bytes::ByteArray;

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::limits::{ROOM_EPOCH_MS_MAX, ROOM_MARKS_MAX};
use crate::engine::memory::State;
use crate::engine::memory::rooms::{Mark, RoomShelf};
use crate::group::Base;
use crate::store::Table;

/// An epoch begins, with a commit of the log or, where that place is not known, 0.
pub(super) fn begin(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (seq, hash): (u64, &[u8; 32]),
) -> Result<(), EngineError> {
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    let hash = hash.first_chunk().copied().unwrap_or_default();
    group.begin_at(Base { seq, hash });
    let witness = group.witness();
    let mark = Mark {
        epoch: witness.epoch,
        authenticator: ByteArray::new(witness.authenticator),
        seq,
        hash: ByteArray::new(hash),
        at_ms: work.now.as_ms(),
    };
    state.rooms.change(work, &room, |record| {
        record.marks.retain(|old| old.epoch < mark.epoch);
        record.marks.push(mark);
        let over = record.marks.len().saturating_sub(ROOM_MARKS_MAX);
        record.marks.drain(..over);
    })
}

/// Past epochs are over after a while, whoever may still have messages of them (SPEC 12.5.2).
pub(super) fn forget(state: &mut State, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
    let Some(known) = state.rooms.get(&room) else { return Ok(()) };
    let now_ms = work.now.as_ms();
    let marks = &known.record.marks;
    // An epoch ended when the next one began.
    let over = marks.iter().skip(1).filter(|next| now_ms.saturating_sub(next.at_ms) >= ROOM_EPOCH_MS_MAX).count();
    if over == 0 {
        return Ok(());
    }
    let keep = marks.len().saturating_sub(1).saturating_sub(over);
    let Some(group) = state.rooms.group(work, &room)? else { return Ok(()) };
    group
        .forget_epochs(&mut RoomShelf::new(work, &room), keep)
        .map_err(|_| EngineError::Store { table: Table::Groups })?;
    state.rooms.change(work, &room, |record| {
        record.marks.drain(..over);
    })
}
