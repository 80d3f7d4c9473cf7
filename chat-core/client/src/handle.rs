//! The handle: what an embedder holds.

use chat_core::engine::{Answer, Command, Failure, FailureKind, Message, Query, Reply};
use chat_wire::ids::UserName;
use tokio::sync::{oneshot, watch};

use crate::auth;
use crate::config::{Config, Pin, RelayAddress};
use crate::driver::{self, Mailbox, Task};
use crate::error::OpenError;
use crate::event::Connection;
use crate::events::Events;
use crate::request::{
    ConversationSummary, Credentials, HistoryPage, LoggedIn, MessageSearch, Password, Registered, Registration,
};

/// A profile that is open: registers, logs in, sends, reads. Cheap to clone; the profile closes with
/// [`Client::close`], or when the last handle and its [`Events`] are gone.
///
/// Every method answers from this device where it can: nothing waits for the network but
/// registration, login, and commands whose answer only the relay has.
#[derive(Debug, Clone)]
pub struct Client {
    mailbox: Mailbox,
    door: auth::Door,
    connection: watch::Receiver<Connection>,
}

impl Client {
    /// Opens a profile, making it when it is new, and starts to connect in the background. Never waits
    /// for the network.
    ///
    /// # Errors
    /// [`OpenError`]; the profile's files are then as they were.
    pub async fn open(config: Config) -> Result<(Self, Events), OpenError> {
        let ack = config.ack;
        let driver::Running { mailbox, door, connection } = driver::start(config).await?;
        let events = Events::new(mailbox.clone(), ack);
        Ok((Self { mailbox, door, connection }, events))
    }

    /// Makes an account on the relay and logs in; keys are published when this answers.
    ///
    /// # Errors
    /// `InvalidParams`, `WeakPassword` with what is unmet, `UsernameTaken`, `RegistrationClosed`,
    /// `CertificateChanged`, `Offline`, `Timeout`, `RateLimited`; `Forbidden` on a profile that already
    /// holds an account.
    pub async fn register(&self, registration: Registration) -> Result<Registered, Failure> {
        auth::register(&self.mailbox, &self.door, registration).await
    }

    /// Logs in by password.
    ///
    /// # Errors
    /// `BadCredentials` for a wrong password and for an unknown name, `CertificateChanged`, `Offline`,
    /// `Timeout`, `RateLimited`; `Forbidden` when the profile belongs to another account.
    pub async fn login(&self, credentials: Credentials) -> Result<LoggedIn, Failure> {
        auth::login(&self.mailbox, &self.door, credentials).await
    }

    /// Runs a command of the engine.
    ///
    /// # Errors
    /// As the engine answers; `Io` when it could not be stored.
    pub async fn run(&self, command: Command) -> Result<Reply, Failure> {
        self.door.knock();
        self.mailbox.ask(|answer| Task::Command(command, answer)).await
    }

    /// Asks the engine's records; never waits for the network.
    ///
    /// # Errors
    /// `Io` or `Integrity` when the store can't be read.
    pub async fn query(&self, query: Query) -> Result<Answer, Failure> {
        self.mailbox.ask(|answer| Task::Query(query, answer)).await
    }

    /// A page of a conversation, oldest message first, in the order of arrival. Empty for a person
    /// never written with.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name, `UnknownMessage` for a `before` that is not in the
    /// conversation.
    pub async fn history(&self, page: HistoryPage) -> Result<Vec<Message>, Failure> {
        let with = conversation_name(&page.with)?;
        self.mailbox.work(move |store| store.history(&with, page.before, page.limit)).await
    }

    /// Messages whose text has all the words of the query, newest first. The last word counts as a
    /// beginning, so that results come while typing.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name.
    pub async fn search_messages(&self, search: MessageSearch) -> Result<Vec<Message>, Failure> {
        let with = search.with.as_deref().map(conversation_name).transpose()?;
        self.mailbox.work(move |store| store.search(&search.query, with.as_deref(), search.limit)).await
    }

    /// All conversations, the one with the newest message first.
    ///
    /// # Errors
    /// `Io` or `Integrity` when the store can't be read.
    pub async fn conversations(&self) -> Result<Vec<ConversationSummary>, Failure> {
        self.mailbox.work(|store| store.conversations()).await
    }

    /// The unsent text of a conversation.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name.
    pub async fn draft(&self, with: &str) -> Result<Option<String>, Failure> {
        let with = conversation_name(with)?;
        self.mailbox.work(move |store| store.draft(&with)).await
    }

    /// Keeps the unsent text of a conversation; an empty one removes it.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name, `TooLarge` over what a message may hold.
    pub async fn set_draft(&self, with: &str, text: String) -> Result<(), Failure> {
        let with = conversation_name(with)?;
        self.mailbox.work(move |store| store.set_draft(&with, &text)).await
    }

    /// Notices up to `seq` were taken: they are not told again.
    ///
    /// # Errors
    /// `Io` when it could not be stored.
    pub async fn ack(&self, seq: u64) -> Result<(), Failure> {
        self.mailbox.work(move |store| store.acknowledge(seq)).await
    }

    /// What a password lacks: `length`, `capital`, `digit`, `common`; empty when it may be used. Takes
    /// up to a few milliseconds of computing.
    #[must_use]
    pub fn password_gaps(username: &str, password: &Password) -> Vec<&'static str> {
        auth::password_gaps(username, password)
    }

    /// How things stand with the relay.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connection.borrow().clone()
    }

    /// Uses this relay from now on, and keeps its address in the profile.
    ///
    /// # Errors
    /// `Io` when it could not be stored.
    pub async fn connect_to(&self, relay: RelayAddress) -> Result<(), Failure> {
        self.mailbox.ask(|answer| Task::Relay(relay, answer)).await
    }

    /// Accepts the certificate of [`crate::ClientEvent::UnknownCertificate`]; from now on it is the
    /// only one.
    ///
    /// # Errors
    /// `KeyChanged` when the profile already knows another one, `Io` when it could not be stored.
    pub async fn trust_certificate(&self, pin: Pin) -> Result<(), Failure> {
        self.mailbox.ask(|answer| Task::Trust(pin, answer)).await
    }

    /// Saves everything and closes the profile; does not wait for the relay. When this returns, the
    /// profile may be opened again.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.mailbox.post(Task::Close(done)).await {
            // An error means that it is closed already.
            let _ = closed.await;
        }
    }
}

/// A conversation's name in its normal form.
fn conversation_name(text: &str) -> Result<String, Failure> {
    match UserName::parse(text) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(Failure::of(FailureKind::InvalidParams)),
    }
}
