//! Messages about files that a hostile sender made: its client is the usual one, told to say something else.

use std::fs;
use std::path::Path;

use chat_client::{Answer, Command, FailureKind, FileToFetch, FileToSend, MessageId, Query, Reply};
use chat_core::engine::{FileCommand, FileOffer, FilePointer};
use chat_core::file::{FileKey, Layout};
use chat_wire::ids::BlobId;
use tempfile::TempDir;

use crate::world::{Person, Relay, friends};

/// What leads to an honest file of alice's, which the relay holds.
async fn honest(alice: &Person, dir: &TempDir, content: &[u8]) -> FilePointer {
    let path = dir.path().join("honest");
    fs::write(&path, content).unwrap();
    let file = FileToSend { to: "bob".to_owned(), path, caption: None, idempotency_key: None };
    let sent = alice.client.send_file(file).await.unwrap();
    match alice.client.query(Query::File(sent.id)).await.unwrap() {
        Answer::File(Some(file)) => file.pointer,
        other => panic!("{other:?}"),
    }
}

/// Says that there is such a file.
async fn offer(alice: &Person, pointer: FilePointer) -> MessageId {
    let (blob, key) = (pointer.blob, pointer.key.clone());
    let reserve = FileCommand::Reserve { to: "bob".to_owned(), blob, key };
    let Ok(Reply::FileReserved { nonce, .. }) = alice.client.run(Command::File(reserve)).await else {
        panic!("nothing is reserved")
    };
    let offer = FileOffer { to: "bob".to_owned(), nonce, pointer, caption: None };
    match alice.client.run(Command::File(FileCommand::Offer(Box::new(offer)))).await {
        Ok(Reply::Queued { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_out_of_the_directory_hides_there_or_replaces_anything() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let (from, around) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pointer = honest(&alice, &from, b"theirs").await;
    bob.message().await;
    let to = around.path().join("got");
    fs::create_dir(&to).unwrap();
    fs::write(to.join("taken"), b"mine").unwrap();
    let long = "é".repeat(400);
    let hostile = [
        "../../escape",
        "..",
        ".",
        "",
        "/etc/passwd",
        "a/b/c",
        "..\\..\\windows",
        "C:\\boot.ini",
        "nul\0.txt",
        "taken",
        "TAKEN/../taken",
        ".bashrc",
        "-rf",
        "--help",
        " lead",
        "trail. . ",
        "con",
        "LPT1.txt",
        "com9",
        "x\u{202e}gnp.exe",
        "\u{200b}",
        "a\nb\x1b[2Jc",
        "\u{2028}",
        "*?\"<>|",
        &long,
    ];
    for name in hostile {
        let id = offer(&alice, FilePointer { name: name.to_owned(), ..pointer.clone() }).await;
        assert_eq!(bob.message().await.1.id, id);
        let saved = bob.client.download(FileToFetch { id, path: Some(to.clone()) }).await.unwrap();
        assert_eq!(saved.path.parent(), Some(to.as_path()), "{name:?}");
        let kept = saved.path.file_name().unwrap().to_str().unwrap();
        let bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | '\u{200b}' | '\u{2028}' | '\u{202e}');
        assert!(!kept.starts_with(['.', '-', ' ']) && !kept.contains(bad) && kept.len() <= 255, "{name:?}: {kept:?}");
        assert_eq!(fs::read(&saved.path).unwrap(), b"theirs");
    }
    assert_eq!(names(around.path()), ["got"], "nothing lies outside");
    assert_eq!(fs::read(to.join("taken")).unwrap(), b"mine");
    assert_eq!(names(&to).len(), hostile.len() + 1, "each has a name of its own and nothing else is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pointer_leads_to_nothing_and_says_what_is_wrong() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    let pointer = honest(&alice, &from, &[7; 5_000]).await;
    bob.message().await;
    let key = FileKey::from_slice(&[9; 32]).unwrap();
    let sized = |size: u64| {
        let blob_bytes = Layout::of(size).unwrap().blob_bytes();
        FilePointer { size, blob_bytes, ..pointer.clone() }
    };
    let to = TempDir::new().unwrap();
    for (what, wrong, kind) in [
        ("another key", FilePointer { key, ..pointer.clone() }, FailureKind::Integrity),
        ("another hash", FilePointer { plain_hash: [1; 32], ..pointer.clone() }, FailureKind::Integrity),
        ("a blob that is none", FilePointer { blob: BlobId([3; 16]), ..pointer.clone() }, FailureKind::NotFound),
        ("a byte less", sized(4_999), FailureKind::Integrity),
        ("a byte more", sized(5_001), FailureKind::Integrity),
        ("much more", sized(1 << 20), FailureKind::Integrity),
        ("more than may be sent", sized(5 << 30), FailureKind::TooLarge),
    ] {
        let id = offer(&alice, wrong).await;
        assert_eq!(bob.message().await.1.id, id, "{what}");
        let refused = bob.client.download(FileToFetch { id, path: Some(to.path().to_owned()) }).await;
        assert_eq!(refused.unwrap_err().kind, kind, "{what}");
        assert!(names(to.path()).is_empty(), "{what} leaves something");
    }
}
