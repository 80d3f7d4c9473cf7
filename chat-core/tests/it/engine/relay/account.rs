//! The relay's half of accounts: new devices, new passwords, records, the end.

use bytes::Bytes;
use chat_wire::device_list::{DeviceList, FLAG_APPROVAL};
use chat_wire::domain::SIG_DELETION;
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId};
use chat_wire::keys::VerifyKey;
use chat_wire::message::{
    AccountAnswer, AccountAsk, ClientMessage, Departure, LogoutReason, NewDevice, ServerMessage, Verdict,
    deletion_bytes,
};
use serde_bytes::ByteBuf;

use super::{Device, FakeRelay};

impl FakeRelay {
    /// The password, or the recovery code, was right on this connection.
    pub(crate) fn prove(&mut self, connection: u64, account: AccountId) {
        self.connections.get_mut(&connection).unwrap().proven = Some(account);
    }

    pub(crate) fn vault_of(&self, account: &AccountId) -> Vec<u8> {
        self.accounts[account].vault.clone()
    }

    pub(crate) fn record_of(&self, account: &AccountId) -> (u64, Bytes) {
        self.accounts[account].record.clone()
    }

    pub(crate) fn set_record(&mut self, account: &AccountId, record: (u64, Bytes)) {
        self.accounts.get_mut(account).unwrap().record = record;
    }

    /// Forgets the newest lists of an account, as a relay that was set back does.
    pub(crate) fn roll_lists_back(&mut self, account: &AccountId, keep: usize) {
        self.accounts.get_mut(account).unwrap().lists.truncate(keep);
    }

    /// What a connection that proved an account, or is a device of it, may ask. None for everything else.
    pub(super) fn account_message(
        &mut self,
        connection: u64,
        message: &ClientMessage,
        body: &Bytes,
    ) -> Option<(ServerMessage, Bytes)> {
        let logged_in = self.connections[&connection].device;
        let account = logged_in.map(|device| device.account).or(self.connections[&connection].proven)?;
        let bare = |message| Some((message, Bytes::new()));
        match message {
            ClientMessage::FetchLists { account: of, after_seq } if logged_in.is_none() && *of == account => {
                let newer = self.accounts[of].lists.iter().skip(*after_seq as usize);
                bare(ServerMessage::Lists { lists: newer.map(|list| ByteBuf::from(list.clone())).collect() })
            }
            ClientMessage::GetRecord {} => {
                let (version, body) = self.hostile.record.clone().unwrap_or_else(|| self.record_of(&account));
                Some((ServerMessage::Record { version }, body))
            }
            ClientMessage::GetVault {} => bare(ServerMessage::Vault { vault: ByteBuf::from(self.vault_of(&account)) }),
            ClientMessage::PutRecord { expected, version } => {
                bare(self.put_record(account, (*expected, *version), body))
            }
            ClientMessage::Account(ask) => bare(self.account_ask(connection, account, (ask, body))),
            _ => None,
        }
    }

    fn put_record(&mut self, account: AccountId, (expected, version): (u64, u64), body: &Bytes) -> ServerMessage {
        let stored = &mut self.accounts.get_mut(&account).unwrap().record;
        if stored.0 != expected || version <= stored.0 {
            return ServerMessage::Refused(Refusal::of(RefusalKind::Conflict));
        }
        *stored = (version, body.clone());
        ServerMessage::Done {}
    }

    fn account_ask(
        &mut self,
        connection: u64,
        account: AccountId,
        (ask, body): (&AccountAsk, &Bytes),
    ) -> ServerMessage {
        let refuse = |kind| ServerMessage::Refused(Refusal::of(kind));
        match ask {
            AccountAsk::Enroll { device, .. } if !self.may_enter(account, *device) => refuse(RefusalKind::Forbidden),
            AccountAsk::Enroll { list, device, boot } => {
                let added = NewDevice { device: *device, boot: *boot };
                self.next_list(connection, (account, list), Some(added))
            }
            AccountAsk::NewPassword2 { list, vault, expected, version, device, .. } => {
                if let refused @ ServerMessage::Refused(_) = self.put_record(account, (*expected, *version), body) {
                    return refused;
                }
                let answer = self.next_list(connection, (account, list), *device);
                self.accounts.get_mut(&account).unwrap().vault = vault.to_vec();
                answer
            }
            AccountAsk::AskIn { device, key } => self.ask_in(connection, account, (*device, *key)),
            AccountAsk::AnswerIn { device, key, allow } => self.answer_in(account, (*device, *key), *allow),
            AccountAsk::Delete { signature } => {
                let list = DeviceList::decode(self.accounts[&account].lists.last().unwrap()).unwrap();
                let signed = deletion_bytes(&self.id(), &account, &list.hash());
                if !list.body().account_key.verifies(SIG_DELETION, &[&signed], signature) {
                    return refuse(RefusalKind::Forbidden);
                }
                let lists = self.accounts[&account].lists.iter().cloned().map(Bytes::from).collect();
                let why = Departure { lists, deletion: Some(*signature) };
                self.depart(|device| device.account == account, &why);
                for other in self.connections_of_account(account).into_iter().filter(|c| *c != connection) {
                    let reason = LogoutReason::Deleted;
                    self.push(other, ServerMessage::LoggedOut { reason, list: None }, Bytes::new());
                }
                ServerMessage::Done {}
            }
            _ => refuse(RefusalKind::Unsupported),
        }
    }

    fn may_enter(&self, account: AccountId, device: DeviceId) -> bool {
        let list = DeviceList::decode(self.accounts[&account].lists.last().unwrap()).unwrap();
        let let_in = |(of, id, _, _, verdict): &(AccountId, DeviceId, VerifyKey, u64, Verdict)| {
            (*of, *id, *verdict) == (account, device, Verdict::Allowed)
        };
        list.body().flags & FLAG_APPROVAL == 0 || self.waiting.iter().any(let_in)
    }

    fn ask_in(&mut self, connection: u64, account: AccountId, (device, key): (DeviceId, VerifyKey)) -> ServerMessage {
        let known = self.waiting.iter_mut().find(|w| (w.0, w.1, w.2) == (account, device, key));
        let verdict = match known {
            Some(waiting) => {
                waiting.3 = connection;
                waiting.4
            }
            None => {
                self.waiting.push((account, device, key, connection, Verdict::Open));
                for other in self.connections_of_account(account) {
                    self.show_waiting(other, account);
                }
                Verdict::Open
            }
        };
        ServerMessage::Account(AccountAnswer::Waits { verdict })
    }

    pub(super) fn show_waiting(&mut self, connection: u64, account: AccountId) {
        let at_ms = self.now_ms;
        let open: Vec<_> = self.waiting.iter().filter(|w| w.0 == account && w.4 == Verdict::Open).cloned().collect();
        for (_, device, key, ..) in open {
            let wants = AccountAnswer::Wants { device, key, at_ms };
            self.push(connection, ServerMessage::Account(wants), Bytes::new());
        }
    }

    fn answer_in(&mut self, account: AccountId, which: (DeviceId, VerifyKey), allow: bool) -> ServerMessage {
        let verdict = if allow { Verdict::Allowed } else { Verdict::Denied };
        let Some(waiting) = self.waiting.iter_mut().find(|w| w.0 == account && (w.1, w.2) == which) else {
            return ServerMessage::Refused(Refusal::of(RefusalKind::Conflict));
        };
        waiting.4 = verdict;
        let connection = waiting.3;
        self.push(connection, ServerMessage::Account(AccountAnswer::Waits { verdict }), Bytes::new());
        for other in self.connections_of_account(account) {
            let settled = AccountAnswer::Settled { device: which.0 };
            self.push(other, ServerMessage::Account(settled), Bytes::new());
        }
        ServerMessage::Done {}
    }

    fn next_list(
        &mut self,
        connection: u64,
        (account, list): (AccountId, &ByteBuf),
        added: Option<NewDevice>,
    ) -> ServerMessage {
        match (self.put_list(account, list.to_vec()), added) {
            (Some(ServerMessage::Done {}), Some(NewDevice { device, boot })) => {
                let address = DeviceAddress { account, device };
                let entry = self.devices.entry(address).or_insert_with(|| Device { next_seq: 1, ..Device::default() });
                entry.boot = Some(boot);
                self.let_in(connection, address).unwrap()
            }
            (answer, _) => answer.unwrap(),
        }
    }

    /// Ends the connections of devices that the current list does not have.
    pub(super) fn dismiss(&mut self, account: AccountId) {
        let bytes = self.accounts[&account].lists.last().unwrap().clone();
        let list = DeviceList::decode(&bytes).unwrap();
        let listed = |device: DeviceId| list.body().device(device).is_some();
        let gone: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, c)| c.device.is_some_and(|device| device.account == account && !listed(device.device)))
            .map(|(number, _)| *number)
            .collect();
        let lists = self.accounts[&account].lists.iter().cloned().map(Bytes::from).collect();
        let why = Departure { lists, deletion: None };
        self.depart(|device| device.account == account && !listed(device.device), &why);
        for connection in gone {
            let list = Some(ByteBuf::from(bytes.clone()));
            let message = ServerMessage::LoggedOut { reason: LogoutReason::Removed, list };
            self.push(connection, message, Bytes::new());
            self.connections.get_mut(&connection).unwrap().device = None;
        }
    }
}

impl FakeRelay {
    /// Serves a list that no honest relay would have taken.
    pub(crate) fn force_list(&mut self, account: &AccountId, list: Vec<u8>) {
        self.accounts.get_mut(account).unwrap().lists.push(list);
    }

    /// Says that the device on a connection was removed, which it was not.
    pub(crate) fn lie_about_removal(&mut self, connection: u64) {
        let message = ServerMessage::LoggedOut { reason: LogoutReason::Removed, list: None };
        self.push(connection, message, Bytes::new());
    }

    pub(crate) fn add_mailbox(&mut self, device: DeviceAddress) {
        self.devices.insert(device, Device { next_seq: 1, ..Device::default() });
    }
}
