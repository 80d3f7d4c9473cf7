//! Files: sending, saving, and those on their way.

use super::chats::{self, ask, complain, toast};
use super::forms;
use crate::keymap::Action;
use crate::model::{
    Effect, Effects, FileAsk, FileNews, FormKind, Model, MsgId, Overlay, Progress, Request, Sheet, SheetKind, Timer,
    Transfer,
};
use crate::text::SafeText;

/// Transfers that are kept for the page: those that ended are in the history.
const TRANSFERS_MAX: usize = 200;

/// How long a file that is complete may take to be checked and get its name.
const NAMED_AFTER_MS: u64 = 400;

/// Does an action on files; tells whether it was one.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> bool {
    match action {
        Action::Transfers => {
            model.overlays.push(Overlay::Sheet(Sheet::awaited(SheetKind::Transfers)));
            ask(out, Request::File(FileAsk::List));
        }
        Action::SendFile => match model.open_name().cloned() {
            Some(name) => forms::open(model, FormKind::SendFile(name)),
            None => complain(model, out, "Open a chat first; then /file PATH sends into it."),
        },
        Action::Save => save(model, out, None),
        _ => return false,
    }
    true
}

/// Sends a file into the open chat.
pub(super) fn send(model: &mut Model, out: &mut Effects, path: &str) {
    match model.open_name().cloned() {
        Some(to) => {
            toast(model, out, "Sealing the file …");
            ask(out, Request::File(FileAsk::Send { to, path: path.to_owned(), caption: None }));
        }
        None => complain(model, out, "Open a chat first; then /file PATH sends into it."),
    }
}

/// Saves the file of the marked message, or of the newest that has one.
pub(super) fn save(model: &mut Model, out: &mut Effects, path: Option<String>) {
    let chat = model.open_chat();
    let marked = chat.and_then(|c| c.timeline.selected_entry()).filter(|e| e.file.is_some());
    let newest = chat.and_then(|c| c.timeline.entries().iter().rev().find(|e| e.file.is_some() && !e.own));
    match marked.or(newest).and_then(|e| e.id) {
        Some(id) => {
            toast(model, out, "Saving the file …");
            ask(out, Request::File(FileAsk::Save { id, path, open: false }));
        }
        None => complain(model, out, "There is no file here to save."),
    }
}

/// Does an action on the page of transfers.
pub(super) fn act_on_list(model: &mut Model, out: &mut Effects, action: Action) {
    let Some(Overlay::Sheet(sheet)) = model.overlays.last() else { return };
    let Some(file) = model.transfers.get_mut(sheet.cursor) else { return };
    let (id, open) = (file.id, file.open());
    let request = match action {
        Action::Pause if open => {
            file.progress = Progress::Paused;
            FileAsk::Pause(id)
        }
        Action::Resume if file.progress == Progress::Paused => {
            (file.progress, file.told_ms) = (Progress::Waiting, 0);
            FileAsk::Resume(id)
        }
        Action::Cancel if open => {
            file.progress = Progress::Failed;
            FileAsk::Cancel(id)
        }
        Action::OpenFile => match &file.path {
            Some(path) => FileAsk::Open(path.as_str().to_owned()),
            None if file.outgoing => return,
            None => FileAsk::Save { id, path: None, open: true },
        },
        Action::OpenFolder => match file.path.as_ref().and_then(|p| p.as_str().rsplit_once('/')) {
            Some((folder, _)) => FileAsk::Open(if folder.is_empty() { "/".to_owned() } else { folder.to_owned() }),
            None => return,
        },
        _ => return,
    };
    ask(out, Request::File(request));
}

/// Asks for the pictures of the messages on the screen that were not asked for yet.
pub(super) fn ask_pictures(model: &mut Model, out: &mut Effects, wanted: &[MsgId]) {
    for id in wanted {
        if model.pictures.ask(*id) {
            let path = model.transfers.iter().find(|t| t.id == *id).and_then(|t| t.path.as_ref());
            let path = path.map(ToString::to_string);
            let ground = if model.theme.is_light() { u8::MAX } else { 0 };
            ask(out, Request::File(FileAsk::Picture { id: *id, path, ground }));
        }
    }
}

/// What the client says.
pub(super) fn news(model: &mut Model, out: &mut Effects, news: FileNews) {
    match news {
        FileNews::List(list) => {
            for mut file in list {
                let old = model.transfers.iter().find(|t| t.id == file.id);
                if file.path.is_some() && old.is_none_or(|old| old.path.is_none()) {
                    // Now there is more of it than the small picture that came with the message.
                    model.pictures.forget(file.id);
                }
                if let Some(old) = old {
                    (file.rate, file.told_ms) = (old.rate, old.told_ms);
                    file.path = file.path.or_else(|| old.path.clone());
                    file.chat = file.chat.or_else(|| old.chat.clone());
                }
                put(model, file);
            }
            let unnamed = |t: &Transfer| t.total > 0 && t.done >= t.total && t.open() && !t.outgoing;
            if model.transfers.iter().any(unnamed) {
                out.push(Effect::After { ms: NAMED_AFTER_MS, timer: Timer::Transfers });
            }
            for overlay in &mut model.overlays {
                if let Overlay::Sheet(sheet) = overlay
                    && sheet.kind == SheetKind::Transfers
                {
                    sheet.waiting = false;
                }
            }
        }
        FileNews::Progress { id, outgoing, done, total } => {
            progress(model, id, outgoing, (done, total));
            if done >= total && !outgoing {
                // It may have come by itself: where it lies is known when it has its name.
                out.push(Effect::After { ms: NAMED_AFTER_MS, timer: Timer::Transfers });
            }
        }
        FileNews::Sent(chat) => {
            chats::load_newer(model, out, &chat);
            ask(out, Request::Start);
        }
        FileNews::Saved { id, path } => {
            // Now there is more of it than the small picture that came with the message.
            model.pictures.forget(id);
            toast(model, out, &format!("Saved as {path}"));
            let known = model.transfers.iter_mut().find(|t| t.id == id);
            if let Some(file) = known {
                (file.progress, file.path) = (Progress::Done, Some(path));
            } else if let Some(file) = card(model, id) {
                let told_ms = model.now.ms;
                put(model, Transfer { progress: Progress::Done, path: Some(path), done: file.total, told_ms, ..file });
            }
        }
        FileNews::Failed { id, what, problem } => {
            if let Some(file) = id.and_then(|id| model.transfers.iter_mut().find(|t| t.id == id)) {
                file.progress = Progress::Failed;
            }
            complain(model, out, &format!("{what}: {}", problem.sentence()));
        }
        FileNews::Picture { id, pixels } => model.pictures.came(id, pixels),
        FileNews::Probed { .. } => {}
        FileNews::Paths { number: _, common, choices } => {
            let _ = forms::completed(model, &common);
            if choices.len() > 1 {
                let names: Vec<&str> = choices.iter().map(SafeText::as_str).collect();
                toast(model, out, &names.join("  "));
            }
        }
    }
}

fn progress(model: &mut Model, id: MsgId, outgoing: bool, bytes: (u64, u64)) {
    let now_ms = model.now.ms;
    if !model.transfers.iter().any(|t| t.id == id) {
        let file = card(model, id).unwrap_or_else(|| Transfer {
            id,
            outgoing,
            name: SafeText::line("file"),
            chat: None,
            done: 0,
            total: bytes.1,
            progress: Progress::Waiting,
            path: None,
            rate: None,
            told_ms: 0,
        });
        put(model, file);
    }
    if let Some(file) = model.transfers.iter_mut().find(|t| t.id == id) {
        file.advance(bytes.0, bytes.1, now_ms);
    }
}

/// A transfer from what the timeline knows of the file.
fn card(model: &Model, id: MsgId) -> Option<Transfer> {
    model.chats.iter().find_map(|(name, chat)| {
        let entry = chat.timeline.entries().iter().rev().find(|e| e.id == Some(id))?;
        let file = entry.file.as_ref()?;
        Some(Transfer {
            id,
            outgoing: entry.own,
            name: file.name.clone(),
            chat: Some(name.clone()),
            done: 0,
            total: file.size,
            progress: Progress::Waiting,
            path: None,
            rate: None,
            told_ms: 0,
        })
    })
}

fn put(model: &mut Model, file: Transfer) {
    match model.transfers.iter_mut().find(|t| t.id == file.id) {
        Some(old) => *old = file,
        None => {
            model.transfers.insert(0, file);
            model.transfers.truncate(TRANSFERS_MAX);
        }
    }
}
