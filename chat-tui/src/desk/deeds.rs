//! What keys and events do.

use super::*;
use crate::model::{Focus, Open, Overlay, Screen};

fn sent(desk: &Desk) -> Vec<&str> {
    let texts = desk.asked.iter().filter_map(|r| match r {
        Request::Send { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn toast(desk: &Desk) -> &str {
    desk.model.toast.as_ref().map_or("", |t| t.text.as_str())
}

fn with_bob() -> Desk {
    let mut desk = Desk::new(80, 24);
    desk.past("bob", false, "can you send the report?", 4);
    desk.past("bob", true, "yes, here", 3);
    desk.past("carol", false, "lunch?", 90);
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>");
    desk.asked.clear();
    desk
}

#[test]
fn enter_sends_and_the_message_is_there_before_anything_answers() {
    let mut desk = with_bob();
    desk.mute = true;
    desk.keys("hi<enter>");
    assert_eq!(sent(&desk), ["hi"]);
    assert!(desk.picture().contains("hi"), "{}", desk.picture());
    assert!(desk.picture().contains('◌'), "it is shown as queued");
    assert!(desk.model.composer().is_empty());
}

#[test]
fn a_message_goes_from_queued_to_read_and_a_late_receipt_takes_nothing_back() {
    let mut desk = with_bob();
    desk.keys("hi<enter>");
    let id = desk.history[&Name::new("bob")].last().and_then(|e| e.id).unwrap();
    for (status, mark) in [(Status::Sent, "✓"), (Status::Read, "●"), (Status::Delivered, "●")] {
        desk.tell(Msg::Receipt { chat: Name::new("bob"), receipt: crate::model::Receipt { id, status } });
        let line = desk.picture().lines().find(|l| l.contains("10:02") && l.contains(" hi")).unwrap().to_owned();
        assert!(line.ends_with(mark), "{line}");
    }
}

#[test]
fn a_receipt_that_overtakes_the_answer_to_the_send_is_not_lost() {
    let mut desk = with_bob();
    desk.mute = true;
    desk.keys("hi<enter>");
    let serial = desk.model.open_chat().unwrap().timeline.entries().last().unwrap().serial;
    let (chat, id) = (Name::new("bob"), MsgId([9; 16]));
    desk.tell(Msg::Receipt { chat: chat.clone(), receipt: crate::model::Receipt { id, status: Status::Delivered } });
    desk.tell(Msg::Queued { serial, chat, id, when: When::local(NOW_MS, 0) });
    assert_eq!(desk.model.open_chat().unwrap().timeline.entries().last().unwrap().status, Status::Delivered);
}

#[test]
fn what_is_written_and_what_comes_before_the_first_page_is_here_stays() {
    let mut desk = Desk::new(80, 24);
    desk.past("bob", false, "from the past", 9);
    desk = desk.with_alice();
    desk.mute = true;
    desk.keys("/dm bob<enter>hi<enter>");
    let (chat, id) = (Name::new("bob"), MsgId([7; 16]));
    let serial = desk.model.open_chat().unwrap().timeline.entries()[0].serial;
    desk.tell(Msg::Queued { serial, chat: chat.clone(), id, when: When::local(NOW_MS, 0) });
    let page = desk.page(&chat, Page::Newest);
    desk.arrives("bob", "in between");
    desk.tell(page);
    let picture = desk.picture();
    let at =
        |text: &str| picture.lines().position(|l| l.chars().skip(27).collect::<String>().contains(text)).unwrap_or(99);
    assert!(at("from the past") < at(" hi") && at(" hi") < at("in between") && at("in between") < 99, "{picture}");
}

#[test]
fn a_message_that_could_not_be_sent_is_still_there_after_a_look_at_the_past() {
    let mut desk = Desk::new(80, 24);
    for n in 0..500 {
        desk.past("bob", false, &format!("message number {n}"), 1000 - n);
    }
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>");
    desk.mute = true;
    desk.keys("precious<enter>");
    let serial = desk.model.open_chat().unwrap().timeline.entries().last().unwrap().serial;
    desk.tell(Msg::NotQueued { serial, chat: Name::new("bob"), problem: crate::model::Problem::Io });
    desk.mute = false;
    desk.keys("<ctrl-f>number 7<enter>");
    assert!(!desk.picture().contains("you  precious"));
    desk.keys("<end>");
    assert!(desk.picture().contains("you  precious"), "{}", desk.picture());
}

#[test]
fn an_unknown_command_is_never_sent_and_not_lost() {
    let mut desk = with_bob();
    desk.keys("/qiut now<enter>");
    assert_eq!(sent(&desk), [""; 0]);
    assert!(toast(&desk).contains("Did you mean /quit?"), "{}", toast(&desk));
    assert_eq!(desk.model.composer().text(), "/qiut now");
    assert!(!desk.model.quitting);
}

#[test]
fn two_slashes_send_a_text_that_begins_with_one() {
    let mut desk = with_bob();
    desk.keys("//shrug<enter>");
    assert_eq!(sent(&desk), ["/shrug"]);
}

#[test]
fn quit_keeps_what_is_written() {
    let mut desk = with_bob();
    desk.keys("half a thought<ctrl-q>");
    assert!(desk.effects.contains(&Effect::Quit));
    assert_eq!(desk.drafts[&Name::new("bob")], "half a thought");
}

#[test]
fn ctrl_c_clears_first_and_quits_only_when_pressed_twice_on_nothing() {
    let mut desk = with_bob();
    desk.keys("oops<ctrl-c>");
    assert!(desk.model.composer().is_empty() && !desk.model.quitting);
    desk.keys("<ctrl-c>x");
    assert!(!desk.model.quitting);
    desk.keys("<ctrl-c><ctrl-c>");
    assert!(!desk.model.quitting, "the first one cleared the x");
    desk.keys("<ctrl-c>");
    assert!(desk.model.quitting);
}

#[test]
fn a_draft_follows_its_chat_and_waits_on_disk() {
    let mut desk = with_bob();
    desk.keys("for bob");
    desk.pass(1_000);
    assert_eq!(desk.drafts[&Name::new("bob")], "for bob");
    desk.keys("<alt-down>for carol<alt-down>");
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("bob"));
    assert_eq!(desk.model.composer().text(), "for bob");
    assert_eq!(desk.drafts[&Name::new("carol")], "for carol");
    assert!(desk.picture().contains("draft: for"), "{}", desk.picture());
}

#[test]
fn what_was_written_before_a_chat_was_open_comes_along_into_it() {
    let mut desk = Desk::new(80, 24).with_alice();
    desk.arrives("bob", "are you there?");
    desk.keys("hello bob<enter>");
    assert!(desk.picture().contains("Choose a chat first"), "{}", desk.picture());
    desk.keys("<ctrl-k>bob<enter>");
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("bob"));
    assert_eq!(desk.model.composer().text(), "hello bob");
    desk.pass(1_000);
    assert_eq!(desk.drafts[&Name::new("bob")], "hello bob");
    assert!(desk.model.scratch.is_empty());
}

#[test]
fn reading_is_told_after_a_moment_and_only_while_looking() {
    let mut desk = with_bob();
    desk.tell(Msg::Focus(false));
    let id = desk.arrives("bob", "are you there?");
    desk.pass(5_000);
    let told = |desk: &Desk| desk.asked.iter().any(|r| matches!(r, Request::MarkRead { id: read, .. } if *read == id));
    assert!(!told(&desk), "nobody looks");
    assert_eq!(desk.model.roster.unread(NOW_MS), 1);
    desk.tell(Msg::Focus(true));
    desk.pass(400);
    assert!(!told(&desk), "a glance is no reading");
    desk.pass(200);
    assert!(told(&desk));
    assert_eq!(desk.model.roster.unread(NOW_MS), 0);
}

#[test]
fn what_comes_while_one_reads_above_does_not_move_the_screen() {
    let mut desk = Desk::new(80, 24);
    for n in 0..300 {
        desk.past("bob", n % 3 == 0, &format!("message number {n}"), 600 - n);
    }
    desk = desk.with_alice();
    desk.keys("/dm bob<enter><pageup><pageup>");
    let before = desk.picture();
    desk.arrives("bob", "new one");
    let after = desk.picture();
    let body = |p: &str| p.lines().skip(1).take(18).map(|l| l.chars().skip(27).collect::<String>()).collect::<Vec<_>>();
    assert_eq!(body(&before), body(&after));
    assert!(after.contains("1 new ↓"), "{after}");
    desk.keys("<esc><end>");
    assert!(desk.picture().contains("new one"));
}

#[test]
fn scrolling_loads_older_pages_before_they_are_needed() {
    let mut desk = Desk::new(80, 24);
    for n in 0..400 {
        desk.past("bob", false, &format!("message number {n}"), 800 - n);
    }
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>");
    for _ in 0..40 {
        desk.keys("<pageup>");
    }
    assert!(desk.picture().contains("message number 0"), "{}", desk.picture());
    let pages = desk.asked.iter().filter(|r| matches!(r, Request::Load { page: Page::Before(_), .. })).count();
    assert_eq!(pages, 3, "each page is asked for once");
}

#[test]
fn a_hit_is_opened_where_it_stands_and_the_way_back_is_loaded() {
    let mut desk = Desk::new(80, 24);
    for n in 0..500 {
        desk.past("bob", false, &format!("message number {n}"), 1000 - n);
    }
    desk = desk.with_alice();
    desk.keys("<ctrl-f>number 123<enter>");
    assert_eq!(desk.model.focus, Focus::Messages);
    let picture = desk.picture();
    assert!(picture.contains("▌") && picture.contains("message number 123"), "{picture}");
    for _ in 0..40 {
        desk.keys("<pagedown>");
    }
    assert!(desk.picture().contains("message number 499"), "{}", desk.picture());
}

#[test]
fn a_hit_tells_who_wrote_it_and_to_whom_also_in_a_room_and_beside_a_long_text() {
    let mut desk = Desk::new(80, 24);
    let long = "report after report after report after report after report after report after report";
    desk.past("bob", true, long, 9);
    desk.past("bob", false, "your report", 8);
    desk.past("alice", true, "write the report", 7);
    for (author, text) in [("carol", "report from carol"), ("alice", "report from me")] {
        desk.past("#lobby", author == "alice", text, 6);
        desk.history.get_mut(&Name::new("#lobby")).unwrap().last_mut().unwrap().author = Name::new(author);
    }
    desk = desk.with_alice();
    for (columns, rows) in [(80, 24), (40, 12)] {
        desk.resize(columns, rows);
        desk.keys("<ctrl-f>report");
        let picture = desk.picture();
        let line = |text: &str| picture.lines().find(|l| l.contains(text)).unwrap_or_default().to_owned();
        assert!(line("report after").contains("…  you → bob"), "{picture}");
        assert!(line("your report").contains("  bob "), "{picture}");
        assert!(line("write the").contains("notes to"), "{picture}");
        let said = |who: &str| picture.lines().any(|l| l.contains("report from") && l.contains(who));
        assert!(said("carol → #") && said("you → #"), "{picture}");
        desk.keys("<esc>");
    }
}

#[test]
fn a_reply_says_what_it_answers() {
    let mut desk = with_bob();
    desk.keys("<esc><up><up>r");
    assert!(desk.picture().contains("↳ bob: can you send"), "{}", desk.picture());
    desk.keys("again?<enter>");
    let reply = desk.asked.iter().find_map(|r| match r {
        Request::Send { reply_to, .. } => *reply_to,
        _ => None,
    });
    assert_eq!(reply, desk.history[&Name::new("bob")][0].id);
}

#[test]
fn a_failed_message_tells_why_and_enter_tries_again() {
    let mut desk = with_bob();
    desk.mute = true;
    desk.keys("hi<enter>");
    let serial = desk.model.open_chat().unwrap().timeline.entries().last().unwrap().serial;
    let problem = crate::model::Problem::UnknownUser;
    desk.tell(Msg::NotQueued { serial, chat: Name::new("bob"), problem });
    assert!(desk.picture().contains("not sent: nobody has this name"), "{}", desk.picture());
    desk.keys("<esc><enter>");
    assert_eq!(sent(&desk), ["hi", "hi"]);
}

#[test]
fn what_failed_without_the_relay_goes_out_by_itself_when_it_is_back() {
    let mut desk = with_bob();
    desk.mute = true;
    desk.keys("one<enter>two<enter>");
    let serials: Vec<u64> =
        desk.model.open_chat().unwrap().timeline.entries().iter().rev().take(2).map(|e| e.serial).collect();
    for (serial, problem) in
        [(serials[1], crate::model::Problem::Offline), (serials[0], crate::model::Problem::Blocked)]
    {
        desk.tell(Msg::NotQueued { serial, chat: Name::new("bob"), problem });
    }
    desk.tell(Msg::Link(Link::Offline));
    assert_eq!(sent(&desk), ["one", "two"]);
    desk.tell(Msg::Link(Link::Online));
    assert_eq!(sent(&desk), ["one", "two", "one"], "what failed for another reason waits for the person");
}

#[test]
fn a_big_paste_asks_first_and_control_bytes_are_gone() {
    let mut desk = with_bob();
    desk.tell(Msg::Paste("small\u{1b}[2J".into()));
    assert_eq!(desk.model.composer().text(), "small\u{FFFD}[2J");
    desk.keys("<ctrl-c>");
    desk.tell(Msg::Paste("line\n".repeat(40)));
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Paste(_))));
    assert_eq!(sent(&desk), [""; 0]);
    desk.keys("s");
    assert_eq!(sent(&desk), ["line\n".repeat(40)]);
}

#[test]
fn a_text_over_the_limit_is_refused_and_stays() {
    let mut desk = with_bob();
    desk.tell(Msg::Paste("x".repeat(70_000)));
    desk.keys("s");
    assert_eq!(sent(&desk), [""; 0]);
    assert!(toast(&desk).contains("Too long"), "{}", toast(&desk));
    assert_eq!(desk.model.composer().text().len(), 70_000);
}

#[test]
fn a_stranger_is_accepted_declined_or_blocked_by_one_key() {
    let mut desk = with_bob();
    desk.stranger("mallory", "hello you");
    desk.keys("<f7>");
    assert!(desk.picture().contains("mallory wants to talk to you"), "{}", desk.picture());
    assert_eq!(desk.model.open, Open::Request(Name::new("mallory")));
    desk.keys("a");
    assert!(desk.asked.contains(&Request::Accept(Name::new("mallory"))));
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("mallory"));

    desk.stranger("trudy", "buy now");
    desk.keys("<f7>b");
    assert!(!desk.asked.contains(&Request::Block(Name::new("trudy"))), "a block asks first");
    desk.keys("y");
    assert!(desk.asked.contains(&Request::Block(Name::new("trudy"))));
    assert!(desk.model.roster.strangers.is_empty());
}

#[test]
fn the_switcher_finds_chats_actions_and_people_of_the_relay() {
    let mut desk = with_bob();
    desk.keys("<ctrl-k>crl<enter>");
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("carol"));
    desk.keys("<ctrl-k>carlo<enter>");
    assert!(desk.asked.iter().any(|r| matches!(r, Request::Find { query, .. } if query == "carlo")));
    desk.keys("<enter>");
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("carlos"));
    desk.keys("<ctrl-k>>quit<enter>");
    assert!(desk.model.quitting);
}

#[test]
fn a_name_that_nobody_has_is_told_and_nothing_is_sent_to_it() {
    let mut desk = with_bob();
    desk.keys("/dm nobody<enter>");
    assert!(desk.picture().contains("Nobody on this relay is called nobody"), "{}", desk.picture());
    assert!(desk.picture().contains("Esc back; /dm NAME looks for another"), "{}", desk.picture());
    desk.keys("hi<enter>");
    assert_eq!(sent(&desk), [""; 0]);
    assert_eq!(desk.model.composer().text(), "hi");
    desk.keys("<ctrl-k>carol<enter>");
    assert!(desk.model.roster.row(&Name::new("nobody")).is_none(), "who is nobody does not stay in the list");
    assert_eq!((desk.model.open_name().unwrap().as_str(), desk.model.composer().text().as_str()), ("carol", "hi"));
    desk.keys("<ctrl-c>/dm nobody<enter><esc>");
    assert!(desk.model.open_name().is_none() && desk.model.roster.row(&Name::new("nobody")).is_none());
}

#[test]
fn one_enter_opens_the_chat_with_the_one_of_this_name_and_what_is_typed_meanwhile_stands_in_it() {
    let mut desk = with_bob();
    desk.mute = true;
    desk.keys("<ctrl-k>echo<enter>hello?");
    let number = desk.asked.iter().find_map(|r| match r {
        Request::Find { number, .. } => Some(*number),
        _ => None,
    });
    let person = |name: &str| crate::model::Person { name: Name::new(name), online: true };
    desk.tell(Msg::Found { number: number.unwrap(), people: Ok(vec![person("echo")]) });
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("echo"));
    assert_eq!((desk.model.overlays.len(), desk.model.composer().text().as_str()), (0, "hello?"));
}

#[test]
fn a_name_that_several_begin_with_is_chosen_from_the_list() {
    let mut desk = with_bob();
    desk.mute = true;
    desk.keys("<ctrl-k>anna<enter>");
    let number = desk.asked.iter().find_map(|r| match r {
        Request::Find { number, .. } => Some(*number),
        _ => None,
    });
    let person = |name: &str| crate::model::Person { name: Name::new(name), online: true };
    desk.tell(Msg::Found { number: number.unwrap(), people: Ok(vec![person("anna"), person("annabel")]) });
    assert!(desk.picture().contains("annabel"), "{}", desk.picture());
    desk.keys("<enter>");
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("anna"));
}

#[test]
fn a_question_mark_opens_help_and_twice_it_begins_a_message() {
    let mut desk = with_bob();
    desk.keys("?");
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Help(_))));
    assert!(desk.picture().contains("? again writes it"), "{}", desk.picture());
    desk.keys("?? what?<enter>");
    assert_eq!(sent(&desk), ["?? what?"]);
    desk.keys("<f1>?");
    assert!(desk.model.composer().is_empty(), "opened by another key, the page searches for it");
}

#[test]
fn no_password_is_typed_before_the_relay_is_confirmed() {
    let mut desk = Desk::new(80, 24);
    desk.model.home.register = true;
    desk.tell(Msg::Started(Box::default()));
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Certificate(_))), "the certificate is shown first");
    desk.keys("n<tab>Secret");
    assert!(!desk.asked.iter().any(|r| matches!(r, Request::CheckPassword { .. })));
    let Screen::Door(door) = &desk.model.screen else { panic!("no form") };
    assert_eq!(door.password.chars(), 0);
}

fn at_register() -> Desk {
    let mut desk = Desk::new(80, 24);
    desk.model.home.register = true;
    desk.tell(Msg::Started(Box::default()));
    desk.keys("y");
    desk
}

#[test]
fn registering_shows_the_policy_and_the_code_must_be_confirmed() {
    let mut desk = at_register();
    desk.keys("alice<enter>short");
    assert!(desk.picture().contains("✗ 8 characters"), "{}", desk.picture());
    assert!(!desk.picture().contains("short"), "the password is hidden");
    desk.keys("<ctrl-r>");
    assert!(desk.picture().contains("short"));
    desk.keys("<enter>");
    assert!(!desk.asked.iter().any(|r| matches!(r, Request::Register(_))), "it is too weak");
    desk.keys("<ctrl-u>Correct7HorseBattery<enter>");
    assert!(desk.picture().contains("ABCDE"), "{}", desk.picture());
    desk.keys("<ctrl-q>");
    assert!(!desk.model.quitting, "leaving without the code asks first");
    desk.keys("n<enter>");
    assert!(!desk.picture().contains("ABCDE"), "the code is hidden while it is asked for");
    desk.keys("wrong<enter>");
    assert!(matches!(desk.model.screen, Screen::Code(_)));
    let Screen::Code(words) = &desk.model.screen else { panic!("no code") };
    let group = words.groups().nth(words.group - 1).unwrap();
    desk.keys(group.as_str()).keys("<enter>");
    assert!(matches!(desk.model.screen, Screen::Main));
}

#[test]
fn another_relay_does_not_get_a_password_meant_for_this_one() {
    let mut desk = at_register();
    desk.keys("alice<enter>Correct7Horse<up><up><ctrl-u>evil.example<tab>");
    let Screen::Door(door) = &desk.model.screen else { panic!("no form") };
    assert_eq!(door.password.chars(), 0);
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Certificate(_))));
}

#[test]
fn earlier_messages_come_back_with_the_up_key() {
    let mut desk = with_bob();
    desk.keys("one<enter>two<enter>dra<up>");
    assert_eq!(desk.model.composer().text(), "two");
    desk.keys("<up>");
    assert_eq!(desk.model.composer().text(), "one");
    desk.keys("<down><down>");
    assert_eq!(desk.model.composer().text(), "dra");
}

#[test]
fn several_lines_are_written_with_alt_enter() {
    let mut desk = with_bob();
    desk.keys("a<alt-enter>b<ctrl-j>c<enter>");
    assert_eq!(sent(&desk), ["a\nb\nc"]);
}

#[test]
fn typing_is_told_once_and_ends_by_itself() {
    let mut desk = with_bob();
    let told = |desk: &Desk| {
        let typing = desk.asked.iter().filter_map(|r| match r {
            Request::Typing { active, .. } => Some(*active),
            _ => None,
        });
        typing.collect::<Vec<_>>()
    };
    desk.keys("hello");
    assert_eq!(told(&desk), [true]);
    desk.pass(7_000);
    assert_eq!(told(&desk), [true, false]);
    desk.keys("/dm c");
    desk.model.config.privacy.typing = false;
    desk.keys("<ctrl-c>x");
    assert_eq!(told(&desk), [true, false, true], "switched off, nothing more is told");
}

#[test]
fn unread_messages_begin_below_a_line_that_says_how_many() {
    let mut desk = with_bob();
    desk.arrives("carol", "first");
    desk.arrives("carol", "second");
    assert!(desk.picture().contains("2 new"), "{}", desk.picture());
    desk.keys("<alt-a>");
    assert_eq!(desk.model.open_name().map(Name::as_str), Some("carol"));
    let picture = desk.picture();
    let at = |text: &str| picture.lines().position(|l| l.chars().skip(27).collect::<String>().contains(text));
    assert!(at(" 2 new ") < at("first") && at("first") < at("second"), "{picture}");
}

#[test]
fn tab_completes_commands_and_names() {
    let mut desk = with_bob();
    desk.keys("/bl<tab>");
    assert_eq!(desk.model.composer().text(), "/block ");
    desk.keys("car<tab>");
    assert_eq!(desk.model.composer().text(), "/block carol ");
}

#[test]
fn help_lists_every_binding_and_is_searchable() {
    let mut desk = with_bob();
    desk.keys("?suspend");
    assert!(!desk.picture().contains("Ctrl-K"), "{}", desk.picture());
    desk.keys("<ctrl-u>sleep");
    assert!(desk.picture().contains("Ctrl-Z"), "{}", desk.picture());
    desk.keys("<esc>");
    assert!(desk.model.overlays.is_empty());
}

#[test]
fn a_question_mark_inside_a_text_is_a_question_mark() {
    let mut desk = with_bob();
    desk.keys("why?");
    assert_eq!(desk.model.composer().text(), "why?");
}

#[test]
fn logging_out_leaves_nothing_of_the_chats_on_the_screen() {
    let mut desk = with_bob();
    desk.tell(Msg::LoggedOut { reason: SafeText::line("Logged out.") });
    assert!(matches!(desk.model.screen, Screen::Door(_)));
    desk.keys("n");
    let picture = desk.picture();
    assert!(!picture.contains("report") && picture.contains("alice"), "{picture}");
}
