//! One connection at work: frames from the relay to the driver, frames from the driver to the relay,
//! and questions of a login that go around the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_core::engine::Route;
use chat_wire::frame::{ClientFrame, ServerFrame};
use chat_wire::message::ServerMessage;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{LinkEvent, Request, Wires};
use crate::transport::{Established, FrameReader, FrameWriter, Stream};

/// Numbers of requests that go around the engine begin here; the engine's stay below.
const REQUESTS_FROM: u32 = 0x8000_0000;

/// Frames waiting to be written: a relay that does not read for so long is gone.
const FRAMES_WAITING_MAX: usize = 1_024;

/// Questions waiting: a login asks one at a time.
const REQUESTS_WAITING_MAX: usize = 8;

/// Time to write what waits once the driver let go: a relay that does not read is not waited for.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// A connection that is ready to carry.
pub(super) struct Carrier {
    route: Route,
    reader: FrameReader<ReadHalf<Box<dyn Stream>>>,
    writer: FrameWriter<WriteHalf<Box<dyn Stream>>>,
    events: mpsc::Sender<LinkEvent>,
    frames: mpsc::Receiver<ClientFrame>,
    /// Weak: the driver alone keeps the connection open.
    asking: mpsc::WeakSender<ClientFrame>,
    requests: mpsc::Receiver<Request>,
    held: oneshot::Receiver<()>,
}

/// Splits a connection into the driver's ends and the one that works.
pub(super) fn wire(established: Established, route: Route, events: mpsc::Sender<LinkEvent>) -> (Wires, Carrier) {
    let (frames_in, frames) = mpsc::channel(FRAMES_WAITING_MAX);
    let (requests_in, requests) = mpsc::channel(REQUESTS_WAITING_MAX);
    let (hold, held) = oneshot::channel();
    let (read, write) = split(established.stream);
    let carrier = Carrier {
        route,
        reader: FrameReader::new(read),
        writer: FrameWriter::new(write),
        events,
        frames,
        asking: frames_in.downgrade(),
        requests,
        held,
    };
    (Wires { exporter: established.exporter, frames: frames_in, requests: requests_in, _hold: hold }, carrier)
}

impl Carrier {
    /// Carries until either side ends; counts the frames of the relay.
    pub(super) async fn run(self, carried: &mut u64) {
        let Self { route, reader, writer, events, frames, asking, requests, held } = self;
        let questions = Questions { asking, waiting: BTreeMap::new(), next: REQUESTS_FROM };
        tokio::select! {
            () = read(reader, (route, carried), &events, (requests, questions)) => {}
            () = write(writer, frames) => {}
            () = let_go(held) => {}
        }
    }
}

/// Ends a moment after the driver dropped its ends.
async fn let_go(held: oneshot::Receiver<()>) {
    // Nothing is ever sent: only the end counts.
    let _ = held.await;
    sleep(CLOSE_TIME_MAX).await;
}

/// Questions that wait for their answer.
struct Questions {
    asking: mpsc::WeakSender<ClientFrame>,
    waiting: BTreeMap<u32, oneshot::Sender<ServerMessage>>,
    next: u32,
}

impl Questions {
    fn ask(&mut self, request: Request) {
        let number = self.next;
        self.next = number.checked_add(1).unwrap_or(REQUESTS_FROM);
        // Questions whose asker gave up need no answer any more.
        self.waiting.retain(|_, answer| !answer.is_closed());
        // When the frame can't go out its answer is dropped, and the asker sees it.
        if let Some(frames) = self.asking.upgrade()
            && frames.try_send(ClientFrame::new(number, request.message)).is_ok()
        {
            self.waiting.insert(number, request.answer);
        }
    }

    /// Takes answers to questions; gives every other frame back.
    fn answer(&mut self, frame: ServerFrame) -> Option<ServerFrame> {
        if frame.request < REQUESTS_FROM {
            return Some(frame);
        }
        if let Some(answer) = self.waiting.remove(&frame.request) {
            // Nobody waits any more: then nobody misses it.
            let _ = answer.send(frame.message);
        }
        None
    }
}

async fn read(
    mut reader: FrameReader<impl AsyncRead + Unpin>,
    (route, carried): (Route, &mut u64),
    events: &mpsc::Sender<LinkEvent>,
    (mut requests, mut questions): (mpsc::Receiver<Request>, Questions),
) {
    loop {
        tokio::select! {
            frame = reader.next() => match frame {
                Ok(Some(frame)) => {
                    *carried = carried.saturating_add(1);
                    if let Some(frame) = questions.answer(frame)
                        && events.send(LinkEvent::Frame(route, frame)).await.is_err()
                    {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(route = route.0, %error, "the connection broke");
                    return;
                }
            },
            Some(request) = requests.recv() => questions.ask(request),
        }
    }
}

async fn write(mut writer: FrameWriter<impl AsyncWrite + Unpin>, mut frames: mpsc::Receiver<ClientFrame>) {
    let carried: std::io::Result<()> = async {
        while let Some(frame) = frames.recv().await {
            writer.put(&frame).await?;
            while let Ok(frame) = frames.try_recv() {
                writer.put(&frame).await?;
            }
            writer.flush().await?;
        }
        writer.close().await
    }
    .await;
    if let Err(error) = carried {
        tracing::debug!(kind = ?error.kind(), "the connection broke");
    }
}
