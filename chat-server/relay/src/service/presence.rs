//! Presence (SPEC 7.6): an account is online while one of its devices is connected, not silent, and
//! shows itself. It is told only to accounts that have each other in their contacts, and an invisible
//! account looks exactly like one that is gone.
//!
//! ```text
//! arrive ──▶ hidden ──show(online|away)──▶ seen ──doze (8 s silent)──▶ dozing
//!              ▲                            │ ▲                          │
//!              └────show(invisible)─────────┘ └──────────wake────────────┘      leave: from anywhere
//! ```
//! A device starts hidden, so that an invisible one does not flash up when it reconnects.

use std::collections::{BTreeMap, BTreeSet};

use chat_wire::ids::{AccountId, DeviceAddress, DeviceId};
use chat_wire::message::{PresenceStatus, ServerMessage};

use crate::round::ConnectionId;

/// What somebody may see of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    online: bool,
    status: PresenceStatus,
}

/// Gone and invisible look the same (SPEC 7.6.2).
const OFFLINE: View = View { online: false, status: PresenceStatus::Away };

#[derive(Debug)]
struct Seat {
    connection: ConnectionId,
    dozing: bool,
    status: PresenceStatus,
}

#[derive(Debug)]
struct Present {
    seats: BTreeMap<DeviceId, Seat>,
    contacts: BTreeSet<AccountId>,
    /// What mutual contacts were told last.
    told: View,
}

impl Present {
    fn view(&self) -> View {
        let mut shown = self.seats.values().filter(|s| !s.dozing).map(|s| s.status);
        let mut view = OFFLINE;
        if shown.clone().any(|s| s == PresenceStatus::Away) {
            view = View { online: true, status: PresenceStatus::Away };
        }
        if shown.any(|s| s == PresenceStatus::Online) {
            view = View { online: true, status: PresenceStatus::Online };
        }
        view
    }
}

/// A message for a connection.
pub(crate) type News = Vec<(ConnectionId, ServerMessage)>;

/// Who is here, and who may know.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    accounts: BTreeMap<AccountId, Present>,
}

impl Presence {
    /// A device logged in; a connection that it had before is replaced.
    pub(crate) fn arrive(&mut self, device: &DeviceAddress, connection: ConnectionId, at_ms: u64) -> News {
        let present = self.accounts.entry(device.account).or_insert_with(|| Present {
            seats: BTreeMap::new(),
            contacts: BTreeSet::new(),
            told: OFFLINE,
        });
        // An old seat keeps its status: a change of networks is no coming and going.
        let status = present.seats.get(&device.device).map_or(PresenceStatus::Invisible, |s| s.status);
        present.seats.insert(device.device, Seat { connection, dozing: false, status });
        self.tell_change(&device.account, at_ms)
    }

    /// A device logged out or its connection is gone.
    pub(crate) fn leave(&mut self, device: &DeviceAddress, connection: ConnectionId, at_ms: u64) -> News {
        let Some(present) = self.accounts.get_mut(&device.account) else { return News::new() };
        if present.seats.get(&device.device).is_none_or(|s| s.connection != connection) {
            return News::new();
        }
        present.seats.remove(&device.device);
        let news = self.tell_change(&device.account, at_ms);
        if self.accounts.get(&device.account).is_some_and(|p| p.seats.is_empty()) {
            self.accounts.remove(&device.account);
        }
        news
    }

    /// A device sets what it shows.
    pub(crate) fn show(&mut self, device: &DeviceAddress, status: PresenceStatus, at_ms: u64) -> News {
        if let Some(seat) = self.seat(device) {
            seat.status = status;
        }
        self.tell_change(&device.account, at_ms)
    }

    /// A device fell silent.
    pub(crate) fn doze(&mut self, device: &DeviceAddress, at_ms: u64) -> News {
        if let Some(seat) = self.seat(device) {
            seat.dozing = true;
        }
        self.tell_change(&device.account, at_ms)
    }

    /// A silent device was heard again.
    pub(crate) fn wake(&mut self, device: &DeviceAddress, at_ms: u64) -> News {
        if let Some(seat) = self.seat(device) {
            seat.dozing = false;
        }
        self.tell_change(&device.account, at_ms)
    }

    /// Replaces an account's contacts, and tells the asking connection who of them is online.
    pub(crate) fn set_contacts(
        &mut self,
        account: &AccountId,
        asking: ConnectionId,
        contacts: BTreeSet<AccountId>,
        at_ms: u64,
    ) -> News {
        let mut news = News::new();
        let Some(present) = self.accounts.get_mut(account) else { return news };
        let before = std::mem::replace(&mut present.contacts, contacts);
        let own_view = present.told;
        for other in before.iter().filter(|o| !self.lists(account, o) && self.lists(o, account)) {
            // No longer mutual: each goes dark for the other.
            if own_view.online {
                self.tell(other, &message(account, OFFLINE, at_ms), &mut news);
            }
            if self.told(other).online {
                self.tell(account, &message(other, OFFLINE, at_ms), &mut news);
            }
        }
        let Some(present) = self.accounts.get(account) else { return news };
        for other in present.contacts.iter().filter(|o| self.lists(o, account) && *o != account) {
            let other_view = self.told(other);
            if before.contains(other) {
                // Mutual before as well: only this connection may not know yet.
                if other_view.online {
                    news.push((asking, message(other, other_view, at_ms)));
                }
                continue;
            }
            if own_view.online {
                self.tell(other, &message(account, own_view, at_ms), &mut news);
            }
            if other_view.online {
                self.tell(account, &message(other, other_view, at_ms), &mut news);
            }
        }
        news
    }

    /// Whether `asking` may see that `account` is online, and it is.
    pub(crate) fn sees_online(&self, asking: &AccountId, account: &AccountId) -> bool {
        self.are_mutual(asking, account) && self.told(account).online
    }

    /// Whether an account is online and shows it.
    pub(crate) fn is_seen(&self, account: &AccountId) -> bool {
        self.told(account).online
    }

    /// Whether each has the other in its contacts (SPEC 7.6.1).
    pub(crate) fn are_mutual(&self, one: &AccountId, other: &AccountId) -> bool {
        self.lists(one, other) && self.lists(other, one)
    }

    fn seat(&mut self, device: &DeviceAddress) -> Option<&mut Seat> {
        self.accounts.get_mut(&device.account)?.seats.get_mut(&device.device)
    }

    fn lists(&self, account: &AccountId, other: &AccountId) -> bool {
        self.accounts.get(account).is_some_and(|p| p.contacts.contains(other))
    }

    fn told(&self, account: &AccountId) -> View {
        self.accounts.get(account).map_or(OFFLINE, |p| p.told)
    }

    /// Tells mutual contacts when the account's view changed.
    fn tell_change(&mut self, account: &AccountId, at_ms: u64) -> News {
        let mut news = News::new();
        let Some(present) = self.accounts.get_mut(account) else { return news };
        let view = present.view();
        if view == present.told {
            return news;
        }
        present.told = view;
        let Some(present) = self.accounts.get(account) else { return news };
        for other in present.contacts.iter().filter(|o| self.lists(o, account) && *o != account) {
            self.tell(other, &message(account, view, at_ms), &mut news);
        }
        news
    }

    /// Tells every connection of `reader`.
    fn tell(&self, reader: &AccountId, message: &ServerMessage, news: &mut News) {
        let seats = self.accounts.get(reader).into_iter().flat_map(|p| p.seats.values());
        news.extend(seats.map(|seat| (seat.connection, message.clone())));
    }
}

fn message(about: &AccountId, view: View, at_ms: u64) -> ServerMessage {
    ServerMessage::Presence { account: *about, online: view.online, status: view.status, at_ms }
}
