//! What a relay that lies does to rooms: it shows their logs with entries missing, twice, swapped, bent or made up,
//! keeps members in two branches of one room, and hands out doors and key packages that are old or of others.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_wire::frame::{ClientFrame, Frame, ServerFrame};
use chat_wire::ids::RoomId;
use chat_wire::message::{ClientMessage, EntryKind, RoomAnswer, RoomAsk, RoomPush, ServerMessage};

use super::bend;
use crate::chance::Dice;
use crate::report::Report;

/// Things of each kind that it remembers.
const REMEMBERED_MAX: usize = 64;
/// Entries that it keeps from a device once it keeps a commit from it.
const CUT_ENTRIES: u32 = 4;

/// A commit that a device sent and that is not answered yet.
#[derive(Debug, Clone)]
struct Commit {
    room: RoomId,
    base: u64,
    bytes: Bytes,
}

/// What it shows one device of one room.
#[derive(Debug, Default)]
struct View {
    held: Vec<ServerFrame>,
    /// Entries that it still keeps to itself.
    cut: u32,
    /// Entries that it never showed: the later ones are numbered as if they were not there.
    missing: u64,
}

/// What it remembers.
#[derive(Debug, Default)]
pub(super) struct RoomLies {
    entries: Vec<ServerFrame>,
    doors: Vec<Bytes>,
    packages: Vec<ServerFrame>,
    views: BTreeMap<(usize, RoomId), View>,
    commits: BTreeMap<(usize, u32), Commit>,
}

impl RoomLies {
    /// A device says something to the relay.
    pub(super) fn overhear(&mut self, actor: usize, frame: &ClientFrame) {
        if let ClientMessage::Room(RoomAsk::Commit(head)) = &frame.message
            && let Ok(parts) = head.cut(frame.body.clone())
        {
            let commit = Commit { room: head.room, base: head.base, bytes: parts.commit };
            self.commits.insert((actor, frame.request), commit);
        }
    }

    /// Everybody sees the logs as they are again.
    pub(super) fn honest(&mut self, actor: usize, frame: ServerFrame) -> Vec<ServerFrame> {
        let ServerMessage::RoomPush(RoomPush::Entry { room, .. }) = &frame.message else { return vec![frame] };
        let held = self.views.get_mut(&(actor, *room)).map(|view| std::mem::take(&mut view.held));
        held.into_iter().flatten().chain([frame]).collect()
    }

    /// A frame about rooms, for one device; so many lies in a thousand.
    pub(super) fn tamper(
        &mut self,
        (actor, rate): (usize, u64),
        frame: ServerFrame,
        dice: &mut Dice,
        report: &mut Report,
    ) -> Vec<ServerFrame> {
        let lies = dice.permille(rate);
        match &frame.message {
            ServerMessage::RoomPush(RoomPush::Entry { room, kind, .. }) => {
                let (room, kind) = (*room, *kind);
                self.entry((actor, room), (frame, kind), (dice, lies), report)
            }
            ServerMessage::Room(RoomAnswer::GroupInfo { .. }) => {
                let body = frame.body.clone();
                let door = if lies { self.other_door(&body, dice, report) } else { body.clone() };
                remember(&mut self.doors, body);
                vec![Frame::with_body(frame.request, frame.message, door)]
            }
            ServerMessage::Room(RoomAnswer::KeyPackages { .. }) => {
                remember(&mut self.packages, frame.clone());
                if lies { vec![self.other_packages(frame, dice, report)] } else { vec![frame] }
            }
            ServerMessage::Room(RoomAnswer::Behind { seq, .. }) => {
                let commit = self.commits.remove(&(actor, frame.request));
                // Half of those that lose are told that they did not.
                match commit.filter(|_| dice.permille(rate.saturating_mul(10).min(500))) {
                    Some(commit) => self.fork((actor, commit), frame.request, *seq, report),
                    None => vec![frame],
                }
            }
            _ => vec![frame],
        }
    }

    fn entry(
        &mut self,
        (actor, room): (usize, RoomId),
        (frame, kind): (ServerFrame, EntryKind),
        (dice, lies): (&mut Dice, bool),
        report: &mut Report,
    ) -> Vec<ServerFrame> {
        let others: Vec<Bytes> =
            self.entries.iter().filter(|old| room_of(old) != Some(room)).map(|old| old.body.clone()).collect();
        remember(&mut self.entries, frame.clone());
        let view = self.views.entry((actor, room)).or_default();
        if view.cut > 0 {
            (view.cut, view.missing) = (view.cut.saturating_sub(1), view.missing.saturating_add(1));
            report.count("fault: entry of a room withheld", 1);
            return Vec::new();
        }
        let shown = numbered(&frame, view.missing);
        if !lies {
            return std::mem::take(&mut view.held).into_iter().chain([shown]).collect();
        }
        match dice.below(if kind == EntryKind::Commit { 8 } else { 6 }) {
            0 => {
                report.count("fault: entry of a room replayed", 1);
                let at = dice.index(self.entries.len());
                let old = self.entries.get(at).map_or_else(Bytes::new, |old| old.body.clone());
                vec![with(&shown, old), shown]
            }
            1 => {
                report.count("fault: entry of a room held back", 1);
                view.held.push(shown);
                Vec::new()
            }
            2 => {
                report.count("fault: entries of a room reordered", 1);
                let mut out: Vec<ServerFrame> = std::mem::take(&mut view.held).into_iter().chain([shown]).collect();
                out.reverse();
                out
            }
            3 => {
                report.count("fault: entry of a room mangled", 1);
                vec![with(&shown, bend(&shown.body, dice)), shown]
            }
            4 => {
                report.count("fault: entry of a room made up", 1);
                let len = 80_usize.saturating_add(dice.index(2_000));
                let made_up = if dice.permille(500) { dice.bytes(len) } else { ghost(room, dice) };
                vec![with(&as_kind(&shown, dice), Bytes::from(made_up)), shown]
            }
            5 => {
                report.count("fault: entry of another room or kind", 1);
                let at = dice.index(others.len());
                let body = others.get(at).cloned().unwrap_or_else(|| shown.body.clone());
                vec![with(&as_kind(&shown, dice), body), shown]
            }
            _ => {
                report.count("fault: commit of a room withheld", 1);
                (view.cut, view.missing) = (CUT_ENTRIES, view.missing.saturating_add(1));
                Vec::new()
            }
        }
    }

    /// A commit that lost counts for the one who made it: it goes on in a branch of its own.
    fn fork(
        &mut self,
        (actor, commit): (usize, Commit),
        request: u32,
        last: u64,
        report: &mut Report,
    ) -> Vec<ServerFrame> {
        report.count("fault: room forked", 1);
        let view = self.views.entry((actor, commit.room)).or_default();
        let seq = last.saturating_sub(view.missing).saturating_add(1);
        let epoch = commit.base.saturating_add(1);
        let answer = ServerMessage::Room(RoomAnswer::Appended { seq, epoch, at_ms: 0 });
        let push = RoomPush::Entry { room: commit.room, seq, from: None, at_ms: 0, kind: EntryKind::Commit };
        vec![
            Frame::with_body(request, answer, Bytes::new()),
            Frame::with_body(0, ServerMessage::RoomPush(push), commit.bytes),
        ]
    }

    fn other_door(&self, body: &Bytes, dice: &mut Dice, report: &mut Report) -> Bytes {
        if dice.permille(300) {
            report.count("fault: tree of a room mangled", 1);
            return bend(body, dice);
        }
        report.count("fault: old or foreign tree of a room", 1);
        let at = dice.index(self.doors.len());
        self.doors.get(at).cloned().unwrap_or_else(|| body.clone())
    }

    /// Key packages that claim to be somebody else's, or that are no such thing.
    fn other_packages(&self, mut frame: ServerFrame, dice: &mut Dice, report: &mut Report) -> ServerFrame {
        let at = dice.index(self.packages.len());
        let other = self.packages.get(at).map(|other| other.message.clone());
        let ServerMessage::Room(RoomAnswer::KeyPackages { packages, .. }) = &mut frame.message else { return frame };
        let Some(ServerMessage::Room(RoomAnswer::KeyPackages { packages: others, .. })) = other else { return frame };
        for (package, other) in packages.iter_mut().zip(others) {
            if dice.permille(500) {
                report.count("fault: key package of somebody else", 1);
                package.package = other.package;
            } else {
                report.count("fault: key package mangled", 1);
                let bent = bend(&Bytes::copy_from_slice(&package.package), dice);
                package.package = serde_bytes::ByteBuf::from(bent.to_vec());
            }
        }
        frame
    }
}

fn remember<T>(all: &mut Vec<T>, one: T) {
    if all.len() >= REMEMBERED_MAX {
        all.remove(0);
    }
    all.push(one);
}

fn room_of(frame: &ServerFrame) -> Option<RoomId> {
    match &frame.message {
        ServerMessage::RoomPush(RoomPush::Entry { room, .. }) => Some(*room),
        _ => None,
    }
}

fn with(frame: &ServerFrame, body: Bytes) -> ServerFrame {
    Frame::with_body(frame.request, frame.message.clone(), body)
}

/// An entry as if so many before it were not there.
fn numbered(frame: &ServerFrame, missing: u64) -> ServerFrame {
    let mut shown = frame.clone();
    if let ServerMessage::RoomPush(RoomPush::Entry { seq, .. }) = &mut shown.message {
        *seq = seq.saturating_sub(missing);
    }
    shown
}

fn as_kind(frame: &ServerFrame, dice: &mut Dice) -> ServerFrame {
    let mut other = frame.clone();
    if let ServerMessage::RoomPush(RoomPush::Entry { kind, .. }) = &mut other.message {
        *kind = match dice.below(3) {
            0 => EntryKind::Commit,
            1 => EntryKind::Message,
            _ => EntryKind::Leave,
        };
    }
    other
}

/// A request of a leaf that nobody has to be put back into the room (SPEC 12.6.4).
fn ghost(room: RoomId, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = vec![0xB4];
    bytes.extend(room.0);
    bytes.extend(dice.bytes(80));
    bytes
}
