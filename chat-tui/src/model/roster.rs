//! The list of chats, the people behind them, and strangers who ask.

use super::{Habits, MsgId, Name, When};
use crate::text::{SafeText, alike};
use crate::theme::Role;

/// What somebody shows of being here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Availability {
    /// Not known: not a mutual contact.
    #[default]
    Unknown,
    /// Not here.
    Offline,
    /// Here.
    Online,
    /// Here, but not looking.
    Away,
    /// Here, and telling nobody; only of oneself.
    Invisible,
}

/// The last message of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Written by the person signed in.
    pub own: bool,
    /// Its beginning, on one line.
    pub text: SafeText,
    /// When it was written.
    pub when: When,
}

/// One chat or contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Name of the conversation.
    pub name: Name,
    /// What the person calls itself.
    pub display: Option<SafeText>,
    /// Incoming messages that were not read.
    pub unread: u64,
    /// The first of them.
    pub first_unread: Option<MsgId>,
    /// The last message; none for a contact without any.
    pub last: Option<Preview>,
    /// Something is written and not sent.
    pub draft: Option<SafeText>,
    /// What the person shows.
    pub availability: Availability,
    /// When it was last seen here.
    pub last_seen: Option<When>,
    /// Blocked by us.
    pub blocked: bool,
    /// Its identity was compared.
    pub verified: bool,
    /// Its identity changed in this run.
    pub changed: bool,
    /// Its identity changed after it was compared: nothing is sent until the person decides.
    pub stopped: bool,
    /// Unread messages of a room that name the person signed in.
    pub mentions: u64,
    /// What a room is about.
    pub topic: Option<SafeText>,
    /// A contact or a chat, not only a name that was typed.
    pub known: bool,
}

impl Row {
    /// The sign of somebody's presence, and what it means.
    #[must_use]
    pub fn sign(&self) -> (&'static str, Role) {
        match self.availability {
            _ if self.blocked => ("⊘", Role::Dim),
            _ if self.name.is_room() => (" ", Role::Dim),
            Availability::Online => ("●", Role::Online),
            Availability::Away => ("◐", Role::Away),
            Availability::Offline | Availability::Invisible => ("○", Role::Offline),
            Availability::Unknown => (" ", Role::Dim),
        }
    }

    /// A chat of which nothing is known yet.
    #[must_use]
    pub fn new(name: Name) -> Self {
        Self {
            name,
            display: None,
            unread: 0,
            first_unread: None,
            last: None,
            draft: None,
            availability: Availability::Unknown,
            last_seen: None,
            blocked: false,
            verified: false,
            changed: false,
            stopped: false,
            mentions: 0,
            topic: None,
            known: false,
        }
    }
}

/// A stranger who wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Who.
    pub name: Name,
    /// First words.
    pub preview: SafeText,
    /// When.
    pub when: When,
}

/// The list of chats.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    rows: Vec<Row>,
    /// Strangers who ask, oldest first.
    pub strangers: Vec<Stranger>,
    /// What was set for single chats.
    pub habits: Habits,
    /// The marked line of the list; the strangers, when there are any, are line 0.
    pub cursor: usize,
}

impl Roster {
    /// Chats, the pinned ones first, then the latest activity, then contacts without a message by name;
    /// those put away at the end.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A chat.
    #[must_use]
    pub fn row(&self, name: &Name) -> Option<&Row> {
        self.rows.iter().find(|r| r.name == *name)
    }

    /// A chat, to change it; made when it is not there.
    pub fn row_mut(&mut self, name: &Name) -> &mut Row {
        let at = self.rows.iter().position(|r| r.name == *name);
        let at = at.unwrap_or_else(|| {
            self.rows.push(Row::new(name.clone()));
            self.rows.len() - 1
        });
        // The index is of a row that was just found or pushed.
        #[expect(clippy::indexing_slicing, reason = "the lines above prove it")]
        &mut self.rows[at]
    }

    /// Changes a chat that is in the list.
    pub fn row_if_known(&mut self, name: &Name, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.iter_mut().find(|r| r.name == *name) {
            change(row);
        }
    }

    /// Takes a chat out of the list.
    pub fn remove(&mut self, name: &Name) {
        let rows = self.rows.iter().filter(|r| r.name != *name).cloned().collect();
        self.set_rows(rows);
    }

    /// Replaces all rows.
    pub fn set_rows(&mut self, rows: Vec<Row>) {
        let marked = self.marked().map(|r| r.name.clone());
        self.rows = rows;
        self.sort();
        let line = marked.and_then(|name| self.line_of(&name)).unwrap_or(self.cursor);
        self.cursor = line.min(self.lines().saturating_sub(1));
    }

    /// Brings the rows into their order. The cursor stays on its row.
    pub fn sort(&mut self) {
        let marked = self.marked().map(|r| r.name.clone());
        let habits = &self.habits;
        let time = |r: &Row| r.last.as_ref().map_or(0, |l| l.when.ms);
        let above = |r: &Row| (habits.archived(&r.name), !habits.pinned(&r.name));
        self.rows.sort_by(|a, b| {
            above(a).cmp(&above(b)).then_with(|| time(b).cmp(&time(a))).then_with(|| a.name.cmp(&b.name))
        });
        if let Some(line) = marked.and_then(|name| self.line_of(&name)) {
            self.cursor = line;
        }
    }

    /// Lines of the list before the chats.
    #[must_use]
    pub fn lines_before_chats(&self) -> usize {
        usize::from(!self.strangers.is_empty())
    }

    /// Chats that are not put away.
    #[must_use]
    pub fn listed(&self) -> &[Row] {
        let end = self.rows.iter().position(|r| self.habits.archived(&r.name)).unwrap_or(self.rows.len());
        self.rows.get(..end).unwrap_or_default()
    }

    /// Number of lines.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lines_before_chats() + self.listed().len()
    }

    /// Line of a chat.
    #[must_use]
    pub fn line_of(&self, name: &Name) -> Option<usize> {
        self.listed().iter().position(|r| r.name == *name).map(|i| i + self.lines_before_chats())
    }

    /// The chat on a line; none on the strangers' line.
    #[must_use]
    pub fn at_line(&self, line: usize) -> Option<&Row> {
        self.listed().get(line.checked_sub(self.lines_before_chats())?)
    }

    /// The chat under the cursor.
    #[must_use]
    pub fn marked(&self) -> Option<&Row> {
        self.at_line(self.cursor)
    }

    /// All unread messages that one wants to know of.
    #[must_use]
    pub fn unread(&self, now_ms: u64) -> u64 {
        let wanted = |r: &&Row| !r.blocked && (!self.habits.muted(&r.name, now_ms) || r.mentions > 0);
        self.rows.iter().filter(wanted).map(|r| r.unread).sum()
    }

    /// The contact whose name somebody may mean to be taken for.
    #[must_use]
    pub fn alike(&self, name: &Name) -> Option<&Name> {
        self.rows.iter().map(|r| &r.name).find(|known| !known.is_room() && alike(known.as_str(), name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, ms: u64) -> Row {
        let last = Some(Preview { own: false, text: SafeText::line("x"), when: When::local(ms, 0) });
        Row { last, ..Row::new(Name::new(name)) }
    }

    #[test]
    fn the_latest_chat_is_first_and_the_cursor_stays_on_its_chat() {
        let mut roster = Roster::default();
        roster.set_rows(vec![row("ann", 1), row("bob", 3), row("cat", 2)]);
        assert_eq!(roster.rows().iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["bob", "cat", "ann"]);
        roster.cursor = 2;
        roster.row_mut(&Name::new("ann")).last = row("ann", 9).last;
        roster.sort();
        assert_eq!((roster.cursor, roster.marked().map(|r| r.name.as_str())), (0, Some("ann")));
    }
}
