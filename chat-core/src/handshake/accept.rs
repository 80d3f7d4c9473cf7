//! The responder's half, in the order of rising trust: parse, find out who claims to write, then
//! agree with the party that a verified list names.

use std::sync::Arc;

use chat_wire::bundle::{PreKeyKind, prekey_id};
use chat_wire::codec::Reader;
use chat_wire::domain::plain_hash;
use chat_wire::ids::{ListHash, PreKeyId, RelayId};
use chat_wire::keys::DhKey;

use super::initiate::{Mine, SEALED_IDENTITY_BYTES, check_parties};
use super::transcript::{Agreed, Context, HandshakeError, InitiationId, KemUse, PREFIX_BYTES, Prefix, Psk, Shares};
use crate::crypto::aead::{self, TAG_BYTES};
use crate::crypto::dh::DhSecret;
use crate::crypto::kem::KemSeed;
use crate::identity::{ClaimedParty, DeviceKeys, Party};
use crate::prekey::PrivatePreKey;
use crate::prekey::records::{PrivatePair, PrivateSigned};

/// Bytes of `prefix ‖ u16 len ‖ sealed_id`.
pub(crate) const INITIATION_BYTES: usize = PREFIX_BYTES + 2 + SEALED_IDENTITY_BYTES as usize;

/// What an initiation says in the clear. Reading it costs one hash and no other cryptography.
///
/// ```
/// # use chat_fixtures::{pair::Couple, seeded::Seeded};
/// use chat_core::session::InitiationHead;
/// # let couple = Couple::new(2, true);
/// # let (_, packet) = couple.begin(b"hello", &mut Seeded::new(1));
/// let head = InitiationHead::parse(&packet)?;
/// assert_eq!(head.signed(), couple.stock.signed.record_key());
/// assert_eq!(head.one_time(), Some(couple.stock.kem.record_key()));
/// assert_ne!(Some(head.kem()), head.one_time()); // the pair's other half
/// assert!(!head.last_resort());
/// assert_eq!(head.id(), InitiationHead::parse(&packet)?.id()); // repeats are told by it
/// assert!(InitiationHead::parse(&packet[..100]).is_err());
/// # Ok::<(), chat_core::session::HandshakeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct InitiationHead {
    id: InitiationId,
    prefix: Prefix,
}

/// The private prekeys that an initiation names.
#[derive(Debug, Clone, Copy)]
pub struct PreKeyPair<'a> {
    /// Under [`InitiationHead::signed`].
    pub signed: &'a PrivatePreKey,
    /// Under [`InitiationHead::one_time`], or else under [`InitiationHead::kem`].
    pub kem: &'a PrivatePreKey,
}

/// An initiation whose sealed identity was opened; the claim in it is unchecked.
pub(crate) struct Identified {
    pub(crate) claimed: ClaimedParty,
    pub(crate) session_no: u32,
    pub(crate) uses_psk: bool,
    pub(crate) my_list: (u64, ListHash),
    pub(crate) head: InitiationHead,
    pub(crate) signed: Arc<DhSecret>,
    me: Mine,
    shares: Shares,
    signed_public: DhKey,
    one_time: Option<DhKey>,
    kem_hash: [u8; 32],
}

/// What the responder is sure of before it agrees.
pub(crate) struct Known<'a> {
    pub(crate) my: &'a Party,
    pub(crate) peer: &'a Party,
    pub(crate) relay: RelayId,
    pub(crate) psk: Option<&'a Psk>,
}

impl InitiationHead {
    /// Reads the clear part of an initiation packet.
    ///
    /// # Errors
    /// [`HandshakeError::Malformed`].
    pub fn parse(packet: &[u8]) -> Result<Self, HandshakeError> {
        let (kind, rest) = packet.split_first().ok_or(HandshakeError::Malformed)?;
        if *kind != crate::ratchet::header::TYPE_INITIATION {
            return Err(HandshakeError::Malformed);
        }
        let initiation = rest.get(..INITIATION_BYTES).ok_or(HandshakeError::Malformed)?;
        let mut reader = Reader::new(initiation);
        let prefix = Prefix::read(&mut reader)?;
        if reader.u16()? != SEALED_IDENTITY_BYTES {
            return Err(HandshakeError::Malformed);
        }
        Ok(Self { id: InitiationId::of(initiation), prefix })
    }

    /// The same in each repeat of the same initiation, and in no other.
    #[must_use]
    pub fn id(&self) -> &InitiationId {
        &self.id
    }

    /// The medium-term prekey that it uses.
    #[must_use]
    pub fn signed(&self) -> PreKeyId {
        self.prefix.signed_id
    }

    /// The one-time pair that it uses, by its X25519 half.
    #[must_use]
    pub fn one_time(&self) -> Option<PreKeyId> {
        match self.prefix.kem {
            KemUse::OneTime { dh_id, .. } => Some(dh_id),
            KemUse::LastResort { .. } => None,
        }
    }

    /// The ML-KEM key that it uses: a pair's half, or the last resort.
    #[must_use]
    pub fn kem(&self) -> PreKeyId {
        match self.prefix.kem {
            KemUse::OneTime { kem_id, .. } | KemUse::LastResort { kem_id } => kem_id,
        }
    }

    /// Whether it uses a last-resort key, so that its id must be remembered as long as the key lives.
    #[must_use]
    pub fn last_resort(&self) -> bool {
        self.one_time().is_none()
    }
}

impl Identified {
    /// Opens the sealed identity. Nothing is written and nothing is used up: anybody can make an
    /// initiation, so keys are deleted only with the session that `agree` leads to.
    pub(crate) fn open(packet: &[u8], me: &DeviceKeys, keys: &PreKeyPair<'_>) -> Result<Self, HandshakeError> {
        let head = InitiationHead::parse(packet)?;
        let initiation = packet.get(1..).unwrap_or_default();
        let (prefix, rest) = initiation.split_at_checked(PREFIX_BYTES).ok_or(HandshakeError::Malformed)?;
        let sealed = rest.get(2..).and_then(|r| r.get(..usize::from(SEALED_IDENTITY_BYTES)));
        let (sealed, tag) = sealed.and_then(<[u8]>::split_last_chunk::<TAG_BYTES>).ok_or(HandshakeError::Malformed)?;

        let named = NamedKeys::of(&head, keys)?;
        let ephemeral = &head.prefix.ephemeral;
        let (kem_key, kem) = named.kem.decapsulate(&head.prefix.ciphertext);
        if head.kem() != prekey_id(named.kem_kind, kem_key.as_bytes()) {
            return Err(HandshakeError::OtherPreKeys);
        }
        let shares = Shares {
            dh2: me.agree(ephemeral)?,
            dh3: named.signed.dh.agree(ephemeral)?,
            dh4: named.one_time.map(|pair| pair.dh.agree(ephemeral)).transpose()?,
            kem,
        };
        let mut text = sealed.to_vec();
        aead::open(&shares.identity_key(prefix), &[0; 12], prefix, &mut text, tag)
            .map_err(|_| HandshakeError::Identity)?;

        let mut reader = Reader::new(&text);
        let claimed = ClaimedParty::read(&mut reader)?;
        let session_no = reader.u32()?;
        let uses_psk = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(HandshakeError::Malformed),
        };
        let my_list = (reader.u64()?, ListHash(reader.array()?));
        reader.end()?;
        Ok(Self {
            claimed,
            session_no,
            uses_psk,
            my_list,
            signed: Arc::clone(&named.signed.dh),
            me: Mine::of(me),
            shares,
            signed_public: named.signed.public,
            one_time: named.one_time.map(|pair| pair.public),
            kem_hash: plain_hash(&[kem_key.as_bytes()]),
            head,
        })
    }

    /// The agreed keys, when the claim is what a verified list says.
    pub(crate) fn agree(&self, known: &Known<'_>) -> Result<Agreed, HandshakeError> {
        check_parties(&self.me, known.my, known.peer)?;
        if !self.claimed.is(known.peer) {
            return Err(HandshakeError::OtherInitiator);
        }
        if self.my_list != (known.my.list_seq(), known.my.list_hash()) {
            return Err(HandshakeError::OtherList);
        }
        let psk = match (self.uses_psk, known.psk) {
            (true, None) => return Err(HandshakeError::PskNeeded),
            (true, psk) => psk,
            (false, _) => None,
        };
        let dh1 = self.signed.agree(known.peer.dh_key())?;
        let context = Context {
            relay: known.relay,
            initiator: known.peer,
            responder: known.my,
            session_no: self.session_no,
            psk,
            signed: &self.signed_public,
            one_time: self.one_time.as_ref(),
            kem_hash: self.kem_hash,
        };
        Ok(self.shares.agree(&dh1, &context, &self.head.prefix))
    }
}

/// The private keys of an initiation, checked to be the ones it names; the ML-KEM key is checked once
/// it is expanded.
struct NamedKeys<'a> {
    signed: &'a PrivateSigned,
    one_time: Option<&'a PrivatePair>,
    kem: &'a KemSeed,
    kem_kind: PreKeyKind,
}

impl<'a> NamedKeys<'a> {
    fn of(head: &InitiationHead, keys: &PreKeyPair<'a>) -> Result<Self, HandshakeError> {
        let PrivatePreKey::Signed(signed) = keys.signed else { return Err(HandshakeError::OtherPreKeys) };
        let (one_time, kem, kem_kind) = match keys.kem {
            PrivatePreKey::OneTime(pair) => (Some(pair), &pair.kem, PreKeyKind::OneTimeKem),
            PrivatePreKey::LastResort(last) => (None, &last.kem, PreKeyKind::LastResortKem),
            PrivatePreKey::Signed(_) => return Err(HandshakeError::OtherPreKeys),
        };
        let one_time_id = one_time.map(|_| keys.kem.record_key());
        if (head.signed(), head.one_time()) != (keys.signed.record_key(), one_time_id) {
            return Err(HandshakeError::OtherPreKeys);
        }
        Ok(Self { signed, one_time, kem, kem_kind })
    }
}
