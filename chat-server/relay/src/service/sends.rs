//! Sends that are not durable yet. While a sync runs they wait for the next group; a recipient device
//! that acknowledges before that has made its packet durable itself, so its row is never written, and a
//! send all of whose packets are acknowledged is answered at once (SPEC 1.3).

use std::collections::{BTreeMap, VecDeque};

use chat_wire::ids::{DeviceAddress, RequestKey};

use crate::limits::{ACKNOWLEDGEMENT_WAIT_MS, HELD_BACK_BYTES_MAX, HELD_BACK_MIN};
use crate::round::ConnectionId;
use crate::storage::{Answered, Batch, Entry, Log, Write};

/// What the sender is told when its send is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
    pub(crate) accepted_ms: u64,
    pub(crate) step: u64,
}

/// A send on its way.
#[derive(Debug)]
pub(crate) struct Sent {
    from: DeviceAddress,
    key: RequestKey,
    /// Step of the send; the receipt carries the highest of its device.
    step: u64,
    accepted_ms: u64,
    /// When it came, milliseconds since the relay's start: a clock that never jumps.
    came_ms: u64,
    /// None once it was given, or the send was refused.
    receipt: Option<Receipt>,
    packets: Vec<Packet>,
    /// Packets that nobody acknowledged.
    open: usize,
}

#[derive(Debug)]
struct Packet {
    to: DeviceAddress,
    /// None once it is written, or need not be.
    entry: Option<Entry>,
}

/// Where a packet waits for its acknowledgement: the send by its number, the packet by its place in it.
#[derive(Debug, Clone, Copy)]
struct Place {
    seq: u64,
    send: u64,
    packet: usize,
}

/// The sends that are not durable, in order of arrival:
///
/// ```text
/// | under way: a sync makes them durable | written: with the next sync | waiting to be written |
/// ```
#[derive(Debug, Default)]
pub(crate) struct Sends {
    sends: VecDeque<Sent>,
    /// Number of the first.
    first: u64,
    under_way: usize,
    written: usize,
    /// Number behind the last one with a reader that is not connected.
    awaited_by_nobody: u64,
    places: BTreeMap<DeviceAddress, VecDeque<Place>>,
    bytes: usize,
}

/// Whether everybody that a send is for is connected, and may acknowledge before the next sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Connected,
    Away,
}

impl Sent {
    pub(crate) fn new(
        receipt: Receipt,
        (from, key, step): (DeviceAddress, RequestKey, u64),
        packets: Vec<(DeviceAddress, Entry)>,
    ) -> Self {
        let (open, accepted_ms) = (packets.len(), receipt.accepted_ms);
        let packets = packets.into_iter().map(|(to, entry)| Packet { to, entry: Some(entry) }).collect();
        Self { from, key, step, accepted_ms, came_ms: 0, receipt: Some(receipt), packets, open }
    }

    /// Devices that it has packets for.
    pub(crate) fn recipients(&self) -> impl Iterator<Item = &DeviceAddress> {
        self.packets.iter().map(|packet| &packet.to)
    }

    /// The storage did not take it: the receipt that nobody gets.
    pub(crate) fn refuse(&mut self) -> Option<Receipt> {
        self.receipt.take()
    }

    /// Moves out what makes it durable; the answer first, because only it can meet a row of its kind.
    pub(crate) fn write(&mut self, batch: &mut Batch) {
        batch.push(Write::Answer(self.from, self.key, Answered { accepted_ms: self.accepted_ms }, self.step));
        for Packet { to, entry } in &mut self.packets {
            batch.extend(entry.take().map(|entry| Write::Append(Log::Mailbox(*to), entry)));
        }
    }
}

impl Sends {
    /// Adds one; its packets may be acknowledged before they are durable, also by a device that comes
    /// only now.
    pub(crate) fn push(&mut self, mut sent: Sent, readers: Readers, uptime_ms: u64) {
        let send = self.first.saturating_add(u64::try_from(self.sends.len()).unwrap_or(u64::MAX));
        sent.came_ms = uptime_ms;
        if readers == Readers::Away {
            self.awaited_by_nobody = send.saturating_add(1);
        }
        for (packet, Packet { to, entry }) in sent.packets.iter().enumerate() {
            let Some(entry) = entry else { continue };
            self.bytes = self.bytes.saturating_add(entry.body.len());
            self.places.entry(*to).or_default().push_back(Place { seq: entry.seq, send, packet });
        }
        self.sends.push_back(sent);
    }

    /// A device holds everything up to a place: the receipts that are due now. Rows that were not
    /// written yet never are.
    pub(crate) fn acknowledge(&mut self, device: &DeviceAddress, seq: u64) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        let Some(places) = self.places.get_mut(device) else { return receipts };
        while let Some(place) = places.pop_front_if(|place| place.seq <= seq) {
            let at = place.send.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
            let Some(sent) = at.and_then(|at| self.sends.get_mut(at)) else { continue };
            let Some(packet) = sent.packets.get_mut(place.packet) else { continue };
            if let Some(entry) = packet.entry.take() {
                self.bytes = self.bytes.saturating_sub(entry.body.len());
            }
            sent.open = sent.open.saturating_sub(1);
            if sent.open == 0 {
                receipts.extend(sent.receipt.take());
            }
        }
        if places.is_empty() {
            self.places.remove(device);
        }
        receipts
    }

    /// How many of those that wait a group should take, in order of arrival. Few: all of them. Many: what is for
    /// somebody who is away, and what its readers did not acknowledge in time, and with it some that came
    /// after, so that rows are written seldom and many at once; the rest is with its readers, most of whom
    /// will be quicker than the disk. Those that all readers have are answered already, and wait as well.
    pub(crate) fn due(&self, uptime_ms: u64) -> usize {
        let before = self.under_way.saturating_add(self.written);
        let waiting = self.sends.len().saturating_sub(before);
        if waiting < HELD_BACK_MIN || self.bytes > HELD_BACK_BYTES_MAX {
            return waiting;
        }
        let away = self.awaited_by_nobody.saturating_sub(self.first);
        let away = usize::try_from(away).unwrap_or(usize::MAX).saturating_sub(before);
        let waited = |sent: &Sent| uptime_ms.saturating_sub(sent.came_ms);
        let overdue = self.sends.get(before).is_some_and(|first| waited(first) >= ACKNOWLEDGEMENT_WAIT_MS);
        let aged = match overdue {
            true => self.sends.partition_point(|sent| waited(sent) >= ACKNOWLEDGEMENT_WAIT_MS / 2),
            false => 0,
        };
        away.max(aged.saturating_sub(before)).min(waiting)
    }

    /// So many of those that wait to be written; they count as written from now on.
    pub(crate) fn write(&mut self, count: usize) -> impl Iterator<Item = &mut Sent> {
        let before = self.under_way.saturating_add(self.written);
        let end = before.saturating_add(count).min(self.sends.len());
        for sent in self.sends.range(before..end) {
            let bytes: usize = sent.packets.iter().flat_map(|p| &p.entry).map(|entry| entry.body.len()).sum();
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        self.written = end.saturating_sub(self.under_way);
        self.sends.range_mut(before..end)
    }

    /// A sync for what is written is under way.
    pub(crate) fn sync(&mut self) {
        self.under_way = self.under_way.saturating_add(std::mem::take(&mut self.written));
    }

    /// What was under way is durable, or refused: the receipts that nobody got yet.
    pub(crate) fn synced(&mut self) -> Vec<Receipt> {
        let count = std::mem::take(&mut self.under_way);
        self.finish(count)
    }

    /// What was written is durable without a sync to wait for, or refused: likewise.
    pub(crate) fn settled(&mut self) -> Vec<Receipt> {
        self.sync();
        self.synced()
    }

    fn finish(&mut self, count: usize) -> Vec<Receipt> {
        let done: Vec<Sent> = self.sends.drain(..count.min(self.sends.len())).collect();
        self.first = self.first.saturating_add(u64::try_from(done.len()).unwrap_or(0));
        // Places of devices that did not acknowledge in time.
        for to in done.iter().filter(|sent| sent.open > 0).flat_map(Sent::recipients) {
            let Some(places) = self.places.get_mut(to) else { continue };
            while places.pop_front_if(|place| place.send < self.first).is_some() {}
            if places.is_empty() {
                self.places.remove(to);
            }
        }
        done.into_iter().filter_map(|sent| sent.receipt).collect()
    }

    /// Whether some wait to be written.
    pub(crate) fn has_waiting(&self) -> bool {
        self.sends.len() > self.under_way.saturating_add(self.written)
    }

    /// Bytes of packets that wait to be written.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use chat_wire::ids::{AccountId, DeviceId};

    fn device(number: u8) -> DeviceAddress {
        DeviceAddress { account: AccountId([number; 32]), device: DeviceId(1) }
    }

    fn sent(number: u8, to: &[(u8, u64)]) -> Sent {
        let entry = |seq| Entry {
            seq,
            accepted_ms: 7,
            from: device(0),
            kind: 0,
            key: None,
            body: Bytes::from_static(b"packet"),
        };
        let receipt =
            Receipt { connection: ConnectionId(1), request: u32::from(number), accepted_ms: 7, step: number.into() };
        let packets = to.iter().map(|(to, seq)| (device(*to), entry(*seq))).collect();
        Sent::new(receipt, (device(0), RequestKey([number; 16]), number.into()), packets)
    }

    fn writes(sends: &mut Sends) -> (usize, Vec<u64>) {
        let mut batch = Batch::new();
        sends.write(usize::MAX).for_each(|s| s.write(&mut batch));
        let rows = batch.iter().filter(|w| matches!(w, Write::Append(..))).count();
        let steps = batch.iter().filter_map(|w| if let Write::Answer(.., step) = w { Some(*step) } else { None });
        (rows, steps.collect())
    }

    fn numbers(receipts: &[Receipt]) -> Vec<u32> {
        receipts.iter().map(|r| r.request).collect()
    }

    #[test]
    fn a_send_is_answered_when_its_last_recipient_has_acknowledged_and_its_rows_are_never_written() {
        let mut sends = Sends::default();
        sends.push(sent(1, &[(1, 5), (2, 9)]), Readers::Connected, 0);
        assert_eq!(sends.acknowledge(&device(1), 5), []);
        assert_eq!(sends.acknowledge(&device(2), 8), [], "an earlier place is not this one");
        assert_eq!(numbers(&sends.acknowledge(&device(2), 9)), [1]);
        assert_eq!(sends.acknowledge(&device(2), 9), [], "once");
        assert_eq!(writes(&mut sends), (0, vec![1]), "only the answer is remembered");
        assert_eq!(sends.settled(), [], "nothing is told twice");
    }

    #[test]
    fn what_nobody_acknowledged_is_written_and_every_answer() {
        let mut sends = Sends::default();
        sends.push(sent(1, &[(1, 1), (2, 1)]), Readers::Connected, 0);
        sends.push(sent(2, &[(1, 2)]), Readers::Connected, 0);
        assert_eq!(sends.acknowledge(&device(1), 1), []);
        assert_eq!(sends.bytes(), 12);
        assert_eq!(writes(&mut sends), (2, vec![1, 2]));
        assert!(!sends.has_waiting());
        assert_eq!(numbers(&sends.settled()), [1, 2]);
    }

    #[test]
    fn few_do_not_wait_and_of_many_only_what_is_for_somebody_away_or_has_waited_long() {
        let mut sends = Sends::default();
        for number in 1..=4 {
            sends.push(sent(number, &[(number, 1)]), Readers::Connected, 1_000);
        }
        assert_eq!(sends.due(1_000), 4, "nothing else is to do");
        for _ in 4..HELD_BACK_MIN {
            sends.push(sent(9, &[(9, 1)]), Readers::Connected, 1_030);
        }
        assert_eq!(sends.due(1_049), 0, "their readers may be quicker than the disk");
        assert_eq!(sends.due(1_050), 4, "or are not");
        assert_eq!(sends.due(1_055), HELD_BACK_MIN, "and some that came later go along");
        sends.push(sent(5, &[(5, 1)]), Readers::Away, 1_031);
        sends.push(sent(6, &[(6, 1)]), Readers::Connected, 1_031);
        assert_eq!(sends.due(1_031), HELD_BACK_MIN + 1, "in order: all before the one for somebody away go with it");
        let count = sends.due(1_031);
        sends.write(count).for_each(|s| s.write(&mut Batch::new()));
        assert!(sends.has_waiting());
        assert_eq!(sends.settled().len(), HELD_BACK_MIN + 1);
        assert_eq!(numbers(&sends.acknowledge(&device(6), 1)), [6]);
        assert_eq!(sends.due(1_031), 1);
    }

    #[test]
    fn an_acknowledgement_during_the_sync_answers_too_and_the_answers_of_one_mailbox_keep_their_order() {
        let mut sends = Sends::default();
        sends.push(sent(1, &[(1, 1)]), Readers::Connected, 0);
        sends.push(sent(2, &[(1, 2)]), Readers::Connected, 0);
        assert_eq!(writes(&mut sends), (2, vec![1, 2]));
        sends.sync();
        sends.push(sent(3, &[(1, 3)]), Readers::Connected, 0);
        sends.push(sent(4, &[(1, 4)]), Readers::Connected, 0);
        assert_eq!(numbers(&sends.acknowledge(&device(1), 1)), [1]);
        assert_eq!(numbers(&sends.acknowledge(&device(1), 3)), [2, 3]);
        assert_eq!(sends.synced(), []);
        assert_eq!(writes(&mut sends), (1, vec![3, 4]), "the third row is spared, its answer is not");
        sends.sync();
        assert_eq!(numbers(&sends.synced()), [4]);
        assert!(sends.places.is_empty(), "a device that never acknowledges leaves nothing behind");
    }
}
