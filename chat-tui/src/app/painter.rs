//! From cells to bytes: a frame is collected and written at once, between the marks of a synchronised
//! update, so that no half of it is ever seen.

use std::fs::File;
use std::io::{self, Write};

use crossterm::terminal;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// Begin and end of a synchronised update (mode 2026); terminals that don't know it ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Collects a frame's bytes.
#[derive(Debug)]
pub(super) struct Painter {
    bytes: Vec<u8>,
    tty: File,
    /// Where the cursor was put last, so that a frame that leaves it there says nothing about it.
    cursor: Option<Option<Position>>,
    wanted: Option<Position>,
}

impl Painter {
    pub(super) fn new(tty: File) -> Self {
        Self { bytes: Vec::with_capacity(16 * 1024), tty, cursor: None, wanted: None }
    }

    /// Writes bytes that are no part of a frame.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tty.write_all(bytes)
    }

    /// The terminal was given away: nothing is known of it any more.
    pub(super) fn forget(&mut self) {
        (self.cursor, self.wanted) = (None, None);
        self.bytes.clear();
    }

    fn queue(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.bytes)
    }
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
        let mut run = Vec::new();
        for item in content {
            let parts = risky(item.2.symbol());
            run.push(item);
            if parts {
                // A new run begins with a cursor position of its own.
                self.queue().draw(run.drain(..))?;
            }
        }
        if !run.is_empty() {
            self.queue().draw(run.into_iter())?;
        }
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
