//! The post-quantum epochs as they show from outside.

use crate::pair::{Pair, open};

/// The newest epoch in the row of the post-quantum ratchet.
fn epoch(session: &chat_core::session::Session) -> u64 {
    let rows = session.rows();
    let row = &rows.iter().find(|(key, _)| key == &[5]).unwrap().1;
    u64::from_be_bytes(row[32..40].try_into().unwrap())
}

#[test]
fn an_epoch_passes_within_fifteen_messages_of_alternation_with_64_byte_texts() {
    let mut pair = Pair::new(1);
    let content = [7; 200];
    let mut since = vec![];
    let (mut messages, mut last) = (0, epoch(&pair.alice));
    while since.len() < 8 {
        let packet = pair.for_bob(&content);
        open(&mut pair.bob, &packet);
        let packet = pair.for_alice(&content);
        open(&mut pair.alice, &packet);
        messages += 2;
        let now = epoch(&pair.alice).min(epoch(&pair.bob));
        if now > last {
            since.push(messages);
            (messages, last) = (0, now);
        }
    }
    assert!(since.iter().skip(1).all(|messages| *messages <= 15), "{since:?}");
}

#[test]
fn epochs_go_on_when_every_third_message_is_lost() {
    let mut pair = Pair::new(2);
    for round in 0..300 {
        let packet = pair.for_bob(&[1; 100]);
        if round % 3 != 0 {
            open(&mut pair.bob, &packet);
        }
        let packet = pair.for_alice(&[2; 100]);
        if round % 3 != 1 {
            open(&mut pair.alice, &packet);
        }
    }
    assert!(epoch(&pair.alice) >= 15, "{}", epoch(&pair.alice));
    assert!(epoch(&pair.alice).abs_diff(epoch(&pair.bob)) <= 1);
}
