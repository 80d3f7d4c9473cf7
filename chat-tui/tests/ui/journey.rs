//! From the first start to the end, with the pictures of every station at three sizes.

use std::time::{Duration, Instant};

use crate::pty::Pty;
use crate::svg;
use crate::world::{PASSWORD, Person, World};

/// Sizes whose pictures are kept.
const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (120, 36)];

const ENTER: &str = "\r";
const ESC: &str = "\x1b";
const CTRL_Q: &str = "\x11";

/// Until a screen rests as the README shows it, also on a busy machine.
const RESTS_WITHIN: Duration = Duration::from_secs(60);
/// When the last toast has gone.
const TOASTS_ARE_GONE: Duration = Duration::from_secs(7);

/// Compares a picture, without what differs from run to run.
fn station(name: &str, size: (u16, u16), picture: &str) {
    if !SIZES.contains(&size) {
        return;
    }
    let name = format!("{name}_{}x{}", size.0, size.1);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, still(picture));
    });
}

/// Times, ports, fingerprints, codes and the machine's name become the same in every run.
fn still(picture: &str) -> String {
    let mut out = String::new();
    for line in picture.lines() {
        if let Some(at) = line.find("Device  ") {
            out.push_str(&line[..at]);
            out.push_str("Device\n");
            continue;
        }
        out.push_str(&words(line));
        out.push('\n');
    }
    out
}

fn words(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let end =
            (at..chars.len()).find(|i| !chars[*i].is_ascii_alphanumeric() && chars[*i] != ':').unwrap_or(chars.len());
        let word: String = chars[at..end].iter().collect();
        out.push_str(&still_word(&word));
        if let Some(c) = chars.get(end) {
            out.push(*c);
        }
        at = end + 1;
    }
    out
}

fn still_word(word: &str) -> String {
    let digits = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_digit());
    let code = |s: &str| s.len() == 5 && s.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    match word.split_once(':') {
        Some((h, m)) if h.len() == 2 && m.len() == 2 && digits(h) && digits(m) => return "00:00".into(),
        Some((last, port)) if digits(last) && digits(port) => return format!("{last}:00000"),
        _ => {}
    }
    if word.len() == 4 && word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
        return "0000".into();
    }
    if code(word) { "XXXXX".into() } else { word.to_owned() }
}

/// Registers in the interface and comes to the main screen.
pub fn register(pty: &Pty, world: &World, size: (u16, u16), name: &str) {
    pty.wait_for("trust it");
    station("certificate", size, &pty.settle());
    let pin: String = world.pin().iter().map(|b| format!("{b:02x}")).collect();
    assert!(pty.screen().contains(&pin[..4]) && pty.screen().contains(&pin[60..]), "the fingerprint is the relay's");
    pty.keys("y");
    pty.wait_for("the relay you trust");
    pty.keys("\x1bOQ");
    pty.wait_for("have an account?");
    pty.keys(name);
    pty.keys(ENTER);
    pty.keys("short");
    pty.wait_for("•••••");
    pty.wait_until("the estimate", |screen| screen.contains("✗ strong") || screen.contains("✗ hard to guess"));
    pty.settle();
    station("register", size, &pty.screen());
    pty.keys("\x15");
    pty.keys(PASSWORD);
    pty.keys(ENTER);
    pty.wait_for("when it is written down");
    station("code", size, &pty.settle());
    confirm_code(pty);
    pty.wait_for("Who do you want to talk to?");
}

/// Fills the registration page in and writes the recovery code down.
pub fn fill_in(pty: &Pty, name: &str) {
    pty.keys(name);
    pty.keys(ENTER);
    pty.keys(PASSWORD);
    pty.keys(ENTER);
    pty.wait_for("when it is written down");
    pty.settle();
    confirm_code(pty);
}

pub fn confirm_code(pty: &Pty) {
    let shown = pty.screen();
    pty.keys(ENTER);
    let asked = pty.wait_for("type group");
    assert!(!shown.contains("type group"));
    let number = asked.split("type group ").nth(1).and_then(|rest| rest.chars().next()).unwrap();
    let words: Vec<&str> = shown.split_whitespace().collect();
    let group = words.windows(2).find(|w| w[0] == number.to_string() && w[1].len() == 5).unwrap()[1];
    pty.keys("WRONG");
    pty.keys(ENTER);
    pty.wait_for("Not that one");
    pty.keys(group);
    pty.keys(ENTER);
}

/// One world for the three sizes: its people are the same.
fn bob_and_carol(world: &World) -> (Person, Person) {
    (world.person("bob"), world.person("carol"))
}

fn journey(size: (u16, u16)) {
    let world = World::new();
    let (mut bob, mut carol) = bob_and_carol(&world);
    let mut pty = Pty::start(world.program("alice"), size.0, size.1);
    register(&pty, &world, size, "alice");
    pty.wait_until("the toast goes", |s| !s.contains("safe with you"));
    station("welcome", size, &pty.settle());

    // Somebody is found by name; the first message works at once and is a request on the other side.
    pty.keys("/dm bob\r");
    pty.wait_for("The beginning of your chat with bob");
    pty.keys("hello bob, can you hear me?\r");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "hello bob, can you hear me?");
    pty.wait_for("●");
    world.says(&bob, "alice", "loud and clear 👍");
    pty.wait_for("loud and clear");
    pty.keys("\x1b[200~two\nlines\x1b[201~");
    pty.wait_for("lines");
    pty.keys(ENTER);
    world.gets(&mut bob, "two\nlines");
    pty.wait_until("both are read", |s| {
        s.lines().filter(|l| l.trim_end().ends_with('●') && !l.contains("bob ")).count() == 2
    });
    station("chat", size, &pty.settle());

    // A stranger waits outside until it is let in.
    world.says(&carol, "alice", "may I come in?");
    pty.wait_for("carol wants to talk");
    pty.keys("\x1b[18~");
    pty.wait_for("carol wants to talk to you");
    pty.wait_until("the toast goes", |s| !s.contains("F7 shows it"));
    station("request", size, &pty.settle());
    pty.keys("a");
    pty.wait_for("may I come in?");
    pty.keys("come in!\r");
    world.gets(&mut carol, "come in!");
    pty.wait_until("all is read", |s| {
        !s.contains("1 new") && s.lines().any(|l| l.contains("come in!") && l.ends_with('●'))
    });

    // What was said is found again.
    pty.keys("\x06clear");
    pty.wait_until("the hit", |s| s.contains("▌ loud and clear"));
    station("search", size, &pty.settle());
    pty.keys(ENTER);
    pty.wait_for("reply");
    pty.keys(ESC);
    // Alone, or what follows would be a key with Alt held.
    pty.wait_for("Enter send");

    pty.keys("half a thought");
    pty.wait_for("half a thought");
    pty.keys(CTRL_Q);
    assert_eq!(pty.ended(), 0);
    assert!(!pty.cells().alternate_screen(), "the terminal has its own screen back");

    back_again(&world, &bob, size);
}

/// The second start needs no password and shows everything as it was left.
fn back_again(world: &World, bob: &Person, size: (u16, u16)) {
    let mut pty = Pty::start(world.program("alice"), size.0, size.1);
    pty.wait_for("carol");
    world.says(bob, "alice", "still there?");
    pty.keys("/dm bob\r");
    pty.wait_for("still there?");
    pty.wait_for("half a thought");
    pty.keys("\x03/quit\r");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn a_person_registers_talks_and_quits_on_a_small_screen() {
    journey((40, 12));
}

#[test]
fn a_person_registers_talks_and_quits_on_the_usual_screen() {
    journey((80, 24));
}

#[test]
fn a_person_registers_talks_and_quits_on_a_big_screen() {
    journey((120, 36));
}

/// A drawn screen with every time of day made the same.
fn at_no_time(svg: &str) -> String {
    let clock = |line: &str| {
        let (head, tail) = line.split_once("xml:space=\"preserve\">")?;
        let time: Vec<char> = tail.strip_suffix("</text>")?.chars().collect();
        let is_time = matches!(time[..], [a, b, ':', c, d] if [a, b, c, d].iter().all(char::is_ascii_digit));
        is_time.then(|| format!("{head}00:00"))
    };
    svg.lines().map(|line| clock(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

/// The picture of the README is a picture of the real screen; `UPDATE_SCREEN=1` makes it anew.
#[test]
fn the_readme_shows_the_real_screen() {
    let world = World::new();
    let (mut bob, carol) = bob_and_carol(&world);
    let mut dave = world.person("dave");
    let mut pty = Pty::start(world.program("alice"), 96, 20);
    register(&pty, &world, (96, 20), "alice");
    pty.keys("/dm dave\rsee you on friday\r");
    world.is_asked(&mut dave);
    world.accepts(&dave, "alice");
    world.says(&dave, "alice", "friday it is");
    pty.wait_for("friday it is");
    pty.keys("/dm bob\rmorning! can you read this?\r");
    world.is_asked(&mut bob);
    world.accepts(&bob, "alice");
    world.gets(&mut bob, "morning! can you read this?");
    for (from_bob, text) in [
        (true, "loud and clear. and nobody else can 🔒"),
        (true, "did the relay survive the night?"),
        (false, "41 days up, not one message lost: https://example.org/status"),
        (true, "你好 from the train, by the way. the line drops every two minutes and I notice nothing"),
        (false, "that is the point :)"),
    ] {
        if from_bob {
            world.says(&bob, "alice", text);
            pty.wait_for(text.split(' ').next().unwrap());
        } else {
            pty.keys(text);
            pty.keys(ENTER);
            world.gets(&mut bob, text);
        }
    }
    pty.keys("talk at 11?");
    world.says(&carol, "alice", "hello, this is carol");
    pty.wait_for("carol asks");
    world.says(&dave, "alice", "bring the maps");
    pty.wait_for("bring the");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/screen.svg");
    let update = std::env::var_os("UPDATE_SCREEN").is_some();
    // Toasts go and marks come: the picture is of a screen at rest.
    let until = Instant::now() + if update { TOASTS_ARE_GONE } else { RESTS_WITHIN };
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let drawn = loop {
        pty.settle();
        let drawn = svg::draw(&pty.cells());
        if Instant::now() >= until || !update && at_no_time(&drawn) == at_no_time(&kept) {
            break drawn;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    if update {
        std::fs::write(path, drawn).unwrap();
    } else {
        assert_eq!(at_no_time(&drawn), at_no_time(&kept), "UPDATE_SCREEN=1 makes the picture anew");
    }
    pty.keys(CTRL_Q);
    assert_eq!(pty.ended(), 0);
}

/// A storm of sizes and of pastes that a terminal would obey: the program stands, and shows no byte of
/// them but what is safe.
#[test]
fn a_storm_of_sizes_and_escape_bombs_leaves_a_working_screen() {
    let world = World::new();
    let bob = world.person("bob");
    let mut pty = Pty::start(world.program("alice"), 80, 24);
    register(&pty, &world, (80, 24), "alice");
    pty.keys("/dm bob\rhi\r");
    pty.wait_for("you  hi");
    for step in 0..60_u16 {
        pty.resize(1 + (step * 37) % 200, 1 + (step * 13) % 60);
        pty.keys("\x1b[200~\x1b]0;owned\x07\x1b[2J\u{202e}\u{9b}31m\x1b[201~");
        std::thread::sleep(Duration::from_millis(5));
    }
    pty.resize(80, 24);
    pty.keys("\x03");
    world.says(&bob, "alice", "\u{1b}]52;c;c3RvbGVu\u{7}\u{1b}[?1049l\u{202e}bomb");
    pty.wait_for("bomb");
    pty.wait_until("the screen is whole", |s| s.contains("Write a message") && s.contains("online"));
    let bytes = pty.bytes();
    let wrote = |what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
    assert!(!wrote(b"\x1b]0;owned") && !wrote(b"\x1b]52;c;c3R") && !wrote("\u{202e}".as_bytes()));
    assert!(pty.cells().alternate_screen(), "nobody but the program leaves its screen");
    pty.keys("\x11");
    assert_eq!(pty.ended(), 0);
}
