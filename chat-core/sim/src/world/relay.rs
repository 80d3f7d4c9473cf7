//! The relay's end: it serves, lies if it is to, and dies.

use chat_login::server::ServerSecrets;
use chat_relay::{ConnectionId, Now, Output, Relay, Secrets};
use chat_wire::frame::{Frame, ServerFrame};
use chat_wire::ids::AccountId;
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::ServerMessage;

use super::{START_MS, World};
use crate::login::{Login, relay_identity};
use crate::network::Happening;
use crate::shelf::Shelf;
use chat_fixtures::seeded::Seeded;

/// Of a thousand crashes of the relay, so many come between a write and its sync; the others between the
/// sync and the answers.
const UNSYNCED: u64 = 600;
/// Milliseconds that the relay is away after a crash, at most.
const AWAY_MS_MAX: u64 = 4_000;

/// A relay with what is on its shelf.
pub(super) fn relay(seed: u64, login: &Login, shelf: Shelf) -> Relay<Shelf> {
    let mut rng = Seeded::new(seed);
    let secrets = login.secrets().unwrap_or_else(|| ServerSecrets::generate(&mut rng));
    let secrets = Secrets { identity: relay_identity(), login: secrets, rng: Box::new(rng) };
    Relay::new(shelf, chat_relay::Config::default(), secrets)
}

impl World<'_> {
    pub(super) fn at_relay(&mut self, input: chat_relay::Input) {
        let wall_ms = self.network.now_ms;
        let now = Now { wall_ms, uptime_ms: wall_ms.saturating_sub(START_MS) };
        let dies = self.faulty && self.dice.permille(self.plan.relay_crashes);
        self.relay.handle(now, input);
        if dies && self.dice.permille(UNSYNCED) {
            return self.relay_dies("fault: relay crash before its sync");
        }
        let outputs = in_order(self.relay.flush(now).into_iter().flat_map(Output::apart).collect());
        if dies {
            return self.relay_dies("fault: relay crash before its answers");
        }
        for output in outputs {
            match output {
                Output::Send(ConnectionId(number), frame) => self.relay_says(number, frame),
                Output::Close(ConnectionId(number)) => {
                    let at = self.network.last_down(number);
                    self.network.at(at, Happening::LostAtDevice(number));
                }
                Output::Trouble(error) => self.violation("relay", format!("{error}")),
                Output::LoggedIn(_) | Output::Spread(..) => {}
            }
        }
    }

    /// Another relay opens what the storage holds for certain; every connection breaks.
    fn relay_dies(&mut self, how: &'static str) {
        self.report.count(how, 1);
        let (shelf, lost) = self.relay.storage().after_crash();
        self.report.count("relay writes that were never synced", u64::try_from(lost).unwrap_or(u64::MAX));
        let seed = self.plan.seed ^ self.dice.below(u64::MAX);
        self.relay = relay(seed, self.login, shelf);
        self.relay_back_at = self.network.now_ms.saturating_add(self.dice.below(AWAY_MS_MAX));
        let numbers: Vec<u64> = self.network.connections.keys().copied().collect();
        for number in numbers {
            if let Some(connection) = self.network.connections.get_mut(&number) {
                connection.at_relay = false;
            }
            self.cut(number);
        }
    }

    fn relay_says(&mut self, number: u64, frame: ServerFrame) {
        let Some(actor) = self.network.connections.get(&number).map(|connection| connection.actor) else { return };
        for frame in self.hostile.tamper(actor, frame, &mut self.report) {
            if let Ok(bytes) = frame.encode(FRAME_BYTES_MAX) {
                let welcome = matches!(frame.message, ServerMessage::Deliver { .. }) && frame.body.first() == Some(&3);
                let room = matches!(frame.message, ServerMessage::Room(_) | ServerMessage::RoomPush(_));
                let stamped = room || welcome;
                self.trace(b"down", number, &bytes, stamped);
            }
            let delay = self.delay();
            self.network.down(number, delay, frame);
        }
    }
}

/// The relay serves its connections, and tells of who came and went, in no order; here every run has the
/// same.
fn in_order(mut outputs: Vec<Output>) -> Vec<Output> {
    outputs.sort_by_key(connection_of);
    let mut presence: Vec<_> = outputs.iter().filter(|output| account_of(output).is_some()).cloned().collect();
    presence.sort_by_key(|output| (connection_of(output), account_of(output)));
    let mut sorted = presence.into_iter();
    for output in outputs.iter_mut().filter(|output| account_of(output).is_some()) {
        if let Some(next) = sorted.next() {
            *output = next;
        }
    }
    outputs
}

/// Of whom a push of presence tells.
fn account_of(output: &Output) -> Option<AccountId> {
    match output {
        Output::Send(_, Frame { message: ServerMessage::Presence { account, .. }, .. }) => Some(*account),
        _ => None,
    }
}

fn connection_of(output: &Output) -> u64 {
    match output {
        Output::Send(id, _) | Output::LoggedIn(id) | Output::Close(id) => id.0,
        Output::Spread(..) | Output::Trouble(_) => 0,
    }
}
