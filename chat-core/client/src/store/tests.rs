use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chat_core::engine::{Conversation, IdentityChange, MessageStatus, NoticeKind, Request};
use chat_core::store::{HistoryChange, MemoryRecords, Write};
use chat_wire::ids::{AccountId, MessageId, UserName};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::config::Pin;

const PEER: Conversation = Conversation::Direct(AccountId([7; 32]));
const OTHER: Conversation = Conversation::Direct(AccountId([8; 32]));

fn open(dir: &TempDir) -> Store {
    Store::bare(dir.path()).unwrap()
}

fn apply(store: &Store, batch: &WriteBatch) {
    store.begin().unwrap();
    store.apply(batch).unwrap();
    store.commit().unwrap();
}

fn id(number: u8) -> MessageId {
    MessageId([number; 16])
}

fn incoming(number: u8, text: &str) -> Message {
    Message {
        id: id(number),
        conversation: PEER,
        from: UserName::parse("bob").unwrap(),
        to: "alice".to_owned(),
        text: Some(text.to_owned()),
        unknown: None,
        reply_to: None,
        outgoing: false,
        status: MessageStatus::Delivered,
        timestamp_ms: 1_000 + u64::from(number),
        edited: false,
        deleted: false,
        direct: false,
        imported: false,
        file: None,
        reactions: Vec::new(),
    }
}

fn outgoing(number: u8, text: &str) -> Message {
    Message {
        from: UserName::parse("alice").unwrap(),
        to: "bob".to_owned(),
        outgoing: true,
        status: MessageStatus::Queued,
        reply_to: Some(id(1)),
        ..incoming(number, text)
    }
}

fn history(changes: Vec<HistoryChange>) -> WriteBatch {
    WriteBatch { history: changes, ..WriteBatch::default() }
}

fn inserted(messages: impl IntoIterator<Item = Message>) -> WriteBatch {
    let named = HistoryChange::Named { conversation: PEER, name: "bob".to_owned() };
    history(std::iter::once(named).chain(messages.into_iter().map(HistoryChange::Insert)).collect())
}

fn ids(messages: &[Message]) -> Vec<u8> {
    messages.iter().map(|message| message.id.0[0]).collect()
}

fn newest(store: &Store) -> Vec<Message> {
    store.history("bob", HistoryPart::Newest, 100).unwrap().messages
}

fn found(store: &Store, query: &str) -> Vec<u8> {
    ids(&store.search(query, None, 100).unwrap())
}

/// Every file of a profile with its bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn what_was_stored_is_there_after_reopening_and_what_was_not_committed_is_not() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "kept")]));
    store.begin().unwrap();
    store.apply(&inserted([incoming(2, "lost")])).unwrap();
    drop(store);
    assert_eq!(newest(&open(&dir)), [incoming(1, "kept")]);
}

#[test]
fn a_killed_run_loses_nothing_that_was_committed() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "kept")]));
    // What a kill leaves: database and log as they are on disk, without an orderly close.
    let copy = TempDir::new().unwrap();
    for (path, bytes) in files(dir.path()) {
        fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    assert!(fs::metadata(copy.path().join("store.db-wal")).unwrap().len() > 0);
    assert_eq!(newest(&open(&copy)), [incoming(1, "kept")]);
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_dropped() {
    let dir = TempDir::new().unwrap();
    let first = open(&dir);
    assert!(matches!(Store::bare(dir.path()), Err(OpenError::InUse)));
    drop(first);
    open(&dir);
}

#[test]
fn only_the_owner_may_read_any_file_whatever_umask_and_earlier_modes_say() {
    // For the whole process, and never taken back: every other test runs under it too.
    rustix::process::umask(rustix::fs::Mode::empty());
    let dir = TempDir::new().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let inner = dir.path().join("new/profile");
    for _ in 0..2 {
        let store = Store::bare(&inner).unwrap();
        apply(&store, &inserted([incoming(1, "x")]));
        assert_eq!(mode(&inner), 0o700);
        let files: Vec<_> = files(&inner).into_iter().map(|(path, _)| path).collect();
        assert_eq!(files.len(), 5, "{files:?}");
        for path in &files {
            assert_eq!(mode(path), 0o600, "{path:?}");
        }
        drop(store);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o777)).unwrap();
        for name in ["lock", "store.key"] {
            fs::set_permissions(inner.join(name), fs::Permissions::from_mode(0o666)).unwrap();
        }
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.db.execute("PRAGMA user_version = 99").unwrap();
    drop(store);
    let before = fs::read(dir.path().join("store.db")).unwrap();
    assert!(matches!(Store::bare(dir.path()), Err(OpenError::TooNew { found: 99, .. })));
    assert_eq!(fs::read(dir.path().join("store.db")).unwrap(), before);
    assert_eq!(fs::metadata(dir.path().join("store.db-wal")).map_or(0, |log| log.len()), 0);
}

#[test]
fn damage_anywhere_in_the_file_is_found_before_anything_is_written() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted((1..200).map(|n| incoming(n, &"word ".repeat(100)))));
    drop(store);
    let path = dir.path().join("store.db");
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(Store::bare(dir.path()), Err(OpenError::Corrupt)), "{what}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
    };
    for at in (0..whole.len()).step_by(whole.len() / 61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        refused(&bytes, &format!("a bit at {at}"));
    }
    for len in [0, 1, 100, 4_096, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
        refused(&whole[..len], &format!("cut to {len}"));
    }
    refused(&[0; 8_192], "zeros");
    refused(b"SQLite format 3\0 but not encrypted", "a foreign file");
    fs::write(&path, &whole).unwrap();
    assert_eq!(newest(&open(&dir)).len(), 100);
}

#[test]
fn damage_with_a_log_beside_leaves_both_files_alone() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "x")]));
    let copy = TempDir::new().unwrap();
    for (path, bytes) in files(dir.path()) {
        fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let path = copy.path().join("store.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let log = fs::read(copy.path().join("store.db-wal")).unwrap();
    assert!(matches!(Store::bare(copy.path()), Err(OpenError::Corrupt)));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read(copy.path().join("store.db-wal")).unwrap(), log);
}

#[test]
fn a_lost_or_foreign_key_is_damage_and_makes_no_new_store() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let key = dir.path().join("store.key");
    let before = fs::read(dir.path().join("store.db")).unwrap();
    fs::write(&key, [1; 32]).unwrap();
    assert!(matches!(Store::bare(dir.path()), Err(OpenError::Corrupt)));
    fs::write(&key, [1; 5]).unwrap();
    assert!(matches!(Store::bare(dir.path()), Err(OpenError::Corrupt)));
    fs::remove_file(&key).unwrap();
    assert!(matches!(Store::bare(dir.path()), Err(OpenError::Corrupt)));
    assert!(!key.exists());
    assert_eq!(fs::read(dir.path().join("store.db")).unwrap(), before);
}

#[test]
fn a_creation_cut_short_is_taken_up_again() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("store.new"), b"half").unwrap();
    fs::write(dir.path().join("store.key"), b"short").unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "x")]));
    assert!(!dir.path().join("store.new").exists());
}

#[test]
fn no_text_name_record_draft_or_notice_stands_readable_in_any_file() {
    const CANARY: &str = "canarycanary";
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let request = Request { username: UserName::parse(CANARY).unwrap(), preview: CANARY.to_owned(), timestamp_ms: 1 };
    let mut batch = inserted([Message { from: UserName::parse(CANARY).unwrap(), ..incoming(1, CANARY) }]);
    batch.writes.push(Write::Put { table: Table::Meta, key: CANARY.into(), value: CANARY.into() });
    batch.notices.push(Notice { seq: 1, kind: NoticeKind::Request(request) });
    apply(&store, &batch);
    store.set_draft(CANARY, CANARY).unwrap();
    let clean = |when: &str| {
        for (path, bytes) in files(dir.path()) {
            let hit = bytes.windows(CANARY.len()).any(|window| window.eq_ignore_ascii_case(CANARY.as_bytes()));
            assert!(!hit, "{path:?} {when}");
        }
    };
    clean("while open");
    assert_eq!(found(&store, CANARY), [1]);
    drop(store);
    clean("after closing");
}

#[test]
fn the_history_keeps_the_order_of_arrival_and_holds_a_message_once() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    // The second arrived later although its sender's clock says earlier.
    let late = Message { timestamp_ms: 1, ..outgoing(9, "second") };
    apply(&store, &inserted([incoming(5, "first"), late.clone(), incoming(5, "forged"), incoming(3, "third")]));
    assert_eq!(newest(&store), [incoming(5, "first"), late, incoming(3, "third")]);
    assert!(found(&store, "forged").is_empty());
}

#[test]
fn pages_meet_without_gap_or_repeat_and_say_what_is_left() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted((1..=10).map(|n| incoming(n, "x"))));
    let page = |part, limit| {
        let page = store.history("bob", part, limit).unwrap();
        (ids(&page.messages), page.more_before, page.more_after)
    };
    assert_eq!(page(HistoryPart::Newest, 4), (vec![7, 8, 9, 10], true, false));
    assert_eq!(page(HistoryPart::Before(id(7)), 4), (vec![3, 4, 5, 6], true, true));
    assert_eq!(page(HistoryPart::Before(id(3)), 4), (vec![1, 2], false, true));
    assert_eq!(page(HistoryPart::After(id(6)), 2), (vec![7, 8], true, true));
    assert_eq!(page(HistoryPart::After(id(8)), 2), (vec![9, 10], true, false));
    assert_eq!(page(HistoryPart::Around(id(5)), 4), (vec![4, 5, 6, 7], true, true));
    assert_eq!(page(HistoryPart::Around(id(1)), 100), ((1..=10).collect(), false, false));
    assert_eq!(page(HistoryPart::At(0), 100), ((1..=10).collect(), false, false));
    assert_eq!(page(HistoryPart::At(u64::MAX), 2), (vec![9, 10], true, false), "nothing is so late: what is last");
    assert_eq!(page(HistoryPart::Newest, 0), (vec![], true, false));
    assert_eq!(store.history("bob", HistoryPart::Before(id(99)), 4), Err(StoreError::UnknownMessage));
    assert_eq!(store.history("carol", HistoryPart::Newest, 4), Ok(MessagePage::default()));
}

#[test]
fn a_status_only_rises_and_only_of_own_messages() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "in"), outgoing(2, "out")]));
    let status = |id, status| apply(&store, &history(vec![HistoryChange::Status { conversation: PEER, id, status }]));
    status(id(2), MessageStatus::Delivered);
    status(id(2), MessageStatus::Sent);
    status(id(1), MessageStatus::Failed);
    let after: Vec<_> = newest(&store).into_iter().map(|message| message.status).collect();
    assert_eq!(after, [MessageStatus::Delivered, MessageStatus::Delivered]);
    status(id(2), MessageStatus::Read);
    assert_eq!(newest(&store)[1].status, MessageStatus::Read);
}

#[test]
fn unread_counts_incoming_messages_after_the_mark_and_the_mark_never_goes_back() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "a"), outgoing(2, "b"), incoming(3, "c"), incoming(4, "d")]));
    let unread = || {
        let conversation = store.conversations().unwrap().remove(0);
        (conversation.unread, conversation.first_unread)
    };
    let read = |to| apply(&store, &history(vec![HistoryChange::ReadUpTo { conversation: PEER, id: id(to) }]));
    assert_eq!(unread(), (3, Some(id(1))));
    read(3);
    assert_eq!(unread(), (1, Some(id(4))));
    read(1);
    read(99);
    assert_eq!(unread(), (1, Some(id(4))));
    let read_here: Vec<_> = newest(&store).into_iter().filter(|m| m.status == MessageStatus::Read).collect();
    assert_eq!(ids(&read_here), [1, 3]);
    read(4);
    assert_eq!(unread(), (0, None));
}

#[test]
fn conversations_come_newest_first_with_last_message_and_draft() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let to_other = |number| Message { conversation: OTHER, to: "carol".to_owned(), ..outgoing(number, "hi") };
    apply(&store, &inserted([incoming(1, "a")]));
    apply(&store, &history(vec![HistoryChange::Insert(to_other(2))]));
    let silent = Conversation::Direct(AccountId([9; 32]));
    apply(&store, &history(vec![HistoryChange::Named { conversation: silent, name: "dave".to_owned() }]));
    store.set_draft("bob", "unsent").unwrap();
    let listed = store.conversations().unwrap();
    let names: Vec<_> = listed.iter().map(|c| (c.name.as_str(), c.draft.as_deref())).collect();
    assert_eq!(names, [("carol", None), ("bob", Some("unsent"))]);
    assert_eq!(listed[0].last_message, Some(to_other(2)));
    assert_eq!(listed[1].last_message, Some(incoming(1, "a")));
}

#[test]
fn a_name_that_leads_elsewhere_shows_the_conversation_used_last() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "old bob")]));
    apply(&store, &history(vec![HistoryChange::Insert(Message { conversation: OTHER, ..incoming(2, "new bob") })]));
    assert_eq!(ids(&newest(&store)), [2]);
    apply(&store, &history(vec![HistoryChange::Named { conversation: PEER, name: "bob-before".to_owned() }]));
    assert_eq!(ids(&store.history("bob-before", HistoryPart::Newest, 9).unwrap().messages), [1]);
}

#[test]
fn a_search_finds_words_and_beginnings_newest_first_and_only_in_the_conversation_asked_for() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    apply(&store, &inserted([incoming(1, "The Quick brown fox"), outgoing(2, "quick, and Früh"), incoming(3, "slow")]));
    apply(
        &store,
        &history(vec![HistoryChange::Insert(Message {
            conversation: OTHER, ..incoming(4, "quick 日本語のテスト")
        })]),
    );
    assert_eq!(found(&store, "quick"), [4, 2, 1]);
    assert_eq!(found(&store, "QUICK fo"), [1]);
    assert!(found(&store, "quic slow").is_empty());
    assert_eq!(found(&store, "fruh"), [2]);
    assert_eq!(found(&store, "本語"), [4]);
    assert!(found(&store, "語本").is_empty());
    assert!(found(&store, "\" OR quick NOT *").is_empty());
    assert_eq!(ids(&store.search("quick", None, 2).unwrap()), [4, 2]);
    assert_eq!(ids(&store.search("quick", Some("bob"), 9).unwrap()), [4]);
    assert_eq!(store.search("quick", Some("nobody"), 9), Ok(vec![]));
}

#[test]
fn notices_wait_in_order_until_they_are_acknowledged_and_point_into_the_history() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let username = UserName::parse("bob").unwrap();
    let request = Request { username: username.clone(), preview: "hi".to_owned(), timestamp_ms: 5 };
    let notices: Vec<_> = [
        NoticeKind::Message(incoming(1, "one")),
        NoticeKind::Request(request),
        NoticeKind::IdentityChanged { username, reason: IdentityChange::Name },
        NoticeKind::LoggedOut { reason: "removed".to_owned() },
        NoticeKind::MessageUpdated(incoming(1, "one")),
    ]
    .into_iter()
    .zip(3..)
    .map(|(kind, seq)| Notice { seq, kind })
    .collect();
    apply(&store, &WriteBatch { notices: notices.clone(), ..WriteBatch::default() });
    assert_eq!(newest(&store), [incoming(1, "one")]);
    drop(store);
    let store = open(&dir);
    assert_eq!(store.notices(0, 100).unwrap(), notices);
    assert_eq!(store.notices(4, 2).unwrap(), notices[2..4]);
    store.acknowledge(5).unwrap();
    assert_eq!(store.notices(0, 100).unwrap(), notices[3..]);
}

#[test]
fn erasing_leaves_settings_and_what_the_same_batch_brings() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let settings = Settings { relay: Some("relay.example:7".parse().unwrap()), pin: Some(Pin([3; 32])), rooted: true };
    store.set_settings(&settings).unwrap();
    store.set_draft("bob", "x").unwrap();
    let mut batch = inserted([incoming(1, "secret")]);
    batch.writes.push(Write::Put { table: Table::Meta, key: vec![1], value: vec![2] });
    apply(&store, &batch);
    let logged_out = Notice { seq: 9, kind: NoticeKind::LoggedOut { reason: "forgotten".to_owned() } };
    apply(&store, &WriteBatch { erase: true, notices: vec![logged_out.clone()], ..WriteBatch::default() });
    store.compact().unwrap();
    assert_eq!(store.get(Table::Meta, &[1]), None);
    assert_eq!(store.conversations(), Ok(vec![]));
    assert!(found(&store, "secret").is_empty());
    assert_eq!(store.draft("bob"), Ok(None));
    assert_eq!(store.notices(0, 9), Ok(vec![logged_out]));
    assert_eq!(store.settings(), Ok(settings));
}

#[test]
fn a_draft_survives_and_an_empty_one_is_gone() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.set_draft("bob", "half a thought").unwrap();
    drop(store);
    let store = open(&dir);
    assert_eq!(store.draft("bob"), Ok(Some("half a thought".to_owned())));
    store.set_draft("bob", "").unwrap();
    assert_eq!(store.draft("bob"), Ok(None));
    assert!(matches!(store.set_draft("bob", &"x".repeat(70_000)), Err(StoreError::TooLarge { .. })));
}

#[test]
fn what_the_interface_keeps_survives_and_goes_with_the_account() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.set_keepsake("bob is muted").unwrap();
    drop(store);
    let store = open(&dir);
    assert_eq!(store.keepsake(), Ok(Some("bob is muted".to_owned())));
    assert!(matches!(store.set_keepsake(&"x".repeat(2 * 1024 * 1024)), Err(StoreError::TooLarge { .. })));
    apply(&store, &WriteBatch { erase: true, ..WriteBatch::default() });
    assert_eq!(store.keepsake(), Ok(None));
}

#[test]
fn a_failed_read_fails_the_batch_that_was_made_from_it() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.db.execute("ALTER TABLE records RENAME TO away").unwrap();
    store.begin().unwrap();
    assert_eq!(store.get(Table::Meta, b"key"), None);
    assert!(matches!(store.apply(&WriteBatch::default()), Err(StoreError::Io { .. })));
    store.roll_back();
    store.db.execute("ALTER TABLE away RENAME TO records").unwrap();
    apply(&store, &inserted([incoming(1, "x")]));
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(254), Just(255)], 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn records_read_as_the_ones_in_memory(
        entries in prop::collection::vec((key(), any::<bool>()), 1..30),
        prefix in key(),
        after in prop::option::of(key()),
        limit in 0usize..5,
    ) {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        let mut memory = MemoryRecords::default();
        for (number, (key, put)) in (0u8..).zip(entries) {
            let table = if number % 3 == 0 { Table::Contacts } else { Table::Meta };
            let write =
                if put { Write::Put { table, key, value: vec![number] } } else { Write::Delete { table, key } };
            let batch = WriteBatch { writes: vec![write], ..WriteBatch::default() };
            memory.apply(&batch);
            apply(&store, &batch);
        }
        let after = after.as_deref();
        prop_assert_eq!(
            store.scan(Table::Meta, &prefix, after, limit),
            memory.scan(Table::Meta, &prefix, after, limit)
        );
        prop_assert_eq!(store.get(Table::Meta, &prefix), memory.get(Table::Meta, &prefix));
    }
}
