//! Own contents of rooms, queued: each has its place in this device's stream there before it is sealed.

use chat_wire::ids::{MessageId, RequestKey, RoomId};
use serde_bytes::ByteArray;

use super::Post;
use crate::engine::content::{Body, Content, Identified};
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::memory::State;

impl State {
    /// Queues a content; one that is shown has a status.
    pub(in crate::engine) fn queue_in_room(
        &mut self,
        work: &mut Work<'_>,
        room: RoomId,
        (content, shown): (&Content, bool),
    ) -> Result<MessageId, EngineError> {
        let identified = self.compose_in_room(work, room, content)?;
        let id = identified.id;
        let order = work.next_order()?;
        let key = RequestKey(work.random());
        let post = Post { key, message: shown.then_some(id), content: identified, sealed: None };
        post.save(work, &room, order)?;
        self.rooms.wake(&room);
        Ok(id)
    }

    /// Gives a content its place among this device's in the room, and its id.
    fn compose_in_room(
        &mut self,
        work: &mut Work<'_>,
        room: RoomId,
        content: &Content,
    ) -> Result<Identified, EngineError> {
        let author = self.own_address()?;
        let (counter, previous) =
            self.rooms.get(&room).map_or((0, ByteArray::new([0; 16])), |room| (room.record.counter, room.record.last));
        let counter = counter.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?;
        let (kind, data) = content.encode()?;
        let body = Body { time_ms: work.now.as_ms(), kind, data };
        let identified = Identified::new(&author, (counter, previous), (&body, content), work)?;
        let last = ByteArray::new(identified.chain_hash());
        self.rooms.change(work, &room, |record| {
            record.counter = counter;
            record.last = last;
        })?;
        Ok(identified)
    }
}
