//! What the client says: the store's contents, messages, receipts, presence.

use super::chats::{self, complain, toast};
use super::{account, door};
use crate::config::{ContentChoice, NotifyChoice};
use crate::model::{
    Arrival, Availability, Change, Divider, Effects, Entry, Focus, Habits, Link, Lookup, Model, Mood, MsgId, Name,
    Open, Page, Place, Preview, Problem, Receipt, Row, Screen, Started, Stranger, Timer,
};
use crate::text::{SafeText, names};

/// Receipts kept for messages whose id is not known yet: a burst of sends.
const EARLY_MAX: usize = 256;

/// How long somebody types without saying so again.
const TYPING_ENDS_MS: u64 = 10_000;

/// One page, as it came.
pub(super) struct Loaded {
    pub(super) page: Page,
    pub(super) entries: Vec<Entry>,
    pub(super) more_before: bool,
    pub(super) more_after: bool,
}

/// What the store holds at the start, or after something was undone.
pub(super) fn started(model: &mut Model, out: &mut Effects, started: Started) {
    let Started { me, relay, online, enrolled, rows, strangers, habits } = started;
    if let Some(text) = habits {
        model.roster.habits = Habits::read(&text);
    }
    model.relay = relay.unwrap_or_else(|| std::mem::take(&mut model.relay));
    if online {
        model.link = Link::Online;
    }
    if let Some(mut me) = me {
        if let Some(old) = model.me.as_ref().filter(|old| old.name == me.name) {
            me.availability = old.availability;
            me.display = me.display.or_else(|| old.display.clone());
        }
        model.me = Some(me);
        if matches!(model.screen, Screen::Door(_)) {
            model.screen = Screen::Main;
        }
    } else if matches!(model.screen, Screen::Main) && model.me.is_none() {
        door::open_for(model, out, enrolled);
    }
    keep_what_only_the_screen_knows(model, rows);
    if model.narrow() && model.open == Open::Nothing {
        // A newcomer finds the lobby in the list, and nothing else: how to begin says more.
        let silent = |row: &Row| row.name.is_room() && row.last.is_none();
        model.list_shown = !strangers.is_empty() || !model.roster.rows().iter().all(silent);
    }
    model.roster.strangers = strangers;
    model.roster.cursor = model.roster.cursor.min(model.roster.lines().saturating_sub(1));
    if let Open::Request(name) = &model.open
        && !model.roster.strangers.iter().any(|s| s.name == *name)
    {
        model.open = Open::Nothing;
    }
}

/// Rows from the store replace the list, but a chat that was opened by name and has no message yet stays.
fn keep_what_only_the_screen_knows(model: &mut Model, rows: Vec<Row>) {
    let opened: Vec<Row> =
        model.roster.rows().iter().filter(|r| !r.known && model.open_name() == Some(&r.name)).cloned().collect();
    let mut all = rows;
    for row in opened {
        if !all.iter().any(|r| r.name == row.name) {
            all.push(row);
        }
    }
    for row in &mut all {
        if let Some(old) = model.roster.row(&row.name) {
            (row.changed, row.stopped) = (row.changed || old.changed, row.stopped || old.stopped);
            row.mentions = if row.unread > 0 { row.mentions.max(old.mentions) } else { 0 };
            row.topic = row.topic.take().or_else(|| old.topic.clone());
        }
        if row.known
            && let Some(chat) = model.chats.get_mut(&row.name)
        {
            chat.lookup = Lookup::Known;
        }
    }
    model.roster.set_rows(all);
}

/// A page of messages.
pub(super) fn loaded(model: &mut Model, name: &Name, loaded: Loaded) {
    let Loaded { page, mut entries, more_before, more_after } = loaded;
    for entry in &mut entries {
        entry.serial = model.next_number();
    }
    let Some(chat) = model.chats.get_mut(name).filter(|c| c.timeline.fits(page)) else { return };
    match page {
        Page::Newest | Page::Around(_) | Page::At(_) => {
            chat.timeline.replace(entries, !more_before, !more_after);
            if matches!(page, Page::Newest) {
                chat.timeline.below = 0;
            }
        }
        Page::Before(_) => chat.timeline.extend_older(entries, !more_before),
        Page::After(_) => chat.timeline.extend_newer(entries, !more_after),
    }
    resolve_quotes(&mut chat.timeline);
    let jump = chat.jump.filter(|id| page == Page::Around(*id)).and_then(|id| chat.timeline.find(id));
    let day = match page {
        Page::At(ms) => {
            let later = chat.timeline.entries().iter().find(|e| e.notice.is_none() && e.when.ms >= ms);
            later.or_else(|| chat.timeline.entries().last()).map(|e| e.serial)
        }
        _ => None,
    };
    if let Some(serial) = jump.or(day) {
        chat.jump = None;
        chat.timeline.reveal = Some((serial, Place::Middle));
        chat.timeline.selected = Some(serial);
        if model.open_name() == Some(name) {
            model.focus = Focus::Messages;
        }
    } else {
        first_sight(model, name, page);
    }
}

/// The first page of a chat begins at what is unread.
fn first_sight(model: &mut Model, name: &Name, page: Page) {
    match page {
        Page::Newest => chats::place_divider(model, name),
        Page::Around(id) => {
            let unread = model.roster.row(name).map_or(0, |r| r.unread);
            if unread > 0
                && let Some(chat) = model.chats.get_mut(name)
                && let Some(before) = chat.timeline.find(id)
            {
                chat.timeline.divider = Some(Divider { before, count: unread });
                chat.timeline.reveal = Some((before, Place::Middle));
            }
        }
        Page::Before(_) | Page::After(_) | Page::At(_) => {}
    }
}

/// Answers show what they answer as soon as both are here.
fn resolve_quotes(timeline: &mut crate::model::Timeline) {
    let open: Vec<(u64, MsgId)> = timeline
        .entries()
        .iter()
        .filter_map(|e| e.reply.as_ref().filter(|q| q.known.is_none()).map(|q| (e.serial, q.id)))
        .collect();
    for (serial, id) in open {
        let known = timeline.find(id).and_then(|s| timeline.entry(s)).map(|e| (e.author.clone(), e.brief()));
        if known.is_some()
            && let Some(quote) = timeline.change(serial).and_then(|e| e.reply.as_mut())
        {
            quote.known = known;
        }
    }
}

/// A message came.
pub(super) fn arrived(model: &mut Model, out: &mut Effects, arrival: Arrival) {
    let Arrival { chat: name, mut entry } = arrival;
    entry.serial = model.next_number();
    let looking = model.focused && model.open_name() == Some(&name);
    let named = name.is_room() && model.me.as_ref().is_some_and(|me| names(entry.text.as_str(), me.name.as_str()));
    let muted = model.roster.habits.muted(&name, model.now.ms);
    // A room rings for whom it names only, and what is muted for nobody.
    if !entry.own && !muted && (named || !name.is_room()) {
        notify(model, out, &entry.author, Some(&entry.brief()));
    }
    let row = model.roster.row_mut(&name);
    row.known = true;
    // What was held back while one already wrote is not the last word.
    if row.last.as_ref().is_none_or(|last| last.when.ms <= entry.when.ms) {
        row.last = Some(Preview { own: entry.own, text: entry.brief(), when: entry.when });
    }
    if !entry.own {
        row.unread += 1;
        row.first_unread = row.first_unread.or(entry.id);
        row.mentions += u64::from(named);
    }
    model.roster.strangers.retain(|s| s.name != name);
    model.roster.sort();
    if !entry.own {
        chats::woken(model, out, &name);
    }
    let Some(chat) = model.chats.get_mut(&name) else { return };
    chat.lookup = Lookup::Known;
    if !entry.own {
        chat.typing = None;
    }
    let twin = entry.id.and_then(|id| chat.timeline.find(id));
    if twin.is_some() {
        return;
    }
    let (serial, own) = (entry.serial, entry.own);
    chat.timeline.push(entry);
    resolve_quotes(&mut chat.timeline);
    let seen_at_once = looking && chat.timeline.anchor.is_none();
    let elsewhere = chat.timeline.position(serial).is_none();
    match &mut chat.timeline.divider {
        _ if own || seen_at_once || elsewhere => {}
        Some(divider) => divider.count += 1,
        None => chat.timeline.divider = Some(Divider { before: serial, count: 1 }),
    }
}

/// Least time between two notes of the terminal: a burst rings once.
const NOTIFY_AGAIN_MS: u64 = 2_000;

/// Tells through the terminal that something came, while nobody looks at it.
fn notify(model: &mut Model, out: &mut Effects, who: &Name, text: Option<&SafeText>) {
    let quiet = model.focused || model.config.notify.via == NotifyChoice::Off;
    if quiet || model.now.ms < model.notified_ms.saturating_add(NOTIFY_AGAIN_MS) {
        return;
    }
    model.notified_ms = model.now.ms;
    let note = match (model.config.notify.content, text) {
        (ContentChoice::None, _) => "a new message".to_owned(),
        (ContentChoice::Full, Some(text)) => {
            let beginning: String = text.one_line().as_str().chars().take(NOTE_CHARS).collect();
            format!("{who}: {beginning}")
        }
        (ContentChoice::Name | ContentChoice::Full, _) => format!("{who} wrote"),
    };
    out.push(crate::model::Effect::Notify(SafeText::line(&note)));
}

/// Characters of a message in a note.
const NOTE_CHARS: usize = 80;

/// A message changed.
pub(super) fn updated(model: &mut Model, arrival: Arrival) {
    let Arrival { chat: name, entry } = arrival;
    let Some(chat) = model.chats.get_mut(&name) else { return };
    let serial = entry.id.and_then(|id| chat.timeline.find(id));
    if let Some(old) = serial.and_then(|s| chat.timeline.change(s)) {
        (old.text, old.edited, old.unknown) = (entry.text, entry.edited, entry.unknown);
        (old.deleted, old.file, old.reactions) = (entry.deleted, entry.file, entry.reactions);
        old.status = old.status.and(entry.status);
    }
}

/// An own message got further.
pub(super) fn receipt(model: &mut Model, name: &Name, receipt: Receipt) {
    let Receipt { id, status } = receipt;
    if chats::set_status(model, name, id, status) {
        return;
    }
    let waiting = model.chats.get(name).is_some_and(|c| c.timeline.entries().iter().any(Entry::is_unsent));
    if waiting && model.early.len() < EARLY_MAX {
        let known = model.early.entry(id).or_insert(status);
        *known = known.and(status);
    }
}

/// A text was not queued.
pub(super) fn not_queued(model: &mut Model, out: &mut Effects, serial: u64, name: &Name, problem: Problem) {
    if let Some(entry) = model.chats.get_mut(name).and_then(|c| c.timeline.change(serial)) {
        entry.status = crate::model::Status::Failed(problem);
    }
    if problem == Problem::KeyChanged {
        // It changed while nobody looked: the decision is asked for here too.
        model.roster.row_if_known(name, |row| (row.changed, row.stopped) = (true, true));
    }
    complain(model, out, &format!("Not sent to {name}: {}", problem.sentence()));
}

/// Somebody types or no longer does.
pub(super) fn typing(model: &mut Model, out: &mut Effects, name: &Name, who: Option<Name>) {
    let number = model.next_number();
    let Some(chat) = model.chats.get_mut(name) else { return };
    let active = who.is_some();
    chat.typing = active.then_some(number);
    chat.typist = who.filter(|_| name.is_room());
    if active {
        out.push(crate::model::Effect::After { ms: TYPING_ENDS_MS, timer: Timer::TypingEnds(name.clone(), number) });
    }
}

/// Somebody came or went.
pub(super) fn presence(model: &mut Model, name: &Name, availability: Availability) {
    let now = model.now;
    let row = model.roster.row_mut(name);
    if row.availability != Availability::Offline && availability == Availability::Offline {
        row.last_seen = Some(now);
    }
    (row.availability, row.known) = (availability, true);
    model.roster.sort();
    if availability == Availability::Offline
        && let Some(chat) = model.chats.get_mut(name)
    {
        chat.typing = None;
    }
}

/// A stranger wrote.
pub(super) fn asked(model: &mut Model, out: &mut Effects, stranger: Stranger) {
    if model.roster.strangers.iter().any(|s| s.name == stranger.name) {
        return;
    }
    notify(model, out, &stranger.name, None);
    let first = model.roster.strangers.is_empty();
    toast(model, out, &format!("{} wants to talk to you. F7 shows it.", stranger.name));
    model.roster.strangers.push(stranger);
    if first {
        // The requests' line pushes the others down; the cursor stays on its chat.
        model.roster.cursor += usize::from(!model.roster.rows().is_empty());
    }
}

/// Whether somebody of this name exists.
pub(super) fn looked_up(model: &mut Model, out: &mut Effects, name: &Name, exists: Result<bool, Problem>) {
    if let Some(chat) = model.chats.get_mut(name)
        && chat.lookup == Lookup::Asked
    {
        chat.lookup = match exists {
            Ok(true) => Lookup::Known,
            Ok(false) => Lookup::Nobody,
            Err(_) => Lookup::Later,
        };
    }
    if model.open_name() != Some(name) && chats::is_nobody(model, name) {
        chats::forget_nobody(model, out, name);
    }
}

/// The draft of a chat, unless something was typed meanwhile.
pub(super) fn draft(model: &mut Model, name: &Name, text: &SafeText) {
    if let Some(chat) = model.chats.get_mut(name) {
        if !chat.composer.touched {
            chat.composer.set(text.as_str());
        }
        text.as_str().clone_into(&mut chat.composer.saved);
    }
}

/// Somebody's identity changed: told in the list, in the chat and below, louder when it was compared.
pub(super) fn identity_changed(model: &mut Model, out: &mut Effects, name: &Name, change: Change) {
    let words = account::words(name, change);
    if model.is_me(name) && change == Change::Copied {
        return complain(model, out, "A copy of one of your own devices speaks as well. Remove the device that it is.");
    }
    if model.is_me(name) {
        return complain(model, out, "The relay contradicted itself about your own account; the evidence is kept.");
    }
    let now = model.now;
    let row = model.roster.row_mut(name);
    if change != Change::Device {
        row.stopped |= row.verified;
        (row.changed, row.verified) = (true, false);
    }
    let mood = if change == Change::Device { Mood::Plain } else { Mood::Alarm };
    chats::note(model, name, (SafeText::line(&words), now), mood);
    match mood {
        Mood::Plain => toast(model, out, &words),
        Mood::Alarm => complain(model, out, &words),
    }
}

/// This device was logged out.
pub(super) fn logged_out(model: &mut Model, out: &mut Effects, reason: &SafeText) {
    if matches!(model.screen, Screen::Door(_)) {
        return;
    }
    let enrolled = model.me.take().map(|me| me.name);
    model.transfers.clear();
    model.overlays.clear();
    model.open = Open::Nothing;
    model.chats.clear();
    model.roster.set_rows(Vec::new());
    model.roster.strangers.clear();
    door::open_for(model, out, enrolled);
    if let Screen::Door(door) = &mut model.screen {
        door.why = Some(reason.clone());
    }
}
