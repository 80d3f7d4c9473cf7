//! Text that a person types: editors for texts, and a field for secrets that wipes what it held.

use ratatui_textarea::{CursorMove, TextArea, WrapMode};
use zeroize::Zeroizing;

use crate::keymap::{Action, Code, Key};
use crate::text::SafeText;

/// Bytes of a one-line field: longer than any name, address or search.
const LINE_BYTES_MAX: usize = 1024;

/// Bytes of a password: longer than any that a person remembers; the buffer never grows, so that no
/// copy of it is left behind.
const SECRET_BYTES_MAX: usize = 512;

/// A one-line editor.
#[derive(Debug, Clone, Default)]
pub struct Input {
    area: TextArea<'static>,
}

impl Input {
    /// An editor with a text in it and the cursor at its end.
    #[must_use]
    pub fn with(text: &str) -> Self {
        let mut area = TextArea::new(vec![SafeText::line(text).into_string()]);
        area.move_cursor(CursorMove::End);
        Self { area }
    }

    /// What is written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Cells before the cursor.
    #[must_use]
    pub fn cursor(&self) -> usize {
        let before: String = self.text().chars().take(self.area.cursor().1).collect();
        crate::text::width(&before)
    }

    /// Takes a key; tells whether the text changed.
    pub fn key(&mut self, key: Key) -> bool {
        if matches!(key.code, Code::Enter | Code::Tab | Code::Up | Code::Down) || self.full(key) {
            return false;
        }
        edit(&mut self.area, key)
    }

    /// Inserts a pasted text, on one line.
    pub fn paste(&mut self, text: &str) {
        let room = LINE_BYTES_MAX.saturating_sub(self.text().len());
        let line = SafeText::line(text.trim());
        let mut end = line.as_str().len().min(room);
        while !line.as_str().is_char_boundary(end) {
            end -= 1;
        }
        self.area.insert_str(line.as_str().get(..end).unwrap_or_default());
    }

    fn full(&self, key: Key) -> bool {
        key.written().is_some() && self.text().len() >= LINE_BYTES_MAX
    }
}

/// Gives a key to an editor with the editing keys that need no binding: letters, arrows, deletion.
pub(super) fn edit(area: &mut TextArea<'static>, key: Key) -> bool {
    let moved = match (key.code, key.ctrl, key.alt) {
        (Code::Left, false, false) => CursorMove::Back,
        (Code::Right, false, false) => CursorMove::Forward,
        (Code::Left, ..) => CursorMove::WordBack,
        (Code::Right, ..) => CursorMove::WordForward,
        (Code::Home, ..) | (Code::Char('a'), true, false) => CursorMove::Head,
        (Code::End, ..) | (Code::Char('e'), true, false) => CursorMove::End,
        (Code::Up, false, false) => CursorMove::Up,
        (Code::Down, false, false) => CursorMove::Down,
        (Code::Backspace, false, false) | (Code::Char('h'), true, false) => return area.delete_char(),
        (Code::Backspace, ..) | (Code::Char('w'), true, false) => return area.delete_word(),
        (Code::Delete, false, false) | (Code::Char('d'), true, false) => return area.delete_next_char(),
        (Code::Delete, ..) | (Code::Char('d'), false, true) => return area.delete_next_word(),
        (Code::Char(c), false, false) => {
            let safe = SafeText::line(c.encode_utf8(&mut [0; 4]));
            // A character that is only safe inside a sequence (a joiner) comes as part of a paste.
            return !safe.is_empty() && area.insert_str(safe.as_str());
        }
        _ => return false,
    };
    area.move_cursor(moved);
    false
}

/// Does an editing action; tells whether the text changed, or none when it is no editing action.
pub(super) fn act(area: &mut TextArea<'static>, action: Action) -> Option<bool> {
    let moved = match action {
        Action::Newline => {
            area.insert_newline();
            return Some(true);
        }
        Action::DeleteWord => return Some(area.delete_word()),
        Action::KillToStart => return Some(area.delete_line_by_head()),
        Action::KillToEnd => return Some(area.delete_line_by_end()),
        Action::Undo => return Some(area.undo()),
        Action::LineStart => CursorMove::Head,
        Action::LineEnd => CursorMove::End,
        Action::WordLeft => CursorMove::WordBack,
        Action::WordRight => CursorMove::WordForward,
        _ => return None,
    };
    area.move_cursor(moved);
    Some(false)
}

/// An editor of several lines with wrapping.
pub(super) fn area(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_cursor_line_style(ratatui::style::Style::new());
    area.set_cursor_style(ratatui::style::Style::new());
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area
}

/// A password while it is typed. Its bytes stand in one place and are wiped; it is written and taken
/// back at its end only, so that no editor keeps copies.
pub struct Secret {
    text: Zeroizing<String>,
}

impl Default for Secret {
    fn default() -> Self {
        Self { text: Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX)) }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl PartialEq for Secret {
    /// Two secrets are never compared by content here; tests of effects compare what is around them.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Secret {
    /// Adds a character, unless it is full.
    pub fn push(&mut self, c: char) {
        if self.text.len() + c.len_utf8() <= SECRET_BYTES_MAX && !c.is_control() {
            self.text.push(c);
        }
    }

    /// Adds a pasted text.
    pub fn paste(&mut self, text: &str) {
        text.trim_end_matches(['\r', '\n']).chars().for_each(|c| self.push(c));
    }

    /// Takes the last character back.
    pub fn pop(&mut self) {
        self.text.pop();
    }

    /// Wipes it.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Number of characters.
    #[must_use]
    pub fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// A copy, for the one who checks or sends it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut copy = Self::default();
        copy.text.push_str(&self.text);
        copy
    }

    /// The secret itself; every use is in sight of a search for this name.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_grows_out_of_its_buffer_and_is_not_printed() {
        let mut secret = Secret::default();
        let capacity = secret.text.capacity();
        secret.paste(&"ä".repeat(1000));
        assert_eq!((secret.text.capacity(), secret.chars()), (capacity, SECRET_BYTES_MAX / 2));
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn a_pasted_line_end_does_not_become_part_of_a_password() {
        let mut secret = Secret::default();
        secret.paste("Correct\tHorse1\r\n");
        assert_eq!(secret.expose(), "CorrectHorse1");
    }

    #[test]
    fn a_line_takes_a_paste_of_many_lines_as_one() {
        let mut input = Input::with("go ");
        input.paste("a\nb\u{1b}c\n");
        assert_eq!(input.text(), "go a b\u{FFFD}c");
    }
}
