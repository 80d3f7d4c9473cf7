//! Handing messages and addresses on: to another chat, to another program.

use super::chats::{ask, complain, toast};
use super::compose;
use crate::model::{Draft, Effects, Entry, FileAsk, Model, Name, Request};

/// Sends messages on to another chat, in their order: texts as one's own, files from where they lie here.
pub(super) fn forward_to(model: &mut Model, out: &mut Effects, serials: &[u64], to: &Name) {
    let Some(chat) = model.open_chat() else { return };
    let entries: Vec<Entry> = chat.timeline.entries().iter().filter(|e| serials.contains(&e.serial)).cloned().collect();
    let (mut sent, mut missing) = (0, false);
    for entry in entries {
        let path = entry.id.and_then(|id| model.transfers.iter().find(|t| t.id == id)).and_then(|t| t.path.clone());
        match (&entry.file, path) {
            (Some(_), Some(path)) => {
                let caption = Some(entry.text.to_string()).filter(|t| !t.is_empty());
                ask(out, Request::File(FileAsk::Send { to: to.clone(), path: path.to_string(), caption }));
                sent += 1;
            }
            (Some(_), None) => missing = true,
            (None, _) => {
                compose::send_to(model, out, to, Draft { text: entry.text.to_string(), reply: None });
                sent += 1;
            }
        }
    }
    drop_chosen(model);
    match (missing, sent) {
        (true, _) => complain(model, out, "Save the file first (s), then it can be sent on."),
        (false, 1) => toast(model, out, &format!("Sent on to {to}.")),
        (false, n) => toast(model, out, &format!("{n} messages sent on to {to}.")),
    }
}

/// Hands an address to the system's program for it.
pub(super) fn open_link(model: &mut Model, out: &mut Effects, address: &str) {
    toast(model, out, &format!("Opening {address}"));
    ask(out, Request::File(FileAsk::Open(address.to_owned())));
}

/// Drops what was chosen; tells whether there was something.
pub(super) fn drop_chosen(model: &mut Model) -> bool {
    model.open_chat_mut().is_some_and(|chat| !std::mem::take(&mut chat.timeline.chosen).is_empty())
}
