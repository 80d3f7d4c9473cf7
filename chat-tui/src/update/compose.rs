//! Writing: keys of the composer, pastes, sending.

use std::collections::BTreeSet;

use super::chats::{self, ask, complain};
use super::forms;
use crate::keymap::{self, Action, Key};
use crate::model::{
    Draft, Effect, Effects, Entry, FileAsk, Focus, FormKind, Lookup, MessageAsk, Model, MsgId, Name, Overlay, Page,
    Paste, Preview, Problem, Quote, Request, Status, Timer, Typing, When,
};
use crate::text::{SafeText, sign, sign_name, signs};

/// Bytes of one message: the contract's 64 KiB.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Lines and bytes of a paste above which the person is asked first.
const PASTE_LINES_MAX: usize = 5;
const PASTE_BYTES_MAX: usize = 2 * 1024;

/// How long after a change a draft goes to disk.
const DRAFT_MS: u64 = 800;

/// How long without a key one no longer types, and how often one who types says so.
const TYPING_STOPS_MS: u64 = 6_000;
const TYPING_AGAIN_MS: u64 = 5_000;

/// What a sent line was.
pub(super) enum Sent {
    /// A message, or nothing.
    Done,
    /// A command, for the handler of commands.
    Command(String),
}

/// A key that no binding takes.
pub(super) fn key(model: &mut Model, out: &mut Effects, key: Key) {
    if model.composer_mut().key(key) {
        changed(model, out);
    }
}

/// An editing action; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::EditLast if model.composer().is_empty() && !model.composer().recalling() => {
            if !edit_last(model) {
                history(model, Action::Earlier);
            }
        }
        Action::EditLast | Action::Earlier | Action::Later => history(model, action),
        Action::Complete => complete(model, out),
        Action::ToMessages => to_messages(model, out),
        _ => match model.composer_mut().act(action) {
            Some(true) => changed(model, out),
            Some(false) => {}
            None => return false,
        },
    }
    true
}

fn to_messages(model: &mut Model, out: &mut Effects) {
    if model.composer_mut().stop_editing().is_some() || model.composer_mut().reply.take().is_some() {
        return;
    }
    if let Some(name) = model.open_name().cloned().filter(|name| chats::is_nobody(model, name)) {
        return chats::gone(model, out, &name);
    }
    if let Some(chat) = model.open_chat_mut() {
        if chat.timeline.selected.is_none() {
            chat.timeline.select(0);
        }
        model.focus = Focus::Messages;
    } else {
        model.focus = Focus::List;
        model.list_shown = true;
    }
}

/// Begins to change the last own message; tells whether there is one.
fn edit_last(model: &mut Model) -> bool {
    let Some(chat) = model.open_chat_mut() else { return false };
    let last = chat.timeline.entries().iter().rev().find(|e| e.changeable());
    let Some((id, text)) = last.and_then(|e| Some((e.id?, e.text.as_str().to_owned()))) else { return false };
    chat.composer.edit(id, &text);
    true
}

fn history(model: &mut Model, action: Action) {
    let Some(chat) = model.open_chat_mut() else {
        let none = std::iter::empty();
        return if action == Action::Later { model.scratch.down(none) } else { model.scratch.up(none) };
    };
    let crate::model::Chat { timeline, composer, .. } = chat;
    let own =
        timeline.entries().iter().rev().filter(|e| e.own && !e.unknown && e.notice.is_none()).map(|e| e.text.as_str());
    match action {
        // What is being changed is not replaced by something else.
        Action::Earlier | Action::EditLast if composer.editing.is_none() => composer.up(own),
        Action::Earlier | Action::EditLast => composer.up(std::iter::empty()),
        _ => composer.down(own),
    }
}

/// Completes a command or a name to what all candidates have in common.
fn complete(model: &mut Model, out: &mut Effects) {
    let line = model.composer().before_cursor();
    if let Some(typed) = path_of(&line) {
        let number = model.next_number();
        return ask(out, Request::File(FileAsk::Complete { typed: typed.to_owned(), number }));
    }
    let word = line.rsplit(' ').next().unwrap_or_default().to_owned();
    let candidates: Vec<String> = if let Some(begun) = word.strip_prefix(':').filter(|begun| !begun.is_empty()) {
        return complete_sign(model, out, &word, begun.trim_end_matches(':'));
    } else if word.starts_with('/') && word == line {
        keymap::slashes(&word).map(|(_, s)| s.name.to_owned()).collect()
    } else {
        let bare = word.strip_prefix('@').unwrap_or(&word);
        let at = if bare.len() < word.len() { "@" } else { "" };
        let starts = |n: &&str| !bare.is_empty() && n.starts_with(&bare.to_lowercase());
        let written = model.open_chat().into_iter().flat_map(|c| c.timeline.entries()).filter(|e| e.notice.is_none());
        let names = model.roster.rows().iter().map(|r| &r.name).chain(written.map(|e| &e.author));
        let names: BTreeSet<&str> = names.map(Name::as_str).filter(starts).collect();
        names.into_iter().map(|n| format!("{at}{n}")).collect()
    };
    let whole = match candidates.as_slice() {
        [] => return,
        [one] => format!("{one} "),
        [first, rest @ ..] => common_start(first, rest),
    };
    if whole.len() > word.len() {
        model.composer_mut().complete(&word, &whole);
    }
}

/// Completes `:name` to its sign, or tells which there are.
fn complete_sign(model: &mut Model, out: &mut Effects, word: &str, begun: &str) {
    let fitting: Vec<(&str, &str)> = signs(begun).collect();
    let exact = sign(begun);
    match (exact, fitting.as_slice()) {
        (Some(sign), _) => model.composer_mut().complete(word, &format!("{sign} ")),
        (None, [(sign, _)]) => model.composer_mut().complete(word, &format!("{sign} ")),
        (None, []) => complain(model, out, "There is no sign of this name."),
        (None, several) => {
            let shown = several.iter().map(|(sign, words)| format!("{sign} :{}", sign_name(words))).collect::<Vec<_>>();
            chats::toast(model, out, &shown.join("  "));
        }
    }
}

/// The path behind a command that takes one.
fn path_of(line: &str) -> Option<&str> {
    let (command, path) = line.split_once(' ')?;
    ["/file", "/save", "/export", "/import"].contains(&command).then_some(path)
}

/// What a path behind a command may become.
pub(super) fn completed(model: &mut Model, common: &str) {
    let line = model.composer().text();
    if let Some(path) = path_of(&line)
        && common.len() > path.len()
    {
        let command = line.strip_suffix(path).unwrap_or_default();
        model.composer_mut().set(&format!("{command}{common}"));
    }
}

fn common_start(first: &str, rest: &[String]) -> String {
    let same = |n: usize| rest.iter().all(|r| r.get(..n) == first.get(..n));
    let end = (0..=first.len()).rev().find(|n| first.is_char_boundary(*n) && same(*n)).unwrap_or(0);
    first.get(..end).unwrap_or_default().to_owned()
}

/// What is written changed: the draft shall reach the disk, the other one may learn that one types.
pub(super) fn changed(model: &mut Model, out: &mut Effects) {
    let Some(name) = model.open_name().cloned() else { return };
    if !std::mem::replace(&mut model.composer_mut().saving, true) {
        out.push(Effect::After { ms: DRAFT_MS, timer: Timer::Draft(name.clone()) });
    }
    let text = model.composer().text();
    if !model.config.privacy.typing || text.trim().is_empty() || text.starts_with('/') || model.is_me(&name) {
        return;
    }
    let now_ms = model.now.ms;
    match &mut model.typing {
        Some(typing) if typing.to == name && now_ms < typing.told_ms.saturating_add(TYPING_AGAIN_MS) => {
            typing.key_ms = now_ms
        }
        _ => {
            let first = model.typing.as_ref().is_none_or(|t| t.to != name);
            model.typing = Some(Typing { to: name.clone(), told_ms: now_ms, key_ms: now_ms });
            ask(out, Request::Typing { to: name.clone(), active: true });
            if first {
                out.push(Effect::After { ms: TYPING_STOPS_MS, timer: Timer::TypingStops(name) });
            }
        }
    }
}

/// The timer of one's own typing.
pub(super) fn typing_timer(model: &mut Model, out: &mut Effects, name: Name) {
    let Some(typing) = model.typing.as_ref().filter(|t| t.to == name) else { return };
    let left = typing.key_ms.saturating_add(TYPING_STOPS_MS).saturating_sub(model.now.ms);
    if left == 0 {
        chats::stop_typing(model, out);
    } else {
        out.push(Effect::After { ms: left, timer: Timer::TypingStops(name) });
    }
}

/// A paste into the composer: small ones at once, big ones after a question.
pub(super) fn paste(model: &mut Model, out: &mut Effects, raw: &str) {
    let text = SafeText::body(raw);
    if looks_like_a_path(text.as_str()) && model.open_chat().is_some() {
        // A file that was dragged here comes as its path.
        return ask(out, Request::File(FileAsk::Probe(text)));
    }
    let lines = text.as_str().split('\n').count();
    if lines > PASTE_LINES_MAX || text.as_str().len() > PASTE_BYTES_MAX {
        model.overlays.push(Overlay::Paste(Paste { text, lines }));
        return;
    }
    model.focus = Focus::Composer;
    model.composer_mut().insert(&text);
    changed(model, out);
}

/// Whether a pasted text may be the path of a file: one line that begins at the root or at home.
fn looks_like_a_path(text: &str) -> bool {
    let bare = text.trim().trim_start_matches(['\'', '"']);
    !text.trim().contains('\n')
        && ["/", "~/", "file://"].iter().any(|start| bare.starts_with(start) && bare.len() > start.len())
}

/// What a pasted text turned out to be: a file is offered to be sent, anything else is only text.
pub(super) fn probed(model: &mut Model, out: &mut Effects, text: &SafeText, is_file: bool) {
    match model.open_name().cloned().filter(|_| is_file) {
        Some(name) => forms::open_with(model, FormKind::SendFile(name), text.as_str().trim()),
        None => {
            model.focus = Focus::Composer;
            model.composer_mut().insert(text);
            changed(model, out);
        }
    }
}

/// What to do with a big paste.
pub(super) fn decide_paste(model: &mut Model, out: &mut Effects, action: Action) {
    let Some(Overlay::Paste(paste)) = model.overlays.pop() else { return };
    match action {
        Action::EditPaste => {
            model.focus = Focus::Composer;
            model.composer_mut().insert(&paste.text);
            changed(model, out);
        }
        Action::Send => send_text(model, out, Draft { text: paste.text.into_string(), reply: None }),
        Action::PasteAsFile => match model.open_name().cloned() {
            Some(to) => ask(out, Request::File(FileAsk::SendText { to, text: paste.text.into_string() })),
            None => complain(model, out, "Open a chat first."),
        },
        _ => {}
    }
}

/// Sends what is written.
pub(super) fn send(model: &mut Model, out: &mut Effects) -> Sent {
    let text = model.composer().text();
    if text.trim().is_empty() {
        return Sent::Done;
    }
    if model.composer().editing.is_some() {
        if let Some(id) = model.composer_mut().stop_editing() {
            ask(out, Request::Message(MessageAsk::Edit { id, text }));
        }
        return Sent::Done;
    }
    if text.starts_with('/') && !text.starts_with("//") {
        model.composer_mut().take();
        save_now(model, out);
        return Sent::Command(text.trim().to_owned());
    }
    let Some(name) = model.open_name().cloned() else {
        complain(model, out, "Choose a chat first: Ctrl-K, or /dm NAME.");
        return Sent::Done;
    };
    if model.stopped_by_change() {
        complain(model, out, &Problem::KeyChanged.sentence());
        return Sent::Done;
    }
    if model.chats.get(&name).is_some_and(|c| c.lookup == Lookup::Nobody) {
        complain(model, out, &format!("Nobody on this relay is called {name}."));
        return Sent::Done;
    }
    let mut draft = model.composer_mut().take();
    if draft.text.starts_with("//") {
        draft.text.remove(0);
    }
    send_text(model, out, draft);
    Sent::Done
}

fn save_now(model: &mut Model, out: &mut Effects) {
    if let Some(name) = model.open_name().cloned() {
        chats::save_draft(model, out, &name);
    }
}

fn send_text(model: &mut Model, out: &mut Effects, draft: Draft) {
    let Some(name) = model.open_name().cloned() else { return };
    if draft.text.len() > TEXT_BYTES_MAX {
        complain(model, out, &format!("Too long: {} KiB; a message has at most 64.", draft.text.len().div_ceil(1024)));
        let composer = model.composer_mut();
        composer.set(&draft.text);
        composer.reply = draft.reply;
        return;
    }
    chats::stop_typing(model, out);
    send_to(model, out, &name, draft);
    save_now(model, out);
}

/// Sends a text into a chat, which need not be the open one.
pub(super) fn send_to(model: &mut Model, out: &mut Effects, name: &Name, draft: Draft) {
    let Some(me) = model.me.as_ref().map(|m| m.name.clone()) else { return };
    let serial = model.next_number();
    let entry = Entry {
        serial,
        own: true,
        unsent: Some(draft.text.clone()),
        reply: draft.reply.clone(),
        status: Status::Queued,
        ..Entry::new(me, SafeText::body(&draft.text), model.now)
    };
    preview(model, name, &entry.text, model.now);
    let vanishes_ms = vanishes(model, name);
    let chat = model.chats.entry(name.clone()).or_default();
    // What was never looked at is loaded when it is opened, this text included.
    let (opened, elsewhere) = (chat.opened_ms > 0, !chat.timeline.at_end);
    (chat.timeline.divider, chat.timeline.selected) = (None, None);
    chat.timeline.stick();
    chat.timeline.push_unsent(entry);
    let reply_to = draft.reply.map(|q| q.id);
    ask(out, Request::Send { serial, to: name.clone(), text: draft.text, reply_to, vanishes_ms });
    if opened && elsewhere {
        // What one writes stands below the newest message, wherever one was looking.
        chats::load(model, out, name, Page::Newest);
    }
}

/// After how long what is written in a chat vanishes.
fn vanishes(model: &Model, name: &Name) -> Option<u64> {
    model.roster.habits.of(name).and_then(|habit| habit.vanishes_ms)
}

fn preview(model: &mut Model, name: &Name, text: &SafeText, when: When) {
    let row = model.roster.row_mut(name);
    row.last = Some(Preview { own: true, text: text.one_line(), when });
    model.roster.sort();
}

/// Sends a failed message again.
pub(super) fn again(model: &mut Model, out: &mut Effects, serial: u64) {
    let Some(name) = model.open_name().cloned() else { return };
    let vanishes_ms = vanishes(model, &name);
    let Some(chat) = model.chats.get_mut(&name) else { return };
    let Some(entry) = chat.timeline.change(serial) else { return };
    let text = entry.unsent.clone().unwrap_or_else(|| entry.text.as_str().to_owned());
    let reply = entry.reply.clone();
    if entry.id.is_some() {
        // Its id is spent: the text goes out as a new message.
        return send_text(model, out, Draft { text, reply });
    }
    entry.status = Status::Queued;
    ask(out, Request::Send { serial, to: name, text, reply_to: reply.map(|q| q.id), vanishes_ms });
}

/// The relay can be reached again: what failed only for that goes out by itself, in its order.
pub(super) fn online_again(model: &mut Model, out: &mut Effects) {
    for (name, chat) in &mut model.chats {
        if chat.lookup == Lookup::Later {
            chat.lookup = Lookup::Asked;
            ask(out, Request::LookUp(name.clone()));
        }
        let vanishes_ms = model.roster.habits.of(name).and_then(|habit| habit.vanishes_ms);
        for entry in chat.timeline.unsent_mut() {
            let Status::Failed(Problem::Offline | Problem::Timeout) = entry.status else { continue };
            let Some(text) = entry.unsent.clone() else { continue };
            (entry.status, entry.revision) = (Status::Queued, entry.revision.wrapping_add(1));
            let reply_to = entry.reply.as_ref().map(|q| q.id);
            ask(out, Request::Send { serial: entry.serial, to: name.clone(), text, reply_to, vanishes_ms });
        }
    }
}

/// A text is durably queued.
pub(super) fn queued(model: &mut Model, serial: u64, name: &Name, queued: (MsgId, When)) {
    let (id, when) = queued;
    let early = model.early.remove(&id);
    let Some(chat) = model.chats.get_mut(name) else { return };
    chat.timeline.drop_twin(serial, id);
    let Some(entry) = chat.timeline.change(serial) else { return };
    (entry.id, entry.when, entry.unsent) = (Some(id), when, None);
    if let Some(status) = early {
        entry.status = entry.status.and(status);
    }
}

/// What a message looks like in an answer to it.
pub(super) fn quote(entry: &Entry) -> Option<Quote> {
    let known = Some((entry.author.clone(), entry.brief()));
    entry.id.map(|id| Quote { id, known })
}
