//! Messages that came in: shown, or held back until their author is accepted.

use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, MessageId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::State;
use super::changes::Target;
pub(in crate::engine) use super::changes::{Seen, seen_key};
use super::people::{Person, RequestCard, Standing};
use super::sayings::{Entered, Saying};
use super::streams::PeerStream;
use crate::engine::content::{Content, File};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{Conversation, FailureKind, MessageStatus, NoticeKind, Request, Trouble};
use crate::engine::limits::{HELD_MESSAGES_MAX, PREVIEW_CHARS_MAX, REQUESTS_MAX};
use crate::store::{HistoryChange, Table};

/// A message of somebody, as its session and content tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Arrival {
    #[serde(rename = "c")]
    pub(in crate::engine) conversation: AccountId,
    #[serde(rename = "a")]
    pub(in crate::engine) author: DeviceAddress,
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
    #[serde(rename = "p")]
    pub(in crate::engine) counter: u64,
    #[serde(rename = "t")]
    pub(in crate::engine) time_ms: u64,
    #[serde(rename = "x", default)]
    pub(in crate::engine) text: Option<String>,
    /// A content that this version can't show (SPEC 8.6.2).
    #[serde(rename = "u", default)]
    pub(in crate::engine) unknown: Option<ByteBuf>,
    #[serde(rename = "r", default)]
    pub(in crate::engine) reply_to: Option<MessageId>,
    #[serde(rename = "f", default)]
    pub(in crate::engine) file: Option<Box<File>>,
    #[serde(rename = "e", default)]
    pub(in crate::engine) expires_in_ms: Option<u64>,
}

/// Which stream position an unread message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Unread {
    #[serde(rename = "d")]
    pub(in crate::engine) device: DeviceId,
    #[serde(rename = "c")]
    pub(in crate::engine) counter: u64,
}

/// `conversation ‖ order u64`.
pub(in crate::engine) fn unread_key(conversation: &AccountId, order: u64) -> Vec<u8> {
    [&conversation.0[..], &order.to_be_bytes()].concat()
}

fn held_key(account: &AccountId, place: u16) -> Vec<u8> {
    [&account.0[..], &place.to_be_bytes()].concat()
}

impl State {
    /// Puts a message into the history and announces it.
    pub(in crate::engine) fn show(&mut self, work: &mut Work<'_>, arrival: Arrival) -> Result<(), EngineError> {
        let Some(me) = &self.me else { return Ok(()) };
        let (own_name, own_account) = (me.name.clone(), me.account());
        let Some(peer) = self.name_of(&arrival.conversation) else { return Ok(()) };
        let outgoing = arrival.author.account == own_account;
        let status = if outgoing { MessageStatus::Sent } else { MessageStatus::Delivered };
        let (from, to) = if outgoing { (own_name, peer.to_string()) } else { (peer, own_name.to_string()) };
        let Arrival { conversation, author, id, counter, time_ms, text, unknown, reply_to, file, expires_in_ms } =
            arrival;
        let target = Target::direct(conversation, author.account, id);
        let saying = Saying { text, unknown, reply_to, file, expires_in_ms };
        let order =
            self.enter(work, Entered { target, from, to, outgoing, status, time_ms, announced: true, saying })?;
        if !outgoing {
            let unread = Unread { device: author.device, counter };
            work.save(Table::Received, &unread_key(&conversation, order), &unread)?;
        }
        Ok(())
    }

    /// Holds a stranger's message back; the first one is announced as a request.
    pub(in crate::engine) fn hold(&mut self, work: &mut Work<'_>, arrival: &Arrival) -> Result<(), EngineError> {
        let account = arrival.conversation;
        let Some(person) = self.people.get(&account) else { return Ok(()) };
        let held = person.request.as_ref().map_or(0, |card| card.held);
        let first = person.request.is_none();
        let name = person.name.clone();
        if !self.has_room_for(person) {
            work.trouble(Trouble::Overflow);
            return Ok(());
        }
        work.save(Table::Held, &held_key(&account, held), arrival)?;
        Target::direct(account, arrival.author.account, arrival.id).remember(work, 0)?;
        if first {
            let preview: String = arrival.text.as_deref().unwrap_or_default().chars().take(PREVIEW_CHARS_MAX).collect();
            let timestamp_ms = arrival.time_ms;
            let request = Request { username: name, preview: preview.clone(), timestamp_ms };
            let order = work.notice(NoticeKind::Request(request))?;
            let card = RequestCard { preview, timestamp_ms, order, held: 1 };
            return self.people.change(work, account, |person| person.request = Some(card));
        }
        self.people.change(work, account, |person| {
            if let Some(card) = &mut person.request {
                card.held = card.held.saturating_add(1);
            }
        })
    }

    /// Whether one more message of a stranger can be held back.
    pub(in crate::engine) fn has_room_for(&self, stranger: &Person) -> bool {
        match &stranger.request {
            Some(card) => card.held < HELD_MESSAGES_MAX,
            None => self.people.open_requests() < REQUESTS_MAX,
        }
    }

    /// Accepts somebody: what was held back arrives, in order.
    pub(in crate::engine) fn accept(&mut self, work: &mut Work<'_>, account: AccountId) -> Result<(), EngineError> {
        if self.people.get(&account).is_none_or(|person| person.standing == Standing::Accepted) {
            return Ok(());
        }
        let held = self.take_held(work, &account)?;
        self.people.change(work, account, |person| {
            person.standing = Standing::Accepted;
            person.request = None;
        })?;
        self.announce_conversation(work, account);
        self.contacts_changed(work);
        self.post_profile(work, account)?;
        for arrival in held {
            self.show(work, arrival)?;
        }
        self.schedule_receipt(work, account);
        Ok(())
    }

    /// Takes what was held back of somebody out of the records.
    pub(in crate::engine) fn take_held(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
    ) -> Result<Vec<Arrival>, EngineError> {
        let mut held = Vec::new();
        for (key, value) in work.scan(Table::Held, &account.0, None, usize::MAX) {
            held.push(crate::engine::context::decode(Table::Held, &value)?);
            work.delete(Table::Held, &key);
        }
        Ok(held)
    }

    /// What was held back of somebody is not wanted: it counts as missing from now on, so that no receipt
    /// ever claims it.
    pub(in crate::engine) fn drop_held(&mut self, work: &mut Work<'_>, account: &AccountId) -> Result<(), EngineError> {
        for Arrival { conversation, author, id, counter, .. } in self.take_held(work, account)? {
            let mut stream = PeerStream::load(work, &conversation, &author)?;
            stream.lose(counter);
            stream.save(work, &conversation, &author)?;
            // If it comes once more when its author is wanted, it is shown as new.
            work.delete(Table::Seen, &seen_key(&conversation, &author.account, &id));
        }
        Ok(())
    }

    /// Tells somebody that the request was accepted.
    pub(in crate::engine) fn post_acceptance(
        &mut self,
        work: &mut Work<'_>,
        account: AccountId,
    ) -> Result<(), EngineError> {
        self.post(work, account, &Content::Accepted).map(|_| ())
    }

    /// Names the conversation for the history.
    pub(in crate::engine) fn announce_conversation(&self, work: &mut Work<'_>, account: AccountId) {
        if let Some(name) = self.name_of(&account) {
            work.history(HistoryChange::Named { conversation: Conversation::Direct(account), name: name.to_string() });
        }
    }

    /// Why nothing may be sent to a known account now.
    pub(in crate::engine) fn keeps_from_writing(&self, account: &AccountId) -> Option<FailureKind> {
        let person = self.people.get(account)?;
        if person.blocked {
            return Some(FailureKind::Blocked);
        }
        person.is_doubtful().then_some(FailureKind::KeyChanged)
    }

    /// The name of the other side of a conversation.
    pub(in crate::engine) fn name_of(&self, account: &AccountId) -> Option<chat_wire::ids::UserName> {
        let own = self.me.as_ref().filter(|me| me.account() == *account).map(|me| me.name.clone());
        own.or_else(|| self.people.get(account).map(|person: &Person| person.name.clone()))
    }
}
