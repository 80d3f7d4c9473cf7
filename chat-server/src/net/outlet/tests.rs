use super::*;
use chat_wire::frame::{Deframer, Frame};
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::ServerMessage;
use tokio::io::{AsyncReadExt as _, DuplexStream};

fn frame(bytes: usize) -> Parcel {
    Parcel::Frame(Frame::with_body(0, ServerMessage::Done {}, Bytes::from(vec![0; bytes])))
}

fn encoded(bytes: usize) -> Parcel {
    let frame = Frame::with_body(0, ServerMessage::Done {}, Bytes::from(vec![0; bytes]));
    Parcel::Encoded(frame.encode(FRAME_BYTES_MAX).unwrap())
}

/// A line, and what its peer reads; the pipe takes so many bytes at a time.
fn line(bytes: usize) -> (Outlet, Arc<Line>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(bytes);
    let (outlet, line) = pair(Box::new(tokio::io::split(ours).1));
    (outlet, line, theirs)
}

fn bring(outlet: &Outlet, parcels: Vec<Parcel>) {
    let line = Arc::clone(&outlet.0);
    parcels.iter().for_each(|parcel| drop(outlet.take(parcel).unwrap()));
    line.bring(&mut parcels.into_iter(), &mut Load::default());
}

async fn waits(line: &Line) -> bool {
    tokio::time::timeout(Duration::from_millis(20), line.room()).await.is_err()
}

/// Sizes of the bodies that come, until the end.
async fn read(mut peer: DuplexStream) -> Vec<usize> {
    let (mut deframer, mut sizes) = (Deframer::new(FRAME_BYTES_MAX), Vec::new());
    while peer.read_buf(deframer.buffer_mut()).await.unwrap() > 0 {
        while let Some(bytes) = deframer.next_frame().unwrap() {
            sizes.push(ServerFrame::decode(bytes).unwrap().body.len());
        }
    }
    sizes
}

#[test]
fn a_connection_that_takes_nothing_is_cut_before_it_fills_the_memory() {
    let (outlet, _line, _peer) = line(1);
    let parcel = frame(1024 * 1024);
    let sent = (0..1_000).take_while(|_| outlet.take(&parcel).is_ok()).count();
    assert!((10..=16).contains(&sent), "{sent} MiB");
}

#[tokio::test]
async fn what_the_system_takes_is_written_without_the_connections_task() {
    let (outlet, line, peer) = line(1024 * 1024);
    bring(&outlet, vec![frame(10), encoded(20), frame(5_000)]);
    bring(&outlet, vec![encoded(600)]);
    drop(line.take_sink());
    assert_eq!(read(peer).await, [10, 20, 5_000, 600]);
}

#[tokio::test]
async fn what_it_does_not_take_follows_in_order_and_the_end_comes_last() {
    let (outlet, line, peer) = line(100);
    let sizes: Vec<usize> = (0..40).map(|n| n * 97).collect();
    let reading = tokio::spawn(read(peer));
    let writing = tokio::spawn({
        let line = Arc::clone(&line);
        async move { (line.write(Duration::from_secs(5)).await, line.take_sink()) }
    });
    for some in sizes.chunks(3) {
        let parcel = |(at, size): (usize, &usize)| if at % 2 == 0 { frame(*size) } else { encoded(*size) };
        bring(&outlet, some.iter().enumerate().map(parcel).collect());
        tokio::task::yield_now().await;
    }
    bring(&outlet, vec![Parcel::Close, frame(7)]);
    let (written, sink) = writing.await.unwrap();
    assert_eq!(written, Written::Closing);
    drop(sink);
    assert_eq!(reading.await.unwrap(), sizes, "and nothing that was said after the end");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_or_is_let_go_ends_the_writing() {
    let (outlet, line, _peer) = line(10);
    bring(&outlet, vec![frame(1_000)]);
    assert_eq!(line.write(Duration::from_millis(30)).await, Written::Dead);
    outlet.cut();
    assert_eq!(line.write(Duration::from_secs(5)).await, Written::Dropped);
}

#[tokio::test]
async fn reading_stops_while_much_is_queued_and_goes_on_when_it_is_written() {
    let (outlet, line, _peer) = line(8 * 1024 * 1024);
    let parcel = frame(2 * 1024 * 1024);
    let same = outlet.take(&parcel).unwrap();
    assert!(waits(&line).await);
    let bring = async { same.bring(&mut std::iter::once(parcel), &mut Load::default()) };
    let (_, ()) = tokio::join!(line.room(), bring);
}

#[tokio::test]
async fn only_so_many_requests_of_one_connection_wait_for_the_worker() {
    let (outlet, line, _peer) = line(10);
    assert_eq!(line.room().await, UNDER_WAY_MAX);
    line.under_way(UNDER_WAY_MAX);
    assert!(waits(&line).await);
    outlet.taken(2);
    assert_eq!(line.room().await, 2);
    line.under_way(2);
    assert!(waits(&line).await);
}
