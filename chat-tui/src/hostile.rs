//! Bodies for fuzzing: anything that a terminal, a person or somebody far away can send goes in; what must
//! never happen is checked after every step. Plain functions, so that tests replay what a fuzzer found.

use std::collections::BTreeMap;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::app::hear;
use crate::config::Config;
use crate::keymap::{Keymap, Profile};
use crate::model::{
    Arrival, Availability, Effect, Entry, FileCard, Link, Me, Model, Msg, MsgId, Name, Request, RoomNews, Started,
    Stranger, When,
};
use crate::text::{SafeText, pad, width, wrap};
use crate::theme::{Depth, Theme, Tone};
use crate::update::update;
use crate::view::{LayoutCache, view};

/// Bytes of one step: a message that is longer only costs time.
const STEP_BYTES_MAX: usize = 600;

/// Steps of one run.
const STEPS_MAX: usize = 200;

/// Remote text: whatever the bytes are, what is left of them is safe to print and keeps its columns.
///
/// # Panics
/// When the sanitiser or the wrapping breaks its promise: that is what is looked for.
pub fn remote_text(input: &[u8]) {
    let raw = String::from_utf8_lossy(input);
    for text in [SafeText::body(&raw), SafeText::line(&raw)] {
        assert!(!text.as_str().chars().any(obeyed), "a terminal would obey {:?}", text.as_str());
        assert_eq!(SafeText::body(text.as_str()), text, "cleaning twice changes nothing");
        for cells in [1, 2, 20, 80] {
            for range in wrap(text.as_str(), cells, usize::MAX).lines {
                let line = text.as_str().get(range).expect_line();
                assert_eq!(width(&pad(line, cells)), cells);
            }
        }
    }
    let (config, _) = Config::read(&raw);
    let keys: BTreeMap<String, String> = config.keys;
    let _ = Keymap::new(Profile::Vim, &keys);
}

/// A range that the wrapping gave is one of the text.
trait ExpectLine<'t> {
    fn expect_line(self) -> &'t str;
}

impl<'t> ExpectLine<'t> for Option<&'t str> {
    fn expect_line(self) -> &'t str {
        assert!(self.is_some(), "a line is no part of its text");
        self.unwrap_or_default()
    }
}

/// What a terminal obeys or what hides and reorders other text.
fn obeyed(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The whole interface without its shell: bytes of a terminal, messages, sizes, in any order.
///
/// # Panics
/// When a cell holds what a terminal obeys, or anything panics on the way: that is what is looked for.
pub fn interface(input: &[u8]) {
    let mut run = Run::new();
    let mut rest = input;
    for _ in 0..STEPS_MAX {
        let [kind, length, tail @ ..] = rest else { return };
        let length = (usize::from(*length) * 4).min(tail.len()).min(STEP_BYTES_MAX);
        let (bytes, left) = tail.split_at(length);
        rest = left;
        run.step(*kind, bytes);
    }
}

struct Run {
    model: Model,
    cache: LayoutCache,
    screen: Option<Terminal<TestBackend>>,
    now_ms: u64,
    ids: u64,
}

impl Run {
    fn new() -> Self {
        let mut model = Model::new(Config::default(), Keymap::default(), Theme::new(Tone::Dark, Depth::True));
        model.link = Link::Online;
        let screen = Terminal::new(TestBackend::new(80, 24)).ok();
        let mut run = Self { model, cache: LayoutCache::default(), screen, now_ms: 1_795_168_920_000, ids: 0 };
        let name = Name::new("alice");
        let me = Some(Me { name: name.clone(), display: None, availability: Availability::Online });
        run.tell(Msg::Started(Box::new(Started { me, online: true, enrolled: Some(name), ..Started::default() })));
        run
    }

    fn step(&mut self, kind: u8, bytes: &[u8]) {
        self.now_ms += u64::from(kind) * 40;
        let text = String::from_utf8_lossy(bytes);
        match kind % 8 {
            0 | 1 => hear(bytes).into_iter().for_each(|msg| self.tell(msg)),
            2 => self.arrives(&text, false),
            3 => self.arrives(&text, true),
            4 => {
                let (columns, rows) =
                    (u16::from(kind % 120) + 1, u16::from(bytes.first().copied().unwrap_or(9) % 50) + 1);
                self.screen = Terminal::new(TestBackend::new(columns, rows)).ok();
                self.tell(Msg::Resize(columns, rows));
            }
            5 => {
                let when = When::local(self.now_ms, 0);
                self.tell(Msg::Asked(Stranger { name: Name::new(&text), preview: SafeText::body(&text), when }));
            }
            6 => {
                let (room, when) = (Name::new("#ops"), When::local(self.now_ms, 0));
                let text = SafeText::line(&text);
                self.tell(Msg::Room(RoomNews::Event { room, who: None, by: None, invited: false, text, when }));
            }
            _ => self.tell(Msg::Paste(text.into_owned())),
        }
    }

    fn arrives(&mut self, text: &str, in_room: bool) {
        self.ids += 1;
        let mut id = [0; 16];
        id.iter_mut().zip(self.ids.to_be_bytes()).for_each(|(to, from)| *to = from);
        let author = Name::new(text.get(..text.len().min(8)).unwrap_or("bob"));
        let chat = if in_room { Name::new("#ops") } else { author.clone() };
        let file = self.ids.is_multiple_of(5).then(|| FileCard {
            name: SafeText::line(text),
            size: self.ids * 1_000_003,
            kind: SafeText::line(text),
        });
        let said = Entry::new(author, SafeText::body(text), When::local(self.now_ms, 0));
        let entry = Entry { id: Some(MsgId(id)), file, ..said };
        self.tell(Msg::Arrived(Box::new(Arrival { chat, entry })));
    }

    /// Takes a message in; a client that answers a page with nothing and a send with silence is one too.
    fn tell(&mut self, msg: Msg) {
        let now = When::local(self.now_ms, 0);
        let mut answers = Vec::new();
        for effect in update(&mut self.model, now, msg) {
            if let Effect::Client(Request::Load { chat, page }) = effect {
                answers.push(Msg::Loaded { chat, page, entries: Vec::new(), more_before: false, more_after: false });
            }
        }
        self.draw(now);
        for answer in answers {
            let _ = update(&mut self.model, now, answer);
        }
    }

    fn draw(&mut self, now: When) {
        let Some(screen) = &mut self.screen else { return };
        let (model, cache) = (&self.model, &mut self.cache);
        let mut shown = crate::model::Shown::default();
        // A test screen never fails to draw.
        let Ok(drawn) = screen.draw(|frame| shown = view(model, cache, frame));
        for cell in drawn.buffer.content() {
            assert!(!cell.symbol().chars().any(|c| obeyed(c) || c == '\n'), "{:?} is on the screen", cell.symbol());
        }
        let _ = update(&mut self.model, now, Msg::Shown(shown));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_fuzzer_would_begin_with_is_harmless() {
        let seeds: [&[u8]; 4] = [
            b"\x1b]0;owned\x07\x1b[2J\xe2\x80\xae",
            "👩\u{200d}🚀\u{202e}é\u{301}".as_bytes(),
            b"[ui]\nmouse=1",
            &[0xff; 64],
        ];
        for seed in seeds {
            remote_text(seed);
            let mut steps = vec![2, 20];
            steps.extend_from_slice(seed);
            steps.extend_from_slice(&[0, 10]);
            steps.extend_from_slice(b"/dm bob\rhi\r\x1b[A\x1bOQ\x1b[15~");
            interface(&steps);
        }
    }

    #[test]
    fn every_committed_input_is_harmless() {
        for (name, body) in [("remote_text", remote_text as fn(&[u8])), ("interface", interface)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
            let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(inputs.len() >= 5, "{name} has no corpus");
            for input in inputs {
                println!("{}", input.display());
                body(&std::fs::read(input).unwrap());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_leave_a_screen_that_obeys_nobody(input in prop::collection::vec(any::<u8>(), 0..600)) {
            remote_text(&input);
            interface(&input);
        }
    }
}
