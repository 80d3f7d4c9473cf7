//! Calls carried out by a client.

use chat_client::{Answer, Client, ClientEvent, Connection, ConnectionState, Events, Failure, FailureKind, Query};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::oneshot;

use super::call::{ArchiveCall, Call, FileCall};
use super::error::RpcError;
use super::session::{Backend, Source};
use super::shape::{Body, StatusShape};

type Outcome = LocalBoxFuture<'static, Result<Body, RpcError>>;

/// A client that carries out calls.
pub(crate) struct Live {
    client: Client,
}

impl Live {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Backend for Live {
    fn call(&self, call: Call) -> Outcome {
        // The client queues a call when it is called, not when it is awaited: that keeps the order.
        match call {
            Call::Version | Call::Quit => std::future::ready(Ok(Body::version())).boxed_local(),
            Call::Status => self.query(Query::Status),
            Call::Contacts => self.logged_in(self.query(Query::Contacts)),
            Call::Requests => self.logged_in(self.query(Query::Requests)),
            Call::Recover(request) => answered(self.client.recover(request), Body::from),
            Call::ChangePassword(old, new) => {
                answered(self.client.change_password(old, new), |recovery_code| Body::PasswordChanged { recovery_code })
            }
            Call::DeleteAccount(password) => answered(self.client.delete_account(password), |()| Body::Done {}),
            Call::SetApproval(on, password) => answered(self.client.set_approval(on, password), |()| Body::Done {}),
            Call::Devices => self.logged_in(self.query(Query::Devices)),
            Call::Waiting => self.logged_in(self.query(Query::Waiting)),
            Call::Register(registration) => answered(self.client.register(registration), Body::from),
            Call::Login(credentials) => answered(self.client.login(credentials), Body::from),
            Call::Ack(seq) => answered(self.client.ack(seq), |()| Body::Done {}),
            Call::Conversations => self.logged_in(answered(self.client.conversations(), Body::from)),
            Call::History(page) => {
                self.logged_in(answered(self.client.history(page), |page| Body::messages(page.messages)))
            }
            Call::SearchMessages(search) => {
                self.logged_in(answered(self.client.search_messages(search), Body::messages))
            }
            Call::Amend(id, change) => answered(self.client.amend(id, change), Body::from),
            Call::File(call) => self.file(call),
            Call::Archive(call) => self.archive(call),
            Call::Nothing(error) => self.logged_in(std::future::ready(Err(error)).boxed_local()),
            Call::Run(command) => answered(self.client.run(command), Body::from),
        }
    }
}

impl Live {
    fn query(&self, query: Query) -> Outcome {
        let answer = self.client.query(query);
        let client = self.client.clone();
        async move {
            match answer.await? {
                Answer::Status(status) => {
                    // Nobody is to be let in as long as nobody is logged in.
                    let stands = client.connection().state == ConnectionState::Connected;
                    let connected = if status.logged_in { status.online } else { stands };
                    Ok(Body::Status(StatusShape::new(status, connected)))
                }
                Answer::Contacts(contacts) => Ok(contacts.into()),
                Answer::Requests(requests) => Ok(requests.into()),
                Answer::Devices(devices) => Ok(devices.into()),
                Answer::Waiting(devices) => Ok(devices.into()),
                _ => Err(RpcError::from(Failure::of(FailureKind::Internal))),
            }
        }
        .boxed_local()
    }

    fn file(&self, call: FileCall) -> Outcome {
        let client = &self.client;
        match call {
            FileCall::Send(file) => answered(client.send_file(file), Body::file),
            FileCall::Fetch(file) => self.logged_in(answered(client.download(file), Body::file)),
            FileCall::Transfers => self.logged_in(answered(client.transfers(), Body::file)),
            FileCall::Pause(id) => self.logged_in(answered(client.pause_transfer(id), |()| Body::Done {})),
            FileCall::Resume(id) => self.logged_in(answered(client.resume_transfer(id), |()| Body::Done {})),
            FileCall::Cancel(id) => self.logged_in(answered(client.cancel_transfer(id), |()| Body::Done {})),
            FileCall::Thumbnail(id) => self.logged_in(answered(client.thumbnail(id), Body::file)),
        }
    }

    fn archive(&self, call: ArchiveCall) -> Outcome {
        let counted = |messages| Body::Counted { messages };
        self.logged_in(match call {
            ArchiveCall::Export(path, passphrase) => answered(self.client.export_history(path, passphrase), counted),
            ArchiveCall::Import(path, passphrase) => answered(self.client.import_history(path, passphrase), counted),
        })
    }

    /// Whoever logged out may have left the device to somebody else: what lies on it is shown to the
    /// account's owner only.
    fn logged_in(&self, answer: Outcome) -> Outcome {
        let status = self.client.query(Query::Status);
        async move {
            match status.await? {
                Answer::Status(status) if status.logged_in => answer.await,
                _ => Err(RpcError::from(Failure::of(FailureKind::NotLoggedIn))),
            }
        }
        .boxed_local()
    }
}

fn answered<T: 'static>(
    answer: impl Future<Output = Result<T, Failure>> + 'static,
    shape: impl FnOnce(T) -> Body + 'static,
) -> Outcome {
    async move { answer.await.map(shape).map_err(RpcError::from) }.boxed_local()
}

/// A client's events.
pub(crate) struct Pull {
    client: Client,
    events: Events,
    /// A connection that stands, not told yet: the relay has not let the device in.
    standing: Option<Connection>,
    /// Told when the first attempt to connect has ended.
    settled: Option<oneshot::Sender<()>>,
}

impl Pull {
    /// The events, and what ends with the first attempt to connect.
    pub(crate) fn new(client: Client, events: Events) -> (Self, oneshot::Receiver<()>) {
        let (settled, told) = oneshot::channel();
        (Self { client, events, standing: None, settled: Some(settled) }, told)
    }

    fn tell(&mut self, connection: Connection) -> Option<ClientEvent> {
        if connection.state != ConnectionState::Connecting {
            // Dropped: the receiver learns of it.
            self.settled = None;
        }
        Some(ClientEvent::Connection(connection))
    }

    /// Whether the device of this profile is still to be let in. An answer that fails holds back nothing.
    async fn at_the_door(&self) -> bool {
        match self.client.query(Query::Status).await {
            Ok(Answer::Status(status)) => status.logged_in && !status.online,
            _ => false,
        }
    }
}

impl Source for Pull {
    /// `connected` is told when it means what a program takes it for: that what needs the relay works.
    async fn next(&mut self) -> Option<ClientEvent> {
        loop {
            if self.standing.is_some()
                && !self.at_the_door().await
                && let Some(connection) = self.standing.take()
            {
                return self.tell(connection);
            }
            match self.events.next().await? {
                ClientEvent::Connection(connection) if connection.state == ConnectionState::Connected => {
                    self.standing = Some(connection);
                }
                ClientEvent::Connection(connection) => {
                    self.standing = None;
                    return self.tell(connection);
                }
                event => return Some(event),
            }
        }
    }
}
