//! Without a screen: lines in, lines out, nothing that a screen reader would stumble over.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::world::{PASSWORD, World};

/// Patience with a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn wait_for(lines: &Receiver<String>, text: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{text:?} was not said"));
        assert!(!line.contains('\u{1b}'), "no line moves anything: {line:?}");
        if line.contains(text) {
            return line;
        }
    }
}

#[test]
fn a_person_registers_and_talks_by_lines_alone() {
    let world = World::new();
    let mut bob = world.person("bob");
    let mut child = Command::new(env!("CARGO_BIN_EXE_chat-tui"))
        .args(["--plain", "--relay", &world.address(), "--data"])
        .arg(world.folder.path().join("alice"))
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (tell, lines) = channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let mut type_line = |line: &str| writeln!(stdin, "{line}").unwrap();

    wait_for(&lines, "Nobody vouches");
    for line in ["yes", "no", "alice", PASSWORD, PASSWORD] {
        type_line(line);
    }
    wait_for(&lines, "recovery code");
    let code = lines.recv_timeout(PATIENCE).unwrap();
    assert_eq!(code.split([' ', '-']).filter(|group| group.len() == 5).count(), 8, "{code}");
    type_line("");
    wait_for(&lines, "Signed in as alice");
    type_line("/dm bob");
    wait_for(&lines, "Chat with bob");
    type_line("hello by lines");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "hello by lines");
    world.says(&bob, "alice", "\u{1b}[2Jloud and clear\u{202e}");
    let said = wait_for(&lines, "loud and clear");
    assert!(said.contains("bob:"), "{said}");
    type_line("/qiut");
    wait_for(&lines, "Did you mean /quit?");
    type_line("/quit");
    assert!(child.wait().unwrap().success());
}
