//! The passphrase that locks a profile: from the environment, or asked for on the terminal before the
//! interface opens, where nobody sees it.

#[cfg(unix)]
use std::fs::File;
use std::io;
#[cfg(unix)]
use std::io::{Read, Write};
use std::path::Path;

use chat_client::zeroize::Zeroizing;
use chat_client::{Client, Kept, Passphrase};

/// Where it stands for programs.
const VARIABLE: &str = "CHAT_STORE_PASSPHRASE";

/// Bytes of a line that a terminal gives.
#[cfg(unix)]
const LINE_BYTES_MAX: usize = 4 * 1024;

/// What the environment gives.
#[must_use]
pub fn given() -> Option<Passphrase> {
    std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()).map(Passphrase::from)
}

/// The passphrase that opening this profile takes, or that will lock it; none when it takes none.
///
/// # Errors
/// When it has to be asked for and there is no terminal, or the two that were typed differ.
pub fn wanted(profile: &Path, kept: Option<Kept>) -> anyhow::Result<Option<Passphrase>> {
    if let Some(passphrase) = given() {
        return Ok(Some(passphrase));
    }
    let locked = Client::is_locked(profile)?;
    if locked {
        return Ok(Some(asked("Passphrase of this profile: ")?.into()));
    }
    if kept != Some(Kept::Sealed) {
        return Ok(None);
    }
    let first = asked("New passphrase for this profile: ")?;
    anyhow::ensure!(!first.is_empty(), "an empty passphrase locks nothing");
    let second = asked("Once more: ")?;
    anyhow::ensure!(*first == *second, "the two differ; nothing was changed");
    Ok(Some(first.into()))
}

/// Asks on the terminal itself: what stands on stdin is somebody else's.
#[cfg(unix)]
fn asked(question: &str) -> io::Result<Zeroizing<String>> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(question.as_bytes())?;
    let silent = Silence::on(&terminal)?;
    let line = read_line(&terminal);
    drop(silent);
    terminal.write_all(b"\n")?;
    line
}

/// A terminal gives its lines whole.
#[cfg(unix)]
fn read_line(mut terminal: impl Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; LINE_BYTES_MAX]);
    let read = loop {
        match terminal.read(&mut *bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    let line = bytes.get(..read).unwrap_or_default().strip_suffix(b"\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let text = std::str::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

/// Elsewhere the environment is the only way.
#[cfg(not(unix))]
fn asked(_: &str) -> io::Result<Zeroizing<String>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A terminal that does not show what is typed, until this is dropped.
#[cfg(unix)]
struct Silence<'a> {
    terminal: &'a File,
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl<'a> Silence<'a> {
    fn on(terminal: &'a File) -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // What was typed before the question is no answer to it.
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

#[cfg(unix)]
impl Drop for Silence<'_> {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // A terminal that is gone shows nothing anyhow.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_stands_before_its_end_and_an_end_without_a_line_is_none() {
        assert_eq!(read_line(&b"open sesame \n"[..]).unwrap().as_str(), "open sesame ");
        assert_eq!(read_line(&b"x\r\n"[..]).unwrap().as_str(), "x");
        assert!(read_line(&b""[..]).is_err() && read_line(&b"cut"[..]).is_err() && read_line(&b"\xff\n"[..]).is_err());
    }
}
