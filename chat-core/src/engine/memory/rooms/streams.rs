//! What each leaf said in a room, counted and chained, under `room 16 ‖ 3 ‖ leaf_key 32` in the table of flights.
//! By leaf, not by device: who comes in again counts from the start.

use chat_wire::ids::RoomId;
use chat_wire::keys::VerifyKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::engine::content::Identified;
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::limits::GAPS_MAX;
use crate::store::Table;

/// The stream of one leaf as it was heard here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct LeafStream {
    /// Highest counter heard.
    #[serde(rename = "c")]
    counter: u64,
    /// Chain hash of that content.
    #[serde(rename = "h")]
    last: ByteArray<16>,
    /// Counters below that were not heard.
    #[serde(rename = "g", default)]
    missing: Vec<u64>,
}

/// How a content stands to what its leaf said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Order {
    /// The next one, the first that was heard, or one that was missing.
    Next,
    /// Others are missing before it.
    Missing,
    /// It does not follow what it says it follows, or takes a place that was taken.
    Broken,
}

fn stream_key(room: &RoomId, leaf: &VerifyKey) -> Vec<u8> {
    [&room.0[..], &[3], &leaf.0].concat()
}

impl LeafStream {
    /// Notes a content that came.
    pub(in crate::engine) fn note(
        work: &mut Work<'_>,
        (room, leaf): (&RoomId, &VerifyKey),
        said: &Identified,
    ) -> Result<Order, EngineError> {
        let key = stream_key(room, leaf);
        let known: Option<Self> = work.load(Table::RoomFlights, &key)?;
        let (stream, order) = known.map_or_else(
            || {
                (
                    Self { counter: said.counter, last: ByteArray::new(said.chain_hash()), missing: Vec::new() },
                    Order::Next,
                )
            },
            |known| known.after((said.counter, *said.previous, said.chain_hash())),
        );
        work.save(Table::RoomFlights, &key, &stream)?;
        Ok(order)
    }

    /// A leaf is gone.
    pub(in crate::engine) fn forget(work: &mut Work<'_>, room: &RoomId, leaf: &VerifyKey) {
        work.delete(Table::RoomFlights, &stream_key(room, leaf));
    }

    fn after(mut self, (counter, previous, hash): (u64, [u8; 16], [u8; 16])) -> (Self, Order) {
        if counter <= self.counter {
            let before = self.missing.len();
            self.missing.retain(|missing| *missing != counter);
            let order = if self.missing.len() < before { Order::Next } else { Order::Broken };
            return (self, order);
        }
        let expected = self.counter.saturating_add(1);
        let order = match counter == expected {
            true if *self.last == previous => Order::Next,
            true => Order::Broken,
            false => Order::Missing,
        };
        let nearest = counter.saturating_sub(u64::try_from(GAPS_MAX).unwrap_or(u64::MAX)).max(expected);
        self.missing.extend(nearest..counter);
        let surplus = self.missing.len().saturating_sub(GAPS_MAX);
        self.missing.drain(..surplus);
        (self.counter, self.last) = (counter, ByteArray::new(hash));
        (self, order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> LeafStream {
        LeafStream { counter: 4, last: ByteArray::new([4; 16]), missing: Vec::new() }
    }

    #[test]
    fn what_follows_is_next_and_what_is_missing_may_still_come() {
        let (stream, order) = stream().after((5, [4; 16], [5; 16]));
        assert_eq!(order, Order::Next);
        let (stream, order) = stream.after((8, [7; 16], [8; 16]));
        assert_eq!((order, &stream.missing[..]), (Order::Missing, &[6, 7][..]));
        let (stream, order) = stream.after((7, [6; 16], [7; 16]));
        assert_eq!((order, &stream.missing[..]), (Order::Next, &[6][..]));
        assert_eq!(stream.after((7, [6; 16], [7; 16])).1, Order::Broken, "twice");
    }

    #[test]
    fn another_past_and_a_place_taken_twice_are_broken() {
        assert_eq!(stream().after((5, [9; 16], [5; 16])).1, Order::Broken);
        assert_eq!(stream().after((4, [3; 16], [9; 16])).1, Order::Broken);
        let (stream, order) = stream().after((u64::MAX, [0; 16], [1; 16]));
        assert_eq!((order, stream.missing.len()), (Order::Missing, GAPS_MAX), "bounded");
    }
}
