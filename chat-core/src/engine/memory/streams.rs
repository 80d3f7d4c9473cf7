//! Streams: the numbered contents of one device in one conversation. Counters and a hash chain make
//! gaps and reorderings visible, and receipts count with them.

use chat_wire::ids::{AccountId, DeviceAddress, MessageId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::State;
use crate::engine::content::{Identified, Resend, StreamMark};
use crate::engine::context::{Work, decode};
use crate::engine::error::{Bug, EngineError};
use crate::engine::limits::{GAP_ASKS_MAX, GAPS_MAX, INCARNATION_PLACES, STREAM_JUMP};
use crate::store::Table;

/// The incarnation that every device begins with.
const FIRST_INCARNATION: u32 = 1;

/// Ranges of counters, ascending, both ends included.
pub(in crate::engine) type Ranges = Vec<(u64, u64)>;

/// A stream of an own device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct OwnStream {
    /// Counter of the last content.
    #[serde(rename = "c")]
    pub(in crate::engine) counter: u64,
    /// Chain hash of the last content.
    #[serde(rename = "h")]
    pub(in crate::engine) last: ByteArray<16>,
    /// Everything up to here was delivered, but for the gaps.
    #[serde(rename = "d", default)]
    pub(in crate::engine) delivered: u64,
    /// Chain hash of that place.
    #[serde(rename = "dh", default = "nothing")]
    delivered_hash: ByteArray<16>,
    #[serde(rename = "g", default)]
    pub(in crate::engine) gaps: Ranges,
    /// Everything up to here was read.
    #[serde(rename = "r", default)]
    pub(in crate::engine) read: u64,
}

/// A stream of somebody else's device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct PeerStream {
    /// Highest counter received.
    #[serde(rename = "c")]
    pub(in crate::engine) counter: u64,
    /// Chain hash of the content with that counter.
    #[serde(rename = "h")]
    pub(in crate::engine) last: ByteArray<16>,
    /// Counters below that are not there.
    #[serde(rename = "g", default)]
    pub(in crate::engine) gaps: Ranges,
    /// Everything up to here was read here.
    #[serde(rename = "r", default)]
    pub(in crate::engine) read: u64,
    /// What the last receipt told of `counter` and `read`.
    #[serde(rename = "tc", default)]
    pub(in crate::engine) told: u64,
    #[serde(rename = "tr", default)]
    pub(in crate::engine) told_read: u64,
    /// The end of the last gap that was asked about, and how often.
    #[serde(rename = "a", default)]
    asked: (u64, u8),
}

/// How a content stands to what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Place {
    /// The next one.
    Next,
    /// Some are missing before it.
    AfterGap,
    /// One that was missing.
    Late,
    /// One that was there already.
    Again,
}

impl OwnStream {
    pub(in crate::engine) fn load(
        work: &Work<'_>,
        conversation: &AccountId,
        author: &DeviceAddress,
    ) -> Result<Self, EngineError> {
        Ok(work.load(Table::Streams, &stream_key(conversation, author))?.unwrap_or_default())
    }

    pub(in crate::engine) fn save(
        &self,
        work: &mut Work<'_>,
        conversation: &AccountId,
        author: &DeviceAddress,
    ) -> Result<(), EngineError> {
        work.save(Table::Streams, &stream_key(conversation, author), self)
    }

    /// The next place; no incarnation takes one before its first.
    pub(in crate::engine) fn next_counter(&self, first: u64) -> Result<u64, EngineError> {
        let next = self.counter.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?;
        Ok(next.max(first))
    }

    /// A content takes the place that was made for it; what the sender sees a status of is remembered
    /// until it was read, of the others the place's name.
    pub(in crate::engine) fn append(
        &mut self,
        work: &mut Work<'_>,
        (conversation, author): (&AccountId, &DeviceAddress),
        (message, shown): (&Identified, bool),
    ) -> Result<(), EngineError> {
        let hash = message.chain_hash();
        (self.counter, self.last) = (message.counter, ByteArray::new(hash));
        // Nobody confirms notes to oneself.
        if *conversation != author.account {
            let place = SentPlace { id: shown.then_some(message.id), hash };
            place.put(work, &sent_key(conversation, author.device.0, message.counter));
        }
        self.save(work, conversation, author)
    }

    /// Whether a place of this stream has this name; none when its name is not known any more. A stream
    /// that an old copy of the store continued has two contents at one place, and what the other side says
    /// of one says nothing of the other.
    pub(in crate::engine) fn bears_out(
        &self,
        work: &Work<'_>,
        (conversation, author): (&AccountId, &DeviceAddress),
        (counter, hash): (u64, &[u8; 16]),
    ) -> Result<Option<bool>, EngineError> {
        let known = match counter {
            0 => Some([0; 16]),
            last if last == self.counter => Some(*self.last),
            told if told == self.delivered => Some(*self.delivered_hash),
            _ => SentPlace::load(work, &sent_key(conversation, author.device.0, counter))?.map(|place| place.hash),
        };
        Ok(known.map(|known| counter == 0 || known == *hash))
    }

    /// Whether the peer said that it holds this one.
    pub(in crate::engine) fn is_delivered(&self, counter: u64) -> bool {
        counter <= self.delivered && !contains(&self.gaps, counter)
    }

    /// Takes over what a receipt says of this stream. What was delivered once stays so.
    pub(in crate::engine) fn note(&mut self, mark: &StreamMark) {
        // Nobody can have more than was sent.
        let delivered = mark.delivered.min(self.counter);
        let mut gaps: Ranges = self.gaps.iter().flat_map(|range| overlaps(&mark.gaps, *range, delivered)).collect();
        if delivered > self.delivered {
            let fresh = (self.delivered.saturating_add(1), delivered);
            gaps.extend(overlaps(&mark.gaps, fresh, delivered));
            (self.delivered, self.delivered_hash) = (delivered, mark.hash);
        }
        merge_oldest(&mut gaps);
        self.gaps = gaps;
        self.read = self.read.max(mark.read.min(self.counter));
    }
}

impl PeerStream {
    pub(in crate::engine) fn load(
        work: &Work<'_>,
        conversation: &AccountId,
        author: &DeviceAddress,
    ) -> Result<Self, EngineError> {
        Ok(work.load(Table::Streams, &stream_key(conversation, author))?.unwrap_or_default())
    }

    pub(in crate::engine) fn save(
        &self,
        work: &mut Work<'_>,
        conversation: &AccountId,
        author: &DeviceAddress,
    ) -> Result<(), EngineError> {
        work.save(Table::Streams, &stream_key(conversation, author), self)
    }

    /// A stream that was never seen begins here.
    pub(in crate::engine) fn begin_at(&mut self, counter: u64, previous: &[u8; 16]) {
        if self.counter == 0 && counter > 1 {
            self.counter = counter.saturating_sub(1);
            self.last = ByteArray::new(*previous);
            (self.told, self.read, self.told_read) = (self.counter, self.counter, self.counter);
        }
    }

    /// Whether a content claims another one before it than the one that was there (SPEC 8.6.3).
    pub(in crate::engine) fn contradicts(&self, counter: u64, previous: &[u8; 16]) -> bool {
        self.counter.checked_add(1) == Some(counter) && *self.last != *previous
    }

    /// Notes a content that was taken.
    pub(in crate::engine) fn take(&mut self, counter: u64, hash: [u8; 16]) -> Place {
        if counter > self.counter {
            let expected = self.counter.saturating_add(1);
            let place = if counter == expected { Place::Next } else { Place::AfterGap };
            if counter > expected {
                self.gaps.push((expected, counter.saturating_sub(1)));
                self.trim();
            }
            self.counter = counter;
            self.last = ByteArray::new(hash);
            return place;
        }
        if !contains(&self.gaps, counter) {
            return Place::Again;
        }
        remove(&mut self.gaps, counter);
        self.trim();
        // The peer was told of a gap here: tell again.
        self.told = 0;
        Place::Late
    }

    /// Notes a content that was dropped on purpose: it counts as missing.
    pub(in crate::engine) fn skip(&mut self, counter: u64, hash: [u8; 16]) {
        if counter <= self.counter {
            return;
        }
        let from = self.counter.saturating_add(1);
        match self.gaps.last_mut() {
            Some(last) if last.1 == self.counter => last.1 = counter,
            _ => self.gaps.push((from, counter)),
        }
        self.trim();
        // Nobody asks for what was not wanted.
        self.asked = (counter, GAP_ASKS_MAX);
        if self.told == self.counter {
            // Nothing to tell: a receipt would only show that something came and was dropped.
            self.told = counter;
        }
        self.counter = counter;
        self.last = ByteArray::new(hash);
    }

    /// A content that was taken is dropped after all: it counts as missing.
    pub(in crate::engine) fn lose(&mut self, counter: u64) {
        if counter == 0 || counter > self.counter || contains(&self.gaps, counter) {
            return;
        }
        self.gaps.push((counter, counter));
        join(&mut self.gaps);
        self.trim();
        if counter >= self.asked.0 {
            // Nobody asks for what was not wanted.
            self.asked = (counter, GAP_ASKS_MAX);
        }
    }

    /// Whether a receipt would say something new.
    pub(in crate::engine) fn is_due(&self) -> bool {
        self.told != self.counter || self.told_read != self.read
    }

    /// Whether something is missing of it that was not asked for often enough.
    pub(in crate::engine) fn wants(&self) -> bool {
        let Some((_, end)) = self.gaps.last() else { return false };
        *end > self.asked.0 || self.asked.1 < GAP_ASKS_MAX
    }

    /// What is missing is asked for.
    pub(in crate::engine) fn note_asked(&mut self) {
        let end = self.gaps.last().map_or(self.asked.0, |(_, end)| *end);
        let times = if end > self.asked.0 { 0 } else { self.asked.1 };
        self.asked = (end.max(self.asked.0), times.saturating_add(1));
    }

    /// What is missing of it.
    pub(in crate::engine) fn lacking(&self) -> Resend {
        Resend { counter: self.counter, hash: self.last, gaps: self.gaps.clone() }
    }

    pub(in crate::engine) fn mark(&self, author: &DeviceAddress) -> StreamMark {
        let (delivered, hash, read, gaps) = (self.counter, self.last, self.read, self.gaps.clone());
        StreamMark { device: author.device.0, delivered, hash, read, gaps }
    }

    fn trim(&mut self) {
        merge_oldest(&mut self.gaps);
    }
}

/// No new incarnation could be taken: places that another life may have used are left free in every own
/// stream.
pub(in crate::engine) fn jump(work: &mut Work<'_>, own: &DeviceAddress) -> Result<(), EngineError> {
    for (key, value) in work.scan(Table::Streams, &[], None, usize::MAX) {
        let (conversation, author) = split_key(&key)?;
        if author == *own {
            let mut stream: OwnStream = decode(Table::Streams, &value)?;
            stream.counter = stream.counter.saturating_add(STREAM_JUMP);
            stream.save(work, &conversation, own)?;
        }
    }
    Ok(())
}

/// Streams of one author in a conversation, with their devices.
pub(in crate::engine) fn peer_streams(
    work: &Work<'_>,
    conversation: &AccountId,
    author: &AccountId,
) -> Result<Vec<(DeviceAddress, PeerStream)>, EngineError> {
    let prefix = [&conversation.0[..], &author.0].concat();
    let mut streams = Vec::new();
    for (key, value) in work.scan(Table::Streams, &prefix, None, usize::MAX) {
        let (_, address) = split_key(&key)?;
        streams.push((address, decode(Table::Streams, &value)?));
    }
    Ok(streams)
}

/// `conversation 32 ‖ author account 32 ‖ device u32`.
fn stream_key(conversation: &AccountId, author: &DeviceAddress) -> Vec<u8> {
    [&conversation.0[..], &author.account.0, &author.device.0.to_be_bytes()].concat()
}

/// Conversation and author of a stream's key.
pub(in crate::engine) fn split_key(key: &[u8]) -> Result<(AccountId, DeviceAddress), EngineError> {
    let read = || {
        let mut reader = chat_wire::codec::Reader::new(key);
        let conversation = AccountId(reader.array().ok()?);
        let account = AccountId(reader.array().ok()?);
        let device = chat_wire::ids::DeviceId(reader.u32().ok()?);
        reader.end().ok()?;
        Some((conversation, DeviceAddress { account, device }))
    };
    read().ok_or(EngineError::Store { table: Table::Streams })
}

/// Own contents by their place, until they are read: `conversation ‖ device u32 ‖ counter u64`.
pub(in crate::engine) fn sent_key(conversation: &AccountId, device: u32, counter: u64) -> Vec<u8> {
    [&conversation.0[..], &device.to_be_bytes(), &counter.to_be_bytes()].concat()
}

/// What stands at a place of an own stream: a message that the sender sees a status of, or something
/// else; and the place's chain hash. As bytes: `hash 16 ‖ id 16 or nothing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct SentPlace {
    pub(in crate::engine) id: Option<MessageId>,
    pub(in crate::engine) hash: [u8; 16],
}

impl SentPlace {
    pub(in crate::engine) fn load(work: &Work<'_>, key: &[u8]) -> Result<Option<Self>, EngineError> {
        work.get(Table::Sent, key).map(|value| Self::read(&value)).transpose()
    }

    fn put(&self, work: &mut Work<'_>, key: &[u8]) {
        let id = self.id.as_ref().map_or(&[][..], |id| &id.0);
        work.put(Table::Sent, key, [&self.hash[..], id].concat());
    }

    fn read(value: &[u8]) -> Result<Self, EngineError> {
        let damaged = EngineError::Store { table: Table::Sent };
        let (hash, id) = value.split_first_chunk::<16>().ok_or(damaged)?;
        let id = if id.is_empty() { None } else { Some(MessageId::from_slice(id).ok_or(damaged)?) };
        Ok(Self { id, hash: *hash })
    }
}

impl State {
    /// The first place of the own streams in this incarnation. Each incarnation has places of its own:
    /// another life of the device may have used any of those before (SPEC 8.6.4).
    pub(in crate::engine) fn first_place(&self) -> Result<u64, EngineError> {
        let me = self.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let before = u64::from(me.keys.incarnation()).saturating_sub(u64::from(FIRST_INCARNATION));
        Ok(before.saturating_mul(INCARNATION_PLACES))
    }

    /// Notes what an own other device sent.
    pub(in crate::engine) fn sent_elsewhere(
        &self,
        work: &mut Work<'_>,
        (conversation, author): (&AccountId, &DeviceAddress),
        (message, shown): (&Identified, bool),
    ) -> Result<(), EngineError> {
        let mut stream = OwnStream::load(work, conversation, author)?;
        let hash = message.chain_hash();
        if message.counter > stream.counter {
            (stream.counter, stream.last) = (message.counter, ByteArray::new(hash));
            stream.save(work, conversation, author)?;
        }
        let key = sent_key(conversation, author.device.0, message.counter);
        SentPlace { id: shown.then_some(message.id), hash }.put(work, &key);
        Ok(())
    }
}

/// Own places of a stream with counters in `from..=to`, ascending.
pub(in crate::engine) fn sent_between(
    work: &Work<'_>,
    conversation: &AccountId,
    device: u32,
    range: (u64, u64),
) -> Result<Vec<(u64, SentPlace)>, EngineError> {
    if range.0 > range.1 {
        return Ok(Vec::new());
    }
    let damaged = EngineError::Store { table: Table::Sent };
    let prefix = [&conversation.0[..], &device.to_be_bytes()].concat();
    let after = range.0.checked_sub(1).map(|before| sent_key(conversation, device, before));
    let mut found = Vec::new();
    let limit = usize::try_from(range.1.saturating_sub(range.0).saturating_add(1)).unwrap_or(usize::MAX);
    for (key, value) in work.scan(Table::Sent, &prefix, after.as_deref(), limit) {
        let counter = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(damaged)?;
        if counter > range.1 {
            break;
        }
        found.push((counter, SentPlace::read(&value)?));
    }
    Ok(found)
}

fn nothing() -> ByteArray<16> {
    ByteArray::new([0; 16])
}

pub(in crate::engine) fn contains(ranges: &[(u64, u64)], value: u64) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&value))
}

/// Over the limit the oldest gaps become one: what lies between them may come again and is known by its id then,
/// but nothing that is missing counts as received.
fn merge_oldest(gaps: &mut Ranges) {
    while gaps.len() > GAPS_MAX {
        let (from, _) = gaps.remove(0);
        if let Some(next) = gaps.first_mut() {
            next.0 = from;
        }
    }
}

/// Puts ranges in order; those that touch become one.
fn join(ranges: &mut Ranges) {
    ranges.sort_unstable();
    let mut joined = Ranges::with_capacity(ranges.len());
    for (from, to) in ranges.drain(..) {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    *ranges = joined;
}

fn remove(ranges: &mut Ranges, value: u64) {
    let split = |(from, to): (u64, u64)| {
        let below = (from < value).then(|| (from, to.min(value.saturating_sub(1))));
        let above = (to > value).then(|| (from.max(value.saturating_add(1)), to));
        below.into_iter().chain(above)
    };
    *ranges = ranges.iter().copied().flat_map(split).collect();
}

/// The parts of `range` that lie in `ranges` or above `known`: of those nothing new was said.
fn overlaps(ranges: &[(u64, u64)], range: (u64, u64), known: u64) -> Ranges {
    let above = (known.saturating_add(1), u64::MAX);
    ranges
        .iter()
        .chain((known < u64::MAX).then_some(&above))
        .map(|(from, to)| ((*from).max(range.0), (*to).min(range.1)))
        .filter(|(from, to)| from <= to)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(delivered: u64, read: u64, gaps: &[(u64, u64)]) -> StreamMark {
        StreamMark { device: 1, delivered, hash: nothing(), read, gaps: gaps.to_vec() }
    }

    #[test]
    fn a_late_content_fills_its_gap_and_a_second_copy_is_seen_as_such() {
        let mut stream = PeerStream::default();
        assert_eq!(stream.take(1, [1; 16]), Place::Next);
        assert_eq!(stream.take(5, [5; 16]), Place::AfterGap);
        assert_eq!(stream.gaps, vec![(2, 4)]);
        stream.told = 5;
        assert_eq!(stream.take(3, [3; 16]), Place::Late);
        assert_eq!(stream.gaps, vec![(2, 2), (4, 4)]);
        assert!(stream.is_due());
        assert_eq!(stream.take(3, [3; 16]), Place::Again);
    }

    #[test]
    fn what_is_dropped_on_purpose_is_never_reported_as_delivered() {
        let mut stream = PeerStream::default();
        stream.take(1, [0; 16]);
        stream.skip(2, [0; 16]);
        stream.skip(3, [0; 16]);
        assert_eq!(stream.take(4, [0; 16]), Place::Next);
        assert_eq!(stream.gaps, vec![(2, 3)]);
        let mut own = OwnStream { counter: 4, ..OwnStream::default() };
        own.note(&mark(stream.counter, 0, &stream.gaps));
        assert_eq!((1..=4).filter(|c| own.is_delivered(*c)).collect::<Vec<_>>(), vec![1, 4]);
    }

    #[test]
    fn what_was_held_and_then_dropped_counts_as_missing() {
        let mut stream = PeerStream::default();
        (1..=3).for_each(|counter| _ = stream.take(counter, [0; 16]));
        stream.take(6, [0; 16]);
        [2, 3, 1, 2, 9].into_iter().for_each(|counter| stream.lose(counter));
        assert_eq!(stream.gaps, vec![(1, 5)]);
        stream.lose(6);
        assert_eq!((stream.gaps.clone(), stream.wants()), (vec![(1, 6)], false));
        assert_eq!(stream.take(2, [0; 16]), Place::Late, "wanted again, it may come");
    }

    #[test]
    fn a_receipt_never_takes_back_and_never_claims_more_than_was_sent() {
        let mut own = OwnStream { counter: 6, ..OwnStream::default() };
        own.note(&mark(u64::MAX, u64::MAX, &[(2, 2)]));
        assert_eq!((own.delivered, own.read), (6, 6));
        own.note(&mark(3, 1, &[(1, 1)]));
        assert_eq!((own.delivered, own.read, own.gaps.clone()), (6, 6, vec![]));
        assert!(own.is_delivered(1) && own.is_delivered(2));
    }

    #[test]
    fn gaps_are_bounded() {
        let mut stream = PeerStream::default();
        for n in 1..1_000 {
            stream.take(n * 2, [0; 16]);
        }
        assert_eq!(stream.gaps.len(), GAPS_MAX);
        assert!((1..1_000).all(|n| contains(&stream.gaps, n * 2 - 1)), "what is missing is never told as received");
        let mut own = OwnStream { counter: 1_998, ..OwnStream::default() };
        own.note(&mark(stream.counter, 0, &stream.gaps));
        assert!((1..1_000).all(|n| !own.is_delivered(n * 2 - 1)));
    }
}
