//! Pictures of others, decoded in a process of their own (SPEC 13.4.5; security.md 1f, case 71): this side starts it,
//! feeds it, waits a bounded time and takes a bounded answer. What a picture does to its decoder ends there.
//!
//! The program is the embedder's, usually itself once more: with the words that follow its own arguments it
//! does what `chat_picture::serve` does.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a picture that is decoded; the process reads no more either.
pub const PICTURE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Time for one picture.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Time between two looks at a process that has said everything.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Media types that are decoded.
const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Whether a file with this media type may be a picture that is decoded; whether it is one, only the
/// process finds out.
#[must_use]
pub fn is_picture(media_type: Option<&str>) -> bool {
    media_type.is_some_and(|media_type| MEDIA_TYPES.contains(&media_type))
}

/// Starts processes that decode. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Decoder {
    program: Arc<(PathBuf, Vec<OsString>)>,
}

/// Where a picture lies.
#[derive(Debug)]
pub enum Source {
    /// In a file, from its beginning.
    File(File),
    /// In memory.
    Bytes(Vec<u8>),
}

/// Columns and rows of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Red, green, blue and opacity of each, row by row.
    pub rgba: Vec<u8>,
}

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file is larger than a picture may be.
    #[error("a picture of {bytes} bytes is not decoded, {limit} are the most")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        limit: u64,
    },
    /// It is no picture, or a damaged one, or one beyond the limits.
    #[error("the picture was refused")]
    Refused,
    /// It took too long.
    #[error("the picture took too long")]
    TimedOut,
    /// The process could not be started, or the file not be read.
    #[error("no process for pictures ({kind:?})")]
    Io {
        /// What the system says.
        kind: io::ErrorKind,
    },
}

impl From<io::Error> for PictureError {
    fn from(error: io::Error) -> Self {
        Self::Io { kind: error.kind() }
    }
}

impl Decoder {
    /// Decodes with this program; the words of a question follow the arguments.
    #[must_use]
    pub fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self { program: Arc::new((program, args)) }
    }

    /// The pixels of a picture, shrunk to fit. Waits for the process, a few seconds at most.
    ///
    /// # Errors
    /// [`PictureError`].
    pub fn pixels(&self, source: Source, fit: Size) -> Result<Pixels, PictureError> {
        let most = usize::from(fit.width).saturating_mul(fit.height.into()).saturating_mul(4).saturating_add(4);
        let words = ["pixels".to_owned(), fit.width.to_string(), fit.height.to_string()];
        let mut answer = self.ask(&words, source, most)?;
        let [a, b, c, d] = *answer.first_chunk().ok_or(PictureError::Refused)?;
        let rgba = answer.split_off(4);
        let (width, height) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        // The process may have been led astray: its answer is checked like any other.
        let fits = width > 0 && height > 0 && width <= fit.width && height <= fit.height;
        let whole = usize::from(width).saturating_mul(height.into()).saturating_mul(4) == rgba.len();
        if fits && whole { Ok(Pixels { width, height, rgba }) } else { Err(PictureError::Refused) }
    }

    /// A small JPEG of a picture, of at most so many bytes. Waits for the process, a few seconds at most.
    ///
    /// # Errors
    /// [`PictureError`].
    pub fn thumbnail(&self, source: Source, bytes_max: usize) -> Result<Vec<u8>, PictureError> {
        let jpeg = self.ask(&["thumbnail".to_owned(), bytes_max.to_string()], source, bytes_max)?;
        if jpeg.is_empty() { Err(PictureError::Refused) } else { Ok(jpeg) }
    }

    /// One question: at most `most` bytes of answer.
    fn ask(&self, words: &[String], source: Source, most: usize) -> Result<Vec<u8>, PictureError> {
        let deadline = Instant::now().checked_add(TIME_MAX).ok_or(PictureError::TimedOut)?;
        let (stdin, bytes) = match source {
            Source::File(mut file) => {
                bounded(file.metadata()?.len())?;
                file.rewind()?;
                (Stdio::from(file), None)
            }
            Source::Bytes(bytes) => {
                bounded(bytes.len() as u64)?;
                (Stdio::piped(), Some(bytes))
            }
        };
        let (program, args) = &*self.program;
        let mut command = Command::new(program);
        // It needs no variable, and may learn none; it opens nothing, wherever it stands.
        command.args(args).args(words).env_clear().current_dir("/");
        let mut process = Process(command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
        process.feed(bytes)?;
        let answer = process.hear(deadline, most)?;
        if answer.len() > most { Err(PictureError::Refused) } else { Ok(answer) }
    }
}

fn bounded(bytes: u64) -> Result<(), PictureError> {
    let limit = PICTURE_BYTES_MAX;
    if bytes > limit { Err(PictureError::TooLarge { bytes, limit }) } else { Ok(()) }
}

/// A process at work; it never outlives its question.
struct Process(Child);

impl Process {
    fn feed(&mut self, bytes: Option<Vec<u8>>) -> io::Result<()> {
        let (Some(bytes), Some(mut stdin)) = (bytes, self.0.stdin.take()) else { return Ok(()) };
        thread::Builder::new().name("chat-picture-in".to_owned()).spawn(move || {
            // A process that refuses early does not read it all; its answer says so.
            let _ = stdin.write_all(&bytes);
        })?;
        Ok(())
    }

    /// Everything that it says, when it ends well and in time.
    fn hear(&mut self, deadline: Instant, most: usize) -> Result<Vec<u8>, PictureError> {
        let stdout = self.0.stdout.take().ok_or(PictureError::Refused)?;
        let (heard, hearing) = sync_channel(1);
        thread::Builder::new().name("chat-picture-out".to_owned()).spawn(move || {
            let mut answer = Vec::new();
            let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
            let read = stdout.take(most).read_to_end(&mut answer).map(|_| answer);
            // When nobody waits any more, nobody misses it.
            let _ = heard.send(read);
        })?;
        let answer = match hearing.recv_timeout(left(deadline)) {
            Ok(read) => read?,
            Err(RecvTimeoutError::Timeout) => return Err(PictureError::TimedOut),
            Err(RecvTimeoutError::Disconnected) => return Err(PictureError::Refused),
        };
        loop {
            match self.0.try_wait()? {
                Some(status) if status.success() => return Ok(answer),
                Some(_) => return Err(PictureError::Refused),
                None if left(deadline).is_zero() => return Err(PictureError::TimedOut),
                None => thread::sleep(LOOK_PAUSE),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, or is ended now; either way nothing of it stays.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell script in place of the process; what it is asked follows as its arguments.
    fn script(text: &str) -> Decoder {
        Decoder::new("/bin/sh".into(), vec!["-c".into(), text.into(), "sh".into()])
    }

    const FIT: Size = Size { width: 2, height: 2 };

    fn pixels(decoder: &Decoder) -> Result<Pixels, PictureError> {
        decoder.pixels(Source::Bytes(vec![7; 100_000]), FIT)
    }

    #[test]
    fn an_answer_that_does_not_fit_the_question_is_refused() {
        let good = script("printf '\\0\\1\\0\\1abcd'");
        assert_eq!(pixels(&good), Ok(Pixels { width: 1, height: 1, rgba: b"abcd".to_vec() }));
        for bad in [
            "exit 0",
            "printf '\\0\\1\\0'",
            "printf '\\0\\1\\0\\1abc'",
            "printf '\\0\\1\\0\\1abcde'",
            "printf '\\0\\3\\0\\1aaaabbbbcccc'",
            "printf '\\0\\0\\0\\0'",
            "printf '\\0\\1\\0\\1abcd'; exit 1",
            "printf '\\0\\1\\0\\1abcd'; kill -SEGV $$",
            "yes",
        ] {
            assert_eq!(pixels(&script(bad)), Err(PictureError::Refused), "{bad}");
        }
        let thumbnail = |text: &str| script(text).thumbnail(Source::Bytes(Vec::new()), 4);
        assert_eq!(thumbnail("printf 1234"), Ok(b"1234".to_vec()));
        assert_eq!(thumbnail("printf 12345"), Err(PictureError::Refused));
        assert_eq!(thumbnail("exit 0"), Err(PictureError::Refused));
    }

    #[test]
    fn a_process_that_hangs_is_ended_in_time_and_one_that_is_not_there_is_told() {
        let before = Instant::now();
        assert_eq!(pixels(&script("exec sleep 60")), Err(PictureError::TimedOut));
        assert!(before.elapsed() < TIME_MAX + Duration::from_secs(3));
        let absent = Decoder::new("/nowhere/chat".into(), Vec::new());
        assert_eq!(pixels(&absent), Err(PictureError::Io { kind: io::ErrorKind::NotFound }));
    }

    #[test]
    fn nothing_larger_than_a_picture_is_handed_over_and_no_variable_of_ours() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(PICTURE_BYTES_MAX + 1).unwrap();
        let refused = script("exit 0").pixels(Source::File(file), FIT);
        assert_eq!(refused, Err(PictureError::TooLarge { bytes: PICTURE_BYTES_MAX + 1, limit: PICTURE_BYTES_MAX }));
        let silent = script("test -z \"$HOME$CARGO_MANIFEST_DIR\" && test \"$PWD\" = / && printf 1");
        assert_eq!(silent.thumbnail(Source::Bytes(Vec::new()), 4), Ok(b"1".to_vec()));
    }
}
