//! Walking through messages.

use super::chats::{self, complain, toast};
use super::pass_on::drop_chosen;
use super::{compose, menu, share};
use crate::keymap::Action;
use crate::model::{Effects, Entry, Focus, MenuKind, Model, MsgId, Page, Place, Status};

/// Does an action on the messages of the open chat; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::ScrollUp => scroll(model, -page(model)),
        Action::ScrollDown => scroll(model, page(model)),
        Action::Up => select(model, -1),
        Action::Down => select(model, 1),
        Action::PageUp => select_page(model, -page(model)),
        Action::PageDown => select_page(model, page(model)),
        Action::Oldest => oldest(model),
        Action::Newest => newest(model, out),
        Action::Reply => reply(model, out),
        Action::Expand => expand(model, out),
        Action::EditMessage => edit(model, out),
        Action::React => menu_on(model, out, MenuKind::React),
        Action::DeleteMessage => menu_on(model, out, MenuKind::Delete),
        Action::FirstUnread => first_unread(model, out),
        Action::ToComposer if drop_chosen(model) => {}
        Action::ToComposer => to_composer(model),
        _ => return false,
    }
    true
}

/// Scrolls by lines, down is positive.
pub(super) fn scroll(model: &mut Model, lines: i32) {
    if let Some(chat) = model.open_chat_mut() {
        chat.timeline.scroll = chat.timeline.scroll.saturating_add(lines);
    }
}

fn page(model: &Model) -> i32 {
    i32::from(model.shown.pane_lines.saturating_sub(1).max(1))
}

fn select(model: &mut Model, steps: isize) {
    if let Some(chat) = model.open_chat_mut() {
        chat.timeline.select(steps);
    }
}

/// A page further, with the mark on what is then at the edge.
fn select_page(model: &mut Model, lines: i32) {
    let span = model.shown.span;
    scroll(model, lines);
    if let (Some(chat), Some((first, last))) = (model.open_chat_mut(), span) {
        chat.timeline.selected = Some(if lines < 0 { first } else { last });
    }
}

fn oldest(model: &mut Model) {
    if let Some(chat) = model.open_chat_mut() {
        chat.timeline.selected = chat.timeline.entries().first().map(|e| e.serial);
        chat.timeline.reveal = chat.timeline.selected.map(|s| (s, Place::Nearest));
    }
}

/// Looks at the newest message again, loading it when the window is elsewhere.
pub(super) fn newest(model: &mut Model, out: &mut Effects) {
    let Some(name) = model.open_name().cloned() else { return };
    let Some(chat) = model.chats.get_mut(&name) else { return };
    chat.timeline.stick();
    if chat.timeline.at_end {
        chat.timeline.selected = chat.timeline.entries().last().map(|e| e.serial);
    } else {
        chats::load(model, out, &name, Page::Newest);
    }
}

fn reply(model: &mut Model, out: &mut Effects) {
    let Some(chat) = model.open_chat_mut() else { return };
    match chat.timeline.selected_entry().map(compose::quote) {
        Some(Some(quote)) => {
            chat.composer.reply = Some(quote);
            to_composer(model);
        }
        Some(None) => complain(model, out, "This message is not sent yet."),
        None => {}
    }
}

/// Changes the marked message where one writes.
fn edit(model: &mut Model, out: &mut Effects) {
    let Some(chat) = model.open_chat_mut() else { return };
    let Some(entry) = chat.timeline.selected_entry() else { return };
    match entry.id.filter(|_| entry.changeable()) {
        Some(id) => {
            let text = entry.text.as_str().to_owned();
            chat.composer.edit(id, &text);
            to_composer(model);
        }
        None => complain(model, out, "Only your own messages can be changed, once they are sent."),
    }
}

/// Marks what a command without a mark is about: the newest that it makes sense for.
pub(super) fn mark_for(model: &mut Model, action: Action) {
    let Some(chat) = model.open_chat_mut().filter(|c| c.timeline.selected.is_none()) else { return };
    let fits = |e: &&Entry| {
        let plain = e.notice.is_none() && !e.deleted;
        plain
            && match action {
                Action::EditMessage => e.changeable(),
                Action::DeleteMessage => e.own,
                Action::Reply | Action::React => !e.own,
                _ => true,
            }
    };
    chat.timeline.selected = chat.timeline.entries().iter().rev().find(fits).map(|e| e.serial);
}

/// Puts a menu about the marked message on top.
fn menu_on(model: &mut Model, out: &mut Effects, kind: fn(MsgId) -> MenuKind) {
    let entry = model.open_chat().and_then(|c| c.timeline.selected_entry());
    match entry.filter(|e| e.notice.is_none() && !e.deleted).and_then(|e| e.id) {
        Some(id) => menu::open(model, out, kind(id), ""),
        None => complain(model, out, "That does not work on this one."),
    }
}

fn expand(model: &mut Model, out: &mut Effects) {
    let Some(chat) = model.open_chat_mut() else { return };
    let Some(entry) = chat.timeline.selected_entry() else { return };
    let (entry, serial) = (entry.clone(), entry.serial);
    let long = model.shown.folded.contains(&serial);
    if matches!(entry.status, Status::Failed(_)) {
        return compose::again(model, out, serial);
    }
    if !long && share::open(model, out, &entry) {
        return;
    }
    let Some(chat) = model.open_chat_mut() else { return };
    if let Some(entry) = chat.timeline.change(serial) {
        entry.expanded = !entry.expanded;
        chat.timeline.reveal = Some((serial, Place::Nearest));
    }
}

fn first_unread(model: &mut Model, out: &mut Effects) {
    let Some(name) = model.open_name().cloned() else { return };
    let unread = model.roster.row(&name).and_then(|r| r.first_unread);
    let Some(chat) = model.chats.get_mut(&name) else { return };
    let here = chat.timeline.divider.map(|d| d.before).or_else(|| unread.and_then(|id| chat.timeline.find(id)));
    match (here, unread) {
        (Some(serial), _) => {
            chat.timeline.selected = Some(serial);
            chat.timeline.reveal = Some((serial, Place::Middle));
            model.focus = Focus::Messages;
        }
        (None, Some(id)) => {
            chat.jump = Some(id);
            chats::load(model, out, &name, Page::Around(id));
        }
        (None, None) => toast(model, out, "Nothing is unread here."),
    }
}

/// Back to writing.
pub(super) fn to_composer(model: &mut Model) {
    model.focus = Focus::Composer;
    chats::hide_list_if_narrow(model);
    if let Some(chat) = model.open_chat_mut() {
        chat.timeline.selected = None;
    }
}
