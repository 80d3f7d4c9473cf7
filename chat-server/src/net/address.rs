//! Addresses as limits see them, and the cap on connections that have not logged in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chat_relay::{AddressKey, Limiter, Origin};

use crate::config::Doors;
use crate::metrics::Reason;

/// Where a connection comes from: an IPv4 address, or an IPv6 /64, which one household or machine has.
pub(crate) fn origin(address: IpAddr, limit_loopback: bool) -> Origin {
    let address = address.to_canonical();
    if address.is_loopback() && !limit_loopback {
        return Origin::Trusted;
    }
    let mut key = [0; 8];
    match address {
        IpAddr::V4(v4) => key.iter_mut().zip(v4.octets()).for_each(|(k, b)| *k = b),
        IpAddr::V6(v6) => key.iter_mut().zip(v6.octets()).for_each(|(k, b)| *k = b),
    }
    Origin::Address(AddressKey(key))
}

/// Connections under way. Over a cap a new one is closed at once.
#[derive(Debug)]
pub(crate) struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    doors: Doors,
    connections: usize,
    of_address: HashMap<AddressKey, OfAddress>,
    /// New connections of an address.
    arrivals: Limiter<AddressKey>,
    start: Instant,
}

#[derive(Debug, Default, Clone, Copy)]
struct OfAddress {
    all: usize,
    strangers: usize,
}

impl Admission {
    pub(crate) fn new(doors: Doors) -> Arc<Self> {
        let counts = Counts {
            doors,
            connections: 0,
            of_address: HashMap::new(),
            arrivals: Limiter::new(doors.connects_per_address),
            start: Instant::now(),
        };
        Arc::new(Self { counts: Mutex::new(counts) })
    }

    /// Counts by other limits from now on; who is in stays in.
    pub(crate) fn reconfigure(&self, doors: Doors) {
        let mut counts = self.lock();
        counts.arrivals.set(doors.connects_per_address);
        counts.doors = doors;
    }

    /// The limits that new connections are given.
    pub(crate) fn doors(&self) -> Doors {
        self.lock().doors
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one connection, given back when the ticket is dropped.
    pub(crate) fn admit(self: &Arc<Self>, origin: Origin) -> Result<Ticket, Reason> {
        let mut counts = self.lock();
        if counts.connections >= counts.doors.connections_max {
            return Err(Reason::Full);
        }
        if let Origin::Address(address) = origin {
            let uptime_ms = u64::try_from(counts.start.elapsed().as_millis()).unwrap_or(u64::MAX);
            counts.arrivals.take(address, uptime_ms).map_err(|_| Reason::Arrivals)?;
            let doors = counts.doors;
            let of_address = counts.of_address.entry(address).or_default();
            if of_address.all >= doors.per_address_max || of_address.strangers >= doors.strangers_per_address_max {
                return Err(Reason::Address);
            }
            of_address.all += 1;
            of_address.strangers += 1;
        }
        counts.connections += 1;
        Ok(Ticket { admission: Arc::clone(self), origin, is_stranger: true })
    }
}

/// A place that a connection takes.
#[derive(Debug)]
pub(crate) struct Ticket {
    admission: Arc<Admission>,
    origin: Origin,
    is_stranger: bool,
}

impl Ticket {
    /// The connection logged in: its address may have more strangers.
    pub(crate) fn logged_in(&mut self) {
        if std::mem::take(&mut self.is_stranger) {
            self.admission.lock().leave(self.origin, 0, 1);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        counts.connections = counts.connections.saturating_sub(1);
        counts.leave(self.origin, 1, usize::from(self.is_stranger));
    }
}

impl Counts {
    fn leave(&mut self, origin: Origin, connections: usize, strangers: usize) {
        let Origin::Address(address) = origin else { return };
        if let Some(of_address) = self.of_address.get_mut(&address) {
            of_address.all = of_address.all.saturating_sub(connections);
            of_address.strangers = of_address.strangers.saturating_sub(strangers);
            if of_address.all == 0 {
                self.of_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_relay::limits::Allowance;

    #[test]
    fn a_household_counts_as_one_and_loopback_is_not_counted() {
        let of = |text: &str| origin(text.parse().unwrap(), false);
        assert_eq!(of("127.0.0.1"), Origin::Trusted);
        assert_eq!(of("::1"), Origin::Trusted);
        assert_eq!(of("::ffff:127.0.0.1"), Origin::Trusted);
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.7"));
        assert_ne!(origin("127.0.0.1".parse().unwrap(), true), Origin::Trusted);
    }

    #[test]
    fn an_address_that_comes_again_and_again_is_turned_away_and_the_others_are_not() {
        let connects_per_address = Allowance { burst: 3, refill_ms: 3_600_000 };
        let admission = Admission::new(Doors { connects_per_address, ..Doors::default() });
        let (one, other) = (Origin::Address(AddressKey([1; 8])), Origin::Address(AddressKey([2; 8])));
        for _ in 0..3 {
            drop(admission.admit(one).unwrap());
        }
        assert_eq!(admission.admit(one).unwrap_err(), Reason::Arrivals);
        assert!(admission.admit(other).is_ok() && admission.admit(Origin::Trusted).is_ok());
    }

    #[test]
    fn the_caps_hold_and_a_place_comes_back_when_its_connection_ends() {
        let doors = Doors { connections_max: 5, per_address_max: 3, strangers_per_address_max: 2, ..Doors::default() };
        let admission = Admission::new(doors);
        let one = Origin::Address(AddressKey([1; 8]));
        let mut first = admission.admit(one).unwrap();
        let _second = admission.admit(one).unwrap();
        assert_eq!(admission.admit(one).unwrap_err(), Reason::Address, "two strangers of one address");
        first.logged_in();
        let mut third = admission.admit(one).unwrap();
        third.logged_in();
        assert_eq!(admission.admit(one).unwrap_err(), Reason::Address, "three connections of one address");
        let _others = [admission.admit(Origin::Trusted).unwrap(), admission.admit(Origin::Trusted).unwrap()];
        assert_eq!(admission.admit(Origin::Trusted).unwrap_err(), Reason::Full, "five connections in all");
        drop(third);
        assert!(admission.admit(Origin::Trusted).is_ok());
        admission.reconfigure(Doors { connections_max: 1, ..doors });
        assert_eq!(admission.admit(Origin::Trusted).unwrap_err(), Reason::Full, "new limits hold at once");
    }
}
