//! The control: `length u32 | kind u8 | number u32 | rest`. It passes a message on and says yes; for
//! somebody who is away it appends it to a file that it syncs first. One loop does everything.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub const I_AM: u8 = 0;
pub const SEND: u8 = 1;
pub const ACCEPTED: u8 = 2;
pub const DELIVER: u8 = 3;
pub const DRAINED: u8 = 4;
pub const ACK: u8 = 5;
pub const JOIN: u8 = 6;
pub const POST: u8 = 7;

enum Said {
    Here(u32, mpsc::UnboundedSender<Bytes>),
    Send { from: u32, to: u32, body: Bytes },
    Join(u32),
    Post { from: u32, body: Bytes },
    Gone(u32),
}

pub fn frame(kind: u8, number: u32, rest: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(rest.len()).unwrap() + 5);
    out.put_u8(kind);
    out.put_u32(number);
    out.put_slice(rest);
}

/// Cuts the next frame off: kind, number, rest.
pub fn next(buffer: &mut BytesMut) -> Option<(u8, u32, Bytes)> {
    let len = u32::from_be_bytes(*buffer.first_chunk()?) as usize;
    if buffer.len() < len + 4 {
        return None;
    }
    buffer.advance(4);
    let mut frame = buffer.split_to(len).freeze();
    Some((frame.get_u8(), frame.get_u32(), frame))
}

pub async fn serve(dir: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    crate::server::ready(listener.local_addr().unwrap(), &format!("sha256:{}", "00".repeat(32)));
    let (said, heard) = mpsc::channel(4_096);
    let log = File::create(Path::new(dir).join("log")).unwrap();
    std::thread::spawn(move || pass(heard, log));
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        tokio::spawn(attend(socket, said.clone()));
    }
}

async fn attend(socket: tokio::net::TcpStream, said: mpsc::Sender<Said>) {
    let (mut reader, mut writer) = socket.into_split();
    let (sender, mut queue) = mpsc::unbounded_channel::<Bytes>();
    let write = tokio::spawn(async move {
        let mut out = BytesMut::new();
        while let Some(first) = queue.recv().await {
            out.extend_from_slice(&first);
            while let Ok(more) = queue.try_recv() {
                out.extend_from_slice(&more);
            }
            if writer.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
        }
    });
    let (mut buffer, mut me) = (BytesMut::new(), 0);
    'connection: loop {
        buffer.reserve(16 * 1024);
        if !matches!(reader.read_buf(&mut buffer).await, Ok(n) if n > 0) {
            break;
        }
        while let Some((kind, number, body)) = next(&mut buffer) {
            let event = match kind {
                I_AM => {
                    me = number;
                    Said::Here(me, sender.clone())
                }
                SEND => Said::Send { from: me, to: number, body },
                JOIN => Said::Join(me),
                POST => Said::Post { from: me, body },
                _ => continue,
            };
            if said.send(event).await.is_err() {
                break 'connection;
            }
        }
    }
    let _ = said.send(Said::Gone(me)).await;
    drop(sender);
    write.abort();
}

/// Takes what has queued up, syncs once if something was stored, lets the answers go.
fn pass(mut heard: mpsc::Receiver<Said>, mut log: File) {
    let mut here: HashMap<u32, mpsc::UnboundedSender<Bytes>> = HashMap::new();
    let mut waiting: HashMap<u32, Vec<Bytes>> = HashMap::new();
    let mut members: Vec<u32> = Vec::new();
    while let Some(first) = heard.blocking_recv() {
        let mut next = Some(first);
        let mut stored = BytesMut::new();
        let mut out: HashMap<u32, BytesMut> = HashMap::new();
        let mut count = 0;
        while let Some(said) = next.take() {
            match said {
                Said::Here(who, sender) => {
                    let mut backlog = BytesMut::new();
                    for body in waiting.remove(&who).unwrap_or_default() {
                        frame(DELIVER, 0, &body, &mut backlog);
                    }
                    frame(DRAINED, 0, &[], &mut backlog);
                    let _ = sender.send(backlog.freeze());
                    here.insert(who, sender);
                }
                Said::Gone(who) => drop(here.remove(&who)),
                Said::Join(who) => members.push(who),
                Said::Post { from, body } => {
                    for to in &members {
                        frame(DELIVER, from, &body, out.entry(*to).or_default());
                    }
                    frame(ACCEPTED, 0, &[], out.entry(from).or_default());
                }
                Said::Send { from, to, body } => {
                    if here.contains_key(&to) {
                        frame(DELIVER, from, &body, out.entry(to).or_default());
                    } else {
                        frame(SEND, to, &body, &mut stored);
                        waiting.entry(to).or_default().push(body);
                    }
                    frame(ACCEPTED, 0, &[], out.entry(from).or_default());
                }
            }
            count += 1;
            if count < 4_096 {
                next = heard.try_recv().ok();
            }
        }
        if !stored.is_empty() {
            log.write_all(&stored).unwrap();
            log.sync_data().unwrap();
        }
        for (to, bytes) in out {
            if let Some(sender) = here.get(&to) {
                let _ = sender.send(bytes.freeze());
            }
        }
    }
}
