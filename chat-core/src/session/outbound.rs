//! Sealing.

use chat_wire::codec::Writer;
use rand_core::CryptoRng;

use super::message::{COMMITMENT_BYTES, Clear, MessageKey, body_len, put_body, room_for_chunks};
use super::{Session, Stage};
use crate::crypto::aead::TAG_BYTES;
use crate::crypto::random;
use crate::limits::CONTENT_BYTES_MAX;
use crate::ratchet::double::NoSlot;
use crate::ratchet::header::{
    Header, HeaderContext, RANDOM_BYTES, SEALED_HEADER_BYTES, TYPE_INITIATION, TYPE_NORMAL, joined,
};
use crate::ratchet::pq::PqExhausted;

/// A sealed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// For the peer. Store the session's changes before it leaves.
    pub packet: Vec<u8>,
}

/// Why nothing was sealed; the session is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The content is over the limit.
    #[error("the content has {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// [`CONTENT_BYTES_MAX`].
        limit: usize,
    },
    /// This side accepted the session and has opened nothing yet.
    #[error("nothing was received in this session")]
    NothingReceived,
    /// A chain is at its end: a new session is due.
    #[error("the session is used up")]
    Exhausted,
    /// The peer's ratchet key has low order.
    #[error("a key of low order")]
    LowOrder,
}

impl From<NoSlot> for SealError {
    fn from(why: NoSlot) -> Self {
        match why {
            NoSlot::NothingReceived => Self::NothingReceived,
            NoSlot::Exhausted => Self::Exhausted,
            NoSlot::LowOrder => Self::LowOrder,
        }
    }
}

impl From<PqExhausted> for SealError {
    fn from(_: PqExhausted) -> Self {
        Self::Exhausted
    }
}

impl Session {
    /// Seals a content at the next position. The changed session must be stored before the packet is
    /// sent, or a crash seals another content at the same position.
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, person::NOW, seeded::Seeded};
    /// # let mut rng = Seeded::new(1);
    /// # let Ends { mut alice, mut bob } = Couple::new(2, true).talking(&mut rng);
    /// let packet = alice.seal(b"hello", &mut rng)?.packet;
    /// assert_eq!(packet.len(), 512 + 110); // padded, and hidden
    /// let rows = alice.take_changes(); // into the store, then the packet to the network
    /// assert!(!rows.is_empty());
    /// # Ok::<(), chat_core::session::SealError>(())
    /// ```
    ///
    /// # Errors
    /// [`SealError`]; the session is then as before.
    pub fn seal(&mut self, content: &[u8], rng: &mut dyn CryptoRng) -> Result<Sealed, SealError> {
        if content.len() > CONTENT_BYTES_MAX {
            return Err(SealError::TooLarge { bytes: content.len(), limit: CONTENT_BYTES_MAX });
        }
        if !self.pq.can_send() {
            return Err(SealError::Exhausted);
        }
        let sid = self.fixed.sid.0;
        // The last that can fail, and then nothing has changed.
        let slot = self.ec.send(&sid, rng)?;
        let pq = self.pq.send(&sid, room_for_chunks(content), rng)?;
        let header = Header {
            ratchet: slot.ratchet,
            previous: slot.previous,
            position: slot.position,
            epoch: pq.epoch,
            counter: pq.counter,
        };
        let (kind, initiation) = match &self.stage {
            Stage::Unacknowledged { initiation } => (TYPE_INITIATION, initiation.as_slice()),
            Stage::Acknowledged => (TYPE_NORMAL, &[][..]),
        };
        let [associated, _] = &self.fixed.associated;
        // The body is laid out and encrypted where the packet needs it; what goes before is filled in then.
        let len = COMMITMENT_BYTES.saturating_add(body_len(content)).saturating_add(TAG_BYTES);
        let len = initiation.len().saturating_add(1 + RANDOM_BYTES + SEALED_HEADER_BYTES).saturating_add(len);
        let mut out = Writer::with_capacity(len);
        out.u8(kind).put(initiation);
        let head = out.as_slice().len();
        out.put(&[0; RANDOM_BYTES + SEALED_HEADER_BYTES + COMMITMENT_BYTES]);
        let mut packet = put_body(out, content, &pq.part);
        let (_, rest) = packet.split_at_mut(head);
        let (before, body) = rest.split_at_mut(RANDOM_BYTES + SEALED_HEADER_BYTES + COMMITMENT_BYTES);

        let key = MessageKey::join(&slot.seed, &pq.key);
        let random = key.hedged(&random::secret(rng), body);
        let sealed_header = slot.header_key.seal(&header, &HeaderContext { kind, associated, random: &random });
        let clear = Clear { associated, kind, random: &random, header: &sealed_header };
        let (commitment, tag) = key.body_keys(&clear).seal(&clear, body);
        before.copy_from_slice(&joined::<{ RANDOM_BYTES + SEALED_HEADER_BYTES + COMMITMENT_BYTES }, 3>([
            &random,
            &sealed_header,
            &commitment,
        ]));
        packet.extend_from_slice(&tag);
        self.dirty.sending = true;
        self.dirty.root |= slot.stepped;
        self.dirty.pq |= pq.stepped;
        self.dirty.braid |= pq.stepped;
        Ok(Sealed { packet: std::mem::take(&mut *packet) })
    }
}
