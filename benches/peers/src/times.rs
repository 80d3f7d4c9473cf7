//! What takes time.

use chat_core::measure::PqPair;
use chat_core::prekey::VerifiedBundle;
use chat_core::session::{Initiate, OpenError, Refusal, Session};
use chat_fixtures::pair::{Couple, Ends, copied};
use chat_fixtures::person::{NOW, RELAY};
use chat_fixtures::seeded::Seeded;
use vodozemac::olm::Account;

use crate::chance::Chance;
use crate::measure::{median, medians, once, timed};
use crate::olm;
use crate::primitives::{self, Handshake, SealedPair};
use crate::table::{Target, Time};

/// Messages in one round of a burst.
const BURST: usize = 100;
/// Answers to and fro in one round.
const TURNS: usize = 20;
/// Sessions started or taken in one round.
const STARTS: usize = 8;
/// Messages that are skipped at once.
const SKIPPED: usize = 1_000;
/// Bytes of the body that a text of 64 B, and of 1 KiB, is padded to.
const PADDED: [(usize, usize); 2] = [(64, 512), (1024, 2048)];
/// Chunks beside a text of 64 B with its envelope.
const ROOM: usize = 8;
/// Messages of the post-quantum ratchet in strict alternation.
const PQ_MESSAGES: usize = 6_000;

fn ours() -> (Ends, Chance) {
    (Couple::new(2, true).talking(&mut Seeded::new(1)), Chance(1))
}

fn seal(session: &mut Session, text: &[u8], rng: &mut Chance) -> Vec<u8> {
    session.seal(text, rng).expect("seals").packet
}

fn open(session: &mut Session, packet: &[u8]) -> Vec<u8> {
    let opened = session.open(packet, NOW).expect("opens");
    *session = opened.session;
    opened.content
}

/// Both directions of a handshake, without and with the first message.
pub fn handshake() -> Vec<Time> {
    let couple = Couple::new(2, true);
    let sum = Handshake::default();
    let (me, peer) = (Account::new(), olm::Peer::new());
    let (mut rng, mut seeded, mut other_rng) = (Chance(3), Seeded::new(3), Chance(4));
    let initiate = |rng: &mut Chance| {
        let bundle = VerifiedBundle::verify(&couple.stock.bundle, &couple.bob.party).expect("signed");
        let (me, my) = (&couple.alice.device, &couple.alice.party);
        let with = Initiate { me, my, relay: RELAY, bundle, session_no: 1, psk: None, now: NOW };
        Session::initiate(with, rng).expect("a session")
    };
    let [ours, its_sum, theirs] = medians([
        &mut || timed(vec![(); STARTS], |()| initiate(&mut rng)),
        &mut || timed(vec![(); STARTS], |()| sum.initiate(&mut other_rng)),
        &mut || timed(vec![(); STARTS], |()| olm::start(&me, &peer, &[7; 64])),
    ]);
    let target = || Target { of_sum: Some(1.05), ..Target::default() };
    let initiated = Time {
        what: "handshake: check a bundle, initiate",
        ours: ours / 1e3,
        sum: Some(its_sum / 1e3),
        peer: Some(theirs / 1e3),
        target: target(),
    };
    let first = |rng: &mut Seeded| couple.begin(&[7; 64], rng).1;
    let body = SealedPair::of(vec![0; 512]);
    let own = primitives::ratchet_key(&mut Chance(7)).0;
    let [ours, its_sum, theirs] = medians([
        &mut || {
            let packets: Vec<_> = (0..STARTS).map(|_| first(&mut seeded)).collect();
            timed(packets, |packet| couple.accept(&packet).expect("opens"))
        },
        &mut || {
            timed(vec![(); STARTS], |()| {
                let agreed = sum.accept();
                let root = primitives::root_step(&own, &primitives_public());
                primitives::open_in_chain(&body, &mut [0; 512]);
                (agreed, root)
            })
        },
        &mut || {
            let start = |_| {
                let peer = olm::Peer::new();
                let packet = olm::start(&me, &peer, &[7; 64]).1;
                (peer, packet)
            };
            let starts: Vec<_> = (0..STARTS).map(start).collect();
            timed(starts, |(mut peer, packet)| olm::accept(&mut peer.account, me.curve25519_key(), &packet))
        },
    ]);
    let accepted = Time {
        what: "handshake: accept, open the first message",
        ours: ours / 1e3,
        sum: Some(its_sum / 1e3),
        peer: Some(theirs / 1e3),
        target: target(),
    };
    vec![initiated, accepted]
}

fn primitives_public() -> [u8; 32] {
    static PUBLIC: std::sync::OnceLock<[u8; 32]> = std::sync::OnceLock::new();
    *PUBLIC.get_or_init(|| primitives::ratchet_key(&mut Chance(5)).1)
}

/// Sealing and opening in a chain.
pub fn in_chain() -> Vec<Time> {
    let names = [
        ["seal 64 B in chain", "open 64 B in chain", "seal and open 64 B in chain"],
        ["seal 1 KiB in chain", "open 1 KiB in chain", "seal and open 1 KiB in chain"],
    ];
    PADDED.into_iter().zip(names).flat_map(|((size, padded), names)| chain_of(size, padded, names)).collect()
}

fn chain_of(size: usize, padded: usize, [seal_name, open_name, both_name]: [&'static str; 3]) -> [Time; 3] {
    let text = vec![7; size];
    let ((mut ends, mut rng), mut pair) = (ours(), olm::pair());
    let mut other_rng = Chance(6);
    let [ours_seal, sum_seal, peer_seal] = medians([
        &mut || {
            let time = timed(vec![(); BURST], |()| seal(&mut ends.alice, &text, &mut rng));
            let _ = ends.alice.take_changes();
            time
        },
        &mut || timed(vec![(); BURST], |()| primitives::seal_in_chain(&mut vec![0; padded], &mut other_rng)),
        &mut || timed(vec![(); BURST], |()| olm::seal(&mut pair.alice, &text)),
    ])
    .map(|time| time / 1e3);
    let ((mut ends, mut rng), mut pair) = (ours(), olm::pair());
    let sealed = SealedPair::of(vec![0; padded]);
    let [ours_open, sum_open, peer_open] = medians([
        &mut || {
            let packets: Vec<_> = (0..BURST).map(|_| seal(&mut ends.alice, &text, &mut rng)).collect();
            let time = timed(packets, |packet| open(&mut ends.bob, &packet));
            let _ = (ends.alice.take_changes(), ends.bob.take_changes());
            time
        },
        &mut || timed(vec![(); BURST], |()| primitives::open_in_chain(&sealed, &mut vec![0; padded])),
        &mut || {
            let packets: Vec<_> = (0..BURST).map(|_| olm::seal(&mut pair.alice, &text)).collect();
            timed(packets, |packet| olm::open(&mut pair.bob, &packet).expect("opens"))
        },
    ])
    .map(|time| time / 1e3);
    let row = |what, ours, sum, peer, target| Time { what, ours, sum: Some(sum), peer: Some(peer), target };
    let target = || Target { of_sum: Some(1.3), ..Target::default() };
    // Olm's sealing is what is slow: it makes a public key each time.
    let of_peer = (size == 64).then_some(6.0);
    [
        row(seal_name, ours_seal, sum_seal, peer_seal, Target { of_peer, ..target() }),
        row(open_name, ours_open, sum_open, peer_open, target()),
        row(both_name, ours_seal + ours_open, sum_seal + sum_open, peer_seal + peer_open, target()),
    ]
}

/// One message, its ratchet step, and opening it: half of a message and its answer.
pub fn ping_pong() -> Vec<Time> {
    let ((mut ends, mut rng), mut pair) = (ours(), olm::pair());
    let text = [7; 1024];
    let mut other_rng = Chance(6);
    let sealed = SealedPair::of(vec![0; 2048]);
    let theirs = primitives_public();
    let mut pq = PqPair::new();
    let mut pq_turn = false;
    let mut pq_rng = Chance(8);
    let [ours, sum, peer, braid] = medians([
        &mut || {
            let both = timed(vec![(); TURNS], |()| {
                let there = seal(&mut ends.alice, &text, &mut rng);
                open(&mut ends.bob, &there);
                let back = seal(&mut ends.bob, &text, &mut rng);
                open(&mut ends.alice, &back)
            });
            let _ = (ends.alice.take_changes(), ends.bob.take_changes());
            both / 2.0
        },
        &mut || {
            timed(vec![(); TURNS], |()| {
                let (secret, _) = primitives::ratchet_key(&mut other_rng);
                let there = primitives::root_step(&secret, &theirs);
                let tag = primitives::seal_in_chain(&mut vec![0; 2048], &mut other_rng);
                // The key of the chain before is tried first.
                primitives::failed_header_opens(1);
                let back = primitives::root_step(&secret, &theirs);
                primitives::open_in_chain(&sealed, &mut vec![0; 2048]);
                (there, tag, back)
            })
        },
        &mut || {
            let both = timed(vec![(); TURNS], |()| {
                let there = olm::seal(&mut pair.alice, &text);
                olm::open(&mut pair.bob, &there).expect("opens");
                let back = olm::seal(&mut pair.bob, &text);
                olm::open(&mut pair.alice, &back).expect("opens")
            });
            both / 2.0
        },
        &mut || {
            timed(vec![(); 2 * TURNS], |()| {
                let message = pq.seal(pq_turn, 31, &mut pq_rng).expect("seals");
                pq_turn = !pq_turn;
                pq.open(pq_turn, &message, NOW).expect("opens")
            })
        },
    ])
    .map(|time| time / 1e3);
    // The chain of the post-quantum ratchet is in both: what the Braid adds is its own row's.
    let chains = medians([&mut || timed(vec![(); BURST], |()| primitives::chain_step(&mut [1; 32], &mut [2; 32]))]);
    let braid = (braid - chains[0] / 1e3).max(0.0);
    let target = Target { of_sum: Some(1.05), of_peer: Some(2.0), ..Target::default() };
    vec![Time {
        what: "ping-pong 1 KiB: seal and open, a ratchet step each",
        ours,
        sum: Some(sum + braid),
        peer: Some(peer),
        target,
    }]
}

/// The post-quantum ratchet in strict alternation.
pub fn post_quantum() -> Vec<Time> {
    let (mut pair, mut rng) = (PqPair::new(), Chance(9));
    let (mut seals, mut opens) = (Vec::new(), Vec::new());
    for turn in 0..PQ_MESSAGES {
        let (time, message) = once(|| pair.seal(turn % 2 == 1, ROOM, &mut rng).expect("seals"));
        seals.push(time);
        let (time, ()) = once(|| pair.open(turn % 2 == 0, &message, NOW).expect("opens"));
        opens.push(time);
    }
    let row = |what, ours: f64, most| {
        let target = Target { most: Some(most), ..Target::default() };
        Time { what, ours: ours / 1e3, sum: None, peer: None, target }
    };
    vec![
        row("post-quantum ratchet, 64 B texts: a seal, mean", mean_of_usual(&seals), 5.0),
        row("post-quantum ratchet, 64 B texts: an open, mean", mean_of_usual(&opens), 5.0),
        row("post-quantum ratchet: the dearest seal of an epoch", dearest(&seals), 100.0),
        row("post-quantum ratchet: the dearest open of an epoch", dearest(&opens), 100.0),
    ]
}

/// The mean of what an epoch costs, over the epochs in the middle: whoever was interrupted is no measure.
fn mean_of_usual(times: &[f64]) -> f64 {
    median(times.chunks(60).map(|some| some.iter().sum::<f64>() / some.len() as f64).collect())
}

/// The median of the dearest of each 30 messages, two epochs.
fn dearest(times: &[f64]) -> f64 {
    median(times.chunks(30).map(|some| some.iter().copied().fold(0.0, f64::max)).collect())
}

/// What is refused.
pub fn refusals() -> Vec<Time> {
    let ((mut ends, mut rng), mut pair) = (ours(), olm::pair());
    // Alice has spoken last, so two header keys are tried: the current one and the next.
    let packet = seal(&mut ends.alice, &[7; 64], &mut rng);
    let mut forged = packet.clone();
    forged[20] ^= 1;
    let tried = ends.alice.header_keys();
    let mut their_packet = olm::seal(&mut pair.alice, &[7; 64]);
    *their_packet.1.last_mut().expect("not empty") ^= 1;
    let [ours, sum, peer] = medians([
        &mut || {
            let refused = |()| assert_eq!(ends.alice.open(&forged, NOW).err(), Some(OpenError::NotThisSession));
            timed(vec![(); BURST], refused)
        },
        &mut || timed(vec![(); BURST], |()| primitives::failed_header_opens(tried)),
        &mut || timed(vec![(); BURST], |()| assert!(olm::open(&mut pair.bob, &their_packet).is_none())),
    ])
    .map(|time| time / 1e3);
    let target = Target { of_sum: Some(1.5), ..Target::default() };
    vec![Time { what: "refuse a forged packet", ours, sum: Some(sum), peer: Some(peer), target }]
}

/// A thousand lost messages, and a far one whose body was changed.
pub fn skipped() -> Vec<Time> {
    let (mut ends, mut rng) = ours();
    let turning = seal(&mut ends.alice, &[7; 64], &mut rng);
    open(&mut ends.bob, &turning);
    let mut pair = olm::pair();
    for _ in 0..SKIPPED {
        seal(&mut ends.alice, &[7; 64], &mut rng);
        olm::seal(&mut pair.alice, &[7; 64]);
    }
    let (packet, their_packet) = (seal(&mut ends.alice, &[7; 64], &mut rng), olm::seal(&mut pair.alice, &[7; 64]));
    let mut mangled = packet.clone();
    *mangled.last_mut().expect("not empty") ^= 1;
    let steps = || {
        let (mut ec, mut pq) = ([1; 32], [2; 32]);
        (0..=SKIPPED).map(|_| primitives::chain_step(&mut ec, &mut pq)).collect::<Vec<_>>()
    };
    let sealed = SealedPair::of(vec![0; 512]);
    let [ours, refused, sum, peer] = medians([
        &mut || timed(vec![copied(&ends.bob)], |session| session.open(&packet, NOW).expect("opens")),
        &mut || {
            timed(vec![copied(&ends.bob)], |session| {
                let refused = session.open(&mangled, NOW).err();
                assert_eq!(refused, Some(OpenError::Refused(Refusal::Body)));
            })
        },
        &mut || timed(vec![()], |()| (steps(), primitives::open_in_chain(&sealed, &mut [0; 512]))),
        &mut || {
            let copy = vodozemac::olm::Session::from_pickle(pair.bob.pickle());
            timed(vec![copy], |mut bob| olm::open(&mut bob, &their_packet).expect("opens"))
        },
    ])
    .map(|time| time / 1e3);
    let row = |what, ours, of_sum, peer| Time {
        what,
        ours,
        sum: Some(sum),
        peer,
        target: Target { of_sum, ..Target::default() },
    };
    vec![
        row("open behind 1,000 lost messages", ours, Some(1.2), Some(peer)),
        // Asked are at most 2,000 steps, which the second table counts; here is what a thousand of them take.
        row("refuse a changed body behind 1,000 lost messages", refused, None, None),
    ]
}

/// What the machine does with single primitives.
pub fn primitives_alone() -> Vec<Time> {
    let (own, theirs) = (primitives::ratchet_key(&mut Chance(7)).0, primitives_public());
    let (mut rng, mut chains) = (Chance(8), ([1; 32], [2; 32]));
    let [agreement, key, chain, kem] = medians([
        &mut || timed(vec![(); STARTS], |()| primitives::agreement(&own, &theirs)),
        &mut || timed(vec![(); STARTS], |()| primitives::ratchet_key(&mut rng)),
        &mut || timed(vec![(); BURST], |()| primitives::chain_step(&mut chains.0, &mut chains.1)),
        &mut || timed(vec![(); STARTS], |()| primitives::kem_epoch()),
    ])
    .map(|time| time / 1e3);
    let row = |what, ours| Time { what, ours, sum: None, peer: None, target: Target::default() };
    vec![
        row("by itself: an X25519 agreement", agreement),
        row("by itself: a new X25519 key", key),
        row("by itself: a step of both chains", chain),
        row("by itself: ML-KEM-768, both sides", kem),
    ]
}
