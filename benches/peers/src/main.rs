//! Our sessions beside vodozemac's (Olm), in one run and in turns. Prints a table of medians.
//!
//! The two do not do the same: ours encrypts headers, pads, mixes ML-KEM into handshake and ratchet and
//! keeps whole tags; Olm is X25519 only with tags of 8 bytes. Both sides are measured on bytes.

mod measure;
mod olm;

use chat_fixtures::pair::{Couple, Ends, open, seal};
use chat_fixtures::seeded::Seeded;
use measure::{Row, compare, timed};
use vodozemac::olm::Account;

/// Messages in one round of a burst.
const BURST: usize = 100;
/// Answers to and fro in one round.
const TURNS: usize = 20;
/// Sessions started or taken in one round.
const STARTS: u64 = 8;

fn main() {
    println!("| what (median, microseconds)                  |      ours | vodozemac | ratio |");
    println!("|----------------------------------------------|----------:|----------:|------:|");
    for (size, seal_name, open_name) in
        [(64, "seal 64 B in a burst", "open 64 B in a burst"), (1024, "seal 1 KiB in a burst", "open 1 KiB in a burst")]
    {
        println!("{}", sealing(seal_name, size));
        println!("{}", opening(open_name, size));
    }
    println!("{}", turning());
    println!("{}", starting());
    println!("{}", accepting());
    println!("{}", refusing());
}

fn ours() -> (Ends, Seeded) {
    let mut rng = Seeded::new(1);
    (Couple::new(2, true).talking(&mut rng), rng)
}

fn sealing(what: &'static str, size: usize) -> Row {
    let text = vec![7; size];
    let (mut ends, mut rng) = ours();
    let mut pair = olm::pair();
    compare(
        what,
        || timed(vec![(); BURST], |()| drop(seal(&mut ends.alice, &text, &mut rng))),
        || timed(vec![(); BURST], |()| drop(olm::seal(&mut pair.alice, &text))),
    )
}

fn opening(what: &'static str, size: usize) -> Row {
    let text = vec![7; size];
    let (mut ends, mut rng) = ours();
    let mut pair = olm::pair();
    compare(
        what,
        || {
            let packets: Vec<_> = (0..BURST).map(|_| seal(&mut ends.alice, &text, &mut rng)).collect();
            timed(packets, |packet| ends.bob = open(&ends.bob, &packet).expect("opens").0)
        },
        || {
            let packets: Vec<_> = (0..BURST).map(|_| olm::seal(&mut pair.alice, &text)).collect();
            timed(packets, |packet| assert!(olm::open(&mut pair.bob, &packet).is_some()))
        },
    )
}

/// One message to and one fro, sealed and opened: the ratchet turns at each.
fn turning() -> Row {
    let (mut ends, mut rng) = ours();
    let mut pair = olm::pair();
    compare(
        "a message and its answer, both ends",
        || {
            timed(vec![(); TURNS], |()| {
                let there = seal(&mut ends.alice, &[7; 64], &mut rng);
                ends.bob = open(&ends.bob, &there).expect("opens").0;
                let back = seal(&mut ends.bob, &[7; 64], &mut rng);
                ends.alice = open(&ends.alice, &back).expect("opens").0;
            })
        },
        || {
            timed(vec![(); TURNS], |()| {
                let there = olm::seal(&mut pair.alice, &[7; 64]);
                olm::open(&mut pair.bob, &there).expect("opens");
                let back = olm::seal(&mut pair.bob, &[7; 64]);
                olm::open(&mut pair.alice, &back).expect("opens");
            })
        },
    )
}

/// Ours checks the bundle's signatures; Olm leaves that to the layer above.
fn starting() -> Row {
    let couple = Couple::new(2, true);
    let mut rng = Seeded::new(3);
    let (me, peer) = (Account::new(), olm::Peer::new());
    compare(
        "start a session, seal its first message",
        || timed((0..STARTS).collect(), |_| drop(couple.begin(&[7; 64], &mut rng))),
        || timed((0..STARTS).collect(), |_| drop(olm::start(&me, &peer, &[7; 64]))),
    )
}

fn accepting() -> Row {
    let couple = Couple::new(2, true);
    let mut rng = Seeded::new(3);
    let me = Account::new();
    compare(
        "take a first message",
        || {
            let packets: Vec<_> = (0..STARTS).map(|_| couple.begin(&[7; 64], &mut rng).1).collect();
            timed(packets, |packet| drop(couple.accept(&packet).expect("opens")))
        },
        || {
            let start = |_| {
                let peer = olm::Peer::new();
                let packet = olm::start(&me, &peer, &[7; 64]).1;
                (peer, packet)
            };
            let starts: Vec<_> = (0..STARTS).map(start).collect();
            timed(starts, |(mut peer, packet)| drop(olm::accept(&mut peer.account, me.curve25519_key(), &packet)))
        },
    )
}

fn refusing() -> Row {
    let (mut ends, mut rng) = ours();
    let mut pair = olm::pair();
    let mut packet = seal(&mut ends.alice, &[7; 64], &mut rng);
    let mut their_packet = olm::seal(&mut pair.alice, &[7; 64]);
    for bytes in [&mut packet, &mut their_packet.1] {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }
    compare(
        "refuse a packet with a bent tag",
        || timed(vec![(); BURST], |()| assert!(open(&ends.bob, &packet).is_none())),
        || timed(vec![(); BURST], |()| assert!(olm::open(&mut pair.bob, &their_packet).is_none())),
    )
}
