//! What is done to messages that are there, what the terminal is told, and what a paste turns out to be.

use super::*;
use crate::config::{ContentChoice, NotifyChoice};
use crate::model::{FileAsk, FileCard, FileNews, FormKind, MessageAsk, Overlay, Problem, Reaction};

fn with_bob() -> Desk {
    let mut desk = Desk::new(80, 24);
    desk.past("bob", false, "can you send the report?", 4);
    desk.past("bob", true, "yes, hear", 3);
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>");
    desk.asked.clear();
    desk
}

fn own_id(desk: &Desk) -> MsgId {
    desk.history[&Name::new("bob")].iter().rev().find(|e| e.own).and_then(|e| e.id).unwrap()
}

fn notes(desk: &Desk) -> Vec<&str> {
    let notes = desk.effects.iter().filter_map(|e| match e {
        Effect::Notify(text) => Some(text.as_str()),
        _ => None,
    });
    notes.collect()
}

#[test]
fn an_own_message_is_changed_where_one_writes_and_the_draft_comes_back() {
    let mut desk = with_bob();
    desk.keys("half a thought<esc>E");
    assert!(desk.picture().contains("✎ changing your message"), "{}", desk.picture());
    assert_eq!(desk.model.composer().text(), "yes, hear");
    desk.keys("<backspace><backspace>re<enter>");
    let id = own_id(&desk);
    assert!(desk.asked.contains(&Request::Message(MessageAsk::Edit { id, text: "yes, here".into() })));
    assert!(!desk.asked.iter().any(|r| matches!(r, Request::Send { .. })), "a change is no new message");
    assert_eq!(desk.model.composer().text(), "half a thought");
    desk.keys("<esc>E<esc>");
    assert_eq!(desk.model.composer().text(), "half a thought", "Esc leaves the message as it was");
}

#[test]
fn what_somebody_else_wrote_can_not_be_changed_and_only_be_hidden_here() {
    let mut desk = with_bob();
    desk.keys("<esc><up>E");
    assert!(desk.picture().contains("Only your own messages"), "{}", desk.picture());
    desk.keys("d");
    assert!(!desk.picture().contains("for everybody"), "{}", desk.picture());
    desk.keys("<enter>");
    let id = desk.history[&Name::new("bob")][0].id.unwrap();
    assert!(desk.asked.contains(&Request::Message(MessageAsk::Delete { id, for_everyone: false })));
}

#[test]
fn a_message_is_taken_back_and_reacted_to_by_a_menu() {
    let mut desk = with_bob();
    desk.keys("<esc>d");
    insta::assert_snapshot!("delete_80x24", desk.picture());
    desk.keys("<enter>");
    let id = own_id(&desk);
    assert!(desk.asked.contains(&Request::Message(MessageAsk::Delete { id, for_everyone: true })));
    desk.keys("e");
    insta::assert_snapshot!("react_80x24", desk.picture());
    desk.keys("thanks<enter>");
    assert!(desk.asked.contains(&Request::Message(MessageAsk::React { id, sign: "🙏".into() })));
}

#[test]
fn a_change_by_anybody_is_shown_where_the_message_stands() {
    let mut desk = with_bob();
    let id = own_id(&desk);
    let mut entry = desk.history[&Name::new("bob")].iter().find(|e| e.id == Some(id)).unwrap().clone();
    entry.reactions = vec![Reaction { sign: SafeText::line("👍"), by: vec![Name::new("bob")] }];
    (entry.text, entry.edited) = (SafeText::body("yes, here"), true);
    desk.tell(Msg::Updated(Box::new(Arrival { chat: Name::new("bob"), entry: entry.clone() })));
    assert!(desk.picture().contains("yes, here (edited)") && desk.picture().contains("👍 1"), "{}", desk.picture());
    (entry.text, entry.deleted) = (SafeText::line("deleted"), true);
    desk.tell(Msg::Updated(Box::new(Arrival { chat: Name::new("bob"), entry })));
    assert!(!desk.picture().contains("👍") && !desk.picture().contains("✓✓"), "{}", desk.picture());
}

#[test]
fn what_is_written_vanishes_when_that_was_chosen_for_the_chat() {
    let mut desk = with_bob();
    desk.keys("/timer 1x<enter>/timer 1d<enter>secret<enter>");
    assert!(desk.picture().contains("timer 1d"), "{}", desk.picture());
    let day = desk.asked.iter().find_map(|r| match r {
        Request::Send { vanishes_ms, .. } => Some(*vanishes_ms),
        _ => None,
    });
    assert_eq!(day, Some(Some(86_400_000)));
}

#[test]
fn the_terminal_rings_only_while_nobody_looks_and_tells_no_more_than_was_chosen() {
    let mut desk = with_bob();
    desk.arrives("bob", "one");
    assert_eq!(notes(&desk), [""; 0], "somebody looks");
    desk.tell(Msg::Focus(false));
    desk.pass(5_000);
    desk.arrives("bob", "two");
    desk.arrives("bob", "three");
    assert_eq!(notes(&desk), ["a new message"], "a burst rings once, and says nothing of who and what");
    desk.model.config.notify.content = ContentChoice::Full;
    desk.pass(5_000);
    desk.arrives("bob", "four");
    assert_eq!(notes(&desk)[1], "bob: four");
    desk.model.config.notify.via = NotifyChoice::Off;
    desk.pass(5_000);
    desk.arrives("bob", "five");
    assert_eq!(notes(&desk).len(), 2);
}

#[test]
fn a_room_rings_and_marks_only_when_it_names_one() {
    let mut desk = with_bob();
    desk.tell(Msg::Focus(false));
    desk.arrives("#ops", "somebody said something");
    assert_eq!(notes(&desk), [""; 0]);
    desk.arrives("#ops", "ask @Alice, she knows");
    assert_eq!(notes(&desk).len(), 1);
    assert_eq!(desk.model.roster.row(&Name::new("#ops")).unwrap().mentions, 1);
    assert!(desk.picture().contains("@2"), "{}", desk.picture());
}

#[test]
fn a_pasted_path_of_a_file_is_offered_to_be_sent_and_any_other_is_text() {
    let mut desk = with_bob();
    desk.tell(Msg::Paste("/tmp/report.pdf ".into()));
    let text = SafeText::body("/tmp/report.pdf ");
    assert!(desk.asked.contains(&Request::File(FileAsk::Probe(text.clone()))));
    desk.tell(Msg::File(FileNews::Probed { text: text.clone(), is_file: true }));
    assert!(
        matches!(desk.model.overlays.last(), Some(Overlay::Form(f)) if f.kind == FormKind::SendFile(Name::new("bob")))
    );
    desk.keys("<esc>");
    desk.tell(Msg::File(FileNews::Probed { text, is_file: false }));
    assert_eq!(desk.model.composer().text(), "/tmp/report.pdf ");
}

#[test]
fn a_file_that_was_sent_stands_in_the_chat_as_soon_as_it_is_out() {
    let mut desk = with_bob();
    let id = desk.past("bob", true, "as promised", 0);
    let last = desk.history.get_mut(&Name::new("bob")).unwrap().last_mut().unwrap();
    last.file = Some(FileCard { name: SafeText::line("report.pdf"), size: 7_012_000, kind: SafeText::line("pdf") });
    desk.tell(Msg::File(FileNews::Sent(Name::new("bob"))));
    assert!(desk.picture().contains("▣ report.pdf  7.0 MB  pdf"), "{}", desk.picture());
    assert!(desk.model.open_chat().unwrap().timeline.find(id).is_some());
}

#[test]
fn a_send_that_is_refused_for_a_changed_identity_asks_for_the_decision() {
    let mut desk = with_bob();
    desk.mute = true;
    desk.keys("hi<enter>");
    let serial = desk.model.open_chat().unwrap().timeline.entries().last().unwrap().serial;
    desk.tell(Msg::NotQueued { serial, chat: Name::new("bob"), problem: Problem::KeyChanged });
    assert!(desk.picture().contains("Nothing is sent until you decide"), "{}", desk.picture());
}
