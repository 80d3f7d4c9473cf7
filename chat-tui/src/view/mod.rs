//! The picture of a model. Drawing changes nothing: what a frame found out (which messages are on the
//! screen, what lies where) is returned as [`Shown`].

mod canvas;
mod composer;
mod door;
mod form;
mod help;
mod layout;
mod members;
mod overlay;
mod picture;
mod roster;
mod sheet;
mod statusline;
mod timeline;
mod verify;

pub use layout::LayoutCache;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::model::{Model, Name, Open, Overlay, Screen, Shown, USABLE};
use crate::text::elide;
use crate::theme::Role;
use canvas::{Canvas, from, lines};

/// Draws the model.
pub fn view(model: &Model, cache: &mut LayoutCache, frame: &mut Frame<'_>) -> Shown {
    cache.begin();
    let mut shown = Shown::default();
    let mut canvas = Canvas::new(frame.buffer_mut(), model.theme, model.graphics);
    let area = canvas.area();
    if area.width < USABLE.0 || area.height < USABLE.1 {
        let notice = elide("too small: 20×5 is the least", usize::from(area.width));
        canvas.text(area, area.height / 2, &notice, Role::Text);
        return shown;
    }
    let body = lines(area, 0, area.height - 1);
    let bar = lines(area, area.height - 1, 1);
    match &model.screen {
        Screen::Door(form) => door::form(&mut canvas, model, form, body),
        Screen::Code(words) => door::code(&mut canvas, words, body),
        Screen::Main => main_screen(&mut canvas, cache, model, body, &mut shown),
    }
    statusline::draw(&mut canvas, model, bar);
    if let Some(top) = model.overlays.last() {
        canvas.cursor = None;
        // A box may lie on them.
        shown.pictures.iter_mut().for_each(|placed| placed.area = None);
        if model.narrow() || !matches!(model.screen, Screen::Main) {
            // Beside a box there is no room for anything that makes sense, and of a form only its labels.
            canvas.clear(body);
        }
        match top {
            Overlay::Help(page) => help::draw(&mut canvas, model, page, &mut shown),
            Overlay::Menu(menu) => overlay::menu(&mut canvas, model, menu, &mut shown),
            Overlay::Ask(ask) => overlay::question(&mut canvas, model, ask),
            Overlay::Paste(paste) => overlay::paste(&mut canvas, model, paste),
            Overlay::Certificate(certificate) => overlay::certificate(&mut canvas, model, certificate),
            Overlay::Sheet(page) => sheet::draw(&mut canvas, model, page, &mut shown),
            Overlay::Form(page) => form::draw(&mut canvas, model, page),
            Overlay::Verify(page) => verify::draw(&mut canvas, model, page),
            Overlay::Facts(facts) => overlay::facts(&mut canvas, model, facts, &mut shown),
        }
    }
    shown.hits = std::mem::take(&mut canvas.hits);
    shown.links = std::mem::take(&mut canvas.links);
    shown.cursor = canvas.cursor;
    shown
}

/// List and chat side by side, or in turns on a narrow screen.
fn main_screen(canvas: &mut Canvas<'_>, cache: &mut LayoutCache, model: &Model, area: Rect, shown: &mut Shown) {
    if model.narrow() {
        return if model.list_shown { list(canvas, model, area) } else { chat(canvas, cache, model, area, shown) };
    }
    let area = match members::wanted(model) {
        Some(room) => {
            let width = area.width.saturating_sub(members::COLUMNS);
            members::draw(canvas, model, room, from(area, width));
            Rect { width, ..area }
        }
        None => area,
    };
    if !model.list_shown || model.bare {
        return chat(canvas, cache, model, area, shown);
    }
    let width = model.config.ui.list_width.min(area.width * 2 / 5);
    list(canvas, model, Rect { width, ..area });
    for row in 1..area.height {
        canvas.text(from(area, width), row, "│", Role::Rule);
    }
    canvas.fill(lines(Rect { x: area.x + width, width: 1, ..area }, 0, 1), Role::Bar);
    chat(canvas, cache, model, from(area, width + 1), shown);
}

fn list(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    statusline::list_title(canvas, model, lines(area, 0, 1));
    roster::draw(canvas, model, lines(area, 1, area.height));
}

fn chat(canvas: &mut Canvas<'_>, cache: &mut LayoutCache, model: &Model, area: Rect, shown: &mut Shown) {
    statusline::chat_title(canvas, model, lines(area, 0, 1));
    if let Open::Request(name) = &model.open {
        return request(canvas, model, name, lines(area, 1, area.height));
    }
    let below = composer::height(model, area).min(area.height.saturating_sub(2));
    let messages = lines(area, 1, area.height.saturating_sub(1 + below));
    match model.open {
        Open::Nothing => welcome(canvas, model, messages),
        _ => timeline::draw(canvas, cache, model, messages, shown),
    }
    let rule = lines(area, area.height - below, 1);
    composer::draw(canvas, model, lines(area, area.height - below, below));
    timeline::more_below(canvas, model, shown, rule);
    if rule.x > 0 {
        canvas.text(Rect { x: rule.x - 1, width: 1, ..rule }, 0, "├", Role::Rule);
    }
    if members::wanted(model).is_some() {
        canvas.text(Rect { x: rule.x + rule.width, width: 1, ..rule }, 0, "┤", Role::Rule);
    }
    composer::completions(canvas, model, messages);
}

/// Columns of the keys on the page before any chat, where there is room.
const WELCOME_KEYS: u16 = 14;

/// What one sees before any chat is open.
fn welcome(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let key = |action| model.keymap.key_of(action).map(|k| k.to_string()).unwrap_or_default();
    let go = key(crate::keymap::Action::Switcher);
    let help = key(crate::keymap::Action::Help);
    let suggested = model.suggested.first().map_or("NAME", Name::as_str);
    let middle = (area.height / 2).saturating_sub(3);
    canvas.middle(area, middle, "Who do you want to talk to?", Role::Title);
    let rows = [
        (go, "go to a chat, or find a person", "chats and people"),
        (format!("/dm {suggested}"), "start a chat by name", "start a chat"),
        (help, "all keys and commands", "keys, commands"),
    ];
    let place = canvas::centered(area, 46.min(area.width.saturating_sub(2)), area.height);
    let widest = rows.iter().map(|(key, ..)| canvas::cells(key)).max().unwrap_or(0) + 2;
    let words = rows.iter().map(|(_, what, _)| canvas::cells(what)).max().unwrap_or(0);
    let roomy = place.width >= widest.max(WELCOME_KEYS) + words;
    let column = if roomy { widest.max(WELCOME_KEYS) } else { widest };
    for (row, (key, what, briefly)) in (0..).zip(rows) {
        let at = lines(place, middle + 2 + row, 1);
        canvas.text(at, 0, &key, Role::Key);
        canvas.text(from(at, column), 0, if roomy { what } else { briefly }, Role::Text);
    }
}

/// A stranger's request.
fn request(canvas: &mut Canvas<'_>, model: &Model, name: &Name, area: Rect) {
    let Some(stranger) = model.roster.strangers.iter().find(|s| s.name == *name) else { return };
    let place = canvas::centered(area, 60.min(area.width.saturating_sub(2)), 12.min(area.height));
    canvas.text(place, 0, &format!("{name} wants to talk to you"), Role::Title);
    canvas.right(place, 0, &stranger.when.brief(model.now), Role::Dim);
    let quote = lines(place, 2, place.height.saturating_sub(6));
    let said = overlay::paragraph(canvas, from(quote, 2), 0, stranger.preview.as_str(), Role::Text);
    for row in 0..said {
        canvas.text(quote, row, "▏", Role::Rule);
    }
    let rest = lines(place, 3 + said, place.height.saturating_sub(3 + said));
    let alike =
        model.roster.alike(name).map(|known| format!("! The name looks like {known}'s, but this is somebody else."));
    let (note, role) = match &alike {
        Some(warning) => (warning.as_str(), Role::Warning),
        None => ("They learn nothing until you accept: no receipt, no presence.", Role::Dim),
    };
    let used = overlay::paragraph(canvas, rest, 0, note, role);
    statusline::hints(canvas, model, lines(rest, used + 1, 1), crate::keymap::Scope::Request);
}
