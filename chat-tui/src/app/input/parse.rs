//! From bytes to keys, pastes and answers. Nothing is lost between two reads, and nothing that was not
//! asked for is taken for a key.

use super::csi;
use super::heard::Heard;
use crate::keymap::{Code, Key};

/// Bytes of a paste that are kept: sixty times the longest message.
const PASTE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one sequence; longer ones are noise.
const SEQUENCE_BYTES_MAX: usize = 4 * 1024;

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Takes bytes apart.
#[derive(Debug, Default)]
pub(in crate::app) struct Parser {
    /// What has begun and not ended.
    begun: Vec<u8>,
    /// A paste is under way.
    paste: Option<Vec<u8>>,
}

/// What stands at the beginning of some bytes.
enum Piece {
    /// So many bytes, which may mean something.
    Whole(usize, Option<Heard>),
    /// A paste begins behind so many bytes.
    Paste(usize),
    /// It goes on.
    Begun,
}

impl Parser {
    /// Takes bytes as they come.
    pub(in crate::app) fn feed(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        self.begun.extend_from_slice(bytes);
        loop {
            if self.paste.is_some() && !self.end_of_paste(&mut heard) {
                return heard;
            }
            match piece(&self.begun) {
                Piece::Whole(0, _) => return heard,
                Piece::Whole(length, what) => {
                    self.begun.drain(..length);
                    heard.extend(what);
                }
                Piece::Paste(length) => {
                    self.begun.drain(..length);
                    self.paste = Some(Vec::new());
                }
                Piece::Begun if self.begun.len() > SEQUENCE_BYTES_MAX => self.begun.clear(),
                Piece::Begun => return heard,
            }
        }
    }

    /// Moves bytes into the paste until its end; tells whether it ended.
    fn end_of_paste(&mut self, heard: &mut Vec<Heard>) -> bool {
        let end = self.begun.windows(PASTE_END.len()).position(|w| w == PASTE_END);
        // The end may be cut between two reads: its beginning stays behind.
        let keep = PASTE_END.len().saturating_sub(1);
        let length = end.unwrap_or_else(|| self.begun.len().saturating_sub(keep));
        let pasted: Vec<u8> = self.begun.drain(..length).collect();
        if let Some(paste) = &mut self.paste {
            let room = PASTE_BYTES_MAX.saturating_sub(paste.len());
            paste.extend(pasted.into_iter().take(room));
        }
        if end.is_none() {
            return false;
        }
        self.begun.drain(..PASTE_END.len());
        let paste = self.paste.take().unwrap_or_default();
        heard.push(Heard::Paste(String::from_utf8_lossy(&paste).into_owned()));
        true
    }

    /// Whether something has begun that time may end.
    pub(in crate::app) fn is_waiting(&self) -> bool {
        self.paste.is_none() && !self.begun.is_empty()
    }

    /// Whether what has begun is an answer, not a key.
    pub(in crate::app) fn is_in_answer(&self) -> bool {
        self.begun.len() > 2
    }

    /// Nothing more came: an escape byte was the key Esc, one with a character behind it that
    /// character with Alt held.
    pub(in crate::app) fn give_up_waiting(&mut self) -> Vec<Heard> {
        let begun = std::mem::take(&mut self.begun);
        match begun.as_slice() {
            [ESC] => vec![Heard::Key(Key::plain(Code::Esc))],
            [ESC, byte @ 0x20..=0x7e] => {
                vec![Heard::Key(Key { alt: true, ..Key::plain(Code::Char(char::from(*byte))) })]
            }
            _ => Vec::new(),
        }
    }
}

fn piece(bytes: &[u8]) -> Piece {
    match bytes {
        [] => Piece::Whole(0, None),
        [ESC] => Piece::Begun,
        [ESC, b'[', body @ ..] => control_sequence(body),
        [ESC, b'O', body @ ..] => match body {
            [] => Piece::Begun,
            [last, ..] => Piece::Whole(3, csi::keypad(*last).map(|code| Heard::Key(Key::plain(code)))),
        },
        [ESC, b']' | b'P' | b'_' | b'^' | b'X', body @ ..] => string(bytes, body),
        // Esc pressed twice.
        [ESC, ESC, ..] => Piece::Whole(1, Some(Heard::Key(Key::plain(Code::Esc)))),
        [ESC, rest @ ..] => match character(rest) {
            Some((length, key)) => Piece::Whole(1 + length, key.map(|key| Heard::Key(Key { alt: true, ..key }))),
            None => Piece::Begun,
        },
        rest => match character(rest) {
            Some((length, key)) => Piece::Whole(length, key.map(Heard::Key)),
            None => Piece::Begun,
        },
    }
}

/// Behind `ESC [`: parameters and a last byte.
fn control_sequence(body: &[u8]) -> Piece {
    // The console's own F1 to F5.
    if let [b'[', last, ..] = body {
        return Piece::Whole(4, csi::console(*last).map(|code| Heard::Key(Key::plain(code))));
    }
    let Some(end) = body.iter().position(|b| !(0x20..=0x3f).contains(b)) else { return Piece::Begun };
    let (parameters, rest) = body.split_at(end);
    let Some(last) = rest.first().copied() else { return Piece::Begun };
    let length = 2 + end + 1;
    if !(0x40..=0x7e).contains(&last) {
        // Broken off: what broke it is looked at by itself.
        return Piece::Whole(2 + end, None);
    }
    if (parameters, last) == (b"200".as_slice(), b'~') {
        return Piece::Paste(length);
    }
    Piece::Whole(length, csi::meaning(parameters, last))
}

/// A string of the terminal's: `ESC ]` and its like, up to a bell or `ESC \`.
fn string(bytes: &[u8], body: &[u8]) -> Piece {
    let Some(end) = body.iter().position(|b| matches!(*b, 0x07 | ESC)) else { return Piece::Begun };
    let (text, tail) = body.split_at(end);
    let ends = match tail {
        [0x07, ..] => 1,
        [ESC, b'\\', ..] => 2,
        [ESC] => return Piece::Begun,
        // An escape that ends nothing begins something new.
        _ => 0,
    };
    let heard = match bytes.get(1) {
        Some(b']') => csi::background(text).map(Heard::Background),
        Some(b'_') if text.starts_with(b"Gi=31") && text.ends_with(b";OK") => Some(Heard::ShowsPictures),
        _ => None,
    };
    Piece::Whole(2 + end + ends, heard)
}

/// A character and its bytes; none while it is not whole.
fn character(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let first = *bytes.first()?;
    let control = |letter: char| Some(Key { ctrl: true, ..Key::plain(Code::Char(letter)) });
    let key = match first {
        b'\r' => Some(Key::plain(Code::Enter)),
        b'\t' => Some(Key::plain(Code::Tab)),
        0x7f => Some(Key::plain(Code::Backspace)),
        0 => control(' '),
        0x01..=0x1a => control(char::from(first + b'a' - 1)),
        0x1c..=0x1f => control(char::from(first - 0x1c + b'4')),
        0x20..=0x7e => Some(Key::plain(Code::Char(char::from(first)))),
        _ => return multibyte(bytes),
    };
    Some((1, key))
}

fn multibyte(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let start = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() == 0 => {
            // Bytes that are no character are passed over; a character that is not whole is waited for.
            return error.error_len().map(|length| (length, None));
        }
        Err(error) => std::str::from_utf8(start.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
    };
    let c = valid.chars().next()?;
    Some((c.len_utf8(), Some(Key::plain(Code::Char(c)))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<String> {
        let mut parser = Parser::default();
        let mut heard = parser.feed(bytes);
        heard.extend(parser.give_up_waiting());
        let show = |heard: Heard| match heard {
            Heard::Key(key) => key.to_string(),
            other => format!("{other:?}"),
        };
        heard.into_iter().map(show).collect()
    }

    #[test]
    fn only_a_yes_to_the_question_about_pictures_is_one_and_who_answers_tells_of_sixels() {
        let heard = |bytes: &[u8]| Parser::default().feed(bytes);
        assert_eq!(heard(b"\x1b_Gi=31;OK\x1b\\"), [Heard::ShowsPictures]);
        assert_eq!(heard(b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\"), []);
        assert_eq!(heard(b"\x1b[?62;4;22c"), [Heard::Identity { sixels: true }]);
        assert_eq!(
            heard(b"\x1b[?4;22c"),
            [Heard::Identity { sixels: false }],
            "the first number is the terminal's kind"
        );
    }

    #[test]
    fn keys_are_the_same_however_the_terminal_spells_them() {
        for (bytes, wanted) in [
            (&b"a\xc3\xa4\r\t\x7f\x0b"[..], &["a", "ä", "Enter", "Tab", "Backspace", "Ctrl-K"][..]),
            (b"\x1b[A\x1bOA\x1b[1;3A\x1b[1;4A", &["↑", "↑", "Alt-↑", "Alt-Shift-↑"]),
            (b"\x1b[5~\x1b[3~\x1b[H\x1b[4~\x1b[Z", &["PgUp", "Del", "Home", "End", "Shift-Tab"]),
            (b"\x1bOP\x1b[11~\x1b[[A\x1b[P\x1b[18~", &["F1", "F1", "F1", "F1", "F7"]),
            (b"\x1b[13;2u\x1b[107;5u\x1b[27u\x1b[97;1:3u", &["Shift-Enter", "Ctrl-K", "Esc"]),
            (b"\x1b[57400u\x1b[57414u\x1b[57419u\x1b[57441u", &["1", "Enter", "↑"]),
            (b"\x1ba\x1b\r\x1b\x7f\x1b\xc3\xa4", &["Alt-A", "Alt-Enter", "Alt-Backspace", "Alt-ä"]),
            (b"\x1b\x1b[A", &["Esc", "↑"]),
            (b"x\x1b", &["x", "Esc"]),
            (b"\x1b[", &["Alt-["]),
            (b"\x1bO", &["Alt-O"]),
        ] {
            assert_eq!(keys(bytes), wanted, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_paste_is_one_thing_even_with_escapes_and_cuts_in_it() {
        let bytes = b"a\x1b[200~line\r\n\x1b[2J\x1b[20\xf0\x9f\x98\x80\x1b[201~b";
        for cut in 0..bytes.len() {
            let mut parser = Parser::default();
            let mut heard = parser.feed(&bytes[..cut]);
            heard.extend(parser.feed(&bytes[cut..]));
            assert_eq!(heard.len(), 3, "cut at {cut}: {heard:?}");
            assert_eq!(heard[1], Heard::Paste("line\r\n\u{1b}[2J\u{1b}[20😀".into()));
        }
    }

    #[test]
    fn answers_are_heard_whenever_they_come_and_are_never_keys() {
        let bytes = b"h\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?1u\x1b[?62;22c\x1b[?2026;2$y\x1bP1$r0m\x1b\\i";
        let wanted = ["h", "Background(Light)", "TellsKeysApart", "Identity { sixels: false }", "i"];
        assert_eq!(keys(bytes), wanted);
        for cut in 0..bytes.len() {
            let mut parser = Parser::default();
            let count = parser.feed(&bytes[..cut]).len() + parser.feed(&bytes[cut..]).len();
            assert_eq!(count, wanted.len(), "cut at {cut}");
        }
    }

    #[test]
    fn clicks_and_the_wheel_are_heard() {
        assert_eq!(
            keys(b"\x1b[<0;5;7M\x1b[<0;5;7m\x1b[<64;1;1M\x1b[<35;9;9M"),
            ["Pointer(Click { column: 4, row: 6 })", "Pointer(Wheel { column: 0, row: 0, lines: -1 })"]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_trap(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(ESC), Just(b'['), Just(b';'), Just(b'~')], 0..300), cut in 0_usize..300) {
            let mut parser = Parser::default();
            let cut = cut.min(bytes.len());
            let _ = parser.feed(&bytes[..cut]);
            let _ = parser.feed(&bytes[cut..]);
            // Whatever it was, the end of a paste, a bell and a pause lead out of it.
            let _ = parser.feed(b"\x1b[201~\x07");
            let _ = parser.give_up_waiting();
            prop_assert_eq!(parser.feed(b"x"), [Heard::Key(Key::plain(Code::Char('x')))]);
        }

        #[test]
        fn what_is_typed_arrives_in_order_however_it_is_cut(text in "[a-zäß漢😀 ]{0,40}", size in 1_usize..7) {
            let mut parser = Parser::default();
            let heard: Vec<Heard> = text.as_bytes().chunks(size).flat_map(|c| parser.feed(c)).collect();
            let typed: String = heard.into_iter().filter_map(|h| match h {
                Heard::Key(key) => key.written(),
                _ => None,
            }).collect();
            prop_assert_eq!(typed, text);
        }
    }
}
