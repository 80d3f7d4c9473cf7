//! Sealing, opening, turning the ratchet, starting a session, and refusing what is forged.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench stops where it fails")]

use chat_benches::TEXT_SIZES;
use chat_fixtures::pair::{Couple, Ends, copied, open, seal};
use chat_fixtures::seeded::Seeded;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn talking() -> (Ends, Seeded) {
    let mut rng = Seeded::new(1);
    (Couple::new(2, true).talking(&mut rng), rng)
}

/// One more message in the same chain.
#[divan::bench(args = TEXT_SIZES)]
fn seal_in_a_burst(bencher: Bencher, size: usize) {
    let (mut ends, mut rng) = talking();
    // The first one after an answer turns the ratchet; the others don't.
    seal(&mut ends.alice, b"turns the chain", &mut rng);
    let text = vec![7; size];
    bencher
        .with_inputs(|| (copied(&ends.alice), rng.clone()))
        .bench_local_values(|(mut session, mut rng)| black_box(seal(&mut session, &text, &mut rng)));
}

/// One more message in the same chain, at the other end.
#[divan::bench(args = TEXT_SIZES)]
fn open_in_a_burst(bencher: Bencher, size: usize) {
    let (mut ends, mut rng) = talking();
    let first = seal(&mut ends.alice, b"turns the chain", &mut rng);
    let bob = open(&ends.bob, &first).unwrap().0;
    let packet = seal(&mut ends.alice, &vec![7; size], &mut rng);
    bencher.bench_local(|| black_box(open(&bob, &packet).unwrap()));
}

/// An answer: opening turns the ratchet, and so does the next sealing.
#[divan::bench]
fn open_and_answer(bencher: Bencher) {
    let (mut ends, rng) = talking();
    let packet = seal(&mut ends.alice, &[7; 64], &mut rng.clone());
    bencher.with_inputs(|| rng.clone()).bench_local_values(|mut rng| {
        let mut bob = open(&ends.bob, &packet).unwrap().0;
        black_box(seal(&mut bob, &[7; 64], &mut rng))
    });
}

/// Checking a bundle, starting a session and sealing its first message.
#[divan::bench(args = [true, false])]
fn begin(bencher: Bencher, one_time: bool) {
    let couple = Couple::new(2, one_time);
    bencher.with_inputs(|| Seeded::new(3)).bench_local_values(|mut rng| black_box(couple.begin(&[7; 64], &mut rng)));
}

/// Taking a first message.
#[divan::bench(args = [true, false])]
fn accept(bencher: Bencher, one_time: bool) {
    let couple = Couple::new(2, one_time);
    let (_, packet) = couple.begin(&[7; 64], &mut Seeded::new(3));
    bencher.bench_local(|| black_box(couple.accept(&packet).unwrap()));
}

/// Refusing: a packet for nobody, one with a bent body, a bent first message.
#[divan::bench(args = ["noise", "bent body", "bent first message"])]
fn refuse(bencher: Bencher, what: &str) {
    let couple = Couple::new(2, true);
    let (mut ends, mut rng) = talking();
    let mut packet = match what {
        "noise" => [&[1_u8][..], &[9; 600]].concat(),
        "bent body" => seal(&mut ends.alice, &[7; 64], &mut rng),
        _ => couple.begin(&[7; 64], &mut rng).1,
    };
    let last = packet.len() - 1;
    packet[last] ^= 1;
    match what {
        "bent first message" => bencher.bench_local(|| assert!(black_box(couple.accept(&packet)).is_none())),
        _ => bencher.bench_local(|| assert!(black_box(open(&ends.bob, &packet)).is_none())),
    }
}
