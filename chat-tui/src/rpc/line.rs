//! One JSON object a line, safe to print: what a terminal or a log would act on is escaped.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Encodes a value as one line with its line feed. JSON has no other form for control characters,
/// and for the rest of [`is_active`] the escaped form means the same to every reader.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = Vec::with_capacity(LINE_BYTES_USUAL);
    value.serialize(&mut Serializer::with_formatter(&mut line, Inert))?;
    line.push(b'\n');
    Ok(line)
}

/// Compact output in which no character moves a cursor, turns text around or ends a line.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for piece in fragment.split_inclusive(is_active) {
            match piece.chars().next_back().filter(|last| is_active(*last)) {
                Some(last) => {
                    writer.write_all(piece.trim_end_matches(last).as_bytes())?;
                    write!(writer, "\\u{:04x}", u32::from(last))?;
                }
                None => writer.write_all(piece.as_bytes())?,
            }
        }
        Ok(())
    }
}

/// Characters that serde_json leaves as they are and a terminal, a log viewer or an editor acts on:
/// DEL and C1, the bidirectional controls, line and paragraph separators, the byte order mark. All
/// lie in the basic plane, so that four hexadecimal digits name them.
fn is_active(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{206f}'
        | '\u{feff}')
}

/// Bytes that most lines stay under: a text of a few sentences with its envelope.
const LINE_BYTES_USUAL: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(text: &str) -> String {
        String::from_utf8(encode(&serde_json::json!({ "t": text })).unwrap()).unwrap()
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        assert_eq!(line("a\u{1b}[2Jb"), "{\"t\":\"a\\u001b[2Jb\"}\n");
        assert_eq!(line("a\u{9b}2J\u{7f}"), "{\"t\":\"a\\u009b2J\\u007f\"}\n");
        assert_eq!(line("\u{202e}gpj.exe"), "{\"t\":\"\\u202egpj.exe\"}\n");
        assert_eq!(line("a\u{2028}b\u{2029}c\u{85}d"), "{\"t\":\"a\\u2028b\\u2029c\\u0085d\"}\n");
        assert_eq!(line("\u{9b}\u{9b}"), "{\"t\":\"\\u009b\\u009b\"}\n");
    }

    #[test]
    fn ordinary_text_of_every_script_stays_readable() {
        assert_eq!(line("größe 你好 שלום 👍🏽"), "{\"t\":\"größe 你好 שלום 👍🏽\"}\n");
    }

    proptest! {
        #[test]
        fn every_text_comes_back_as_it_was_and_no_active_character_is_printed(text in "\\PC*|.*|[\u{80}-\u{9f}\u{2020}-\u{2070}\\x00-\\x1f\u{feff}a]*") {
            let line = line(&text);
            let back: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(back["t"].as_str(), Some(text.as_str()));
            let body = line.strip_suffix('\n').unwrap();
            prop_assert!(!body.chars().any(|c| is_active(c) || c.is_control()));
        }
    }
}
