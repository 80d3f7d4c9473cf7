//! Slash commands. Each is a row of the table, so that help and completion tell the same.

use super::chats::{self, ask, complain};
use super::forms::{self, is_name};
use super::{account, files, habits, messages, people, rooms};
use crate::keymap::{self, Action, TABLE};
use crate::model::{Availability, Effect, Effects, FormKind, MessageAsk, Model, Name, Page, Request};
use crate::text::{nearest, sign};
use crate::theme::{Theme, Tone};

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
        (Action::Export, path) if !path.is_empty() => forms::open_with(model, FormKind::Export, path),
        (Action::Import, path) if !path.is_empty() => forms::open_with(model, FormKind::Import, path),
        (Action::Theme, word) => theme(model, out, word),
        (Action::GoToDate, word) => go_to_date(model, out, word),
        (Action::Mute, word) if !word.is_empty() => mute(model, out, word),
        (Action::React, word) if !word.is_empty() => react(model, out, word),
        (
            Action::Reply
            | Action::React
            | Action::EditMessage
            | Action::DeleteMessage
            | Action::Copy
            | Action::Forward
            | Action::Expand,
            _,
        ) => {
            messages::mark_for(model, spec.action);
            return Next::Act(spec.action, String::new());
        }
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

/// Longest time that is understood: ten years.
const LASTS_MS_MAX: u64 = 10 * 365 * 86_400_000;

/// A time as people write it: `90s`, `30m`, `8h`, `1d`, `2w`.
fn lasting(word: &str) -> Option<u64> {
    let (count, unit) = word.split_at_checked(word.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(unit).filter(|ms| (1..=LASTS_MS_MAX).contains(ms))
}

/// Sets after how long what is written in this chat vanishes.
fn timer(model: &mut Model, out: &mut Effects, word: &str) {
    let Some(name) = model.open_name().cloned() else { return complain(model, out, "Open a chat first.") };
    let after = lasting(word);
    if after.is_none() && word != "off" {
        return complain(model, out, "After how long? /timer 30m, 8h, 1d, 2w or off");
    }
    chats::change_habit(model, out, &name, |habit| habit.vanishes_ms = after);
    let words = match after {
        Some(_) => format!("What you write here vanishes {word} after it was sent, everywhere."),
        None => "What you write here stays.".to_owned(),
    };
    chats::toast(model, out, &words);
}

fn mute(model: &mut Model, out: &mut Effects, word: &str) {
    match (model.open_name().cloned(), lasting(word)) {
        (None, _) => complain(model, out, "Open a chat first."),
        (_, None) => complain(model, out, "For how long? /mute, or /mute 8h, 1d, 1w"),
        (Some(name), Some(ms)) => habits::mute(model, out, &name, Some(ms)),
    }
}

/// Goes to the first message of a day.
fn go_to_date(model: &mut Model, out: &mut Effects, word: &str) {
    let Some(name) = model.open_name().cloned() else { return complain(model, out, "Open a chat first.") };
    let days = match word {
        "today" => Some(0),
        "yesterday" => Some(1),
        date => model.now.days_since(date).or_else(|| date.strip_suffix('d')?.parse().ok()),
    };
    match days {
        Some(days) => chats::load(model, out, &name, Page::At(model.now.midnight_ms(days))),
        None => complain(model, out, "Which day? /date 2026-11-20, yesterday or 7d"),
    }
}

/// Colours for a ground, for this run.
fn theme(model: &mut Model, out: &mut Effects, word: &str) {
    let tone = match word {
        "dark" => Tone::Dark,
        "light" => Tone::Light,
        "auto" => return out.push(Effect::Reload { asked: true }),
        _ => return complain(model, out, "Which? /theme dark, light or auto"),
    };
    model.theme = Theme::new(tone, model.theme.depth());
    chats::toast(model, out, &format!("For good: ui.theme = \"{word}\" in config.toml."));
}

/// A reaction by its sign or its name, to the marked message or the newest of somebody else.
fn react(model: &mut Model, out: &mut Effects, word: &str) {
    messages::mark_for(model, Action::React);
    let id = model.open_chat().and_then(|c| c.timeline.selected_entry()).and_then(|e| e.id);
    let given = sign(word.trim_matches(':')).or_else(|| (!word.is_ascii()).then_some(word));
    match (id, given) {
        (None, _) => complain(model, out, "There is nothing to react to."),
        (_, None) => complain(model, out, "Which sign? /react 👍 or /react tada"),
        (Some(id), Some(sign)) => {
            ask(out, Request::Message(MessageAsk::React { id, sign: sign.to_owned() }));
            messages::to_composer(model);
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

#[cfg(test)]
mod tests {
    use super::lasting;

    #[test]
    fn times_are_understood_as_people_write_them_and_nothing_else_is() {
        assert_eq!(
            ["90s", "30m", "8h", "1d", "2w"].map(lasting),
            [Some(90_000), Some(1_800_000), Some(28_800_000), Some(86_400_000), Some(1_209_600_000)]
        );
        for word in ["", "h", "0m", "-1d", "1y", "99999999999999999999d", "é", "5000w"] {
            assert_eq!(lasting(word), None, "{word}");
        }
    }
}
