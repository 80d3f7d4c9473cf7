//! Whatever the line does: what is opened is what was sealed, each message at most once, and nothing
//! that was delivered is refused.

use chat_core::session::{OpenError, Session};
use proptest::prelude::*;

use crate::pair::{NOW, Pair};

#[derive(Debug, Clone)]
enum Step {
    Seal { from: usize, len: usize },
    Deliver { to: usize, pick: usize },
    Repeat { to: usize, pick: usize },
    Lose { to: usize, pick: usize },
    Forge { to: usize, pick: usize, at: usize },
    Restart { side: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..2_usize, 0..700_usize).prop_map(|(from, len)| Step::Seal { from, len }),
        5 => (0..2_usize, 0..6_usize).prop_map(|(to, pick)| Step::Deliver { to, pick }),
        1 => (0..2_usize, any::<usize>()).prop_map(|(to, pick)| Step::Repeat { to, pick }),
        1 => (0..2_usize, 0..6_usize).prop_map(|(to, pick)| Step::Lose { to, pick }),
        1 => (0..2_usize, 0..6_usize, any::<usize>()).prop_map(|(to, pick, at)| Step::Forge { to, pick, at }),
        1 => (0..2_usize).prop_map(|side| Step::Restart { side }),
    ]
}

struct Line {
    sides: [Session; 2],
    rng: crate::pair::Seeded,
    /// Under way to each side: content and packet.
    under_way: [Vec<(Vec<u8>, Vec<u8>)>; 2],
    delivered: [Vec<Vec<u8>>; 2],
    count: u32,
}

impl Line {
    fn new(seed: u64) -> Self {
        let Pair { alice, bob, rng } = Pair::new(seed);
        Self { sides: [alice, bob], rng, under_way: Default::default(), delivered: Default::default(), count: 0 }
    }

    fn seal(&mut self, from: usize, len: usize) {
        self.count += 1;
        let mut content = self.count.to_be_bytes().to_vec();
        content.resize(4 + len, 5);
        let packet = self.sides[from].seal(&content, &mut self.rng).unwrap().packet;
        self.under_way[1 - from].push((content, packet));
    }

    fn take(&mut self, to: usize, pick: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let waiting = &mut self.under_way[to];
        if waiting.is_empty() { None } else { Some(waiting.remove(pick % waiting.len())) }
    }

    fn run(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Seal { from, len } => self.seal(from, len),
            Step::Deliver { to, pick } => {
                let Some((content, packet)) = self.take(to, pick) else { return Ok(()) };
                match self.sides[to].open(&packet, NOW) {
                    Ok(opened) => {
                        prop_assert_eq!(opened.content, content);
                        self.sides[to] = opened.session;
                        self.delivered[to].push(packet);
                    }
                    // More chains went by than are kept: the only way to lose a delivered message.
                    Err(why) => prop_assert_eq!(why, OpenError::NotThisSession),
                }
            }
            Step::Repeat { to, pick } => {
                let Some(packet) = self.delivered[to].get(pick % self.delivered[to].len().max(1)) else {
                    return Ok(());
                };
                let why = self.sides[to].open(packet, NOW).err();
                prop_assert!(matches!(why, Some(OpenError::Duplicate | OpenError::NotThisSession)), "{:?}", why);
            }
            Step::Lose { to, pick } => drop(self.take(to, pick)),
            Step::Forge { to, pick, at } => {
                let waiting = &self.under_way[to];
                let Some((_, packet)) = waiting.get(pick % waiting.len().max(1)) else { return Ok(()) };
                let (mut packet, before) = (packet.clone(), self.sides[to].encode());
                let at = at % packet.len();
                packet[at] ^= 0x40;
                prop_assert!(self.sides[to].open(&packet, NOW).is_err());
                prop_assert_eq!(self.sides[to].encode(), before);
            }
            Step::Restart { side } => self.sides[side] = Session::decode(&self.sides[side].encode()).unwrap(),
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_opens_is_what_was_sealed_whatever_the_line_does(
        seed in 0..1_000_u64,
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let mut line = Line::new(seed);
        for step in steps {
            line.run(step)?;
        }
        // The line heals: after everything is lost, both still talk.
        line.under_way = Default::default();
        for from in [0, 1, 0, 1] {
            line.seal(from, 9);
            let (content, packet) = line.take(1 - from, 0).unwrap();
            let opened = line.sides[1 - from].open(&packet, NOW).unwrap();
            prop_assert_eq!(opened.content, content);
            line.sides[1 - from] = opened.session;
        }
    }
}
