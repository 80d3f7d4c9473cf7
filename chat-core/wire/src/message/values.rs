//! Values that several messages share.

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, DeviceAddress, UserName};

/// What a person shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PresenceStatus {
    /// At the keyboard.
    Online,
    /// Connected, away.
    Away,
    /// Offline to everybody.
    Invisible,
}

/// One packet of a send: the body holds the packets one after the other in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketHead {
    /// Recipient device.
    #[serde(rename = "t")]
    pub to: DeviceAddress,
    /// Bytes of the packet.
    #[serde(rename = "l")]
    pub len: u32,
}

/// Which list of an account a sender encrypted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// The account.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Sequence number of the list in use.
    #[serde(rename = "q")]
    pub seq: u64,
}

/// A person in a `Found` answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundUser {
    /// The name.
    #[serde(rename = "n")]
    pub name: UserName,
    /// The account that the relay says the name leads to; a hint, never a binding.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Online, only between mutual contacts.
    #[serde(rename = "o")]
    pub online: bool,
}

/// Why the relay ended a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogoutReason {
    /// The device was removed from the account's list.
    Removed,
    /// The account was deleted.
    Deleted,
    /// The same device logged in on another connection.
    Replaced,
    /// The relay is going down.
    Draining,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}
