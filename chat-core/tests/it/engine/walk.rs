//! A random walk from a seed: three people talk while programs die, writes fail, connections break and
//! the relay stumbles. At the end everything is repaired and everybody must have heard everything.

use chat_core::engine::{Command, FailureKind, MessageStatus};
use chat_wire::error::{Refusal, RefusalKind};
use rand_core::TryRng;

use super::world::{Seeded, World, name, send};

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
/// Fewer messages from one to another than a stranger may have held back.
const ACTIONS: usize = 160;

struct Walk {
    world: World,
    dice: Seeded,
    said: usize,
}

#[test]
fn whatever_fails_on_the_way_everybody_hears_everything_once_and_in_order() {
    let (first, seeds) = (from_outside("CHAT_WALK_FIRST", 1), from_outside("CHAT_WALK_SEEDS", 6));
    for seed in first..first + seeds {
        Walk::new(seed).run(seed);
    }
}

/// A longer walk, or one from a certain seed, when somebody looks for trouble.
#[expect(clippy::disallowed_methods, reason = "a knob for people, never set in a normal run")]
fn from_outside(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

impl Walk {
    fn new(seed: u64) -> Self {
        Self { world: World::with(seed, &PEOPLE), dice: Seeded::new(seed ^ 0xd1ce), said: 0 }
    }

    fn run(mut self, seed: u64) {
        for _ in 0..ACTIONS {
            self.act();
        }
        self.repair();
        self.check(seed);
    }

    fn throw(&mut self, sides: u64) -> u64 {
        self.dice.try_next_u64().unwrap() % sides
    }

    fn anybody(&mut self) -> &'static str {
        PEOPLE[self.throw(3) as usize]
    }

    fn act(&mut self) {
        let who = self.anybody();
        match self.throw(20) {
            0..=7 => self.speak(who),
            8 => self.world.cut(who),
            9 => self.world.kill(who),
            10 => {
                let steps = self.world.client(who).steps;
                self.world.client(who).crash_after = Some(steps + 1 + self.throw(4) as usize);
            }
            11 => {
                let steps = self.world.client(who).steps;
                self.world.client(who).fail_at = Some(steps + 1 + self.throw(4) as usize);
            }
            12 | 13 => self.revive(who),
            14 => {
                let ms = self.throw(5_000);
                self.world.pass(ms);
            }
            15 => self.world.relay.hostile.twice = self.throw(2) == 0,
            16 => {
                let busy = Refusal { kind: RefusalKind::RateLimited, retry_ms: 500 };
                self.world.relay.hostile.send = (self.throw(2) == 0).then_some(busy);
            }
            17 => self.accept_all(who),
            18 => self.read_last(who),
            _ => {
                let frames = self.throw(6) as usize;
                self.world.run_some(frames);
            }
        }
    }

    fn speak(&mut self, who: &'static str) {
        let other = PEOPLE[(PEOPLE.iter().position(|p| *p == who).unwrap() + 1 + self.throw(2) as usize) % 3];
        for _ in 0..=self.throw(3) {
            self.said += 1;
            let text = format!("{who} to {other} no. {}", self.said);
            self.world.start(who, send(other, &text));
        }
        let frames = self.throw(12) as usize;
        self.world.run_some(frames);
    }

    fn revive(&mut self, who: &'static str) {
        for _ in 0..10 {
            if self.world.client(who).engine.is_none() {
                self.world.open(who);
            }
            if self.world.client(who).engine.is_some() && self.world.client(who).connection.is_none() {
                self.world.connect(who);
            }
        }
    }

    fn accept_all(&mut self, who: &'static str) {
        if self.world.client(who).engine.is_none() {
            return;
        }
        for request in self.world.requests(who) {
            self.world.start(who, Command::AcceptRequest(name(request.username.as_str())));
        }
    }

    fn read_last(&mut self, who: &'static str) {
        let last = self.world.client(who).disk.history.iter().rfind(|m| !m.outgoing).cloned();
        if let Some(message) = last {
            self.world.start(who, Command::MarkRead { with: message.from.to_string(), id: message.id });
        }
    }

    fn repair(&mut self) {
        self.world.relay.hostile.twice = false;
        self.world.relay.hostile.send = None;
        for who in PEOPLE {
            self.world.client(who).crash_after = None;
            self.world.client(who).fail_at = None;
            self.revive(who);
        }
        for _ in 0..3 {
            self.world.pass(70_000);
            for who in PEOPLE {
                self.revive(who);
                self.accept_all(who);
            }
            self.world.run();
        }
        self.world.pass(70_000);
    }

    fn check(&mut self, seed: u64) {
        for from in PEOPLE {
            assert_eq!(self.world.status(from).outbox, 0, "seed {seed}: {from} still has mail");
            for to in PEOPLE.into_iter().filter(|to| *to != from) {
                let sent = self.world.client(from).disk.history.clone();
                let sent: Vec<_> = sent.into_iter().filter(|m| m.outgoing && m.to == to).collect();
                let said: Vec<String> = sent.iter().filter_map(|m| m.text.clone()).collect();
                let heard = self.heard_from(to, from);
                assert_eq!(heard, said, "seed {seed}: what {to} heard of {from}");
                for message in sent {
                    assert!(
                        message.status >= MessageStatus::Delivered && message.status != MessageStatus::Failed,
                        "seed {seed}: {:?} is {:?}",
                        message.text,
                        message.status
                    );
                }
            }
            let unknown =
                self.world.client(from).replies.values().filter_map(|reply| reply.as_ref().err()).find(|failure| {
                    !matches!(failure.kind, FailureKind::Offline | FailureKind::NotFound | FailureKind::UnknownMessage)
                });
            assert_eq!(unknown, None, "seed {seed}: a command of {from} failed");
        }
    }

    fn heard_from(&mut self, who: &str, from: &str) -> Vec<String> {
        let notices = &self.world.client(who).disk.notices;
        let of = |notice: &chat_core::engine::Notice| match &notice.kind {
            chat_core::engine::NoticeKind::Message(m) if m.from.as_str() == from => m.text.clone(),
            _ => None,
        };
        notices.iter().filter_map(of).collect()
    }
}
