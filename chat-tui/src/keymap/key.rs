//! Keys as the program knows them, how they are written in the configuration and on the screen.

use std::fmt;

/// One key press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// Control held.
    pub ctrl: bool,
    /// Alt held.
    pub alt: bool,
    /// Shift held; for characters it is part of the character instead.
    pub shift: bool,
}

/// A key without what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Code {
    Char(char),
    Enter,
    Esc,
    Tab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// Names in the configuration, and signs on the screen.
const NAMED: [(&str, &str, Code); 14] = [
    ("enter", "Enter", Code::Enter),
    ("esc", "Esc", Code::Esc),
    ("tab", "Tab", Code::Tab),
    ("backspace", "Backspace", Code::Backspace),
    ("delete", "Del", Code::Delete),
    ("up", "↑", Code::Up),
    ("down", "↓", Code::Down),
    ("left", "←", Code::Left),
    ("right", "→", Code::Right),
    ("home", "Home", Code::Home),
    ("end", "End", Code::End),
    ("pageup", "PgUp", Code::PageUp),
    ("pagedown", "PgDn", Code::PageDown),
    ("space", "Space", Code::Char(' ')),
];

impl Key {
    /// A key with nothing held.
    #[must_use]
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// The character when this key writes one.
    #[must_use]
    pub fn written(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// Reads `ctrl-k`, `alt-shift-up`, `f1`, `?`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = Self::plain(Code::Esc);
        let mut rest = text;
        loop {
            // A lone "-" is the key itself, not a separator.
            let (modifier, tail) = match rest.split_once('-') {
                Some((m, t)) if !m.is_empty() && !t.is_empty() => (m.to_ascii_lowercase(), t),
                _ => break,
            };
            match modifier.as_str() {
                "ctrl" => key.ctrl = true,
                "alt" => key.alt = true,
                "shift" => key.shift = true,
                _ => return None,
            }
            rest = tail;
        }
        key.code = Self::code(rest)?;
        if let Code::Char(c) = key.code {
            key.shift = false;
            key.code = Code::Char(if key.ctrl { c.to_ascii_lowercase() } else { c });
        }
        Some(key)
    }

    fn code(name: &str) -> Option<Code> {
        let mut chars = name.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return Some(Code::Char(c));
        }
        let lower = name.to_ascii_lowercase();
        if let Some((_, _, code)) = NAMED.iter().find(|(n, _, _)| *n == lower) {
            return Some(*code);
        }
        lower.strip_prefix('f').and_then(|n| n.parse().ok()).filter(|n| (1..=12).contains(n)).map(Code::F)
    }

    /// The shortest common spelling, for the hint row: `^K`.
    #[must_use]
    pub fn short(self) -> String {
        match self {
            Self { code: Code::Char(c), ctrl: true, alt: false, .. } if c != ' ' => {
                format!("^{}", c.to_ascii_uppercase())
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "Ctrl-"), (self.alt, "Alt-"), (self.shift, "Shift-")] {
            if held {
                f.write_str(name)?;
            }
        }
        if let Some((_, sign, _)) = NAMED.iter().find(|(_, _, code)| *code == self.code) {
            return f.write_str(sign);
        }
        match self.code {
            Code::Char(c) if self.ctrl || self.alt => write!(f, "{}", c.to_ascii_uppercase()),
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "F{n}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_shown_as_people_write_them() {
        for (text, shown, short) in [
            ("ctrl-k", "Ctrl-K", "^K"),
            ("alt-shift-up", "Alt-Shift-↑", "Alt-Shift-↑"),
            ("f1", "F1", "F1"),
            ("?", "?", "?"),
            ("-", "-", "-"),
            ("alt--", "Alt--", "Alt--"),
            ("Ctrl-L", "Ctrl-L", "^L"),
            ("shift-enter", "Shift-Enter", "Shift-Enter"),
            ("G", "G", "G"),
        ] {
            let key = Key::parse(text).expect(text);
            assert_eq!((key.to_string().as_str(), key.short().as_str()), (shown, short));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "ctrl-", "hyper-k", "f13", "enterr"] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
    }
}
