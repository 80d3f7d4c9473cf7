//! Drawing cells: everything goes through here, so that nothing is ever drawn outside of its place.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::line;
use unicode_segmentation::UnicodeSegmentation;

use crate::model::{Graphics, Hit};
use crate::text::{elide, width};
use crate::theme::{Role, Theme};

/// The buffer of a frame, with what the frame tells besides.
pub(super) struct Canvas<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) theme: Theme,
    /// How pictures are drawn.
    pub(super) graphics: Graphics,
    /// Where the cursor stands.
    pub(super) cursor: Option<Position>,
    /// What lies where.
    pub(super) hits: Vec<(Rect, Hit)>,
    /// Addresses, by the mark that their cells carry.
    pub(super) links: Vec<(u32, String)>,
}

/// A piece of a line.
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    pub(super) style: Style,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, theme: Theme, graphics: Graphics) -> Self {
        Self { buffer, theme, graphics, cursor: None, hits: Vec::new(), links: Vec::new() }
    }

    /// The whole screen.
    pub(super) fn area(&self) -> Rect {
        *self.buffer.area()
    }

    /// Writes a text at the left of an area's line, elided to the area; tells the cells that it took.
    pub(super) fn text(&mut self, area: Rect, line: u16, text: &str, role: Role) -> u16 {
        self.styled(area, line, text, self.theme.style(role))
    }

    /// The same with a style.
    pub(super) fn styled(&mut self, area: Rect, line: u16, text: &str, style: Style) -> u16 {
        let area = area.intersection(self.area());
        if line >= area.height || area.width == 0 {
            return 0;
        }
        let shown = elide(text, usize::from(area.width));
        let (end, _) = self.buffer.set_stringn(area.x, area.y + line, &shown, usize::from(area.width), style);
        end.saturating_sub(area.x)
    }

    /// Writes pieces one after the other.
    pub(super) fn pieces(&mut self, area: Rect, line: u16, pieces: &[Piece<'_>]) -> u16 {
        let mut used = 0;
        for piece in pieces {
            used += self.styled(from(area, used), line, piece.text, piece.style);
        }
        used
    }

    /// Writes a text at the right end of an area's line, when it fits whole.
    pub(super) fn right(&mut self, area: Rect, line: u16, text: &str, role: Role) -> u16 {
        let cells = cells(text);
        if cells > area.width {
            return 0;
        }
        self.text(from(area, area.width - cells), line, text, role);
        cells
    }

    /// Writes a text in the middle of an area's line.
    pub(super) fn middle(&mut self, area: Rect, line: u16, text: &str, role: Role) {
        let free = area.width.saturating_sub(cells(text));
        self.text(from(area, free / 2), line, text, role);
    }

    /// Writes a text with some of its graphemes in another style.
    pub(super) fn marked(&mut self, area: Rect, line: u16, text: &str, marks: (&[u32], Style, Style)) -> u16 {
        let (matched, plain, strong) = marks;
        if matched.is_empty() {
            return self.styled(area, line, text, plain);
        }
        let shown = elide(text, usize::from(area.width));
        let mut used = 0;
        for (index, grapheme) in (0_u32..).zip(shown.graphemes(true)) {
            let style = if matched.contains(&index) { strong } else { plain };
            used += self.styled(from(area, used), line, grapheme, style);
        }
        used
    }

    /// Puts a symbol of ours into the first cell of an area, as it is.
    pub(super) fn cell(&mut self, area: Rect, symbol: &str, style: Style) {
        let place = Position::new(area.x, area.y);
        if area.width > 0
            && self.area().contains(place)
            && let Some(cell) = self.buffer.cell_mut(place)
        {
            cell.set_symbol(symbol).set_style(style);
        }
    }

    /// Gives every cell of an area a style and leaves its text.
    pub(super) fn fill(&mut self, area: Rect, role: Role) {
        self.buffer.set_style(area.intersection(self.area()), self.theme.style(role));
    }

    /// Empties an area.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.area());
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// A horizontal line.
    pub(super) fn rule(&mut self, area: Rect, line: u16) {
        let text = line::HORIZONTAL.repeat(usize::from(area.width));
        self.text(area, line, &text, Role::Rule);
    }

    /// A horizontal line with words in its middle.
    pub(super) fn titled_rule(&mut self, area: Rect, line: u16, title: &str, role: Role) {
        self.rule(area, line);
        let title = elide(&format!(" {title} "), usize::from(area.width.saturating_sub(4)));
        let style = self.theme.style(role);
        let x = area.width.saturating_sub(cells(&title)) / 2;
        self.styled(from(area, x), line, &title, style);
    }

    /// A box with a title on an emptied ground; tells what is inside.
    pub(super) fn frame(&mut self, area: Rect, title: &str) -> Rect {
        let area = area.intersection(self.area());
        self.clear(area);
        if area.width < 4 || area.height < 3 {
            return area;
        }
        let across = line::HORIZONTAL.repeat(usize::from(area.width - 2));
        self.text(area, 0, &format!("{}{across}{}", line::ROUNDED_TOP_LEFT, line::ROUNDED_TOP_RIGHT), Role::Accent);
        for row in 1..area.height - 1 {
            self.text(area, row, line::VERTICAL, Role::Accent);
            self.text(from(area, area.width - 1), row, line::VERTICAL, Role::Accent);
        }
        self.text(
            area,
            area.height - 1,
            &format!("{}{across}{}", line::ROUNDED_BOTTOM_LEFT, line::ROUNDED_BOTTOM_RIGHT),
            Role::Accent,
        );
        let title = elide(&format!(" {title} "), usize::from(area.width - 4));
        self.text(from(area, 2), 0, &title, Role::Title);
        Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 }
    }

    /// Puts the cursor on a cell of an area; stays inside.
    pub(super) fn cursor_at(&mut self, area: Rect, column: usize, line: u16) {
        if area.width > 0 && line < area.height {
            let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width - 1);
            self.cursor = Some(Position::new(area.x + column, area.y + line));
        }
    }

    /// A style that marks its cells as part of a link to this address. The mark is a colour of an
    /// underline, which nothing else sets: so a cell counts as changed when only its address did.
    pub(super) fn linked(&mut self, style: Style, address: &str) -> Style {
        // What a terminal or a reader could take for another address is text only.
        if address.len() > ADDRESS_BYTES_MAX || !address.bytes().all(|b| b.is_ascii_graphic()) {
            return style;
        }
        let mark = address.bytes().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let [_, red, green, blue] = mark.to_be_bytes();
        let mark = u32::from_be_bytes([0, red, green, blue]);
        match self.links.iter().find(|(known, _)| *known == mark) {
            Some((_, other)) if other != address => return style,
            Some(_) => {}
            None => self.links.push((mark, address.to_owned())),
        }
        style.underline_color(Color::Rgb(red, green, blue))
    }

    /// Remembers what lies in an area.
    pub(super) fn hit(&mut self, area: Rect, hit: Hit) {
        self.hits.push((area, hit));
    }
}

/// Bytes of an address that terminals take as a link.
const ADDRESS_BYTES_MAX: usize = 2_000;

/// Cells of a text, bounded to what a screen can have.
pub(super) fn cells(text: &str) -> u16 {
    u16::try_from(width(text)).unwrap_or(u16::MAX)
}

/// An area without its first columns.
pub(super) fn from(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width);
    Rect { x: area.x.saturating_add(columns), width: area.width - columns, ..area }
}

/// An area without its last columns.
pub(super) fn until(area: Rect, columns: u16) -> Rect {
    Rect { width: area.width.saturating_sub(columns), ..area }
}

/// Some lines of an area.
pub(super) fn lines(area: Rect, first: u16, count: u16) -> Rect {
    let first = first.min(area.height);
    Rect { y: area.y.saturating_add(first), height: count.min(area.height - first), ..area }
}

/// A place of at most this size in the middle of an area.
pub(super) fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
