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
mod request;
mod store;

pub use config::{Ack, Config, Pin, PinError, RELAY_PORT, RelayAddress, RelayAddressError, StoreKey, Trust};
pub use error::OpenError;
pub use event::{ClientEvent, Connection, ConnectionState, OfflineReason};
pub use events::Events;
pub use handle::Client;
pub use request::{
    ConversationSummary, Credentials, HISTORY_PAGE_MAX, HistoryPage, LoggedIn, MessageSearch, Password, Registered,
    Registration,
};
