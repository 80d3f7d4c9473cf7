use std::fs;
use std::path::Path;

use chat_core::engine::{Conversation, MessageStatus};
use chat_core::store::{HistoryChange, Records as _, Table, WriteBatch};
use chat_wire::ids::{AccountId, MessageId, UserName};
use tempfile::TempDir;

use super::super::{HistoryPart, Store, keyfile};
use super::*;

const PEER: Conversation = Conversation::Direct(AccountId([7; 32]));
const OLD: MessageId = MessageId([1; 16]);

/// What a profile of the first version holds, in that version's own words: a record, a chat, a message
/// that can be searched, a draft.
const CONTENTS: &str = "
    INSERT INTO records (kind, key, value) VALUES (1, x'6b', x'76');
    INSERT INTO conversations (number, kind, peer, name)
        VALUES (1, 1, x'0707070707070707070707070707070707070707070707070707070707070707', 'bob');
    INSERT INTO messages (conversation, id, sender, recipient, text, outgoing, status, time_ms, edited, deleted, direct)
        VALUES (1, x'01010101010101010101010101010101', 'bob', 'alice', 'written long ago', 0, 3, 1001, 0, 0, 0);
    INSERT INTO words (rowid, body) VALUES (1, 'written long ago');
    INSERT INTO drafts (name, text) VALUES ('bob', 'half a thought');
";

/// A profile whose database was made, filled and left by a program that knew this version.
fn profile_of(version: usize, more: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    drop(Store::bare(dir.path()).unwrap());
    let path = dir.path().join("store.db");
    fs::write(&path, []).unwrap();
    for beside in ["store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(dir.path().join(beside));
    }
    let key = keyfile::read(&dir.path().join("store.key")).unwrap().unwrap().open(None).unwrap();
    let db = Db::create(&path, &key).unwrap();
    let steps = STEPS[..version].concat();
    db.execute(&format!("BEGIN; {steps} {CONTENTS} {more} PRAGMA user_version = {version}; COMMIT")).unwrap();
    dir
}

fn version_of(dir: &Path) -> u32 {
    let key = keyfile::read(&dir.join("store.key")).unwrap().unwrap().open(None).unwrap();
    let db = Db::create(&dir.join("store.db"), &key).unwrap();
    db.row("PRAGMA user_version", [], |row| row.get(0)).unwrap().unwrap()
}

#[test]
fn a_store_of_every_older_version_opens_with_all_it_held_and_takes_what_is_new() {
    for version in 1..STEPS.len() {
        let dir = profile_of(version, "");
        for opened in 1..=2 {
            let store = Store::bare(dir.path()).unwrap();
            let page = store.history("bob", HistoryPart::Newest, 10).unwrap().messages;
            let old = page.iter().find(|message| message.id == OLD).unwrap();
            assert_eq!((old.text.as_deref(), old.status), (Some("written long ago"), MessageStatus::Delivered));
            assert_eq!((old.imported, old.file.is_none()), (false, true), "from {version}");
            assert_eq!(store.search("long", None, 10).unwrap().len(), opened, "from {version}");
            assert_eq!(store.draft("bob").unwrap().as_deref(), Some("half a thought"));
            assert_eq!(store.scan(Table::Meta, &[], None, 10).len(), 1, "from {version}");

            let from = UserName::parse("alice").unwrap();
            let mut reply = old.clone();
            (reply.id, reply.imported, reply.reply_to) = (MessageId([2; 16]), true, Some(OLD));
            let reaction = HistoryChange::React { conversation: PEER, id: OLD, from, sign: "+".to_owned() };
            let batch = WriteBatch { history: vec![HistoryChange::Insert(reply), reaction], ..WriteBatch::default() };
            store.begin().unwrap();
            store.apply(&batch).unwrap();
            store.commit().unwrap();
            let page = store.history("bob", HistoryPart::Newest, 10).unwrap().messages;
            assert_eq!(page.len(), 2, "from {version}");
            assert!(page.iter().any(|message| message.imported), "from {version}");
        }
        assert_eq!(version_of(dir.path()), known());
    }
}

#[test]
fn a_step_that_fails_leaves_the_old_version_with_all_it_held() {
    // The name that a later step wants is taken, so that it fails in the middle.
    let dir = profile_of(1, "CREATE TABLE reactions (taken TEXT);");
    assert!(Store::bare(dir.path()).is_err());
    assert_eq!(version_of(dir.path()), 1);
    let key = keyfile::read(&dir.path().join("store.key")).unwrap().unwrap().open(None).unwrap();
    let db = Db::create(&dir.path().join("store.db"), &key).unwrap();
    db.execute("DROP TABLE reactions").unwrap();
    drop(db);
    let store = Store::bare(dir.path()).unwrap();
    assert_eq!(store.history("bob", HistoryPart::Newest, 10).unwrap().messages.len(), 1);
}
