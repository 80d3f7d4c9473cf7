//! Engines, their stores and a relay in one process: one clock, one seed, no threads.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;

use bytes::Bytes;
use chat_core::engine::{
    AccountCommand, Answer, Boot, Command, CommandId, Contact, Context, Conversation, Diagnostics, Engine, Enrollment,
    Event, ExportKey, Failure, FailureKind, Input, Message, MessageStatus, Notice, NoticeKind, Output, ProvenPassword,
    Query, Reaction, Reply, Request, Resumption, Route, Status, Step,
};
use chat_core::identity::DeviceKeys;
use chat_core::store::{HistoryChange, MemoryRecords, Records, Table, WriteBatch};
use chat_core::time::Timestamp;
use chat_wire::ids::{BootId, MessageId, UserName};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

use super::relay::FakeRelay;

/// Randomness from a seed: SHA-256 of a counter.
pub(crate) struct Seeded {
    seed: u64,
    counter: u64,
    rest: VecDeque<u8>,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0, rest: VecDeque::new() }
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            if self.rest.is_empty() {
                self.counter += 1;
                let block = Sha256::new_with_prefix(self.seed.to_be_bytes()).chain_update(self.counter.to_be_bytes());
                self.rest.extend(block.finalize());
            }
            *byte = self.rest.pop_front().unwrap();
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

/// What a shell keeps on disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) records: MemoryRecords,
    pub(crate) history: Vec<Message>,
    pub(crate) names: BTreeMap<Conversation, String>,
    /// Up to where conversations were read, as the shell was told.
    pub(crate) read: Vec<(Conversation, MessageId)>,
    pub(crate) notices: Vec<Notice>,
}

impl Disk {
    /// A message that a change names must be there.
    fn message(&mut self, conversation: Conversation, id: MessageId) -> &mut Message {
        self.history.iter_mut().find(|m| (m.conversation, m.id) == (conversation, id)).expect("in the history")
    }

    fn write(&mut self, batch: &WriteBatch) {
        if batch.erase {
            *self = Self::default();
        }
        self.records.apply(batch);
        for change in &batch.history {
            match change {
                HistoryChange::Insert(message) => {
                    let known = |m: &&Message| (m.conversation, m.id) == (message.conversation, message.id);
                    if self.history.iter().find(known).is_none() {
                        self.history.push(message.clone());
                    }
                }
                HistoryChange::Status { conversation, id, status } => {
                    let message = self.history.iter_mut().find(|m| (m.conversation, m.id) == (*conversation, *id));
                    if let Some(message) = message {
                        message.status = message.status.max(*status);
                    }
                }
                HistoryChange::ReadUpTo { conversation, id } => self.read.push((*conversation, *id)),
                HistoryChange::Edit { conversation, id, text } => {
                    let message = self.message(*conversation, *id);
                    (message.text, message.edited) = (Some(text.clone()), true);
                }
                HistoryChange::Delete { conversation, id } => {
                    let message = self.message(*conversation, *id);
                    (message.text, message.deleted) = (None, true);
                    message.reactions.clear();
                }
                HistoryChange::React { conversation, id, from, sign } => {
                    let reactions = &mut self.message(*conversation, *id).reactions;
                    reactions.retain(|reaction| reaction.from != *from);
                    if !sign.is_empty() {
                        reactions.push(Reaction { from: from.clone(), sign: sign.clone() });
                    }
                }
                HistoryChange::Named { conversation, name } => {
                    self.names.insert(*conversation, name.clone());
                }
                _ => {}
            }
        }
        for notice in &batch.notices {
            assert!(self.notices.last().is_none_or(|last| last.seq < notice.seq), "notices go up");
            self.notices.push(notice.clone());
        }
    }
}

/// One profile and the program that has it open.
pub(crate) struct Client {
    pub(crate) disk: Disk,
    pub(crate) engine: Option<Engine>,
    pub(crate) connection: Option<u64>,
    wake_at: Option<Timestamp>,
    pub(crate) replies: HashMap<u64, Result<Reply, Failure>>,
    pub(crate) events: Vec<Event>,
    /// Steps that were applied but whose outputs were lost, because the program died between.
    pub(crate) crash_after: Option<usize>,
    /// The write of this step fails.
    pub(crate) fail_at: Option<usize>,
    pub(crate) steps: usize,
    /// Rows and bytes that the records' writes of each step had.
    pub(crate) written: Vec<(usize, usize)>,
}

pub(crate) struct World {
    pub(crate) relay: FakeRelay,
    pub(crate) clients: BTreeMap<&'static str, Client>,
    pub(crate) now: Timestamp,
    rng: Seeded,
    next: u64,
    codes: BTreeMap<&'static str, String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let now = Timestamp::from_ms(1_800_000_000_000);
        Self {
            relay: FakeRelay::new(1),
            clients: BTreeMap::new(),
            now,
            rng: Seeded::new(seed),
            next: 0,
            codes: BTreeMap::new(),
        }
    }

    /// Two people who are connected.
    pub(crate) fn with(seed: u64, names: &[&'static str]) -> Self {
        let mut world = Self::new(seed);
        for name in names {
            world.register(name);
        }
        world
    }

    /// Two people who have accepted each other.
    pub(crate) fn friends(seed: u64) -> Self {
        let mut world = Self::with(seed, &["alice", "bob"]);
        world.say("alice", "bob", "hello");
        world.ok("bob", Command::AcceptRequest(name("alice")));
        world.pass(2_000);
        world
    }

    pub(crate) fn client(&mut self, who: &str) -> &mut Client {
        self.clients.get_mut(who).unwrap()
    }

    /// Opens a profile, a new one if there is none.
    pub(crate) fn open(&mut self, who: &'static str) {
        let client = self.clients.entry(who).or_insert_with(|| Client {
            disk: Disk::default(),
            engine: None,
            connection: None,
            wake_at: None,
            replies: HashMap::new(),
            events: Vec::new(),
            crash_after: None,
            fail_at: None,
            steps: 0,
            written: Vec::new(),
        });
        self.next += 1;
        let mut id = [0; 16];
        self.rng.try_fill_bytes(&mut id).unwrap();
        let boot = Boot { id: BootId(id) };
        let mut cx = Context { records: &client.disk.records, rng: &mut self.rng };
        let (engine, step) = Engine::open(self.now, boot, &mut cx).unwrap();
        client.engine = Some(engine);
        client.wake_at = None;
        self.apply(who, step);
    }

    pub(crate) fn connect(&mut self, who: &'static str) {
        self.next += 1;
        let (connection, exporter) = (self.next, [self.next as u8; 32]);
        self.relay.connect(connection, exporter);
        self.client(who).connection = Some(connection);
        self.input(who, Input::Connected(Route(connection), exporter));
        self.run();
    }

    /// The connection breaks.
    pub(crate) fn cut(&mut self, who: &'static str) {
        if let Some(connection) = self.client(who).connection.take() {
            self.relay.disconnect(connection);
            if self.client(who).engine.is_some() {
                self.input(who, Input::Lost(Route(connection)));
            }
        }
        self.run();
    }

    /// The program dies.
    pub(crate) fn kill(&mut self, who: &'static str) {
        self.client(who).engine = None;
        if let Some(connection) = self.client(who).connection.take() {
            self.relay.disconnect(connection);
        }
        self.run();
    }

    pub(crate) fn restart(&mut self, who: &'static str) {
        self.kill(who);
        self.open(who);
        self.connect(who);
    }

    pub(crate) fn register(&mut self, who: &'static str) -> Reply {
        if !self.clients.contains_key(who) {
            self.open(who);
        }
        if self.client(who).connection.is_none() {
            self.connect(who);
        }
        self.enroll(who, who).unwrap()
    }

    pub(crate) fn enroll(&mut self, who: &'static str, as_name: &str) -> Result<Reply, Failure> {
        let route = Route(self.client(who).connection.unwrap());
        let enrollment = Enrollment {
            route,
            username: name(as_name),
            display_name: None,
            device_name: None,
            invite: None,
            record: Bytes::from_static(&[0; 192]),
            export_key: ExportKey(zeroize::Zeroizing::new([7; 64])),
            kp: 1,
        };
        let reply = self.command(who, Command::Enroll(Box::new(enrollment)));
        if let Ok(Reply::Enrolled { recovery_code, .. }) = &reply {
            self.codes.insert(who, recovery_code.clone());
        }
        reply
    }

    /// The code that was shown at the registration.
    pub(crate) fn recovery_code(&self, who: &str) -> String {
        self.codes[who].clone()
    }

    /// The private keys of a device, out of its store.
    pub(crate) fn device_keys(&mut self, who: &str) -> DeviceKeys {
        #[derive(serde::Deserialize)]
        struct Identity {
            k: serde_bytes::ByteBuf,
        }
        let bytes = self.client(who).disk.records.get(Table::Meta, b"identity").unwrap();
        DeviceKeys::decode(&minicbor_serde::from_slice::<Identity>(&bytes).unwrap().k).unwrap()
    }

    pub(crate) fn resume(&mut self, who: &'static str) -> Result<Reply, Failure> {
        self.resume_as(who, false)
    }

    /// What `register` does when the account of a cut-off attempt stands.
    pub(crate) fn finish_registration(&mut self, who: &'static str) -> Result<Reply, Failure> {
        self.resume_as(who, true)
    }

    fn resume_as(&mut self, who: &'static str, finishes_registration: bool) -> Result<Reply, Failure> {
        let route = Route(self.client(who).connection.unwrap());
        let account = self.relay.names[&name(who)];
        self.relay.prove(route.0, account);
        let resumption = Resumption {
            route,
            username: name(who),
            device_name: None,
            export_key: ExportKey(zeroize::Zeroizing::new([7; 64])),
            kp: 1,
            account,
            list: Bytes::from(self.relay.list_of(who)),
            vault: Bytes::new(),
            finishes_registration,
        };
        self.command(who, Command::Resume(Box::new(resumption)))
    }

    /// Opens a fresh profile and logs it in to somebody's account with the password.
    pub(crate) fn join(&mut self, who: &'static str, whose: &str) -> Result<Reply, Failure> {
        self.join_with(who, whose, [7; 64])
    }

    pub(crate) fn join_with(&mut self, who: &'static str, whose: &str, key: [u8; 64]) -> Result<Reply, Failure> {
        let resumption = self.resumption(who, whose, key);
        self.command(who, Command::Resume(Box::new(resumption)))
    }

    /// The same where the password is not enough: the vault is not given yet, and the answer waits under a number.
    pub(crate) fn knock(&mut self, who: &'static str, whose: &str) -> u64 {
        let resumption = Resumption { vault: Bytes::new(), ..self.resumption(who, whose, [7; 64]) };
        let number = self.start(who, Command::Resume(Box::new(resumption)));
        self.run();
        number
    }

    fn resumption(&mut self, who: &'static str, whose: &str, key: [u8; 64]) -> Resumption {
        if !self.clients.contains_key(who) || self.client(who).engine.is_none() {
            self.open(who);
        }
        if self.client(who).connection.is_none() {
            self.connect(who);
        }
        let connection = self.client(who).connection.unwrap();
        let account = self.relay.names[&name(whose)];
        self.relay.prove(connection, account);
        Resumption {
            route: Route(connection),
            username: name(whose),
            device_name: Some(who.to_owned()),
            export_key: ExportKey(zeroize::Zeroizing::new(key)),
            kp: 1,
            account,
            list: Bytes::from(self.relay.list_of(whose)),
            vault: Bytes::from(self.relay.vault_of(&account)),
            finishes_registration: false,
        }
    }

    pub(crate) fn account(&mut self, who: &'static str, command: AccountCommand) -> Result<Reply, Failure> {
        self.command(who, Command::Account(command))
    }

    /// What the right old password brings.
    pub(crate) fn proven(&self, whose: &str, key: [u8; 64]) -> ProvenPassword {
        let account = self.relay.names[&name(whose)];
        let vault = Bytes::from(self.relay.vault_of(&account));
        ProvenPassword { export_key: ExportKey(zeroize::Zeroizing::new(key)), kp: 1, vault }
    }

    /// Gives a command and lets everything that follows happen.
    pub(crate) fn command(&mut self, who: &'static str, command: Command) -> Result<Reply, Failure> {
        let id = self.start(who, command);
        self.run();
        self.client(who).replies.remove(&id).unwrap_or(Err(Failure::of(FailureKind::Timeout)))
    }

    pub(crate) fn ok(&mut self, who: &'static str, command: Command) -> Reply {
        self.command(who, command).unwrap()
    }

    pub(crate) fn refused(&mut self, who: &'static str, command: Command) -> FailureKind {
        self.command(who, command).unwrap_err().kind
    }

    /// Gives a command; nothing else moves.
    pub(crate) fn start(&mut self, who: &'static str, command: Command) -> u64 {
        self.next += 1;
        let id = self.next;
        self.input(who, Input::Command(CommandId(id), command));
        id
    }

    pub(crate) fn say(&mut self, who: &'static str, to: &str, text: &str) -> MessageId {
        match self.ok(who, send(to, text)) {
            Reply::Queued { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn input(&mut self, who: &'static str, input: Input) {
        let client = self.clients.get_mut(who).unwrap();
        let Some(engine) = client.engine.as_mut() else { return };
        let mut cx = Context { records: &client.disk.records, rng: &mut self.rng };
        let step = engine.handle(self.now, input, &mut cx).unwrap();
        self.apply(who, step);
    }

    fn apply(&mut self, who: &'static str, step: Step) {
        let client = self.clients.get_mut(who).unwrap();
        let (disk, written) = (&mut client.disk, &mut client.written);
        client.steps += 1;
        let fails = client.fail_at == Some(client.steps);
        let released = step.apply(|batch| {
            if fails {
                return Err("disk full");
            }
            written.push(size(batch));
            disk.write(batch);
            Ok(())
        });
        let Ok(released) = released else {
            client.fail_at = None;
            self.kill_quietly(who);
            return;
        };
        let outputs = released.into_outputs();
        let client = self.clients.get_mut(who).unwrap();
        if client.crash_after == Some(client.steps) {
            // Stored, but nothing of it was seen by anybody.
            client.crash_after = None;
            self.kill_quietly(who);
            return;
        }
        for output in outputs {
            let client = self.clients.get_mut(who).unwrap();
            match output {
                Output::Transmit(route, frame) if client.connection == Some(route.0) => {
                    self.relay.receive(route.0, frame);
                }
                Output::Transmit(..) => {}
                Output::Close(route) => {
                    if client.connection == Some(route.0) {
                        client.connection = None;
                    }
                    self.relay.disconnect(route.0);
                }
                Output::Reply(id, reply) => assert!(client.replies.insert(id.0, reply).is_none(), "answered once"),
                Output::Event(event) => client.events.push(event),
                Output::Notice(_) => {}
                Output::WakeAt(at) => client.wake_at = Some(at),
            }
        }
    }

    fn kill_quietly(&mut self, who: &'static str) {
        let client = self.client(who);
        client.engine = None;
        if let Some(connection) = client.connection.take() {
            self.relay.disconnect(connection);
        }
    }

    /// Delivers frames until nothing moves.
    pub(crate) fn run(&mut self) {
        assert!(self.run_some(100_000), "it never ends");
    }

    /// Delivers so many frames; `true` when nothing moves any more.
    pub(crate) fn run_some(&mut self, frames: usize) -> bool {
        self.relay.now_ms = self.now.as_ms();
        for _ in 0..frames {
            let closed = std::mem::take(&mut self.relay.closed);
            for connection in closed {
                if let Some(who) = self.holder(connection) {
                    self.client(who).connection = None;
                    self.input(who, Input::Lost(Route(connection)));
                }
            }
            let Some((connection, frame)) = self.relay.out.pop_front() else { return true };
            if let Some(who) = self.holder(connection) {
                self.input(who, Input::Frame(Route(connection), frame));
            }
        }
        false
    }

    fn holder(&self, connection: u64) -> Option<&'static str> {
        self.clients.iter().find(|(_, client)| client.connection == Some(connection)).map(|(who, _)| *who)
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            let due = |client: &Client| client.wake_at.filter(|_| client.engine.is_some());
            let next = self.clients.iter().filter_map(|(who, client)| due(client).map(|at| (at, *who))).min();
            let Some((at, who)) = next.filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.max(at);
            self.relay.now_ms = self.now.as_ms();
            self.client(who).wake_at = None;
            self.input(who, Input::Wake);
            self.run();
        }
        self.now = end;
        self.run();
    }

    pub(crate) fn ask(&mut self, who: &str, query: &Query) -> Answer {
        let now = self.now;
        let client = self.client(who);
        client.engine.as_ref().unwrap().query(now, query, &client.disk.records)
    }

    pub(crate) fn status(&mut self, who: &str) -> Status {
        let Answer::Status(status) = self.ask(who, &Query::Status) else { panic!() };
        status
    }

    pub(crate) fn diagnostics(&mut self, who: &str) -> Diagnostics {
        let Answer::Diagnostics(counts) = self.ask(who, &Query::Diagnostics) else { panic!() };
        counts
    }

    pub(crate) fn contact(&mut self, who: &str, whom: &str) -> Contact {
        let Answer::Contacts(contacts) = self.ask(who, &Query::Contacts) else { panic!() };
        contacts.into_iter().find(|contact| contact.username.as_str() == whom).expect("a contact")
    }

    pub(crate) fn requests(&mut self, who: &str) -> Vec<Request> {
        let Answer::Requests(requests) = self.ask(who, &Query::Requests) else { panic!() };
        requests
    }

    /// Texts that arrived as message notices, in their order.
    pub(crate) fn heard(&mut self, who: &str) -> Vec<String> {
        let notices = &self.client(who).disk.notices;
        let messages = notices.iter().filter_map(|notice| match &notice.kind {
            NoticeKind::Message(message) => message.text.clone(),
            _ => None,
        });
        messages.collect()
    }

    /// Incoming texts of the history, in their order.
    pub(crate) fn read(&mut self, who: &str) -> Vec<String> {
        let history = &self.client(who).disk.history;
        history.iter().filter(|message| !message.outgoing).filter_map(|message| message.text.clone()).collect()
    }

    pub(crate) fn status_of(&mut self, who: &str, id: MessageId) -> MessageStatus {
        self.client(who).disk.history.iter().find(|message| message.id == id).unwrap().status
    }

    pub(crate) fn receipts(&mut self, who: &str, id: MessageId) -> Vec<MessageStatus> {
        let events = &self.client(who).events;
        let receipts = events.iter().filter_map(|event| match event {
            Event::Receipt { id: of, status, .. } if *of == id => Some(*status),
            _ => None,
        });
        receipts.collect()
    }

    pub(crate) fn notices(&mut self, who: &str, wanted: impl Fn(&NoticeKind) -> bool) -> usize {
        self.client(who).disk.notices.iter().filter(|notice| wanted(&notice.kind)).count()
    }
}

fn size(batch: &WriteBatch) -> (usize, usize) {
    let bytes = batch.writes.iter().map(|write| match write {
        chat_core::store::Write::Put { key, value, .. } => key.len() + value.len(),
        chat_core::store::Write::Delete { key, .. } => key.len(),
    });
    (batch.writes.len(), bytes.sum())
}

pub(crate) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

pub(crate) fn send(to: &str, text: &str) -> Command {
    Command::Send {
        to: to.to_owned(),
        text: text.to_owned(),
        reply_to: None,
        idempotency_key: None,
        expires_in_ms: None,
    }
}
