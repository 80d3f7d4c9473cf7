//! Messages that the relay has and no recipient has confirmed: kept for a week, so that a device whose
//! session broke can have them again (DESIGN §5).
//!
//! Under `conversation 32 ‖ counter u64` of this device's stream.

use chat_wire::device_list::DeviceList;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, MessageId};
use serde::{Deserialize, Serialize};

use super::State;
use super::queue::{Flight, Outgoing};
use super::streams::{OwnStream, contains};
use crate::engine::content::{Identified, Resend};
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::limits::{KEPT_DROPPED_AT_ONCE, KEPT_MESSAGES_MAX, KEPT_MS_MAX, RESENDS_MAX};
use crate::store::Table;
use crate::time::Timestamp;

/// Bytes of a conversation in a key.
const CONVERSATION_BYTES: usize = 32;

/// A message as it was sent, and to whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Kept {
    #[serde(rename = "m")]
    pub(in crate::engine) message: Identified,
    #[serde(rename = "t")]
    at_ms: u64,
    /// The recipient's list that it was sealed for.
    #[serde(rename = "q")]
    list_seq: u64,
    /// Devices that it was sealed for, and how often it was sent to which incarnation of them again.
    #[serde(rename = "d")]
    devices: Vec<(u32, u8, u32)>,
}

/// Keeps a message that the relay took, unless it is of no stream or was confirmed already.
pub(in crate::engine) fn keep(
    work: &mut Work<'_>,
    flight: &Flight,
    outgoing: &Outgoing,
    stream: &OwnStream,
) -> Result<(), EngineError> {
    let conversation = flight.conversation;
    if !outgoing.is_in_stream() {
        return Ok(());
    }
    let counter = outgoing.message.counter;
    let Some(list) = flight.lists.iter().find(|list| list.account == conversation) else { return Ok(()) };
    if stream.is_delivered(counter) {
        return Ok(());
    }
    let mut devices: Vec<(u32, u8, u32)> = Vec::new();
    for head in flight.packets.iter().filter(|head| head.to.account == conversation) {
        if !devices.iter().any(|(device, ..)| *device == head.to.device.0) {
            devices.push((head.to.device.0, 0, 0));
        }
    }
    if devices.is_empty() {
        return Ok(());
    }
    let (message, at_ms) = (outgoing.message.clone(), work.now.as_ms());
    work.save(Table::Kept, &key(&conversation, counter), &Kept { message, at_ms, list_seq: list.seq, devices })?;
    let over = counter.checked_sub(KEPT_MESSAGES_MAX).map(|old| key(&conversation, old));
    if let Some(over) = over.filter(|over| work.get(Table::Kept, over).is_some()) {
        work.delete(Table::Kept, &over);
    }
    Ok(())
}

/// Forgets what the other side has now; a few at a time, so that a step stays small.
pub(in crate::engine) fn drop_delivered(work: &mut Work<'_>, conversation: &AccountId, stream: &OwnStream) {
    for (key, _) in work.scan(Table::Kept, &conversation.0, None, KEPT_DROPPED_AT_ONCE) {
        let counter = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        if counter.is_none_or(|counter| stream.is_delivered(counter)) {
            work.delete(Table::Kept, &key);
        }
    }
}

/// Keeps no more of each conversation than its last: places jump with an incarnation.
pub(in crate::engine) fn trim(work: &mut Work<'_>) {
    let mut keys: Vec<Vec<u8>> =
        work.scan(Table::Kept, &[], None, usize::MAX).into_iter().map(|(key, _)| key).collect();
    keys.reverse();
    let mut last: Option<(Vec<u8>, u64)> = None;
    for key in keys {
        let conversation = key.get(..CONVERSATION_BYTES).unwrap_or_default().to_vec();
        let kept = last.take().filter(|(of, _)| *of == conversation).map_or(0, |(_, kept)| kept).saturating_add(1);
        if kept > KEPT_MESSAGES_MAX {
            work.delete(Table::Kept, &key);
        }
        last = Some((conversation, kept));
    }
}

/// Forgets a message that was taken back or has expired.
pub(in crate::engine) fn forget(
    work: &mut Work<'_>,
    conversation: &AccountId,
    id: &MessageId,
) -> Result<(), EngineError> {
    for (key, value) in work.scan(Table::Kept, &conversation.0, None, usize::MAX) {
        let kept: Kept = decode(Table::Kept, &value)?;
        if kept.message.id == *id {
            work.delete(Table::Kept, &key);
        }
    }
    Ok(())
}

/// Whether nobody may have it again: its time is over.
pub(in crate::engine) fn is_over(work: &Work<'_>, value: &[u8]) -> Result<bool, EngineError> {
    let kept: Kept = decode(Table::Kept, value)?;
    Ok(work.now.ms_since(Timestamp::from_ms(kept.at_ms)) >= KEPT_MS_MAX)
}

impl State {
    /// The messages that a device lacks and may have again: it was among those that each was sealed for,
    /// its keys are the same and it is still listed. They count as sent once more.
    pub(in crate::engine) fn take_lost(
        &mut self,
        work: &mut Work<'_>,
        device: &DeviceAddress,
        lacking: &Resend,
    ) -> Result<Vec<Identified>, EngineError> {
        let (conversation, own) = (device.account, self.own_address()?);
        let stream = OwnStream::load(work, &conversation, &own)?;
        // What it got of another life of this device says nothing of what this one sent: a message that it
        // has all the same it knows by its id.
        let named = stream.bears_out(work, (&conversation, &own), (lacking.counter, &lacking.hash))?;
        let ours = named == Some(true);
        let mut lost = Vec::new();
        for (key, value) in work.scan(Table::Kept, &conversation.0, None, usize::MAX) {
            let at = key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            let has_it = ours && at <= lacking.counter && !contains(&lacking.gaps, at);
            if has_it || stream.is_delivered(at) || is_over(work, &value)? {
                continue;
            }
            let mut kept: Kept = decode(Table::Kept, &value)?;
            let Some(incarnation) = self.same_keys(work, device, kept.list_seq)? else { continue };
            let Some((_, times, of)) = kept.devices.iter_mut().find(|(id, ..)| *id == device.device.0) else {
                continue;
            };
            if *of != incarnation {
                // Another life of the device may have taken what was sent to the one before.
                (*times, *of) = (0, incarnation);
            }
            if *times >= RESENDS_MAX {
                continue;
            }
            *times = times.saturating_add(1);
            work.save(Table::Kept, &key, &kept)?;
            lost.push(kept.message);
        }
        Ok(lost)
    }

    /// The incarnation of a device that is listed now with the keys that it had in an earlier list.
    fn same_keys(&mut self, work: &Work<'_>, device: &DeviceAddress, seq: u64) -> Result<Option<u32>, EngineError> {
        let id: DeviceId = device.device;
        let listed = |list: &DeviceList| {
            let listed = list.body().live_devices().find(|listed| listed.id == id);
            listed.map(|listed| ((listed.sig_key, listed.dh_key), listed.incarnation))
        };
        let now = self.list_of(work, &device.account)?.and_then(|known| listed(&known.list));
        let then = self.lists.version(work, &device.account, seq)?.and_then(|list| listed(&list));
        Ok(now.zip(then).filter(|(now, then)| now.0 == then.0).map(|(now, _)| now.1))
    }
}

fn key(conversation: &AccountId, counter: u64) -> Vec<u8> {
    [&conversation.0[..], &counter.to_be_bytes()].concat()
}
