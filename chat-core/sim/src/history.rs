//! One history from its seed: people meet; faults and talk; calm, in which everything must mend.

mod rooms;

use chat_core::engine::{AccountCommand, Answer, Command, Diagnostics, MessageStatus, Query};
use chat_core::time::Timestamp;
use chat_fixtures::seeded::Seeded;
use chat_wire::ids::UserName;

use crate::check::copies::Thief;
use crate::login::Login;
use crate::plan::{Kind, Plan, name};
use crate::report::Report;
use crate::world::World;

/// Milliseconds between two rounds of talk after the last fault: longer than a probe waits.
const ROUND_MS: u64 = 15_000;
/// Rounds after which everybody must hear everybody at once (I6).
const HEALING_ROUNDS: usize = 2;
/// Devices that join in one history: each password takes a tenth of a second.
const JOINS_MAX: usize = 3;
/// Times in a thousand that a hostile relay lies.
const LIES: u64 = 60;

/// What all histories of a process share.
pub struct Shared {
    login: Login,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// Makes everybody's login record: stretching a password is slow.
    #[must_use]
    pub fn new() -> Option<Self> {
        Login::make(&mut Seeded::new(1)).map(|login| Self { login })
    }
}

/// Runs the history of a seed; with a log of what happened, if somebody wants to read it.
#[must_use]
pub fn run(seed: u64, shared: &Shared, log: bool) -> Report {
    let plan = Plan::of(seed);
    let mut history = History { world: World::new(plan, &shared.login), joins: 0, clones: Vec::new() };
    history.world.report.log = log.then(Vec::new);
    history.meet();
    history.trouble();
    history.calm();
    history.heal();
    if history.world.plan.rooms > 0 {
        history.agree_in_rooms();
    }
    history.settle();
    history.steal();
    history.end()
}

struct History<'a> {
    world: World<'a>,
    /// Devices that joined.
    joins: usize,
    /// Copies that run beside their originals.
    clones: Vec<usize>,
}

impl History<'_> {
    fn people(&self) -> usize {
        self.world.plan.people
    }

    /// Everybody registers and makes friends with everybody.
    fn meet(&mut self) {
        for person in 0..self.people() {
            let number = u64::try_from(person).unwrap_or(0);
            let who = self.world.add(person, self.chance(number));
            self.world.revive(who);
        }
        self.world.run(5_000);
        for from in 0..self.people() {
            for to in (0..self.people()).filter(|to| *to > from) {
                self.world.say(from, to);
            }
        }
        self.world.run(5_000);
        self.accept_all();
        self.world.run(5_000);
        for person in 0..self.world.plan.second.min(self.people()) {
            self.join(person);
        }
        self.world.run(5_000);
    }

    fn chance(&self, number: u64) -> Seeded {
        Seeded::new(self.world.plan.seed.wrapping_mul(31).wrapping_add(number))
    }

    /// One more device of a person logs in by password.
    fn join(&mut self, person: usize) {
        let number = u64::try_from(self.world.actors.len()).unwrap_or(0);
        let rng = self.chance(number);
        self.world.join(person, rng);
        self.joins = self.joins.saturating_add(1);
    }

    /// A device joins, or one that joined is removed by another.
    fn change_devices(&mut self) {
        let joiners: Vec<usize> = (self.people()..self.world.actors.len())
            .filter(|who| self.world.actors.get(*who).is_some_and(|actor| actor.joins && !actor.removed))
            .collect();
        if joiners.is_empty() || (self.joins < JOINS_MAX && self.world.dice.permille(500)) {
            if self.joins < JOINS_MAX {
                let person = self.world.dice.index(self.people());
                self.join(person);
            }
            return;
        }
        let pick = self.world.dice.index(joiners.len());
        let Some(who) = joiners.get(pick).copied() else { return };
        let now = self.world.network.now_ms;
        let Some(actor) = self.world.actors.get_mut(who) else { return };
        let Some(device) = actor.logged_in(now) else { return };
        (actor.removed, actor.since) = (true, None);
        let person = actor.person;
        self.world.report.count("fault: device removed", 1);
        self.world.command(person, Command::Account(AccountCommand::RemoveDevice(device)));
    }

    fn accept_all(&mut self) {
        for who in 0..self.people() {
            for other in (0..self.people()).filter(|other| *other != who) {
                if let Ok(username) = UserName::parse(&name(other)) {
                    self.world.command(who, Command::AcceptRequest(username));
                }
            }
        }
    }

    /// Talk while everything fails.
    fn trouble(&mut self) {
        self.world.faulty = true;
        if self.world.plan.kind == Kind::Hostile {
            self.world.hostile.rate = LIES;
        }
        for _ in 0..self.world.plan.actions {
            if self.world.dice.permille(self.world.plan.special) {
                self.special();
            }
            if self.world.dice.permille(self.world.plan.devices) {
                self.change_devices();
            }
            if self.world.dice.permille(self.world.plan.rooms) {
                self.act_in_room();
            }
            self.act();
            let pause = self.world.dice.below(4_000);
            self.world.run(pause);
        }
    }

    /// One thing that somebody does.
    fn act(&mut self) {
        let actors = self.world.actors.len();
        let who = self.world.dice.index(actors);
        match self.world.dice.below(20) {
            0..=11 => {
                let person = self.world.actors.get(who).map_or(0, |actor| actor.person);
                let step = 1_usize.saturating_add(self.world.dice.index(self.people().saturating_sub(1)));
                let to = person.saturating_add(step).checked_rem(self.people()).unwrap_or(0);
                for _ in 0..=self.world.dice.below(4) {
                    self.world.say(who, to);
                }
            }
            12 => {
                self.world.report.count("fault: kill", 1);
                self.world.kill(who);
            }
            13..=15 => self.world.revive(who),
            16 => {
                let connection = self.world.actors.get(who).and_then(|actor| actor.connection);
                if let Some(number) = connection {
                    self.world.report.count("fault: cut", 1);
                    self.world.cut(number);
                }
            }
            17 => self.backup(who),
            _ => self.read(who),
        }
    }

    fn read(&mut self, who: usize) {
        let Some(actor) = self.world.actors.get(who) else { return };
        let Some(id) = actor.disk.shown.last().copied() else { return };
        for other in 0..self.people() {
            self.world.command(who, Command::MarkRead { with: name(other), id });
        }
    }

    fn backup(&mut self, who: usize) {
        // A copy from before it was somebody's is another device.
        if let Some(actor) = self.world.actors.get_mut(who).filter(|actor| actor.since.is_some()) {
            let copy = actor.disk.clone();
            actor.backups.push(copy);
        }
    }

    /// A fault of the plan's kind.
    fn special(&mut self) {
        let who = self.world.dice.index(self.people());
        match self.world.plan.kind {
            Kind::Plain | Kind::Hostile => {}
            Kind::Rollback => {
                let Some(actor) = self.world.actors.get_mut(who) else { return };
                let Some(backup) = actor.backups.pop() else { return self.backup(who) };
                self.world.kill(who);
                if let Some(actor) = self.world.actors.get_mut(who) {
                    actor.disk = backup;
                    self.world.report.count("fault: store set back", 1);
                }
                self.world.revive(who);
            }
            Kind::Clone => self.clone_or_bury(who),
        }
    }

    /// A copy starts to run beside its original, with the same chance; or one of the copies ends.
    fn clone_or_bury(&mut self, who: usize) {
        if let Some(copy) = self.clones.pop() {
            self.world.kill(copy);
            if let Some(actor) = self.world.actors.get_mut(copy) {
                actor.buried = true;
            }
            return self.world.revive(who);
        }
        let Some(copy) = self.world.copy(who) else { return };
        self.clones.push(copy);
        self.world.report.count("fault: clone", 1);
        self.world.revive(copy);
    }

    /// The faults end: copies are gone, everybody runs.
    fn calm(&mut self) {
        self.world.faulty = false;
        self.world.hostile.rate = 0;
        for copy in std::mem::take(&mut self.clones) {
            self.world.kill(copy);
            if let Some(actor) = self.world.actors.get_mut(copy) {
                actor.buried = true;
            }
        }
        let all = self.world.actors.len();
        for _ in 0..3 {
            (0..all).for_each(|who| self.world.revive(who));
            self.world.run(20_000);
        }
        let now = self.world.network.now_ms;
        for who in self.people()..all {
            if self.world.actors.get(who).is_some_and(|actor| !actor.buried && actor.logged_in(now).is_some()) {
                self.world.joined(who);
            }
        }
        self.accept_all();
        self.world.run(5_000);
    }

    /// After two rounds in which everybody talks to everybody, everybody hears everybody at once (I6).
    fn heal(&mut self) {
        for round in 0..=HEALING_ROUNDS {
            let mut said = Vec::new();
            for from in 0..self.people() {
                for to in (0..self.people()).filter(|to| *to != from) {
                    said.extend(self.world.say(from, to).map(|text| (to, text)));
                }
            }
            self.world.run(ROUND_MS);
            let missing: Vec<String> =
                said.into_iter().filter(|(to, text)| self.missed(*to, text)).map(|(_, text)| text).collect();
            match missing.first() {
                Some(text) if round == HEALING_ROUNDS => {
                    let what = format!("{} not heard after {HEALING_ROUNDS} rounds, first: {text}", missing.len());
                    self.world.violation("I6", what);
                }
                Some(_) => self.world.report.count("healing: a round with gaps", 1),
                None => self.world.report.count("healing: a round without gaps", 1),
            }
        }
    }

    /// Whether some device of a person has not shown a text.
    fn missed(&self, person: usize, text: &str) -> bool {
        let devices = self.world.devices();
        devices.iter().any(|(whose, device, _)| *whose == person && !self.world.ledger.was_shown(*device, text))
    }

    /// Everything that was accepted has arrived (I2); nothing waits.
    fn settle(&mut self) {
        self.world.run(180_000);
        let devices = self.world.devices();
        // What one device of a person confirmed is not kept for another that was set back (SPEC 8.7).
        let everywhere = self.world.plan.kind == Kind::Plain;
        for (person, who, _) in devices.iter().copied() {
            let Some(actor) = self.world.actors.get(who) else { continue };
            let (lost, waiting) = self.world.ledger.lost(who, &actor.disk, (&devices, everywhere));
            let others: Vec<(usize, u64)> = devices
                .iter()
                .filter(|(whose, device, _)| *whose == person && *device != who)
                .map(|(_, device, since)| (*device, *since))
                .collect();
            let uncopied = self.world.ledger.uncopied(who, &actor.disk, &others);
            let undelivered = actor.disk.sent.values().filter(|(_, status)| *status < MessageStatus::Delivered).count();
            self.world.report.count("messages never confirmed", u64::try_from(undelivered).unwrap_or(0));
            if let Some(text) = waiting.first() {
                self.world.violation("I2", format!("{} of {who} still wait, first: {text}", waiting.len()));
            }
            // Sessions between own devices don't ask for what was lost with an old copy of a store.
            if self.world.plan.kind == Kind::Plain
                && let Some(text) = uncopied.first()
            {
                self.world.violation("I2", format!("{} of {who} were not copied, first: {text}", uncopied.len()));
            }
            if let Some(text) = lost.first() {
                let what = format!("{} of {who} were lost, first: {text}", lost.len());
                match self.world.plan.kind {
                    // A relay that lies may withhold; that is all it may.
                    Kind::Hostile => {}
                    Kind::Plain | Kind::Rollback | Kind::Clone => self.world.violation("I2", what),
                }
            }
        }
    }

    /// Somebody takes a copy of everything; after two round trips it opens nothing any more (I8).
    fn steal(&mut self) {
        let (victim, peer) = (0, 1);
        let Some(actor) = self.world.actors.get(victim) else { return };
        let mut thief = Thief::copy(&actor.disk.records);
        for round in 0..4 {
            self.world.tap = Some((victim, Vec::new()));
            for (from, to) in [(victim, peer), (peer, victim)] {
                let speakers: Vec<usize> = self
                    .world
                    .devices()
                    .into_iter()
                    .filter(|(whose, ..)| *whose == from)
                    .map(|(_, who, _)| who)
                    .collect();
                speakers.into_iter().for_each(|who| drop(self.world.say(who, to)));
                self.world.run(3_000);
            }
            let packets = self.world.tap.take().map(|(_, packets)| packets).unwrap_or_default();
            let now = self.world.network.now_ms;
            let opened = packets.iter().filter(|packet| thief.opens(packet, now)).count();
            if round >= 2 && opened > 0 {
                let what = format!("a copy of {} sessions opens {opened} of {} packets", thief.len(), packets.len());
                self.world.violation("I8", what);
            }
        }
    }

    fn end(mut self) -> Report {
        let packets = self.world.packets();
        self.world.report.count("packets sealed", packets);
        let virtual_s = self.world.network.now_ms.saturating_sub(1_800_000_000_000) / 1_000;
        self.world.report.count("virtual seconds", virtual_s);
        for who in 0..self.people() {
            let now = Timestamp::from_ms(self.world.network.now_ms);
            let Some(actor) = self.world.actors.get(who) else { continue };
            let Some(engine) = &actor.engine else { continue };
            if let Answer::Diagnostics(counts) = engine.query(now, &Query::Diagnostics, &actor.disk.records) {
                note(&mut self.world.report, &counts);
            }
        }
        self.world.report
    }
}

fn note(report: &mut Report, counts: &Diagnostics) {
    report.count("healing: probes", counts.probes);
    report.count("healing: probes answered", counts.probes_answered);
    report.count("healing: resets on the old secret", counts.resets);
    report.count("healing: resets without", counts.bare_resets);
    report.count("healing: resets refused", counts.resets_refused);
    report.count("healing: messages sent again", counts.resent);
    report.count("healing: forks noticed", counts.forks);
    report.count("healing: empty answers", counts.turns);
}
