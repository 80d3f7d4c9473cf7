//! Slash commands. Each is a row of the table, so that help and completion tell the same.

use super::chats::{self, complain};
use super::forms::is_name;
use super::{account, files, people, rooms};
use crate::keymap::{self, Action, TABLE};
use crate::model::{Availability, Effects, Model, Name};
use crate::text::nearest;

/// What is left to do.
pub(super) enum Next {
    /// Nothing.
    Done,
    /// The action that the command stands for, with a text to begin with.
    Act(Action, String),
}

/// Does what a line with a slash says. An unknown command is never sent as text.
pub(super) fn run(model: &mut Model, out: &mut Effects, line: &str) -> Next {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let Some(spec) = keymap::slash(&name.to_lowercase()) else {
        unknown(model, out, line, name);
        return Next::Done;
    };
    match (spec.action, rest) {
        (Action::Dm, "") => complain(model, out, "With whom? /dm NAME"),
        (Action::Kick | Action::SetRole | Action::Join | Action::CreateRoom | Action::Invite | Action::Topic, rest)
            if !rest.is_empty() =>
        {
            rooms::command(model, out, spec.action, rest);
        }
        (Action::Timer, word) => timer(model, out, word),
        (Action::SendFile, path) if !path.is_empty() => files::send(model, out, path),
        (Action::Save, path) if !path.is_empty() => files::save(model, out, Some(path.to_owned())),
        (Action::DisplayName, "") => complain(model, out, "Which name? /name TEXT"),
        (Action::DisplayName, text) => people::set_display(model, out, text),
        (Action::Presence, word) if !word.is_empty() => return presence(model, out, word),
        (
            Action::Dm
            | Action::Accept
            | Action::Decline
            | Action::Block
            | Action::Unblock
            | Action::Verify
            | Action::AcceptIdentity,
            who,
        ) if !who.is_empty() => about(model, out, spec.action, who),
        (action, text) => return Next::Act(action, text.to_owned()),
    }
    Next::Done
}

fn unknown(model: &mut Model, out: &mut Effects, line: &str, name: &str) {
    let meant = nearest(name, TABLE.iter().filter_map(|s| s.slash.map(|s| s.name)));
    let hint = meant.map_or_else(
        || " F1 shows all; //text sends a text that begins with a slash.".into(),
        |m| format!(" Did you mean {m}?"),
    );
    complain(model, out, &format!("There is no {name}.{hint}"));
    // What was typed is not lost.
    model.composer_mut().set(line);
}

fn about(model: &mut Model, out: &mut Effects, action: Action, who: &str) {
    let raw = who.trim_start_matches('@');
    if action == Action::Dm && raw.starts_with('#') {
        return rooms::command(model, out, Action::Join, raw);
    }
    if !is_name(raw) {
        return complain(model, out, "A name has 3 to 32 letters, digits, _ - or .");
    }
    let name = Name::new(raw);
    match action {
        Action::Accept | Action::Decline if !model.roster.strangers.iter().any(|s| s.name == name) => {
            complain(model, out, &format!("{name} did not ask."));
        }
        Action::Accept => people::accept(model, out, name),
        Action::Decline => people::decline(model, out, name),
        Action::Block => people::ask_block(model, name),
        Action::Unblock => people::unblock(model, out, name),
        Action::Verify if model.is_me(&name) => complain(model, out, "With somebody else: /verify NAME"),
        Action::Verify => account::compare(model, out, name),
        Action::AcceptIdentity => account::ask_accept(model, out, name),
        _ => chats::open(model, out, &name),
    }
}

/// Times after which messages vanish, as words.
const TIMES: [(&str, Option<u64>); 5] = [
    ("off", None),
    ("5m", Some(5 * 60_000)),
    ("1h", Some(3_600_000)),
    ("1d", Some(86_400_000)),
    ("1w", Some(7 * 86_400_000)),
];

/// Sets after how long what is written in this chat vanishes.
fn timer(model: &mut Model, out: &mut Effects, word: &str) {
    let time = TIMES.iter().find(|(name, _)| *name == word);
    match (model.open_chat_mut(), time) {
        (None, _) => complain(model, out, "Open a chat first."),
        (_, None) => complain(model, out, "After how long? /timer 5m, 1h, 1d, 1w or off"),
        (Some(chat), Some((name, after))) => {
            chat.vanishes_ms = *after;
            let words = match after {
                Some(_) => format!("What you write here vanishes {name} after it was sent, everywhere."),
                None => "What you write here stays.".to_owned(),
            };
            chats::toast(model, out, &words);
        }
    }
}

fn presence(model: &mut Model, out: &mut Effects, word: &str) -> Next {
    let availability = match word {
        "online" => Availability::Online,
        "away" => Availability::Away,
        "invisible" => Availability::Invisible,
        _ => {
            complain(model, out, "Contacts can see you as online, away or invisible.");
            return Next::Done;
        }
    };
    people::set_presence(model, out, availability);
    Next::Done
}
