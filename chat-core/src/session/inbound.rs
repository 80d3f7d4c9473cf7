//! Opening: a message of a session, and the first message of a new one.

use std::fmt;
use std::sync::Arc;

use chat_wire::codec::{Malformed, Reader};
use chat_wire::ids::{ListHash, PreKeyId, RelayId};
use chat_wire::limits::PACKET_BYTES_MAX;

use super::message::{COMMITMENT_BYTES, Clear, MessageKey, content_of, read_body};
use super::record::Dirty;
use super::{Fixed, Session, Stage};
use crate::crypto::aead::TAG_BYTES;
use crate::handshake::accept::{INITIATION_BYTES, Identified, Known};
use crate::handshake::{HandshakeError, InitiationHead, InitiationId, PreKeyPair, Psk};
use crate::identity::{ClaimedParty, DeviceKeys, Party};
use crate::ratchet::double::{DoubleRatchet, NoSeed, Start};
use crate::ratchet::header::{Header, HeaderContext, RANDOM_BYTES, SEALED_HEADER_BYTES, TYPE_INITIATION, TYPE_NORMAL};
use crate::ratchet::pq::{NoPqKey, PqPlace, PqRatchet};
use crate::ratchet::witness::Witness;
use crate::time::Timestamp;

/// An opened message.
pub struct Opened {
    /// What the peer sealed.
    pub content: Vec<u8>,
    /// The session after it. Store its changes together with the content.
    pub session: Session,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("bytes", &self.content.len()).finish_non_exhaustive()
    }
}

/// Why a packet does not open. The session is as before, to the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not a packet.
    #[error("the packet is malformed")]
    Malformed,
    /// No header key of this session fits: it may be for another one.
    #[error("the packet is for another session")]
    NotThisSession,
    /// The header is authentic, and its position was used: the packet came twice (or 7 days late).
    #[error("the packet was opened before")]
    Duplicate,
    /// The header is authentic, the rest is not acceptable.
    #[error("the packet is refused: {0}")]
    Refused(Refusal),
}

/// What is wrong behind an authentic header; for diagnostics, never for the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Opening it would take more chain steps than allowed.
    #[error("{steps} chain steps ahead")]
    TooFar {
        /// How many.
        steps: u32,
    },
    /// The header contradicts earlier ones.
    #[error("the header contradicts an earlier one")]
    Contradiction,
    /// Another packet was opened at this position: somebody else seals with the same state.
    #[error("another packet was opened at this position")]
    Forked,
    /// A ratchet key of low order.
    #[error("a key of low order")]
    LowOrder,
    /// The post-quantum position is not there.
    #[error("no such post-quantum position")]
    PqPosition,
    /// Commitment or tag is wrong.
    #[error("the body was changed")]
    Body,
    /// The body opened and is not laid out as it must be.
    #[error("the body is malformed")]
    Layout,
    /// The Braid's part is not genuine.
    #[error("the key exchange inside the messages is broken")]
    Braid,
}

impl From<Malformed> for OpenError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<NoSeed> for OpenError {
    fn from(why: NoSeed) -> Self {
        match why {
            NoSeed::Used => Self::Duplicate,
            NoSeed::TooFar { steps } => Self::Refused(Refusal::TooFar { steps }),
            NoSeed::Contradiction => Self::Refused(Refusal::Contradiction),
            NoSeed::LowOrder => Self::Refused(Refusal::LowOrder),
        }
    }
}

impl From<NoPqKey> for OpenError {
    fn from(why: NoPqKey) -> Self {
        Self::Refused(match why {
            NoPqKey::TooFar { steps } => Refusal::TooFar { steps },
            NoPqKey::Epoch | NoPqKey::Used => Refusal::PqPosition,
        })
    }
}

/// Whether a packet brings an initiation. Says nothing about its being genuine.
///
/// ```
/// # use chat_fixtures::{pair::Couple, seeded::Seeded};
/// use chat_core::session::is_initiation;
/// let (_, first) = Couple::new(2, true).begin(b"hello", &mut Seeded::new(1));
/// assert!(is_initiation(&first));
/// assert!(!is_initiation(&[1; 622]));
/// ```
#[must_use]
pub fn is_initiation(packet: &[u8]) -> bool {
    packet.first() == Some(&TYPE_INITIATION)
}

/// A packet taken apart.
struct Packet<'a> {
    kind: u8,
    initiation: &'a [u8],
    random: [u8; RANDOM_BYTES],
    header: [u8; SEALED_HEADER_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
    /// With its tag.
    body: &'a [u8],
}

impl<'a> Packet<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > PACKET_BYTES_MAX {
            return Err(Malformed);
        }
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        let initiation = match kind {
            TYPE_NORMAL => &[][..],
            TYPE_INITIATION => reader.take(INITIATION_BYTES)?,
            _ => return Err(Malformed),
        };
        let (random, header, commitment) = (reader.array()?, reader.array()?, reader.array()?);
        let body = reader.rest();
        if body.len() < TAG_BYTES {
            return Err(Malformed);
        }
        Ok(Self { kind, initiation, random, header, commitment, body })
    }
}

impl Session {
    /// Opens a packet of the peer. The session stays as it is; the next one comes with the content.
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, person::NOW, seeded::Seeded};
    /// # let mut rng = Seeded::new(1);
    /// # let Ends { mut alice, mut bob } = Couple::new(2, true).talking(&mut rng);
    /// # use chat_core::session::OpenError;
    /// let packet = alice.seal(b"hello", &mut rng)?.packet;
    /// let opened = bob.open(&packet, NOW)?;
    /// assert_eq!(opened.content, b"hello");
    /// bob = opened.session; // store its changes together with the content
    /// assert_eq!(bob.open(&packet, NOW).err(), Some(OpenError::Duplicate));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, packet: &[u8], now: Timestamp) -> Result<Opened, OpenError> {
        let packet = Packet::parse(packet)?;
        if packet.kind == TYPE_INITIATION {
            let ours = !self.fixed.initiated_by_us && InitiationId::of(packet.initiation) == self.fixed.initiation_id;
            if !ours {
                return Err(OpenError::NotThisSession);
            }
        }
        self.open_parsed(&packet, now)
    }

    fn open_parsed(&self, packet: &Packet<'_>, now: Timestamp) -> Result<Opened, OpenError> {
        let [_, associated] = &self.fixed.associated;
        let context = HeaderContext { kind: packet.kind, associated, random: &packet.random };
        let (place, header) = self.ec.locate(&packet.header, &context).ok_or(OpenError::NotThisSession)?;

        let mut next = self.fork();
        next.expire(now);
        let sid = next.fixed.sid.0;
        let slot = match next.ec.receive((place, &header), &sid, now) {
            Err(NoSeed::Used) => return Err(self.used(self.ec.chain_at(place), &header, packet)),
            slot => slot?,
        };
        let pq_place = PqPlace { epoch: header.epoch, counter: header.counter, late: slot.late };
        let pq = next.pq.receive(pq_place, now)?;

        let clear = Clear { associated, kind: packet.kind, random: &packet.random, header: &packet.header };
        let keys = MessageKey::join(&slot.seed, &pq.key).body_keys(&clear);
        let body = keys.open(&clear, &packet.commitment, packet.body).ok_or(OpenError::Refused(Refusal::Body))?;
        let (len, part) = read_body(&body, pq.epoch).map_err(|_| OpenError::Refused(Refusal::Layout))?;
        let carried = next.pq.carry(&part, &sid).map_err(|_| OpenError::Refused(Refusal::Braid))?;

        next.witness.note(slot.chain, header.position, &packet.random);
        next.dirty.receiving = true;
        next.dirty.root |= slot.stepped;
        // Their step ends our sending chain, whose key must leave the disk too; the Braid may have put its
        // cursor back.
        next.dirty.sending |= slot.stepped || carried;
        next.dirty.pq |= pq.stepped || carried;
        next.dirty.braid |= carried;
        next.dirty.stage |= !next.acknowledged();
        next.stage = Stage::Acknowledged;
        next.dirty.pq |= next.pq.expire(next.ec.waits_for_late(), now);
        Ok(Opened { content: content_of(body, len), session: next })
    }
}

impl Session {
    /// A position that was used: by the same packet, or by one that somebody else sealed with the same
    /// state (DESIGN §5: the same N with another value is a fork, not a duplicate).
    fn used(&self, chain: Option<u64>, header: &Header, packet: &Packet<'_>) -> OpenError {
        let forked = chain.is_some_and(|chain| self.witness.contradicts(chain, header.position, &packet.random));
        if forked { OpenError::Refused(Refusal::Forked) } else { OpenError::Duplicate }
    }
}

/// The first packet of a session that a peer began, its identity opened and unchecked.
pub struct IncomingInitiation {
    identified: Identified,
    packet: Vec<u8>,
}

impl fmt::Debug for IncomingInitiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingInitiation").field("claimed", &self.identified.claimed).finish_non_exhaustive()
    }
}

/// What the responder is sure of.
#[derive(Debug)]
pub struct Accept<'a> {
    /// Own party, from the own list that [`IncomingInitiation::my_list`] names.
    pub my: &'a Party,
    /// The claimed initiator, from a verified list.
    pub peer: &'a Party,
    /// Relay that both live on.
    pub relay: RelayId,
    /// [`Session::psk`] of the replaced session, when [`IncomingInitiation::uses_psk`].
    pub psk: Option<Psk>,
    /// Now.
    pub now: Timestamp,
}

/// Prekeys that the accepted session used. Delete and mark them in the step that stores the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedPreKeys {
    /// A one-time pair, by its X25519 half: delete it.
    pub one_time: Option<PreKeyId>,
    /// A last-resort key, when there was no pair: remember that this initiation used it, as long as the
    /// key lives.
    pub last_resort: Option<PreKeyId>,
}

/// Why a session is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The handshake fails.
    #[error("handshake: {0}")]
    Handshake(HandshakeError),
    /// The initiator mixed in the secret of a replaced session, and none or another one was given.
    #[error("the replaced session's secret is missing or another one")]
    Psk,
    /// The handshake goes through and the message does not open: the initiator is not who it claims to
    /// be, or the packet was changed.
    #[error("first message: {0}")]
    Open(OpenError),
}

impl From<HandshakeError> for AcceptError {
    fn from(why: HandshakeError) -> Self {
        match why {
            HandshakeError::PskNeeded => Self::Psk,
            why => Self::Handshake(why),
        }
    }
}

impl IncomingInitiation {
    /// Opens the sealed identity with the private prekeys that [`InitiationHead`] names. Nothing is used
    /// up by it.
    ///
    /// ```
    /// # use chat_fixtures::{pair::Couple, person::{NOW, RELAY}, seeded::Seeded};
    /// # use chat_core::session::{Accept, IncomingInitiation, InitiationHead, PreKeyPair};
    /// # let couple = Couple::new(2, true);
    /// # let (_, packet) = couple.begin(b"hello", &mut Seeded::new(1));
    /// # let (bob, alices_party) = (&couple.bob, &couple.alice.party);
    /// let head = InitiationHead::parse(&packet)?;
    /// assert_eq!(head.signed(), couple.stock.signed.record_key()); // take these out of the store
    /// let keys = PreKeyPair { signed: &couple.stock.signed, kem: &couple.stock.kem };
    /// let incoming = IncomingInitiation::open(&packet, &bob.device, &keys)?;
    /// // Look up who that is; only a verified list makes it true.
    /// assert_eq!(incoming.claimed().address(), alices_party.address());
    /// let accept = Accept { my: &bob.party, peer: alices_party, relay: RELAY, psk: None, now: NOW };
    /// let (opened, used) = incoming.complete(accept)?;
    /// assert_eq!(opened.content, b"hello");
    /// assert_eq!(used.one_time, Some(couple.stock.kem.record_key())); // delete it with the same write
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub fn open(packet: &[u8], me: &DeviceKeys, keys: &PreKeyPair<'_>) -> Result<Self, HandshakeError> {
        Ok(Self { identified: Identified::open(packet, me, keys)?, packet: packet.to_vec() })
    }

    /// Who claims to write. Look the list up before believing it.
    #[must_use]
    pub fn claimed(&self) -> &ClaimedParty {
        &self.identified.claimed
    }

    /// The initiator's number of the session: accept only higher ones than before.
    #[must_use]
    pub fn session_no(&self) -> u32 {
        self.identified.session_no
    }

    /// Whether the replaced session's PSK is mixed in.
    #[must_use]
    pub fn uses_psk(&self) -> bool {
        self.identified.uses_psk
    }

    /// Which version of the own list it was made for.
    ///
    /// ```
    /// # use chat_fixtures::{pair::Couple, seeded::Seeded};
    /// # use chat_core::session::{IncomingInitiation, PreKeyPair};
    /// # let couple = Couple::new(2, true);
    /// # let (_, packet) = couple.begin(b"hello", &mut Seeded::new(1));
    /// # let keys = PreKeyPair { signed: &couple.stock.signed, kem: &couple.stock.kem };
    /// let incoming = IncomingInitiation::open(&packet, &couple.bob.device, &keys)?;
    /// assert_eq!(incoming.my_list(), (1, couple.bob.list.hash()));
    /// assert_eq!((incoming.session_no(), incoming.uses_psk()), (1, false));
    /// assert!(!incoming.head().last_resort());
    /// # Ok::<(), chat_core::session::HandshakeError>(())
    /// ```
    #[must_use]
    pub fn my_list(&self) -> (u64, ListHash) {
        self.identified.my_list
    }

    /// The clear part.
    #[must_use]
    pub fn head(&self) -> &InitiationHead {
        &self.identified.head
    }

    /// Accepts: agrees on the keys and opens the first message, which proves the initiator. May be tried
    /// again with other facts.
    ///
    /// # Errors
    /// [`AcceptError`]; nothing is used up.
    pub fn complete(&self, with: Accept<'_>) -> Result<(Opened, UsedPreKeys), AcceptError> {
        let Accept { my, peer, relay, psk, now } = with;
        let agreed = self.identified.agree(&Known { my, peer, relay, psk: psk.as_ref() })?;
        let [associated_in, associated_out] = agreed.associated;
        let head = &self.identified.head;
        let fixed = Fixed {
            sid: agreed.sid,
            initiated_by_us: false,
            session_no: self.identified.session_no,
            created: now,
            peer: peer.clone(),
            initiation_id: *head.id(),
            associated: [associated_out, associated_in],
            exporter: agreed.exporter,
        };
        let start = Start { sk_ec: agreed.sk_ec, hk_a: agreed.hk_a, nhk_b: agreed.nhk_b };
        let session = Session {
            stage: Stage::Acknowledged,
            ec: DoubleRatchet::responder(start, Arc::clone(&self.identified.signed)),
            pq: PqRatchet::start(false, &agreed.sk_pq, &fixed.sid.0),
            witness: Witness::default(),
            dirty: Dirty::everything(),
            fixed: Arc::new(fixed),
        };
        let packet = Packet::parse(&self.packet).map_err(|_| AcceptError::Open(OpenError::Malformed))?;
        let opened = session.open_parsed(&packet, now).map_err(|why| match why {
            // Another PSK gives other header keys.
            OpenError::NotThisSession if self.identified.uses_psk => AcceptError::Psk,
            why => AcceptError::Open(why),
        })?;
        let last_resort = head.last_resort().then(|| head.kem());
        Ok((opened, UsedPreKeys { one_time: head.one_time(), last_resort }))
    }
}
