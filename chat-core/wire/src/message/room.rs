//! Rooms (SPEC 12): a room is one ordered log at the relay with many readers. The relay orders commits by
//! compare-and-set on the epoch they start from, and reads nothing of MLS: what it acts on stands in the
//! heads, what the members agree on lies sealed in the bodies.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{ListState, PacketHead};
use crate::codec::{Malformed, Reader, Writer};
use crate::ids::{AccountId, DeviceAddress, DeviceId, KeyPackageId, RequestKey, RoomId, RoomName};
use crate::keys::Signature;
use crate::limits::WELCOME_BYTES_MAX;

/// What a client asks about rooms, inside `ClientMessage::Room`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomAsk {
    /// Makes a room; the body holds its first GroupInfo. The log begins with nothing, epoch 0, and this
    /// device as only reader. Answer: `Appended`, or refusal `room-exists`.
    Create {
        /// Idempotency key.
        #[serde(rename = "k")]
        key: RequestKey,
        /// Id of the MLS group.
        #[serde(rename = "r")]
        room: RoomId,
        /// Unique name on this relay.
        #[serde(rename = "n")]
        name: RoomName,
        /// Listed, and joined by whoever likes.
        #[serde(rename = "u")]
        public: bool,
        /// Belongs to the creating account; false for the lobby, which belongs to nobody.
        #[serde(rename = "o")]
        owned: bool,
        /// Open topic, of public rooms only.
        #[serde(rename = "t", default)]
        topic: Option<String>,
    },
    /// Lists rooms by name: public ones and those that this account is in. Answer: `Rooms`.
    List {
        /// Only those that this account is in.
        #[serde(rename = "j")]
        joined: bool,
        /// Names after this one.
        #[serde(rename = "n", default)]
        after: Option<RoomName>,
        /// At most this many.
        #[serde(rename = "c")]
        limit: u16,
    },
    /// Looks a name up. Answer: `Info`; a private room is unknown to who is not in it.
    Info {
        /// The name.
        #[serde(rename = "n")]
        name: RoomName,
    },
    /// Asks for the newest GroupInfo: of a public room by anybody, of a private one by its members.
    /// Answer: `GroupInfo`, GroupInfo in the body.
    GroupInfo {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
    },
    /// Appends a commit; the body holds `commit ‖ GroupInfo ‖ welcomes`. Answer: `Appended` with the new
    /// epoch, or `Behind` when the room is no longer at the base (and nothing was stored).
    Commit(CommitHead),
    /// Appends a message, which lies in the body. Answer: `Appended`, or `Behind` when its epoch is more
    /// than 5 before the room's.
    Post {
        /// Idempotency key.
        #[serde(rename = "k")]
        key: RequestKey,
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
        /// Epoch that it is sealed in.
        #[serde(rename = "e")]
        epoch: u64,
    },
    /// Appends this account's leave, a statement in the body: its devices stop being readers. Answer:
    /// `Appended`.
    Leave {
        /// Idempotency key.
        #[serde(rename = "k")]
        key: RequestKey,
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
    },
    /// Deletes the room; the body holds the owner's statement, which the relay passes on by `Gone`.
    /// Answer: `Done`.
    Delete {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
    },
    /// Starts reading: everything after `seq` is pushed as `Entry`, then `CaughtUp`, then what comes.
    /// Answer: `Opened`. A device that was removed reads up to the entry that removed it.
    Open {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
        /// Last sequence number that this device holds.
        #[serde(rename = "q")]
        after: u64,
    },
    /// Everything up to here is durable on this device. No answer.
    Ack {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
        /// Sequence number of the log.
        #[serde(rename = "q")]
        seq: u64,
    },
    /// Publishes key packages of this device. Answer: `KeyPackagesStored`.
    PutKeyPackages {
        /// Each is handed out once.
        #[serde(rename = "p")]
        packages: Vec<KeyPackageUpload>,
        /// Handed out again and again when no other is left; replaces the one before.
        #[serde(rename = "l", default)]
        last_resort: Option<KeyPackageUpload>,
    },
    /// Asks for the list of an account and one key package of each listed device. Answer: `KeyPackages`.
    ClaimKeyPackages {
        /// The account.
        #[serde(rename = "a")]
        account: AccountId,
        /// Only these devices; empty for all.
        #[serde(rename = "d", default)]
        devices: Vec<DeviceId>,
    },
    /// This account writes, or stopped; sealed in the body and never stored. Passed on to who reads the room,
    /// if it is a small one (SPEC 12.5.4). No answer.
    Typing {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
    },
    /// Asks who of a small private room is online, by a member. Answer: `Present`.
    WhoIsHere {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
    },
    /// Asks for device lists of people in a room: of each account those after the sequence number.
    /// Answer: `Lists`.
    Lists {
        /// A room that both are in, or a public one.
        #[serde(rename = "r")]
        room: RoomId,
        /// Whose, and after which one; at most 100.
        #[serde(rename = "w")]
        wanted: Vec<ListState>,
    },
}

/// What the relay reads of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitHead {
    /// Idempotency key.
    #[serde(rename = "k")]
    pub key: RequestKey,
    /// The room.
    #[serde(rename = "r")]
    pub room: RoomId,
    /// Epoch that the commit starts from.
    #[serde(rename = "b")]
    pub base: u64,
    /// The entry that already took this base is no valid commit: stand beside it (SPEC 12.2.4).
    #[serde(rename = "x")]
    pub contest: bool,
    /// Devices that become readers. A device that is not one itself may name only itself.
    #[serde(rename = "a")]
    pub added: Vec<DeviceAddress>,
    /// Devices that stop being readers with this entry.
    #[serde(rename = "d")]
    pub removed: Vec<DeviceAddress>,
    /// New open topic of a public room; empty takes it away.
    #[serde(rename = "t", default)]
    pub topic: Option<String>,
    /// New owner, named by the present one or by whoever removes the present one.
    #[serde(rename = "o", default)]
    pub owner: Option<AccountId>,
    /// Bytes of the commit.
    #[serde(rename = "l")]
    pub commit_len: u32,
    /// Bytes of the GroupInfo of the new epoch.
    #[serde(rename = "g")]
    pub group_info_len: u32,
    /// Welcomes, appended to the mailboxes of their devices in the same change.
    #[serde(rename = "w")]
    pub welcomes: Vec<PacketHead>,
}

/// The parts of a commit's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitParts {
    /// The commit, as it stands in the log.
    pub commit: Bytes,
    /// GroupInfo of the new epoch.
    pub group_info: Bytes,
    /// Welcomes and whose they are.
    pub welcomes: Vec<(DeviceAddress, Bytes)>,
}

impl CommitHead {
    /// Cuts the body as the head says: nothing empty, nothing left over, and welcomes only for who comes in.
    ///
    /// # Errors
    /// [`Malformed`] when the body is another one.
    pub fn cut(&self, mut body: Bytes) -> Result<CommitParts, Malformed> {
        let mut take = |len: u32, max: usize| {
            let len = usize::try_from(len).ok().filter(|len| *len > 0 && *len <= max && *len <= body.len());
            len.map(|len| body.split_to(len)).ok_or(Malformed)
        };
        let commit = take(self.commit_len, usize::MAX)?;
        let group_info = take(self.group_info_len, usize::MAX)?;
        if self.welcomes.len() > self.added.len() || self.welcomes.iter().any(|head| !self.added.contains(&head.to)) {
            return Err(Malformed);
        }
        let welcomes = self.welcomes.iter().map(|head| Ok((head.to, take(head.len, WELCOME_BYTES_MAX)?)));
        let welcomes = welcomes.collect::<Result<Vec<_>, Malformed>>()?;
        if body.is_empty() { Ok(CommitParts { commit, group_info, welcomes }) } else { Err(Malformed) }
    }
}

/// Why devices of an account are no more: the body of an entry of kind `departed`. Nothing of it is the relay's
/// word: the lists continue a chain that the reader knows, the signature is the account key's (SPEC 12.4.7).
/// Layout: `version u8=1 ‖ count u8 ‖ (len u32 ‖ list)* ‖ deleted u8 ‖ signature 64 if deleted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The newest lists of the account, consecutive, oldest first.
    pub lists: Vec<Bytes>,
    /// The account's own word that it is deleted, over the hash of the last list.
    pub deletion: Option<Signature>,
}

impl Departure {
    /// The bytes; lists beyond the newest 255 are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let surplus = self.lists.len().saturating_sub(usize::from(u8::MAX));
        let lists = self.lists.get(surplus..).unwrap_or_default();
        let mut out = Writer::default();
        out.u8(1).u8(u8::try_from(lists.len()).unwrap_or(u8::MAX));
        for list in lists {
            out.u32(u32::try_from(list.len()).unwrap_or(u32::MAX)).put(list);
        }
        out.u8(u8::from(self.deletion.is_some()));
        if let Some(Signature(signature)) = &self.deletion {
            out.put(signature);
        }
        out.finish()
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`Malformed`] when they are no departure, or more.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 1 {
            return Err(Malformed);
        }
        let mut lists = Vec::new();
        for _ in 0..reader.u8()? {
            let len = usize::try_from(reader.u32()?).map_err(|_| Malformed)?;
            lists.push(Bytes::copy_from_slice(reader.take(len)?));
        }
        let deletion = match reader.u8()? {
            0 => None,
            1 => Some(Signature(reader.array()?)),
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok(Self { lists, deletion })
    }
}

/// A key package as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPackageUpload {
    /// Its MLS reference.
    #[serde(rename = "i")]
    pub id: KeyPackageId,
    /// When it ends, milliseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub expires_ms: u64,
    /// The key package.
    #[serde(rename = "p")]
    pub package: ByteBuf,
}

/// A key package as it is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedKeyPackage {
    /// Whose.
    #[serde(rename = "o")]
    pub owner: DeviceAddress,
    /// The key package.
    #[serde(rename = "p")]
    pub package: ByteBuf,
}

/// What the relay says about a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomCard {
    /// Id.
    #[serde(rename = "r")]
    pub room: RoomId,
    /// Name.
    #[serde(rename = "n")]
    pub name: RoomName,
    /// Listed.
    #[serde(rename = "u")]
    pub public: bool,
    /// Accounts in it.
    #[serde(rename = "m")]
    pub members: u32,
    /// Open topic, of public rooms.
    #[serde(rename = "t", default)]
    pub topic: Option<String>,
    /// The asking account is in it.
    #[serde(rename = "j")]
    pub joined: bool,
    /// Epoch.
    #[serde(rename = "e")]
    pub epoch: u64,
    /// When it was made, by the relay's clock.
    #[serde(rename = "c")]
    pub created_ms: u64,
}

/// What the relay answers about rooms, inside `ServerMessage::Room`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomAnswer {
    /// The log holds it durably.
    Appended {
        /// Its place; 0 for a creation.
        #[serde(rename = "q")]
        seq: u64,
        /// The room's epoch with it.
        #[serde(rename = "e")]
        epoch: u64,
        /// The relay's clock at acceptance.
        #[serde(rename = "t")]
        at_ms: u64,
    },
    /// Not stored: the room went on. Read on, then try again.
    Behind {
        /// The room's epoch.
        #[serde(rename = "e")]
        epoch: u64,
        /// Last place of its log.
        #[serde(rename = "q")]
        seq: u64,
    },
    /// Answer to `List`, by name.
    Rooms {
        /// The rooms.
        #[serde(rename = "r")]
        rooms: Vec<RoomCard>,
    },
    /// Answer to `Info`.
    Info(RoomCard),
    /// Answer to `GroupInfo`; GroupInfo in the body.
    GroupInfo {
        /// Its epoch.
        #[serde(rename = "e")]
        epoch: u64,
        /// Place of the entry that led to it.
        #[serde(rename = "q")]
        seq: u64,
    },
    /// Answer to `Open`.
    Opened {
        /// First place that is still there; later than asked for when the log was cut meanwhile.
        #[serde(rename = "f")]
        first: u64,
        /// Last place.
        #[serde(rename = "q")]
        last: u64,
        /// The room's epoch.
        #[serde(rename = "e")]
        epoch: u64,
    },
    /// Answer to `PutKeyPackages`.
    KeyPackagesStored {
        /// One-time ones now stored.
        #[serde(rename = "n")]
        left: u32,
    },
    /// Answer to `ClaimKeyPackages`.
    KeyPackages {
        /// The account's current list.
        #[serde(rename = "l")]
        list: ByteBuf,
        /// One for each device that has published some.
        #[serde(rename = "p")]
        packages: Vec<OfferedKeyPackage>,
    },
    /// Answer to `Lists`: consecutive lists of each account, oldest first, account after account.
    Lists {
        /// The lists.
        #[serde(rename = "l")]
        lists: Vec<ByteBuf>,
    },
    /// Answer to `WhoIsHere`: accounts of the room that are online and show it.
    Present {
        /// Who.
        #[serde(rename = "a")]
        accounts: Vec<AccountId>,
    },
    /// Answer to `Open` of a room that is no more; the owner's statement in the body, if it was its owner.
    Gone {
        /// Why.
        #[serde(rename = "y")]
        reason: RoomEnd,
    },
}

/// What the relay pushes about rooms, inside `ServerMessage::RoomPush`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomPush {
    /// One entry of a log that this connection opened, in the body.
    Entry {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
        /// Its place, increasing by one.
        #[serde(rename = "q")]
        seq: u64,
        /// Who appended it, as far as the relay says.
        #[serde(rename = "f", default)]
        from: Option<DeviceAddress>,
        /// When the relay accepted it.
        #[serde(rename = "t")]
        at_ms: u64,
        /// What it is.
        #[serde(rename = "y")]
        kind: EntryKind,
    },
    /// All that lay in the log when it was opened has been pushed.
    CaughtUp {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
        /// The last place that was pushed, or held already.
        #[serde(rename = "q")]
        seq: u64,
    },
    /// The room is no more; the owner's statement in the body, if it was its owner.
    Gone {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
        /// Why.
        #[serde(rename = "y")]
        reason: RoomEnd,
    },
    /// Somebody in the room writes, or stopped; sealed in the body.
    Typing {
        /// The room.
        #[serde(rename = "r")]
        room: RoomId,
    },
    /// Few one-time key packages are left.
    KeyPackagesLow {
        /// How many.
        #[serde(rename = "n")]
        left: u32,
    },
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// An MLS commit.
    Commit,
    /// An MLS application message.
    Message,
    /// A signed statement that an account leaves.
    Leave,
    /// Devices of an account that are in the room are no more: a [`Departure`].
    Departed,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Why a room is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomEnd {
    /// Its owner deleted it.
    Deleted,
    /// The operator closed it, or the last member left.
    Closed,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}
