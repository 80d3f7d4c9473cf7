//! Pictures of the screens of accounts, rooms and files, and what their keys do.

use super::*;
use crate::model::{
    AccountAsk, AccountNews, AskKind, Change, DeviceRow, FileAsk, FileCard, FileNews, FormDone, Member, Overlay, Own,
    Problem, Progress, Qr, Reaction, Role, RoomAsk, RoomNews, RoomPage, RoomRow, SafetyNumber, Screen, SheetKind,
    Transfer,
};

const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (120, 36)];
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

fn ago(days: u64) -> When {
    When::local(NOW_MS - days * DAY_MS, 0)
}

fn with_bob(columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::new(columns, rows);
    desk.past("bob", false, "shall we compare?", 4);
    desk = desk.with_alice();
    desk.keys("/dm bob<enter>");
    desk.asked.clear();
    desk
}

fn qr() -> Qr {
    let side = 29;
    let dark = (0..side * side).map(|i| (i * 7 + i / side * 3) % 5 < 2).collect();
    Qr { side, dark }
}

fn number(verified: bool) -> SafetyNumber {
    let digits = (0..12).map(|n| format!("{:05}", 37291 + n * 4127)).collect();
    SafetyNumber { digits, qr: Some(qr()), verified }
}

fn device(id: u32, name: &str, seen: Option<u64>) -> DeviceRow {
    DeviceRow {
        id,
        name: SafeText::line(name),
        created: Some(ago(40)),
        last_seen: seen.map(ago),
        current: id == 1,
        waits: None,
    }
}

fn devices() -> Vec<DeviceRow> {
    vec![device(1, "laptop", Some(0)), device(2, "phone", Some(1)), device(3, "old-server bot", Some(91))]
}

#[test]
fn the_safety_number_stands_beside_its_code_where_there_is_room() {
    for (columns, rows) in SIZES {
        let mut desk = with_bob(columns, rows);
        desk.keys("<f3>");
        desk.tell(Msg::Account(AccountNews::Number { name: Name::new("bob"), number: Ok(number(false)) }));
        insta::assert_snapshot!(format!("verify_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn numbers_that_match_verify_and_the_title_says_so() {
    let mut desk = with_bob(80, 24);
    desk.keys("<f3>m");
    assert!(
        desk.asked.iter().all(|r| !matches!(r, Request::Account(AccountAsk::Confirm { .. }))),
        "nothing to match yet"
    );
    desk.tell(Msg::Account(AccountNews::Number { name: Name::new("bob"), number: Ok(number(false)) }));
    desk.keys("m");
    let asked = Request::Account(AccountAsk::Confirm { name: Name::new("bob"), theirs: number(false).digits });
    assert!(desk.asked.contains(&asked));
    desk.tell(Msg::Account(AccountNews::Verified { name: Name::new("bob"), result: Ok(true) }));
    assert!(desk.picture().contains("✓ verified: the numbers match"), "{}", desk.picture());
    desk.keys("<esc>");
    assert!(desk.picture().contains("bob ✓ verified"), "{}", desk.picture());
}

#[test]
fn numbers_that_differ_are_never_taken_for_verified() {
    let mut desk = with_bob(80, 24);
    desk.keys("<f3>");
    desk.tell(Msg::Account(AccountNews::Number { name: Name::new("bob"), number: Ok(number(false)) }));
    desk.keys("s123 456<enter>");
    let asked = Request::Account(AccountAsk::Confirm { name: Name::new("bob"), theirs: "123 456".into() });
    assert!(desk.asked.contains(&asked));
    desk.tell(Msg::Account(AccountNews::Verified { name: Name::new("bob"), result: Err(Problem::Integrity) }));
    assert!(desk.picture().contains("The numbers differ"), "{}", desk.picture());
    assert!(!desk.model.roster.row(&Name::new("bob")).unwrap().verified);
}

#[test]
fn a_changed_identity_is_loud_and_stops_what_was_verified_until_the_person_decides() {
    for (columns, rows) in SIZES {
        let mut desk = with_bob(columns, rows);
        desk.model.roster.row_mut(&Name::new("bob")).verified = true;
        desk.tell(Msg::IdentityChanged { name: Name::new("bob"), change: Change::Key });
        desk.pass(6_000);
        insta::assert_snapshot!(format!("changed_{columns}x{rows}"), desk.picture());
        desk.keys("secret<enter>");
        assert!(!desk.asked.iter().any(|r| matches!(r, Request::Send { .. })), "nothing is sent");
        assert!(desk.model.overlays.last().is_some(), "the keys mean the decision: {:?}", desk.model.overlays);
    }
}

#[test]
fn going_on_with_a_changed_identity_asks_first_and_is_never_verified() {
    let mut desk = with_bob(80, 24);
    desk.model.roster.row_mut(&Name::new("bob")).verified = true;
    desk.tell(Msg::IdentityChanged { name: Name::new("bob"), change: Change::Key });
    desk.keys("an");
    assert!(!desk.asked.iter().any(|r| matches!(r, Request::Account(AccountAsk::AcceptIdentity(_)))));
    desk.keys("ay");
    assert!(desk.asked.contains(&Request::Account(AccountAsk::AcceptIdentity(Name::new("bob")))));
    assert!(!desk.model.roster.row(&Name::new("bob")).unwrap().verified);
    desk.keys("hello<enter>");
    assert!(desk.asked.iter().any(|r| matches!(r, Request::Send { .. })));
}

#[test]
fn a_new_device_of_somebody_is_told_and_stops_nothing() {
    let mut desk = with_bob(80, 24);
    desk.model.roster.row_mut(&Name::new("bob")).verified = true;
    desk.tell(Msg::IdentityChanged { name: Name::new("bob"), change: Change::Device });
    assert!(desk.picture().contains("bob added a device"), "{}", desk.picture());
    desk.keys("hello<enter>");
    assert!(desk.asked.iter().any(|r| matches!(r, Request::Send { .. })));
}

#[test]
fn devices_are_listed_named_and_removed_after_a_question() {
    for (columns, rows) in SIZES {
        let mut desk = with_bob(columns, rows);
        desk.keys("/devices<enter>");
        desk.tell(Msg::Account(AccountNews::Devices(Ok(devices()))));
        desk.pass(6_000);
        desk.keys("<down>");
        insta::assert_snapshot!(format!("devices_{columns}x{rows}"), desk.picture());
        desk.keys("x");
        assert!(!desk.asked.iter().any(|r| matches!(r, Request::Account(AccountAsk::RemoveDevice(_)))));
        desk.keys("y");
        assert!(desk.asked.contains(&Request::Account(AccountAsk::RemoveDevice(2))));
        desk.keys("n<ctrl-u>pocket<enter>");
        let renamed = AccountAsk::RenameDevice { id: 2, name: "pocket".into() };
        assert!(desk.asked.contains(&Request::Account(renamed)));
        desk.tell(Msg::Form(Box::new(Ok(FormDone::default()))));
        desk.keys("<up>x");
        assert!(
            matches!(desk.model.overlays.last(), Some(Overlay::Ask(ask)) if ask.kind == AskKind::Forget),
            "removing this device is leaving for good"
        );
    }
}

#[test]
fn a_device_that_waits_is_asked_about_with_its_code_and_the_answer_is_sent_or_no_longer_due() {
    let waits = |id| Msg::Account(AccountNews::DeviceWaits { id, code: SafeText::line("K7QF-2M9D") });
    let answer = |device, allow| Request::Account(AccountAsk::AnswerEntry { device, allow });
    let mut desk = with_bob(80, 24);
    desk.tell(waits(7));
    insta::assert_snapshot!("let_in_80x24", desk.picture());
    desk.keys("n");
    assert!(desk.asked.contains(&answer(7, false)));
    desk.tell(waits(8));
    desk.tell(waits(8));
    desk.keys("y");
    assert!(desk.asked.contains(&answer(8, true)));
    desk.tell(waits(9));
    desk.tell(Msg::Account(AccountNews::EntrySettled(9)));
    assert!(desk.model.overlays.is_empty(), "another device has decided");
    // On the page of the devices it stands first, and nothing can be done with it but to decide.
    desk.keys("/devices<enter>");
    let waiting = DeviceRow { waits: Some(SafeText::line("K7QF-2M9D")), ..device(9, "new device", Some(0)) };
    desk.tell(Msg::Account(AccountNews::Devices(Ok([vec![waiting], devices()].concat()))));
    desk.tell(Msg::Account(AccountNews::Own(Own { approval: true, untold: true })));
    desk.pass(6_000);
    insta::assert_snapshot!("devices_waiting_80x24", desk.picture());
    desk.keys("<enter>y");
    assert!(desk.asked.contains(&answer(9, true)));
}

#[test]
fn a_device_that_waits_shows_its_code_and_the_other_way_in() {
    let mut desk = Desk::new(80, 24);
    desk.tell(Msg::Started(Box::default()));
    desk.keys("yalice<enter>Correct7Horse");
    let Screen::Door(door) = &mut desk.model.screen else { panic!() };
    (door.busy, door.mode) = (true, crate::model::Mode::SignIn);
    desk.tell(Msg::Account(AccountNews::Awaits(SafeText::line("K7QF-2M9D"))));
    for words in ["This device shows  K7QF-2M9D", "Say yes on another device of yours", "No other device at hand?"] {
        assert!(desk.picture().contains(words), "{}", desk.picture());
    }
    desk.keys("<f3>");
    let Screen::Door(door) = &desk.model.screen else { panic!() };
    assert!(!door.busy && door.mode == crate::model::Mode::Recover);
    desk.tell(Msg::SignedIn(Box::new(Err(Problem::Cancelled))));
    let Screen::Door(door) = &desk.model.screen else { panic!() };
    assert_eq!(door.problem, None, "that its own wish was given up is no news");
}

#[test]
fn settings_lead_to_everything_about_oneself() {
    for (columns, rows) in SIZES {
        let mut desk = with_bob(columns, rows);
        desk.keys("<f5>");
        insta::assert_snapshot!(format!("settings_{columns}x{rows}"), desk.picture());
    }
}

#[test]
fn a_new_password_is_typed_twice_and_brings_a_new_code() {
    let mut desk = with_bob(80, 24);
    desk.keys("/password<enter>Old1Password<enter>New1Password<enter>Nww1Password<enter>");
    assert!(!desk.asked.iter().any(|r| matches!(r, Request::Account(_))));
    insta::assert_snapshot!("password_80x24", desk.picture());
    desk.keys("<ctrl-u>New1Password<enter>");
    assert!(desk.asked.iter().any(|r| matches!(r, Request::Account(AccountAsk::ChangePassword { .. }))));
    desk.tell(Msg::Form(Box::new(Err(Problem::BadCredentials))));
    assert!(desk.picture().contains("password is wrong"), "{}", desk.picture());
    desk.keys("Old2Password<enter>New1Password<enter>New1Password<enter>");
    let mut code = Secret::default();
    code.paste("ABCDE-FGHJK-LMNPQ-RSTUV-WXYZ2-34567-89ABC-DEFGH");
    desk.tell(Msg::Form(Box::new(Ok(FormDone { says: SafeText::line("Changed."), code: Some(code) }))));
    assert!(matches!(desk.model.screen, Screen::Code(_)));
}

#[test]
fn a_forgotten_password_is_set_anew_with_the_code() {
    for (columns, rows) in SIZES {
        let mut desk = Desk::new(columns, rows);
        desk.tell(Msg::Started(Box::default()));
        desk.keys("y<f3>alice<enter>ABCDE-FGHJK<enter>Correct7Ho");
        insta::assert_snapshot!(format!("recover_{columns}x{rows}"), desk.picture());
        desk.keys("rseBattery<enter>");
        assert!(desk.asked.iter().any(|r| matches!(r, Request::Recover(_))));
    }
}

#[test]
fn who_was_signed_out_learns_why() {
    let mut desk = with_bob(80, 24);
    desk.tell(Msg::LoggedOut { reason: SafeText::line("This device was removed from the account.") });
    desk.keys("y");
    desk.pass(6_000);
    insta::assert_snapshot!("logged_out_80x24", desk.picture());
}

fn rooms() -> Vec<RoomRow> {
    let room = |name: &str, public, members, topic: Option<&str>, joined| RoomRow {
        name: Name::new(name),
        public,
        members,
        topic: topic.map(SafeText::line),
        joined,
    };
    vec![
        room("#lobby", true, 41, Some("everybody who is here"), true),
        room("#ops", false, 3, Some("releases"), true),
        room("#random", true, 12, None, false),
    ]
}

fn ops(mine: Role) -> RoomPage {
    let member = |name: &str, role, online| Member { name: Name::new(name), role, online };
    RoomPage {
        name: Name::new("#ops"),
        public: false,
        topic: Some(SafeText::line("releases")),
        owner: Some(Name::new("bob")),
        created: Some(ago(9)),
        epoch: 41,
        members: vec![
            member("bob", Role::Owner, true),
            member("alice", mine, true),
            member("carol", Role::Member, false),
        ],
    }
}

fn in_ops(columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::new(columns, rows);
    let id = desk.past("#ops", false, "@alice the build is green, shall I tag it?", 6);
    let room = desk.history.get_mut(&Name::new("#ops")).unwrap();
    let entry = room.iter_mut().find(|e| e.id == Some(id)).unwrap();
    entry.author = Name::new("bob");
    entry.reactions = vec![Reaction { sign: SafeText::line("👍"), by: vec![Name::new("alice"), Name::new("carol")] }];
    let id = desk.past("#ops", false, "", 5);
    let room = desk.history.get_mut(&Name::new("#ops")).unwrap();
    let entry = room.iter_mut().find(|e| e.id == Some(id)).unwrap();
    entry.author = Name::new("carol");
    let (name, kind) = (SafeText::line("release-notes.pdf"), SafeText::line("pdf"));
    entry.file = Some(FileCard { name, size: 7_012_000, kind });
    desk.past("bob", false, "hi", 30);
    desk = desk.with_alice();
    desk.keys("<ctrl-k>#ops<enter>");
    desk
}

#[test]
fn a_room_shows_who_writes_what_happens_files_and_reactions() {
    for (columns, rows) in SIZES {
        let mut desk = in_ops(columns, rows);
        desk.model.roster.row_mut(&Name::new("#ops")).topic = Some(SafeText::line("releases"));
        let told = |text: &str| (SafeText::line(text), When::local(NOW_MS, 0));
        let (text, when) = told("dave joined, let in by bob");
        let (room, who) = (Name::new("#ops"), Some(Name::new("dave")));
        desk.tell(Msg::Room(RoomNews::Event { room, who, by: None, invited: false, text, when }));
        let id = desk.history[&Name::new("#ops")].last().and_then(|e| e.id).unwrap();
        desk.tell(Msg::File(FileNews::Progress { id, outgoing: false, done: 1_000_000, total: 7_012_000 }));
        desk.pass(1_000);
        desk.tell(Msg::File(FileNews::Progress { id, outgoing: false, done: 5_000_000, total: 7_012_000 }));
        desk.keys("tag it");
        insta::assert_snapshot!(format!("room_{columns}x{rows}"), desk.picture());
        desk.keys("<ctrl-c><f4>");
        insta::assert_snapshot!(format!("files_{columns}x{rows}"), desk.picture());
        desk.keys("p");
        assert!(desk.asked.contains(&Request::File(FileAsk::Pause(id))));
        desk.keys("r");
        assert!(desk.asked.contains(&Request::File(FileAsk::Resume(id))));
    }
}

#[test]
fn rooms_are_found_joined_and_made() {
    for (columns, rows) in SIZES {
        let mut desk = with_bob(columns, rows);
        desk.keys("<f8>");
        desk.tell(Msg::Room(RoomNews::List(Ok(rooms()))));
        desk.keys("<down><down>");
        insta::assert_snapshot!(format!("rooms_{columns}x{rows}"), desk.picture());
        desk.keys("<enter>");
        assert!(desk.asked.contains(&Request::Room(RoomAsk::Join(Name::new("#random")))));
        desk.keys("c");
        insta::assert_snapshot!(format!("create_{columns}x{rows}"), desk.picture());
        desk.keys("#night<enter> <enter>after hours<enter>");
        let (name, topic) = (Name::new("#night"), Some("after hours".to_owned()));
        assert!(desk.asked.contains(&Request::Room(RoomAsk::Create { name: name.clone(), public: false, topic })));
        desk.tell(Msg::Form(Box::new(Ok(FormDone::default()))));
        desk.tell(Msg::Room(RoomNews::Entered(name.clone())));
        assert_eq!(desk.model.open_name(), Some(&name));
    }
}

#[test]
fn only_admins_change_a_room_and_what_hurts_asks_first() {
    for (columns, rows) in SIZES {
        let mut desk = in_ops(columns, rows);
        desk.keys("<f2>");
        let page = |mine| Msg::Room(RoomNews::Page { name: Name::new("#ops"), page: Ok(Box::new(ops(mine))) });
        desk.tell(page(Role::Member));
        insta::assert_snapshot!(format!("room_info_{columns}x{rows}"), desk.picture());
        desk.keys("<down><down>xy");
        assert!(!desk.asked.iter().any(|r| matches!(r, Request::Room(RoomAsk::Kick { .. }))));
        desk.tell(page(Role::Admin));
        desk.keys("xn");
        assert!(!desk.asked.iter().any(|r| matches!(r, Request::Room(RoomAsk::Kick { .. }))));
        desk.keys("xy");
        let (room, who) = (Name::new("#ops"), Name::new("carol"));
        assert!(desk.asked.contains(&Request::Room(RoomAsk::Kick { room: room.clone(), who: who.clone() })));
        desk.keys("p");
        assert!(desk.asked.contains(&Request::Room(RoomAsk::SetRole { room, who, role: Role::Admin })));
    }
}

#[test]
fn commands_of_a_room_need_an_open_one_and_leaving_asks() {
    let mut desk = with_bob(80, 24);
    desk.keys("/kick carol<enter>");
    assert!(desk.picture().contains("Open a room first"), "{}", desk.picture());
    let mut desk = in_ops(80, 24);
    desk.keys("/topic release day<enter>/invite dave<enter>/role carol admin<enter>/leave<enter>");
    let room = || Name::new("#ops");
    assert!(desk.asked.contains(&Request::Room(RoomAsk::SetTopic { room: room(), topic: "release day".into() })));
    assert!(desk.asked.contains(&Request::Room(RoomAsk::Invite { room: room(), who: Name::new("dave") })));
    let role = RoomAsk::SetRole { room: room(), who: Name::new("carol"), role: Role::Admin };
    assert!(desk.asked.contains(&Request::Room(role)));
    assert!(!desk.asked.contains(&Request::Room(RoomAsk::Leave(room()))));
    desk.keys("y");
    assert!(desk.asked.contains(&Request::Room(RoomAsk::Leave(room()))));
    desk.tell(Msg::Room(RoomNews::Gone { room: room(), ended: false }));
    assert!(desk.model.open_name().is_none() && desk.model.roster.row(&room()).is_none());
}

#[test]
fn a_file_is_sent_by_a_form_whose_path_is_completed() {
    let mut desk = with_bob(80, 24);
    desk.keys("<ctrl-u>~/re<tab>");
    assert!(desk.asked.iter().any(|r| matches!(r, Request::File(FileAsk::Complete { typed, .. }) if typed == "~/re")));
    let choices = vec![SafeText::line("report.pdf"), SafeText::line("report.txt")];
    desk.tell(Msg::File(FileNews::Paths { number: 0, common: "~/report.".into(), choices }));
    desk.keys("pdf");
    insta::assert_snapshot!("send_file_80x24", desk.picture());
    desk.keys("<enter>as promised<enter>");
    let (to, caption) = (Name::new("bob"), Some("as promised".to_owned()));
    assert!(desk.asked.contains(&Request::File(FileAsk::Send { to, path: "~/report.pdf".into(), caption })));
}

#[test]
fn a_saved_file_says_where_and_one_that_failed_says_why() {
    let mut desk = in_ops(80, 24);
    desk.keys("<esc>s");
    let id = desk.history[&Name::new("#ops")].last().and_then(|e| e.id).unwrap();
    assert!(desk.asked.contains(&Request::File(FileAsk::Save { id, path: None, open: false })));
    desk.tell(Msg::File(FileNews::Saved { id, path: SafeText::line("/home/alice/Downloads/release-notes.pdf") }));
    assert!(desk.picture().contains("saved"), "{}", desk.picture());
    assert_eq!(desk.model.transfers[0].progress, Progress::Done);
    let what = SafeText::line("Not saved");
    desk.tell(Msg::File(FileNews::Failed { id: Some(id), what, problem: Problem::Integrity }));
    assert!(desk.picture().contains("Not saved: "), "{}", desk.picture());
}

#[test]
fn the_list_of_transfers_keeps_what_is_known_of_their_speed() {
    let mut desk = in_ops(80, 24);
    let id = desk.history[&Name::new("#ops")].last().and_then(|e| e.id).unwrap();
    desk.tell(Msg::File(FileNews::Progress { id, outgoing: false, done: 1_000_000, total: 7_012_000 }));
    desk.pass(1_000);
    desk.tell(Msg::File(FileNews::Progress { id, outgoing: false, done: 3_000_000, total: 7_012_000 }));
    let fresh = Transfer { rate: None, chat: None, told_ms: 0, ..desk.model.transfers[0].clone() };
    desk.tell(Msg::File(FileNews::List(vec![fresh])));
    assert!(desk.model.transfers[0].rate.is_some() && desk.model.transfers[0].chat.is_some());
    assert!(!matches!(desk.model.overlays.last(), Some(Overlay::Sheet(s)) if s.kind != SheetKind::Transfers));
}
