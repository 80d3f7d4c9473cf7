//! Sessions as rows and as one record.

use std::collections::BTreeMap;

use chat_core::session::{BadSession, Session};

use crate::pair::{NOW, Pair, open};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn store(rows: &mut Rows, session: &mut Session) {
    for change in session.take_changes() {
        match change.value {
            Some(value) => rows.insert(change.key, value.to_vec()),
            None => rows.remove(&change.key),
        };
    }
}

fn rows_of(session: &Session) -> Rows {
    session.rows().into_iter().map(|(key, value)| (key, value.to_vec())).collect()
}

#[test]
fn the_written_changes_are_the_session_after_every_message() {
    let mut pair = Pair::new(1);
    let (mut alice, mut bob) = (Rows::new(), Rows::new());
    store(&mut alice, &mut pair.alice);
    store(&mut bob, &mut pair.bob);
    let mut waiting = Vec::new();
    for round in 0..60_u8 {
        let packet = pair.for_bob(&[round]);
        store(&mut alice, &mut pair.alice);
        if round % 5 == 0 {
            waiting.push(packet);
        } else {
            open(&mut pair.bob, &packet);
        }
        if round % 7 == 0 && !waiting.is_empty() {
            let late = waiting.remove(0);
            open(&mut pair.bob, &late);
        }
        store(&mut bob, &mut pair.bob);
        if round % 3 == 0 {
            let packet = pair.for_alice(&[round]);
            store(&mut bob, &mut pair.bob);
            open(&mut pair.alice, &packet);
            store(&mut alice, &mut pair.alice);
        }
        assert_eq!((&alice, &bob), (&rows_of(&pair.alice), &rows_of(&pair.bob)), "round {round}");
        // Each round goes on from the rows alone.
        pair.alice = Session::from_rows(alice.clone()).unwrap();
        pair.bob = Session::from_rows(bob.clone()).unwrap();
    }
    assert!(bob.keys().all(|key| pair.bob.row_keys().contains(key)));
}

#[test]
fn one_record_reads_back_and_a_cut_or_changed_one_never_panics() {
    let mut pair = Pair::new(2);
    pair.for_bob(b"lost");
    pair.exchange();
    let record = pair.bob.encode();
    let mut read = Session::decode(&record).unwrap();
    assert_eq!(read.encode(), record);
    assert!(read.take_changes().is_empty());
    let packet = pair.for_bob(b"goes on");
    assert_eq!(open(&mut read, &packet), b"goes on");
    for cut in 0..record.len() {
        assert_eq!(Session::decode(&record[..cut]).err(), Some(BadSession));
    }
    for at in (0..record.len()).step_by(3) {
        let mut bad = record.to_vec();
        bad[at] ^= 0xff;
        // Whatever it reads as: opening stays an answer.
        if let Ok(session) = Session::decode(&bad) {
            let _ = session.open(&packet, NOW);
        }
    }
}

#[test]
fn used_keys_leave_the_record() {
    let mut pair = Pair::new(3);
    let packet = pair.for_bob(b"secret");
    let before = rows_of(&pair.bob);
    open(&mut pair.bob, &packet);
    let after = pair.bob.encode();
    // No 32 bytes of the old receiving chain, root or own ratchet key are in the new state.
    for row in [2_u8, 3, 4] {
        let old = &before[&vec![row]];
        let kept = old.windows(32).filter(|window| after.windows(32).any(|w| w == *window)).count();
        let same = rows_of(&pair.bob).get(&vec![row]) == Some(old);
        assert!(same || kept < old.len() - 31, "row {row} kept everything");
    }
    let chain = &before[&vec![4_u8]][5..37];
    assert!(!after.windows(32).any(|window| window == chain), "the receiving chain key stayed");
}
