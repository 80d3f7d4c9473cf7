//! Pictures in messages: asked for, drawn in their cells, and never those of strangers.

use std::sync::Arc;

use super::*;
use crate::config::ImagesFrom;
use crate::model::{FileAsk, FileCard, FileNews, Graphics, Pixels};

/// A chat with a picture, and its id.
fn with_picture(graphics: Graphics, author: &str) -> (Desk, MsgId) {
    let mut desk = Desk::new(80, 24);
    desk.model.graphics = graphics;
    desk.past("bob", false, "look", 9);
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>");
    let mut entry = desk.entry("bob", false, "the harbour", NOW_MS);
    entry.author = Name::new(author);
    entry.file = Some(FileCard { name: SafeText::line("harbour.png"), size: 70_000, kind: SafeText::line("png") });
    let id = entry.id.unwrap();
    desk.tell(Msg::Arrived(Box::new(Arrival { chat: Name::new("bob"), entry })));
    (desk, id)
}

/// Red above, blue below.
fn flag() -> Option<Arc<Pixels>> {
    let (red, blue) = ([200, 0, 0, 255].repeat(80 * 24), [0, 0, 200, 255].repeat(80 * 24));
    Pixels::on_ground((80, 48), &[red, blue].concat(), 0).map(Arc::new)
}

fn asked(desk: &Desk) -> usize {
    desk.asked.iter().filter(|r| matches!(r, Request::File(FileAsk::Picture { .. }))).count()
}

#[test]
fn a_picture_is_asked_for_once_and_drawn_by_half_blocks_inside_its_cells() {
    let (mut desk, id) = with_picture(Graphics::Blocks, "bob");
    desk.keys("<esc><esc>");
    assert_eq!(asked(&desk), 1);
    desk.tell(Msg::File(FileNews::Picture { id, pixels: flag() }));
    insta::assert_snapshot!("picture_80x24", desk.picture());
    let (blocks, colours): (Vec<_>, Vec<_>) =
        desk.seen.content().iter().filter(|c| c.symbol() == "▀").map(|c| (c.symbol(), (c.fg, c.bg))).unzip();
    assert_eq!(blocks.len(), 10 * 3);
    let (red, blue) = (ratatui::style::Color::Rgb(200, 0, 0), ratatui::style::Color::Rgb(0, 0, 200));
    assert_eq!((colours[0], colours[10], colours[29]), ((red, red), (red, blue), (blue, blue)));
}

#[test]
fn the_picture_of_a_stranger_in_a_room_is_not_even_asked_for_unless_that_was_chosen() {
    let (desk, _) = with_picture(Graphics::Blocks, "mallory");
    assert_eq!(asked(&desk), 0);
    let (mut desk, _) = with_picture(Graphics::Blocks, "mallory");
    desk.model.config.privacy.images_from = ImagesFrom::Everybody;
    desk.keys("<esc>");
    assert_eq!(asked(&desk), 1);
    let (mut desk, id) = with_picture(Graphics::Off, "bob");
    desk.keys("<esc>");
    assert_eq!(asked(&desk), 0, "a terminal without colours shows none");
    desk.tell(Msg::File(FileNews::Picture { id, pixels: flag() }));
    assert!(!desk.picture().contains('▀'));
}

#[test]
fn with_placeholders_every_cell_says_which_part_it_is_and_a_scrolled_picture_keeps_its_parts() {
    let (mut desk, id) = with_picture(Graphics::Kitty, "bob");
    desk.tell(Msg::File(FileNews::Picture { id, pixels: flag() }));
    let cells: Vec<&str> =
        desk.seen.content().iter().map(|c| c.symbol()).filter(|s| s.starts_with('\u{10EEEE}')).collect();
    assert_eq!(cells.len(), 30);
    assert_eq!((cells[0], cells[11]), ("\u{10EEEE}\u{305}\u{305}", "\u{10EEEE}\u{30D}\u{30D}"));
    let placed = &desk.model.shown.pictures;
    assert!(placed.len() == 1 && placed[0].area.is_some_and(|a| (a.width, a.height) == (10, 3)), "{placed:?}");
    for _ in 0..17 {
        desk.arrives("bob", "more");
    }
    let placed = &desk.model.shown.pictures;
    assert!(placed.iter().all(|p| p.area.is_none()), "a part of it is outside: {placed:?}");
}

#[test]
fn what_replaces_the_small_picture_is_asked_for_when_the_file_is_there() {
    let (mut desk, id) = with_picture(Graphics::Blocks, "bob");
    desk.tell(Msg::File(FileNews::Picture { id, pixels: None }));
    desk.keys("<esc>");
    assert_eq!(asked(&desk), 1);
    desk.tell(Msg::File(FileNews::Saved { id, path: SafeText::line("/home/alice/harbour.png") }));
    desk.keys("<esc>");
    let path = Some("/home/alice/harbour.png".to_owned());
    assert!(desk.asked.contains(&Request::File(FileAsk::Picture { id, path, ground: 0 })));
}

#[test]
fn the_history_is_written_under_a_passphrase_that_was_typed_twice() {
    let mut desk = Desk::signed_in(80, 24);
    desk.keys("/export<enter><enter>correct horse<enter>correct hor<enter>");
    assert!(desk.picture().contains("The two are not the same."), "{}", desk.picture());
    desk.keys("se<enter>");
    let exported = desk.asked.iter().any(|r| {
        use crate::model::AccountAsk;
        matches!(r, Request::Account(AccountAsk::Export { path, .. }) if path == "~/chat-history")
    });
    assert!(exported);
    desk.tell(Msg::Form(Box::new(Err(crate::model::Problem::FileExists))));
    insta::assert_snapshot!("export_80x24", desk.picture());
}
