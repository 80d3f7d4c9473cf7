//! The driver's side of the connection: what goes out on which route, what is shown to everybody, and
//! what the profile learns about the relay's key.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_core::engine::{Input, Route};
use chat_wire::frame::ClientFrame;
use chat_wire::ids::RelayId;
use tokio::sync::watch;
use tokio::time::timeout;

use super::door::{Ready, Standing};
use crate::config::{Pin, RelayAddress, Trust};
use crate::event::{ClientEvent, Connection, ConnectionState, OfflineReason};
use crate::link::{Link, LinkEvent, Target, Wires};
use crate::request::{RelayIdentity, RelayTrust};
use crate::store::Settings;
use crate::transport::TrustRule;

/// What a connection's event means for the others.
#[derive(Default)]
pub(super) struct Noted {
    /// For the engine.
    pub(super) input: Option<Input>,
    /// For the reader of events.
    pub(super) event: Option<ClientEvent>,
}

/// The connection as the driver sees it.
pub(super) struct Line {
    link: Link,
    wires: BTreeMap<Route, Wires>,
    standing: watch::Sender<Standing>,
    /// What the profile keeps; the driver stores it when it changed.
    pub(super) settings: Settings,
    /// The key that was told at the start: stronger than the stored one.
    told: Option<Pin>,
    first_use: Trust,
    /// Why the engine refused the connection that is about to end.
    refused: Option<OfflineReason>,
}

impl Line {
    pub(super) fn new(
        link: Link,
        standing: watch::Sender<Standing>,
        settings: Settings,
        rules: (Option<Pin>, Trust),
    ) -> Self {
        let (told, first_use) = rules;
        Self { link, wires: BTreeMap::new(), standing, settings, told, first_use, refused: None }
    }

    /// The next event of the link; none when it ended.
    pub(super) async fn next(&mut self) -> Option<LinkEvent> {
        self.link.events.recv().await
    }

    /// The next event of the link, if there is one by now.
    pub(super) fn try_next(&mut self) -> Option<LinkEvent> {
        self.link.events.try_recv().ok()
    }

    /// Takes note of what the link tells.
    pub(super) fn note(&mut self, event: LinkEvent) -> Noted {
        match event {
            LinkEvent::Connecting => self.show(ConnectionState::Connecting, None, None),
            LinkEvent::Shown(identity) => self.learn(identity),
            LinkEvent::Unknown(pin) => self.ask_about(pin),
            LinkEvent::Offline { reason, retry_in } => {
                let reason = self.refused.take().unwrap_or(reason);
                self.show(ConnectionState::Offline, Some(reason), retry_in)
            }
            LinkEvent::Up(route, wires) => {
                let input = Input::Connected(route, wires.exporter);
                self.wires.insert(route, wires);
                Noted { input: Some(input), event: None }
            }
            // What still comes on a connection that was closed here concerns nobody.
            LinkEvent::Frame(route, frame) => {
                let input = self.wires.contains_key(&route).then(|| Input::Frame(route, frame));
                Noted { input, event: None }
            }
            LinkEvent::Down(route) => {
                self.close(route);
                Noted { input: Some(Input::Lost(route)), event: None }
            }
        }
    }

    /// The relay proved its identity on this route.
    pub(super) fn greeted(&mut self, route: Route, (relay, challenge): (RelayId, [u8; 32])) -> Noted {
        let Some(wires) = self.wires.get(&route) else {
            return Noted::default();
        };
        let (exporter, requests) = (wires.exporter, wires.requests.clone());
        let ready = Ready { route, relay, exporter, challenge, requests };
        self.standing.send_modify(|standing| standing.ready = Some(ready));
        self.show(ConnectionState::Connected, None, None)
    }

    /// The relay's identity is not the one that the profile knows: said when the connection is gone.
    pub(super) fn refuse(&mut self, reason: OfflineReason) {
        self.refused = Some(reason);
    }

    pub(super) fn transmit(&mut self, route: Route, frame: ClientFrame) {
        let Some(wires) = self.wires.get(&route) else {
            return;
        };
        // Full: the relay has stopped reading. What was to go out is stored and goes out again.
        if wires.frames.try_send(frame).is_err() {
            self.close(route);
        }
    }

    /// Lets a connection go; what waits to be written still is.
    pub(super) fn close(&mut self, route: Route) {
        self.wires.remove(&route);
        self.standing.send_if_modified(|standing| {
            let was_ready = standing.ready.as_ref().is_some_and(|ready| ready.route == route);
            if was_ready {
                standing.ready = None;
            }
            was_ready
        });
    }

    /// Lets every connection go.
    pub(super) fn close_all(&mut self) {
        while let Some((route, _)) = self.wires.first_key_value() {
            self.close(*route);
        }
    }

    /// Whether a lost connection is wanted again before somebody asks.
    pub(super) fn want(&self, wanted: bool) {
        self.link.target.send_if_modified(|target| std::mem::replace(&mut target.wanted, wanted) != wanted);
    }

    /// Another relay. An account stays with its relay wherever that moves, and so does the relay's key;
    /// before there is an account another address is another relay.
    pub(super) fn move_to(&mut self, relay: RelayAddress, enrolled: bool) {
        if self.settings.relay.as_ref() == Some(&relay) {
            return;
        }
        self.settings = moved(&self.settings, relay, enrolled);
        self.close_all();
        self.forget_identity();
        self.retarget();
    }

    /// A person vouches for a key; false when the profile knows another one.
    pub(super) fn trust(&mut self, pin: Pin) -> bool {
        if let Some(known) = self.rule().pin {
            return known == pin;
        }
        self.settings.pin = Some(pin);
        if self.standing.borrow().connection.reason == Some(OfflineReason::CertificateUnknown) {
            self.forget_identity();
        }
        self.retarget();
        true
    }

    /// Ends the link, which gets a moment to write what waits.
    pub(super) async fn end(mut self, moment: Duration) {
        self.close_all();
        // When the moment has passed, dropping the link ends it.
        let _ = timeout(moment, self.link.ended()).await;
    }

    /// What was shown before counts no longer: the next attempt shows it anew.
    fn forget_identity(&self) {
        let state = ConnectionState::Connecting;
        let connection = Connection { state, relay: self.settings.relay.clone(), retry_in_ms: None, reason: None };
        self.standing.send_modify(|standing| {
            standing.identity = None;
            standing.connection = connection;
        });
    }

    fn learn(&mut self, identity: RelayIdentity) -> Noted {
        match identity.trust {
            // A pin outlives later certificates that a root vouches for.
            RelayTrust::Pinned | RelayTrust::FirstUse => self.settings.pin = Some(identity.pin),
            RelayTrust::Roots => self.settings.rooted = true,
            RelayTrust::Unknown => {}
        }
        self.standing.send_modify(|standing| standing.identity = Some(identity));
        self.retarget();
        Noted::default()
    }

    fn ask_about(&mut self, pin: Pin) -> Noted {
        let Some(relay) = self.settings.relay.clone() else {
            return Noted::default();
        };
        let identity = RelayIdentity { relay: relay.clone(), pin, trust: RelayTrust::Unknown };
        self.standing.send_modify(|standing| standing.identity = Some(identity));
        Noted { input: None, event: Some(ClientEvent::UnknownCertificate { relay, pin }) }
    }

    fn show(&mut self, state: ConnectionState, reason: Option<OfflineReason>, retry_in: Option<Duration>) -> Noted {
        tracing::info!(?state, ?reason, ?retry_in, "connection");
        let retry_in_ms = retry_in.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        let connection = Connection { state, relay: self.settings.relay.clone(), retry_in_ms, reason };
        // In one piece: who waits for the end of an attempt sees its reason with it.
        self.standing.send_modify(|standing| {
            standing.connection = connection.clone();
            if state == ConnectionState::Offline {
                standing.failures = standing.failures.saturating_add(1);
            }
        });
        Noted { input: None, event: Some(ClientEvent::Connection(connection)) }
    }

    fn rule(&self) -> TrustRule {
        rule(&self.settings, self.told, self.first_use)
    }

    fn retarget(&self) {
        let (relay, rule) = (self.settings.relay.clone(), self.rule());
        self.link.target.send_if_modified(|target| {
            let next = Target { relay, rule, wanted: target.wanted };
            std::mem::replace(target, next.clone()) != next
        });
    }
}

/// What is asked of a relay's certificate.
pub(super) fn rule(settings: &Settings, told: Option<Pin>, first_use: Trust) -> TrustRule {
    TrustRule { pin: told.or(settings.pin), rooted: settings.rooted, first_use }
}

/// The settings with another relay.
pub(super) fn moved(settings: &Settings, relay: RelayAddress, enrolled: bool) -> Settings {
    match &settings.relay {
        Some(known) if *known != relay && !enrolled => Settings { relay: Some(relay), pin: None, rooted: false },
        _ => Settings { relay: Some(relay), ..settings.clone() },
    }
}
