//! The complete chat client without a screen: transport, reconnect, encrypted store and an async handle.

#![deny(missing_docs)]

mod auth;
mod clock;
mod config;
mod driver;
mod error;
mod event;
mod events;
mod handle;
mod link;
mod request;
mod store;
mod transport;

pub use chat_core::engine::{
    Answer, Command, Contact, Conversation, Event, Failure, FailureKind, FoundPerson, IdentityChange, Message,
    MessageStatus, Notice, NoticeKind, Query, Reply, Request, Status,
};
pub use chat_core::identity::password::Assessment;
pub use chat_core::time::Timestamp;
pub use chat_wire::ids::{AccountId, DeviceId, MessageId, UserName, UserNameError};
pub use chat_wire::message::PresenceStatus;
pub use config::{Ack, Config, Pin, PinError, RELAY_PORT, RelayAddress, RelayAddressError, StoreKey, Trust};
pub use driver::Asked;
pub use error::OpenError;
pub use event::{ClientEvent, Connection, ConnectionState, OfflineReason};
pub use events::Events;
pub use handle::Client;
pub use request::{
    ConversationSummary, Credentials, HISTORY_PAGE_MAX, HistoryPage, HistoryPart, LoggedIn, MessagePage, MessageSearch,
    Password, Registered, Registration, RelayIdentity, RelayTrust,
};
pub use transport::{Loopback, LoopbackEnd};
pub use zeroize;
