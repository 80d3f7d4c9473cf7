//! The help page: the table of bindings and commands, as it is in force.

use super::canvas::{Canvas, Piece, centered, from, lines};
use super::{overlay, statusline};
use crate::keymap::{Scope, Spec};
use crate::model::{Help, Model, Shown};
use crate::text::pad;
use crate::theme::Role;

/// A line of the page.
enum Row {
    Heading(&'static str),
    Line { keys: String, help: &'static str, slash: String },
    Blank,
    Words(&'static str, &'static str),
}

/// Draws the page.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, help: &Help, shown: &mut Shown) {
    let screen = canvas.area();
    let place = centered(
        lines(screen, 0, screen.height.saturating_sub(1)),
        90.min(screen.width.saturating_sub(2)),
        screen.height,
    );
    let inner = canvas.frame(place, "Help");
    overlay::search_line(canvas, inner, help.query.text(), help.query.cursor());
    if help.query.is_empty() {
        let told = help.by.map_or("type to search".to_owned(), |key| format!("search here; {key} again writes it"));
        canvas.text(from(inner, 2), 0, &told, Role::Dim);
    }
    canvas.rule(inner, 1);
    let list = lines(inner, 2, inner.height.saturating_sub(3));
    statusline::hints(canvas, model, lines(inner, inner.height.saturating_sub(1), 1), Scope::Help);
    let narrow = list.width < 60;
    let rows = rows(model, help.query.text(), narrow);
    (shown.menu_lines, shown.help_lines) = (list.height, rows.len());
    if rows.is_empty() {
        canvas.text(list, 0, "Nothing fits.", Role::Dim);
    }
    let keys_width = if narrow { 13 } else { 26 };
    let first = help.scroll.min(rows.len().saturating_sub(usize::from(list.height)));
    for (at, row) in (0..list.height).zip(rows.iter().skip(first)) {
        match row {
            Row::Blank => {}
            Row::Heading(name) => drop(canvas.text(list, at, name, Role::Title)),
            Row::Words(sign, words) => {
                let sign = pad(sign, keys_width);
                let style = |role| canvas.theme.style(role);
                let pieces =
                    [Piece { text: &sign, style: style(Role::Key) }, Piece { text: words, style: style(Role::Text) }];
                canvas.pieces(list, at, &pieces);
            }
            Row::Line { keys, help, slash } => {
                let keys = pad(keys, keys_width);
                let style = |role| canvas.theme.style(role);
                let pieces = [
                    Piece { text: &keys, style: style(Role::Key) },
                    Piece { text: help, style: style(Role::Text) },
                    Piece { text: "  ", style: style(Role::Text) },
                    Piece { text: slash, style: style(Role::Dim) },
                ];
                canvas.pieces(list, at, &pieces);
            }
        }
    }
}

const MARKS: [(&str, &str); 5] = [
    ("◌", "queued on this device; goes out by itself"),
    ("✓", "sent: the relay holds it"),
    ("✓✓", "delivered to a device of theirs"),
    ("●", "read"),
    ("!", "not sent; Enter on it tries again"),
];

fn rows(model: &Model, query: &str, narrow: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let wanted = query.trim().to_lowercase();
    for scope in Scope::ALL {
        let of_scope: Vec<Row> = model
            .keymap
            .rows()
            .filter(|(spec, _)| spec.scope == scope)
            .filter_map(|(spec, keys)| line(spec, shown_keys(keys, narrow), &wanted))
            .collect();
        section(&mut rows, scope.name(), of_scope);
    }
    let marks = MARKS.iter().filter(|(sign, words)| wanted.is_empty() || words.contains(&wanted) || *sign == wanted);
    section(&mut rows, "marks", marks.map(|(sign, words)| Row::Words(sign, words)).collect());
    rows
}

fn section(rows: &mut Vec<Row>, heading: &'static str, of_section: Vec<Row>) {
    if of_section.is_empty() {
        return;
    }
    if !rows.is_empty() {
        rows.push(Row::Blank);
    }
    rows.push(Row::Heading(heading));
    rows.extend(of_section);
}

fn line(spec: &'static Spec, keys: String, wanted: &str) -> Option<Row> {
    let slash = spec.slash.map(|s| format!("{} {}", s.name, s.args).trim_end().to_owned()).unwrap_or_default();
    let found = [&keys, spec.help, &slash, spec.id].iter().any(|text| text.to_lowercase().contains(wanted));
    // What has no key is called by its command.
    let (keys, slash) = if keys.is_empty() { (slash, String::new()) } else { (keys, slash) };
    found.then_some(Row::Line { keys, help: spec.help, slash })
}

/// Keys of a row; a row of numbers is told by its ends, and a narrow page has room for the first.
fn shown_keys(keys: &[crate::keymap::Key], narrow: bool) -> String {
    match keys {
        [first, ..] if narrow => first.to_string(),
        [first, .., last] if keys.len() > 3 => format!("{first} … {last}"),
        _ => keys.iter().map(ToString::to_string).collect::<Vec<_>>().join("  "),
    }
}
