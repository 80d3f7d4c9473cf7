//! Epoch keys and the tags that tie a Braid to its session (key-schedule B).

use std::sync::Arc;

use crate::crypto::hkdf::{Prk, part};
use crate::crypto::kem_parts::{FIRST_BYTES, HEADER_BYTES, SECOND_BYTES};
use crate::crypto::mac;
use crate::labels::{PQ_AUTH, PQ_CIPHERTEXT, PQ_EPOCH, PQ_HEADER};
use crate::secret::{Secret, secret_role};

secret_role!(
    /// `k_e`: what a finished epoch adds to the post-quantum chains.
    pub(crate) EpochKey, 32
);

impl EpochKey {
    /// `Exp(Ext(0^32, K), L("pq/epoch") ‖ sid ‖ e ‖ hdr, 32)`.
    pub(super) fn derive(sid: &[u8; 16], epoch: u64, header: &[u8; HEADER_BYTES], shared: &Secret<32>) -> Self {
        let prk = Prk::extract(&[0; 32], &[shared.expose()]);
        Self::new(prk.expand(&[PQ_EPOCH, sid, &epoch.to_be_bytes(), header]))
    }
}

/// Root and tag key; both move on once in each epoch.
#[derive(Debug, Clone)]
pub(super) struct Authenticator {
    root: Arc<Secret<32>>,
    mac: Arc<Secret<32>>,
}

impl Authenticator {
    /// Root zero, updated for epoch 1 with `A_0`.
    pub(super) fn start(sid: &[u8; 16], start: &Secret<32>) -> Self {
        Self::step(&Secret::fill(|_| ()), sid, 1, start.expose())
    }

    /// After an epoch key: for the rest of its epoch and the header of the next.
    pub(super) fn update(&self, sid: &[u8; 16], epoch: u64, key: &EpochKey) -> Self {
        Self::step(&self.root, sid, epoch, key.expose())
    }

    fn step(root: &Secret<32>, sid: &[u8; 16], epoch: u64, key: &[u8; 32]) -> Self {
        let prk = Prk::extract(root.expose(), &[key]);
        let both: Secret<64> = prk.expand(&[PQ_AUTH, sid, &epoch.to_be_bytes()]);
        Self { root: Arc::new(part(&both, 0)), mac: Arc::new(part(&both, 1)) }
    }

    pub(super) fn header_tag(&self, epoch: u64, header: &[u8; HEADER_BYTES]) -> [u8; 32] {
        mac::tag(self.mac.expose(), &[PQ_HEADER, &epoch.to_be_bytes(), header])
    }

    pub(super) fn header_tag_is(&self, epoch: u64, header: &[u8; HEADER_BYTES], tag: &[u8; 32]) -> bool {
        mac::verifies(self.mac.expose(), &[PQ_HEADER, &epoch.to_be_bytes(), header], tag)
    }

    pub(super) fn ciphertext_tag(
        &self,
        epoch: u64,
        first: &[u8; FIRST_BYTES],
        second: &[u8; SECOND_BYTES],
    ) -> [u8; 32] {
        mac::tag(self.mac.expose(), &[PQ_CIPHERTEXT, &epoch.to_be_bytes(), first, second])
    }

    pub(super) fn ciphertext_tag_is(
        &self,
        epoch: u64,
        first: &[u8; FIRST_BYTES],
        second: &[u8; SECOND_BYTES],
        tag: &[u8; 32],
    ) -> bool {
        mac::verifies(self.mac.expose(), &[PQ_CIPHERTEXT, &epoch.to_be_bytes(), first, second], tag)
    }

    /// Root and tag key, for the session's record.
    pub(super) fn expose(&self) -> (&[u8; 32], &[u8; 32]) {
        (self.root.expose(), self.mac.expose())
    }

    /// From a record.
    pub(super) fn from_record(root: [u8; 32], mac: [u8; 32]) -> Self {
        let keep = |bytes: [u8; 32]| Arc::new(Secret::fill(|out| out.copy_from_slice(&bytes)));
        Self { root: keep(root), mac: keep(mac) }
    }
}
