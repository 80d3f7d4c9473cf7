//! Lines out: one thread owns stdout. What waits is written together and flushed once; each writer
//! is told when its line has left.

use std::io::{self, BufWriter, Write};
use std::thread;

use tokio::sync::{mpsc, oneshot};

/// The way to stdout. Lines leave in the order in which they were given.
#[derive(Debug)]
pub(crate) struct Output {
    lines: mpsc::UnboundedSender<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    left: oneshot::Sender<()>,
}

/// Told when a line has left this process, or never will.
pub(crate) type Left = oneshot::Receiver<()>;

impl Output {
    /// Starts the thread that owns the stream.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn to(stream: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = mpsc::unbounded_channel();
        thread::Builder::new().name("stdout".to_owned()).spawn(move || write_lines(stream, waiting))?;
        Ok(Self { lines })
    }

    /// Queues a line. Unbounded here: callers wait for [`Left`], and their number is limited.
    pub(crate) fn line(&self, bytes: Vec<u8>) -> Left {
        let (left, told) = oneshot::channel();
        // On failure the receiver learns that the line never leaves.
        let _ = self.lines.send(Outgoing { bytes, left });
        told
    }

    /// Ends when the stream no longer takes anything.
    pub(crate) async fn broken(&self) {
        self.lines.closed().await;
    }
}

fn write_lines(stream: impl Write, mut waiting: mpsc::UnboundedReceiver<Outgoing>) {
    let mut stream = BufWriter::with_capacity(BUFFER_BYTES, stream);
    let mut written = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        let mut next = Some(first);
        while let Some(Outgoing { bytes, left }) = next {
            if let Err(error) = stream.write_all(&bytes) {
                return stop(&error);
            }
            written.push(left);
            next = waiting.try_recv().ok();
        }
        if let Err(error) = stream.flush() {
            return stop(&error);
        }
        for left in written.drain(..) {
            // Whoever asked may have gone meanwhile.
            let _ = left.send(());
        }
    }
}

/// A reader that went away is an ordinary end, not a failure: the session sees the closed channel.
fn stop(error: &io::Error) {
    tracing::info!(kind = ?error.kind(), "stdout takes nothing more");
}

/// Bytes written at once: some dozens of usual lines.
const BUFFER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc as std_mpsc;

    struct Chan(std_mpsc::Sender<Vec<u8>>);

    impl Write for Chan {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_leave_in_order_and_are_reported_afterwards() {
        let (sender, seen) = std_mpsc::channel();
        let output = Output::to(Chan(sender)).unwrap();
        let told: Vec<_> = (0..100).map(|n| output.line(format!("{n}\n").into_bytes())).collect();
        for left in told {
            left.blocking_recv().unwrap();
        }
        let bytes: Vec<u8> = seen.try_iter().flatten().collect();
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_noticed_and_its_line_never_reported_as_left() {
        let (sender, seen) = std_mpsc::channel();
        drop(seen);
        let output = Output::to(Chan(sender)).unwrap();
        assert!(output.line(b"x\n".to_vec()).await.is_err());
        output.broken().await;
    }
}
