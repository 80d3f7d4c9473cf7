//! What the handlers work on: the storage, the services' memory, the limits and the round.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat_login::server::ServerSecrets;
use chat_wire::error::RefusalKind;
use chat_wire::frame::Frame;
use chat_wire::ids::{AccountId, DeviceAddress, RoomId, UserName};
use chat_wire::message::ServerMessage;
use rand_core::CryptoRng;

use crate::clock::Now;
use crate::identity::RelayIdentity;
use crate::limits::{BlobLimits, Limits};
use crate::peer::{AddressKey, Connection, Origin};
use crate::rate::{Exhausted, Limiter};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::{ConnectionId, Output, Rests, Round};
use crate::service::accounts::Registration;
use crate::service::devices::Rosters;
use crate::service::entrance::Entrance;
use crate::service::mailboxes::Mailboxes;
use crate::service::presence::{News, Presence};
use crate::service::rooms::Rooms;
use crate::service::sends::{Receipt, Sends};
use crate::storage::{Batch, Storage, StorageError};

/// What an operator decides.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Who may make an account.
    pub registration: Registration,
    /// Limits.
    pub limits: Limits,
    /// Limits on files.
    pub blobs: BlobLimits,
    /// The room of everybody.
    pub lobby: Lobby,
}

/// Whether newcomers find a room of everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lobby {
    /// Who registers is in it.
    #[default]
    Open,
    /// None is made, and nobody enters one that stands; who is in it stays.
    Off,
}

/// What the relay keeps outside its database.
pub struct Secrets {
    /// Its own key.
    pub identity: RelayIdentity,
    /// OPAQUE's secrets.
    pub login: ServerSecrets,
    /// Chance.
    pub rng: Box<dyn CryptoRng + Send>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// The same, shared with who works beside the relay's thread.
pub(crate) struct Keys {
    pub(crate) identity: Arc<RelayIdentity>,
    pub(crate) login: Arc<ServerSecrets>,
    pub(crate) rng: Box<dyn CryptoRng + Send>,
}

/// What follows once a request's work is done. The world may have changed meanwhile: what it rests on is
/// looked up anew.
pub(crate) type Then<S> = Box<dyn FnOnce(&mut Core<S>, Here, &mut Connection) -> Result<Reply, Refuse> + Send>;

/// Work of a request that needs nothing of the relay's state.
pub(crate) type Work<S> = Box<dyn FnOnce(&mut dyn CryptoRng) -> Then<S> + Send>;

/// Everything but the connections.
pub(crate) struct Core<S> {
    pub(crate) store: S,
    pub(crate) config: Config,
    pub(crate) secrets: Keys,
    /// Work of the request at hand, if it has some.
    pub(crate) work: Option<Work<S>>,
    pub(crate) rosters: Rosters,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) sends: Sends,
    pub(crate) presence: Presence,
    pub(crate) rooms: Rooms,
    pub(crate) entrance: Entrance,
    pub(crate) gates: Gates,
    pub(crate) logins: BTreeMap<DeviceAddress, ConnectionId>,
    pub(crate) round: Round,
}

/// The rate limiters.
#[derive(Debug)]
pub(crate) struct Gates {
    pub(crate) passwords_by_name: Limiter<UserName>,
    pub(crate) passwords_by_address: Limiter<AddressKey>,
    pub(crate) password_checks: Limiter<AccountId>,
    pub(crate) registrations: Limiter<AddressKey>,
    pub(crate) finds: Limiter<AccountId>,
    pub(crate) fetches: Limiter<AccountId>,
    pub(crate) claims: Limiter<AccountId>,
    pub(crate) claims_by_target: Limiter<(AccountId, AccountId)>,
    pub(crate) one_time: Limiter<AccountId>,
    pub(crate) sends: Limiter<DeviceAddress>,
    pub(crate) ephemerals: Limiter<DeviceAddress>,
    pub(crate) changes: Limiter<AccountId>,
    pub(crate) room_creations: Limiter<AccountId>,
    pub(crate) room_commits: Limiter<AccountId>,
    pub(crate) room_looks: Limiter<AccountId>,
    pub(crate) room_messages: Limiter<(AccountId, RoomId)>,
}

impl Gates {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            passwords_by_name: Limiter::new(limits.password_tries_per_name),
            passwords_by_address: Limiter::new(limits.password_tries_per_address),
            password_checks: Limiter::new(limits.password_tries_per_name),
            registrations: Limiter::new(limits.registrations_per_address),
            finds: Limiter::new(limits.finds),
            fetches: Limiter::new(limits.fetches),
            claims: Limiter::new(limits.claims),
            claims_by_target: Limiter::new(limits.claims_per_target),
            one_time: Limiter::new(limits.one_time_per_target),
            sends: Limiter::new(limits.sends),
            ephemerals: Limiter::new(limits.ephemerals),
            changes: Limiter::new(limits.changes),
            room_creations: Limiter::new(limits.room_creations),
            room_commits: Limiter::new(limits.room_commits),
            room_looks: Limiter::new(limits.room_looks),
            room_messages: Limiter::new(limits.room_messages),
        }
    }

    /// Takes other limits over; what was used up stays used up.
    pub(crate) fn reconfigure(&mut self, limits: &Limits) {
        self.passwords_by_name.set(limits.password_tries_per_name);
        self.passwords_by_address.set(limits.password_tries_per_address);
        self.password_checks.set(limits.password_tries_per_name);
        self.registrations.set(limits.registrations_per_address);
        self.finds.set(limits.finds);
        self.fetches.set(limits.fetches);
        self.claims.set(limits.claims);
        self.claims_by_target.set(limits.claims_per_target);
        self.one_time.set(limits.one_time_per_target);
        self.sends.set(limits.sends);
        self.ephemerals.set(limits.ephemerals);
        self.changes.set(limits.changes);
        self.room_creations.set(limits.room_creations);
        self.room_commits.set(limits.room_commits);
        self.room_looks.set(limits.room_looks);
        self.room_messages.set(limits.room_messages);
    }

    /// Forgets full buckets.
    pub(crate) fn prune(&mut self, uptime_ms: u64) {
        self.passwords_by_name.prune(uptime_ms);
        self.passwords_by_address.prune(uptime_ms);
        self.password_checks.prune(uptime_ms);
        self.registrations.prune(uptime_ms);
        self.finds.prune(uptime_ms);
        self.fetches.prune(uptime_ms);
        self.claims.prune(uptime_ms);
        self.claims_by_target.prune(uptime_ms);
        self.one_time.prune(uptime_ms);
        self.sends.prune(uptime_ms);
        self.ephemerals.prune(uptime_ms);
        self.changes.prune(uptime_ms);
        self.room_creations.prune(uptime_ms);
        self.room_commits.prune(uptime_ms);
        self.room_looks.prune(uptime_ms);
        self.room_messages.prune(uptime_ms);
    }

    /// One try of a password: counted by name and by address, whether or not the name exists.
    pub(crate) fn try_password(&mut self, name: &UserName, origin: Origin, now: Now) -> Result<(), Exhausted> {
        if let Origin::Address(address) = origin {
            self.passwords_by_address.take(address, now.uptime_ms)?;
        }
        self.passwords_by_name.take(name.clone(), now.uptime_ms)
    }

    /// The password was right: the try does not count.
    pub(crate) fn password_was_right(&mut self, name: &UserName, origin: Origin) {
        if let Origin::Address(address) = origin {
            self.passwords_by_address.give_back(&address);
        }
        self.passwords_by_name.give_back(name);
    }
}

impl<S: Storage> Core<S> {
    pub(crate) fn new(store: S, config: Config, secrets: Secrets) -> Self {
        let gates = Gates::new(&config.limits);
        let Secrets { identity, login, rng } = secrets;
        Self {
            store,
            config,
            secrets: Keys { identity: Arc::new(identity), login: Arc::new(login), rng },
            work: None,
            rosters: Rosters::default(),
            mailboxes: Mailboxes::default(),
            sends: Sends::default(),
            presence: Presence::default(),
            rooms: Rooms::default(),
            entrance: Entrance::default(),
            gates,
            logins: BTreeMap::new(),
            round: Round::default(),
        }
    }

    /// Leaves the costly part of a request to who has time for it; `then` goes on with what came of it.
    pub(crate) fn later<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn CryptoRng) -> T + Send + 'static,
        then: impl FnOnce(T, &mut Self, Here, &mut Connection) -> Result<Reply, Refuse> + Send + 'static,
    ) -> Result<Reply, Refuse> {
        self.work = Some(Box::new(move |rng| {
            let done = work(rng);
            Box::new(move |core, here, connection| then(done, core, here, connection))
        }));
        Ok(Reply::Later)
    }

    /// Applies one request's writes; they are durable after the round's sync.
    pub(crate) fn apply(&mut self, batch: &Batch) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        // Set first: a batch that failed half-way may have cost the storage its transaction.
        self.round.dirty = true;
        self.store.apply(batch)
    }

    /// Writes the sends that wait, so that reads see them.
    pub(crate) fn settle(&mut self) {
        self.write_sends(usize::MAX);
    }

    /// Writes the sends that the next group should hold.
    pub(crate) fn write_due(&mut self, now: Now) {
        let count = self.sends.due(now.uptime_ms);
        self.write_sends(count);
    }

    /// Whether something is to be committed now.
    pub(crate) fn has_due(&self, now: Now) -> bool {
        self.round.dirty || self.sends.due(now.uptime_ms) > 0
    }

    fn write_sends(&mut self, count: usize) {
        if count == 0 || !self.sends.has_waiting() {
            return;
        }
        self.round.dirty = true;
        let mut batch = Batch::new();
        for sent in self.sends.write(count) {
            batch.clear();
            sent.write(&mut batch);
            match self.store.apply(&batch) {
                // A key used a second time with another step: what was stored first is all there is.
                Ok(()) | Err(StorageError::Conflict) => {}
                Err(_) => {
                    sent.recipients().for_each(|to| self.mailboxes.forget(to));
                    self.round.refuse(sent.refuse().map(|r| (r.connection, r.request)));
                }
            }
        }
    }

    /// Tells senders that their sends are safe.
    pub(crate) fn accept(&mut self, receipts: Vec<Receipt>) {
        for Receipt { connection, request, accepted_ms, step } in receipts {
            let accepted = ServerMessage::Accepted { now_ms: accepted_ms, step };
            self.round.stage_now(Output::Send(connection, Frame::new(request, accepted)));
        }
    }

    /// Tells senders that their sends are lost, and lets them begin anew.
    pub(crate) fn lose(&mut self, receipts: Vec<Receipt>) {
        let askers = receipts.into_iter().map(|r| (r.connection, r.request));
        self.round.refuse(askers);
    }

    /// Writes what readers acknowledged, so that reads see it.
    pub(crate) fn settle_acknowledgements(&mut self) -> Result<(), StorageError> {
        let batch = self.mailboxes.take_acknowledged();
        self.apply(&batch)
    }

    /// Passes presence on.
    pub(crate) fn spread(&mut self, news: News) {
        for (connection, message) in news {
            self.round.push(Rests::OnMemory, connection, message);
        }
    }

    /// An account that exists and is not switched off.
    pub(crate) fn live_account(&mut self, account: &AccountId) -> Result<(), Refuse> {
        let roster = self.rosters.get(&mut self.store, account)?;
        match roster {
            Some(roster) if !roster.disabled => Ok(()),
            Some(_) => Err(RefusalKind::UnknownUser.into()),
            None => Err(self.absent(account)?.into()),
        }
    }

    /// What an account that is not there is called: deleted, or never heard of (SPEC 9.10.2).
    pub(crate) fn absent(&mut self, account: &AccountId) -> Result<RefusalKind, StorageError> {
        let deleted = self.store.deletion(account)?.is_some();
        Ok(if deleted { RefusalKind::AccountDeleted } else { RefusalKind::UnknownUser })
    }
}
