//! The life of the process: bounded first, then one picture in and one answer out.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::decode::{self, DecodeError};

/// Bytes of a picture that are read: a photograph of the largest size that is decoded.
const PICTURE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Bytes of address space: the picture, its pixels, what a decoder needs beside them, and the program.
const MEMORY_BYTES_MAX: u64 = 640 * 1024 * 1024;

/// Seconds of processor time; who asked waits no longer either.
const CPU_SECONDS_MAX: u64 = 5;

/// Why there is no answer. The process says nothing of it: who asked learns that it was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The words are none of this page's.
    #[error("the words are not understood")]
    Words,
    /// The limits could not be set: then nothing is read.
    #[error("the limits can't be set")]
    Limits,
    /// There are more bytes than a picture may have.
    #[error("more than {limit} bytes came")]
    TooLarge {
        /// How many may.
        limit: u64,
    },
    /// It is no picture, a damaged one, or one with too many pixels.
    #[error("it can't be decoded")]
    Picture,
    /// The pipes fail.
    #[error("the pipes fail")]
    Io(#[from] io::Error),
}

impl From<DecodeError> for Refused {
    fn from(_: DecodeError) -> Self {
        Self::Picture
    }
}

/// Serves one picture and ends: the whole of the process.
#[must_use]
pub fn serve(words: &[OsString]) -> ExitCode {
    let served = give_up().and_then(|()| answer(words, io::stdin().lock(), io::stdout().lock()));
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One question and its answer, without the limits of a process.
///
/// # Errors
/// [`Refused`]; nothing was written then, unless the pipe broke.
pub fn answer(words: &[OsString], picture: impl Read, mut out: impl Write) -> Result<(), Refused> {
    let ask = Ask::parse(words).ok_or(Refused::Words)?;
    let mut bytes = Vec::new();
    picture.take(PICTURE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PICTURE_BYTES_MAX {
        return Err(Refused::TooLarge { limit: PICTURE_BYTES_MAX });
    }
    let picture = decode::first_picture(bytes)?;
    match ask {
        Ask::Pixels { width, height } => {
            let (width, height, rgba) = decode::pixels(picture, (width, height))?;
            out.write_all(&width.to_be_bytes())?;
            out.write_all(&height.to_be_bytes())?;
            out.write_all(&rgba)?;
        }
        Ask::Thumbnail { bytes_max } => out.write_all(&decode::thumbnail(picture, bytes_max)?)?,
    }
    Ok(out.flush()?)
}

/// What is asked.
enum Ask {
    Pixels { width: u16, height: u16 },
    Thumbnail { bytes_max: usize },
}

impl Ask {
    fn parse(words: &[OsString]) -> Option<Self> {
        let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
        match words?.as_slice() {
            ["pixels", width, height] => {
                let (width, height) = (width.parse().ok()?, height.parse().ok()?);
                (width > 0 && height > 0).then_some(Self::Pixels { width, height })
            }
            ["thumbnail", bytes_max] => Some(Self::Thumbnail { bytes_max: bytes_max.parse().ok()? }),
            _ => None,
        }
    }
}

/// From here on: no file is opened or written, no process begun, no core left behind.
fn give_up() -> Result<(), Refused> {
    let at_most = |resource, limit| {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).map_err(|_| Refused::Limits)
    };
    at_most(Resource::As, MEMORY_BYTES_MAX)?;
    at_most(Resource::Cpu, CPU_SECONDS_MAX)?;
    at_most(Resource::Fsize, 0)?;
    at_most(Resource::Core, 0)?;
    at_most(Resource::Nproc, 0)?;
    // Stdin and stdout are open already.
    at_most(Resource::Nofile, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn refused(text: &str, picture: &[u8]) -> Refused {
        let mut out = Vec::new();
        let refused = answer(&words(text), picture, &mut out).unwrap_err();
        assert!(out.is_empty(), "a refusal says nothing");
        refused
    }

    #[test]
    fn words_that_are_not_understood_are_refused_before_anything_is_read() {
        for text in ["", "pixels", "pixels 1", "pixels 0 1", "pixels 1 70000", "pixels 1 1 1", "thumbnail x", "exec sh"]
        {
            assert!(matches!(refused(text, b"x"), Refused::Words), "{text}");
        }
    }

    #[test]
    fn more_bytes_than_a_picture_may_have_and_what_is_no_picture_are_refused() {
        let large = io::repeat(0).take(PICTURE_BYTES_MAX + 1);
        let refused_large = answer(&words("pixels 8 8"), large, Vec::new()).unwrap_err();
        assert!(matches!(refused_large, Refused::TooLarge { .. }));
        for bytes in [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"<svg/>", &[0xff, 0xd8, 0xff]] {
            assert!(matches!(refused("pixels 8 8", bytes), Refused::Picture));
            assert!(matches!(refused("thumbnail 8192", bytes), Refused::Picture));
        }
    }
}
