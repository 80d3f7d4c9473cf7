//! A pseudo-terminal with a program in it, seen through a terminal parser.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, NativePtySystem, PtySize, PtySystem};

/// Patience with a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program wrote, as a screen and as bytes.
struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

/// A program on a terminal.
pub struct Pty {
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
}

impl Pty {
    /// Starts a program on a terminal of this size.
    pub fn start(mut command: CommandBuilder, columns: u16, rows: u16) -> Self {
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("TZ", "UTC");
        command.env_remove("NO_COLOR");
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = NativePtySystem::default().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let writer = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let seen = Arc::new(Mutex::new(Seen {
            parser: vt100::Parser::new(cells(rows), cells(columns), 0),
            bytes: Vec::new(),
        }));
        let mut reader = pair.master.try_clone_reader().unwrap();
        std::thread::spawn({
            let (seen, writer) = (Arc::clone(&seen), Arc::clone(&writer));
            move || {
                let mut chunk = [0; 16 * 1024];
                while let Ok(n @ 1..) = reader.read(&mut chunk) {
                    answer(&chunk[..n], &writer);
                    let mut seen = seen.lock().unwrap();
                    seen.parser.process(&chunk[..n]);
                    seen.bytes.extend_from_slice(&chunk[..n]);
                }
            }
        });
        Self { master: pair.master, writer, child, seen }
    }

    /// Types, as the terminal would send it.
    pub fn keys(&self, bytes: &str) {
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(bytes.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// The screen as text, without the spaces at the ends of its lines.
    pub fn screen(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let screen = seen.parser.screen();
        let columns = screen.size().1;
        screen.rows(0, columns.get()).map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// The screen with its colours.
    pub fn cells(&self) -> vt100::Screen {
        self.seen.lock().unwrap().parser.screen().clone()
    }

    /// Every byte that the program wrote.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "{what:?} did not come:\n{screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until nothing was written for a moment, so that a frame is whole.
    pub fn settle(&self) -> String {
        let mut before = self.bytes().len();
        loop {
            std::thread::sleep(Duration::from_millis(150));
            let now = self.bytes().len();
            if now == before {
                return self.screen();
            }
            before = now;
        }
    }

    /// Another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        self.seen.lock().unwrap().parser.screen_mut().set_size(cells(rows), cells(columns));
    }

    /// Process id of the program.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.process_id().unwrap()).unwrap()
    }

    /// Waits for the program's end and tells its exit code.
    #[track_caller]
    pub fn ended(&mut self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < until, "the program does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program, waits until it writes a text, and takes the terminal away.
pub fn hung_up_after(mut command: CommandBuilder, text: &str) -> Box<dyn Child + Send + Sync> {
    command.env("TERM", "xterm-256color");
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = NativePtySystem::default().openpty(size).unwrap();
    let child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut parser = vt100::Parser::new(cells(24), cells(80), 0);
    let mut chunk = [0; 16 * 1024];
    while !parser.screen().contents().contains(text) {
        let read = reader.read(&mut chunk).unwrap();
        assert!(read > 0, "it ended before {text:?}: {}", parser.screen().contents());
        parser.process(&chunk[..read]);
    }
    // The reader and the terminal's other end are dropped here: that is the hang-up.
    child
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

/// Answers the questions that a terminal answers: who it is, and that its ground is dark.
fn answer(bytes: &[u8], writer: &Arc<Mutex<Box<dyn Write + Send>>>) {
    if bytes.windows(3).any(|w| w == b"\x1b[c") {
        let _ = writer.lock().unwrap().write_all(b"\x1b]11;rgb:1010/1414/1919\x1b\\\x1b[?62;22c");
    }
}
