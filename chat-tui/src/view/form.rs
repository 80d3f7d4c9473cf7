//! Small forms on top of the screen.

use ratatui::layout::Rect;

use super::canvas::{Canvas, cells, centered, from, lines};
use super::{overlay, statusline};
use crate::keymap::Scope;
use crate::model::{Form, FormField, FormKind, Model, Value};
use crate::text::{SafeText, width, wrap};
use crate::theme::Role;

/// Columns of a form on a big screen.
const WIDTH: u16 = 66;

/// Draws a form.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, form: &Form) {
    let screen = canvas.area();
    let body = lines(screen, 0, screen.height.saturating_sub(1));
    let inside = WIDTH.min(screen.width.saturating_sub(2)).saturating_sub(4);
    let words = words(form);
    let said = u16::try_from(wrap(words, usize::from(inside), 12).lines.len()).unwrap_or(12);
    let fields = u16::try_from(form.fields.len()).unwrap_or(u16::MAX);
    // The fields and the keys matter more than the words.
    let room = screen.height.saturating_sub(1 + 2 + fields + 2);
    let said = if words.is_empty() { 0 } else { said.min(room.saturating_sub(1)) };
    let gap = u16::from(said > 0);
    let place = centered(body, inside + 4, fields + said + gap + 4);
    let inner = canvas.frame(place, &title(form));
    overlay::paragraph(canvas, lines(inner, 0, said), 0, words, Role::Dim);
    let label = form.fields.iter().map(|f| cells(f.label)).max().unwrap_or(0) + 2;
    for (row, (at, field)) in (0..inner.height).zip(form.fields.iter().enumerate()) {
        draw_field(canvas, form, (lines(inner, said + gap + row, 1), label), (at, field));
    }
    let below = lines(inner, inner.height.saturating_sub(2), 1);
    match (form.busy, form.problem) {
        (true, _) => drop(canvas.text(below, 0, "One moment …", Role::Dim)),
        (false, Some(problem)) => drop(canvas.text(below, 0, &format!("! {}", problem.sentence()), Role::Error)),
        _ => {}
    }
    statusline::hints(canvas, model, lines(inner, inner.height.saturating_sub(1), 1), Scope::Form);
}

fn title(form: &Form) -> String {
    match &form.kind {
        FormKind::ChangePassword => "Change your password".into(),
        FormKind::DeleteAccount => "Delete your account".into(),
        FormKind::RenameDevice(_) => "Name of this device".into(),
        FormKind::TheirNumber(name) => format!("What {name}'s screen shows"),
        FormKind::CreateRoom => "Make a room".into(),
        FormKind::Invite(room) => format!("Invite into {room}"),
        FormKind::Topic(room) => format!("Topic of {room}"),
        FormKind::SendFile(to) => format!("Send a file to {to}"),
        FormKind::Approval => "What a new device needs".into(),
        FormKind::Export => "Write the history to a file".into(),
        FormKind::Import => "Take over the history of a file".into(),
    }
}

/// What one should know before filling it in.
fn words(form: &Form) -> &'static str {
    match form.kind {
        FormKind::ChangePassword => {
            "Your devices stay signed in. You get a new recovery code; the old password and the old code open nothing any more."
        }
        FormKind::DeleteAccount => {
            "Your account ends on every device and can't be brought back. Nobody can take its name for a while. What others have received stays with them."
        }
        FormKind::TheirNumber(_) => {
            "Type or paste the 60 digits, or the text of the code, that their device shows for you. The program compares."
        }
        FormKind::CreateRoom => {
            "Everybody on the relay can see a public room and go in. Messages are encrypted in both kinds."
        }
        FormKind::RenameDevice(_) => "Only your own devices see it.",
        FormKind::SendFile(_) => "Tab completes the path. Name and contents are sealed; the relay sees only the size.",
        FormKind::Approval => {
            "With a yes as well, a guessed password opens nothing: a new device waits until one of yours lets it in, or comes with the recovery code."
        }
        FormKind::Export => {
            "All messages, without those that vanish. Whoever has the file and the passphrase can read them; without the passphrase nobody can, you included."
        }
        FormKind::Import => "What is here already stays as it is; what is new is marked as imported.",
        FormKind::Invite(_) | FormKind::Topic(_) => "",
    }
}

fn draw_field(canvas: &mut Canvas<'_>, form: &Form, place: (Rect, u16), field: (usize, &FormField)) {
    let ((area, label), (at, field)) = (place, field);
    let active = form.at == at && !form.busy;
    canvas.text(area, 0, field.label, if active { Role::FieldActive } else { Role::Dim });
    let area = from(area, label);
    if let Value::Choice { words, at } = &field.value {
        let word = words.get(*at).copied().unwrap_or_default();
        let used = canvas.text(area, 0, &format!("‹ {word} ›"), if active { Role::FieldActive } else { Role::Text });
        if active {
            canvas.text(from(area, used + 2), 0, "Space changes it", Role::Dim);
            canvas.cursor_at(area, 0, 0);
        }
        return;
    }
    let (text, cursor) = match &field.value {
        Value::Text(input) => (input.text().to_owned(), input.cursor()),
        Value::Secret(secret) if form.revealed => {
            let safe = SafeText::line(secret.expose());
            let cells = width(safe.as_str());
            (safe.into_string(), cells)
        }
        Value::Secret(secret) => ("•".repeat(secret.chars()), secret.chars()),
        Value::Choice { .. } => return,
    };
    overlay::written_on_a_line(canvas, area, (&text, cursor), active);
    if field.optional && text.is_empty() {
        canvas.right(area, 0, " optional", Role::Dim);
    }
}
