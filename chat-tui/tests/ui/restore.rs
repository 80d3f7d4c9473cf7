//! However the program ends, the terminal is as it was.

use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};

use crate::journey;
use crate::pty::{self, Pty};
use crate::world::World;

/// A shell with job control that runs the program and writes down the terminal's modes.
struct Shell {
    pty: Pty,
    world: World,
}

impl Shell {
    fn new() -> Self {
        let world = World::new();
        let mut command = CommandBuilder::new("sh");
        command.args(["-i"]);
        command.cwd(world.folder.path());
        command.env("PS1", "shell> ");
        command.env("ENV", "/dev/null");
        command.env("XDG_CONFIG_HOME", world.folder.path().join("config"));
        let pty = Pty::start(command, 80, 24);
        pty.wait_for("shell>");
        pty.keys("set -m; stty -a > before; echo rea''dy\r");
        pty.wait_for("ready");
        Self { pty, world }
    }

    /// Runs a command line in the shell, on an empty screen.
    fn line(&self, line: &str) {
        self.pty.keys(&format!("clear; {line}\r"));
    }

    fn start_program(&self) {
        let address = self.world.address();
        let program = env!("CARGO_BIN_EXE_chat-tui");
        self.line(&format!("{program} --relay {address} --data {}; echo code=$?.", "profile"));
        self.pty.wait_for("trust it");
    }

    /// Process id of the program in the foreground.
    fn program(&self) -> Pid {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let children = format!("/proc/{0}/task/{0}/children", self.pty.pid());
            let children = std::fs::read_to_string(children).unwrap_or_default();
            if let Some(pid) = children.split_whitespace().next().and_then(|p| p.parse().ok()).and_then(Pid::from_raw) {
                return pid;
            }
            assert!(Instant::now() < until, "no program runs");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.program(), signal).unwrap();
    }

    /// The modes are as before, the own screen is back, the cursor is seen, and nothing special is on.
    #[track_caller]
    fn as_found(&self, file: &str) {
        self.pty.keys(&format!("stty -a > {file}; echo wri''tten-{file}\r"));
        self.pty.wait_for(&format!("written-{file}"));
        let read = |name: &str| std::fs::read_to_string(self.world.folder.path().join(name)).unwrap();
        assert_eq!(read("before"), read(file));
        let screen = self.pty.cells();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert!(!self.pty.screen().contains("Register"), "{}", self.pty.screen());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn every_signal_that_ends_it_leaves_the_terminal_as_found_and_ends_well() {
    let shell = Shell::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        shell.start_program();
        shell.signal(signal);
        shell.pty.wait_for("code=0.");
        shell.as_found(&format!("after-{}", signal.as_raw()));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_inside_an_open_chat_leaves_the_terminal_as_found_and_keeps_what_was_written() {
    let shell = Shell::new();
    shell.start_program();
    shell.pty.keys("y");
    shell.pty.wait_for("the relay you trust");
    shell.pty.keys("\x1bOQ");
    shell.pty.wait_for("have an account?");
    journey::fill_in(&shell.pty, "alice");
    shell.pty.wait_for("/dm NAME");
    shell.pty.keys("/dm alice\r");
    shell.pty.wait_for("Notes to yourself");
    shell.pty.keys("half a thought");
    shell.pty.wait_for("half a thought");
    shell.signal(Signal::TERM);
    shell.pty.wait_for("code=0.");
    assert!(!shell.pty.screen().contains("thought"), "nothing of it stays: {}", shell.pty.screen());
    shell.as_found("after-chat");
    let address = shell.world.address();
    shell.line(&format!("{} --relay {address} --data profile", env!("CARGO_BIN_EXE_chat-tui")));
    shell.pty.wait_for("/dm NAME");
    shell.pty.keys("/dm alice\r");
    shell.pty.wait_for("› half a thought");
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_that_hangs_up_ends_it_and_nothing_stays_behind() {
    let world = World::new();
    let mut child = pty::hung_up_after(world.program("profile"), "trust it");
    let until = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < until, "without a terminal it goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status:?}");
    let again = Pty::start(world.program("profile"), 80, 24);
    again.wait_for("trust it");
}

#[test]
#[cfg(target_os = "linux")]
fn asleep_it_gives_the_terminal_back_and_awake_it_draws_everything_again() {
    let shell = Shell::new();
    shell.start_program();
    shell.pty.keys("n");
    shell.pty.wait_until("the form is free", |s| !s.contains("trust it"));
    shell.pty.keys("al");
    shell.pty.wait_for("al ─");
    for round in ["key", "signal"] {
        match round {
            "key" => shell.pty.keys("\x1a"),
            _ => shell.signal(Signal::TSTP),
        }
        shell.pty.wait_for("shell>");
        shell.as_found(&format!("asleep-{round}"));
        shell.line("fg; echo code=$?.");
        shell.pty.wait_for("al ─");
        shell.pty.keys("i");
        shell.pty.wait_for("ali ─");
        shell.pty.keys("\x7f");
        shell.pty.wait_for("al ─");
    }
    shell.pty.keys("\x11");
    shell.pty.wait_for("code=0.");
    shell.as_found("at-the-end");
}

#[test]
#[cfg(target_os = "linux")]
fn a_panic_in_any_thread_gives_the_terminal_back_and_tells_no_secret() {
    for place in ["task", "loop"] {
        let shell = Shell::new();
        // Cargo builds it as an example whenever it builds all tests.
        let tests = std::env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("examples/fault");
        assert!(program.exists(), "it is not built: run `cargo test -p chat-tui` without picking a target");
        shell.line(&format!("RUST_BACKTRACE=0 {} {place}; echo code=$?.", program.display()));
        let screen = shell.pty.wait_for("code=101.");
        assert!(screen.contains("a fault"), "the message is on the screen that the person sees: {screen}");
        shell.as_found("after");
    }
}
