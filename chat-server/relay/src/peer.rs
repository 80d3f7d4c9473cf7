//! The state of one connection.
//!
//! ```text
//!            Hello            Register1             Register2
//!   Fresh ─────────▶ Greeted ─────────▶ Registering ─────────▶ LoggedIn
//!                    │  ▲ │                                       ▲
//!                Ke1 │  │ └──────────────── Proof ────────────────┤
//!                    ▼  │ wrong                                   │
//!                  AwaitingKe3 ── Ke3 ──▶ PasswordProven ─────────┘      Closing: from anywhere
//! ```
//! `Recover1` and `Recover2` lead to `PasswordProven` by way of `Recovering`, as `Ke1` and `Ke3` do; from
//! there `Enroll`, `NewPassword2` with a new device, or `Proof` log in. A logged-in device may check the account's password by the way; its state does not change.

use std::collections::VecDeque;

use chat_wire::frame::ClientFrame;
use chat_wire::ids::{DeviceAddress, UserName};
use chat_wire::keys::Signature;
use chat_wire::message::ChannelBinding;

use crate::identity::Greeting;
use crate::service::accounts::{PasswordLogin, Proven, Recovery};
use crate::storage::InviteHash;
use crate::window::Window;

/// An address that limits count by: an IPv4 address or an IPv6 /64, padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressKey(pub [u8; 8]);

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This machine, or a shell that limits addresses itself.
    Trusted,
    /// Somewhere; limits count by address.
    Address(AddressKey),
}

/// What a connection has got to.
pub(crate) enum Peer {
    /// Nothing was said.
    Fresh,
    /// Version agreed, challenge given.
    Greeted,
    /// A name was asked for.
    Registering { name: UserName, invite: Option<InviteHash> },
    /// KE2 is out.
    AwaitingKe3(Box<PasswordLogin>),
    /// A recovery code is asked for.
    Recovering(Box<Recovery>),
    /// The password or the recovery code was right; not a device yet.
    PasswordProven(Proven),
    /// A device.
    LoggedIn(Box<Login>),
    /// Nothing more is read.
    Closing,
}

/// The name of a state without what it holds: for the table of what is due when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Fresh,
    Greeted,
    Registering,
    AwaitingKe3,
    Recovering,
    PasswordProven,
    LoggedIn,
    Closing,
}

/// A logged-in device's connection.
pub(crate) struct Login {
    pub(crate) device: DeviceAddress,
    pub(crate) window: Window,
    /// A password that is being checked beside the login (SPEC 9.5.3).
    pub(crate) checking: Option<Box<PasswordLogin>>,
    /// Highest step that was accepted from it.
    pub(crate) step: u64,
    /// Presence takes it for silent.
    pub(crate) dozing: bool,
    /// It was told that it is logged in: only then mail may follow.
    pub(crate) announced: bool,
}

impl Peer {
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Fresh => Stage::Fresh,
            Self::Greeted => Stage::Greeted,
            Self::Registering { .. } => Stage::Registering,
            Self::AwaitingKe3(_) => Stage::AwaitingKe3,
            Self::Recovering(_) => Stage::Recovering,
            Self::PasswordProven(_) => Stage::PasswordProven,
            Self::LoggedIn(_) => Stage::LoggedIn,
            Self::Closing => Stage::Closing,
        }
    }

    pub(crate) fn login(&mut self) -> Option<&mut Login> {
        match self {
            Self::LoggedIn(login) => Some(login),
            _ => None,
        }
    }

    /// What was proven of an account whose device the connection is not.
    pub(crate) fn proven(&self) -> Option<&Proven> {
        match self {
            Self::PasswordProven(proven) => Some(proven),
            _ => None,
        }
    }

    /// The device that the connection is.
    pub(crate) fn device(&self) -> Option<DeviceAddress> {
        match self {
            Self::LoggedIn(login) => Some(login.device),
            _ => None,
        }
    }
}

/// A connection.
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    pub(crate) binding: ChannelBinding,
    pub(crate) origin: Origin,
    pub(crate) opened_ms: u64,
    pub(crate) heard_ms: u64,
    pub(crate) strikes: u32,
    /// A device waits here to be let in (SPEC 9.13): it may take longer than a login.
    pub(crate) seeks: bool,
    /// The relay's signature over the challenge, when it was made before anybody asked.
    pub(crate) greeting: Option<Box<Signature>>,
    /// While work for a request of it is under way: what was said since, in order.
    pub(crate) waiting: Option<VecDeque<ClientFrame>>,
}

impl Connection {
    pub(crate) fn new(exporter: [u8; 32], origin: Origin, greeting: Option<Greeting>, uptime_ms: u64) -> Self {
        let (challenge, greeting) = greeting.map_or(([0; 32], None), |g| (g.challenge, Some(g.signature)));
        Self {
            peer: Peer::Fresh,
            binding: ChannelBinding { challenge, exporter },
            origin,
            opened_ms: uptime_ms,
            heard_ms: uptime_ms,
            strikes: 0,
            seeks: false,
            greeting,
            waiting: None,
        }
    }
}
