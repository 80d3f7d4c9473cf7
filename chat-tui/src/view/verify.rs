//! The safety number and its QR code, side by side where there is room.

use ratatui::layout::Rect;

use super::canvas::{Canvas, cells, centered, from, lines};
use super::{overlay, statusline};
use crate::keymap::Scope;
use crate::model::{Model, Qr, SafetyNumber, Verify};
use crate::text::wrap;
use crate::theme::Role;

/// Light modules around a code, which cameras need to find it.
const QUIET: usize = 2;

/// Cells of a line of four groups.
const DIGITS: u16 = 23;

/// Draws the page.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, page: &Verify) {
    let screen = canvas.area();
    let body = lines(screen, 0, screen.height.saturating_sub(1));
    let code = page.number.as_ref().and_then(|n| n.qr.as_ref()).filter(|qr| fits(qr, body));
    let (code_width, code_height) = code.map_or((0, 0), size);
    let wanted = if code.is_some() { 40 + code_width } else { 58 };
    let width = wanted.min(screen.width.saturating_sub(2));
    let left = width.saturating_sub(4 + if code.is_some() { code_width + 2 } else { 0 });
    let state = state(page);
    let advice = "Compare in person or by a call, not in this chat: what is between you could change both.";
    let count = |text: &str| u16::try_from(wrap(text, usize::from(left.max(1)), 8).lines.len()).unwrap_or(8);
    let words = 3 + 1 + count(advice) + 1 + count(&state.0) + 1;
    let height = words.max(code_height) + 1;
    let inner = canvas.frame(centered(body, width, height + 2), &format!("Verify {}", page.name));
    let text = Rect { width: left.min(inner.width), ..inner };
    let Some(number) = &page.number else {
        let waiting =
            page.problem.map_or_else(|| "Asking for the number …".to_owned(), |p| format!("! {}", p.sentence()));
        overlay::paragraph(canvas, text, 0, &waiting, if page.problem.is_some() { Role::Error } else { Role::Dim });
        statusline::hints(canvas, model, lines(inner, inner.height.saturating_sub(1), 1), Scope::Verify);
        return;
    };
    let mut row = digits(canvas, number, text);
    row += 1;
    let room = |row: u16| lines(text, row, text.height.saturating_sub(row + 1));
    // What must be known comes before advice when there is little room.
    if inner.height < height {
        row += overlay::paragraph(canvas, room(row), 0, &state.0, state.1);
        overlay::paragraph(canvas, room(row), 0, advice, Role::Dim);
    } else {
        row += overlay::paragraph(canvas, room(row), 0, advice, Role::Text) + 1;
        overlay::paragraph(canvas, room(row), 0, &state.0, state.1);
    }
    statusline::hints(canvas, model, lines(inner, inner.height.saturating_sub(1), 1), Scope::Verify);
    if let Some(qr) = code {
        draw_code(canvas, qr, from(inner, inner.width.saturating_sub(code_width)));
    }
}

/// How it stands between the two.
fn state(page: &Verify) -> (String, Role) {
    match (&page.problem, page.number.as_ref().is_some_and(|n| n.verified)) {
        (Some(problem), _) => (format!("! {}", problem.sentence()), Role::Error),
        (None, true) => ("✓ verified: the numbers match".to_owned(), Role::Good),
        (None, false) => ("· not compared yet".to_owned(), Role::Dim),
    }
}

fn digits(canvas: &mut Canvas<'_>, number: &SafetyNumber, area: Rect) -> u16 {
    let groups: Vec<&str> = number.groups().collect();
    let in_row = if area.width >= DIGITS { 4 } else { 3 };
    let mut row = 0;
    for line in groups.chunks(in_row) {
        canvas.text(area, row, &line.join(" "), Role::Strong);
        row += 1;
    }
    row
}

/// Cells of a code: two modules stand above each other in one cell.
fn size(qr: &Qr) -> (u16, u16) {
    let side = qr.side + 2 * QUIET;
    (u16::try_from(side).unwrap_or(u16::MAX), u16::try_from(side.div_ceil(2)).unwrap_or(u16::MAX))
}

fn fits(qr: &Qr, body: Rect) -> bool {
    let (width, height) = size(qr);
    body.width >= width.saturating_add(DIGITS + 10) && body.height >= height.saturating_add(2)
}

/// Half blocks, dark on light whatever the terminal's ground is: cameras expect it so.
fn draw_code(canvas: &mut Canvas<'_>, qr: &Qr, area: Rect) {
    let side = qr.side + 2 * QUIET;
    let style = canvas.theme.code();
    let dark = |column: usize, row: usize| match (column.checked_sub(QUIET), row.checked_sub(QUIET)) {
        (Some(column), Some(row)) => qr.is_dark(column, row),
        _ => false,
    };
    for (line, top) in (0..area.height).zip((0..side).step_by(2)) {
        let text: String = (0..side)
            .map(|column| match (dark(column, top), dark(column, top + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect();
        if cells(&text) <= area.width {
            canvas.styled(area, line, &text, style);
        }
    }
}
