//! What several handlers do with chats: opening, loading, reading, telling.

use crate::model::{
    Availability, Chat, Divider, Dwell, Effect, Effects, Entry, Focus, Habit, Lookup, Model, Mood, MsgId, Name, Open,
    Page, Place, Request, RoomAsk, Row, Status, Timer, Toast, When,
};
use crate::text::SafeText;

/// How long a message must be on the screen to count as read.
const DWELL_MS: u64 = 500;

/// How long a toast stays at least: a key then makes room for the hints.
const TOAST_SEEN_MS: u64 = 1_500;

/// How long a toast stays.
const TOAST_MS: u64 = 5_000;

/// Chats whose messages stay in memory; the store has the rest within milliseconds.
const CHATS_MAX: usize = 24;

/// Unread messages up to which the newest page surely holds the first of them.
const UNREAD_ON_NEWEST_PAGE: u64 = 80;

/// Asks the client.
pub(super) fn ask(out: &mut Effects, request: Request) {
    out.push(Effect::Client(request));
}

/// Tells what happened, for some seconds.
pub(super) fn toast(model: &mut Model, out: &mut Effects, text: &str) {
    show(model, out, text, false);
}

/// Tells what went wrong, for some seconds.
pub(super) fn complain(model: &mut Model, out: &mut Effects, text: &str) {
    show(model, out, text, true);
}

/// A key was pressed: what was told and seen makes room.
pub(super) fn key_pressed(model: &mut Model) {
    let now_ms = model.now.ms;
    model.toast.take_if(|toast| now_ms.saturating_sub(toast.since_ms) >= TOAST_SEEN_MS);
}

fn show(model: &mut Model, out: &mut Effects, text: &str, bad: bool) {
    let number = model.next_number();
    let since_ms = model.now.ms;
    model.toast = Some(Toast { text: SafeText::line(text), bad, since_ms, number });
    out.push(Effect::After { ms: TOAST_MS, timer: Timer::Toast(number) });
}

/// Opens a chat, known or not.
pub(super) fn open(model: &mut Model, out: &mut Effects, name: &Name) {
    if model.open_name() == Some(name) {
        model.focus = Focus::Composer;
        hide_list_if_narrow(model);
        return;
    }
    leave(model, out);
    seen(model, out, name);
    let known = model.roster.row(name).is_some_and(|r| r.known) || model.is_me(name) || name.is_room();
    let now_ms = model.now.ms;
    let first = model.chats.get(name).is_none_or(|chat| chat.opened_ms == 0);
    let chat = model.chats.entry(name.clone()).or_default();
    chat.opened_ms = now_ms;
    if first {
        chat.timeline.at_end = true;
        ask(out, Request::LoadDraft(name.clone()));
        if !known {
            chat.lookup = Lookup::Asked;
            ask(out, Request::LookUp(name.clone()));
        }
    }
    model.open = Open::Chat(name.clone());
    model.focus = Focus::Composer;
    bring(model, out, name);
    model.roster.row_mut(name);
    model.roster.sort();
    if let Some(line) = model.roster.line_of(name) {
        model.roster.cursor = line;
    }
    hide_list_if_narrow(model);
    if name.is_room() {
        // Who is in it stands beside it where there is room.
        ask(out, Request::Room(RoomAsk::Info(name.clone())));
    }
    if first {
        load_start(model, out, name);
    } else {
        place_divider(model, name);
    }
    forget_oldest(model);
}

/// What was written before any chat was open comes along into the first one that holds nothing.
fn bring(model: &mut Model, out: &mut Effects, name: &Name) {
    let holds = model.roster.row(name).is_some_and(|r| r.draft.is_some()) || !model.composer().is_empty();
    if holds || model.scratch.is_empty() {
        return;
    }
    let text = model.scratch.take().text;
    let composer = model.composer_mut();
    composer.set(&text);
    composer.touched = true;
    save_draft(model, out, name);
}

/// Loads the page that a chat opens with: the newest, or the one around the first unread message.
fn load_start(model: &mut Model, out: &mut Effects, name: &Name) {
    let row = model.roster.row(name);
    let page = match row.and_then(|r| r.first_unread.filter(|_| r.unread > UNREAD_ON_NEWEST_PAGE)) {
        Some(first) => Page::Around(first),
        None => Page::Newest,
    };
    load(model, out, name, page);
}

/// Asks for a page, unless one is under way; a jump asks in any case.
pub(super) fn load(model: &mut Model, out: &mut Effects, name: &Name, page: Page) {
    let number = model.last_number;
    if let Some(chat) = model.chats.get_mut(name) {
        if chat.timeline.loading && !matches!(page, Page::Around(_) | Page::Newest | Page::At(_)) {
            return;
        }
        chat.timeline.loading = true;
        if matches!(page, Page::Around(_) | Page::Newest | Page::At(_)) {
            chat.timeline.wanted = Some((page, number));
        }
        ask(out, Request::Load { chat: name.clone(), page });
    }
}

/// Asks for what is newer than the newest message here, when that is being looked at.
pub(super) fn load_newer(model: &mut Model, out: &mut Effects, name: &Name) {
    let Some(chat) = model.chats.get(name).filter(|c| c.timeline.at_end) else { return };
    let newest = chat.timeline.entries().iter().rev().find_map(|e| e.id);
    load(model, out, name, newest.map_or(Page::Newest, Page::After));
}

/// The history holds more than what is loaded: all of it is loaded anew.
pub(super) fn load_anew(model: &mut Model, out: &mut Effects) {
    ask(out, Request::Start);
    let open = model.open_name().cloned();
    for (name, chat) in &mut model.chats {
        if Some(name) != open.as_ref() {
            // The next look at it begins from the store.
            chat.opened_ms = 0;
        }
    }
    if let Some(name) = open {
        load(model, out, &name, Page::Newest);
    }
}

/// On a narrow screen the list and the chat take turns.
pub(super) fn hide_list_if_narrow(model: &mut Model) {
    if model.narrow() {
        model.list_shown = false;
    }
}

/// Leaves the open chat: its draft goes to disk, its "new" line has done its work.
pub(super) fn leave(model: &mut Model, out: &mut Effects) {
    let Some(name) = model.open_name().cloned() else { return };
    stop_typing(model, out);
    if is_nobody(model, &name) {
        return forget_nobody(model, out, &name);
    }
    save_draft(model, out, &name);
    if let Some(chat) = model.chats.get_mut(&name) {
        chat.timeline.divider = None;
        chat.timeline.selected = None;
        chat.timeline.chosen.clear();
    }
    model.dwell = None;
}

/// Whether a chat was begun by name, and the relay knows nobody of this name.
pub(super) fn is_nobody(model: &Model, name: &Name) -> bool {
    let written = |chat: &Chat| chat.timeline.entries().iter().any(|e| e.notice.is_none());
    model.chats.get(name).is_some_and(|chat| chat.lookup == Lookup::Nobody && !written(chat))
}

/// A chat with nobody does not stay in the list; what was written to it waits for somebody.
pub(super) fn forget_nobody(model: &mut Model, out: &mut Effects, name: &Name) {
    if let Some(chat) = model.chats.remove(name) {
        let text = chat.composer.text();
        if !chat.composer.saved.is_empty() {
            ask(out, Request::SaveDraft { chat: name.clone(), text: String::new() });
        }
        if model.scratch.is_empty() && !text.trim().is_empty() {
            model.scratch.set(&text);
        }
    }
    model.roster.remove(name);
    if model.open_name() == Some(name) {
        (model.open, model.focus, model.dwell) = (Open::Nothing, Focus::Composer, None);
    }
}

/// A chat is over: it leaves the list and the screen.
pub(super) fn gone(model: &mut Model, out: &mut Effects, name: &Name) {
    if model.open_name() == Some(name) {
        leave(model, out);
        model.open = Open::Nothing;
        model.focus = Focus::Composer;
        model.list_shown = true;
    }
    model.chats.remove(name);
    model.roster.remove(name);
}

/// Tells in a chat what happened there.
pub(super) fn note(model: &mut Model, name: &Name, told: (SafeText, When), mood: Mood) {
    let serial = model.next_number();
    let (text, when) = told;
    // Also before the chat was ever opened: what happened there is not told again.
    let chat = model.chats.entry(name.clone()).or_default();
    chat.timeline.tell(Entry { serial, own: true, notice: Some(mood), ..Entry::new(name.clone(), text, when) });
}

/// Keeps what is written, when it changed.
pub(super) fn save_draft(model: &mut Model, out: &mut Effects, name: &Name) {
    let Some(chat) = model.chats.get_mut(name) else { return };
    // While a message is changed, what was written before it is the draft.
    let text = chat.composer.editing.as_ref().map_or_else(|| chat.composer.text(), |(_, before)| before.clone());
    chat.composer.saving = false;
    if text == chat.composer.saved {
        return;
    }
    chat.composer.saved.clone_from(&text);
    let draft = (!text.trim().is_empty()).then(|| SafeText::line(&text));
    model.roster.row_mut(name).draft = draft;
    ask(out, Request::SaveDraft { chat: name.clone(), text });
}

/// Tells that one no longer types.
pub(super) fn stop_typing(model: &mut Model, out: &mut Effects) {
    if let Some(typing) = model.typing.take() {
        ask(out, Request::Typing { to: typing.to, active: false });
    }
}

/// Draws the line "n new" above the first unread message and brings it into sight.
pub(super) fn place_divider(model: &mut Model, name: &Name) {
    let unread = model.roster.row(name).map_or(0, |r| r.unread);
    let Some(chat) = model.chats.get_mut(name) else { return };
    if unread == 0 || chat.timeline.divider.is_some() || !chat.timeline.at_end {
        return;
    }
    let nth = usize::try_from(unread).unwrap_or(usize::MAX).saturating_sub(1);
    // Who has answered has seen what is above.
    let newest = chat.timeline.entries().iter().rev().take_while(|e| !e.own);
    let first = newest.clone().nth(nth).or_else(|| newest.last()).map(|e| e.serial);
    if let Some(before) = first {
        chat.timeline.divider = Some(Divider { before, count: unread });
        chat.timeline.reveal = Some((before, Place::Nearest));
    }
}

/// Starts or keeps the watch on the newest message on the screen.
pub(super) fn watch(model: &mut Model, out: &mut Effects) {
    let seen = match (&model.open, &model.shown.chat, model.shown.newest) {
        (Open::Chat(open), Some(drawn), Some(id)) if open == drawn => Some((open.clone(), id)),
        _ => None,
    };
    let seen = seen.filter(|_| model.focused && model.overlays.is_empty());
    let seen = seen.filter(|(chat, id)| unread_at(model, chat, *id));
    let Some((chat, id)) = seen else {
        model.dwell = None;
        return;
    };
    if model.dwell.as_ref().is_some_and(|d| d.chat == chat && d.id == id) {
        return;
    }
    let number = model.next_number();
    model.dwell = Some(Dwell { chat, id, number });
    out.push(Effect::After { ms: DWELL_MS, timer: Timer::Dwell(number) });
}

/// Whether reading this message would tell anything new.
fn unread_at(model: &Model, name: &Name, id: MsgId) -> bool {
    let Some(chat) = model.chats.get(name) else { return false };
    let at = |id: MsgId| chat.timeline.find(id).and_then(|s| chat.timeline.position(s));
    let newer = match chat.marked {
        Some(marked) if marked == id => false,
        Some(marked) => at(marked).is_none_or(|m| at(id).is_some_and(|i| i > m)),
        None => true,
    };
    newer && model.roster.row(name).is_some_and(|r| r.unread > 0)
}

/// Everything up to this message is read.
pub(super) fn mark_read(model: &mut Model, out: &mut Effects, name: &Name, id: MsgId) {
    let Some(chat) = model.chats.get_mut(name) else { return };
    chat.marked = Some(id);
    let entries = chat.timeline.entries();
    let at = entries.iter().rposition(|e| e.id == Some(id));
    let after = entries.iter().skip(at.map_or(0, |i| i + 1)).filter(|e| !e.own);
    let (left, next) = (after.clone().count(), after.clone().next().and_then(|e| e.id));
    let complete = chat.timeline.at_end;
    let row = model.roster.row_mut(name);
    let read = entries_read(entries, at, row);
    row.unread = if complete { left.try_into().unwrap_or(u64::MAX) } else { row.unread.saturating_sub(read) };
    row.first_unread = next.filter(|_| row.unread > 0);
    row.mentions = if row.unread > 0 { row.mentions } else { 0 };
    ask(out, Request::MarkRead { chat: name.clone(), id });
}

/// How many of the unread messages are at or before this place.
fn entries_read(entries: &[Entry], at: Option<usize>, row: &Row) -> u64 {
    let first = row.first_unread.and_then(|f| entries.iter().position(|e| e.id == Some(f)));
    match (first, at) {
        (Some(first), Some(at)) if first <= at => {
            entries.iter().take(at + 1).skip(first).filter(|e| !e.own).count().try_into().unwrap_or(u64::MAX)
        }
        _ => 0,
    }
}

/// Forgets the messages of the chats that were open longest ago, unless something in them is only here.
fn forget_oldest(model: &mut Model) {
    while model.chats.len() > CHATS_MAX {
        let idle = |chat: &Chat| {
            chat.composer.text() == chat.composer.saved && !chat.timeline.entries().iter().any(Entry::is_unsent)
        };
        let open = model.open_name().cloned();
        let oldest = model
            .chats
            .iter()
            .filter(|(name, chat)| Some(*name) != open.as_ref() && idle(chat))
            .min_by_key(|(_, chat)| chat.opened_ms)
            .map(|(name, _)| name.clone());
        match oldest {
            Some(name) => model.chats.remove(&name),
            None => return,
        };
    }
}

/// Messages of the open chat that are not yet on the relay, over all chats, for the status bar.
pub(super) fn set_status(model: &mut Model, name: &Name, id: MsgId, status: Status) -> bool {
    let Some(chat) = model.chats.get_mut(name) else { return false };
    let Some(serial) = chat.timeline.find(id) else { return false };
    if let Some(entry) = chat.timeline.change(serial) {
        entry.status = entry.status.and(status);
    }
    true
}

/// Changes what is set for a chat, and keeps it.
pub(super) fn change_habit<T>(
    model: &mut Model,
    out: &mut Effects,
    name: &Name,
    change: impl FnOnce(&mut Habit) -> T,
) -> T {
    let done = model.roster.habits.change(name, change);
    model.roster.sort();
    ask(out, Request::Keep(model.roster.habits.written()));
    done
}

/// A chat that is looked at is no longer to be looked at, and one that something comes into is back.
fn seen(model: &mut Model, out: &mut Effects, name: &Name) {
    if model.roster.habits.of(name).is_some_and(|h| h.unread || h.archived) {
        change_habit(model, out, name, |habit| (habit.unread, habit.archived) = (false, false));
    }
}

/// Something came: a chat that was put away is back, unless it is muted.
pub(super) fn woken(model: &mut Model, out: &mut Effects, name: &Name) {
    if model.roster.habits.archived(name) && !model.roster.habits.muted(name, model.now.ms) {
        change_habit(model, out, name, |habit| habit.archived = false);
    }
}

/// The availability that a person shows, as a word.
pub(super) fn availability_word(availability: Availability) -> &'static str {
    match availability {
        Availability::Unknown => "unknown",
        Availability::Offline => "offline",
        Availability::Online => "online",
        Availability::Away => "away",
        Availability::Invisible => "invisible",
    }
}
