//! The messages of one chat that are in memory: a window into the history, and where in it the person
//! looks. Positions are messages, never rows, so that nothing jumps when messages come or the screen
//! changes.

use std::collections::BTreeSet;

use super::composer::Quote;
use super::problem::Problem;
use super::{Name, Page, When};
use crate::keymap::Action;
use crate::text::{SafeText, SpanKind, spans};

/// A message's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MsgId(pub [u8; 16]);

/// How far an own message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// On this device only.
    Queued,
    /// The relay holds it.
    Sent,
    /// A device of the recipient holds it.
    Delivered,
    /// The recipient read it.
    Read,
    /// It can't be delivered.
    Failed(Problem),
}

/// What a line that nobody wrote is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Somebody came, went, or set something.
    Plain,
    /// Something that one should look into before writing on.
    Alarm,
}

/// A file that a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCard {
    /// Its name, as the sender says.
    pub name: SafeText,
    /// Bytes.
    pub size: u64,
    /// What it is, in one word.
    pub kind: SafeText,
}

impl FileCard {
    /// Whether it is of a kind that may be shown as a picture.
    #[must_use]
    pub fn is_picture(&self) -> bool {
        matches!(self.kind.as_str(), "png" | "jpg" | "jpeg" | "gif" | "webp" | "image")
    }
}

/// A reaction, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The sign.
    pub sign: SafeText,
    /// Who.
    pub by: Vec<Name>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number in this run; stays when the id becomes known.
    pub serial: u64,
    /// Its id, once the message is durably queued.
    pub id: Option<MsgId>,
    /// Author.
    pub author: Name,
    /// Written by the person signed in.
    pub own: bool,
    /// What it says.
    pub text: SafeText,
    /// The text as it was typed, until it is queued: what a second try sends.
    pub unsent: Option<String>,
    /// The text is a note about something that this version can't show.
    pub unknown: bool,
    /// What it answers.
    pub reply: Option<Quote>,
    /// How far it got.
    pub status: Status,
    /// When it was written.
    pub when: When,
    /// It was changed later.
    pub edited: bool,
    /// It was taken back.
    pub deleted: bool,
    /// It came out of a file or from another own device, not from its author.
    pub imported: bool,
    /// Nobody wrote it: it tells what happened.
    pub notice: Option<Mood>,
    /// The file that it carries; the text is then its caption.
    pub file: Option<FileCard>,
    /// What people think of it.
    pub reactions: Vec<Reaction>,
    /// Shown whole although it is long.
    pub expanded: bool,
    /// Changes with every change that can change its lines.
    pub revision: u32,
}

impl Entry {
    /// A message of which only the text is known yet.
    #[must_use]
    pub fn new(author: Name, text: SafeText, when: When) -> Self {
        Self {
            serial: 0,
            id: None,
            author,
            own: false,
            text,
            unsent: None,
            unknown: false,
            reply: None,
            status: Status::Delivered,
            when,
            edited: false,
            deleted: false,
            imported: false,
            notice: None,
            file: None,
            reactions: Vec::new(),
            expanded: false,
            revision: 0,
        }
    }

    /// Whether an action makes sense for it; `folded` tells that a part of it is not shown.
    #[must_use]
    pub fn offers(&self, action: Action, folded: bool) -> bool {
        let said = self.notice.is_none() && !self.deleted;
        match action {
            Action::EditMessage => self.changeable(),
            Action::Save => said && self.file.is_some() && !self.own,
            Action::Expand => {
                let address = || spans(self.text.as_str(), None).iter().any(|s| s.kind == SpanKind::Link);
                let failed = matches!(self.status, Status::Failed(_));
                said && (folded || self.expanded || failed || self.file.is_some() || address())
            }
            Action::Reply | Action::React | Action::DeleteMessage | Action::Copy | Action::Forward => said,
            _ => true,
        }
    }

    /// Whether its author may change its text.
    #[must_use]
    pub fn changeable(&self) -> bool {
        let plain = self.notice.is_none() && !self.deleted && !self.unknown && self.file.is_none();
        self.own && self.id.is_some() && plain
    }

    /// What it says on one line; a file without a caption says its name.
    #[must_use]
    pub fn brief(&self) -> SafeText {
        match &self.file {
            Some(file) if self.text.is_empty() => SafeText::line(&format!("▣ {}", file.name)),
            _ => self.text.one_line(),
        }
    }

    /// Whether it is only here: an own message that is not queued.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.id.is_none() && self.notice.is_none()
    }
}

/// The line at the bottom of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Whose line it is.
    pub serial: u64,
    /// How many lines of that message are below the pane.
    pub below: usize,
}

/// Where a message that must be seen shall stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Wherever it is nearest to now.
    Nearest,
    /// In the middle.
    Middle,
}

/// The line "n new".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divider {
    /// Above this message.
    pub before: u64,
    /// How many.
    pub count: u64,
}

/// Messages held of one chat: some screens both ways; the store has the rest.
const ENTRIES_MAX: usize = 600;

/// What happened in a chat before it was opened: the last of it.
const NOTICES_MAX: usize = 50;

/// The window and where the person looks.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    entries: Vec<Entry>,
    /// Where the person looks; none sticks to the newest message.
    pub anchor: Option<Anchor>,
    /// Lines to scroll at the next frame, up is negative.
    pub scroll: i32,
    /// A message that the next frame must show.
    pub reveal: Option<(u64, Place)>,
    /// The message that is marked.
    pub selected: Option<u64>,
    /// Messages that were chosen for one deed together.
    pub chosen: BTreeSet<u64>,
    /// The line "n new".
    pub divider: Option<Divider>,
    /// Messages that came below what is shown since the person looks elsewhere.
    pub below: u64,
    /// Nothing is older than the first entry.
    pub at_start: bool,
    /// Nothing is newer than the last entry.
    pub at_end: bool,
    /// A page has been asked for.
    pub loading: bool,
    /// The page that shall replace everything, and the last number given when it was asked for; answers
    /// to earlier questions come too late.
    pub wanted: Option<(Page, u64)>,
    /// Own messages that are in no store yet, while the window is elsewhere.
    parked: Vec<Entry>,
}

impl Timeline {
    /// The messages, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Index of a message.
    #[must_use]
    pub fn position(&self, serial: u64) -> Option<usize> {
        self.entries.iter().rposition(|e| e.serial == serial)
    }

    /// A message by its number.
    #[must_use]
    pub fn entry(&self, serial: u64) -> Option<&Entry> {
        self.entries.iter().rev().find(|e| e.serial == serial)
    }

    /// A message by its number, to change it; its lines are laid out anew.
    pub fn change(&mut self, serial: u64) -> Option<&mut Entry> {
        let entry = self.entries.iter_mut().chain(&mut self.parked).rev().find(|e| e.serial == serial)?;
        entry.revision = entry.revision.wrapping_add(1);
        Some(entry)
    }

    /// Own messages that are not queued, oldest first, to change them.
    pub fn unsent_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().chain(&mut self.parked).filter(|e| e.is_unsent())
    }

    /// Number of a message.
    #[must_use]
    pub fn find(&self, id: MsgId) -> Option<u64> {
        self.entries.iter().rev().find(|e| e.id == Some(id)).map(|e| e.serial)
    }

    /// What a deed is about: the chosen messages, oldest first, else the marked one.
    #[must_use]
    pub fn meant(&self) -> Vec<&Entry> {
        if self.chosen.is_empty() {
            return self.selected_entry().into_iter().collect();
        }
        self.entries.iter().filter(|e| self.chosen.contains(&e.serial)).collect()
    }

    /// The message that is marked.
    #[must_use]
    pub fn selected_entry(&self) -> Option<&Entry> {
        self.selected.and_then(|serial| self.entry(serial))
    }

    /// Adds the newest message. It is put on the screen when the newest ones are being looked at.
    pub fn push(&mut self, entry: Entry) {
        if !self.at_end {
            self.below += u64::from(!entry.own);
            return;
        }
        if self.anchor.is_some() && !entry.own {
            self.below += 1;
        }
        self.entries.push(entry);
        // The far side goes only while nobody looks there.
        if self.anchor.is_none() && self.entries.len() > ENTRIES_MAX {
            let surplus = self.entries.len() - ENTRIES_MAX;
            self.entries.drain(..surplus);
            self.at_start = false;
            self.forget_gone();
        }
    }

    /// Adds what nobody wrote, below what is newest; while the window is elsewhere it is not wanted.
    pub fn tell(&mut self, entry: Entry) {
        if self.at_end || self.entries.iter().all(|e| e.notice.is_some()) {
            self.entries.push(entry);
        }
        if !self.at_end && self.entries.len() > NOTICES_MAX {
            self.entries.drain(..1);
        }
    }

    /// Adds an own message that is not queued yet, below whatever is loaded: it is in no store.
    pub fn push_unsent(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// A page may bring a message under its id while the entry that sent it is still here without one.
    pub fn drop_twin(&mut self, serial: u64, id: MsgId) {
        if self.position(serial).is_some() {
            self.entries.retain(|e| e.serial == serial || e.id != Some(id));
            self.forget_gone();
        }
    }

    /// Replaces everything.
    pub fn replace(&mut self, entries: Vec<Entry>, at_start: bool, at_end: bool) {
        let asked = self.wanted.map_or(0, |(_, number)| number);
        let mut kept = std::mem::take(&mut self.parked);
        // What came or was written after the question is not in the answer; what is not queued is in no
        // store at all.
        kept.extend(self.entries.drain(..).filter(|e| e.id.is_none() || e.serial > asked));
        kept.retain(|e| e.id.is_none() || entries.iter().all(|other| other.id != e.id));
        self.entries = entries;
        if at_end {
            self.entries.extend(kept);
            self.settle_notices();
        } else {
            self.parked = kept.into_iter().filter(Entry::is_unsent).collect();
        }
        (self.at_start, self.at_end, self.loading) = (at_start, at_end, false);
        (self.anchor, self.scroll, self.reveal) = (None, 0, None);
        self.forget_gone();
    }

    /// Whether a page belongs to the window as it is now.
    #[must_use]
    pub fn fits(&self, page: Page) -> bool {
        match page {
            Page::Newest | Page::Around(_) | Page::At(_) => self.wanted.is_some_and(|(wanted, _)| wanted == page),
            Page::Before(id) => self.entries.iter().find_map(|e| e.id) == Some(id),
            Page::After(id) => self.entries.iter().rev().find_map(|e| e.id) == Some(id),
        }
    }

    /// What only the screen knows stands where it happened; messages keep the store's order.
    fn settle_notices(&mut self) {
        let (notices, mut entries): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.entries).into_iter().partition(|e| e.notice.is_some() && e.id.is_none());
        for notice in notices {
            let at = entries.iter().rposition(|e| !e.is_unsent() && e.when.ms <= notice.when.ms).map_or(0, |i| i + 1);
            entries.insert(at, notice);
        }
        self.entries = entries;
    }

    /// Adds older messages, dropping those already here.
    pub fn extend_older(&mut self, mut older: Vec<Entry>, at_start: bool) {
        older.retain(|e| e.id.is_none_or(|id| self.find(id).is_none()));
        older.append(&mut self.entries);
        self.entries = older;
        (self.at_start, self.loading) = (at_start, false);
        if self.entries.len() > ENTRIES_MAX && self.anchor.is_some() {
            // Unsent messages are at the end and in no store.
            let keep = self.entries.iter().position(Entry::is_unsent).unwrap_or(ENTRIES_MAX).max(ENTRIES_MAX);
            if keep < self.entries.len() {
                self.entries.truncate(keep);
                self.at_end = false;
            }
        }
        self.forget_gone();
    }

    /// Adds newer messages, dropping those already here.
    pub fn extend_newer(&mut self, mut newer: Vec<Entry>, at_end: bool) {
        newer.retain(|e| e.id.is_none_or(|id| self.find(id).is_none()));
        self.entries.extend(newer);
        if at_end {
            self.entries.append(&mut self.parked);
        }
        (self.at_end, self.loading) = (at_end, false);
        if self.entries.len() > ENTRIES_MAX {
            let surplus = self.entries.len() - ENTRIES_MAX;
            self.entries.drain(..surplus);
            self.at_start = false;
        }
        self.forget_gone();
    }

    /// Looks at the newest message again.
    pub fn stick(&mut self) {
        (self.anchor, self.scroll, self.reveal, self.below) = (None, 0, None, 0);
    }

    /// Marks the message `steps` further, down is positive, beginning at the newest.
    pub fn select(&mut self, steps: isize) {
        let last = self.entries.len().checked_sub(1);
        let from = self.selected.and_then(|s| self.position(s));
        let to = match (from, last) {
            (_, None) => None,
            (None, Some(last)) => Some(last),
            (Some(from), Some(last)) => Some(from.saturating_add_signed(steps).min(last)),
        };
        self.selected = to.and_then(|i| self.entries.get(i)).map(|e| e.serial);
        self.reveal = self.selected.map(|s| (s, Place::Nearest));
    }

    /// Positions whose message is no longer in the window are forgotten.
    fn forget_gone(&mut self) {
        let here = |serial: u64| self.entries.iter().any(|e| e.serial == serial);
        let anchor = self.anchor.filter(|a| here(a.serial));
        let selected = self.selected.filter(|s| here(*s));
        let divider = self.divider.filter(|d| here(d.before));
        let reveal = self.reveal.filter(|(s, _)| here(*s));
        (self.anchor, self.selected, self.divider, self.reveal) = (anchor, selected, divider, reveal);
        self.chosen.retain(|s| self.entries.iter().any(|e| e.serial == *s));
    }
}

impl Status {
    /// A receipt never takes a message back; only a failure ends what is queued or sent.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        match (self, later) {
            (Self::Failed(_), Self::Failed(_)) => later,
            (Self::Delivered | Self::Read, Self::Failed(_)) => self,
            _ => self.max_of(later),
        }
    }

    fn max_of(self, other: Self) -> Self {
        let rank = |s: Self| match s {
            Self::Queued => 0,
            Self::Failed(_) => 1,
            Self::Sent => 2,
            Self::Delivered => 3,
            Self::Read => 4,
        };
        // A failure comes after `sent` only when it is told after it.
        if matches!(other, Self::Failed(_)) || rank(other) > rank(self) { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(serial: u64) -> Entry {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&serial.to_be_bytes());
        let said = Entry::new(Name::new("bob"), SafeText::body("hi"), When::default());
        Entry { serial, id: Some(MsgId(id)), ..said }
    }

    #[test]
    fn the_window_is_bounded_and_the_store_is_asked_for_the_rest() {
        let mut timeline = Timeline { at_start: true, at_end: true, ..Timeline::default() };
        for serial in 0..700 {
            timeline.push(entry(serial));
        }
        assert_eq!((timeline.entries().len(), timeline.at_start), (ENTRIES_MAX, false));
        assert_eq!(timeline.entries().last().map(|e| e.serial), Some(699));
    }

    #[test]
    fn what_is_looked_at_is_not_dropped_when_messages_come() {
        let mut timeline = Timeline { at_end: true, ..Timeline::default() };
        for serial in 0..600 {
            timeline.push(entry(serial));
        }
        timeline.anchor = Some(Anchor { serial: 3, below: 0 });
        timeline.push(entry(600));
        assert_eq!(timeline.anchor, Some(Anchor { serial: 3, below: 0 }));
        assert_eq!((timeline.below, timeline.entries().len()), (1, 601));
    }

    #[test]
    fn a_page_with_known_messages_adds_only_the_others() {
        let mut timeline = Timeline { at_end: true, ..Timeline::default() };
        timeline.push(entry(5));
        timeline.extend_older(vec![entry(3), entry(4), entry(5)], true);
        let serials: Vec<u64> = timeline.entries().iter().map(|e| e.serial).collect();
        assert_eq!(serials, [3, 4, 5]);
    }

    #[test]
    fn a_late_receipt_takes_nothing_back() {
        assert_eq!(Status::Read.and(Status::Sent), Status::Read);
        assert_eq!(Status::Read.and(Status::Failed(Problem::Offline)), Status::Read);
        assert_eq!(Status::Queued.and(Status::Failed(Problem::Offline)), Status::Failed(Problem::Offline));
        assert_eq!(Status::Failed(Problem::Offline).and(Status::Sent), Status::Sent);
    }
}
