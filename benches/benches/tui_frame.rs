//! Frames of the terminal interface: what a key, a message, a page up and a change of size cost, at three
//! sizes, with a full window of messages. A frame scrolled to the top must not cost more than one at the
//! bottom.
#![allow(clippy::unwrap_used, reason = "a bench stops where it fails")]

use chat_tui::config::Config;
use chat_tui::keymap::{Code, Key, Keymap};
use chat_tui::model::{Arrival, Availability, Effect, Entry, Me, Model, Msg, MsgId, Name, Request, Started, When};
use chat_tui::text::SafeText;
use chat_tui::theme::{Depth, Theme, Tone};
use chat_tui::update::update;
use chat_tui::view::{LayoutCache, view};
use divan::Bencher;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

fn main() {
    divan::main();
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 36), (240, 70)];

/// Messages in memory: as many as the window holds.
const MESSAGES: u64 = 600;

const NOW_MS: u64 = 1_795_168_920_000;

struct Screen {
    model: Model,
    cache: LayoutCache,
    terminal: Terminal<TestBackend>,
    ids: u64,
}

impl Screen {
    fn new((columns, rows): (u16, u16)) -> Self {
        let model = Model::new(Config::default(), Keymap::default(), Theme::new(Tone::Dark, Depth::True));
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let mut screen = Self { model, cache: LayoutCache::default(), terminal, ids: 0 };
        let name = Name::new("alice");
        let me = Some(Me { name: name.clone(), display: None, availability: Availability::Online });
        screen.tell(Msg::Resize(columns, rows));
        screen.tell(Msg::Started(Box::new(Started { me, online: true, enrolled: Some(name), ..Started::default() })));
        "/dm bob".chars().for_each(|c| screen.tell(Msg::Key(Key::plain(Code::Char(c)))));
        screen.tell(Msg::Key(Key::plain(Code::Enter)));
        (0..MESSAGES).for_each(|_| screen.arrives());
        screen.frame();
        screen
    }

    fn tell(&mut self, msg: Msg) {
        for effect in update(&mut self.model, When::local(NOW_MS + self.ids * 9_000, 0), msg) {
            if let Effect::Client(Request::Load { chat, page }) = effect {
                self.tell(Msg::Loaded { chat, page, entries: Vec::new(), more_before: false, more_after: false });
            }
        }
    }

    fn arrives(&mut self) {
        self.ids += 1;
        let text = match self.ids % 4 {
            0 => "你好，世界！今天的报告已经准备好了，请你看一下。",
            1 => "see https://example.org/status, it was 👩‍🚀 who found it",
            2 => "ok",
            _ => "a longer message that goes over more than one line on most screens, because it says something",
        };
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.ids.to_be_bytes());
        let said = Entry::new(Name::new("bob"), SafeText::body(text), When::local(NOW_MS + self.ids * 9_000, 0));
        let entry = Entry { id: Some(MsgId(id)), ..said };
        self.tell(Msg::Arrived(Box::new(Arrival { chat: Name::new("bob"), entry })));
    }

    fn frame(&mut self) {
        let (model, cache) = (&self.model, &mut self.cache);
        let mut shown = None;
        self.terminal.draw(|frame| shown = Some(view(model, cache, frame))).unwrap();
        self.tell(Msg::Shown(shown.unwrap()));
    }
}

/// A letter is typed and drawn.
#[divan::bench(args = SIZES)]
fn key_to_frame(bencher: Bencher, size: (u16, u16)) {
    let mut screen = Screen::new(size);
    bencher.bench_local(|| {
        screen.tell(Msg::Key(Key::plain(Code::Char('x'))));
        screen.frame();
        screen.tell(Msg::Key(Key::plain(Code::Backspace)));
    });
}

/// A message comes and the pane scrolls.
#[divan::bench(args = SIZES)]
fn message_to_frame(bencher: Bencher, size: (u16, u16)) {
    let mut screen = Screen::new(size);
    bencher.bench_local(|| {
        screen.arrives();
        screen.frame();
    });
}

/// A frame while looking at the oldest message.
#[divan::bench(args = SIZES)]
fn frame_at_the_top(bencher: Bencher, size: (u16, u16)) {
    let mut screen = Screen::new(size);
    screen.tell(Msg::Key(Key::plain(Code::Esc)));
    screen.tell(Msg::Key(Key::plain(Code::Home)));
    screen.frame();
    bencher.bench_local(|| screen.frame());
}

/// Another width: the visible part is laid out anew.
#[divan::bench(args = SIZES)]
fn resize_to_frame(bencher: Bencher, size: (u16, u16)) {
    let mut screen = Screen::new(size);
    let mut narrow = false;
    bencher.bench_local(|| {
        narrow = !narrow;
        let columns = size.0 - u16::from(narrow);
        screen.terminal.backend_mut().resize(columns, size.1);
        screen.tell(Msg::Resize(columns, size.1));
        screen.frame();
    });
}
