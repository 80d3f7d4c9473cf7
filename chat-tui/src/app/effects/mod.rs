//! Carries out what an update wants of the client. Every call takes its place in the client's queue
//! here and now, in order; the answer comes back as a message. Nothing here waits.

mod account;
mod diagnosis;
mod files;
mod messages;
mod rooms;

use std::future::Future;

use chat_client::zeroize::Zeroizing;
use chat_client::{
    Answer, Client, Command, Credentials, Downloads, Failure, FailureKind, HistoryPage, HistoryPart, MessageSearch,
    Password, Pin, PresenceStatus, Query, RecoveryRequest, Registration, RelayAddress, RelayTrust, Reply, RoomCommand,
    RoomReply, UserName,
};
use tokio::sync::mpsc::UnboundedSender;

use super::intake;
use crate::model::{
    Availability, Gaps, Me, Msg, MsgId, Name, NewAccount, Page, Person, Problem, Recovery, RelayCheck, Request, Secret,
    SignIn, SignedIn, Started,
};
use crate::text::SafeText;

/// Messages in a page.
const PAGE: u32 = 100;

/// Hits of a search.
const HITS: u32 = 200;

/// People found.
const PEOPLE: u16 = 50;

/// Characters above which a good password needs no advice to be longer.
const LONG_ENOUGH_CHARS: usize = 12;

/// What does the work.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    client: Client,
    inbox: UnboundedSender<Msg>,
}

impl Hands {
    pub(super) fn new(client: Client, inbox: UnboundedSender<Msg>) -> Self {
        Self { client, inbox }
    }

    /// Sends a message to the loop; at the end there is none that takes it.
    pub(super) fn tell(&self, msg: Msg) {
        let _ = self.inbox.send(msg);
    }

    /// Which files come by themselves, and where to.
    pub(super) fn set_downloads(&self, downloads: Downloads) {
        self.client.set_downloads(downloads);
    }

    /// Ends the client; what was asked before is done first.
    pub(super) fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        self.client.close()
    }

    /// Tells when this is done.
    fn then<T>(&self, work: impl Future<Output = T> + Send + 'static, tell: impl FnOnce(T) -> Msg + Send + 'static)
    where
        T: Send + 'static,
    {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let _ = inbox.send(tell(work.await));
        });
    }

    /// Carries a request out.
    pub(super) fn perform(&self, request: Request) {
        match request {
            Request::Start => self.start(),
            Request::Load { chat, page } => self.load(chat, page),
            Request::LoadDraft(chat) => {
                let draft = self.client.draft(chat.as_str());
                self.then(draft, move |text| {
                    let text = text.ok().flatten().unwrap_or_default();
                    Msg::Draft { chat, text: SafeText::body(&text) }
                });
            }
            Request::SaveDraft { chat, text } => {
                let saved = self.client.set_draft(chat.as_str(), text);
                self.deed("The draft was not kept", async move { saved.await.map(|()| Reply::Done) });
            }
            Request::Keep(text) => {
                let kept = self.client.set_keepsake(text);
                self.deed("The setting was not kept", async move { kept.await.map(|()| Reply::Done) });
            }
            Request::Diagnose => self.tell(Msg::Facts(diagnosis::facts(&self.client))),
            Request::Send { serial, to, text, reply_to, vanishes_ms } => {
                let reply_to = reply_to.map(intake::message_id);
                let send = Command::Send {
                    to: to.to_string(),
                    text,
                    reply_to,
                    expires_in_ms: vanishes_ms,
                    idempotency_key: None,
                };
                self.send(serial, to, send);
            }
            Request::Search { words, within, number } => self.search(words, within, number),
            Request::Find { query, number } => self.find(query, number),
            Request::LookUp(name) => self.look_up(name),
            Request::CheckPassword { password, name, number } => self.check_password(password, name, number),
            Request::CheckRelay { server } => self.check_relay(server),
            Request::TrustRelay { pin } => self.trust_relay(pin),
            Request::Register(account) => self.register(*account),
            Request::SignIn(account) => self.sign_in(*account),
            Request::Recover(account) => self.recover(*account),
            Request::Account(asked) => self.account(asked),
            Request::Room(asked) => self.room(asked),
            Request::File(asked) => self.file(asked),
            Request::Message(asked) => self.message(asked),
            other => self.small(other),
        }
    }

    /// Requests whose answer matters only when it is a failure.
    fn small(&self, request: Request) {
        let with = |name: &Name| UserName::parse(name.as_str()).ok();
        let (what, command) = match request {
            Request::MarkRead { chat, id } => {
                ("Not marked as read", Some(Command::MarkRead { with: chat.to_string(), id: intake::message_id(id) }))
            }
            Request::Typing { to, active } => {
                // Passing; whoever misses it misses nothing.
                let told = self.client.run(Command::Typing { to: to.to_string(), active });
                drop(tokio::spawn(told));
                return;
            }
            Request::Accept(name) => ("Not accepted", with(&name).map(Command::AcceptRequest)),
            Request::Decline(name) => ("Not declined", with(&name).map(Command::DeclineRequest)),
            Request::Block(name) => ("Not blocked", with(&name).map(Command::Block)),
            Request::Unblock(name) => ("Not unblocked", with(&name).map(Command::Unblock)),
            Request::SetPresence(shown) => ("Not set", Some(Command::SetPresence { status: presence(shown) })),
            Request::SetDisplay(text) => ("Not set", Some(Command::SetProfile { display_name: Some(text) })),
            Request::LogOut => return self.log_out(),
            _ => return,
        };
        match command {
            Some(command) => self.deed(what, self.client.run(command)),
            None => self.tell(Msg::Done { what: SafeText::line(what), result: Err(Problem::BadName) }),
        }
    }

    /// A command of which only a failure is told.
    fn deed(&self, what: &'static str, work: impl Future<Output = Result<Reply, Failure>> + Send + 'static) {
        self.then(work, move |result| Msg::Done {
            what: SafeText::line(what),
            result: result.map(drop).map_err(|f| intake::problem(&f)),
        });
    }

    fn log_out(&self) {
        let done = self.client.run(Command::Logout { forget: false });
        self.then(done, |result| match result {
            Ok(_) => Msg::LoggedOut { reason: SafeText::line("Logged out.") },
            Err(failure) => {
                Msg::Done { what: SafeText::line("Not logged out"), result: Err(intake::problem(&failure)) }
            }
        });
    }

    fn start(&self) {
        let (status, contacts) = (self.client.query(Query::Status), self.client.query(Query::Contacts));
        let (requests, chats) = (self.client.query(Query::Requests), self.client.conversations());
        let rooms = self.client.run(Command::Room(RoomCommand::List { joined: Some(true) }));
        let keepsake = self.client.keepsake();
        let client = self.client.clone();
        self.then(
            async move { ((status.await, contacts.await, keepsake.await), (requests.await, chats.await, rooms.await)) },
            move |((status, contacts, keepsake), (requests, chats, rooms))| {
                let relay = client.connection().relay.map(|r| SafeText::line(&r.to_string()));
                let habits = keepsake.ok().map(Option::unwrap_or_default);
                let mut started = Started { relay, habits, ..Started::default() };
                if let Ok(Answer::Status(status)) = status {
                    started.enrolled = status.username.filter(|_| status.enrolled).map(|n| Name::new(n.as_str()));
                    started.online = status.online;
                    started.me = started.enrolled.clone().filter(|_| status.logged_in).map(|name| Me {
                        name,
                        display: status.display_name.as_deref().map(SafeText::line),
                        availability: Availability::Online,
                    });
                }
                let contacts = match contacts {
                    Ok(Answer::Contacts(contacts)) => contacts,
                    _ => Vec::new(),
                };
                if let Ok(Answer::Requests(requests)) = requests {
                    started.strangers = requests.iter().map(intake::stranger).collect();
                }
                started.rows = intake::rows(chats.unwrap_or_default(), contacts);
                if let Ok(Reply::Room(RoomReply::Rooms(rooms))) = rooms {
                    rooms.into_iter().for_each(|room| intake::add_room(&mut started.rows, room));
                }
                Msg::Started(Box::new(started))
            },
        );
    }

    fn load(&self, chat: Name, page: Page) {
        let part = match page {
            Page::Newest => HistoryPart::Newest,
            Page::Before(id) => HistoryPart::Before(intake::message_id(id)),
            Page::After(id) => HistoryPart::After(intake::message_id(id)),
            Page::Around(id) => HistoryPart::Around(intake::message_id(id)),
            Page::At(ms) => HistoryPart::At(ms),
        };
        let loaded = self.client.history(HistoryPage { with: chat.to_string(), part, limit: PAGE });
        self.then(loaded, move |result| match result {
            Ok(loaded) => Msg::Loaded {
                chat,
                page,
                more_before: loaded.more_before,
                more_after: loaded.more_after,
                entries: loaded.messages.into_iter().map(intake::entry).collect(),
            },
            Err(failure) => Msg::NotLoaded { chat, problem: intake::problem(&failure) },
        });
    }

    fn send(&self, serial: u64, to: Name, send: Command) {
        let queued = self.client.run(send);
        self.then(queued, move |result| match result {
            Ok(Reply::Queued { id, timestamp_ms }) => {
                Msg::Queued { serial, chat: to, id: MsgId(*id.as_bytes()), when: intake::when(timestamp_ms) }
            }
            Ok(_) => Msg::NotQueued { serial, chat: to, problem: Problem::Internal },
            Err(failure) => Msg::NotQueued { serial, chat: to, problem: intake::problem(&failure) },
        });
    }

    fn search(&self, query: String, within: Option<Name>, number: u64) {
        let with = within.map(|n| n.to_string());
        let found = self.client.search_messages(MessageSearch { query, with, limit: HITS });
        self.then(found, move |result| Msg::Hits {
            number,
            hits: result.map(|m| m.into_iter().map(intake::hit).collect()).map_err(|f| intake::problem(&f)),
        });
    }

    fn find(&self, query: String, number: u64) {
        let found = self.client.run(Command::Search { query, limit: PEOPLE });
        self.then(found, move |result| Msg::Found { number, people: people(result) });
    }

    fn look_up(&self, name: Name) {
        let found = self.client.run(Command::Search { query: name.to_string(), limit: PEOPLE });
        self.then(found, move |result| {
            let exists = people(result).map(|all| all.iter().any(|p| p.name == name));
            Msg::LookedUp { name, exists }
        });
    }

    fn check_password(&self, password: Secret, name: Name, number: u64) {
        let long = password.chars() >= LONG_ENOUGH_CHARS;
        let work = self.client.assess_password(name.as_str(), secret(&password));
        self.then(work, move |made| {
            let unmet = made.map(|assessment| assessment.unmet).unwrap_or_default();
            Msg::Gaps { number, gaps: gaps(&unmet, long) }
        });
    }

    fn check_relay(&self, server: String) {
        let client = self.client.clone();
        let asked = server.clone();
        let work = async move {
            let address: RelayAddress = asked.parse().map_err(|_| Problem::Offline)?;
            if client.connection().relay.as_ref() != Some(&address) {
                client.connect_to(address).await.map_err(|f| intake::problem(&f))?;
            }
            identity(&client).await
        };
        self.then(work, move |check| Msg::Relay { server, check: check.unwrap_or_else(RelayCheck::Failed) });
    }

    fn trust_relay(&self, pin: [u8; 32]) {
        let client = self.client.clone();
        let server = client.connection().relay.map(|r| r.to_string()).unwrap_or_default();
        let work = async move {
            client.trust_certificate(Pin(pin)).await.map_err(|f| intake::problem(&f))?;
            identity(&client).await
        };
        self.then(work, move |check| Msg::Relay { server, check: check.unwrap_or_else(RelayCheck::Failed) });
    }

    fn register(&self, account: NewAccount) {
        let NewAccount { name, password, display, device, invite } = account;
        let shown = display.as_deref().map(SafeText::line);
        let registered = self.client.register(Registration {
            username: name.to_string(),
            password: secret(&password),
            display_name: display,
            device_name: device,
            invite,
        });
        self.then(registered, move |result| {
            let signed_in = result.map_err(|f| intake::problem(&f)).map(|done| {
                let mut code = Secret::default();
                code.paste(&Zeroizing::new(done.recovery_code));
                let name = Name::new(done.username.as_str());
                SignedIn { me: Me { name, display: shown, availability: Availability::Online }, code: Some(code) }
            });
            Msg::SignedIn(Box::new(signed_in))
        });
    }

    fn sign_in(&self, account: SignIn) {
        let SignIn { name, password, device } = account;
        let credentials = Credentials { username: name.to_string(), password: secret(&password), device_name: device };
        self.then(self.client.login(credentials), move |result| {
            let refused = |f: Failure| match f.kind {
                FailureKind::Forbidden => Problem::NeedsApproval,
                _ => intake::problem(&f),
            };
            let signed_in = result.map_err(refused).map(|done| {
                let name = Name::new(done.username.as_str());
                SignedIn { me: Me { name, display: None, availability: Availability::Online }, code: None }
            });
            Msg::SignedIn(Box::new(signed_in))
        });
    }

    fn recover(&self, account: Recovery) {
        let Recovery { name, code, password, device } = account;
        let recovered = self.client.recover(RecoveryRequest {
            username: name.to_string(),
            recovery_code: secret(&code),
            new_password: secret(&password),
            device_name: device,
        });
        self.then(recovered, |result| {
            let signed_in = result.map_err(|f| intake::problem(&f)).map(|done| {
                let mut code = Secret::default();
                code.paste(&Zeroizing::new(done.recovery_code));
                let name = Name::new(done.username.as_str());
                SignedIn { me: Me { name, display: None, availability: Availability::Online }, code: Some(code) }
            });
            Msg::SignedIn(Box::new(signed_in))
        });
    }
}

async fn identity(client: &Client) -> Result<RelayCheck, Problem> {
    let identity = client.relay_identity().await.map_err(|f| intake::problem(&f))?;
    Ok(match identity.trust {
        RelayTrust::Roots => RelayCheck::Rooted,
        RelayTrust::Pinned | RelayTrust::FirstUse => RelayCheck::Pinned,
        _ => RelayCheck::FirstUse { pin: identity.pin.0 },
    })
}

fn people(result: Result<Reply, Failure>) -> Result<Vec<Person>, Problem> {
    match result {
        Ok(Reply::Found(people)) => {
            Ok(people.into_iter().map(|p| Person { name: Name::new(p.username.as_str()), online: p.online }).collect())
        }
        Ok(_) => Err(Problem::Internal),
        Err(failure) => Err(intake::problem(&failure)),
    }
}

fn presence(shown: Availability) -> PresenceStatus {
    match shown {
        Availability::Away => PresenceStatus::Away,
        Availability::Invisible => PresenceStatus::Invisible,
        _ => PresenceStatus::Online,
    }
}

fn secret(typed: &Secret) -> Password {
    Password::from(Zeroizing::new(typed.expose().to_owned()))
}

fn gaps(unmet: &[&str], long: bool) -> Gaps {
    let lacks = |word| unmet.contains(&word);
    Gaps {
        length: lacks("length"),
        capital: lacks("capital"),
        digit: lacks("digit"),
        common: lacks("common"),
        advised: !long,
    }
}
