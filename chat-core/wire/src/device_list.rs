//! The signed, versioned, hash-chained device list of an account (SPEC 5.1, 5.2).
//!
//! One fixed layout, read strictly, verified over the bytes received:
//!
//! ```text
//! "CDL1" | suite u16=1 | relay_id 32 | account_id 32 | seq u64 | prev_hash 32 | merged_hash 32
//! created_ms u64 | expires_ms u64 | account_key 32 | next_account_key_hash 32
//! flags u8 | vault_gen u32 | vault_hash 32 | record_floor u64 | name_len u8 | name
//! n u8 (1..=16) | n × device, ascending by id | signer u32 (0 = account key) | signature 64
//! device: id u32 | incarnation u32 | flags u8 | added_seq u64 | sig_key 32 | dh_key 32 | possession 64
//! ```

mod succession;

use crate::codec::{Malformed, Reader, Writer};
use crate::domain::{ACCOUNT_ID, SIG_LIST, SIG_POSSESSION, labelled_hash, plain_hash};
use crate::ids::{AccountId, DeviceId, ListHash, RelayId, UserName};
use crate::keys::{DhKey, Signature, VerifyKey};
use crate::limits::DEVICES_MAX;

const MAGIC: &[u8; 4] = b"CDL1";
const NO_HASH: ListHash = ListHash([0; 32]);
/// The only suite: X25519, Ed25519, ML-KEM-1024, ChaCha20-Poly1305, SHA-256.
pub const SUITE: u16 = 1;
/// Account flag: a new device also needs approval by an enrolled one or the recovery code.
pub const FLAG_APPROVAL: u8 = 1;
/// Device flag: may renew the list and remove devices.
pub const DEVICE_MAY_SIGN: u8 = 1;
/// Device flag: removed; listed for one more version.
pub const DEVICE_REVOKED: u8 = 2;

/// One device of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDevice {
    /// Id within the account.
    pub id: DeviceId,
    /// Raised when the device's store was found stale or cloned; sessions of lower ones are dead.
    pub incarnation: u32,
    /// [`DEVICE_MAY_SIGN`], [`DEVICE_REVOKED`].
    pub flags: u8,
    /// Sequence number of the list that added it.
    pub added_seq: u64,
    /// Ed25519 key of the device.
    pub sig_key: VerifyKey,
    /// X25519 identity key of the device.
    pub dh_key: DhKey,
    /// The device's signature that it holds `sig_key` and wants `dh_key` under this account.
    pub possession: Signature,
}

/// The unsigned part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListBody {
    /// Relay that the account lives on.
    pub relay_id: RelayId,
    /// The account.
    pub account_id: AccountId,
    /// Version; the first list has 1.
    pub seq: u64,
    /// Hash of the list before, zero in the first.
    pub prev_hash: ListHash,
    /// Hash of the other branch when this list ends a fork, else zero.
    pub merged_hash: ListHash,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch; expiry warns, it never stops sending to old devices.
    pub expires_ms: u64,
    /// Current account key.
    pub account_key: VerifyKey,
    /// Hash of the next account key (pre-rotation), zero for none.
    pub next_account_key_hash: [u8; 32],
    /// [`FLAG_APPROVAL`].
    pub flags: u8,
    /// Generation of the vault.
    pub vault_gen: u32,
    /// Hash of the vault.
    pub vault_hash: [u8; 32],
    /// Lowest acceptable version of the account record.
    pub record_floor: u64,
    /// User name: the binding that a relay could forge stands inside the signature.
    pub name: UserName,
    /// 1 to 16 devices, ascending by id.
    pub devices: Vec<ListedDevice>,
}

/// A list whose shape was read and whose signature and possession proofs were verified against the
/// key that it names. It is *consistent*, not yet *trusted*: the chain and the pin are the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceList {
    body: ListBody,
    signer: Option<DeviceId>,
    bytes: Vec<u8>,
    hash: ListHash,
}

/// Why bytes are no device list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// Layout, range or order is wrong.
    #[error("the device list is malformed")]
    Malformed,
    /// The signature is not by the account key or a device that may sign.
    #[error("the device list's signature is wrong")]
    Signature,
    /// A device did not prove that it holds its key.
    #[error("a device in the list did not prove its key")]
    Possession,
    /// The first account key does not hash to the account id.
    #[error("the account key does not belong to the account id")]
    AccountId,
}

impl From<Malformed> for ListError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// `H(L("account") ‖ suite u16 ‖ first account key)`.
#[must_use]
pub fn account_id(first_account_key: &VerifyKey) -> AccountId {
    AccountId(labelled_hash(ACCOUNT_ID, &[&SUITE.to_be_bytes(), &first_account_key.0]))
}

/// What a device signs to enter a list: `account_id ‖ account_key ‖ device u32 ‖ dh_key`.
#[must_use]
pub fn possession_bytes(account: &AccountId, account_key: &VerifyKey, device: DeviceId, dh: &DhKey) -> Vec<u8> {
    [&account.0[..], &account_key.0, &device.0.to_be_bytes(), &dh.0].concat()
}

impl ListBody {
    /// The bytes up to the signer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(512);
        out.put(MAGIC).u16(SUITE).put(&self.relay_id.0).put(&self.account_id.0);
        out.u64(self.seq).put(&self.prev_hash.0).put(&self.merged_hash.0);
        out.u64(self.created_ms).u64(self.expires_ms);
        out.put(&self.account_key.0).put(&self.next_account_key_hash);
        out.u8(self.flags).u32(self.vault_gen).put(&self.vault_hash).u64(self.record_floor);
        let name = self.name.as_str().as_bytes();
        out.u8(u8::try_from(name.len()).unwrap_or(u8::MAX)).put(name);
        out.u8(u8::try_from(self.devices.len()).unwrap_or(u8::MAX));
        for device in &self.devices {
            out.u32(device.id.0).u32(device.incarnation).u8(device.flags).u64(device.added_seq);
            out.put(&device.sig_key.0).put(&device.dh_key.0).put(&device.possession.0);
        }
        out.finish()
    }

    /// What the signature covers after the label: body and signer.
    #[must_use]
    pub fn signed_bytes(&self, signer: Option<DeviceId>) -> Vec<u8> {
        let mut bytes = self.encode();
        bytes.extend_from_slice(&signer.map_or(0, |d| d.0).to_be_bytes());
        bytes
    }

    /// Puts body, signer and signature together.
    #[must_use]
    pub fn assemble(&self, signer: Option<DeviceId>, signature: &Signature) -> Vec<u8> {
        let mut bytes = self.signed_bytes(signer);
        bytes.extend_from_slice(&signature.0);
        bytes
    }

    /// The device with this id, if it is listed and not revoked.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&ListedDevice> {
        self.live_devices().find(|d| d.id == id)
    }

    /// Devices that may be sent to.
    pub fn live_devices(&self) -> impl Iterator<Item = &ListedDevice> {
        self.devices.iter().filter(|d| d.flags & DEVICE_REVOKED == 0)
    }
}

impl DeviceList {
    /// Reads a list and verifies everything that needs no earlier list: shape, self-certifying account
    /// id (unless the key was rotated: `seq` > 1 leaves that to the chain), possession and signature.
    ///
    /// # Errors
    /// [`ListError`] says which check failed; nothing of the list may then be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, ListError> {
        let mut reader = Reader::new(bytes);
        let body = read_body(&mut reader)?;
        let signer = match reader.u32()? {
            0 => None,
            id => Some(DeviceId(id)),
        };
        let signature = Signature(reader.array()?);
        reader.end()?;
        if body.seq == 1 {
            check_first(&body, signer)?;
        }
        for device in &body.devices {
            let claim = possession_bytes(&body.account_id, &body.account_key, device.id, &device.dh_key);
            if !device.sig_key.verifies(SIG_POSSESSION, &[&claim], &device.possession) {
                return Err(ListError::Possession);
            }
        }
        let key = match signer {
            None => &body.account_key,
            // Whether that device may sign is decided against the list before; here only the key counts.
            Some(id) => &body.devices.iter().find(|d| d.id == id).ok_or(ListError::Signature)?.sig_key,
        };
        if !key.verifies(SIG_LIST, &[&body.signed_bytes(signer)], &signature) {
            return Err(ListError::Signature);
        }
        let hash = ListHash(plain_hash(&[bytes]));
        Ok(Self { body, signer, bytes: bytes.to_vec(), hash })
    }

    /// The verified content.
    #[must_use]
    pub fn body(&self) -> &ListBody {
        &self.body
    }

    /// The device that signed, or none for the account key.
    #[must_use]
    pub fn signer(&self) -> Option<DeviceId> {
        self.signer
    }

    /// Whether the list proves by itself that it is of its account: signed by the account key, and
    /// that key hashes to the account id. Any other list is believed only at the end of its chain.
    #[must_use]
    pub fn certifies_itself(&self) -> bool {
        self.signer.is_none() && account_id(&self.body.account_key) == self.body.account_id
    }

    /// The bytes as received: what is stored, hashed and passed on.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    #[must_use]
    pub fn hash(&self) -> ListHash {
        self.hash
    }
}

/// The first list has nothing before it, and only the account key may sign it: a device that signed
/// would vouch for itself.
fn check_first(body: &ListBody, signer: Option<DeviceId>) -> Result<(), ListError> {
    if account_id(&body.account_key) != body.account_id {
        return Err(ListError::AccountId);
    }
    if signer.is_some() {
        return Err(ListError::Signature);
    }
    let alone = body.prev_hash == NO_HASH && body.merged_hash == NO_HASH;
    if alone { Ok(()) } else { Err(ListError::Malformed) }
}

fn read_body(reader: &mut Reader<'_>) -> Result<ListBody, ListError> {
    if reader.take(4)? != MAGIC || reader.u16()? != SUITE {
        return Err(ListError::Malformed);
    }
    let relay_id = RelayId(reader.array()?);
    let account_id = AccountId(reader.array()?);
    let (seq, prev_hash, merged_hash) = (reader.u64()?, ListHash(reader.array()?), ListHash(reader.array()?));
    let (created_ms, expires_ms) = (reader.u64()?, reader.u64()?);
    let (account_key, next_account_key_hash) = (VerifyKey(reader.array()?), reader.array()?);
    let (flags, vault_gen, vault_hash, record_floor) = (reader.u8()?, reader.u32()?, reader.array()?, reader.u64()?);
    let name_len = usize::from(reader.u8()?);
    let name_text = std::str::from_utf8(reader.take(name_len)?).map_err(|_| ListError::Malformed)?;
    let name = UserName::parse(name_text).map_err(|_| ListError::Malformed)?;
    let count = usize::from(reader.u8()?);
    let in_range = seq != 0 && (1..=DEVICES_MAX).contains(&count) && flags & !FLAG_APPROVAL == 0;
    if !in_range || name.as_str() != name_text {
        return Err(ListError::Malformed);
    }
    let devices = read_devices(reader, count)?;
    // Nobody was added later than by this list.
    if devices.iter().any(|device| !(1..=seq).contains(&device.added_seq)) {
        return Err(ListError::Malformed);
    }
    Ok(ListBody {
        relay_id,
        account_id,
        seq,
        prev_hash,
        merged_hash,
        created_ms,
        expires_ms,
        account_key,
        next_account_key_hash,
        flags,
        vault_gen,
        vault_hash,
        record_floor,
        name,
        devices,
    })
}

fn read_devices(reader: &mut Reader<'_>, count: usize) -> Result<Vec<ListedDevice>, ListError> {
    let mut devices = Vec::with_capacity(count);
    let mut last_id = 0;
    for _ in 0..count {
        let id = reader.u32()?;
        // Ascending from 1: each id once, and 0 stays the account key's mark.
        if id <= last_id {
            return Err(ListError::Malformed);
        }
        last_id = id;
        let (incarnation, flags) = (reader.u32()?, reader.u8()?);
        if flags & !(DEVICE_MAY_SIGN | DEVICE_REVOKED) != 0 {
            return Err(ListError::Malformed);
        }
        devices.push(ListedDevice {
            id: DeviceId(id),
            incarnation,
            flags,
            added_seq: reader.u64()?,
            sig_key: VerifyKey(reader.array()?),
            dh_key: DhKey(reader.array()?),
            possession: Signature(reader.array()?),
        });
    }
    Ok(devices)
}
