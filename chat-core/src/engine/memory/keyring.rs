//! The sync keys of the account (SPEC 10.5) and what this device knows of the account record.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::{Zeroize, Zeroizing};

use crate::engine::context::{Work, decode, encode};
use crate::engine::error::EngineError;
use crate::engine::limits::SYNC_KEYS_MAX;
use crate::identity::record::{SyncBox, SyncKey};
use crate::store::{Records, Table};

const KEYRING_KEY: &[u8] = b"keyring";

/// Keys, the box of the current one, and the last record that was taken or written.
pub(in crate::engine) struct Keyring {
    /// By generation, the current one last. Two devices may make the same generation at once: the one
    /// whose record the relay took counts.
    keys: Vec<(u32, SyncKey)>,
    pub(in crate::engine) sync_box: SyncBox,
    pub(in crate::engine) version: u64,
    pub(in crate::engine) hash: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct KeyringRecord {
    #[serde(rename = "k")]
    keys: Vec<(u32, ByteBuf)>,
    #[serde(rename = "g")]
    sgen: u32,
    #[serde(rename = "w")]
    vault_gen: u32,
    #[serde(rename = "kp")]
    kp: u8,
    #[serde(rename = "b")]
    sync_box: ByteBuf,
    #[serde(rename = "q")]
    version: u64,
    #[serde(rename = "h")]
    hash: ByteArray<32>,
}

impl Drop for KeyringRecord {
    fn drop(&mut self) {
        for (_, key) in &mut self.keys {
            key.as_mut_slice().zeroize();
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    /// A ring with one key, before any record is known.
    pub(in crate::engine) fn new(key: SyncKey, sync_box: SyncBox) -> Self {
        Self { keys: vec![(sync_box.sgen, key)], sync_box, version: 0, hash: [0; 32] }
    }

    /// The same ring with a new key in use.
    pub(in crate::engine) fn with(&self, key: SyncKey, sync_box: SyncBox) -> Self {
        let copies = self.keys.iter().filter_map(|(sgen, key)| Some((*sgen, SyncKey::from_bytes(&key.to_bytes())?)));
        let (version, hash) = (self.version, self.hash);
        let mut ring = Self { keys: copies.collect(), sync_box, version, hash };
        ring.take(ring.sync_box.sgen, key);
        ring
    }

    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Option<Self>, EngineError> {
        let Some(bytes) = records.get(Table::Meta, KEYRING_KEY).map(Zeroizing::new) else { return Ok(None) };
        let record: KeyringRecord = decode(Table::Meta, &bytes)?;
        let read = |(sgen, key): &(u32, ByteBuf)| SyncKey::from_bytes(key).map(|key| (*sgen, key));
        let keys: Option<Vec<_>> = record.keys.iter().map(read).collect();
        let keys = keys.ok_or(EngineError::Store { table: Table::Meta })?;
        let (sgen, vault_gen, kp) = (record.sgen, record.vault_gen, record.kp);
        let sync_box = SyncBox { sgen, vault_gen, kp, bytes: record.sync_box.to_vec() };
        Ok(Some(Self { keys, sync_box, version: record.version, hash: *record.hash }))
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let keys = self.keys.iter().map(|(sgen, key)| (*sgen, ByteBuf::from(key.to_bytes().to_vec()))).collect();
        let record = KeyringRecord {
            keys,
            sgen: self.sync_box.sgen,
            vault_gen: self.sync_box.vault_gen,
            kp: self.sync_box.kp,
            sync_box: ByteBuf::from(self.sync_box.bytes.clone()),
            version: self.version,
            hash: ByteArray::new(self.hash),
        };
        let bytes = encode(&record)?;
        work.put(Table::Meta, KEYRING_KEY, bytes);
        Ok(())
    }

    /// The key that records are sealed under now.
    pub(in crate::engine) fn current(&self) -> Option<&SyncKey> {
        self.of(self.sync_box.sgen).last()
    }

    /// Keys of a generation.
    pub(in crate::engine) fn of(&self, sgen: u32) -> impl Iterator<Item = &SyncKey> {
        self.keys.iter().filter(move |(of, _)| *of == sgen).map(|(_, key)| key)
    }

    /// Takes a key in; `true` when it is new.
    pub(in crate::engine) fn take(&mut self, sgen: u32, key: SyncKey) -> bool {
        let known = self.of(sgen).any(|have| have.is_same(&key));
        if !known {
            self.keys.push((sgen, key));
            self.keys.sort_by_key(|(sgen, _)| *sgen);
            let surplus = self.keys.len().saturating_sub(SYNC_KEYS_MAX);
            self.keys.drain(..surplus);
        }
        !known
    }

    /// The key of a generation that opened a record is the one to seal with.
    pub(in crate::engine) fn prefer(&mut self, sgen: u32, nth: usize) {
        let first = self.keys.iter().position(|(of, _)| *of == sgen).unwrap_or_default();
        let count = self.of(sgen).count();
        if let Some(same) = self.keys.get_mut(first..first.saturating_add(count)) {
            same.swap(nth.min(count.saturating_sub(1)), count.saturating_sub(1));
        }
    }

    /// A record stands at this place now.
    pub(in crate::engine) fn stand(&mut self, version: u64, hash: [u8; 32], sync_box: &SyncBox) {
        (self.version, self.hash) = (version, hash);
        self.sync_box = sync_box.clone();
    }
}
