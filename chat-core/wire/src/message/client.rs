//! What a client asks.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{AccountAsk, BlobAsk, ListState, PacketHead, PresenceStatus, RoomAsk};
use crate::bundle::{LastResortKey, OneTimePair, SignedPreKey};
use crate::ids::{AccountId, BootId, DeviceAddress, DeviceId, RequestKey, UserName};
use crate::keys::Signature;

/// What a client sends.
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
        /// New last-resort key. Boxed: with 1.6 KiB inline every message would be as large.
        #[serde(rename = "l", default)]
        last_resort: Option<Box<LastResortKey>>,
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
    /// Service `account`: answers are `Account`, `Done` or `LoggedIn`, as each ask says.
    Account(AccountAsk),
    /// Ends the login: presence goes at once, the connection closes. Answer: `Done`.
    Logout {},
    /// Something about rooms (SPEC 12).
    Room(RoomAsk),
    /// Something about blobs (SPEC 13.3): `Ticket` on a connection of a device, the others on one of their own.
    Blob(BlobAsk),
}
