//! The list of chats, and going from chat to chat.

use super::chats::{self, toast};
use crate::keymap::{Action, Code, Key};
use crate::model::{Effects, Focus, Model, Name, Open, Row};

/// Does an action on the list; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::Up => step(model, -1),
        Action::Down => step(model, 1),
        Action::Open => open_line(model, out, model.roster.cursor),
        Action::ToList => to_list(model),
        Action::ToggleList => toggle(model),
        Action::NextChat => walk(model, out, 1, false),
        Action::PreviousChat => walk(model, out, -1, false),
        Action::NextUnread => walk(model, out, 1, true),
        Action::PreviousUnread => walk(model, out, -1, true),
        Action::Requests => requests(model, out),
        _ => return false,
    }
    true
}

/// Moves the cursor by lines, down is positive.
pub(super) fn step(model: &mut Model, lines: isize) {
    let last = model.roster.lines().saturating_sub(1);
    model.roster.cursor = model.roster.cursor.saturating_add_signed(lines).min(last);
}

/// Opens what stands on a line.
pub(super) fn open_line(model: &mut Model, out: &mut Effects, line: usize) {
    match model.roster.at_line(line).map(|r| r.name.clone()) {
        Some(name) => chats::open(model, out, &name),
        None => requests(model, out),
    }
}

/// The chat that a number key names.
pub(super) fn number(model: &mut Model, out: &mut Effects, key: Key) {
    let Code::Char(digit) = key.code else { return };
    let nth = digit.to_digit(10).and_then(|d| d.checked_sub(1)).and_then(|d| usize::try_from(d).ok());
    let name = nth.and_then(|n| model.roster.listed().get(n)).map(|r| r.name.clone());
    if let Some(name) = name {
        chats::open(model, out, &name);
    }
}

/// Shows the list and gives it the keys.
pub(super) fn to_list(model: &mut Model) {
    model.focus = Focus::List;
    model.list_shown = true;
}

fn toggle(model: &mut Model) {
    if model.narrow() && !model.list_shown {
        return to_list(model);
    }
    model.list_shown = !model.list_shown;
    if !model.list_shown && model.focus == Focus::List {
        model.focus = Focus::Composer;
    }
}

/// The next chat, or the next with unread messages, around the ends.
fn walk(model: &mut Model, out: &mut Effects, steps: isize, unread_only: bool) {
    let (rows, habits) = (model.roster.listed(), &model.roster.habits);
    let now_ms = model.now.ms;
    let count = isize::try_from(rows.len()).unwrap_or(0);
    let from = model.open_name().and_then(|open| rows.iter().position(|r| r.name == *open));
    let from = from.map_or(if steps > 0 { -1 } else { 0 }, |i| isize::try_from(i).unwrap_or(0));
    let wanted =
        |r: &Row| (r.unread > 0 && !habits.muted(&r.name, now_ms)) || habits.of(&r.name).is_some_and(|h| h.unread);
    let found = (1..=count).find_map(|n| {
        let at = usize::try_from((from + steps * n).rem_euclid(count)).ok()?;
        rows.get(at).filter(|r| !unread_only || (wanted(r) && !r.blocked)).map(|r| r.name.clone())
    });
    match found {
        Some(name) => chats::open(model, out, &name),
        None if unread_only => toast(model, out, "Everything is read."),
        None => {}
    }
}

/// Opens the request after the open one, or the first.
fn requests(model: &mut Model, out: &mut Effects) {
    let names: Vec<&Name> = model.roster.strangers.iter().map(|s| &s.name).collect();
    let open = match &model.open {
        Open::Request(name) => names.iter().position(|n| *n == name),
        _ => None,
    };
    let next = open.map_or(0, |i| (i + 1) % names.len().max(1));
    match names.get(next).map(|n| (*n).clone()) {
        Some(name) => {
            chats::leave(model, out);
            model.open = Open::Request(name);
            model.focus = Focus::Composer;
            model.roster.cursor = 0;
            chats::hide_list_if_narrow(model);
        }
        None => toast(model, out, "No requests."),
    }
}
