//! Messages from elsewhere among those that were here.

use chat_core::engine::{Conversation, MessageStatus};
use chat_core::store::{HistoryChange, WriteBatch};
use chat_wire::ids::{AccountId, MessageId, UserName};
use tempfile::TempDir;

use crate::request::HistoryPart;
use crate::store::Store;

use super::*;

const PEER: Conversation = Conversation::Direct(AccountId([7; 32]));

fn said(number: u8) -> Message {
    Message {
        id: MessageId([number; 16]),
        conversation: PEER,
        from: UserName::parse("bob").unwrap(),
        to: "alice".to_owned(),
        text: Some(format!("word{number}")),
        unknown: None,
        reply_to: None,
        outgoing: false,
        status: MessageStatus::Delivered,
        timestamp_ms: u64::from(number),
        edited: false,
        deleted: false,
        direct: false,
        imported: true,
        file: None,
        reactions: vec![Reaction { from: UserName::parse("carol").unwrap(), sign: format!("+{number}") }],
    }
}

fn here(numbers: &[u8]) -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::bare(dir.path()).unwrap();
    let local = numbers.iter().map(|n| Message { imported: false, ..said(*n) });
    let reactions = numbers.iter().map(|n| HistoryChange::React {
        conversation: PEER,
        id: said(*n).id,
        from: UserName::parse("carol").unwrap(),
        sign: format!("+{n}"),
    });
    let history = local.map(HistoryChange::Insert).chain(reactions).collect();
    store.apply(&WriteBatch { history, ..WriteBatch::default() }).unwrap();
    (dir, store)
}

fn import(store: &Store, numbers: &[u8]) -> u64 {
    let mut pieces = numbers.chunks(2).map(|piece| piece.iter().map(|n| said(*n)).collect::<Vec<_>>());
    let count = u64::try_from(numbers.len()).unwrap();
    store.import::<()>(count, || Ok(pieces.next())).unwrap().unwrap()
}

/// Number, whether it was imported, whether it is read; each with its reaction and found by its word.
fn shown(store: &Store) -> Vec<(u8, bool, bool)> {
    let page = store.history("bob", HistoryPart::Newest, 100).unwrap().messages;
    let shown = page.into_iter().map(|message| {
        let number = message.id.0[0];
        assert_eq!(message.reactions, said(number).reactions);
        let found = store.search(&format!("word{number} "), None, 9).unwrap();
        assert!(found.iter().any(|found| found.id == message.id), "{number} is found");
        (number, message.imported, message.status == MessageStatus::Read)
    });
    shown.collect()
}

#[test]
fn old_messages_come_before_all_that_was_here_and_count_as_read() {
    let (_dir, store) = here(&[5, 6]);
    assert_eq!(import(&store, &[1, 2, 3, 5]), 3);
    let expected = [(1, true, true), (2, true, true), (3, true, true), (5, false, false), (6, false, false)];
    assert_eq!(shown(&store), expected);
    assert_eq!(store.conversations().unwrap()[0].unread, 2);
    assert_eq!(import(&store, &[1, 2, 3, 5]), 0);
    assert_eq!(shown(&store), expected);
}

#[test]
fn what_was_said_in_between_comes_in_between_and_what_was_read_stays_so() {
    let (_dir, store) = here(&[2, 5, 8]);
    let read = HistoryChange::ReadUpTo { conversation: PEER, id: said(5).id };
    store.apply(&WriteBatch { history: vec![read], ..WriteBatch::default() }).unwrap();
    assert_eq!(import(&store, &[1, 3, 4, 6]), 4);
    let expected = [
        (1, true, true),
        (2, false, true),
        (3, true, true),
        (4, true, true),
        (5, false, true),
        (6, true, false),
        (8, false, false),
    ];
    assert_eq!(shown(&store), expected);
}

#[test]
fn nothing_that_was_unread_is_read_by_an_import_in_between() {
    let (_dir, store) = here(&[2, 5]);
    assert_eq!(import(&store, &[1, 3]), 2);
    assert_eq!(shown(&store), [(1, true, true), (2, false, false), (3, true, false), (5, false, false)]);
}

#[test]
fn an_import_that_fails_midway_leaves_nothing() {
    let (_dir, store) = here(&[5]);
    let mut pieces = [Ok(Some(vec![said(1), said(2)])), Err("cut")].into_iter();
    assert_eq!(store.import(9, || pieces.next().unwrap()).unwrap(), Err("cut"));
    assert_eq!(shown(&store), [(5, false, false)]);
    assert_eq!(store.search("word1 ", None, 9).unwrap(), []);
}
