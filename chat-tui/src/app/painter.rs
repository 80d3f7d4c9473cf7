//! From cells to bytes: a frame is collected and written at once, between the marks of a synchronised
//! update, so that no half of it is ever seen.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};

use crossterm::terminal;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::{Cell, CellWidth};
use ratatui::layout::{Position, Size};
use ratatui::style::Color;

use super::widths::Widths;

/// Begin and end of a synchronised update (mode 2026); terminals that don't know it ignore it.
pub(super) const BEGIN: &[u8] = b"\x1b[?2026h";
pub(super) const END: &[u8] = b"\x1b[?2026l";

/// Collects a frame's bytes.
#[derive(Debug)]
pub(super) struct Painter {
    bytes: Vec<u8>,
    /// What is drawn over the cells of the frame.
    over: Vec<u8>,
    tty: File,
    /// Where the cursor was put last, so that a frame that leaves it there says nothing about it.
    cursor: Option<Option<Position>>,
    wanted: Option<Position>,
    /// What the terminal draws as wide as the layout thinks.
    widths: Widths,
    /// Addresses, by the mark that their cells carry; none where they are not marked.
    links: Option<HashMap<u32, String>>,
}

impl Painter {
    pub(super) fn new(tty: File) -> Self {
        let bytes = Vec::with_capacity(16 * 1024);
        Self { bytes, over: Vec::new(), tty, cursor: None, wanted: None, widths: Widths::default(), links: None }
    }

    /// The terminal told how wide it draws.
    pub(super) fn measured(&mut self, widths: Widths) {
        self.widths = widths;
    }

    /// Addresses of the next frame.
    pub(super) fn link(&mut self, links: &[(u32, String)]) {
        if let Some(known) = &mut self.links {
            known.clear();
            known.extend(links.iter().cloned());
        }
    }

    /// Whether addresses are marked as links.
    pub(super) fn mark_links(&mut self, marked: bool) {
        self.links = marked.then(HashMap::new);
    }

    /// Puts bytes before the cells of the frame.
    pub(super) fn before(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts bytes behind the cells of the frame, written from this cell on.
    pub(super) fn after(&mut self, place: Position, bytes: &[u8]) {
        let (row, column) = (place.y.saturating_add(1), place.x.saturating_add(1));
        self.over.extend_from_slice(format!("\x1b[{row};{column}H").as_bytes());
        self.over.extend_from_slice(bytes);
        // Drawing moves the cursor.
        self.cursor = self.cursor.map(|shown| shown.map(|_| NOWHERE));
    }

    /// Writes bytes that are no part of a frame.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tty.write_all(bytes)
    }

    /// The terminal was given away: nothing is known of it any more.
    pub(super) fn forget(&mut self) {
        (self.cursor, self.wanted) = (None, None);
        self.bytes.clear();
        self.over.clear();
    }

    /// The mark of the link that a cell is part of.
    fn address(&self, cell: &Cell) -> Option<u32> {
        let Color::Rgb(red, green, blue) = cell.underline_color else { return None };
        let mark = u32::from_be_bytes([0, red, green, blue]);
        self.links.as_ref()?.contains_key(&mark).then_some(mark)
    }

    /// Writes the cells of a run, as a link when they are part of one.
    fn write(&mut self, run: &mut Run) -> io::Result<()> {
        if run.cells.is_empty() {
            return Ok(());
        }
        let cells = std::mem::take(&mut run.cells);
        let address = run.address.and_then(|mark| Some((mark, self.links.as_ref()?.get(&mark)?)));
        if let Some((mark, address)) = address {
            // The parts of an address that is broken over lines belong together.
            write!(self.bytes, "\x1b]8;id={mark:x};{address}\x1b\\")?;
        }
        self.queue().draw(cells.iter().map(|(x, y, cell)| (*x, *y, cell)))?;
        if run.address.is_some() {
            self.bytes.extend_from_slice(LINK_END);
        }
        Ok(())
    }

    fn queue(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.bytes)
    }
}

const LINK_END: &[u8] = b"\x1b]8;;\x1b\\";

/// Cells that are written in one go.
#[derive(Default)]
struct Run {
    cells: Vec<(u16, u16, Cell)>,
    /// The mark of the link that they are part of.
    address: Option<u32>,
}

/// Whether terminals disagree about the width of this symbol: what follows must be placed anew.
fn risky(symbol: &str) -> bool {
    !symbol.is_ascii() && symbol.chars().nth(1).is_some()
}

impl Backend for Painter {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut run = Run::default();
        for (column, row, cell) in content {
            let address = self.address(cell);
            if address != run.address {
                self.write(&mut run)?;
                run.address = address;
            }
            if risky(cell.symbol()) {
                self.write(&mut run)?;
                // A terminal that draws it narrower would leave what was there before.
                let mut blank = cell.clone();
                blank.set_symbol(" ");
                run.cells.extend((column..column.saturating_add(cell.cell_width())).map(|x| (x, row, blank.clone())));
                self.write(&mut run)?;
                let mut fitting = cell.clone();
                fitting.set_symbol(&self.widths.fitting(cell.symbol()));
                run.cells.push((column, row, fitting));
                // What follows begins with a cursor position of its own.
                self.write(&mut run)?;
            } else {
                run.cells.push((column, row, cell.clone()));
            }
        }
        self.write(&mut run)?;
        // Drawing moved the cursor.
        if !self.bytes.is_empty() {
            self.cursor = self.cursor.map(|shown| shown.map(|_| NOWHERE));
        }
        Ok(())
    }

    fn append_lines(&mut self, n: u16) -> io::Result<()> {
        self.queue().append_lines(n)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.wanted = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.wanted.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.wanted = Some(position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.queue().clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.queue().clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        let (width, height) = terminal::size()?;
        Ok(Size { width, height })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bytes.append(&mut self.over);
        if self.cursor != Some(self.wanted) {
            let wanted = self.wanted;
            let mut queue = self.queue();
            match wanted {
                Some(position) => {
                    queue.set_cursor_position(position)?;
                    queue.show_cursor()?;
                }
                None => queue.hide_cursor()?,
            }
            self.cursor = Some(wanted);
        }
        if self.bytes.is_empty() {
            return Ok(());
        }
        let mut frame = Vec::with_capacity(self.bytes.len() + BEGIN.len() + END.len());
        frame.extend_from_slice(BEGIN);
        frame.append(&mut self.bytes);
        frame.extend_from_slice(END);
        self.tty.write_all(&frame)
    }
}

/// A place where the cursor never is: whatever is wanted differs from it.
const NOWHERE: Position = Position { x: u16::MAX, y: u16::MAX };
