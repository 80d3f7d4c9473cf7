//! Carries what a round has for its connections: a few tasks, each with a share of the connections, so that a round
//! wakes them and not every connection that it has something for. What goes to one connection is written together.

use std::sync::Arc;

use chat_relay::ConnectionId;
use tokio::sync::mpsc;

use super::carrier::Load;
use super::outlet::{Line, Parcel};

/// Carriers at most: each takes a core.
const CARRIERS_MAX: usize = 8;

/// Connections that a carrier writes to before others of its thread have their turn.
const LINES_PER_TURN: usize = 64;

/// Rounds that are carried together, when a carrier has fallen behind.
const ROUNDS_TOGETHER_MAX: usize = 64;

/// Parcels that room is kept for between two rounds.
const PARCELS_KEPT_MAX: usize = 512;

/// What a round has for a share of the connections, in the order in which it was said.
#[derive(Debug, Default)]
struct Bag {
    lines: Vec<(ConnectionId, Arc<Line>)>,
    parcels: Vec<Option<Parcel>>,
}

impl Bag {
    fn for_about(parcels: usize) -> Self {
        let parcels = parcels.min(PARCELS_KEPT_MAX);
        Self { lines: Vec::with_capacity(parcels), parcels: Vec::with_capacity(parcels) }
    }
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Hub {
    carriers: Vec<mpsc::UnboundedSender<Bag>>,
    bags: Vec<Bag>,
}

impl Hub {
    /// Starts the carriers on the runtime at hand; they end with the hub.
    pub(crate) fn start() -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(CARRIERS_MAX);
        let carriers = (0..count).map(|_| {
            let (sender, bags) = mpsc::unbounded_channel();
            // Writing never waits: the runtime's own count of what a task may do would only split it.
            tokio::spawn(tokio::task::unconstrained(carry(bags)));
            sender
        });
        Self { carriers: carriers.collect(), bags: (0..count).map(|_| Bag::default()).collect() }
    }

    /// Puts something with what leaves at the end of the round.
    pub(crate) fn put(&mut self, to: ConnectionId, line: Arc<Line>, parcel: Parcel) {
        let share = usize::try_from(to.0).unwrap_or(0).checked_rem(self.bags.len()).unwrap_or(0);
        if let Some(bag) = self.bags.get_mut(share) {
            bag.lines.push((to, line));
            bag.parcels.push(Some(parcel));
        }
    }

    /// The round has ended.
    pub(crate) fn leave(&mut self) {
        for (carrier, bag) in self.carriers.iter().zip(&mut self.bags) {
            if !bag.lines.is_empty() {
                // Gone with the runtime, and with it every connection.
                let next = Bag::for_about(bag.lines.len());
                let _ = carrier.send(std::mem::replace(bag, next));
            }
        }
    }
}

async fn carry(mut rounds: mpsc::UnboundedReceiver<Bag>) {
    let (mut bags, mut order, mut load) = (Vec::new(), Vec::new(), Load::default());
    while rounds.recv_many(&mut bags, ROUNDS_TOGETHER_MAX).await > 0 {
        let mut all = bags.drain(..);
        let Some(mut bag) = all.next() else { continue };
        for more in all {
            bag.lines.extend(more.lines);
            bag.parcels.extend(more.parcels);
        }
        order.clear();
        order.extend(bag.lines.iter().enumerate().map(|(at, (connection, _))| (*connection, at)));
        // By connection, and for each in the order in which it was said.
        order.sort_unstable();
        for (count, group) in order.chunk_by(|a, b| a.0 == b.0).enumerate() {
            if count % LINES_PER_TURN == LINES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let Some((_, line)) = group.first().and_then(|(_, at)| bag.lines.get(*at)) else { continue };
            let mut parcels = group.iter().filter_map(|(_, at)| bag.parcels.get_mut(*at)?.take());
            line.bring(&mut parcels, &mut load);
        }
    }
}
