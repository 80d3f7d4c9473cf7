//! What is set for single chats on this device: mute, pin, put away, look at again, vanish.

use super::chats::{self, change_habit, complain, toast};
use crate::keymap::Action;
use crate::model::{Effects, Focus, Model, Name, Open};

/// Does an action on the chat that is meant; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::Mute => match meant(model) {
            Some(name) if model.roster.habits.muted(&name, model.now.ms) => unmute(model, out, &name),
            Some(name) => mute(model, out, &name, None),
            None => complain(model, out, "Open a chat first."),
        },
        Action::Unmute => on_meant(model, out, unmute),
        Action::Archive => on_meant(model, out, archive),
        Action::PinChat => on_meant(model, out, pin_chat),
        Action::MarkUnread => on_meant(model, out, mark_unread),
        Action::PinMessage => pin_message(model, out),
        _ => return false,
    }
    true
}

/// The chat under the cursor of the list, else the open one.
fn meant(model: &Model) -> Option<Name> {
    let marked = model.roster.marked().map(|r| r.name.clone());
    if model.focus == Focus::List && model.list_shown { marked } else { model.open_name().cloned() }
}

fn on_meant(model: &mut Model, out: &mut Effects, deed: fn(&mut Model, &mut Effects, &Name)) {
    match meant(model) {
        Some(name) => deed(model, out, &name),
        None => complain(model, out, "Open a chat first."),
    }
}

/// Rings for nothing for a while, or until that is taken back.
pub(super) fn mute(model: &mut Model, out: &mut Effects, name: &Name, for_ms: Option<u64>) {
    let until = for_ms.map_or(u64::MAX, |ms| model.now.ms.saturating_add(ms));
    change_habit(model, out, name, |habit| habit.muted_until_ms = until);
    toast(model, out, &format!("{name} is muted. /unmute takes it back."));
}

fn unmute(model: &mut Model, out: &mut Effects, name: &Name) {
    change_habit(model, out, name, |habit| habit.muted_until_ms = 0);
    toast(model, out, &format!("{name} is no longer muted."));
}

fn archive(model: &mut Model, out: &mut Effects, name: &Name) {
    let archived = change_habit(model, out, name, |habit| {
        (habit.archived, habit.pinned) = (!habit.archived, false);
        habit.archived
    });
    let words =
        if archived { format!("{name} is put away until something comes.") } else { format!("{name} is back.") };
    toast(model, out, &words);
    model.roster.cursor = model.roster.cursor.min(model.roster.lines().saturating_sub(1));
}

fn pin_chat(model: &mut Model, out: &mut Effects, name: &Name) {
    let pinned = change_habit(model, out, name, |habit| {
        (habit.pinned, habit.archived) = (!habit.pinned, false);
        habit.pinned
    });
    toast(model, out, &if pinned { format!("{name} stays above.") } else { format!("{name} no longer stays above.") });
}

fn mark_unread(model: &mut Model, out: &mut Effects, name: &Name) {
    change_habit(model, out, name, |habit| habit.unread = true);
    if model.open_name() == Some(name) {
        chats::leave(model, out);
        model.open = Open::Nothing;
        model.focus = Focus::Composer;
        model.list_shown = true;
    }
    toast(model, out, &format!("{name} is marked to be looked at again."));
}

/// Keeps the marked message to come back to, or no longer.
fn pin_message(model: &mut Model, out: &mut Effects) {
    let (Some(name), Some(entry)) = (
        model.open_name().cloned(),
        model.open_chat().and_then(|c| c.timeline.selected_entry()).filter(|e| e.notice.is_none() && !e.deleted),
    ) else {
        return complain(model, out, "Mark a message first: Esc, then the arrows.");
    };
    let Some(id) = entry.id else { return complain(model, out, "This message is not sent yet.") };
    let text = entry.brief();
    let author = entry.author.clone();
    let pinned = change_habit(model, out, &name, |habit| habit.pin(id, &author, &text));
    let words = if pinned { "Pinned, on this device. /pins shows what you pinned here." } else { "No longer pinned." };
    toast(model, out, words);
}
