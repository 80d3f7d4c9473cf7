//! What one message carries for the Braid.

use std::borrow::Cow;

use crate::limits::CHUNKS_PER_MESSAGE_MAX;
use crate::ratchet::erasure::Chunk;

/// Which stream the chunks are of (SPEC 8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PartKind {
    /// Nothing.
    None = 0,
    /// Header and its tag.
    Header = 1,
    /// Vector of the encapsulation key.
    Ek = 2,
    /// The same, and the first half of the ciphertext is here.
    EkCt1Ack = 3,
    /// The first half of the ciphertext is here.
    Ct1Ack = 4,
    /// First half of the ciphertext.
    Ct1 = 5,
    /// Second half of the ciphertext and its tag.
    Ct2 = 6,
}

impl PartKind {
    /// Reads the byte on the wire.
    pub(crate) fn of(byte: u8) -> Option<Self> {
        [Self::None, Self::Header, Self::Ek, Self::EkCt1Ack, Self::Ct1Ack, Self::Ct1, Self::Ct2]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    /// Whether chunks go with it.
    pub(crate) fn has_chunks(self) -> bool {
        !matches!(self, Self::None | Self::Ct1Ack)
    }
}

/// Epoch, kind and consecutive chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BraidPart<'a> {
    /// Braid epoch of the sender.
    pub(crate) epoch: u64,
    /// Which stream.
    pub(crate) kind: PartKind,
    /// Index of the first chunk.
    pub(crate) first: u16,
    /// The chunks of `first`, `first + 1` ….
    pub(crate) chunks: Cow<'a, [Chunk]>,
}

impl BraidPart<'_> {
    /// A part without chunks.
    pub(crate) fn bare(kind: PartKind) -> Self {
        Self { epoch: 0, kind, first: 0, chunks: Cow::default() }
    }

    /// Whether the wire allows it: chunks exactly where the kind has some, and no index over 65,535.
    pub(crate) fn is_well_formed(&self) -> bool {
        let count = self.chunks.len();
        let fits = usize::from(self.first).saturating_add(count) <= usize::from(u16::MAX).saturating_add(1);
        count <= CHUNKS_PER_MESSAGE_MAX && fits && (self.kind.has_chunks() || (count == 0 && self.first == 0))
    }

    /// The chunks with their indices.
    pub(crate) fn indexed(&self) -> impl Iterator<Item = (u16, &Chunk)> {
        (self.first..=u16::MAX).zip(self.chunks.iter())
    }
}
