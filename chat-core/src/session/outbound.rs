//! Sealing.

use chat_wire::codec::Writer;
use rand_core::CryptoRng;

use super::message::{Clear, MessageKey, body, room_for_chunks};
use super::{Session, Stage};
use crate::crypto::random;
use crate::limits::CONTENT_BYTES_MAX;
use crate::ratchet::double::NoSlot;
use crate::ratchet::header::{Header, HeaderContext, TYPE_INITIATION, TYPE_NORMAL};
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
    /// # Errors
    /// [`SealError`]; the session is then as before.
    pub fn seal(&mut self, content: &[u8], rng: &mut dyn CryptoRng) -> Result<Sealed, SealError> {
        if content.len() > CONTENT_BYTES_MAX {
            return Err(SealError::TooLarge { bytes: content.len(), limit: CONTENT_BYTES_MAX });
        }
        let mut next = self.fork();
        let sid = next.fixed.sid.0;
        let slot = next.ec.send(&sid, rng)?;
        let pq = next.pq.send(&sid, room_for_chunks(content), rng)?;
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
        let mut body = body(content, &pq.part);
        let key = MessageKey::join(&slot.seed, &pq.key);
        let random = key.hedged(&random::secret(rng), &body);
        let sealed_header = slot.header_key.seal(&header, &HeaderContext { kind, associated, random: &random });
        let clear = Clear { associated, kind, random: &random, header: &sealed_header };
        let (commitment, tag) = key.body_keys(&clear).seal(&clear, &mut body);

        let mut packet = Writer::with_capacity(initiation.len().saturating_add(body.len()).saturating_add(128));
        packet.u8(kind).put(initiation).put(&random).put(&sealed_header).put(&commitment).put(&body).put(&tag);
        next.dirty.sending = true;
        next.dirty.root |= slot.stepped;
        next.dirty.pq |= pq.stepped;
        next.dirty.braid |= pq.stepped;
        *self = next;
        Ok(Sealed { packet: packet.finish() })
    }
}
