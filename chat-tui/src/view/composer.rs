//! The message being written, and what completes it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use ratatui_textarea::CursorMove;

use super::canvas::{Canvas, cells, from, lines, until};
use crate::keymap;
use crate::model::{Focus, Hit, Lookup, Model};
use crate::theme::Role;

/// Cells of the prompt.
const PROMPT: u16 = 3;

/// Rows of completions above the composer.
const COMPLETIONS_MAX: usize = 6;

/// Lines that the composer wants at this width, with its rule and the quote; at most a third of the
/// screen.
pub(super) fn height(model: &Model, area: Rect) -> u16 {
    if model.stopped_by_change() {
        return 3;
    }
    let composer = model.composer();
    let width = area.width.saturating_sub(PROMPT + 1).max(1);
    let mut probe = composer.area().clone();
    // The editor wraps when it is drawn; a line drawn aside tells it the width.
    let line = Rect::new(0, 0, width, 1);
    Widget::render(&probe, line, &mut Buffer::empty(line));
    probe.move_cursor(CursorMove::Bottom);
    probe.move_cursor(CursorMove::End);
    let text = u16::try_from(probe.screen_cursor().row + 1).unwrap_or(u16::MAX);
    let most = (area.height / 3).max(1);
    1 + u16::from(composer.reply.is_some() || composer.editing.is_some()) + text.min(most)
}

/// Draws rule, quote and text.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let composer = model.composer();
    canvas.rule(area, 0);
    let mut text = lines(area, 1, area.height);
    if composer.editing.is_some() {
        canvas.text(until(from(text, 1), 1), 0, "✎ changing your message; Esc leaves it as it was", Role::Quote);
        text = lines(text, 1, text.height);
    } else if let Some(quote) = &composer.reply {
        let whom = match &quote.known {
            Some((author, text)) if model.is_me(author) => format!("↳ you: {text}"),
            Some((author, text)) => format!("↳ {author}: {text}"),
            None => "↳ an earlier message".to_owned(),
        };
        canvas.text(until(from(text, 1), 1), 0, &whom, Role::Quote);
        text = lines(text, 1, text.height);
    }
    if model.stopped_by_change() {
        return stopped(canvas, model, text);
    }
    canvas.hit(text, Hit::Composer);
    let active = model.focus == Focus::Composer && model.overlays.is_empty();
    canvas.text(from(text, 1), 0, "›", if active { Role::FieldActive } else { Role::Field });
    let inner = until(from(text, PROMPT), 1).intersection(canvas.area());
    if inner.is_empty() {
        return;
    }
    if composer.is_empty() {
        canvas.text(inner, 0, placeholder(model), Role::Dim);
    }
    if !composer.is_empty() {
        Widget::render(composer.area(), inner, canvas.buffer);
    }
    if active {
        let (row, _) = composer.area().scroll_offset();
        let at = composer.area().screen_cursor();
        let line = at.row.saturating_sub(usize::from(if composer.is_empty() { 0 } else { row }));
        canvas.cursor_at(inner, at.col, u16::try_from(line).unwrap_or(0));
    }
}

/// Nothing is written to who may be somebody else.
fn stopped(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let name = model.open_name().map(ToString::to_string).unwrap_or_default();
    let words = [
        format!("! {name}'s safety number changed after you compared it."),
        "  Nothing is sent until you decide.".to_owned(),
    ];
    for (row, text) in (0..area.height).zip(words) {
        canvas.text(from(area, 1), row, &text, Role::Error);
    }
}

fn placeholder(model: &Model) -> &'static str {
    match model.open_chat() {
        Some(chat) if chat.lookup == Lookup::Nobody => "Esc back; /dm NAME looks for another",
        Some(_) => "Write a message",
        None => "/dm NAME starts a chat",
    }
}

/// Commands that what is written may become, above the composer.
pub(super) fn completions(canvas: &mut Canvas<'_>, model: &Model, above: Rect) {
    let line = model.composer().text();
    let command = line.starts_with('/') && !line.starts_with("//") && !line.contains('\n');
    if !command || model.focus != Focus::Composer || !model.overlays.is_empty() {
        return;
    }
    let (typed, with_args) = line.split_once(' ').map_or((line.as_str(), false), |(name, _)| (name, true));
    let fits = |name: &str| if with_args { name == typed } else { name.starts_with(typed) };
    let found: Vec<_> = keymap::slashes(typed).filter(|(_, s)| fits(s.name)).take(COMPLETIONS_MAX).collect();
    let rows = u16::try_from(found.len()).unwrap_or(0).min(above.height);
    let place = lines(above, above.height - rows, rows);
    canvas.clear(place);
    for (row, (spec, slash)) in (0..rows).zip(found) {
        let at = lines(place, row, 1);
        canvas.fill(at, Role::Selected);
        let usage = format!("{} {}", slash.name, slash.args);
        let used = canvas.text(from(at, PROMPT), 0, usage.trim_end(), Role::Key);
        let column = PROMPT + used.max(26.min(at.width / 2)) + 2;
        if at.width > column + cells("1234567890") {
            canvas.text(until(from(at, column), 1), 0, spec.help, Role::Dim);
        }
        canvas.fill(at, Role::Selected);
    }
}
