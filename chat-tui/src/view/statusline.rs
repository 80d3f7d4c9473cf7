//! The bars: titles above, connection and hints below.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Piece, cells, from, until};
use super::timeline;
use crate::keymap::Scope;
use crate::model::{Availability, Link, Model, Open, Screen};
use crate::theme::Role;

/// Columns from which on words stand beside the signs.
const ROOMY: u16 = 60;

/// The bar below: connection, who, what waits, and the keys that count now.
pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    canvas.fill(area, Role::Bar);
    let used = match model.screen {
        // Before anybody is signed in the connection comes and goes by itself.
        Screen::Door(_) => 0,
        _ if area.width >= ROOMY => who(canvas, model, from(area, 1)) + 2,
        _ => sign(canvas, model, from(area, 1)) + 2,
    };
    let rest = until(from(area, used + 1), 1);
    match &model.toast {
        Some(toast) => {
            let role = if toast.bad { Role::Error } else { Role::BarStrong };
            let text = if toast.bad { format!("! {}", toast.text) } else { toast.text.to_string() };
            canvas.text(rest, 0, &text, role);
        }
        // What lies on top shows its own keys.
        None if !model.overlays.is_empty() => {}
        None => hints(canvas, model, rest, model.scope()),
    }
    canvas.fill(area, Role::Bar);
}

fn link(model: &Model) -> (&'static str, &'static str, Role) {
    match model.link {
        Link::Online => ("●", "online", Role::Online),
        Link::Connecting => ("◌", "connecting", Role::Warning),
        Link::Offline => ("○", "offline", Role::Warning),
        Link::Distrusted => ("!", "certificate changed", Role::Error),
    }
}

fn sign(canvas: &mut Canvas<'_>, model: &Model, area: Rect) -> u16 {
    let (sign, _, role) = link(model);
    canvas.text(area, 0, sign, role)
}

fn who(canvas: &mut Canvas<'_>, model: &Model, area: Rect) -> u16 {
    let (sign, word, role) = link(model);
    let mut used = canvas.text(area, 0, &format!("{sign} {word}"), role);
    if let Some(me) = &model.me {
        used += 2;
        used += canvas.text(from(area, used), 0, me.name.as_str(), Role::Strong);
        let shown = match me.availability {
            Availability::Away => " away",
            Availability::Invisible => " invisible",
            _ => "",
        };
        used += canvas.text(from(area, used), 0, shown, Role::Away);
    }
    let waiting = waiting(model);
    if waiting > 0 {
        used += 2;
        used += canvas.text(from(area, used), 0, &format!("◌ {waiting} queued"), Role::Warning);
    }
    used
}

/// Own messages of the chats in memory that the relay does not hold yet.
fn waiting(model: &Model) -> usize {
    let queued = |e: &&crate::model::Entry| e.own && e.status == crate::model::Status::Queued;
    model.chats.values().map(|c| c.timeline.entries().iter().filter(queued).count()).sum()
}

/// As many keys as fit, the most wanted first.
pub(super) fn hints(canvas: &mut Canvas<'_>, model: &Model, area: Rect, scope: Scope) {
    let mut at = 0;
    for (_, key, word) in model.keymap.hints(scope).filter(|(action, ..)| model.offers(scope, *action)) {
        let key = key.short();
        let needed = cells(&key) + 1 + cells(word);
        if at + needed > area.width {
            continue;
        }
        let pieces = [
            Piece { text: &key, style: canvas.theme.style(Role::Key) },
            Piece { text: " ", style: canvas.theme.style(Role::Text) },
            Piece { text: word, style: canvas.theme.style(Role::Text) },
        ];
        canvas.pieces(from(area, at), 0, &pieces);
        at += needed + 2;
    }
}

/// The title of the list.
pub(super) fn list_title(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    canvas.fill(area, Role::Bar);
    canvas.text(from(area, 1), 0, "Chats", Role::BarStrong);
    let unread = model.roster.unread(model.now.ms);
    if unread > 0 {
        canvas.right(until(area, 1), 0, &format!("{unread} new"), Role::BarDim);
    }
    canvas.fill(area, Role::Bar);
}

/// The title of what stands beside the list.
pub(super) fn chat_title(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    canvas.fill(area, Role::Bar);
    let place = until(from(area, 1), 1);
    match &model.open {
        Open::Nothing => {
            let title = model.me.as_ref().map_or_else(|| "chat".to_owned(), |me| format!("Welcome, {}", me.name));
            canvas.text(place, 0, &title, Role::BarStrong);
        }
        Open::Request(name) => {
            canvas.text(place, 0, &format!("{name} asks"), Role::BarStrong);
        }
        Open::Chat(_) => open_chat(canvas, model, place),
    }
    canvas.fill(area, Role::Bar);
}

fn open_chat(canvas: &mut Canvas<'_>, model: &Model, place: Rect) {
    let (title, style) = timeline::title_of(model);
    let name = model.open_name();
    let mine = name.is_some_and(|n| model.is_me(n));
    let title = if mine { "notes to self".to_owned() } else { title };
    let mut used = canvas.styled(place, 0, &title, style);
    if name.and_then(|n| model.roster.row(n)).is_some_and(|r| r.verified) {
        used += canvas.text(from(place, used), 0, " ✓ verified", Role::Good);
    }
    let habit = name.and_then(|n| model.roster.habits.of(n));
    if let Some(after) = habit.and_then(|h| h.vanishes_ms) {
        used += canvas.text(from(place, used), 0, &format!("  timer {}", lasting(after)), Role::Away);
    }
    if habit.is_some_and(|h| h.muted(model.now.ms)) {
        used += canvas.text(from(place, used), 0, "  muted", Role::BarDim);
    }
    if let Some(topic) = name.and_then(|n| model.roster.row(n)).and_then(|r| r.topic.as_ref()) {
        used += canvas.text(from(place, used + 2), 0, topic.as_str(), Role::BarDim) + 2;
    }
    let rest = from(place, used + 2);
    if model.open_chat().is_some_and(|c| c.typing.is_some()) {
        let who = model.open_chat().and_then(|c| c.typist.as_ref());
        let words = who.map_or_else(|| "types …".to_owned(), |who| format!("{who} types …"));
        canvas.right(rest, 0, &words, Role::Accent);
        return;
    }
    let Some(row) = name.and_then(|n| model.roster.row(n)).filter(|r| !mine && !r.name.is_room()) else { return };
    let (sign, role) = row.sign();
    let word = match (row.availability, row.last_seen) {
        _ if row.changed => "! identity changed".to_owned(),
        _ if row.blocked => format!("{sign} blocked"),
        (Availability::Online, _) => format!("{sign} online"),
        (Availability::Away, _) => format!("{sign} away"),
        (Availability::Offline, Some(seen)) if seen.day == model.now.day => {
            format!("{sign} last seen {}", seen.clock())
        }
        (Availability::Offline, Some(seen)) => format!("{sign} last seen {}", seen.brief(model.now)),
        (Availability::Offline, None) => format!("{sign} offline"),
        _ => return,
    };
    canvas.right(rest, 0, &word, if row.changed { Role::Warning } else { role });
}

/// A time in its largest whole unit: `1d`, `90s`.
fn lasting(ms: u64) -> String {
    const UNITS: [(u64, char); 4] = [(7 * 86_400_000, 'w'), (86_400_000, 'd'), (3_600_000, 'h'), (60_000, 'm')];
    let unit = UNITS.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{}s", ms / 1_000), |(unit, sign)| format!("{}{sign}", ms / unit))
}
