//! Files: the message about one has its name before the upload, and leads the recipient to it.

use chat_core::engine::{
    Answer, Command, FailureKind, FileCommand, FileOffer, FilePointer, MessageStatus, Query, Reply, SharedFile,
};
use chat_core::file::{FileKey, Layout};
use chat_wire::ids::{BlobId, MessageId, RequestKey};

use super::world::{World, name};

const BLOB: BlobId = BlobId([7; 16]);

fn key() -> FileKey {
    FileKey::from_slice(&[8; 32]).unwrap()
}

pub(super) fn pointer(file_name: &str) -> FilePointer {
    FilePointer {
        blob: BLOB,
        key: key(),
        blob_bytes: Layout::of(5).unwrap().blob_bytes(),
        size: 5,
        blob_hash: [1; 32],
        plain_hash: [2; 32],
        name: file_name.to_owned(),
        media_type: Some("image/png".to_owned()),
        thumbnail: None,
        expires_ms: 9,
    }
}

pub(super) fn reserve(world: &mut World, to: &str) -> (MessageId, RequestKey) {
    let command = FileCommand::Reserve { to: to.to_owned(), blob: BLOB, key: key() };
    match world.ok("alice", Command::File(command)) {
        Reply::FileReserved { id, nonce } => (id, nonce),
        other => panic!("{other:?}"),
    }
}

pub(super) fn offer(to: &str, nonce: RequestKey, pointer: FilePointer) -> Command {
    let caption = Some("look".to_owned());
    Command::File(FileCommand::Offer(Box::new(FileOffer { to: to.to_owned(), nonce, pointer, caption })))
}

pub(super) fn file_of(world: &mut World, who: &str, id: MessageId) -> Option<SharedFile> {
    match world.ask(who, &Query::File(id)) {
        Answer::File(file) => file.map(|file| *file),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_arrives_under_the_id_that_was_told_before_its_upload() {
    let mut world = World::friends(40);
    let (id, nonce) = reserve(&mut world, "bob");
    world.say("alice", "bob", "it is on its way");
    let Reply::Queued { id: sent, timestamp_ms } = world.ok("alice", offer("bob", nonce, pointer("a.png"))) else {
        panic!("queued")
    };
    assert_eq!(sent, id);
    world.pass(2_000);
    assert_eq!(world.status_of("alice", id), MessageStatus::Delivered);
    let shown = world.client("bob").disk.history.iter().find(|message| message.id == id).cloned().unwrap();
    let info = shown.file.unwrap();
    assert_eq!((shown.text.as_deref(), info.name.as_str(), info.size), (Some("look"), "a.png", 5));
    for (who, with, outgoing) in [("alice", "bob", true), ("bob", "alice", false)] {
        let file = file_of(&mut world, who, id).unwrap();
        assert_eq!((file.with.as_str(), file.outgoing), (with, outgoing));
        assert_eq!(file.pointer, pointer("a.png"));
    }
    // A crash between message and answer: the same again, and nothing is sent twice.
    let again = world.ok("alice", offer("bob", nonce, pointer("a.png")));
    assert_eq!(again, Reply::Queued { id, timestamp_ms });
    world.pass(2_000);
    assert_eq!(world.client("bob").disk.history.iter().filter(|message| message.file.is_some()).count(), 1);
}

#[test]
fn a_restart_keeps_what_leads_to_a_file() {
    let mut world = World::friends(41);
    let (id, nonce) = reserve(&mut world, "bob");
    world.ok("alice", offer("bob", nonce, pointer("a.png")));
    world.pass(2_000);
    world.restart("bob");
    assert_eq!(file_of(&mut world, "bob", id).unwrap().pointer, pointer("a.png"));
    assert_eq!(file_of(&mut world, "bob", MessageId([0; 16])), None);
}

#[test]
fn a_stranger_s_file_is_held_back_with_its_key_until_it_is_accepted() {
    let mut world = World::with(42, &["alice", "bob"]);
    let (id, nonce) = reserve(&mut world, "bob");
    world.ok("alice", offer("bob", nonce, pointer("a.png")));
    world.pass(2_000);
    assert_eq!(world.requests("bob")[0].preview, "look");
    assert_eq!(file_of(&mut world, "bob", id), None);
    world.ok("bob", Command::AcceptRequest(name("alice")));
    assert_eq!(file_of(&mut world, "bob", id).unwrap().pointer, pointer("a.png"));
}

#[test]
fn nothing_is_reserved_for_whom_nobody_may_write_to_and_nothing_unsound_is_sent() {
    let mut world = World::friends(43);
    let to = |to: &str| Command::File(FileCommand::Reserve { to: to.to_owned(), blob: BLOB, key: key() });
    assert_eq!(world.refused("alice", to("nobody")), FailureKind::UnknownUser);
    assert_eq!(world.refused("alice", to("a b")), FailureKind::InvalidParams);
    let (_, nonce) = reserve(&mut world, "bob");
    let long = FilePointer { name: "x".repeat(2_000), ..pointer("") };
    assert_eq!(world.refused("alice", offer("bob", nonce, long)), FailureKind::InvalidParams);
    let other_size = FilePointer { size: 5_000, ..pointer("a") };
    assert_eq!(world.refused("alice", offer("bob", nonce, other_size)), FailureKind::InvalidParams);
    world.ok("alice", Command::Block(name("bob")));
    assert_eq!(world.refused("alice", to("bob")), FailureKind::Blocked);
    assert_eq!(world.refused("alice", offer("bob", nonce, pointer("a"))), FailureKind::Blocked);
}
