//! The complete chat client without a screen: transport, reconnect, encrypted store and an async handle.
//! Terminal, JSON-RPC and bots are thin shells around [`Client`].
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chat_client::{Client, ClientEvent, Command, Config, Password, Registration, Reply};
//!
//! # let relay = chat_server::embed(chat_server::EmbedConfig::default())?;
//! # let (dir, relay) = (tempfile::tempdir()?, relay.addr.to_string());
//! let (client, mut events) = Client::open(Config { relay: Some(relay.parse()?), ..Config::new(dir.path()) }).await?;
//! let registration = Registration {
//!     username: "alice".to_owned(),
//!     password: Password::from("Vy3-quarzlampe-tundra".to_owned()),
//!     display_name: None,
//!     device_name: None,
//!     invite: None,
//! };
//! let registered = client.register(registration).await.map_err(|failure| format!("{failure:?}"))?;
//! println!("write this down: {}", registered.recovery_code);
//! let (to, text) = ("alice".to_owned(), "a note to self".to_owned());
//! let send = Command::Send { to, text, reply_to: None, idempotency_key: None, expires_in_ms: None };
//! assert!(matches!(client.run(send).await, Ok(Reply::Queued { .. })));
//! while let Some(event) = events.next().await {
//!     if let ClientEvent::Event(event) = event {
//!         println!("{event:?}");
//!         break;
//!     }
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Floors (a module imports only lower ones):
//!
//! | floor | modules | own |
//! |---|---|---|
//! | 0 | `clock` `picture` | the only clock; pictures, decoded elsewhere |
//! | 1 | `config` | what an embedder chooses |
//! | 2 | `error` `estimate` `event` `request` | plain types; what a password lacks |
//! | 3 | `transport` `store` | bytes to the relay; the encrypted file |
//! | 4 | `link` | when to connect, and again |
//! | 5 | `driver` | engine, store and connection on one thread |
//! | 6 | `auth` `archive` `events` `transfer` | OPAQUE; the history in a file; the reader's end; files |
//! | 7 | `handle` | [`Client`] |
//!
//! What holds everywhere: nothing leaves for the relay or the reader before what it rests on is durable ·
//! no call waits for the network unless only the relay knows the answer · calls are done in the order in
//! which they are made · a backlog waits on disk, never in memory · logs hold no name, text, address or key.
//!
//! Absent on purpose: terminal code, protocol decisions (the engine's), and any file outside the profile's
//! directory but those that a person names.

#![deny(missing_docs)]

mod archive;
mod auth;
mod clock;
mod config;
mod driver;
mod error;
mod estimate;
mod event;
mod events;
mod handle;
mod link;
pub mod picture;
mod request;
mod store;
mod transfer;
mod transport;

pub use chat_core::engine::{
    AccountCommand, Alarm, AlarmKind, Answer, Change, Command, Contact, Conversation, Device, Event, Failure,
    FailureKind, FileInfo, FoundPerson, HistoryProgress, IdentityChange, Message, MessageStatus, Notice, NoticeKind,
    Query, Reaction, Reply, Request, Role, RoomCommand, RoomEventKind, RoomInfo, RoomMember, RoomNotice, RoomReply,
    RoomSummary, SafetyNumber, SafetyProof, Status, WaitingDevice,
};
pub use chat_core::identity::password::Assessment;
pub use chat_core::time::Timestamp;
pub use chat_wire::ids::{AccountId, DeviceId, MessageId, RoomName, UserName, UserNameError};
pub use chat_wire::message::PresenceStatus;
pub use config::{
    Ack, Config, Downloads, Estimate, FilesConfig, Kept, Passphrase, Pin, PinError, RELAY_PORT, RelayAddress,
    RelayAddressError, StoreKey, Trust,
};
pub use driver::Asked;
pub use error::OpenError;
pub use estimate::answer_estimate;
pub use event::{ClientEvent, Connection, ConnectionState, Direction, OfflineReason};
pub use events::Events;
pub use handle::Client;
pub use request::{
    ConversationSummary, Credentials, HISTORY_PAGE_MAX, HistoryPage, HistoryPart, LoggedIn, MessagePage, MessageSearch,
    Password, Recovered, RecoveryRequest, Registered, Registration, RelayIdentity, RelayTrust, mentions,
};
pub use transfer::{FileToFetch, FileToSend, SavedFile, SentFile, Transfer, TransferState};
pub use transport::{Loopback, LoopbackEnd};
pub use zeroize;
