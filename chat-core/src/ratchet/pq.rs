//! The post-quantum chains: one pair for each epoch of the Braid (key-schedule B; Double Ratchet rev 4
//! §5). A message of Braid epoch e lies on chain e − 1, so its own chunks are never needed to open it.
//!
//! ```text
//! Exp(SK_pq, L("pq/start") ‖ sid, 128) = R_0 | C_0(A→B) | C_0(B→A) | A_0
//! Exp(Ext(R_(e-1), k_e), L("pq/add") ‖ sid ‖ e, 96) = R_e | C_e(A→B) | C_e(B→A)
//! ```
//!
//! A new position may not fall back to an older chain than one that was received on: a stolen old chain
//! key opens late messages at most.

use std::sync::Arc;

use rand_core::CryptoRng;

use super::braid::{Braid, BraidError, BraidPart, EpochKey};
use super::chain::{PqChainKey, PqMessageKey};
use super::skipped::{SkippedKeys, Spot, Taken, hour_of};
use crate::crypto::hkdf::{Prk, expand, part, shared_part};
use crate::labels;
use crate::limits::{CHAIN_STEPS_MAX, OLD_PQ_CHAINS_MAX};
use crate::secret::{Secret, secret_role};
use crate::time::Timestamp;

secret_role!(
    /// R.
    pub(crate) PqRoot, 32
);

/// One side of the post-quantum ratchet.
#[derive(Debug, Clone)]
pub(crate) struct PqRatchet {
    pub(super) initiator: bool,
    /// R of the newest epoch.
    pub(super) root: Arc<PqRoot>,
    /// The newest epoch that was added.
    pub(super) newest: u64,
    pub(super) sending: PqChain,
    pub(super) receiving: PqChain,
    /// Chains that were added and not yet used, ascending.
    pub(super) to_send: Vec<PqChain>,
    /// Chains that were added and not yet received on, ascending.
    pub(super) to_receive: Vec<PqChain>,
    /// Receiving chains that are over, for late messages; none when nothing is missing.
    pub(super) old: Vec<PqChain>,
    pub(crate) skipped: SkippedKeys<PqMessageKey>,
    pub(crate) braid: Braid,
}

/// One direction of one epoch.
#[derive(Debug, Clone)]
pub(super) struct PqChain {
    pub(super) epoch: u64,
    pub(super) key: PqChainKey,
    /// `ctr` of the last message; the first has 1.
    pub(super) counter: u32,
}

/// What one message is sealed with.
pub(crate) struct PqSendSlot {
    pub(crate) key: PqMessageKey,
    pub(crate) epoch: u8,
    pub(crate) counter: u32,
    pub(crate) part: BraidPart<'static>,
    /// Whether more changed than the sending chain and the Braid's position.
    pub(crate) stepped: bool,
}

/// What one message is opened with.
pub(crate) struct PqOpenSlot {
    pub(crate) key: Taken<PqMessageKey>,
    /// The Braid epoch that the header names.
    pub(crate) epoch: u64,
    /// Whether more changed than the receiving chain.
    pub(crate) stepped: bool,
}

/// Where a message lies, by its header and by what the other ratchet says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PqPlace {
    pub(crate) epoch: u8,
    pub(crate) counter: u32,
    /// Its position was passed before.
    pub(crate) late: bool,
}

/// Why a message whose header is authentic has no post-quantum key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPqKey {
    /// The chain is not there: over, not begun, or behind one that was received on.
    Epoch,
    /// The position was used, or never existed.
    Used,
    /// More than [`CHAIN_STEPS_MAX`] steps ahead.
    TooFar { steps: u32 },
}

/// The counter is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PqExhausted;

impl PqRatchet {
    /// From the handshake's second secret.
    pub(crate) fn start(initiator: bool, sk_pq: &Secret<32>, sid: &[u8; 16]) -> Self {
        let keys: Secret<128> = expand(sk_pq.expose(), &[labels::PQ_START, sid]);
        let (sending, receiving) = Self::pair(initiator, 0, &keys);
        Self {
            initiator,
            root: Arc::new(PqRoot::new(part(&keys, 0))),
            newest: 0,
            sending,
            receiving,
            to_send: Vec::new(),
            to_receive: Vec::new(),
            old: Vec::new(),
            skipped: SkippedKeys::default(),
            braid: Braid::start(initiator, *sid, &part(&keys, 3)),
        }
    }

    /// Whether the chain is not at its end: then [`PqRatchet::send`] does not fail.
    pub(crate) fn can_send(&self) -> bool {
        self.sending.counter < u32::MAX
    }

    /// The next position to seal at, and up to `room` chunks to carry. On an error the state is as before.
    pub(crate) fn send(
        &mut self,
        sid: &[u8; 16],
        room: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<PqSendSlot, PqExhausted> {
        if !self.can_send() {
            return Err(PqExhausted);
        }
        let emitted = self.braid.send(room, rng);
        let mut stepped = emitted.stepped;
        if let Some((epoch, key)) = emitted.key {
            self.add(epoch, &key, sid);
        }
        let epoch = emitted.part.epoch;
        // The sender's epoch never falls, so chains behind it are not needed again.
        while self.sending.epoch < epoch.saturating_sub(1) && !self.to_send.is_empty() {
            self.sending = self.to_send.remove(0);
            stepped = true;
        }
        let counter = self.sending.counter.checked_add(1).ok_or(PqExhausted)?;
        let key = self.sending.step(counter);
        let [.., low] = epoch.to_be_bytes();
        Ok(PqSendSlot { key, epoch: low, counter, part: emitted.part, stepped })
    }

    /// The key of an authentic header's position. Run on a copy: what it steps over is kept as skipped.
    pub(crate) fn receive(&mut self, place: PqPlace, now: Timestamp) -> Result<PqOpenSlot, NoPqKey> {
        let epoch = self.braid.epoch_of_byte(place.epoch);
        let chain = epoch.checked_sub(1).ok_or(NoPqKey::Epoch)?;
        // Late messages were sent before, new ones after whatever came: neither may claim otherwise.
        if (place.late && chain > self.receiving.epoch) || (!place.late && chain < self.receiving.epoch) {
            return Err(NoPqKey::Epoch);
        }
        let stepped = chain != self.receiving.epoch;
        self.move_to(chain)?;
        let key = self.take(chain, place.counter, now)?;
        Ok(PqOpenSlot { key, epoch, stepped })
    }

    /// What an opened message carried. Run on the same copy, after the tag was verified. Whether more
    /// changed than nothing.
    pub(crate) fn carry(&mut self, part: &BraidPart<'_>, sid: &[u8; 16]) -> Result<bool, BraidError> {
        let Some((braid, key)) = self.braid.receive(part)? else { return Ok(false) };
        self.braid = braid;
        if let Some((epoch, key)) = key {
            self.add(epoch, &key, sid);
        }
        Ok(true)
    }

    /// Drops old skipped keys, and when nothing can come late any more, the chains behind the current
    /// one. Whether a chain went.
    pub(crate) fn expire(&mut self, waits_for_late: bool, now: Timestamp) -> bool {
        if waits_for_late {
            self.skipped.expire(now);
            return false;
        }
        self.skipped.retain(|_| false);
        let any = !self.old.is_empty();
        self.old.clear();
        any
    }

    /// The newest epoch that was added.
    #[cfg(feature = "measure")]
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    fn add(&mut self, epoch: u64, key: &EpochKey, sid: &[u8; 16]) {
        let prk = Prk::extract(self.root.expose(), &[key.expose()]);
        let keys: Secret<96> = prk.expand(&[labels::PQ_ADD, sid, &epoch.to_be_bytes()]);
        let (sending, receiving) = Self::pair(self.initiator, epoch, &keys);
        self.root = Arc::new(PqRoot::new(part(&keys, 0)));
        self.newest = epoch;
        self.to_send.push(sending);
        self.to_receive.push(receiving);
    }

    /// Chains of an epoch from `R | C(A→B) | C(B→A) …`: ours to send on first.
    fn pair<const N: usize>(initiator: bool, epoch: u64, keys: &Secret<N>) -> (PqChain, PqChain) {
        let chain = |index| PqChain { epoch, key: PqChainKey::new(shared_part(keys, index)), counter: 0 };
        if initiator { (chain(1), chain(2)) } else { (chain(2), chain(1)) }
    }

    /// Makes a newer chain the receiving one.
    fn move_to(&mut self, chain: u64) -> Result<(), NoPqKey> {
        while self.receiving.epoch < chain {
            if self.to_receive.is_empty() {
                return Err(NoPqKey::Epoch);
            }
            let next = self.to_receive.remove(0);
            self.old.push(std::mem::replace(&mut self.receiving, next));
            if self.old.len() > OLD_PQ_CHAINS_MAX {
                let gone = self.old.remove(0);
                self.skipped.retain(|spot| spot.chain != gone.epoch);
            }
        }
        Ok(())
    }

    fn take(&mut self, epoch: u64, counter: u32, now: Timestamp) -> Result<Taken<PqMessageKey>, NoPqKey> {
        let current = self.receiving.epoch == epoch;
        let chain = if current { Some(&mut self.receiving) } else { self.old.iter_mut().find(|c| c.epoch == epoch) };
        let chain = chain.ok_or(NoPqKey::Epoch)?;
        let Some(first) = chain.counter.checked_add(1).filter(|first| counter >= *first) else {
            return self.skipped.take(epoch, counter).map(Taken::Kept).ok_or(NoPqKey::Used);
        };
        let steps = counter.saturating_sub(first);
        if steps > CHAIN_STEPS_MAX {
            return Err(NoPqKey::TooFar { steps });
        }
        let hour = hour_of(now);
        let passed: Vec<_> =
            (first..counter).map(|position| (Spot { chain: epoch, position, hour }, chain.step(position))).collect();
        let key = Taken::Fresh(chain.step(counter));
        self.skipped.add(passed);
        Ok(key)
    }
}

impl PqChain {
    fn step(&mut self, counter: u32) -> PqMessageKey {
        let (next, key) = self.key.step(counter);
        self.key = next;
        self.counter = counter;
        key
    }
}

#[cfg(test)]
mod tests;
