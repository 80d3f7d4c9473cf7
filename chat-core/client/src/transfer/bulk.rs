//! A bulk connection (SPEC 13.3): the client's end, for one transfer at a time.

use bytes::Bytes;
use chat_core::engine::{Failure, FailureKind};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::Frame;
use chat_wire::message::{BlobAnswer, BlobAsk, ClientMessage, ServerMessage, ticket_proof};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::time::{Duration, timeout};

use crate::driver::Door;
use crate::transport::{Dialer, FrameReader, FrameWriter, Stream};

/// Time to dial and to be let in.
const OPEN_TIME_MAX: Duration = Duration::from_secs(20);

/// Time for one answer, or for one part to leave: a part of 1 MiB on a line of 10 kB/s.
const PART_TIME_MAX: Duration = Duration::from_secs(120);

/// A connection for blobs.
pub(super) struct Bulk {
    reader: FrameReader<ReadHalf<Box<dyn Stream>>>,
    writer: FrameWriter<WriteHalf<Box<dyn Stream>>>,
    asked: u32,
    answered: u32,
}

/// Why a bulk connection did not do it.
#[derive(Debug)]
pub(super) enum BulkError {
    /// It is gone, or was never there: another one may do it.
    Lost,
    /// The relay does not do it.
    Refused(Refusal),
}

impl BulkError {
    /// Whether waiting and trying again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Lost => true,
            Self::Refused(refusal) => matches!(
                refusal.kind,
                // Not let in yet; a part before was not written.
                RefusalKind::OutOfPlace | RefusalKind::Conflict | RefusalKind::RateLimited
            ),
        }
    }

    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Lost => Failure::of(FailureKind::Offline),
            Self::Refused(refusal) => match refusal.kind {
                RefusalKind::UnknownBlob => Failure::of(FailureKind::NotFound),
                RefusalKind::QuotaFull => Failure::of(FailureKind::TooLarge),
                _ => Failure::from(refusal),
            },
        }
    }
}

impl Bulk {
    /// Opens a connection beside the one that the client has; waits until it has one.
    pub(super) async fn open(door: &mut Door, dialer: &Dialer) -> Result<Self, BulkError> {
        let ready = door.connected().await.ok_or(BulkError::Lost)?;
        timeout(OPEN_TIME_MAX, async {
            let asked = ready.ask(ClientMessage::Blob(BlobAsk::Ticket {})).await;
            let (pass, secret) = match asked.map_err(|_| BulkError::Lost)? {
                ServerMessage::Blob(BlobAnswer::Ticket { pass, secret }) => (pass, secret),
                ServerMessage::Refused(refusal) => return Err(BulkError::Refused(refusal)),
                _ => return Err(BulkError::Lost),
            };
            let shown = door.shown();
            let established = dialer.dial_again(shown.as_ref()).await.map_err(|_| BulkError::Lost)?;
            let proof = ticket_proof(&secret, &established.exporter);
            let (read, write) = split(established.stream);
            let (reader, writer) = (FrameReader::new(read), FrameWriter::new(write));
            let mut bulk = Self { reader, writer, asked: 0, answered: 0 };
            match bulk.ask(BlobAsk::Enter { pass, proof }).await? {
                BlobAnswer::Entered {} => Ok(bulk),
                _ => Err(BulkError::Lost),
            }
        })
        .await
        .unwrap_or(Err(BulkError::Lost))
    }

    /// Asks without bulk, with nothing under way.
    pub(super) async fn ask(&mut self, ask: BlobAsk) -> Result<BlobAnswer, BulkError> {
        self.send(ask, Bytes::new()).await?;
        self.answer().await.map(|(answer, _)| answer)
    }

    /// Sends a question; its answer comes in turn.
    pub(super) async fn send(&mut self, ask: BlobAsk, body: Bytes) -> Result<(), BulkError> {
        self.asked = self.asked.checked_add(1).ok_or(BulkError::Lost)?;
        let frame = Frame::with_body(self.asked, ClientMessage::Blob(ask), body);
        let sending = async {
            self.writer.put(&frame).await?;
            self.writer.flush().await
        };
        timeout(PART_TIME_MAX, sending).await.map_err(|_| BulkError::Lost)?.map_err(|_| BulkError::Lost)
    }

    /// Questions without an answer yet.
    pub(super) fn under_way(&self) -> u32 {
        self.asked.saturating_sub(self.answered)
    }

    /// The next answer, in the order of the questions, with its body.
    pub(super) async fn answer(&mut self) -> Result<(BlobAnswer, Bytes), BulkError> {
        let next = timeout(PART_TIME_MAX, self.reader.next()).await.map_err(|_| BulkError::Lost)?;
        let frame = next.map_err(|_| BulkError::Lost)?.ok_or(BulkError::Lost)?;
        self.answered = self.answered.saturating_add(1);
        if frame.request != self.answered {
            return Err(BulkError::Lost);
        }
        match frame.message {
            ServerMessage::Blob(answer) => Ok((answer, frame.body)),
            ServerMessage::Refused(refusal) => Err(BulkError::Refused(refusal)),
            _ => Err(BulkError::Lost),
        }
    }
}
