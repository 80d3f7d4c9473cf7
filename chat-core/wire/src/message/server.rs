//! What the relay answers and pushes.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{AccountAnswer, BlobAnswer, FoundUser, LogoutReason, PresenceStatus, RoomAnswer, RoomPush};
use crate::bundle::PreKeyBundle;
use crate::error::Refusal;
use crate::ids::{AccountId, BootId, DeviceAddress};
use crate::keys::{Signature, VerifyKey};

/// What the relay sends: answers carry the request's number, pushes carry 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerMessage {
    /// Answer to `Hello`.
    Ready {
        /// The chosen version.
        #[serde(rename = "v")]
        version: u16,
        /// Features in common.
        #[serde(rename = "f")]
        features: Vec<String>,
        /// The relay's identity key; its id is `H(L("relay") ‖ key)`.
        #[serde(rename = "k")]
        relay_key: VerifyKey,
        /// Random, new for each connection.
        #[serde(rename = "c", with = "serde_bytes")]
        challenge: [u8; 32],
        /// Over `L("sig/ready") ‖ challenge ‖ exporter ‖ version u16`.
        #[serde(rename = "s")]
        signature: Signature,
        /// The relay's clock, milliseconds since the Unix epoch.
        #[serde(rename = "t")]
        now_ms: u64,
    },
    /// OPAQUE `RegistrationResponse` (64 B).
    Register1Reply {
        /// The response.
        #[serde(rename = "p")]
        response: ByteBuf,
    },
    /// OPAQUE KE2 (320 B); the same for a name that does not exist.
    Ke2 {
        /// KE2.
        #[serde(rename = "k")]
        ke2: ByteBuf,
        /// Argon2id profile of the account, the default one for a name that does not exist; a client
        /// refuses a profile outside its closed table before it does any work.
        #[serde(rename = "kp")]
        kp: u8,
    },
    /// The password was right; the connection may fetch and enrol, it is not a device yet.
    PasswordOk {
        /// The account.
        #[serde(rename = "a")]
        account: AccountId,
        /// Its current device list.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// Its vault.
        #[serde(rename = "w")]
        vault: ByteBuf,
    },
    /// The connection is that device's; deliveries start.
    LoggedIn {
        /// The device.
        #[serde(rename = "d")]
        device: DeviceAddress,
        /// Boot id that the relay holds for it.
        #[serde(rename = "b", default)]
        boot: Option<BootId>,
        /// Highest step that it accepted from it.
        #[serde(rename = "p")]
        step: u64,
        /// One-time pairs left.
        #[serde(rename = "n")]
        pairs_left: u32,
        /// Sequence number of the account's list.
        #[serde(rename = "q")]
        list_seq: u64,
        /// The relay's clock.
        #[serde(rename = "t")]
        now_ms: u64,
    },
    /// Done as asked.
    Done {},
    /// Not done.
    Refused(Refusal),
    /// Answer to `FetchLists`: consecutive lists, oldest first.
    Lists {
        /// The lists.
        #[serde(rename = "l")]
        lists: Vec<ByteBuf>,
    },
    /// Answer to `PutPreKeys`.
    PreKeysStored {
        /// One-time pairs now stored.
        #[serde(rename = "n")]
        pairs_left: u32,
    },
    /// Answer to `Claim`.
    Claimed {
        /// The account's current list.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// One bundle for each device asked for that has published prekeys.
        #[serde(rename = "b")]
        bundles: Vec<PreKeyBundle>,
    },
    /// The relay holds the packets durably, or the recipient does.
    Accepted {
        /// The relay's clock at acceptance.
        #[serde(rename = "t")]
        now_ms: u64,
        /// Highest step accepted from this device.
        #[serde(rename = "p")]
        step: u64,
    },
    /// Nothing was sent: these lists are newer than the ones the packets were made for, or a packet
    /// for a listed device was missing.
    StaleDevices {
        /// The current lists.
        #[serde(rename = "l")]
        lists: Vec<ByteBuf>,
    },
    /// One packet of the mailbox, in the body.
    Deliver {
        /// Its place in the mailbox, increasing.
        #[serde(rename = "q")]
        seq: u64,
        /// Who sent it, as far as the relay says.
        #[serde(rename = "f", default)]
        from: Option<DeviceAddress>,
        /// When the relay accepted it.
        #[serde(rename = "t")]
        sent_ms: u64,
    },
    /// All that lay in the mailbox at login has been delivered.
    Drained {},
    /// One ephemeral packet, in the body.
    DeliverEphemeral {
        /// Who sent it, as far as the relay says.
        #[serde(rename = "f", default)]
        from: Option<DeviceAddress>,
    },
    /// Answer to `Heartbeat`.
    Heartbeat {},
    /// A mutual contact came or went.
    Presence {
        /// Who.
        #[serde(rename = "a")]
        account: AccountId,
        /// Whether any device is connected and not invisible.
        #[serde(rename = "o")]
        online: bool,
        /// What it shows.
        #[serde(rename = "s")]
        status: PresenceStatus,
        /// When, by the relay's clock.
        #[serde(rename = "t")]
        at_ms: u64,
    },
    /// Few one-time pairs are left.
    PreKeysLow {
        /// How many.
        #[serde(rename = "n")]
        left: u32,
    },
    /// Answer to `Find`.
    Found {
        /// The users, exact match first, then by name.
        #[serde(rename = "u")]
        users: Vec<FoundUser>,
    },
    /// Answer to `GetRecord`: version 0 and an empty body when there is none.
    Record {
        /// Version.
        #[serde(rename = "q")]
        version: u64,
    },
    /// Answer to `GetVault`.
    Vault {
        /// The vault.
        #[serde(rename = "w")]
        vault: ByteBuf,
    },
    /// Service `account`.
    Account(AccountAnswer),
    /// This device is no longer of the account; the connection closes.
    LoggedOut {
        /// Why.
        #[serde(rename = "y")]
        reason: LogoutReason,
        /// For `Removed`: the first list without the device, the signed reason (SPEC 9.11.1).
        #[serde(rename = "l", default)]
        list: Option<ByteBuf>,
    },
    /// Answer to something about rooms (SPEC 12).
    Room(RoomAnswer),
    /// Answer to something about blobs (SPEC 13.3).
    Blob(BlobAnswer),
    /// Something happened in a room that is open here.
    RoomPush(RoomPush),
}
