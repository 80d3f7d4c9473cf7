//! The terminal: taken at the start, given back at every end (quit, error, panic, signal, suspend) by
//! the same bytes and in the same state as it was.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use ratatui::Terminal as Screen;
use ratatui::layout::{Position, Size};
use rustix::process::{Signal, kill_current_process_group};

use super::graphics;
use super::painter::{BEGIN, END, Painter};
use super::widths::{self, Widths};
use crate::model::{Graphics, Model, Placed, Shown};
use crate::text::SafeText;
use crate::view::{LayoutCache, view};

/// Other screen, bracketed paste, focus events.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?1004h";
/// Clicks and wheel only: reports of every movement would wake the program all the time.
const MOUSE: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_BACK: &[u8] = b"\x1b[?1006l\x1b[?1000l";
/// Keys with modifiers told apart (kitty protocol, first level), and back.
const KEYS: &[u8] = b"\x1b[>1u";
/// Everything back: keys, mouse, focus, paste, synchronised update, colours, cursor, screen.
const LEAVE: &[u8] = b"\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[?2026l\x1b[0m\x1b[?25h\x1b[?1049l";
const KEYS_BACK: &[u8] = b"\x1b[<1u";
/// Background colour (OSC 11), keyboard protocol, and who are you (DA1): that one every terminal
/// answers, so nothing is waited for that will not come.
const QUESTIONS: &[u8] = b"\x1b]11;?\x1b\\\x1b[?u\x1b[c";

/// Pixels of a cell: beyond this a terminal is mistaken about itself.
const CELL_PIXELS_MAX: u16 = 64;

/// Bytes of a text that goes to the clipboard: some terminals drop longer sequences.
const CLIPBOARD_BYTES_MAX: usize = 48 * 1024;

/// What must be given back, shared with the panic hook.
#[derive(Debug)]
struct Held {
    tty: File,
    taken: AtomicBool,
    /// The kitty protocol's level was pushed.
    keys: AtomicBool,
    /// The terminal was told pictures.
    pictures: AtomicBool,
}

impl Held {
    fn give_back(&self) {
        if !self.taken.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut tty = &self.tty;
        // Nothing can be done about a terminal that is gone.
        if self.keys.load(Ordering::SeqCst) {
            let _ = tty.write_all(KEYS_BACK);
        }
        if self.pictures.load(Ordering::SeqCst) {
            let _ = tty.write_all(graphics::FORGET);
        }
        let _ = tty.write_all(LEAVE);
        let _ = disable_raw_mode();
    }
}

/// The terminal while it is ours.
pub(super) struct Terminal {
    screen: Screen<Painter>,
    held: Arc<Held>,
    mouse: bool,
    /// Pictures that the terminal was told, with the cells they were told for.
    told: HashMap<u32, (u16, u16)>,
    /// Pictures that were drawn over the cells.
    drawn: Vec<Placed>,
    /// Told when some thread panicked.
    pub(super) panicked: Arc<tokio::sync::Notify>,
}

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When stdin or stdout is none.
    pub(super) fn open(mouse: bool) -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "stdin and stdout must be a terminal"));
        }
        // Own handles: a panic while another writer holds stdout's lock must not stop the giving back.
        let tty = || io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let no = || AtomicBool::new(false);
        let held = Arc::new(Held { tty: tty()?, taken: no(), keys: no(), pictures: no() });
        let panicked = Arc::new(tokio::sync::Notify::new());
        give_back_on_panic(&held, &panicked);
        let screen = Screen::new(Painter::new(tty()?))?;
        let mut terminal = Self { screen, held, mouse, panicked, told: HashMap::new(), drawn: Vec::new() };
        terminal.take()?;
        Ok(terminal)
    }

    /// Takes it, at the start and after a suspend.
    pub(super) fn take(&mut self) -> io::Result<()> {
        // After a stop that could not be foreseen the terminal has the shell's modes, whatever was set.
        let _ = disable_raw_mode();
        enable_raw_mode()?;
        self.held.taken.store(true, Ordering::SeqCst);
        self.screen.backend_mut().forget();
        self.told.clear();
        self.drawn.clear();
        self.screen.backend_mut().raw(ENTER)?;
        if self.mouse {
            self.screen.backend_mut().raw(MOUSE)?;
        }
        if self.held.keys.load(Ordering::SeqCst) {
            self.screen.backend_mut().raw(KEYS)?;
        }
        self.clear()
    }

    /// Asks what the terminal is like; the answers come as input.
    pub(super) fn ask(&mut self, pictures: bool) -> io::Result<()> {
        let mut questions = Vec::from(BEGIN);
        questions.extend_from_slice(widths::question().as_bytes());
        questions.extend_from_slice(END);
        if pictures {
            questions.extend_from_slice(graphics::QUESTION);
        }
        questions.extend_from_slice(QUESTIONS);
        self.screen.backend_mut().raw(&questions)
    }

    /// The terminal told where its cursor stood behind the samples.
    pub(super) fn measured(&mut self, columns: &[u16]) {
        self.screen.backend_mut().measured(Widths::measured(columns));
    }

    /// Wheel and click come to the program, or stay the terminal's; addresses are links, or only text.
    pub(super) fn obey(&mut self, mouse: bool, links: bool) -> io::Result<()> {
        self.screen.backend_mut().mark_links(links);
        if self.mouse != mouse {
            self.mouse = mouse;
            self.screen.backend_mut().raw(if mouse { MOUSE } else { MOUSE_BACK })?;
        }
        Ok(())
    }

    /// Tells that something came: by a note, or by the bell.
    pub(super) fn notify(&mut self, note: Option<&SafeText>) -> io::Result<()> {
        match note {
            Some(text) => self.screen.backend_mut().raw(format!("\x1b]9;{text}\x07").as_bytes()),
            None => self.screen.backend_mut().raw(b"\x07"),
        }
    }

    /// Asks for keys with modifiers told apart, from a terminal that knows how.
    pub(super) fn tell_keys_apart(&mut self) {
        if self.screen.backend_mut().raw(KEYS).is_ok() {
            self.held.keys.store(true, Ordering::SeqCst);
        }
    }

    /// Gives it back.
    pub(super) fn give_back(&self) {
        self.held.give_back();
    }

    /// Gives it back and stops the process, with those that were started together with it.
    pub(super) fn suspend(&self) {
        self.give_back();
        // SIGSTOP can't be refused; if it could not be sent, the next frame takes the terminal again.
        let _ = kill_current_process_group(Signal::STOP);
    }

    /// Forgets what is on the screen, so that the next frame draws everything.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.drawn.clear();
        self.told.clear();
        self.screen.clear()
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        self.screen.size().map_or((80, 24), |Size { width, height }| (width, height))
    }

    /// Draws a frame, unless the terminal is given back.
    pub(super) fn draw(&mut self, model: &Model, cache: &mut LayoutCache) -> io::Result<Shown> {
        let mut shown = Shown::default();
        if self.held.taken.load(Ordering::SeqCst) {
            self.screen.autoresize()?;
            shown = view(model, cache, &mut self.screen.get_frame());
            self.screen.backend_mut().link(&shown.links);
            match model.graphics {
                Graphics::Kitty => self.tell_pictures(model, &shown.pictures),
                Graphics::Sixel => self.draw_pictures(model, &shown.pictures)?,
                Graphics::Off | Graphics::Blocks => {}
            }
            self.screen.apply_buffer_with_cursor(shown.cursor)?;
        }
        Ok(shown)
    }

    /// Tells the terminal the pictures whose placeholders are in the frame, each once.
    fn tell_pictures(&mut self, model: &Model, placed: &[Placed]) {
        for one in placed {
            let known = self.told.get(&one.number) == Some(&one.cells);
            let Some(pixels) = model.pictures.of(one.id).filter(|_| !known) else { continue };
            self.screen.backend_mut().before(graphics::kitty(one.number, pixels, one.cells).as_bytes());
            self.told.insert(one.number, one.cells);
            self.held.pictures.store(true, Ordering::SeqCst);
        }
    }

    /// Draws the pictures over the cells that are free for them. What was drawn goes only with everything
    /// else, so all is drawn again when one comes, goes or moves.
    fn draw_pictures(&mut self, model: &Model, placed: &[Placed]) -> io::Result<()> {
        let whole: Vec<Placed> = placed.iter().filter(|one| one.area.is_some()).copied().collect();
        let Some((wide, high)) = self.cell_pixels().filter(|_| whole != self.drawn) else { return Ok(()) };
        if !self.drawn.is_empty() {
            self.screen.clear()?;
        }
        for one in &whole {
            let (Some(area), Some(pixels)) = (one.area, model.pictures.of(one.id)) else { continue };
            let size = (area.width.saturating_mul(wide), area.height.saturating_mul(high));
            let sixels = graphics::sixel(pixels, size);
            self.screen.backend_mut().after(Position::new(area.x, area.y), sixels.as_bytes());
        }
        self.drawn = whole;
        Ok(())
    }

    /// Pixels of a cell, where the terminal tells them.
    pub(super) fn cell_pixels(&self) -> Option<(u16, u16)> {
        let size = crossterm::terminal::window_size().ok()?;
        let part = |pixels: u16, cells: u16| pixels.checked_div(cells).filter(|p| (1..=CELL_PIXELS_MAX).contains(p));
        Some((part(size.width, size.columns)?, part(size.height, size.rows)?))
    }

    /// Puts a text on the clipboard (OSC 52), which works over ssh too.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut end = text.len().min(CLIPBOARD_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.get(..end).unwrap_or_default());
        self.screen.backend_mut().raw(format!("\x1b]52;c;{encoded}\x07").as_bytes())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// A panic in any thread gives the terminal back before its message is written, and ends the program.
fn give_back_on_panic(held: &Arc<Held>, panicked: &Arc<tokio::sync::Notify>) {
    let (held, panicked) = (Arc::downgrade(held), Arc::clone(panicked));
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(held) = held.upgrade() {
            held.give_back();
        }
        before(panic);
        panicked.notify_one();
    }));
}
