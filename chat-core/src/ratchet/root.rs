//! The root of the Double Ratchet: `Exp(Ext(RK, dh), L("dm/root") ‖ sid, 96) = RK' | CK | NHK`.

use super::chain::ChainKey;
use super::header::HeaderKey;
use crate::crypto::hkdf::{Prk, part, shared_part};
use crate::labels;
use crate::secret::{Secret, secret_role};

secret_role!(
    /// RK.
    pub(crate) RootKey, 32
);

/// What one X25519 step gives.
pub(crate) struct RootStep {
    pub(crate) root: RootKey,
    pub(crate) chain: ChainKey,
    pub(crate) next_header: HeaderKey,
}

impl RootKey {
    /// One step; `sid` keeps sessions apart.
    pub(crate) fn step(&self, shared: &Secret<32>, sid: &[u8; 16]) -> RootStep {
        let keys: Secret<96> = Prk::extract(self.expose(), &[shared.expose()]).expand(&[labels::DM_ROOT, sid]);
        RootStep {
            root: Self(part(&keys, 0)),
            chain: ChainKey::new(shared_part(&keys, 1)),
            next_header: HeaderKey::new(part(&keys, 2)),
        }
    }
}
