//! The messages of a chat.

use std::ops::Range;

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::canvas::{Canvas, Piece, cells, from, lines, until};
use super::layout::{Block, Layout, LayoutCache, Part};
use super::picture;
use crate::model::{Entry, Graphics, Hit, Lookup, Model, Mood, Placed, Progress, Shown, Status, Timeline, bytes};
use crate::text::{Span, SpanKind, elide, spans, width};
use crate::theme::Role;

/// Minutes within which messages of one author stand together under one name.
const TOGETHER_MINUTES: u64 = 5;

/// Columns of a pane from which on names may be long.
const WIDE_PANE: u16 = 60;

/// Where the columns of the messages are.
#[derive(Clone, Copy)]
struct Columns {
    /// The bar of the marked message, the time, then the name, right-aligned in this many cells.
    name: u16,
    /// First cell of the text.
    body: u16,
    /// Cells of the text.
    width: u16,
}

/// Cells before the name: bar, time, space.
const BEFORE_NAME: u16 = 7;

/// Cells after the text: space, mark, edge.
const AFTER_BODY: u16 = 4;

impl Columns {
    fn of(pane: u16, timeline: &Timeline) -> Self {
        let cap = if pane >= WIDE_PANE { 12 } else { 6 };
        let names =
            timeline.entries().iter().filter(|e| !e.own && e.notice.is_none()).map(|e| cells(e.author.as_str()));
        let name = names.max().unwrap_or(0).max(3).min(cap);
        let body = (BEFORE_NAME + name + 2).min(pane);
        Self { name, body, width: pane.saturating_sub(body + AFTER_BODY).max(1) }
    }
}

/// Draws the messages of the open chat.
pub(super) fn draw(canvas: &mut Canvas<'_>, cache: &mut LayoutCache, model: &Model, area: Rect, shown: &mut Shown) {
    let Some(chat) = model.open_chat() else { return };
    shown.chat = model.open_name().cloned();
    shown.pane_lines = area.height;
    let timeline = &chat.timeline;
    if timeline.entries().is_empty() {
        return empty(canvas, model, area);
    }
    let columns = Columns::of(area.width, timeline);
    let pictures = (model.graphics != Graphics::Off).then_some(&model.pictures);
    let mut layout = Layout { timeline, pictures, cache, width: usize::from(columns.width) };
    let Some((bottom, anchor)) = layout.bottom(usize::from(area.height)) else { return };
    shown.anchor = anchor;
    let (mut index, mut below) = (bottom.index, bottom.below);
    let mut row = area.height;
    let mut span: Option<(u64, u64)> = None;
    'messages: while let (Some(block), Some(entry)) = (layout.block(index), timeline.entries().get(index)) {
        let me = model.me.as_ref().map(|me| me.name.as_str());
        let spans = spans(entry.text.as_str(), me);
        let message = Message { model, timeline, entry, index, block, columns, spans };
        let height = message.block.height();
        if message.block.body.more > 0 {
            shown.folded.push(entry.serial);
        }
        for line in (0..height.saturating_sub(below)).rev() {
            let Some(above) = row.checked_sub(1) else { break 'messages };
            row = above;
            message.draw_line(canvas, lines(area, row, 1), line);
            if let Some(placed) = message.placed(lines(area, row, 1), line) {
                place(shown, placed);
            }
        }
        if let Some(id) = entry.id.filter(|_| model.shows_picture(entry)) {
            shown.wanted.push(id);
        }
        let last = span.map_or(entry.serial, |(_, last)| last);
        span = Some((entry.serial, last));
        if !entry.own && shown.newest.is_none() {
            shown.newest = entry.id;
        }
        let Some(previous) = index.checked_sub(1) else { break };
        (index, below) = (previous, 0);
    }
    shown.span = span;
    for placed in &mut shown.pictures {
        let (_, rows) = placed.cells;
        placed.area = placed.area.filter(|area| area.height == rows);
    }
}

/// Puts the lines of a picture, which come from the lowest to the highest, together.
fn place(shown: &mut Shown, line: (Placed, Rect, u16)) {
    let (placed, area, row) = line;
    if shown.pictures.last().is_none_or(|last| last.id != placed.id) {
        shown.pictures.push(placed);
    }
    let (_, rows) = placed.cells;
    if let Some(last) = shown.pictures.last_mut() {
        last.area = match (row + 1 == rows, last.area) {
            (true, _) => Some(area),
            (false, Some(below)) => Some(Rect { y: area.y, height: below.height + 1, ..below }),
            // Its lowest line is below the screen.
            (false, None) => None,
        };
    }
}

/// Tells, on the line below the messages, that there is more.
pub(super) fn more_below(canvas: &mut Canvas<'_>, model: &Model, shown: &Shown, rule: Rect) {
    if let (Some(chat), Some(_)) = (model.open_chat(), shown.anchor) {
        let new = chat.timeline.below;
        let text = if new > 0 { format!(" {new} new ↓ ") } else { " ↓ ".to_owned() };
        canvas.right(until(rule, 1), 0, &text, if new > 0 { Role::Badge } else { Role::Accent });
    }
}

/// What stands where no message is.
fn empty(canvas: &mut Canvas<'_>, model: &Model, area: Rect) {
    let (Some(name), Some(chat)) = (model.open_name(), model.open_chat()) else { return };
    let title = match chat.lookup {
        _ if chat.timeline.loading && chat.lookup == Lookup::Known => return,
        _ if model.is_me(name) => "Notes to yourself".to_owned(),
        _ if name.is_room() => format!("What is written in {name} from now on stands here"),
        Lookup::Asked => format!("Looking for {name} …"),
        Lookup::Nobody => format!("Nobody on this relay is called {name}."),
        Lookup::Later => format!("{name} is looked up as soon as the relay can be reached."),
        Lookup::Known => format!("The beginning of your chat with {name}"),
    };
    let area = until(from(area, 1), 1);
    let middle = area.height / 2;
    canvas.middle(area, middle.saturating_sub(1), &title, Role::Strong);
    if let Some(known) = model.roster.alike(name).filter(|_| area.height > 3) {
        let warning = format!("! The name looks like {known}'s, but this is somebody else.");
        canvas.middle(area, middle + 1, &warning, Role::Warning);
    } else if chat.lookup != Lookup::Nobody && area.height > 3 {
        canvas.middle(area, middle + 1, "End-to-end encrypted: the relay can't read it.", Role::Dim);
    }
}

/// One message while it is drawn.
struct Message<'a> {
    model: &'a Model,
    timeline: &'a Timeline,
    entry: &'a Entry,
    index: usize,
    block: Block,
    columns: Columns,
    spans: Vec<Span>,
}

impl Message<'_> {
    fn draw_line(&self, canvas: &mut Canvas<'_>, area: Rect, line: usize) {
        let above = usize::from(self.block.day) + usize::from(self.block.new.is_some());
        if line < above {
            let area = until(from(area, 1), 1);
            if line == 0 && self.block.day {
                canvas.titled_rule(area, 0, &self.entry.when.day_name(self.model.now), Role::Dim);
            } else {
                canvas.titled_rule(area, 0, &format!("{} new", self.block.new.unwrap_or(0)), Role::New);
            }
            return;
        }
        canvas.hit(area, Hit::Message(self.entry.serial));
        let selected = self.timeline.selected == Some(self.entry.serial);
        let chosen = self.timeline.chosen.contains(&self.entry.serial);
        if (selected || chosen) && !matches!(self.block.part(line), Part::Picture(_)) {
            canvas.fill(area, Role::Selected);
        }
        if line == above {
            self.head(canvas, area);
        }
        let body = from(area, self.columns.body);
        let text = Rect { width: self.columns.width.min(body.width), ..body };
        let last = self.block.before_body() + self.block.body.lines.len();
        match self.block.part(line) {
            Part::Quote => self.quote(canvas, text),
            Part::Card => self.card(canvas, text),
            Part::Picture(row) => {
                if selected || chosen {
                    canvas.text(area, 0, if chosen { "◆" } else { "▌" }, Role::Marked);
                }
                return self.picture(canvas, text, row);
            }
            Part::Body(n) => self.body_line(canvas, text, n),
            Part::More => self.more(canvas, text),
            Part::Reactions => self.reactions(canvas, text),
            Part::Failure => self.failure(canvas, text),
        }
        if line + 1 == last {
            self.marks(canvas, area);
        }
        if selected || chosen {
            canvas.text(area, 0, if chosen { "◆" } else { "▌" }, Role::Marked);
            canvas.fill(area, Role::Selected);
        }
    }

    /// Where a line of its picture lies, and which line it is.
    fn placed(&self, area: Rect, line: usize) -> Option<(Placed, Rect, u16)> {
        let above = usize::from(self.block.day) + usize::from(self.block.new.is_some());
        let (id, cells) = (self.entry.id?, self.block.picture?);
        let Part::Picture(row) = self.block.part(line.max(above)) else { return None };
        let left = from(area, self.columns.body);
        let area = Rect { width: cells.0.min(left.width), ..left };
        let placed = Placed { id, number: picture::number(id), cells, area: None };
        (line >= above).then_some((placed, area, row))
    }

    /// A line of its picture.
    fn picture(&self, canvas: &mut Canvas<'_>, area: Rect, row: u16) {
        let pixels = self.entry.id.and_then(|id| Some((id, self.model.pictures.of(id)?)));
        if let (Some((id, pixels)), Some(cells)) = (pixels, self.block.picture) {
            picture::line(canvas, area, row, (id, pixels.as_ref(), cells));
        }
    }

    /// Time and name, unless the message above says them.
    fn head(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let together = self.above_of_same_author();
        if together.is_none_or(|above| above.when.ms / 60_000 != self.entry.when.ms / 60_000) {
            canvas.text(from(area, 1), 0, &self.entry.when.clock(), Role::Dim);
        }
        if let Some(mood) = self.entry.notice {
            let (sign, role) = if mood == Mood::Alarm { ("!", Role::Error) } else { ("·", Role::Dim) };
            canvas.text(from(area, BEFORE_NAME + self.columns.name.saturating_sub(1)), 0, sign, role);
        } else if together.is_none() {
            let cap = usize::from(self.columns.name);
            let (name, style) = if self.entry.own {
                ("you".to_owned(), canvas.theme.style(Role::Own))
            } else {
                (elide(self.entry.author.as_str(), cap), canvas.theme.name(self.entry.author.as_str()))
            };
            let right = self.columns.name.saturating_sub(cells(&name));
            canvas.styled(from(area, BEFORE_NAME + right), 0, &name, style);
        }
    }

    fn above_of_same_author(&self) -> Option<&Entry> {
        let above = self.index.checked_sub(1).and_then(|i| self.timeline.entries().get(i))?;
        let near = self.entry.when.ms.saturating_sub(above.when.ms) < TOGETHER_MINUTES * 60_000;
        let parted = self.block.day || self.block.new.is_some();
        let same = above.author == self.entry.author && above.own == self.entry.own;
        let spoken = above.notice.is_none() && self.entry.notice.is_none();
        (same && spoken && near && !parted).then_some(above)
    }

    fn quote(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let Some(quote) = &self.entry.reply else { return };
        let text = match &quote.known {
            Some((author, text)) if self.model.is_me(author) => format!("↳ you: {text}"),
            Some((author, text)) => format!("↳ {author}: {text}"),
            None => "↳ an earlier message".to_owned(),
        };
        canvas.text(area, 0, &text, Role::Quote);
    }

    fn body_line(&self, canvas: &mut Canvas<'_>, area: Rect, n: usize) {
        let line =
            self.block.body.lines.get(n).and_then(|r| self.entry.text.as_str().get(r.clone())).unwrap_or_default();
        let told = match self.entry.notice {
            Some(Mood::Alarm) => Some(Role::Warning),
            Some(Mood::Plain) => Some(Role::Dim),
            None => (self.entry.unknown || self.entry.deleted).then_some(Role::Quote),
        };
        if let Some(role) = told {
            canvas.text(area, 0, line, role);
            return;
        }
        let link = canvas.theme.style(Role::Accent).add_modifier(Modifier::UNDERLINED);
        let plain = canvas.theme.style(Role::Text);
        let range = self.block.body.lines.get(n).cloned().unwrap_or_default();
        let named = canvas.theme.style(Role::New);
        let text = self.entry.text.as_str();
        let mut style = |span: Option<&Span>| match span.map(|s| (s.kind, text.get(s.range.clone()))) {
            Some((SpanKind::Link, address)) => canvas.linked(link, address.unwrap_or_default()),
            Some((SpanKind::Mention, _)) => named,
            None => plain,
        };
        let pieces: Vec<Piece<'_>> = split(text, &self.spans, range)
            .into_iter()
            .map(|(text, span)| Piece { text, style: style(span) })
            .collect();
        let mut used = canvas.pieces(area, 0, &pieces);
        if self.entry.edited && n + 1 == self.block.body.lines.len() {
            used += canvas.text(from(area, used), 0, " (edited)", Role::Dim);
        }
        if self.entry.imported && n + 1 == self.block.body.lines.len() {
            canvas.text(from(area, used), 0, " (imported)", Role::Dim);
        }
    }

    /// The file, and how far it is on its way.
    fn card(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let Some(file) = &self.entry.file else { return };
        let transfer = self.model.transfers.iter().find(|t| self.entry.id == Some(t.id));
        let standing = transfer.map(|t| match t.progress {
            Progress::Running => format!("{} {}%", bar(t.percent()), t.percent()),
            Progress::Waiting => "waits".to_owned(),
            Progress::Paused => format!("paused at {}%", t.percent()),
            Progress::Failed => "given up".to_owned(),
            Progress::Done if t.path.is_some() => "saved".to_owned(),
            Progress::Done => String::new(),
        });
        let standing = standing.map_or_else(String::new, |s| if s.is_empty() { s } else { format!("  {s}") });
        let brief = transfer.filter(|t| t.open()).map_or_else(String::new, |t| format!("  {}%", t.percent()));
        let (size, kind) = (bytes(file.size), &file.kind);
        // What is behind the name gives way to it, piece by piece.
        let behind = [
            (format!("  {size}  {kind}"), &standing),
            (format!("  {size}"), &standing),
            (format!("  {size}"), &brief),
            (String::new(), &brief),
        ];
        let room = area.width.saturating_sub(2);
        let left = |(facts, standing): &(String, &String)| room.saturating_sub(cells(facts) + cells(standing));
        let needed = cells(file.name.as_str()).min(NAME_CELLS);
        let [.., least] = &behind;
        let (facts, standing) = behind.iter().find(|b| left(b) >= needed).unwrap_or(least);
        let name = elide(file.name.as_str(), usize::from(left(&(facts.clone(), standing))));
        let style = |role| canvas.theme.style(role);
        let pieces = [
            Piece { text: "▣ ", style: style(Role::Accent) },
            Piece { text: &name, style: style(Role::Strong) },
            Piece { text: facts, style: style(Role::Dim) },
            Piece { text: standing, style: style(Role::Accent) },
        ];
        canvas.pieces(area, 0, &pieces);
    }

    fn reactions(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let mut at = 0;
        for reaction in &self.entry.reactions {
            let text = format!("{} {}", reaction.sign, reaction.by.len());
            let mine = reaction.by.iter().any(|name| self.model.is_me(name));
            let role = if mine { Role::Accent } else { Role::Dim };
            if at + cells(&text) > area.width {
                return;
            }
            at += canvas.text(from(area, at), 0, &text, role) + 2;
        }
    }

    fn more(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let text = match self.block.body.more {
            0 => "▴ Enter folds it".to_owned(),
            1 => "▾ 1 more line; Enter shows it".to_owned(),
            n => format!("▾ {n} more lines; Enter shows them"),
        };
        canvas.text(area, 0, &text, Role::Accent);
    }

    fn failure(&self, canvas: &mut Canvas<'_>, area: Rect) {
        if let Status::Failed(problem) = self.entry.status {
            let (why, how) = (format!("not sent: {}", problem.brief()), " · Enter tries again");
            let room = area.width >= cells(&why) + cells(how);
            canvas.text(area, 0, &if room { why + how } else { why }, Role::Error);
        }
    }

    /// How far an own message got, at the right edge of its last line.
    fn marks(&self, canvas: &mut Canvas<'_>, area: Rect) {
        if !self.entry.own || self.entry.notice.is_some() || self.entry.deleted {
            return;
        }
        let (mark, role) = match self.entry.status {
            Status::Queued => ("◌", Role::Dim),
            Status::Sent => ("✓", Role::Dim),
            Status::Delivered => ("✓✓", Role::Accent),
            Status::Read => ("●", Role::Read),
            Status::Failed(_) => ("!", Role::Error),
        };
        canvas.right(until(area, 1), 0, mark, role);
    }
}

/// A line of a text in pieces, those that are shown apart with what they are.
fn split<'t, 's>(text: &'t str, spans: &'s [Span], line: Range<usize>) -> Vec<(&'t str, Option<&'s Span>)> {
    let mut pieces = Vec::new();
    let mut at = line.start;
    for span in spans.iter().filter(|s| s.range.end > line.start && s.range.start < line.end) {
        let (start, end) = (span.range.start.max(line.start), span.range.end.min(line.end));
        pieces.push((text.get(at..start).unwrap_or_default(), None));
        pieces.push((text.get(start..end).unwrap_or_default(), Some(span)));
        at = end;
    }
    pieces.push((text.get(at..line.end).unwrap_or_default(), None));
    pieces
}

/// Cells of a file's name that are worth more than what is behind it.
const NAME_CELLS: u16 = 20;

/// Cells of the bar on a card.
const BAR_CELLS: usize = 10;

/// `███████░░░`.
fn bar(percent: u64) -> String {
    let full = usize::try_from(percent.min(100)).unwrap_or(100) * BAR_CELLS / 100;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR_CELLS - full))
}

/// Cells that a text takes, for callers that draw around it.
pub(super) fn title_of(model: &Model) -> (String, Style) {
    let Some(name) = model.open_name() else { return (String::new(), Style::new()) };
    let row = model.roster.row(name);
    let display =
        row.and_then(|r| r.display.as_ref()).map(|d| d.as_str()).filter(|d| *d != name.as_str() && width(d) > 0);
    let text = match display {
        Some(display) => format!("{name} · {display}"),
        None => name.to_string(),
    };
    (text, model.theme.style(Role::BarStrong))
}
