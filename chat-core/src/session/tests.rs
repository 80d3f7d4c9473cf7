//! A peer that has the keys and breaks the rules: what it seals is authentic, and still changes nothing.

use chat_wire::codec::{Reader, Writer};

use super::message::{Clear, MessageKey, put_body, room_for_chunks};
use super::*;
use crate::crypto::dh::DhSecret;
use crate::crypto::dh::tests::low_order_points;
use crate::crypto::random;
use crate::crypto::tests::{SeededRng, rng};
use crate::ratchet::header::{Header, HeaderContext, TYPE_NORMAL};

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const CONTENT: &[u8] = b"text";
/// Where the Braid's part of such a body begins.
const PART: usize = 4 + CONTENT.len();

struct Two {
    alice: Session,
    bob: Session,
    rng: SeededRng,
}

fn session(initiated_by_us: bool, ec: DoubleRatchet, sid: Sid) -> Session {
    let secret = |byte: u8| Secret::fill(|out: &mut [u8; 32]| out.fill(byte));
    let mut associated = [[3; 32], [4; 32]];
    if !initiated_by_us {
        associated.reverse();
    }
    let peer = Party::read(&mut Reader::new(&[u8::from(initiated_by_us); 208])).unwrap();
    let (initiation_id, exporter) = (InitiationId([2; 16]), secret(9));
    let fixed = Fixed { sid, initiated_by_us, session_no: 1, created: NOW, peer, initiation_id, associated, exporter };
    Session {
        stage: Stage::Acknowledged,
        ec,
        pq: PqRatchet::start(initiated_by_us, &secret(8), &sid.0),
        witness: Witness::default(),
        dirty: Dirty::default(),
        fixed: Arc::new(fixed),
    }
}

/// Before the first message.
fn two() -> Two {
    let mut rng = rng();
    let signed = DhSecret::generate(&mut rng);
    let start = || {
        let secret = |byte: u8| Secret::fill(|out: &mut [u8; 32]| out.fill(byte));
        Start { sk_ec: secret(5), hk_a: secret(6), nhk_b: secret(7) }
    };
    let alice = session(true, DoubleRatchet::initiator(start(), signed.public()), Sid([1; 16]));
    let bob = session(false, DoubleRatchet::responder(start(), Arc::new(signed)), Sid([1; 16]));
    Two { alice, bob, rng }
}

impl Two {
    /// What `seal` does, with another header and another body than the rules say.
    fn forged(&mut self, bend: impl FnOnce(&mut Header, &mut Vec<u8>)) -> Vec<u8> {
        let mut alice = self.alice.fork();
        let sid = alice.fixed.sid.0;
        let slot = alice.ec.send(&sid, &mut self.rng).map_err(|_| "no position").unwrap();
        let pq = alice.pq.send(&sid, room_for_chunks(CONTENT), &mut self.rng).unwrap();
        let mut header = Header {
            ratchet: slot.ratchet,
            previous: slot.previous,
            position: slot.position,
            epoch: pq.epoch,
            counter: pq.counter,
        };
        let mut body = put_body(Writer::default(), CONTENT, &pq.part).to_vec();
        bend(&mut header, &mut body);
        let [associated, _] = &alice.fixed.associated;
        let key = MessageKey::join(&slot.seed, &pq.key);
        let random = key.hedged(&random::secret(&mut self.rng), &body);
        let sealed = slot.header_key.seal(&header, &HeaderContext { kind: TYPE_NORMAL, associated, random: &random });
        let clear = Clear { associated, kind: TYPE_NORMAL, random: &random, header: &sealed };
        let (commitment, tag) = key.body_keys(&clear).seal(&clear, &mut body);
        [&[TYPE_NORMAL][..], &random, &sealed, &commitment, &body, &tag].concat()
    }

    /// How Bob refuses it, without a change.
    #[track_caller]
    fn refusal(&mut self, bend: impl FnOnce(&mut Header, &mut Vec<u8>)) -> OpenError {
        let (packet, before) = (self.forged(bend), self.bob.encode());
        let why = self.bob.open(&packet, NOW).expect_err("it opened");
        assert_eq!(self.bob.encode(), before, "a refused packet changed the session");
        why
    }

    /// One message of Alice to Bob, by the rules.
    fn say(&mut self) {
        let packet = self.alice.seal(CONTENT, &mut self.rng).unwrap().packet;
        self.bob = self.bob.open(&packet, NOW).unwrap().session;
    }
}

#[test]
fn what_is_forged_by_nothing_opens() {
    let mut two = two();
    let packet = two.forged(|_, _| ());
    assert_eq!(two.bob.open(&packet, NOW).unwrap().content, CONTENT);
}

#[test]
fn an_authentic_body_that_breaks_the_layout_is_refused_and_changes_nothing() {
    type Bend = fn(&mut Vec<u8>);
    let bends: [(&str, Bend); 11] = [
        ("a content behind the end", |body| body[..4].copy_from_slice(&509_u32.to_be_bytes())),
        ("a content over the limit", |body| body[..4].copy_from_slice(&u32::MAX.to_be_bytes())),
        ("a kind of part that is none", |body| body[PART] = 7),
        ("more chunks than allowed", |body| body[PART + 1] = 33),
        ("chunks behind the end", |body| body[PART + 1] = 32),
        ("chunks in a part that has none", |body| body[PART] = 4),
        ("an index in a part that has none", |body| body[PART..PART + 4].copy_from_slice(&[0, 0, 0, 1])),
        ("an index behind the last", |body| body[PART + 2..PART + 4].copy_from_slice(&[0xff, 0xff])),
        ("something in the padding", |body| *body.last_mut().unwrap() = 1),
        ("half a head", |body| body.truncate(PART + 2)),
        ("nothing", Vec::clear),
    ];
    let mut two = two();
    for (name, bend) in bends {
        assert_eq!(two.refusal(|_, body| bend(body)), OpenError::Refused(Refusal::Layout), "{name}");
    }
    two.say();
}

#[test]
fn an_authentic_header_that_breaks_the_rules_is_refused_and_changes_nothing() {
    let mut two = two();
    for point in low_order_points() {
        let why = two.refusal(|header, _| header.ratchet = point);
        assert_eq!(why, OpenError::Refused(Refusal::LowOrder));
    }
    two.say();
    two.say();
    let mut why = |bend: fn(&mut Header)| two.refusal(|header, _| bend(header));
    let refused = OpenError::Refused;
    assert_eq!(why(|header| header.ratchet.0[0] ^= 1), refused(Refusal::Contradiction));
    assert_eq!(why(|header| header.position = 2_003), refused(Refusal::TooFar { steps: 2_001 }));
    assert_eq!(why(|header| header.position = u32::MAX), refused(Refusal::TooFar { steps: u32::MAX - 2 }));
    assert_eq!(why(|header| header.position = 1), refused(Refusal::Forked), "another packet was opened there");
    assert_eq!(why(|header| header.epoch = 2), refused(Refusal::PqPosition), "a chain that has not begun");
    assert_eq!(why(|header| header.epoch = 200), refused(Refusal::PqPosition), "a chain that never was");
    assert_eq!(why(|header| header.counter = 0), refused(Refusal::PqPosition));
    assert_eq!(why(|header| header.counter = 2), refused(Refusal::PqPosition), "it was used");
    assert_eq!(why(|header| header.counter = 2_004), refused(Refusal::TooFar { steps: 2_001 }));
    assert_eq!(why(|header| header.position = 3), refused(Refusal::Body), "another position has another key");
    two.say();
}

#[test]
fn an_authentic_part_that_is_not_the_braid_s_is_refused_and_changes_nothing() {
    let mut two = two();
    // Header and tag fill three chunks of the first message: each is covered by the tag.
    for chunk in 0..3 {
        let why = two.refusal(|_, body| body[PART + 4 + chunk * 32] ^= 1);
        assert_eq!(why, OpenError::Refused(Refusal::Braid), "chunk {chunk}");
    }
    two.say();
}
