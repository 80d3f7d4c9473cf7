//! What the terminal tells about itself at the start: its background and its keyboard. The last
//! question is one that every terminal answers, so nothing is waited for that will not come; and what a
//! person typed meanwhile is not lost.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::terminal::Terminal;
use crate::keymap::{Code, Key};
use crate::theme::Tone;

/// Background colour (OSC 11), keyboard protocol, and who are you (DA1).
const QUESTIONS: &[u8] = b"\x1b]11;?\x1b\\\x1b[?u\x1b[c";

/// How long a terminal may take to answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// Bytes read while waiting: answers are short, a paste may be in between.
const BYTES_MAX: usize = 64 * 1024;

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The background.
    pub(super) background: Option<Tone>,
    /// The keyboard protocol that tells Shift-Enter from Enter.
    pub(super) kitty_keys: bool,
    /// Keys that were pressed meanwhile.
    pub(super) typed: Vec<Key>,
}

/// Questions that were asked.
pub(super) struct Probe {
    asked: Instant,
}

impl Probe {
    /// Asks.
    pub(super) fn ask(terminal: &mut Terminal) -> io::Result<Self> {
        terminal.raw(QUESTIONS)?;
        Ok(Self { asked: Instant::now() })
    }

    /// Waits for the answers, at most as long as is worth it.
    pub(super) async fn wait(self) -> Answers {
        let read = tokio::task::spawn_blocking(move || read_answers(self.asked + PATIENCE));
        parse(&read.await.unwrap_or_default())
    }
}

fn read_answers(until: Instant) -> Vec<u8> {
    let stdin = io::stdin();
    let mut bytes = Vec::new();
    while !ends_with_device_attributes(&bytes) && bytes.len() < BYTES_MAX {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(timeout) = Timespec::try_from(left) else { break };
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(n) if n > 0 => {}
            _ => break,
        }
        let mut chunk = [0_u8; 1024];
        match rustix::io::read(&stdin, &mut chunk) {
            Ok(n) if n > 0 => bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            _ => break,
        }
    }
    bytes
}

fn ends_with_device_attributes(bytes: &[u8]) -> bool {
    sequences(bytes).any(|s| matches!(s, Piece::Csi(body) if body.starts_with(b"?") && body.ends_with(b"c")))
}

/// A piece of what came: an answer, or bytes of keys.
enum Piece<'a> {
    Osc(&'a [u8]),
    Csi(&'a [u8]),
    Keys(&'a [u8]),
}

/// Cuts bytes into answers and keys. An answer that is not whole is none yet.
fn sequences(bytes: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (piece, left) = match rest {
            [] => return None,
            [0x1b, b']', body @ ..] => {
                let end = body.iter().position(|b| matches!(b, 0x07 | 0x1b))?;
                let (body, tail) = body.split_at(end);
                (
                    Piece::Osc(body),
                    tail.strip_prefix(b"\x1b\\").or_else(|| tail.strip_prefix(b"\x07")).unwrap_or_default(),
                )
            }
            [0x1b, b'[', body @ ..] => {
                let end = body.iter().position(|b| (0x40..=0x7e).contains(b))?;
                let (body, tail) = body.split_at(end + 1);
                (Piece::Csi(body), tail)
            }
            [0x1b, tail @ ..] => (Piece::Keys(b"\x1b"), tail),
            keys => {
                let end = keys.iter().position(|b| *b == 0x1b).unwrap_or(keys.len());
                let (keys, tail) = keys.split_at(end);
                (Piece::Keys(keys), tail)
            }
        };
        rest = left;
        Some(piece)
    })
}

fn parse(bytes: &[u8]) -> Answers {
    let mut answers = Answers::default();
    for piece in sequences(bytes) {
        match piece {
            Piece::Osc(body) => answers.background = background(body).or(answers.background),
            Piece::Csi(body) if body.starts_with(b"?") && body.ends_with(b"u") => answers.kitty_keys = true,
            // Arrow keys and their like can't be told apart from late answers: they are rare this early.
            Piece::Csi(_) => {}
            Piece::Keys(bytes) => answers.typed.extend(String::from_utf8_lossy(bytes).chars().filter_map(key)),
        }
    }
    answers
}

/// A key as its character came.
fn key(c: char) -> Option<Key> {
    let control = |letter: char| Some(Key { ctrl: true, ..Key::plain(Code::Char(letter)) });
    match c {
        '\r' => Some(Key::plain(Code::Enter)),
        '\t' => Some(Key::plain(Code::Tab)),
        '\u{1b}' => Some(Key::plain(Code::Esc)),
        '\u{7f}' => Some(Key::plain(Code::Backspace)),
        '\u{1}'..='\u{1a}' => char::from_u32(u32::from(c) + 0x60).and_then(control),
        c if c.is_control() || c == char::REPLACEMENT_CHARACTER => None,
        c => Some(Key::plain(Code::Char(c))),
    }
}

/// `11;rgb:RRRR/GGGG/BBBB`, with one to four digits each: dark when its luma is below the middle.
fn background(body: &[u8]) -> Option<Tone> {
    let text = std::str::from_utf8(body).ok()?.strip_prefix("11;")?;
    let (_, colours) = text.split_once(':')?;
    let mut parts = colours.split('/').map(|digits| {
        let most = 16_u32.checked_pow(u32::try_from(digits.len()).ok()?)?.checked_sub(1).filter(|m| *m > 0)?;
        Some(u32::from_str_radix(digits, 16).ok()? * 1000 / most)
    });
    let (r, g, b) = (parts.next()??, parts.next()??, parts.next()??);
    let luma = 299 * r + 587 * g + 114 * b;
    Some(if luma < 500_000 { Tone::Dark } else { Tone::Light })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_light_and_a_dark_ground_are_told_apart() {
        assert_eq!(background(b"11;rgb:ffff/ffff/f0f0"), Some(Tone::Light));
        assert_eq!(background(b"11;rgb:1d/1f/21"), Some(Tone::Dark));
        assert_eq!(background(b"11;rgba:0/0/0/ff"), Some(Tone::Dark));
        for bad in [&b"11;rgb:"[..], b"11;rgb:zz/00/00", b"10;rgb:0/0/0", b"11;rgb:/0/0", b"11;rgb:fffffffff/0/0"] {
            assert_eq!(background(bad), None);
        }
    }

    #[test]
    fn keys_between_the_answers_are_kept_in_order() {
        let answers = parse(b"h\x1b]11;rgb:ffff/ffff/ffff\x1b\\\xc3\xa4\x1b[?1u\r\x1b[?62;22cx\x0b");
        assert_eq!((answers.background, answers.kitty_keys), (Some(Tone::Light), true));
        let typed: Vec<String> = answers.typed.iter().map(ToString::to_string).collect();
        assert_eq!(typed, ["h", "ä", "Enter", "x", "Ctrl-K"]);
    }

    #[test]
    fn the_wait_ends_with_the_answer_that_every_terminal_gives() {
        assert!(ends_with_device_attributes(b"\x1b]11;rgb:0/0/0\x07\x1b[?64;1;2c"));
        assert!(!ends_with_device_attributes(b"\x1b]11;rgb:0/0/0\x07\x1b[?1u\x1b[?6"));
    }
}
