//! What control sequences mean: keys, the mouse, the focus, answers.

use super::heard::Heard;
use crate::keymap::{Code, Key};
use crate::model::Pointer;
use crate::theme::Tone;

/// A sequence by its parameters and last byte.
pub(super) fn meaning(parameters: &[u8], last: u8) -> Option<Heard> {
    let text = std::str::from_utf8(parameters).ok()?;
    match (text.as_bytes().first(), last) {
        (Some(b'?'), b'c') => Some(Heard::Identity { sixels: text.split(';').skip(1).any(|n| n == "4") }),
        (Some(b'?'), b'u') => Some(Heard::TellsKeysApart),
        (Some(b'<'), b'M') => pointer(text.get(1..)?).map(Heard::Pointer),
        (None, b'I') => Some(Heard::Focus(true)),
        (None, b'O') => Some(Heard::Focus(false)),
        (Some(b'2'), b'R') if text.starts_with("2;") => text.get(2..)?.parse().ok().map(Heard::Column),
        (Some(b'?' | b'<' | b'>' | b'='), _) => None,
        _ => key(text, last).map(Heard::Key),
    }
}

fn key(text: &str, last: u8) -> Option<Key> {
    let mut parameters = text.split(';');
    let first = parameters.next().unwrap_or_default();
    let mut second = parameters.next().unwrap_or_default().split(':');
    let held = second.next().and_then(|m| m.parse::<u16>().ok()).unwrap_or(1).saturating_sub(1);
    // The third kind of event is a release.
    if second.next() == Some("3") {
        return None;
    }
    let (mut shift, alt, ctrl) = (held & 1 != 0, held & 2 != 0, held & 4 != 0);
    let number = first.split(':').next().and_then(|n| n.parse::<u32>().ok());
    let code = match last {
        b'~' => numbered(number?)?,
        b'u' => {
            let code = by_character(number?)?;
            if let Code::Char(c) = code {
                let c = if shift && !ctrl { c.to_uppercase().next().unwrap_or(c) } else { c };
                shift = false;
                Code::Char(c)
            } else {
                code
            }
        }
        b'Z' => {
            shift = true;
            Code::Tab
        }
        other => keypad(other)?,
    };
    Some(Key { code, ctrl, alt, shift })
}

/// A character's key in the protocol that tells keys apart.
fn by_character(number: u32) -> Option<Code> {
    Some(match number {
        13 | 57_414 => Code::Enter,
        9 => Code::Tab,
        27 => Code::Esc,
        127 | 8 => Code::Backspace,
        // The keypad has numbers of its own.
        57_399..=57_408 => Code::Char(char::from_digit(number - 57_399, 10)?),
        57_409 => Code::Char('.'),
        57_410 => Code::Char('/'),
        57_411 => Code::Char('*'),
        57_412 => Code::Char('-'),
        57_413 => Code::Char('+'),
        57_415 => Code::Char('='),
        57_417 => Code::Left,
        57_418 => Code::Right,
        57_419 => Code::Up,
        57_420 => Code::Down,
        57_421 => Code::PageUp,
        57_422 => Code::PageDown,
        57_423 => Code::Home,
        57_424 => Code::End,
        57_426 => Code::Delete,
        n => Code::Char(char::from_u32(n).filter(|c| !c.is_control() && !('\u{e000}'..='\u{f8ff}').contains(c))?),
    })
}

/// The last byte of an arrow key and its like, behind `ESC [` or `ESC O`.
pub(super) fn keypad(last: u8) -> Option<Code> {
    Some(match last {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'H' => Code::Home,
        b'F' => Code::End,
        b'M' => Code::Enter,
        b'P' => Code::F(1),
        b'Q' => Code::F(2),
        b'R' => Code::F(3),
        b'S' => Code::F(4),
        _ => return None,
    })
}

/// The last byte of the console's own F1 to F5.
pub(super) fn console(last: u8) -> Option<Code> {
    matches!(last, b'A'..=b'E').then(|| Code::F(last - b'A' + 1))
}

fn numbered(number: u32) -> Option<Code> {
    Some(match number {
        1 | 7 => Code::Home,
        3 => Code::Delete,
        4 | 8 => Code::End,
        5 => Code::PageUp,
        6 => Code::PageDown,
        11..=15 => Code::F(u8::try_from(number - 10).ok()?),
        17..=21 => Code::F(u8::try_from(number - 11).ok()?),
        23 | 24 => Code::F(u8::try_from(number - 12).ok()?),
        _ => return None,
    })
}

/// `button;column;row`, counted from 1.
fn pointer(text: &str) -> Option<Pointer> {
    let mut numbers = text.split(';').map(|n| n.parse::<u16>().ok());
    let (button, column, row) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let (column, row) = (column.saturating_sub(1), row.saturating_sub(1));
    match button {
        0 => Some(Pointer::Click { column, row }),
        64 => Some(Pointer::Wheel { column, row, lines: -1 }),
        65 => Some(Pointer::Wheel { column, row, lines: 1 }),
        _ => None,
    }
}

/// `11;rgb:RRRR/GGGG/BBBB`, with one to four digits each: dark when its luma is below the middle.
pub(super) fn background(body: &[u8]) -> Option<Tone> {
    let text = std::str::from_utf8(body).ok()?.strip_prefix("11;")?;
    let (_, colours) = text.split_once(':')?;
    let mut parts = colours.split('/').map(|digits| {
        let length = u32::try_from(digits.len()).ok().filter(|n| (1..=4).contains(n))?;
        let most = 16_u32.checked_pow(length)?.checked_sub(1)?;
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
}
