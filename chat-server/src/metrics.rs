//! What the relay counts, for Prometheus. Numbers only: no name, address or size of a single message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat_wire::error::RefusalKind;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Why a connection was turned away or cut. One log line and one count each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Reason {
    /// All places are taken.
    Full,
    /// Too many connections of one address.
    Address,
    /// Too many new connections of one address.
    Arrivals,
    /// The TLS handshake failed: another protocol, another version, noise.
    Handshake,
    /// The TLS handshake took too long.
    HandshakeTime,
    /// The WebSocket was not opened properly.
    Upgrade,
    /// Bytes that are no frames.
    Unreadable,
    /// What waited for it grew too large, or it took nothing for too long.
    SlowReader,
}

impl Reason {
    /// For a log line.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Full => "all places are taken",
            Self::Address => "too many connections of one address",
            Self::Arrivals => "too many new connections of one address",
            Self::Handshake => "no TLS 1.3 handshake",
            Self::HandshakeTime => "the TLS handshake took too long",
            Self::Upgrade => "no WebSocket handshake",
            Self::Unreadable => "bytes that are no frames",
            Self::SlowReader => "it does not read",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dropped {
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    kind: String,
}

/// Everything that is counted; cheap to touch from any thread.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    started: Instant,
    uptime: Gauge<f64, AtomicU64>,
    pub(crate) connections: Gauge,
    pub(crate) logins: Gauge,
    pub(crate) accepted_connections: Counter,
    pub(crate) frames: Counter,
    pub(crate) accepted: Counter,
    pub(crate) delivered: Counter,
    pub(crate) groups: Histogram,
    pub(crate) syncs: Histogram,
    pub(crate) storage_failures: Counter,
    dropped: Family<Dropped, Counter>,
    refused: Family<Refused, Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("chat_relay");
        let mut metrics = Self {
            started: Instant::now(),
            uptime: Gauge::default(),
            connections: Gauge::default(),
            logins: Gauge::default(),
            accepted_connections: Counter::default(),
            frames: Counter::default(),
            accepted: Counter::default(),
            delivered: Counter::default(),
            // 1 to 4,096 requests.
            groups: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            // 50 µs to 1.6 s.
            syncs: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            storage_failures: Counter::default(),
            dropped: Family::default(),
            refused: Family::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register_with_unit("uptime", "Time since the start", Unit::Seconds, m.uptime.clone());
        registry.register("connections", "Connections that stand", m.connections.clone());
        registry.register("logins", "Devices that are logged in", m.logins.clone());
        registry.register("connections_accepted", "Connections since the start", m.accepted_connections.clone());
        registry.register("frames", "Frames that clients sent", m.frames.clone());
        registry.register("messages_accepted", "Sends that were answered with accepted", m.accepted.clone());
        registry.register("messages_delivered", "Deliveries that were sent", m.delivered.clone());
        registry.register("round_events", "Events that one round of the relay took", m.groups.clone());
        registry.register_with_unit("sync", "Time of one sync of the log", Unit::Seconds, m.syncs.clone());
        registry.register("storage_failures", "Rounds that the storage refused", m.storage_failures.clone());
        registry.register("connections_dropped", "Connections turned away or cut", m.dropped.clone());
        registry.register("requests_refused", "Requests that were refused", m.refused.clone());
        metrics.registry = registry;
        metrics
    }

    /// A connection was turned away or cut.
    pub(crate) fn dropped(&self, reason: Reason) {
        self.dropped.get_or_create(&Dropped { reason }).inc();
    }

    /// A request was refused.
    pub(crate) fn refused(&self, kind: RefusalKind) {
        // Names of an enumeration: a dozen, whatever clients do.
        self.refused.get_or_create(&Refused { kind: format!("{kind:?}") }).inc();
    }

    /// How long a sync took.
    pub(crate) fn synced(&self, took: Duration) {
        self.syncs.observe(took.as_secs_f64());
    }

    /// The page that Prometheus reads.
    pub(crate) fn page(&self) -> String {
        self.uptime.set(self.started.elapsed().as_secs_f64());
        let mut page = String::new();
        // Writing into a string can't fail.
        let _ = prometheus_client::encoding::text::encode(&mut page, &self.registry);
        page
    }
}

/// Whether the relay takes requests, for a load balancer's question.
#[derive(Debug, Default)]
pub(crate) struct Readiness(AtomicU64);

impl Readiness {
    const STARTING: u64 = 0;
    const READY: u64 = 1;
    const ENDING: u64 = 2;

    /// It listens.
    pub(crate) fn ready(&self) {
        let _ = self.0.compare_exchange(Self::STARTING, Self::READY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It is on its way out.
    pub(crate) fn ending(&self) {
        self.0.store(Self::ENDING, Ordering::Relaxed);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::READY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_what_was_counted_and_where_it_ends() {
        let metrics = Metrics::new();
        metrics.accepted.inc_by(3);
        metrics.connections.set(2);
        metrics.dropped(Reason::Handshake);
        metrics.refused(RefusalKind::RateLimited);
        metrics.synced(Duration::from_micros(200));
        let page = metrics.page();
        for line in [
            "chat_relay_messages_accepted_total 3",
            "chat_relay_connections 2",
            "chat_relay_connections_dropped_total{reason=\"Handshake\"} 1",
            "chat_relay_requests_refused_total{kind=\"RateLimited\"} 1",
            "chat_relay_sync_seconds_count 1",
        ] {
            assert!(page.lines().any(|l| l == line), "{line:?} is not in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
    }
}
