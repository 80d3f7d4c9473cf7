//! The initiator's half: a verified bundle in, an initiation and the agreed keys out.

use chat_wire::codec::Writer;
use chat_wire::domain::plain_hash;
use chat_wire::ids::{DeviceAddress, RelayId};
use chat_wire::keys::{DhKey, VerifyKey};
use rand_core::CryptoRng;

use super::transcript::{Agreed, Context, HandshakeError, InitiationId, KemUse, Prefix, Psk, Shares};
use crate::crypto::aead;
use crate::crypto::dh::DhSecret;
use crate::crypto::kem;
use crate::identity::{DeviceKeys, Party};
use crate::prekey::VerifiedBundle;
use crate::prekey::bundle::KemChoice;

/// Who opens a session, with what.
pub(crate) struct Initiation<'a> {
    pub(crate) me: &'a DeviceKeys,
    pub(crate) my: &'a Party,
    pub(crate) relay: RelayId,
    pub(crate) bundle: &'a VerifiedBundle,
    pub(crate) session_no: u32,
    pub(crate) psk: Option<&'a Psk>,
}

/// The initiator's result.
pub(crate) struct Initiated {
    pub(crate) agreed: Agreed,
    /// `prefix ‖ u16 len ‖ sealed_id`, repeated until the first reply.
    pub(crate) initiation: Vec<u8>,
    pub(crate) id: InitiationId,
    /// The responder's first ratchet key.
    pub(crate) signed: DhKey,
}

impl Initiation<'_> {
    /// Runs the initiator's half. The ephemeral key, the DH results and the KEM secret end with it.
    pub(crate) fn run(&self, rng: &mut dyn CryptoRng) -> Result<Initiated, HandshakeError> {
        let peer = &self.bundle.owner;
        check_parties(&Mine::of(self.me), self.my, peer)?;
        let ephemeral = DhSecret::generate(rng);
        let (one_time, kem_key) = match &self.bundle.kem {
            KemChoice::OneTime { dh, kem, .. } => (Some(dh), kem),
            KemChoice::LastResort { kem, .. } => (None, kem),
        };
        let (ciphertext, shared) = kem::encapsulate(kem_key, rng)?;
        let signed = &self.bundle.signed;
        let dh1 = self.me.agree(signed)?;
        let shares = Shares {
            dh2: ephemeral.agree(peer.dh_key())?,
            dh3: ephemeral.agree(signed)?,
            dh4: one_time.map(|key| ephemeral.agree(key)).transpose()?,
            kem: shared,
        };
        let prefix = Prefix {
            ephemeral: ephemeral.public(),
            signed_id: self.bundle.signed_id,
            kem: kem_use(&self.bundle.kem),
            ciphertext: Box::new(ciphertext),
        };
        let context = Context {
            relay: self.relay,
            initiator: self.my,
            responder: peer,
            session_no: self.session_no,
            psk: self.psk,
            signed,
            one_time,
            kem_hash: plain_hash(&[kem_key.as_bytes()]),
        };
        let initiation = self.sealed(&shares, &prefix.encode());
        let id = InitiationId::of(&initiation);
        Ok(Initiated { agreed: shares.agree(&dh1, &context, &prefix), initiation, id, signed: *signed })
    }

    /// `prefix ‖ u16 len ‖ sealed_id`.
    fn sealed(&self, shares: &Shares, prefix: &[u8]) -> Vec<u8> {
        let peer = &self.bundle.owner;
        let mut text = Writer::with_capacity(IDENTITY_BYTES);
        text.put(&self.my.to_bytes()).u32(self.session_no).u8(u8::from(self.psk.is_some()));
        text.u64(peer.list_seq()).put(&peer.list_hash().0);
        let mut text = text.finish();
        // The key is new with each prefix, so the zero nonce is used once.
        let tag = aead::seal(shares.identity_key(prefix).expose(), &[0; 12], prefix, &mut text);
        let mut out = Writer::with_capacity(prefix.len().saturating_add(IDENTITY_BYTES + 32));
        out.put(prefix).u16(SEALED_IDENTITY_BYTES).put(&text).put(&tag);
        out.finish()
    }
}

/// `ID(A) ‖ session_no 4 ‖ psk u8 ‖ B.list_seq 8 ‖ B.list_hash 32`.
pub(super) const IDENTITY_BYTES: usize = 208 + 4 + 1 + 8 + 32;
pub(super) const SEALED_IDENTITY_BYTES: u16 = 253 + 16;
const _: () = assert!(SEALED_IDENTITY_BYTES as usize == IDENTITY_BYTES + aead::TAG_BYTES);

/// What a device is sure of about itself.
#[derive(PartialEq)]
pub(super) struct Mine {
    address: DeviceAddress,
    incarnation: u32,
    sig_key: VerifyKey,
    dh_key: DhKey,
}

impl Mine {
    pub(super) fn of(me: &DeviceKeys) -> Self {
        let (address, incarnation) = (me.address(), me.incarnation());
        Self { address, incarnation, sig_key: me.sig_key(), dh_key: me.dh_key() }
    }
}

/// One's own party must be one's own, and the other one somebody else's.
pub(super) fn check_parties(me: &Mine, my: &Party, peer: &Party) -> Result<(), HandshakeError> {
    let (address, incarnation) = (my.address(), my.incarnation());
    if *me != (Mine { address, incarnation, sig_key: *my.sig_key(), dh_key: *my.dh_key() }) {
        return Err(HandshakeError::NotMyParty);
    }
    if my.address() == peer.address() || my.dh_key() == peer.dh_key() {
        return Err(HandshakeError::Oneself);
    }
    Ok(())
}

fn kem_use(choice: &KemChoice) -> KemUse {
    match choice {
        KemChoice::OneTime { dh_id, kem_id, .. } => KemUse::OneTime { dh_id: *dh_id, kem_id: *kem_id },
        KemChoice::LastResort { kem_id, .. } => KemUse::LastResort { kem_id: *kem_id },
    }
}
