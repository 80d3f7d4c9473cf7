//! Takes lists that the relay hands out, and says what they change for the person.

use chat_wire::device_list::DeviceList;
use chat_wire::ids::{AccountId, DeviceAddress, UserName};
use chat_wire::message::ClientMessage;
use serde_bytes::ByteBuf;

use super::State;
use super::asks::{Ask, ListsAfter};
use super::lists::{self, Change, Known, Offer};
use super::streams::PeerStream;
use crate::engine::content::Content;
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{AlarmKind, IdentityChange, NoticeKind, Trouble};
use crate::identity::Party;

impl State {
    /// Takes one list of an account. A refused one is told as trouble and changes nothing.
    pub(in crate::engine) fn take_list(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
        bytes: &[u8],
    ) -> Result<Offer, EngineError> {
        let relay = self.me.as_ref().map(|me| me.relay).ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let before = self.list_of(work, account)?.map(|known| known.list);
        let offer = match DeviceList::decode(bytes) {
            Ok(list) if list.body().account_id == *account => self.lists.offer(work, &relay, list)?,
            _ => Offer::Refused,
        };
        match offer {
            Offer::Refused => work.trouble(Trouble::ListRefused(*account)),
            Offer::Forked => {
                work.trouble(Trouble::ListRefused(*account));
                lists::keep_fork(work, account, bytes);
                self.alarm_list(work, account, (AlarmKind::ListForked, bytes))?;
            }
            Offer::Newer(change) => {
                self.announce_change(work, account, change)?;
                if let Some(before) = before.filter(|_| change.device_added) {
                    self.ask_newcomers(work, account, &before)?;
                }
            }
            Offer::Same => self.lists.confirm(work, account),
            Offer::First | Offer::Older | Offer::Gap { .. } => {}
        }
        Ok(offer)
    }

    /// A device that was renewed may have known devices of a contact that its old copy did not: what they sent is
    /// asked for when they turn up (SPEC 8.7.4).
    fn ask_newcomers(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
        before: &DeviceList,
    ) -> Result<(), EngineError> {
        let mutual = self.people.get(account).is_some_and(|person| person.is_mutual());
        if !mutual || self.first_place()? == 0 {
            return Ok(());
        }
        let Some(known) = self.list_of(work, account)? else { return Ok(()) };
        for device in known.list.body().live_devices().filter(|device| before.body().device(device.id).is_none()) {
            let newcomer = DeviceAddress { account: *account, device: device.id };
            let stream = PeerStream::load(work, account, &newcomer)?;
            self.errand(work, newcomer, &Content::Resend(stream.lacking()))?;
        }
        Ok(())
    }

    /// Takes a list that the relay calls the current one: an older one than it showed before is a lie, for
    /// what is on a connection keeps its order.
    pub(in crate::engine) fn take_current_list(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
        bytes: &[u8],
    ) -> Result<Offer, EngineError> {
        let offer = self.take_list(work, account, bytes)?;
        if offer == Offer::Older {
            self.alarm_list(work, account, (AlarmKind::ListRolledBack, bytes))?;
        }
        Ok(offer)
    }

    /// Takes consecutive lists, the answer to `FetchLists`. `true` when nothing was refused.
    pub(in crate::engine) fn take_lists(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
        lists: &[ByteBuf],
    ) -> Result<bool, EngineError> {
        if lists.is_empty() {
            self.lists.confirm(work, account);
            return Ok(true);
        }
        self.lists.offer_history(work, account, lists)?;
        for bytes in lists {
            if matches!(self.take_list(work, account, bytes)?, Offer::Refused | Offer::Forked | Offer::Gap { .. }) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks for the lists of an account after a sequence number, unless that is under way.
    pub(in crate::engine) fn fetch_lists(&mut self, work: &mut Work<'_>, account: AccountId, after_seq: u64) {
        let after_seq = self.lists.ask_after(work, &account, after_seq);
        let wanted = ListsAfter { account, seq: after_seq };
        if !self.asks.any(|ask| matches!(ask, Ask::Lists(asked) if asked.covers(&wanted))) {
            self.ask(work, Ask::Lists(wanted), ClientMessage::FetchLists { account, after_seq });
        }
    }

    /// Asks whom a name leads to.
    pub(in crate::engine) fn find_name(&mut self, work: &mut Work<'_>, name: UserName) {
        let find = ClientMessage::Find { query: name.to_string(), limit: 1 };
        self.ask(work, Ask::FindName(name), find);
    }

    /// The newest verified list of an account.
    pub(in crate::engine) fn list_of(
        &mut self,
        work: &Work<'_>,
        account: &AccountId,
    ) -> Result<Option<Known>, EngineError> {
        self.lists.newest(work, account)
    }

    /// Whether this device is still of the account, as far as its newest list says.
    pub(in crate::engine) fn is_listed(&mut self, work: &Work<'_>) -> Result<bool, EngineError> {
        let address = self.own_address()?;
        let known = self.lists.newest(work, &address.account)?;
        Ok(known.is_some_and(|known| known.list.body().device(address.device).is_some()))
    }

    /// Whether the account has no device but this one.
    pub(in crate::engine) fn is_only_device(&mut self, work: &Work<'_>) -> Result<bool, EngineError> {
        let own = self.own_address()?.account;
        let known = self.list_of(work, &own)?;
        Ok(known.is_none_or(|known| known.list.body().live_devices().count() <= 1))
    }

    /// This device as its newest own list names it.
    pub(in crate::engine) fn own_party(&mut self, work: &Work<'_>) -> Result<Party, EngineError> {
        let address = self.own_address()?;
        let known = self.lists.newest(work, &address.account)?;
        let party = known.and_then(|known| Party::of(&known.list, address.device));
        party.ok_or(EngineError::Broken(Bug::OwnKeys))
    }

    /// The set of accounts that may see this one, whenever it changes.
    pub(in crate::engine) fn contacts_changed(&mut self, work: &mut Work<'_>) {
        if !self.is_online() {
            return;
        }
        let allowed = self.people.iter().filter(|(_, person)| person.is_contact()).map(|(account, _)| *account);
        let accounts = allowed.take(chat_wire::limits::CONTACTS_MAX).collect();
        self.ask(work, Ask::Contacts, ClientMessage::SetContacts { accounts });
    }

    /// Tells the relay who may see this device, and what: it is hidden until it says so itself.
    pub(in crate::engine) fn appear(&mut self, work: &mut Work<'_>) {
        self.contacts_changed(work);
        let status = self.profile.status;
        self.ask(work, Ask::Presence(None), ClientMessage::SetPresence { status });
    }

    fn announce_change(&mut self, work: &mut Work<'_>, account: &AccountId, change: Change) -> Result<(), EngineError> {
        // A device that somebody added to the own account is the person's business first of all.
        let own = self.me.as_ref().filter(|me| me.account() == *account).map(|me| me.name.clone());
        let contact = self.people.get(account).filter(|person| person.is_contact()).map(|person| person.name.clone());
        let Some(username) = own.or(contact) else { return Ok(()) };
        let reason = match change {
            Change { key: true, .. } => IdentityChange::Key,
            Change { device_added: true, .. } => IdentityChange::Device,
            Change { .. } => return Ok(()),
        };
        if change.key {
            self.people.change(work, *account, |person| {
                // Who was verified is somebody else now, as far as anybody can tell.
                person.key_changed |= person.verified.take().is_some();
            })?;
        }
        work.notice(NoticeKind::IdentityChanged { username, reason }).map(|_| ())
    }
}
