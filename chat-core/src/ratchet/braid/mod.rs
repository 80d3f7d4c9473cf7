//! The ML-KEM Braid (SPEC 8.5): both sides agree on a new post-quantum epoch key again and again, in
//! chunks that ride inside ordinary messages.
//!
//! ```text
//! key side   KeysUnsampled ─send→ KeysSampled ─Ct1→ HeaderSent ─ct1 whole→ Ct1Received ─Ct2→
//!            EkSentCt1Received ─ct2 whole, MAC right→ [epoch key] → NoHeaderReceived(e+1)
//! ct side    NoHeaderReceived ─header whole, MAC right→ HeaderReceived ─send→ [epoch key] Ct1Sampled
//!            ─ek whole→ EkReceivedCt1Sampled ─ack→ Ct2Sampled        ─any of e+1→ KeysUnsampled(e+1)
//!            ─ack→      Ct1Acknowledged      ─ek whole→ Ct2Sampled
//! ```
//!
//! The sides swap roles in each epoch. A message of Braid epoch `e` is sealed on chain `e − 1`, so what
//! it carries is never needed to open it, and only what was opened gets in here. An error means that an
//! authenticated peer broke the protocol: the session is given up.

mod auth;
mod part;
mod record;
mod state;

#[cfg(test)]
mod tests;

pub(crate) use auth::EpochKey;
pub(crate) use part::{BraidPart, PartKind};

use std::sync::Arc;

use rand_core::CryptoRng;

use self::auth::Authenticator;
use self::state::{Advance, CtSide, KeySide, State};
use super::erasure::Decoder;
use crate::crypto::kem_parts::HEADER_BYTES;
use crate::secret::Secret;

/// One side of a Braid.
#[derive(Debug, Clone)]
pub(crate) struct Braid {
    sid: [u8; 16],
    epoch: u64,
    auth: Authenticator,
    state: State,
}

/// What a message carries for the Braid, and the epoch key if this sending made one.
#[derive(Debug)]
pub(crate) struct Emitted {
    /// Goes into the message.
    pub(crate) part: BraidPart<'static>,
    /// Epoch and key to add to the chains.
    pub(crate) key: Option<(u64, EpochKey)>,
    /// Whether more changed than the [`Braid::cursor`].
    pub(crate) stepped: bool,
}

/// The next state, and the epoch key if a part completed one.
pub(crate) type Received = (Braid, Option<(u64, EpochKey)>);

/// An authenticated peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BraidError {
    /// A part of an epoch that can't have begun.
    #[error("a part of braid epoch {got} came in epoch {at}")]
    EpochOutOfRange {
        /// Epoch of the part.
        got: u64,
        /// Epoch of this side.
        at: u64,
    },
    /// The header's tag is wrong.
    #[error("the tag of a braid header is wrong")]
    HeaderTag,
    /// The vector does not belong to the header, or is no ML-KEM key.
    #[error("a braid key does not fit its header")]
    Key,
    /// The ciphertext's tag is wrong.
    #[error("the tag of a braid ciphertext is wrong")]
    CiphertextTag,
}

impl Braid {
    /// The side that initiated the session makes the first key pair; `start` is `A_0`.
    pub(crate) fn start(initiator: bool, sid: [u8; 16], start: &Secret<32>) -> Self {
        let state = if initiator { State::KeysUnsampled } else { no_header() };
        Self { sid, epoch: 1, auth: Authenticator::start(&sid, start), state }
    }

    /// The whole epoch of a message that carries only its lowest byte: the greatest one that is at most
    /// the next epoch, since no honest peer is further.
    pub(crate) fn epoch_of_byte(&self, byte: u8) -> u64 {
        let next = self.epoch.saturating_add(1);
        let back = next.to_be_bytes().last().copied().unwrap_or_default().wrapping_sub(byte);
        next.saturating_sub(u64::from(back))
    }

    /// What the next message carries: up to `room` chunks.
    pub(crate) fn send(&mut self, room: usize, rng: &mut dyn CryptoRng) -> Emitted {
        let epoch = self.epoch;
        let mut key = None;
        let mut stepped = true;
        match &self.state {
            State::KeysUnsampled => {
                let side = KeySide::sample(rng, |header| self.auth.header_tag(epoch, header));
                self.state = State::KeysSampled { side };
            }
            State::HeaderReceived { header } => {
                if let Some((side, made)) = self.encapsulate(header, rng) {
                    self.auth = self.auth.update(&self.sid, epoch, &made);
                    self.state = State::Ct1Sampled { side, ek: Decoder::new(state::EK_BYTES) };
                    key = Some((epoch, made));
                }
            }
            _ => stepped = false,
        }
        Emitted { part: BraidPart { epoch, ..self.state.emit(room) }, key, stepped }
    }

    fn encapsulate(&self, header: &[u8; HEADER_BYTES], rng: &mut dyn CryptoRng) -> Option<(CtSide, EpochKey)> {
        let (side, shared) = CtSide::sample(header, rng)?;
        Some((side, EpochKey::derive(&self.sid, self.epoch, header, &shared)))
    }

    /// What changes with every sending: the next chunk of the stream under way. It is stored apart, so
    /// that a message in chain does not write the whole Braid.
    pub(crate) fn cursor(&self) -> u16 {
        self.state.cursor()
    }

    /// Puts the cursor back.
    pub(crate) fn set_cursor(&mut self, cursor: u16) {
        self.state.set_cursor(cursor);
    }

    /// The next state after a part of an opened message, and the epoch key if it completed one; nothing
    /// when the part was late, repeated or empty.
    ///
    /// # Errors
    /// [`BraidError`]: the peer broke the protocol; nothing is changed, the session is to be given up.
    pub(crate) fn receive(&self, part: &BraidPart<'_>) -> Result<Option<Received>, BraidError> {
        if part.epoch < self.epoch {
            return Ok(None);
        }
        if part.epoch > self.epoch {
            let next = self.epoch.checked_add(1) == Some(part.epoch);
            return match self.state {
                State::Ct2Sampled { .. } if next => Ok(Some((self.moved(part.epoch, State::KeysUnsampled), None))),
                _ => Err(BraidError::EpochOutOfRange { got: part.epoch, at: self.epoch }),
            };
        }
        match self.state.take(part) {
            Advance::Same => Ok(None),
            Advance::To(state) => Ok(Some((self.moved(self.epoch, state), None))),
            Advance::Header { header, tag } => {
                if !self.auth.header_tag_is(self.epoch, &header, &tag) {
                    return Err(BraidError::HeaderTag);
                }
                Ok(Some((self.moved(self.epoch, State::HeaderReceived { header }), None)))
            }
            Advance::Vector { side, vector } => {
                if !side.vector_fits(&vector) {
                    return Err(BraidError::Key);
                }
                let vector = Arc::new(*vector);
                Ok(Some((self.moved(self.epoch, State::EkReceivedCt1Sampled { side, vector }), None)))
            }
            Advance::Second { side, vector } => self.second(&side, &vector),
            Advance::Decapsulate { side, first, second, tag } => self.finish(&side, &first, &second, &tag),
        }
    }

    fn second(&self, side: &CtSide, vector: &[u8; state::EK_BYTES]) -> Result<Option<Received>, BraidError> {
        let second = side.second(vector).ok_or(BraidError::Key)?;
        let tag = self.auth.ciphertext_tag(self.epoch, side.first(), &second);
        Ok(Some((self.moved(self.epoch, State::ct2(&second, &tag)), None)))
    }

    fn finish(
        &self,
        side: &KeySide,
        first: &[u8; state::CT1_BYTES],
        second: &[u8; state::CT2_BYTES],
        tag: &[u8; 32],
    ) -> Result<Option<Received>, BraidError> {
        let shared = side.decapsulate(first, second);
        let key = EpochKey::derive(&self.sid, self.epoch, side.header(), &shared);
        let auth = self.auth.update(&self.sid, self.epoch, &key);
        if !auth.ciphertext_tag_is(self.epoch, first, second, tag) {
            return Err(BraidError::CiphertextTag);
        }
        let epoch = self.epoch;
        let next = Self { auth, ..self.moved(epoch.saturating_add(1), no_header()) };
        Ok(Some((next, Some((epoch, key)))))
    }

    fn moved(&self, epoch: u64, state: State) -> Self {
        Self { sid: self.sid, epoch, auth: self.auth.clone(), state }
    }
}

fn no_header() -> State {
    State::NoHeaderReceived { header: Decoder::new(state::HEADER_STREAM_BYTES) }
}
