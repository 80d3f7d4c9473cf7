//! A desk for tests: a model with a scripted client and a screen of cells. Keys go in as text
//! (`"hi<enter>"`), a picture comes out.

mod acts;
mod deeds;
mod door;
mod habits;
mod pictures;
mod pictures_inline;
mod screens;
mod storm;

use std::collections::BTreeMap;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

use crate::config::Config;
use crate::keymap::{Key, Keymap};
use crate::model::{
    Arrival, Availability, Effect, Entry, Gaps, Home, Link, Me, Model, Msg, MsgId, Name, Page, Preview, RelayCheck,
    Request, Row, SearchHit, Secret, SignedIn, Started, Status, Stranger, Timer, When,
};
use crate::text::SafeText;
use crate::theme::{Depth, Theme, Tone};
use crate::update::update;
use crate::view::{LayoutCache, view};

/// 2026-11-20 10:02 in Greenwich, a Friday.
pub(super) const NOW_MS: u64 = 1_795_168_920_000;
pub(super) const MINUTE_MS: u64 = 60_000;
const PAGE: usize = 100;

/// A model, what was asked of the client, and a client that answers from memory.
pub(super) struct Desk {
    pub(super) model: Model,
    pub(super) asked: Vec<Request>,
    pub(super) effects: Vec<Effect>,
    pub(super) history: BTreeMap<Name, Vec<Entry>>,
    pub(super) drafts: BTreeMap<Name, String>,
    /// What the profile keeps for the interface.
    pub(super) kept: Option<String>,
    /// Requests stay unanswered.
    pub(super) mute: bool,
    timers: Vec<(u64, Timer)>,
    now_ms: u64,
    ids: u64,
    cache: LayoutCache,
    terminal: Terminal<TestBackend>,
    /// The last frame, cell by cell.
    seen: Buffer,
}

/// What a picture shows of colours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// None: the cells' text.
    Text,
    /// The text, and under each line that has some the signs of its styles.
    Styles,
}

impl Desk {
    /// An empty program at this size.
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        Self::coloured(columns, rows, Depth::True)
    }

    pub(super) fn coloured(columns: u16, rows: u16, depth: Depth) -> Self {
        let mut model = Model::new(Config::default(), Keymap::default(), Theme::new(Tone::Dark, depth));
        model.home = Home { register: false, device: "laptop".into() };
        model.relay = SafeText::line("relay.example.org:7667");
        let mut desk = Self {
            model,
            asked: Vec::new(),
            effects: Vec::new(),
            history: BTreeMap::new(),
            drafts: BTreeMap::new(),
            kept: None,
            mute: false,
            timers: Vec::new(),
            now_ms: NOW_MS,
            ids: 0,
            cache: LayoutCache::default(),
            terminal: Terminal::new(TestBackend::new(columns, rows)).unwrap(),
            seen: Buffer::default(),
        };
        desk.tell(Msg::Resize(columns, rows));
        desk
    }

    /// Alice is signed in, with chats.
    pub(super) fn signed_in(columns: u16, rows: u16) -> Self {
        Self::new(columns, rows).with_alice()
    }

    pub(super) fn with_alice(mut self) -> Self {
        self.tell(Msg::Link(Link::Online));
        self.started();
        self
    }

    pub(super) fn started(&mut self) {
        let me = Some(Me { name: Name::new("alice"), display: None, availability: Availability::Online });
        let rows = self.rows();
        let habits = self.kept.clone();
        let enrolled = Some(Name::new("alice"));
        let started = Started { me, relay: None, online: true, enrolled, rows, strangers: Vec::new(), habits };
        self.tell(Msg::Started(Box::new(started)));
    }

    /// Adds a message to somebody's history, before it is loaded.
    pub(super) fn past(&mut self, chat: &str, own: bool, text: &str, minutes_ago: u64) -> MsgId {
        let ms = self.now_ms - minutes_ago * MINUTE_MS;
        let entry = self.entry(chat, own, text, ms);
        let id = entry.id.unwrap();
        self.history.entry(Name::new(chat)).or_default().push(entry);
        id
    }

    pub(super) fn entry(&mut self, chat: &str, own: bool, text: &str, ms: u64) -> Entry {
        self.ids += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        let author = Name::new(if own { "alice" } else { chat });
        Entry { id: Some(MsgId(id)), own, ..Entry::new(author, SafeText::body(text), When::local(ms, 0)) }
    }

    fn rows(&self) -> Vec<Row> {
        let of = |(name, entries): (&Name, &Vec<Entry>)| {
            let last = entries.last().map(|e| Preview { own: e.own, text: e.text.one_line(), when: e.when });
            let draft = self.drafts.get(name).map(|d| SafeText::line(d));
            Row { last, draft, known: true, availability: Availability::Online, ..Row::new(name.clone()) }
        };
        self.history.iter().map(of).collect()
    }

    /// A message comes now.
    pub(super) fn arrives(&mut self, chat: &str, text: &str) -> MsgId {
        let entry = self.entry(chat, false, text, self.now_ms);
        let id = entry.id.unwrap();
        self.history.entry(Name::new(chat)).or_default().push(entry.clone());
        self.tell(Msg::Arrived(Box::new(Arrival { chat: Name::new(chat), entry })));
        id
    }

    pub(super) fn stranger(&mut self, name: &str, preview: &str) {
        let stranger =
            Stranger { name: Name::new(name), preview: SafeText::body(preview), when: When::local(self.now_ms, 0) };
        self.tell(Msg::Asked(stranger));
    }

    /// Somebody is shown as being here or not.
    pub(super) fn presence(&mut self, name: &str, availability: Availability) {
        self.tell(Msg::Presence { name: Name::new(name), availability });
    }

    /// Takes a message in, lets the client answer, and draws.
    pub(super) fn tell(&mut self, msg: Msg) {
        let mut waiting = vec![msg];
        while !waiting.is_empty() {
            for effect in update(&mut self.model, When::local(self.now_ms, 0), waiting.remove(0)) {
                match effect {
                    Effect::Client(request) => {
                        if !self.mute {
                            waiting.extend(self.answer(&request));
                        }
                        self.asked.push(request);
                    }
                    Effect::After { ms, timer } => self.timers.push((self.now_ms + ms, timer)),
                    other => self.effects.push(other),
                }
            }
            if waiting.is_empty() && self.model.redraw {
                self.model.redraw = false;
                waiting.push(Msg::Shown(self.draw()));
            }
        }
    }

    fn draw(&mut self) -> crate::model::Shown {
        let mut shown = crate::model::Shown::default();
        let (model, cache) = (&self.model, &mut self.cache);
        let drawn = |frame: &mut ratatui::Frame<'_>| {
            shown = view(model, cache, frame);
            if let Some(cursor) = shown.cursor {
                frame.set_cursor_position(cursor);
            }
        };
        let frame = self.terminal.draw(drawn).unwrap();
        self.seen = frame.buffer.clone();
        shown
    }

    /// Time passes; timers that are due come.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while let Some(at) =
            (0..self.timers.len()).min_by_key(|i| self.timers[*i].0).filter(|i| self.timers[*i].0 <= until)
        {
            let (due, timer) = self.timers.remove(at);
            self.now_ms = self.now_ms.max(due);
            self.tell(Msg::Timer(timer));
        }
        self.now_ms = until;
    }

    /// Presses keys: characters as they are, others by name in angle brackets.
    pub(super) fn keys(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let named =
                rest.strip_prefix('<').and_then(|r| r.split_once('>')).and_then(|(n, r)| Some((Key::parse(n)?, r)));
            let (key, left) =
                named.unwrap_or_else(|| (Key::plain(crate::keymap::Code::Char(c)), &rest[c.len_utf8()..]));
            rest = left;
            self.tell(Msg::Key(key));
        }
        self
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.terminal.backend_mut().resize(columns, rows);
        self.tell(Msg::Resize(columns, rows));
    }

    /// The screen as text.
    pub(super) fn picture(&mut self) -> String {
        self.inked(Ink::Text)
    }

    pub(super) fn inked(&mut self, ink: Ink) -> String {
        let buffer = &self.seen;
        let mut out = String::new();
        for row in 0..buffer.area.height {
            let (mut line, mut styles, mut skip) = (String::new(), String::new(), 0);
            for column in 0..buffer.area.width {
                let cell = &buffer[(column, row)];
                if skip == 0 {
                    line.push_str(cell.symbol());
                    skip = crate::text::width(cell.symbol()).max(1);
                }
                skip -= 1;
                styles.push(sign(cell.modifier));
            }
            out.push_str(line.trim_end());
            out.push('\n');
            if ink == Ink::Styles && !styles.trim().is_empty() {
                out.push_str(styles.trim_end());
                out.push('\n');
            }
        }
        out
    }

    /// The screen, and under each line a letter for the style of each cell; below all what the letters mean.
    pub(super) fn painted(&self) -> String {
        let (buffer, mut known, mut out) = (&self.seen, Vec::<String>::new(), String::new());
        for row in 0..buffer.area.height {
            let (mut text, mut letters) = (String::new(), String::new());
            for column in 0..buffer.area.width {
                let cell = &buffer[(column, row)];
                text.push_str(cell.symbol());
                let style = format!("{:?} on {:?} {:?}", cell.fg, cell.bg, cell.modifier);
                let at = known.iter().position(|k| *k == style).unwrap_or_else(|| {
                    known.push(style);
                    known.len() - 1
                });
                letters.push(char::from(b'a' + u8::try_from(at).unwrap()));
            }
            out.push_str(&format!("{}\n{letters}\n", text.trim_end()));
        }
        for (letter, style) in ('a'..).zip(known) {
            out.push_str(&format!("{letter} {style}\n"));
        }
        out
    }

    /// Cells that set a colour.
    pub(super) fn coloured_cells(&self) -> usize {
        let plain = ratatui::style::Color::Reset;
        self.seen.content().iter().filter(|c| c.fg != plain || c.bg != plain).count()
    }

    /// The scripted client.
    fn answer(&mut self, request: &Request) -> Vec<Msg> {
        let found = |msg| vec![msg];
        match request {
            Request::Load { chat, page } => found(self.page(chat, *page)),
            Request::LoadDraft(chat) => {
                let text = SafeText::body(self.drafts.get(chat).map_or("", String::as_str));
                found(Msg::Draft { chat: chat.clone(), text })
            }
            Request::SaveDraft { chat, text } => {
                self.drafts.insert(chat.clone(), text.clone());
                Vec::new()
            }
            Request::Send { serial, to, text, .. } => {
                let mut entry = self.entry(to.as_str(), true, text, self.now_ms);
                entry.status = Status::Queued;
                let (id, when) = (entry.id.unwrap(), entry.when);
                self.history.entry(to.clone()).or_default().push(entry);
                found(Msg::Queued { serial: *serial, chat: to.clone(), id, when })
            }
            Request::Keep(text) => {
                self.kept = Some(text.clone());
                Vec::new()
            }
            Request::LookUp(name) => found(Msg::LookedUp { name: name.clone(), exists: Ok(name.as_str() != "nobody") }),
            Request::Find { query, number } => {
                let people = ["carol", "carlos"].iter().filter(|n| n.starts_with(query.as_str()));
                let people = people.map(|n| crate::model::Person { name: Name::new(n), online: false }).collect();
                found(Msg::Found { number: *number, people: Ok(people) })
            }
            Request::Search { words, within, number } => {
                let words = words.to_lowercase();
                let inside = |chat: &Name| within.as_ref().is_none_or(|w| w == chat);
                let all = self.history.iter().filter(|(chat, _)| inside(chat));
                let hits = all.flat_map(|(chat, entries)| entries.iter().rev().map(move |e| (chat, e)));
                let hits =
                    hits.filter(|(_, e)| e.text.as_str().to_lowercase().contains(&words)).map(|(chat, e)| SearchHit {
                        chat: chat.clone(),
                        id: e.id.unwrap(),
                        author: e.author.clone(),
                        text: e.text.clone(),
                        when: e.when,
                    });
                found(Msg::Hits { number: *number, hits: Ok(hits.collect()) })
            }
            Request::CheckPassword { password, number, .. } => {
                let text = password.expose();
                let gaps = Gaps {
                    length: text.chars().count() < 8,
                    capital: !text.contains(char::is_uppercase),
                    digit: !text.contains(|c: char| c.is_ascii_digit()),
                    common: text.len() < 10,
                    advised: text.len() < 14,
                };
                found(Msg::Gaps { number: *number, gaps })
            }
            Request::CheckRelay { server } => {
                found(Msg::Relay { server: server.clone(), check: RelayCheck::FirstUse { pin: [0xa7; 32] } })
            }
            Request::TrustRelay { .. } => {
                found(Msg::Relay { server: "relay.example.org:7667".into(), check: RelayCheck::Pinned })
            }
            Request::Register(account) => {
                let mut code = Secret::default();
                code.paste("ABCDE-FGHJK-LMNPQ-RSTUV-WXYZ2-34567-89ABC-DEFGH");
                found(self.in_as(account.name.clone(), Some(code)))
            }
            Request::SignIn(account) => found(self.in_as(account.name.clone(), None)),
            _ => Vec::new(),
        }
    }

    fn in_as(&self, name: Name, code: Option<Secret>) -> Msg {
        let me = Me { name, display: None, availability: Availability::Online };
        Msg::SignedIn(Box::new(Ok(SignedIn { me, code })))
    }

    fn page(&self, chat: &Name, page: Page) -> Msg {
        let none = Vec::new();
        let all = self.history.get(chat).unwrap_or(&none);
        let at = |id: MsgId| all.iter().position(|e| e.id == Some(id)).unwrap_or(all.len());
        let (from, to) = match page {
            Page::Newest => (all.len().saturating_sub(PAGE), all.len()),
            Page::Before(id) => (at(id).saturating_sub(PAGE), at(id)),
            Page::After(id) => ((at(id) + 1).min(all.len()), (at(id) + 1 + PAGE).min(all.len())),
            Page::At(ms) => {
                let at = all.iter().position(|e| e.when.ms >= ms).unwrap_or(all.len());
                (at.saturating_sub(PAGE / 2), (at + PAGE / 2).min(all.len()))
            }
            Page::Around(id) => (at(id).saturating_sub(PAGE / 2), (at(id) + PAGE / 2).min(all.len())),
        };
        Msg::Loaded {
            chat: chat.clone(),
            page,
            entries: all[from..to].to_vec(),
            more_before: from > 0,
            more_after: to < all.len(),
        }
    }
}

/// A letter for the weight of a cell.
fn sign(modifier: Modifier) -> char {
    match modifier {
        m if m.contains(Modifier::REVERSED) => 'r',
        m if m.contains(Modifier::BOLD) => 'b',
        m if m.contains(Modifier::DIM) => 'd',
        m if m.contains(Modifier::ITALIC) => 'i',
        m if m.contains(Modifier::UNDERLINED) => 'u',
        _ => ' ',
    }
}
