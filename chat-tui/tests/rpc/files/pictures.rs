//! Thumbnails, and the process that decodes.

use std::io::{Cursor, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::world::holds;

fn picture(width: u32, height: u32) -> Vec<u8> {
    let picture: DynamicImage = RgbImage::from_fn(width, height, |x, y| {
        let [mix, other, ..] = (x.wrapping_mul(40_503) ^ y.wrapping_mul(7_919)).to_le_bytes();
        Rgb([mix, other, mix ^ other])
    })
    .into();
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

fn thumbnail(client: &mut Rpc, id: &Value) -> Option<Vec<u8>> {
    let answer = client.ok("thumbnail", json!({ "id": id }));
    answer["jpeg"].as_str().map(|jpeg| STANDARD.decode(jpeg).unwrap())
}

#[test]
fn a_picture_s_thumbnail_travels_inside_the_sealed_message_and_what_is_none_is_sent_without() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let from = TempDir::new().unwrap();
    let photo = file(&from, "photo.png", &picture(640, 480));
    let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&photo) }));
    assert_eq!(expect_file(&mut bob)["file"]["mime"], "image/png");
    let seen = thumbnail(&mut bob, &sent["id"]).unwrap();
    assert!(seen.len() <= 8 * 1024);
    let drawn = image::load_from_memory(&seen).unwrap();
    assert!(drawn.width() <= 320 && drawn.height() <= 240 && drawn.width() > drawn.height());
    assert_eq!(thumbnail(&mut alice, &sent["id"]).as_deref(), Some(&seen[..]), "its sender sees the same");
    for (path, content) in world.files("relay") {
        assert!(!holds(&content, &seen[..64]) && !holds(&content, b"photo.png"), "{}", path.display());
    }
    for (name, content) in
        [("fake.png", bytes(5_000)), ("cut.png", picture(64, 64)[..200].to_vec()), ("a.txt", vec![65])]
    {
        let sent = alice.ok("sendFile", json!({ "to": "bob", "path": text(&file(&from, name, &content)) }));
        assert_eq!(expect_file(&mut bob)["id"], sent["id"]);
        assert_eq!(thumbnail(&mut bob, &sent["id"]), None, "{name}");
    }
}

fn decoder(words: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-tui"));
    command.arg("picture").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn the_process_that_decodes_has_given_up_files_memory_and_time_before_it_reads() {
    let mut process = decoder(&["pixels", "8", "8"]);
    let limits = || fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap_or_default();
    let line = |name: &str| limits().lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    wait_until("the limits are set", || line("Max open files").split_whitespace().nth(3) == Some("0"));
    let limit = |name: &str, at: usize| line(name).split_whitespace().nth(at).unwrap().to_owned();
    assert_eq!(
        (limit("Max file size", 3), limit("Max processes", 2), limit("Max cpu time", 3)),
        ("0".into(), "0".into(), "5".into())
    );
    assert!(limit("Max address space", 3).parse::<u64>().unwrap() <= 1 << 30);
    process.stdin.take().unwrap().write_all(&picture(40, 20)).unwrap();
    let mut answer = Vec::new();
    process.stdout.take().unwrap().read_to_end(&mut answer).unwrap();
    assert_eq!((&answer[..4], answer.len()), (&[0, 8, 0, 4][..], 4 + 8 * 4 * 4));
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_picture_that_wants_more_than_the_limits_ends_its_process_and_says_nothing() {
    // 30,000 × 30,000 pixels of nothing pack into a few hundred kilobytes.
    let mut bomb = picture(1, 1);
    bomb[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    for bad in [bomb, bytes(100_000), Vec::new(), picture(50, 50)[..300].to_vec()] {
        let mut process = decoder(&["pixels", "8", "8"]);
        let _ = process.stdin.take().unwrap().write_all(&bad);
        let output = process.wait_with_output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
    }
}
