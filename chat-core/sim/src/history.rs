//! One history from its seed: people meet; faults and talk; calm, in which everything must mend.

use bytes::Bytes;
use chat_core::engine::{Answer, Command, Diagnostics, MessageStatus, Query};
use chat_core::time::Timestamp;
use chat_fixtures::seeded::Seeded;
use chat_login::{Identities, Profile, client, server};
use chat_wire::ids::UserName;

use crate::check::copies::Thief;
use crate::check::ledger::name;
use crate::disk::Disk;
use crate::plan::{Kind, Plan};
use crate::report::Report;
use crate::world::{Login, World};

/// Milliseconds between two rounds of talk after the last fault: longer than a probe waits.
const ROUND_MS: u64 = 15_000;
/// Rounds after which everybody must hear everybody at once (I6).
const HEALING_ROUNDS: usize = 2;
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
    /// Makes the one login record that everybody uses: stretching a password is slow.
    #[must_use]
    pub fn new() -> Option<Self> {
        let mut rng = Seeded::new(1);
        let secrets = server::ServerSecrets::generate(&mut rng);
        let (start, request) = client::RegistrationStart::new(b"Correct horse 7", &mut rng).ok()?;
        let identities = Identities { name: "nobody", relay_id: &[0; 32] };
        let response = server::register(&secrets, &identities, &request).ok()?;
        let done = start.finish(&response, &identities, Profile::DEFAULT, &mut rng).ok()?;
        Some(Self { login: Login { request: request.to_vec(), record: Bytes::copy_from_slice(&done.record) } })
    }
}

/// Runs the history of a seed; with a log of what happened, if somebody wants to read it.
#[must_use]
pub fn run(seed: u64, shared: &Shared, log: bool) -> Report {
    let plan = Plan::of(seed);
    let mut history = History { world: World::new(plan, &shared.login), clones: Vec::new() };
    history.world.report.log = log.then(Vec::new);
    history.meet();
    history.trouble();
    history.calm();
    history.heal();
    history.settle();
    history.steal();
    history.end()
}

struct History<'a> {
    world: World<'a>,
    /// Copies that run beside their originals.
    clones: Vec<usize>,
}

impl History<'_> {
    fn people(&self) -> usize {
        self.world.plan.people
    }

    /// Everybody registers and makes friends with everybody.
    fn meet(&mut self) {
        let seed = self.world.plan.seed;
        for person in 0..self.people() {
            let number = u64::try_from(person).unwrap_or(0);
            let who = self.world.add(person, Disk::default(), Seeded::new(seed.wrapping_mul(31).wrapping_add(number)));
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
        if let Some(actor) = self.world.actors.get_mut(who) {
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
        let Some(original) = self.world.actors.get(who) else { return };
        let (disk, rng) = (original.disk.clone(), original.rng.clone());
        let copy = self.world.add(who, disk, rng);
        if let Some(actor) = self.world.actors.get_mut(copy) {
            actor.commands = 1;
        }
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
        for _ in 0..3 {
            (0..self.people()).for_each(|who| self.world.revive(who));
            self.world.run(20_000);
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
            let missing: Vec<String> = said
                .into_iter()
                .filter(|(to, text)| !self.world.ledger.was_shown(*to, text))
                .map(|(_, text)| text)
                .collect();
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

    /// Everything that was accepted has arrived (I2); nothing waits.
    fn settle(&mut self) {
        self.world.run(180_000);
        for who in 0..self.people() {
            let Some(actor) = self.world.actors.get(who) else { continue };
            let (lost, waiting) = self.world.ledger.lost(&actor.disk);
            let undelivered = actor.disk.sent.values().filter(|(_, status)| *status < MessageStatus::Delivered).count();
            self.world.report.count("messages never confirmed", u64::try_from(undelivered).unwrap_or(0));
            if let Some(text) = waiting.first() {
                self.world.violation("I2", format!("{} of {who} still wait, first: {text}", waiting.len()));
            }
            // A relay that lies may withhold; that is all it may.
            if self.world.plan.kind != Kind::Hostile
                && let Some(text) = lost.first()
            {
                self.world.violation("I2", format!("{} of {who} were lost, first: {text}", lost.len()));
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
            self.world.say(victim, peer);
            self.world.run(3_000);
            self.world.say(peer, victim);
            self.world.run(3_000);
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
