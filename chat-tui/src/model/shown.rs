//! What a frame showed: the view tells it, the update remembers it. So drawing changes nothing, and
//! deciding needs no layout.

use ratatui::layout::{Position, Rect};

use super::{Anchor, MsgId, Name};

/// What lies under a click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hit {
    /// A line of the list of chats.
    ListLine(usize),
    /// A message.
    Message(u64),
    /// The message being written.
    Composer,
    /// A row of the menu on top.
    MenuRow(usize),
    /// A field of the form, by its place.
    Field(usize),
}

/// A picture on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Whose.
    pub id: MsgId,
    /// The number under which the terminal knows it.
    pub number: u32,
    /// Columns and rows of cells that it fills.
    pub cells: (u16, u16),
    /// Where it lies; none while a part of it is outside.
    pub area: Option<Rect>,
}

/// What a frame showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The chat whose messages were drawn.
    pub chat: Option<Name>,
    /// The bottom line after scrolling; none when the newest message is at the bottom.
    pub anchor: Option<Anchor>,
    /// Newest incoming message that is whole or begins on the screen.
    pub newest: Option<MsgId>,
    /// Serial numbers of the first and last message on the screen.
    pub span: Option<(u64, u64)>,
    /// Messages on the screen of which a part is folded.
    pub folded: Vec<u64>,
    /// Lines of the message pane.
    pub pane_lines: u16,
    /// Rows of the menu or help page on top.
    pub menu_lines: u16,
    /// Lines of the help page as it is filtered.
    pub help_lines: usize,
    /// Pictures that are drawn.
    pub pictures: Vec<Placed>,
    /// Messages on the screen whose picture may be shown.
    pub wanted: Vec<MsgId>,
    /// What lies where.
    pub hits: Vec<(Rect, Hit)>,
    /// Addresses on the screen, by the mark that their cells carry.
    pub links: Vec<(u32, String)>,
    /// Where the cursor stands.
    pub cursor: Option<Position>,
}

impl Shown {
    /// What lies at a cell, the topmost.
    #[must_use]
    pub fn hit(&self, column: u16, row: u16) -> Option<&Hit> {
        self.hits.iter().rev().find(|(area, _)| area.contains(Position::new(column, row))).map(|(_, hit)| hit)
    }
}
