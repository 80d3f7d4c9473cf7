//! What both sides compute alike: the clear prefix, the transcript and the keys (key-schedule A).

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::device_list::SUITE;
use chat_wire::domain::plain_hash;
use chat_wire::ids::{PreKeyId, RelayId};
use chat_wire::keys::DhKey;

use crate::crypto::dh::NotContributory;
use crate::crypto::hkdf::{Prk, expand, part};
use crate::crypto::kem::{BadKemKey, CIPHERTEXT_BYTES};
use crate::identity::Party;
use crate::labels;
use crate::secret::{Secret, secret_role};

/// Bytes of the clear prefix.
pub(crate) const PREFIX_BYTES: usize = 2 + 32 + 8 + 1 + 8 + 1 + 8 + CIPHERTEXT_BYTES;

/// `F`: what a hash input over X25519 secrets begins with, so that it never parses as a point.
const F: [u8; 32] = [0xff; 32];

/// The name of a session, known to both sides and never on the wire.
///
/// ```
/// # use chat_fixtures::{pair::{Couple, Ends}, seeded::Seeded};
/// # let Ends { alice, bob } = Couple::new(2, true).talking(&mut Seeded::new(1));
/// assert_eq!(alice.sid().as_bytes(), bob.sid().as_bytes());
/// assert_eq!(format!("{:?}", alice.sid()), "Sid"); // not for logs either
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(pub(crate) [u8; 16]);

/// The name of an initiation: the hash of everything in it that is repeated until the first reply.
///
/// ```
/// # use chat_fixtures::{pair::{Couple, Ends}, seeded::Seeded};
/// # let Ends { alice, bob } = Couple::new(2, true).talking(&mut Seeded::new(1));
/// assert_eq!(alice.initiation_id().as_bytes(), bob.initiation_id().as_bytes());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InitiationId(pub(crate) [u8; 16]);

secret_role!(
    /// What a session that replaces another one mixes in, when both sides still have the old one.
    pub Psk, 32
);

/// Why a handshake stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not an initiation of this version.
    #[error("the initiation is malformed")]
    Malformed,
    /// The party that was given as one's own does not have the device's keys.
    #[error("the own party does not belong to the device's keys")]
    NotMyParty,
    /// Both sides are the same device.
    #[error("a device opens no session with itself")]
    Oneself,
    /// An X25519 key of low order.
    #[error("a key of low order")]
    LowOrder,
    /// An ML-KEM key that FIPS 203 does not allow.
    #[error("an ML-KEM key outside its range")]
    BadKemKey,
    /// The private prekeys are not the ones that the initiation names.
    #[error("the initiation names other prekeys")]
    OtherPreKeys,
    /// The sealed identity does not open.
    #[error("the initiator's identity does not open")]
    Identity,
    /// The initiator claimed to be somebody else than the party that was given.
    #[error("the initiator is not the given party")]
    OtherInitiator,
    /// The initiator encrypted for another version of the own device list.
    #[error("the initiation is for another own device list")]
    OtherList,
    /// The initiator mixed in a PSK, and none was given.
    #[error("the initiation needs the replaced session's PSK")]
    PskNeeded,
}

impl From<Malformed> for HandshakeError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<NotContributory> for HandshakeError {
    fn from(_: NotContributory) -> Self {
        Self::LowOrder
    }
}

impl From<BadKemKey> for HandshakeError {
    fn from(_: BadKemKey) -> Self {
        Self::BadKemKey
    }
}

impl Sid {
    /// The bytes, for keys of records; never for the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for Sid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sid")
    }
}

impl InitiationId {
    /// `H(L("dm/init") ‖ prefix ‖ u16 len ‖ sealed_id)[..16]`.
    pub(crate) fn of(initiation: &[u8]) -> Self {
        let hash = plain_hash(&[labels::DM_INITIATION, initiation]);
        let (id, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(*id)
    }

    /// The bytes, for keys of records.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Psk {
    /// `Exp(EXP of the replaced session, L("dm/psk"), 32)`.
    pub(crate) fn of_exporter(exporter: &Secret<32>) -> Self {
        Self(expand(exporter.expose(), &[labels::DM_PSK]))
    }
}

/// Which ML-KEM key, and with it whether a one-time X25519 key takes part. Two of the four
/// combinations that the bytes could say do not exist: keys are handed out as signed pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KemUse {
    /// `opk` = 1, `kind` = 1.
    OneTime { dh_id: PreKeyId, kem_id: PreKeyId },
    /// `opk` = 0, `kind` = 2.
    LastResort { kem_id: PreKeyId },
}

/// The clear part of an initiation:
/// `suite u16 ‖ EK 32 ‖ SPK_id 8 ‖ opk u8 ‖ OPK_id 8 ‖ kind u8 ‖ KEM_id 8 ‖ CT 1568`.
#[derive(Debug, Clone)]
pub(crate) struct Prefix {
    pub(crate) ephemeral: DhKey,
    pub(crate) signed_id: PreKeyId,
    pub(crate) kem: KemUse,
    pub(crate) ciphertext: Box<[u8; CIPHERTEXT_BYTES]>,
}

impl KemUse {
    /// `(opk, OPK_id or 0, kind, KEM_id)`.
    fn fields(&self) -> (u8, PreKeyId, u8, PreKeyId) {
        match *self {
            Self::OneTime { dh_id, kem_id } => (1, dh_id, 1, kem_id),
            Self::LastResort { kem_id } => (0, PreKeyId([0; 8]), 2, kem_id),
        }
    }

    fn from_fields(fields: (u8, PreKeyId, u8, PreKeyId)) -> Result<Self, Malformed> {
        match fields {
            (1, dh_id, 1, kem_id) => Ok(Self::OneTime { dh_id, kem_id }),
            (0, PreKeyId([0, 0, 0, 0, 0, 0, 0, 0]), 2, kem_id) => Ok(Self::LastResort { kem_id }),
            _ => Err(Malformed),
        }
    }
}

impl Prefix {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (opk, dh_id, kind, kem_id) = self.kem.fields();
        let mut out = Writer::with_capacity(PREFIX_BYTES);
        out.u16(SUITE).put(&self.ephemeral.0).put(&self.signed_id.0);
        out.u8(opk).put(&dh_id.0).u8(kind).put(&kem_id.0).put(&*self.ciphertext);
        out.finish()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.u16()? != SUITE {
            return Err(Malformed);
        }
        let (ephemeral, signed_id) = (DhKey(reader.array()?), PreKeyId(reader.array()?));
        let fields = (reader.u8()?, PreKeyId(reader.array()?), reader.u8()?, PreKeyId(reader.array()?));
        let kem = KemUse::from_fields(fields)?;
        Ok(Self { ephemeral, signed_id, kem, ciphertext: Box::new(reader.array()?) })
    }
}

/// Everything that `T` covers beside the prefix.
pub(crate) struct Context<'a> {
    pub(crate) relay: RelayId,
    pub(crate) initiator: &'a Party,
    pub(crate) responder: &'a Party,
    pub(crate) session_no: u32,
    pub(crate) psk: Option<&'a Psk>,
    pub(crate) signed: &'a DhKey,
    /// The one-time X25519 key, exactly when the prefix names one.
    pub(crate) one_time: Option<&'a DhKey>,
    /// H(ek).
    pub(crate) kem_hash: [u8; 32],
}

/// The secrets of an exchange; DH1 joins last, because the responder needs the initiator's identity
/// for it.
pub(crate) struct Shares {
    pub(crate) dh2: Secret<32>,
    pub(crate) dh3: Secret<32>,
    pub(crate) dh4: Option<Secret<32>>,
    pub(crate) kem: Secret<32>,
}

/// What a handshake gives to the session.
pub(crate) struct Agreed {
    pub(crate) sk_ec: Secret<32>,
    pub(crate) sk_pq: Secret<32>,
    pub(crate) hk_a: Secret<32>,
    pub(crate) nhk_b: Secret<32>,
    pub(crate) exporter: Secret<32>,
    pub(crate) sid: Sid,
    /// AD_0, initiator to responder, and AD_1, back.
    pub(crate) associated: [[u8; 32]; 2],
}

impl Shares {
    /// `DH2 ‖ DH3 ‖ [DH4] ‖ SS`, with `before` in front.
    fn joined<'a>(&'a self, before: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let mut parts = before.to_vec();
        parts.extend([&self.dh2.expose()[..], self.dh3.expose()]);
        parts.extend(self.dh4.as_ref().map(|dh| &dh.expose()[..]));
        parts.push(self.kem.expose());
        parts
    }

    /// `k_id = Exp(Ext(H(L("dm/id")), F‖DH2‖DH3‖[DH4]‖SS), L("dm/id") ‖ H(prefix), 32)`.
    pub(crate) fn identity_key(&self, prefix: &[u8]) -> Secret<32> {
        let salt = plain_hash(&[labels::DM_ID]);
        Prk::extract(&salt, &self.joined(&[&F])).expand(&[labels::DM_ID, &plain_hash(&[prefix])])
    }

    /// `PRK = Ext(PSK, F‖DH1‖DH2‖DH3‖[DH4]‖SS)` and everything that is expanded from it.
    pub(crate) fn agree(&self, dh1: &Secret<32>, context: &Context<'_>, prefix: &Prefix) -> Agreed {
        let transcript = transcript(context, prefix);
        let absent = [0; 32];
        let psk = context.psk.map_or(&absent, Psk::expose);
        let prk = Prk::extract(psk, &self.joined(&[&F, dh1.expose()]));
        let keys: Secret<192> = prk.expand(&[labels::DM_SHARED, &transcript]);
        let name = part(&keys, 5);
        let (sid, _) = name.expose().split_first_chunk().unwrap_or((&[0; 16], &[]));
        let associated = [0, 1].map(|d| plain_hash(&[labels::DM_ASSOCIATED, &transcript, sid, &[d]]));
        Agreed {
            sk_ec: part(&keys, 0),
            sk_pq: part(&keys, 1),
            hk_a: part(&keys, 2),
            nhk_b: part(&keys, 3),
            exporter: part(&keys, 4),
            sid: Sid(*sid),
            associated,
        }
    }
}

/// `T` of key-schedule A.
fn transcript(context: &Context<'_>, prefix: &Prefix) -> [u8; 32] {
    let (opk, dh_id, kind, kem_id) = prefix.kem.fields();
    let none = DhKey([0; 32]);
    let mut out = Writer::with_capacity(PREFIX_BYTES.saturating_add(1024));
    out.put(labels::DM_TRANSCRIPT).u16(SUITE).put(&context.relay.0);
    out.put(&context.initiator.to_bytes()).put(&context.responder.to_bytes());
    out.u32(context.session_no).u8(u8::from(context.psk.is_some()));
    out.put(&prefix.ephemeral.0).put(&prefix.signed_id.0).put(&context.signed.0);
    out.u8(opk).put(&dh_id.0).put(&context.one_time.unwrap_or(&none).0);
    out.u8(kind).put(&kem_id.0).put(&context.kem_hash).put(&*prefix.ciphertext);
    plain_hash(&[out.as_slice()])
}
