//! Which lines of which messages are on the screen. Only these are laid out, and what was laid out once
//! is kept; so a history of a million messages costs what its visible part costs.

use std::collections::HashMap;
use std::rc::Rc;

use crate::model::{Anchor, Entry, Pictures, Place, Status, Timeline};
use crate::text::{Wrapped, wrap};

/// Lines of a long message that are shown before somebody opens it.
const LINES_FOLDED: usize = 24;

/// Lines of an opened message: 64 KiB at 20 columns.
const LINES_OPENED: usize = 4_000;

/// Laid out messages kept: some screens of several chats.
const KEPT_MAX: usize = 2_000;

/// Laid out messages of earlier frames.
#[derive(Debug, Default)]
pub struct LayoutCache {
    kept: HashMap<(u64, u32, usize), (u64, Rc<Wrapped>)>,
    /// Number of this frame.
    frame: u64,
}

impl LayoutCache {
    /// A new frame: what the last frames did not need goes when there is too much.
    pub(super) fn begin(&mut self) {
        self.frame += 1;
        if self.kept.len() > KEPT_MAX {
            let recent = self.frame.saturating_sub(2);
            self.kept.retain(|_, (used, _)| *used >= recent);
        }
    }

    fn lines(&mut self, entry: &Entry, width: usize) -> Rc<Wrapped> {
        let frame = self.frame;
        let kept = self.kept.entry((entry.serial, entry.revision, width)).or_insert_with(|| {
            // A file without a caption is its card only.
            if entry.file.is_some() && entry.text.is_empty() {
                return (frame, Rc::default());
            }
            let limit = if entry.expanded { LINES_OPENED } else { LINES_FOLDED };
            (frame, Rc::new(wrap(entry.text.as_str(), width, limit)))
        });
        kept.0 = frame;
        Rc::clone(&kept.1)
    }
}

/// One message with the lines that belong to it, from top to bottom.
pub(super) struct Block {
    /// The line with the day.
    pub(super) day: bool,
    /// The line "n new".
    pub(super) new: Option<u64>,
    /// The line with what is answered.
    pub(super) quote: bool,
    /// The line with the file.
    pub(super) card: bool,
    /// Columns and lines of its picture.
    pub(super) picture: Option<(u16, u16)>,
    /// The text.
    pub(super) body: Rc<Wrapped>,
    /// The line "n more lines".
    pub(super) more: bool,
    /// The line with the reactions.
    pub(super) reactions: bool,
    /// The line with why it failed.
    pub(super) failed: bool,
}

impl Block {
    pub(super) fn height(&self) -> usize {
        let after = [self.more, self.reactions, self.failed].into_iter().filter(|line| *line).count();
        self.before_body() + self.body.lines.len() + after
    }

    /// What a line below the day and "n new" is.
    pub(super) fn part(&self, line: usize) -> Part {
        let picture = self.picture_lines();
        match line.checked_sub(self.before_body()) {
            None if line + picture >= self.before_body() => {
                Part::Picture(u16::try_from(line + picture - self.before_body()).unwrap_or(u16::MAX))
            }
            None if self.card && line + picture + 1 == self.before_body() => Part::Card,
            None => Part::Quote,
            Some(n) if n < self.body.lines.len() => Part::Body(n),
            Some(n) => {
                let after = [(self.more, Part::More), (self.reactions, Part::Reactions), (self.failed, Part::Failure)];
                let there = after.into_iter().filter(|(there, _)| *there).map(|(_, part)| part);
                there.skip(n - self.body.lines.len()).find(|_| true).unwrap_or(Part::Failure)
            }
        }
    }

    /// Lines above the text.
    pub(super) fn before_body(&self) -> usize {
        let lines = [self.day, self.new.is_some(), self.quote, self.card].into_iter().filter(|line| *line).count();
        lines + self.picture_lines()
    }

    fn picture_lines(&self) -> usize {
        self.picture.map_or(0, |(_, rows)| usize::from(rows))
    }
}

/// What a line of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What it answers.
    Quote,
    /// The file that it carries.
    Card,
    /// A line of its picture.
    Picture(u16),
    /// A line of its text.
    Body(usize),
    /// How much is folded.
    More,
    /// What people think of it.
    Reactions,
    /// Why it was not sent.
    Failure,
}

/// A line: of which message, and how many lines of it are below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bottom {
    pub(super) index: usize,
    pub(super) below: usize,
}

/// The messages of a chat, laid out at one width.
pub(super) struct Layout<'a> {
    pub(super) timeline: &'a Timeline,
    /// Pictures that are shown, where they can be.
    pub(super) pictures: Option<&'a Pictures>,
    pub(super) cache: &'a mut LayoutCache,
    pub(super) width: usize,
}

impl Layout<'_> {
    /// The lines of a message; none when there is no such message.
    pub(super) fn block(&mut self, index: usize) -> Option<Block> {
        let entries = self.timeline.entries();
        let entry = entries.get(index)?;
        let previous = index.checked_sub(1).and_then(|i| entries.get(i));
        let body = self.cache.lines(entry, self.width);
        Some(Block {
            day: previous.is_none_or(|p| p.when.day != entry.when.day),
            new: self.timeline.divider.filter(|d| d.before == entry.serial).map(|d| d.count),
            quote: entry.reply.is_some() && !entry.deleted,
            card: entry.file.is_some() && !entry.deleted,
            picture: self.picture(entry),
            reactions: !entry.reactions.is_empty() && !entry.deleted,
            more: body.more > 0 || (entry.expanded && body.lines.len() > LINES_FOLDED),
            failed: matches!(entry.status, Status::Failed(_)),
            body,
        })
    }

    fn picture(&self, entry: &Entry) -> Option<(u16, u16)> {
        let pixels = self.pictures?.of(entry.id?).filter(|_| !entry.deleted)?;
        Some(pixels.cells(u16::try_from(self.width).unwrap_or(u16::MAX)))
    }

    fn height(&mut self, index: usize) -> usize {
        self.block(index).map_or(0, |b| b.height())
    }

    /// The bottom line of a pane after scrolling, and the anchor that keeps it there.
    pub(super) fn bottom(&mut self, pane: usize) -> Option<(Bottom, Option<Anchor>)> {
        let last = self.timeline.entries().len().checked_sub(1)?;
        let mut at = match self.timeline.anchor.and_then(|a| Some((self.timeline.position(a.serial)?, a.below))) {
            Some((index, below)) => Bottom { index, below: below.min(self.height(index).saturating_sub(1)) },
            None => Bottom { index: last, below: 0 },
        };
        let lines = usize::try_from(self.timeline.scroll.unsigned_abs()).unwrap_or(usize::MAX);
        at = if self.timeline.scroll < 0 { self.up(at, lines) } else { self.down(at, lines) };
        if let Some((serial, place)) = self.timeline.reveal
            && let Some(index) = self.timeline.position(serial)
        {
            at = self.reveal(at, index, place, pane);
        }
        let missing = pane.saturating_sub(self.lines_above(at, pane));
        at = self.down(at, missing);
        let at_newest = at == Bottom { index: last, below: 0 } && self.timeline.at_end;
        let serial = self.timeline.entries().get(at.index)?.serial;
        Some((at, (!at_newest).then_some(Anchor { serial, below: at.below })))
    }

    fn up(&mut self, mut at: Bottom, mut lines: usize) -> Bottom {
        loop {
            let left = self.height(at.index).saturating_sub(at.below + 1);
            if lines <= left {
                return Bottom { below: at.below + lines, ..at };
            }
            let Some(index) = at.index.checked_sub(1) else { return Bottom { below: at.below + left, ..at } };
            lines -= left + 1;
            at = Bottom { index, below: 0 };
        }
    }

    fn down(&mut self, mut at: Bottom, mut lines: usize) -> Bottom {
        loop {
            if lines <= at.below {
                return Bottom { below: at.below - lines, ..at };
            }
            if at.index + 1 >= self.timeline.entries().len() {
                return Bottom { below: 0, ..at };
            }
            lines -= at.below + 1;
            let index = at.index + 1;
            at = Bottom { index, below: self.height(index).saturating_sub(1) };
        }
    }

    /// Lines from the top of the first message to this line, counted up to `enough`.
    fn lines_above(&mut self, at: Bottom, enough: usize) -> usize {
        let mut lines = self.height(at.index).saturating_sub(at.below);
        for index in (0..at.index).rev() {
            if lines >= enough {
                break;
            }
            lines += self.height(index);
        }
        lines
    }

    fn reveal(&mut self, at: Bottom, index: usize, place: Place, pane: usize) -> Bottom {
        let height = self.height(index);
        // The top of a message that is higher than the pane is what one wants to read first.
        let whole = Bottom { index, below: height.saturating_sub(pane.max(1)) };
        if place == Place::Middle {
            return self.down(whole, pane.saturating_sub(height) / 2);
        }
        if (index, usize::MAX - whole.below) >= (at.index, usize::MAX - at.below) {
            return whole;
        }
        let mut to_top = self.height(at.index).saturating_sub(at.below);
        for between in (index..at.index).rev() {
            to_top += self.height(between);
        }
        self.up(at, to_top.saturating_sub(pane))
    }
}
