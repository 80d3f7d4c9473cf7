//! What happens changes the model and asks for effects. No clock, no disk, no network, no layout: time
//! comes with the message, the last frame's layout as [`Shown`].
//!
//! This page routes; handlers do. A handler may use those below it (`chats` is the lowest), never the
//! other way round.

mod account;
mod chats;
mod client;
mod commands;
mod compose;
mod door;
mod files;
mod forms;
mod habits;
mod list;
mod menu;
mod messages;
mod pass_on;
mod people;
mod rooms;
mod share;
mod sheets;

use crate::keymap::{self, Action, Code, Key, Scope};
use crate::model::{
    AccountAsk, AskKind, Change, Configured, Effect, Effects, FileAsk, FileNews, Focus, Hit, Link, Model, Msg, Name,
    Open, Overlay, Page, Pointer, Request, Screen, Shown, Timer, When,
};

/// What a change of somebody's identity means, in words.
#[must_use]
pub fn identity_words(name: &Name, change: Change) -> String {
    account::words(name, change)
}

/// Lines that one notch of the wheel scrolls.
const WHEEL_LINES: i32 = 3;

/// Takes in what happened.
pub fn update(model: &mut Model, now: When, msg: Msg) -> Effects {
    let mut out = Vec::new();
    model.now = now;
    match msg {
        Msg::Shown(shown) => {
            after_frame(model, &mut out, shown);
            return out;
        }
        Msg::Key(key) => {
            chats::key_pressed(model);
            keys(model, &mut out, key);
        }
        Msg::Paste(text) => paste(model, &mut out, &text),
        Msg::Pointer(pointer) => point(model, &mut out, pointer),
        Msg::Resize(columns, rows) => resize(model, columns, rows),
        Msg::Focus(focused) => {
            model.focused = focused;
            if focused {
                // Whoever comes back may have been in the editor with the configuration.
                out.push(Effect::Reload { asked: false });
            }
            chats::watch(model, &mut out);
        }
        Msg::Timer(timer) => timers(model, &mut out, timer),
        Msg::Woken => out.extend([Effect::Redraw, Effect::Reload { asked: false }]),
        Msg::Configured(configured) => configure(model, &mut out, *configured),
        Msg::End => end(model, &mut out),
        Msg::Say(text) => chats::complain(model, &mut out, text.as_str()),
        other => from_client(model, &mut out, other),
    }
    model.redraw = true;
    out
}

/// The configuration counts from now on.
fn configure(model: &mut Model, out: &mut Effects, configured: Configured) {
    let Configured { config, keymap, theme, complaints } = configured;
    (model.config, model.keymap, model.theme) = (config, keymap, theme);
    match complaints.as_slice() {
        [] => chats::toast(model, out, "The configuration was read again."),
        all => all.iter().for_each(|text| chats::complain(model, out, text)),
    }
}

fn from_client(model: &mut Model, out: &mut Effects, msg: Msg) {
    match msg {
        Msg::Link(link) => {
            model.link = link;
            if link == Link::Online {
                compose::online_again(model, out);
            }
        }
        Msg::RelayNamed(relay) => door::relay_named(model, out, relay),
        Msg::Started(started) => client::started(model, out, *started),
        Msg::Loaded { chat, page, entries, more_before, more_after } => {
            client::loaded(model, &chat, client::Loaded { page, entries, more_before, more_after });
        }
        Msg::NotLoaded { chat, problem } => {
            if let Some(chat) = model.chats.get_mut(&chat) {
                chat.timeline.loading = false;
            }
            chats::complain(model, out, &problem.sentence());
        }
        Msg::Draft { chat, text } => client::draft(model, &chat, &text),
        Msg::Arrived(arrival) => client::arrived(model, out, *arrival),
        Msg::Updated(arrival) => client::updated(model, *arrival),
        Msg::Queued { serial, chat, id, when } => compose::queued(model, serial, &chat, (id, when)),
        Msg::NotQueued { serial, chat, problem } => client::not_queued(model, out, serial, &chat, problem),
        Msg::Receipt { chat, receipt } => client::receipt(model, &chat, receipt),
        Msg::Typing { chat, who, active } => client::typing(model, out, &chat, active.then_some(who)),
        Msg::Presence { name, availability } => client::presence(model, &name, availability),
        Msg::Asked(stranger) => client::asked(model, out, stranger),
        Msg::IdentityChanged { name, change } => client::identity_changed(model, out, &name, change),
        Msg::LoggedOut { reason } => client::logged_out(model, out, &reason),
        Msg::Found { number, people } => {
            for key in menu::found(model, out, number, people) {
                keys(model, out, key);
            }
        }
        Msg::LookedUp { name, exists } => client::looked_up(model, out, &name, exists),
        Msg::Hits { number, hits } => menu::hits(model, number, hits),
        Msg::Gaps { number, gaps } => door::gaps(model, out, number, gaps),
        Msg::Relay { server, check } => door::relay(model, &server, check),
        Msg::SignedIn(result) => door::signed_in(model, out, *result),
        Msg::Done { what, result: Err(problem) } => people::undone(model, out, &what, problem),
        Msg::Form(result) => forms::done(model, out, *result),
        Msg::Account(news) => account::news(model, out, news),
        Msg::Room(news) => rooms::news(model, out, news),
        Msg::File(FileNews::Probed { text, is_file }) => compose::probed(model, out, &text, is_file),
        Msg::File(FileNews::Paths { common, .. }) if model.overlays.is_empty() => compose::completed(model, &common),
        Msg::File(news) => files::news(model, out, news),
        Msg::HistoryChanged => chats::load_anew(model, out),
        Msg::Facts(facts) => model.overlays.push(Overlay::Facts(facts)),
        _ => {}
    }
}

/// A key: the binding of the innermost scope, else what it writes.
fn keys(model: &mut Model, out: &mut Effects, key: Key) {
    let scope = model.scope();
    let action = model.keymap.action(scope, key);
    if action != Some(Action::Interrupt) {
        model.interrupted = false;
    }
    let leaves = matches!(action, Some(Action::Back | Action::Interrupt | Action::Quit | Action::Suspend));
    if !leaves && menu::hold(model, key) {
        return;
    }
    match action {
        Some(Action::HelpIfEmpty) if !model.composer().is_empty() => write(model, out, scope, key),
        Some(Action::HelpIfEmpty) => menu::open_help(model, Some(key)),
        // Twice it was meant for the message.
        None if menu::closes_help(model, key) => compose::key(model, out, key),
        Some(Action::ChatNumber) if matches!(model.screen, Screen::Main) => list::number(model, out, key),
        Some(action) => act(model, out, scope, action),
        None => write(model, out, scope, key),
    }
}

/// A key that is bound to nothing writes, where something can be written.
fn write(model: &mut Model, out: &mut Effects, scope: Scope, key: Key) {
    match scope {
        Scope::Composer => compose::key(model, out, key),
        Scope::Menu | Scope::Help => menu::key(model, out, key),
        Scope::Door => door::key(model, out, key),
        Scope::Code => door::code_key(model, key),
        Scope::Form => forms::key(model, key),
        _ => {}
    }
}

/// Does an action. Those of everywhere first, then the scope's own.
fn act(model: &mut Model, out: &mut Effects, scope: Scope, action: Action) {
    match (scope, action) {
        (_, Action::Quit) => leave(model, out),
        (_, Action::Interrupt) => interrupt(model, out),
        (_, Action::Redraw) => out.push(Effect::Redraw),
        (_, Action::Reload) => out.push(Effect::Reload { asked: true }),
        (_, Action::Suspend) => out.push(Effect::Suspend),
        (Scope::Help, Action::Help) => drop(model.overlays.pop()),
        (_, Action::Help | Action::HelpIfEmpty) => menu::open_help(model, None),
        (Scope::Door, _) => door::act(model, out, action),
        (Scope::Code, _) => door::code_act(model, out, action),
        (Scope::Certificate, _) => door::decide_certificate(model, out, action == Action::Yes),
        (Scope::Ask, _) => answer(model, out, action == Action::Yes),
        (Scope::Paste, _) => compose::decide_paste(model, out, action),
        (Scope::Form, _) => forms::act(model, out, action),
        (Scope::Verify, _) => account::act_on_number(model, out, action),
        (Scope::Devices | Scope::Rooms | Scope::Room | Scope::Transfers, _) => sheets::act(model, out, scope, action),
        (Scope::Facts, _) => menu::act_on_facts(model, action),
        (_, Action::Bare) => bare(model, out),
        (_, Action::Doctor) => out.push(Effect::Client(Request::Diagnose)),
        (Scope::Menu | Scope::Help, _) => {
            if let Some(action) = menu::act(model, out, action) {
                act(model, out, Scope::Global, action);
            }
        }
        _ => on_main(model, out, scope, action),
    }
}

/// Actions of the main screen.
fn on_main(model: &mut Model, out: &mut Effects, scope: Scope, action: Action) {
    if let Some(kind) = menu::kind_of(model, action) {
        return menu::open(model, out, kind, "");
    }
    match (scope, action) {
        (Scope::Composer, Action::Send) => send(model, out),
        // What needs words is begun where one writes.
        (
            Scope::Global,
            Action::DisplayName
            | Action::Dm
            | Action::Join
            | Action::Kick
            | Action::SetRole
            | Action::Timer
            | Action::Theme
            | Action::GoToDate,
        ) => {
            messages::to_composer(model);
            if let Some(slash) = keymap::slash_of(action) {
                model.composer_mut().set(&format!("{} ", slash.name));
            }
        }
        (_, Action::Command) => {
            // A request has no composer of its own.
            if matches!(model.open, Open::Request(_)) {
                model.open = Open::Nothing;
            }
            messages::to_composer(model);
            compose::key(model, out, Key::plain(Code::Char('/')));
        }
        (Scope::List, Action::Up | Action::Down) => {
            let _ = list::act(model, out, action);
        }
        _ => {
            let _ = habits::act(model, out, action)
                || people::act(model, out, action)
                || account::act(model, out, action)
                || rooms::act(model, out, action)
                || files::act(model, out, action)
                || (scope == Scope::Composer && compose::act(model, out, action))
                || share::act(model, out, action)
                || (scope != Scope::List && messages::act(model, out, action))
                || (action == Action::ToComposer && back(model))
                || (action == Action::FirstUnread && messages::act(model, out, action))
                || list::act(model, out, action);
        }
    }
}

/// Only the messages, and the terminal's own selection; or everything again.
fn bare(model: &mut Model, out: &mut Effects) {
    model.bare = !model.bare;
    out.push(Effect::Mouse(!model.bare && model.config.ui.mouse));
    if model.bare {
        chats::toast(model, out, "Select with the mouse; Alt-C brings the rest back.");
    }
}

/// From the list back to the chat.
fn back(model: &mut Model) -> bool {
    messages::to_composer(model);
    true
}

fn send(model: &mut Model, out: &mut Effects) {
    let compose::Sent::Command(line) = compose::send(model, out) else { return };
    if let commands::Next::Act(action, text) = commands::run(model, out, &line) {
        match menu::kind_of(model, action) {
            Some(kind) => menu::open(model, out, kind, &text),
            None => act(model, out, Scope::Global, action),
        }
    }
}

fn answer(model: &mut Model, out: &mut Effects, yes: bool) {
    let Some(Overlay::Ask(question)) = model.overlays.pop() else { return };
    if let AskKind::GiveHistory(device) = question.kind {
        return out.push(Effect::Client(Request::Account(AccountAsk::AnswerHistory { device, allow: yes })));
    }
    if let AskKind::LetIn(device) = question.kind {
        return out.push(Effect::Client(Request::Account(AccountAsk::AnswerEntry { device, allow: yes })));
    }
    if !yes {
        return;
    }
    match question.kind {
        AskKind::LeaveCode => door::quit(model, out),
        AskKind::RemoveDevice(id) => account::remove_device(model, out, id),
        AskKind::AcceptIdentity(name) => account::accept_identity(model, out, name),
        AskKind::LeaveRoom(_) | AskKind::DeleteRoom(_) | AskKind::Kick(..) => {
            rooms::confirmed(model, out, question.kind);
        }
        other => people::confirmed(model, out, other),
    }
}

/// Ctrl-C clears what is written; with nothing written a second one quits.
fn interrupt(model: &mut Model, out: &mut Effects) {
    let written = matches!(model.screen, Screen::Main) && !model.composer().is_empty();
    if written {
        model.composer_mut().take();
        compose::changed(model, out);
    } else if model.interrupted {
        leave(model, out);
    } else {
        model.interrupted = true;
        chats::toast(model, out, "Ctrl-C again quits.");
    }
}

/// Quits, unless something would be lost.
fn leave(model: &mut Model, out: &mut Effects) {
    if !door::ask_before_leaving(model) {
        end(model, out);
    }
}

/// Quits without a question: drafts go to disk first.
fn end(model: &mut Model, out: &mut Effects) {
    chats::leave(model, out);
    let unsaved: Vec<_> = model.chats.keys().cloned().collect();
    for name in unsaved {
        chats::save_draft(model, out, &name);
    }
    door::quit(model, out);
}

fn paste(model: &mut Model, out: &mut Effects, text: &str) {
    match model.scope() {
        Scope::Composer | Scope::Messages => compose::paste(model, out, text),
        Scope::Menu | Scope::Help => menu::paste(model, out, text),
        Scope::Door => door::paste(model, out, text),
        Scope::Form => forms::paste(model, text),
        Scope::Code => {
            if let Screen::Code(words) = &mut model.screen {
                words.typed.paste(text);
            }
        }
        _ => {}
    }
}

fn resize(model: &mut Model, columns: u16, rows: u16) {
    let was_narrow = model.narrow();
    model.size = (columns, rows);
    if was_narrow != model.narrow() {
        // Beside the chat there is room for the list; instead of it only when one is in it.
        model.list_shown = !model.narrow() || model.focus == Focus::List;
    }
}

fn point(model: &mut Model, out: &mut Effects, pointer: Pointer) {
    match pointer {
        Pointer::Wheel { column, row, lines } => {
            let over_list = matches!(model.shown.hit(column, row), Some(Hit::ListLine(_)));
            if model.overlays.is_empty() && over_list {
                list::step(model, isize::from(lines));
            } else if model.overlays.is_empty() {
                messages::scroll(model, i32::from(lines) * WHEEL_LINES);
            } else {
                let action = if lines < 0 { Action::Up } else { Action::Down };
                let scope = model.scope();
                if !matches!(scope, Scope::Form | Scope::Verify | Scope::Ask | Scope::Paste | Scope::Certificate) {
                    act(model, out, scope, action);
                }
            }
        }
        Pointer::Click { column, row } => match model.shown.hit(column, row).cloned() {
            Some(Hit::MenuRow(row)) if matches!(model.overlays.last(), Some(Overlay::Sheet(_))) => {
                sheets::mark(model, row);
            }
            Some(Hit::MenuRow(row)) => {
                if let Some(action) = menu::choose_row(model, out, row) {
                    act(model, out, Scope::Global, action);
                }
            }
            _ if !model.overlays.is_empty() => {}
            Some(Hit::ListLine(line)) => {
                model.roster.cursor = line;
                list::open_line(model, out, line);
            }
            Some(Hit::Message(serial)) => {
                model.focus = Focus::Messages;
                if let Some(chat) = model.open_chat_mut() {
                    chat.timeline.selected = Some(serial);
                }
            }
            Some(Hit::Composer) => messages::to_composer(model),
            Some(Hit::Field(place)) => door::focus(model, out, place),
            None => {}
        },
    }
}

fn timers(model: &mut Model, out: &mut Effects, timer: Timer) {
    match timer {
        Timer::Toast(number) if model.toast.as_ref().is_some_and(|t| t.number == number) => model.toast = None,
        Timer::Dwell(number) => {
            if let Some(dwell) = model.dwell.take_if(|d| d.number == number) {
                chats::mark_read(model, out, &dwell.chat, dwell.id);
            }
        }
        Timer::Transfers => out.push(Effect::Client(Request::File(FileAsk::List))),
        Timer::Draft(name) => chats::save_draft(model, out, &name),
        Timer::TypingStops(name) => compose::typing_timer(model, out, name),
        Timer::TypingEnds(name, number) => {
            if let Some(chat) = model.chats.get_mut(&name) {
                chat.typing.take_if(|n| *n == number);
            }
        }
        Timer::Midnight => out.push(Effect::After { ms: model.now.until_midnight_ms(), timer: Timer::Midnight }),
        Timer::Toast(_) => {}
    }
}

/// A frame was drawn: scrolling is done, and what lies just outside is loaded before it is needed.
fn after_frame(model: &mut Model, out: &mut Effects, mut shown: Shown) {
    let pane = usize::from(shown.pane_lines);
    let name = shown.chat.clone();
    let (anchor, span) = (shown.anchor, shown.span);
    let wanted = std::mem::take(&mut shown.wanted);
    model.shown = shown;
    files::ask_pictures(model, out, &wanted);
    if let Some(chat) = name.as_ref().and_then(|n| model.chats.get_mut(n)) {
        let timeline = &mut chat.timeline;
        let badge = timeline.below;
        timeline.anchor = anchor;
        (timeline.scroll, timeline.reveal) = (0, None);
        if anchor.is_none() && timeline.at_end {
            timeline.below = 0;
        }
        model.redraw |= badge != timeline.below;
        let place = |serial: u64| timeline.position(serial);
        let before = span.and_then(|(first, _)| place(first)).filter(|i| *i < pane && !timeline.at_start);
        let last = span.and_then(|(_, last)| place(last));
        let after = last.filter(|i| i + pane >= timeline.entries().len() && !timeline.at_end);
        let oldest = before.and_then(|_| timeline.entries().iter().find_map(|e| e.id));
        let newest = after.and_then(|_| timeline.entries().iter().rev().find_map(|e| e.id));
        if let Some(name) = name {
            if let Some(id) = oldest {
                chats::load(model, out, &name, Page::Before(id));
            } else if let Some(id) = newest {
                chats::load(model, out, &name, Page::After(id));
            }
        }
    }
    chats::watch(model, out);
}
