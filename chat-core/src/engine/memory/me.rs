//! Who this device is: identity, profile, the pinned relay, and small counters.

use std::fmt;

use chat_wire::domain::{RELAY_ID, labelled_hash};
use chat_wire::ids::{AccountId, BootId, DeviceAddress, PreKeyId, RelayId, UserName};
use chat_wire::keys::VerifyKey;
use chat_wire::message::PresenceStatus;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, Zeroizing};

use crate::engine::context::{Work, decode, encode, read_u64};
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::CommandId;
use crate::identity::DeviceKeys;
use crate::store::{Records, Table};

const IDENTITY_KEY: &[u8] = b"identity";
const ENROLLING_KEY: &[u8] = b"enrolling";
const JOINING_KEY: &[u8] = b"joining";
const PROFILE_KEY: &[u8] = b"profile";
const RELAY_KEY: &[u8] = b"relay";
const FORMER_KEY: &[u8] = b"former";
const BOOTS_KEY: &[u8] = b"boots";
const STEP_KEY: &[u8] = b"step";
const SESSION_KEY: &[u8] = b"session";
const PREKEYS_KEY: &[u8] = b"prekeys";

/// This device of this account.
pub(in crate::engine) struct Me {
    pub(in crate::engine) name: UserName,
    pub(in crate::engine) relay: RelayId,
    pub(in crate::engine) keys: DeviceKeys,
}

#[derive(Serialize, Deserialize)]
struct IdentityRecord {
    #[serde(rename = "n")]
    name: UserName,
    #[serde(rename = "r")]
    relay: RelayId,
    #[serde(rename = "k")]
    keys: ByteBuf,
}

impl fmt::Debug for Me {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Me")
    }
}

impl Me {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Option<Self>, EngineError> {
        let bytes = records.get(Table::Meta, IDENTITY_KEY).map(Zeroizing::new);
        bytes.map(|bytes| Self::read(&bytes)).transpose()
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let bytes = self.write()?;
        work.put(Table::Meta, IDENTITY_KEY, bytes);
        Ok(())
    }

    fn write(&self) -> Result<Vec<u8>, EngineError> {
        let keys = ByteBuf::from(self.keys.encode().to_vec());
        encode(&IdentityRecord { name: self.name.clone(), relay: self.relay, keys })
    }

    fn read(bytes: &[u8]) -> Result<Self, EngineError> {
        let record: IdentityRecord = decode(Table::Meta, bytes)?;
        let secret = Zeroizing::new(record.keys.into_vec());
        let keys = DeviceKeys::decode(&secret).map_err(|_| EngineError::Store { table: Table::Meta })?;
        Ok(Self { name: record.name, relay: record.relay, keys })
    }

    pub(in crate::engine) fn address(&self) -> DeviceAddress {
        self.keys.address()
    }

    pub(in crate::engine) fn account(&self) -> AccountId {
        self.keys.address().account
    }
}

/// A registration whose result nobody has been told yet, perhaps of an earlier run: the next `register` under this
/// name finishes it.
pub(in crate::engine) struct Enrolling {
    pub(in crate::engine) name: UserName,
    pub(in crate::engine) recovery_code: Zeroizing<String>,
    /// Who is told when it is finished.
    pub(in crate::engine) command: Option<CommandId>,
}

#[derive(Serialize, Deserialize)]
struct EnrollingRecord {
    #[serde(rename = "n")]
    name: UserName,
    /// Shown once; here until then, so that a kill can't take it away.
    #[serde(rename = "r")]
    recovery_code: String,
    /// Identity and first list, until the account is known to stand.
    #[serde(rename = "p", default)]
    pending: Option<PendingRecord>,
}

#[derive(Serialize, Deserialize)]
struct PendingRecord {
    #[serde(rename = "i")]
    identity: ByteBuf,
    #[serde(rename = "l")]
    list: ByteBuf,
}

impl Drop for EnrollingRecord {
    fn drop(&mut self) {
        self.recovery_code.zeroize();
    }
}

impl Enrolling {
    /// What an earlier run left.
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Option<Self>, EngineError> {
        let Some(bytes) = records.get(Table::Meta, ENROLLING_KEY) else { return Ok(None) };
        let mut record: EnrollingRecord = decode(Table::Meta, &bytes)?;
        let recovery_code = Zeroizing::new(std::mem::take(&mut record.recovery_code));
        Ok(Some(Self { name: record.name.clone(), recovery_code, command: None }))
    }

    /// Stores what was signed before it is sent (SPEC 5.4.4): if the answer is lost, the account may stand, and what
    /// comes next finds its keys here.
    pub(in crate::engine) fn save(&self, work: &mut Work<'_>, me: &Me, list: Vec<u8>) -> Result<(), EngineError> {
        let pending = PendingRecord { identity: ByteBuf::from(me.write()?), list: ByteBuf::from(list) };
        self.write(work, Some(pending))
    }

    /// The account stands; the recovery code waits until it is told.
    pub(in crate::engine) fn save_standing(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        self.write(work, None)
    }

    fn write(&self, work: &mut Work<'_>, pending: Option<PendingRecord>) -> Result<(), EngineError> {
        let recovery_code = self.recovery_code.to_string();
        work.save(Table::Meta, ENROLLING_KEY, &EnrollingRecord { name: self.name.clone(), recovery_code, pending })
    }
}

/// The identity that is or was being registered, with its device list, while it is not known to stand.
pub(in crate::engine) fn load_pending(work: &Work<'_>) -> Result<Option<(Me, Vec<u8>)>, EngineError> {
    let record: Option<EnrollingRecord> = work.load(Table::Meta, ENROLLING_KEY)?;
    let pending = record.and_then(|mut record| record.pending.take());
    pending.map(|p| Ok((Me::read(&Zeroizing::new(p.identity.into_vec()))?, p.list.into_vec()))).transpose()
}

pub(in crate::engine) fn end_enrolling(work: &mut Work<'_>) {
    work.delete(Table::Meta, ENROLLING_KEY);
}

/// Stores the identity that a list is about to enrol (SPEC 5.4.4): if the answer is lost, it may stand.
pub(in crate::engine) fn save_joining(work: &mut Work<'_>, me: &Me, list: Vec<u8>) -> Result<(), EngineError> {
    let record = PendingRecord { identity: ByteBuf::from(me.write()?), list: ByteBuf::from(list) };
    work.save(Table::Meta, JOINING_KEY, &record)
}

/// The identity that an earlier try was about to enrol, with its list.
pub(in crate::engine) fn load_joining(work: &Work<'_>) -> Result<Option<(Me, Vec<u8>)>, EngineError> {
    let record: Option<PendingRecord> = work.load(Table::Meta, JOINING_KEY)?;
    record.map(|p| Ok((Me::read(&Zeroizing::new(p.identity.into_vec()))?, p.list.into_vec()))).transpose()
}

pub(in crate::engine) fn end_joining(work: &mut Work<'_>) {
    work.delete(Table::Meta, JOINING_KEY);
}

/// What the person chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Profile {
    #[serde(rename = "n", default)]
    pub(in crate::engine) display_name: Option<String>,
    #[serde(rename = "d", default)]
    pub(in crate::engine) device_name: Option<String>,
    #[serde(rename = "s")]
    pub(in crate::engine) status: PresenceStatus,
    #[serde(rename = "o", default)]
    pub(in crate::engine) logged_out: bool,
    /// Counts changes of the display name: contacts are told each once.
    #[serde(rename = "v", default)]
    pub(in crate::engine) version: u64,
    /// This device came to an account that others had used before.
    #[serde(rename = "j", default)]
    pub(in crate::engine) joined: bool,
    /// Everything here goes when another device removes this one.
    #[serde(rename = "e", default)]
    pub(in crate::engine) erase_when_removed: bool,
    /// Another device removed this one, or the account is gone.
    #[serde(rename = "r", default)]
    pub(in crate::engine) dismissed: bool,
    /// Own devices that ask for the history get it without a question.
    #[serde(rename = "h", default)]
    pub(in crate::engine) share_history: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            display_name: None,
            device_name: None,
            status: PresenceStatus::Online,
            logged_out: false,
            version: 0,
            joined: false,
            erase_when_removed: false,
            dismissed: false,
            share_history: false,
        }
    }
}

impl Profile {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let bytes = records.get(Table::Meta, PROFILE_KEY);
        bytes.map_or_else(|| Ok(Self::default()), |bytes| decode(Table::Meta, &bytes))
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, PROFILE_KEY, self)
    }
}

/// The relay's identity key, pinned at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct RelayPin {
    #[serde(rename = "k")]
    pub(in crate::engine) key: VerifyKey,
}

impl RelayPin {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Option<Self>, EngineError> {
        records.get(Table::Meta, RELAY_KEY).map(|bytes| decode(Table::Meta, &bytes)).transpose()
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, RELAY_KEY, self)
    }

    pub(in crate::engine) fn id(&self) -> RelayId {
        RelayId(labelled_hash(RELAY_ID, &[&self.key.0]))
    }
}

/// Whose history lies in a profile that is no device.
pub(in crate::engine) fn load_former(records: &dyn Records) -> Result<Option<AccountId>, EngineError> {
    let Some(bytes) = records.get(Table::Meta, FORMER_KEY) else { return Ok(None) };
    let account = <[u8; 32]>::try_from(bytes).map_err(|_| EngineError::Store { table: Table::Meta })?;
    Ok(Some(AccountId(account)))
}

pub(in crate::engine) fn save_former(work: &mut Work<'_>, account: Option<&AccountId>) {
    match account {
        Some(account) => work.put(Table::Meta, FORMER_KEY, account.0.to_vec()),
        None => work.delete(Table::Meta, FORMER_KEY),
    }
}

/// Whether a key of the table of single values is the relay's pin: the profile's, whatever device it is.
pub(in crate::engine) fn is_relay_s(key: &[u8]) -> bool {
    key == RELAY_KEY
}

/// Which medium-term and last-resort prekeys there are. The private halves lie in `Table::PreKeys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct PreKeyIndex {
    #[serde(rename = "s")]
    pub(in crate::engine) signed: Vec<IndexedPreKey>,
    #[serde(rename = "l")]
    pub(in crate::engine) last_resort: Vec<IndexedPreKey>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct IndexedPreKey {
    #[serde(rename = "i")]
    pub(in crate::engine) id: PreKeyId,
    #[serde(rename = "t")]
    pub(in crate::engine) created_ms: u64,
    /// First messages taken on it.
    #[serde(rename = "u", default)]
    pub(in crate::engine) uses: u32,
    /// The relay said that it has it.
    #[serde(rename = "p", default)]
    pub(in crate::engine) published: bool,
}

impl PreKeyIndex {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let bytes = records.get(Table::Meta, PREKEYS_KEY);
        bytes.map_or_else(|| Ok(Self::default()), |bytes| decode(Table::Meta, &bytes))
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, PREKEYS_KEY, self)
    }
}

/// Boot ids that the relay may hold for this store: the last one that stood, and one whose writing was
/// perhaps not answered.
pub(in crate::engine) fn known_boots(work: &Work<'_>) -> Result<Vec<BootId>, EngineError> {
    Ok(work.load(Table::Meta, BOOTS_KEY)?.unwrap_or_default())
}

pub(in crate::engine) fn save_boots(work: &mut Work<'_>, boots: &[BootId]) -> Result<(), EngineError> {
    work.save(Table::Meta, BOOTS_KEY, &boots)
}

/// Highest step used in a sealed send.
pub(in crate::engine) fn step(work: &Work<'_>) -> Result<u64, EngineError> {
    read_u64(Table::Meta, work.get(Table::Meta, STEP_KEY))
}

pub(in crate::engine) fn raise_step(work: &mut Work<'_>, at_least: u64) -> Result<u64, EngineError> {
    let next = step(work)?.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?.max(at_least);
    work.put(Table::Meta, STEP_KEY, next.to_be_bytes().to_vec());
    Ok(next)
}

/// The next number for a session that we start. Never below the seconds of the clock, so that a store
/// that was set back does not start with numbers its peers have already seen.
pub(in crate::engine) fn next_session_no(work: &mut Work<'_>) -> Result<u32, EngineError> {
    let last = read_u64(Table::Meta, work.get(Table::Meta, SESSION_KEY))?;
    let seconds = work.now.as_ms() / 1_000;
    let next = last.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?.max(seconds);
    let number = u32::try_from(next).map_err(|_| EngineError::Broken(Bug::CounterEnd))?;
    work.put(Table::Meta, SESSION_KEY, next.to_be_bytes().to_vec());
    Ok(number)
}
