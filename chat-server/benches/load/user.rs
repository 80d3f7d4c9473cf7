//! A user as the generator needs one: as few allocations and system calls as it gets, the same for the
//! relay and the control.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use bytes::{BufMut as _, Bytes, BytesMut};
use chat_wire::frame::{ClientFrame, Deframer, ServerFrame};
use chat_wire::ids::{RequestKey, RoomId};
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::{ClientMessage, CommitHead, EntryKind, RoomAnswer, RoomAsk, RoomPush, ServerMessage};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::client::{Place, tls_config};
use crate::control;
use crate::kit::{self, Person};
use crate::server::Kind;

/// Where honest people come from.
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The room that everybody is in.
const ROOM: RoomId = RoomId([4; 16]);

/// Bytes of a message.
pub const TEXT_BYTES: usize = 512;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Accepted,
    /// A message, with when it was sent.
    Delivered(u64),
    /// A message of the room: when it was sent, and its number.
    Posted(u64, u64),
    Drained,
    Other,
}

pub struct User {
    kind: Kind,
    stream: Box<dyn Stream>,
    deframer: Deframer,
    out: BytesMut,
    next: u64,
    /// Place of the last delivery that was not acknowledged.
    unacknowledged: Option<u64>,
    /// The same in the room.
    unacknowledged_in_room: Option<u64>,
    in_room: bool,
}

/// Who somebody is to a server.
#[derive(Clone)]
pub enum Name {
    Number(u32),
    Person(Arc<Person>),
}

impl User {
    /// Connects without logging in.
    pub async fn connect(kind: Kind, place: Place) -> (Self, [u8; 32]) {
        Self::connect_from(HERE, kind, place).await.unwrap()
    }

    /// The same from an address of this machine's own network; fails when the relay turns it away.
    pub async fn connect_from(here: Ipv4Addr, kind: Kind, place: Place) -> io::Result<(Self, [u8; 32])> {
        let socket = TcpSocket::new_v4()?;
        if here != HERE {
            socket.bind((here, 0).into())?;
        }
        let socket = socket.connect(place.addr).await?;
        socket.set_nodelay(true).unwrap();
        let mut exporter = [0; 32];
        let stream: Box<dyn Stream> = if matches!(kind, Kind::Tls | Kind::Guarded) {
            let config = config_for(place.pin);
            let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(config).connect(name, socket).await?;
            let label = chat_wire::message::EXPORTER_LABEL;
            exporter = stream.get_ref().1.export_keying_material([0; 32], label, None).unwrap();
            Box::new(stream)
        } else {
            Box::new(socket)
        };
        let (deframer, out) = (Deframer::new(FRAME_BYTES_MAX), BytesMut::new());
        let user = Self {
            kind,
            stream,
            deframer,
            out,
            next: 1,
            unacknowledged: None,
            unacknowledged_in_room: None,
            in_room: false,
        };
        Ok((user, exporter))
    }

    /// Connects and logs in; `first` is the number of the first message that it will send.
    pub async fn login(kind: Kind, place: Place, name: &Name, first: u64) -> Self {
        let (mut user, exporter) = Self::connect(kind, place).await;
        user.next = first;
        match name {
            Name::Number(number) => control::frame(control::I_AM, *number, &[], &mut user.out),
            Name::Person(person) => {
                let ready = user.hello().await;
                let answer = user.ask(person.proof(1, &kit::binding(&ready, exporter))).await;
                assert!(matches!(answer, ServerMessage::LoggedIn { .. }), "{answer:?}");
            }
        }
        user.flush().await;
        user
    }

    pub async fn register(kind: Kind, place: Place, person: &Person) {
        let (mut user, _) = Self::connect(kind, place).await;
        user.hello().await;
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (_, request) = chat_login::client::RegistrationStart::new(kit::PASSWORD, &mut rng).unwrap();
        let request = serde_bytes::ByteBuf::from(request.to_vec());
        user.ask(ClientMessage::Register1 { name: person.name.clone(), request, invite: None }).await;
        let answer = user.ask(person.register2(kit::any_record())).await;
        assert!(matches!(answer, ServerMessage::LoggedIn { .. }), "{answer:?}");
        user.ask(person.prekeys(1, 1, 1)).await;
    }

    /// Connects and logs in as a device that was here before, or says what happened instead.
    pub async fn come_back(kind: Kind, place: Place, person: &Person) -> Result<Self, String> {
        let lost = |at: &'static str| move |error: io::Error| format!("{at}: {error}");
        let (mut user, exporter) = Self::connect_from(HERE, kind, place).await.map_err(lost("connecting"))?;
        let hello = ClientMessage::Hello { versions: vec![1], features: vec![] };
        let ready = user.exchange(hello).await.map_err(lost("greeting"))?;
        let proof = person.proof(1, &kit::binding(&ready, exporter));
        match user.exchange(proof).await.map_err(lost("logging in"))? {
            ServerMessage::LoggedIn { .. } => Ok(user),
            other => Err(format!("{other:?}")),
        }
    }

    /// Asks and hears the answer; fails when the connection ends.
    pub async fn exchange(&mut self, message: ClientMessage) -> io::Result<ServerMessage> {
        self.put(9, message, Bytes::new());
        self.try_flush().await?;
        loop {
            while let Some(bytes) = self.deframer.next_frame().unwrap() {
                let frame = ServerFrame::decode(bytes).unwrap();
                if frame.request == 9 {
                    return Ok(frame.message);
                }
            }
            self.try_fill().await?;
        }
    }

    pub async fn hello(&mut self) -> ServerMessage {
        self.ask(ClientMessage::Hello { versions: vec![1], features: vec![] }).await
    }

    pub async fn ask(&mut self, message: ClientMessage) -> ServerMessage {
        self.exchange(message).await.unwrap()
    }

    async fn answer(&mut self) -> ServerMessage {
        loop {
            if let Some(bytes) = self.deframer.next_frame().unwrap() {
                let frame = ServerFrame::decode(bytes).unwrap();
                if frame.request == 9 {
                    return frame.message;
                }
                continue;
            }
            self.fill().await;
        }
    }

    fn put(&mut self, request: u32, message: ClientMessage, body: Bytes) {
        let frame = ClientFrame::with_body(request, message, body).encode(FRAME_BYTES_MAX).unwrap();
        self.out.extend_from_slice(&frame);
    }

    /// Queues a message that says when it was due, nanoseconds since `start`.
    pub fn send(&mut self, to: &Name, start: Instant) {
        let mut text = [7; TEXT_BYTES];
        text[..8].copy_from_slice(&u64::try_from(start.elapsed().as_nanos()).unwrap().to_be_bytes());
        match to {
            Name::Number(to) => control::frame(control::SEND, *to, &text, &mut self.out),
            Name::Person(to) => {
                let (message, body) = kit::send(self.next, vec![to.state()], &[to.address(1)], &text);
                self.put(1_000, message, body);
            }
        }
        self.next += 1;
    }

    /// Makes the room, and puts everybody into it.
    pub async fn make_room(&mut self, members: &[Name]) {
        let room = ROOM;
        let name = chat_wire::ids::RoomName::parse("crowd").unwrap();
        let (key, owned, topic) = (RequestKey([1; 16]), true, None);
        self.ask_room(RoomAsk::Create { key, room, name, public: false, owned, topic: topic.clone() }, b"info").await;
        let added = members.iter().filter_map(|m| if let Name::Person(p) = m { Some(p.address(1)) } else { None });
        let commit = RoomAsk::Commit(CommitHead {
            key: RequestKey([2; 16]),
            room,
            base: 0,
            contest: false,
            added: added.collect(),
            removed: vec![],
            topic,
            owner: None,
            commit_len: 6,
            group_info_len: 4,
            welcomes: vec![],
        });
        self.ask_room(commit, b"commitinfo").await;
    }

    async fn ask_room(&mut self, ask: RoomAsk, body: &'static [u8]) {
        self.put(9, ClientMessage::Room(ask), Bytes::from_static(body));
        self.flush().await;
        let answer = self.answer().await;
        assert!(matches!(answer, ServerMessage::Room(_)), "{answer:?}");
    }

    /// Reads the room from now on.
    pub async fn join(&mut self) {
        self.in_room = true;
        match self.kind {
            Kind::Control => {
                control::frame(control::JOIN, 1, &[], &mut self.out);
                self.flush().await;
            }
            _ => self.ask_room(RoomAsk::Open { room: ROOM, after: 1 }, b"").await,
        }
    }

    /// Queues a message for the room: when it was due, its number, and as many bytes.
    pub fn post(&mut self, number: u64, bytes: usize, start: Instant) {
        let mut text = vec![7; bytes];
        text[..8].copy_from_slice(&u64::try_from(start.elapsed().as_nanos()).unwrap().to_be_bytes());
        text[8..16].copy_from_slice(&number.to_be_bytes());
        if self.kind == Kind::Control {
            return control::frame(control::POST, 1, &text, &mut self.out);
        }
        let mut key = RequestKey([3; 16]);
        key.0[..8].copy_from_slice(&number.to_be_bytes());
        self.put(1_000, ClientMessage::Room(RoomAsk::Post { key, room: ROOM, epoch: 1 }), Bytes::from(text));
    }

    /// A sign of life that wants no answer.
    pub async fn beat(&mut self) {
        self.put(0, ClientMessage::Heartbeat {}, Bytes::new());
        self.flush().await;
    }

    pub fn sent(&self) -> u64 {
        self.next
    }

    /// Writes what is queued, with the acknowledgement of all that came.
    pub async fn flush(&mut self) {
        if let Some(seq) = self.unacknowledged.take() {
            match self.kind {
                Kind::Control => control::frame(control::ACK, 0, &[], &mut self.out),
                _ => self.put(0, ClientMessage::Ack { seq }, Bytes::new()),
            }
        }
        if let Some(seq) = self.unacknowledged_in_room.take() {
            self.put(0, ClientMessage::Room(RoomAsk::Ack { room: ROOM, seq }), Bytes::new());
        }
        self.try_flush().await.unwrap();
    }

    async fn try_flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await?;
            self.out.clear();
        }
        Ok(())
    }

    async fn fill(&mut self) {
        self.try_fill().await.unwrap();
    }

    async fn try_fill(&mut self) -> io::Result<()> {
        let buffer = self.deframer.buffer_mut();
        buffer.reserve(16 * 1024);
        if self.stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// What has come, at least one thing.
    pub async fn hear(&mut self, heard: &mut Vec<Heard>) {
        loop {
            while let Some(one) = self.take() {
                heard.push(one);
            }
            if !heard.is_empty() {
                return;
            }
            self.fill().await;
        }
    }

    fn take(&mut self) -> Option<Heard> {
        let at = |body: &[u8]| u64::from_be_bytes(*body.first_chunk().unwrap());
        if self.kind == Kind::Control {
            let (kind, _, body) = control::next(self.deframer.buffer_mut())?;
            return Some(match kind {
                control::ACCEPTED => Heard::Accepted,
                control::DELIVER => {
                    self.unacknowledged = Some(0);
                    if self.in_room { Heard::Posted(at(&body), at(&body[8..])) } else { Heard::Delivered(at(&body)) }
                }
                control::DRAINED => Heard::Drained,
                _ => Heard::Other,
            });
        }
        let frame = ServerFrame::decode(self.deframer.next_frame().unwrap()?).unwrap();
        Some(match frame.message {
            ServerMessage::Accepted { .. } => Heard::Accepted,
            ServerMessage::Deliver { seq, .. } => {
                self.unacknowledged = Some(seq);
                Heard::Delivered(at(&frame.body))
            }
            ServerMessage::Room(RoomAnswer::Appended { .. }) => Heard::Accepted,
            ServerMessage::RoomPush(RoomPush::Entry { seq, kind: EntryKind::Message, .. }) => {
                self.unacknowledged_in_room = Some(seq);
                Heard::Posted(at(&frame.body), at(&frame.body[8..]))
            }
            ServerMessage::Drained {} => Heard::Drained,
            ServerMessage::Refused(refusal) => panic!("{refusal:?}"),
            _ => Heard::Other,
        })
    }
}

/// One configuration for all connections to a server: a client has one as well.
fn config_for(pin: [u8; 32]) -> Arc<rustls::ClientConfig> {
    static CONFIGS: OnceLock<Mutex<HashMap<[u8; 32], Arc<rustls::ClientConfig>>>> = OnceLock::new();
    let mut configs = CONFIGS.get_or_init(Mutex::default).lock().unwrap();
    let new = || Arc::new(tls_config(pin, &[&rustls::version::TLS13]));
    Arc::clone(configs.entry(pin).or_insert_with(new))
}
