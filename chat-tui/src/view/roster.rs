//! The list of chats.

use ratatui::layout::Rect;

use super::canvas::{Canvas, cells, from, lines, until};
use crate::model::{Focus, Hit, Model, Name, Open, Row};
use crate::text::elide;
use crate::theme::Role;

/// Draws the list.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let roster = &model.roster;
    let height = usize::from(area.height);
    if roster.lines() == 0 {
        canvas.text(from(area, 1), 1, "No chats yet.", Role::Dim);
        return;
    }
    // The cursor's line is on the screen, near the middle when the list is longer than it.
    let most = roster.lines().saturating_sub(height);
    let first = roster.cursor.saturating_sub(height / 2).min(most);
    for (row, line) in (0..area.height).zip(first..roster.lines()) {
        let place = lines(area, row, 1);
        canvas.hit(place, Hit::ListLine(line));
        let at_cursor = model.focus == Focus::List && roster.cursor == line;
        match roster.at_line(line) {
            Some(chat) => draw_chat(canvas, model, place, chat),
            None => draw_strangers(canvas, model, place),
        }
        let open = match &model.open {
            Open::Chat(name) => roster.line_of(name) == Some(line),
            Open::Request(_) => line < roster.lines_before_chats(),
            Open::Nothing => false,
        };
        if open || at_cursor {
            canvas.fill(place, Role::Selected);
        }
        if at_cursor {
            canvas.text(place, 0, "▌", Role::Marked);
            canvas.fill(place, Role::Selected);
        }
    }
}

fn draw_strangers(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let strangers = &model.roster.strangers;
    let text = match strangers.as_slice() {
        [one] => format!("? {} asks", one.name),
        many => format!("? {} requests", many.len()),
    };
    canvas.text(from(area, 1), 0, &text, Role::New);
}

fn draw_chat(canvas: &mut Canvas<'_>, model: &Model, area: Rect, row: &Row) {
    let (sign, role) = row.sign();
    canvas.text(from(area, 1), 0, sign, role);
    let mut inner = until(from(area, 3), 1);
    let habit = model.roster.habits.of(&row.name);
    let muted = habit.is_some_and(|h| h.muted(model.now.ms)) && row.mentions == 0;
    if row.unread == 0 && habit.is_some_and(|h| h.unread) {
        canvas.right(inner, 0, " • ", Role::Badge);
        inner = until(inner, 4);
    }
    if row.unread > 0 && !looked_at(model, &row.name) {
        let count = if row.unread > 999 { "999+".to_owned() } else { row.unread.to_string() };
        let badge = if row.mentions > 0 { format!(" @{count} ") } else { format!(" {count} ") };
        canvas.right(inner, 0, &badge, if row.blocked || muted { Role::Dim } else { Role::Badge });
        inner = until(inner, cells(&badge) + 1);
    }
    let name_role = if row.unread > 0 && !muted { Role::Strong } else { Role::Text };
    let name = if model.is_me(&row.name) { "notes to self".to_owned() } else { row.name.to_string() };
    let name = if habit.is_some_and(|h| h.pinned) { format!("▴ {name}") } else { name };
    let used = canvas.text(inner, 0, &name, if row.blocked { Role::Dim } else { name_role });
    let rest = from(inner, used + 1);
    let typing = model.chats.get(&row.name).is_some_and(|c| c.typing.is_some());
    let (text, role) = match (typing, &row.draft, &row.last) {
        _ if row.changed => ("! identity changed".to_owned(), Role::Warning),
        _ if row.blocked => ("blocked".to_owned(), Role::Dim),
        _ if habit.is_some_and(|h| h.muted(model.now.ms)) && row.unread == 0 => ("muted".to_owned(), Role::Dim),
        (true, ..) => ("types …".to_owned(), Role::Accent),
        (_, Some(draft), _) if !open_here(model, &row.name) => (format!("draft: {draft}"), Role::Warning),
        (_, _, Some(last)) if last.own => (format!("you: {}", last.text), Role::Dim),
        (_, _, Some(last)) => (last.text.as_str().to_owned(), Role::Dim),
        _ => (String::new(), Role::Dim),
    };
    // A preview of three letters tells nothing.
    if rest.width >= 6 {
        canvas.text(rest, 0, &elide(&text, usize::from(rest.width)), role);
    }
}

fn open_here(model: &Model, name: &Name) -> bool {
    model.open_name() == Some(name)
}

/// A badge on what is being read would only flicker.
fn looked_at(model: &Model, name: &Name) -> bool {
    model.focused
        && open_here(model, name)
        && model.open_chat().is_some_and(|c| c.timeline.anchor.is_none() && c.timeline.at_end)
}
