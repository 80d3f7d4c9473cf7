//! The header-encrypted Double Ratchet (key-schedule B; Double Ratchet rev 4 §4).
//!
//! ```text
//! responder  Awaiting ── first message ──► Ours ── seal ──► Theirs ─┐
//! initiator                                Ours ── seal ──► Theirs  │ message under the next header key
//!                                            ▲──────────────────────┘
//! ```
//! `Ours`: the next step is ours, taken when we seal; a new key is made as late as possible and opening
//! needs no randomness. The states are an enum: no key derivation runs on a key that is not there.

use std::sync::Arc;

use chat_wire::keys::DhKey;
use rand_core::CryptoRng;

use super::chain::{ChainKey, MessageSeed};
use super::header::{Header, HeaderContext, HeaderKey, SEALED_HEADER_BYTES};
use super::root::RootKey;
use super::skipped::{SkippedKeys, Spot, Taken, hour_of};
use crate::crypto::dh::{DhSecret, NotContributory};
use crate::limits::{CHAIN_POSITIONS_MAX, CHAIN_STEPS_MAX, OLD_CHAINS_MAX, SKIPPED_KEY_MS_MAX};
use crate::secret::Secret;
use crate::time::Timestamp;

/// One side of the ratchet.
#[derive(Debug, Clone)]
pub(crate) struct DoubleRatchet {
    pub(super) root: Arc<RootKey>,
    /// NHKs.
    pub(super) next_sending: Arc<HeaderKey>,
    /// NHKr.
    pub(super) next_receiving: Arc<HeaderKey>,
    pub(super) turn: Turn,
    pub(super) receiving: Option<Receiving>,
    pub(super) old: Arc<Vec<OldChain>>,
    pub(crate) skipped: SkippedKeys<MessageSeed>,
}

/// Whose step is next.
#[derive(Debug, Clone)]
pub(super) enum Turn {
    /// The responder before the first message: nothing to send with.
    Awaiting { own: Arc<DhSecret> },
    /// Sealing makes a new ratchet key for this key of theirs. `previous` is the length of the last
    /// sending chain (PN).
    Ours { theirs: DhKey, previous: u32 },
    /// Sealing goes on in the chain of our current ratchet key.
    Theirs { own: Arc<DhSecret>, public: DhKey, sending: Sending },
}

/// Our current chain.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    pub(super) header: Arc<HeaderKey>,
    pub(super) chain: ChainKey,
    /// N of the next message.
    pub(super) next: u32,
    /// PN.
    pub(super) previous: u32,
}

/// Their current chain.
#[derive(Debug, Clone)]
pub(super) struct Receiving {
    pub(super) header: Arc<HeaderKey>,
    pub(super) chain: ChainKey,
    /// N of the next message.
    pub(super) next: u32,
    pub(super) ratchet: DhKey,
    /// Counts their chains; names the skipped keys.
    pub(super) number: u64,
}

/// A chain of theirs that is over: its header key is tried for late messages.
#[derive(Debug, Clone)]
pub(super) struct OldChain {
    pub(super) header: Arc<HeaderKey>,
    pub(super) number: u64,
    pub(super) hour: u32,
}

/// What one message is sealed with.
pub(crate) struct SendSlot {
    pub(crate) header_key: Arc<HeaderKey>,
    pub(crate) ratchet: DhKey,
    pub(crate) previous: u32,
    pub(crate) position: u32,
    pub(crate) seed: MessageSeed,
    /// Whether a new ratchet key was made.
    pub(crate) stepped: bool,
}

/// Which header key fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Current,
    Next,
    Old { number: u64 },
}

/// What one message is opened with.
pub(crate) struct OpenSlot {
    pub(crate) seed: Taken<MessageSeed>,
    /// Number of their chain.
    pub(crate) chain: u64,
    /// Whether the position was passed before.
    pub(crate) late: bool,
    /// Whether their ratchet key is new.
    pub(crate) stepped: bool,
}

/// Why nothing can be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// The responder has not received the first message.
    NothingReceived,
    /// The chain is at its end.
    Exhausted,
    /// Their key has low order.
    LowOrder,
}

/// Why a message whose header is authentic can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSeed {
    /// The position was used, or dropped after [`SKIPPED_KEY_MS_MAX`].
    Used,
    /// More than [`CHAIN_STEPS_MAX`] steps ahead.
    TooFar { steps: u32 },
    /// The header contradicts an earlier one of its chain.
    Contradiction,
    /// Their key has low order.
    LowOrder,
}

impl From<NotContributory> for NoSeed {
    fn from(_: NotContributory) -> Self {
        Self::LowOrder
    }
}

/// The four secrets of the handshake that start the ratchet.
pub(crate) struct Start {
    pub(crate) sk_ec: Secret<32>,
    pub(crate) hk_a: Secret<32>,
    pub(crate) nhk_b: Secret<32>,
}

impl DoubleRatchet {
    /// The initiator's side; `signed` is the responder's medium-term prekey.
    pub(crate) fn initiator(start: Start, signed: DhKey) -> Self {
        let turn = Turn::Ours { theirs: signed, previous: 0 };
        Self::start(start.sk_ec, start.hk_a, start.nhk_b, turn)
    }

    /// The responder's side; `signed` is the private half of its medium-term prekey.
    pub(crate) fn responder(start: Start, signed: Arc<DhSecret>) -> Self {
        let turn = Turn::Awaiting { own: signed };
        Self::start(start.sk_ec, start.nhk_b, start.hk_a, turn)
    }

    fn start(root: Secret<32>, next_sending: Secret<32>, next_receiving: Secret<32>, turn: Turn) -> Self {
        Self {
            root: Arc::new(RootKey::new(root)),
            next_sending: Arc::new(HeaderKey::new(next_sending)),
            next_receiving: Arc::new(HeaderKey::new(next_receiving)),
            turn,
            receiving: None,
            old: Arc::default(),
            skipped: SkippedKeys::default(),
        }
    }

    /// The next position to seal at. On an error the state is as before.
    pub(crate) fn send(&mut self, sid: &[u8; 16], rng: &mut dyn CryptoRng) -> Result<SendSlot, NoSlot> {
        let stepped = match &self.turn {
            Turn::Awaiting { .. } => return Err(NoSlot::NothingReceived),
            Turn::Theirs { .. } => false,
            Turn::Ours { theirs, previous } => {
                let (theirs, previous) = (*theirs, *previous);
                self.step_sending(&theirs, previous, sid, rng)?;
                true
            }
        };
        let Turn::Theirs { public, sending, .. } = &mut self.turn else { return Err(NoSlot::NothingReceived) };
        let position = sending.next;
        if position >= CHAIN_POSITIONS_MAX {
            return Err(NoSlot::Exhausted);
        }
        let (chain, seed) = sending.chain.step();
        sending.chain = chain;
        sending.next = position.saturating_add(1);
        let header_key = Arc::clone(&sending.header);
        Ok(SendSlot { header_key, ratchet: *public, previous: sending.previous, position, seed, stepped })
    }

    fn step_sending(
        &mut self,
        theirs: &DhKey,
        previous: u32,
        sid: &[u8; 16],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), NoSlot> {
        let own = DhSecret::generate(rng);
        let step = self.root.step(&own.agree(theirs).map_err(|_| NoSlot::LowOrder)?, sid);
        let header = std::mem::replace(&mut self.next_sending, Arc::new(step.next_header));
        let sending = Sending { header, chain: step.chain, next: 0, previous };
        self.root = Arc::new(step.root);
        self.turn = Turn::Theirs { public: own.public(), own: Arc::new(own), sending };
        Ok(())
    }

    /// Tries the header keys: the current one, the next one when a step of theirs may come, the old ones.
    pub(crate) fn locate(
        &self,
        sealed: &[u8; SEALED_HEADER_BYTES],
        context: &HeaderContext<'_>,
    ) -> Option<(Place, Header)> {
        if let Some(header) = self.receiving.as_ref().and_then(|r| r.header.open(sealed, context)) {
            return Some((Place::Current, header));
        }
        // While the step is ours they can't have taken the next one.
        if !matches!(self.turn, Turn::Ours { .. })
            && let Some(header) = self.next_receiving.open(sealed, context)
        {
            return Some((Place::Next, header));
        }
        self.old.iter().rev().find_map(|chain| {
            chain.header.open(sealed, context).map(|header| (Place::Old { number: chain.number }, header))
        })
    }

    /// Number of the chain that a header key belongs to; none for one that has not begun.
    pub(crate) fn chain_at(&self, place: Place) -> Option<u64> {
        match place {
            Place::Current => self.receiving.as_ref().map(|receiving| receiving.number),
            Place::Old { number } => Some(number),
            Place::Next => None,
        }
    }

    /// The seed of an authentic header's position. Run on a copy: what it steps over is kept as skipped.
    pub(crate) fn receive(
        &mut self,
        (place, header): (Place, &Header),
        sid: &[u8; 16],
        now: Timestamp,
    ) -> Result<OpenSlot, NoSeed> {
        match place {
            Place::Old { number } => self.late(number, header.position),
            Place::Current => {
                let (number, next, ratchet) =
                    self.receiving.as_ref().map(|r| (r.number, r.next, r.ratchet)).ok_or(NoSeed::Contradiction)?;
                if ratchet != header.ratchet {
                    return Err(NoSeed::Contradiction);
                }
                if header.position < next {
                    return self.late(number, header.position);
                }
                check_steps(header.position.saturating_sub(next))?;
                self.advance(header.position, false, now)
            }
            Place::Next => {
                let ahead = self
                    .receiving
                    .as_ref()
                    .map_or(Ok(0), |r| header.previous.checked_sub(r.next).ok_or(NoSeed::Contradiction))?;
                check_steps(ahead.saturating_add(header.position))?;
                self.step_receiving(header, sid, now)?;
                self.advance(header.position, true, now)
            }
        }
    }

    fn late(&mut self, number: u64, position: u32) -> Result<OpenSlot, NoSeed> {
        let seed = self.skipped.take(number, position).ok_or(NoSeed::Used)?;
        Ok(OpenSlot { seed: Taken::Kept(seed), chain: number, late: true, stepped: false })
    }

    /// Their new ratchet key: ends their current chain and starts the next.
    fn step_receiving(&mut self, header: &Header, sid: &[u8; 16], now: Timestamp) -> Result<(), NoSeed> {
        let (own, sent) = match &self.turn {
            Turn::Awaiting { own } => (own, 0),
            Turn::Theirs { own, sending, .. } => (own, sending.next),
            Turn::Ours { .. } => return Err(NoSeed::Contradiction),
        };
        let step = self.root.step(&own.agree(&header.ratchet)?, sid);
        self.root = Arc::new(step.root);
        self.turn = Turn::Ours { theirs: header.ratchet, previous: sent };
        self.skip_to(header.previous, now);
        let number = self.receiving.as_ref().map_or(0, |r| r.number.saturating_add(1));
        let fresh = Receiving {
            header: std::mem::replace(&mut self.next_receiving, Arc::new(step.next_header)),
            chain: step.chain,
            next: 0,
            ratchet: header.ratchet,
            number,
        };
        if let Some(over) = self.receiving.replace(fresh) {
            self.retire(OldChain { header: over.header, number: over.number, hour: hour_of(now) });
        }
        Ok(())
    }

    /// Goes to a position of the current chain and takes its seed.
    fn advance(&mut self, position: u32, stepped: bool, now: Timestamp) -> Result<OpenSlot, NoSeed> {
        self.skip_to(position, now);
        let receiving = self.receiving.as_mut().ok_or(NoSeed::Contradiction)?;
        let (chain, seed) = receiving.chain.step();
        receiving.chain = chain;
        receiving.next = position.saturating_add(1);
        Ok(OpenSlot { seed: Taken::Fresh(seed), chain: receiving.number, late: false, stepped })
    }

    /// Keeps the seeds of the current chain before `until`; the caller has checked how many.
    fn skip_to(&mut self, until: u32, now: Timestamp) {
        let Some(receiving) = &mut self.receiving else { return };
        let mut seeds = Vec::new();
        for position in receiving.next..until {
            let (chain, seed) = receiving.chain.step();
            receiving.chain = chain;
            seeds.push((Spot { chain: receiving.number, position, hour: hour_of(now) }, seed));
        }
        receiving.next = receiving.next.max(until);
        self.skipped.add(seeds);
    }

    /// Keeps the header key of a chain that is over; one makes room, rather one that waits for nothing.
    fn retire(&mut self, chain: OldChain) {
        let old = Arc::make_mut(&mut self.old);
        old.push(chain);
        if old.len() > OLD_CHAINS_MAX {
            let at = old.iter().position(|c| !self.skipped.has_chain(c.number)).unwrap_or(0);
            let gone = old.remove(at);
            self.skipped.retain(|spot| spot.chain != gone.number);
        }
    }

    /// Drops skipped keys and old header keys that are too old. Whether an old chain went.
    pub(crate) fn expire(&mut self, now: Timestamp) -> bool {
        self.skipped.expire(now);
        let hours_max = u32::try_from(SKIPPED_KEY_MS_MAX / (60 * 60 * 1_000)).unwrap_or(u32::MAX);
        let is_young = |chain: &OldChain| hour_of(now).saturating_sub(chain.hour) < hours_max;
        if self.old.iter().all(is_young) {
            return false;
        }
        Arc::make_mut(&mut self.old).retain(is_young);
        true
    }

    /// How many header keys [`DoubleRatchet::locate`] tries at most.
    pub(crate) fn header_keys(&self) -> usize {
        let next = usize::from(!matches!(self.turn, Turn::Ours { .. }));
        self.old.len().saturating_add(usize::from(self.receiving.is_some())).saturating_add(next)
    }

    /// Whether there is something to seal with.
    pub(crate) fn can_send(&self) -> bool {
        !matches!(self.turn, Turn::Awaiting { .. })
    }

    /// Messages of theirs since they last had a new key of ours.
    pub(crate) fn unanswered(&self) -> u32 {
        match (&self.turn, &self.receiving) {
            (Turn::Ours { .. }, Some(receiving)) => receiving.next,
            _ => 0,
        }
    }

    /// Messages of ours since the last new key of theirs.
    pub(crate) fn sent_in_row(&self) -> u32 {
        match &self.turn {
            Turn::Theirs { sending, .. } => sending.next,
            _ => 0,
        }
    }

    /// Whether a message may still come late.
    pub(crate) fn waits_for_late(&self) -> bool {
        !self.skipped.is_empty()
    }
}

fn check_steps(steps: u32) -> Result<(), NoSeed> {
    if steps > CHAIN_STEPS_MAX { Err(NoSeed::TooFar { steps }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
