//! The world: people's programs, the network and the relay on one timeline.

mod relay;
mod shell;
mod step;

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_core::engine::{Command, CommandId, Input, RoomInfo, Route};
use chat_fixtures::seeded::Seeded;
use chat_relay::{ConnectionId, Origin, Relay};
use chat_wire::frame::ServerFrame;
use chat_wire::message::ServerMessage;

use crate::actor::Actor;
use crate::chance::Dice;
use crate::check::bounds;
use crate::check::keys::Keys;
use crate::check::ledger::Ledger;
use crate::check::rooms::RoomLedger;
use crate::disk::Disk;
use crate::hostile::Hostile;
use crate::login::Login;
use crate::network::{Happening, Network};
use crate::plan::{Plan, name};
use crate::report::{Report, Violation};
use crate::shelf::Shelf;

/// The beginning of virtual time, milliseconds since the Unix epoch.
const START_MS: u64 = 1_800_000_000_000;
/// Milliseconds between two sweeps of the relay.
const SWEEP_MS: u64 = 500;
/// Events of a history; an ordinary one has a tenth.
const EVENTS_MAX: u64 = 200_000;
/// Events between two looks at the bounds.
const BOUNDS_EVERY: u64 = 1_000;

/// Everything.
pub(crate) struct World<'a> {
    pub(crate) plan: Plan,
    pub(crate) report: Report,
    pub(crate) actors: Vec<Actor>,
    pub(crate) network: Network,
    pub(crate) ledger: Ledger,
    pub(crate) room_ledger: RoomLedger,
    /// What programs were told of the room that they asked about last.
    pub(crate) room_infos: BTreeMap<usize, RoomInfo>,
    pub(crate) hostile: Hostile,
    pub(crate) dice: Dice,
    /// Faults happen.
    pub(crate) faulty: bool,
    /// Packets that came out of the relay for a person, when somebody wants to see them.
    pub(crate) tap: Option<(usize, Vec<Bytes>)>,
    relay: Relay<Shelf>,
    /// It is away until then.
    relay_back_at: u64,
    keys: Keys,
    login: &'a Login,
    connections: u64,
    events: u64,
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: Plan, login: &'a Login) -> Self {
        let mut network = Network::starting(START_MS);
        network.at(START_MS, Happening::Sweep);
        Self {
            report: Report::default(),
            actors: Vec::new(),
            network,
            ledger: Ledger::default(),
            room_ledger: RoomLedger::default(),
            room_infos: BTreeMap::new(),
            hostile: Hostile::new(plan.seed, 0),
            dice: Dice::new(plan.seed, 2),
            faulty: false,
            tap: None,
            relay: relay::relay(plan.seed ^ 0x7e1a, login, Shelf::default()),
            relay_back_at: 0,
            keys: Keys::default(),
            login,
            connections: 0,
            events: 0,
            plan,
        }
    }

    /// A promise was broken.
    pub(crate) fn violation(&mut self, invariant: &'static str, what: String) {
        let at_ms = self.network.now_ms.saturating_sub(START_MS);
        if self.report.violations.len() < 20 {
            self.report.violations.push(Violation { invariant, at_ms, what });
        }
    }

    /// A new program with a store.
    pub(crate) fn add(&mut self, person: usize, rng: Seeded) -> usize {
        let device = self.actors.len();
        self.actors.push(Actor::new((person, device), Disk::default(), rng));
        device
    }

    /// A new program that logs in to the account of a person.
    pub(crate) fn join(&mut self, person: usize, rng: Seeded) -> usize {
        let who = self.add(person, rng);
        if let Some(actor) = self.actors.get_mut(who) {
            (actor.joins, actor.since) = (true, None);
        }
        self.revive(who);
        who
    }

    /// A copy of a program's store and chance. It is never asked to have shown something.
    pub(crate) fn copy(&mut self, original: usize) -> Option<usize> {
        let actor = self.actors.get(original)?;
        let mut copy = Actor::new((actor.person, actor.device), actor.disk.clone(), actor.rng.clone());
        (copy.commands, copy.since) = (1, None);
        self.actors.push(copy);
        Some(self.actors.len().saturating_sub(1))
    }

    /// Devices that are to show what is said: whose, which, and since which place.
    pub(crate) fn devices(&self) -> Vec<(usize, usize, u64)> {
        let there = self.actors.iter().filter(|actor| !actor.buried);
        there.filter_map(|actor| actor.since.map(|since| (actor.person, actor.device, since))).collect()
    }

    /// Starts a program if it is dead, and connects it if it is not connected.
    pub(crate) fn revive(&mut self, who: usize) {
        let now = self.network.now_ms;
        let Some(actor) = self.actors.get_mut(who).filter(|actor| !actor.buried) else { return };
        if actor.engine.is_none() {
            match actor.open(now) {
                Ok(step) => self.apply(who, step),
                Err(error) => return self.violation("engine", format!("open: {error}")),
            }
        }
        let Some(actor) = self.actors.get_mut(who).filter(|a| a.engine.is_some() && a.connection.is_none()) else {
            return;
        };
        self.connections = self.connections.saturating_add(1);
        let number = self.connections;
        actor.connection = Some(number);
        let delay = self.delay();
        self.network.open(number, who, delay);
        self.input(who, Input::Connected(Route(number), exporter(number)));
    }

    /// A program dies, and its connection with it.
    pub(crate) fn kill(&mut self, who: usize) {
        let Some(connection) = self.actors.get_mut(who).and_then(Actor::die) else { return };
        self.break_off(connection);
    }

    /// A connection breaks: what is under way is lost, and each end learns of it in its own time.
    pub(crate) fn cut(&mut self, number: u64) {
        let Some(connection) = self.network.connections.get_mut(&number).filter(|c| !c.broken) else { return };
        connection.broken = true;
        let (now, up, down) = (self.network.now_ms, self.dice.below(9_000), self.dice.below(9_000));
        self.network.at(now.saturating_add(up), Happening::ClosedAtRelay(number));
        self.network.at(now.saturating_add(down), Happening::LostAtDevice(number));
    }

    fn break_off(&mut self, number: u64) {
        if let Some(connection) = self.network.connections.get_mut(&number) {
            (connection.broken, connection.at_device) = (true, false);
        }
        let (now, delay) = (self.network.now_ms, self.delay());
        self.network.at(now.saturating_add(delay), Happening::ClosedAtRelay(number));
    }

    fn delay(&mut self) -> u64 {
        let jitter = self.dice.below(self.plan.jitter_ms);
        self.plan.delay_ms.saturating_add(jitter)
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.network.now_ms.saturating_add(ms);
        while let Some(happening) = self.network.next(until) {
            self.events = self.events.saturating_add(1);
            if self.events > EVENTS_MAX {
                self.violation("liveness", format!("it never ends: {happening:?}"));
                break;
            }
            self.happen(happening);
            if self.events.checked_rem(BOUNDS_EVERY) == Some(0) {
                self.check_bounds();
            }
        }
        self.network.now_ms = until;
    }

    /// Everybody's program is closed for so long, then started again.
    pub(crate) fn sleep(&mut self, ms: u64) {
        (0..self.actors.len()).for_each(|who| self.kill(who));
        self.run(1_000);
        self.network.forget_timers();
        self.network.now_ms = self.network.now_ms.saturating_add(ms);
        self.network.at(self.network.now_ms, Happening::Sweep);
        (0..self.actors.len()).for_each(|who| self.revive(who));
        self.run(5_000);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Opened(number) => {
                let Some(connection) = self.network.connections.get_mut(&number).filter(|c| !c.broken) else { return };
                if self.network.now_ms < self.relay_back_at {
                    return self.cut(number);
                }
                connection.at_relay = true;
                let (connection, origin) = (ConnectionId(number), Origin::Trusted);
                self.at_relay(chat_relay::Input::Opened {
                    connection,
                    exporter: exporter(number),
                    origin,
                    greeting: None,
                });
            }
            Happening::ToRelay(number, frame) => {
                let broken = self.network.connections.get(&number).is_none_or(|c| c.broken || !c.at_relay);
                if broken {
                    return;
                }
                if self.faulty && self.dice.permille(self.plan.cuts) {
                    self.report.count("fault: cut", 1);
                    return self.cut(number);
                }
                let actor = self.network.connections.get(&number).map(|connection| connection.actor);
                actor.into_iter().for_each(|actor| self.hostile.overhear(actor, &frame));
                self.at_relay(chat_relay::Input::Frame(ConnectionId(number), frame));
            }
            Happening::ClosedAtRelay(number) => {
                let Some(connection) = self.network.connections.get_mut(&number) else { return };
                if std::mem::replace(&mut connection.at_relay, false) {
                    self.at_relay(chat_relay::Input::Closed(ConnectionId(number)));
                }
            }
            Happening::ToDevice(number, frame) => self.device_hears(number, frame),
            Happening::LostAtDevice(number) => self.lost(number),
            Happening::Wake(who, at) => {
                if self.actors.get(who).is_some_and(|actor| actor.wake_at == Some(at)) {
                    self.input(who, Input::Wake);
                }
            }
            Happening::Revive(who) => self.revive(who),
            Happening::Sweep => {
                self.at_relay(chat_relay::Input::Tick);
                let next = self.network.now_ms.saturating_add(SWEEP_MS);
                self.network.at(next, Happening::Sweep);
            }
        }
    }

    fn lost(&mut self, number: u64) {
        let Some(connection) = self.network.connections.get_mut(&number) else { return };
        let (who, stood) = (connection.actor, std::mem::replace(&mut connection.at_device, false));
        let Some(actor) = self.actors.get_mut(who).filter(|actor| stood && actor.connection == Some(number)) else {
            return;
        };
        actor.connection = None;
        self.input(who, Input::Lost(Route(number)));
        let later = self.network.now_ms.saturating_add(500).saturating_add(self.dice.below(3_000));
        self.network.at(later, Happening::Revive(who));
    }

    /// A frame, to the bit; of one about rooms its length: OpenMLS stamps key packages with the system's clock.
    fn trace(&mut self, way: &[u8], number: u64, bytes: &[u8], stamped: bool) {
        let length = bytes.len().to_be_bytes();
        let seen = if stamped { &length[..] } else { bytes };
        self.report.trace(&[way, &number.to_be_bytes(), &self.network.now_ms.to_be_bytes(), seen]);
    }

    fn device_hears(&mut self, number: u64, frame: ServerFrame) {
        let Some(connection) = self.network.connections.get(&number).filter(|c| c.at_device && !c.broken) else {
            return;
        };
        let who = connection.actor;
        if self.faulty && self.dice.permille(self.plan.cuts) {
            self.report.count("fault: cut", 1);
            return self.cut(number);
        }
        if frame.request == shell::SHELL_REQUEST {
            return self.shell_hears(who, number, frame);
        }
        let person = self.actors.get(who).map(|actor| actor.person);
        if let (Some((tapped, packets)), ServerMessage::Deliver { .. }) = (&mut self.tap, &frame.message)
            && person == Some(*tapped)
        {
            packets.push(frame.body.clone());
        }
        self.note(who, || format!("hears {:?} with {}", frame.message, frame.body.len()));
        self.input(who, Input::Frame(Route(number), frame));
    }

    fn note(&mut self, who: usize, line: impl FnOnce() -> String) {
        let at_ms = self.network.now_ms.saturating_sub(START_MS);
        let person = self.actors.get(who).map_or(0, |actor| actor.person);
        self.report.note(at_ms, || format!("{who} of {person} {}", line()));
    }

    /// Gives a program a command.
    pub(crate) fn command(&mut self, who: usize, command: Command) {
        let Some(actor) = self.actors.get_mut(who) else { return };
        actor.commands = actor.commands.saturating_add(1);
        let id = CommandId(actor.commands);
        self.input(who, Input::Command(id, command));
    }

    /// Somebody says something.
    pub(crate) fn say(&mut self, who: usize, to: usize) -> Option<String> {
        let actor = self.actors.get(who).filter(|actor| actor.engine.is_some())?;
        let text = self.ledger.say(actor.device, (actor.person, to));
        let said = Command::Send {
            to: name(to),
            text: text.clone(),
            reply_to: None,
            idempotency_key: None,
            expires_in_ms: None,
        };
        self.report.count("messages said", 1);
        self.note(who, || format!("is told to say {text}"));
        self.command(who, said);
        Some(text)
    }

    /// Somebody says something in a room.
    pub(crate) fn say_in_room(&mut self, who: usize, room: &str) -> Option<String> {
        let actor = self.actors.get(who).filter(|actor| actor.engine.is_some())?;
        let text = self.room_ledger.say(actor.person, room);
        let said = Command::Send {
            to: format!("#{room}"),
            text: text.clone(),
            reply_to: None,
            idempotency_key: None,
            expires_in_ms: None,
        };
        self.report.count("messages said in rooms", 1);
        self.note(who, || format!("is told to say {text}"));
        self.command(who, said);
        Some(text)
    }

    fn check_bounds(&mut self) {
        let peers = self.actors.len();
        let exceeded: Vec<String> =
            self.actors.iter().filter_map(|actor| bounds::exceeded(&actor.disk.records, peers)).collect();
        exceeded.into_iter().for_each(|what| self.violation("I10", what));
    }

    /// Packets that were sealed.
    pub(crate) fn packets(&self) -> u64 {
        self.keys.packets
    }
}

fn exporter(number: u64) -> [u8; 32] {
    let mut exporter = [3; 32];
    for (to, from) in exporter.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    exporter
}
