use chat_wire::frame::{Deframer, Frame};
use chat_wire::limits::FRAME_BYTES_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::advance;

use super::*;
use crate::config::Trust;
use crate::transport::{Loopback, LoopbackEnd};

const RULE: TrustRule = TrustRule { pin: None, rooted: false, first_use: Trust::FirstUse };

fn target(relay: Option<&str>, wanted: bool) -> Target {
    Target { relay: relay.map(|relay| relay.parse().unwrap()), rule: RULE, wanted }
}

/// A link to a relay that the test plays.
fn start(wanted: bool) -> (Link, Knocker, LoopbackEnd) {
    let (loopback, relay) = Loopback::new();
    let knocker = Knocker::new();
    let link = Link::start(Dialer::Loopback(loopback), target(Some("relay:1"), wanted), &knocker);
    (link, knocker, relay)
}

async fn next(link: &mut Link) -> LinkEvent {
    timeout(Duration::from_secs(600), link.events.recv()).await.expect("no event").expect("the link ended")
}

async fn up(link: &mut Link) -> (Route, Wires) {
    assert!(matches!(next(link).await, LinkEvent::Connecting));
    match next(link).await {
        LinkEvent::Up(route, wires) => (route, wires),
        _ => panic!("not up"),
    }
}

async fn offline(link: &mut Link) -> (OfflineReason, Option<Duration>) {
    match next(link).await {
        LinkEvent::Offline { reason, retry_in } => (reason, retry_in),
        _ => panic!("not offline"),
    }
}

async fn read_frame(stream: &mut DuplexStream) -> ClientFrame {
    let mut deframer = Deframer::new(FRAME_BYTES_MAX);
    loop {
        if let Some(frame) = deframer.next_frame().unwrap() {
            return ClientFrame::decode(frame).unwrap();
        }
        assert_ne!(stream.read_buf(deframer.buffer_mut()).await.unwrap(), 0);
    }
}

async fn write_frame(stream: &mut DuplexStream, frame: ServerFrame) {
    stream.write_all(&frame.encode(FRAME_BYTES_MAX).unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn frames_go_both_ways_and_the_exporter_is_that_of_the_connection() {
    let (mut link, _knocker, mut relay) = start(true);
    let (route, wires) = up(&mut link).await;
    let (mut stream, exporter) = relay.accept().await.unwrap();
    assert_eq!(wires.exporter, exporter);
    wires.frames.send(Frame::new(7, ClientMessage::Heartbeat {})).await.unwrap();
    assert_eq!(read_frame(&mut stream).await.request, 7);
    write_frame(&mut stream, Frame::new(7, ServerMessage::Heartbeat {})).await;
    assert!(matches!(next(&mut link).await, LinkEvent::Frame(r, frame) if r == route && frame.request == 7));
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_around_the_engine_and_so_does_its_answer() {
    let (mut link, _knocker, mut relay) = start(true);
    let (_, wires) = up(&mut link).await;
    let (mut stream, _) = relay.accept().await.unwrap();
    let (answer, answered) = oneshot::channel();
    assert!(wires.requests.send(Request { message: ClientMessage::GetVault {}, answer }).await.is_ok());
    let asked = read_frame(&mut stream).await;
    assert!(asked.request >= 0x8000_0000);
    // An answer that nobody asked for is dropped, never handed to the engine.
    write_frame(&mut stream, Frame::new(asked.request + 1, ServerMessage::Done {})).await;
    write_frame(&mut stream, Frame::new(asked.request, ServerMessage::Heartbeat {})).await;
    assert_eq!(answered.await.unwrap(), ServerMessage::Heartbeat {});
    write_frame(&mut stream, Frame::new(1, ServerMessage::Done {})).await;
    assert!(matches!(next(&mut link).await, LinkEvent::Frame(_, frame) if frame.request == 1));
}

#[tokio::test(start_paused = true)]
async fn letting_go_writes_what_waits_and_closes() {
    let (mut link, _knocker, mut relay) = start(true);
    let (route, wires) = up(&mut link).await;
    let (mut stream, _) = relay.accept().await.unwrap();
    wires.frames.send(Frame::new(9, ClientMessage::Logout {})).await.unwrap();
    drop(wires);
    assert_eq!(read_frame(&mut stream).await.request, 9);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(matches!(next(&mut link).await, LinkEvent::Down(r) if r == route));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_read_is_let_go_all_the_same() {
    let (mut link, _knocker, mut relay) = start(true);
    let (route, wires) = up(&mut link).await;
    let _stream = relay.accept().await.unwrap();
    let body = bytes::Bytes::from(vec![0; 1 << 20]);
    wires.frames.send(Frame::with_body(1, ClientMessage::Heartbeat {}, body)).await.unwrap();
    drop(wires);
    assert!(matches!(next(&mut link).await, LinkEvent::Down(r) if r == route));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_not_there_is_tried_ever_more_rarely() {
    let (mut link, _knocker, relay) = start(true);
    drop(relay);
    let begun = Instant::now();
    for _ in 0..8 {
        assert!(matches!(next(&mut link).await, LinkEvent::Connecting));
        let (reason, retry_in) = offline(&mut link).await;
        assert_eq!(reason, OfflineReason::Unreachable);
        assert!(retry_in.unwrap() <= Duration::from_secs(30));
    }
    assert!(begun.elapsed() > Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_knock_ends_the_wait_but_knocking_on_and_on_is_no_storm() {
    let (mut link, knocker, relay) = start(true);
    drop(relay);
    for _ in 0..6 {
        assert!(matches!(next(&mut link).await, LinkEvent::Connecting));
        offline(&mut link).await;
    }
    let begun = Instant::now();
    for _ in 0..4 {
        for _ in 0..100 {
            knocker.knock();
        }
        assert!(matches!(next(&mut link).await, LinkEvent::Connecting));
        offline(&mut link).await;
    }
    let passed = begun.elapsed();
    assert!(passed >= Duration::from_millis(1_000) && passed < Duration::from_secs(3), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_at_once_again_and_again_is_no_storm_and_a_good_one_starts_afresh() {
    let (mut link, _knocker, mut relay) = start(true);
    let mut delays = Vec::new();
    for _ in 0..6 {
        let (_, _wires) = up(&mut link).await;
        drop(relay.accept().await.unwrap());
        assert!(matches!(next(&mut link).await, LinkEvent::Down(_)));
        delays.push(offline(&mut link).await.1.unwrap());
    }
    assert!(delays[5] > Duration::from_secs(3), "{delays:?}");
    let (_, _wires) = up(&mut link).await;
    let stream = relay.accept().await.unwrap();
    advance(GOOD_CONNECTION).await;
    drop(stream);
    assert!(matches!(next(&mut link).await, LinkEvent::Down(_)));
    let (reason, delay) = offline(&mut link).await;
    assert!(reason == OfflineReason::Lost && delay.unwrap() <= Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn nobody_who_is_not_logged_in_comes_back_before_somebody_asks() {
    let (mut link, knocker, mut relay) = start(false);
    let (_, _wires) = up(&mut link).await;
    let stream = relay.accept().await.unwrap();
    advance(Duration::from_secs(21)).await;
    drop(stream);
    assert!(matches!(next(&mut link).await, LinkEvent::Down(_)));
    assert_eq!(offline(&mut link).await, (OfflineReason::Idle, None));
    assert!(timeout(Duration::from_secs(3_600), link.events.recv()).await.is_err());
    knocker.knock();
    up(&mut link).await;
}

#[tokio::test(start_paused = true)]
async fn another_relay_is_connected_to_at_once_and_the_old_one_left() {
    let (mut link, _knocker, mut relay) = start(true);
    let (_, _wires) = up(&mut link).await;
    let (mut stream, _) = relay.accept().await.unwrap();
    link.target.send_replace(target(Some("other:1"), true));
    assert!(matches!(next(&mut link).await, LinkEvent::Down(_)));
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    up(&mut link).await;
}

#[tokio::test(start_paused = true)]
async fn without_an_address_nothing_is_tried_until_there_is_one() {
    let (loopback, _relay) = Loopback::new();
    let knocker = Knocker::new();
    let mut link = Link::start(Dialer::Loopback(loopback), target(None, true), &knocker);
    assert_eq!(offline(&mut link).await, (OfflineReason::NoRelay, None));
    knocker.knock();
    assert!(timeout(Duration::from_secs(60), link.events.recv()).await.is_err());
    link.target.send_replace(target(Some("relay:1"), true));
    up(&mut link).await;
}
