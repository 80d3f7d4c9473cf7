//! A relay that lies: it can replay, reorder, hold back, mangle, make up and swap; never open, never
//! speak for somebody.

mod lists;
mod rooms;

use bytes::Bytes;
use chat_wire::frame::{ClientFrame, Frame, ServerFrame};
use chat_wire::message::ServerMessage;

use crate::chance::Dice;
use crate::report::Report;
use lists::OldLists;
use rooms::RoomLies;

/// What it remembers of one device's deliveries.
#[derive(Debug, Default)]
struct Memory {
    old: Vec<ServerFrame>,
    held: Vec<ServerFrame>,
}

/// The liar.
#[derive(Debug)]
pub(crate) struct Hostile {
    dice: Dice,
    memories: std::collections::BTreeMap<usize, Memory>,
    rooms: RoomLies,
    lists: OldLists,
    /// It lies so many times in a thousand; 0 when it has become honest.
    pub(crate) rate: u64,
}

impl Hostile {
    pub(crate) fn new(seed: u64, rate: u64) -> Self {
        Self {
            dice: Dice::new(seed, 5),
            memories: std::collections::BTreeMap::new(),
            rooms: RoomLies::default(),
            lists: OldLists::default(),
            rate,
        }
    }

    /// A device says something to the relay.
    pub(crate) fn overhear(&mut self, actor: usize, frame: &ClientFrame) {
        if self.rate > 0 {
            self.rooms.overhear(actor, frame);
        }
    }

    /// What really goes out instead of a frame for a device.
    pub(crate) fn tamper(&mut self, actor: usize, mut frame: ServerFrame, report: &mut Report) -> Vec<ServerFrame> {
        if self.rate == 0 {
            let mut out = self.memories.remove(&actor).map(|memory| memory.held).unwrap_or_default();
            out.extend(self.rooms.honest(actor, frame));
            return out;
        }
        let lies = self.dice.permille(self.rate);
        self.lists.tamper(&mut frame, lies, &mut self.dice, report);
        match frame.message {
            ServerMessage::Room(_) | ServerMessage::RoomPush(_) => {
                self.rooms.tamper((actor, self.rate), frame, &mut self.dice, report)
            }
            ServerMessage::Deliver { .. } => self.deliver(actor, frame, report),
            ServerMessage::Claimed { .. } if self.dice.permille(self.rate) => {
                report.count("fault: swapped key", 1);
                vec![self.swap_keys(frame)]
            }
            _ => vec![frame],
        }
    }

    fn deliver(&mut self, actor: usize, frame: ServerFrame, report: &mut Report) -> Vec<ServerFrame> {
        let memory = self.memories.entry(actor).or_default();
        memory.old.push(frame.clone());
        let lies = self.dice.permille(self.rate.saturating_mul(3));
        if !lies {
            let mut out = vec![frame];
            if self.dice.permille(200) {
                out.append(&mut memory.held);
            }
            return out;
        }
        match self.dice.below(6) {
            0 => {
                report.count("fault: replayed", 1);
                let at = self.dice.index(memory.old.len());
                let old = memory.old.get(at).cloned().unwrap_or_else(|| frame.clone());
                vec![frame, old]
            }
            1 => {
                report.count("fault: held back", 1);
                memory.held.push(frame);
                Vec::new()
            }
            2 => {
                report.count("fault: reordered", 1);
                let mut out = vec![frame];
                out.append(&mut memory.held);
                out.reverse();
                out
            }
            3 => {
                report.count("fault: mangled", 1);
                let bent = bend(&frame.body, &mut self.dice);
                vec![with_body(&frame, bent), frame]
            }
            4 => {
                report.count("fault: made up", 1);
                let len = 600_usize.saturating_add(self.dice.index(2_000));
                let mut bytes = self.dice.bytes(len);
                if let Some(first) = bytes.first_mut() {
                    *first = 1_u8.saturating_add(u8::try_from(self.dice.below(2)).unwrap_or(0));
                }
                vec![with_body(&frame, Bytes::from(bytes)), frame]
            }
            _ => {
                report.count("fault: another sender", 1);
                let mut other = frame.clone();
                if let ServerMessage::Deliver { from: Some(from), .. } = &mut other.message {
                    from.account.0[0] ^= 1;
                }
                vec![other, frame]
            }
        }
    }

    fn swap_keys(&mut self, mut frame: ServerFrame) -> ServerFrame {
        if let ServerMessage::Claimed { bundles, .. } = &mut frame.message {
            let which = self.dice.below(3);
            for bundle in bundles.iter_mut() {
                match (which, &mut bundle.one_time) {
                    (0, Some(pair)) => pair.dh.0[0] ^= 1,
                    (1, Some(pair)) => pair.kem.0[3] ^= 1,
                    _ => bundle.signed.public.0[0] ^= 1,
                }
            }
        }
        frame
    }
}

fn with_body(frame: &ServerFrame, bytes: Bytes) -> ServerFrame {
    Frame::with_body(frame.request, frame.message.clone(), bytes)
}

/// Bytes with one bit turned over.
fn bend(bytes: &Bytes, dice: &mut Dice) -> Bytes {
    let mut bent = bytes.to_vec();
    let (at, bit) = (dice.index(bent.len()), dice.below(8));
    if let Some(byte) = bent.get_mut(at) {
        *byte ^= 1_u8.checked_shl(u32::try_from(bit).unwrap_or(0)).unwrap_or(1);
    }
    Bytes::from(bent)
}
