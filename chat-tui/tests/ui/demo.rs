//! `chat-tui demo` as somebody who just built it walks through it: nothing is there before, and nothing is
//! left behind.

use std::fs::{self, DirBuilder};
use std::path::Path;

use portable_pty::CommandBuilder;
use tempfile::TempDir;

use crate::journey;
use crate::pty::Pty;

const CTRL_Q: &str = "\x11";

fn demo(home: &Path) -> CommandBuilder {
    let temporary = home.join("tmp");
    DirBuilder::new().recursive(true).create(&temporary).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_chat-tui"));
    command.arg("demo");
    command.env("HOME", home);
    command.env("XDG_CONFIG_HOME", home.join("config"));
    command.env("XDG_DATA_HOME", home.join("data"));
    command.env("TMPDIR", temporary);
    command.cwd(home);
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn walk(size: (u16, u16)) {
    let home = TempDir::new().unwrap();
    let mut pty = Pty::start(demo(home.path()), size.0, size.1);
    pty.wait_for("the relay you trust");
    pty.wait_for("have an account?");
    journey::fill_in(&pty, "newcomer");
    pty.wait_for("/dm echo");
    pty.keys("/dm echo\r");
    pty.wait_for("The beginning of your chat with echo");
    pty.keys("is anybody there?\r");
    // Twice: what was said, and what came back.
    pty.wait_until("the bot's answer", |screen| screen.matches("is anybody there?").count() >= 2);
    assert_eq!(names(&home.path().join("tmp")).len(), 1, "all of it lies in one folder");
    pty.keys(CTRL_Q);
    assert_eq!(pty.ended(), 0);
    assert!(!pty.cells().alternate_screen(), "the terminal has its own screen back");
    assert_eq!(names(home.path()), ["tmp"], "nothing was written beside it");
    assert!(names(&home.path().join("tmp")).is_empty(), "and that folder is gone");
}

#[test]
fn whoever_starts_the_demo_registers_and_gets_an_encrypted_answer_from_the_bot() {
    walk((100, 30));
}

#[test]
fn the_demo_fits_the_smallest_screen() {
    walk((40, 12));
}
