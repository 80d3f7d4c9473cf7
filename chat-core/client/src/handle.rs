//! The handle: what an embedder holds.

use std::path::{Path, PathBuf};

use chat_core::engine::{Answer, Change, Command, Failure, FailureKind, Message, Query, Reply, Status};
use chat_core::identity::password::Assessment;
use chat_wire::ids::{MessageId, RoomName, UserName};
use tokio::sync::oneshot;

use crate::archive;
use crate::auth;
use crate::config::{Config, Downloads, Passphrase, Pin, RelayAddress};
use crate::driver::{self, Asked, Door, Mailbox, Running, Task};
use crate::error::OpenError;
use crate::estimate::Estimator;
use crate::event::Connection;
use crate::events::Events;
use crate::request::{
    ConversationSummary, Credentials, HistoryPage, LoggedIn, MessagePage, MessageSearch, Password, Recovered,
    RecoveryRequest, Registered, Registration, RelayIdentity, mentions,
};
use crate::store::{self, Store, StoreError};
use crate::transfer::{FileToFetch, FileToSend, SavedFile, SentFile, Transfer, Transfers};
use crate::transport::{Dialer, Loopback};

/// A profile that is open: registers, logs in, sends, reads. Cheap to clone; the profile closes with
/// [`Client::close`], or when the last handle and its [`Events`] are gone.
///
/// Every method answers from this device where it can: nothing waits for the network but
/// registration, login, and commands whose answer only the relay has. A call takes its place in the
/// queue at once, before its future is polled: calls are done in the order in which they were made.
#[derive(Debug, Clone)]
pub struct Client {
    mailbox: Mailbox,
    door: Door,
    transfers: Transfers,
    estimator: Estimator,
}

impl Client {
    /// Opens a profile, making it when it is new, and starts to connect in the background. Never waits
    /// for the network.
    ///
    /// # Errors
    /// [`OpenError`]; the profile's files are then as they were.
    pub async fn open(config: Config) -> Result<(Self, Events), OpenError> {
        Self::open_over(config, Dialer::tls()).await
    }

    /// As [`Client::open`], with a relay in the same process instead of a socket.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn open_loopback(config: Config, relay: Loopback) -> Result<(Self, Events), OpenError> {
        Self::open_over(config, Dialer::Loopback(relay)).await
    }

    /// Whether the profile in `dir` opens with a passphrase only; not so when there is none.
    ///
    /// # Errors
    /// `Io` when the files can't be read, `Corrupt` when its key is damaged.
    pub fn is_locked(dir: &Path) -> Result<bool, OpenError> {
        store::is_locked(dir)
    }

    async fn open_over(config: Config, dialer: Dialer) -> Result<(Self, Events), OpenError> {
        let estimator = Estimator::new(config.estimate.clone());
        let (profile, files) = (config.data_dir.clone(), config.files.clone());
        let Running { mailbox, door, taken, tidings } = driver::start(config, dialer.clone()).await?;
        let events = Events::new(mailbox.clone(), taken);
        let transfers = Transfers::start(&mailbox, (door.clone(), dialer), tidings, (&profile, files))?;
        Ok((Self { mailbox, door, transfers, estimator }, events))
    }

    /// Makes an account on the relay and logs in; keys are published when this answers.
    ///
    /// # Errors
    /// `InvalidParams`, `WeakPassword` with what is unmet, `UsernameTaken`, `RegistrationClosed`,
    /// `CertificateChanged`, `Offline`, `Timeout`, `RateLimited`; `Forbidden` on a profile that already
    /// holds an account.
    pub fn register(
        &self,
        registration: Registration,
    ) -> impl Future<Output = Result<Registered, Failure>> + Send + use<> {
        let entered = auth::register(self.mailbox.clone(), self.door.clone(), self.estimator.clone(), registration);
        auth::settled(self.mailbox.clone(), entered)
    }

    /// Logs in by password.
    ///
    /// # Errors
    /// `BadCredentials` for a wrong password and for an unknown name, `CertificateChanged`, `Offline`,
    /// `Timeout`, `RateLimited`; `Forbidden` when the profile belongs to another account; `NotLetIn` when another
    /// device was asked and said no, `Cancelled` when another login or recovery took its place meanwhile.
    pub fn login(&self, credentials: Credentials) -> impl Future<Output = Result<LoggedIn, Failure>> + Send + use<> {
        auth::settled(self.mailbox.clone(), auth::login(self.mailbox.clone(), self.door.clone(), credentials))
    }

    /// Replaces a forgotten password by the recovery code; on a fresh profile it enrols this device as
    /// a login does. The answer holds the next code.
    ///
    /// # Errors
    /// `BadCredentials` for a wrong code and for an unknown name, `WeakPassword`, `CertificateChanged`,
    /// `Offline`, `Timeout`, `RateLimited`; `Forbidden` when the profile belongs to another account.
    pub fn recover(&self, request: RecoveryRequest) -> impl Future<Output = Result<Recovered, Failure>> + Send + use<> {
        let entered = auth::recover(self.mailbox.clone(), self.door.clone(), self.estimator.clone(), request);
        auth::settled(self.mailbox.clone(), entered)
    }

    /// Replaces the password. The answer is the next recovery code; the old password and the old code
    /// open nothing any more, enrolled devices stay.
    ///
    /// # Errors
    /// `BadCredentials` for a wrong old password, `WeakPassword`, `NotLoggedIn`, `Offline`, `Timeout`,
    /// `RateLimited`.
    pub fn change_password(
        &self,
        old: Password,
        new: Password,
    ) -> impl Future<Output = Result<String, Failure>> + Send + use<> {
        auth::change_password(self.mailbox.clone(), self.door.clone(), self.estimator.clone(), (old, new))
    }

    /// Says whether a new device needs more than the password: then `login` on a fresh profile waits until an enrolled
    /// device answers ([`AccountCommand::AnswerEntry`](chat_core::engine::AccountCommand::AnswerEntry)), and `recover`
    /// enrols it by the recovery code at once.
    ///
    /// # Errors
    /// `BadCredentials`, `NotLoggedIn`, `Offline`, `Timeout`, `RateLimited`.
    pub fn set_approval(
        &self,
        on: bool,
        password: Password,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        auth::set_approval(self.mailbox.clone(), self.door.clone(), (on, password))
    }

    /// Deletes the account and everything of it here.
    ///
    /// # Errors
    /// `BadCredentials`, `NotLoggedIn`, `Offline`, `Timeout`, `RateLimited`.
    pub fn delete_account(&self, password: Password) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        auth::delete_account(self.mailbox.clone(), self.door.clone(), password)
    }

    /// Runs a command of the engine.
    ///
    /// # Errors
    /// As the engine answers; `Io` when it could not be stored.
    pub fn run(&self, command: Command) -> Asked<Reply> {
        self.door.knock();
        self.mailbox.ask(move |answer| Task::Command(command, answer))
    }

    /// Asks the engine's records; never waits for the network.
    ///
    /// # Errors
    /// `Io` or `Integrity` when the store can't be read.
    pub fn query(&self, query: Query) -> Asked<Answer> {
        self.mailbox.ask(move |answer| Task::Query(query, answer))
    }

    /// Changes a message that was sent already, wherever it lies.
    ///
    /// # Errors
    /// `UnknownMessage`, also for what is gone; `Forbidden` for what somebody else said; `TooLarge`,
    /// `InvalidParams` for what is no reaction, `Blocked`, `NotLoggedIn`.
    pub fn amend(&self, id: MessageId, change: Change) -> Asked<Reply> {
        self.door.knock();
        self.mailbox.ask(move |answer| Task::Amend(id, change, answer))
    }

    /// A page of a conversation, in the order of arrival. Empty for a person never written with.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name, `UnknownMessage` for a message that is not in the
    /// conversation.
    pub fn history(&self, page: HistoryPage) -> Asked<MessagePage> {
        self.named(&page.with, move |store, with| store.history(with, page.part, page.limit))
    }

    /// Messages whose text has all the words of the query, newest first. The last word counts as a
    /// beginning, so that results come while typing.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name.
    pub fn search_messages(&self, search: MessageSearch) -> Asked<Vec<Message>> {
        let with = search.with.as_deref().map(conversation_name).transpose();
        self.mailbox.work(move |store| store.search(&search.query, with?.as_deref(), search.limit))
    }

    /// All conversations, the one with the newest message first.
    ///
    /// # Errors
    /// `Io` or `Integrity` when the store can't be read.
    pub fn conversations(&self) -> impl Future<Output = Result<Vec<ConversationSummary>, Failure>> + Send + use<> {
        let status = self.query(Query::Status);
        let found = self.mailbox.work(|store| Ok((store.conversations()?, store.calls()?)));
        async move {
            let (mut found, calls) = found.await?;
            let Answer::Status(Status { username: Some(me), .. }) = status.await? else { return Ok(found) };
            for (name, _) in calls.iter().filter(|(_, text)| mentions(text, me.as_str())) {
                if let Some(row) = found.iter_mut().find(|row| row.name == *name) {
                    row.mentions = row.mentions.saturating_add(1);
                }
            }
            Ok(found)
        }
    }

    /// The unsent text of a conversation.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name.
    pub fn draft(&self, with: &str) -> Asked<Option<String>> {
        self.named(with, |store, with| store.draft(with))
    }

    /// Keeps the unsent text of a conversation; an empty one removes it.
    ///
    /// # Errors
    /// `InvalidParams` for what is no name, `TooLarge` over what a message may hold.
    pub fn set_draft(&self, with: &str, text: String) -> Asked<()> {
        self.named(with, move |store, with| store.set_draft(with, &text))
    }

    /// What an interface keeps for itself, sealed with the rest of the profile and gone with the account:
    /// which conversations are muted, say. One text of the interface's own making.
    ///
    /// # Errors
    /// `Io` or `Integrity` when the store can't be read.
    pub fn keepsake(&self) -> Asked<Option<String>> {
        self.mailbox.work(|store| store.keepsake())
    }

    /// Keeps that text in the place of what was kept before; an empty one is none.
    ///
    /// # Errors
    /// `TooLarge` over 1 MiB, `Io` when it could not be stored.
    pub fn set_keepsake(&self, text: String) -> Asked<()> {
        self.mailbox.work(move |store| store.set_keepsake(&text))
    }

    /// Notices up to `seq` were taken: they are not told again.
    ///
    /// # Errors
    /// `Io` when it could not be stored.
    pub fn ack(&self, seq: u64) -> Asked<()> {
        self.mailbox.work(move |store| store.acknowledge(seq))
    }

    /// What a password lacks: `length`, `capital`, `digit`, `common`, and whether it also withstands
    /// guessing without limits. It may be used when it lacks nothing.
    ///
    /// # Errors
    /// `Internal` when the runtime is ending.
    pub fn assess_password(
        &self,
        username: &str,
        password: Password,
    ) -> impl Future<Output = Result<Assessment, Failure>> + Send + use<> {
        auth::assess_password(self.estimator.clone(), username.to_owned(), password)
    }

    /// How things stand with the relay.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.door.connection()
    }

    /// Connects, when there is no connection, and tells what the relay showed of itself. Nothing of the
    /// profile is sent to a relay that is not trusted.
    ///
    /// # Errors
    /// `CertificateChanged`, `Offline`.
    pub fn relay_identity(&self) -> impl Future<Output = Result<RelayIdentity, Failure>> + Send + use<> {
        auth::relay_identity(self.door.clone())
    }

    /// Accepts a certificate that nobody vouches for; from now on it is the only one.
    ///
    /// # Errors
    /// `CertificateChanged` when the profile already knows another one, `Io` when it could not be stored.
    pub fn trust_certificate(&self, pin: Pin) -> Asked<()> {
        self.mailbox.ask(move |answer| Task::Trust(pin, answer))
    }

    /// Uses this relay from now on, and keeps its address in the profile.
    ///
    /// # Errors
    /// `Io` when it could not be stored.
    pub fn connect_to(&self, relay: RelayAddress) -> Asked<()> {
        self.mailbox.ask(move |answer| Task::Relay(relay, answer))
    }

    /// Sends a file. Answers when the relay holds it and its message is queued: a restart of either in
    /// between only takes longer.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` (it may not be read), `InvalidParams` (a folder, a pipe), `TooLarge` before
    /// anything is sent, `Integrity` when the file changes meanwhile, `Cancelled`, and as sending a text.
    pub fn send_file(&self, file: FileToSend) -> impl Future<Output = Result<SentFile, Failure>> + Send + use<> {
        self.door.knock();
        self.transfers.send(file)
    }

    /// Fetches the file of a message. Answers when every byte was checked and the file has its name.
    ///
    /// # Errors
    /// `UnknownMessage`, `NotFound` when the relay has it no more or there is no such directory, `Integrity`
    /// when it is not the file that was sent, `Io`, `Cancelled`.
    pub fn download(&self, file: FileToFetch) -> impl Future<Output = Result<SavedFile, Failure>> + Send + use<> {
        self.door.knock();
        self.transfers.fetch(file)
    }

    /// Transfers under way, paused, failed, and the last ones that are over, oldest first.
    ///
    /// # Errors
    /// `Internal` once the client is closed.
    pub fn transfers(&self) -> impl Future<Output = Result<Vec<Transfer>, Failure>> + Send + use<> {
        self.transfers.list()
    }

    /// Stops a transfer until it is resumed; what went over stays.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn pause_transfer(&self, id: MessageId) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        self.transfers.pause(id)
    }

    /// Goes on with a transfer that was paused, or failed.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn resume_transfer(&self, id: MessageId) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        self.transfers.resume(id)
    }

    /// Gives a transfer up: nothing half-done stays, here or at the relay. One that is over is forgotten;
    /// its file stays.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn cancel_transfer(&self, id: MessageId) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        self.transfers.cancel(id)
    }

    /// What a passphrase lacks for a file that leaves this device: `length`, `common`; nothing when it is good. For who
    /// asks a person: a program's own choice is taken as it is.
    ///
    /// # Errors
    /// `NotLoggedIn` on a profile without an account.
    pub fn assess_passphrase(
        &self,
        passphrase: Passphrase,
    ) -> impl Future<Output = Result<Vec<&'static str>, Failure>> + Send + use<> {
        archive::assess(self.mailbox.clone(), passphrase)
    }

    /// Writes the history to a new file under a passphrase; messages that are to expire stay out of it. Tells how many
    /// messages it holds.
    ///
    /// # Errors
    /// `WeakPassword` with what is unmet, `FileExists`, `NotFound` (there is no such directory), `Forbidden` (it may not
    /// be written), `InvalidParams` (no file's name), `Io`, `NotLoggedIn` on a profile without an account. No file is
    /// left then.
    pub fn export_history(
        &self,
        path: PathBuf,
        passphrase: Passphrase,
    ) -> impl Future<Output = Result<u64, Failure>> + Send + use<> {
        archive::export(self.mailbox.clone(), path, passphrase)
    }

    /// Takes the history of a file over, marked as imported; what is here already stays as it is. Tells how many
    /// messages were new.
    ///
    /// # Errors
    /// `BadCredentials` for a wrong passphrase, `Integrity` for a file that was damaged or is none, `StoreTooNew`,
    /// `Forbidden` for somebody else's history, `NotFound`, `InvalidParams` (a folder, a pipe), `Io`, `NotLoggedIn` on a
    /// profile without an account. Nothing is taken over then.
    pub fn import_history(
        &self,
        path: PathBuf,
        passphrase: Passphrase,
    ) -> impl Future<Output = Result<u64, Failure>> + Send + use<> {
        archive::import(self.mailbox.clone(), path, passphrase)
    }

    /// The small picture that the sender of a file made of it; none when there is none. It is as hostile as
    /// any picture: only [`crate::picture::Decoder`] may look into it.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub fn thumbnail(&self, id: MessageId) -> impl Future<Output = Result<Option<Vec<u8>>, Failure>> + Send + use<> {
        let asked = self.query(Query::File(id));
        async move {
            match asked.await? {
                Answer::File(file) => Ok(file.and_then(|file| file.pointer.thumbnail)),
                _ => Err(Failure::of(FailureKind::Internal)),
            }
        }
    }

    /// From now on these files come by themselves, and those without a path go there.
    pub fn set_downloads(&self, downloads: Downloads) {
        self.transfers.obey(downloads);
    }

    /// Saves everything and closes the profile; does not wait for the relay. When this returns, the
    /// profile may be opened again.
    pub fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        let (done, closed) = oneshot::channel();
        let stopped = self.transfers.stop();
        self.mailbox.post(Task::Close(done));
        async move {
            stopped.await;
            // An error means that it is closed already.
            let _ = closed.await;
        }
    }

    /// Work on one conversation of the store.
    fn named<T: Send + 'static>(
        &self,
        with: &str,
        work: impl FnOnce(&Store, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Asked<T> {
        let with = conversation_name(with);
        self.mailbox.work(move |store| work(store, &with?))
    }
}

/// A conversation's name in its normal form.
fn conversation_name(text: &str) -> Result<String, StoreError> {
    if text.starts_with('#') {
        return RoomName::parse(text).map(|name| name.to_string()).map_err(|_| StoreError::Name);
    }
    match UserName::parse(text) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(StoreError::Name),
    }
}

#[cfg(test)]
mod tests {
    //! What a store that fails does to the whole: needs the inside of a client and a real relay.

    use std::time::Duration;

    use chat_core::engine::{FailureKind, MessageStatus};
    use chat_server::{EmbedConfig, Embedded, embed};
    use tempfile::TempDir;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::config::Config;
    use crate::request::HistoryPart;

    async fn registered(relay: &Embedded, dir: &TempDir) -> (Client, Events) {
        let config = Config { relay: Some(relay.addr.to_string().parse().unwrap()), ..Config::new(dir.path()) };
        let (client, events) = Client::open(config).await.unwrap();
        let password = Password::from("Vy3-quarzlampe-tundra".to_owned());
        let registration = Registration {
            username: "alice".to_owned(),
            password,
            display_name: None,
            device_name: None,
            invite: None,
        };
        client.register(registration).await.unwrap();
        (client, events)
    }

    async fn note(client: &Client, text: &str) -> Result<Reply, Failure> {
        let (to, text) = ("alice".to_owned(), text.to_owned());
        client.run(Command::Send { to, text, reply_to: None, idempotency_key: None, expires_in_ms: None }).await
    }

    async fn history(client: &Client) -> Vec<(String, MessageStatus)> {
        let page = HistoryPage { with: "alice".to_owned(), part: HistoryPart::Newest, limit: 1_000 };
        let messages = client.history(page).await.unwrap().messages;
        messages.into_iter().map(|message| (message.text.unwrap(), message.status)).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_refuses_what_it_can_not_keep_and_everything_goes_on_when_there_is_room() {
        let relay = embed(EmbedConfig::default()).unwrap();
        let dir = TempDir::new().unwrap();
        let (client, _events) = registered(&relay, &dir).await;
        client.mailbox.work(|store| store.fill_disk(true)).await.unwrap();
        let mut kept = Vec::new();
        let refused = loop {
            let text = format!("{} {}", kept.len(), "x".repeat(2_000));
            match note(&client, &text).await {
                Ok(_) => kept.push(text),
                Err(failure) => break failure,
            }
        };
        assert_eq!(refused.kind, FailureKind::Io);
        assert_eq!(history(&client).await.into_iter().map(|(text, _)| text).collect::<Vec<_>>(), kept);
        client.mailbox.work(|store| store.fill_disk(false)).await.unwrap();
        note(&client, "room again").await.unwrap();
        kept.push("room again".to_owned());
        let all_sent = async {
            while history(&client).await.iter().any(|(_, status)| *status == MessageStatus::Queued) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), all_sent).await.unwrap();
        assert_eq!(history(&client).await.into_iter().map(|(text, _)| text).collect::<Vec<_>>(), kept);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn records_that_can_not_be_read_stop_the_engine_and_it_comes_back_with_them() {
        let relay = embed(EmbedConfig::default()).unwrap();
        let dir = TempDir::new().unwrap();
        let (client, _events) = registered(&relay, &dir).await;
        note(&client, "before").await.unwrap();
        // What else is under way may share the transaction, and then takes the loss back with its own failure.
        let losing = async {
            while client.mailbox.work(|store| store.lose_records(true)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), losing).await.unwrap();
        assert_eq!(note(&client, "lost").await.unwrap_err().kind, FailureKind::Io);
        assert_eq!(client.query(Query::Status).await.unwrap_err().kind, FailureKind::Io);
        // What needs no engine still works.
        client.set_draft("bob", "kept".to_owned()).await.unwrap();
        client.mailbox.work(|store| store.lose_records(false)).await.unwrap();
        let back = async {
            while note(&client, "after").await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(10), back).await.unwrap();
        let texts: Vec<_> = history(&client).await.into_iter().map(|(text, _)| text).collect();
        assert_eq!(texts, ["before", "after"]);
    }
}
