//! The eleven states and what a part does to each; checks that need keys are the parent's.

use std::sync::Arc;

use rand_core::CryptoRng;

use super::part::{BraidPart, PartKind};
use crate::crypto::kem_parts::{
    FIRST_BYTES, HEADER_BYTES, PartsPair, PartsRandomness, PartsSeed, PartsState, PublicParts, SECOND_BYTES,
    VECTOR_BYTES, vector_fits,
};
use crate::limits::CHUNKS_PER_MESSAGE_MAX;
use crate::ratchet::erasure::{CHUNK_BYTES, Decoder, encode};
use crate::ratchet::header::joined;
use crate::secret::Secret;

/// Bytes of a tag.
const TAG_BYTES: usize = 32;
/// Header and tag: 3 chunks.
pub(super) const HEADER_STREAM_BYTES: usize = HEADER_BYTES + TAG_BYTES;
/// The key's vector: 36 chunks.
pub(super) const EK_BYTES: usize = VECTOR_BYTES;
/// First half of the ciphertext: 30 chunks.
pub(super) const CT1_BYTES: usize = FIRST_BYTES;
/// Second half of the ciphertext.
pub(super) const CT2_BYTES: usize = SECOND_BYTES;
/// Second half and tag: 5 chunks.
pub(super) const CT2_STREAM_BYTES: usize = CT2_BYTES + TAG_BYTES;

/// Whoever made the key pair of this epoch.
#[derive(Debug, Clone)]
pub(super) struct KeySide {
    pub(super) seed: Arc<PartsSeed>,
    pair: Arc<PartsPair>,
    public: Arc<PublicParts>,
    pub(super) tag: [u8; TAG_BYTES],
    /// Next chunk of the stream under way.
    pub(super) next: u16,
}

/// Whoever encapsulates in this epoch.
#[derive(Debug, Clone)]
pub(super) struct CtSide {
    pub(super) header: [u8; HEADER_BYTES],
    pub(super) randomness: Arc<PartsRandomness>,
    state: Arc<PartsState>,
    first: Arc<[u8; FIRST_BYTES]>,
    /// Next chunk of the first half.
    pub(super) next: u16,
}

/// Where a side stands in its epoch.
#[derive(Debug, Clone)]
pub(super) enum State {
    KeysUnsampled,
    KeysSampled { side: KeySide },
    HeaderSent { side: KeySide, ct1: Decoder },
    Ct1Received { side: KeySide, ct1: Arc<[u8; CT1_BYTES]> },
    EkSentCt1Received { side: KeySide, ct1: Arc<[u8; CT1_BYTES]>, ct2: Decoder },
    NoHeaderReceived { header: Decoder },
    HeaderReceived { header: [u8; HEADER_BYTES] },
    Ct1Sampled { side: CtSide, ek: Decoder },
    EkReceivedCt1Sampled { side: CtSide, vector: Arc<[u8; EK_BYTES]> },
    Ct1Acknowledged { side: CtSide, ek: Decoder },
    Ct2Sampled { stream: [u8; CT2_STREAM_BYTES], next: u16 },
}

/// What a part leads to.
pub(super) enum Advance {
    Same,
    To(State),
    Header {
        header: [u8; HEADER_BYTES],
        tag: [u8; TAG_BYTES],
    },
    /// The vector is whole, the first half not yet acknowledged.
    Vector {
        side: CtSide,
        vector: Box<[u8; EK_BYTES]>,
    },
    /// Vector and acknowledgement are here: the second half is due.
    Second {
        side: CtSide,
        vector: Arc<[u8; EK_BYTES]>,
    },
    Decapsulate {
        side: KeySide,
        first: Arc<[u8; CT1_BYTES]>,
        second: [u8; CT2_BYTES],
        tag: [u8; TAG_BYTES],
    },
}

impl std::fmt::Debug for PublicParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicParts")
    }
}

impl KeySide {
    pub(super) fn sample(rng: &mut dyn CryptoRng, tag: impl FnOnce(&[u8; HEADER_BYTES]) -> [u8; TAG_BYTES]) -> Self {
        let seed = PartsSeed::generate(rng);
        let (pair, public) = seed.expand();
        let tag = tag(&public.header);
        Self { seed: Arc::new(seed), pair: Arc::new(pair), public: Arc::new(public), tag, next: 0 }
    }

    pub(super) fn from_record(seed: PartsSeed, tag: [u8; TAG_BYTES], next: u16) -> Self {
        let (pair, public) = seed.expand();
        Self { seed: Arc::new(seed), pair: Arc::new(pair), public: Arc::new(public), tag, next }
    }

    pub(super) fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.public.header
    }

    pub(super) fn decapsulate(&self, first: &[u8; CT1_BYTES], second: &[u8; CT2_BYTES]) -> Secret<32> {
        self.pair.decapsulate(first, second)
    }

    fn restarted(&self) -> Self {
        Self { next: 0, ..self.clone() }
    }
}

impl CtSide {
    /// None when the library refuses the header, which our widths rule out.
    pub(super) fn sample(header: &[u8; HEADER_BYTES], rng: &mut dyn CryptoRng) -> Option<(Self, Secret<32>)> {
        Self::make(header, PartsRandomness::generate(rng), 0)
    }

    pub(super) fn from_record(header: &[u8; HEADER_BYTES], randomness: PartsRandomness, next: u16) -> Option<Self> {
        Self::make(header, randomness, next).map(|(side, _)| side)
    }

    fn make(header: &[u8; HEADER_BYTES], randomness: PartsRandomness, next: u16) -> Option<(Self, Secret<32>)> {
        let (first, state, shared) = randomness.encapsulate_first(header).ok()?;
        let (randomness, state) = (Arc::new(randomness), Arc::new(state));
        Some((Self { header: *header, randomness, state, first: Arc::new(first), next }, shared))
    }

    pub(super) fn first(&self) -> &[u8; CT1_BYTES] {
        &self.first
    }

    pub(super) fn vector_fits(&self, vector: &[u8; EK_BYTES]) -> bool {
        vector_fits(&self.header, vector)
    }

    /// The second half, for a vector that fits.
    pub(super) fn second(&self, vector: &[u8; EK_BYTES]) -> Option<[u8; CT2_BYTES]> {
        self.vector_fits(vector).then(|| self.state.encapsulate_second(vector))
    }
}

impl State {
    /// The last state of the ct side.
    pub(super) fn ct2(second: &[u8; CT2_BYTES], tag: &[u8; TAG_BYTES]) -> Self {
        let mut stream = [0; CT2_STREAM_BYTES];
        for (to, from) in stream.iter_mut().zip(second.iter().chain(tag)) {
            *to = *from;
        }
        Self::Ct2Sampled { stream, next: 0 }
    }

    /// Chunks for the next message; moves only the stream's index.
    pub(super) fn emit(&mut self, room: usize) -> BraidPart<'static> {
        match self {
            Self::KeysSampled { side } => {
                let stream: [u8; HEADER_STREAM_BYTES] = joined([&side.public.header, &side.tag]);
                chunks(PartKind::Header, &stream, &mut side.next, room)
            }
            Self::HeaderSent { side, .. } => chunks(PartKind::Ek, &side.public.vector, &mut side.next, room),
            Self::Ct1Received { side, .. } => chunks(PartKind::EkCt1Ack, &side.public.vector, &mut side.next, room),
            Self::EkSentCt1Received { .. } => BraidPart::bare(PartKind::Ct1Ack),
            Self::Ct1Sampled { side, .. } | Self::EkReceivedCt1Sampled { side, .. } => {
                chunks(PartKind::Ct1, &side.first[..], &mut side.next, room)
            }
            Self::Ct2Sampled { stream, next } => chunks(PartKind::Ct2, stream, next, room),
            Self::KeysUnsampled
            | Self::NoHeaderReceived { .. }
            | Self::HeaderReceived { .. }
            | Self::Ct1Acknowledged { .. } => BraidPart::bare(PartKind::None),
        }
    }

    /// The next chunk of the stream under way; 0 where there is none.
    pub(super) fn cursor(&self) -> u16 {
        match self {
            Self::KeysSampled { side } | Self::HeaderSent { side, .. } | Self::Ct1Received { side, .. } => side.next,
            Self::Ct1Sampled { side, .. } | Self::EkReceivedCt1Sampled { side, .. } => side.next,
            Self::Ct2Sampled { next, .. } => *next,
            _ => 0,
        }
    }

    /// Puts [`State::cursor`] back.
    pub(super) fn set_cursor(&mut self, cursor: u16) {
        match self {
            Self::KeysSampled { side } | Self::HeaderSent { side, .. } | Self::Ct1Received { side, .. } => {
                side.next = cursor;
            }
            Self::Ct1Sampled { side, .. } | Self::EkReceivedCt1Sampled { side, .. } => side.next = cursor,
            Self::Ct2Sampled { next, .. } => *next = cursor,
            _ => {}
        }
    }

    /// What a part of the same epoch leads to. Parts that are not due are late or repeated: ignored.
    pub(super) fn take(&self, part: &BraidPart<'_>) -> Advance {
        use PartKind::{Ct1, Ct1Ack, Ct2, Ek, EkCt1Ack, Header};
        match (self, part.kind) {
            (Self::KeysSampled { side }, Ct1) => take_ct1(&side.restarted(), &Decoder::new(CT1_BYTES), part),
            (Self::HeaderSent { side, ct1 }, Ct1) => take_ct1(side, ct1, part),
            (Self::Ct1Received { side, ct1 }, Ct2) => take_ct2(side, ct1, &Decoder::new(CT2_STREAM_BYTES), part),
            (Self::EkSentCt1Received { side, ct1, ct2 }, Ct2) => take_ct2(side, ct1, ct2, part),
            (Self::NoHeaderReceived { header }, Header) => take_header(header, part),
            (Self::Ct1Sampled { side, ek }, Ek | EkCt1Ack) => take_ek(side, ek, part, part.kind == EkCt1Ack),
            (Self::Ct1Acknowledged { side, ek }, Ek | EkCt1Ack) => take_ek(side, ek, part, true),
            (Self::EkReceivedCt1Sampled { side, vector }, EkCt1Ack | Ct1Ack) => {
                Advance::Second { side: side.clone(), vector: Arc::clone(vector) }
            }
            _ => Advance::Same,
        }
    }
}

/// The next chunks of a stream. One that fits the room goes whole each time, so that any single message
/// carries it. A longer one goes once as it is, then once in chunks beyond its end, any of which makes up
/// for any lost one, and then as it is, over and over: that costs no arithmetic, and a side that is silent
/// for so long has most often lost nothing.
fn chunks(kind: PartKind, stream: &[u8], next: &mut u16, room: usize) -> BraidPart<'static> {
    let whole = u16::try_from(stream.len().div_ceil(CHUNK_BYTES)).unwrap_or(u16::MAX);
    let room = u16::try_from(room.min(CHUNKS_PER_MESSAGE_MAX)).unwrap_or(0);
    let (once, twice) = (whole, whole.saturating_mul(2));
    if room >= whole {
        *next = 0;
        return BraidPart { epoch: 0, kind, first: 0, chunks: encode(stream, 0, whole).into() };
    }
    let (first, end) = match *next {
        at if at < once => (at, once),
        at if at < twice => (at, twice),
        // Behind two rounds the index goes round in the stream itself.
        at => (at.saturating_sub(twice).checked_rem(whole).unwrap_or(0), once),
    };
    let count = room.min(end.saturating_sub(first));
    let after = first.saturating_add(count);
    *next = match *next {
        at if at < twice => after,
        _ => twice.saturating_add(after.checked_rem(whole).unwrap_or(0)),
    };
    BraidPart { epoch: 0, kind, first, chunks: encode(stream, first, count).into() }
}

fn collected(decoder: &Decoder, part: &BraidPart<'_>) -> Decoder {
    let mut decoder = decoder.clone();
    for (index, chunk) in part.indexed() {
        decoder.add(index, chunk);
    }
    decoder
}

fn take_header(header: &Decoder, part: &BraidPart<'_>) -> Advance {
    let header = collected(header, part);
    match header.message::<HEADER_STREAM_BYTES>().as_ref().and_then(|s| s.split_first_chunk::<HEADER_BYTES>()) {
        Some((header, tag)) => Advance::Header { header: *header, tag: tag.first_chunk().copied().unwrap_or_default() },
        None => Advance::To(State::NoHeaderReceived { header }),
    }
}

fn take_ct1(side: &KeySide, ct1: &Decoder, part: &BraidPart<'_>) -> Advance {
    let (side, ct1) = (side.clone(), collected(ct1, part));
    Advance::To(match ct1.message::<CT1_BYTES>() {
        Some(whole) => State::Ct1Received { side, ct1: Arc::new(whole) },
        None => State::HeaderSent { side, ct1 },
    })
}

fn take_ct2(side: &KeySide, ct1: &Arc<[u8; CT1_BYTES]>, ct2: &Decoder, part: &BraidPart<'_>) -> Advance {
    let (side, first, ct2) = (side.clone(), Arc::clone(ct1), collected(ct2, part));
    match ct2.message::<CT2_STREAM_BYTES>().as_ref().and_then(|s| s.split_first_chunk::<CT2_BYTES>()) {
        Some((second, tag)) => {
            Advance::Decapsulate { side, first, second: *second, tag: tag.first_chunk().copied().unwrap_or_default() }
        }
        None => Advance::To(State::EkSentCt1Received { side, ct1: first, ct2 }),
    }
}

fn take_ek(side: &CtSide, ek: &Decoder, part: &BraidPart<'_>, acknowledged: bool) -> Advance {
    let (side, ek) = (side.clone(), collected(ek, part));
    match (ek.message::<EK_BYTES>(), acknowledged) {
        (Some(vector), true) => Advance::Second { side, vector: Arc::new(vector) },
        (Some(vector), false) => Advance::Vector { side, vector: Box::new(vector) },
        (None, true) => Advance::To(State::Ct1Acknowledged { side, ek }),
        (None, false) => Advance::To(State::Ct1Sampled { side, ek }),
    }
}
