//! A relay in memory: accounts, lists, prekeys, mailboxes, presence. As honest as a test wants it to be.

mod account;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use chat_core::identity::{AccountKey, Vault, VaultScope};
use chat_wire::bundle::{LastResortKey, OneTimePair, PreKeyBundle, SignedPreKey};
use chat_wire::device_list::DeviceList;
use chat_wire::domain::{SIG_PROOF, SIG_READY, labelled};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::{ClientFrame, Frame, ServerFrame};
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, RelayId, RequestKey, RoomId, UserName};
use chat_wire::keys::{Signature, VerifyKey};
use chat_wire::message::{
    ChannelBinding, ClientMessage, FoundUser, ListState, LogoutReason, PacketHead, PresenceStatus, ServerMessage,
    Verdict, proof_bytes, ready_bytes,
};
use ed25519_dalek::{Signer, SigningKey};
use serde_bytes::ByteBuf;

use super::room_service::FakeRooms;

#[derive(Default)]
pub(crate) struct Device {
    pub(crate) boot: Option<BootId>,
    pub(crate) step: u64,
    signed: Option<SignedPreKey>,
    last_resort: Option<LastResortKey>,
    pub(crate) pairs: VecDeque<OneTimePair>,
    pub(crate) mailbox: BTreeMap<u64, (DeviceAddress, u64, Bytes)>,
    next_seq: u64,
}

struct Account {
    lists: Vec<Vec<u8>>,
    vault: Vec<u8>,
    allowed: BTreeSet<AccountId>,
    status: PresenceStatus,
    record: (u64, Bytes),
}

struct Connection {
    exporter: [u8; 32],
    /// Hidden until it says what it shows.
    shown: bool,
    device: Option<DeviceAddress>,
    /// The account whose password was proven here.
    proven: Option<AccountId>,
}

pub(crate) struct FakeRelay {
    key: SigningKey,
    pub(crate) now_ms: u64,
    accounts: BTreeMap<AccountId, Account>,
    pub(crate) names: BTreeMap<UserName, AccountId>,
    pub(crate) devices: HashMap<DeviceAddress, Device>,
    taken: HashSet<(DeviceAddress, RequestKey)>,
    connections: BTreeMap<u64, Connection>,
    /// Frames on their way to a connection.
    pub(crate) out: VecDeque<(u64, ServerFrame)>,
    pub(crate) closed: Vec<u64>,
    /// Every frame that came, by the words of its message.
    pub(crate) log: Vec<String>,
    /// Number of one-time pairs handed out.
    pub(crate) handed_out: usize,
    pub(crate) hostile: Hostile,
    pub(crate) rooms: FakeRooms,
    /// Devices that wait to be let in: whose, which, under which key, where, and what was decided.
    pub(crate) waiting: Vec<(AccountId, DeviceId, VerifyKey, u64, Verdict)>,
    /// Logs that were opened and not pushed yet.
    pub(crate) late: Vec<(u64, RoomId, u64)>,
}

/// What the relay does wrong.
#[derive(Default)]
pub(crate) struct Hostile {
    /// Changes bundles before they are handed out.
    pub(crate) bundle: Option<fn(&mut PreKeyBundle)>,
    /// Hands out this list for any account that is claimed.
    pub(crate) list: Option<Vec<u8>>,
    /// Refuses sends with this.
    pub(crate) send: Option<Refusal>,
    /// Says that sends were made for other lists than this one.
    pub(crate) stale: Option<Vec<u8>>,
    /// Delivers everything twice.
    pub(crate) twice: bool,
    /// Says of every packet that this device sent it.
    pub(crate) from: Option<DeviceAddress>,
    /// Shows this account record.
    pub(crate) record: Option<(u64, Bytes)>,
    /// Hands the same one-time pair out to everybody.
    pub(crate) same_pair: bool,
    /// Answers nothing any more.
    pub(crate) mute: bool,
}

impl FakeRelay {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32]),
            now_ms: 0,
            accounts: BTreeMap::new(),
            names: BTreeMap::new(),
            devices: HashMap::new(),
            taken: HashSet::new(),
            connections: BTreeMap::new(),
            out: VecDeque::new(),
            closed: Vec::new(),
            log: Vec::new(),
            handed_out: 0,
            hostile: Hostile::default(),
            rooms: FakeRooms::default(),
            waiting: Vec::new(),
            late: Vec::new(),
        }
    }

    pub(crate) fn change_key(&mut self) {
        self.key = SigningKey::from_bytes(&[99; 32]);
    }

    fn public(&self) -> VerifyKey {
        VerifyKey(self.key.verifying_key().to_bytes())
    }

    pub(crate) fn id(&self) -> RelayId {
        RelayId(chat_wire::domain::labelled_hash(chat_wire::domain::RELAY_ID, &[&self.public().0]))
    }

    pub(crate) fn connect(&mut self, connection: u64, exporter: [u8; 32]) {
        self.connections.insert(connection, Connection { exporter, shown: false, device: None, proven: None });
    }

    pub(crate) fn device_at(&self, connection: u64) -> Option<DeviceAddress> {
        self.connections.get(&connection).and_then(|connection| connection.device)
    }

    pub(crate) fn list_of_account(&self, account: AccountId) -> Option<Vec<u8>> {
        self.accounts.get(&account).and_then(|account| account.lists.last().cloned())
    }

    pub(crate) fn lists_after(&self, account: AccountId, seq: u64) -> Vec<Vec<u8>> {
        let lists = self.accounts.get(&account).map(|account| account.lists.as_slice()).unwrap_or_default();
        lists.iter().skip(seq as usize).cloned().collect()
    }

    pub(crate) fn disconnect(&mut self, connection: u64) {
        self.rooms.close(connection);
        self.out.retain(|(to, _)| *to != connection);
        if let Some(Connection { device: Some(device), .. }) = self.connections.remove(&connection) {
            self.tell_presence(device.account);
        }
    }

    pub(crate) fn list_of(&self, name: &str) -> Vec<u8> {
        let account = self.names[&UserName::parse(name).unwrap()];
        self.accounts[&account].lists.last().unwrap().clone()
    }

    pub(crate) fn device_of(&self, name: &str) -> DeviceAddress {
        let account = self.names[&UserName::parse(name).unwrap()];
        let list = DeviceList::decode(&self.list_of(name)).unwrap();
        DeviceAddress { account, device: list.body().devices[0].id }
    }

    /// The account key: whoever has the password gets it out of the vault.
    pub(crate) fn account_key(&self, name: &str) -> AccountKey {
        let name = UserName::parse(name).unwrap();
        let account = self.names[&name];
        let scope = VaultScope { relay: self.id(), account, name: &name, generation: 1, kp: 1 };
        let vault = Vault::decode(&self.accounts[&account].vault).unwrap();
        vault.open_with_password(&scope, &[7; 64]).unwrap().account_key
    }

    pub(crate) fn publish(&mut self, device: DeviceAddress, signed: SignedPreKey, pairs: Vec<OneTimePair>) {
        let device = self.devices.get_mut(&device).unwrap();
        device.signed = Some(signed);
        device.pairs.extend(pairs);
    }

    fn push(&mut self, connection: u64, message: ServerMessage, body: Bytes) {
        self.out.push_back((connection, Frame::with_body(0, message, body)));
    }

    pub(crate) fn receive(&mut self, connection: u64, frame: ClientFrame) {
        if self.hostile.mute || !self.connections.contains_key(&connection) {
            return;
        }
        self.log.push(format!("{:?}", frame.message).split([' ', '{']).next().unwrap().to_owned());
        let request = frame.request;
        if let (ClientMessage::Room(ask), Some(me)) = (&frame.message, self.device_at(connection)) {
            if let Some((answer, body)) = self.serve_room(connection, me, ask.clone(), frame.body.clone()) {
                self.out.push_back((connection, Frame::with_body(request, answer, body)));
            }
            self.push_opened();
            return;
        }
        if let Some((answer, body)) = self.account_message(connection, &frame.message, &frame.body) {
            self.out.push_back((connection, Frame::with_body(request, answer, body)));
            if let Some(device) = self.connections.get(&connection).and_then(|c| c.device) {
                self.dismiss(device.account);
            }
            self.after(connection, request);
            return;
        }
        if let Some(answer) = self.answer(connection, frame)
            && request != 0
        {
            self.out.push_back((connection, Frame::new(request, answer)));
        }
        self.after(connection, request);
    }

    /// What follows the answer on the same connection.
    fn after(&mut self, connection: u64, _request: u32) {
        let Some(device) = self.connections[&connection].device else { return };
        match self.log.last().unwrap().as_str() {
            "Proof" | "Register2" | "Account(Enroll" | "Account(NewPassword2" => {
                let waiting: Vec<_> =
                    self.devices[&device].mailbox.iter().map(|(seq, entry)| (*seq, entry.clone())).collect();
                for (seq, (from, sent_ms, packet)) in waiting {
                    self.deliver(connection, seq, (from, sent_ms, packet));
                }
                self.push(connection, ServerMessage::Drained {}, Bytes::new());
                self.show_waiting(connection, device.account);
            }
            "SetContacts" | "SetPresence" => {
                self.tell_presence(device.account);
                self.show_presence(connection, device.account);
            }
            "Logout" => {
                self.disconnect(connection);
                self.closed.push(connection);
            }
            _ => {}
        }
    }

    fn deliver(&mut self, connection: u64, seq: u64, (from, sent_ms, packet): (DeviceAddress, u64, Bytes)) {
        let from = Some(self.hostile.from.unwrap_or(from));
        for _ in 0..if self.hostile.twice { 2 } else { 1 } {
            self.push(connection, ServerMessage::Deliver { seq, from, sent_ms }, packet.clone());
        }
    }

    fn answer(&mut self, connection: u64, frame: ClientFrame) -> Option<ServerMessage> {
        let refuse = |kind| Some(ServerMessage::Refused(Refusal::of(kind)));
        let device = self.connections[&connection].device;
        match frame.message {
            ClientMessage::Hello { .. } => Some(self.ready(connection)),
            ClientMessage::Register2 { name, list, vault, boot, .. } => {
                if self.names.contains_key(&name) {
                    return refuse(RefusalKind::NameTaken);
                }
                let read = DeviceList::decode(&list).unwrap();
                let address = DeviceAddress { account: read.body().account_id, device: read.body().devices[0].id };
                self.names.insert(name, address.account);
                let lists = vec![list.into_vec()];
                let status = PresenceStatus::Online;
                let (vault, allowed) = (vault.into_vec(), BTreeSet::new());
                self.accounts
                    .insert(address.account, Account { lists, vault, allowed, status, record: (0, Bytes::new()) });
                self.devices.insert(address, Device { boot: Some(boot), next_seq: 1, ..Device::default() });
                self.let_in(connection, address)
            }
            ClientMessage::Proof { device, incarnation, signature } => {
                let listed = self.accounts.get(&device.account).and_then(|account| {
                    let list = DeviceList::decode(account.lists.last()?).ok()?;
                    list.body().device(device.device).map(|listed| listed.sig_key)
                });
                let binding = ChannelBinding { challenge: [connection as u8; 32], exporter: self.exporter(connection) };
                let signed = proof_bytes(&self.id(), &binding, &device, incarnation);
                match listed {
                    Some(key) if key.verifies(SIG_PROOF, &[&signed], &signature) => self.let_in(connection, device),
                    _ => refuse(RefusalKind::NotEnrolled),
                }
            }
            message => match device {
                Some(device) => {
                    if let ClientMessage::SetPresence { .. } = &message {
                        self.connections.get_mut(&connection).unwrap().shown = true;
                    }
                    self.serve(device, message, frame.body)
                }
                None => refuse(RefusalKind::OutOfPlace),
            },
        }
    }

    fn exporter(&self, connection: u64) -> [u8; 32] {
        self.connections[&connection].exporter
    }

    fn ready(&self, connection: u64) -> ServerMessage {
        let challenge = [connection as u8; 32];
        let binding = ChannelBinding { challenge, exporter: self.exporter(connection) };
        let signature = self.key.sign(&labelled(SIG_READY, &[&ready_bytes(&binding, 1)]));
        ServerMessage::Ready {
            version: 1,
            features: Vec::new(),
            relay_key: self.public(),
            challenge,
            signature: Signature(signature.to_bytes()),
            now_ms: self.now_ms,
        }
    }

    fn let_in(&mut self, connection: u64, address: DeviceAddress) -> Option<ServerMessage> {
        self.connections.get_mut(&connection).unwrap().device = Some(address);
        let device = &self.devices[&address];
        let list = DeviceList::decode(self.accounts[&address.account].lists.last().unwrap()).unwrap();
        Some(ServerMessage::LoggedIn {
            device: address,
            boot: device.boot,
            step: device.step,
            pairs_left: device.pairs.len() as u32,
            list_seq: list.body().seq,
            now_ms: self.now_ms,
        })
    }

    fn serve(&mut self, me: DeviceAddress, message: ClientMessage, body: Bytes) -> Option<ServerMessage> {
        let refuse = |kind| Some(ServerMessage::Refused(Refusal::of(kind)));
        let done = Some(ServerMessage::Done {});
        match message {
            ClientMessage::PutBoot { expected, new } => {
                let device = self.devices.get_mut(&me).unwrap();
                if device.boot != expected {
                    return refuse(RefusalKind::Conflict);
                }
                device.boot = Some(new);
                done
            }
            ClientMessage::PutDeviceList { list, .. } => {
                let answer = self.put_list(me.account, list.into_vec());
                self.dismiss(me.account);
                answer
            }
            ClientMessage::FetchLists { account, after_seq } => {
                let Some(account) = self.accounts.get(&account) else { return refuse(RefusalKind::UnknownUser) };
                let newer = account.lists.iter().skip(after_seq as usize);
                Some(ServerMessage::Lists { lists: newer.map(|list| ByteBuf::from(list.clone())).collect() })
            }
            ClientMessage::PutPreKeys { signed, last_resort, pairs } => {
                let device = self.devices.get_mut(&me).unwrap();
                device.signed = signed.or(device.signed.take());
                device.last_resort = last_resort.map(|key| *key).or(device.last_resort.take());
                device.pairs.extend(pairs);
                Some(ServerMessage::PreKeysStored { pairs_left: device.pairs.len() as u32 })
            }
            ClientMessage::Claim { account, name, devices } => {
                let account = account.or_else(|| name.and_then(|name| self.names.get(&name).copied()));
                match account.filter(|account| self.accounts.contains_key(account)) {
                    Some(account) => Some(self.claim(me, account, &devices)),
                    None => refuse(RefusalKind::UnknownUser),
                }
            }
            ClientMessage::Send { key, step, lists, packets } => self.send(me, (key, step), &lists, (&packets, body)),
            ClientMessage::Ephemeral { packets } => {
                for (to, packet) in cut(&packets, body) {
                    for connection in self.connections_of(to) {
                        let from = Some(me);
                        self.push(connection, ServerMessage::DeliverEphemeral { from }, packet.clone());
                    }
                }
                None
            }
            ClientMessage::Ack { seq } => {
                self.devices.get_mut(&me).unwrap().mailbox.retain(|at, _| *at > seq);
                None
            }
            ClientMessage::Heartbeat {} => Some(ServerMessage::Heartbeat {}),
            message => self.serve_people(me, message),
        }
    }

    fn serve_people(&mut self, me: DeviceAddress, message: ClientMessage) -> Option<ServerMessage> {
        let done = Some(ServerMessage::Done {});
        match message {
            ClientMessage::SetPresence { status } => {
                self.accounts.get_mut(&me.account).unwrap().status = status;
                done
            }
            ClientMessage::SetContacts { accounts } => {
                let now: BTreeSet<AccountId> = accounts.into_iter().collect();
                let before = std::mem::replace(&mut self.accounts.get_mut(&me.account).unwrap().allowed, now);
                let dropped: Vec<AccountId> = before.difference(&self.accounts[&me.account].allowed).copied().collect();
                for account in dropped {
                    for connection in self.connections_of_account(account) {
                        self.say_presence(connection, me.account, account);
                    }
                }
                done
            }
            ClientMessage::Find { query, limit } => {
                let found = self.names.iter().filter(|(name, _)| name.as_str().starts_with(&query));
                let users = found
                    .take(limit.into())
                    .map(|(name, account)| FoundUser {
                        name: name.clone(),
                        account: *account,
                        online: self.is_shown(*account, me.account),
                    })
                    .collect();
                Some(ServerMessage::Found { users })
            }
            ClientMessage::Logout {} => done,
            _ => Some(ServerMessage::Refused(Refusal::of(RefusalKind::Unsupported))),
        }
    }

    pub(crate) fn put_list(&mut self, account: AccountId, list: Vec<u8>) -> Option<ServerMessage> {
        let lists = &mut self.accounts.get_mut(&account).unwrap().lists;
        let (before, after) = (DeviceList::decode(lists.last().unwrap()), DeviceList::decode(&list));
        match (before, after) {
            (Ok(before), Ok(after)) if after.follows(&before) => {
                lists.push(list);
                for device in &after.body().devices {
                    let address = DeviceAddress { account, device: device.id };
                    let same = before.body().device(device.id).is_none_or(|was| was.incarnation == device.incarnation);
                    let stored =
                        self.devices.entry(address).or_insert_with(|| Device { next_seq: 1, ..Device::default() });
                    if !same {
                        (stored.signed, stored.last_resort) = (None, None);
                        stored.pairs.clear();
                    }
                }
                Some(ServerMessage::Done {})
            }
            _ => Some(ServerMessage::Refused(Refusal::of(RefusalKind::BadList))),
        }
    }

    fn claim(&mut self, me: DeviceAddress, account: AccountId, devices: &[DeviceId]) -> ServerMessage {
        let list = self.accounts[&account].lists.last().unwrap().clone();
        let body = DeviceList::decode(&list).unwrap();
        let mut bundles = Vec::new();
        for listed in body.body().live_devices() {
            let owner = DeviceAddress { account, device: listed.id };
            if owner == me || !(devices.is_empty() || devices.contains(&listed.id)) {
                continue;
            }
            let device = self.devices.get_mut(&owner).unwrap();
            let Some(signed) = device.signed.clone() else { continue };
            let one_time =
                if self.hostile.same_pair { device.pairs.front().cloned() } else { device.pairs.pop_front() };
            self.handed_out += usize::from(one_time.is_some());
            let last_resort = if one_time.is_some() { None } else { device.last_resort.clone() };
            let mut bundle = PreKeyBundle { owner, signed, one_time, last_resort };
            if let Some(change) = self.hostile.bundle {
                change(&mut bundle);
            }
            bundles.push(bundle);
        }
        let list = self.hostile.list.clone().unwrap_or(list);
        ServerMessage::Claimed { list: ByteBuf::from(list), bundles }
    }

    fn send(
        &mut self,
        me: DeviceAddress,
        (key, step): (RequestKey, u64),
        lists: &[ListState],
        (packets, body): (&[PacketHead], Bytes),
    ) -> Option<ServerMessage> {
        if let Some(refusal) = &self.hostile.send {
            return Some(ServerMessage::Refused(refusal.clone()));
        }
        if let Some(list) = &self.hostile.stale {
            return Some(ServerMessage::StaleDevices { lists: vec![ByteBuf::from(list.clone())] });
        }
        let accepted = |relay: &mut Self| {
            let device = relay.devices.get_mut(&me).unwrap();
            device.step = device.step.max(step);
            Some(ServerMessage::Accepted { now_ms: relay.now_ms, step: device.step })
        };
        if self.taken.contains(&(me, key)) {
            return accepted(self);
        }
        if step <= self.devices[&me].step {
            return Some(ServerMessage::Refused(Refusal::of(RefusalKind::Conflict)));
        }
        let mut newer = Vec::new();
        for used in lists {
            let bytes = self.accounts[&used.account].lists.last().unwrap();
            let list = DeviceList::decode(bytes).unwrap();
            let missing = list.body().live_devices().any(|listed| {
                let address = DeviceAddress { account: used.account, device: listed.id };
                let published = self.devices[&address].signed.is_some();
                address != me && published && !packets.iter().any(|packet| packet.to == address)
            });
            if list.body().seq != used.seq || missing {
                newer.push(ByteBuf::from(bytes.clone()));
            }
        }
        if !newer.is_empty() {
            return Some(ServerMessage::StaleDevices { lists: newer });
        }
        self.taken.insert((me, key));
        for (to, packet) in cut(packets, body) {
            let now_ms = self.now_ms;
            let device = self.devices.get_mut(&to).unwrap();
            let seq = device.next_seq;
            device.next_seq += 1;
            device.mailbox.insert(seq, (me, now_ms, packet.clone()));
            for connection in self.connections_of(to) {
                self.deliver(connection, seq, (me, now_ms, packet.clone()));
            }
        }
        accepted(self)
    }

    /// Puts a packet into a mailbox that nobody sent.
    pub(crate) fn put(&mut self, to: DeviceAddress, from: DeviceAddress, packet: &[u8]) {
        let sent_ms = self.now_ms;
        let stored = self.devices.get_mut(&to).unwrap();
        let seq = stored.next_seq;
        stored.next_seq += 1;
        let packet = Bytes::from(packet.to_vec());
        stored.mailbox.insert(seq, (from, sent_ms, packet.clone()));
        for connection in self.connections_of(to) {
            self.deliver(connection, seq, (from, sent_ms, packet.clone()));
        }
    }

    fn connections_of(&self, device: DeviceAddress) -> Vec<u64> {
        self.connections.iter().filter(|(_, c)| c.device == Some(device)).map(|(n, _)| *n).collect()
    }

    fn connections_of_account(&self, account: AccountId) -> Vec<u64> {
        let of = |connection: &Connection| connection.device.is_some_and(|device| device.account == account);
        self.connections.iter().filter(|(_, c)| of(c)).map(|(n, _)| *n).collect()
    }

    fn is_here(&self, account: AccountId) -> bool {
        self.connections.values().any(|c| c.shown && c.device.is_some_and(|device| device.account == account))
    }

    fn is_shown(&self, account: AccountId, to: AccountId) -> bool {
        let (Some(shown), Some(asking)) = (self.accounts.get(&account), self.accounts.get(&to)) else { return false };
        self.is_here(account)
            && shown.status != PresenceStatus::Invisible
            && shown.allowed.contains(&to)
            && asking.allowed.contains(&account)
    }

    fn tell_presence(&mut self, account: AccountId) {
        let watching: Vec<(u64, AccountId)> = self
            .connections
            .iter()
            .filter_map(|(n, c)| c.device.map(|device| (*n, device.account)))
            .filter(|(_, watcher)| *watcher != account)
            .collect();
        for (connection, watcher) in watching {
            if self.accounts[&account].allowed.contains(&watcher) {
                self.say_presence(connection, account, watcher);
            }
        }
    }

    fn show_presence(&mut self, connection: u64, me: AccountId) {
        let others: Vec<AccountId> = self.accounts[&me].allowed.iter().copied().collect();
        for other in others {
            if self.is_shown(other, me) {
                self.say_presence(connection, other, me);
            }
        }
    }

    fn say_presence(&mut self, connection: u64, account: AccountId, to: AccountId) {
        let (online, status) = (self.is_shown(account, to), self.accounts[&account].status);
        let at_ms = self.now_ms;
        self.push(connection, ServerMessage::Presence { account, online, status, at_ms }, Bytes::new());
    }

    pub(crate) fn log_out(&mut self, name: &str, reason: LogoutReason) {
        let device = self.device_of(name);
        for connection in self.connections_of(device) {
            self.push(connection, ServerMessage::LoggedOut { reason, list: None }, Bytes::new());
        }
    }
}

fn cut(packets: &[PacketHead], mut body: Bytes) -> Vec<(DeviceAddress, Bytes)> {
    packets.iter().map(|head| (head.to, body.split_to(head.len as usize))).collect()
}
