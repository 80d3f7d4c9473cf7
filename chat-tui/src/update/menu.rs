//! Menus: go to, search, presence; and the help page.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Matcher, Utf32Str};
use unicode_segmentation::UnicodeSegmentation;

use super::chats::{self, ask};
use super::forms::is_name;
use super::{pass_on, people};
use crate::keymap::{Action, Key, Scope};
use crate::model::{
    AccountAsk, Availability, Effects, Focus, Help, Item, ItemKind, Menu, MenuKind, MessageAsk, Model, MsgId, Name,
    Overlay, Page, Person, Pin, Problem, Request, Row, SearchHit,
};
use crate::text::{SafeText, signs};
use crate::theme::Role;

/// Rows of a menu; more are found by typing more.
const ITEMS_MAX: usize = 200;

/// Letters from which on all messages are searched.
const SEARCH_CHARS_MIN: usize = 2;

/// Opens a menu.
pub(super) fn open(model: &mut Model, out: &mut Effects, kind: MenuKind, query: &str) {
    model.overlays.push(Overlay::Menu(Menu::new(kind, query)));
    refresh(model, out);
}

/// Opens the help page; a key that also writes is remembered.
pub(super) fn open_help(model: &mut Model, by: Option<Key>) {
    model.overlays.push(Overlay::Help(Help { by, ..Help::default() }));
}

/// Closes the help page that this very key opened; tells whether it did.
pub(super) fn closes_help(model: &mut Model, key: Key) -> bool {
    let twice =
        matches!(model.overlays.last(), Some(Overlay::Help(help)) if help.by == Some(key) && help.query.is_empty());
    if twice {
        model.overlays.pop();
    }
    twice
}

/// Does an action in the menu or help page on top; tells what the chosen row still wants done.
pub(super) fn act(model: &mut Model, out: &mut Effects, action: Action) -> Option<Action> {
    let page = isize::try_from(model.shown.menu_lines.saturating_sub(1).max(1)).unwrap_or(1);
    let steps = match action {
        Action::Up => -1,
        Action::Down => 1,
        Action::PageUp => -page,
        Action::PageDown => page,
        Action::Back => {
            model.overlays.pop();
            return None;
        }
        Action::Open => return choose(model, out),
        Action::ClearField => {
            clear(model, out);
            return None;
        }
        _ => return None,
    };
    let lines = model.shown.help_lines.saturating_sub(usize::from(model.shown.menu_lines));
    match model.overlays.last_mut() {
        Some(Overlay::Menu(menu)) => menu.step(steps),
        Some(Overlay::Help(help)) => help.scroll = help.scroll.saturating_add_signed(steps).min(lines),
        _ => {}
    }
    None
}

/// Does an action on what is known of something.
pub(super) fn act_on_facts(model: &mut Model, action: Action) {
    let most = model.shown.help_lines.saturating_sub(usize::from(model.shown.menu_lines));
    let Some(Overlay::Facts(facts)) = model.overlays.last_mut() else { return };
    match action {
        Action::Up => facts.scroll = facts.scroll.saturating_sub(1),
        Action::Down => facts.scroll = (facts.scroll + 1).min(most),
        Action::Back => drop(model.overlays.pop()),
        _ => {}
    }
}

fn clear(model: &mut Model, out: &mut Effects) {
    match model.overlays.last_mut() {
        Some(Overlay::Menu(menu)) => menu.query = crate::model::Input::default(),
        Some(Overlay::Help(help)) => *help = Help { by: help.by, ..Help::default() },
        _ => {}
    }
    refresh(model, out);
}

/// A key that writes into the search line.
pub(super) fn key(model: &mut Model, out: &mut Effects, key: Key) {
    let changed = match model.overlays.last_mut() {
        Some(Overlay::Menu(menu)) => menu.query.key(key),
        Some(Overlay::Help(help)) => {
            let changed = help.query.key(key);
            help.scroll = if changed { 0 } else { help.scroll };
            changed
        }
        _ => false,
    };
    if changed {
        refresh(model, out);
    }
}

/// A paste into the search line.
pub(super) fn paste(model: &mut Model, out: &mut Effects, text: &str) {
    match model.overlays.last_mut() {
        Some(Overlay::Menu(menu)) => menu.query.paste(text),
        Some(Overlay::Help(help)) => help.query.paste(text),
        _ => return,
    }
    refresh(model, out);
}

/// Takes the row at a place.
pub(super) fn choose_row(model: &mut Model, out: &mut Effects, row: usize) -> Option<Action> {
    if let Some(Overlay::Menu(menu)) = model.overlays.last_mut() {
        menu.cursor = row.min(menu.items.len().saturating_sub(1));
    }
    choose(model, out)
}

fn choose(model: &mut Model, out: &mut Effects) -> Option<Action> {
    let Some(Overlay::Menu(menu)) = model.overlays.last_mut() else { return None };
    let kind = menu.marked().map(|i| i.kind.clone())?;
    let about = menu.kind.clone();
    let target = match about {
        MenuKind::React(id) | MenuKind::Delete(id) => Some(id),
        _ => None,
    };
    if let ItemKind::Find(query) = kind {
        (menu.number, menu.waiting, menu.sought) = (menu.number + 1, true, Some(query.clone()));
        ask(out, Request::Find { query, number: menu.number });
        refresh(model, out);
        return None;
    }
    model.overlays.pop();
    match kind {
        ItemKind::Chat(name) | ItemKind::Person(name) => chats::open(model, out, &name),
        ItemKind::Act(action) => return Some(action),
        ItemKind::Jump(name, id) => {
            chats::open(model, out, &name);
            model.focus = Focus::Messages;
            if let Some(chat) = model.chats.get_mut(&name) {
                chat.jump = Some(id);
            }
            chats::load(model, out, &name, Page::Around(id));
        }
        ItemKind::Presence(availability) => people::set_presence(model, out, availability),
        ItemKind::EraseWhenRemoved(erase) => {
            let words = if erase { "Its data goes with the device." } else { "Its data stays on the device." };
            chats::toast(model, out, words);
            ask(out, Request::Account(AccountAsk::EraseWhenRemoved(erase)));
        }
        ItemKind::React(sign) => {
            if let Some(id) = target {
                ask(out, Request::Message(MessageAsk::React { id, sign }));
            }
        }
        ItemKind::Delete { for_everyone } => {
            if let Some(id) = target {
                ask(out, Request::Message(MessageAsk::Delete { id, for_everyone }));
            }
        }
        ItemKind::Forward(to) => {
            if let MenuKind::Forward(serials) = about {
                pass_on::forward_to(model, out, &serials, &to);
            }
        }
        ItemKind::Link(address) => pass_on::open_link(model, out, &address),
        ItemKind::Find(_) => {}
    }
    None
}

/// Builds the rows anew for what is looked for.
fn refresh(model: &mut Model, out: &mut Effects) {
    let Some(Overlay::Menu(menu)) = model.overlays.last() else { return };
    let query = menu.query.text().to_owned();
    match menu.kind.clone() {
        MenuKind::Switcher => {
            let found = menu.found.clone();
            let waiting = menu.waiting;
            let items = switcher(model, &query, &found, waiting);
            put(model, items);
        }
        MenuKind::Presence => put(model, presence()),
        MenuKind::Removed => put(model, when_removed()),
        MenuKind::React(_) => put(model, reactions(&query)),
        MenuKind::Delete(id) => {
            let items = deletions(model, id);
            put(model, items);
        }
        MenuKind::Settings => {
            let items = settings(model);
            put(model, items);
        }
        MenuKind::Search { within } => search(model, out, &query, within),
        MenuKind::Forward(_) => {
            let items = targets(model, &query);
            put(model, items);
        }
        MenuKind::Pins => {
            let items = pins(model, &query);
            put(model, items);
        }
        MenuKind::Links(addresses) => {
            let links = addresses.iter().map(|address| item(ItemKind::Link(address.clone()), address, ""));
            put(model, ranked(links.collect(), query.trim()));
        }
    }
}

/// Chats that messages can be sent on to.
fn targets(model: &Model, query: &str) -> Vec<Item> {
    let rows = model.roster.rows().iter().filter(|r| !r.blocked && !r.stopped && r.known);
    let items = rows.map(|row| Item { kind: ItemKind::Forward(row.name.clone()), ..chat_item(model, row) }).collect();
    ranked(items, query.trim())
}

/// What is pinned in the open chat.
fn pins(model: &Model, query: &str) -> Vec<Item> {
    let Some(name) = model.open_name() else { return Vec::new() };
    let pins = model.roster.habits.of(name).map(|h| h.pins.as_slice()).unwrap_or_default();
    let row = |pin: &Pin| {
        let who = if model.is_me(&Name::new(&pin.author)) { "you" } else { &pin.author };
        item(ItemKind::Jump(name.clone(), MsgId(pin.id)), &pin.text, who)
    };
    ranked(pins.iter().map(row).collect(), query.trim())
}

fn put(model: &mut Model, items: Vec<Item>) {
    if let Some(Overlay::Menu(menu)) = model.overlays.last_mut() {
        menu.items = items;
        menu.cursor = 0;
    }
}

fn search(model: &mut Model, out: &mut Effects, words: &str, within: Option<Name>) {
    let Some(Overlay::Menu(menu)) = model.overlays.last_mut() else { return };
    menu.number += 1;
    if words.trim().chars().count() < SEARCH_CHARS_MIN {
        (menu.items, menu.waiting, menu.note) = (Vec::new(), false, Some(SafeText::line("Type at least two letters.")));
        return;
    }
    (menu.waiting, menu.note) = (true, None);
    ask(out, Request::Search { words: words.trim().to_owned(), within, number: menu.number });
}

/// Keys that wait for the relay's answer; more are typed by nobody.
const HELD_MAX: usize = 1_024;

/// Keeps a key while the relay is asked for a name; tells whether it did.
pub(super) fn hold(model: &mut Model, key: Key) -> bool {
    match model.overlays.last_mut() {
        Some(Overlay::Menu(menu)) if menu.sought.is_some() && menu.held.len() < HELD_MAX => menu.held.push(key),
        _ => return false,
    }
    true
}

/// The relay's answer to a search for people. The one whose whole name was typed is not asked for twice: the
/// chat opens. Tells the keys that were pressed meanwhile.
pub(super) fn found(
    model: &mut Model,
    out: &mut Effects,
    number: u64,
    people: Result<Vec<Person>, Problem>,
) -> Vec<Key> {
    let on_top = model.overlays.len().saturating_sub(1);
    let asked = model.overlays.iter_mut().enumerate().find_map(|(at, overlay)| match overlay {
        Overlay::Menu(menu) if menu.number == number && menu.kind == MenuKind::Switcher => Some((at, menu)),
        _ => None,
    });
    let Some((at, menu)) = asked else { return Vec::new() };
    menu.waiting = false;
    let (sought, mut held) = (menu.sought.take(), std::mem::take(&mut menu.held));
    if at != on_top {
        // They were not meant for what lies above it now.
        held.clear();
    }
    let unchanged = sought.filter(|name| at == on_top && *name == menu.query.text().trim().to_lowercase());
    match people {
        Ok(people) if matches!(people.as_slice(), [one] if Some(one.name.as_str()) == unchanged.as_deref()) => {
            model.overlays.pop();
            people.iter().for_each(|one| chats::open(model, out, &one.name));
            return held;
        }
        Ok(people) if people.is_empty() => {
            menu.note = Some(SafeText::line("Nobody on this relay has a name like this."))
        }
        Ok(people) => menu.found = people.into_iter().map(|p| (p.name, p.online)).collect(),
        Err(problem) => menu.note = Some(SafeText::line(&problem.sentence())),
    }
    refresh(model, out);
    held
}

/// The store's answer to a search for messages.
pub(super) fn hits(model: &mut Model, number: u64, hits: Result<Vec<SearchHit>, Problem>) {
    let Some(Overlay::Menu(menu)) = model.overlays.last() else { return };
    if menu.number != number || !matches!(menu.kind, MenuKind::Search { .. }) {
        return;
    }
    let words = menu.query.text().to_owned();
    let items = hits.map(|hits| hits.into_iter().take(ITEMS_MAX).map(|h| hit_item(model, h, &words)).collect());
    let Some(Overlay::Menu(menu)) = model.overlays.last_mut() else { return };
    (menu.waiting, menu.cursor) = (false, 0);
    match items {
        Ok(items) => {
            menu.items = items;
            menu.note = menu.items.is_empty().then(|| SafeText::line("No message has these words."));
        }
        Err(problem) => menu.note = Some(SafeText::line(&problem.sentence())),
    }
}

fn hit_item(model: &Model, hit: SearchHit, words: &str) -> Item {
    let now = model.now;
    let before = if model.narrow() { BEFORE_MATCH_CHARS / 2 } else { BEFORE_MATCH_CHARS };
    let (label, matched) = around_match(hit.text.one_line().as_str(), words, before);
    let who = match (model.is_me(&hit.author), model.is_me(&hit.chat)) {
        (true, true) => "notes to self".to_owned(),
        (true, false) => format!("you → {}", hit.chat),
        (false, _) if hit.author == hit.chat => hit.author.to_string(),
        (false, _) => format!("{} → {}", hit.author, hit.chat),
    };
    Item {
        sign: ("", Role::Dim),
        kind: ItemKind::Jump(hit.chat, hit.id),
        label,
        detail: SafeText::line(&who),
        right: format!(
            "{} {}",
            hit.when.brief(now),
            if hit.when.day == now.day { String::new() } else { hit.when.clock() }
        )
        .trim_end()
        .to_owned(),
        matched,
    }
}

/// Characters shown before the first match, so that it is in sight; a narrow screen has room for a few.
const BEFORE_MATCH_CHARS: usize = 16;

/// A text from a little before its first match on, and which of its graphemes match.
fn around_match(text: &str, words: &str, before: usize) -> (SafeText, Vec<u32>) {
    let lower: Vec<char> =
        text.graphemes(true).filter_map(|g| g.chars().next()).map(|c| c.to_lowercase().next().unwrap_or(c)).collect();
    let mut spans = Vec::new();
    for word in words.split_whitespace().map(|w| w.to_lowercase().chars().collect::<Vec<_>>()) {
        let found = lower.windows(word.len().max(1)).position(|w| w == word.as_slice());
        spans.extend(found.map(|at| at..at + word.len()));
    }
    let first = spans.iter().map(|s| s.start).min().unwrap_or(0);
    let skip = if first > before * 2 { first - before } else { 0 };
    let (cut, lead) = if skip > 0 { ("…", 1) } else { ("", 0) };
    let label = format!("{cut}{}", text.graphemes(true).skip(skip).collect::<String>());
    let matched = spans.into_iter().flatten().filter_map(|i| u32::try_from(i.checked_sub(skip)? + lead).ok()).collect();
    (SafeText::line(&label), matched)
}

fn presence() -> Vec<Item> {
    let row = |availability, label: &str, detail: &str| {
        let sign = Row { availability, ..Row::new(Name::new("")) }.sign();
        Item { sign, ..item(ItemKind::Presence(availability), label, detail) }
    };
    vec![
        row(Availability::Online, "online", "contacts see that you are here"),
        row(Availability::Away, "away", "contacts see that you are not looking"),
        row(Availability::Invisible, "invisible", "contacts see you offline"),
    ]
}

/// What may become of this device's data when another device removes it.
fn when_removed() -> Vec<Item> {
    let row = |erase, label: &str, detail: &str| item(ItemKind::EraseWhenRemoved(erase), label, detail);
    vec![
        row(false, "it stays", "whoever has the device keeps what was on it"),
        row(true, "it is erased", "as soon as the device learns it"),
    ]
}

/// Signs offered before anything is looked for.
const SIGNS_SHOWN: usize = 10;

/// What one may think of a message: the usual signs, another one that is typed, or nothing any more.
fn reactions(query: &str) -> Vec<Item> {
    let wanted = query.trim();
    let sign = |sign: &str, label: &str| item(ItemKind::React(sign.to_owned()), &format!("{sign}  {label}"), "");
    let mut items: Vec<Item> = Vec::new();
    if !wanted.is_empty() && !wanted.is_ascii() && wanted.graphemes(true).count() == 1 {
        items.push(sign(wanted, "this one"));
    }
    let most = if wanted.is_empty() { SIGNS_SHOWN } else { ITEMS_MAX };
    items.extend(signs(wanted).take(most).map(|(text, words)| sign(text, &words.replace(' ', ", ").replace('_', " "))));
    items.push(item(ItemKind::React(String::new()), "take mine back", ""));
    items
}

/// For whom a message can be taken back: for everybody only by who wrote it.
fn deletions(model: &Model, id: MsgId) -> Vec<Item> {
    let chat = model.open_chat();
    let own = chat.and_then(|c| c.timeline.find(id).and_then(|s| c.timeline.entry(s))).is_some_and(|e| e.own);
    let everyone =
        item(ItemKind::Delete { for_everyone: true }, "for everybody", "their devices are asked to forget it");
    let here = item(ItemKind::Delete { for_everyone: false }, "for you", "it stays with everybody else");
    if own { vec![everyone, here] } else { vec![here] }
}

/// What can be set, and how it stands.
fn settings(model: &Model) -> Vec<Item> {
    let me = model.me.as_ref();
    let shown = me.map_or("", |me| chats::availability_word(me.availability));
    let display = me.and_then(|me| me.display.as_ref()).map_or("not set: /name TEXT", SafeText::as_str);
    let row = |action: Action, label: &str, detail: &str| {
        let key = model.keymap.key_of(action).map(|k| k.to_string());
        let slash = crate::keymap::slash_of(action).map(|s| s.name.to_owned());
        let right = key.or(slash).unwrap_or_default();
        Item { right, ..item(ItemKind::Act(action), label, detail) }
    };
    vec![
        row(Action::DisplayName, "Name that contacts see", display),
        row(Action::Presence, "Presence", shown),
        row(Action::Devices, "Devices", "look at them, name them, remove them"),
        row(Action::WhenRemoved, "When it is removed", "what becomes of the data on this device"),
        row(Action::ChangePassword, "Password", "change it; the recovery code changes too"),
        row(Action::Approval, "New devices", "whether they need more than the password"),
        row(Action::AskHistory, "Fetch history", "from another device of yours"),
        row(Action::Export, "Export", "the history into a file under a passphrase"),
        row(Action::Import, "Import", "the history out of such a file"),
        row(Action::Transfers, "Files", "on their way, and where they were saved"),
        row(Action::Reload, "Configuration", "read config.toml again"),
        row(Action::LogOut, "Log out", "the history stays on this device"),
        row(Action::Forget, "Log out and erase", "this device's data is gone"),
        row(Action::DeleteAccount, "Delete account", "for good, on every device"),
    ]
}

/// Chats, people and actions that fit the query, the best first.
fn switcher(model: &Model, query: &str, found: &[(Name, bool)], waiting: bool) -> Vec<Item> {
    let wanted = query.trim();
    if let Some(actions_only) = wanted.strip_prefix('>') {
        return ranked(action_items(model), actions_only.trim());
    }
    let mut rows: Vec<&Row> = model.roster.rows().iter().filter(|r| !r.blocked || !wanted.is_empty()).collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r.unread > 0));
    let chats = rows.into_iter().map(|r| chat_item(model, r)).collect();
    let mut items = ranked(chats, wanted);
    for (name, online) in found {
        if model.roster.row(name).is_none_or(|r| !r.known) && name.as_str().starts_with(&wanted.to_lowercase()) {
            let detail = if *online { "on this relay, online" } else { "on this relay" };
            items.push(Item { sign: ("+", Role::Good), ..item(ItemKind::Person(name.clone()), name.as_str(), detail) });
        }
    }
    let exact = items.iter().any(|i| i.label.as_str().eq_ignore_ascii_case(wanted));
    if !wanted.is_empty()
        && wanted.len() <= 32
        && !exact
        && wanted.bytes().all(|b| is_name(&format!("{}aa", char::from(b))))
    {
        let label =
            if waiting { format!("asking the relay for {wanted} …") } else { format!("find {wanted} on the relay") };
        items.push(Item { sign: ("?", Role::Accent), ..item(ItemKind::Find(wanted.to_lowercase()), &label, "") });
    }
    let words = wanted.to_lowercase();
    items.extend(action_items(model).into_iter().filter(|i| i.label.as_str().contains(&words)));
    items.truncate(ITEMS_MAX);
    items
}

fn item(kind: ItemKind, label: &str, detail: &str) -> Item {
    let (label, detail) = (SafeText::line(label), SafeText::line(detail));
    Item { kind, sign: ("", Role::Dim), label, detail, right: String::new(), matched: Vec::new() }
}

fn chat_item(model: &Model, row: &Row) -> Item {
    let detail = match (&row.display, &row.last) {
        (Some(display), _) if display.as_str() != row.name.as_str() => display.as_str().to_owned(),
        (_, Some(last)) => last.text.as_str().chars().take(80).collect(),
        _ if row.name.is_room() => row.topic.as_ref().map_or("room", SafeText::as_str).to_owned(),
        _ => "contact".to_owned(),
    };
    let right = match (row.unread, &row.last) {
        (0, Some(last)) => last.when.brief(model.now),
        (0, None) => String::new(),
        (n, _) => format!("{n} new"),
    };
    Item { right, sign: row.sign(), ..item(ItemKind::Chat(row.name.clone()), row.name.as_str(), &detail) }
}

/// Actions that make sense from a menu: those of everywhere that need no more words.
fn action_items(model: &Model) -> Vec<Item> {
    let strangers = !model.roster.strangers.is_empty();
    let useful = |a: Action| match a {
        // Only their key makes sense.
        Action::ChatNumber | Action::Interrupt | Action::Switcher | Action::Redraw => false,
        Action::PreviousChat | Action::NextChat | Action::PreviousUnread => false,
        Action::Accept | Action::Decline | Action::Requests => strangers,
        Action::SearchHere
        | Action::FirstUnread
        | Action::MarkRead
        | Action::MarkUnread
        | Action::Mute
        | Action::Unmute
        | Action::Archive
        | Action::PinChat
        | Action::Pins
        | Action::GoToDate
        | Action::Timer => model.open_chat().is_some(),
        Action::RoomInfo
        | Action::Kick
        | Action::SetRole
        | Action::Invite
        | Action::Topic
        | Action::Leave
        | Action::DeleteRoom => model.open_name().is_some_and(Name::is_room),
        Action::SendFile => model.open_chat().is_some(),
        Action::Verify => model.open_name().is_some_and(|n| !n.is_room() && !model.is_me(n)),
        Action::AcceptIdentity => model.stopped_by_change(),
        Action::Block => model.open_name().and_then(|n| model.roster.row(n)).is_some_and(|r| !r.blocked),
        Action::Unblock => model.open_name().and_then(|n| model.roster.row(n)).is_some_and(|r| r.blocked),
        _ => true,
    };
    let rows = model.keymap.rows().filter(|(s, _)| s.scope == Scope::Global && useful(s.action));
    rows.map(|(spec, keys)| {
        let key = keys.first().map(ToString::to_string);
        let slash = spec.slash.map(|s| s.name.to_owned());
        Item {
            sign: ("›", Role::Accent),
            right: key.or(slash).unwrap_or_default(),
            ..item(ItemKind::Act(spec.action), spec.help, "")
        }
    })
    .collect()
}

/// The items that match, the best first; all in their order when nothing is looked for.
fn ranked(items: Vec<Item>, query: &str) -> Vec<Item> {
    if query.is_empty() {
        return items;
    }
    let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(nucleo_matcher::Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, Item)> = items
        .into_iter()
        .filter_map(|mut item| {
            let mut matched = Vec::new();
            let text = item.label.as_str().to_owned();
            let by_label = pattern.indices(Utf32Str::new(&text, &mut buffer), &mut matcher, &mut matched);
            let by_detail = matches!(item.kind, ItemKind::Chat(_))
                .then(|| pattern.score(Utf32Str::new(item.detail.as_str(), &mut buffer), &mut matcher))
                .flatten()
                .map(|s| s / 2);
            let score = by_label.or(by_detail)?;
            matched.sort_unstable();
            matched.dedup();
            item.matched = matched;
            Some((score, item))
        })
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, item)| item).collect()
}

/// What contacts may see, for the menu opened by its action.
pub(super) fn kind_of(model: &Model, action: Action) -> Option<MenuKind> {
    match action {
        Action::Switcher => Some(MenuKind::Switcher),
        Action::SearchAll => Some(MenuKind::Search { within: None }),
        Action::SearchHere => Some(MenuKind::Search { within: model.open_name().cloned() }),
        Action::Presence => Some(MenuKind::Presence),
        Action::Settings => Some(MenuKind::Settings),
        Action::WhenRemoved => Some(MenuKind::Removed),
        Action::Pins => model.open_name().map(|_| MenuKind::Pins),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_match_is_brought_into_sight() {
        let text = format!("{}needle in the hay", "x ".repeat(40));
        let (label, matched) = around_match(&text, "NEEDLE", BEFORE_MATCH_CHARS);
        assert!(label.as_str().starts_with('…'));
        let marked: String = matched.iter().filter_map(|i| label.as_str().chars().nth(*i as usize)).collect();
        assert_eq!(marked, "needle");
    }
}
