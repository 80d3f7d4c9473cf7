//! What one does about people: accept, decline, block; and about oneself.

use super::chats::{self, ask, availability_word, complain, toast};
use crate::keymap::Action;
use crate::model::{
    AccountAsk, Ask, AskKind, Availability, Effects, Focus, Model, Name, Open, Overlay, Problem, Request,
};
use crate::text::SafeText;

/// Does an action about the person of the open request or chat; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    let request = match &model.open {
        Open::Request(name) => Some(name.clone()),
        _ => model.roster.strangers.first().map(|s| s.name.clone()),
    };
    match action {
        Action::Accept => on_request(model, out, request, accept),
        Action::Decline => on_request(model, out, request, decline),
        Action::Block => match current(model) {
            Some(name) => ask_block(model, name),
            None => complain(model, out, "Block whom? /block NAME"),
        },
        Action::Unblock => match current(model) {
            Some(name) => unblock(model, out, name),
            None => complain(model, out, "Unblock whom? /unblock NAME"),
        },
        Action::MarkRead => mark_read(model, out),
        Action::LogOut => model.overlays.push(Overlay::Ask(Ask {
            kind: AskKind::LogOut,
            question: SafeText::line("Log out?"),
            detail: "The history stays on this device. Messages that were not sent stay queued.",
        })),
        _ => return false,
    }
    true
}

fn on_request(model: &mut Model, out: &mut Effects, name: Option<Name>, deed: fn(&mut Model, &mut Effects, Name)) {
    match name {
        Some(name) => deed(model, out, name),
        None => toast(model, out, "No requests."),
    }
}

fn current(model: &Model) -> Option<Name> {
    match &model.open {
        Open::Chat(name) | Open::Request(name) => Some(name.clone()),
        Open::Nothing => None,
    }
}

/// Accepts a stranger and opens the chat.
pub(super) fn accept(model: &mut Model, out: &mut Effects, name: Name) {
    take_request(model, &name);
    model.roster.row_mut(&name).known = true;
    ask(out, Request::Accept(name.clone()));
    chats::open(model, out, &name);
}

/// Declines a stranger.
pub(super) fn decline(model: &mut Model, out: &mut Effects, name: Name) {
    take_request(model, &name);
    toast(model, out, &format!("Declined {name}. They are not told."));
    ask(out, Request::Decline(name));
}

fn take_request(model: &mut Model, name: &Name) {
    model.roster.strangers.retain(|s| s.name != *name);
    model.roster.cursor = model.roster.cursor.min(model.roster.lines().saturating_sub(1));
    if model.open == Open::Request(name.clone()) {
        model.open = model.roster.strangers.first().map_or(Open::Nothing, |s| Open::Request(s.name.clone()));
        model.focus = Focus::Composer;
    }
}

/// Asks whether to block somebody.
pub(super) fn ask_block(model: &mut Model, name: Name) {
    model.overlays.push(Overlay::Ask(Ask {
        question: SafeText::line(&format!("Block {name}?")),
        kind: AskKind::Block(name),
        detail: "Nothing of theirs arrives any more. They are not told, and you can take it back.",
    }));
}

/// Blocks somebody.
pub(super) fn block(model: &mut Model, out: &mut Effects, name: Name) {
    take_request(model, &name);
    model.roster.row_mut(&name).blocked = true;
    toast(model, out, &format!("Blocked {name}."));
    ask(out, Request::Block(name));
}

/// Takes a block back.
pub(super) fn unblock(model: &mut Model, out: &mut Effects, name: Name) {
    model.roster.row_mut(&name).blocked = false;
    toast(model, out, &format!("{name} is no longer blocked."));
    ask(out, Request::Unblock(name));
}

fn mark_read(model: &mut Model, out: &mut Effects) {
    let Some(name) = model.open_name().cloned() else { return };
    let newest =
        model.chats.get(&name).and_then(|c| c.timeline.entries().iter().rev().find(|e| !e.own && e.id.is_some()));
    if let Some(id) = newest.and_then(|e| e.id) {
        chats::mark_read(model, out, &name, id);
        if let Some(chat) = model.chats.get_mut(&name) {
            chat.timeline.divider = None;
        }
    }
}

/// Sets what contacts see.
pub(super) fn set_presence(model: &mut Model, out: &mut Effects, availability: Availability) {
    if let Some(me) = &mut model.me {
        me.availability = availability;
    }
    toast(
        model,
        out,
        &format!(
            "Contacts see you as {}.",
            if availability == Availability::Invisible { "offline" } else { availability_word(availability) }
        ),
    );
    ask(out, Request::SetPresence(availability));
}

/// Sets the display name.
pub(super) fn set_display(model: &mut Model, out: &mut Effects, text: &str) {
    let safe = SafeText::line(text);
    toast(model, out, &format!("Contacts see you as {safe}."));
    if let Some(me) = &mut model.me {
        me.display = Some(safe);
    }
    ask(out, Request::SetDisplay(text.to_owned()));
}

/// A yes to a question about people or oneself.
pub(super) fn confirmed(model: &mut Model, out: &mut Effects, kind: AskKind) {
    match kind {
        AskKind::Block(name) => block(model, out, name),
        AskKind::LogOut => ask(out, Request::LogOut),
        AskKind::Forget => ask(out, Request::Account(AccountAsk::Forget)),
        _ => {}
    }
}

/// A deed that was shown as done was not: what is true is loaded again.
pub(super) fn undone(model: &mut Model, out: &mut Effects, what: &SafeText, problem: Problem) {
    complain(model, out, &format!("{what}: {}", problem.sentence()));
    ask(out, Request::Start);
}
