//! Requests in: a thread that cuts stdin into lines. A thread, because reading stdin cannot be
//! called off: the program ends while it still waits.

use std::io::{self, ErrorKind, Read};
use std::thread;

use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// A line of input without its line feed; wiped when dropped, as it may hold a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its bytes.
    Read(Zeroizing<Vec<u8>>),
    /// Longer than [`LINE_BYTES_MAX`]; passed over.
    TooLong,
}

/// Reads stdin until it ends or nobody listens.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn lines() -> io::Result<mpsc::Receiver<Line>> {
    let (line, lines) = mpsc::channel(LINES_WAITING_MAX);
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut reader = LineReader::new(io::stdin());
        while let Some(read) = reader.next() {
            if line.blocking_send(read).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}

/// Cuts a stream into lines.
struct LineReader<R> {
    stream: R,
    chunk: Zeroizing<Vec<u8>>,
    /// The part of `chunk` that is not yet cut.
    unread: std::ops::Range<usize>,
}

impl<R: Read> LineReader<R> {
    fn new(stream: R) -> Self {
        Self { stream, chunk: Zeroizing::new(vec![0; CHUNK_BYTES]), unread: 0..0 }
    }

    /// The next line; the last one may lack its line feed.
    fn next(&mut self) -> Option<Line> {
        let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_USUAL));
        let mut too_long = false;
        loop {
            if self.unread.is_empty() && !self.fill() {
                let ended = line.is_empty() && !too_long;
                return (!ended).then(|| finish(line, too_long));
            }
            let unread = self.chunk.get(self.unread.clone()).unwrap_or_default();
            let line_feed = unread.iter().position(|byte| *byte == b'\n');
            let part = unread.get(..line_feed.unwrap_or(unread.len())).unwrap_or_default();
            too_long |= line.len() + part.len() > LINE_BYTES_MAX;
            if too_long {
                line = Zeroizing::new(Vec::new());
            } else {
                line.extend_from_slice(part);
            }
            self.unread.start += part.len() + usize::from(line_feed.is_some());
            if line_feed.is_some() {
                return Some(finish(line, too_long));
            }
        }
    }

    /// Reads more; false at the end of the stream. A stream that fails has ended.
    fn fill(&mut self) -> bool {
        loop {
            match self.stream.read(&mut self.chunk) {
                Ok(bytes) => {
                    self.unread = 0..bytes;
                    return bytes > 0;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(kind = ?error.kind(), "stdin failed");
                    return false;
                }
            }
        }
    }
}

fn finish(line: Zeroizing<Vec<u8>>, too_long: bool) -> Line {
    if too_long { Line::TooLong } else { Line::Read(line) }
}

/// Bytes of a line: the contract's 32 MiB and room for what stands around such a text.
const LINE_BYTES_MAX: usize = 33 * 1024 * 1024;

/// Bytes read at once. More than the buffer inside `std::io::Stdin`, so that reads go past it and no
/// password stays behind there.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes that lines with a password stay under, so that a growing buffer leaves no copy of it.
const LINE_BYTES_USUAL: usize = 4 * 1024;

/// Lines read ahead: two of the longest bound the memory.
const LINES_WAITING_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of one size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = self.1.min(self.0.len()).min(into.len());
            into[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0 = &self.0[bytes..];
            Ok(bytes)
        }
    }

    fn cut(stream: &[u8], piece: usize) -> Vec<Line> {
        let mut reader = LineReader::new(Pieces(stream, piece));
        std::iter::from_fn(|| reader.next()).collect()
    }

    fn read(text: &str) -> Line {
        Line::Read(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn lines_are_cut_at_line_feeds_however_the_bytes_arrive() {
        for piece in [1, 2, 3, 1 << 20] {
            assert_eq!(cut(b"a\n\nbc\r\nd", piece), [read("a"), read(""), read("bc\r"), read("d")]);
            assert_eq!(cut(b"a\n", piece), [read("a")]);
            assert_eq!(cut(b"", piece), []);
        }
    }

    #[test]
    fn a_line_of_32_mib_is_read_and_a_longer_one_is_passed_over_without_harm_to_the_next() {
        let long = "x".repeat(32 * 1024 * 1024);
        assert_eq!(cut(format!("{long}\nb\n").as_bytes(), 1 << 20), [read(&long), read("b")]);
        let longer = "x".repeat(LINE_BYTES_MAX + 1);
        assert_eq!(cut(format!("a\n{longer}\nb\n").as_bytes(), 1 << 20), [read("a"), Line::TooLong, read("b")]);
        assert_eq!(cut(longer.as_bytes(), 1 << 20), [Line::TooLong]);
    }
}
