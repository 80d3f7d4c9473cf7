//! One input into one program, and what comes of it.

use std::collections::BTreeSet;

use chat_core::engine::{
    Event, Input, MessageStatus, NoticeKind, Output, Reply, RoomEventKind, RoomNotice, RoomReply, Route, Step, Trouble,
};
use chat_core::store::Table;
use chat_wire::frame::ClientFrame;
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::ClientMessage;

use super::World;
use crate::check::ledger::leaks;
use crate::check::{Refusable, is_bare, refuses_entry};
use crate::disk::Written;
use crate::network::Happening;

/// What a step came to.
struct Acted {
    /// An entry of a room was refused.
    refused: bool,
    /// Nobody learns more of it than an acknowledgement.
    quiet: bool,
    /// Tables that it changed.
    changed: BTreeSet<Table>,
}

impl World<'_> {
    pub(super) fn input(&mut self, who: usize, input: Input) {
        let now = self.network.now_ms;
        let Some(actor) = self.actors.get_mut(who) else { return };
        let refusable = match &input {
            Input::Frame(_, frame) => Refusable::of(&frame.message),
            _ => None,
        };
        let before = actor.refused(now);
        match actor.handle(now, input) {
            None => {}
            Some(Err(error)) => self.violation("engine", format!("{error}")),
            Some(Ok(step)) => {
                let (Some(acted), Some(refusable)) = (self.apply_noting(who, step), refusable) else { return };
                let counted = self.actors.get(who).is_some_and(|actor| actor.refused(now) != before);
                let refused = if refusable == Refusable::Packet { counted } else { acted.refused };
                self.hold_refusal(refusable, &acted, refused);
            }
        }
    }

    fn hold_refusal(&mut self, refusable: Refusable, acted: &Acted, refused: bool) {
        if !refused || !acted.quiet {
            return;
        }
        self.report.count("refusals that changed nothing", 1);
        if let Some(table) = refusable.wrongly_changed(&acted.changed) {
            self.violation("I5", format!("{refusable:?} was refused and {table:?} is another one"));
        }
    }

    pub(super) fn apply(&mut self, who: usize, step: Step) {
        let _ = self.apply_noting(who, step);
    }

    /// Stores a step and acts on it; none when the program dies of it.
    fn apply_noting(&mut self, who: usize, step: Step) -> Option<Acted> {
        let dies = self.faulty && self.dice.permille(self.plan.crashes);
        let fails = dies && self.dice.permille(400);
        let actor = self.actors.get_mut(who)?;
        let (disk, mut written) = (&mut actor.disk, Written::default());
        let applied = step.apply(|batch| {
            if fails {
                return Err(());
            }
            written = disk.write(batch);
            Ok(())
        });
        let shower = (actor.person, actor.device);
        let in_order = matches!(self.plan.kind, crate::plan::Kind::Plain);
        for (message, again) in written.shown {
            self.note(who, || format!("shows {:?}", message.text));
            self.report.count("messages shown", 1);
            let in_room = message.text.as_ref().is_some_and(|text| self.room_ledger.knows(text));
            let wrong = if in_room {
                self.room_ledger.show(shower.1, (&message, again))
            } else {
                self.ledger.show(shower, (&message, again), in_order)
            };
            if let Some(wrong) = wrong {
                self.violation("I3", wrong);
            }
        }
        let outputs = match applied {
            Ok(released) if !dies => released.into_outputs(),
            _ => {
                self.report.count(if fails { "fault: write failed" } else { "fault: crash between apply and act" }, 1);
                self.note(who, || "dies of it".to_owned());
                self.kill(who);
                let later = self.network.now_ms.saturating_add(self.dice.below(10_000));
                self.network.at(later, Happening::Revive(who));
                return None;
            }
        };
        let mut acted = Acted { refused: false, quiet: true, changed: written.changed };
        for output in outputs {
            match &output {
                Output::Event(Event::Trouble(Trouble::SessionReset(_) | Trouble::SessionBroken)) => acted.quiet = false,
                Output::Event(Event::Trouble(trouble)) => acted.refused |= refuses_entry(trouble),
                Output::Notice(_) | Output::Event(Event::Receipt { .. }) => acted.quiet = false,
                Output::Transmit(_, frame) => acted.quiet &= is_bare(&frame.message),
                _ => {}
            }
            self.output(who, output);
        }
        Some(acted)
    }

    fn output(&mut self, who: usize, output: Output) {
        match output {
            Output::Transmit(Route(number), frame) => self.transmit(who, number, frame),
            Output::Close(Route(number)) => {
                let Some(actor) = self.actors.get_mut(who).filter(|actor| actor.connection == Some(number)) else {
                    return;
                };
                actor.connection = None;
                self.break_off(number);
                let later = self.network.now_ms.saturating_add(1_000).saturating_add(self.dice.below(3_000));
                self.network.at(later, Happening::Revive(who));
            }
            Output::Event(event) => self.event(who, &event),
            Output::WakeAt(at) => {
                let at = at.as_ms();
                if let Some(actor) = self.actors.get_mut(who) {
                    actor.wake_at = Some(at);
                    self.network.at(at, Happening::Wake(who, at));
                }
            }
            Output::Reply(_, Err(failure)) => self.report.count(failure_name(failure.kind), 1),
            Output::Reply(_, Ok(Reply::Enrolled { .. })) => self.report.count("registrations", 1),
            Output::Reply(_, Ok(Reply::LoggedIn { new_device: true, .. })) => self.joined(who),
            Output::Reply(_, Ok(Reply::Room(RoomReply::Info(info)))) => {
                self.room_infos.insert(who, info);
            }
            Output::Notice(notice) => match &notice.kind {
                NoticeKind::TrustAlarm(_) => self.report.count("seen: alarm", 1),
                NoticeKind::Room(RoomNotice { kind: RoomEventKind::Resynced, .. }) => {
                    self.report.count("seen: somebody came back to a room", 1);
                }
                _ => {}
            },
            Output::Reply(..) => {}
        }
    }

    /// A device is there: what is said from now on reaches it.
    pub(crate) fn joined(&mut self, who: usize) {
        let place = self.ledger.next_place();
        if let Some(actor) = self.actors.get_mut(who).filter(|actor| actor.since.is_none() && !actor.removed) {
            actor.since = Some(place);
            self.report.count("devices that joined", 1);
        }
    }

    fn event(&mut self, who: usize, event: &Event) {
        match event {
            Event::Greeted { route, .. } => self.greeted(who, route.0),
            Event::Trouble(trouble) => {
                self.note(who, || format!("meets {trouble:?}"));
                self.report.count(trouble_name(trouble), 1);
            }
            Event::Receipt { status: MessageStatus::Sent, .. } => self.report.count("messages accepted", 1),
            _ => {}
        }
    }

    pub(super) fn transmit(&mut self, who: usize, number: u64, frame: ClientFrame) {
        if self.actors.get(who).is_none_or(|actor| actor.connection != Some(number)) {
            return;
        }
        self.note(who, || format!("says {:?} with {}", frame.message, frame.body.len()));
        if let Ok(bytes) = frame.encode(FRAME_BYTES_MAX) {
            if leaks(&bytes) {
                self.violation("I1", "a text left a device".to_owned());
            }
            self.trace(b"up", number, &bytes, matches!(frame.message, ClientMessage::Room(_)));
        }
        let heads = match &frame.message {
            ClientMessage::Send { packets, .. } | ClientMessage::Ephemeral { packets } => packets.as_slice(),
            _ => &[],
        };
        if let Some(wrong) = self.keys.packets(heads, frame.body.clone()) {
            self.violation("I4", wrong);
        }
        let delay = self.delay();
        self.network.up(number, delay, frame);
    }
}

fn trouble_name(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Undecryptable => "seen: undecryptable",
        Trouble::Duplicate => "seen: duplicate",
        Trouble::Forked(_) => "seen: fork",
        Trouble::StoreStale => "seen: stale store",
        Trouble::SessionReset(_) => "seen: session started over",
        Trouble::SessionBroken => "seen: session broken",
        Trouble::BundleRefused(_) => "seen: bundle refused",
        Trouble::StreamBroken(_) => "seen: stream broken",
        Trouble::RoomForked => "seen: room forked",
        Trouble::CommitRefused => "seen: commit refused",
        Trouble::ListRefused(_) => "seen: device list refused",
        _ => "seen: other trouble",
    }
}

fn failure_name(kind: chat_core::engine::FailureKind) -> &'static str {
    match kind {
        chat_core::engine::FailureKind::Offline => "seen: command refused offline",
        chat_core::engine::FailureKind::Integrity => "seen: command refused for integrity",
        _ => "seen: command refused",
    }
}
