//! What is set for single chats, and what is done with messages that are there.

use super::*;
use crate::model::{FileAsk, FileCard, MessageAsk, Overlay};

fn chats() -> Desk {
    let mut desk = Desk::new(80, 24);
    desk.past("ann", false, "see https://example.org/a and https://example.org/b", 30);
    desk.past("bob", false, "can you send me the report?", 9);
    desk.past("bob", true, "which one?", 8);
    desk.past("carol", false, "hello", 4);
    desk.with_alice()
}

fn names(desk: &Desk) -> Vec<&str> {
    desk.model.roster.listed().iter().map(|r| r.name.as_str()).collect()
}

fn toast(desk: &Desk) -> &str {
    desk.model.toast.as_ref().map_or("", |t| t.text.as_str())
}

#[test]
fn a_pinned_chat_stays_above_and_one_that_was_put_away_comes_back_with_the_next_message() {
    let mut desk = chats();
    assert_eq!(names(&desk), ["carol", "bob", "ann"]);
    desk.keys("/dm ann<enter>/pin<enter>/dm carol<enter>/archive<enter>");
    assert_eq!(names(&desk), ["ann", "bob"]);
    desk.arrives("bob", "look");
    assert_eq!(names(&desk), ["ann", "bob"], "what is pinned stays above what is newer");
    // All of it is there again at the next start.
    let mut again = chats();
    again.kept = desk.kept.clone();
    again.started();
    assert_eq!(names(&again), ["ann", "bob"]);
    again.arrives("carol", "still there?");
    assert_eq!(names(&again), ["ann", "carol", "bob"]);
}

#[test]
fn a_muted_chat_rings_for_nothing_until_its_time_is_over() {
    let mut desk = chats();
    desk.keys("/dm carol<enter>/mute 1x<enter>");
    assert!(toast(&desk).contains("For how long?"));
    desk.keys("<ctrl-c>/mute 1h<enter>/dm bob<enter>");
    desk.tell(Msg::Focus(false));
    desk.arrives("carol", "psst");
    assert!(!desk.effects.iter().any(|e| matches!(e, Effect::Notify(_))));
    assert_eq!(desk.model.roster.unread(NOW_MS), 0, "it does not count either");
    desk.pass(3_600_001);
    desk.arrives("carol", "psst");
    assert!(desk.effects.iter().any(|e| matches!(e, Effect::Notify(_))));
}

#[test]
fn a_chat_marked_to_be_looked_at_again_keeps_its_mark_until_it_is_opened() {
    let mut desk = chats();
    desk.keys("/dm bob<enter>/unread<enter>");
    assert!(desk.model.open_name().is_none() && desk.picture().contains("•"), "{}", desk.picture());
    desk.keys("<alt-a>");
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("bob"));
    assert!(!desk.picture().contains("•"), "{}", desk.picture());
}

#[test]
fn a_pinned_message_is_found_again_through_its_menu() {
    let mut desk = chats();
    desk.keys("/dm bob<enter>/pins<enter>");
    assert!(desk.picture().contains("Nothing is pinned here."), "{}", desk.picture());
    desk.keys("<esc><esc><up>p<esc>/pins<enter>");
    insta::assert_snapshot!("pins_80x24", desk.picture());
    desk.keys("<enter>");
    let entry = desk.model.open_chat().unwrap().timeline.selected_entry().unwrap();
    assert_eq!(entry.text.as_str(), "can you send me the report?");
}

#[test]
fn several_messages_are_chosen_and_sent_on_in_their_order() {
    let mut desk = chats();
    desk.keys("/dm bob<enter><esc><space><up><space>f");
    assert!(desk.picture().contains("Send 2 messages on to"), "{}", desk.picture());
    desk.keys("car<enter>");
    let sent: Vec<_> = desk
        .asked
        .iter()
        .filter_map(|r| match r {
            Request::Send { to, text, .. } => Some((to.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [("carol", "can you send me the report?"), ("carol", "which one?")]);
    assert!(desk.model.open_chat().unwrap().timeline.chosen.is_empty());
    desk.keys("<esc>/dm carol<enter>");
    assert!(desk.picture().contains("which one?"), "{}", desk.picture());
}

#[test]
fn copying_with_the_author_says_who_wrote_it_and_when() {
    let mut desk = chats();
    desk.keys("/dm bob<enter><esc><up>Y");
    let copied = Effect::Copy("bob, Today 09:53: can you send me the report?".into());
    assert!(desk.effects.contains(&copied), "{:?}", desk.effects);
}

#[test]
fn enter_opens_what_a_message_holds_and_asks_when_there_are_several() {
    let mut desk = chats();
    desk.keys("/dm ann<enter><esc><enter>");
    assert!(desk.picture().contains("Open which address?"), "{}", desk.picture());
    desk.keys("<down><enter>");
    assert!(desk.asked.contains(&Request::File(FileAsk::Open("https://example.org/b".into()))));
    let mut entry = desk.entry("ann", false, "", NOW_MS);
    let name = SafeText::line("report.pdf");
    entry.file = Some(FileCard { name, size: 7, kind: SafeText::line("pdf") });
    let id = entry.id.unwrap();
    desk.tell(Msg::Arrived(Box::new(Arrival { chat: Name::new("ann"), entry })));
    desk.keys("<end><enter>");
    assert!(desk.asked.contains(&Request::File(FileAsk::Save { id, path: None, open: true })));
}

#[test]
fn up_with_nothing_written_changes_the_last_own_message() {
    let mut desk = chats();
    desk.keys("/dm bob<enter><up>");
    assert_eq!(desk.model.composer().text(), "which one?");
    desk.keys("<up> The new one?<enter>");
    let edited = desk.asked.iter().find_map(|r| match r {
        Request::Message(MessageAsk::Edit { text, .. }) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(edited, Some("which one? The new one?"));
    assert!(desk.model.composer().is_empty());
}

#[test]
fn commands_without_a_mark_are_about_the_newest_that_fits() {
    let mut desk = chats();
    desk.keys("/dm bob<enter>/reply<enter>");
    assert_eq!(desk.model.composer().reply.as_ref().unwrap().known.as_ref().unwrap().0.as_str(), "bob");
    desk.keys("<esc>/react tada<enter>");
    assert!(desk.asked.iter().any(|r| matches!(r, Request::Message(MessageAsk::React { sign, .. }) if sign == "🎉")));
    desk.keys("/edit<enter>");
    assert_eq!(desk.model.composer().text(), "which one?");
}

#[test]
fn a_sign_is_completed_by_its_name() {
    let mut desk = chats();
    desk.keys("/dm bob<enter>great :tad<tab>");
    assert_eq!(desk.model.composer().text(), "great 🎉 ");
    desk.keys(":zzz<tab>");
    assert!(toast(&desk).contains("no sign"));
}

#[test]
fn a_day_of_the_past_is_gone_to_by_its_date() {
    let mut desk = Desk::new(80, 24);
    for n in 0..200 {
        desk.past("bob", false, &format!("day {} before", 200 - n), (200 - n) * 24 * 60);
    }
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>/date someday<enter>");
    assert!(toast(&desk).contains("Which day?"));
    desk.keys("<ctrl-c>/date 2026-08-12<enter>");
    let entry = desk.model.open_chat().unwrap().timeline.selected_entry().unwrap();
    assert_eq!(entry.text.as_str(), "day 100 before");
    assert!(desk.picture().contains("Wednesday 12 August"), "{}", desk.picture());
}

#[test]
fn details_tell_all_that_is_known_and_the_doctor_opens_the_same_page() {
    let mut desk = chats();
    desk.keys("/dm bob<enter><esc>i");
    insta::assert_snapshot!("details_80x24", desk.picture());
    desk.keys("<esc><esc>/doctor<enter>");
    assert!(desk.asked.contains(&Request::Diagnose));
    assert!(!matches!(desk.model.overlays.last(), Some(Overlay::Facts(_))));
}

#[test]
fn only_the_messages_are_on_the_screen_while_the_terminal_selects() {
    let mut desk = chats();
    desk.keys("/dm bob<enter><alt-c>");
    assert!(desk.effects.contains(&Effect::Mouse(false)));
    assert!(!desk.picture().contains("carol"), "{}", desk.picture());
    desk.keys("<alt-c>");
    assert!(desk.effects.contains(&Effect::Mouse(true)) && desk.picture().contains("carol"));
}

#[test]
fn a_stranger_with_the_name_of_a_contact_but_for_a_sign_is_told_apart() {
    let mut desk = chats();
    desk.stranger("b0b", "hi, it's me, bob");
    desk.keys("<f7>");
    desk.pass(6_000);
    insta::assert_snapshot!("lookalike_80x24", desk.picture());
}

#[test]
fn a_big_paste_may_go_out_as_a_file() {
    let mut desk = chats();
    desk.keys("/dm bob<enter>");
    desk.tell(Msg::Paste("line\n".repeat(40)));
    desk.keys("f");
    assert!(desk.asked.iter().any(|r| matches!(r, Request::File(FileAsk::SendText { text, .. }) if text.len() == 200)));
}
