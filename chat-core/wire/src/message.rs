//! The message registry (SPEC 7, 11): what a client asks and what the relay answers or pushes.
//!
//! Heads are CBOR maps with short keys (SPEC 4.5): unknown keys are dropped, so that versions can
//! add some; an unknown message is refused with `unsupported` and the connection goes on. A message
//! that carries bulk (packets, records) has it in the frame's body, never in the head.
//!
//! Registered for later steps, refused with `unsupported` until then: `log-*` (rooms), `blob-*` (files).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::bundle::{LastResortKey, OneTimePair, PreKeyBundle, SignedPreKey};
use crate::error::Refusal;
use crate::ids::{AccountId, BootId, DeviceAddress, DeviceId, RequestKey, UserName};
use crate::keys::{Signature, VerifyKey};

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

/// What a client sends.
#[expect(clippy::large_enum_variant, reason = "an upload of prekeys is rare; a message is moved a handful of times")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientMessage {
    /// First message of every connection.
    Hello {
        /// Versions that the client speaks.
        #[serde(rename = "v")]
        versions: Vec<u16>,
        /// Features that the client knows.
        #[serde(rename = "f")]
        features: Vec<String>,
    },
    /// Starts a registration: OPAQUE `RegistrationRequest` (32 B). Answer: `Register1Reply`.
    Register1 {
        /// Wanted name.
        #[serde(rename = "n")]
        name: UserName,
        /// The request.
        #[serde(rename = "q")]
        request: ByteBuf,
        /// Invite code, where the relay wants one.
        #[serde(rename = "i", default)]
        invite: Option<String>,
    },
    /// Ends a registration. Answer: `LoggedIn`; the connection is then logged in.
    Register2 {
        /// The name of `Register1`.
        #[serde(rename = "n")]
        name: UserName,
        /// OPAQUE `RegistrationRecord` (192 B).
        #[serde(rename = "u")]
        record: ByteBuf,
        /// Argon2id profile that stretched the password (key-schedule E); echoed in `Ke2`.
        #[serde(rename = "kp")]
        kp: u8,
        /// First device list.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// Vault of generation 1; its hash stands in the list.
        #[serde(rename = "w")]
        vault: ByteBuf,
        /// Invite code, where the relay wants one.
        #[serde(rename = "i", default)]
        invite: Option<String>,
        /// Boot id of the store that registers.
        #[serde(rename = "b")]
        boot: BootId,
    },
    /// Starts a login by password: OPAQUE KE1 (96 B). Answer: `Ke2`.
    Ke1 {
        /// The name.
        #[serde(rename = "n")]
        name: UserName,
        /// KE1.
        #[serde(rename = "k")]
        ke1: ByteBuf,
    },
    /// Ends a login by password: OPAQUE KE3 (64 B). Answer: `PasswordOk`.
    Ke3 {
        /// KE3.
        #[serde(rename = "k")]
        ke3: ByteBuf,
    },
    /// An enrolled device answers the challenge of `Ready`. Answer: `LoggedIn`.
    Proof {
        /// Who.
        #[serde(rename = "d")]
        device: DeviceAddress,
        /// The device's incarnation.
        #[serde(rename = "c")]
        incarnation: u32,
        /// Over `L("sig/proof") ‖ relay_id ‖ challenge ‖ exporter ‖ account ‖ device u32 ‖ incarnation u32`.
        #[serde(rename = "s")]
        signature: Signature,
    },
    /// Writes this opening's boot id by compare-and-set. Answer: `Done`, or refusal `conflict`.
    PutBoot {
        /// What the device believes to be stored.
        #[serde(rename = "e", default)]
        expected: Option<BootId>,
        /// The new one.
        #[serde(rename = "b")]
        new: BootId,
    },
    /// Publishes the next device list of the own account, with its vault when that changed.
    /// Answer: `Done`.
    PutDeviceList {
        /// The list.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// The vault of the generation that the list names, when it is new.
        #[serde(rename = "w", default)]
        vault: Option<ByteBuf>,
    },
    /// Asks for the lists of an account after a sequence number. Answer: `Lists`.
    FetchLists {
        /// The account.
        #[serde(rename = "a")]
        account: AccountId,
        /// Last sequence number that the client holds; 0 for none.
        #[serde(rename = "q")]
        after_seq: u64,
    },
    /// Publishes prekeys of this device. Answer: `PreKeysStored`.
    PutPreKeys {
        /// New medium-term prekey.
        #[serde(rename = "s", default)]
        signed: Option<SignedPreKey>,
        /// New last-resort key.
        #[serde(rename = "l", default)]
        last_resort: Option<LastResortKey>,
        /// More one-time pairs.
        #[serde(rename = "n", default)]
        pairs: Vec<OneTimePair>,
    },
    /// Asks for a list and one bundle of each listed device. Answer: `Claimed`.
    Claim {
        /// By account …
        #[serde(rename = "a", default)]
        account: Option<AccountId>,
        /// … or by name. Exactly one of the two.
        #[serde(rename = "n", default)]
        name: Option<UserName>,
        /// Only these devices; empty for all (never the asking one).
        #[serde(rename = "d", default)]
        devices: Vec<DeviceId>,
    },
    /// Sends packets; they lie in the body. Answer: `Accepted` or `StaleDevices`.
    Send {
        /// Idempotency key: a repeat is answered like the first and stored once.
        #[serde(rename = "k")]
        key: RequestKey,
        /// This device's count of sends, this one included; the relay keeps the highest (SPEC 7.2).
        #[serde(rename = "p")]
        step: u64,
        /// Lists that the packets were made for: recipient's and, with own other devices, the own.
        #[serde(rename = "q")]
        lists: Vec<ListState>,
        /// Heads of the packets.
        #[serde(rename = "h")]
        packets: Vec<PacketHead>,
    },
    /// Sends packets that are delivered now or never (typing). No answer.
    Ephemeral {
        /// Heads of the packets.
        #[serde(rename = "h")]
        packets: Vec<PacketHead>,
    },
    /// Everything up to here is durable on this device. No answer.
    Ack {
        /// Sequence number of the mailbox.
        #[serde(rename = "q")]
        seq: u64,
    },
    /// The client lives. Answer: `Heartbeat`.
    Heartbeat {},
    /// What contacts may see. Answer: `Done`.
    SetPresence {
        /// The status.
        #[serde(rename = "s")]
        status: PresenceStatus,
    },
    /// Replaces the set of accounts that may see this one's presence while it is connected; presence
    /// flows between two accounts when each has the other in its set. Answer: `Done`.
    SetContacts {
        /// The accounts.
        #[serde(rename = "a")]
        accounts: Vec<AccountId>,
    },
    /// Looks for names. Answer: `Found`.
    Find {
        /// Exact name or prefix, in normal form.
        #[serde(rename = "n")]
        query: String,
        /// At most this many.
        #[serde(rename = "c")]
        limit: u16,
    },
    /// Asks for the account record. Answer: `Record`.
    GetRecord {},
    /// Writes the account record, which lies in the body, by compare-and-set. Answer: `Done`.
    PutRecord {
        /// Version that the client believes to be stored; 0 for none.
        #[serde(rename = "e")]
        expected: u64,
        /// Version of the new one.
        #[serde(rename = "q")]
        version: u64,
    },
    /// Asks for the vault of the own account. Answer: `Vault`.
    GetVault {},
    /// Ends the login: presence goes at once, the connection closes. Answer: `Done`.
    Logout {},
}

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
    /// This device is no longer of the account; the connection closes.
    LoggedOut {
        /// Why.
        #[serde(rename = "y")]
        reason: LogoutReason,
    },
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

/// What `Proof` signs after the label.
#[must_use]
pub fn proof_bytes(
    relay: &crate::ids::RelayId,
    binding: &ChannelBinding,
    device: &DeviceAddress,
    incarnation: u32,
) -> Vec<u8> {
    [
        &relay.0[..],
        &binding.challenge,
        &binding.exporter,
        &device.account.0,
        &device.device.0.to_be_bytes(),
        &incarnation.to_be_bytes(),
    ]
    .concat()
}

/// What `Ready` signs after the label.
#[must_use]
pub fn ready_bytes(binding: &ChannelBinding, version: u16) -> Vec<u8> {
    [&binding.challenge[..], &binding.exporter, &version.to_be_bytes()].concat()
}

/// What ties a signature to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelBinding {
    /// The challenge of `Ready`.
    pub challenge: [u8; 32],
    /// TLS exporter, label `EXPORTER-chat-v1`, no context, 32 bytes.
    pub exporter: [u8; 32],
}

/// Label of the TLS exporter.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-chat-v1";
