//! Menus, questions, big pastes, the relay's certificate.

use ratatui::layout::Rect;

use super::canvas::{Canvas, cells, centered, from, lines, until};
use super::statusline;
use crate::keymap::Scope;
use crate::model::{Ask, Certificate, Facts, Hit, Item, Menu, MenuKind, Model, Paste, Shown};
use crate::text::{elide, pad, wrap};
use crate::theme::Role;

/// Columns and rows of a menu on a big screen.
const MENU: (u16, u16) = (72, 20);

/// Draws a menu.
pub(super) fn menu(canvas: &mut Canvas<'_>, model: &Model, menu: &Menu, shown: &mut Shown) {
    let screen = canvas.area();
    let title = match &menu.kind {
        MenuKind::Switcher => "Go to".to_owned(),
        MenuKind::Search { within: None } => "Find in all chats".to_owned(),
        MenuKind::Search { within: Some(name) } => format!("Find in {name}"),
        MenuKind::Presence => "What contacts see".to_owned(),
        MenuKind::Settings => "Settings".to_owned(),
        MenuKind::Removed => "When another device removes this one".to_owned(),
        MenuKind::React(_) => "What do you think of it?".to_owned(),
        MenuKind::Delete(_) => "Take this message back?".to_owned(),
        MenuKind::Forward(messages) if messages.len() > 1 => format!("Send {} messages on to", messages.len()),
        MenuKind::Forward(_) => "Send it on to".to_owned(),
        MenuKind::Pins => "Pinned here".to_owned(),
        MenuKind::Links(_) => "Open which address?".to_owned(),
    };
    // A few rows that are always the same need no search.
    let fixed = matches!(menu.kind, MenuKind::Presence | MenuKind::Settings | MenuKind::Delete(_) | MenuKind::Removed);
    let rows = if fixed { u16::try_from(menu.items.len()).unwrap_or(MENU.1) + 4 } else { MENU.1 };
    let place = centered(until_last_line(screen), MENU.0.min(screen.width.saturating_sub(2)), rows);
    let inner = canvas.frame(place, &title);
    let mut list = inner;
    if !fixed {
        search_line(canvas, inner, menu.query.text(), menu.query.cursor());
        list = lines(inner, 2, inner.height);
        canvas.rule(inner, 1);
    }
    let hint = lines(list, list.height.saturating_sub(1), 1);
    list = lines(list, 0, list.height.saturating_sub(1));
    statusline::hints(canvas, model, hint, Scope::Menu);
    shown.menu_lines = list.height;
    if menu.items.is_empty() {
        let note = match (&menu.note, menu.waiting) {
            (_, true) => "Looking …",
            (Some(note), _) => note.as_str(),
            (None, false) if menu.kind == MenuKind::Pins && menu.query.is_empty() => {
                "Nothing is pinned here. p on a message pins it."
            }
            (None, false) => "Nothing fits.",
        };
        canvas.text(list, 0, note, Role::Dim);
        return;
    }
    // What stands behind the labels of a fixed list stands in a column, where there is room.
    let widest = menu.items.iter().map(|i| cells(i.label.as_str())).max().unwrap_or(0);
    let column = if fixed && list.width >= 60 { widest } else { 0 };
    // Who wrote a message, and to whom, tells as much as its words do.
    let told = matches!(menu.kind, MenuKind::Search { .. } | MenuKind::Pins);
    let height = usize::from(list.height);
    let first = menu.cursor.saturating_sub(height / 2).min(menu.items.len().saturating_sub(height));
    for (row, (index, item)) in (0..list.height).zip(menu.items.iter().enumerate().skip(first)) {
        let at = lines(list, row, 1);
        canvas.hit(at, Hit::MenuRow(index));
        draw_item(canvas, at, item, (index == menu.cursor, column, told));
    }
}

/// Draws a row: whether it is marked, the column of what stands behind its label, and whether a long label
/// leaves room for that.
fn draw_item(canvas: &mut Canvas<'_>, area: Rect, item: &Item, how: (bool, u16, bool)) {
    let (marked, column, told) = how;
    if marked {
        canvas.text(area, 0, "▌", Role::Marked);
    }
    canvas.text(from(area, 2), 0, item.sign.0, item.sign.1);
    let inner = from(area, if item.sign.0.is_empty() { 2 } else { 4 });
    let right = canvas.right(inner, 0, &item.right, Role::Dim);
    let inner = until(inner, if right > 0 { right + 2 } else { 0 });
    let (plain, strong) = (canvas.theme.style(Role::Text), canvas.theme.style(Role::Marked));
    let kept = if told { cells(item.detail.as_str()).min(inner.width * 2 / 5) + 2 } else { 0 };
    let used = canvas.marked(until(inner, kept), 0, item.label.as_str(), (&item.matched, plain, strong));
    let rest = from(inner, used.max(column) + 2);
    if rest.width >= 6 || told {
        canvas.text(rest, 0, &elide(item.detail.as_str(), usize::from(rest.width)), Role::Dim);
    }
    if marked {
        canvas.fill(area, Role::Selected);
    }
}

/// A text, the cursor in it, and the line that shows how far the field goes. The end of a long text is
/// where one types.
pub(super) fn written_on_a_line(canvas: &mut Canvas<'_>, area: Rect, text: (&str, usize), active: bool) {
    let (text, cursor) = text;
    let room = usize::from(area.width.saturating_sub(1));
    let hidden = cursor.saturating_sub(room);
    let visible: String = text.chars().skip(hidden).collect();
    let used = canvas.text(area, 0, &visible, Role::Text);
    let rest = from(area, used + 1);
    let line = "─".repeat(usize::from(rest.width));
    canvas.text(rest, 0, &line, if active { Role::FieldActive } else { Role::Rule });
    if active {
        canvas.cursor_at(area, cursor - hidden, 0);
    }
}

/// A line that is typed into.
pub(super) fn search_line(canvas: &mut Canvas<'_>, area: Rect, text: &str, cursor: usize) {
    canvas.text(area, 0, "›", Role::FieldActive);
    let field = from(area, 2);
    let room = usize::from(field.width.saturating_sub(1));
    // The end of a long text is where one types.
    let hidden = cursor.saturating_sub(room);
    let shown: String = if hidden > 0 { text.chars().skip(hidden).collect() } else { text.to_owned() };
    canvas.text(field, 0, &shown, Role::Text);
    canvas.cursor_at(field, cursor.saturating_sub(hidden), 0);
}

fn until_last_line(area: Rect) -> Rect {
    lines(area, 0, area.height.saturating_sub(1))
}

/// A box as high as what it says.
fn boxed(canvas: &mut Canvas<'_>, title: &str, words: u16, extra: u16) -> (Rect, usize) {
    let screen = canvas.area();
    let width = 60.min(screen.width.saturating_sub(2));
    let place = centered(until_last_line(screen), width, words + extra + 2);
    let inner = canvas.frame(place, title);
    (inner, usize::from(inner.width))
}

/// Words over several lines; tells how many lines they took.
pub(super) fn paragraph(canvas: &mut Canvas<'_>, area: Rect, first: u16, text: &str, role: Role) -> u16 {
    let wrapped = wrap(text, usize::from(area.width), usize::from(area.height));
    let mut used = 0;
    for range in wrapped.lines {
        canvas.text(area, first + used, text.get(range).unwrap_or_default(), role);
        used += 1;
    }
    used
}

fn lines_of(canvas: &Canvas<'_>, text: &str) -> u16 {
    let width = 60.min(canvas.area().width.saturating_sub(2)).saturating_sub(4);
    u16::try_from(wrap(text, usize::from(width), 100).lines.len()).unwrap_or(100)
}

/// What is known of something.
pub(super) fn facts(canvas: &mut Canvas<'_>, model: &Model, facts: &Facts, shown: &mut Shown) {
    let screen = canvas.area();
    let width = MENU.0.min(screen.width.saturating_sub(2));
    let label = facts.rows.iter().map(|(label, _)| cells(label)).max().unwrap_or(0) + 2;
    let room = usize::from(width.saturating_sub(4 + label).max(1));
    let mut told: Vec<(&str, &str)> = Vec::new();
    for (name, text) in &facts.rows {
        let wrapped = wrap(text.as_str(), room, FACT_LINES_MAX);
        for (at, range) in wrapped.lines.into_iter().enumerate() {
            told.push((if at == 0 { name } else { "" }, text.as_str().get(range).unwrap_or_default()));
        }
    }
    let rows = u16::try_from(told.len()).unwrap_or(u16::MAX).saturating_add(4);
    let inner = canvas.frame(centered(until_last_line(screen), width, rows), facts.title.as_str());
    let list = lines(inner, 0, inner.height.saturating_sub(2));
    (shown.menu_lines, shown.help_lines) = (list.height, told.len());
    let first = facts.scroll.min(told.len().saturating_sub(usize::from(list.height)));
    for (row, (name, text)) in (0..list.height).zip(told.into_iter().skip(first)) {
        canvas.text(list, row, name, Role::Dim);
        canvas.text(from(list, label), row, text, Role::Text);
    }
    statusline::hints(canvas, model, lines(inner, inner.height.saturating_sub(1), 1), Scope::Facts);
}

/// Lines of one fact.
const FACT_LINES_MAX: usize = 6;

/// A question.
pub(super) fn question(canvas: &mut Canvas<'_>, model: &Model, ask: &Ask) {
    let words = lines_of(canvas, ask.detail);
    let (inner, _) = boxed(canvas, ask.question.as_str(), words, 2);
    let used = paragraph(canvas, inner, 0, ask.detail, Role::Text);
    statusline::hints(canvas, model, lines(inner, used + 1, 1), Scope::Ask);
}

/// A big paste.
pub(super) fn paste(canvas: &mut Canvas<'_>, model: &Model, paste: &Paste) {
    let bytes = paste.text.as_str().len();
    let size = if bytes < 1024 { format!("{bytes} bytes") } else { format!("{} KiB", bytes.div_ceil(1024)) };
    let title = format!("Paste {} lines, {size}", paste.lines);
    let (inner, width) = boxed(canvas, &title, 5, 2);
    let preview = inner.height.saturating_sub(2);
    for (row, line) in (0..preview).zip(paste.text.as_str().split('\n')) {
        canvas.text(inner, row, &pad(line, width), Role::Dim);
    }
    statusline::hints(canvas, model, lines(inner, inner.height.saturating_sub(1), 1), Scope::Paste);
}

/// The relay's certificate at first use.
pub(super) fn certificate(canvas: &mut Canvas<'_>, model: &Model, certificate: &Certificate) {
    const WHY: &str = "Nobody vouches for this relay's certificate. Compare the fingerprint with the one its operator gives you (the relay prints it as pin= when it starts).";
    const WHY_BRIEFLY: &str = "Is this the fingerprint that its operator gave you?";
    let title = format!("First visit to {}", certificate.relay);
    let narrow = canvas.area().width < 60;
    let groups = if narrow { 4 } else { 8 };
    let rows = 16_u16.div_ceil(groups);
    let why = if narrow { WHY_BRIEFLY } else { WHY };
    let words = lines_of(canvas, why);
    let (inner, _) = boxed(canvas, &title, words, rows + 4);
    // On a small screen the fingerprint and the keys matter more than the words.
    let room = inner.height.saturating_sub(rows + 3);
    let used = paragraph(canvas, lines(inner, 0, room), 0, why, Role::Text);
    canvas.text(inner, used + u16::from(room > used), "sha256:", Role::Dim);
    let hex: Vec<String> = certificate.pin.chunks(2).map(|c| c.iter().map(|b| format!("{b:02x}")).collect()).collect();
    let first = used + u16::from(room > used) + 1;
    for (row, line) in (0..rows).zip(hex.chunks(usize::from(groups))) {
        canvas.text(inner, first + row, &line.join(" "), Role::Strong);
    }
    let keys = (first + rows + 1).min(inner.height.saturating_sub(1));
    statusline::hints(canvas, model, lines(inner, keys, 1), Scope::Certificate);
}
