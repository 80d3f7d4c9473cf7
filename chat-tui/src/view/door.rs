//! Signing in, registering, the recovery code.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Piece, cells, centered, from, lines, until};
use super::overlay::{self, paragraph};
use crate::model::{CodeStage, CodeWords, Door, Field, Hit, Input, Mode, Model, RelayCheck, Secret};
use crate::text::SafeText;
use crate::theme::Role;

/// Columns of the form on a big screen.
const FORM: u16 = 68;

/// Cells of the labels.
const LABEL: u16 = 11;

/// Columns of a field: longer ones scroll.
const FIELD: u16 = 34;

/// A line of the form.
enum Line {
    Field(usize, Field),
    Relay,
    Policy,
    Blank,
    Problem(String),
    Told(String),
    Forgotten,
    Waits,
    Words(&'static str),
}

/// Draws the form.
pub(super) fn form(canvas: &mut Canvas<'_>, model: &Model, door: &Door, area: Rect) {
    let title = match (door.mode, &door.enrolled) {
        (Mode::Register, _) => "Register".to_owned(),
        (Mode::SignIn, Some(name)) => format!("Sign in as {name}"),
        (Mode::SignIn, None) => "Sign in".to_owned(),
        (Mode::Recover, Some(name)) => format!("A new password for {name}"),
        (Mode::Recover, None) => "A new password".to_owned(),
    };
    let all = form_lines(door, area.height);
    let height = u16::try_from(all.len()).unwrap_or(u16::MAX) + 2;
    let place = centered(area, FORM.min(area.width.saturating_sub(2)), height.min(area.height));
    let tight = area.height < height + 1;
    let inner = if tight { from(lines(area, 0, area.height), 1) } else { lines(place, 2, place.height) };
    if !tight {
        canvas.text(place, 0, &title, Role::Title);
    }
    // On a small screen the field with the cursor stays in sight.
    let active = all.iter().position(|l| matches!(l, Line::Field(_, f) if *f == door.field)).unwrap_or(0);
    let room = usize::from(inner.height);
    let first = if all.len() > room { active.saturating_sub(room / 2).min(all.len() - room) } else { 0 };
    for (row, line) in (0..inner.height).zip(all.iter().skip(first)) {
        let at = lines(inner, row, 1);
        match line {
            Line::Field(place, field) => draw_field(canvas, model, door, (at, *place, *field)),
            Line::Relay => relay(canvas, door, from(at, LABEL)),
            Line::Policy => policy(canvas, door, from(at, LABEL)),
            Line::Problem(text) => drop(canvas.text(at, 0, &format!("! {text}"), Role::Error)),
            Line::Words(text) => drop(canvas.text(at, 0, text, Role::Dim)),
            Line::Told(text) => drop(canvas.text(at, 0, &format!("! {text}"), Role::Warning)),
            Line::Forgotten => forgotten(canvas, model, at),
            Line::Waits => waits(canvas, model, at),
            Line::Blank => {}
        }
    }
}

/// What the person should know, in words that promise nothing more than what holds.
const HONEST: [&str; 3] = [
    "The relay never sees your password, and your keys are made on this",
    "device. Whoever guesses the password, the relay's operator included,",
    "can enter as a new device, and you would see that device.",
];

fn form_lines(door: &Door, rows: u16) -> Vec<Line> {
    let mut all = Vec::new();
    let airy = rows >= 20;
    for (place, field) in door.fields().into_iter().enumerate() {
        if field == Field::SwitchMode {
            all.push(Line::Blank);
        }
        all.push(Line::Field(place, field));
        match field {
            Field::Server => all.push(Line::Relay),
            Field::Password if door.new_password() => all.push(Line::Policy),
            _ => {}
        }
        if airy && matches!(field, Field::Server | Field::Name | Field::Password) {
            all.push(Line::Blank);
        }
    }
    if door.enrolled.is_some() {
        all.insert(0, Line::Relay);
    }
    if let Some(why) = &door.why {
        all.insert(0, Line::Told(why.to_string()));
        if airy {
            all.insert(1, Line::Blank);
        }
    }
    if door.mode == Mode::SignIn {
        all.push(Line::Forgotten);
    }
    let said = match (door.busy, door.problem) {
        (true, _) if door.awaits.is_some() => None,
        (true, _) if door.mode == Mode::Register => Some(Line::Words("Making your keys and registering …")),
        (true, _) if door.mode == Mode::Recover => Some(Line::Words("Setting the new password …")),
        (true, _) => Some(Line::Words("Signing in …")),
        (false, Some(problem)) => Some(Line::Problem(problem.sentence())),
        (false, None) => None,
    };
    if let Some(said) = said {
        let after_password =
            all.iter().position(|l| matches!(l, Line::Field(_, f) if *f == door.field)).unwrap_or(0) + 1;
        all.insert(after_password.min(all.len()), said);
    }
    if let (true, Some(code)) = (door.busy, &door.awaits) {
        let at = all.iter().position(|l| matches!(l, Line::Field(_, f) if *f == door.field)).unwrap_or(0) + 1;
        let waits = [
            Line::Told(format!("This device shows  {code}")),
            Line::Words("Say yes on another device of yours, if it shows the same code."),
            Line::Waits,
        ];
        for (line, below) in waits.into_iter().zip(at..) {
            all.insert(below.min(all.len()), line);
        }
    }
    if airy {
        all.push(Line::Blank);
        all.extend(HONEST.map(Line::Words));
    }
    all
}

/// The other way in for a device that waits.
fn waits(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let used = canvas.text(area, 0, "No other device at hand? Use the recovery code", Role::Text);
    let key = model.keymap.key_of(crate::keymap::Action::Recover).map(|k| format!("  {k}")).unwrap_or_default();
    canvas.text(from(area, used), 0, &key, Role::Key);
}

/// The way in for who forgot the password.
fn forgotten(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let key = model.keymap.key_of(crate::keymap::Action::Recover).map(|k| format!("  {k}")).unwrap_or_default();
    // Without its key nobody finds the way.
    let whole = "Password forgotten? Use the recovery code";
    let fits = cells(whole) + cells(&key) <= area.width;
    let used = canvas.text(area, 0, if fits { whole } else { "Forgotten? Recovery code" }, Role::Text);
    canvas.text(from(area, used), 0, &key, Role::Key);
}

fn draw_field(canvas: &mut Canvas<'_>, model: &Model, door: &Door, what: (Rect, usize, Field)) {
    let (area, place, field) = what;
    canvas.hit(area, Hit::Field(place));
    let active = door.field == field && model.overlays.is_empty() && !door.busy;
    if field == Field::SwitchMode {
        let text = match door.mode {
            Mode::SignIn => "No account yet? Register",
            Mode::Register | Mode::Recover => "You have an account? Sign in",
        };
        let key = model.keymap.key_of(crate::keymap::Action::SwitchMode).map(|k| format!("  {k}")).unwrap_or_default();
        let used = canvas.text(area, 0, text, if active { Role::FieldActive } else { Role::Text });
        canvas.text(from(area, used), 0, &key, Role::Key);
        if active {
            canvas.cursor_at(area, 0, 0);
        }
        return;
    }
    let label = match field {
        Field::Server => "Relay",
        Field::Name => "Name",
        Field::Password if door.mode == Mode::Recover => "New one",
        Field::Password => "Password",
        Field::Code => "Code",
        Field::Display => "Shown as",
        Field::Device => "Device",
        Field::Invite => "Invite",
        Field::SwitchMode => "",
    };
    canvas.text(area, 0, label, if active { Role::FieldActive } else { Role::Dim });
    let rest = from(area, LABEL);
    let field_area = Rect { width: FIELD.min(rest.width.saturating_sub(1)), ..rest };
    let (text, cursor) = shown_text(door, field);
    overlay::written_on_a_line(canvas, field_area, (&text, cursor), active);
    let note = match field {
        Field::Password => model
            .keymap
            .key_of(crate::keymap::Action::Reveal)
            .map(|k| format!("{k} {}", if door.revealed { "hides" } else { "shows" })),
        Field::Display | Field::Device => Some("optional".to_owned()),
        _ => None,
    };
    canvas.text(from(rest, field_area.width + 2), 0, &note.unwrap_or_default(), Role::Dim);
}

fn shown_text(door: &Door, field: Field) -> (String, usize) {
    let of = |input: &Input| (input.text().to_owned(), input.cursor());
    match field {
        Field::Server => of(&door.server),
        Field::Name => of(&door.name),
        Field::Display => of(&door.display),
        Field::Device => of(&door.device),
        Field::Invite => of(&door.invite),
        Field::Password => secret(&door.password, door.revealed),
        Field::Code => secret(&door.code, true),
        Field::SwitchMode => (String::new(), 0),
    }
}

fn secret(secret: &Secret, revealed: bool) -> (String, usize) {
    if !revealed {
        return ("•".repeat(secret.chars()), secret.chars());
    }
    let safe = SafeText::line(secret.expose());
    let cells = crate::text::width(safe.as_str());
    (safe.into_string(), cells)
}

/// What is known of the relay.
fn relay(canvas: &mut Canvas<'_>, door: &Door, area: Rect) {
    let (text, role) = match &door.relay {
        RelayCheck::Asking => ("◌ asking who it is …".to_owned(), Role::Dim),
        RelayCheck::Unnamed => ("· host or host:port of your relay".to_owned(), Role::Dim),
        RelayCheck::Rooted => ("✓ certificate vouched for".to_owned(), Role::Good),
        RelayCheck::Pinned => ("✓ the relay you trust".to_owned(), Role::Good),
        RelayCheck::FirstUse { .. } => ("! not confirmed; F5 shows why".to_owned(), Role::Warning),
        RelayCheck::Failed(problem) => (format!("! {} F5 tries again", problem.sentence()), Role::Error),
    };
    canvas.text(area, 0, &text, role);
}

/// The policy, met or not, while one types.
fn policy(canvas: &mut Canvas<'_>, door: &Door, area: Rect) {
    let typed = door.password.chars() > 0;
    let [length, capital, digit] = door.plain_gaps().map(Some);
    // How hard it is to guess takes a moment to find out.
    let common = door.gaps.map(|gaps| gaps.common);
    let narrow = area.width < 46;
    let words = if narrow {
        [(length, "8+"), (capital, "A-Z"), (digit, "0-9"), (common, "strong")]
    } else {
        [(length, "8 characters"), (capital, "a capital"), (digit, "a digit"), (common, "hard to guess")]
    };
    let mut at = 0;
    for (missing, word) in words {
        let (sign, role) = match missing.filter(|_| typed) {
            None if typed => ("…", Role::Dim),
            None => ("·", Role::Dim),
            Some(true) => ("✗", Role::Warning),
            Some(false) => ("✓", Role::Good),
        };
        let text = format!("{sign} {word}");
        canvas.text(from(area, at), 0, &text, role);
        at += cells(&text) + 2;
    }
    if typed && !door.refused() && door.gaps.is_some_and(|gaps| gaps.advised) {
        canvas.text(from(area, at), 0, "longer is better", Role::Dim);
    }
}

/// Draws the recovery code, or asks for a part of it.
pub(super) fn code(canvas: &mut Canvas<'_>, words: &CodeWords, area: Rect) {
    let place = centered(area, FORM.min(area.width.saturating_sub(2)), 14.min(area.height));
    canvas.text(place, 0, "Your recovery code", Role::Title);
    let body = lines(place, if place.height >= 12 { 2 } else { 1 }, place.height);
    match words.stage {
        CodeStage::Shown => shown_code(canvas, words, body),
        CodeStage::Asked | CodeStage::Wrong => asked_code(canvas, words, body),
    }
}

fn shown_code(canvas: &mut Canvas<'_>, words: &CodeWords, area: Rect) {
    let why = "Write it down on paper. It is shown only now. With it you get your account back when the password is forgotten; whoever else has it gets it too.";
    let groups: Vec<String> = words.groups().map(|g| g.to_string()).collect();
    let in_row = if area.width >= 52 { 4 } else { 2 };
    let rows = u16::try_from(groups.len().div_ceil(in_row)).unwrap_or(0);
    let used = paragraph(canvas, lines(area, 0, area.height.saturating_sub(rows + 1)), 0, why, Role::Text);
    let gap = u16::from(area.height > used + rows + 3);
    let mut number = 0;
    for (row, line) in (0..rows).zip(groups.chunks(in_row)) {
        let at = lines(area, used + gap + row, 1);
        let mut column = 0;
        for group in line {
            number += 1;
            let label = format!("{number} ");
            let style = |role| canvas.theme.style(role);
            let pieces =
                [Piece { text: &label, style: style(Role::Dim) }, Piece { text: group, style: style(Role::Strong) }];
            column += canvas.pieces(from(at, column), 0, &pieces) + 4;
        }
    }
    canvas.text(
        area,
        (used + rows + 2 * gap).min(area.height.saturating_sub(1)),
        "Enter, when it is written down",
        Role::Accent,
    );
}

fn asked_code(canvas: &mut Canvas<'_>, words: &CodeWords, area: Rect) {
    let question = format!("To be sure: type group {} of the code.", words.group);
    let used = paragraph(canvas, area, 0, &question, Role::Text);
    let field = lines(until(area, 1), used + 1, 1);
    let field = Rect { width: 16.min(field.width), ..field };
    overlay::written_on_a_line(canvas, field, (words.typed.text(), words.typed.cursor()), true);
    if words.stage == CodeStage::Wrong {
        canvas.text(area, used + 3, "! Not that one. Esc shows the code.", Role::Error);
    } else {
        canvas.text(area, used + 3, "Esc shows the code again", Role::Dim);
    }
}
