//! A relay core on a storage of the package's with a clock that the test turns.
#![allow(dead_code, reason = "two packages share this page, each uses its part")]

use bytes::Bytes;
use chat_login::server::ServerSecrets;
use chat_relay::storage::Storage;
use chat_relay::{Config, ConnectionId, Input, Now, Origin, Output, Relay, RelayIdentity, Secrets};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::{Frame, ServerFrame};
use chat_wire::message::{ClientMessage, ServerMessage};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;

use crate::kit::{self, Person};
use crate::store::{self, Store};

pub(crate) const EXPORTER: [u8; 32] = [6; 32];

pub(crate) struct Bench<S = Store> {
    pub(crate) relay: Relay<S>,
    pub(crate) now: Now,
    next: u64,
    /// Everything that came out and nobody has looked at.
    pub(crate) outputs: Vec<Output>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self::on(store::open(), config)
    }
}

impl<S: Storage> Bench<S> {
    pub(crate) fn on(store: S, config: Config) -> Self {
        let mut rng = UnwrapErr(SysRng);
        let secrets = Secrets {
            identity: RelayIdentity::from_seed(&[3; 32]),
            login: ServerSecrets::generate(&mut rng),
            rng: Box::new(rng),
        };
        let now = Now { wall_ms: 1_700_000_000_000, uptime_ms: 1_000_000 };
        Self { relay: Relay::new(store, config, secrets), now, next: 0, outputs: Vec::new() }
    }

    pub(crate) fn person(&self, name: &str) -> Person {
        Person::new(name, self.relay.id())
    }

    /// Turns the clock, with the sweeps that a shell makes.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(500);
            left -= step;
            self.now.wall_ms += step;
            self.now.uptime_ms += step;
            self.take(Input::Tick);
        }
    }

    pub(crate) fn take(&mut self, input: Input) {
        self.relay.handle(self.now, input);
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        self.outputs.extend(self.relay.flush(self.now).into_iter().flat_map(Output::apart));
        while let Some(sync) = self.relay.take_sync() {
            self.relay.handle(self.now, Input::Synced(sync()));
            self.outputs.extend(self.relay.flush(self.now).into_iter().flat_map(Output::apart));
        }
    }

    pub(crate) fn open(&mut self) -> ConnectionId {
        self.open_from(Origin::Trusted)
    }

    pub(crate) fn open_from(&mut self, origin: Origin) -> ConnectionId {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.take(Input::Opened { connection, exporter: EXPORTER, origin, greeting: None });
        connection
    }

    /// Says something and takes the answer.
    pub(crate) fn ask(&mut self, connection: ConnectionId, message: ClientMessage) -> ServerMessage {
        self.ask_with(connection, message, Bytes::new()).message
    }

    pub(crate) fn ask_with(&mut self, connection: ConnectionId, message: ClientMessage, body: Bytes) -> ServerFrame {
        self.next += 1;
        let request = u32::try_from(self.next).unwrap();
        self.take(Input::Frame(connection, Frame::with_body(request, message, body)));
        let of_request =
            |output: &Output| matches!(output, Output::Send(to, f) if *to == connection && f.request == request);
        let at = self.outputs.iter().position(of_request).expect("an answer");
        let Output::Send(_, frame) = self.outputs.remove(at) else { unreachable!() };
        frame
    }

    pub(crate) fn refusal(&mut self, connection: ConnectionId, message: ClientMessage) -> RefusalKind {
        match self.ask(connection, message) {
            ServerMessage::Refused(Refusal { kind, .. }) => kind,
            other => panic!("{other:?}"),
        }
    }

    /// Says something that has no answer.
    pub(crate) fn tell(&mut self, connection: ConnectionId, message: ClientMessage) {
        self.take(Input::Frame(connection, Frame::new(0, message)));
    }

    pub(crate) fn tell_with(&mut self, connection: ConnectionId, message: ClientMessage, body: Bytes) {
        self.take(Input::Frame(connection, Frame::with_body(0, message, body)));
    }

    /// What was pushed to a connection since the last look.
    pub(crate) fn pushed(&mut self, connection: ConnectionId) -> Vec<ServerFrame> {
        let mut pushed = Vec::new();
        self.outputs.retain(|output| match output {
            Output::Send(to, frame) if *to == connection => {
                pushed.push(frame.clone());
                false
            }
            _ => true,
        });
        pushed
    }

    /// Texts delivered to a connection since the last look, with their places.
    pub(crate) fn delivered(&mut self, connection: ConnectionId) -> Vec<(u64, Bytes)> {
        let frames = self.pushed(connection);
        let deliveries = frames.into_iter().filter_map(|frame| match frame.message {
            ServerMessage::Deliver { seq, .. } => Some((seq, frame.body)),
            _ => None,
        });
        deliveries.collect()
    }

    /// Presence pushed to a connection since the last look: online or not.
    pub(crate) fn presence(&mut self, connection: ConnectionId) -> Vec<bool> {
        let frames = self.pushed(connection);
        let news = frames.into_iter().filter_map(|frame| match frame.message {
            ServerMessage::Presence { online, .. } => Some(online),
            _ => None,
        });
        news.collect()
    }

    pub(crate) fn is_closed(&self, connection: ConnectionId) -> bool {
        self.outputs.contains(&Output::Close(connection))
    }

    pub(crate) fn hello(&mut self, connection: ConnectionId) -> ServerMessage {
        self.ask(connection, ClientMessage::Hello { versions: vec![1], features: vec![] })
    }

    /// Registers somebody; the connection is logged in.
    pub(crate) fn register(&mut self, person: &Person) -> ConnectionId {
        let connection = self.open();
        self.hello(connection);
        self.register_on(connection, person);
        connection
    }

    pub(crate) fn register_on(&mut self, connection: ConnectionId, person: &Person) {
        let reply = self.ask(connection, register1(person, None));
        assert!(matches!(reply, ServerMessage::Register1Reply { .. }), "{reply:?}");
        let reply = self.ask(connection, person.register2(kit::any_record()));
        assert!(matches!(reply, ServerMessage::LoggedIn { .. }), "{reply:?}");
    }

    /// Logs an enrolled device in.
    pub(crate) fn login(&mut self, person: &Person, device: u32) -> ConnectionId {
        let connection = self.open();
        let reply = self.prove(connection, person, device);
        assert!(matches!(reply, ServerMessage::LoggedIn { .. }), "{reply:?}");
        connection
    }

    pub(crate) fn prove(&mut self, connection: ConnectionId, person: &Person, device: u32) -> ServerMessage {
        let ready = self.hello(connection);
        let proof = person.proof(device, &kit::binding(&ready, EXPORTER));
        self.ask(connection, proof)
    }

    /// Registers somebody who can be sent to.
    pub(crate) fn reachable(&mut self, name: &str) -> (Person, ConnectionId) {
        let person = self.person(name);
        let connection = self.register(&person);
        let reply = self.ask(connection, person.prekeys(1, 1, 3));
        assert!(matches!(reply, ServerMessage::PreKeysStored { pairs_left: 3 }), "{reply:?}");
        (person, connection)
    }

    /// Sends a text to one device; its number is key and step.
    pub(crate) fn send(&mut self, from: ConnectionId, number: u64, to: &Person, text: &[u8]) -> ServerMessage {
        let devices: Vec<_> = to.devices.iter().map(|d| to.address(d.id.0)).collect();
        let (message, body) = kit::send(number, vec![to.state()], &devices, text);
        self.ask_with(from, message, body).message
    }
}

pub(crate) fn register1(person: &Person, invite: Option<&str>) -> ClientMessage {
    let mut rng = UnwrapErr(SysRng);
    let (_, request) = chat_login::client::RegistrationStart::new(kit::PASSWORD, &mut rng).unwrap();
    ClientMessage::Register1 {
        name: person.name.clone(),
        request: serde_bytes::ByteBuf::from(request.to_vec()),
        invite: invite.map(str::to_owned),
    }
}
