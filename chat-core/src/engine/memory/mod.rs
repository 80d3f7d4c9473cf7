//! What the engine knows between two inputs, and the plain work on it that several handlers need.
//! Nothing here decides what an input means.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use chat_wire::frame::Frame;
use chat_wire::ids::{AccountId, BootId, DeviceAddress};
use chat_wire::keys::Signature;
use chat_wire::message::{ClientMessage, PresenceStatus};

use super::context::Work;
use super::error::EngineError;
use super::io::{CommandId, Output, Reply, Route};
use super::limits::{REQUEST_MS_MAX, SET_ASIDE_MAX};
use crate::store::{Conversation, HistoryChange, MessageStatus, Records, Table};
use crate::time::Timestamp;

pub(super) mod alarms;
pub(super) mod arrivals;
pub(super) mod asks;
pub(super) mod bundles;
pub(super) mod changes;
pub(super) mod compose;
pub(super) mod entrance;
pub(super) mod errands;
pub(super) mod fanout;
pub(super) mod files;
pub(super) mod handover;
pub(super) mod healing;
pub(super) mod kept;
pub(super) mod keyring;
pub(super) mod lists;
pub(super) mod me;
pub(super) mod names;
pub(super) mod people;
pub(super) mod queue;
pub(super) mod renewal;
pub(super) mod results;
pub(super) mod room_tasks;
pub(super) mod rooms;
pub(super) mod sayings;
pub(super) mod sessions;
pub(super) mod share;
pub(super) mod shared;
pub(super) mod sightings;
pub(super) mod streams;
pub(super) mod trust;
pub(super) mod undertaking;

/// Everything in memory. Whatever must outlive a crash lies in the records as well.
pub(super) struct State {
    pub(super) boot: BootId,
    pub(super) me: Option<me::Me>,
    pub(super) enrolling: Option<me::Enrolling>,
    /// Whose history lies here, while the profile is no device: it was one that was taken off its account.
    pub(super) former: Option<AccountId>,
    pub(super) profile: me::Profile,
    pub(super) relay: Option<me::RelayPin>,
    /// The last greeting was refused: the relay is there, but it is not the one we know.
    pub(super) relay_refused: bool,
    pub(super) link: Option<Link>,
    pub(super) asks: asks::Asks,
    pub(super) people: people::People,
    pub(super) lists: lists::Lists,
    pub(super) sessions: sessions::Sessions,
    pub(super) bundles: bundles::Bundles,
    pub(super) queue: queue::Queue,
    pub(super) names: names::Names,
    pub(super) rooms: rooms::Rooms,
    pub(super) parcels: Parcels,
    /// Who is online, as the relay says.
    pub(super) online: BTreeMap<AccountId, PresenceStatus>,
    /// Last typing signal to a person.
    pub(super) typing: BTreeMap<AccountId, (bool, Timestamp)>,
    /// Typing signals that wait a moment for their person to be a contact who is here.
    pub(super) typing_late: BTreeMap<AccountId, (bool, Timestamp)>,
    /// The time that the shell was told to wake us.
    pub(super) wake_at: Option<Timestamp>,
    pub(super) prekeys: me::PreKeyIndex,
    pub(super) chores: Chores,
    pub(super) shared: shared::Shared,
    pub(super) keyring: Option<keyring::Keyring>,
    pub(super) exchange: share::Exchange,
    /// The version to write over, when the relay went back to an older record.
    pub(super) exchange_base: Option<u64>,
    pub(super) undertaking: Option<undertaking::Undertaking>,
    /// The signed end of the account, to be sent when the farewells are out.
    pub(super) farewell: Option<Signature>,
    /// The code of a new password was told in this run: it goes from the records once that is out for sure.
    pub(super) code_told: bool,
    /// What a login or recovery that enrolled this device is answered, once its keys are published.
    pub(super) welcome: Option<Reply>,
    /// The code of this device, while it waits for another one to let it in (SPEC 9.13); kept over lost connections.
    pub(super) awaiting: Option<String>,
    /// Who waits for it, while the device is still to be let in.
    pub(super) newcomer: Option<CommandId>,
    pub(super) healing: healing::Healing,
    pub(super) errands: errands::Errands,
    /// The store is an old copy, and the device is not yet its next incarnation.
    pub(super) renewal: Option<renewal::Renewal>,
    /// When the first message expires.
    pub(super) next_expiry: Option<Timestamp>,
}

/// The connection to the relay.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) route: Route,
    pub(super) exporter: [u8; 32],
    /// Of `Ready`; zero before.
    pub(super) challenge: [u8; 32],
    pub(super) phase: Phase,
    pub(super) last_sent: Timestamp,
    pub(super) last_heard: Timestamp,
    pub(super) entry: Option<Entry>,
}

/// What `LoggedIn` says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) device: DeviceAddress,
    pub(super) boot: Option<BootId>,
    pub(super) step: u64,
    pub(super) pairs_left: u32,
    pub(super) list_seq: u64,
}

/// How far a connection got.
///
/// ```text
/// Greeting ──Ready──▶ Greeted ──Register2──▶ Entering ──LoggedIn──▶ Online
///                        └──────Proof──────▶ Entering ──LoggedIn──▶ Booting ──Done──▶ Online
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// `Hello` is out.
    Greeting,
    /// The relay proved itself.
    Greeted,
    /// A registration or a proof is out.
    Entering,
    /// Let in; the boot id is being written. Nothing is sealed before it stands.
    Booting,
    /// Everything flows.
    Online,
}

/// Work that comes round by itself.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// When it was last done.
    pub(super) done_at: Option<Timestamp>,
    /// How far the clean-up of old ids and results got.
    pub(super) seen_to: Option<Vec<u8>>,
    pub(super) results_to: Option<Vec<u8>>,
    pub(super) sessions_to: Option<Vec<u8>>,
    pub(super) kept_to: Option<Vec<u8>>,
    pub(super) early_to: Option<Vec<u8>>,
}

/// Packets of the mailbox, in order. The first may wait for lists; nothing overtakes it.
#[derive(Debug, Default)]
pub(super) struct Parcels {
    pub(super) queue: VecDeque<Parcel>,
    /// The first waits for these lists.
    pub(super) waits_for: Option<asks::ListsAfter>,
    /// The relay was too busy for those lists: the first is tried again at this time.
    pub(super) retry_at: Option<Timestamp>,
    /// The lists were fetched once for the first: a second miss drops it.
    pub(super) fetched: bool,
    /// Set aside until then, ascending by place: their device sent too much that was unsound. What came
    /// later is opened meanwhile, and nothing behind the first is acknowledged.
    pub(super) aside: VecDeque<(Parcel, Timestamp)>,
    /// Everything up to this place is durable and not yet acknowledged, but for what is set aside.
    pub(super) done: Option<u64>,
    /// The first place that is set aside, once everything before it was acknowledged.
    pub(super) up_to: Option<u64>,
    /// New sessions by account, in the minute that began then.
    pub(super) initiations: BTreeMap<AccountId, (Timestamp, u32)>,
}

impl Parcels {
    /// The first packet was seen to.
    pub(super) fn pop(&mut self) {
        let seq = self.queue.pop_front().and_then(|parcel| parcel.seq);
        self.fetched = false;
        self.done = if self.up_to.is_some() { self.done.max(seq) } else { seq.or(self.done) };
    }

    /// The first packet is set aside; `false` when too many are.
    pub(super) fn set_aside(&mut self, until: Timestamp) -> bool {
        if self.aside.len() >= SET_ASIDE_MAX {
            return false;
        }
        self.aside.extend(self.queue.pop_front().map(|parcel| (parcel, until)));
        true
    }

    /// Puts back what was set aside until now.
    pub(super) fn put_back(&mut self, now: Timestamp) {
        let (due, aside): (VecDeque<_>, _) = self.aside.drain(..).partition(|(_, until)| *until <= now);
        self.aside = aside;
        due.into_iter().rev().for_each(|(parcel, _)| self.queue.push_front(parcel));
    }

    /// The place up to which everything is durable, if that was not acknowledged.
    pub(super) fn due_acknowledgement(&mut self) -> Option<u64> {
        let done = self.done?;
        let aside = self.aside.iter().map(|(parcel, _)| parcel);
        let pending = self.queue.iter().chain(aside).filter_map(|parcel| parcel.seq).min();
        match pending.filter(|pending| *pending < done) {
            None => {
                self.up_to = None;
                self.done.take()
            }
            Some(pending) if self.up_to == Some(pending) => None,
            Some(pending) => {
                self.up_to = Some(pending);
                pending.checked_sub(1)
            }
        }
    }
}

/// One packet of the mailbox.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    /// Its place in the mailbox; none for ephemeral ones.
    pub(super) seq: Option<u64>,
    pub(super) from: Option<DeviceAddress>,
    pub(super) sent_ms: u64,
    pub(super) packet: Bytes,
}

impl State {
    /// Reads everything that is kept in memory.
    pub(super) fn load(boot: BootId, records: &dyn Records) -> Result<Self, EngineError> {
        Ok(Self {
            boot,
            me: me::Me::load(records)?,
            enrolling: me::Enrolling::load(records)?,
            former: me::load_former(records)?,
            profile: me::Profile::load(records)?,
            relay: me::RelayPin::load(records)?,
            relay_refused: false,
            link: None,
            asks: asks::Asks::default(),
            people: people::People::load(records)?,
            lists: lists::Lists::default(),
            sessions: sessions::Sessions::default(),
            bundles: bundles::Bundles::default(),
            queue: queue::Queue::load(records)?,
            names: names::Names::default(),
            rooms: rooms::Rooms::load(records)?,
            parcels: Parcels::default(),
            online: BTreeMap::new(),
            typing: BTreeMap::new(),
            typing_late: BTreeMap::new(),
            wake_at: None,
            prekeys: me::PreKeyIndex::load(records)?,
            chores: Chores::default(),
            shared: shared::Shared::load(records)?,
            keyring: keyring::Keyring::load(records)?,
            exchange: share::Exchange::default(),
            exchange_base: None,
            undertaking: None,
            farewell: None,
            code_told: false,
            welcome: None,
            awaiting: None,
            newcomer: None,
            healing: healing::Healing::load(records)?,
            errands: errands::Errands::load(records)?,
            renewal: renewal::Renewal::load(records)?,
            next_expiry: changes::next_expiry(&records.scan(Table::Expiries, &[], None, 1)),
        })
    }

    /// Forgets everything but the run itself: the profile is as new.
    pub(super) fn forget(&mut self, work: &mut Work<'_>) {
        work.erase();
        self.me = None;
        self.enrolling = None;
        self.former = None;
        self.profile = me::Profile::default();
        self.relay = None;
        self.people = people::People::default();
        self.lists = lists::Lists::default();
        self.sessions = sessions::Sessions::default();
        self.bundles = bundles::Bundles::default();
        self.queue = queue::Queue::default();
        self.healing = healing::Healing::default();
        self.errands = errands::Errands::default();
        self.renewal = None;
        self.next_expiry = None;
        self.names = names::Names::default();
        self.rooms = rooms::Rooms::default();
        self.parcels = Parcels::default();
        self.online.clear();
        self.typing.clear();
        self.typing_late.clear();
        self.prekeys = me::PreKeyIndex::default();
        self.shared = shared::Shared::default();
        self.keyring = None;
        self.exchange = share::Exchange::default();
        self.exchange_base = None;
    }

    /// Gives up the device that this profile was: it was taken off its account. What was said, who is known and what
    /// was seen stays; keys, sessions, rooms and whatever was to be sent belong to that device alone.
    pub(super) fn renounce(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        for (account, id) in queue::unsent(work)? {
            let conversation = Conversation::Direct(account);
            work.history(HistoryChange::Status { conversation, id, status: MessageStatus::Failed });
        }
        for room in self.rooms.ids() {
            for (_, post) in rooms::Post::waiting(work, &room, usize::MAX)? {
                if let Some(id) = post.message {
                    let (conversation, status) = (Conversation::Room(room), MessageStatus::Failed);
                    work.history(HistoryChange::Status { conversation, id, status });
                }
            }
        }
        work.renounce(|key| me::is_relay_s(key) || lists::is_fork_s(key));
        if let Some(me) = &self.me {
            me::save_former(work, Some(&me.account()));
        }
        let fresh = Self::load(self.boot, work)?;
        let device_name = self.profile.device_name.take();
        *self = Self {
            link: self.link.take(),
            asks: std::mem::take(&mut self.asks),
            undertaking: self.undertaking.take(),
            profile: me::Profile { device_name, ..fresh.profile },
            ..fresh
        };
        Ok(())
    }

    /// Enrolled and not logged out.
    pub(super) fn is_logged_in(&self) -> bool {
        self.me.is_some() && !self.profile.logged_out
    }

    /// The relay has let this device in and its boot id stands.
    pub(super) fn is_online(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.phase == Phase::Online)
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if let Some(link) = &mut self.link {
            link.phase = phase;
        }
    }

    /// Asks the relay something; without a connection nothing is asked.
    pub(super) fn ask(&mut self, work: &mut Work<'_>, ask: asks::Ask, message: ClientMessage) {
        self.ask_with(work, ask, message, Bytes::new());
    }

    /// Asks with a body.
    pub(super) fn ask_with(&mut self, work: &mut Work<'_>, ask: asks::Ask, message: ClientMessage, body: Bytes) {
        let Some(link) = &mut self.link else { return };
        let number = self.asks.open(ask, work.now.plus_ms(REQUEST_MS_MAX));
        link.last_sent = work.now;
        work.output(Output::Transmit(link.route, Frame::with_body(number, message, body)));
    }

    /// Tells the relay something that has no answer.
    pub(super) fn tell(&mut self, work: &mut Work<'_>, message: ClientMessage, body: Bytes) {
        let Some(link) = &mut self.link else { return };
        link.last_sent = work.now;
        work.output(Output::Transmit(link.route, Frame::with_body(0, message, body)));
    }
}
