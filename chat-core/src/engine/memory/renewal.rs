//! A store that was found to be an old copy gets a new incarnation: one more version of the own device
//! list, signed by the device itself (SPEC 5.3.4, SPEC 7.2.4). Kept here until the relay has it.

use chat_wire::device_list::DeviceList;
use chat_wire::ids::ListHash;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::State;
use super::me::Me;
use super::queue::Outgoing;
use super::streams::{OwnStream, sent_key};
use crate::engine::context::{Work, decode};
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::Trouble;
use crate::prekey::PrivatePreKey;
use crate::store::{Records, Table};

const RENEWAL_KEY: &[u8] = b"renewal";

/// A renewal that is due.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Renewal {
    /// The list that was signed, once it was: its sequence number, the incarnation and the bytes. One
    /// signature per sequence, ever (SPEC 5.4.4).
    #[serde(rename = "s", default)]
    pub(in crate::engine) signed: Option<SignedRenewal>,
    /// Lists that the relay did not take.
    #[serde(rename = "r", default)]
    pub(in crate::engine) refusals: u32,
}

/// A signed list with a new incarnation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct SignedRenewal {
    #[serde(rename = "q")]
    pub(in crate::engine) seq: u64,
    #[serde(rename = "i")]
    pub(in crate::engine) incarnation: u32,
    #[serde(rename = "l")]
    pub(in crate::engine) list: ByteBuf,
}

impl Renewal {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Option<Self>, EngineError> {
        records.get(Table::Meta, RENEWAL_KEY).map(|bytes| decode(Table::Meta, &bytes)).transpose()
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, RENEWAL_KEY, self)
    }
}

impl State {
    /// The store is an old copy: nothing is sealed any more before the device has a new incarnation, and
    /// one-time keys that may have been used in the other life are gone (DESIGN §5).
    pub(in crate::engine) fn renew(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.trouble(Trouble::StoreStale);
        self.healing.count(work, |counts| &mut counts.stale_stores)?;
        self.sessions.retire_all(work)?;
        // It may have been found out while sends were under way.
        self.asks.forget_sends();
        self.recall_flights(work)?;
        self.errands.recall_all(work)?;
        let renewal = Renewal::default();
        renewal.save(work)?;
        self.renewal = Some(renewal);
        for (key, value) in work.scan(Table::PreKeys, &[], None, usize::MAX) {
            let value = zeroize::Zeroizing::new(value);
            let read = PrivatePreKey::decode(&value).map_err(|_| EngineError::Store { table: Table::PreKeys })?;
            if matches!(read, PrivatePreKey::OneTime { .. }) {
                work.delete(Table::PreKeys, &key);
            }
        }
        // The relay drops what it had of the old incarnation: everything is published anew.
        let index = &mut self.prekeys;
        index.signed.iter_mut().chain(&mut index.last_resort).for_each(|key| key.published = false);
        index.save(work)
    }

    /// Whether the own list names another incarnation than this store's: another life of the device has raised
    /// it, or the account key's list took the place of the one that raised it (SPEC 5.5.4).
    pub(in crate::engine) fn is_outlived(&mut self, work: &Work<'_>) -> Result<bool, EngineError> {
        let Some(own) = self.me.as_ref().map(|me| (me.address(), me.keys.incarnation())) else { return Ok(false) };
        let known = self.list_of(work, &own.0.account)?;
        let listed = known.and_then(|known| known.list.body().device(own.0.device).map(|device| device.incarnation));
        Ok(listed.is_some_and(|listed| listed != own.1))
    }

    /// Signs the next own list with the next incarnation of this device.
    pub(in crate::engine) fn sign_renewal(
        &mut self,
        work: &Work<'_>,
        before: &DeviceList,
    ) -> Result<SignedRenewal, EngineError> {
        let me = self.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let mut body = before.body().clone();
        body.seq = body.seq.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?;
        (body.prev_hash, body.merged_hash) = (before.hash(), ListHash([0; 32]));
        body.created_ms = work.now.as_ms().max(body.created_ms);
        let mut incarnation = me.keys.incarnation();
        for device in body.devices.iter_mut().filter(|device| device.id == me.address().device) {
            incarnation = incarnation.max(device.incarnation);
            incarnation = incarnation.checked_add(1).ok_or(EngineError::Broken(Bug::CounterEnd))?;
            device.incarnation = incarnation;
        }
        let list = ByteBuf::from(me.keys.sign_list(&body));
        Ok(SignedRenewal { seq: body.seq, incarnation, list })
    }

    /// The relay has the list: this device is its next incarnation.
    pub(in crate::engine) fn renewed(
        &mut self,
        work: &mut Work<'_>,
        signed: &SignedRenewal,
    ) -> Result<(), EngineError> {
        let Me { keys, name, relay } = self.me.take().ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let me = Me { keys: keys.with_incarnation(signed.incarnation), name, relay };
        me.save(work)?;
        self.me = Some(me);
        self.end_renewal(work);
        Ok(())
    }

    /// What the relay never accepted goes on at places of this incarnation: those that it had, another life
    /// may have used for something else (SPEC 8.6.4).
    pub(in crate::engine) fn place_anew(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let (own, first) = (self.own_address()?, self.first_place()?);
        for (key, value) in work.scan(Table::Outbox, &[], None, usize::MAX) {
            let mut outgoing: Outgoing = decode(Table::Outbox, &value)?;
            if !outgoing.is_in_stream() {
                continue;
            }
            let conversation = outgoing.conversation;
            work.delete(Table::Sent, &sent_key(&conversation, own.device.0, outgoing.message.counter));
            let mut stream = OwnStream::load(work, &conversation, &own)?;
            outgoing.message.counter = stream.next_counter(first)?;
            outgoing.message.previous = stream.last;
            let shown = outgoing.counter.is_some();
            stream.append(work, (&conversation, &own), (&outgoing.message, shown))?;
            outgoing.counter = shown.then_some(outgoing.message.counter);
            work.save(Table::Outbox, &key, &outgoing)?;
        }
        Ok(())
    }

    /// Nothing keeps us from sealing any more.
    pub(in crate::engine) fn end_renewal(&mut self, work: &mut Work<'_>) {
        self.renewal = None;
        work.delete(Table::Meta, RENEWAL_KEY);
        self.queue.wake_all();
    }
}
