//! Virtual time and connections: frames of one direction stay in order, everything else may overtake.

use std::collections::BTreeMap;

use chat_wire::frame::{ClientFrame, ServerFrame};

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A connection reaches the relay.
    Opened(u64),
    /// A frame reaches the relay.
    ToRelay(u64, ClientFrame),
    /// The relay learns that a connection is gone.
    ClosedAtRelay(u64),
    /// A frame reaches a device.
    ToDevice(u64, ServerFrame),
    /// A device learns that a connection is gone.
    LostAtDevice(u64),
    /// A device's timer.
    Wake(usize, u64),
    /// A program is started again and connects.
    Revive(usize),
    /// The relay's sweep.
    Sweep,
}

/// One connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) actor: usize,
    /// Whether each end still takes it for standing.
    pub(crate) at_device: bool,
    pub(crate) at_relay: bool,
    /// Nothing gets through any more.
    pub(crate) broken: bool,
    last_up: u64,
    last_down: u64,
}

/// Everything that is under way.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) now_ms: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    next: u64,
}

impl Network {
    pub(crate) fn starting(now_ms: u64) -> Self {
        Self { now_ms, ..Self::default() }
    }

    /// Puts something on the timeline.
    pub(crate) fn at(&mut self, at_ms: u64, happening: Happening) {
        self.next = self.next.saturating_add(1);
        self.queue.insert((at_ms.max(self.now_ms), self.next), happening);
    }

    /// Takes what comes next, if it comes by then, and moves the clock there.
    pub(crate) fn next(&mut self, until_ms: u64) -> Option<Happening> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= until_ms)?;
        self.now_ms = self.now_ms.max(entry.key().0);
        Some(entry.remove())
    }

    /// What was to come by itself does not come: time is about to jump.
    pub(crate) fn forget_timers(&mut self) {
        self.queue
            .retain(|_, happening| !matches!(happening, Happening::Wake(..) | Happening::Revive(_) | Happening::Sweep));
    }

    /// A new connection of an actor.
    pub(crate) fn open(&mut self, number: u64, actor: usize, delay_ms: u64) {
        let there = self.now_ms.saturating_add(delay_ms);
        let connection =
            Connection { actor, at_device: true, at_relay: false, broken: false, last_up: there, last_down: there };
        self.connections.insert(number, connection);
        self.at(there, Happening::Opened(number));
    }

    /// A frame leaves a device.
    pub(crate) fn up(&mut self, number: u64, delay_ms: u64, frame: ClientFrame) {
        let Some(connection) = self.connections.get_mut(&number).filter(|c| c.at_device && !c.broken) else { return };
        connection.last_up = connection.last_up.max(self.now_ms.saturating_add(delay_ms));
        let at = connection.last_up;
        self.at(at, Happening::ToRelay(number, frame));
    }

    /// A frame leaves the relay.
    pub(crate) fn down(&mut self, number: u64, delay_ms: u64, frame: ServerFrame) {
        let Some(connection) = self.connections.get_mut(&number).filter(|c| c.at_relay && !c.broken) else { return };
        connection.last_down = connection.last_down.max(self.now_ms.saturating_add(delay_ms));
        let at = connection.last_down;
        self.at(at, Happening::ToDevice(number, frame));
    }

    /// When the last frame that left the relay is through.
    pub(crate) fn last_down(&self, number: u64) -> u64 {
        self.connections.get(&number).map_or(self.now_ms, |connection| connection.last_down)
    }
}
