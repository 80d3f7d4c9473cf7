//! Files between two people: one in the interface, one a program.

use std::time::{Duration, Instant};

use chat_client::{ClientEvent, FileToFetch, FileToSend, NoticeKind};

use crate::journey;
use crate::pty::Pty;
use crate::world::{Person, World};

/// A file of so many bytes that no two parts of it are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0_u32..).flat_map(|n| n.wrapping_mul(0x9E37_79B9).to_le_bytes()).take(count).collect()
}

/// Waits until somebody gets a file, and fetches it.
fn fetches(world: &World, person: &mut Person, to: &str) -> Vec<u8> {
    let path = world.folder.path().join(to);
    world.runtime.block_on(async {
        loop {
            if let Some(ClientEvent::Notice(notice)) = person.events.next().await
                && let NoticeKind::Message(message) = notice.kind
                && message.file.is_some()
            {
                let saved = person.client.download(FileToFetch { id: message.id, path: Some(path) }).await.unwrap();
                return std::fs::read(saved.path).unwrap();
            }
        }
    })
}

#[test]
fn a_file_goes_out_by_a_completed_path_and_by_a_pasted_one_and_one_comes_back_and_is_saved() {
    let world = World::new();
    let mut bob = world.person("bob");
    let mut pty = Pty::start(world.program("alice"), 80, 24);
    journey::register(&pty, &world, (80, 24), "alice");
    pty.keys("/dm bob\rmay I send you something?\r");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "may I send you something?");

    let report = world.folder.path().join("report.pdf");
    std::fs::write(&report, bytes(300_000)).unwrap();
    let begun = world.folder.path().join("rep");
    pty.keys("\x15");
    pty.wait_for("Send a file to bob");
    pty.keys(&format!("{}\t", begun.display()));
    pty.wait_for("report.pdf ");
    pty.keys("\ras promised\r");
    pty.wait_for("▣ report.pdf");
    pty.wait_for("as promised");
    assert!(fetches(&world, &mut bob, "got-1") == bytes(300_000), "it arrives as it was sent");

    let note = world.folder.path().join("note.txt");
    std::fs::write(&note, "small").unwrap();
    pty.keys(&format!("\x1b[200~{}\x1b[201~", note.display()));
    pty.wait_for("Send a file to bob");
    pty.keys("\r\r");
    pty.wait_for("▣ note.txt");
    assert_eq!(fetches(&world, &mut bob, "got-2"), b"small");

    // What comes is saved where one says, and the page tells so.
    let picture = world.folder.path().join("picture.png");
    std::fs::write(&picture, bytes(70_000)).unwrap();
    let send = FileToSend { to: "alice".into(), path: picture, caption: None, idempotency_key: None };
    world.runtime.block_on(bob.client.send_file(send)).unwrap();
    pty.wait_for("▣ picture.png");
    let place = world.folder.path().join("saved.png");
    pty.keys(&format!("/save {}\r", place.display()));
    let until = Instant::now() + Duration::from_secs(60);
    while std::fs::read(&place).ok().as_deref() != Some(bytes(70_000).as_slice()) {
        assert!(Instant::now() < until, "it is not saved:\n{}", pty.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
    pty.keys("\x1bOS");
    pty.wait_until("the transfers are told", |s| s.contains("report.pdf") && s.contains("picture.png"));
    pty.keys("\x1b");
    pty.wait_for("Enter send");
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
}
