//! Files between two people: one in the interface, one a program.

use std::time::{Duration, Instant};

use chat_client::{ClientEvent, FileToFetch, FileToSend, NoticeKind};
use portable_pty::CommandBuilder;

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
    let mut pty = Pty::start(at_home(&world), 80, 24);
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

/// A picture of one colour, as a file.
fn picture(world: &World, name: &str) -> std::path::PathBuf {
    let path = world.folder.path().join(name);
    image::RgbImage::from_pixel(320, 160, image::Rgb([200, 40, 40])).save(&path).unwrap();
    path
}

/// Alice's interface, whose home is the test's: what comes by itself goes there.
fn at_home(world: &World) -> CommandBuilder {
    let mut command = world.program("alice");
    command.env("HOME", world.folder.path());
    command
}

/// Alice in the interface and bob, a program, who may write to each other.
fn friends(world: &World) -> (Pty, Person) {
    let mut bob = world.person("bob");
    let pty = Pty::start(at_home(world), 80, 24);
    journey::register(&pty, world, (0, 0), "alice");
    pty.keys("/dm bob\rhi\r");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "hi");
    (pty, bob)
}

#[test]
fn a_picture_of_a_contact_is_drawn_in_the_conversation_by_half_blocks() {
    let world = World::new();
    let (mut pty, bob) = friends(&world);
    let send = FileToSend {
        to: "alice".into(),
        path: picture(&world, "harbour.png"),
        caption: Some("the harbour".into()),
        idempotency_key: None,
    };
    world.runtime.block_on(bob.client.send_file(send)).unwrap();
    pty.wait_for("▣ harbour.png");
    let drawn = |s: &str| s.lines().map(|l| l.matches('▀').count()).filter(|n| *n > 0).collect::<Vec<_>>();
    // As wide as the column beside the names, and in its shape.
    pty.wait_until("the picture is drawn whole", |s| drawn(s) == [37; 10] && s.contains("the harbour"));
    // Narrower, and it still is inside of its column.
    pty.resize(60, 24);
    pty.wait_until("it shrinks with the column", |s| drawn(s) == [19; 5]);
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn where_the_terminal_knows_a_protocol_the_picture_is_told_once_and_forgotten_at_the_end() {
    let world = World::new();
    let config = world.folder.path().join("config/chat");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "[ui]\nimages = \"kitty\"\n[files]\nauto_max = 0\n").unwrap();
    let (mut pty, bob) = friends(&world);
    let path = picture(&world, "harbour.png");
    let send = FileToSend { to: "alice".into(), path, caption: None, idempotency_key: None };
    world.runtime.block_on(bob.client.send_file(send)).unwrap();
    pty.wait_for("▣ harbour.png");
    let told = |pty: &Pty| pty.bytes().windows(6).filter(|w| *w == b"\x1b_Ga=T").count();
    pty.wait_until("its cells are there", |s| s.contains('\u{10EEEE}'));
    pty.keys("and on we write\r");
    pty.settle();
    assert_eq!(told(&pty), 1);
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
    assert!(pty.bytes().windows(6).any(|w| w == b"\x1b_Ga=d"));
}

#[test]
fn a_file_on_its_way_is_paused_resumed_and_given_up_on_its_page() {
    let world = World::new();
    let (mut pty, _bob) = friends(&world);
    let film = world.folder.path().join("film.mkv");
    std::fs::File::create(&film).unwrap().set_len(1_900_000_000).unwrap();
    pty.keys(&format!("/file {}\r\x1bOS", film.display()));
    pty.wait_until("it is on its way", |s| s.contains("film.mkv") && s.contains("% █") || s.contains("% ░"));
    pty.keys("p");
    let paused = pty.wait_for("paused");
    assert!(paused.contains(" of 1.9 GB") && paused.contains("r resume"), "{paused}");
    pty.keys("r");
    pty.wait_until("it goes on", |s| s.contains("MB/s") || s.contains("GB/s"));
    pty.keys("x");
    pty.wait_for("given up");
    pty.keys("\x1b");
    pty.wait_for("Enter send");
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
}
