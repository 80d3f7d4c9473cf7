//! Pictures of the screen, looked at by a person when they change.

use super::*;
use crate::model::Receipt;

const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (120, 36)];

/// A working day: several chats, every mark, a reply, unread messages, a draft, a stranger.
fn day(columns: u16, rows: u16, depth: Depth) -> Desk {
    let mut desk = Desk::coloured(columns, rows, depth);
    desk.past("carol", false, "lunch on thursday?", 26 * 60);
    desk.past("dave", true, "see you then", 3 * 24 * 60);
    desk.past("bob", false, "morning! did the relay survive the night?", 24 * 60 + 10);
    desk.past("bob", true, "it did: 41 days up, not one message lost", 24 * 60 + 8);
    desk.past("bob", false, "can you send me the report?", 9);
    let question = desk.history[&Name::new("bob")].last().and_then(|e| e.id).unwrap();
    desk.past("bob", true, "yes, here it is: https://example.org/report", 8);
    let quote = crate::model::Quote { id: question, known: None };
    desk.history.get_mut(&Name::new("bob")).unwrap().last_mut().unwrap().reply = Some(quote);
    desk.history.get_mut(&Name::new("bob")).unwrap().last_mut().unwrap().status = Status::Read;
    desk.past("bob", true, "tell me when you have read it, the part about the keys is new and a bit long", 7);
    desk.drafts.insert(Name::new("dave"), "one more thing".into());
    desk = desk.with_alice();
    desk.presence("carol", Availability::Away);
    desk.presence("dave", Availability::Offline);
    desk.keys("/dm bob<enter>");
    desk.arrives("carol", "are you coming?");
    desk.arrives("carol", "we sit outside");
    desk
}

fn finished(mut desk: Desk) -> Desk {
    desk.arrives("bob", "thanks!");
    desk.keys("great, talk at 11?<enter>");
    let id = desk.history[&Name::new("bob")].last().and_then(|e| e.id).unwrap();
    desk.tell(Msg::Receipt { chat: Name::new("bob"), receipt: Receipt { id, status: Status::Sent } });
    desk.keys("I bring the ");
    desk.pass(6_000);
    desk
}

#[test]
fn a_working_day() {
    for (columns, rows) in SIZES {
        let mut desk = finished(day(columns, rows, Depth::True));
        desk.stranger("mallory", "hello");
        desk.pass(6_000);
        insta::assert_snapshot!(format!("day_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn the_list_takes_the_place_of_the_chat_on_a_narrow_screen() {
    let mut desk = finished(day(40, 12, Depth::True));
    desk.stranger("mallory", "hello");
    desk.keys("<ctrl-b>");
    desk.pass(6_000);
    insta::assert_snapshot!("list_40x12", desk.picture());
}

#[test]
fn without_colour_every_state_is_told_by_a_sign_or_a_weight() {
    let mut desk = finished(day(80, 24, Depth::Mono));
    desk.keys("<esc><up><up>");
    assert_eq!(desk.coloured_cells(), 0);
    insta::assert_snapshot!("mono_80x24", desk.inked(Ink::Styles));
}

#[test]
fn on_a_light_ground_the_colours_are_those_of_the_light_theme() {
    let mut desk = finished(day(80, 24, Depth::True));
    let dark = desk.painted();
    desk.model.theme = Theme::new(Tone::Light, Depth::True);
    desk.keys("<esc><up>");
    assert_ne!(dark, desk.painted());
    insta::assert_snapshot!("light_80x24", desk.painted());
}

#[test]
fn other_scripts_keep_the_columns() {
    for (columns, rows) in [(40, 12), (80, 24)] {
        let mut desk = Desk::new(columns, rows);
        desk.past("bob", false, "你好，世界！今天的报告已经准备好了，请你看一下，有问题随时告诉我。", 9);
        desk.past("bob", true, "日本語のテキストも折り返しされます。長い文章でも列は揃ったままです。", 8);
        desk.past("bob", false, "👩‍🚀 🏳️‍🌈 ❤️ 👍🏽 1️⃣ 🇩🇪 and back to words", 7);
        desk.past("bob", true, "שלום עולם, זה טקסט מימין לשמאל", 6);
        desk.past("bob", false, "مرحبا بالعالم، هذا نص عربي طويل بما يكفي ليلتف على سطرين", 5);
        desk.past("bob", true, "สวัสดีชาวโลก नमस्ते दुनिया Tiếng Việt", 4);
        desk = desk.with_alice();
        desk.keys("/dm bob<enter>写一条消息");
        insta::assert_snapshot!(format!("scripts_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn signing_in_and_registering() {
    for (columns, rows) in SIZES {
        let mut desk = Desk::new(columns, rows);
        desk.model.home.register = true;
        desk.tell(Msg::Started(Box::default()));
        insta::assert_snapshot!(format!("certificate_{columns}x{rows}"), desk.picture());
        desk.keys("yalice<enter>Correct7Ho");
        insta::assert_snapshot!(format!("register_{columns}x{rows}"), desk.picture());
        desk.keys("rseBattery<enter>");
        insta::assert_snapshot!(format!("code_{columns}x{rows}"), desk.picture());
        desk.keys("<enter>nope<enter>");
        desk.pass(6_000);
        insta::assert_snapshot!(format!("code_asked_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn signing_in_on_a_known_profile_with_a_wrong_password() {
    for (columns, rows) in SIZES {
        let mut desk = Desk::new(columns, rows);
        let started = Started { enrolled: Some(Name::new("alice")), ..Started::default() };
        desk.tell(Msg::Started(Box::new(started)));
        desk.keys("y");
        desk.tell(Msg::SignedIn(Box::new(Err(crate::model::Problem::BadCredentials))));
        insta::assert_snapshot!(format!("sign_in_{columns}x{rows}"), desk.picture());
        assert!(desk.picture().contains("F3"), "who forgot the password finds the way: {}", desk.picture());
    }
}

#[test]
fn signing_in_for_the_first_time_here() {
    for (columns, rows) in SIZES {
        let mut desk = Desk::new(columns, rows);
        desk.tell(Msg::Started(Box::default()));
        desk.keys("yalice<enter>Correct7Ho");
        insta::assert_snapshot!(format!("sign_in_new_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn an_empty_list_says_how_to_begin() {
    for (columns, rows) in [(40, 12), (60, 16), (80, 24), (120, 36)] {
        let mut desk = Desk::signed_in(columns, rows);
        desk.model.suggested = vec![Name::new("echo")];
        assert!(!desk.picture().contains("…"), "nothing is cut: {}", desk.picture());
        desk.keys("<esc><esc>");
        insta::assert_snapshot!(format!("welcome_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn what_lies_on_top() {
    for (columns, rows) in SIZES {
        let mut desk = finished(day(columns, rows, Depth::True));
        desk.keys("<ctrl-k>");
        insta::assert_snapshot!(format!("switcher_{columns}x{rows}"), desk.picture());
        desk.keys("ca");
        insta::assert_snapshot!(format!("switcher_typed_{columns}x{rows}"), desk.picture());
        desk.keys("<esc><ctrl-f>re");
        insta::assert_snapshot!(format!("search_{columns}x{rows}"), desk.picture());
        desk.keys("<esc><f1>");
        insta::assert_snapshot!(format!("help_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn questions_and_commands() {
    let mut desk = finished(day(80, 24, Depth::True));
    desk.keys("<ctrl-c>/b");
    insta::assert_snapshot!("commands_80x24", desk.picture());
    desk.keys("<ctrl-c>/block<enter>");
    insta::assert_snapshot!("block_80x24", desk.picture());
    desk.keys("n<f6>");
    insta::assert_snapshot!("presence_80x24", desk.picture());
    desk.keys("<esc>");
    desk.tell(Msg::Paste("fn main() {\n    println!(\"hello\");\n}\n\n// and\n// more\n".repeat(4)));
    insta::assert_snapshot!("paste_80x24", desk.picture());
    desk.keys("<esc>");
    desk.stranger("mallory", "Hello, I found your name in the directory and would like to talk about your relay.");
    desk.keys("<f7>");
    desk.pass(6_000);
    insta::assert_snapshot!("request_80x24", desk.picture());
}

#[test]
fn a_long_message_is_folded_and_a_failed_one_says_why() {
    let mut desk = Desk::new(80, 24);
    desk.past("bob", false, &"a very long message ".repeat(200), 9);
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>");
    desk.mute = true;
    desk.keys("does this arrive?<enter>");
    let serial = desk.model.open_chat().unwrap().timeline.entries().last().unwrap().serial;
    desk.tell(Msg::NotQueued { serial, chat: Name::new("bob"), problem: crate::model::Problem::Blocked });
    desk.tell(Msg::Link(Link::Offline));
    desk.pass(6_000);
    insta::assert_snapshot!("folded_80x24", desk.picture());
}

#[test]
fn scrolled_up_with_news_below() {
    let mut desk = Desk::new(80, 24);
    for n in 0..60 {
        desk.past("bob", n % 4 == 0, &format!("message number {n}"), 120 - n);
    }
    desk = desk.with_alice();
    desk.keys("/dm bob<enter><pageup>");
    desk.arrives("bob", "new below");
    insta::assert_snapshot!("scrolled_80x24", desk.picture());
}

#[test]
fn the_smallest_screens() {
    for (columns, rows) in [(19, 5), (20, 4), (20, 5), (1, 1)] {
        let mut desk = finished(day(columns, rows, Depth::True));
        insta::assert_snapshot!(format!("tiny_{columns}x{rows}"), desk.picture());
    }
}
