//! Files: sending, saving, completing a path, opening.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use chat_client::picture::{Size, Source};
use chat_client::{FileToFetch, FileToSend};

use super::Hands;
use crate::app::intake::{self, files};
use crate::model::{FileAsk, FileNews, FormDone, Msg, MsgId, Name, PIXELS_WANTED, Pixels, Problem};
use crate::picture;
use crate::text::SafeText;

/// Names that a path may become which are read: a folder with more is completed by typing more.
const NAMES_MAX: usize = 4_096;

/// Names that are shown to choose from.
const CHOICES_MAX: usize = 24;

impl Hands {
    /// Carries out what is asked about files.
    pub(super) fn file(&self, asked: FileAsk) {
        match asked {
            FileAsk::List => self.transfers(),
            FileAsk::Send { to, path, caption } => self.send_file(to, &path, caption),
            FileAsk::Save { id, path, open } => self.save_file(id, path.as_deref(), open),
            FileAsk::SendText { to, text } => self.send_text(to, text),
            FileAsk::Open(path) => self.open_file(path),
            FileAsk::Pause(id) => {
                self.on_transfer("Not paused", id, self.client.pause_transfer(intake::message_id(id)))
            }
            FileAsk::Resume(id) => {
                self.on_transfer("Not resumed", id, self.client.resume_transfer(intake::message_id(id)));
            }
            FileAsk::Cancel(id) => {
                self.on_transfer("Not cancelled", id, self.client.cancel_transfer(intake::message_id(id)));
            }
            FileAsk::Picture { id, path, ground } => self.picture(id, path, ground),
            FileAsk::Probe(text) => {
                let path = expanded(text.as_str(), home().as_deref());
                let work = tokio::task::spawn_blocking(move || path.is_file());
                self.then(work, |found| Msg::File(FileNews::Probed { text, is_file: found.unwrap_or(false) }));
            }
            FileAsk::Complete { typed, number } => {
                let work = tokio::task::spawn_blocking(move || complete(&typed, home().as_deref()));
                self.then(work, move |found| {
                    let Completed { common, choices } = found.unwrap_or_default();
                    Msg::File(FileNews::Paths { number, common, choices })
                });
            }
        }
    }

    fn transfers(&self) {
        self.then(self.client.transfers(), |list| {
            Msg::File(FileNews::List(list.unwrap_or_default().into_iter().map(files::transfer).collect()))
        });
    }

    fn on_transfer<T: Send + 'static>(
        &self,
        what: &'static str,
        id: MsgId,
        work: impl Future<Output = Result<T, chat_client::Failure>> + Send + 'static,
    ) {
        let hands = self.clone();
        self.then(work, move |result| match result {
            Ok(_) => {
                hands.transfers();
                Msg::Done { what: SafeText::line(what), result: Ok(()) }
            }
            Err(failure) => {
                let (what, problem) = (SafeText::line(what), intake::problem(&failure));
                Msg::File(FileNews::Failed { id: Some(id), what, problem })
            }
        });
    }

    /// The pixels of a picture, decoded in a process apart; none when there is nothing that can be shown.
    fn picture(&self, id: MsgId, path: Option<String>, ground: u8) {
        let small = self.client.thumbnail(intake::message_id(id));
        let work = async move {
            let decoder = picture::decoder()?;
            let source = match path {
                Some(path) => tokio::task::spawn_blocking(|| File::open(path)).await.ok()?.ok().map(Source::File),
                None => small.await.ok()?.map(Source::Bytes),
            }?;
            let (width, height) = PIXELS_WANTED;
            let decoded = tokio::task::spawn_blocking(move || decoder.pixels(source, Size { width, height }));
            let decoded = decoded.await.ok()?.ok()?;
            Pixels::on_ground((decoded.width, decoded.height), &decoded.rgba, ground).map(Arc::new)
        };
        self.then(work, move |pixels| Msg::File(FileNews::Picture { id, pixels }));
    }

    /// Sends a text as a file. It lies in a folder of its own, closed to everybody else, while it is on its way.
    fn send_text(&self, to: Name, text: String) {
        let (client, hands) = (self.client.clone(), self.clone());
        let whom = to.to_string();
        let work = async move {
            let lies = tokio::task::spawn_blocking(move || Paste::write(&text)).await;
            let Ok(Ok(paste)) = lies else { return Err(Problem::Io) };
            let path = paste.folder.join(PASTE_NAME);
            let file = FileToSend { to: whom, path, caption: None, idempotency_key: None };
            client.send_file(file).await.map(drop).map_err(|f| file_problem(intake::problem(&f)))
        };
        self.then(work, move |result| match result {
            Ok(()) => {
                hands.transfers();
                Msg::File(FileNews::Sent(to))
            }
            Err(problem) => {
                let what = SafeText::line(&format!("Not sent to {to}"));
                Msg::File(FileNews::Failed { id: None, what, problem })
            }
        });
    }

    fn send_file(&self, to: Name, typed: &str, caption: Option<String>) {
        let path = expanded(typed, home().as_deref());
        let sent = self.client.send_file(FileToSend { to: to.to_string(), path, caption, idempotency_key: None });
        let hands = self.clone();
        // The file is on its way: what follows is told in the conversation and on the page of transfers.
        hands.tell(Msg::Form(Box::new(Ok(FormDone::default()))));
        self.then(sent, move |result| match result {
            Ok(_) => {
                hands.transfers();
                Msg::File(FileNews::Sent(to))
            }
            Err(failure) => {
                let (what, problem) = (SafeText::line(&format!("Not sent to {to}")), intake::problem(&failure));
                Msg::File(FileNews::Failed { id: None, what, problem: file_problem(problem) })
            }
        });
    }

    fn save_file(&self, id: MsgId, typed: Option<&str>, open: bool) {
        let path = typed.map(|typed| expanded(typed, home().as_deref()));
        let saved = self.client.download(FileToFetch { id: intake::message_id(id), path });
        let hands = self.clone();
        self.then(saved, move |result| match result {
            Ok(saved) if open => {
                hands.open_file(saved.path.to_string_lossy().into_owned());
                Msg::File(FileNews::Saved { id, path: SafeText::line(&saved.path.to_string_lossy()) })
            }
            Ok(saved) => Msg::File(FileNews::Saved { id, path: SafeText::line(&saved.path.to_string_lossy()) }),
            Err(failure) => {
                let (what, problem) = (SafeText::line("Not saved"), file_problem(intake::problem(&failure)));
                Msg::File(FileNews::Failed { id: Some(id), what, problem })
            }
        });
    }

    /// The system's own program for this kind of file; it lives on its own.
    fn open_file(&self, path: String) {
        let work = tokio::task::spawn_blocking(move || {
            let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
            let mut command = std::process::Command::new(opener);
            let quiet = command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            quiet.status().is_ok_and(|status| status.success())
        });
        self.then(work, |opened| Msg::Done {
            what: SafeText::line("No program opens it"),
            result: if opened.unwrap_or(false) { Ok(()) } else { Err(Problem::NotFound) },
        });
    }
}

/// What a pasted text is called as a file.
const PASTE_NAME: &str = "paste.txt";

/// A text on its way as a file; gone from the disk when it is dropped.
struct Paste {
    folder: PathBuf,
}

impl Paste {
    fn write(text: &str) -> std::io::Result<Self> {
        use std::io::Write as _;
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let folder = base.join(format!("chat-paste-{}-{}", std::process::id(), since.as_nanos()));
        // Made anew or not at all: what lies there already is somebody else's.
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let paste = Self { folder };
        let path = paste.folder.join(PASTE_NAME);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        Ok(paste)
    }
}

impl Drop for Paste {
    fn drop(&mut self) {
        // What can't be removed lies where only its owner reads.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a file misses is not a person.
fn file_problem(problem: Problem) -> Problem {
    match problem {
        Problem::TooLarge => Problem::FileTooLarge,
        Problem::Io => Problem::FileUnreadable,
        other => other,
    }
}

pub(super) fn home() -> Option<PathBuf> {
    etcetera::home_dir().ok()
}

/// A path as people write or drag it: with `~`, in quotes, with escaped blanks, or as a `file:` address.
pub(super) fn expanded(typed: &str, home: Option<&Path>) -> PathBuf {
    let bare = typed.trim();
    let quoted = |q: char| bare.strip_prefix(q).and_then(|rest| rest.strip_suffix(q));
    let text = match (quoted('\'').or_else(|| quoted('"')), bare.strip_prefix("file://")) {
        (Some(inside), _) => inside.to_owned(),
        (None, Some(address)) => percent_decoded(address),
        (None, None) => unescaped(bare),
    };
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

fn percent_decoded(address: &str) -> String {
    // The host of a file's address, empty or this machine's, is not part of the path.
    let path = address.find('/').and_then(|at| address.get(at..)).unwrap_or(address);
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match digits.filter(|_| *first == b'%').and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a path may become.
#[derive(Default)]
struct Completed {
    /// The path as far as all agree, as it was written.
    common: String,
    /// Names to choose from.
    choices: Vec<SafeText>,
}

fn complete(typed: &str, home: Option<&Path>) -> Completed {
    let (folder, begun) = typed.rsplit_once('/').map_or(("", typed), |(folder, begun)| (folder, begun));
    let place = match (typed.contains('/'), folder) {
        (false, _) => PathBuf::from("."),
        (true, "") => PathBuf::from("/"),
        (true, folder) => expanded(&format!("{folder}/"), home),
    };
    let mut names: Vec<String> = std::fs::read_dir(place)
        .into_iter()
        .flatten()
        .take(NAMES_MAX)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let mut name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !begun.starts_with('.');
            if hidden || !name.starts_with(begun) || SafeText::line(&name).as_str() != name {
                return None;
            }
            if entry.path().is_dir() {
                name.push('/');
            }
            Some(name)
        })
        .collect();
    names.sort_unstable();
    let Some(first) = names.first() else { return Completed { common: typed.to_owned(), choices: Vec::new() } };
    let agree = |n: usize| names.iter().all(|name| name.get(..n) == first.get(..n));
    let end = (0..=first.len()).rev().find(|n| first.is_char_boundary(*n) && agree(*n)).unwrap_or(0);
    let common = first.get(..end).unwrap_or_default();
    let common = if typed.contains('/') { format!("{folder}/{common}") } else { common.to_owned() };
    let choices = names.iter().take(CHOICES_MAX).map(|name| SafeText::line(name)).collect();
    Completed { common, choices }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_understood_as_people_write_and_drag_it() {
        let home = Some(Path::new("/home/a"));
        for (typed, meant) in [
            ("~/x y.pdf", "/home/a/x y.pdf"),
            ("'/tmp/a b.pdf'", "/tmp/a b.pdf"),
            ("/tmp/a\\ b.pdf ", "/tmp/a b.pdf"),
            ("file:///tmp/a%20b.pdf", "/tmp/a b.pdf"),
            ("file://localhost/tmp/%C3%A4", "/tmp/ä"),
            ("plain", "plain"),
        ] {
            assert_eq!(expanded(typed, home), PathBuf::from(meant), "{typed}");
        }
    }

    #[test]
    fn a_path_is_completed_as_far_as_all_agree_and_a_folder_gets_its_slash() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["report.pdf", "report.txt", ".hidden"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("old")).unwrap();
        let base = folder.path().to_str().unwrap();
        let found = complete(&format!("{base}/re"), None);
        assert_eq!((found.common, found.choices.len()), (format!("{base}/report."), 2));
        assert_eq!(complete(&format!("{base}/o"), None).common, format!("{base}/old/"));
        assert_eq!(complete(&format!("{base}/.h"), None).common, format!("{base}/.hidden"));
        assert_eq!(complete(&format!("{base}/zz"), None).common, format!("{base}/zz"));
    }
}
