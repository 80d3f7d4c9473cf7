//! Registration and login by password.

use chat_core::engine::{Failure, FailureKind};

use crate::driver::Mailbox;
use crate::event::{Connection, ConnectionState};
use crate::request::{Credentials, LoggedIn, Password, Registered, Registration, RelayIdentity};

/// The way to a connection that may run OPAQUE.
#[derive(Debug, Clone)]
pub(crate) struct Door;

impl Door {
    pub(crate) fn knock(&self) {}

    pub(crate) fn connection(&self) -> Connection {
        Connection { state: ConnectionState::Offline, relay: None, retry_in_ms: None, reason: None }
    }
}

pub(crate) async fn register(_: Mailbox, _: Door, _: Registration) -> Result<Registered, Failure> {
    Err(Failure::of(FailureKind::Offline))
}

pub(crate) async fn login(_: Mailbox, _: Door, _: Credentials) -> Result<LoggedIn, Failure> {
    Err(Failure::of(FailureKind::Offline))
}

pub(crate) fn password_gaps(_: &str, password: &Password) -> Vec<&'static str> {
    if password.expose().is_empty() { vec!["length"] } else { Vec::new() }
}

pub(crate) async fn relay_identity(_: Door) -> Result<RelayIdentity, Failure> {
    Err(Failure::of(FailureKind::Offline))
}
