//! Work that a shell may do beside the relay: signatures, and the relay's share of OPAQUE. Each connection has
//! at most one under way; what it says meanwhile waits, so that its requests keep their order.

use rand_core::CryptoRng;

use crate::core::{Then, Work};
use crate::round::{ConnectionId, Rests};

/// The request that a work belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
    pub(crate) rests: Rests,
}

/// Work to be done, on whatever thread.
pub struct Task<S> {
    pub(crate) asked: Asked,
    pub(crate) work: Work<S>,
}

/// Done work, for [`Relay::finish`](crate::Relay::finish).
pub struct Done<S> {
    pub(crate) asked: Asked,
    pub(crate) then: Then<S>,
}

impl<S> Task<S> {
    /// Does it.
    #[must_use]
    pub fn run(self, rng: &mut dyn CryptoRng) -> Done<S> {
        Done { asked: self.asked, then: (self.work)(rng) }
    }
}

impl<S> Done<S> {
    /// Whose request it was.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.asked.connection
    }
}
