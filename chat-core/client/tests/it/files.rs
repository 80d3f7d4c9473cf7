//! Files between two people: every size that has an edge, restarts and lost connections on the way, and
//! what must not happen.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_client::{
    Ack, ClientEvent, Direction, FailureKind, FileToFetch, FileToSend, Message, MessageId, SentFile, Transfer,
    TransferState,
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::world::{Person, Relay, friends};

const CHUNK: usize = 65_536;

/// Bytes that no two places have in common.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(count + 8);
    while out.len() < count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.extend_from_slice(&state.to_be_bytes());
    }
    out.truncate(count);
    out
}

fn file(dir: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn to_bob(path: &Path) -> FileToSend {
    FileToSend { to: "bob".to_owned(), path: path.to_owned(), caption: None, idempotency_key: None }
}

fn into(id: MessageId, dir: &TempDir) -> FileToFetch {
    FileToFetch { id, path: Some(dir.path().to_owned()) }
}

async fn sent(alice: &Person, path: &Path) -> SentFile {
    timeout(Duration::from_secs(120), alice.client.send_file(to_bob(path))).await.unwrap().unwrap()
}

async fn transfer(person: &Person, wanted: impl Fn(&Transfer) -> bool) -> Transfer {
    timeout(Duration::from_secs(60), async {
        loop {
            let found = person.client.transfers().await.unwrap().into_iter().find(&wanted);
            match found {
                Some(transfer) => return transfer,
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
    .unwrap()
}

/// The one file in a directory.
fn only(dir: &TempDir) -> Vec<u8> {
    let entries: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    fs::read(&entries[0]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_edge_arrive_as_they_were_and_their_messages_say_what_they_are() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    for (number, size) in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 40 * CHUNK + 7].into_iter().enumerate() {
        let content = bytes(size, number as u64);
        let path = file(&from, &format!("picture {number}.png"), &content);
        let sent = sent(&alice, &path).await;
        assert_eq!(sent.size, size as u64);
        let (_, message): (u64, Message) = bob.message().await;
        let info = message.file.clone().unwrap();
        assert_eq!((message.id, message.text), (sent.id, None));
        assert_eq!((info.size, info.sha256), (size as u64, sent.sha256));
        assert_eq!(
            (info.name.as_str(), info.media_type.as_deref()),
            (&*format!("picture {number}.png"), Some("image/png"))
        );
        let to = TempDir::new().unwrap();
        let saved = bob.client.download(into(sent.id, &to)).await.unwrap();
        assert_eq!((saved.size, saved.sha256), (size as u64, sent.sha256));
        assert_eq!(saved.path, to.path().join(format!("picture {number}.png")));
        assert!(only(&to) == content, "{size}");
    }
    let over = bob.client.transfers().await.unwrap();
    assert!(over.iter().all(|transfer| transfer.state == TransferState::Done && transfer.done == transfer.total));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_download_takes_another_name_and_an_exact_path_is_kept_or_numbered() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    let sent = sent(&alice, &file(&from, "../../a.txt".rsplit('/').next().unwrap(), b"theirs")).await;
    bob.message().await;
    let to = TempDir::new().unwrap();
    fs::write(to.path().join("a.txt"), b"mine").unwrap();
    let first = bob.client.download(into(sent.id, &to)).await.unwrap();
    assert_eq!(first.path, to.path().join("a (1).txt"));
    let exact = FileToFetch { id: sent.id, path: Some(to.path().join("b.txt")) };
    assert_eq!(bob.client.download(exact.clone()).await.unwrap().path, to.path().join("b.txt"));
    assert_eq!(bob.client.download(exact).await.unwrap().path, to.path().join("b (1).txt"));
    assert_eq!(fs::read(to.path().join("a.txt")).unwrap(), b"mine");
    // Its sender may fetch it as well.
    let own = TempDir::new().unwrap();
    alice.client.download(into(sent.id, &own)).await.unwrap();
    assert_eq!(only(&own), b"theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_sent_is_refused_before_anything_leaves() {
    let relay = Relay::start();
    let (alice, _bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    let refused = async |to: &str, path: PathBuf| {
        let file = FileToSend { to: to.to_owned(), path, caption: None, idempotency_key: None };
        alice.client.send_file(file).await.unwrap_err().kind
    };
    assert_eq!(refused("bob", from.path().join("absent")).await, FailureKind::NotFound);
    assert_eq!(refused("bob", from.path().to_owned()).await, FailureKind::InvalidParams);
    assert_eq!(refused("bob", PathBuf::from("/dev/null")).await, FailureKind::InvalidParams);
    let sparse = fs::File::create(from.path().join("sparse")).unwrap();
    sparse.set_len(5 << 30).unwrap();
    assert_eq!(refused("bob", from.path().join("sparse")).await, FailureKind::TooLarge);
    let small = file(&from, "small", b"x");
    assert_eq!(refused("nobody", small.clone()).await, FailureKind::UnknownUser);
    assert_eq!(refused("no body", small).await, FailureKind::InvalidParams);
    assert!(alice.client.transfers().await.unwrap().is_empty());
    assert_eq!(fs::read_dir(relay.data.path().join("blobs")).unwrap().count(), 0, "not a byte left");
    let absent = FileToFetch { id: MessageId([9; 16]), path: None };
    assert_eq!(alice.client.download(absent).await.unwrap_err().kind, FailureKind::UnknownMessage);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_pause_the_relay_s_restart_and_its_own() {
    let mut relay = Relay::start();
    let (mut alice, mut bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    let content = bytes(40 << 20, 5);
    let path = file(&from, "large.bin", &content);
    let sending = alice.client.send_file(FileToSend { caption: Some("see".to_owned()), ..to_bob(&path) });
    let sending = tokio::spawn(sending);
    let id = alice
        .wait(|event| match event {
            ClientEvent::FileProgress { id, direction: Direction::Upload, done, .. } if done > 0 => Some(id),
            _ => None,
        })
        .await;
    alice.client.pause_transfer(id).await.unwrap();
    let paused = transfer(&alice, |transfer| transfer.id == id).await;
    if paused.state != TransferState::Done {
        assert_eq!(paused.state, TransferState::Paused);
        sleep(Duration::from_millis(200)).await;
        assert_eq!(transfer(&alice, |transfer| transfer.id == id).await.done, paused.done, "it rests");
        alice.client.resume_transfer(id).await.unwrap();
    }
    relay.stop().await;
    relay.start_again();
    let alice = alice.reopened(&relay, Ack::Automatic).await;
    drop(sending);
    transfer(&alice, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
    let (_, message) = bob.message().await;
    assert_eq!((message.id, message.text.as_deref()), (id, Some("see")));
    let to = TempDir::new().unwrap();
    bob.client.download(into(id, &to)).await.unwrap();
    assert!(only(&to) == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_survives_the_relay_s_restart_and_its_own_and_leaves_nothing_when_cancelled() {
    let mut relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    let content = bytes(40 << 20, 6);
    let sent = sent(&alice, &file(&from, "large.bin", &content)).await;
    bob.message().await;
    let (to, given_up) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let cancelled = tokio::spawn(bob.client.download(into(sent.id, &given_up)));
    let running =
        |event| matches!(event, ClientEvent::FileProgress { direction: Direction::Download, .. }).then_some(());
    bob.wait(running).await;
    bob.client.cancel_transfer(sent.id).await.unwrap();
    let outcome = cancelled.await.unwrap();
    assert!(outcome.is_ok() || outcome.unwrap_err().kind == FailureKind::Cancelled);
    let fetching = tokio::spawn(bob.client.download(into(sent.id, &to)));
    bob.wait(running).await;
    relay.stop().await;
    bob.done_reading();
    let bob = bob.reopened(&relay, Ack::Automatic).await;
    drop(fetching);
    relay.start_again();
    transfer(&bob, |transfer| transfer.id == sent.id && transfer.state == TransferState::Done).await;
    assert!(only(&to) == content);
    assert!(fs::read_dir(given_up.path()).unwrap().all(|entry| entry.unwrap().file_name() == "large.bin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_sent_is_not_sent_and_one_that_was_bent_is_not_saved() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    let path = file(&from, "log", &bytes(30 << 20, 7));
    let sending = tokio::spawn(alice.client.send_file(to_bob(&path)));
    transfer(&alice, |transfer| transfer.done > 0).await;
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    match sending.await.unwrap() {
        Err(failure) => assert_eq!(failure.kind, FailureKind::Integrity),
        // It was through already.
        Ok(sent) => assert_eq!(sent.size, 30 << 20),
    }
    let sent = sent(&alice, &file(&from, "sound", &bytes(3 << 20, 8))).await;
    loop {
        if bob.message().await.1.id == sent.id {
            break;
        }
    }
    bend(&relay.data.path().join("blobs"), 3 << 20);
    let to = TempDir::new().unwrap();
    let failure = bob.client.download(into(sent.id, &to)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Integrity);
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0, "nothing half-written stays");
}

/// Bends one byte in the middle of every blob of about this size.
fn bend(blobs: &Path, size: u64) {
    for shelf in fs::read_dir(blobs).unwrap() {
        for blob in fs::read_dir(shelf.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            let mut content = fs::read(&path).unwrap();
            let middle = content.len() / 2;
            if (content.len() as u64).abs_diff(size) < size / 4 {
                content[middle] ^= 1;
                fs::write(&path, content).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_file_once() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let from = TempDir::new().unwrap();
    let path = file(&from, "once", b"once");
    let keyed = FileToSend { idempotency_key: Some("k".to_owned()), ..to_bob(&path) };
    let (one, other) = tokio::join!(alice.client.send_file(keyed.clone()), alice.client.send_file(keyed.clone()));
    let one = one.unwrap();
    assert_eq!(one, other.unwrap());
    assert_eq!(alice.client.send_file(keyed.clone()).await.unwrap(), one);
    let alice = alice.reopened(&relay, Ack::Automatic).await;
    assert_eq!(alice.client.send_file(keyed).await.unwrap(), one);
    assert_eq!(bob.message().await.1.id, one.id);
    alice.send("bob", "behind it").await;
    assert_eq!(bob.text().await, "behind it");
}
