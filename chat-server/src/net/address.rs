//! Addresses as limits see them, and the cap on connections that have not logged in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use chat_relay::{AddressKey, Origin};

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
    connections_max: usize,
    strangers_per_address_max: usize,
}

#[derive(Debug, Default)]
struct Counts {
    connections: usize,
    strangers: HashMap<AddressKey, usize>,
}

impl Admission {
    pub(crate) fn new(connections_max: usize, strangers_per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), connections_max, strangers_per_address_max })
    }

    /// A place for one connection, given back when the ticket is dropped.
    pub(crate) fn admit(self: &Arc<Self>, origin: Origin) -> Option<Ticket> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.connections >= self.connections_max {
            return None;
        }
        if let Origin::Address(address) = origin {
            let strangers = counts.strangers.entry(address).or_default();
            if *strangers >= self.strangers_per_address_max {
                return None;
            }
            *strangers += 1;
        }
        counts.connections += 1;
        Some(Ticket { admission: Arc::clone(self), origin, is_stranger: true })
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
            let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.stranger_gone(self.origin);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.connections = counts.connections.saturating_sub(1);
        if self.is_stranger {
            counts.stranger_gone(self.origin);
        }
    }
}

impl Counts {
    fn stranger_gone(&mut self, origin: Origin) {
        let Origin::Address(address) = origin else { return };
        if let Some(strangers) = self.strangers.get_mut(&address) {
            *strangers = strangers.saturating_sub(1);
            if *strangers == 0 {
                self.strangers.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_caps_hold_and_a_place_comes_back_when_its_connection_ends() {
        let admission = Admission::new(3, 2);
        let one = Origin::Address(AddressKey([1; 8]));
        let mut first = admission.admit(one).unwrap();
        let _second = admission.admit(one).unwrap();
        assert!(admission.admit(one).is_none(), "two strangers of one address");
        first.logged_in();
        let third = admission.admit(one).unwrap();
        assert!(admission.admit(Origin::Trusted).is_none(), "three connections in all");
        drop(third);
        assert!(admission.admit(Origin::Trusted).is_some());
    }
}
