//! The post-quantum ratchet by itself, which no session shows apart: for `benches/peers` only, and only
//! there with the feature `measure`.

use rand_core::CryptoRng;

use crate::ratchet::braid::BraidPart;
use crate::ratchet::pq::{PqPlace, PqRatchet};
use crate::secret::Secret;
use crate::time::Timestamp;

/// What one message carries of the ratchet.
#[derive(Debug)]
pub struct PqMessage {
    place: PqPlace,
    part: BraidPart<'static>,
}

/// Both ends of one ratchet.
#[derive(Debug)]
pub struct PqPair {
    ends: [PqRatchet; 2],
    sid: [u8; 16],
}

impl PqPair {
    /// Two ends that have just agreed on a secret.
    #[must_use]
    pub fn new() -> Self {
        let (sk, sid) = (Secret::fill(|out| out.fill(7)), [9; 16]);
        Self { ends: [true, false].map(|initiator| PqRatchet::start(initiator, &sk, &sid)), sid }
    }

    /// One message of an end, with room for so many chunks: what [`crate::session::Session::seal`] does
    /// of the ratchet.
    pub fn seal(&mut self, end: bool, room: usize, rng: &mut dyn CryptoRng) -> Option<PqMessage> {
        let ratchet = self.ends.get_mut(usize::from(end))?;
        let slot = ratchet.send(&self.sid, room, rng).ok()?;
        let place = PqPlace { epoch: slot.epoch, counter: slot.counter, late: false };
        Some(PqMessage { place, part: slot.part })
    }

    /// The same message at an end: what [`crate::session::Session::open`] does of the ratchet.
    pub fn open(&mut self, end: bool, message: &PqMessage, now: Timestamp) -> Option<()> {
        let ratchet = self.ends.get_mut(usize::from(end))?;
        let mut next = ratchet.clone();
        let slot = next.receive(message.place, now).ok()?;
        let part = BraidPart { epoch: slot.epoch, ..message.part.clone() };
        next.carry(&part, &self.sid).ok()?;
        next.expire(false, now);
        *ratchet = next;
        Some(())
    }

    /// The newest epoch that both ends have keys of.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.ends.iter().map(PqRatchet::newest).min().unwrap_or_default()
    }
}

impl Default for PqPair {
    fn default() -> Self {
        Self::new()
    }
}
