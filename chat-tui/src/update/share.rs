//! What one does with messages that are there: look closer, open, send on, copy.

use super::chats::{ask, complain, toast};
use super::menu;
use super::pass_on::{drop_chosen, open_link};
use crate::keymap::Action;
use crate::model::{Effect, Effects, Entry, Facts, FileAsk, MenuKind, Model, Name, Overlay, Request, Status, bytes};
use crate::text::{SafeText, SpanKind, spans};

/// Addresses of one message that are offered.
const LINKS_MAX: usize = 30;

/// Does an action on the marked or chosen messages; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::Copy => copy(model, out, false),
        Action::CopyWithAuthor => copy(model, out, true),
        Action::Choose => choose(model),
        Action::Forward => forward(model, out),
        Action::Details => details(model, out),
        _ => return false,
    }
    true
}

/// Chooses the marked message for a deed together with others, or no longer; then the next one is marked.
fn choose(model: &mut Model) {
    let Some(chat) = model.open_chat_mut() else { return };
    let Some(serial) = chat.timeline.selected_entry().filter(|e| e.notice.is_none()).map(|e| e.serial) else { return };
    if !chat.timeline.chosen.remove(&serial) {
        chat.timeline.chosen.insert(serial);
    }
}

fn copy(model: &mut Model, out: &mut Effects, with_author: bool) {
    let now = model.now;
    let Some(chat) = model.open_chat() else { return };
    let line = |entry: &&Entry| {
        let text = said(entry);
        match with_author {
            true => format!("{}, {} {}: {text}", entry.author, entry.when.day_name(now), entry.when.clock()),
            false => text,
        }
    };
    let lines: Vec<String> = chat.timeline.meant().iter().filter(|e| !e.deleted).map(line).collect();
    if lines.is_empty() {
        return;
    }
    out.push(Effect::Copy(lines.join("\n")));
    let words = if lines.len() == 1 { "Copied.".to_owned() } else { format!("{} messages copied.", lines.len()) };
    toast(model, out, &words);
    drop_chosen(model);
}

/// What a message says; a file without a caption says its name.
fn said(entry: &Entry) -> String {
    match (&entry.file, entry.text.is_empty()) {
        (Some(file), true) => file.name.to_string(),
        _ => entry.text.to_string(),
    }
}

fn forward(model: &mut Model, out: &mut Effects) {
    let Some(chat) = model.open_chat() else { return };
    let meant: Vec<u64> = chat
        .timeline
        .meant()
        .iter()
        .filter(|e| e.notice.is_none() && !e.deleted && !e.unknown)
        .map(|e| e.serial)
        .collect();
    if meant.is_empty() {
        return complain(model, out, "That can't be sent on.");
    }
    menu::open(model, out, MenuKind::Forward(meant), "");
}

/// Opens what a message holds: its file, or an address in it; tells whether there was something.
pub(super) fn open(model: &mut Model, out: &mut Effects, entry: &Entry) -> bool {
    if let (Some(_), Some(id)) = (&entry.file, entry.id) {
        let saved = model.transfers.iter().find(|t| t.id == id).and_then(|t| t.path.clone());
        let request = match saved {
            Some(path) => FileAsk::Open(path.to_string()),
            None if entry.own => return false,
            None => {
                toast(model, out, "Fetching the file …");
                FileAsk::Save { id, path: None, open: true }
            }
        };
        ask(out, Request::File(request));
        return true;
    }
    match links(entry.text.as_str()).as_slice() {
        [] => false,
        [one] => {
            open_link(model, out, one);
            true
        }
        several => {
            menu::open(model, out, MenuKind::Links(several.to_vec()), "");
            true
        }
    }
}

/// Addresses in a text, each once.
fn links(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let all = spans(text, None).into_iter().filter(|s| s.kind == SpanKind::Link);
    for address in all.filter_map(|s| text.get(s.range)) {
        // What a program or a reader could take for another address is text only.
        if address.bytes().all(|b| b.is_ascii_graphic()) && !found.iter().any(|f| f == address) {
            found.push(address.to_owned());
        }
    }
    found.truncate(LINKS_MAX);
    found
}

/// Shows all that is known of the marked message.
fn details(model: &mut Model, out: &mut Effects) {
    let Some(entry) = model.open_chat().and_then(|c| c.timeline.selected_entry()) else {
        return complain(model, out, "Mark a message first: Esc, then the arrows.");
    };
    let line = |text: &str| SafeText::line(text);
    let mut rows = vec![
        ("From", line(&if entry.own { format!("{} (you)", entry.author) } else { entry.author.to_string() })),
        ("Written", line(&format!("{}, {}", entry.when.day_name(model.now), entry.when.clock()))),
    ];
    if entry.own && entry.notice.is_none() {
        rows.push(("Stands", line(&standing(entry.status))));
    }
    if entry.edited {
        rows.push(("Changed", line("yes: this is the newest text")));
    }
    if entry.imported {
        rows.push(("Came", line("out of a file, or from another device of yours")));
    }
    if let Some(file) = &entry.file {
        rows.push(("File", file.name.clone()));
        rows.push(("Size", line(&format!("{} ({} bytes)", bytes(file.size), file.size))));
        let saved = entry.id.and_then(|id| model.transfers.iter().find(|t| t.id == id)).and_then(|t| t.path.clone());
        rows.extend(saved.map(|path| ("Lies at", path)));
    }
    for (at, reaction) in entry.reactions.iter().enumerate() {
        let by: Vec<&str> = reaction.by.iter().map(Name::as_str).collect();
        rows.push((if at == 0 { "Reactions" } else { "" }, line(&format!("{}  {}", reaction.sign, by.join(", ")))));
    }
    if !entry.text.is_empty() {
        let text = entry.text.as_str();
        let lines = text.lines().count();
        let lines = if lines > 1 { format!(", {lines} lines") } else { String::new() };
        rows.push(("Length", line(&format!("{} characters{lines}", text.chars().count()))));
    }
    if let Some(id) = entry.id {
        rows.push(("Id", line(&id.0.iter().map(|b| format!("{b:02x}")).collect::<String>())));
    }
    model.overlays.push(Overlay::Facts(Facts { title: line("This message"), rows, scroll: 0 }));
}

/// How far an own message got, in words.
fn standing(status: Status) -> String {
    match status {
        Status::Queued => "queued on this device; goes out by itself".into(),
        Status::Sent => "the relay holds it".into(),
        Status::Delivered => "on a device of theirs".into(),
        Status::Read => "read".into(),
        Status::Failed(problem) => format!("not sent: {}", problem.brief()),
    }
}
