//! The message being written.

use ratatui_textarea::{CursorMove, TextArea};

use super::input;
use super::{MsgId, Name};
use crate::keymap::{Action, Key};
use crate::text::SafeText;

/// What a message answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Which.
    pub id: MsgId,
    /// Who wrote it and how it begins; none while it is not loaded.
    pub known: Option<(Name, SafeText)>,
}

/// What was written at some time: the text and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// What it answers.
    pub reply: Option<Quote>,
}

/// The message being written in one chat.
#[derive(Debug, Clone)]
pub struct Composer {
    area: TextArea<'static>,
    /// What it answers.
    pub reply: Option<Quote>,
    /// The own message whose text is being changed, and what was written before.
    pub editing: Option<(MsgId, String)>,
    /// The draft as it lies on disk.
    pub saved: String,
    /// A timer will bring the draft to disk.
    pub saving: bool,
    /// The draft was changed or looked at, so that one from disk comes too late.
    pub touched: bool,
    /// Which earlier own message is shown, counted from the newest, and what was written before.
    earlier: Option<(usize, String)>,
}

impl Default for Composer {
    fn default() -> Self {
        Self {
            area: input::area(""),
            reply: None,
            editing: None,
            saved: String::new(),
            saving: false,
            touched: false,
            earlier: None,
        }
    }
}

impl Composer {
    /// The editor, for drawing.
    #[must_use]
    pub fn area(&self) -> &TextArea<'static> {
        &self.area
    }

    /// What is written.
    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Replaces what is written.
    pub fn set(&mut self, text: &str) {
        self.area = input::area(text);
    }

    /// Takes what is written out, with what it answers.
    pub fn take(&mut self) -> Draft {
        let draft = Draft { text: self.text(), reply: self.reply.take() };
        self.set("");
        (self.touched, self.earlier) = (true, None);
        draft
    }

    /// Begins to change the text of an own message.
    pub fn edit(&mut self, id: MsgId, text: &str) {
        let before = self.editing.take().map_or_else(|| self.text(), |(_, before)| before);
        self.editing = Some((id, before));
        self.set(text);
        self.touched = true;
    }

    /// No longer changes a message: what was written before is back.
    pub fn stop_editing(&mut self) -> Option<MsgId> {
        let (id, before) = self.editing.take()?;
        self.set(&before);
        Some(id)
    }

    /// Takes a key; tells whether the text changed.
    pub fn key(&mut self, key: Key) -> bool {
        let changed = input::edit(&mut self.area, key);
        if changed {
            (self.touched, self.earlier) = (true, None);
        }
        changed
    }

    /// Does an editing action; none when it is no editing action.
    pub fn act(&mut self, action: Action) -> Option<bool> {
        let changed = input::act(&mut self.area, action)?;
        self.touched |= changed;
        Some(changed)
    }

    /// Inserts a text that was cleaned before.
    pub fn insert(&mut self, text: &SafeText) {
        self.area.insert_str(text.as_str());
        (self.touched, self.earlier) = (true, None);
    }

    /// Replaces the word before the cursor.
    pub fn complete(&mut self, typed: &str, whole: &str) {
        self.area.delete_str_before(typed.chars().count());
        self.area.insert_str(whole);
        self.touched = true;
    }

    /// The line that the cursor is in, up to the cursor.
    #[must_use]
    pub fn before_cursor(&self) -> String {
        let cursor = self.area.cursor();
        self.area.lines().get(cursor.0).map(|l| l.chars().take(cursor.1).collect()).unwrap_or_default()
    }

    /// Whether something that was written before is shown.
    #[must_use]
    pub fn recalling(&self) -> bool {
        self.earlier.is_some()
    }

    /// One line up inside the text, else the own message before the one shown.
    pub fn up<'a>(&mut self, own: impl Iterator<Item = &'a str>) {
        let row = self.area.cursor().0;
        if row > 0 && self.earlier.is_none() {
            self.area.move_cursor(CursorMove::Up);
            return;
        }
        let next = self.earlier.as_ref().map_or(0, |(n, _)| n + 1);
        if let Some(text) = own.skip(next).map(str::to_owned).next() {
            let before = self.earlier.take().map_or_else(|| self.text(), |(_, before)| before);
            self.earlier = Some((next, before));
            self.set(&text);
            self.touched = true;
        }
    }

    /// One line down inside the text, else the own message after the one shown.
    pub fn down<'a>(&mut self, mut own: impl Iterator<Item = &'a str>) {
        match self.earlier.take() {
            None => self.area.move_cursor(CursorMove::Down),
            Some((0, before)) => self.set(&before),
            Some((n, before)) => {
                if let Some(text) = own.nth(n - 1).map(str::to_owned) {
                    self.set(&text);
                }
                self.earlier = Some((n - 1, before));
            }
        }
    }
}

/// Deleting before the cursor, which the editor knows only as deleting after it.
trait DeleteBefore {
    fn delete_str_before(&mut self, chars: usize);
}

impl DeleteBefore for TextArea<'static> {
    fn delete_str_before(&mut self, chars: usize) {
        for _ in 0..chars {
            self.move_cursor(CursorMove::Back);
        }
        if chars > 0 {
            self.delete_str(chars);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_messages_come_back_and_what_was_written_is_not_lost() {
        let own = ["newest", "older"];
        let mut composer = Composer::default();
        composer.set("half a thought");
        composer.up(own.into_iter());
        composer.up(own.into_iter());
        assert_eq!(composer.text(), "older");
        composer.up(own.into_iter());
        assert_eq!(composer.text(), "older", "there is nothing older");
        composer.down(own.into_iter());
        composer.down(own.into_iter());
        assert_eq!(composer.text(), "half a thought");
    }

    #[test]
    fn a_completion_replaces_only_the_word_before_the_cursor() {
        let mut composer = Composer::default();
        composer.set("/blo");
        composer.complete("/blo", "/block ");
        assert_eq!(composer.text(), "/block ");
    }
}
