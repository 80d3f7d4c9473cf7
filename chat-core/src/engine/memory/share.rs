//! The account record between devices: what changed here goes into the next one, what another device
//! wrote comes out of it. One request at a time; a record that came first is merged, then ours follows.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_wire::ids::{AccountId, DeviceId};
use chat_wire::message::ClientMessage;
use serde_bytes::{ByteArray, ByteBuf};

use super::State;
use super::asks::{Ask, Written};
use super::keyring::Keyring;
use super::people::Standing;
use super::shared::{Field, Shared, SharedDevice, SharedPerson, Stamp};
use crate::engine::content::{Content, OwnState};
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{AlarmKind, Trouble};
use crate::identity::record::{self, RecordPlace, SealedRecord};

/// How far the exchange of the record is.
#[derive(Debug)]
pub(in crate::engine) struct Exchange {
    /// The record on the relay may be newer than what is known.
    pub(in crate::engine) behind: bool,
    /// What is known here is not in the record.
    pub(in crate::engine) ahead: bool,
    /// A request is out.
    pub(in crate::engine) asked: bool,
    /// The relay would not take it: not before something changes, or the next connection.
    pub(in crate::engine) refused: bool,
}

impl Default for Exchange {
    fn default() -> Self {
        // Each run looks once: a device's word that it wrote something may have been lost with a mailbox.
        Self { behind: true, ahead: false, asked: false, refused: false }
    }
}

/// What a record that came turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Taken {
    /// It is known, or now is.
    Known,
    /// It is sealed under a key that this device was not given yet, or contradicts what is known.
    Useless,
}

impl State {
    /// Notes what changed here since the last look.
    pub(in crate::engine) fn note_shared(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let Some(me) = &self.me else { return Ok(()) };
        let (own, device) = (me.account(), me.address().device);
        let stamp = Stamp { at_ms: work.now.as_ms(), device: device.0 };
        let mut changed = false;
        for account in self.people.take_changed() {
            if let Some(person) = self.people.get(&account) {
                changed |= self.shared.note_person(&account, person, stamp);
            }
        }
        changed |= self.shared.display_name.set(&self.profile.display_name, stamp);
        changed |= self.shared.status.set(&Some(self.profile.status), stamp);
        if !self.shared.devices.contains_key(&device.0) {
            let entry = SharedDevice { name: Field::default(), created_ms: work.now.as_ms() };
            let entry = self.shared.devices.entry(device.0).or_insert(entry);
            entry.name.set(&self.profile.device_name, stamp);
            changed = true;
        }
        if changed {
            let list = self.list_of(work, &own)?.map(|known| known.list);
            if let Some(list) = list {
                self.shared.list_seq = self.shared.list_seq.max(list.body().seq);
                self.shared.devices.retain(|id, _| list.body().devices.iter().any(|listed| listed.id.0 == *id));
            }
            self.shared.save(work)?;
            (self.exchange.ahead, self.exchange.refused) = (true, false);
        }
        Ok(())
    }

    /// Names an own device; `false` when there is none.
    pub(in crate::engine) fn name_device(
        &mut self,
        work: &mut Work<'_>,
        device: DeviceId,
        name: &Option<String>,
    ) -> Result<bool, EngineError> {
        let own = self.own_address()?;
        let listed = self.list_of(work, &own.account)?.is_some_and(|known| known.list.body().device(device).is_some());
        if !listed {
            return Ok(false);
        }
        let stamp = Stamp { at_ms: work.now.as_ms(), device: own.device.0 };
        let entry = self.shared.devices.entry(device.0);
        let entry = entry.or_insert_with(|| SharedDevice { name: Field::default(), created_ms: work.now.as_ms() });
        if entry.name.set(name, stamp) {
            self.shared.save(work)?;
            (self.exchange.ahead, self.exchange.refused) = (true, false);
        }
        Ok(true)
    }

    /// Asks for the record, or writes it, whichever is due.
    pub(in crate::engine) fn exchange_record(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let idle = !self.exchange.asked && !self.exchange.refused && self.undertaking.is_none();
        if !idle || self.keyring.is_none() || !self.is_online() {
            return Ok(());
        }
        if self.exchange.behind {
            self.exchange.asked = true;
            self.ask(work, Ask::GetRecord, ClientMessage::GetRecord {});
        } else if self.exchange.ahead && self.is_listed(work)? {
            let Some((bytes, expected, written)) = self.seal_record(work)? else { return Ok(()) };
            let version = written.version;
            (self.exchange.asked, self.exchange.ahead) = (true, false);
            self.ask_with(work, Ask::PutRecord(written), ClientMessage::PutRecord { expected, version }, bytes);
        }
        Ok(())
    }

    /// The next record, with the version that the relay should hold now.
    pub(in crate::engine) fn seal_record(
        &mut self,
        work: &mut Work<'_>,
    ) -> Result<Option<(Bytes, u64, Written)>, EngineError> {
        let Some(keyring) = &self.keyring else { return Ok(None) };
        let me = self.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let bytes = seal_with(keyring, &self.shared, &me.keys, work)?;
        if bytes.len() > chat_wire::limits::RECORD_BYTES_MAX {
            work.trouble(Trouble::Overflow);
            self.exchange.refused = true;
            return Ok(None);
        }
        let hash = chat_wire::domain::plain_hash(&[&bytes]);
        let written = Written { version: next_version(keyring)?, hash };
        let expected = self.exchange_base.unwrap_or(keyring.version);
        Ok(Some((bytes, expected, written)))
    }

    /// The relay has the record: the other devices are told which (SPEC 10.6.3).
    pub(in crate::engine) fn record_written(
        &mut self,
        work: &mut Work<'_>,
        written: &Written,
    ) -> Result<(), EngineError> {
        self.exchange.asked = false;
        self.exchange_base = None;
        if let Some(keyring) = &mut self.keyring {
            (keyring.version, keyring.hash) = (written.version, written.hash);
            keyring.save(work)?;
        }
        self.post_own_state(work, false)
    }

    /// Tells the own other devices which record stands, and the key of it if they may not have it.
    pub(in crate::engine) fn post_own_state(&mut self, work: &mut Work<'_>, with_key: bool) -> Result<(), EngineError> {
        let Some(keyring) = &self.keyring else { return Ok(()) };
        let mut hash = [0; 16];
        hash.iter_mut().zip(keyring.hash).for_each(|(to, from)| *to = from);
        let key = keyring.current().filter(|_| with_key).map(|key| ByteBuf::from(key.to_bytes().to_vec()));
        let (version, sgen) = (keyring.version, keyring.sync_box.sgen);
        self.post_to_own(work, &Content::OwnState(OwnState { version, hash: ByteArray::new(hash), sgen, key }))
    }

    /// Says something to the own other devices, if there are any.
    pub(in crate::engine) fn post_to_own(&mut self, work: &mut Work<'_>, content: &Content) -> Result<(), EngineError> {
        let account = self.own_address()?.account;
        let known = self.list_of(work, &account)?;
        if known.is_some_and(|known| known.list.body().live_devices().count() > 1) {
            self.post(work, account, content)?;
        }
        Ok(())
    }

    /// Takes the record that the relay holds.
    pub(in crate::engine) fn take_record(
        &mut self,
        work: &mut Work<'_>,
        (version, bytes): (u64, &[u8]),
    ) -> Result<Taken, EngineError> {
        let account = self.own_address()?.account;
        let floor = self.list_of(work, &account)?.map_or(0, |known| known.list.body().record_floor);
        let Some(keyring) = &self.keyring else { return Ok(Taken::Useless) };
        let (known, known_hash) = (keyring.version, keyring.hash);
        if version < known.max(floor) {
            // SPEC 10.6.1: not used; ours is written over it.
            let shown = evidence(known, &known_hash);
            self.alarm_own(work, AlarmKind::RecordRolledBack, vec![shown, bytes.to_vec()])?;
            (self.exchange.ahead, self.exchange_base) = (true, Some(version));
            return Ok(Taken::Useless);
        }
        if version == 0 {
            self.exchange.ahead = true;
            return Ok(Taken::Known);
        }
        let Some(read) = SealedRecord::decode(bytes).ok().filter(|record| record.version() == version) else {
            work.trouble(Trouble::RecordRefused);
            return Ok(Taken::Useless);
        };
        if version == known && read.hash() == known_hash {
            return Ok(Taken::Known);
        }
        if !self.is_by_own_device(work, &read)? {
            work.trouble(Trouble::RecordRefused);
            return Ok(Taken::Useless);
        }
        let forked = version == known || (known.checked_add(1) == Some(version) && read.prev_hash() != known_hash);
        if forked && known > 0 {
            let shown = evidence(known, &known_hash);
            self.alarm_own(work, AlarmKind::RecordForked, vec![shown, bytes.to_vec()])?;
        }
        self.merge_record(work, &account, &read)
    }

    fn merge_record(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
        read: &SealedRecord,
    ) -> Result<Taken, EngineError> {
        let Some(keyring) = &mut self.keyring else { return Ok(Taken::Useless) };
        let sgen = read.sync_box().sgen;
        let Some(content) = keyring.open(account, read) else {
            // The key is on its way from the device that made it; its coming asks again.
            return Ok(Taken::Useless);
        };
        let Some(theirs) = Shared::read(&content) else {
            work.trouble(Trouble::RecordRefused);
            return Ok(Taken::Useless);
        };
        // A key made here that no record has yet is the newer one.
        let newer_key = keyring.sync_box.sgen > sgen;
        let sync_box = if newer_key { keyring.sync_box.clone() } else { read.sync_box().clone() };
        keyring.stand(read.version(), read.hash(), &sync_box);
        keyring.save(work)?;
        self.note_shared(work)?;
        self.exchange.ahead = self.shared.merge(theirs) || newer_key;
        self.shared.save(work)?;
        self.adopt_shared(work)?;
        Ok(Taken::Known)
    }

    /// Whether a device that is or was of the account signed a record.
    fn is_by_own_device(&mut self, work: &Work<'_>, record: &SealedRecord) -> Result<bool, EngineError> {
        let account = self.own_address()?.account;
        let keys = self.lists.keys_of(work, &account, record.device())?;
        Ok(keys.iter().any(|key| record.is_signed_by(key)))
    }

    /// Makes people and profile what the shared state says.
    pub(in crate::engine) fn adopt_shared(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let entries: BTreeMap<AccountId, SharedPerson> =
            self.shared.people().map(|(account, person)| (*account, person.clone())).collect();
        for (account, shared) in &entries {
            self.adopt_person(work, *account, shared)?;
        }
        let name = self.shared.display_name.value.clone();
        let status = self.shared.status.value.unwrap_or(self.profile.status);
        if (&name, status) != (&self.profile.display_name, self.profile.status) {
            if name != self.profile.display_name {
                // The device that changed it has told everybody.
                let version = self.profile.version.saturating_add(1);
                self.profile.version = version;
                for account in entries.keys() {
                    self.people.change(work, *account, |person| person.told_profile = version)?;
                }
            }
            (self.profile.display_name, self.profile.status) = (name, status);
            self.profile.save(work)?;
        }
        self.contacts_changed(work);
        // What was just taken over is no change of ours.
        self.people.take_changed();
        Ok(())
    }

    fn adopt_person(
        &mut self,
        work: &mut Work<'_>,
        account: AccountId,
        shared: &SharedPerson,
    ) -> Result<(), EngineError> {
        if !self.people.meet(work, account, &shared.name)? {
            return Ok(());
        }
        let accepted = shared.standing.value == Standing::Accepted;
        let newly = accepted && self.people.get(&account).is_some_and(|person| person.standing != Standing::Accepted);
        let gone = shared.blocked.value || shared.standing.value == Standing::Declined;
        if gone {
            self.drop_held(work, &account)?;
        }
        let held = if newly { self.take_held(work, &account)? } else { Vec::new() };
        let known_key = self.list_of(work, &account)?.map(|known| known.list.body().account_key);
        let told = self.profile.version;
        self.people.change(work, account, |person| {
            person.standing = shared.standing.value;
            person.blocked = shared.blocked.value;
            person.accepts_us = shared.accepts_us.value;
            person.display_name.clone_from(&shared.display_name.value);
            let mark = shared.verified.value;
            let other_key = mark.is_some_and(|mark| known_key.is_some_and(|key| key != mark.account_key));
            person.key_changed |= other_key;
            person.verified = mark.filter(|_| !other_key);
            if newly || gone {
                person.request = None;
            }
            if newly {
                person.told_profile = told;
            }
        })?;
        if newly && !shared.blocked.value {
            self.announce_conversation(work, account);
            for arrival in held {
                self.show(work, arrival)?;
            }
            self.schedule_receipt(work, account);
        }
        Ok(())
    }
}

impl Keyring {
    /// The content of a record, by whichever key of its generation opens it.
    pub(in crate::engine) fn open(
        &mut self,
        account: &AccountId,
        record: &SealedRecord,
    ) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        let sgen = record.sync_box().sgen;
        let (at, content) = self
            .of(sgen)
            .enumerate()
            .find_map(|(at, key)| record.open(account, key).ok().map(|content| (at, content)))?;
        self.prefer(sgen, at);
        Some(content)
    }
}

/// Seals the shared state as the record after the one that the ring knows.
pub(in crate::engine) fn seal_with(
    keyring: &Keyring,
    shared: &Shared,
    keys: &crate::identity::DeviceKeys,
    work: &mut Work<'_>,
) -> Result<Bytes, EngineError> {
    let key = keyring.current().ok_or(EngineError::Broken(Bug::OwnKeys))?;
    let content = zeroize::Zeroizing::new(crate::engine::context::encode(shared)?);
    let account = keys.address().account;
    let place = RecordPlace { account, version: next_version(keyring)?, prev_hash: keyring.hash };
    Ok(Bytes::from(record::seal(&place, (&keyring.sync_box, key), &content, (keys, work.rng))))
}

pub(in crate::engine) fn next_version(keyring: &Keyring) -> Result<u64, EngineError> {
    keyring.version.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))
}

/// What was known of a record that is no longer at hand: `version u64 ‖ hash 32`.
fn evidence(version: u64, hash: &[u8; 32]) -> Vec<u8> {
    [&version.to_be_bytes()[..], hash].concat()
}
