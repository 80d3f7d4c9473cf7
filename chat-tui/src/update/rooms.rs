//! Rooms: looking for them, going in and out, and what their admins do.

use super::chats::{self, ask, complain, toast};
use super::forms::{self, is_name};
use crate::keymap::Action;
use crate::model::{
    Ask, AskKind, Effects, FormKind, Member, Model, Mood, Name, Overlay, Problem, Request, Role, RoomAsk, RoomNews,
    RoomPage, Sheet, SheetKind,
};
use crate::text::SafeText;

/// Does an action on rooms or the open one; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::Rooms => browse(model, out),
        Action::CreateRoom => forms::open(model, FormKind::CreateRoom),
        Action::Join => complain(model, out, "Which room? /join #ROOM"),
        Action::RoomInfo | Action::Leave | Action::DeleteRoom | Action::Invite | Action::Topic => {
            match open_room(model) {
                Some(room) => on_room(model, out, action, room),
                None => complain(model, out, "Open a room first; F8 shows them."),
            }
        }
        Action::Kick => complain(model, out, "Whom? /kick NAME"),
        Action::SetRole => complain(model, out, "Whose, and which? /role NAME owner, admin or member"),
        _ => return false,
    }
    true
}

/// Does what a command says about a room or a person in the open one.
pub(super) fn command(model: &mut Model, out: &mut Effects, action: Action, rest: &str) {
    let mut words = rest.split_whitespace();
    let first = words.next().unwrap_or_default();
    let bare = first.trim_start_matches(['#', '@']);
    if action != Action::Topic && !is_name(bare) {
        return complain(model, out, &Problem::BadName.sentence());
    }
    match (action, open_room(model)) {
        (Action::Join, _) => join(model, out, Name::new(&format!("#{bare}"))),
        (Action::CreateRoom, _) => forms::open_with(model, FormKind::CreateRoom, bare),
        (_, None) => complain(model, out, "Open a room first; F8 shows them."),
        (Action::Invite, Some(room)) => ask(out, Request::Room(RoomAsk::Invite { room, who: Name::new(bare) })),
        (Action::Kick, Some(room)) => ask_kick(model, room, Name::new(bare)),
        (Action::Topic, Some(room)) => ask(out, Request::Room(RoomAsk::SetTopic { room, topic: rest.to_owned() })),
        (Action::SetRole, Some(room)) => match words.next().and_then(role) {
            Some(role) => ask(out, Request::Room(RoomAsk::SetRole { room, who: Name::new(bare), role })),
            None => complain(model, out, "A role is owner, admin or member."),
        },
        _ => {}
    }
}

fn role(word: &str) -> Option<Role> {
    [Role::Member, Role::Admin, Role::Owner].into_iter().find(|r| r.word() == word)
}

fn open_room(model: &Model) -> Option<Name> {
    model.open_name().filter(|n| n.is_room()).cloned()
}

fn browse(model: &mut Model, out: &mut Effects) {
    model.overlays.push(Overlay::Sheet(Sheet::awaited(SheetKind::Rooms(Vec::new()))));
    ask(out, Request::Room(RoomAsk::List));
}

fn join(model: &mut Model, out: &mut Effects, room: Name) {
    if model.roster.row(&room).is_some_and(|r| r.known) {
        model.overlays.clear();
        return chats::open(model, out, &room);
    }
    toast(model, out, &format!("Joining {room} …"));
    ask(out, Request::Room(RoomAsk::Join(room)));
}

fn on_room(model: &mut Model, out: &mut Effects, action: Action, room: Name) {
    match action {
        Action::RoomInfo => info(model, out, room),
        Action::Invite => forms::open(model, FormKind::Invite(room)),
        Action::Topic => {
            let topic = model.roster.row(&room).and_then(|r| r.topic.clone()).unwrap_or_default();
            forms::open_with(model, FormKind::Topic(room), topic.as_str());
        }
        Action::Leave => model.overlays.push(Overlay::Ask(Ask {
            question: SafeText::line(&format!("Leave {room}?")),
            kind: AskKind::LeaveRoom(room),
            detail: "Nothing of it arrives any more. What you have read stays on this device.",
        })),
        Action::DeleteRoom => model.overlays.push(Overlay::Ask(Ask {
            question: SafeText::line(&format!("End {room} for everybody?")),
            kind: AskKind::DeleteRoom(room),
            detail: "Nobody can write into it any more, and it can't be brought back. Only its owner can do this.",
        })),
        _ => {}
    }
}

fn info(model: &mut Model, out: &mut Effects, room: Name) {
    let page = RoomPage {
        name: room.clone(),
        public: false,
        topic: None,
        owner: None,
        created: None,
        epoch: 0,
        members: Vec::new(),
    };
    model.overlays.push(Overlay::Sheet(Sheet::awaited(SheetKind::Room(Box::new(page)))));
    ask(out, Request::Room(RoomAsk::Info(room)));
}

fn ask_kick(model: &mut Model, room: Name, who: Name) {
    model.overlays.push(Overlay::Ask(Ask {
        question: SafeText::line(&format!("Put {who} out of {room}?")),
        kind: AskKind::Kick(room, who),
        detail: "They can read nothing that is written from now on. Into a public room they may come back.",
    }));
}

/// Does an action on the list of rooms.
pub(super) fn act_on_list(model: &mut Model, out: &mut Effects, action: Action) {
    let Some(Overlay::Sheet(Sheet { kind: SheetKind::Rooms(rows), cursor, .. })) = model.overlays.last() else {
        return;
    };
    let marked = rows.get(*cursor).cloned();
    match (action, marked) {
        (Action::CreateRoom, _) => forms::open(model, FormKind::CreateRoom),
        (Action::RoomInfo, Some(row)) => info(model, out, row.name),
        (Action::Open, Some(row)) if row.joined => {
            model.overlays.clear();
            chats::open(model, out, &row.name);
        }
        (Action::Open, Some(row)) => join(model, out, row.name),
        _ => {}
    }
}

/// The marked member of the room on top.
pub(super) fn marked_member(model: &Model) -> Option<Member> {
    match model.overlays.last() {
        Some(Overlay::Sheet(Sheet { kind: SheetKind::Room(page), cursor, .. })) => page.members.get(*cursor).cloned(),
        _ => None,
    }
}

/// Does an action on the room on top.
pub(super) fn act_on_page(model: &mut Model, out: &mut Effects, action: Action) {
    let Some(Overlay::Sheet(Sheet { kind: SheetKind::Room(page), .. })) = model.overlays.last() else { return };
    let room = page.name.clone();
    let mine = model.me.as_ref().and_then(|me| page.role_of(&me.name));
    let member = marked_member(model);
    let admin = mine >= Some(Role::Admin);
    match (action, member) {
        (Action::Kick | Action::SetRole | Action::Topic | Action::Invite, _) if !admin => {
            complain(model, out, "Only admins and the owner may do this.");
        }
        (Action::Kick, Some(member)) => ask_kick(model, room, member.name),
        (Action::SetRole, Some(member)) => {
            let role = member.role.next();
            ask(out, Request::Room(RoomAsk::SetRole { room, who: member.name, role }));
        }
        (Action::Kick | Action::SetRole, None) => {}
        _ => on_room(model, out, action, room),
    }
}

/// A yes to a question about a room.
pub(super) fn confirmed(model: &mut Model, out: &mut Effects, kind: AskKind) {
    let request = match kind {
        AskKind::LeaveRoom(room) => RoomAsk::Leave(room),
        AskKind::DeleteRoom(room) => RoomAsk::Delete(room),
        AskKind::Kick(room, who) => RoomAsk::Kick { room, who },
        _ => return,
    };
    if let Some(Overlay::Sheet(sheet)) = model.overlays.last_mut() {
        sheet.waiting = true;
    }
    ask(out, Request::Room(request));
}

/// What the client says.
pub(super) fn news(model: &mut Model, out: &mut Effects, news: RoomNews) {
    match news {
        RoomNews::List(rows) => {
            let Some(sheet) = sheet_of(model, |kind| matches!(kind, SheetKind::Rooms(_))) else { return };
            sheet.waiting = false;
            match rows {
                Ok(rows) => {
                    sheet.cursor = sheet.cursor.min(rows.len().saturating_sub(1));
                    sheet.kind = SheetKind::Rooms(rows);
                }
                Err(problem) => sheet.problem = Some(problem),
            }
        }
        RoomNews::Page { name, page } => page_came(model, &name, page),
        RoomNews::Entered(room) => {
            model.overlays.clear();
            model.roster.row_mut(&room).known = true;
            chats::open(model, out, &room);
            ask(out, Request::Start);
        }
        RoomNews::Gone { room, ended } => {
            model.overlays.clear();
            chats::gone(model, out, &room);
            let words = if ended { format!("{room} is ended for everybody.") } else { format!("You left {room}.") };
            toast(model, out, &words);
            ask(out, Request::Start);
        }
        RoomNews::Event { room, who, by, invited, text, when } => {
            let me = who.as_ref().is_some_and(|w| model.is_me(w));
            if invited && me {
                let host = by.map_or_else(|| "Somebody".to_owned(), |by| by.to_string());
                return toast(model, out, &format!("{host} invites you to {room}: /join {room}"));
            }
            chats::note(model, &room, (text, when), Mood::Plain);
            refresh_page(model, out, &room);
            // What happens to oneself changes which rooms are in the list.
            if me || who.is_none() {
                ask(out, Request::Start);
            }
        }
    }
}

/// The page of a room on the screen is asked for again when something happened in the room.
fn refresh_page(model: &mut Model, out: &mut Effects, room: &Name) {
    let shown = sheet_of(model, |kind| matches!(kind, SheetKind::Room(page) if page.name == *room)).is_some();
    if shown || model.open_name() == Some(room) {
        ask(out, Request::Room(RoomAsk::Info(room.clone())));
    }
}

fn sheet_of(model: &mut Model, wanted: impl Fn(&SheetKind) -> bool) -> Option<&mut Sheet> {
    model.overlays.iter_mut().rev().find_map(|o| match o {
        Overlay::Sheet(sheet) if wanted(&sheet.kind) => Some(sheet),
        _ => None,
    })
}

fn page_came(model: &mut Model, name: &Name, page: Result<Box<RoomPage>, Problem>) {
    if let Ok(page) = &page {
        model.roster.row_if_known(name, |row| row.topic.clone_from(&page.topic));
        if let Some(chat) = model.chats.get_mut(name) {
            chat.room = Some((**page).clone());
        }
    }
    let Some(sheet) = sheet_of(model, |kind| matches!(kind, SheetKind::Room(old) if old.name == *name)) else { return };
    sheet.waiting = false;
    match page {
        Ok(page) => {
            sheet.cursor = sheet.cursor.min(page.members.len().saturating_sub(1));
            sheet.kind = SheetKind::Room(page);
        }
        Err(problem) => sheet.problem = Some(problem),
    }
}
