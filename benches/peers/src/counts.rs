//! What can be counted.

use chat_core::limits::CHAIN_STEPS_MAX;
use chat_core::measure::PqPair;
use chat_core::session::{OpenError, Refusal, RowChange, Session};
use chat_fixtures::pair::{Couple, Ends};
use chat_fixtures::person::NOW;
use chat_fixtures::seeded::Seeded;

use crate::olm;
use crate::table::Count;

/// A text of 64 B in its envelope: ids, list states, the place in the stream.
const CONTENT_OF_64: usize = 240;
/// Epochs over which messages are counted.
const EPOCHS: u64 = 20;

fn ours() -> (Ends, Seeded) {
    let mut rng = Seeded::new(1);
    (Couple::new(2, true).talking(&mut rng), rng)
}

fn bytes(rows: &[RowChange]) -> f64 {
    rows.iter().filter_map(|row| row.value.as_ref()).map(|value| value.len()).sum::<usize>() as f64
}

fn open(session: &mut Session, packet: &[u8]) {
    *session = session.open(packet, NOW).expect("opens").session;
}

/// All of it.
pub fn all() -> Vec<Count> {
    [overhead(), state(), skipped(), epoch()].into_iter().flatten().collect()
}

fn overhead() -> Vec<Count> {
    let ((mut ends, mut rng), mut pair) = (ours(), olm::pair());
    let mut packet = |text: usize| ends.alice.seal(&vec![7; text], &mut rng).expect("seals").packet.len() as f64;
    let (short, long) = (packet(64), packet(1024));
    let peer = olm::seal(&mut pair.alice, &[7; 64]).1.len() as f64 - 64.0;
    let row = |what, value, most| Count { what, value, most, unit: "B" };
    vec![
        row("around the padded body of a message: full tags, hidden header", short - 512.0, Some(110.0)),
        row("what padding adds to a content of 64 B (chunks of the Braid fill it)", 512.0 - 64.0, None),
        row("what padding adds to a content of 1 KiB", long - 110.0 - 1024.0, None),
        row("vodozemac around 64 B: tag of 8 bytes, clear header, no padding", peer, None),
    ]
}

fn state() -> Vec<Count> {
    let (mut ends, mut rng) = ours();
    for _ in 0..3 {
        let packet = ends.alice.seal(&[7; 64], &mut rng).expect("seals").packet;
        open(&mut ends.bob, &packet);
    }
    let _ = (ends.alice.take_changes(), ends.bob.take_changes());
    let packet = ends.alice.seal(&[7; 64], &mut rng).expect("seals").packet;
    open(&mut ends.bob, &packet);
    let (sealed, opened) = (bytes(&ends.alice.take_changes()), bytes(&ends.bob.take_changes()));
    let row = |what, value| Count { what, value, most: Some(300.0), unit: "B" };
    vec![
        row("session state written for a message in chain, by its sender", sealed),
        row("session state written for a message in chain, by its reader", opened),
    ]
}

fn skipped() -> Vec<Count> {
    let (mut ends, mut rng) = ours();
    let turning = ends.alice.seal(&[7; 64], &mut rng).expect("seals").packet;
    open(&mut ends.bob, &turning);
    let mut packets: Vec<_> =
        (0..=2 * CHAIN_STEPS_MAX).map(|_| ends.alice.seal(&[7; 64], &mut rng).expect("seals").packet).collect();
    let mut furthest = 0;
    for (ahead, packet) in (0_u32..).zip(&mut packets) {
        *packet.last_mut().expect("not empty") ^= 1;
        match ends.bob.open(packet, NOW).err() {
            Some(OpenError::Refused(Refusal::Body)) => furthest = ahead,
            Some(OpenError::Refused(Refusal::TooFar { .. })) => break,
            other => panic!("{other:?}"),
        }
    }
    *packets[1_000].last_mut().expect("not empty") ^= 1;
    let _ = ends.bob.take_changes();
    open(&mut ends.bob, &packets[1_000]);
    vec![
        Count {
            what: "chain steps that a changed body under a genuine header costs at most",
            value: f64::from(furthest),
            most: Some(2_000.0),
            unit: "",
        },
        Count {
            what: "stored for 1,000 lost messages",
            value: bytes(&ends.bob.take_changes()) / 1e3,
            most: Some(66.0),
            unit: "kB",
        },
    ]
}

fn epoch() -> Vec<Count> {
    let room = (512 - 8 - CONTENT_OF_64) / 32;
    let (mut pair, mut rng) = (PqPair::new(), Seeded::new(9));
    let (mut messages, mut begun, mut longest) = (0_u32, 0, 0);
    while pair.epoch() < EPOCHS {
        let (end, before) = (messages % 2 == 1, pair.epoch());
        let message = pair.seal(end, room, &mut rng).expect("seals");
        pair.open(!end, &message, NOW).expect("opens");
        messages += 1;
        if pair.epoch() > before {
            longest = longest.max(messages - begun);
            begun = messages;
        }
    }
    vec![Count {
        what: "messages of a post-quantum epoch in strict alternation, 64 B texts, at most",
        value: f64::from(longest),
        most: Some(15.0),
        unit: "",
    }]
}
