//! A relay, people with profiles, and what they wait for.

use std::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Waker};
use std::time::Duration;

use chat_client::{
    Ack, Client, ClientEvent, Command, Config, Connection, ConnectionState, Event, Events, Failure, HistoryPage,
    HistoryPart, Message, MessageId, MessageStatus, Notice, NoticeKind, Password, Registered, Registration, Reply,
};
use chat_server::{EmbedConfig, Embedded, embed};
use tempfile::TempDir;
use tokio::time::timeout;

pub(crate) const PASSWORD: &str = "Vy3-quarzlampe-tundra";

/// Time for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A relay whose data and address survive its restarts.
pub(crate) struct Relay {
    pub(crate) data: TempDir,
    running: Option<Embedded>,
    pub(crate) addr: SocketAddr,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let data = TempDir::new().unwrap();
        let running = run(data.path(), None);
        Self { addr: running.addr, running: Some(running), data }
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown().await;
        }
    }

    pub(crate) fn start_again(&mut self) {
        self.running = Some(run(self.data.path(), Some(self.addr)));
    }

    pub(crate) fn pin(&self) -> chat_client::Pin {
        chat_client::Pin(self.running.as_ref().unwrap().pin.0)
    }
}

fn run(data: &Path, listen: Option<SocketAddr>) -> Embedded {
    embed(EmbedConfig { data_dir: Some(data.to_owned()), listen, ..EmbedConfig::default() }).unwrap()
}

/// A profile that is open.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) dir: TempDir,
}

impl Person {
    pub(crate) async fn new(relay: &Relay) -> Self {
        Self::in_dir(relay, TempDir::new().unwrap(), Ack::Automatic).await
    }

    pub(crate) async fn in_dir(relay: &Relay, dir: TempDir, ack: Ack) -> Self {
        let config = Config { relay: Some(relay.addr.to_string().parse().unwrap()), ack, ..Config::new(dir.path()) };
        let (client, events) = Client::open(config).await.unwrap();
        Self { client, events, dir }
    }

    pub(crate) async fn registered(relay: &Relay, name: &str) -> Self {
        let person = Self::new(relay).await;
        person.register(name).await.unwrap();
        person
    }

    pub(crate) async fn register(&self, name: &str) -> Result<Registered, Failure> {
        self.client.register(registration(name, PASSWORD)).await
    }

    /// Asks for more, as every reader does: with that the last notice is taken.
    pub(crate) fn done_reading(&mut self) {
        let mut next = std::pin::pin!(self.events.next());
        let _ = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Closes the profile in order and opens it again.
    pub(crate) async fn reopened(self, relay: &Relay, ack: Ack) -> Self {
        self.client.close().await;
        drop((self.client, self.events));
        Self::in_dir(relay, self.dir, ack).await
    }

    pub(crate) async fn send(&self, to: &str, text: &str) -> MessageId {
        let send = Command::Send {
            to: to.to_owned(),
            text: text.to_owned(),
            reply_to: None,
            idempotency_key: None,
            expires_in_ms: None,
        };
        match self.client.run(send).await.unwrap() {
            Reply::Queued { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// The next event for which `pick` finds something; the others are passed over.
    pub(crate) async fn wait<T>(&mut self, mut pick: impl FnMut(ClientEvent) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.events.next().await.expect("the client closed");
                seen.push(format!("{event:?}"));
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        })
        .await;
        found.unwrap_or_else(|_| panic!("nothing came; seen: {seen:#?}"))
    }

    /// The next incoming message.
    pub(crate) async fn message(&mut self) -> (u64, Message) {
        self.wait(|event| match event {
            ClientEvent::Notice(Notice { seq, kind: NoticeKind::Message(message) }) => Some((seq, message)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn text(&mut self) -> String {
        self.message().await.1.text.unwrap()
    }

    pub(crate) async fn request(&mut self) -> String {
        self.wait(|event| match event {
            ClientEvent::Notice(Notice { kind: NoticeKind::Request(request), .. }) => {
                Some(request.username.to_string())
            }
            _ => None,
        })
        .await
    }

    pub(crate) async fn receipt(&mut self, of: MessageId, at_least: MessageStatus) {
        self.wait(|event| match event {
            ClientEvent::Event(Event::Receipt { id, status, .. }) if id == of && status >= at_least => Some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn connection(&mut self, state: ConnectionState) -> Connection {
        if self.client.connection().state == state {
            return self.client.connection();
        }
        self.wait(|event| match event {
            ClientEvent::Connection(connection) if connection.state == state => Some(connection),
            _ => None,
        })
        .await
    }

    pub(crate) async fn online(&mut self) {
        self.wait(|event| (event == ClientEvent::Event(Event::Online(true))).then_some(())).await;
    }

    pub(crate) async fn history(&self, with: &str) -> Vec<String> {
        let page = HistoryPage { with: with.to_owned(), part: HistoryPart::Newest, limit: 1_000 };
        let messages = self.client.history(page).await.unwrap().messages;
        messages.into_iter().map(|message| message.text.unwrap()).collect()
    }
}

pub(crate) fn registration(name: &str, password: &str) -> Registration {
    Registration {
        username: name.to_owned(),
        password: Password::from(password.to_owned()),
        display_name: None,
        device_name: None,
        invite: None,
    }
}

/// Two people who know each other.
pub(crate) async fn friends(relay: &Relay) -> (Person, Person) {
    let mut alice = Person::registered(relay, "alice").await;
    let mut bob = Person::registered(relay, "bob").await;
    let first = alice.send("bob", "hello").await;
    assert_eq!(bob.request().await, "alice");
    bob.client.run(Command::AcceptRequest("alice".parse_name())).await.unwrap();
    assert_eq!(bob.text().await, "hello");
    alice.receipt(first, MessageStatus::Delivered).await;
    (alice, bob)
}

pub(crate) trait ParseName {
    fn parse_name(&self) -> chat_client::UserName;
}

impl ParseName for str {
    fn parse_name(&self) -> chat_client::UserName {
        chat_client::UserName::parse(self).unwrap()
    }
}
