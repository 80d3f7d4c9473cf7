//! A session between two devices: handshake and both ratchets put together into packets (key-schedule C,
//! SPEC 8.3).
//!
//! ```text
//! packet = type 1 ‖ [initiation, type 2 only] ‖ r 16 ‖ EH 61 ‖ com 16 ‖ AEAD(P)
//! P = clen u32 ‖ content ‖ braid type u8 ‖ k u8 ‖ first index u16 ‖ k·32 chunk bytes ‖ zeros
//! ```
//!
//! Opening never changes the session that opens: it gives the next one, which the caller stores before
//! anybody sees the content. A refused packet leaves nothing behind. Whoever drops the old value has
//! then dropped the used keys with it.
//!
//! Absent on purpose: a clock, randomness of its own, callbacks, a public `Clone` (two copies of a
//! session would seal at the same positions).

mod inbound;
mod message;
mod outbound;
mod padding;
mod race;
mod record;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use chat_wire::ids::RelayId;
use rand_core::CryptoRng;

pub use self::inbound::{
    Accept, AcceptError, IncomingInitiation, OpenError, Opened, Refusal, UsedPreKeys, is_initiation,
};
pub use self::outbound::{SealError, Sealed};
use self::record::Dirty;
pub use self::record::{BadSession, RowChange};
use crate::handshake::initiate::Initiation;
pub use crate::handshake::{HandshakeError, InitiationHead, InitiationId, PreKeyPair, Psk, Sid};
use crate::identity::{DeviceKeys, Party};
use crate::prekey::VerifiedBundle;
use crate::ratchet::double::{DoubleRatchet, Start};
use crate::ratchet::pq::PqRatchet;
use crate::ratchet::witness::Witness;
use crate::secret::Secret;
use crate::time::Timestamp;

/// One session with one device.
pub struct Session {
    fixed: Arc<Fixed>,
    stage: Stage,
    ec: DoubleRatchet,
    pq: PqRatchet,
    witness: Witness,
    dirty: Dirty,
}

/// What never changes.
#[derive(Debug)]
struct Fixed {
    sid: Sid,
    initiated_by_us: bool,
    session_no: u32,
    created: Timestamp,
    peer: Party,
    initiation_id: InitiationId,
    /// AD of what we seal, AD of what we open.
    associated: [[u8; 32]; 2],
    exporter: Secret<32>,
}

/// Whether the peer is known to have the session.
#[derive(Debug, Clone)]
enum Stage {
    /// Every packet carries the initiation until the first reply.
    Unacknowledged { initiation: Arc<Vec<u8>> },
    /// A message of the peer was opened.
    Acknowledged,
}

/// What it takes to open a session with a device.
#[derive(Debug)]
pub struct Initiate<'a> {
    /// Own keys.
    pub me: &'a DeviceKeys,
    /// Own party, from the list that the peer will find.
    pub my: &'a Party,
    /// Relay that both live on.
    pub relay: RelayId,
    /// The peer's prekeys, and with them its party.
    pub bundle: VerifiedBundle,
    /// Above every number that was used with this device before.
    pub session_no: u32,
    /// [`Session::psk`] of the session that this one replaces, when there is one.
    pub psk: Option<Psk>,
    /// Now.
    pub now: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("acknowledged", &self.acknowledged()).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session; the first sealed packet brings it to the peer.
    ///
    /// ```
    /// # use chat_fixtures::{pair::Couple, person::{NOW, RELAY}, seeded::Seeded};
    /// # let (couple, mut rng) = (Couple::new(2, true), Seeded::new(1));
    /// # let (alice, bob) = (&couple.alice, &couple.bob);
    /// use chat_core::prekey::VerifiedBundle;
    /// use chat_core::session::{Initiate, Session};
    /// let bundle = VerifiedBundle::verify(&couple.stock.bundle, &bob.party)?; // handed out by the relay
    /// let with = Initiate { me: &alice.device, my: &alice.party, relay: RELAY, bundle, session_no: 1, psk: None, now: NOW };
    /// let mut session = Session::initiate(with, &mut rng)?;
    /// assert!(session.initiated_by_us() && session.can_seal());
    /// assert!(!session.acknowledged()); // until something of the peer opened, each packet brings the initiation
    /// assert_eq!((session.peer(), session.session_no(), session.created()), (&bob.party, 1, NOW));
    /// let first = session.seal(b"hello", &mut rng)?.packet;
    /// let (answering, _) = couple.accept(&first).unwrap();
    /// assert_eq!(answering.sid(), session.sid());
    /// assert_eq!(answering.initiation_id(), session.initiation_id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`HandshakeError`] when a party or a key of the bundle can't be used.
    pub fn initiate(with: Initiate<'_>, rng: &mut dyn CryptoRng) -> Result<Self, HandshakeError> {
        let Initiate { me, my, relay, bundle, session_no, psk, now } = with;
        let run = Initiation { me, my, relay, bundle: &bundle, session_no, psk: psk.as_ref() }.run(rng)?;
        let [associated_out, associated_in] = run.agreed.associated;
        let fixed = Fixed {
            sid: run.agreed.sid,
            initiated_by_us: true,
            session_no,
            created: now,
            peer: bundle.owner,
            initiation_id: run.id,
            associated: [associated_out, associated_in],
            exporter: run.agreed.exporter,
        };
        let start = Start { sk_ec: run.agreed.sk_ec, hk_a: run.agreed.hk_a, nhk_b: run.agreed.nhk_b };
        Ok(Self {
            stage: Stage::Unacknowledged { initiation: Arc::new(run.initiation) },
            ec: DoubleRatchet::initiator(start, run.signed),
            pq: PqRatchet::start(true, &run.agreed.sk_pq, &fixed.sid.0),
            witness: Witness::default(),
            dirty: Dirty::everything(),
            fixed: Arc::new(fixed),
        })
    }

    /// A second value of the same state, of which one will be dropped.
    fn fork(&self) -> Self {
        Self {
            fixed: Arc::clone(&self.fixed),
            stage: self.stage.clone(),
            ec: self.ec.clone(),
            pq: self.pq.clone(),
            witness: self.witness.clone(),
            dirty: self.dirty,
        }
    }

    /// Drops skipped keys and old chains that are over their age. Store [`Session::take_changes`].
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, person::NOW, seeded::Seeded};
    /// # let mut rng = Seeded::new(1);
    /// # let Ends { mut alice, mut bob } = Couple::new(2, true).talking(&mut rng);
    /// let late = alice.seal(b"late", &mut rng)?.packet;
    /// let next = alice.seal(b"next", &mut rng)?.packet;
    /// bob = bob.open(&next, NOW)?.session;
    /// bob.expire(NOW.plus_ms(8 * 24 * 3_600_000)); // a week is over
    /// assert!(bob.open(&late, NOW).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire(&mut self, now: Timestamp) {
        self.dirty.root |= self.ec.expire(now);
        self.dirty.pq |= self.pq.expire(self.ec.waits_for_late(), now);
    }

    /// The session's name, the same on both sides, never on the wire.
    #[must_use]
    pub fn sid(&self) -> &Sid {
        &self.fixed.sid
    }

    /// The device on the other side, as its list was when the session began.
    #[must_use]
    pub fn peer(&self) -> &Party {
        &self.fixed.peer
    }

    /// Whether the peer is known to have this session.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        matches!(self.stage, Stage::Acknowledged)
    }

    /// Whether this side began it.
    #[must_use]
    pub fn initiated_by_us(&self) -> bool {
        self.fixed.initiated_by_us
    }

    /// The initiator's number of it.
    #[must_use]
    pub fn session_no(&self) -> u32 {
        self.fixed.session_no
    }

    /// When it began on this device.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.fixed.created
    }

    /// The initiation that it came from. A packet with the same id is for this session.
    #[must_use]
    pub fn initiation_id(&self) -> &InitiationId {
        &self.fixed.initiation_id
    }

    /// What a session that replaces this one mixes in, so that only whoever has this one can replace it:
    /// [`Initiate::psk`] on one side, [`Accept::psk`] on the other.
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, person::{NOW, RELAY}, seeded::Seeded};
    /// # use chat_core::session::{Accept, AcceptError, IncomingInitiation, Initiate, PreKeyPair, Session};
    /// # let (couple, mut rng) = (Couple::new(2, true), Seeded::new(1));
    /// # let Ends { alice, bob } = couple.talking(&mut rng);
    /// # let (me, my, bundle) = (&couple.alice.device, &couple.alice.party, couple.verified());
    /// let with = Initiate { me, my, relay: RELAY, bundle, session_no: 2, psk: Some(alice.psk()), now: NOW };
    /// let packet = Session::initiate(with, &mut rng)?.seal(b"again", &mut rng)?.packet;
    /// # let keys = PreKeyPair { signed: &couple.stock.signed, kem: &couple.stock.kem };
    /// # let (my, peer) = (&couple.bob.party, &couple.alice.party);
    /// let incoming = IncomingInitiation::open(&packet, &couple.bob.device, &keys)?;
    /// assert!(incoming.uses_psk());
    /// let with = |psk| Accept { my, peer, relay: RELAY, psk, now: NOW };
    /// assert_eq!(incoming.complete(with(None)).err(), Some(AcceptError::Psk));
    /// assert_eq!(incoming.complete(with(Some(bob.psk())))?.0.content, b"again");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn psk(&self) -> Psk {
        Psk::of_exporter(&self.fixed.exporter)
    }

    /// Whether it can seal: always, except between acceptance and the first opened message.
    #[must_use]
    pub fn can_seal(&self) -> bool {
        self.ec.can_send()
    }

    /// Header keys that [`Session::open`] tries at most, seven: what a packet of nobody costs. A reader
    /// tries 16 over all sessions of a device (SPEC 8.3.3).
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, seeded::Seeded};
    /// # let Ends { alice, bob } = Couple::new(2, true).talking(&mut Seeded::new(1));
    /// assert_eq!((alice.header_keys(), bob.header_keys()), (1, 2)); // the current one; and the next where a step may come
    /// ```
    #[must_use]
    pub fn header_keys(&self) -> usize {
        self.ec.header_keys()
    }

    /// Messages of the peer since it last had a new key of ours: after 50, or a day, an accepted device
    /// answers with an empty message (DESIGN §5).
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, person::NOW, seeded::Seeded};
    /// # let mut rng = Seeded::new(1);
    /// # let Ends { mut alice, mut bob } = Couple::new(2, true).talking(&mut rng);
    /// for _ in 0..3 {
    ///     let packet = alice.seal(b"again", &mut rng)?.packet;
    ///     bob = bob.open(&packet, NOW)?.session;
    /// }
    /// assert_eq!((bob.unanswered(), alice.sent_in_row()), (3, 3));
    /// bob.seal(b"", &mut rng)?;
    /// assert_eq!(bob.unanswered(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn unanswered(&self) -> u32 {
        self.ec.unanswered()
    }

    /// Messages of ours since the last new key of the peer.
    #[must_use]
    pub fn sent_in_row(&self) -> u32 {
        self.ec.sent_in_row()
    }
}
